"""Tensors as matrices: inverses and solutions for `tensordot`."""

from __future__ import annotations

from flambeau.core.errors import ShapeError
from flambeau.core.numeric import whole
from flambeau.core.registry import op
from flambeau.ops.linalg_common import regular
from flambeau.ops.linalg_solve import inverse, solve
from flambeau.ops.views import _axis


def _count(sizes):
    count = 1
    for size in sizes:
        count *= size
    return count


@op(
    name="linalg.tensorinv",
    public=False,
    torch="linalg.tensorinv",
    samples=lambda s: [
        s((regular(s, 6, 6)).reshape(2, 3, 6), 2),
        s((regular(s, 6, 6)).reshape(6, 3, 2), ind=1),
    ],
)
def tensorinv(input, ind=2):
    """The inverse for `tensordot`: of the matrix whose rows are the first `ind` axes.

    Args:
        input: a tensor whose first `ind` sizes have the product of the others.
        ind: how many axes count as rows.

    Returns:
        The tensor X with the axes in the other order for which
        `tensordot(X, tensordot(input, Y, input.ndim - ind), ind)` is Y.

    Raises:
        LinAlgError: if there is no inverse.
        ShapeError: if the sizes do not fit.

    Example:
        >>> A = 2 * flambeau.eye(4).reshape(2, 2, 4)
        >>> inverse = flambeau.linalg.tensorinv(A)
        >>> inverse.shape, inverse[3]
        (torch.Size([4, 2, 2]), tensor([[0.0000, 0.0000],
                [0.0000, 0.5000]]))
    """
    if isinstance(ind, bool) or whole(ind) is None:
        raise TypeError(f"linalg_tensorinv(): argument 'ind' must be int, not {type(ind).__name__}")
    ind = whole(ind)
    if ind <= 0:
        raise ShapeError(f"Expected a strictly positive integer for 'ind', but got {ind}")
    rows, columns = input.shape[:ind], input.shape[ind:]
    if _count(rows) != _count(columns):
        raise ShapeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {_count(columns)} != {_count(rows)}"
        )
    flat = input.reshape(_count(rows), _count(columns))
    return inverse(flat).reshape(*columns, *rows)


@op(
    name="linalg.tensorsolve",
    public=False,
    torch="linalg.tensorsolve",
    samples=lambda s: [
        s(regular(s, 6, 6).reshape(2, 3, 6), s.tensor(2, 3)),
        s(regular(s, 6, 6).reshape(2, 3, 6).movedim(-1, 1), s.tensor(2, 3), dims=(1,)),
    ],
)
def tensorsolve(input, other, dims=None):
    """The solution X of tensordot(A, X, X.ndim) = B.

    Args:
        input: A, of B's axes and then those of X.
        other: B.
        dims: axes of A that are moved to the end first.

    Raises:
        LinAlgError: if there is no solution.
        ShapeError: if the sizes do not fit.

    Example:
        >>> A = 2 * flambeau.eye(2).reshape(2, 1, 2)
        >>> flambeau.linalg.tensorsolve(A, flambeau.tensor([[6.0], [8.0]]))
        tensor([3., 4.])
    """
    if dims is not None:
        moved = [_axis(d, input.ndim) for d in ((dims,) if isinstance(dims, int) else dims)]
        input = input.permute([d for d in range(input.ndim) if d not in moved] + moved)
    sizes = input.shape[other.ndim :]
    rows = _count(input.shape[: other.ndim])
    if rows != _count(sizes):
        raise ShapeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {_count(sizes)} != {rows}"
        )
    if rows != other.numel():
        raise ShapeError(
            f"linalg.tensorsolve: the sizes must fit: input is {tuple(input.shape)}, other is "
            f"{tuple(other.shape)}"
        )
    return solve(input.reshape(rows, rows), other.reshape(rows)).reshape(sizes)
