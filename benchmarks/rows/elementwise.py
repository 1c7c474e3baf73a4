"""Elementwise functions on a hundred thousand to ten million floats."""

from __future__ import annotations

from types import ModuleType

from ..harness import row
from .inputs import normal

AT_MOST = {100_000: 1.0, 1_000_000: 0.9, 10_000_000: 0.5}
FUNCTIONS = {
    "add": lambda T, x, y: T.add(x, y),
    "exp": lambda T, x, y: T.exp(x),
    "tanh": lambda T, x, y: T.tanh(x),
    "gelu": lambda T, x, y: T.nn.functional.gelu(x),
    "sigmoid": lambda T, x, y: T.sigmoid(x),
}


def register(name: str, size: int) -> None:
    """A row for one function at one size."""
    function = FUNCTIONS[name]

    @row(f"{name} 1e{len(str(size)) - 1}", AT_MOST[size])
    def make(T: ModuleType):
        x, y = normal(T, size), normal(T, size, seed=1)
        return lambda: function(T, x, y)


for name in FUNCTIONS:
    for size in AT_MOST:
        register(name, size)
