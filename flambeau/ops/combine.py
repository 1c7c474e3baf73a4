"""Tensors made of several or of their parts: blocks, products of vectors, segments."""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.core.errors import ArgumentValueError, RuntimeFailure, ShapeError
from flambeau.core.registry import FUNCTIONS, function, op
from flambeau.ops.gather import index_select
from flambeau.ops.join import cat, stack, unbind, vstack
from flambeau.ops.movement import meshgrid
from flambeau.ops.scatter import scatter_reduce
from flambeau.ops.views import atleast_2d

row_stack = FUNCTIONS["row_stack"] = vstack

# ---- blocks ----


@function
def block_diag(*tensors):
    """The matrix with matrices along its diagonal and zeros elsewhere.

    Args:
        tensors: matrices; vectors count as rows, numbers as matrices of one element.

    Raises:
        RuntimeError: for tensors of more axes.

    Example:
        >>> flambeau.block_diag(flambeau.tensor([[1, 2]]), flambeau.tensor([3]))
        tensor([[1, 2, 0],
                [0, 0, 3]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    for k, x in enumerate(tensors):
        if x.ndim > 2:
            raise RuntimeFailure(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input"
                f" {k} has {x.ndim} dimensions"
            )
    if not tensors:
        return _C.empty((1, 0), _C.get_default_dtype())
    return _block_diag([atleast_2d(x) for x in tensors])


def _corners(matrices):
    """Where each matrix begins; at last the sizes of the whole."""
    row, column = 0, 0
    for x in matrices:
        yield row, column
        row, column = row + x.shape[0], column + x.shape[1]
    yield row, column


@op(
    name="_block_diag",
    backward_name="BlockDiag",
    public=False,
    out=False,
    torch="",
    tensors="matrices",
    samples=lambda s: [s([s.tensor(2, 3), s.tensor(1, 2)]), s([s.tensor(2, 0), s.tensor(1, 2)])],
)
def _block_diag(matrices):
    dtype = matrices[0].dtype
    for x in matrices[1:]:
        dtype = _C.promote(dtype, x.dtype)
    *corners, sizes = _corners(matrices)
    out = _C.full(sizes, 0, dtype)
    for x, (row, column) in zip(matrices, corners, strict=True):
        _C.copy_into(_block(out, row, column, *x.shape), x)
    return out


def _block(whole, row, column, height, width):
    rows = _C.slice(whole, 0, row, row + height, 1)
    return _C.slice(rows, 1, column, column + width, 1)


@_block_diag.vjp("matrices")
def _(g, matrices):
    *corners, _ = _corners(matrices)
    return [
        g.narrow(0, row, x.shape[0]).narrow(1, column, x.shape[1])
        for x, (row, column) in zip(matrices, corners, strict=True)
    ]


# ---- vectors ----


@function
def cartesian_prod(*tensors):
    """All tuples with an element from each of some vectors, in lexical order.

    Args:
        tensors: vectors of one dtype.

    Returns:
        (number of tuples, number of vectors); the vector itself, if there is one.

    Raises:
        RuntimeError: if a tensor is no vector, or dtypes differ.

    Example:
        >>> flambeau.cartesian_prod(flambeau.tensor([1, 2]), flambeau.tensor([5, 6]))
        tensor([[1, 5],
                [1, 6],
                [2, 5],
                [2, 6]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeFailure("meshgrid expects a non-empty TensorList")
    for x in tensors:
        if x.ndim != 1:
            raise ShapeError(f"cartesian_prod: Expect a 1D vector, but got shape {tuple(x.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([x.flatten() for x in meshgrid(*tensors, indexing="ij")], 1)


#: More elements than any memory holds.
_MOST_ELEMENTS = 1 << 40


@function
def combinations(input, r=2, with_replacement=False):
    """All choices of r elements of a vector, in the order in which they stand.

    Args:
        input: a vector.
        r: how many.
        with_replacement: an element may be chosen more than once.

    Returns:
        (number of choices, r).

    Raises:
        RuntimeError: if input is not a vector, or r is negative.

    Example:
        >>> flambeau.combinations(flambeau.tensor([1, 2, 3]))
        tensor([[1, 2],
                [1, 3],
                [2, 3]])
    """
    if input.ndim != 1:
        raise RuntimeFailure(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeFailure(f"Expect a non-negative number, but got {r}")
    n = input.shape[0]
    count = math.comb(n + r - 1 if with_replacement and n else n, r)
    if count * r > _MOST_ELEMENTS:
        raise RuntimeFailure(f"combinations: {count} choices of {r} elements are too many")
    if r == 0 or count == 0:
        return input.narrow(0, 0, 0).reshape((0, r) if r else (0,))
    chosen = _C.unsqueeze(_C.arange(0, 1, n, _C.int64), 1)
    for _ in range(r - 1):
        chosen = _extended(chosen, n, with_replacement)
    return index_select(input, 0, chosen.reshape(-1)).reshape(-1, r)


def _extended(chosen, n, with_replacement):
    """Every choice followed by each of the places from its last one on."""
    last = chosen[:, -1] if with_replacement else chosen[:, -1] + 1
    counts = n - last
    rows = chosen.repeat_interleave(counts, 0)
    starts = counts.cumsum(0) - counts
    within = _C.arange(0, 1, rows.shape[0], _C.int64) - starts.repeat_interleave(counts)
    return cat([rows, (last.repeat_interleave(counts) + within).unsqueeze(1)], 1)


# ---- indices ----


@function
def unravel_index(indices, shape):
    """The coordinates of places counted in row-major order.

    Args:
        indices: integers; those beyond the number of elements start again from the front.
        shape: the sizes of the tensor that they count.

    Returns:
        A tuple with an int64 tensor of the sizes of indices for each axis.

    Raises:
        TypeError: if indices or sizes are no integers.
        ValueError: if a size is negative.

    Example:
        >>> flambeau.unravel_index(flambeau.tensor([1, 5]), (2, 3))
        (tensor([0, 1]), tensor([1, 2]))
    """
    dtype = indices.dtype
    if dtype.is_floating_point or dtype.is_complex or dtype == _C.bool:
        raise TypeError(f"expected 'indices' to be integer dtype, but got {dtype}")
    sizes = [shape] if hasattr(shape, "__index__") else shape
    if not isinstance(sizes, (tuple, list)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    for size in sizes:
        if not hasattr(size, "__index__"):
            raise TypeError(f"expected 'shape' sequence to only contain ints, but got {type(size)}")
    if any(size < 0 for size in sizes):
        raise ArgumentValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    if 0 in sizes and indices.numel():
        raise RuntimeFailure(f"unravel_index: a tensor of sizes {tuple(sizes)} has no elements")
    found, rest = [], indices.to(_C.int64)
    for size in reversed(sizes):
        found.append(rest % max(size, 1))
        rest = rest // max(size, 1)
    if len(found) < 2:
        return tuple(found)
    return unbind(stack(found[::-1], -1), -1)  # the columns of one tensor, as torch's lie


# ---- segments ----

_ALSO = {"amax": "max", "amin": "min"}
_STARTS = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "max": float("-inf"), "min": float("inf")}
_SCATTERED = {"sum": "sum", "mean": "sum", "prod": "prod", "max": "amax", "min": "amin"}


def _lengths(lengths, offsets):
    if offsets is not None:
        if lengths is not None:
            raise TypeError("segment_reduce(): give lengths or offsets, not both")
        lengths = offsets[..., 1:] - offsets[..., :-1]
    if lengths is None:
        raise RuntimeFailure("segment_reduce(): Either lengths or offsets must be defined.")
    return lengths


def _check_segments(data, lengths, axis, unsafe):
    if lengths.ndim != axis + 1 or lengths.shape[:-1] != data.shape[:axis]:
        raise ShapeError(
            "segment_reduce(): lengths must have the sizes of data before axis, and one more axis:"
            f" lengths is {tuple(lengths.shape)}, data is {tuple(data.shape)}, axis is {axis}"
        )
    if unsafe or not lengths.numel():
        return
    if bool((lengths < 0).any()):
        raise RuntimeFailure("segment_reduce(): lengths contains negative value!")
    if not bool((lengths.sum(-1) == data.shape[axis]).all()):
        raise RuntimeFailure(
            "segment_reduce(): Expected all rows of lengths along axis to sum to"
            " data.size(lengths.dim()-1)."
        )


@function
def segment_reduce(
    data,
    reduce,
    *,
    lengths=None,
    indices=None,
    offsets=None,
    axis=0,
    unsafe=False,
    initial=None,
):
    """One value for each segment of an axis: its sum, mean, maximum, minimum or product.

    Args:
        data: floating values.
        reduce: "sum", "mean", "max", "min" or "prod".
        lengths: the lengths of the segments; with axis > 0 a row of them for every leading place.
        indices: not supported, as in PyTorch.
        offsets: where the segments begin, and where the last ends, instead of lengths.
        axis: the axis that is cut into segments.
        unsafe: do not check the lengths.
        initial: what takes part in every segment; without it, an empty one gives the neutral
            element, its mean NaN.

    Raises:
        RuntimeError: if the lengths do not add up to the axis.

    Example:
        >>> x, n = flambeau.tensor([1., 2., 3.]), flambeau.tensor([2, 1])
        >>> flambeau.segment_reduce(x, "max", lengths=n)
        tensor([2., 3.])
    """
    reduce = _ALSO.get(reduce, reduce)
    if reduce not in _STARTS:
        raise RuntimeFailure(f"segment_reduce(): unsupported reduction {reduce!r}")
    if indices is not None:
        raise RuntimeFailure("segment_reduce(): indices based reduction is not supported yet.")
    if not data.dtype.is_floating_point:
        raise RuntimeFailure(f"segment_reduce: not implemented for {data.dtype.name}")
    if not 0 <= axis < data.ndim:
        raise RuntimeFailure(f"segment_reduce(): axis must be in [0, {data.ndim}), got {axis}")
    if offsets is not None and axis == 0 and offsets.numel():
        data = data[int(offsets[0]) : int(offsets[-1])]
    lengths = _lengths(lengths, offsets)
    _check_segments(data, lengths, axis, unsafe)
    segments, rest = lengths.shape[-1], data.shape[axis + 1 :]
    flat = lengths.reshape(-1)
    count = flat.shape[0]
    rows = data.reshape(-1, *rest) if data.numel() else data.reshape(int(flat.sum()), *rest)
    start = _C.full((count, *rest), _STARTS[reduce] if initial is None else initial, data.dtype)
    place = _C.arange(0, 1, count, _C.int64).repeat_interleave(flat)
    place = place.reshape(-1, *[1] * len(rest)).expand(rows.shape)
    result = scatter_reduce(start, 0, place, rows, _SCATTERED[reduce])
    if reduce == "mean":
        number = flat.reshape(-1, *[1] * len(rest)).to(data.dtype)
        result = result / (number if initial is None else number.clamp(min=1))
    return result.reshape(*data.shape[:axis], segments, *rest)
