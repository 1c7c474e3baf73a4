"""Functions of one variable: signs, rounding, elementary and special functions."""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import conj, fast, numpy, of, scipy, unary, zeros
from flambeau.ops.comparison import logical_not
from flambeau.ops.masks import where

_LN2 = math.log(2)
_LN10 = math.log(10)

# ---- signs and parts ----

neg = unary(
    "neg",
    "-input.",
    lambda g: -g,
    methods=("neg", "__neg__"),
    aliases=("negative",),
    reference=numpy("negative"),
    example=("[1, -2]", "tensor([-1,  2])"),
    exact_out=True,
    takes="any dtype but bool",
)
sgn = unary(
    "sgn",
    "The sign, for complex numbers input / |input|; 0 for zero.",
    reference=numpy("sign"),
    example=("[-2., 0., 3.]", "tensor([-1.,  0.,  1.])"),
    exact_out=True,
)
abs = unary(
    "abs",
    "The magnitude; the gradient at zero is zero.",
    lambda g, input: g * sgn(input),
    methods=("abs", "__abs__"),
    aliases=("absolute",),
    reference=numpy("abs"),
    example=("[-1, 2]", "tensor([1, 2])"),
    takes="any dtype but bool",
)
sign = unary(
    "sign",
    "-1, 0 or 1; 0 for NaN.",
    lambda g: zeros(g),
    reference=numpy("sign"),
    example=("[-2., 0., 3.]", "tensor([-1.,  0.,  1.])"),
    exact_out=True,
    takes="any dtype but complex",
)


@sgn.vjp("input")
def _(g, input, out):
    if not input.dtype.is_complex:
        return zeros(g)
    along = out * (conj(g) * out).real  # the part of g that changes only the magnitude
    return where(input == 0, 0.0, (g - along) / abs(input))


@function(methods=("positive", "__pos__"))
def positive(input):
    """The input itself: what `+x` is.

    Args:
        input: any dtype but bool.

    Raises:
        RuntimeError: if it is of bool.

    Example:
        >>> x = flambeau.tensor([1, -2])
        >>> flambeau.positive(x) is x
        True
    """
    if input.dtype is _C.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


angle = unary(
    "angle",
    "The argument of a complex number; 0 or pi for real ones.",
    inplace=False,
    reference=numpy("angle"),
    example=("[-1., 1.]", "tensor([3.1416, 0.0000])"),
    floats=True,
)


@angle.vjp("input")
def _(g, input):
    if not input.dtype.is_complex:
        return zeros(g)
    size = abs(input)
    return where(input == 0, 0.0, g * (input * 1j) / (size * size))


# ---- rounding ----


def _rounding(name, doc, printed, **info):
    example = ("[-1.5, 0.5, 2.7]", printed)
    info.setdefault("reference", numpy(name))
    takes = "any dtype but bool and complex"
    return unary(name, doc, lambda g: zeros(g), example=example, takes=takes, **info)


ceil = _rounding(
    "ceil", "The smallest integer not below input.", "tensor([-1.,  1.,  3.])", exact_out=True
)
floor = _rounding(
    "floor", "The largest integer not above input.", "tensor([-2.,  0.,  2.])", exact_out=True
)
trunc = _rounding(
    "trunc",
    "The integer next to input towards zero.",
    "tensor([-1.,  0.,  2.])",
    aliases=("fix",),
    exact_out=True,
)


@op(
    overloads={"decimals given": "RoundBackward1"},
    methods=("round",),
    inplace=True,
    native="round",
    native_arity=1,
    domain=(-3.0, 3.0),
    elementwise=True,
    reference=numpy("round"),
    exact_out=True,
)
def round(input, *, decimals=0):
    """The nearest integer, of two equally near the even one; or multiple of 10**-decimals.

    Args:
        input: any dtype but bool and complex.
        decimals: decimal places to keep; negative ones round to tens, hundreds, ...

    Returns:
        A new tensor.

    Raises:
        NotImplementedError: for complex numbers, and with `decimals` for integers.

    Example:
        >>> flambeau.round(flambeau.tensor([0.5, 1.5, 2.7]))
        tensor([0., 2., 3.])
    """
    if decimals == 0:
        return kernels(of(input)).unary("round", input)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"round: decimals= is not implemented for {input.dtype}")
    factor = 10.0 ** (decimals if decimals > 0 else -decimals)
    return kernels(input).unary("round_decimals", input, factor, decimals < 0)


