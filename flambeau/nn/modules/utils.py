"""Arguments that may be given once or once per dimension."""

from collections.abc import Iterable


def _ntuple(n):
    def spread(value):
        """`value` as a tuple: repeated, or as it is when it is a sequence."""
        return tuple(value) if isinstance(value, Iterable) else (value,) * n

    return spread


_single = _ntuple(1)
_pair = _ntuple(2)
_triple = _ntuple(3)
