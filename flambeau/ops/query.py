"""Questions about tensors and dtypes: plain functions, nothing is recorded."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.registry import function
from flambeau.core.tensor import Tensor


def _question(name, doc, example, printed):
    """A method of Tensor as a function."""
    method = getattr(Tensor, name)

    def ask(input):
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor,"
                f" not {type(input).__name__}"
            )
        return method(input)

    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = f"""{doc}

    Args:
        input: a tensor; anything else is a TypeError.

    Example:
        >>> flambeau.{name}({example})
        {printed}
    """
    return function(ask)


is_floating_point = _question(
    "is_floating_point", "Whether the elements are real floats.", "flambeau.tensor(1j)", False
)
is_complex = _question(
    "is_complex", "Whether the elements are complex.", "flambeau.tensor(1j)", True
)
is_signed = _question(
    "is_signed",
    "Whether the dtype has negative numbers.",
    "flambeau.zeros(1, dtype=flambeau.uint8)",
    False,
)
is_nonzero = _question(
    "is_nonzero",
    "The truth value of the only element; a RuntimeError if there are more, or none.",
    "flambeau.tensor([[0.5]])",
    True,
)
is_inference = _question(
    "is_inference", "Whether the tensor was made in inference mode.", "flambeau.ones(1)", False
)
is_conj = _question(
    "is_conj",
    "Whether the tensor is a view that conjugates what it shows.",
    "flambeau.tensor(1j).conj()",
    True,
)
is_neg = _question(
    "is_neg",
    "Whether the tensor is a view that negates what it shows.",
    "flambeau.tensor(1j).conj().imag",
    True,
)
numel = _question("numel", "The number of elements.", "flambeau.zeros(2, 3)", 6)
get_device = _question(
    "get_device", "The number of the GPU, or -1 for the CPU.", "flambeau.ones(1)", -1
)


@function()
def is_same_size(input, other):
    """Whether both have the same sizes; dtypes do not count.

    Args:
        input: a tensor.
        other: a tensor.

    Example:
        >>> flambeau.is_same_size(flambeau.zeros(2, 1), flambeau.ones(2))
        False
    """
    return input.shape == other.shape


def _require_dtype(op, **named):
    for place, (name, value) in enumerate(named.items(), 1):
        if not isinstance(value, _C.dtype):
            raise TypeError(
                f"{op}(): argument '{name}' (position {place}) must be torch.dtype, not"
                f" {type(value).__name__}"
            )


@function()
def is_distributed(input):
    """False: tensors are in one process.

    Args:
        input: a tensor.

    Example:
        >>> flambeau.is_distributed(flambeau.ones(2))
        False
    """
    return input.is_distributed()


@function()
def is_vulkan_available():
    """False: there are no kernels for Vulkan.

    Example:
        >>> flambeau.is_vulkan_available()
        False
    """
    return False


@function()
def promote_types(type1, type2):
    """The smallest dtype that both convert to.

    Args:
        type1: a dtype.
        type2: a dtype.

    Raises:
        TypeError: if one is no dtype.

    Example:
        >>> flambeau.promote_types(flambeau.int32, flambeau.float16)
        torch.float16
    """
    _require_dtype("promote_types", type1=type1, type2=type2)
    return _C.promote(type1, type2)


@function()
def can_cast(from_, to):
    """Whether an operation may write results of one dtype into a tensor of the other.

    Only what would lose a kind of number is refused: complex to real, floating to integer, numbers
    to bool.

    Args:
        from_: the dtype of the results.
        to: that of the tensor.

    Raises:
        TypeError: if one is no dtype.

    Example:
        >>> flambeau.can_cast(flambeau.int64, flambeau.float16)
        True
        >>> flambeau.can_cast(flambeau.float16, flambeau.int64)
        False
    """
    _require_dtype("can_cast", from_=from_, to=to)
    return _C.can_cast(from_, to)


@function()
def result_type(tensor1, tensor2):
    """The dtype that arithmetic on the two, tensors or numbers, would give.

    Args:
        tensor1: a tensor or a number.
        tensor2: a tensor or a number; tensors of axes go before those without, and these before
            numbers, unless the kind (bool, integer, floating, complex) is a higher one.

    Example:
        >>> flambeau.result_type(flambeau.tensor([1]), 2.5)
        torch.float32
    """
    return _C.result_type([tensor1, tensor2])


@function()
def typename(obj):
    """The name of an object's type; of a tensor, its legacy type.

    Args:
        obj: anything.

    Example:
        >>> flambeau.typename(flambeau.ones(1))
        'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = getattr(obj, "__module__", None) or ""
    name = getattr(obj, "__qualname__", None) or kind.__qualname__
    return name if module in ("", "builtins") else f"{module}.{name}"


# ---- comparing tensors ----
