"""Reductions over axes, and running sums, products and extremes along one axis.

`dim` is an integer, a tuple or None for all axes; so is an empty tuple, but not for any and all.
Floating sums are added in blocks whose partial sums are double: the result has the same bits for
any number of threads.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.numeric import whole
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import stored
from flambeau.ops.elementwise import _conj
from flambeau.ops.masks import where

# ---- for the rules ----


def _unreduced(reduced, dim, keepdim, shape):
    """What a reduction returned, with the reduced axes back as axes of size one."""
    if keepdim or dim is None or reduced.ndim == len(shape):
        return reduced
    n = len(shape)
    dims = (dim,) if isinstance(dim, int) else dim
    for d in sorted(d % n for d in dims):
        reduced = reduced.unsqueeze(d)
    return reduced


def _reduced_count(shape, dim):
    """How many elements stand behind one result."""
    dims = (
        range(len(shape)) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim
    )
    count = 1
    for d in dims:
        count *= shape[d] if shape else 1
    return count


def _with_dims(s):
    """Calls over no, one and several axes."""
    yield s(s.tensor(2, 3, 4))
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(2, 3, 4), (0, -1), keepdim=True)
    yield s(s.tensor(3, 40), dim=0)
    yield s(s.tensor())
    yield s(s.tensor(5), 0)


def _with_dims_and_empty(s):
    yield from _with_dims(s)
    yield s(s.tensor(0, 3))
    yield s(s.tensor(0, 3), 0)
    yield s(s.tensor(3, 0), 0)


def _distinct_with_dims(s):
    yield s(s.distinct(2, 3, 4))
    yield s(s.distinct(2, 3, 4), 1)
    yield s(s.distinct(2, 3, 4), (0, -1), keepdim=True)
    yield s(s.distinct(5), 0)


def _along(s):
    yield s(s.distinct(2, 3, 4), 1)
    yield s(s.distinct(2, 3, 4), -1)
    yield s(s.distinct(5), 0)
    yield s(s.distinct(), 0)


# ---- sums ----


@op(overloads={"dim given": "SumBackward1"}, methods=("sum",), samples=_with_dims_and_empty)
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over axes; integers and bool add up in int64.

    Args:
        dim: the axes to sum over; None for all.
        keepdim: keep them with size one.
        dtype: convert to this dtype first.

    Example:
        >>> flambeau.sum(flambeau.tensor([[1., 2.], [3., 4.]]), dim=0)
        tensor([4., 6.])
    """
    return kernels(input).sum(input, dim, keepdim, dtype)


@sum.vjp("input")
def _(g, dim, keepdim, input_shape):
    return _unreduced(g, dim, keepdim, input_shape).expand(input_shape)


@op(methods=("nansum",), samples=_with_dims)
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over axes, NaN counting as zero."""
    return kernels(input).nansum(input, dim, keepdim, dtype)


@nansum.vjp("input")
def _(g, input, dim, keepdim, input_shape):
    return _unreduced(g, dim, keepdim, input_shape) * (input == input)


@op(overloads={"dim given": "MeanBackward1"}, methods=("mean",), samples=_with_dims_and_empty)
def mean(input, dim=None, keepdim=False, *, dtype=None):
    """The arithmetic mean over axes.

    Args:
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
    share = g / (_reduced_count(input_shape, dim) or 1)
    return _unreduced(share, dim, keepdim, input_shape).expand(input_shape)


@function(methods=("nanmean",))
def nanmean(input, dim=None, keepdim=False, *, dtype=None, out=None):
    """The mean over axes of the elements that are not NaN."""
    if not (input.is_floating_point() or input.is_complex()):
        raise RuntimeError(
            "nanmean(): expected input to have floating point or complex dtype but got "
            + input.dtype.name.capitalize()
        )
    count = (input == input).sum(dim, keepdim)
    return stored("nanmean", nansum(input, dim, keepdim, dtype=dtype) / count, out)


