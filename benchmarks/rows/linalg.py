"""Decompositions of one large matrix, and of many small ones."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..harness import row
from .inputs import normal

#: What each function is given: any matrix, a symmetric or a positive definite one.
KINDS = {
    "cholesky": "positive",
    "eigh": "symmetric",
    "inv": "any",
    "slogdet": "any",
    "lu_factor": "any",
    "qr": "any",
    "svd": "any",
}
SMALL = ((1000, 4), (256, 16), (64, 32))


def matrices(T: ModuleType, kind: str, *shape: int) -> Any:
    """Well conditioned matrices of a kind."""
    A = normal(T, *shape) / shape[-1] ** 0.5
    if kind == "symmetric":
        return A + A.mT
    if kind == "positive":
        return A @ A.mT + T.eye(shape[-1])
    return A + 2 * T.eye(shape[-1])


def one_argument(name: str, kind: str, label: str, *shape: int) -> None:
    """A row for a function of matrices."""

    @row(f"linalg.{name} {label}", at_most=1.1)
    def make(T: ModuleType):
        function, A = getattr(T.linalg, name), matrices(T, kind, *shape)
        if name in ("eigh", "svd"):  # their vectors are given up to signs
            place = 0 if name == "eigh" else 1
            return lambda: function(A)[place]
        return lambda: function(A)


def right_hand_side(name: str, label: str, *shape: int) -> None:
    """A row for a function of matrices and as many vectors."""

    @row(f"linalg.{name} {label}", at_most=1.1)
    def make(T: ModuleType):
        function, A = getattr(T.linalg, name), matrices(T, "any", *shape)
        b = normal(T, *shape[:-1], seed=1)
        if name == "lstsq":
            return lambda: function(A, b.unsqueeze(-1)).solution
        return lambda: function(A, b)


def triangle(label: str, *shape: int) -> None:
    """A row for triangles and eight vectors each."""

    @row(f"linalg.solve_triangular {label}", at_most=1.1)
    def make(T: ModuleType):
        A, b = matrices(T, "any", *shape).tril(), normal(T, *shape[:-1], 8, seed=1)
        return lambda: T.linalg.solve_triangular(A, b, upper=False)


def tall(name: str, *shape: int) -> None:
    """A row for a function of a matrix of many rows and few columns."""

    @row(f"linalg.{name} {shape[0]}x{shape[1]}", at_most=1.1)
    def make(T: ModuleType):
        A, b = normal(T, *shape), normal(T, shape[0], 1, seed=1)
        if name == "svd":
            return lambda: T.linalg.svd(A, full_matrices=False).S
        return lambda: T.linalg.lstsq(A, b).solution


for name in ("svd", "lstsq"):
    tall(name, 10000, 20)
for size in (256, 512):
    for name, kind in KINDS.items():
        one_argument(name, kind, str(size), size, size)
    for name in ("solve", "lstsq"):
        right_hand_side(name, str(size), size, size)
for count, size in SMALL:
    label = f"{count}x{size}x{size}"
    for name, kind in KINDS.items():
        one_argument(name, kind, label, count, size, size)
    right_hand_side("solve", label, count, size, size)
    triangle(label, count, size, size)
