"""Batching rules of linear algebra: ops on the last two axes take any number of leading ones."""

from __future__ import annotations

from typing import Any

from flambeau.func._batching import lead, rule, whole


@rule(
    "_linalg_det",
    "cholesky",
    "cholesky_inverse",
    "inverse",
    "linalg.cholesky",
    "linalg.cholesky_ex",
    "linalg.eig",
    "linalg.eigh",
    "linalg.eigvals",
    "linalg.eigvalsh",
    "linalg.inv_ex",
    "linalg.lu",
    "linalg.lu_factor",
    "linalg.lu_factor_ex",
    "linalg.qr",
    "linalg.slogdet",
    "linalg.svd",
    "linalg.svdvals",
    "matrix_exp",
    "slogdet",
)
def _leading(op: Any, size: int, values: Any, marks: Any) -> Any:
    x = values[0]
    if x.ndim < 3:
        raise RuntimeError(
            f"{op.name}: The input tensor must have at least 2 dimensions, got {x.ndim - 1}"
        )
    return op(*values)


@rule("cholesky_solve", "linalg.solve_triangular")
def _two_matrices(op, size, values, marks):
    a, b, *rest = values
    rank = max(v.ndim - int(m is True) for v, m in zip((a, b), marks, strict=False))
    a, b = (lead(whole(size, v, m), rank) for v, m in zip((a, b), marks, strict=False))
    return op(a, b, *rest)


@rule("_linalg_solve")
def _solve(op, size, values, marks):
    """Right-hand sides are vectors or matrices, as those of the examples are."""
    a, b, *rest = values
    a, b = whole(size, a, marks[0]), whole(size, b, marks[1])
    vectors = b.ndim == 2 or (b.ndim == a.ndim - 1 and b.shape[1:] == a.shape[1:-1])
    if vectors:
        if b.ndim == 2:
            b = b.expand(a.shape[:-1]) if a.ndim == 3 else lead(b, a.ndim - 2).expand(a.shape[:-1])
        return op(a, b, *rest)
    rank = max(a.ndim, b.ndim) - 1
    result, factors, pivots, info = op(lead(a, rank), lead(b, rank), *rest)
    factors, pivots = factors.reshape(a.shape), pivots.reshape(a.shape[:-1])
    return result, factors, pivots, info.reshape(a.shape[:-2])


@rule("trace")
def _trace(op, size, values, marks):
    x = values[0]
    if x.ndim != 3:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {x.ndim - 1}")
    return x.diagonal(0, 1, 2).sum(-1)


@rule("lu_unpack", "orgqr")
def _beside_vectors(op, size, values, marks):
    """Matrices with a vector for each."""
    a, b, *rest = values
    return op(whole(size, a, marks[0]), whole(size, b, marks[1]), *rest)


@rule("linalg.lu_solve")
def _lu_solve(op, size, values, marks):
    factors, pivots, b = (whole(size, v, m) for v, m in zip(values[:3], marks, strict=False))
    rank = max(factors.ndim, b.ndim) - 1
    return op(lead(factors, rank), lead(pivots, rank - 1), lead(b, rank), *values[3:])
