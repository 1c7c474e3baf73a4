"""Anomaly mode: NaN in a gradient is an error that shows the forward call it belongs to."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import GradError
from flambeau.core.grad_mode import _Mode

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_state = {"enabled": False, "check_nan": True}


def is_anomaly_enabled() -> bool:
    """True while gradients are checked."""
    return _state["enabled"]


def _remember_stack(node: Any) -> None:
    import traceback

    node.metadata["traceback_"] = traceback.format_stack()[:-1]


def _check(node: Any, gradients: Sequence[Any]) -> None:
    for k, gradient in enumerate(gradients):
        if gradient is not None and bool((gradient != gradient).any()):
            text = f"Function '{node.name()}' returned nan values in its {k}th output."
            stack = node.metadata.get("traceback_")
            if stack:
                text += (
                    f" Error detected in {node.name()}. Traceback of forward call that caused the "
                    "error:\n" + "".join(stack)
                )
            raise GradError(text)


def _apply(enabled: bool, check_nan: bool) -> None:
    _state.update(enabled=enabled, check_nan=check_nan)
    _C.set_engine_op("on_record", _remember_stack if enabled else None)
    _C.set_engine_op("on_gradient", _check if enabled and check_nan else None)


class set_detect_anomaly:
    """Switches anomaly mode at once; as a context manager, for the block.

    Args:
        mode: on or off.
        check_nan: raise when a backward gives NaN.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (_state["enabled"], _state["check_nan"])
        _apply(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _apply(*self._before)


class detect_anomaly(_Mode):
    """Anomaly mode for a block: forward calls keep their stack, backward refuses NaN."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> None:
        self._before = (_state["enabled"], _state["check_nan"])
        _apply(True, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        _apply(*self._before)

    def _fresh(self) -> detect_anomaly:
        return type(self)(self.check_nan)
