"""Where in the user's program an operation was called: the line and the path of the module."""

from __future__ import annotations

import sys
from itertools import pairwise

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

#: Where the files of the package lie.
PACKAGE = __file__.rsplit("core", 1)[0]


def _module_of(frame: FrameType) -> Any:
    """The module whose `forward` this frame runs, or None."""
    code = frame.f_code
    if code.co_name != "forward" or not code.co_argcount:
        return None
    owner = frame.f_locals.get(code.co_varnames[0])
    return owner if hasattr(type(owner), "named_modules") else None


def module_path(frame: FrameType | None = None) -> str:
    """The modules whose forward is running, from the outermost: `Net.encoder.0`; "" outside."""
    at = frame or sys._getframe(1)
    running: list[Any] = []
    while at is not None:
        module = _module_of(at)
        if module is not None and (not running or running[-1] is not module):
            running.append(module)
        at = at.f_back  # type: ignore[assignment]
    if not running:
        return ""
    running.reverse()
    names = [type(running[0]).__name__]
    for outer, inner in pairwise(running):
        found = next((name for name, m in outer.named_modules() if m is inner), "")
        names.append(found or type(inner).__name__)
    return ".".join(names)


def user_line(frame: FrameType | None = None) -> str:
    """The innermost line outside the package that is being run: `file.py:12 in f`."""
    at = frame or sys._getframe(1)
    while at.f_back is not None and at.f_code.co_filename.startswith(PACKAGE):
        at = at.f_back
    return f"{at.f_code.co_filename}:{at.f_lineno} in {at.f_code.co_name}"
