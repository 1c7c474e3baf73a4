"""Picking by tensors of indices: gather, index_select, take, look-up tables."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ShapeError
from flambeau.core.registry import function, op
from flambeau.ops._declare import named, stored
from flambeau.ops.index import _zeros
from flambeau.ops.masks import where


def _select_samples(s):
    yield s(s.tensor(4, 3), 0, s.indices(5, high=4))
    yield s(s.tensor(2, 3, 4), -1, s.indices(2, high=4))
    yield s(s.tensor(4), 0, s.indices(0, high=1))


@op(methods=("index_select",), samples=_select_samples, exact_out=True)
def index_select(input, dim, index):
    """The slices along an axis that a vector of indices names, in its order.

    Args:
        input: any dtype and sizes.
        dim: the axis.
        index: (k) or a number, int32 or int64, from 0 on; may repeat.

    Returns:
        A copy with k slices along `dim`.

    Raises:
        IndexError: if an index is out of range (also if negative), or `index` has two axes.
        RuntimeError: if it is not of integers.

    Example:
        >>> x = flambeau.tensor([[1, 2, 3], [4, 5, 6]])
        >>> x.index_select(1, flambeau.tensor([2, 0]))
        tensor([[3, 1],
                [6, 4]])
    """
    return kernels(input).index_select(input, dim, index)


index_select.vjp("input")(
    lambda g, dim, index, input_shape: _zeros(g, input_shape).index_add(dim, index, g)
)


def _gather_samples(s):
    yield s(s.tensor(3, 4), 0, s.indices(2, 4, high=3))
    yield s(s.tensor(2, 3, 4), -1, s.indices(2, 2, 5, high=4))
    yield s(s.tensor(3), 0, s.indices(0, high=1))


@op(methods=("gather",), samples=_gather_samples, exact_out=True)
def gather(input, dim, index, *, sparse_grad=False):
    """One element for every index: `out[i][j] = input[index[i][j]][j]` for dim = 0, and alike else.

    Args:
        input: any dtype and sizes.
        dim: the axis along which `index` counts.
        index: as many axes, none but `dim` longer than input's; int32 or int64, from 0 on.
        sparse_grad: accepted; gradients are dense.

    Returns:
        A tensor with the sizes of `index`.

    Raises:
        IndexError: if an index is out of range (also if negative).
        RuntimeError: if the sizes of index do not fit, or it is not of integers.

    Example:
        >>> x = flambeau.tensor([[1, 2], [3, 4]])
        >>> x.gather(1, flambeau.tensor([[0, 0], [1, 0]]))
        tensor([[1, 1],
                [4, 3]])
    """
    return kernels(input).gather(input, dim, index)


gather.vjp("input")(
    lambda g, dim, index, input_shape: _zeros(g, input_shape).scatter_add(dim, index, g)
)


@op(
    methods=("take",),
    samples=lambda s: [s(s.tensor(3, 4), s.indices(2, 3, high=12))],
    exact_out=True,
)
def take(input, index):
    """Elements by their number in row-major order.

    Args:
        input: any dtype and sizes; n elements.
        index: int64, from -n to n - 1.

    Returns:
        A tensor with the sizes of `index`.

    Raises:
        IndexError: if an index is out of range.
        RuntimeError: if index is not int64.

    Example:
        >>> flambeau.tensor([[1, 2], [3, 4]]).take(flambeau.tensor([3, 0]))
        tensor([4, 1])
    """
    if index.dtype != _C.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype}")
    return named("TakeBackward0", input.reshape(-1)[index.contiguous()])


@function(methods=("take_along_dim",))
def take_along_dim(input, indices, dim=None, *, out=None):
    """`gather` whose input and indices broadcast; what `argsort` and `argmax` return is for this.

    Args:
        input: any dtype and sizes.
        indices: int64, as many axes.
        dim: the axis; None for the numbers of elements in row-major order.
        out: a tensor for the result.

    Raises:
        IndexError: if an index is out of range.
        RuntimeError: if the sizes do not broadcast.

    Example:
        >>> x = flambeau.tensor([[3, 1, 2]])
        >>> x.take_along_dim(x.argsort(dim=1), dim=1)
        tensor([[1, 2, 3]])
    """
    if dim is None:
        result = gather(input.reshape(-1), 0, indices.reshape(-1))
    else:
        indices = _from_front(indices, input.size(dim))
        dim = dim + input.ndim if dim < 0 else dim
        shape = list(_C.broadcast_shapes(_without(input.shape, dim), _without(indices.shape, dim)))
        result = gather(
            input.expand(_with(shape, dim, input.shape[dim])),
            dim,
            indices.expand(_with(shape, dim, indices.shape[dim])),
        )
    return stored("take_along_dim", result, out, exact=True)


def _from_front(indices, size):
    """Negative indices count from the end, as in NumPy; `gather` itself takes none."""
    return where(indices < 0, indices + size, indices)


def _without(shape, dim):
    return [1 if d == dim else s for d, s in enumerate(shape)]


def _with(shape, dim, size):
    return [size if d == dim else s for d, s in enumerate(shape)]


# ---- look-up tables ----


def _embedding_samples(s):
    yield s(s.indices(2, 3, high=5), s.tensor(5, 4), None)
    yield s(s.indices(6, high=4), s.tensor(5, 2), 4)  # a row that is not looked up


@op(
    public=False,
    out=False,
    backward_name="Embedding",
    torch="nn.functional.embedding",
    samples=_embedding_samples,
)
def embedding(input, weight, padding_idx):
    """Rows of `weight` named by `input`.

    Raises:
        RuntimeError: if the weight is no matrix.
    """
    if weight.ndim != 2:
        raise ShapeError(f"embedding: 'weight' must be 2-D, got {tuple(weight.shape)}")
    rows = kernels(weight).index_select(weight, 0, _C.reshape(input, (-1,)))
    return _C.reshape(rows, (*input.shape, *weight.shape[1:]))


def _looked_up(g, input, padding_idx, weight_shape):
    """Indices and the gradients of their rows."""
    flat = input.reshape(-1)
    rows = g.reshape(flat.shape[0], *weight_shape[1:])
    if padding_idx is not None:
        rows = rows * (flat != padding_idx).to(rows.dtype).unsqueeze(1)
    return flat, rows


@embedding.vjp("weight")
def _(g, input, padding_idx, weight_shape):
    found = _looked_up(g, input, padding_idx, weight_shape)
    return _zeros(g, weight_shape).index_add(0, *found)


@embedding.fast_vjp("weight")
def _(g, input, padding_idx, weight_shape):
    grad = _zeros(g, weight_shape)  # as large as the table: there is no second one
    kernels(g).index_add(grad, 0, *_looked_up(g, input, padding_idx, weight_shape), 1)
    return grad