round.vjp("input")(lambda g: zeros(g))
frac = unary(
    "frac",
    "The fraction: input - trunc(input).",
    lambda g: g,
    example=("[1.5, -0.5]", "tensor([ 0.5000, -0.5000])"),
    exact_out=True,
    takes="floating",
)

# ---- powers, exponentials, logarithms ----


@op(
    backward_name="Pow",
    methods=("square",),
    inplace=True,
    domain=(-3.0, 3.0),
    elementwise=True,
    reference=numpy("square"),
)
def square(input):
    """input * input.

    Args:
        input: any dtype.

    Example:
        >>> flambeau.square(flambeau.tensor([2., -3.]))
        tensor([4., 9.])
    """
    k = kernels(of(input))
    return k.unary("square", k.cast(input, _C.int64) if input.dtype is _C.bool else input)


square.vjp("input")(lambda g, input: g * conj(input * 2))
reciprocal = unary(
    "reciprocal",
    "1 / input.",
    lambda g, out: -g * conj(out * out),
    domain=(0.3, 3.0),
    reference=numpy("reciprocal"),
    example=("[2., 4.]", "tensor([0.5000, 0.2500])"),
    floats=True,
)
sqrt = unary(
    "sqrt",
    "The square root.",
    lambda g, out: g / (2 * conj(out)),
    domain=(0.2, 3.0),
    reference=numpy("sqrt"),
    example=("[4., 9.]", "tensor([2., 3.])"),
    floats=True,
)
rsqrt = unary(
    "rsqrt",
    "1 / sqrt(input).",
    lambda g, out: -0.5 * g * conj(out * out * out),
    domain=(0.3, 3.0),
    example=("[4., 16.]", "tensor([0.5000, 0.2500])"),
    floats=True,
)
exp = unary(
    "exp",
    "e to the power of input.",
    lambda g, out: g * conj(out),
    reference=numpy("exp"),
    example=("[0., 1.]", "tensor([1.0000, 2.7183])"),
    floats=True,
)
exp2 = unary(
    "exp2",
    "2 to the power of input.",
    lambda g, out: g * conj(out * _LN2),
    reference=numpy("exp2"),
    example=("[1., 3.]", "tensor([2., 8.])"),
    floats=True,
)
expm1 = unary(
    "expm1",
    "exp(input) - 1, exact near zero.",
    lambda g, out: g * conj(out + 1),
    reference=numpy("expm1"),
    example=("[0., 1.]", "tensor([0.0000, 1.7183])"),
    floats=True,
)
log = unary(
    "log",
    "The natural logarithm.",
    lambda g, input: g / conj(input),
    domain=(0.2, 5.0),
    reference=numpy("log"),
    example=("[1., 10.]", "tensor([0.0000, 2.3026])"),
    floats=True,
)
log2 = unary(
    "log2",
    "The logarithm to base 2.",
    lambda g, input: g / conj(input * _LN2),
    domain=(0.2, 5.0),
    reference=numpy("log2"),
    example=("[2., 8.]", "tensor([1., 3.])"),
    floats=True,
)
log10 = unary(
    "log10",
    "The logarithm to base 10.",
    lambda g, input: g / conj(input * _LN10),
    domain=(0.2, 5.0),
    reference=numpy("log10"),
    example=("[10., 1000.]", "tensor([1., 3.])"),
    floats=True,
)
log1p = unary(
    "log1p",
    "log(1 + input), exact near zero.",
    lambda g, input: g / conj(input + 1),
    domain=(-0.8, 3.0),
    reference=numpy("log1p"),
    example=("[0., 1.]", "tensor([0.0000, 0.6931])"),
    floats=True,
)

# ---- trigonometry ----

