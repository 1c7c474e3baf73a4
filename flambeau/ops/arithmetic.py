"""Sums, differences, products, quotients, remainders; and the same fused, of three operands."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import binary, conj, named, numpy, of, operands, operators, zeros

# ---- two operands ----


def _check_alpha(dtype, alpha):
    if isinstance(alpha, float) and not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number."
        )
    if isinstance(alpha, complex) and not dtype.is_complex:
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number."
        )


def _scaled(input, other, alpha, name):
    """input + alpha * other in one pass where floats allow it."""
    dtype = _C.result_type([input, other])
    _check_alpha(dtype, alpha)
    if dtype is _C.bool:
        alpha = bool(alpha)
    k = kernels(of(input, other))
    if isinstance(other, Tensor) and other.dtype is _C.bool and dtype is not _C.bool:
        other = k.cast(other, dtype)
    if dtype.is_floating_point:
        return k.binary("add_scaled", input, other, alpha if name == "add" else -alpha)
    return k.binary(name, input, k.binary("mul", other, alpha))


def _write_scaled(input, other, alpha, name):
    """The same into the memory of input."""
    dtype = _C.result_type([input, other])
    _check_alpha(dtype, alpha)
    k = kernels(input)
    if dtype.is_floating_point:
        k.binary_into("add_scaled", input, input, other, alpha if name == "add" else -alpha)
    else:
        k.binary_into(name, input, input, k.binary("mul", other, alpha))


@op(
    methods=("add", *operators("add")),
    inplace=True,
    native="add",
    native_arity=2,
    domain=(-3.0, 3.0),
    arity=2,
    elementwise=True,
    reference=numpy("add"),
)
def add(input, other, *, alpha=1):
    """input + alpha * other, broadcasting.

    Args:
        input: a tensor or a number; any dtype.
        other: likewise; both broadcast, and dtypes are promoted.
        alpha: factor of `other`.

    Returns:
        A new tensor of the promoted dtype.

    Raises:
        RuntimeError: if the shapes do not broadcast, or alpha is a float and the operands are not.

    Example:
        >>> flambeau.add(flambeau.tensor([1, 2]), 10)
        tensor([11, 12])
    """
    input, other = operands(input, other)
    if alpha == 1:
        return kernels(of(input, other)).binary("add", input, other)
    return _scaled(input, other, alpha, "add")


@add.writer
def _(input, other, alpha=1):
    _write_scaled(input, other, alpha, "add")


add.vjp("input")(lambda g: g)
add.vjp("other")(lambda g, alpha: g if alpha == 1 else g * conj(alpha))


@op(
    overloads={"input number": "RsubBackward1"},
    methods=("sub", *operators("sub")),
    aliases=("subtract",),
    inplace=True,
    native="sub",
    native_arity=2,
    domain=(-3.0, 3.0),
    arity=2,
    elementwise=True,
    reference=numpy("subtract"),
)
def sub(input, other, *, alpha=1):
    """input - alpha * other, broadcasting.

    Args:
        input: a tensor or a number; any dtype but bool.
        other: likewise; both broadcast, and dtypes are promoted.
        alpha: factor of `other`.

    Returns:
        A new tensor of the promoted dtype.

    Raises:
        RuntimeError: for bool tensors, which have no difference.

    Example:
        >>> flambeau.sub(flambeau.tensor([1, 2]), 1)
        tensor([0, 1])
    """
    input, other = operands(input, other)
    if alpha == 1:
        return kernels(of(input, other)).binary("sub", input, other)
    return _scaled(input, other, alpha, "sub")


@sub.writer
def _(input, other, alpha=1):
    _write_scaled(input, other, alpha, "sub")


sub.vjp("input")(lambda g: g)
sub.vjp("other")(lambda g, alpha: -g if alpha == 1 else g * -conj(alpha))


@function
def rsub(input, other, *, alpha=1):
    """The subtraction the other way round: other - alpha * input.

    Args:
        input: any dtype but bool.
        other: a tensor or a number; the two broadcast, and dtypes are promoted.
        alpha: a number.

    Raises:
        RuntimeError: for bool tensors, or if the sizes do not broadcast.

    Example:
        >>> flambeau.rsub(flambeau.tensor([1, 2]), 10)
        tensor([9, 8])
    """
    return named("RsubBackward0", sub(other, input, alpha=alpha))


mul = binary(
    "mul",
    "input * other, broadcasting.",
    (lambda g, other: g * conj(other), lambda g, input: g * conj(input)),
    methods=("mul", *operators("mul")),
    aliases=("multiply",),
    numbers=True,
    reference=numpy("multiply"),
    example=("[1, 2]", "3", "tensor([3, 6])"),
)


_ROUNDED_DIVISIONS = {None: "div", "trunc": "trunc_divide", "floor": "floor_divide"}


@op(
    overloads={"rounding_mode given": "DivBackward2", "input number": "MulBackward0"},
    methods=("div", *operators("truediv")),
    aliases=("divide", "true_divide"),
    inplace=True,
    native="div",
    native_arity=2,
    domain=(0.5, 3.0),
    arity=2,
    elementwise=True,
    reference=numpy("divide"),
)
def div(input, other, *, rounding_mode=None):
    """input / other, broadcasting; integers give floats unless a rounding mode is named.

    Args:
        input: a tensor or a number; any dtype.
        other: likewise; both broadcast, and dtypes are promoted.
        rounding_mode: None, "trunc" (towards zero) or "floor".

    Returns:
        A new tensor.

    Raises:
        RuntimeError: for another rounding mode, or an integer division by zero.

    Example:
        >>> flambeau.div(flambeau.tensor([4., 9.]), 2)
        tensor([2.0000, 4.5000])
    """
    input, other = operands(input, other)
    kernel = _ROUNDED_DIVISIONS.get(rounding_mode)
    if kernel is None:
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found"
            f" '{rounding_mode}'"
        )
    return kernels(of(input, other)).binary(kernel, input, other)


@div.vjp("input")
def _(g, other, rounding_mode):
    return g / conj(other) if rounding_mode is None else zeros(g)


@div.vjp("other")
def _(g, input, other, rounding_mode):
    # Not by means of the quotient itself: programs may go on to change it in place.
    return -g * conj(input / other / other) if rounding_mode is None else zeros(g)


floor_divide = binary(
    "floor_divide",
    "The quotient rounded down; integers stay integers.",
    methods=("floor_divide", *operators("floordiv")),
    domain=(0.5, 9.0),
    numbers=True,
    reference=numpy("floor_divide"),
    example=("[7, -7]", "2", "tensor([ 3, -4])"),
    takes="any dtype but bool and complex",
)
remainder = binary(
    "remainder",
    "The remainder of Python's `%`, which has the sign of other.",
    (lambda g: g, lambda g, input, other: -g * floor_divide(input, other)),
    methods=("remainder", *operators("mod")),
    overloads={"other tensor": "RemainderBackward1"},
    domain=(0.5, 9.0),
    reference=numpy("remainder"),
    example=("[7, -7]", "3", "tensor([1, 2])"),
    takes="any dtype but bool and complex",
)
fmod = binary(
    "fmod",
    "The remainder of C's fmod, which has the sign of input.",
    (lambda g: g, lambda g, input, other: -g * div(input, other, rounding_mode="trunc")),
    overloads={"other tensor": "FmodBackward1"},
    domain=(0.5, 9.0),
    reference=numpy("fmod"),
    example=("[7, -7]", "3", "tensor([ 1, -1])"),
    takes="any dtype but bool and complex",
)


# ---- three operands ----


def _three(s, low=-2.0, high=2.0):
    for shapes in (((2, 3),) * 3, ((2, 1), (3,), (1, 1)), ((), (), ()), ((0,), (0,), (0,))):
        yield s(*(s.tensor(*shape, low=low, high=high) for shape in shapes))


@op(methods=("addcmul",), inplace=True, native="addcmul", native_arity=3, samples=_three)
def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 * tensor2, broadcasting.

    Args:
        input: any dtype but bool; all three broadcast.
        tensor1: a factor.
        tensor2: another.
        value: factor of the product.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: if the sizes do not broadcast.

    Example:
        >>> flambeau.addcmul(flambeau.tensor([1.]), flambeau.tensor([2.]), flambeau.tensor([3.]))
        tensor([7.])
    """
    return kernels(of(input)).ternary("addcmul", input, tensor1, tensor2, value)


