"""Draws whose distributions tensors describe: one number, or one index, for each element or row.

All draw from the generator's stream in PyTorch's order (docs/random.md). Where a draw cannot be
followed by a gradient, its parameters get zeros; Gamma and Dirichlet draws are differentiable.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import RuntimeFailure, UnsupportedError
from flambeau.core.grad_mode import is_grad_enabled
from flambeau.core.registry import FUNCTIONS, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import _into, _require_tensor
from flambeau.ops.random import _refuse_gradients, _tracked, _unfilled

# ---- draws that carry no gradient ----


def _zero(g):
    return kernels(g).full(g.shape, 0, g.dtype)


def _no_derivative(name):
    def rule(g):
        raise UnsupportedError(f"the derivative of {name} is not implemented")

    return rule


def _constant(name, backward_name, gradient=_zero):
    """An op that returns draws as a result of parameters, whose gradients `gradient` makes."""

    @op(
        name=name,
        backward_name=backward_name,
        public=False,
        out=False,
        gradcheck=False,  # the second argument is the result, without being an input of it
        samples=lambda s: [s(s.tensor(2, 3), s.tensor(2, 3), s.tensor(3))],
    )
    def constant(drawn, parameter, other):
        _require_tensor(drawn, name)
        return kernels(drawn).alias(drawn)

    constant.vjp("parameter")(gradient)
    constant.vjp("other")(gradient)
    return constant


_bernoulli_draw = _constant("_bernoulli_draw", "BernoulliBackward0")
_binomial_draw = _constant("_binomial_draw", "NotImplemented", _no_derivative("binomial"))
_poisson_draw = _constant("_poisson_draw", "PoissonBackward0")
_normal_draws = {
    (True, False): _constant("_normal_draw_of_mean", "NormalBackward1"),
    (False, True): _constant("_normal_draw_of_std", "NormalBackward2"),
    (True, True): _constant("_normal_draw_of_both", "NormalBackward3"),
}


def _following(node, drawn, parameter, other=None):
    """The draws, with a node in the graph if a parameter has one."""
    wanted = any(isinstance(t, Tensor) and t.requires_grad for t in (parameter, other))
    return node(drawn, parameter, other) if wanted and is_grad_enabled() else drawn


@function
def normal(
    mean=0.0,
    std=1.0,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Numbers of normal distributions, one for each element of `mean` and `std`.

    Args:
        mean: a tensor, or a number.
        std: a tensor that broadcasts with `mean`, or a number.
        size: the sizes, if mean and std are numbers.
        generator: what to draw from.
        out: the tensor to fill.
        dtype: with `size`: a floating point or complex dtype; by default the default one.
        layout, device, requires_grad, pin_memory: as of `tensor`.

    Returns:
        The tensor.

    Raises:
        RuntimeError: if a standard deviation is negative, or sizes do not fit.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> flambeau.normal(flambeau.zeros(3), 1.0)
        tensor([ 1.5410, -0.2934, -2.1788])
    """
    given = isinstance(mean, Tensor), isinstance(std, Tensor)
    for name, value in (("mean", mean), ("std", std)):
        if not isinstance(value, (Tensor, int, float)):
            kind = type(value).__name__
            raise TypeError(f"normal(): argument '{name}' must be Tensor or float, not {kind}")
    if not any(given):
        if size is None:
            raise TypeError("normal(): numbers for mean and std need the argument 'size'")
        default = _C.get_default_dtype()
        result = _unfilled("normal", size, out, dtype, default, layout, device, pin_memory)
        kernels(result).normal_(result, float(mean), float(std), generator)
        return _tracked(result, requires_grad)
    if size is not None:
        raise TypeError("normal(): the argument 'size' is for numbers as mean and std")
    if out is not None:
        _refuse_gradients("normal", mean, std)
    drawn = _normal_of_tensors(mean, std, out, generator)
    return _following(_normal_draws[given], drawn, mean, std) if out is None else drawn


