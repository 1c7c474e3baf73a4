"""LU factors, and what is solved with them.

The gradient rules are the differentials of the defining equations, see M. Giles, "An extended
collection of matrix derivative results for forward and reverse mode automatic differentiation"
(2008).
"""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import UnsupportedError
from flambeau.core.registry import op
from flambeau.ops.join import cat
from flambeau.ops.linalg_common import check_matrix, regular
from flambeau.ops.linalg_solve import _refuse_sizes, solve_triangular
from flambeau.ops.pad import _constant_pad as constant_pad


def _parts(LU):
    """The lower triangle with ones on its diagonal, and the upper one."""
    k = min(LU.shape[-2:])
    lower = LU[..., :, :k].tril(-1) + kernels(LU).eye(LU.shape[-2], k, LU.dtype)
    return lower, LU[..., :k, :].triu()


def _permutation(LU, pivots):
    """P of A = P L U, for rules: an op, which function transforms follow."""
    return lu_unpack(LU.detach(), pivots, unpack_data=False)[0]


def _factor_samples(s):
    yield s(regular(s, 3, 3))
    yield s(s.tensor(2, 3, 5))
    yield s(s.tensor(2, 5, 3))
    yield s(s.tensor(0, 3))
    yield s(s.tensor(0, 2, 2))


def _check_pivot(pivot):
    if not pivot:
        raise UnsupportedError(
            "linalg.lu_factor: LU without pivoting is not implemented on the CPU"
        )


@op(
    name="linalg.lu_factor_ex",
    public=False,
    torch="linalg.lu_factor_ex",
    outputs=("LU", "pivots", "info"),
    result_type=return_types.linalg_lu_factor_ex,
    samples=_factor_samples,
    exact_out=True,
)
def lu_factor_ex(A, *, pivot=True, check_errors=False):
    """`linalg.lu_factor` that says what failed instead of raising.

    Args:
        A: (..., m, n), floating or complex.
        pivot: must be true on the CPU.
        check_errors: raise all the same.

    Returns:
        (LU, pivots, info): info is the place of a zero on U's diagonal, or 0.

    Raises:
        RuntimeError: if A has fewer than two axes, or `pivot` is false.

    Example:
        >>> flambeau.linalg.lu_factor_ex(flambeau.tensor([[1.0, 2.0], [2.0, 4.0]])).info
        tensor(2, dtype=torch.int32)
    """
    _check_pivot(pivot)
    return kernels(A).lu_factor(A, bool(check_errors), "torch.linalg.lu_factor_ex")


def _lu_gradient(g_lower, g_upper, permutation, lower, upper):
    """Of A = P L U, from the gradients of L below its diagonal and of U."""
    m, n = lower.shape[-2], upper.shape[-1]
    k = min(m, n)
    L, U = lower[..., :k, :], upper[..., :, :k]
    g_l, g_u = g_lower[..., :k, :], g_upper[..., :, :k]
    below = right = None
    if n > k:
        right = solve_triangular(L.mH, g_upper[..., :, k:], upper=True, unitriangular=True)
        g_l = g_l - right @ upper[..., :, k:].mH
    if m > k:
        below = solve_triangular(U.mH, g_lower[..., k:, :], upper=False, left=False)
        g_u = g_u - lower[..., k:, :].mH @ below
    middle = (L.mH @ g_l).tril(-1) + (g_u @ U.mH).triu()
    middle = solve_triangular(L.mH, middle, upper=True, unitriangular=True)
    whole = solve_triangular(U.mH, middle, upper=False, left=False)
    if right is not None:
        whole = cat((whole, right), -1)
    if below is not None:
        whole = cat((whole, below), -2)
    return permutation @ whole


def _packed_gradient(g, LU, pivots):
    m, n = LU.shape[-2:]
    k = min(m, n)
    permutation = _permutation(LU, pivots)
    return _lu_gradient(g[..., :, :k].tril(-1), g[..., :k, :].triu(), permutation, *_parts(LU))


lu_factor_ex.vjp("A")(_packed_gradient)


@op(
    name="linalg.lu_factor",
    backward_name="LinalgLuFactorEx",
    public=False,
    torch="linalg.lu_factor",
    outputs=("LU", "pivots"),
    result_type=return_types.linalg_lu_factor,
    samples=_factor_samples,
    exact_out=True,
)
def lu_factor(A, *, pivot=True):
    """The LU decomposition with exchanges of rows, in compact form.

    Args:
        A: (..., m, n).
        pivot: must be true on the CPU.

    Returns:
        (LU, pivots): L below the diagonal (its own is of ones) and U from it on, in one matrix; row
        i was exchanged with row pivots[i] - 1.

    Raises:
        RuntimeError: if there is a zero on U's diagonal.

    Example:
        >>> flambeau.linalg.lu_factor(flambeau.tensor([[1., 2.], [2., 6.]])).LU
        tensor([[ 2.0000,  6.0000],
                [ 0.5000, -1.0000]])
    """
    _check_pivot(pivot)
    return kernels(A).lu_factor(A, True, "torch.linalg.lu_factor")[:2]


lu_factor.vjp("A")(_packed_gradient)


