"""How elementwise ops are declared: a kernel's name, a line of documentation, the gradient rules.

The kernels are found by name (csrc/kernels/elementwise.h). A rule sees whole tensors; what
broadcasting spread out is summed back by the engine.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import DTypeError, GradError
from flambeau.core.notices import warn
from flambeau.core.registry import op
from flambeau.core.tensor import Tensor


def of(*values):
    """The first tensor among the operands: it decides the device."""
    for value in values:
        if isinstance(value, Tensor):
            return value
    raise TypeError(f"argument 'input' (position 1) must be Tensor, not {type(values[0]).__name__}")


def require_tensors(function, /, **arguments):
    """Raises TypeError for the first argument of the function that is no tensor."""
    for name, value in arguments.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{function}(): argument '{name}' must be Tensor, not {type(value).__name__}"
            )


def require_operands(function, /, **arguments):
    """The same for the first arguments of an operation, whose position the error tells too."""
    for position, (name, value) in enumerate(arguments.items(), 1):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{function}(): argument '{name}' (position {position}) must be Tensor, not"
                f" {type(value).__name__}"
            )


def tensor_of(value, like):
    """The operand as a tensor: a number takes the dtype of `like`."""
    return value if isinstance(value, Tensor) else _C.full((), value, like.dtype)


def number_tensor(number):
    """A number as a 0-dim tensor of the dtype that its kind has by default.

    Raises:
        TypeError: if it is no number.
    """
    return _C.scalar_tensor(number, _C.result_type([_C.full((), False, _C.bool), number]))


def operands(input, other):
    """Two operands, the first made a tensor if none is one."""
    if isinstance(input, Tensor) or isinstance(other, Tensor):
        return input, other
    return number_tensor(input), other


def conj(value):
    """The conjugate, for gradients of holomorphic functions; real values as they are."""
    if isinstance(value, Tensor):
        return value.conj() if value.dtype.is_complex else value
    return value.conjugate() if isinstance(value, complex) else value


def named(node, result):
    """The new tensor `result` of composed operations, whose node is called as that of torch's one.

    Args:
        node: the name, such as "PolarBackward0".
        result: a tensor that the last of the operations has just made.
    """
    if result.grad_fn is not None:
        _C.rename_node(result.grad_fn, node)
    return result


def stored(name, result, out, exact=False):
    """The result of a function, in the tensor or tensors given as `out=` if there are any.

    An output takes the result's sizes.

    Args:
        name: the function's, for errors.
        result: a tensor or a tuple of tensors.
        out: what the user gave.
        exact: an output has the dtype of the result, not one it can be cast to.

    Raises:
        RuntimeError: if an output requires gradients, or cannot hold the result's dtype.
    """
    if out is None:
        return result
    if isinstance(result, tuple):
        if not isinstance(out, (tuple, list)) or len(out) != len(result):
            raise TypeError(f"{name}(): argument 'out' must be a tuple of {len(result)} Tensors")
        made = [stored(name, x, o, exact) for x, o in zip(result, out, strict=True)]
        return type(result)(made)
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if _C.is_grad_enabled() and (out.requires_grad or result.requires_grad):
        raise GradError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if exact and result.dtype != out.dtype:
        raise DTypeError(
            f"{name}: Expected out tensor to have dtype {result.dtype.name}, but got"
            f" {out.dtype.name} instead"
        )
    if not _C.can_cast(result.dtype, out.dtype):
        raise DTypeError(
            f"{name}: result type {result.dtype.name} can't be cast to the desired output type"
            f" {out.dtype.name}"
        )
    if out.shape != result.shape:
        if out._numel:
            warn(
                "An output with one or more elements was resized since it had shape"
                f" {list(out.shape)}, which does not match the required output shape"
                f" {list(result.shape)}. This behavior is deprecated."
            )
        out.resize_(result.shape)
    return out.copy_(result)


def zeros(g):
    """The gradient of a function that is constant almost everywhere."""
    return g.new_zeros(g.shape)


def numpy(name):
    """The reference `numpy.<name>`, as the suite over the registry takes it."""
    return lambda np, *arguments: getattr(np, name)(*arguments)


def scipy(name):
    """The reference `scipy.special.<name>`."""

    def reference(np, *arguments):
        import scipy.special

        return getattr(scipy.special, name)(*arguments)

    return reference


_OF_ONE = """{doc}

    Args:
        input: {takes}, any sizes.

    Returns:
        A {result} of these sizes{floats}.
{raises}
    Example:
        >>> flambeau.{name}({call})
        {printed}
    """

_OF_TWO = """{doc}

    Args:
        input: a tensor or a number; {takes}.
        other: likewise{unless}; both broadcast, and dtypes are promoted.

    Returns:
        A {result} of the sizes that they broadcast to{floats}.

    Raises:
        RuntimeError: if the sizes do not broadcast{others}.

    Example:
        >>> flambeau.{name}({call})
        {printed}
    """

_ANY = "any dtype"
_RAISES = """
    Raises:
        RuntimeError: for other dtypes.
