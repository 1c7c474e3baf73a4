"""Means, variances and standard deviations over axes."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import function, op
from flambeau.ops._declare import stored
from flambeau.ops.masks import where
from flambeau.ops.reduce_common import reduced_count, unreduced, with_dims_and_empty
from flambeau.ops.sums import nansum

# ---- means ----


@op(overloads={"dim given": "MeanBackward1"}, methods=("mean",), samples=with_dims_and_empty)
def mean(input, dim=None, keepdim=False, *, dtype=None):
    """The arithmetic mean over axes.

    Args:
        input: floating or complex, or any dtype with a `dtype` of these.
        dim: the axes; None for all.
        keepdim: keep them with size one.
        dtype: convert to this dtype first; needed for integers.

    Raises:
        RuntimeError: for integers without a floating dtype.

    Example:
        >>> flambeau.mean(flambeau.tensor([1., 2., 6.]))
        tensor(3.)
    """
    return kernels(input).mean(input, dim, keepdim, dtype)


@mean.vjp("input")
def _(g, dim, keepdim, input_shape):
    share = g / (reduced_count(input_shape, dim) or 1)
    return unreduced(share, dim, keepdim, input_shape).expand(input_shape)


@function(methods=("nanmean",))
def nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The mean over axes of the elements that are not NaN.

    Args:
        input: floating or complex.
        dim: the axes; None for all.
        keepdim: keep them with size one.
        dtype: convert to this dtype first.
        out: a tensor for the result.

    Returns:
        The means; NaN where there is nothing else.

    Raises:
        RuntimeError: for other dtypes.

    Example:
        >>> flambeau.nanmean(flambeau.tensor([1.0, float("nan"), 4.0]))
        tensor(2.5000)
    """
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            + input.dtype.name.capitalize()
        )
    count = (input == input).sum(dim, keepdim)
    return stored("nanmean", nansum(input, dim, keepdim, dtype=dtype) / count, out)


# ---- spread ----


def _spread_samples(s):
    yield s(s.tensor(2, 3, 4))
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(2, 3, 4), (0, -1), keepdim=True)
    yield s(s.tensor(3, 40), dim=1, correction=0)


def _deviation(g, input, dim, correction, keepdim):
    """The gradient of the variance."""
    shape = input.shape
    freedom = reduced_count(shape, dim) - correction
    scale = 2 / freedom if freedom > 0 else float("nan")
    centered = input - mean(input, dim, True)
    return unreduced(g * scale, dim, keepdim, shape) * centered


def _half_over(g, root):
    """g / (2 root), zero where the root is."""
    return where(root == 0, _C.full((), 0, g.dtype), g / (2 * root))


@op(name="_var", backward_name="Var", public=False, samples=_spread_samples, torch="var")
def _var(input, dim=None, correction=1, keepdim=False):
    return kernels(input).var(input, dim, correction, keepdim, False)


@op(name="_std", backward_name="Std", public=False, samples=_spread_samples, torch="std")
def _std(input, dim=None, correction=1, keepdim=False):
    return kernels(input).var(input, dim, correction, keepdim, True)


_var.vjp("input")(_deviation)
_std.vjp("input")(
    lambda g, input, dim, correction, keepdim, out: _deviation(
        _half_over(g, out), input, dim, correction, keepdim
    )
)


@op(
    name="_var_mean",
    backward_name="VarMean",
    public=False,
    outputs=("var", "mean"),
    grad_list=True,
    samples=_spread_samples,
    torch="var_mean",
)
def _var_mean(input, dim=None, correction=1, keepdim=False):
    return kernels(input).var_mean(input, dim, correction, keepdim, False)


@op(
    name="_std_mean",
    backward_name="StdMean",
    public=False,
    outputs=("std", "mean"),
    grad_list=True,
    samples=_spread_samples,
    torch="std_mean",
)
def _std_mean(input, dim=None, correction=1, keepdim=False):
    return kernels(input).var_mean(input, dim, correction, keepdim, True)


def _spread_and_mean(of_spread, of_mean, input, dim, correction, keepdim):
    total = None
    if of_spread is not None:
        total = _deviation(of_spread, input, dim, correction, keepdim)
    if of_mean is not None:
        shape = input.shape
        share = unreduced(of_mean / (reduced_count(shape, dim) or 1), dim, keepdim, shape)
        total = share.expand(shape) if total is None else total + share
    return total


@_var_mean.vjp("input")
def _(g, input, dim, correction, keepdim):
    return _spread_and_mean(g[0], g[1], input, dim, correction, keepdim)


@_std_mean.vjp("input")
def _(g, input, dim, correction, keepdim, std):
    of_std = None if g[0] is None else _half_over(g[0], std)
    return _spread_and_mean(of_std, g[1], input, dim, correction, keepdim)


def _spread(name, target, doc, printed):
    """Declares var and its kin with torch's two ways of saying the correction.

    `var(x, False)` is `var(x, unbiased=False)`; `var(x, dim, False)` likewise.
    """

    def spread(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if unbiased is not None:
            if not isinstance(unbiased, bool):
                raise TypeError(
                    f"{name}(): argument 'unbiased' must be bool, not {type(unbiased).__name__}"
                )
            if correction is not None:
                raise TypeError(f"{name}(): give unbiased or correction, not both")
            correction = 1 if unbiased else 0
        return target(input, dim, 1 if correction is None else correction, keepdim, out=out)

    spread.__name__ = name
    spread.__doc__ = f"""{doc}

    Args:
        input: floating or complex.
        dim: the axes; None for all.
        unbiased: divide by n - 1 (the default) instead of n.
        keepdim: keep the reduced axes with size one.
        correction: divide by n - correction.
        out: a tensor for each result.

    Raises:
        RuntimeError: for other dtypes.
        TypeError: if both unbiased and correction are given.

    Example:
        >>> flambeau.{name}(flambeau.tensor([1.0, 5.0]), correction=0)
        {printed}
    """
    return spread


var = function(
    _spread(
        "var",
        _var,
        "The variance over axes: the mean squared distance from the mean.",
        "tensor(4.)",
    ),
    methods=("var",),
)
std = function(
    _spread(
        "std",
        _std,
        "The standard deviation over axes: the root of the variance.",
        "tensor(2.)",
    ),
    methods=("std",),
)
var_mean = function(
    _spread(
        "var_mean",
        _var_mean,
        "The variance and the mean over axes.",
        "(tensor(4.), tensor(3.))",
    )
)
std_mean = function(
    _spread(
        "std_mean",
        _std_mean,
        "The standard deviation and the mean over axes.",
        "(tensor(2.), tensor(3.))",
    )
)
