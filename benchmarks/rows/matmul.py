"""Square float32 matrix products."""

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