def _one_or_all_axes(s):
    yield s(s.tensor(2, 3, 4), dim=0)
    yield s(s.tensor(2, 3, 4), (0, -1))
    yield s(s.tensor(5), 0)
    yield s(s.tensor(), 0)


@op(methods=("count_nonzero",), samples=_one_or_all_axes, gradcheck=False)
def count_nonzero(input, dim=None):
    """How many elements are not zero.

    Example:
        >>> flambeau.count_nonzero(flambeau.tensor([0., 1., 2.]))
        tensor(2)
    """
    return kernels(input).count_nonzero(input, dim)


# ---- products ----


def _prod_samples(s):
    yield s(s.tensor(2, 3))
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(2, 3), -1, keepdim=True)
    yield s(s.tensor())
    x = s.tensor(2, 3)
    _C.fill(_C.select(_C.select(x, 0, 1), 0, 0), 0)
    yield s(x)
    yield s(x, 1)


@op(overloads={"dim given": "ProdBackward1"}, methods=("prod",), samples=_prod_samples)
def prod(input, dim=None, keepdim=False, *, dtype=None):
    """The product over all axes or along one; integers and bool multiply in int64.

    Example:
        >>> flambeau.prod(flambeau.tensor([2., 3., 4.]))
        tensor(24.)
    """
    axis = whole(dim)
    if dim is not None and axis is None:
        raise TypeError(f"prod(): argument 'dim' must be int, not {type(dim).__name__}")
    return kernels(input).prod(input, axis, keepdim, dtype)


@prod.vjp("input")
def _(g, input, dim, keepdim, out):
    shape = input.shape
    g = _unreduced(g, dim, keepdim, shape)
    if not _has_zero(input):
        return g * _conj(_unreduced(out, dim, keepdim, shape) / input)
    if dim is None:
        return g * _conj(_products_of_others(input.reshape(-1), 0).reshape(shape))
    return g * _conj(_products_of_others(input, dim))


def _has_zero(input):
    if _C.wrapped_of(input) is not None:  # under a function transform: some example may have one
        return True
    return not input.is_meta and not kernels(input).all(input, None, False).item()


def _products_of_others(input, dim):
    """For each element the product of all others along `dim`; right where elements are zero."""
    return prod(_all_but_one(input, dim), -1).transpose(dim, -1) if input.ndim else input * 0 + 1


def _all_but_one(input, dim):
    """(..., n) -> (..., n, n), dim last: row i has the elements with the i-th replaced by one."""
    rows = input.transpose(dim, -1).unsqueeze(-2)
    n = rows.shape[-1]
    return where(_C.cast(_C.eye(n, n, input.dtype), _C.bool), _C.full((), 1, input.dtype), rows)


# ---- extremes ----


def _share_of_extreme(g, input, dim, keepdim, out):
    """The gradient goes in equal parts to all elements that are the extreme."""
    shape = input.shape
    reached = (input == _unreduced(out, dim, keepdim, shape)).to(g.dtype)
    count = reached.sum(dim, True)
    g = _unreduced(g, dim, keepdim, shape)
    return reached * (g / count) if dim is not None else reached * g / count


@op(methods=("amax",), samples=_distinct_with_dims, exact_out=True)
def amax(input, dim=(), keepdim=False):
    """The largest element over axes; NaN if there is one. Equal ones share the gradient.

    Raises:
        IndexError: if a reduced axis has no elements.
    """
    return kernels(input).amax(input, dim, keepdim, "amax")


@op(methods=("amin",), samples=_distinct_with_dims, exact_out=True)
def amin(input, dim=(), keepdim=False):
    """The smallest element over axes; NaN if there is one. Equal ones share the gradient.

    Raises:
        IndexError: if a reduced axis has no elements.
    """
    return kernels(input).amin(input, dim, keepdim, "amin")


