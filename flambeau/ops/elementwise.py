"""Elementwise operations of two and three operands: arithmetic, comparisons, logic, bounds."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import FUNCTIONS, checked, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import (
    binary,
    conj,
    fast,
    integers,
    named,
    numpy,
    of,
    operands,
    operators,
    scipy,
    tensor_of,
    zeros,
)
from flambeau.ops.masks import where
from flambeau.ops.unary import exp, exp2, isnan, log
from flambeau.ops.unary import relu as relu

_conj = conj  # under this name for the other families

# ---- arithmetic ----


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
        input: a tensor or a number.
        other: a tensor or a number.
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
        input: a tensor or a number.
        other: a tensor or a number.
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
    """other - alpha * input.

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
        input: a tensor or a number.
        other: a tensor or a number.
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
)
fmod = binary(
    "fmod",
    "The remainder of C's fmod, which has the sign of input.",
    (lambda g: g, lambda g, input, other: -g * div(input, other, rounding_mode="trunc")),
    overloads={"other tensor": "FmodBackward1"},
    domain=(0.5, 9.0),
    reference=numpy("fmod"),
    example=("[7, -7]", "3", "tensor([ 1, -1])"),
)

# ---- powers ----


@op(
    backward_name="PowBackward1",
    overloads={"input number": "PowBackward2", "exponent number": "PowBackward0"},
    methods=("pow", *operators("pow")),
    inplace=True,
    native="pow",
    native_arity=2,
    domain=(0.3, 3.0),
    arity=2,
    elementwise=True,
    reference=numpy("power"),
)
def pow(input, exponent):
    """input to the power of exponent, broadcasting.

    Args:
        input: a tensor or a number.
        exponent: a tensor or a number.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: for integers and a negative number as exponent.

    Example:
        >>> flambeau.pow(flambeau.tensor([1., 2., 3.]), 2)
        tensor([1., 4., 9.])
    """
    return kernels(of(input, exponent)).binary("pow", input, exponent)


@pow.vjp("input")
def _(g, input, exponent):
    if not isinstance(exponent, Tensor):
        return zeros(g) if exponent == 0 else g * conj(exponent * pow(input, exponent - 1))
    slope = conj(exponent * pow(input, exponent - 1))
    return where(exponent == 0, 0.0, g * slope)


@pow.vjp("exponent")
def _(g, input, exponent, out):
    if not isinstance(input, Tensor):
        logarithm = _number_log(input)
        slope = g * conj(out * logarithm)
        return where(exponent >= 0, 0.0, slope) if input == 0 else slope
    slope = g * conj(out * log(input))
    zero = input == 0
    if not exponent.dtype.is_complex:
        zero = logical_and(zero, exponent >= 0)
    return where(zero, 0.0, slope)


def _number_log(value):
    import cmath
    import math

    if isinstance(value, complex):
        return cmath.log(value)
    return math.log(value) if value > 0 else -math.inf if value == 0 else math.nan


@function(methods=("float_power",))
def float_power(input, exponent, *, out=None):
    """input to the power of exponent, computed in float64 or complex128.

    Example:
        >>> flambeau.float_power(flambeau.tensor([2]), 2)
        tensor([4.], dtype=torch.float64)
    """
    dtype = _C.result_type([input, exponent])
    wide = _C.complex128 if dtype.is_complex else _C.float64

    def widened(value):
        return value.to(wide) if isinstance(value, Tensor) else _C.scalar_tensor(value, wide)

    return pow(widened(input), widened(exponent), out=out)


@function(methods=("ldexp",))
def ldexp(input, other, *, out=None):
    """input * 2**other.

    Example:
        >>> flambeau.ldexp(flambeau.tensor([1.]), flambeau.tensor([3]))
        tensor([8.])
    """
    return mul(input, _power_of_two(input, other), out=out)