"""


def _document(forward, template, name, takes, floats, example, **words):
    """Fills in the docstring of a declared op."""
    *given, printed = example
    forward.__name__ = name
    forward.__doc__ = template.format(
        name=name,
        takes=takes,
        floats="; bool and integers give floats" if floats else "",
        raises="" if takes == _ANY else _RAISES,
        others="" if takes == _ANY else ", or for other dtypes",
        call=_call(given),
        printed=printed,
        **words,
    )


def _call(values):
    """The arguments of an example: lists stand for tensors."""
    return ", ".join(f"flambeau.tensor({v})" if v.startswith("[") else v for v in values)


#: What an op returns; predicates and comparisons have their own words.
_RESULT, BOOLS = "new tensor", "bool tensor"


def unary(
    name,
    doc,
    vjp=None,
    *,
    example,
    takes=_ANY,
    floats=False,
    result=_RESULT,
    domain=(-3.0, 3.0),
    methods=None,
    **info,
):
    """Declares an op of one tensor, whose kernel has the same name.

    Args:
        name: the op and its kernel.
        doc: what it computes, in a sentence.
        vjp: the gradient rule, if it is differentiable.
        example: a list as text, and how the result prints.
        takes: for the documentation, the dtypes of the input.
        floats: for the documentation, whether integers give floating results.
        result: for the documentation, what is returned.
        domain: the interval of valid inputs.
        methods: names as methods of Tensor, if not the op's own.
        info: the rest goes to `registry.op`.
    """

    def forward(input):
        return kernels(of(input)).unary(name, input)

    _document(forward, _OF_ONE, name, takes, floats, example, doc=doc, result=result)
    target = op(
        forward,
        methods=(name,) if methods is None else methods,
        inplace=info.pop("inplace", True),
        native=name,
        native_arity=1,
        domain=domain,
        elementwise=True,
        **info,
    )
    if vjp is not None:
        target.vjp("input")(vjp)
    return target


def predicate(name, doc, **info):
    """Declares an op of one tensor whose result is bool."""
    return unary(name, doc, inplace=False, result=BOOLS, **info)


def binary(
    name,
    doc,
    vjp=None,
    *,
    example,
    takes=_ANY,
    floats=False,
    result=_RESULT,
    domain=(-3.0, 3.0),
    methods=None,
    numbers=False,
    **info,
):
    """Declares an op of two operands, each a tensor or a number; `vjp` is the pair of rules.

    With `numbers`, both may be numbers. `example` is two operands as text, lists for tensors, and
    how the result prints.
    """

    def forward(input, other):
        if numbers:
            input, other = operands(input, other)
        return kernels(of(input, other)).binary(name, input, other)

    words = {"result": result, "unless": "" if numbers else ", unless the first is a number"}
    _document(forward, _OF_TWO, name, takes, floats, example, doc=doc, **words)
    target = op(
        forward,
        methods=(name,) if methods is None else methods,
        inplace=info.pop("inplace", True),
        native=name,
        native_arity=2,
        domain=domain,
        arity=2,
        elementwise=True,
        **info,
    )
    if vjp is not None:
        for argument, rule in zip(("input", "other"), vjp, strict=True):
            target.vjp(argument)(rule)
    return target


def fast(target, **rules):
    """Adds fused backwards: `fast(tanh, input=lambda g, out: ...)`."""
    for argument, rule in rules.items():
        target.fast_vjp(argument)(rule)
    return target


def operators(symbol):
    """The three methods of a Python operator: `__add__`, `__radd__`, `__iadd__`."""
    return f"__{symbol}__", f"__r{symbol}__", f"__i{symbol}__"


def integers(low=-8, high=8):
    """Samples of two integer tensors that broadcast."""

    def samples(s):
        for a, b in (((5,), (5,)), ((2, 3), (3,)), ((2, 1), (1, 4)), ((), (3,)), ((0,), (0,))):
            yield s(
                s.tensor(*a, low=low, high=high, dtype=_C.int64),
                s.tensor(*b, low=low, high=high, dtype=_C.int64),
            )

    return samples


#: The shapes of an activation's samples.
ACTIVATION_SHAPES = ((), (5,), (0,), (2, 3), (2, 3, 4))


def activation_calls(*parameters):
    """Samples of an activation: each shape, and each tuple of parameters."""

    def samples(s):
        for shape in ACTIVATION_SHAPES:
            yield s(s.tensor(*shape, low=-4.0, high=4.0))
        for given in parameters:
            yield s(s.tensor(3, 4, low=-4.0, high=4.0), *given)

    return samples


def activation(name, parameters=(), **info):
    """Registers a forward whose further arguments are the parameters of its kernel."""

    def register(forward):
        info.setdefault("samples", activation_calls(*parameters))
        info.setdefault("public", False)
        target = op(forward, name=name, native=name, native_arity=1, elementwise=True, **info)
        # In torch these are functions only, so the in-place form is no method either.
        target.inplace = _C.make_variant(target, True, False, False)
        target.info.inplace = True
        return target

    return register


def inplace_form(target):
    """`elu_` for `elu`: the function with inplace=True."""

    def form(input, *arguments, **options):
        return target(input, *arguments, inplace=True, **options)

    form.__name__ = form.__qualname__ = target.__name__ + "_"
    form.__doc__ = f"In-place form of `{target.__name__}`: overwrites the input and returns it."
    return form