amax.vjp("input")(_share_of_extreme)
amin.vjp("input")(_share_of_extreme)


def _all_distinct(s):
    yield s(s.distinct(2, 3))
    yield s(s.distinct())


@op(name="_max_all", backward_name="MaxBackward1", public=False, samples=_all_distinct, torch="max")
def _max_all(input):
    return kernels(input).amax(input, None, False, "max")


@op(name="_min_all", backward_name="MinBackward1", public=False, samples=_all_distinct, torch="min")
def _min_all(input):
    return kernels(input).amin(input, None, False, "min")


_max_all.vjp("input")(lambda g, input, out: _share_of_extreme(g, input, None, False, out))
_min_all.vjp("input")(lambda g, input, out: _share_of_extreme(g, input, None, False, out))


def _to_places(g, dim, keepdim, indices, input_shape):
    """The gradient of values picked along `dim`: put to where they were."""
    if input_shape and not keepdim:
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return g.new_zeros(input_shape).scatter(dim, indices, g)


_PICKED = ("values", "indices")


@op(
    name="_max_along",
    backward_name="Max",
    public=False,
    outputs=_PICKED,
    result_type=return_types.max,
    samples=_along,
    torch="max",
    exact_out=True,
)
def _max_along(input, dim, keepdim=False):
    return kernels(input).max_along(input, dim, keepdim)


@op(
    name="_min_along",
    backward_name="Min",
    public=False,
    outputs=_PICKED,
    result_type=return_types.min,
    samples=_along,
    torch="min",
    exact_out=True,
)
def _min_along(input, dim, keepdim=False):
    return kernels(input).min_along(input, dim, keepdim)


_max_along.vjp("input")(_to_places)
_min_along.vjp("input")(_to_places)


def _extreme(all_elements, along, elementwise):
    """The three functions that torch calls max (or min), told apart by the second argument."""

    def extreme(input, dim=None, keepdim=False, *, other=None, out=None):
        if other is None and not isinstance(dim, Tensor):
            if dim is None:
                return all_elements(input, out=out)
            return along(input, dim, keepdim, out=out)
        return elementwise()(input, dim if other is None else other, out=out)

    return extreme


def _maximum():
    from flambeau.ops.elementwise import maximum

    return maximum


def _minimum():
    from flambeau.ops.elementwise import minimum

    return minimum


max = _extreme(_max_all, _max_along, _maximum)
max.__name__ = "max"
max.__doc__ = """The largest element, or the largest along one axis and where it is.

`max(input)` is the largest of all; `max(input, dim, keepdim=False)` returns (values, indices), the
first index where several are equal; `max(input, other)` compares elementwise.

Raises:
    RuntimeError: for a tensor without elements.
    IndexError: if the axis has no elements.

Example:
    >>> flambeau.max(flambeau.tensor([[1., 5.], [7., 2.]]), dim=1).indices
    tensor([1, 0])
"""
min = _extreme(_min_all, _min_along, _minimum)
min.__name__ = "min"
min.__doc__ = """The smallest element, or the smallest along one axis and where it is.

`min(input)` is the smallest of all; `min(input, dim, keepdim=False)` returns (values, indices), the
first index where several are equal; `min(input, other)` compares elementwise.

Raises:
    RuntimeError: for a tensor without elements.
    IndexError: if the axis has no elements.

Example:
    >>> flambeau.min(flambeau.tensor([[1., 5.], [7., 2.]]), dim=1).values
    tensor([1., 2.])
"""
function(max, methods=("max",))
function(min, methods=("min",))


@op(methods=("argmax",), samples=_along, gradcheck=False, exact_out=True)
def argmax(input, dim=None, keepdim=False):
    """The place of the (first) largest element: in row-major order, or along one axis.

    Example:
        >>> flambeau.argmax(flambeau.tensor([1., 9., 3.]))
        tensor(1)
    """
    return kernels(input).argmax(input, dim, keepdim)


