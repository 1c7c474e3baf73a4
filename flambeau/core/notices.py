"""Warnings that point at the user's line, each time or once in the life of the process."""

from __future__ import annotations

import sys

from flambeau import _C
from flambeau.core import settings
from flambeau.core.places import PACKAGE

_given: set[str] = set()


def user_level() -> int:
    """The `stacklevel` with which the caller's warning points at the innermost line of the user."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
        level += 1
    return level


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warns of something in the user's line, each time it happens."""
    import warnings

    warnings.warn(text, category, stacklevel=user_level())


def warn_once(text: str, category: type[Warning] = UserWarning) -> None:
    """Warns of something in the user's line the first time; always after `set_warn_always`."""
    if text in _given and not settings.is_warn_always_enabled():
        return
    _given.add(text)
    warn(text, category)


def forget() -> None:
    """Lets the warnings that come once come again."""
    _given.clear()


def _notify(text: str, once: bool) -> None:
    (warn_once if once else warn)(text)


_C.set_engine_op("notify", _notify)
