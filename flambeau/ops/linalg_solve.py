"""Systems of linear equations, triangular and general, and inverses.

The gradient rules are the differentials of the defining equations, see M. Giles, "An extended
collection of matrix derivative results for forward and reverse mode automatic differentiation"
(2008).
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import ShapeError
from flambeau.core.registry import op
from flambeau.ops._declare import conj
from flambeau.ops.linalg_common import (
    by_columns,
    check_matrix,
    regular,
    squares,
    triangle,
)

# ---- triangles ----


def _triangular_samples(s):
    for upper in (False, True):
        yield s(triangle(s, 3, 3, upper=upper), s.tensor(3, 2), upper=upper)
        yield s(triangle(s, 3, 3, upper=upper), s.tensor(2, 3), upper=upper, left=False)
        yield s(regular(s, 3, 3), s.tensor(3, 2), upper=upper, unitriangular=True)
    yield s(triangle(s, 2, 3, 3), s.tensor(4, 1, 3, 2), upper=False)
    yield s(triangle(s, 0, 0), s.tensor(0, 2), upper=False)
    yield s(triangle(s, 3, 3), s.tensor(3, 0), upper=False)


@op(
    name="linalg.solve_triangular",
    public=False,
    torch="linalg.solve_triangular",
    samples=_triangular_samples,
    exact_out=True,
)
def solve_triangular(input, B, *, upper, left=True, unitriangular=False):
    """The solution X of A X = B, or of X A = B, for triangular matrices A.

    Args:
        input: A, (..., n, n); only the triangle that `upper` names is read.
        B: (..., n, k), or (..., k, n) without `left`; batches broadcast. Takes A's dtype.
        upper: whether A is an upper triangle.
        left: whether A stands on the left of X.
        unitriangular: take A's diagonal for ones.

    Returns:
        X, of B's shape. A zero on the diagonal gives infinities.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> A = flambeau.tensor([[2., 0.], [1., 1.]])
        >>> flambeau.linalg.solve_triangular(A, flambeau.tensor([[2.], [3.]]), upper=False)
        tensor([[1.],
                [2.]])
    """
    if input.is_floating_point() and B.is_floating_point():
        B = _C.cast(B, input.dtype)
    return kernels(input).solve_triangular(
        input, B, bool(upper), bool(left), bool(unitriangular), "linalg.solve_triangular"
    )


@solve_triangular.vjp("input", "B")
def _(g, input, upper, left, unitriangular, out, needs):
    g_b = solve_triangular(input.mH, g, upper=not upper, left=left, unitriangular=unitriangular)
    if not needs[0]:
        return None, g_b
    g_a = -(g_b @ out.mH if left else out.mH @ g_b)
    offset = 1 if unitriangular else 0
    return g_a.triu(offset) if upper else g_a.tril(-offset), g_b


# ---- inverses ----


def _inverse_gradient(g, inverse):
    adjoint = inverse.mH
    return -(adjoint @ g @ adjoint)


@op(
    methods=("inverse",),
    backward_name="LinalgInvEx",
    synonyms={"input": "A"},
    samples=squares,
    exact_out=True,
)
def inverse(A):
    """The inverse of square matrices.

    Args:
        A: (..., n, n).

    Raises:
        LinAlgError: if a matrix has no inverse.
        ShapeError: if they are not square.

    Example:
        >>> flambeau.linalg.inv(flambeau.tensor([[2., 0.], [0., 4.]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.2500]])
    """
    return kernels(A).inverse(A, True, "linalg.inv")[0]


inverse.vjp("A")(lambda g, out: _inverse_gradient(g, out))


@op(
    name="linalg.inv_ex",
    public=False,
    torch="linalg.inv_ex",
    outputs=("inverse", "info"),
    result_type=return_types.linalg_inv_ex,
    samples=squares,
    exact_out=True,
)
def inv_ex(A, *, check_errors=False):
    """`linalg.inv` that says what failed instead of raising.

    Args:
        A: (..., n, n), floating or complex.
        check_errors: raise all the same.

    Returns:
        (inverse, info): info is the place of a zero on the diagonal of U in A = P L U, or 0.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> flambeau.linalg.inv_ex(flambeau.tensor([[1.0, 2.0], [2.0, 4.0]])).info
        tensor(2, dtype=torch.int32)
    """
    return kernels(A).inverse(A, bool(check_errors), "linalg.inv_ex")


inv_ex.vjp("A")(lambda g, inverse: _inverse_gradient(g, inverse))


# ---- systems of equations ----


def _solve_samples(s):
    yield s(regular(s, 3, 3), s.tensor(3, 2), False, "linalg.solve")
    yield s(regular(s, 2, 3, 3), s.tensor(4, 1, 3, 2), False, "linalg.solve")
    yield s(regular(s, 2, 1, 3, 3), s.tensor(3, 2), False, "linalg.solve")
    yield s(regular(s, 2, 3, 3), s.tensor(4, 1, 2, 3), False, "linalg.solve", False)
    yield s(regular(s, 2, 3, 3), s.tensor(2, 3), False, "linalg.solve")
    yield s(regular(s, 2, 3, 3), s.tensor(3), False, "linalg.solve")


@op(
    name="_linalg_solve",
    backward_name="LinalgSolveEx",
    public=False,
    out=False,
    torch="",
    outputs=("result", "LU", "pivots", "info"),
    samples=_solve_samples,
)
def _solve(A, B, check, name, left=True):
    """X with A X = B, or X A = B, and the factors of the transpose of what stood on the left."""
    if _is_vector(A, B):
        result, *factors = kernels(A).solve(A, B.unsqueeze(-1), check, name)
        result = result.squeeze(-1)
        return by_columns(result) if result.ndim > 1 else result, *factors
    if left:
        return kernels(A).solve(A, B, check, name)
    result, *factors = kernels(A).solve(A.mT, B.mT, check, name)
    return result.mT, *factors


def _as_columns(x, A_shape, left):
    """A right side or a solution as the matrix X of A X = B, where `left` says how it was given."""
    if x.ndim < len(A_shape):
        return x.unsqueeze(-1)
    return x if left else x.mT


def _solve_gradients(g, g_b, result, A_shape, left, needs):
    if not needs[0]:
        return None, g_b
    x, g_x = (_as_columns(t, A_shape, left) for t in (result, g_b))
    g_a = -(g_x @ x.mH)
    return g_a if left else g_a.mT, g_b


@_solve.vjp("A", "B")
def _(g, A, result, name, left, needs):
    g_b = _solve(A.mH, g, False, name, left)[0]
    return _solve_gradients(g, g_b, result, A.shape, left, needs)


@_solve.fast_vjp("A", "B")
def _(g, A_shape, LU, pivots, result, name, left, needs):
    columns = conj(_as_columns(g, A_shape, left))
    columns = conj(kernels(g).lu_solve(LU, pivots, columns, "N", name)).resolve_conj()
    g_b = columns.squeeze(-1) if g.ndim < len(A_shape) else columns if left else columns.mT
    return _solve_gradients(g, g_b, result, A_shape, left, needs)


def _is_vector(A, B):
    """Whether B is one vector for each matrix, not a matrix."""
    return B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])


def _solve_left_or_right(A, B, left, check, name):
    check_matrix(name, A)
    if not _is_vector(A, B):
        check_matrix(name, B, "B")
        if not left and (A.shape[-1] != A.shape[-2] or B.shape[-1] != A.shape[-1]):
            _refuse_sizes(name, A, B, "XA = B")
    elif not left:
        _refuse_sizes(name, A, B.unsqueeze(-1), "XA = B")
    result, *_, info = _solve(A, B, check, name, bool(left))
    return result, info


def _refuse_sizes(name, A, B, equation):
    (m, n), (rows, columns) = A.shape[-2:], B.shape[-2:]
    if m != n:
        raise ShapeError(
            f"{name}: A must be batches of square matrices, but they are {m} by {n} matrices"
        )
    raise ShapeError(
        f"{name}: Incompatible shapes of A and B for the equation {equation} "
        f"({m}x{n} and {rows}x{columns})"
    )


def _public_solve_samples(s):
    yield s(regular(s, 3, 3), s.tensor(3))
    yield s(regular(s, 3, 3), s.tensor(3, 2))
    yield s(regular(s, 2, 3, 3), s.tensor(2, 3))
    yield s(regular(s, 2, 3, 3), s.tensor(3))
    yield s(regular(s, 2, 3, 3), s.tensor(4, 1, 3, 2))
    yield s(regular(s, 3, 3), s.tensor(2, 3), left=False)
    yield s(regular(s, 2, 3, 3), s.tensor(2, 3), left=True)
    yield s(regular(s, 0, 0), s.tensor(0, 2))
    yield s(regular(s, 0, 3, 3), s.tensor(0, 3, 2))


@op(
    name="linalg.solve",
    backward_name="LinalgSolveEx",
    public=False,
    torch="linalg.solve",
    samples=_public_solve_samples,
    exact_out=True,
)
def solve(A, B, *, left=True):
    """The solution X of A X = B, or of X A = B.

    Args:
        A: (..., n, n).
        B: (..., n, k), (n) or of A's shape without the last axis: vectors; batches broadcast.
        left: whether A stands on the left of X.

    Raises:
        LinAlgError: if a matrix is singular.
        ShapeError: if the sizes do not fit.

    Example:
        >>> A = flambeau.tensor([[3., 1.], [1., 2.]])
        >>> flambeau.linalg.solve(A, flambeau.tensor([9., 8.]))
        tensor([2., 3.])
    """
    return _solve_left_or_right(A, B, left, True, "linalg.solve")[0]


@op(
    name="linalg.solve_ex",
    public=False,
    torch="linalg.solve_ex",
    outputs=("result", "info"),
    result_type=return_types.linalg_solve_ex,
    samples=_public_solve_samples,
    exact_out=True,
)
def solve_ex(A, B, *, left=True, check_errors=False):
    """`linalg.solve` that says what failed instead of raising.

    Args:
        A: (..., n, n), floating or complex.
        B: (..., n, k), or a vector for each matrix.
        left: solve A X = B, not X A = B.
        check_errors: raise all the same.

    Returns:
        (result, info): info is the place of a zero on the diagonal of U in A = P L U, or 0.

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> flambeau.linalg.solve_ex(flambeau.eye(2) * 2, flambeau.tensor([6.0, 8.0]))
        torch.return_types.linalg_solve_ex(
        result=tensor([3., 4.]),
        info=tensor(0, dtype=torch.int32))
    """
    return _solve_left_or_right(A, B, left, bool(check_errors), "linalg.solve_ex")