@op(methods=("argmin",), samples=_along, gradcheck=False, exact_out=True)
def argmin(input, dim=None, keepdim=False):
    """The place of the (first) smallest element: in row-major order, or along one axis."""
    return kernels(input).argmin(input, dim, keepdim)


def _aminmax_samples(s):
    yield s(s.distinct(2, 3))
    yield s(s.distinct(2, 3), dim=1)
    yield s(s.distinct(2, 3), dim=0, keepdim=True)


@op(
    methods=("aminmax",),
    outputs=("min", "max"),
    grad_list=True,
    result_type=return_types.aminmax,
    samples=_aminmax_samples,
    exact_out=True,
)
def aminmax(input, *, dim=None, keepdim=False):
    """The smallest and the largest element, over all or along one axis, as (min, max).

    Raises:
        RuntimeError: if there are no elements.
    """
    kernel = kernels(input)
    if input._numel == 0 and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity."
        )
    return kernel.amin(input, dim, keepdim, "aminmax"), kernel.amax(input, dim, keepdim, "aminmax")


@aminmax.vjp("input")
def _(g, input, dim, keepdim, min, max):
    parts = [
        _share_of_extreme(part, input, dim, keepdim, reached)
        for part, reached in zip(g, (min, max), strict=True)
        if part is not None
    ]
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


# ---- truth ----


@op(methods=("any",), samples=_with_dims_and_empty, gradcheck=False)
def any(input, dim=None, keepdim=False):
    """True where an element is not zero.

    Example:
        >>> flambeau.any(flambeau.tensor([False, True]))
        tensor(True)
    """
    return kernels(input).any(input, dim, keepdim)


@op(methods=("all",), samples=_with_dims_and_empty, gradcheck=False)
def all(input, dim=None, keepdim=False):
    """True where no element is zero.

    Example:
        >>> flambeau.all(flambeau.tensor([False, True]))
        tensor(False)
    """
    return kernels(input).all(input, dim, keepdim)


# ---- spread ----


def _spread_samples(s):
    yield s(s.tensor(2, 3, 4))
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(2, 3, 4), (0, -1), keepdim=True)
    yield s(s.tensor(3, 40), dim=1, correction=0)


def _deviation(g, input, dim, correction, keepdim):
    """The gradient of the variance."""
    shape = input.shape
    freedom = _reduced_count(shape, dim) - correction
    scale = 2 / freedom if freedom > 0 else float("nan")
    centered = input - mean(input, dim, True)
    return _unreduced(g * scale, dim, keepdim, shape) * centered


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
        share = _unreduced(of_mean / (_reduced_count(shape, dim) or 1), dim, keepdim, shape)
        total = share.expand(shape) if total is None else total + share
    return total


@_var_mean.vjp("input")
def _(g, input, dim, correction, keepdim):
    return _spread_and_mean(g[0], g[1], input, dim, correction, keepdim)


@_std_mean.vjp("input")
def _(g, input, dim, correction, keepdim, std):
    of_std = None if g[0] is None else _half_over(g[0], std)
    return _spread_and_mean(of_std, g[1], input, dim, correction, keepdim)


def _spread(name, target, doc):
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
    spread.__doc__ = (
        doc
        + """

    Args:
        dim: the axes; None for all.
        unbiased: divide by n - 1 (the default) instead of n.
        keepdim: keep the reduced axes with size one.
        correction: divide by n - correction.
    """
    )
    return spread


var = function(
    _spread("var", _var, "The variance over axes: the mean squared distance from the mean."),
    methods=("var",),
)
std = function(
    _spread("std", _std, "The standard deviation over axes: the root of the variance."),
    methods=("std",),
)
var_mean = function(_spread("var_mean", _var_mean, "The variance and the mean over axes."))
std_mean = function(
    _spread("std_mean", _std_mean, "The standard deviation and the mean over axes.")
)


# ---- norms and logarithms of sums ----


