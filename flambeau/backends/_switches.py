"""What the modules of switches share: setting several for a block."""

from __future__ import annotations

import sys
from contextlib import contextmanager


@contextmanager
def set_for_block(module: str, **values: object):
    """Sets attributes of a module and puts back what they were.

    Raises:
        AttributeError: if the module has no such switch.
    """
    target = sys.modules[module]
    before = {name: getattr(target, name) for name in values}
    for name, value in values.items():
        setattr(target, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(target, name, value)


class verbose:
    """Accepted as a context: the libraries that flambeau calls have nothing to print.

    Args:
        level: what torch's context of this name takes.
    """

    def __init__(self, level: int = 0):
        self.level = level

    def __enter__(self) -> verbose:
        return self

    def __exit__(self, *exc: object) -> bool:
        return False
