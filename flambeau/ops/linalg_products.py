"""Products of several matrices, of vectors, and what is read off or made of those."""

from __future__ import annotations

from functools import lru_cache

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import DTypeError, ShapeError, UnsupportedError
from flambeau.core.notices import warn
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import conj
from flambeau.ops.join import cat
from flambeau.ops.matmul import mm, vdot
from flambeau.ops.parts import diagonal
from flambeau.ops.views import _axis

# ---- products of several matrices ----


@lru_cache(maxsize=256)
def _best_splits(sizes):
    """Where to split each run of factors, by the least number of multiplications.

    Args:
        sizes: a tuple: rows of the factors, and columns of the last one.
    """
    count = len(sizes) - 1
    cost = [[0] * count for _ in range(count)]
    split = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i][j], split[i][j] = min(
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


def _product(matrices, split, i, j):
    if i == j:
        return matrices[i]
    k = split[i][j]
    return mm(_product(matrices, split, i, k), _product(matrices, split, k + 1, j))


def _chain(matrices):
    return _product(
        matrices,
        _best_splits((*(m.shape[0] for m in matrices), matrices[-1].shape[1])),
        0,
        len(matrices) - 1,
    )


def _multi_dot_samples(s):
    yield s([s.tensor(2, 3), s.tensor(3, 4), s.tensor(4, 1)])
    yield s([s.tensor(3), s.tensor(3, 4), s.tensor(4, 2), s.tensor(2)])
    yield s([s.tensor(3), s.tensor(3)])
    yield s([s.tensor(2, 3), s.tensor(3)])
    yield s([s.tensor(2, 0), s.tensor(0, 3), s.tensor(3, 2)])


@op(
    name="linalg.multi_dot",
    public=False,
    torch="linalg.multi_dot",
    tensors="tensors",
    samples=_multi_dot_samples,
    exact_out=True,
)
def multi_dot(tensors):
    """The product of two or more matrices, in the order of fewest multiplications.

    Args:
        tensors: matrices; the first and the last may be vectors, a row and a column.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> a, b = flambeau.ones(2, 3), flambeau.ones(3)
        >>> flambeau.linalg.multi_dot([a, b])
        tensor([3., 3.])
    """
    factors = list(tensors)
    for t in factors:
        if not isinstance(t, Tensor):
            raise TypeError(
                "linalg_multi_dot(): argument 'tensors' must be tuple of Tensors, not "
                f"{type(t).__name__}"
            )
    if len(factors) < 2:
        raise ShapeError(f"multi_dot(): expected at least 2 tensors but got {len(factors)}")
    for place, t in ((("the first tensor"), factors[0]), ("the last tensor", factors[-1])):
        if t.ndim not in (1, 2):
            raise ShapeError(f"multi_dot(): {place} must be 1D or 2D but got {t.ndim}D")
    for k, t in enumerate(factors):
        if 0 < k < len(factors) - 1 and t.ndim != 2:
            raise ShapeError(f"multi_dot(): tensor {k} must be 2D but got {t.ndim}D")
        if t.dtype != factors[0].dtype:
            raise DTypeError(
                "multi_dot(): all tensors must have be the same dtype but tensor 0 is "
                f"{factors[0].dtype.name} and tensor {k} {t.dtype.name}"
            )
    row, column = factors[0].ndim == 1, factors[-1].ndim == 1
    if row:
        factors[0] = factors[0].unsqueeze(0)
    if column:
        factors[-1] = factors[-1].unsqueeze(1)
    for k in range(len(factors) - 1):
        if factors[k].shape[1] != factors[k + 1].shape[0]:
            raise ShapeError(
                f"multi_dot(): tensors {k} and {k + 1} with shapes {list(tensors[k].shape)} and "
                f"{list(tensors[k + 1].shape)} cannot be multiplied"
            )
    sizes = factors[0].shape[row:1] + factors[-1].shape[1 : 2 - column]
    return _chain(factors).view(sizes)


@function
def chain_matmul(*matrices, out=None):
    """The product of matrices: `linalg.multi_dot` with the matrices one by one.

    Args:
        matrices: two axes each, sizes that fit one after the other.
        out: a tensor for the result.

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     flambeau.chain_matmul(flambeau.ones(1, 2), flambeau.ones(2, 3))
        tensor([[2., 2., 2.]])
    """
    warn(
        "torch.chain_matmul is deprecated and will be removed in a future PyTorch release. Use "
        "torch.linalg.multi_dot instead, which takes a list of matrices."
    )
    if len(matrices) == 1 and isinstance(matrices[0], (list, tuple)):
        matrices = tuple(matrices[0])
    if not matrices:
        raise ShapeError("chain_matmul(): Expected one or more matrices")
    for m in matrices:
        if m.ndim != 2:
            raise ShapeError(f"Tensor dimension is {m.ndim}, expected 2 instead.")
    if len(matrices) == 1:
        return (
            matrices[0].clone()
            if out is None
            else out.resize_(matrices[0].shape).copy_(matrices[0])
        )
    return multi_dot(list(matrices), out=out)


# ---- vectors ----


def _vecdot_samples(s):
    yield s(s.tensor(3), s.tensor(3))
    yield s(s.tensor(2, 3), s.tensor(3))
    yield s(s.tensor(2, 3), s.tensor(2, 3), dim=0)
    yield s(s.tensor(), s.tensor())
    yield s(s.tensor(2, 0), s.tensor(0))


@op(
    name="linalg.vecdot",
    public=False,
    torch="linalg.vecdot",
    samples=_vecdot_samples,
    exact_out=True,
)
def vecdot(x, y, *, dim=-1):
    """The products of vectors along an axis, of which the first is conjugated.

    Args:
        x: floating or complex.
        y: of the same dtype; the two broadcast.
        dim: the axis of the vectors.

    Raises:
        DTypeError: if the dtypes differ, or are not floating.

    Example:
        >>> flambeau.linalg.vecdot(flambeau.ones(2, 3), flambeau.ones(3))
        tensor([3., 3.])
    """
    for t in (x, y):
        if not (t.is_floating_point() or t.is_complex()):
            raise DTypeError(
                "linalg.vecdot: Expected a floating point or complex tensor as input. Got "
                f"{_C.type_name(t.dtype)}"
            )
    if x.dtype != y.dtype:
        raise DTypeError(
            "linalg.vecdot: Expected x and y to have the same dtype, but found x of type "
            f"{_C.type_name(x.dtype)} and y of type {_C.type_name(y.dtype)} instead"
        )
    if x.ndim == y.ndim == 1 and x.shape == y.shape and dim in (0, -1):
        return vdot(x, y)
    return (conj(x) * y).sum(dim)


def _cross_samples(s):
    yield s(s.tensor(3), s.tensor(3))
    yield s(s.tensor(2, 3), s.tensor(1, 3))
    yield s(s.tensor(3, 2), s.tensor(3, 2), dim=0)
    yield s(s.tensor(0, 3), s.tensor(0, 3))


@op(name="linalg.cross", public=False, torch="linalg.cross", samples=_cross_samples, exact_out=True)
def linalg_cross(input, other, *, dim=-1):
    """The cross products of vectors of three elements along an axis.

    Args:
        input: a tensor.
        other: a tensor of as many axes; both broadcast.
        dim: the axis of the vectors.

    Raises:
        ShapeError: if that has not three elements.

    Example:
        >>> e = flambeau.eye(3)
        >>> flambeau.linalg.cross(e[0], e[1])
        tensor([0., 0., 1.])
    """
    if input.ndim != other.ndim:
        raise ShapeError("linalg.cross: inputs must have the same number of dimensions.")
    axis = _axis(dim, input.ndim)
    sizes = [t.shape[axis] if t.ndim else 1 for t in (input, other)]
    if sizes != [3, 3]:
        raise ShapeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {sizes[0]} and "
            f"{sizes[1]}"
        )
    if input.dtype == _C.bool or other.dtype == _C.bool:
        raise UnsupportedError("linalg.cross: not implemented for 'Bool'")
    if input.dtype != other.dtype:
        raise DTypeError(
            f"linalg.cross: expected scalar type {_C.type_name(input.dtype)} but found "
            f"{_C.type_name(other.dtype)}"
        )
    return kernels(input).cross(input, other, axis)


