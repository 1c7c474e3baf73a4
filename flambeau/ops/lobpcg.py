"""A few eigenpairs of a large symmetric matrix, by iteration.

A. V. Knyazev, "Toward the optimal preconditioned eigensolver: locally optimal block preconditioned
conjugate gradient method" (2001). How the basis of a step is made orthonormal: J. A. Duersch,
M. Shao, C. Yang and M. Gu, "A robust and efficient implementation of LOBPCG" (2018), with the
decomposition of A. Stathopoulos and K. Wu, "A block orthogonalization procedure with constant
synchronization requirements" (2002).
"""

from __future__ import annotations

from flambeau.core.errors import ArgumentValueError, LinAlgError, ShapeError
from flambeau.core.grad_mode import no_grad
from flambeau.core.numeric import finfo
from flambeau.core.registry import function
from flambeau.core.tensor import Tensor
from flambeau.ops.join import cat, stack
from flambeau.ops.linalg_cholesky import cholesky_ex
from flambeau.ops.linalg_common import check_matrix, identity_like, wants_grad
from flambeau.ops.linalg_eigen import eigh
from flambeau.ops.linalg_solve import solve, solve_triangular

#: The options of `method="ortho"`: see `lobpcg`.
_COUNTS = {"ortho_i_max": 3, "ortho_j_max": 3}
_SHARES = ("ortho_tol", "ortho_tol_drop", "ortho_tol_replace")
_CHOICES = {"ortho_use_drop": True}


def _options(name, given, defaults):
    """The defaults with what was given in their place."""
    unknown = sorted(set(given or ()) - set(defaults))
    if unknown:
        raise ArgumentValueError(
            f"lobpcg: the keys of {name} must be among {sorted(defaults)}, got {unknown}"
        )
    return {**defaults, **(given or {})}


class LOBPCG:
    """The iteration for one matrix, as a tracker sees it.

    Attributes:
        A, B, iK: the matrices; B and iK may be None.
        iparams, fparams, bparams: the options by type: "m", "n", "k", "niter"; "tol"; "largest";
            and those of `method="ortho"`, see `lobpcg`.
        ivars: "istep", the number of the step, the choice from the span of the first X being the
            first; "converged_count", how many pairs from the first on have converged.
        fvars: "A_norm" and "B_norm", how much longer the matrices made the first X.
        bvars: a tracker sets "force_stop" to end the iteration.
        tvars: "rerr", (n), the lengths of the residuals over (A_norm + |E| B_norm) |x|.
        E, X: the eigenvalues, (n), and vectors, (m, n), found so far.
        S: the basis from which they were chosen, (m, n) to (m, 3 n).
        R: A X - B X E, (m, n).
    """

    def __init__(self, A, B, X, iK, method, options, tracker):
        self.A, self.B, self.iK = A, B, iK
        self.iparams, self.fparams, self.bparams = options
        self.ivars = {"istep": 0, "converged_count": 0}
        length = X.norm()
        self.fvars = {
            "A_norm": ((A @ X).norm() / length).item(),
            "B_norm": 1.0 if B is None else ((B @ X).norm() / length).item(),
        }
        self.bvars, self.tvars = {"force_stop": False}, {}
        self._extended = self._by_cholesky if method == "basic" else self._by_ortho
        self._tracker = tracker
        start = self._orthonormal(X, X[:, :0])
        if start.shape[-1] < X.shape[-1]:
            raise ArgumentValueError(
                f"lobpcg: the columns of X must be independent: {X.shape[-1]} of them span"
                f" {start.shape[-1]} dimensions"
            )
        self._choose(start)

    def run(self):
        """Steps until k pairs have converged, `niter` is reached, or the tracker says so."""
        self._track()
        while not self._finished():
            W = self.R[:, self.ivars["converged_count"] :]
            self._choose(self._extended(W if self.iK is None else self.iK @ W))
            self._track()
        return self.E, self.X

    def _track(self):
        if self._tracker is not None:
            self._tracker(self)

    def _finished(self):
        limit = self.iparams["niter"]
        return (
            self.bvars["force_stop"]
            or self.ivars["converged_count"] >= self.iparams["k"]
            or 0 <= limit <= self.ivars["istep"]
        )

    def _times_b(self, U):
        return U if self.B is None else self.B @ U

    def _choose(self, S):
        """The best pairs of the span of S, by Rayleigh and Ritz; P is what they have beside X."""
        self.ivars["istep"] += 1
        n, AS = self.iparams["n"], self.A @ S
        values, C = eigh(S.mH @ AS)
        if self.bparams["largest"]:
            values, C = values.flip(-1), C.flip(-1)
        self.S, self.E, C = S, values[:n], C[:, :n]
        self.X = S @ C
        self.P = S[:, n:] @ C[n:] if S.shape[-1] > n else S[:, n:]
        BX = self._times_b(self.X)
        self.R = AS @ C - BX * self.E
        scale = self.fvars["A_norm"] + self.E.abs() * self.fvars["B_norm"]
        self.tvars["rerr"] = self.R.norm(dim=0) / (self.X.norm(dim=0) * scale)
        # (A matrix of zeros has no scale, and no residual.)
        converged = ~(self.tvars["rerr"] > self.fparams["tol"])
        self.ivars["converged_count"] = (*converged.tolist(), False).index(False)

    # ---- bases that begin with X, orthonormal under B ----

    def _by_cholesky(self, W):
        """X, W and P by their product's Cholesky factor; without P if they are dependent."""
        for parts in ((self.X, W, self.P), (self.X, W)):
            S = cat(parts, -1)
            S = S / S.norm(dim=0).clamp(min=1e-30)
            L, info = cholesky_ex(S.mH @ self._times_b(S))
            if not info.item():
                return solve_triangular(L.mH, S, upper=True, left=False)
        raise LinAlgError(
            'lobpcg: method="basic" needs independent directions, which the residuals no longer'
            ' are: use method="ortho"'
        )

    def _by_ortho(self, W):
        return cat((self.X, self._orthonormal(cat((W, self.P), -1), self.X)), -1)

    def _orthonormal(self, U, V):
        """A basis of U's part orthogonal to V, whose columns are orthonormal already."""
        tolerance, BV = self.fparams["ortho_tol"], self._times_b(V)
        for _ in range(self.iparams["ortho_i_max"]):
            U = U - V @ (BV.mH @ U)
            for _ in range(self.iparams["ortho_j_max"]):
                U = self._decorrelated(U)
                BU = self._times_b(U)
                rest = U.mH @ BU - identity_like(U)
                if rest.norm() <= tolerance * U.norm() * BU.norm():
                    break
            if (BV.mH @ U).norm() <= tolerance * BV.norm() * U.norm():
                break
        return U

    def _decorrelated(self, U):
        """U made orthonormal by the eigenvectors of U^H B U.

        Directions that others nearly contain are left out, or made longer than they are; those of
        no length are left out.
        """
        product = U.mH @ self._times_b(U)
        squares = product.diagonal().real
        kept = squares > 0
        U, product = U[:, kept], product[kept][:, kept]
        scale = squares[kept].rsqrt()
        values, Z = eigh(scale.unsqueeze(-1) * product * scale)
        largest = values[-1:].clamp(min=1e-30)
        least = largest * self.fparams["ortho_tol_replace"]
        if self.bparams["ortho_use_drop"]:
            kept = values > largest * self.fparams["ortho_tol_drop"]
            values, Z = values[kept], Z[:, kept]
        return (U * scale) @ (Z * values.maximum(least).rsqrt())


