"""Sorting and selecting along one axis, distinct elements, searching sorted ones, counting.

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


# ---- distinct elements ----


def _distinct(input, dim, sorted, return_inverse, return_counts):
    values, inverse, counts = kernels(input).unique(
        input, dim, sorted, return_inverse, return_counts
    )
    if dim is not None and input.ndim > 1:  # the slices lie one after another, as torch's
        values = values.movedim(dim, 0).contiguous().movedim(0, dim)
    if not return_inverse and not return_counts:
        return values
    return (values, *((inverse,) if return_inverse else ()), *((counts,) if return_counts else ()))


@function(methods=("unique",))
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements in ascending order; every NaN counts by itself.

    Args:
        input: any dtype but complex; flattened unless there is a `dim`.
        sorted: they always are here.
        return_inverse: also return, for each element, its place in the result.
        return_counts: also return how often each occurs.
        dim: compare the slices along this axis instead.

    Returns:
        The elements, or a tuple of them and what else was asked for (int64).

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.unique(flambeau.tensor([2, 1, 2]))
        tensor([1, 2])
    """
    return _distinct(input, dim, True, return_inverse, return_counts)


@function(methods=("unique_consecutive",))
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The elements without those equal to the one before.

    Args:
        input: any dtype but complex; flattened unless there is a `dim`.
        return_inverse: also return, for each element, its place in the result.
        return_counts: also return the lengths of the runs.
        dim: compare the slices along this axis instead.

    Returns:
        The elements, or a tuple of them and what else was asked for (int64).

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.unique_consecutive(flambeau.tensor([1, 1, 2, 1]), return_counts=True)
        (tensor([1, 2, 1]), tensor([2, 1, 1]))
    """
    return _distinct(input, dim, False, return_inverse, return_counts)


@function
def isin(elements, test_elements, *, assume_unique=False, invert=False, out=None):
    """Where an element occurs among the test elements.

    Args:
        elements: a tensor or a number.
        test_elements: a tensor of any sizes, or a number.
        assume_unique: accepted; the result is the same.
        invert: where it does not occur instead.
        out: a bool tensor for the result.

    Returns:
        A bool tensor with the sizes of elements.

    Example:
        >>> flambeau.isin(flambeau.tensor([[1, 2], [3, 4]]), flambeau.tensor([2, 4, 6]))
        tensor([[False,  True],
                [False,  True]])
    """
    elements, test_elements = _tensors(elements, test_elements)
    kernel = kernels(elements)
    known = kernel.sort(test_elements.reshape(-1), -1, False)[0]
    if not known._numel:
        return stored("isin", _C.full(elements.shape, invert, _C.bool), out, exact=True)
    place = kernel.searchsorted(known, elements, False, False, None).clamp(max=known._numel - 1)
    found = known[place] == elements
    return stored("isin", ~found if invert else found, out, exact=True)


def _number_beside(value, tensor):
    """A number as a 0-dim tensor: of the tensor's dtype, unless that is of a lesser kind."""
    dtype = tensor.dtype
    if isinstance(value, float) and not dtype.is_floating_point:
        dtype = _C.get_default_dtype()
    elif dtype == _C.bool and not isinstance(value, bool):
        dtype = _C.int64
    return _C.scalar_tensor(value, dtype)


def _tensors(*values):
    from flambeau.ops.values import as_tensor

    return [v if isinstance(v, Tensor) else as_tensor(v) for v in values]


# ---- searching and counting ----


@function
def searchsorted(
    sorted_sequence, input, *, out_int32=False, right=False, side=None, out=None, sorter=None
):
    """Where to insert values into sorted rows so that they stay sorted.

    Args:
        sorted_sequence: ascending along the last axis; a vector serves all values.
        input: the values, a tensor or a number.
        out_int32: return int32 instead of int64.
        right: behind equal elements instead of before them.
        side: "left" or "right", another way to say `right`.
        out: a tensor for the result.
        sorter: the places of the elements of an unsorted sequence in ascending order.

    Raises:
        RuntimeError: if the rows of both do not belong together.

    Example:
        >>> flambeau.searchsorted(flambeau.tensor([1., 3., 5.]), flambeau.tensor([3., 4.]))
        tensor([1, 2])
    """
    if side is not None:
        if side not in ("left", "right"):
            raise RuntimeError(
                f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
            )
        if side == "left" and right:
            raise RuntimeError(
                "torch.searchsorted(): side and right can't be set to opposites, got side of left "
                "while right was True"
            )
        right = side == "right"
    if not isinstance(input, Tensor):
        input = _number_beside(input, sorted_sequence)
    found = kernels(sorted_sequence).searchsorted(sorted_sequence, input, right, out_int32, sorter)
    return stored("searchsorted", found, out, exact=True)


@function
def bucketize(input, boundaries, *, out_int32=False, right=False, out=None):
    """The number of the bucket between ascending boundaries that each value falls into.

    Args:
        input: a tensor or a number.
        boundaries: an ascending vector.
        out_int32: return int32 instead of int64.
        right: values on a boundary belong to the bucket behind it.
        out: a tensor for the result.

    Raises:
        RuntimeError: if the boundaries are no vector.

    Example:
        >>> flambeau.bucketize(flambeau.tensor([0., 3., 6.]), flambeau.tensor([1., 3., 5.]))
        tensor([0, 1, 3])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right, out=out)


@function(methods=("histc",))
def histc(input, bins=100, min=0, max=0, *, out=None):
    """How many elements fall into each of `bins` equal intervals between min and max.

    Args:
        input: floating; what lies outside does not count.
        bins: how many intervals.
        min: the lower end; with min = max the extremes of the input are used.
        max: the upper end.
        out: a tensor for the result.

    Returns:
        (bins), of input's dtype.

    Raises:
        RuntimeError: if bins is not positive, or max less than min.

    Example:
        >>> flambeau.histc(flambeau.tensor([1., 2., 1.]), bins=4, min=0, max=3)
        tensor([0., 2., 1., 0.])
    """
    found = kernels(input).histc(input, bins, min, max)
    return stored("histc", found, out, exact=True)


@function(methods=("bincount",))
def bincount(input, weights=None, minlength=0):
    """How often each of 0, 1, 2, ... occurs in a vector of integers.

    Args:
        input: (n), integers from 0 on.
        weights: (n); add these up instead of counting.
        minlength: the least length of the result.

    Returns:
        (k) with one more than the greatest number, at least `minlength`: int64, or for weights
        float64 (float32 for those of that dtype).

    Raises:
        RuntimeError: if input is no vector of such numbers, or the weights are not as many.

    Example:
        >>> flambeau.bincount(flambeau.tensor([1, 2, 1]))
        tensor([0, 2, 1])
    """
    return kernels(input).bincount(input, weights, minlength)
