"""Views of parts: slices, diagonals, windows; and copies in which a part is other.

A view shares storage with its input and is written through. What flows back to the input is zero
but in the part.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import require
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import named, stored
from flambeau.ops.views import _axis, _row_major, reshape


def _into_zeros(g, shape, view):
    """Zeros of `shape` whose `view` holds g."""
    out = _C.full(shape, 0, g.dtype)
    _C.copy_into(view(out), g)
    return out


# ---- parts ----


@op(
    methods=("select",),
    view=True,
    out=False,
    samples=lambda s: [s(s.tensor(2, 3), 1, -1), s(s.tensor(4), 0, 2)],
    compiled=_C.select,
)
def select(input, dim, index):
    """A view of one slice along an axis, without that axis: `x.select(1, k)` is `x[:, k]`.

    Args:
        input: any dtype, at least one axis.
        dim: the axis.
        index: the slice, from -n to n - 1 in an axis of length n.

    Raises:
        IndexError: if there is no such axis or slice.

    Example:
        >>> flambeau.tensor([[1, 2], [3, 4]]).select(1, 0)
        tensor([1, 3])
    """
    return _C.select(input, dim, index)


@op(
    public=False,
    out=False,
    backward_name="SelectBackwardBackward0",
    samples=lambda s: [s(s.tensor(2), (2, 3), 1, 2)],
    torch="",
)
def select_backward(g, input_shape, dim, index):
    """Zeros with g in the place of one slice."""
    return _into_zeros(g, input_shape, lambda out: _C.select(out, dim, index))


select.vjp("input")(lambda g, dim, index, input_shape: select_backward(g, input_shape, dim, index))
select_backward.vjp("g")(lambda g, dim, index: g.select(dim, index))


@op(
    methods=(),
    view=True,
    out=False,
    public=False,
    samples=lambda s: [s(s.tensor(2, 5), 1, 1, 5, 2), s(s.tensor(4), 0, -2)],
    torch="",
    compiled=_C.slice,
)
def slice(input, dim=0, start=None, end=None, step=1):
    """A view of a range along one axis."""
    return _C.slice(input, dim, start, end, step)


@op(
    public=False,
    out=False,
    backward_name="SliceBackwardBackward0",
    samples=lambda s: [s(s.tensor(2, 2), (2, 5), 1, 1, 5, 2)],
    torch="",
)
def slice_backward(g, input_shape, dim, start, end, step):
    """Zeros with g in the place of a range."""
    return _into_zeros(g, input_shape, lambda out: _C.slice(out, dim, start, end, step))


@slice.vjp("input")
def _(g, input_shape, dim, start, end, step):
    return slice_backward(g, input_shape, dim, start, end, step)


slice_backward.vjp("g")(lambda g, dim, start, end, step: slice(g, dim, start, end, step))


def _counts(dtype):
    return not (dtype.is_floating_point or dtype.is_complex or dtype == _C.bool)


@function(methods=("narrow",))
def narrow(input, dim, start, length):
    """A view of a range along an axis: `x.narrow(0, start, length)` is `x[start:start + length]`.

    Args:
        input: any dtype, at least one axis.
        dim: the axis.
        start: the first slice, a number or a 0-dim tensor of integers; negative from the end.
        length: how many.

    Raises:
        RuntimeError: if the range leaves the axis.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.tensor([1, 2, 3, 4]).narrow(0, 1, 2)
        tensor([2, 3])
    """
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    axis = _axis(dim, input.ndim)
    if isinstance(start, Tensor) and (start.ndim or not _counts(start.dtype)):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    start = int(start)
    size = input.shape[axis]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start += size if start < 0 else 0
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return slice(input, axis, start, start + length)


@function(methods=("narrow_copy",))
def narrow_copy(input, dim, start, length, *, out=None):
    """`narrow` with a storage of its own.

    Args:
        input: any dtype, at least one axis.
        dim: the axis.
        start: the first slice.
        length: how many.
        out: a tensor for the result.

    Raises:
        RuntimeError: if the range leaves the axis.

    Example:
        >>> x = flambeau.tensor([1, 2, 3])
        >>> x.narrow_copy(0, 1, 2).zero_(), x
        (tensor([0, 0]), tensor([1, 2, 3]))
    """
    copy = named("NarrowCopyBackward0", narrow(input, dim, start, length).clone())
    return stored("narrow_copy", copy, out, exact=True)


@op(
    methods=("diagonal",),
    view=True,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4)), s(s.tensor(2, 3, 4), 1, 0, 2)],
)
def diagonal(input, offset=0, dim1=0, dim2=1):
    """A view of a diagonal of the matrices in two axes; it becomes the last axis.

    Args:
        input: any dtype, at least two axes.
        offset: the diagonal, counted upwards from the main one.
        dim1: the axis of the rows.
        dim2: the axis of the columns.

    Raises:
        RuntimeError: if the axes are the same.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.tensor([[1, 2], [3, 4]]).diagonal(1)
        tensor([2])
    """
    return _C.diagonal(input, offset, dim1, dim2)


@op(
    public=False,
    out=False,
    backward_name="DiagonalBackwardBackward0",
    samples=lambda s: [s(s.tensor(3), (3, 4), 0, 0, 1)],
    torch="",
)
def diagonal_backward(g, input_shape, offset, dim1, dim2):
    """Zeros with g on a diagonal."""
    return _into_zeros(g, input_shape, lambda out: _C.diagonal(out, offset, dim1, dim2))


@diagonal.vjp("input")
def _(g, input_shape, offset, dim1, dim2):
    return diagonal_backward(g, input_shape, offset, dim1, dim2)


diagonal_backward.vjp("g")(lambda g, offset, dim1, dim2: g.diagonal(offset, dim1, dim2))


@op(
    public=False,
    exact_out=True,
    backward_name="DiagonalBackward0_copy",
    samples=lambda s: [s(s.tensor(3, 4)), s(s.tensor(4, 5, 3), 2, 0, 1)],
)
def diagonal_copy(input, offset=0, dim1=0, dim2=1):
    """`diagonal` with a storage of its own.

    Args:
        input: any dtype, at least two axes.
        offset: the diagonal, counted upwards from the main one.
        dim1: the axis of the rows.
        dim2: the axis of the columns.

    Raises:
        RuntimeError: if the axes are the same.
        IndexError: if there is no such axis.

    Example:
        >>> x = flambeau.eye(2)
        >>> flambeau.diagonal_copy(x).zero_(), bool(x.any())
        (tensor([0., 0.]), True)
    """
    view = _C.diagonal(input, offset, dim1, dim2)
    return kernels(input).clone_strided(view, _row_major(view.shape))


@diagonal_copy.vjp("input")
def _(g, input_shape, offset, dim1, dim2):
    return diagonal_backward(g, input_shape, offset, dim1, dim2)


@op(methods=("diag_embed",), out=False, samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor(3), 1)])
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices, in axes dim1 and dim2, whose diagonals are the last axis of input.

    Args:
        input: (..., n), any dtype.
        offset: the diagonal, counted upwards from the main one.
        dim1: the axis of the rows in the result.
        dim2: the axis of the columns.

    Returns:
        (..., n + |offset|, n + |offset|) by default; zeros outside the diagonal.

    Raises:
        RuntimeError: if the axes are the same.
        IndexError: if there is no such axis, or input is a number.

    Example:
        >>> flambeau.diag_embed(flambeau.tensor([1, 2]), 1)
        tensor([[0, 1, 0],
                [0, 0, 2],
                [0, 0, 0]])
    """
    n = input.ndim + 1
    first, second = _axis(dim1, n), _axis(dim2, n)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if not input.ndim:
        raise IndexError("diag_embed: input must have at least 1 dimension")
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for axis in sorted((first, second)):
        shape.insert(axis, size)
    return _into_zeros(input, shape, lambda out: _C.diagonal(out, offset, first, second))


