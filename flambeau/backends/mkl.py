"""MKL as programs ask about it: it computes matrix products when the `mkl` package is installed."""

from flambeau import _C
from flambeau.backends._switches import verbose as verbose

VERBOSE_OFF = 0
VERBOSE_ON = 1


def is_available() -> bool:
    """Whether matrix products are MKL's."""
    return _C.blas_description().startswith("mkl")