def _power_of_two(input, other):
    """2**other; integers become numbers of the input's kind, in whose range they count."""
    if isinstance(other, Tensor) and not (other.is_floating_point() or other.is_complex()):
        dtype = input.dtype.to_real() if input.is_complex() else input.dtype
        other = other.to(dtype if dtype.is_floating_point else _C.get_default_dtype())
    return pow(2.0, other)


def _ldexp_(self, other):
    """In-place form of `ldexp`."""
    return self.mul_(_power_of_two(self, other))


Tensor.ldexp_ = checked(_ldexp_)

# ---- the larger and the smaller ----


def _extreme_rule(below):
    """The plain rule of maximum (`below` is lt) or minimum (gt): halves where both are equal."""

    def rule(g, input, other):
        shared = where(eq(input, other), g / 2, g)
        return where(below(input, other), 0.0, shared)

    return rule


def _flipped(rule):
    return lambda g, input, other: rule(g, other, input)


def _fused_extreme(target):
    kernel = f"{target.name}_backward"
    return fast(
        target,
        input=lambda g, input, other: kernels(g).ternary(kernel, g, input, other),
        other=lambda g, input, other: kernels(g).ternary(kernel, g, other, input),
    )


_maximum_rule = _extreme_rule(lambda a, b: lt(a, b))
_minimum_rule = _extreme_rule(lambda a, b: gt(a, b))
maximum = _fused_extreme(
    binary(
        "maximum",
        "The larger of both; NaN where either is NaN.",
        (_maximum_rule, _flipped(_maximum_rule)),
        inplace=False,
        reference=numpy("maximum"),
        example=("[1, 4]", "[3, 2]", "tensor([3, 4])"),
    )
)
minimum = _fused_extreme(
    binary(
        "minimum",
        "The smaller of both; NaN where either is NaN.",
        (_minimum_rule, _flipped(_minimum_rule)),
        inplace=False,
        reference=numpy("minimum"),
        example=("[1, 4]", "[3, 2]", "tensor([1, 2])"),
    )
)


def _first(compare, input, other):
    """Where fmax and fmin take their first operand."""
    return logical_or(compare(input, other), isnan(other))


fmax = binary(
    "fmax",
    "The larger of both; a NaN only where both are NaN.",
    (
        lambda g, input, other: where(_first(ge, input, tensor_of(other, g)), g, 0.0),
        lambda g, input, other: where(_first(ge, input, other), 0.0, g),
    ),
    inplace=False,
    reference=numpy("fmax"),
    example=("[1., 4.]", "[3., 2.]", "tensor([3., 4.])"),
)
fmin = binary(
    "fmin",
    "The smaller of both; a NaN only where both are NaN.",
    (
        lambda g, input, other: where(_first(le, input, tensor_of(other, g)), g, 0.0),
        lambda g, input, other: where(_first(le, input, other), 0.0, g),
    ),
    inplace=False,
    reference=numpy("fmin"),
    example=("[1., 4.]", "[3., 2.]", "tensor([1., 2.])"),
)

# ---- functions of two variables ----


def _inverse_square(input, other):
    """1 / (input² + other²); 0 at the origin, which has no angle."""
    square = input * input + other * other
    return where(square == 0, 0.0, 1 / square)


