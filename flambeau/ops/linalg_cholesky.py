"""Cholesky factors, and what is solved and inverted with them.

The gradient rules are the differentials of the defining equations, see M. Giles, "An extended
collection of matrix derivative results for forward and reverse mode automatic differentiation"
(2008). A matrix of which only one triangle is read counts as symmetric (Hermitian): its gradient is
too.
"""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import ShapeError
from flambeau.core.registry import op
from flambeau.ops.linalg_common import identity_like, positive, triangle
from flambeau.ops.linalg_solve import solve_triangular


def _cholesky_gradient(g, L, upper):
    if upper:
        L, g = L.mH, g.mH
    lower = (L.mH @ g).tril()
    middle = 0.5 * (lower + lower.tril(-1).mH)
    left = solve_triangular(L.mH, middle, upper=True)
    return solve_triangular(L, left, upper=False, left=False)


def _positive_samples(s):
    yield s(positive(s, 3, 3))
    yield s(positive(s, 2, 2, 4, 4))
    yield s(positive(s, 3, 3), upper=True)
    yield s(positive(s, 0, 0))
    yield s(positive(s, 0, 3, 3))


# gradcheck changes one element at a time, of which the one in the other triangle is not read; the
# tests compose this with a product that is symmetric.
@op(
    name="linalg.cholesky",
    backward_name="LinalgCholeskyEx",
    public=False,
    torch="linalg.cholesky",
    gradcheck=False,
    samples=_positive_samples,
    exact_out=True,
)
def linalg_cholesky(input, *, upper=False):
    """The Cholesky factor: the triangle L with A = L L^H and a positive diagonal.

    Args:
        input: symmetric (Hermitian) positive definite matrices (..., n, n); one triangle is read.
        upper: return U with A = U^H U instead.

    Raises:
        LinAlgError: if a matrix is not positive definite.

    Example:
        >>> flambeau.linalg.cholesky(flambeau.tensor([[4., 2.], [2., 5.]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    return kernels(input).cholesky(input, bool(upper), True, "linalg.cholesky")[0]


linalg_cholesky.vjp("input")(lambda g, out, upper: _cholesky_gradient(g, out, upper))


@op(
    name="linalg.cholesky_ex",
    public=False,
    torch="linalg.cholesky_ex",
    outputs=("L", "info"),
    result_type=return_types.linalg_cholesky_ex,
    gradcheck=False,  # as linalg.cholesky
    samples=_positive_samples,
    exact_out=True,
)
def cholesky_ex(input, *, upper=False, check_errors=False):
    """`linalg.cholesky` that says what failed instead of raising.

    Args:
        input: matrices (..., n, n).
        upper: return U with A = U^H U instead.
        check_errors: raise all the same.

    Returns:
        (L, info): info is the order of the first leading minor that is not positive, or 0.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> flambeau.linalg.cholesky_ex(flambeau.tensor([[4.0, 2.0], [2.0, -5.0]])).info
        tensor(2, dtype=torch.int32)
    """
    return kernels(input).cholesky(input, bool(upper), bool(check_errors), "linalg.cholesky_ex")


cholesky_ex.vjp("input")(lambda g, L, upper: _cholesky_gradient(g, L, upper))


@op(
    methods=("cholesky",),
    torch="linalg.cholesky",  # torch.cholesky warns
    gradcheck=False,  # as linalg.cholesky
    samples=_positive_samples,
)
def cholesky(input, upper=False):
    """The Cholesky factor L with A = L L^H; `linalg.cholesky` with `upper` by position.

    Args:
        input: (..., n, n), Hermitian and positive definite; one triangle is read.
        upper: return U with A = U^H U instead.

    Returns:
        (..., n, n), zeros in the other triangle.

    Raises:
        LinAlgError: if a matrix is not positive definite.

    Example:
        >>> flambeau.cholesky(flambeau.tensor([[4.0, 2.0], [2.0, 5.0]]))
        tensor([[2., 0.],
                [1., 2.]])
    """
    return kernels(input).cholesky(input, bool(upper), True, "cholesky")[0]


cholesky.vjp("input")(lambda g, out, upper: _cholesky_gradient(g, out, upper))


def _cholesky_solve_samples(s):
    yield s(s.tensor(3, 2), triangle(s, 3, 3))
    yield s(s.tensor(2, 1, 3, 2), triangle(s, 2, 3, 3))
    yield s(s.tensor(3, 2), triangle(s, 3, 3, upper=True), True)
    yield s(s.tensor(0, 2), triangle(s, 0, 0))


def _factor_gradient(both, factor, upper):
    """Of the factor L, where `both` + `both`^H is minus the gradient of A = L L^H.

    As in torch, elements of the other triangle count as zeros, but get gradients of any order.
    """
    triangle = factor.triu() if upper else factor.tril()
    factor = factor - (factor - triangle).detach()
    both = both + both.mH
    return -(factor @ both if upper else both @ factor)


# gradcheck finds no derivative with respect to the triangle that is not read, here and below; the
# tests check what is left of it after `tril`.
@op(methods=("cholesky_solve",), gradcheck=False, samples=_cholesky_solve_samples)
def cholesky_solve(input, input2, upper=False):
    """The solution X of A X = B from A's Cholesky factor.

    Args:
        input: B, (..., n, k).
        input2: the factor, (..., n, n).
        upper: whether that is the upper one.

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> L = flambeau.tensor([[2., 0.], [1., 2.]])
        >>> flambeau.cholesky_solve(flambeau.tensor([[6.], [7.]]), L)
        tensor([[1.],
                [1.]])
    """
    for name, t in (("b", input), ("u", input2)):
        if t.ndim < 2:
            raise ShapeError(
                f"{name} should have at least 2 dimensions, but has {t.ndim} dimensions instead"
            )
    if upper:
        first = solve_triangular(input2.mH, input, upper=False)
        return solve_triangular(input2, first, upper=True)
    first = solve_triangular(input2, input, upper=False)
    return solve_triangular(input2.mH, first, upper=True)


@cholesky_solve.vjp("input", "input2")
def _(g, input2, upper, out, needs):
    g_input = cholesky_solve(g, input2, upper)
    if not needs[1]:
        return g_input, None
    return g_input, _factor_gradient(g_input @ out.mH, input2, upper)


def _cholesky_inverse_samples(s):
    yield s(linalg_cholesky(positive(s, 3, 3)))
    yield s(linalg_cholesky(positive(s, 2, 3, 3), upper=True), True)
    yield s(triangle(s, 0, 0))


@op(methods=("cholesky_inverse",), gradcheck=False, samples=_cholesky_inverse_samples)
def cholesky_inverse(input, upper=False):
    """The inverse of A from its Cholesky factor.

    Args:
        input: the factor, (..., n, n).
        upper: whether that is the upper one.

    Returns:
        (..., n, n): the inverse of A itself, not of the factor.

    Raises:
        LinAlgError: if there is a zero on the factor's diagonal.

    Example:
        >>> flambeau.cholesky_inverse(flambeau.tensor([[2.0, 0.0], [0.0, 0.5]]))
        tensor([[0.2500, 0.0000],
                [0.0000, 4.0000]])
    """
    kernels(input).check_diagonal(input, "cholesky_inverse")
    return cholesky_solve(identity_like(input), input, upper)


cholesky_inverse.vjp("input")(
    lambda g, input, upper, out: _factor_gradient(out @ g @ out, input, upper)
)
