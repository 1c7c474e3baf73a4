"""LDL factors of symmetric matrices, and what is solved with them."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.registry import op
from flambeau.ops.linalg_common import positive


def _symmetric_samples(s):
    yield s(positive(s, 3, 3) - 3)
    yield s(positive(s, 2, 3, 3) - 3, hermitian=True)
    yield s(positive(s, 0, 0))


@op(
    name="linalg.ldl_factor_ex",
    public=False,
    torch="linalg.ldl_factor_ex",
    outputs=("LD", "pivots", "info"),
    result_type=return_types.linalg_ldl_factor_ex,
    samples=_symmetric_samples,
    exact_out=True,
)
def ldl_factor_ex(input, *, hermitian=False, check_errors=False):
    """`linalg.ldl_factor` that says what failed instead of raising.

    Args:
        input: (..., n, n); the lower triangle is read.
        hermitian: A = L D L^H of complex Hermitian matrices.
        check_errors: raise all the same.

    Returns:
        (LD, pivots, info): info is the place of a zero on D's diagonal, or 0.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> flambeau.linalg.ldl_factor_ex(flambeau.zeros(2, 2)).info
        tensor(1, dtype=torch.int32)
    """
    return kernels(input).ldl_factor(
        input, bool(hermitian), bool(check_errors), "torch.linalg.ldl_factor_ex"
    )


@op(
    name="linalg.ldl_factor",
    public=False,
    torch="linalg.ldl_factor",
    outputs=("LD", "pivots"),
    result_type=return_types.linalg_ldl_factor,
    samples=_symmetric_samples,
    exact_out=True,
)
def ldl_factor(input, *, hermitian=False):
    """A = L D L^T of symmetric matrices that need not be definite, in compact form.

    Args:
        input: (..., n, n); the lower triangle is read.
        hermitian: A = L D L^H of complex Hermitian matrices.

    Returns:
        (LD, pivots): as LAPACK's sytrf and hetrf have it; for `linalg.ldl_solve`.

    Raises:
        RuntimeError: if D has a zero on its diagonal.

    Example:
        >>> LD, pivots = flambeau.linalg.ldl_factor(flambeau.tensor([[4.0, 2.0], [2.0, 2.0]]))
        >>> LD.diagonal()  # of D
        tensor([4., 1.])
    """
    return kernels(input).ldl_factor(input, bool(hermitian), True, "torch.linalg.ldl_factor")[:2]


def _ldl_solve_samples(s):
    A = positive(s, 2, 3, 3) - 3
    yield s(*kernels(A).ldl_factor(A, True, True, "ldl")[:2], s.tensor(2, 3, 2), hermitian=True)
    A = A + A.mT
    yield s(*kernels(A).ldl_factor(A, False, True, "ldl")[:2], s.tensor(3, 2))


@op(
    name="linalg.ldl_solve",
    public=False,
    torch="linalg.ldl_solve",
    samples=_ldl_solve_samples,
    exact_out=True,
)
def ldl_solve(LD, pivots, B, *, hermitian=False):
    """The solution X of A X = B from what `linalg.ldl_factor` returns.

    Args:
        LD: (..., n, n).
        pivots: integers, (..., n).
        B: (..., n, k); batches broadcast.
        hermitian: what the factors were made with.

    Returns:
        X, with the sizes of B after broadcasting.

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> LD, pivots = flambeau.linalg.ldl_factor(flambeau.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> flambeau.linalg.ldl_solve(LD, pivots, flambeau.tensor([[3.0], [4.0]]))
        tensor([[4.],
                [3.]])
    """
    return kernels(LD).ldl_solve(LD, pivots, B, bool(hermitian), "torch.linalg.ldl_solve")
