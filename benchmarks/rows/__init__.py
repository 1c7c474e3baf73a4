"""The rows, a file per family."""

import importlib

#: What users meet first: these stand in the README.
FIRST = (
    "processes",
    "small",
    "elementwise",
    "reduce",
    "matmul",
    "conv",
    "norm_pool",
    "training",
)
FAMILIES = (
    *FIRST,
    "layers",
    "models",
    "memory",
    "library",
    "einsum",
    "functional",
    "linalg",
    "spectral",
    "optim",
    "resample",
)


def load(families: tuple[str, ...] = FAMILIES) -> None:
    """Registers the rows of these families."""
    for family in families:
        importlib.import_module(f"{__name__}.{family}")