atan2 = binary(
    "atan2",
    "The angle of the point (other, input).",
    (
        lambda g, input, other: g * (other * _inverse_square(input, other)),
        lambda g, input, other: g * (-input * _inverse_square(input, other)),
    ),
    aliases=("arctan2",),
    reference=numpy("arctan2"),
    example=("[0., 1.]", "[1., 1.]", "tensor([0.0000, 0.7854])"),
)
hypot = binary(
    "hypot",
    "The length of the hypotenuse, without overflow on the way.",
    (lambda g, input, out: g * (input / out), lambda g, other, out: g * (other / out)),
    reference=numpy("hypot"),
    example=("[3.]", "[4.]", "tensor([5.])"),
)
copysign = binary(
    "copysign",
    "The magnitude of input with the sign of other.",
    (lambda g, input, out: where(input == 0, 0.0, g * (out / input)), lambda g: zeros(g)),
    overloads={"other number": "CopysignBackward1"},
    reference=numpy("copysign"),
    example=("[1., 2.]", "[-1., 0.]", "tensor([-1.,  2.])"),
)
nextafter = binary(
    "nextafter",
    "The neighbouring float of input in the direction of other.",
    reference=numpy("nextafter"),
)
logaddexp = binary(
    "logaddexp",
    "log(exp(input) + exp(other)), without overflow on the way.",
    (
        lambda g, input, other: g / conj(1 + exp(other - input)),
        lambda g, input, other: g / conj(1 + exp(input - other)),
    ),
    inplace=False,
    reference=numpy("logaddexp"),
    example=("[0.]", "[0.]", "tensor([0.6931])"),
)
logaddexp2 = binary(
    "logaddexp2",
    "log2(2**input + 2**other), without overflow on the way.",
    (
        lambda g, input, other: g / (1 + exp2(other - input)),
        lambda g, input, other: g / (1 + exp2(input - other)),
    ),
    inplace=False,
    reference=numpy("logaddexp2"),
    example=("[0.]", "[0.]", "tensor([1.])"),
)


def _log_or_zero(g, input, other):
    return where(logical_and(eq(input, 0), le(other, 0)), 0.0, g * log(other))


xlogy = binary(
    "xlogy",
    "input * log(other), with 0 where input is 0 (unless other is NaN).",
    (
        lambda g, input, other: _log_or_zero(g, input, tensor_of(other, g)),
        lambda g, input, other: g * input / other,
    ),
    domain=(0.3, 3.0),
    overloads={"input number": "XlogyBackward1", "other number": "XlogyBackward2"},
    reference=scipy("xlogy"),
    example=("[0., 2.]", "[0., 1.]", "tensor([0., 0.])"),
)
heaviside = binary(
    "heaviside",
    "0 below zero, 1 above, and `other` at zero.",
    synonyms={"values": "other"},
    reference=numpy("heaviside"),
    example=("[-1., 0., 2.]", "[0.5]", "tensor([0.0000, 0.5000, 1.0000])"),
    exact_out=True,
)

# ---- integers ----

gcd = binary(
    "gcd",
    "The greatest common divisor.",
    samples=integers(),
    reference=numpy("gcd"),
    example=("[4, 6]", "[6, 9]", "tensor([2, 3])"),
)
lcm = binary(
    "lcm",
    "The least common multiple.",
    samples=integers(),
    reference=numpy("lcm"),
    example=("[4, 6]", "[6, 9]", "tensor([12, 18])"),
)
bitwise_and = binary(
    "bitwise_and",
    "The bits that both have.",
    methods=("bitwise_and", *operators("and")),
    samples=integers(),
    reference=numpy("bitwise_and"),
    example=("[6]", "[3]", "tensor([2])"),
)
bitwise_or = binary(
    "bitwise_or",
    "The bits that either has.",
    methods=("bitwise_or", *operators("or")),
    samples=integers(),
    reference=numpy("bitwise_or"),
    example=("[6]", "[3]", "tensor([7])"),
)
bitwise_xor = binary(
    "bitwise_xor",
    "The bits that one of both has.",
    methods=("bitwise_xor", *operators("xor")),
    samples=integers(),
    reference=numpy("bitwise_xor"),
    example=("[6]", "[3]", "tensor([5])"),
)
bitwise_left_shift = binary(
    "bitwise_left_shift",
    "The bits moved to the left; all of them leave where other is negative or too large.",
    methods=("bitwise_left_shift", *operators("lshift")),
    samples=integers(0, 8),
    reference=numpy("left_shift"),
    example=("[1, 3]", "2", "tensor([ 4, 12])"),
)
bitwise_right_shift = binary(
    "bitwise_right_shift",
    "The bits moved to the right, the sign kept; all of them leave where other is too large.",
    methods=("bitwise_right_shift", *operators("rshift")),
    samples=integers(0, 8),
    reference=numpy("right_shift"),
    example=("[4, 12]", "2", "tensor([1, 3])"),
)

