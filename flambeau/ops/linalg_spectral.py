"""Eigenvalues, singular values, orthogonal factors, and what is computed from them.

The gradient rules are the differentials of the defining equations, see M. Giles, "An extended
collection of matrix derivative results for forward and reverse mode automatic differentiation"
(2008); for complex matrices, whose vectors are given up to a phase, the terms that would depend on
the phase are zero (Wan and Zhang, "Automatic differentiation for complex valued SVD", 2019).
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import DTypeError, RuntimeFailure, ShapeError
from flambeau.core.registry import op
from flambeau.core.tensor import Tensor
from flambeau.ops.linalg_common import (
    any_phase,
    check_matrix,
    identity_like,
    positive,
    rectangles,
    regular,
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


def _check_phase(turns, vectors, name):
    """Complex vectors are given up to a phase, which a function of them must not depend on."""
    if not vectors.is_complex() or not turns.numel() or turns.is_meta or any_phase.get():
        return
    found = turns.diagonal(0, -2, -1).imag.abs().max().item()
    scale = turns.abs().max().item()
    precision = 1e-2 if vectors.element_size() == 8 else 1e-6
    if found > precision * max(scale, 1.0):
        raise RuntimeFailure(
            f"{name}_backward: The eigenvectors in the complex case are specified up to "
            "multiplication by e^{i phi}. The specified loss function depends on this quantity, so "
            "it is ill-defined."
        )


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
    _check_phase(turns, V, "linalg_eigh")
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
        _check_phase(turns, V, "linalg_eig")
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
    _check_phase(left + right, U, "svd")
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


# ---- least squares ----


def _lstsq_samples(s):
    yield s(s.tensor(4, 2), s.tensor(4, 3))
    yield s(s.tensor(2, 2, 4), s.tensor(2, 2, 1))
    for driver in ("gels", "gelsd", "gelss"):
        yield s(s.tensor(4, 2), s.tensor(4, 1), driver=driver)


@op(
    name="_linalg_lstsq",
    backward_name="LinalgLstsq",
    public=False,
    out=False,
    torch="",
    outputs=("solution", "rank", "singular_values"),
    samples=_lstsq_samples,
)
def _lstsq(A, B, rcond=-1.0, driver="gelsy"):
    """X with |A X - B| least, A's rank and its singular values (where the driver finds them)."""
    return kernels(A).lstsq(A, B, rcond, driver, "torch.linalg.lstsq")


@_lstsq.vjp("A", "B")
def _(g, A, B, needs):
    P = pinv(A)
    return _pinv_gradient(g @ B.mH, P, A) if needs[0] else None, P.mH @ g if needs[1] else None


def _check_lstsq(input, b):
    name = "torch.linalg.lstsq"
    if input.ndim < 2:
        raise ShapeError(f"{name}: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise ShapeError(f"{name}: other must have at least 1 dimension.")
    if input.dtype != b.dtype:
        raise DTypeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{_C.type_name(input.dtype)} and other's dtype {_C.type_name(b.dtype)}"
        )


def _public_lstsq_samples(s):
    yield s(s.tensor(4, 2), s.tensor(4, 3))
    yield s(s.tensor(4, 2), s.tensor(4))
    yield s(s.tensor(2, 4, 2), s.tensor(2, 4))
    yield s(s.tensor(2, 4, 2), s.tensor(2, 4, 3))
    yield s(s.tensor(2, 4), s.tensor(2, 1))
    for driver in ("gels", "gelsy", "gelsd", "gelss"):
        yield s(s.tensor(2, 4, 2), s.tensor(2, 4, 3), driver=driver)
    yield s(s.tensor(4, 2), s.tensor(4, 1), 0.01)
    yield s(s.tensor(1, 4, 2), s.tensor(3, 4, 2))
    yield s(s.tensor(2, 3, 4, 2), s.tensor(2, 1, 4, 1), driver="gelsd")


def _with_one_batch(input, B):
    """Both expanded to the batch of either; what cannot be is left to the kernel to refuse."""
    if input.ndim != B.ndim or input.shape[:-2] == B.shape[:-2]:
        return input, B
    batch = _C.broadcast_shapes(input.shape[:-2], B.shape[:-2])
    return input.expand(*batch, *input.shape[-2:]), B.expand(*batch, *B.shape[-2:])


@op(
    name="linalg.lstsq",
    public=False,
    torch="linalg.lstsq",
    outputs=("solution", "residuals", "rank", "singular_values"),
    result_type=return_types.linalg_lstsq,
    samples=_public_lstsq_samples,
)
def lstsq(input, b, rcond=None, *, driver=None):
    """The X for which |A X - B| is least.

    Args:
        input: A, (..., m, n).
        b: B, (..., m, k), or (..., m): one vector for each matrix. Batches of as many axes are
            broadcast to each other.
        rcond: singular values up to rcond times the largest count as zero; by default max(m, n)
            times the precision.
        driver: "gelsy" (QR with exchanges of columns), "gels" (QR; A must have full rank), "gelsd"
            or "gelss" (singular values); the last three for the residuals.

    Returns:
        (solution, residuals, rank, singular_values): (..., n, k); the squared lengths of the
        columns of A X - B where m > n, A has full rank and the driver is not gelsy; A's rank
        unless the driver is gels; A's singular values with gelsd and gelss. What is not computed
        is empty.

    Raises:
        RuntimeError: for an unknown driver, or sizes that do not fit.

    Example:
        >>> A, b = flambeau.tensor([[1., 0.], [1., 1.], [1., 2.]]), flambeau.tensor([1., 3., 5.])
        >>> flambeau.linalg.lstsq(A, b).solution.round(decimals=3)
        tensor([1., 2.])
    """
    _check_lstsq(input, b)
    vector = b.ndim == 1 or (input.ndim - 1 == b.ndim and b.shape == input.shape[:-1])
    B = b.unsqueeze(-1) if vector else b
    if isinstance(rcond, Tensor):
        rcond = rcond.item()
    driver = "gelsy" if driver is None else driver
    if not isinstance(driver, str):
        raise TypeError(
            f"linalg_lstsq(): argument 'driver' must be str, not {type(driver).__name__}"
        )
    A, B = _with_one_batch(input, B)
    X, rank, values = _lstsq(A, B, -1.0 if rcond is None else float(rcond), driver)
    if A is not input:  # these say something of the input's own matrices
        own = tuple(slice(0, size) for size in input.shape[:-2])
        rank, values = (None if found is None else found[own] for found in (rank, values))
    m, n = input.shape[-2:]
    none = _C.empty((0,), X.dtype).abs()
    residuals = none
    full_rank = driver == "gels"
    if driver in ("gelsd", "gelss"):  # on meta, where no rank is known, as for most matrices
        full_rank = input.is_meta or bool((rank == n).all())
    if m > n and full_rank:
        errors = (input @ X - B).abs()
        residuals = (errors * errors).sum(-2)
    return (
        X.squeeze(-1) if vector else X,
        residuals,
        _C.empty((0,), _C.int64) if rank is None else rank,
        none if values is None else values,
    )