sin = unary(
    "sin",
    "The sine of an angle in radians.",
    lambda g, input: g * conj(cos(input)),
    reference=numpy("sin"),
    example=("[0., 1.]", "tensor([0.0000, 0.8415])"),
    floats=True,
)
cos = unary(
    "cos",
    "The cosine of an angle in radians.",
    lambda g, input: -g * conj(sin(input)),
    reference=numpy("cos"),
    example=("[0., 1.]", "tensor([1.0000, 0.5403])"),
    floats=True,
)
tan = unary(
    "tan",
    "The tangent of an angle in radians.",
    lambda g, out: g * conj(1 + out * out),
    domain=(-1.2, 1.2),
    reference=numpy("tan"),
    example=("[0., 1.]", "tensor([0.0000, 1.5574])"),
    floats=True,
)
asin = unary(
    "asin",
    "The angle whose sine is input.",
    lambda g, input: g * conj(rsqrt(1 - input * input)),
    domain=(-0.9, 0.9),
    aliases=("arcsin",),
    reference=numpy("arcsin"),
    example=("[0., 1.]", "tensor([0.0000, 1.5708])"),
    floats=True,
)
acos = unary(
    "acos",
    "The angle whose cosine is input.",
    lambda g, input: -g * conj(rsqrt(1 - input * input)),
    domain=(-0.9, 0.9),
    aliases=("arccos",),
    reference=numpy("arccos"),
    example=("[0., 1.]", "tensor([1.5708, 0.0000])"),
    floats=True,
)
atan = unary(
    "atan",
    "The angle whose tangent is input.",
    lambda g, input: g / conj(1 + input * input),
    aliases=("arctan",),
    reference=numpy("arctan"),
    example=("[0., 1.]", "tensor([0.0000, 0.7854])"),
    floats=True,
)
sinh = unary(
    "sinh",
    "The hyperbolic sine.",
    lambda g, input: g * conj(cosh(input)),
    reference=numpy("sinh"),
    example=("[0., 1.]", "tensor([0.0000, 1.1752])"),
    floats=True,
)
cosh = unary(
    "cosh",
    "The hyperbolic cosine.",
    lambda g, input: g * conj(sinh(input)),
    reference=numpy("cosh"),
    example=("[0., 1.]", "tensor([1.0000, 1.5431])"),
    floats=True,
)
tanh = fast(
    unary(
        "tanh",
        "The hyperbolic tangent.",
        lambda g, out: g * conj(1 - out * out),
        reference=numpy("tanh"),
        example=("[0., 1.]", "tensor([0.0000, 0.7616])"),
        floats=True,
    ),
    input=lambda g, out: (
        g * conj(1 - out * out)
        if out.dtype.is_complex
        else kernels(g).binary("tanh_backward", g, out)
    ),
)
asinh = unary(
    "asinh",
    "The inverse of sinh.",
    lambda g, input: g * conj(rsqrt(input * input + 1)),
    aliases=("arcsinh",),
    reference=numpy("arcsinh"),
    example=("[0., 1.]", "tensor([0.0000, 0.8814])"),
    floats=True,
)
acosh = unary(
    "acosh",
    "The inverse of cosh.",
    lambda g, input: g * conj(rsqrt(input - 1) * rsqrt(input + 1)),
    domain=(1.2, 4.0),
    aliases=("arccosh",),
    reference=numpy("arccosh"),
    example=("[1., 2.]", "tensor([0.0000, 1.3170])"),
    floats=True,
)
atanh = unary(
    "atanh",
    "The inverse of tanh.",
    lambda g, input: g / conj(1 - input * input),
    domain=(-0.9, 0.9),
    aliases=("arctanh",),
    reference=numpy("arctanh"),
    example=("[0., 0.5]", "tensor([0.0000, 0.5493])"),
    floats=True,
)
sinc = unary(
    "sinc",
    "sin(pi input) / (pi input), and 1 at zero.",
    reference=numpy("sinc"),
    example=("[0., 0.5]", "tensor([1.0000, 0.6366])"),
    floats=True,
)


@sinc.vjp("input")
def _(g, input):
    zero = input == 0
    scaled = where(zero, 1.0, input) * math.pi  # any value: its result is not used
    slope = (scaled * cos(scaled) - sin(scaled)) / (scaled * scaled) * math.pi
    return g * conj(where(zero, 0.0, slope))


deg2rad = unary(
    "deg2rad",
    "Degrees as radians.",
    lambda g: g * (math.pi / 180),
    reference=numpy("deg2rad"),
    example=("[180., 90.]", "tensor([3.1416, 1.5708])"),
    takes="any dtype but complex",
    floats=True,
)
rad2deg = unary(
    "rad2deg",
    "Radians as degrees.",
    lambda g: g * (180 / math.pi),
    reference=numpy("rad2deg"),
    example=("[0.]", "tensor([0.])"),
    takes="any dtype but complex",
    floats=True,
)

# ---- special functions ----

