"""Histograms of values and of points, with bins of any number or edges; counts of integers."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import RuntimeFailure, UnsupportedError
from flambeau.core.registry import FUNCTIONS, function
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import stored


def _check_values(points):
    if points.dtype not in (_C.float32, _C.float64):
        raise UnsupportedError(f"histogram: not implemented for {points.dtype.name}")


def _range(points, given, axis):
    """The least and the greatest edge along one coordinate."""
    if given is not None:
        low, high = float(given[2 * axis]), float(given[2 * axis + 1])
    elif points.numel() == 0:
        low, high = 0.0, 1.0
    else:
        column = points[:, axis]
        low, high = column.min().item(), column.max().item()
    if not (abs(low) < float("inf") and abs(high) < float("inf")):
        raise RuntimeFailure(
            f"torch.histogramdd: dimension {axis}'s range [{low:g}, {high:g}] is not finite"
        )
    if low > high:
        raise RuntimeFailure(
            f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for"
            f" dimension {axis}"
        )
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _edges(points, bins, given, axis):
    """The ascending borders of the bins along one coordinate."""
    if not isinstance(bins, Tensor):
        if bins <= 0:
            raise RuntimeFailure(
                f"torch.histogram(): bins must be > 0, but got {bins} for dimension {axis}"
            )
        low, high = _range(points, given, axis)
        return FUNCTIONS["linspace"](low, high, bins + 1, dtype=points.dtype)
    if bins.ndim != 1 or bins.numel() == 0:
        raise RuntimeFailure(
            f"torch.histogramdd(): bins tensor should have one dimension of at least one edge, but"
            f" got {tuple(bins.shape)}"
        )
    if bins.dtype != points.dtype:
        raise RuntimeFailure(
            f"torch.histogramdd(): bins tensor has dtype {bins.dtype}, but the input has dtype"
            f" {points.dtype}"
        )
    return bins.contiguous()


def _counted(points, edges, even, weight, density):
    """Sums of the weights of (n, d) points by bin, in a tensor with an axis for each coordinate."""
    weight = None if weight is None else weight.detach().reshape(-1)
    found = kernels(points).histogram(points, edges, even, weight)
    return _as_density(found, edges) if density else found


def _as_density(counts, edges):
    """Divides by the total and by the volume of every bin."""
    counts = counts / counts.sum()
    for axis, e in enumerate(edges):
        shape = [1] * counts.ndim
        shape[axis] = -1
        counts = counts / (e[1:] - e[:-1]).reshape(shape)
    return counts


def _check_weight(input, shape, weight):
    if weight is None:
        return
    if tuple(weight.shape) != tuple(shape):
        raise RuntimeFailure(
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the"
            f" input tensor excluding its innermost dimension, but got input with shape"
            f" {list(input.shape)} and weight with shape {list(weight.shape)}"
        )
    if weight.dtype != input.dtype:
        raise RuntimeFailure(
            "torch.histogramdd: if weight tensor is provided, input tensor and weight tensor"
            f" should have the same dtype, but got input(dtype={input.dtype}), and"
            f" weight(dtype={weight.dtype})"
        )


@function(methods=("histogram",))
def histogram(input, bins=100, *, range=None, weight=None, density=False, out=None):
    """How many elements fall into each of some bins.

    A bin has its left edge, the last one also its right edge; other values are not counted.

    Args:
        input: values, float32 or float64, of any sizes.
        bins: how many bins of equal width, or a vector of ascending edges.
        range: (least, greatest) edge for a number of bins; by default the extremes of input.
        weight: how much each element counts.
        density: divide by the total and by the widths, so that the integral is 1.
        out: (hist, bin_edges), tensors that receive the result.

    Returns:
        (hist, bin_edges), of which the second has one element more.

    Raises:
        RuntimeError: if the range is not finite, or bins or weight do not fit.

    Example:
        >>> flambeau.histogram(flambeau.tensor([1., 2., 1.]), bins=2, range=(0., 2.)).hist
        tensor([0., 3.])
    """
    _check_values(input)
    if range is not None and isinstance(bins, Tensor):
        raise TypeError("histogram(): range goes with a number of bins, not with their edges")
    if range is not None and len(range) != 2:
        raise RuntimeFailure(f"torch.histogram(): range must have 2 numbers, but got {len(range)}")
    points = input.detach().reshape(-1, 1)
    _check_weight(input, input.shape, weight)
    edges = _edges(points, bins, range, 0)
    found = return_types.histogram(
        (_counted(points, [edges], not isinstance(bins, Tensor), weight, density), edges)
    )
    return stored("histogram", found, out, exact=True)


@function
def histogramdd(input, bins, range=None, weight=None, density=False):
    """How many points fall into each box of a grid.

    Args:
        input: (..., d), the points, float32 or float64.
        bins: how many bins along every coordinate: one number, d numbers, or d vectors of edges.
        range: 2 d numbers, the least and the greatest edge along every coordinate.
        weight: (...), how much each point counts.
        density: divide by the total and by the volumes, so that the integral is 1.

    Returns:
        (hist, bin_edges): a tensor with d axes, and the tuple of the d vectors of edges.

    Raises:
        RuntimeError: if the range is not finite, or bins, range or weight do not fit.

    Example:
        >>> points = flambeau.tensor([[0., 1.], [1., 0.], [1., 1.]])
        >>> flambeau.histogramdd(points, bins=2).hist
        tensor([[0., 1.],
                [1., 1.]])
    """
    _check_values(input)
    if input.ndim < 2:
        raise RuntimeFailure(
            f"torch.histogramdd(): expected 2D or higher input, but got {input.ndim}D"
        )
    count = input.shape[-1]
    several = [bins] * count if isinstance(bins, int) else list(bins)
    if len(several) != count:
        raise RuntimeFailure(
            "torch.histogramdd(): the size of bins should be equal to the innermost dimension of"
            f" the input: {len(several)} and {count}"
        )
    if range is not None and len(range) != 2 * count:
        raise RuntimeFailure(
            f"torch.histogramdd(): for a {count}-dimensional histogram range should have"
            f" {2 * count} elements, but got {len(range)}"
        )
    points = input.detach().reshape(-1, count)
    _check_weight(input, input.shape[:-1], weight)
    edges = [_edges(points, b, range, axis) for axis, b in enumerate(several)]
    even = not any(isinstance(b, Tensor) for b in several)
    found = _counted(points, edges, even, weight, density)
    return return_types.histogramdd((found, tuple(edges)))


# ---- counts by a kernel ----


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