diag_embed.vjp("input")(lambda g, offset, dim1, dim2: g.diagonal(offset, dim1, dim2))


@function(methods=("diag",))
def diag(input, diagonal=0, *, out=None):
    """The matrix with a vector on a diagonal, or a copy of the diagonal of a matrix.

    Args:
        input: (n) or (n, m), any dtype.
        diagonal: which, counted upwards from the main one.
        out: a tensor for the result.

    Returns:
        (n + |diagonal|, n + |diagonal|) or a vector.

    Raises:
        RuntimeError: if input has another number of axes.

    Example:
        >>> flambeau.diag(flambeau.tensor([1, 2]))
        tensor([[1, 0],
                [0, 2]])
        >>> flambeau.diag(flambeau.tensor([[1, 2], [3, 4]]))
        tensor([1, 4])
    """
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    made = diag_embed(input, diagonal) if input.ndim == 1 else diagonal_copy(input, diagonal)
    return stored("diag", made, out, exact=True)


@function(methods=("diagflat",))
def diagflat(input, offset=0):
    """The matrix with all elements of input, row by row, on a diagonal.

    Args:
        input: any dtype and sizes; n elements.
        offset: the diagonal, counted upwards from the main one.

    Returns:
        (n + |offset|, n + |offset|).

    Example:
        >>> flambeau.diagflat(flambeau.tensor([[1], [2]]))
        tensor([[1, 0],
                [0, 2]])
    """
    return diag_embed(reshape(input, (-1,)), offset)


@op(
    methods=("unfold",),
    view=True,
    out=False,
    public=False,
    samples=lambda s: [s(s.tensor(7), 0, 3, 2), s(s.tensor(2, 5), -1, 2, 1)],
    torch="Tensor.unfold",
)
def unfold(input, dimension, size, step):
    """A view of all windows along an axis; what is within a window becomes the last axis.

    Args:
        input: any dtype and sizes.
        dimension: the axis, of length n.
        size: the length of a window.
        step: the distance from one window to the next.

    Returns:
        The same axes, of which `dimension` has (n - size) // step + 1 windows, and one of `size`.

    Raises:
        RuntimeError: if a window is longer than the axis, or the step is not positive.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.arange(5).unfold(0, 3, 2)
        tensor([[0, 1, 2],
                [2, 3, 4]])
    """
    return _C.unfold(input, dimension, size, step)


