"""The rows, a file per family."""

import importlib

FAMILIES = (
    "processes",
    "small",
    "elementwise",
    "reduce",
    "matmul",
    "einsum",
    "linalg",
    "conv",
    "norm_pool",
    "training",
    "optim",
    "library",
    "functional",
    "spectral",
)


def load() -> None:
    """Registers every family's rows."""
    for family in FAMILIES:
        importlib.import_module(f"{__name__}.{family}")