@linalg_cross.vjp("input", "other")
def _(g, input, other, dim, needs):
    return (
        linalg_cross(conj(other), g, dim=dim) if needs[0] else None,
        linalg_cross(g, conj(input), dim=dim) if needs[1] else None,
    )


@op(
    methods=("cross",),
    samples=lambda s: [s(s.tensor(3, 2), s.tensor(3, 2), 0), s(s.tensor(2, 3), s.tensor(2, 3), 1)],
    exact_out=True,
)
def cross(input, other, dim=None):
    """The cross products of vectors of three elements.

    Args:
        input: a tensor with an axis of size three.
        other: a tensor of as many axes; both broadcast.
        dim: the axis of the vectors; the first of size three unless given.

    Returns:
        A tensor of the sizes that they broadcast to.

    Raises:
        RuntimeError: if there is no such axis, or the sizes do not broadcast.

    Example:
        >>> x, y = flambeau.tensor([1, 0, 0]), flambeau.tensor([0, 1, 0])
        >>> x.cross(y, dim=0)
        tensor([0, 0, 1])
    """
    if dim is None:
        dim = next((k for k, size in enumerate(input.shape) if size == 3), None)
        if dim is None:
            raise ShapeError(
                f"linalg.cross: no dimension of size 3 in input: it is {tuple(input.shape)}"
            )
    return linalg_cross(input, other, dim=dim)


