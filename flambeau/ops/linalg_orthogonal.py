"""Orthogonal and unitary factors: QR and products of reflectors."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import DTypeError, RuntimeFailure, ShapeError
from flambeau.core.registry import op
from flambeau.ops.join import cat
from flambeau.ops.linalg_common import (
    by_columns,
    half_diagonal,
    rectangles,
    wants_grad,
)
from flambeau.ops.linalg_solve import solve_triangular


def _qr_samples(s):
    yield from rectangles(s)
    yield s(s.tensor(3, 4), "complete")


def _times_upper_inverse(X, R):
    """X R^-H."""
    return solve_triangular(R.mH, X, upper=False, left=False)


def _square_qr_gradient(g_q, g_r, Q, R):
    """The rule where R is square: the differential of Q stays orthogonal to it."""
    middle = None
    if g_r is not None:
        middle = g_r @ R.mH
    if g_q is not None:
        part = Q.mH @ g_q
        middle = -part if middle is None else middle - part
    upper = middle.triu()
    step = Q @ half_diagonal(upper + upper.mH)
    return _times_upper_inverse(step if g_q is None else step + g_q, R)


@op(
    name="linalg.qr",
    public=False,
    torch="linalg.qr",
    outputs=("Q", "R"),
    grad_list=True,
    result_type=return_types.linalg_qr,
    samples=_qr_samples,
    exact_out=True,
)
def linalg_qr(A, mode="reduced"):
    """The QR decomposition A = Q R.

    Args:
        A: (..., m, n); k is the smaller of m and n.
        mode: "reduced": Q is (..., m, k) and R (..., k, n); "complete": (..., m, m) and (..., m,
            n); "r": only R, Q is empty.

    Returns:
        (Q, R): columns that are orthonormal, and an upper triangle.

    Raises:
        RuntimeError: for another mode.

    Example:
        >>> flambeau.linalg.qr(flambeau.tensor([[3., 1.], [4., 2.]])).R
        tensor([[-5.0000, -2.2000],
                [ 0.0000,  0.4000]])
    """
    if not isinstance(mode, str):
        raise TypeError(f"linalg_qr(): argument 'mode' must be str, not {type(mode).__name__}")
    return kernels(A).qr(A, mode, "linalg.qr")


@linalg_qr.vjp("A")
def _(g, A_shape, mode, Q, R):
    m, n = A_shape[-2:]
    if mode == "r":
        raise RuntimeFailure(
            "The derivative of linalg.qr depends on Q, which is not computed when mode='r'. "
            "Please use linalg.qr(A, mode='reduced') if you are going to differentiate through "
            "linalg.qr."
        )
    if mode == "complete" and m > n:
        raise RuntimeFailure(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
        )
    g_q, g_r = g
    if m >= n:
        return _square_qr_gradient(g_q, g_r, Q, R)
    # A = Q [R1 R2]: R2 = Q^H A2 depends on Q, and A2 on R2.
    if g_r is None:
        first = _square_qr_gradient(g_q, None, Q, R[..., :m])
        return cat((first, first.new_zeros((*first.shape[:-1], n - m))), -1)
    g_last = g_r[..., m:]
    further = Q @ (R[..., m:] @ g_last.mH)
    g_q = further if g_q is None else g_q + further
    return cat((_square_qr_gradient(g_q, g_r[..., :m], Q, R[..., :m]), Q @ g_last), -1)


def _compact(V, tau):
    """T of the product I - V T V^H of the reflectors I - tau_i v_i v_i^H in V's columns.

    Schreiber and Van Loan, "A storage-efficient WY representation for products of Householder
    transformations" (1989), with T as the solution of a triangular system (Joffrain et al.,
    "Accumulating Householder transformations, revisited", 2006).
    """
    scales = tau.unsqueeze(-1)
    couplings = scales * (V.mH @ V).triu(1)
    return solve_triangular(couplings, tau.diag_embed(), upper=True, unitriangular=True)


def _reflectors(input, tau):
    """The vectors of the first reflectors: ones on the diagonal, zeros above."""
    k = tau.shape[-1]
    return input[..., :k].tril(-1) + kernels(input).eye(input.shape[-2], k, input.dtype)


def _householder_samples(s):
    yield s(s.tensor(4, 3), s.tensor(3))
    yield s(s.tensor(2, 4, 3), s.tensor(2, 2))
    yield s(s.tensor(3, 3), s.tensor(3))
    yield s(s.tensor(3, 0), s.tensor(0))


@op(methods=("orgqr",), backward_name="LinalgHouseholderProduct", samples=_householder_samples)
def orgqr(input, tau):
    """The first n columns of the product of the reflectors I - tau_i v_i v_i^H.

    Args:
        input: (..., m, n) with m >= n; v_i is column i below the diagonal, with a one on it.
        tau: (..., k) with k <= n.

    Returns:
        (..., m, n); with what `geqrf` returns, Q of the QR decomposition.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> A = flambeau.tensor([[3.0], [4.0]])
        >>> flambeau.orgqr(*flambeau.geqrf(A)) * 5
        tensor([[-3.],
                [-4.]])
    """
    name = "torch.linalg.householder_product"
    if not wants_grad(input, tau):
        return kernels(input).householder_product(input, tau, name)
    if all(_C.wrapped_of(t) is None for t in (input, tau)):
        kernels(input).householder_product(input.detach(), tau.detach(), name)  # for its checks
    V = _reflectors(input, tau)
    columns = kernels(input).eye(*input.shape[-2:], input.dtype)
    return by_columns(columns - V @ (_compact(V, tau) @ V[..., : input.shape[-1], :].mH))


def _ormqr_samples(s):
    yield s(s.tensor(4, 3), s.tensor(3), s.tensor(4, 2))
    yield s(s.tensor(4, 3), s.tensor(3), s.tensor(4, 2), True, True)
    yield s(s.tensor(2, 4, 3), s.tensor(2, 3), s.tensor(2, 2, 4), left=False)
    yield s(s.tensor(4, 3), s.tensor(3), s.tensor(2, 4), False, True)


@op(methods=("ormqr",), samples=_ormqr_samples, exact_out=True)
def ormqr(input, tau, other, left=True, transpose=False):
    """The product of Q, given by reflectors as for `orgqr`, and another matrix.

    Args:
        input: (..., m, k): the reflectors.
        tau: (..., k): their scales.
        other: (..., m, n), or (..., n, m) without `left`.
        left: whether Q stands on the left.
        transpose: multiply by Q^H.

    Returns:
        Q other, or other Q: of the sizes of `other`.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> A = flambeau.tensor([[3.0], [4.0]])
        >>> flambeau.ormqr(*flambeau.geqrf(A), A, transpose=True).round()  # Q^H A = R
        tensor([[-5.],
                [ 0.]])
    """
    _check_ormqr(input, tau, other, left)
    V = _reflectors(input, tau)
    T = _compact(V, tau)
    T = T.mH if transpose else T
    if left:
        return by_columns(other - V @ (T @ (V.mH @ other)))
    return by_columns(other - ((other @ V) @ T) @ V.mH)


def _check_ormqr(input, tau, other, left):
    for name, t in (("input", input), ("other", other)):
        if t.ndim < 2:
            raise ShapeError(f"torch.ormqr: {name} must have at least 2 dimensions.")
    if tau.ndim != input.ndim - 1:
        raise ShapeError(
            "torch.ormqr: Expected tau to have one dimension less than input, but got tau.ndim "
            f"equal to {tau.ndim} and input.ndim is equal to {input.ndim}"
        )
    axis = -2 if left else -1
    if other.shape[axis] != input.shape[-2]:
        raise ShapeError(
            f"torch.ormqr: other.shape[{axis}] must be equal to input.shape[-2]: input is "
            f"{tuple(input.shape)}, other is {tuple(other.shape)}"
        )
    if tau.shape[-1] != min(other.shape[axis], input.shape[-1]):
        raise ShapeError(
            f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{axis}], "
            f"input.shape[-1]): tau is {tuple(tau.shape)}"
        )
    if not (input.shape[:-2] == tau.shape[:-1] == other.shape[:-2]):
        raise ShapeError(
            "torch.ormqr: the batches must agree: "
            f"input is {tuple(input.shape)}, tau is {tuple(tau.shape)}, "
            f"other is {tuple(other.shape)}"
        )
    if not (input.dtype == tau.dtype == other.dtype):
        raise DTypeError(
            "torch.ormqr: Expected input, tau and other to have the same dtype: "
            f"{input.dtype}, {tau.dtype}, {other.dtype}"
        )


@op(methods=("geqrf",), outputs=("a", "tau"), result_type=return_types.geqrf, samples=rectangles)
def geqrf(input):
    """The QR decomposition as reflectors.

    Args:
        input: (..., m, n).

    Returns:
        (a, tau): R from the diagonal on, the reflectors' vectors below it, and their scales.

    Raises:
        RuntimeError: if input has fewer than two axes.

    Example:
        >>> a, tau = flambeau.geqrf(flambeau.tensor([[3.0], [4.0]]))
        >>> a[0], tau
        (tensor([-5.]), tensor([1.6000]))
    """
    return kernels(input).geqrf(input, "torch.geqrf")
