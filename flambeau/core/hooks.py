"""Handles by which registered hooks are removed again."""

from __future__ import annotations

from _weakref import ref  # what weakref.ref is, without loading the rest of weakref

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any

_next_id = 0


class RemovableHandle:
    """Removes one hook from the dictionary it was registered in; also usable in a `with` block.

    Example:
        >>> x = flambeau.tensor(1.0, requires_grad=True)
        >>> handle = x.register_hook(print)
        >>> x.backward()
        tensor(1.)
        >>> handle.remove()
        >>> x.backward()  # prints nothing
    """

    def __init__(self, hooks: Any, *, extra_dict: Any = None) -> None:
        global _next_id
        self.id = _next_id
        _next_id += 1
        self._extras = [extra_dict] if isinstance(extra_dict, dict) else list(extra_dict or ())
        self._refer_to(hooks)

    def _refer_to(self, hooks: Any) -> None:
        try:
            self._hooks: Any = ref(hooks)
        except TypeError:  # a plain dict cannot be referred to weakly
            self._hooks = lambda: hooks

    def __getstate__(self) -> tuple[Any, ...]:
        return self._hooks(), self.id, self._extras

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # A copy of a module carries its hooks under their numbers, which stay taken.
        global _next_id
        hooks, self.id, self._extras = state
        self._refer_to(hooks)
        _next_id = max(_next_id, self.id + 1)

    @classmethod
    def add(cls, hooks: Any, hook: Any) -> RemovableHandle:
        handle = cls(hooks)
        hooks[handle.id] = hook
        return handle

    def remove(self) -> None:
        """Takes the hook away; doing so twice is harmless."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)
        for extra in self._extras:
            extra.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()


RemovableHandle.__module__ = "flambeau.utils.hooks"  # where programs import it from


class HandleGroup:
    """Removes several hooks together; also usable in a `with` block."""

    def __init__(self, handles: Any) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Takes the hooks away; doing so twice is harmless."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> HandleGroup:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()