def _logsumexp_samples(s):
    yield from _one_or_all_axes(s)
    yield s(s.tensor(2, 300), 1, keepdim=True)


@op(methods=("logsumexp",), samples=_logsumexp_samples)
def logsumexp(input, dim, keepdim=False):
    """log(sum(exp(input))) over axes, without overflow.

    Example:
        >>> flambeau.logsumexp(flambeau.tensor([1000., 1000.]), 0)
        tensor(1000.6932)
    """
    if input.dtype.is_complex:
        return _complex_logsumexp(input, dim, keepdim)
    return kernels(input).logsumexp(input, dim, keepdim)


def _complex_logsumexp(input, dim, keepdim):
    largest = input.real.amax(dim, keepdim=True)
    largest = where(largest.isfinite(), largest, _C.full((), 0, largest.dtype))
    total = (input - largest).exp().sum(dim, keepdim=keepdim).log()
    return total + largest.reshape(total.shape)


@logsumexp.vjp("input")
def _(g, input, dim, keepdim, out):
    shape = input.shape
    total = _unreduced(out, dim, keepdim, shape)
    # Where all are -inf every element has the weight exp(-inf) = 0.
    total = where(total == float("-inf"), _C.full((), 0, total.dtype), total)
    return _unreduced(g, dim, keepdim, shape) * _conj((input - total).exp())


def _norm_samples(s):
    for order in (2, 1, 3, 2.5, float("inf"), float("-inf"), -1):
        yield s(s.distinct(2, 3, 4), order)
        yield s(s.distinct(2, 3, 4), order, (0, -1), keepdim=True)
    yield s(s.distinct(3, 4), 0, 1)
    yield s(s.tensor(), 2)


@op(name="linalg.vector_norm", public=False, samples=_norm_samples, exact_out=True)
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """The vector norm over axes: (sum |x|^ord)^(1/ord).

    Args:
        ord: any number; inf and -inf give the largest and smallest |x|, 0 the number of non-zero
            elements.
        dim: the axes; None for all.
        keepdim: keep them with size one.
        dtype: convert to this dtype first.
    """
    return kernels(x).vector_norm(x, ord, dim, keepdim, dtype)


@vector_norm.vjp("x")
def _(g, x, ord, dim, keepdim, out):
    if ord == 0:
        return x.new_zeros(x.shape)
    shape = x.shape
    if ord in (float("inf"), float("-inf")):
        magnitude = x.abs()
        return _share_of_extreme(g, magnitude, dim, keepdim, out) * x.sgn()
    g, out = (_unreduced(t, dim, keepdim, shape) for t in (g, out))
    if ord == 1:
        return g * x.sgn()
    zero = _C.full((), 0, g.dtype)
    nothing = out == 0
    out = where(nothing, _C.full((), 1, out.dtype), out)  # keeps second derivatives finite
    if ord == 2:
        return x * where(nothing, zero, g / out)
    scale = where(nothing, zero, g / out ** (ord - 1))
    if ord > 2:
        return x * x.abs() ** (ord - 2) * scale
    return x.sgn() * where(x == 0, zero, x.abs() ** (ord - 1)) * scale


# ---- running sums, products, extremes ----


def _scans(s):
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(2, 3), -1)
    yield s(s.tensor(), 0)
    yield s(s.tensor(2, 0), 1)


@op(methods=("cumsum",), inplace=True, samples=_scans)
def cumsum(input, dim, *, dtype=None):
    """Running sums along one axis.

    Example:
        >>> flambeau.cumsum(flambeau.tensor([1, 2, 3]), 0)
        tensor([1, 3, 6])
    """
    return kernels(input).cumsum(input, dim, dtype, False)


@op(name="_cumsum_from_end", public=False, out=False, samples=_scans)
def _cumsum_from_end(input, dim):
    return kernels(input).cumsum(input, dim, None, True)


