"""Least squares."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.errors import DTypeError, ShapeError
from flambeau.core.registry import op
from flambeau.core.tensor import Tensor
from flambeau.ops.linalg_singular import _pinv_gradient, pinv


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