@op(
    name="linalg.diagonal",
    public=False,
    torch="linalg.diagonal",
    out=False,
    samples=lambda s: [s(s.tensor(2, 3, 4)), s(s.tensor(3, 4, 2), offset=1, dim1=0, dim2=1)],
)
def linalg_diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonals of matrices, as a view: `diagonal` of the last two axes unless told otherwise.

    Args:
        A: any dtype, at least two axes.
        offset: the diagonal, counted upwards from the main one.
        dim1: the axis of the rows.
        dim2: the axis of the columns.

    Raises:
        RuntimeError: if the axes are the same.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.linalg.diagonal(flambeau.ones(7, 3, 4)).shape
        torch.Size([7, 3])
    """
    return diagonal(A, offset, dim1, dim2)


@op(
    methods=("trace",),
    samples=lambda s: [s(s.tensor(3, 3)), s(s.tensor(2, 4)), s(s.tensor(0, 3))],
)
def trace(input):
    """The sum of the diagonal of a matrix.

    Args:
        input: (m, n).

    Raises:
        RuntimeError: if input is no matrix.

    Example:
        >>> flambeau.trace(flambeau.ones(3, 3))
        tensor(3.)
    """
    if input.ndim != 2:
        raise ShapeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    if input.dtype == _C.bool:
        raise UnsupportedError("trace: not implemented for 'Bool'")
    return kernels(input).sum(_C.diagonal(input, 0, 0, 1), None, False, None)


@trace.vjp("input")
def _(g, input_shape):
    return g * kernels(g).eye(*input_shape, g.dtype)


def _vander_samples(s):
    yield s(s.tensor(3))
    yield s(s.tensor(2, 3), N=4)
    yield s(s.tensor(3), N=2)
    yield s(s.tensor(), N=3)


@op(name="linalg.vander", public=False, torch="linalg.vander", samples=_vander_samples)
def linalg_vander(x, *, N=None):
    """The powers 1, x, x^2, ... of each element, along a new last axis.

    Args:
        x: (..., n); a single element counts as one of one axis.
        N: how many; n unless given.

    Raises:
        RuntimeError: if N is less than 2.

    Example:
        >>> flambeau.linalg.vander(flambeau.tensor([1., 2.]), N=3)
        tensor([[1., 1., 1.],
                [1., 2., 4.]])
    """
    count = (x.shape[-1] if x.ndim else 1) if N is None else N
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"linalg_vander(): argument 'N' must be int, not {type(count).__name__}")
    if count <= 1:
        raise ShapeError("N must be greater than 1.")
    x = x if x.ndim else x.unsqueeze(0)
    x = x.to(_C.int64) if x.dtype == _C.bool else x
    _C.empty((*x.shape, count), x.dtype)  # refuses what does not fit into memory
    powers = x.unsqueeze(-1).expand((*x.shape, count - 1)).cumprod(-1)
    return cat((x.new_full((*x.shape, 1), 1), powers), -1)
