"""Eigenvalues and eigenvectors, of symmetric matrices and of any.

The gradient rules are the differentials of the defining equations, see M. Giles, "An extended
collection of matrix derivative results for forward and reverse mode automatic differentiation"
(2008); for complex matrices, whose vectors are given up to a phase, the terms that would depend on
the phase are zero (Wan and Zhang, "Automatic differentiation for complex valued SVD", 2019).
"""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.registry import op
from flambeau.ops.linalg_common import (
    check_phase,
    identity_like,
    positive,
    squares,
    wants_grad,
    without_diagonal,
)
from flambeau.ops.linalg_solve import solve

# ---- symmetric and Hermitian matrices ----


def _is_lower(UPLO, name):
    if not isinstance(UPLO, str):
        raise TypeError(f"{name}(): argument 'UPLO' must be str, not {type(UPLO).__name__}")
    if UPLO not in ("L", "l", "U", "u"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return UPLO in "Ll"


def _symmetric(s):
    yield s(positive(s, 3, 3))
    yield s(positive(s, 2, 3, 3))
    yield s(positive(s, 0, 0))
    yield s(positive(s, 0, 3, 3))
    yield s(positive(s, 4, 4), "U")


def _differences(values):
    """values_j - values_i, with ones on the diagonal."""
    gaps = values.unsqueeze(-2) - values.unsqueeze(-1)
    return gaps + identity_like(gaps)


# gradcheck changes one element at a time, of which the one in the other triangle is not read, and
# the signs of the vectors are arbitrary: the tests check functions that depend on neither.
@op(
    name="linalg.eigh",
    public=False,
    torch="",
    outputs=("eigenvalues", "eigenvectors"),
    grad_list=True,
    result_type=return_types.linalg_eigh,
    gradcheck=False,
    samples=_symmetric,
    exact_out=True,
)
def eigh(input, UPLO="L"):
    """Eigenvalues and eigenvectors of symmetric (Hermitian) matrices.

    Args:
        input: (..., n, n); one triangle is read.
        UPLO: which: "L" or "U".

    Returns:
        (eigenvalues, eigenvectors): real, in ascending order, (..., n); orthonormal, in the columns
        of (..., n, n), each up to its sign (a phase).

    Example:
        >>> flambeau.linalg.eigh(flambeau.tensor([[2., 1.], [1., 2.]])).eigenvalues
        tensor([1., 3.])
    """
    return kernels(input).eigh(input, _is_lower(UPLO, "linalg_eigh"), True, "linalg.eigh")


@eigh.vjp("input")
def _(g, eigenvalues, eigenvectors):
    g_values, g_vectors = g
    V = eigenvectors
    if g_vectors is None:
        return (V * g_values.unsqueeze(-2)) @ V.mH
    turns = V.mH @ g_vectors
    check_phase(turns, V, "linalg_eigh")
    middle = without_diagonal(turns / _differences(eigenvalues))
    middle = 0.5 * (middle + middle.mH)
    if g_values is not None:
        middle = middle + g_values.diag_embed()
    return V @ middle @ V.mH


@op(
    name="linalg.eigvalsh",
    backward_name="LinalgEigh",
    public=False,
    torch="linalg.eigvalsh",
    samples=_symmetric,
    exact_out=True,
)
def eigvalsh(input, UPLO="L"):
    """The eigenvalues of symmetric (Hermitian) matrices in ascending order.

    Args:
        input: (..., n, n); one triangle is read.
        UPLO: which: "L" or "U".

    Raises:
        RuntimeError: if the matrices are not square, or `UPLO` is neither "L" nor "U".

    Example:
        >>> flambeau.linalg.eigvalsh(flambeau.tensor([[2., 1.], [1., 2.]]))
        tensor([1., 3.])
    """
    if wants_grad(input):
        return eigh(input, UPLO)[0]
    lower = _is_lower(UPLO, "linalg_eigvalsh")
    return kernels(input).eigh(input, lower, False, "linalg.eigvalsh")[0]


# ---- any square matrix ----


@op(
    name="linalg.eig",
    public=False,
    torch="",
    outputs=("eigenvalues", "eigenvectors"),
    grad_list=True,
    result_type=return_types.linalg_eig,
    gradcheck=False,  # the vectors are given up to a phase, as in linalg.eigh
    samples=squares,
)
def eig(input):
    """Eigenvalues and eigenvectors of square matrices.

    Args:
        input: (..., n, n).

    Returns:
        (eigenvalues, eigenvectors): complex, in no order, (..., n); of length one, in the columns
        of (..., n, n), each up to a phase.

    Raises:
        RuntimeError: if the input contains NaN or infinity.

    Example:
        >>> flambeau.linalg.eig(flambeau.tensor([[0., -1.], [1., 0.]])).eigenvalues
        tensor([0.+1.j, 0.-1.j])
    """
    return kernels(input).eig(input, True, "linalg.eig")


@eig.vjp("input")
def _(g, input, eigenvalues, eigenvectors):
    g_values, g_vectors = g
    V = eigenvectors
    middle = None
    if g_vectors is not None:
        turns = V.mH @ g_vectors
        check_phase(turns, V, "linalg_eig")
        # A vector keeps its length: what it gains along itself is taken away.
        gains = turns.diagonal(0, -2, -1).real.to(V.dtype)
        turns = turns - (V.mH @ V) * gains.unsqueeze(-2)
        middle = without_diagonal(turns / _differences(eigenvalues).conj())
    if g_values is not None:
        diagonal = g_values.diag_embed()
        middle = diagonal if middle is None else middle + diagonal
    found = solve(V.mH, middle @ V.mH)
    return found if input.is_complex() else found.real


@op(
    name="linalg.eigvals",
    backward_name="LinalgEig",
    public=False,
    torch="",
    samples=squares,
)
def eigvals(input):
    """The eigenvalues of square matrices, complex and in no order.

    Args:
        input: (..., n, n).

    Raises:
        RuntimeError: if the matrices are not square, or hold NaN or infinities.

    Example:
        >>> flambeau.linalg.eigvals(flambeau.tensor([[0., -1.], [1., 0.]]))
        tensor([0.+1.j, 0.-1.j])
    """
    if wants_grad(input):
        return eig(input)[0]
    return kernels(input).eig(input, False, "linalg.eigvals")[0]
