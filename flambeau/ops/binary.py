"""Powers and other functions of two variables."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import checked, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import binary, conj, named, numpy, of, operators, scipy, tensor_of, zeros
from flambeau.ops.arithmetic import mul
from flambeau.ops.comparison import eq, le, logical_and
from flambeau.ops.masks import where
from flambeau.ops.unary import exp, exp2, log

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
        input: a tensor or a number; any dtype, but not both of bool.
        exponent: a tensor or a number; the two broadcast, and dtypes are promoted.

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

    Args:
        input: a tensor or a number.
        exponent: a tensor or a number; the two broadcast.
        out: a float64 or complex128 tensor for the result.

    Raises:
        RuntimeError: if the sizes do not broadcast.

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

    Args:
        input: any dtype.
        other: integers or floating; the two broadcast.
        out: a tensor for the result.

    Raises:
        RuntimeError: if the sizes do not broadcast.

    Example:
        >>> flambeau.ldexp(flambeau.tensor([1.]), flambeau.tensor([3]))
        tensor([8.])
    """
    return named("LdexpBackward0", mul(input, _power_of_two(input, other), out=out))


def _power_of_two(input, other):
    """2**other; integers become numbers of the input's kind, in whose range they count."""
    if isinstance(other, Tensor) and not (other.is_floating_point() or other.is_complex()):
        dtype = input.dtype.to_real() if input.is_complex() else input.dtype
        other = other.to(dtype if dtype.is_floating_point else _C.get_default_dtype())
    return pow(2.0, other)


def _ldexp_(self, other):
    """In-place form of `ldexp`."""
    return named("LdexpBackward0", self.mul_(_power_of_two(self, other)))


_ldexp_.__name__ = _ldexp_.__qualname__ = "ldexp_"
Tensor.ldexp_ = checked(_ldexp_)


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
    takes="any dtype but complex",
    floats=True,
)
hypot = binary(
    "hypot",
    "The length of the hypotenuse, without overflow on the way.",
    (lambda g, input, out: g * (input / out), lambda g, other, out: g * (other / out)),
    reference=numpy("hypot"),
    example=("[3.]", "[4.]", "tensor([5.])"),
    takes="floating",
)
copysign = binary(
    "copysign",
    "The magnitude of input with the sign of other.",
    (lambda g, input, out: g * (out / where(input == 0, 1.0, input)), lambda g: zeros(g)),
    overloads={"other number": "CopysignBackward1"},
    reference=numpy("copysign"),
    example=("[1., 2.]", "[-1., 0.]", "tensor([-1.,  2.])"),
    takes="any dtype but complex",
    floats=True,
)
nextafter = binary(
    "nextafter",
    "The neighbouring float of input in the direction of other.",
    reference=numpy("nextafter"),
    example=("[0.]", "[1.]", "tensor([1.4013e-45])"),
    takes="floating",
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
    takes="floating or complex",
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
    takes="floating",
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
    takes="any dtype but complex",
    floats=True,
)
heaviside = binary(
    "heaviside",
    "0 below zero, 1 above, and `other` at zero.",
    synonyms={"values": "other"},
    reference=numpy("heaviside"),
    example=("[-1., 0., 2.]", "[0.5]", "tensor([0.0000, 0.5000, 1.0000])"),
    exact_out=True,
    takes="any dtype but complex",
)