cumsum.vjp("input")(lambda g, dim: _cumsum_from_end(g, dim))
_cumsum_from_end.vjp("input")(lambda g, dim: cumsum(g, dim))


def _cumprod_samples(s):
    yield from _scans(s)
    x = s.tensor(2, 4)
    _C.fill(_C.select(_C.select(x, 0, 1), 0, 1), 0)
    yield s(x, 1)


@op(methods=("cumprod",), inplace=True, samples=_cumprod_samples)
def cumprod(input, dim, *, dtype=None):
    """Running products along one axis.

    Example:
        >>> flambeau.cumprod(flambeau.tensor([1, 2, 3]), 0)
        tensor([1, 2, 6])
    """
    return kernels(input).cumprod(input, dim, dtype)


@cumprod.vjp("input")
def _(g, input, dim, out):
    if input.ndim == 0:
        return g
    if not _has_zero(input):
        return _cumsum_from_end(g * _conj(out), dim) / _conj(input)
    # products[..., i, j]: of the elements up to j without the i-th; none where j < i.
    products = cumprod(_all_but_one(input, dim), -1)
    upper = _C.triangle(_C.full(products.shape[-2:], 1, products.dtype), 0, True)
    weights = g.transpose(dim, -1).unsqueeze(-2)
    return (_conj(products) * upper * weights).sum(-1).transpose(dim, -1)


@op(
    methods=("cummax",),
    outputs=_PICKED,
    result_type=return_types.cummax,
    samples=_along,
    exact_out=True,
)
def cummax(input, dim):
    """Running maxima along one axis and where they are, as (values, indices)."""
    return kernels(input).cummax(input, dim)


@op(
    methods=("cummin",),
    outputs=_PICKED,
    result_type=return_types.cummin,
    samples=_along,
    exact_out=True,
)
def cummin(input, dim):
    """Running minima along one axis and where they are, as (values, indices)."""
    return kernels(input).cummin(input, dim)


def _to_running_places(g, dim, indices, input_shape):
    return g.new_zeros(input_shape).scatter_add(dim, indices, g)


cummax.vjp("input")(_to_running_places)
cummin.vjp("input")(_to_running_places)


@op(methods=("logcumsumexp",), samples=_scans, exact_out=True)
def logcumsumexp(input, dim):
    """Logarithms of the running sums of exp(input) along one axis."""
    return kernels(input).logcumsumexp(input, dim, False)


@op(name="_logcumsumexp_from_end", public=False, out=False, samples=_scans)
def _logcumsumexp_from_end(input, dim):
    return kernels(input).logcumsumexp(input, dim, True)


def _through_logarithms(g, input, out, dim, accumulate):
    """conj(exp(input)) * (sums of g * conj(exp(-out))), summed as logarithms.

    Real g of either sign are summed on their own, since their logarithms are real.
    """
    one, absent = _C.full((), 1, g.dtype), _C.full((), float("-inf"), g.dtype)
    if g.dtype.is_complex:
        out = out.masked_fill(out.real == float("-inf"), 0)
        logarithm = where(g != 0, where(g != 0, _conj(g), one).log() - out, absent)
        return _conj((accumulate(logarithm, dim) + input).exp())
    out = out.masked_fill(out == float("-inf"), 0)  # nothing but -inf so far: exp(input) is 0 there
    total = None
    for part in (g, -g):
        # The logarithm is taken where there is one, so that its own derivative exists too.
        logarithm = where(part > 0, where(part > 0, part, one).log() - out, absent)
        weights = (accumulate(logarithm, dim) + input).exp()
        total = weights if total is None else total - weights
    return total


@logcumsumexp.vjp("input")
def _(g, input, dim, out):
    return _through_logarithms(g, input, out, dim, _logcumsumexp_from_end)


@_logcumsumexp_from_end.vjp("input")
def _(g, input, dim, out):
    return _through_logarithms(g, input, out, dim, logcumsumexp)
