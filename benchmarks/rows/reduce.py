"""Reductions of a 1000x1000 matrix; softmax over rows of a thousand."""

from __future__ import annotations

from types import ModuleType

from ..harness import row
from .inputs import normal


def reduction(name: str) -> None:
    """Rows for one reduction: over everything, and over the last dimension."""

    @row(f"{name} over all", 1.0)
    def over_all(T: ModuleType):
        x, function = normal(T, 1000, 1000), getattr(T, name)
        return lambda: function(x)

    @row(f"{name} over last dim", 1.0)
    def over_last(T: ModuleType):
        x, function = normal(T, 1000, 1000), getattr(T, name)

        def step():
            out = function(x, -1)
            # max returns values and indices; its named tuple differs between the libraries.
            return tuple(out) if isinstance(out, tuple) else out

        return step


def softmax(name: str) -> None:
    """A row for softmax or log_softmax with its gradient."""

    @row(f"{name} 4096x1000 forward+backward", 0.9)
    def make(T: ModuleType):
        x, g = normal(T, 4096, 1000, grad=True), normal(T, 4096, 1000, seed=1)
        function = getattr(T, name)

        def step():
            x.grad = None
            y = function(x, -1)
            y.backward(g)
            return y, x.grad

        return step


@row("max of 32768 rows of 10", 0.85)
def max_of_short_rows(T: ModuleType):
    """The classes with the largest scores, as an accuracy wants them."""
    x = normal(T, 32768, 10)
    return lambda: tuple(T.max(x, -1))


for name in ("sum", "mean", "max"):
    reduction(name)
for name in ("softmax", "log_softmax"):
    softmax(name)