@op(
    public=False,
    out=False,
    backward_name="UnfoldBackwardBackward0",
    samples=lambda s: [s(s.tensor(3, 3), (7,), 0, 3, 2)],
    torch="",
)
def unfold_backward(g, input_shape, dimension, size, step):
    """The sum of overlapping windows, each added in its place."""
    whole = (input_shape, _row_major(input_shape), 0)
    windows = _C.unfold(_C.empty(input_shape, g.dtype), dimension, size, step)
    return kernels(g).strided_scatter_add(g, whole, (windows.shape, windows.stride(), 0))


@unfold.vjp("input")
def _(g, input_shape, dimension, size, step):
    return unfold_backward(g, input_shape, dimension, size, step)


unfold_backward.vjp("g")(lambda g, dimension, size, step: g.unfold(dimension, size, step))

# ---- copies in which a part is other ----


def _copy_with_strides(input):
    """A copy with the very strides of input, gaps and all, where no element lies on another."""
    if any(
        stride == 0 and size > 1 for stride, size in zip(input._strides, input.shape, strict=True)
    ):
        return kernels(input).clone(input)
    out = _C.empty_strided(input.shape, input._strides, input.dtype)
    _C.copy_into(out, input)
    return out


def _scattered(input, src, view, name):
    out = _copy_with_strides(input)
    target = view(out)
    require(
        target.shape == src.shape,
        f"{name}: src must have the sizes of the part it replaces",
        part=target,
        src=src,
    )
    _C.copy_into(target, src)
    return out


@op(
    methods=("select_scatter",), out=False, samples=lambda s: [s(s.tensor(2, 3), s.tensor(2), 1, 2)]
)
def select_scatter(input, src, dim, index):
    """A copy of input in which one slice along an axis is src: what `select` would have written to.

    Args:
        input: any dtype, at least one axis.
        src: the slice, which lacks that axis.
        dim: the axis.
        index: which slice.

    Raises:
        RuntimeError: if src has other sizes than the slice.
        IndexError: if there is no such axis or slice.

    Example:
        >>> flambeau.zeros(2, 2).select_scatter(flambeau.ones(2), 1, 0)
        tensor([[1., 0.],
                [1., 0.]])
    """
    return _scattered(input, src, lambda out: _C.select(out, dim, index), "select_scatter")


@select_scatter.vjp("input")
def _(g, dim, index, src_shape):
    return select_scatter(g, g.new_zeros(src_shape), dim, index)


select_scatter.vjp("src")(lambda g, dim, index: g.select(dim, index))


@op(
    methods=("slice_scatter",),
    samples=lambda s: [s(s.tensor(2, 5), s.tensor(2, 2), 1, 1, 5, 2)],
)
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy of input in which `input[start:end:step]` along an axis is src.

    Args:
        input: any dtype, at least one axis.
        src: of the sizes of that range.
        dim: the axis.
        start: the first slice, by default 0; negative from the end.
        end: where the range ends, by default with the axis.
        step: the distance of the slices, positive.

    Raises:
        RuntimeError: if src has other sizes than the range.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.zeros(5).slice_scatter(flambeau.ones(2), 0, 1, 5, 2)
        tensor([0., 1., 0., 1., 0.])
    """
    return _scattered(input, src, lambda out: _C.slice(out, dim, start, end, step), "slice_scatter")


@slice_scatter.vjp("input")
def _(g, dim, start, end, step, src_shape):
    return slice_scatter(g, g.new_zeros(src_shape), dim, start, end, step)


slice_scatter.vjp("src")(lambda g, dim, start, end, step: slice(g, dim, start, end, step))


@op(methods=("diagonal_scatter",), out=False, samples=lambda s: [s(s.tensor(3, 4), s.tensor(3))])
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy of input in which a diagonal is src.

    Args:
        input: any dtype, at least two axes.
        src: of the sizes that `diagonal` has.
        offset: the diagonal, counted upwards from the main one.
        dim1: the axis of the rows.
        dim2: the axis of the columns.

    Raises:
        RuntimeError: if src has other sizes than the diagonal.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.zeros(2, 2).diagonal_scatter(flambeau.tensor([1.0, 2.0]))
        tensor([[1., 0.],
                [0., 2.]])
    """
    return _scattered(
        input, src, lambda out: _C.diagonal(out, offset, dim1, dim2), "diagonal_scatter"
    )


@diagonal_scatter.vjp("input")
def _(g, offset, dim1, dim2, src_shape):
    return diagonal_scatter(g, g.new_zeros(src_shape), offset, dim1, dim2)


diagonal_scatter.vjp("src")(lambda g, offset, dim1, dim2: g.diagonal(offset, dim1, dim2))