def _normal_of_tensors(mean, std, out, generator):
    shape = _C.broadcast_shapes(*(tuple(getattr(v, "shape", ())) for v in (mean, std)))
    scale = 1.0 if isinstance(std, Tensor) else float(std)
    if isinstance(std, Tensor):
        _check_std(std)
    given = mean if isinstance(mean, Tensor) else std
    dtype = given.dtype if out is None else out.dtype
    result = _unfilled("normal", shape, out, dtype, None, None, given.device, False)
    kernels(result).normal_(result, 0.0, scale, generator)
    if isinstance(std, Tensor):
        result.mul_(std.detach())
    return result.add_(mean.detach() if isinstance(mean, Tensor) else mean)


def _check_std(std):
    if std.dtype.is_complex:
        raise RuntimeFailure("normal expects standard deviation to be non-complex")
    if not std.is_meta and not bool((std >= 0).all()):
        raise RuntimeFailure("normal expects all elements of std >= 0.0")


@function(methods=("bernoulli",))
def bernoulli(input, p=None, *, generator=None, out=None):
    """Zeros and ones; the elements of `input` are the probabilities of a one.

    Args:
        input: probabilities, or with `p` only the sizes and dtype.
        p: one probability for all.
        generator: what to draw from.
        out: the tensor to fill.

    Returns:
        A tensor of the sizes and dtype of `input`.

    Raises:
        RuntimeError: if a probability is not in [0, 1].

    Example:
        >>> flambeau.bernoulli(flambeau.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    _require_tensor(input, "bernoulli")
    if not (p is None or isinstance(p, (int, float))):
        raise TypeError(f"bernoulli(): argument 'p' must be float, not {type(p).__name__}")
    if out is not None:
        _refuse_gradients("bernoulli", input)
    dtype = input.dtype if out is None else out.dtype
    result = _unfilled("bernoulli", input.shape, out, dtype, None, None, None, False)
    kernels(result).bernoulli_(result, input if p is None else p, generator)
    return result if out is not None else _following(_bernoulli_draw, result, input)


@function(methods=("multinomial",))
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Indices drawn from each row with probabilities in proportion to its weights.

    Args:
        input: non-negative weights, a vector or a matrix.
        num_samples: how many indices per row.
        replacement: whether an index may come more than once.
        generator: what to draw from.
        out: the tensor to fill.

    Returns:
        An int64 tensor of `num_samples` columns.

    Raises:
        RuntimeError: if weights are negative, not finite or all zero, or too few for the samples.

    Example:
        >>> flambeau.multinomial(flambeau.tensor([0.0, 3.0]), 2, replacement=True)
        tensor([1, 1])
    """
    drawn = kernels(input).multinomial(input, num_samples, replacement, generator)
    return drawn if out is None else _into(out, drawn, _C.int64)


@function
def poisson(input, generator=None):
    """Counts of the Poisson distribution, of the rate that each element gives.

    Args:
        input: non-negative rates.
        generator: what to draw from.

    Returns:
        A tensor like `input`.

    Raises:
        RuntimeError: if a rate is negative.

    Example:
        >>> flambeau.poisson(flambeau.zeros(2))
        tensor([0., 0.])
    """
    drawn = kernels(input).poisson(input, generator)
    return _following(_poisson_draw, drawn, input)


@function
def binomial(count, prob, generator=None):
    """Numbers of successes in `count` trials, each of which succeeds with probability `prob`.

    Args:
        count: how many trials; float32 or float64.
        prob: the probabilities, of the same dtype; broadcasts with `count`.
        generator: what to draw from.

    Returns:
        A tensor of the dtype of `count`.

    Raises:
        ValueError: if `count` or `prob` is not floating point.

    Example:
        >>> flambeau.binomial(flambeau.tensor([3.0, 5.0]), flambeau.tensor([0.0, 1.0]))
        tensor([0., 5.])
    """
    _require_tensor(count, "binomial")
    drawn = kernels(count).binomial(count, prob, generator)
    return _following(_binomial_draw, drawn, count, prob)


# ---- draws that carry a gradient ----


@op(
    public=False,
    out=False,
    gradcheck=False,  # a change of the parameter also changes which draws are rejected
    torch="",  # tests/ops/test_sampling.py compares the streams
    samples=lambda s: [s(s.tensor(2, 0), None)],
)
def _standard_gamma(input, generator=None):
    """Draws of the Gamma distribution of each shape, of scale 1.

    Args:
        input: shapes, positive; float32 or float64.
        generator: what to draw from.

    Returns:
        A tensor like `input`, of positive numbers.

    Raises:
        NotImplementedError: for other dtypes.
    """
    _require_tensor(input, "_standard_gamma")
    return kernels(input).standard_gamma(input, generator)


