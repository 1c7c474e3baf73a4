"""Rectified linear units and their kin, with the signatures of torch.nn.functional.

The op under each of them takes numbers as parameters of its kernel and has a fused backward; the
function around it chooses the in-place form.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import checked, function, op
from flambeau.ops._declare import activation, conj, inplace_form, of
from flambeau.ops.masks import where
from flambeau.ops.unary import exp
from flambeau.ops.unary import relu as _relu

# ---- piecewise linear ----


def relu(input, inplace=False):
    """max(input, 0).

    Args:
        input: any dtype but bool and complex, any sizes.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.relu(flambeau.tensor([-1., 2.]))
        tensor([0., 2.])
    """
    return _relu.inplace(input) if inplace else _relu(input)


@activation(
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
        input: floating, any sizes.
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
    of(input), of(weight)
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


@function
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu whose slope is drawn from [lower, upper] for each element, in training.

    Args:
        input: floating, any sizes.
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
    of(input)
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


# ---- exponential below zero ----


@activation(
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
        input: floating, any sizes.
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
        input: floating, any sizes.
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
        input: floating, any sizes.
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


# ---- in-place forms ----

celu_ = function(inplace_form(celu))
elu_ = checked(inplace_form(elu))
leaky_relu_ = checked(inplace_form(leaky_relu))
relu_ = function(inplace_form(relu))
rrelu_ = function(inplace_form(rrelu))
selu_ = function(inplace_form(selu))
