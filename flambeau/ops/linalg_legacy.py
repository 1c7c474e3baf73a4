"""Linear algebra under older names in the `flambeau` namespace, and names that torch removed."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import ArgumentValueError, RuntimeFailure, ShapeError
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.join import cat
from flambeau.ops.linalg_common import check_matrix, triangle
from flambeau.ops.linalg_factors import linalg_lu_solve, lu_factor_ex
from flambeau.ops.linalg_orthogonal import linalg_qr
from flambeau.ops.linalg_solve import solve_triangular
from flambeau.ops.linalg_spectral import eigh, linalg_svd, pinv, svdvals

# ---- other names and orders of arguments ----


@op(
    methods=("lu_solve",),
    torch="",  # torch's warn, here and below
    samples=lambda s: [
        s(s.tensor(3, 2), *kernels(A).lu_factor(A, False, "lu")[:2]) for A in [s.tensor(3, 3)]
    ],
)
def lu_solve(input, LU_data, LU_pivots):
    """The solution X of A X = B from what `linalg.lu_factor` returns; see `linalg.lu_solve`.

    Args:
        input: B, (..., n, k).
        LU_data: (..., n, n).
        LU_pivots: int32, (..., n).
    """
    return linalg_lu_solve(LU_data, LU_pivots, input)


@function(methods=("lu",))
def lu(A, pivot=True, get_infos=False, out=None):
    """The LU decomposition in compact form.

    Args:
        A: (..., m, n).
        pivot: must be true on the CPU.
        get_infos: also return info.

    Returns:
        (LU, pivots) or (LU, pivots, info), as `linalg.lu_factor_ex`.

    Example:
        >>> flambeau.lu(flambeau.eye(2))[1]
        tensor([1, 2], dtype=torch.int32)
    """
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
)
def qr(input, some=True):
    """The QR decomposition; see `linalg.qr`.

    Args:
        input: (..., m, n).
        some: the reduced form, not the complete one.

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
)
def svd(input, some=True, compute_uv=True):
    """The singular value decomposition A = U diag(S) V^H; see `linalg.svd`.

    Args:
        input: (..., m, n).
        some: the reduced form, not the full one.
        compute_uv: compute U and V; else they are zero.

    Returns:
        (U, S, V): V, not its adjoint.

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
    """
    for name, t in (("b", input), ("A", A)):
        if t.ndim < 2:
            raise ShapeError(
                f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it "
                f"has {t.ndim} dimensions instead"
            )
    triangle, side = (A.mT, not upper) if transpose else (A, bool(upper))
    solution = solve_triangular(triangle, input, upper=side, unitriangular=unitriangular)
    return solution, A.expand((*solution.shape[:-2], *A.shape[-2:])).clone()


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


# ---- a few eigenpairs of a large matrix ----


def _orthonormal(S, B):
    """A basis V of S's columns with V^H B V = 1; nearly dependent directions are left out."""
    product = S.mH @ (S if B is None else B @ S)
    scale = product.diagonal(0, -2, -1).abs().clamp(min=1e-300).rsqrt()
    scaled = scale.unsqueeze(-1) * product * scale.unsqueeze(-2)
    values, vectors = eigh(scaled)
    kept = values > values[-1] * (1e-10 if S.element_size() >= 8 else 1e-5)
    basis = scale.unsqueeze(-1) * vectors[:, kept] * values[kept].rsqrt()
    return S @ basis


def _lobpcg(A, B, X, precondition, niter, tol, largest):
    """Knyazev, "Toward the optimal preconditioned eigensolver: locally optimal block preconditioned
    conjugate gradient method" (2001), for one matrix.
    """
    k = X.shape[-1]
    X, P = _orthonormal(X, B), None
    size = A.norm()
    for _ in range(niter):
        AX = A @ X
        values, turn = eigh(X.mH @ AX)
        X, AX = X @ turn, AX @ turn
        residual = AX - (X if B is None else B @ X) * values
        if bool((residual.norm(dim=-2) <= tol * (size + values.abs())).all()):
            break
        W = residual if precondition is None else precondition @ residual
        W = W / W.norm(dim=-2, keepdim=True).clamp(min=1e-30)
        space = _orthonormal(cat((X, W) if P is None else (X, W, P), -1), B)
        values, vectors = eigh(space.mH @ (A @ space))
        chosen = vectors[:, -k:] if largest else vectors[:, :k]
        new = space @ chosen
        P = new - X @ (X.mH @ (new if B is None else B @ new))
        lengths = P.norm(dim=-2, keepdim=True)
        P = None if bool((lengths == 0).any()) else P / lengths
        X = new
    values, turn = eigh(X.mH @ (A @ X))
    X = X @ turn
    return (values.flip(-1), X.flip(-1)) if largest else (values, X)


