"""Linear algebra under older names in the `flambeau` namespace, and names that torch removed."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import ArgumentValueError, RuntimeFailure, ShapeError
from flambeau.core.notices import warn
from flambeau.core.registry import function, op
from flambeau.ops.linalg_common import by_columns, check_matrix, triangle
from flambeau.ops.linalg_lu import linalg_lu_solve, lu_factor_ex
from flambeau.ops.linalg_orthogonal import linalg_qr
from flambeau.ops.linalg_singular import linalg_svd, pinv, svdvals
from flambeau.ops.linalg_solve import solve_triangular

# ---- other names and orders of arguments ----


@op(
    methods=("lu_solve",),
    torch="",  # torch's warn, here and below
    samples=lambda s: [
        s(s.tensor(3, 2), *kernels(A).lu_factor(A, False, "lu")[:2]) for A in [s.tensor(3, 3)]
    ],
    exact_out=True,
)
def lu_solve(input, LU_data, LU_pivots):
    """The solution X of A X = B from what `linalg.lu_factor` returns; see `linalg.lu_solve`.

    Args:
        input: B, (..., n, k).
        LU_data: (..., n, n).
        LU_pivots: int32, (..., n).

    Returns:
        X, with the sizes of B after broadcasting.

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> LU, pivots = flambeau.linalg.lu_factor(flambeau.tensor([[0.0, 2.0], [1.0, 0.0]]))
        >>> flambeau.lu_solve(flambeau.tensor([[4.0], [3.0]]), LU, pivots)
        tensor([[3.],
                [2.]])
    """
    return linalg_lu_solve(LU_data, LU_pivots, input)


@function(methods=("lu",))
def lu(A, pivot=True, get_infos=False, out=None):
    """The LU decomposition in compact form.

    Args:
        A: (..., m, n).
        pivot: must be true on the CPU.
        get_infos: also return info.
        out: a tuple of tensors for the results.

    Returns:
        (LU, pivots) or (LU, pivots, info), as `linalg.lu_factor_ex`.

    Raises:
        RuntimeError: if A has fewer than two axes, or `pivot` is false.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     flambeau.lu(flambeau.eye(2))[1]
        tensor([1, 2], dtype=torch.int32)
    """
    warn(
        "torch.lu is deprecated in favor of torch.linalg.lu_factor / torch.linalg.lu_factor_ex and "
        "will be removed in a future PyTorch release."
    )
    found = tuple(lu_factor_ex(A, pivot=pivot))[: 3 if get_infos else 2]
    if out is None:
        return found
    if not isinstance(out, (tuple, list)):
        raise TypeError(f"argument 'out' must be tuple of Tensors, not {type(out).__name__}")
    if len(out) != len(found):
        raise TypeError(f"expected tuple of {len(found)} elements but got {len(out)}")
    for to, value in zip(out, found, strict=True):
        to.resize_(value.shape).copy_(value)
    return tuple(out)


@op(
    methods=("qr",),
    torch="",
    outputs=("Q", "R"),
    result_type=return_types.qr,
    samples=lambda s: [s(s.tensor(2, 4, 3)), s(s.tensor(3, 4), False)],
    exact_out=True,
)
def qr(input, some=True):
    """The QR decomposition; see `linalg.qr`.

    Args:
        input: (..., m, n).
        some: the reduced form, not the complete one.

    Returns:
        A named tuple (Q, R).

    Raises:
        RuntimeError: if input has fewer than two axes.

    Example:
        >>> flambeau.qr(flambeau.eye(2)).R
        tensor([[1., 0.],
                [0., 1.]])
    """
    return linalg_qr(input, "reduced" if some else "complete")


@op(
    methods=("svd",),
    outputs=("U", "S", "V"),
    torch="",
    result_type=return_types.svd,
    samples=lambda s: [
        s(s.tensor(2, 4, 3)),
        s(s.tensor(3, 4), False),
        s(s.tensor(3, 4), True, False),
    ],
    exact_out=True,
)
def svd(input, some=True, compute_uv=True):
    """The singular value decomposition A = U diag(S) V^H; see `linalg.svd`.

    Args:
        input: (..., m, n).
        some: the reduced form, not the full one.
        compute_uv: compute U and V; else they are zero.

    Returns:
        (U, S, V): V, not its adjoint.

    Raises:
        RuntimeError: if input has fewer than two axes.

    Example:
        >>> flambeau.svd(flambeau.tensor([[3., 0.], [0., -4.]])).S
        tensor([4., 3.])
    """
    if compute_uv:
        U, S, Vh = linalg_svd(input, not some)
        return U, S, Vh.mH
    S = svdvals(input)
    *batch, m, n = input.shape
    return input.new_zeros((*batch, m, m)), S, input.new_zeros((*batch, n, n))


@op(
    methods=("pinverse",),
    samples=lambda s: [s(s.tensor(2, 3, 4)), s(s.tensor(3, 4), 1e-3)],
)
def pinverse(input, rcond=1e-15):
    """The pseudoinverse; see `linalg.pinv`.

    Args:
        input: (..., m, n).
        rcond: singular values up to rcond times the largest one count as zero.

    Returns:
        (..., n, m).

    Raises:
        RuntimeError: if input has fewer than two axes.

    Example:
        >>> flambeau.pinverse(flambeau.tensor([[2.0, 0.0], [0.0, 0.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """
    return pinv(input, rcond)


def _triangular_solve_samples(s):
    yield s(s.tensor(3, 2), triangle(s, 3, 3, upper=True))
    yield s(s.tensor(3, 2), triangle(s, 2, 3, 3), False)
    yield s(s.tensor(3, 2), triangle(s, 3, 3), False, True)
    yield s(s.tensor(3, 2), triangle(s, 3, 3), False, False, True)


@op(
    methods=("triangular_solve",),
    torch="",
    outputs=("solution", "cloned_coefficient"),
    result_type=return_types.triangular_solve,
    samples=_triangular_solve_samples,
)
def triangular_solve(input, A, upper=True, transpose=False, unitriangular=False):
    """The solution X of A X = B for a triangle A; see `linalg.solve_triangular`.

    Args:
        input: B, (..., n, k).
        A: (..., n, n).
        upper: whether the upper triangle is read.
        transpose: solve with A's transpose.
        unitriangular: take A's diagonal for ones.

    Returns:
        (solution, cloned_coefficient): X and a copy of A, expanded to the batch.

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> A = flambeau.tensor([[2.0, 9.0], [0.0, 1.0]])
        >>> flambeau.triangular_solve(flambeau.tensor([[2.0], [5.0]]), A, upper=False).solution
        tensor([[1.],
                [5.]])
    """
    for name, t in (("b", input), ("A", A)):
        if t.ndim < 2:
            raise ShapeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it "
                f"has {t.ndim} dimensions instead"
            )
    triangle, side = (A.mT, not upper) if transpose else (A, bool(upper))
    solution = solve_triangular(triangle, input, upper=side, unitriangular=unitriangular)
    return solution, by_columns(A.expand((*solution.shape[:-2], *A.shape[-2:])))


# ---- approximations from random projections ----


def _check_rank(name, q, A):
    if isinstance(q, bool) or not isinstance(q, int):
        raise TypeError(f"{name}(): argument 'q' must be int, not {type(q).__name__}")
    m, n = A.shape[-2:]
    if not 0 <= q <= min(m, n):
        raise ArgumentValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )


def _range_of(A, q, niter):
    """Orthonormal columns that span most of A's range.

    Algorithm 4.4 of Halko, Martinsson and Tropp, "Finding structure with randomness" (2009).
    """
    from flambeau.ops.random import randn

    Q = linalg_qr(A @ randn(A.shape[-1], q, dtype=A.dtype))[0]
    for _ in range(niter):
        Q = linalg_qr(A.mH @ Q)[0]
        Q = linalg_qr(A @ Q)[0]
    return Q


@function
def svd_lowrank(A, q=6, niter=2, M=None):
    """The first q singular values and vectors, approximately, from random projections.

    Algorithm 5.1 of Halko, Martinsson and Tropp, "Finding structure with randomness" (2009).

    Args:
        A: (..., m, n).
        q: how many; a little more than A's rank.
        niter: how often the projection is refined.
        M: subtracted from A first, of A's shape or a row.

    Returns:
        (U, S, V): (..., m, q), (..., q) and (..., n, q).

    Raises:
        RuntimeError: if A has fewer than two axes.
        ValueError: if q is negative.

    Example:
        >>> U, S, V = flambeau.svd_lowrank(flambeau.ones(4, 9), q=2)  # of rank one
        >>> U.shape, V.shape, round(S[0].item(), 3)
        (torch.Size([4, 2]), torch.Size([9, 2]), 6.0)
    """
    check_matrix("svd_lowrank", A)
    if isinstance(q, bool) or not isinstance(q, int) or not isinstance(niter, int):
        raise TypeError("svd_lowrank(): arguments 'q' and 'niter' must be int")
    q = min(q, *A.shape[-2:])
    if q < 0:
        raise ArgumentValueError(f"svd_lowrank: q must not be negative, got {q}")
    if M is not None:
        A = A - M.expand(A.shape)
    wide = A.shape[-2] < A.shape[-1]
    tall = A.mH if wide else A
    Q = _range_of(tall, q, niter)
    U, S, Vh = linalg_svd(Q.mH @ tall, False)
    U, V = Q @ U, Vh.mH
    return (V, S, U) if wide else (U, S, V)


@function
def pca_lowrank(A, q=None, center=True, niter=2):
    """Principal components, approximately: `svd_lowrank` of the centred rows.

    Args:
        A: (..., m, n): m samples.
        q: how many components; at most 6 unless given.
        center: subtract the mean of the samples first.
        niter: how often the projection is refined.

    Returns:
        (U, S, V): V's columns are the directions.

    Raises:
        ValueError: if q is larger than a side of A.

    Example:
        >>> along_y = flambeau.tensor([[1.0, 0.0], [1.0, 2.0], [1.0, 4.0]])
        >>> flambeau.pca_lowrank(along_y, q=1)[2].abs().round()
        tensor([[0.],
                [1.]])
    """
    check_matrix("pca_lowrank", A)
    if not (A.is_floating_point() or A.is_complex()):
        raise ArgumentValueError(
            f"input must have a floating point or complex dtype, got {A.dtype}"
        )
    q = min(6, *A.shape[-2:]) if q is None else q
    _check_rank("pca_lowrank", q, A)
    if isinstance(niter, bool) or not isinstance(niter, int) or niter < 0:
        raise ArgumentValueError(f"niter(={niter}) must be non-negative integer")
    if center:
        A = A - A.mean(-2, True)
    return svd_lowrank(A, q, niter)


# ---- names that torch removed ----

_REMOVED = {
    "eig": "`torch.linalg.eig` returns complex tensors of dtype `cfloat` or `cdouble` rather than "
    "real tensors mimicking complex tensors.",
    "symeig": "The default behavior has changed from using the upper triangular portion of the "
    "matrix by default to using the lower triangular portion.",
    "solve": "`torch.solve` is deprecated in favor of `torch.linalg.solve`. `torch.linalg.solve` "
    "has its arguments reversed and does not return the LU factorization.",
    "lstsq": "`torch.lstsq` is deprecated in favor of `torch.linalg.lstsq`.",
    "matrix_rank": "",
}


def _removed(name, hint):
    def refuse(*arguments, **keywords):
        raise RuntimeFailure(
            f"This function was deprecated since version 1.9 and is now removed. {hint}".strip()
        )

    refuse.__name__ = refuse.__qualname__ = name
    instead = "eigh" if name == "symeig" else name
    refuse.__doc__ = f"""Removed, as in PyTorch: use `linalg.{instead}`.

    Args:
        arguments, keywords: anything.

    Raises:
        RuntimeError: always.

    Example:
        >>> flambeau.{name}(flambeau.eye(2))
        Traceback (most recent call last):
        ...
        flambeau.core.errors.RuntimeFailure: This function was deprecated since version 1.9 and ...
    """
    return function(methods=() if name == "matrix_rank" else (name,))(refuse)


for _name, _hint in _REMOVED.items():
    globals()[f"removed_{_name}"] = _removed(_name, _hint)
