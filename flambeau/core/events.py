"""Who listens to the engine: profilers, guards against NaN, hooks on saved tensors.

The engine calls one function per event, and none while nobody listens; `Listeners` shares that
call among several.
"""

from __future__ import annotations

from flambeau import _C

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Listeners:
    """The listeners of one event of the engine, called in the order they came."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._functions: list[Callable[..., Any]] = []

    def add(self, function: Callable[..., Any]) -> None:
        """Adds a listener."""
        self._functions = [*self._functions, function]
        self._connect()

    def remove(self, function: Callable[..., Any]) -> None:
        """Takes one listener away; nothing happens if it is not there."""
        if function in self._functions:
            self._functions = [f for f in self._functions if f != function]
            self._connect()

    def _connect(self) -> None:
        count = len(self._functions)
        target = None if count == 0 else self._functions[0] if count == 1 else self._call_all
        _C.set_engine_op(self._event, target)

    def _call_all(self, *event: Any) -> Any:
        found = None
        for function in self._functions:
            answer = function(*event)
            found = answer if found is None else found
        return found


#: After each operation: (op, arguments, result, start in ns, whether it was in-place).
operations = Listeners("observer")
#: After each node of a backward: (node, gradients out, gradients in, start in ns).
gradients = Listeners("on_gradient")
#: For each new node of a graph: (node).
recorded = Listeners("on_record")
#: Before the kernel of each operation: (op). What a listener returns, if not None, is the result.
recalls = Listeners("recall")
#: Before a tensor is written in place: (tensor).
writes = Listeners("on_write")
