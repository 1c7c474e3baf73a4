"""Smooth activations, and the gate made of a sigmoid, with the signatures of torch.nn.functional.

The op under each of them takes numbers as parameters of its kernel and has a fused backward; the
function around it chooses the in-place form.
"""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.registry import checked, op
from flambeau.ops._declare import activation, activation_calls, conj, of, scipy
from flambeau.ops.masks import where
from flambeau.ops.parts import slice as _slice
from flambeau.ops.unary import exp, sigmoid, tanh


@op(public=False, native="gelu", native_arity=1, samples=activation_calls(), elementwise=True)
def gelu(input, *, approximate="none"):
    """input * Phi(input), with the distribution function Phi of the normal distribution.

    Args:
        input: floating, any sizes.
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


@activation("silu")
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
        input: floating or complex, any sizes.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.silu(flambeau.tensor([-1., 2.]))
        tensor([-0.2689,  1.7616])
    """
    return _silu.inplace(input) if inplace else _silu(input)


@activation("mish")
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
        input: floating, any sizes.
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
    samples=activation_calls((2.0,), (2.0, 1.0)),
    elementwise=True,
)
def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta * input)) / beta, and input where beta * input is above threshold.

    Args:
        input: floating, any sizes.
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
    samples=activation_calls(),
    reference=scipy("log_expit"),
)
def logsigmoid(input):
    """log(sigmoid(input)), without overflow on the way.

    Args:
        input: floating, any sizes.

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
    samples=activation_calls(),
    elementwise=True,
)
def softsign(input):
    """input / (1 + |input|).

    Args:
        input: any dtype, any sizes.

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
    samples=activation_calls(),
    elementwise=True,
)
def tanhshrink(input):
    """input - tanh(input).

    Args:
        input: any dtype, any sizes.

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


# ---- the gate ----


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
    of(input)
    if input.ndim == 0:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    size = input.size(dim)
    if size % 2:
        raise RuntimeError(
            f"glu: Halving dimension must be even, but dimension {dim % input.ndim} is size {size}"
        )
    half = size // 2
    return _mul_sigmoid(_slice(input, dim, 0, half), _slice(input, dim, half, size))