# ---- comparisons and logic ----


def _comparison(name, sign, numpy_name):
    return binary(
        name,
        f"True where input {sign} other.",
        methods=(name, f"__{name}__"),
        aliases=() if numpy_name == "equal" else (numpy_name,),
        reference=numpy(numpy_name),
    )


eq = _comparison("eq", "==", "equal")
ne = _comparison("ne", "!=", "not_equal")
lt = _comparison("lt", "<", "less")
le = _comparison("le", "<=", "less_equal")
gt = _comparison("gt", ">", "greater")
ge = _comparison("ge", ">=", "greater_equal")

logical_and = binary("logical_and", "True where both are non-zero.", reference=numpy("logical_and"))
logical_or = binary("logical_or", "True where either is non-zero.", reference=numpy("logical_or"))
logical_xor = binary(
    "logical_xor", "True where one of both is non-zero.", reference=numpy("logical_xor")
)


@op(methods=("isclose",), out=False, domain=(-3.0, 3.0), arity=2, elementwise=True)
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """True where |input - other| <= atol + rtol * |other|.

    Args:
        input: a tensor.
        other: a tensor of the same dtype.
        rtol: relative tolerance, not negative.
        atol: absolute tolerance, not negative.
        equal_nan: whether two NaNs are close.

    Returns:
        A tensor of bools.

    Raises:
        RuntimeError: for different dtypes or a negative tolerance.

    Example:
        >>> flambeau.isclose(flambeau.tensor([1., 2.]), flambeau.tensor([1.000001, 3.]))
        tensor([ True, False])
    """
    of(input), of(other)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(
            f"isclose: rtol and atol must be greater than or equal to zero, but got {rtol}, {atol}"
        )
    return kernels(input).binary("isclose", input, other, rtol, atol, equal_nan)


@function(methods=("allclose",))
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close; see `isclose`.

    Example:
        >>> flambeau.allclose(flambeau.tensor([1.]), flambeau.tensor([1.000001]))
        True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@function(methods=("equal",))
def equal(input, other):
    """Whether both tensors have the same sizes and elements.

    Example:
        >>> flambeau.equal(flambeau.tensor([1, 2]), flambeau.tensor([1, 2]))
        True
    """
    of(other)
    return kernels(of(input)).equal(input, other)


# ---- bounds ----


