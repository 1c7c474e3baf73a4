"""Sorting along one axis, and elements by their rank: the k-th, the median, quantiles.

NaN counts as larger than every number. Sorting always keeps the order of equal elements.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import stored
from flambeau.ops.views import _axis

_PICKED = ("values", "indices")


def _to_places(g, dim, indices, input_shape):
    return g.new_zeros(input_shape).scatter(dim, indices, g)


def _to_one_place(g, dim, keepdim, indices, input_shape):
    if input_shape and not keepdim:
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return g.new_zeros(input_shape).scatter(dim, indices, g)


def _untied(samples):
    """Samples in floating dtypes only: integers have ties, whose places PyTorch leaves open."""

    def floating(s):
        if s.dtype.is_floating_point:
            yield from samples(s)

    return floating


# ---- sorting ----


@_untied
def _sort_samples(s):
    yield s(s.distinct(2, 5))
    yield s(s.distinct(2, 3, 4), 1)
    yield s(s.distinct(100), 0, descending=True)
    yield s(s.distinct(), 0)
    yield s(s.tensor(0, 3), 0)


@op(
    overloads={"stable given": "SortBackward1"},
    methods=("sort",),
    outputs=_PICKED,
    result_type=return_types.sort,
    samples=_sort_samples,
    exact_out=True,
)
def sort(input, dim=-1, descending=False, *, stable=False):
    """The elements along one axis in order, and where they were, as (values, indices).

    Args:
        input: any dtype but complex; NaN counts as the greatest.
        dim: the axis.
        descending: largest first.
        stable: equal elements keep their order; they always do here.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.sort(flambeau.tensor([3., 1., 2.])).indices
        tensor([1, 2, 0])
    """
    return kernels(input).sort(input, dim, descending)


sort.vjp("input")(_to_places)


@function(methods=("argsort",))
def argsort(input, dim=-1, descending=False, *, stable=False):
    """Where the elements of the sorted tensor were.

    Args:
        input: any dtype but complex.
        dim: the axis.
        descending: largest first.
        stable: equal elements keep their order; they always do here.

    Returns:
        int64, of the sizes of input.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.argsort(flambeau.tensor([3., 1., 2.]))
        tensor([1, 2, 0])
    """
    return kernels(input).sort(input, dim, descending)[1]


@function(methods=("msort",))
def msort(input, *, out=None):
    """The elements sorted along the first axis, ascending.

    Args:
        input: any dtype but complex.
        out: a tensor for the result.

    Raises:
        RuntimeError: for complex numbers.

    Example:
        >>> flambeau.msort(flambeau.tensor([[3, 1], [2, 4]]))
        tensor([[2, 1],
                [3, 4]])
    """
    values = sort(input, 0)[0]
    return stored("msort", values, out, exact=True)


@_untied
def _topk_samples(s):
    yield s(s.distinct(2, 5), 2)
    yield s(s.distinct(3, 4), 2, 0, largest=False)
    yield s(s.distinct(300), 3)
    yield s(s.distinct(4), 0)


@op(
    methods=("topk",),
    outputs=_PICKED,
    result_type=return_types.topk,
    samples=_topk_samples,
    exact_out=True,
)
def topk(input, k, dim=-1, largest=True, sorted=True):
    """The k largest elements along one axis and where they are, as (values, indices).

    Args:
        input: any dtype but complex; NaN counts as the greatest.
        k: how many.
        dim: the axis.
        largest: False for the smallest.
        sorted: in order; they always are here.

    Raises:
        RuntimeError: if the axis has fewer than k elements.

    Example:
        >>> flambeau.topk(flambeau.tensor([1., 9., 4.]), 2).values
        tensor([9., 4.])
    """
    return kernels(input).topk(input, k, dim, largest)


topk.vjp("input")(_to_places)


# ---- one element of each line ----


@_untied
def _kth_samples(s):
    yield s(s.distinct(2, 5), 2)
    yield s(s.distinct(3, 4), 1, 0, keepdim=True)
    yield s(s.distinct(300), 100)


@op(
    methods=("kthvalue",),
    outputs=_PICKED,
    result_type=return_types.kthvalue,
    samples=_kth_samples,
    exact_out=True,
)
def kthvalue(input, k, dim=-1, keepdim=False):
    """The k-th smallest element along an axis and its place.

    Args:
        input: any dtype but complex; NaN counts as the greatest.
        k: a number, from 1 on.
        dim: the axis.
        keepdim: keep the axis, with one element.

    Returns:
        A named tuple: values of input's dtype, and int64 indices.

    Raises:
        RuntimeError: if k is not between 1 and the number of elements.
        IndexError: if there is no such axis.

    Example:
        >>> values, indices = flambeau.tensor([30, 10, 20]).kthvalue(2)
        >>> values, indices
        (tensor(20), tensor(2))
    """
    return kernels(input).kthvalue(input, k, dim, keepdim)


@_untied
def _one_samples(s):
    yield s(s.distinct(2, 5), 1)
    yield s(s.distinct(4, 3), 0, keepdim=True)
    yield s(s.distinct(101), 0)


@op(
    name="_median_along",
    backward_name="MedianBackward1",
    public=False,
    outputs=_PICKED,
    result_type=return_types.median,
    samples=_one_samples,
)
def _median_along(input, dim, keepdim=False):
    return kernels(input).median(input, dim, keepdim, False)


@op(
    name="_nanmedian_along",
    backward_name="NanmedianBackward1",
    public=False,
    outputs=_PICKED,
    result_type=return_types.nanmedian,
    samples=_one_samples,
)
def _nanmedian_along(input, dim, keepdim=False):
    return kernels(input).median(input, dim, keepdim, True)


@op(
    methods=("mode",),
    outputs=_PICKED,
    result_type=return_types.mode,
    samples=_one_samples,
    exact_out=True,
)
def mode(input, dim=-1, keepdim=False):
    """The most frequent element along one axis (the smallest of several) and its last place.

    Args:
        input: any dtype but complex.
        dim: the axis.
        keepdim: keep the axis, with one element.

    Returns:
        A named tuple: values of input's dtype, and int64 indices.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.mode(flambeau.tensor([2., 1., 2.])).values
        tensor(2.)
    """
    return kernels(input).mode(input, dim, keepdim)


for _rule_of in (kthvalue, _median_along, _nanmedian_along, mode):
    _rule_of.vjp("input")(_to_one_place)


def _all_distinct(s):
    yield s(s.distinct(2, 3))
    yield s(s.distinct(5))
    yield s(s.distinct())


def _median_of_all(input, ignore_nan):
    if not input._numel:
        if not input.is_floating_point():
            raise RuntimeError("median(): expected at least one element, or a floating point dtype")
        return kernels(input).full((), float("nan"), input.dtype)
    return kernels(input).median(_C.reshape(input, (-1,)), 0, False, ignore_nan)[0]


@op(name="_median_all", backward_name="Median", public=False, samples=_all_distinct, torch="median")
def _median_all(input):
    return _median_of_all(input, False)


@op(
    name="_nanmedian_all",
    backward_name="Nanmedian",
    public=False,
    samples=_all_distinct,
    torch="nanmedian",
)
def _nanmedian_all(input):
    return _median_of_all(input, True)


def _share_of_median(g, input, out):
    """Elements equal to the median share its gradient; so do NaN, if it is one."""
    equal = (input == out) | ((input != input) & (out != out))
    return g * (equal.to(input.dtype) / equal.sum())


_median_all.vjp("input")(_share_of_median)
_nanmedian_all.vjp("input")(_share_of_median)


@function(methods=("median",))
def median(input, dim=None, keepdim=False, *, out=None):
    """The middle element, the lower of two: of all, or along one axis as (values, indices).

    A NaN among the elements is the median.

    Args:
        input: any dtype but bool and complex.
        dim: the axis; None for all elements.
        keepdim: keep the axis, with one element.
        out: with `dim`, a tuple of tensors for values and indices.

    Returns:
        A 0-dim tensor, or with `dim` the named tuple (values, indices).

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.median(flambeau.tensor([4., 1., 3., 2.]))
        tensor(2.)
    """
    if dim is None:
        return _median_all(input)
    return _median_along(input, dim, keepdim, out=out)


@function(methods=("nanmedian",))
def nanmedian(input, dim=None, keepdim=False, *, out=None):
    """The median of the elements that are not NaN; of two in the middle, the lower.

    Args:
        input: any dtype but bool and complex.
        dim: the axis; None for all elements.
        keepdim: keep the axis, with one element.
        out: with `dim`, a tuple of tensors for values and indices.

    Returns:
        A 0-dim tensor, or with `dim` the named tuple (values, indices); NaN if nothing else is
        there.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.nanmedian(flambeau.tensor([3.0, float("nan"), 1.0, 2.0]))
        tensor(2.)
    """
    if dim is None:
        return _nanmedian_all(input)
    return _nanmedian_along(input, dim, keepdim, out=out)


# ---- quantiles ----


def _quantile(name, input, q, dim, keepdim, interpolation, ignore_nan):
    if input.dtype not in (_C.float32, _C.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if not input._numel:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    if isinstance(q, Tensor):
        if q.ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
        if q.dtype != input.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
        shares = q.reshape(-1)
    else:
        shares = _C.full((1,), q, input.dtype)
    for value in shares.tolist():
        if not 0 <= value <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {value:g}")
    if dim is not None:
        dim = _axis(dim, input.ndim)
    if dim is None or not input.ndim:
        ordered = sort(input.reshape(-1), -1)[0]
        kept = range(input.ndim)
    else:
        ordered = sort(input.movedim(dim, -1), -1)[0]
        kept = (dim,)
    found = _interpolated(ordered, shares, interpolation, ignore_nan)
    if keepdim:
        for axis in kept:
            found = found.unsqueeze(axis)
    if isinstance(q, Tensor) and q.ndim:
        found = found.unsqueeze(0).transpose(0, -1)
    return found.squeeze_(-1)


def _interpolated(ordered, shares, interpolation, ignore_nan):
    """The quantiles of each line of a tensor sorted along its last axis, in place of the line."""
    from flambeau.ops.masks import where

    n = ordered.shape[-1]
    is_nan = ordered.detach() != ordered.detach()
    valid = n - is_nan.sum(-1, True)
    if ignore_nan:
        rank = shares * (valid - 1).clamp(min=0).to(ordered.dtype)
    else:
        last = _C.full((), n - 1, ordered.dtype)  # where the NaN of a line is, if there is one
        rank = where(valid < n, last, shares * last)
    if interpolation == "lower":
        rank = rank.floor()
    elif interpolation == "higher":
        rank = rank.ceil()
    elif interpolation == "nearest":
        rank = rank.round()
    low = rank.floor()
    found = ordered.gather(-1, low.to(_C.int64))
    if interpolation not in ("linear", "midpoint"):
        return found
    above = ordered.gather(-1, rank.ceil().to(_C.int64))
    share = 0.5 * (rank > low).to(rank.dtype) if interpolation == "midpoint" else rank - low
    return found.lerp(above, share)


@function(methods=("quantile",))
def quantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """The values below which the shares q of the elements lie.

    Args:
        input: float32 or float64.
        q: a number or a vector of numbers in [0, 1]; a vector adds an axis in front.
        dim: the axis; None for all elements.
        keepdim: keep the axis with size one.
        interpolation: between neighbours: linear, lower, higher, midpoint or nearest.
        out: a tensor for the result.

    Raises:
        RuntimeError: if q is not between 0 and 1, or of another dtype.

    Example:
        >>> flambeau.quantile(flambeau.tensor([0., 1., 2., 3.]), 0.5)
        tensor(1.5000)
    """
    found = _quantile("quantile", input, q, dim, keepdim, interpolation, False)
    return stored("quantile", found, out, exact=True)


@function(methods=("nanquantile",))
def nanquantile(input, q, dim=None, keepdim=False, *, interpolation="linear", out=None):
    """`quantile` of the elements that are not NaN.

    Args:
        input: float32 or float64.
        q: a number or a vector of them, between 0 and 1, of input's dtype.
        dim: the axis; None for all elements.
        keepdim: keep the axis, with one element.
        interpolation: "linear", "lower", "higher", "nearest" or "midpoint" between two elements.
        out: a tensor for the result.

    Returns:
        The axes of input without `dim`, after one for q if that is a vector.

    Raises:
        RuntimeError: if q is not between 0 and 1, or of another dtype.

    Example:
        >>> flambeau.nanquantile(flambeau.tensor([1.0, float("nan"), 2.0]), 0.5)
        tensor(1.5000)
    """
    found = _quantile("quantile", input, q, dim, keepdim, interpolation, True)
    return stored("nanquantile", found, out, exact=True)
