"""Activation functions, with the signatures of torch.nn.functional.

The op under each of them takes numbers as parameters of its kernel and has a fused backward; the
function around it chooses the in-place form.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import checked, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import conj, of, scipy
from flambeau.ops.elementwise import relu as _relu
from flambeau.ops.masks import where
from flambeau.ops.parts import slice as _slice
from flambeau.ops.unary import exp, sigmoid, tanh

_SHAPES = ((), (5,), (0,), (2, 3), (2, 3, 4))


def _calls(*parameters):
    """Samples: each shape, and each tuple of parameters."""

    def samples(s):
        for shape in _SHAPES:
            yield s(s.tensor(*shape, low=-4.0, high=4.0))
        for given in parameters:
            yield s(s.tensor(3, 4, low=-4.0, high=4.0), *given)

    return samples


def _activation(name, parameters=(), **info):
    """Registers a forward whose further arguments are the parameters of its kernel."""

    def register(forward):
        info.setdefault("samples", _calls(*parameters))
        info.setdefault("public", False)
        target = op(forward, name=name, native=name, native_arity=1, elementwise=True, **info)
        # In torch these are functions only, so the in-place form is no method either.
        target.inplace = _C.make_variant(target, True, False, False)
        target.info.inplace = True
        return target

    return register


def _check_tensor(input):
    if not isinstance(input, Tensor):
        raise TypeError(f"argument 'input' (position 1) must be Tensor, not {type(input).__name__}")


# ---- piecewise linear ----


def relu(input, inplace=False):
    """max(input, 0).

    Args:
        input: a tensor.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.relu(flambeau.tensor([-1., 2.]))
        tensor([0., 2.])
    """
    return _relu.inplace(input) if inplace else _relu(input)


@_activation(
    "leaky_relu",
    overloads={"randomized given": "RreluWithNoiseBackward0"},
    parameters=((0.2,), (-0.5,)),
)
def _leaky_relu(input, negative_slope=0.01, randomized=False):
    """input where it is positive, negative_slope * input elsewhere.

    Args:
        randomized: the slope is the mean of those that `rrelu` draws in training.
    """
    return kernels(of(input)).unary("leaky_relu", input, negative_slope)


@_leaky_relu.vjp("input")
def _(g, input, negative_slope):
    return where(input > 0, g, g * negative_slope)


@_leaky_relu.fast_vjp("input")
def _(g, input, negative_slope):
    return kernels(g).binary("leaky_relu_backward", g, input, negative_slope)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """input where it is positive, negative_slope * input elsewhere.

    Args:
        input: a tensor.
        negative_slope: the slope below zero.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.leaky_relu(flambeau.tensor([-1., 2.]), 0.1)
        tensor([-0.1000,  2.0000])
    """
    form = _leaky_relu.inplace if inplace else _leaky_relu
    return form(input, negative_slope)


@_activation("hardtanh", parameters=((-2.0, 0.5),))
def _hardtanh(input, min_val=-1.0, max_val=1.0):
    """input brought into [min_val, max_val]."""
    return kernels(of(input)).unary("hardtanh", input, min_val, max_val)


@_hardtanh.vjp("input")
def _(g, input, min_val, max_val):
    return where((input <= min_val) | (input >= max_val), 0.0, g)


@_hardtanh.fast_vjp("input")
def _(g, input, min_val, max_val):
    return kernels(g).binary("hardtanh_backward", g, input, min_val, max_val)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """input brought into [min_val, max_val].

    Args:
        input: a tensor.
        min_val: the lower bound.
        max_val: the upper bound.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Raises:
        ValueError: if min_val is above max_val.

    Example:
        >>> flambeau.nn.functional.hardtanh(flambeau.tensor([-3., 0.5, 3.]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError("hardtanh: min_val cannot be greater than max_val")
    _check_tensor(input)
    if not input.dtype.is_signed and min_val < 0:
        raise RuntimeError("hardtanh: cannot do hardtanh on an unsigned type with negative limits")
    form = _hardtanh.inplace if inplace else _hardtanh
    return form(input, min_val, max_val)


def relu6(input, inplace=False):
    """min(max(input, 0), 6).

    Args:
        input: a tensor.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.relu6(flambeau.tensor([-1., 2., 9.]))
        tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


@_activation("hardsigmoid")
def _hardsigmoid(input):
    """relu6(input + 3) / 6."""
    return kernels(of(input)).unary("hardsigmoid", input)


_hardsigmoid.vjp("input")(lambda g, input: where((input > -3) & (input < 3), g / 6, 0.0))
_hardsigmoid.fast_vjp("input")(lambda g, input: kernels(g).binary("hardsigmoid_backward", g, input))


def hardsigmoid(input, inplace=False):
    """relu6(input + 3) / 6: a piecewise linear sigmoid.

    Args:
        input: a tensor.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.hardsigmoid(flambeau.tensor([-4., 0., 3.]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return _hardsigmoid.inplace(input) if inplace else _hardsigmoid(input)


@_activation("hardswish")
def _hardswish(input):
    """input * relu6(input + 3) / 6."""
    return kernels(of(input)).unary("hardswish", input)


@_hardswish.vjp("input")
def _(g, input):
    inside = g * (input / 3 + 0.5)
    return where(input <= -3, 0.0, where(input < 3, inside, g))


_hardswish.fast_vjp("input")(lambda g, input: kernels(g).binary("hardswish_backward", g, input))


def hardswish(input, inplace=False):
    """input * relu6(input + 3) / 6: a silu without exponentials.

    Args:
        input: a tensor.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.hardswish(flambeau.tensor([-4., 1., 4.]))
        tensor([-0.0000, 0.6667, 4.0000])
    """
    return _hardswish.inplace(input) if inplace else _hardswish(input)


def _threshold_samples(s):
    for shape in _SHAPES:
        yield s(s.tensor(*shape), 0.3, 7.0)


@_activation("threshold", samples=_threshold_samples, public=True)
def _threshold(input, threshold, value):
    """input where it is above threshold, value elsewhere."""
    return kernels(of(input)).unary("threshold", input, threshold, value)


_threshold.vjp("input")(lambda g, input, threshold: where(input <= threshold, 0.0, g))
_threshold.fast_vjp("input")(
    lambda g, input, threshold: kernels(g).binary("threshold_backward", g, input, threshold)
)


def threshold(input, threshold, value, inplace=False):
    """input where it is above threshold, value elsewhere.

    Args:
        input: a tensor.
        threshold: what elements must exceed to stay.
        value: what replaces the others.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.threshold(flambeau.tensor([0.5, 2.]), 1., 0.)
        tensor([0., 2.])
    """
    form = _threshold.inplace if inplace else _threshold
    return form(input, threshold, value)


@op(name="softshrink", public=False, native="softshrink", native_arity=1, samples=_calls((1.5,)))
def _softshrink(input, lambd=0.5):
    """input moved by lambd towards zero, and zero within lambd of it."""
    return kernels(of(input)).unary("softshrink", input, lambd)


def softshrink(input, lambd=0.5, *, out=None):
    """input moved by lambd towards zero, and zero within lambd of it.

    Args:
        input: a tensor.
        lambd: how far, not negative.
        out: where to write the result.

    Returns:
        A new tensor, or `out`.

    Raises:
        RuntimeError: if lambd is negative.

    Example:
        >>> flambeau.nn.functional.softshrink(flambeau.tensor([-2., 0.3, 1.]))
        tensor([-1.5000,  0.0000,  0.5000])
    """
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must be greater or equal to 0, but found {lambd}")
    return _softshrink(input, lambd, out=out)


@op(methods=("hardshrink",), native="hardshrink", native_arity=1, samples=_calls((1.5,)))
def hardshrink(input, lambd=0.5):
    """input, and zero within lambd of zero.

    Args:
        input: a tensor.
        lambd: the half-width of the interval that becomes zero.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.nn.functional.hardshrink(flambeau.tensor([-2., 0.3, 1.]))
        tensor([-2.,  0.,  1.])
    """
    return kernels(of(input)).unary("hardshrink", input, lambd)


for _shrink in (_softshrink, hardshrink):
    _shrink.vjp("input")(
        lambda g, input, lambd: where((input >= -lambd) & (input <= lambd), 0.0, g)
    )
    _shrink.fast_vjp("input")(
        lambda g, input, lambd: kernels(g).binary("shrink_backward", g, input, lambd)
    )


def _prelu_samples(s):
    yield s(s.tensor(2, 3), s.tensor(1, 3))
    yield s(s.tensor(2, 3, 4), s.tensor(1, 3, 1))
    yield s(s.tensor(5), s.tensor(1))


@op(
    name="_prelu_kernel",
    backward_name="PreluKernel",
    public=False,
    samples=_prelu_samples,
    torch="",
)
def _prelu(input, weight):
    """prelu with the weight already in the shape that broadcasts."""
    return kernels(of(input)).binary("prelu", input, weight)


_prelu.vjp("input")(lambda g, input, weight: where(input > 0, g, g * weight))
_prelu.vjp("weight")(lambda g, input: where(input > 0, 0.0, g * input))
_prelu.fast_vjp("input")(
    lambda g, input, weight: kernels(g).ternary("prelu_backward", g, input, weight)
)
_prelu.fast_vjp("weight")(lambda g, input: kernels(g).binary("prelu_weight_backward", g, input))


@function(methods=("prelu",))
def prelu(input, weight):
    """input where it is positive, weight * input elsewhere.

    Args:
        input: a tensor; its second axis is the channels.
        weight: one number, or one per channel.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: if the weight does not fit the channels, or the dtypes differ.

    Example:
        >>> flambeau.prelu(flambeau.tensor([-1., 2.]), flambeau.tensor([0.5]))
        tensor([-0.5000,  2.0000])
    """
    _check_tensor(input), _check_tensor(weight)
    if input.dtype is not weight.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}"
        )
    if weight.ndim > 1:
        raise RuntimeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("prelu: Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if weight.numel() != channels:
            raise RuntimeError(
                "prelu: Mismatch of parameter numbers and input channel size. Found parameter"
                f" numbers = {weight.numel()} and channel size = {channels}."
            )
    if input.ndim > 1:
        weight = weight.reshape((1, weight.numel(), *(1 for _ in range(input.ndim - 2))))
    elif input.ndim == 0:
        weight = weight.reshape(())
    return _prelu(input, weight)


# ---- exponential ----


@_activation(
    "elu",
    overloads={"input_scale given": "CeluBackward0"},
    parameters=((2.0,), (1.5, 1.2, 0.7)),
    torch="_C._nn.elu",
)
def _elu(input, alpha=1.0, scale=1.0, input_scale=1.0):
    """scale * input where it is positive, scale * alpha * expm1(input_scale * input) elsewhere."""
    return kernels(of(input)).unary("elu", input, alpha, scale, input_scale)


@_elu.vjp("input")
def _(g, input, alpha, scale, input_scale):
    below = where(input < 0, input, 0.0)  # where its exponential is used
    slope = exp(below * input_scale) * (alpha * scale * input_scale)
    return where(input <= 0, g * slope, g * scale)


@_elu.fast_vjp("input")
def _(g, input, alpha, scale, input_scale):
    return kernels(g).binary("elu_backward", g, input, alpha, scale, input_scale)


def elu(input, alpha=1.0, inplace=False):
    """input where it is positive, alpha * (exp(input) - 1) elsewhere.

    Args:
        input: a tensor.
        alpha: the distance of the lower asymptote from zero.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.elu(flambeau.tensor([-1., 2.]))
        tensor([-0.6321,  2.0000])
    """
    return _elu.inplace(input, alpha) if inplace else _elu(input, alpha)


#: Chosen so that activations keep mean 0 and variance 1 (Klambauer et al. 2017).
_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


@function
def selu(input, inplace=False):
    """elu with the scales that keep activations normalised.

    Args:
        input: a tensor.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.selu(flambeau.tensor([-1., 2.]))
        tensor([-1.1113,  2.1014])
    """
    return _elu.inplace(input, *_SELU) if inplace else _elu(input, *_SELU)


@function
def celu(input, alpha=1.0, inplace=False):
    """input where it is positive, alpha * (exp(input / alpha) - 1) elsewhere.

    Args:
        input: a tensor.
        alpha: the distance of the lower asymptote from zero, not 0.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Raises:
        RuntimeError: if alpha is 0.

    Example:
        >>> flambeau.nn.functional.celu(flambeau.tensor([-1., 2.]), 0.5)
        tensor([-0.4323,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    form = _elu.inplace if inplace else _elu
    return form(input, alpha, 1.0, 1.0 / alpha)


@op(public=False, native="gelu", native_arity=1, samples=_calls(), elementwise=True)
def gelu(input, *, approximate="none"):
    """input * Phi(input), with the distribution function Phi of the normal distribution.

    Args:
        input: a tensor.
        approximate: "none", or "tanh" for the formula with tanh.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: for another approximation.

    Example:
        >>> flambeau.nn.functional.gelu(flambeau.tensor([-1., 2.]))
        tensor([-0.1587,  1.9545])
    """
    return kernels(of(input)).unary(_gelu_kernel(approximate), input)


def _gelu_kernel(approximate):
    if approximate == "none":
        return "gelu"
    if approximate == "tanh":
        return "gelu_tanh"
    raise RuntimeError("gelu: approximate argument must be either none or tanh.")


@gelu.vjp("input")
def _(g, input, approximate):
    if approximate == "none":
        distribution = ((input * 0.5**0.5).erf() + 1) * 0.5
        density = exp(input * input * -0.5) * _INVERSE_SQRT_2_PI
        return g * (distribution + input * density)
    # (1 + tanh(u)) / 2 is sigmoid(2u).
    square = input * input
    s = sigmoid(input * (square * _GELU_CUBIC + 1) * (4 * _INVERSE_SQRT_2_PI))
    slope = (square * (3 * _GELU_CUBIC) + 1) * (4 * _INVERSE_SQRT_2_PI)
    return g * s * (1 + input * slope * (1 - s))


@gelu.fast_vjp("input")
def _(g, input, approximate):
    return kernels(g).binary(_gelu_kernel(approximate) + "_backward", g, input)


_INVERSE_SQRT_2_PI = 0.3989422804014327
_GELU_CUBIC = 0.044715


@_activation("silu")
def _silu(input):
    """input * sigmoid(input)."""
    return kernels(of(input)).unary("silu", input)


@_silu.vjp("input")
def _(g, input):
    s = sigmoid(input)
    return g * conj(s * (1 + input * (1 - s)))


@_silu.fast_vjp("input")
def _(g, input):
    if input.dtype.is_complex:
        return _silu.info.rules[("input",)](g, input)
    return kernels(g).binary("silu_backward", g, input)


def silu(input, inplace=False):
    """input * sigmoid(input), also called swish.

    Args:
        input: a tensor.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.silu(flambeau.tensor([-1., 2.]))
        tensor([-0.2689,  1.7616])
    """
    return _silu.inplace(input) if inplace else _silu(input)


@_activation("mish")
def _mish(input):
    """input * tanh(softplus(input))."""
    return kernels(of(input)).unary("mish", input)


@_mish.vjp("input")
def _(g, input):
    t = tanh(softplus(input))
    return g * (t + input * sigmoid(input) * (1 - t * t))


_mish.fast_vjp("input")(lambda g, input: kernels(g).binary("mish_backward", g, input))


def mish(input, inplace=False):
    """input * tanh(softplus(input)).

    Args:
        input: a tensor.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.mish(flambeau.tensor([-1., 2.]))
        tensor([-0.3034,  1.9440])
    """
    return _mish.inplace(input) if inplace else _mish(input)


@op(
    public=False,
    native="softplus",
    native_arity=1,
    samples=_calls((2.0,), (2.0, 1.0)),
    elementwise=True,
)
def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta * input)) / beta, and input where beta * input is above threshold.

    Args:
        input: a tensor.
        beta: how sharply the function bends.
        threshold: from where on the function is taken as linear.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.nn.functional.softplus(flambeau.tensor([-1., 2.]))
        tensor([0.3133, 2.1269])
    """
    return kernels(of(input)).unary("softplus", input, beta, threshold)


@softplus.vjp("input")
def _(g, input, beta, threshold):
    scaled = input * beta
    return where(scaled > threshold, g, g * sigmoid(scaled))


@softplus.fast_vjp("input")
def _(g, input, beta, threshold):
    return kernels(g).binary("softplus_backward", g, input, beta, threshold)


@op(
    backward_name="LogSigmoid",
    public=False,
    native="logsigmoid",
    native_arity=1,
    samples=_calls(),
    reference=scipy("log_expit"),
)
def logsigmoid(input):
    """log(sigmoid(input)), without overflow on the way.

    Args:
        input: a tensor.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.nn.functional.logsigmoid(flambeau.tensor([-1., 2.]))
        tensor([-1.3133, -0.1269])
    """
    return kernels(of(input)).unary("logsigmoid", input)


logsigmoid.vjp("input")(lambda g, input: g * sigmoid(-input))
logsigmoid.fast_vjp("input")(lambda g, input: kernels(g).binary("logsigmoid_backward", g, input))


@op(
    backward_name="Div",
    public=False,
    native="softsign",
    native_arity=1,
    samples=_calls(),
    elementwise=True,
)
def softsign(input):
    """input / (1 + |input|).

    Args:
        input: a tensor.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.nn.functional.softsign(flambeau.tensor([-1., 3.]))
        tensor([-0.5000,  0.7500])
    """
    return kernels(of(input)).unary("softsign", input)


@softsign.vjp("input")
def _(g, input):
    bottom = input.abs() + 1
    if not input.dtype.is_complex:
        return g / (bottom * bottom)
    return g / bottom - input.sgn() * (conj(g) * input).real / (bottom * bottom)


@op(
    backward_name="Sub",
    public=False,
    native="tanhshrink",
    native_arity=1,
    samples=_calls(),
    elementwise=True,
)
def tanhshrink(input):
    """input - tanh(input).

    Args:
        input: a tensor.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.nn.functional.tanhshrink(flambeau.tensor([-1., 2.]))
        tensor([-0.2384,  1.0360])
    """
    return kernels(of(input)).unary("tanhshrink", input)


@tanhshrink.vjp("input")
def _(g, input):
    t = tanh(input)
    return g * conj(t * t)


def _fused_real(target, kernel):
    """Adds a fused backward that has no complex kernel."""
    plain = target.info.rules[("input",)]

    @target.fast_vjp("input")
    def _(g, input):
        return plain(g, input) if input.dtype.is_complex else kernels(g).binary(kernel, g, input)


_fused_real(softsign, "softsign_backward")
_fused_real(tanhshrink, "tanhshrink_backward")

# ---- gates and noise ----


@op(
    name="_mul_sigmoid",
    backward_name="Glu",
    public=False,
    torch="",
    domain=(-3.0, 3.0),
    arity=2,
)
def _mul_sigmoid(input, gate):
    """input * sigmoid(gate)."""
    return kernels(of(input)).binary("mul_sigmoid", input, gate)


@_mul_sigmoid.vjp("gate")
def _(g, input, gate):
    s = sigmoid(gate)
    return g * input * s * (1 - s)


_mul_sigmoid.vjp("input")(lambda g, gate: g * sigmoid(gate))
_mul_sigmoid.fast_vjp("input")(lambda g, gate: kernels(g).binary("mul_sigmoid", g, gate))
_mul_sigmoid.fast_vjp("gate")(
    lambda g, input, gate: kernels(g).ternary("mul_sigmoid_backward", g, input, gate)
)


@checked
def glu(input, dim=-1):
    """The first half of the input along `dim`, times the sigmoid of the second.

    Args:
        input: a tensor whose size along `dim` is even.
        dim: the axis to halve.

    Returns:
        A new tensor, half as long along `dim`.

    Raises:
        RuntimeError: for a 0-dim tensor or an odd size.

    Example:
        >>> flambeau.nn.functional.glu(flambeau.tensor([1., 2., 0., 0.]))
        tensor([0.5000, 1.0000])
    """
    _check_tensor(input)
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(
            f"glu: Halving dimension must be even, but dimension {dim % input.ndim} is size {size}"
        )
    half = size // 2
    return _mul_sigmoid(_slice(input, dim, 0, half), _slice(input, dim, half, size))


@function
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu whose slope is drawn from [lower, upper] for each element, in training.

    Args:
        input: a tensor.
        lower: the smallest slope.
        upper: the largest slope.
        training: draw slopes; otherwise the middle is used.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Raises:
        RuntimeError: if lower is above upper.

    Example:
        >>> flambeau.nn.functional.rrelu(flambeau.tensor([-1., 2.]), 0.25, 0.75)
        tensor([-0.5000,  2.0000])
    """
    if not lower <= upper:
        raise RuntimeError(
            "rrelu: Lower bound should be less than or equal to the upper bound, but got"
            f" {lower} and {upper}"
        )
    if not training:
        form = _leaky_relu.inplace if inplace else _leaky_relu
        return form(input, (lower + upper) / 2, True)
    _check_tensor(input)
    slopes = _random_slopes(input.detach(), lower, upper)
    form = _times_slopes.inplace if inplace else _times_slopes
    return form(input, slopes)


@op(
    name="_rrelu_with_slopes",
    backward_name="RreluWithNoise",
    public=False,
    torch="",
    native="mul",
    native_arity=2,
    domain=(-3.0, 3.0),
    arity=2,
    elementwise=True,
)
def _times_slopes(input, slopes):
    """input * slopes, the slope of each element."""
    return kernels(of(input)).binary("mul", input, slopes)


_times_slopes.inplace = _C.make_variant(_times_slopes, True, False, False)
_times_slopes.info.inplace = True
_times_slopes.vjp("input")(lambda g, slopes: g * conj(slopes))
_times_slopes.vjp("slopes")(lambda g, input: g * conj(input))


def _random_slopes(input, lower, upper):
    """1 for positive elements; the others draw from the generator in their order."""
    from flambeau.ops.creation import empty, ones_like

    if input.is_meta:
        return ones_like(input)
    flat = input <= 0
    drawn = empty(int(flat.sum()), dtype=_C.float64).uniform_(lower, upper)
    return ones_like(input).masked_scatter_(flat, drawn.to(input.dtype))


def _inplace_form(target):
    """`elu_` for `elu`: the function with inplace=True."""

    def form(input, *arguments, **options):
        return target(input, *arguments, inplace=True, **options)

    form.__name__ = form.__qualname__ = target.__name__ + "_"
    form.__doc__ = f"In-place form of `{target.__name__}`: overwrites the input and returns it."
    return form


celu_ = function(_inplace_form(celu))
elu_ = checked(_inplace_form(elu))
hardtanh_ = checked(_inplace_form(hardtanh))
leaky_relu_ = checked(_inplace_form(leaky_relu))
relu_ = function(_inplace_form(relu))
rrelu_ = function(_inplace_form(rrelu))
selu_ = function(_inplace_form(selu))
threshold_ = function(_inplace_form(threshold))