@op(
    public=True,
    outputs=("P", "L", "U"),
    grad_list=True,
    differentiable_outputs=0b110,
    result_type=return_types.lu_unpack,
    samples=lambda s: [
        s(*kernels(A).lu_factor(A, False, "lu")[:2]) for A in (regular(s, 3, 3), s.tensor(2, 3, 4))
    ],
    exact_out=True,
)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """P, L and U with A = P L U from what `linalg.lu_factor` returns.

    Args:
        LU_data: (..., m, n).
        LU_pivots: int32, (..., min(m, n)).
        unpack_data: make L and U; else they are empty.
        unpack_pivots: make P; else it is empty.

    Raises:
        RuntimeError: if the pivots are not int32, or not those of matrices of these sizes.

    Example:
        >>> A = flambeau.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> P, L, U = flambeau.lu_unpack(*flambeau.linalg.lu_factor(A))
        >>> P @ L @ U
        tensor([[1., 2.],
                [3., 4.]])
    """
    check_matrix("torch.lu_unpack", LU_data, "LU_data")
    permutation, *parts = (LU_data.new_empty((0,)) for _ in range(3))
    if unpack_pivots:
        permutation = kernels(LU_data).permutation_from_pivots(
            LU_pivots, LU_data.shape[-2], LU_data.dtype, "torch.lu_unpack"
        )
    return (permutation, *(_parts(LU_data) if unpack_data else parts))


@lu_unpack.vjp("LU_data")
def _(g, LU_data_shape):
    _, g_lower, g_upper = g
    m, n = LU_data_shape[-2:]
    parts = []
    if g_lower is not None:
        parts.append(constant_pad(g_lower.tril(-1), (0, max(n - m, 0)), 0))
    if g_upper is not None:
        parts.append(constant_pad(g_upper.triu(), (0, 0, 0, max(m - n, 0)), 0))
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@op(
    name="linalg.lu",
    public=False,
    torch="linalg.lu",
    outputs=("P", "L", "U"),
    grad_list=True,
    differentiable_outputs=0b110,
    result_type=return_types.linalg_lu,
    samples=_factor_samples,
    exact_out=True,
)
def linalg_lu(A, *, pivot=True):
    """The LU decomposition A = P L U with exchanges of rows.

    Args:
        A: (..., m, n).
        pivot: must be true on the CPU.

    Returns:
        (P, L, U): a permutation (..., m, m), a lower triangle (..., m, k) with ones on its
        diagonal, an upper one (..., k, n), where k is the smaller of m and n.

    Example:
        >>> flambeau.linalg.lu(flambeau.tensor([[1., 2.], [2., 6.]])).U
        tensor([[ 2.,  6.],
                [ 0., -1.]])
    """
    _check_pivot(pivot)
    LU, pivots, _ = kernels(A).lu_factor(A, False, "linalg.lu")
    P = kernels(LU).permutation_from_pivots(pivots, A.shape[-2], A.dtype, "linalg.lu")
    return P, *_parts(LU)


@linalg_lu.vjp("A")
def _(g, P, L, U):
    _, g_lower, g_upper = g
    g_lower = L.new_zeros(L.shape) if g_lower is None else g_lower.tril(-1)
    g_upper = U.new_zeros(U.shape) if g_upper is None else g_upper.triu()
    return _lu_gradient(g_lower, g_upper, P, L, U)


def _lu_solve_samples(s):
    for keywords in ({}, {"left": False}, {"adjoint": True}, {"left": False, "adjoint": True}):
        A = regular(s, 2, 3, 3).flip(-2)  # rows are exchanged
        LU, pivots, _ = kernels(A).lu_factor(A, False, "lu")
        yield s(LU, pivots, s.tensor(2, 3, 3), **keywords)
    yield s(LU[0], pivots[0], s.tensor(4, 3, 2))


@op(
    name="linalg.lu_solve",
    public=False,
    torch="linalg.lu_solve",
    samples=_lu_solve_samples,
    exact_out=True,
)
def linalg_lu_solve(LU, pivots, B, *, left=True, adjoint=False):
    """The solution X of A X = B from what `linalg.lu_factor` returns.

    Args:
        LU: (..., n, n).
        pivots: int32, (..., n).
        B: (..., n, k), or (..., k, n) without `left`; batches broadcast.
        left: whether A stands on the left of X.
        adjoint: solve with A^H instead of A.

    Returns:
        X, with the sizes of B after broadcasting.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> LU, pivots = flambeau.linalg.lu_factor(flambeau.tensor([[0.0, 2.0], [1.0, 0.0]]))
        >>> flambeau.linalg.lu_solve(LU, pivots, flambeau.tensor([[4.0], [3.0]]))
        tensor([[3.],
                [2.]])
    """
    name = "linalg.lu_solve"
    check_matrix(name, LU, "LU")
    check_matrix(name, B, "B")
    if not left:  # X A = B is A^H X^H = B^H
        if LU.shape[-1] != LU.shape[-2] or B.shape[-1] != LU.shape[-1]:
            _refuse_sizes(name, LU, B, "XA = B")
        return linalg_lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH.resolve_conj()
    return kernels(LU).lu_solve(LU, pivots, B, "C" if adjoint else "N", name)


@linalg_lu_solve.vjp("LU", "B")
def _(g, LU, pivots, left, adjoint, out, needs):
    g_b = linalg_lu_solve(LU, pivots, g, left=left, adjoint=not adjoint)
    if not needs[0]:
        return None, g_b
    g_a = g_b @ out.mH if left else out.mH @ g_b  # of -A
    g_a = g_a.mH if adjoint else g_a
    permutation = _permutation(LU, pivots)
    lower, upper = _parts(LU)
    g_a = permutation.mT @ g_a  # of -L U
    return -((g_a @ upper.mH).tril(-1) + (lower.mH @ g_a).triu()), g_b
