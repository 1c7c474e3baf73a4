"""Singular values and vectors, and pseudoinverses and ranks, which are found by them.

The gradient rules are the differentials of the defining equations, see M. Giles, "An extended
collection of matrix derivative results for forward and reverse mode automatic differentiation"
(2008); for complex matrices, whose vectors are given up to a phase, the terms that would depend on
the phase are zero (Wan and Zhang, "Automatic differentiation for complex valued SVD", 2019).
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import DTypeError
from flambeau.core.registry import op
from flambeau.core.tensor import Tensor
from flambeau.ops.linalg_common import (
    check_matrix,
    check_phase,
    identity_like,
    positive,
    rectangles,
    regular,
    wants_grad,
    without_diagonal,
)
from flambeau.ops.linalg_eigen import eigh, eigvalsh

# ---- singular values ----


def _check_driver(driver, name):
    if driver is not None:
        raise RuntimeError(
            f"torch.{name}: keyword argument `driver=` is only supported on CUDA inputs with "
            "cuSOLVER backend."
        )


def _svd_samples(s):
    yield from rectangles(s)
    yield s(s.tensor(5, 3), False)
    yield s(s.tensor(3, 5), full_matrices=False)


@op(
    name="linalg.svd",
    public=False,
    torch="",
    outputs=("U", "S", "Vh"),
    grad_list=True,
    result_type=return_types.linalg_svd,
    gradcheck=False,  # the vectors are given up to their signs, as in linalg.eigh
    samples=_svd_samples,
    exact_out=True,
)
def linalg_svd(A, full_matrices=True, *, driver=None):
    """The singular value decomposition A = U diag(S) V^H.

    Args:
        A: (..., m, n); k is the smaller of m and n.
        full_matrices: U is (..., m, m) and V^H (..., n, n); else (..., m, k) and (..., k, n).
        driver: None; other values are for GPUs.

    Returns:
        (U, S, Vh): S in descending order, (..., k).

    Raises:
        LinAlgError: if the input contains NaN or infinity.

    Example:
        >>> flambeau.linalg.svd(flambeau.tensor([[3., 0.], [0., -4.]])).S
        tensor([4., 3.])
    """
    _check_driver(driver, "linalg.svd")
    return kernels(A).svd(A, bool(full_matrices), True, "linalg.svd")


def _skew(X):
    return X - X.mH


@linalg_svd.vjp("A")
def _(g, U, S, Vh):
    g_u, g_s, g_vh = g
    k = S.shape[-1]
    # Vectors beside no singular value are arbitrary: gradients of theirs do not count.
    U, Vh = U[..., :k], Vh[..., :k, :]
    if g_u is None and g_vh is None:
        return (U * g_s.unsqueeze(-2)) @ Vh
    g_u = U.new_zeros(U.shape) if g_u is None else g_u[..., :k]
    g_v = (Vh.new_zeros(Vh.shape) if g_vh is None else g_vh[..., :k, :]).mH
    V = Vh.mH
    left, right = _skew(U.mH @ g_u), _skew(Vh @ g_v)
    check_phase(left + right, U, "svd")
    gaps = S.unsqueeze(-2) * S.unsqueeze(-2) - (S * S).unsqueeze(-1)
    gaps = gaps + identity_like(gaps)
    middle = without_diagonal(left / gaps) * S.unsqueeze(-2)
    middle = middle + S.unsqueeze(-1) * without_diagonal(right / gaps)
    if U.is_complex():
        middle = middle + (left.diagonal(0, -2, -1) / (2 * S)).diag_embed()
    if g_s is not None:
        middle = middle + g_s.diag_embed()
    found = U @ middle @ Vh
    if U.shape[-2] > k:
        found = found + ((g_u - U @ (U.mH @ g_u)) / S.unsqueeze(-2)) @ Vh
    if V.shape[-2] > k:
        found = found + (U / S.unsqueeze(-2)) @ (g_v - V @ (Vh @ g_v)).mH
    return found


@op(
    name="linalg.svdvals",
    backward_name="LinalgSvd",
    public=False,
    torch="linalg.svdvals",
    samples=rectangles,
    exact_out=True,
)
def svdvals(A, *, driver=None):
    """The singular values in descending order.

    Args:
        A: (..., m, n).
        driver: None; other values are for GPUs.

    Returns:
        (..., min(m, n)).

    Raises:
        LinAlgError: if the input contains NaN or infinity.

    Example:
        >>> flambeau.linalg.svdvals(flambeau.tensor([[3., 0.], [0., -4.]]))
        tensor([4., 3.])
    """
    _check_driver(driver, "linalg.svdvals")
    if wants_grad(A):
        return linalg_svd(A, False)[1]
    return kernels(A).svd(A, False, False, "linalg.svd")[1]


# ---- pseudoinverse and rank ----


def _tolerance(value, like, name):
    """A tolerance as a tensor of the real dtype, or None."""
    if value is None:
        return None
    if isinstance(value, Tensor):
        if value.is_complex():
            raise DTypeError(
                f"torch.{name}: rtol tensor of complex type is not supported. "
                f"Got {_C.type_name(value.dtype)}"
            )
        return value.to(like.dtype)
    return _C.full((), float(value), like.dtype)


def _cutoff(values, shape, atol, rtol, name):
    """What counts as zero: the larger of atol and rtol times the largest value.

    By default rtol is the larger size times the precision, and 0 if there is an atol.
    """
    atol, given = _tolerance(atol, values, name), _tolerance(rtol, values, name)
    largest = values.amax(-1)
    if given is None:
        if atol is not None and (atol.is_meta or bool((atol > 0).any())):
            given = _C.full((), 0.0, values.dtype)
            usual = max(shape[-2:]) * _precision(values)
            given = _C.where(atol > 0, given, _C.full((), usual, values.dtype))
        else:
            given = _C.full((), max(shape[-2:]) * _precision(values), values.dtype)
    bound = given * largest
    return (bound if atol is None else bound.maximum(atol)).unsqueeze(-1)


def _precision(t):
    return 2.0**-52 if t.element_size() // (2 if t.is_complex() else 1) == 8 else 2.0**-23


def _pinv_gradient(g, P, A):
    """Of the pseudoinverse P where A keeps its rank: the differential is
    -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P
    (Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares
    problems whose variables separate", 1973).
    """
    gh, Ph = g.mH, P.mH
    first = (gh @ P) @ Ph
    second = Ph @ (P @ gh)
    return (first - A @ (P @ first)) + (second - (second @ P) @ A) - Ph @ g @ Ph


def _pinv_samples(s):
    yield s(regular(s, 3, 3))
    yield s(s.tensor(2, 4, 2))
    yield s(s.tensor(2, 2, 4), rtol=1e-3)
    yield s(s.tensor(2, 4), atol=1e-3)
    yield s(s.tensor(0, 3))
    yield s(s.tensor(2, 3, 0))


# hermitian=True takes the matrix for symmetric, which gradcheck's changes of single elements break.
@op(name="linalg.pinv", public=False, torch="linalg.pinv", samples=_pinv_samples)
def pinv(input, rcond=None, hermitian=False, *, atol=None, rtol=None):
    """The Moore-Penrose pseudoinverse.

    Args:
        input: (..., m, n).
        rcond: another name of rtol.
        hermitian: the matrices are symmetric (Hermitian): eigenvalues serve for singular values.
        atol: singular values up to this count as zero; a number or a tensor of the batch's shape.
        rtol: so do those up to rtol times the largest one; by default max(m, n) times the
            precision, or 0 if atol is given.

    Returns:
        (..., n, m).

    Raises:
        LinAlgError: if the input contains NaN or infinity.

    Example:
        >>> flambeau.linalg.pinv(flambeau.tensor([[2., 0.], [0., 0.]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    check_matrix("linalg.pinv", input, "input")
    rtol = rcond if rtol is None else rtol
    if not input.numel():
        kernels(input).svd(input, False, False, "linalg.pinv")  # checks the dtype
        return input.new_zeros((*input.shape[:-2], input.shape[-1], input.shape[-2]))
    if hermitian:
        values, V = eigh(input)
        U, sizes = V, values.abs()
    else:
        U, values, Vh = linalg_svd(input, False)
        V, sizes = Vh.mH, values
    kept = sizes > _cutoff(sizes, input.shape, atol, rtol, "linalg.pinv")
    inverted = _C.where(kept, values.reciprocal(), _C.full((), 0.0, values.dtype))
    return (V * inverted.unsqueeze(-2)) @ U.mH


pinv.vjp("input")(lambda g, input, out: _pinv_gradient(g, out, input))


def _rank_samples(s):
    yield s(regular(s, 3, 3))
    yield s(s.tensor(2, 4, 1) @ s.tensor(2, 1, 3))
    yield s(s.tensor(3, 4), atol=1e-3, rtol=0.1)
    yield s(positive(s, 3, 3), hermitian=True)
    yield s(regular(s, 3, 3), 1.5)
    yield s(s.tensor(2, 0, 3))


@op(name="linalg.matrix_rank", public=False, torch="linalg.matrix_rank", samples=_rank_samples)
def matrix_rank(input, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values are not zero.

    Args:
        input: (..., m, n).
        tol: what counts as zero, absolutely.
        hermitian: the matrices are symmetric (Hermitian): eigenvalues serve for singular values.
        atol: as in `linalg.pinv`.
        rtol: as in `linalg.pinv`.

    Returns:
        int64, (...).

    Raises:
        RuntimeError: if input has fewer than two axes, or is not square with `hermitian`.

    Example:
        >>> flambeau.linalg.matrix_rank(flambeau.ones(3, 3))
        tensor(1)
    """
    name = "linalg.matrix_rank"
    check_matrix("torch." + name, input, "input")
    if not input.numel():
        kernels(input).svd(input, False, False, name)  # checks the dtype
        return _C.full(input.shape[:-2], 0, _C.int64)
    values = input.detach()
    sizes = eigvalsh(values).abs() if hermitian else svdvals(values)
    if tol is not None:
        bound = _tolerance(tol, sizes, name).unsqueeze(-1)
    else:
        bound = _cutoff(sizes, input.shape, atol, rtol, name)
    return (sizes > bound).sum(-1)