erf = unary(
    "erf",
    "The error function.",
    lambda g, input: g * exp(-input * input) * (2 / math.sqrt(math.pi)),
    reference=scipy("erf"),
    example=("[0., 1.]", "tensor([0.0000, 0.8427])"),
    takes="any dtype but complex",
    floats=True,
)
erfc = unary(
    "erfc",
    "1 - erf(input), exact where it is small.",
    lambda g, input: g * exp(-input * input) * (-2 / math.sqrt(math.pi)),
    reference=scipy("erfc"),
    example=("[0., 1.]", "tensor([1.0000, 0.1573])"),
    takes="any dtype but complex",
    floats=True,
)
erfinv = unary(
    "erfinv",
    "The inverse of erf.",
    lambda g, out: g * exp(out * out) * (math.sqrt(math.pi) / 2),
    domain=(-0.95, 0.95),
    reference=scipy("erfinv"),
    example=("[0., 0.5]", "tensor([0.0000, 0.4769])"),
    takes="any dtype but complex",
    floats=True,
)
lgamma = unary(
    "lgamma",
    "The logarithm of the magnitude of the gamma function.",
    lambda g, input: g * digamma(input),
    domain=(0.3, 4.0),
    reference=scipy("gammaln"),
    example=("[1., 4.]", "tensor([0.0000, 1.7918])"),
    takes="any dtype but complex",
    floats=True,
)
digamma = unary(
    "digamma",
    "The derivative of lgamma.",
    lambda g, input: g * polygamma(1, input),
    domain=(0.3, 4.0),
    reference=scipy("digamma"),
    example=("[1., 2.]", "tensor([-0.5772,  0.4228])"),
    takes="any dtype but complex",
    floats=True,
)


def _polygamma_samples(s):
    for n in (1, 2):
        for shape in ((5,), (2, 3), (), (0,)):
            yield s(n, s.tensor(*shape, low=0.5, high=4.0))


@op(out=True, samples=_polygamma_samples, reference=scipy("polygamma"))
def polygamma(n, input):
    """The n-th derivative of digamma.

    Args:
        n: the order, at least 0.
        input: any dtype but complex; bool and integers give floats.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: for a negative order.

    Example:
        >>> flambeau.polygamma(1, flambeau.tensor([1., 2.]))
        tensor([1.6449, 0.6449])
    """
    k = kernels(of(input))
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    if n == 0:
        return k.unary("digamma", input)
    size = math.factorial(n) if n <= 170 else math.inf  # 171! leaves float64
    factor = size * (1.0 if n % 2 else -1.0)
    return k.binary("mul", k.binary("zeta", n + 1.0, input), factor)


polygamma.vjp("input")(lambda g, n, input: g * polygamma(n + 1, input))


def _polygamma_method(self, n):
    """The n-th derivative of digamma: `polygamma(n, self)`.

    Args:
        n: the order, at least 0.

    Raises:
        RuntimeError: if the order is negative.

    Example:
        >>> flambeau.tensor([1.0]).polygamma(1)  # pi^2 / 6
        tensor([1.6449])
    """
    return polygamma(n, self)


Tensor.polygamma = _polygamma_method

sigmoid = fast(
    unary(
        "sigmoid",
        "1 / (1 + exp(-input)).",
        lambda g, out: g * conj(out * (1 - out)),
        reference=scipy("expit"),
        example=("[0., 1.]", "tensor([0.5000, 0.7311])"),
        floats=True,
    ),
    input=lambda g, out: (
        g * conj(out * (1 - out))
        if out.dtype.is_complex
        else kernels(g).binary("sigmoid_backward", g, out)
    ),
)


@op(methods=("logit",), inplace=True, domain=(0.1, 0.9), elementwise=True, reference=scipy("logit"))
def logit(input, eps=None):
    """log(input / (1 - input)), the inverse of sigmoid.

    Args:
        input: a tensor of probabilities.
        eps: if given, input is first brought into [eps, 1 - eps].

    Returns:
        A new tensor; NaN outside [0, 1] without eps.

    Example:
        >>> flambeau.logit(flambeau.tensor([0.5, 0.75]))
        tensor([0.0000, 1.0986])
    """
    low, high = (-math.inf, math.inf) if eps is None else (eps, 1 - eps)
    return kernels(of(input)).unary("logit", input, low, high)


@logit.vjp("input")
def _(g, input, eps):
    slope = g / (input * (1 - input))
    if eps is None:
        return where(logical_not((input >= 0) & (input <= 1)), math.nan, slope)
    return where((input < eps) | (input > 1 - eps), 0.0, slope)


# ---- relu, which everything uses ----

relu = fast(
    unary(
        "relu",
        "max(input, 0).",
        lambda g, out: where(out <= 0, 0.0, g),
        example=("[-1., 2.]", "tensor([0., 2.])"),
        takes="any dtype but bool and complex",
    ),
    input=lambda g, out: kernels(g).binary("threshold_backward", g, out, 0.0),
)
