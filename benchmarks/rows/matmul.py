"""Products of float32 matrices: square ones, and small ones with vectors."""

from __future__ import annotations

from types import ModuleType

from ..harness import row
from .inputs import normal


def square(size: int, at_most: float) -> None:
    """A row for one size."""

    @row(f"mm {size}", at_most)
    def make(T: ModuleType):
        a, b = normal(T, size, size), normal(T, size, size, seed=1)
        return lambda: T.mm(a, b)


for size, at_most in ((128, 1.3), (512, 1.15), (2048, 1.05)):
    square(size, at_most)


def vectors(count: int, size: int, own: bool, at_most: float) -> None:
    """A row for many small matrices times one vector, or each times its own."""

    @row(f"matmul {count} of {size}x{size} and {'as many vectors' if own else 'a vector'}", at_most)
    def make(T: ModuleType):
        a = normal(T, count, size, size)
        x = normal(T, count, size, 1, seed=1) if own else normal(T, size, seed=1)
        return lambda: T.matmul(a, x)


vectors(10000, 3, False, 0.9)
vectors(1000, 16, False, 1.0)
vectors(10000, 4, True, 1.1)
