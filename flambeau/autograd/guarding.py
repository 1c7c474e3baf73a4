"""Stopping at the first operation that makes NaN or infinity out of finite numbers."""

from __future__ import annotations

import sys

from flambeau import _C
from flambeau.core import events
from flambeau.core.errors import Error
from flambeau.core.grad_mode import _Mode
from flambeau.core.places import module_path, user_line
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_UNSET = ("empty", "empty_like", "new_empty", "empty_strided", "empty_permuted")


class NonFiniteError(Error, FloatingPointError, RuntimeError):
    """An operation made NaN or infinity out of finite numbers.

    Example:
        >>> with flambeau.autograd.nan_guard():
        ...     flambeau.zeros(1).log()
        Traceback (most recent call last):
        ...
        flambeau.autograd.guarding.NonFiniteError: ...
    """


class nan_guard(_Mode):
    """In the block, the first operation that makes NaN or infinity raises, in forward or backward.

    An operation that was itself given NaN or infinity (masking with minus infinity, say) is not to
    blame and passes.

    Args:
        inf: False to let infinities pass and stop at NaN only.

    Raises:
        NonFiniteError: names the operation, the line of the program and the path of the module
            that was running; for a gradient, those of the forward call it belongs to.

    Example:
        >>> with flambeau.autograd.nan_guard():
        ...     flambeau.tensor([-1.0, 4.0]).sqrt()
        Traceback (most recent call last):
        ...
        flambeau.autograd.guarding.NonFiniteError: sqrt made nan out of finite numbers...
    """

    def __init__(self, inf: bool = True) -> None:
        self.inf = inf
        self._looking = False

    def __enter__(self) -> None:
        events.operations.add(self._after_operation)
        events.gradients.add(self._after_node)
        events.recorded.add(_remember_place)

    def __exit__(self, *exc: object) -> None:
        events.operations.remove(self._after_operation)
        events.gradients.remove(self._after_node)
        events.recorded.remove(_remember_place)

    def _fresh(self) -> nan_guard:
        return type(self)(self.inf)

    def _after_operation(
        self, op: Any, arguments: tuple[Any, ...], result: Any, started: int, inplace: bool
    ) -> None:
        # Inside a backward the node is to blame, which `_after_node` sees.
        if self._looking or _C.current_backward() or op.name in _UNSET:
            return
        found = self._first_bad(result)
        # What an in-place operation was given is gone, so its result alone must do.
        given = arguments[1:] if inplace else arguments
        if found is None or self._first_bad(given) is not None:
            return
        frame = sys._getframe(1)
        path = module_path(frame)
        raise NonFiniteError(
            f"{op.name}{'_' if inplace else ''} made {found} out of finite numbers, called at "
            f"{user_line(frame)}" + (f", in {path}" if path else "")
        )

    def _after_node(
        self, node: Any, outgoing: tuple[Any, ...], incoming: tuple[Any, ...], started: int
    ) -> None:
        if self._looking:
            return
        found = self._first_bad(outgoing)
        if found is None or self._first_bad(incoming) is not None:
            return
        line, path = node.metadata.get("place", ("", ""))
        raise NonFiniteError(
            f"the gradient of {node.name()} became {found} out of finite numbers"
            + (f", recorded by the forward call at {line}" if line else "")
            + (f", in {path}" if path else "")
        )

    def _first_bad(self, value: Any) -> str | None:
        """ "nan" or "inf" if there is one among the numbers and tensors of `value`."""
        self._looking = True
        recording = _C.is_grad_enabled()
        _C.set_grad_enabled(False)
        try:
            return next(filter(None, map(self._kind, _numbers(value))), None)
        finally:
            _C.set_grad_enabled(recording)
            self._looking = False

    def _kind(self, value: Any) -> str | None:
        if isinstance(value, float):
            if value != value:
                return "nan"
            return "inf" if self.inf and value - value != 0 else None
        if value.is_meta or not (value.is_floating_point() or value.is_complex()):
            return None
        if bool((value != value).any()):
            return "nan"
        return "inf" if self.inf and bool(value.isinf().any()) else None


def _numbers(value: Any) -> Iterator[Any]:
    """The tensors and floating-point numbers in a value, also inside lists and tuples."""
    if isinstance(value, (Tensor, float)):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _numbers(each)


def _remember_place(node: Any) -> None:
    frame = sys._getframe(1)
    node.metadata["place"] = (user_line(frame), module_path(frame))
