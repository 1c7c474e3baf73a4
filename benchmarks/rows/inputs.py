"""Inputs that are the same numbers in both libraries, whatever their random generators do."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def normal(T: ModuleType, *shape: int, seed: int = 0, grad: bool = False) -> Any:
    """A float32 tensor of standard normal numbers; the seed and the shape decide them."""
    import numpy

    values = numpy.random.default_rng(seed).standard_normal(shape, dtype=numpy.float32)
    # clone: the tensor's memory comes from the library's own allocator, as it would in use.
    return T.from_numpy(values).clone().requires_grad_(grad)


def classes(T: ModuleType, count: int, of: int) -> Any:
    """Class labels 0, 1, ..., of-1, 0, 1, ... as int64."""
    return T.arange(count) % of