@op(
    backward_name="ClampBackward1",
    overloads={"min tensor": "ClampBackward0", "max tensor": "ClampBackward0"},
    methods=("clamp",),
    aliases=("clip",),
    inplace=True,
    native="clamp",
    native_arity=3,
    samples=lambda s: (
        s(s.tensor(2, 3), *bounds) for bounds in ((-1.0, 1.0), (None, 0.5), (-0.5,))
    ),
)
def clamp(input, min=None, max=None):
    """The elements brought into [min, max].

    Args:
        input: a tensor.
        min: a number, a tensor or None for no lower bound.
        max: a number, a tensor or None for no upper bound; it wins where it is below min.

    Returns:
        A new tensor; NaN where the element or a bound is NaN.

    Raises:
        RuntimeError: without any bound.

    Example:
        >>> flambeau.clamp(flambeau.tensor([-2., 0.5, 3.]), 0, 1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    k = kernels(of(input))
    if min is None:
        if max is None:
            raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
        return k.binary("minimum", input, max)
    if max is None:
        return k.binary("maximum", input, min)
    return k.ternary("clamp", input, min, max)


@clamp.vjp("input")
def _(g, input, min, max):
    if min is not None:
        g = where(ge(input, min), g, 0.0)
    return g if max is None else where(le(input, max), g, 0.0)


@clamp.fast_vjp("input")
def _(g, input, min, max):
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return clamp.info.rules[("input",)](g, input, min, max)
    low = float("-inf") if min is None else min
    high = float("inf") if max is None else max
    return kernels(g).binary("clamp_backward", g, input, low, high)


@clamp.vjp("min")
def _(g, input, min, max):
    below = lt(input, min)
    return where(below if max is None else logical_and(below, lt(min, max)), g, 0.0)


@clamp.vjp("max")
def _(g, input, min, max):
    above = gt(input, max)
    return where(above if min is None else logical_or(above, lt(max, min)), g, 0.0)


@op(
    overloads={"min tensor": "ClampMinBackward1"},
    methods=("clamp_min",),
    inplace=True,
    native="maximum",
    native_arity=2,
    domain=(-3.0, 3.0),
    arity=2,
    reference=numpy("maximum"),
)
def clamp_min(input, min):
    """The elements, at least `min`.

    Args:
        input: a tensor.
        min: a number or a tensor.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.clamp_min(flambeau.tensor([-2, 3]), 0)
        tensor([0, 3])
    """
    return kernels(of(input)).binary("maximum", input, min)


@op(
    overloads={"max tensor": "ClampMaxBackward1"},
    methods=("clamp_max",),
    inplace=True,
    native="minimum",
    native_arity=2,
    domain=(-3.0, 3.0),
    arity=2,
    reference=numpy("minimum"),
)
def clamp_max(input, max):
    """The elements, at most `max`.

    Args:
        input: a tensor.
        max: a number or a tensor.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.clamp_max(flambeau.tensor([-2, 3]), 0)
        tensor([-2,  0])
    """
    return kernels(of(input)).binary("minimum", input, max)


clamp_min.vjp("input")(lambda g, input, min: where(ge(input, min), g, 0.0))
clamp_min.vjp("min")(lambda g, input, min: where(lt(input, min), g, 0.0))
clamp_max.vjp("input")(lambda g, input, max: where(le(input, max), g, 0.0))
clamp_max.vjp("max")(lambda g, input, max: where(gt(input, max), g, 0.0))

# ---- three operands ----


def _three(s, low=-2.0, high=2.0):
    for shapes in (((2, 3),) * 3, ((2, 1), (3,), (1, 1)), ((), (), ()), ((0,), (0,), (0,))):
        yield s(*(s.tensor(*shape, low=low, high=high) for shape in shapes))


@op(methods=("addcmul",), inplace=True, native="addcmul", native_arity=3, samples=_three)
def addcmul(input, tensor1, tensor2, *, value=1):
    """input + value * tensor1 * tensor2, broadcasting.

    Args:
        input: a tensor.
        tensor1: a tensor.
        tensor2: a tensor.
        value: factor of the product.

    Returns:
        A new tensor.

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
        input: a tensor.
        tensor1: a tensor.
        tensor2: a tensor.
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
        input: a tensor.
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


@function(methods=("dist",))
def dist(input, other, p=2):
    """The p-norm of input - other, over all elements.

    Example:
        >>> flambeau.dist(flambeau.tensor([1., 2.]), flambeau.tensor([4., 6.]))
        tensor(5.)
    """
    return sub(input, other).norm(p)


# ---- in-place forms that are functions of the namespace too ----

# fmt: off
_INPLACE_FUNCTIONS = (
    "abs", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh",
    "asin", "asinh", "atan", "atanh", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "cos",
    "cosh", "deg2rad", "erf", "erfc", "exp", "exp2", "expm1", "fix", "floor", "frac", "gcd",
    "lcm", "ldexp", "log", "log10", "log1p", "log2", "logit", "nan_to_num", "neg", "negative",
    "rad2deg", "reciprocal", "round", "rsqrt", "sigmoid", "sin", "sinc", "sinh", "sqrt",
    "square", "tan", "tanh", "trunc", "xlogy",
)
# fmt: on
for _name in _INPLACE_FUNCTIONS:
    FUNCTIONS[_name + "_"] = getattr(Tensor, _name + "_")
