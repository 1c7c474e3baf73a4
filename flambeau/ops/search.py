"""Distinct elements, and searching for elements among others."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import function
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import stored

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


# ---- sorted sequences ----


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