@_standard_gamma.vjp("input")
def _(g, input, out):
    return g * _standard_gamma_grad(input, out)


def _of_positive(*lows):
    """Samples for a function of tensors that broadcast, each of values above one of `lows`."""

    def samples(s):
        for shape in ((2, 3), (), (0, 2)):
            yield s(*(s.tensor(*shape, low=low, high=low + 0.5) for low in lows))
        first, *rest = lows
        yield s(
            s.tensor(2, 1, low=first, high=first + 0.5),
            *(s.tensor(3, low=low, high=low + 0.5) for low in rest),
        )

    return samples


@op(
    public=False,
    out=False,
    gradcheck=False,  # its own derivative is an error, as in PyTorch
    samples=_of_positive(1.0, 0.5),
    torch="",  # which approximates; tests/ops/test_sampling.py compares the two
)
def _standard_gamma_grad(input, output):
    """The derivative of a draw of `_standard_gamma` by its shape, at a fixed quantile.

    Implicit differentiation of P(shape, sample) = const: minus the derivative of the regularised
    incomplete Gamma function by its first argument, over the density (M. Figurnov, S. Mohamed,
    A. Mnih, "Implicit reparameterization gradients", 2018).

    Args:
        input: the shapes; float32 or float64.
        output: the draws, of the same dtype.

    Returns:
        The derivative of each draw.

    Raises:
        NotImplementedError: for other dtypes.
    """
    _require_tensor(input, "_standard_gamma_grad")
    return kernels(input).standard_gamma_grad(input, output)


for _argument in ("input", "output"):
    _standard_gamma_grad.vjp(_argument)(_no_derivative("_standard_gamma_grad"))


@op(
    public=False,
    out=False,
    gradcheck=False,  # a change of the parameter also changes which draws are rejected
    torch="",  # tests/ops/test_sampling.py compares the streams
    samples=lambda s: [s(s.tensor(2, 0), None)],
)
def _sample_dirichlet(input, generator=None):
    """Draws of the Dirichlet distribution, whose concentrations stand along the last axis.

    Args:
        input: concentrations, positive; float32 or float64.
        generator: what to draw from.

    Returns:
        A tensor like `input`, whose last axis sums to one.

    Raises:
        NotImplementedError: for other dtypes.
    """
    _require_tensor(input, "_sample_dirichlet")
    return kernels(input).sample_dirichlet(input, generator)


@_sample_dirichlet.vjp("input")
def _(g, input, out):
    total = input.sum(-1, keepdim=True)
    return _dirichlet_grad(out, input, total) * (g - (out * g).sum(-1, keepdim=True))


@op(
    public=False,
    out=False,
    gradcheck=False,  # its own derivative is an error, as in PyTorch
    samples=_of_positive(0.1, 1.0, 3.0),
    torch="",  # which approximates; tests/ops/test_sampling.py compares the two
)
def _dirichlet_grad(x, alpha, total):
    """What one coordinate of a Dirichlet draw adds to the derivative by its concentration.

    With x a draw of Beta(alpha, total - alpha), this is (dx / d alpha) / (1 - x) at a fixed
    quantile and a fixed total - alpha. A draw moves along the line that keeps the other
    coordinates in proportion, so d loss / d alpha is this times (g - sum(x g)).

    Args:
        x: the coordinates; float32 or float64.
        alpha: their concentrations, of the same dtype.
        total: the sums of the concentrations.

    Returns:
        The factor of each coordinate.

    Raises:
        NotImplementedError: for other dtypes.
    """
    _require_tensor(x, "_dirichlet_grad")
    return kernels(x).dirichlet_grad(x, alpha, total)


for _argument in ("x", "alpha", "total"):
    _dirichlet_grad.vjp(_argument)(_no_derivative("_dirichlet_grad"))

for _operation in (_standard_gamma, _standard_gamma_grad, _sample_dirichlet, _dirichlet_grad):
    FUNCTIONS[_operation.name] = _operation