addcmul.vjp("input")(lambda g: g)
addcmul.vjp("tensor1")(lambda g, tensor2, value: g * conj(tensor2 * value))
addcmul.vjp("tensor2")(lambda g, tensor1, value: g * conj(tensor1 * value))


@op(methods=("addcdiv",), inplace=True, samples=lambda s: _three(s, 0.5, 2.0))
def addcdiv(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 / tensor2, broadcasting.

    Args:
        input: floating or complex; all three broadcast.
        tensor1: what is divided.
        tensor2: what it is divided by.
        value: factor of the quotient.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: for integers.

    Example:
        >>> flambeau.addcdiv(flambeau.tensor([1.]), flambeau.tensor([6.]), flambeau.tensor([3.]))
        tensor([3.])
    """
    dtype = _C.result_type([input, tensor1, tensor2])
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(
            "addcdiv: Integer division with addcdiv is no longer supported; convert to floats, or"
            " use input + value * torch.trunc(tensor1 / tensor2)"
        )
    return kernels(of(input)).ternary("addcdiv", input, tensor1, tensor2, value)


addcdiv.vjp("input")(lambda g: g)
addcdiv.vjp("tensor1")(lambda g, tensor2, value: g * conj(value / tensor2))
addcdiv.vjp("tensor2")(
    lambda g, tensor1, tensor2, value: -g * conj(value * tensor1 / (tensor2 * tensor2))
)


@op(overloads={"weight tensor": "LerpBackward1"}, methods=("lerp",), inplace=True, samples=_three)
def lerp(input, end, weight):
    """input + weight * (end - input): exactly `end` where weight is 1.

    Args:
        input: floating or complex; all broadcast.
        end: a tensor of the same dtype.
        weight: a number, or a tensor of the same dtype.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: if the dtypes differ.

    Example:
        >>> flambeau.lerp(flambeau.tensor([1., 2.]), flambeau.tensor([3., 4.]), 0.5)
        tensor([2., 3.])
    """
    of(input), of(end)
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise NotImplementedError(f"lerp: not implemented for {input.dtype}")
    for name, value in (("end", end), ("weight", weight)):
        if isinstance(value, Tensor) and value.dtype is not input.dtype:
            raise RuntimeError(
                f"lerp: expected dtype {input.dtype} for `{name}` but got dtype {value.dtype}"
            )
    return kernels(input).ternary("lerp", input, end, weight)


lerp.vjp("input")(lambda g, weight: g * conj(1 - weight))
lerp.vjp("end")(lambda g, weight: g * conj(weight))
lerp.vjp("weight")(lambda g, input, end: g * conj(end - input))
