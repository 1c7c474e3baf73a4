"""What the families of linear algebra share: identity matrices, triangles, samples."""

from __future__ import annotations

from contextvars import ContextVar

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import LinAlgError, RuntimeFailure, ShapeError
from flambeau.core.tensor import Tensor

__all__ = ["LinAlgError"]

#: Whether rules take gradients that depend on a phase: forward mode, which transposes rules, has
#: them computed for any gradient.
any_phase: ContextVar[bool] = ContextVar("any_phase", default=False)


def identity_like(A, n=None):
    """The identity of A's dtype, of n rows or of as many as A has."""
    n = A.shape[-1] if n is None else n
    return kernels(A).eye(n, n, A.dtype)


def half_diagonal(A):
    """A with its diagonal halved."""
    return A - (0.5 * A.diagonal(0, -2, -1)).diag_embed()


def without_diagonal(A):
    """A with zeros on the diagonal of its last two axes."""
    return A - A.diagonal(0, -2, -1).diag_embed()


def by_columns(A):
    """A with its last two axes laid out in memory by columns, as LAPACK and torch return them."""
    return A.mT.contiguous().mT


def wants_grad(*tensors):
    """Whether what is computed of these may be differentiated, also by a function transform.

    An op that asks is composed of others if so (see `core/registry.py`).
    """
    if any(_C.wrapped_of(t) is not None for t in tensors):
        return True
    return _C.is_grad_enabled() and any(t.requires_grad for t in tensors)


def check_matrix(op, A, argument="A"):
    """Raises ShapeError unless A has at least two axes."""
    if not isinstance(A, Tensor):
        raise TypeError(f"{op}: argument '{argument}' must be Tensor, not {type(A).__name__}")
    if A.ndim < 2:
        raise ShapeError(f"{op}: The input tensor {argument} must have at least 2 dimensions.")


def check_square(op, A):
    """Raises ShapeError unless A holds square matrices."""
    check_matrix(op, A)
    m, n = A.shape[-2:]
    if m != n:
        raise ShapeError(
            f"{op}: A must be batches of square matrices, but they are {m} by {n} matrices"
        )


def type_name(dtype):
    """A dtype as torch's messages name it: Float, ComplexDouble."""
    return _C.type_name(dtype)


def check_phase(turns, vectors, name):
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


# ---- samples ----


def regular(s, *shape):
    """Well conditioned square matrices."""
    A = s.tensor(*shape, low=-1.0, high=1.0)
    return A + shape[-1] * kernels(A).eye(shape[-1], shape[-1], A.dtype)


def positive(s, *shape):
    """Symmetric or Hermitian positive definite matrices."""
    A = s.tensor(*shape, low=-1.0, high=1.0)
    return A @ A.mH + 2 * kernels(A).eye(shape[-1], shape[-1], A.dtype)


def triangle(s, *shape, upper=False):
    """Well conditioned triangles, zero on the other side."""
    A = regular(s, *shape)
    return A.triu() if upper else A.tril()


def squares(s):
    """Calls on one square matrix, on batches and on none."""
    yield s(regular(s, 3, 3))
    yield s(regular(s, 2, 2, 4, 4))
    yield s(regular(s, 1, 1))
    yield s(regular(s, 0, 0))
    yield s(regular(s, 0, 3, 3))


def rectangles(s):
    """Calls on one matrix of any sizes, on batches and on none."""
    yield s(s.tensor(3, 3))
    yield s(s.tensor(2, 5, 3))
    yield s(s.tensor(2, 3, 5))
    yield s(s.tensor(0, 3))
    yield s(s.tensor(3, 0))
    yield s(s.tensor(0, 2, 2))