@function
def lobpcg(
    A,
    k=None,
    B=None,
    X=None,
    n=None,
    iK=None,
    niter=None,
    tol=None,
    largest=None,
    method=None,
    tracker=None,
    ortho_iparams=None,
    ortho_fparams=None,
    ortho_bparams=None,
):
    """The k largest or smallest eigenvalues of symmetric matrices, by iteration.

    Args:
        A: (..., m, m), symmetric (Hermitian).
        k: how many; as many as X has columns, or 1, unless given.
        B: (..., m, m), positive definite, for A x = lambda B x.
        X: (..., m, n): where to start; random unless given.
        n: how many columns X has where it is random.
        iK: (..., m, m): a preconditioner, close to A's inverse.
        niter: how many iterations at most; 1000 unless given.
        tol: the relative residual to stop at; the root of the precision unless given.
        largest: the largest eigenvalues, in descending order; else the smallest, ascending.
        method: "basic" or "ortho"; both stand for the one here.
        tracker: not called.
        ortho_iparams: taken and not used, like the two that follow: directions are made
            orthonormal by an eigendecomposition, which has no parameters.

    Returns:
        (E, X): eigenvalues (..., k) and eigenvectors (..., m, k).

    Raises:
        ValueError: if m < 3 n.
    """
    check_matrix("lobpcg", A)
    m = A.shape[-1]
    if A.shape[-2] != m:
        raise ShapeError(
            f"lobpcg: A must be batches of square matrices, but they are {A.shape[-2]} by {m} "
            "matrices"
        )
    if method not in (None, "basic", "ortho"):
        raise ArgumentValueError(f"lobpcg: expected method='basic' or 'ortho', got {method!r}")
    k = (1 if X is None else X.shape[-1]) if k is None else k
    columns = (k if n is None else n) if X is None else X.shape[-1]
    if not all(isinstance(v, int) for v in (k, columns)) or not 0 < k <= columns:
        raise ArgumentValueError(f"lobpcg: expected 0 < k <= n, got k={k}, n={columns}")
    if m < 3 * columns:
        raise ArgumentValueError(
            f"LPBPCG algorithm is not applicable when the number of A rows (={m}) is smaller than "
            f"3 x the number of requested eigenpairs (={columns})"
        )
    if X is None:
        from flambeau.ops.random import randn

        X = randn(*A.shape[:-2], m, columns, dtype=A.dtype)
    tol = (2.0**-26 if A.element_size() >= 8 else 2.0**-11.5) if tol is None else tol
    niter = 1000 if niter is None else niter
    largest = True if largest is None else bool(largest)

    def one(place):
        parts = (t[place] if isinstance(t, Tensor) and t.ndim > 2 else t for t in (A, B, X, iK))
        values, vectors = _lobpcg(*parts, niter, tol, largest)
        return values[:k], vectors[:, :k]

    batch = A.shape[:-2]
    if not batch:
        return one(())
    count = 1
    for size in batch:
        count *= size
    found = [one(_place(i, batch)) for i in range(count)]
    if not found:
        return A.new_zeros((*batch, k)), A.new_zeros((*batch, m, k))
    values = cat([v.unsqueeze(0) for v, _ in found]).reshape(*batch, k)
    return values, cat([v.unsqueeze(0) for _, v in found]).reshape(*batch, m, k)


def _place(i, batch):
    """The indices of the i-th element of a batch."""
    place = []
    for size in reversed(batch):
        place.insert(0, i % size)
        i //= size
    return tuple(place)


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
    refuse.__doc__ = f"Removed: use `linalg.{'eigh' if name == 'symeig' else name}`."
    return function(methods=() if name == "matrix_rank" else (name,))(refuse)


for _name, _hint in _REMOVED.items():
    globals()[f"removed_{_name}"] = _removed(_name, _hint)