def _as_functions(A, B, E, X):
    """The pairs as functions of A and B: a step of Newton's method from where they are.

    The equations are A x = E B x and x^H B x = 1; at their solution the step is nought, and its
    derivative is that of the solution.
    """
    pairs = []
    for value, x in zip(E, X.mT, strict=True):
        Bx = x if B is None else B @ x
        residual = cat((A @ x - value * Bx, ((x.conj() @ Bx - 1) / 2).reshape(1)))
        shifted = A - value * (identity_like(A) if B is None else B)
        rows = cat((shifted, -Bx.unsqueeze(-1)), -1), cat((Bx.conj(), Bx.new_zeros(1))).unsqueeze(0)
        pairs.append(cat((x, value.reshape(1))) - solve(cat(rows).detach(), residual))
    found = stack(pairs, -1)
    return found[-1].real, found[:-1]


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

    Gradients flow to A and B, from the pairs as they are once converged; they are those of first
    order.

    Args:
        A: (..., m, m), symmetric (Hermitian).
        k: how many; as many as X has columns, or 1, unless given.
        B: (..., m, m), positive definite, for A x = lambda B x.
        X: (..., m, n): where to start; random unless given.
        n: how many columns X has where it is random.
        iK: (..., m, m): a preconditioner, close to A's inverse.
        niter: how many steps at most; 1000 unless given, -1 for as many as it takes.
        tol: the relative residual to stop at; the root of the precision unless given.
        largest: the largest eigenvalues, in descending order; else the smallest, ascending.
        method: how the directions of a step are made orthonormal: "ortho", the default, by
            projections and eigendecompositions, or "basic", by a Cholesky factor, which takes less
            time and fails where directions become dependent.
        tracker: called after each step with the `LOBPCG` that makes it, whose attributes tell how
            far it is; a tracker copies the tensors that it wants to keep.
        ortho_iparams: of "ortho": "ortho_i_max" and "ortho_j_max", how often at most directions are
            projected, and made orthonormal after each projection.
        ortho_fparams: "ortho_tol", the error to stop at; "ortho_tol_drop", the share of the longest
            direction below which others are left out; "ortho_tol_replace", the share that they
            count as otherwise.
        ortho_bparams: "ortho_use_drop", whether directions are left out.

    Returns:
        (E, X): eigenvalues (..., k) and eigenvectors (..., m, k).

    Raises:
        ValueError: if m < 3 n, or an option is not one of these.
        LinAlgError: from method "basic", if its directions are dependent.

    Example:
        >>> A, X = flambeau.diag(flambeau.arange(1., 7.)), flambeau.ones(6, 1)
        >>> flambeau.lobpcg(A, X=X, largest=False)[0]
        tensor([1.0000])
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
    precision = finfo(A.dtype).eps
    sizes = {"m": m, "n": columns, "k": k, "niter": niter or 1000}
    tol = tol or precision**0.5
    given = (
        sizes | _options("ortho_iparams", ortho_iparams, _COUNTS),
        {"tol": tol}
        | _options("ortho_fparams", ortho_fparams, dict.fromkeys(_SHARES, 64 * precision)),
        {"largest": largest is None or bool(largest)}
        | _options("ortho_bparams", ortho_bparams, _CHOICES),
    )

    def one(place):
        parts = [t[place] if isinstance(t, Tensor) and t.ndim > 2 else t for t in (A, B, X, iK)]
        with no_grad():
            run = LOBPCG(*parts, method, tuple(dict(part) for part in given), tracker)
            values, vectors = (part[..., :k] for part in run.run())
        if wants_grad(*(matrix for matrix in parts[:2] if matrix is not None)):
            return _as_functions(*parts[:2], values, vectors)
        return values, vectors

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
