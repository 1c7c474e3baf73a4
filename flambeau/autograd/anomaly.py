"""Anomaly mode: NaN in a gradient is an error that shows the forward call it belongs to."""

from __future__ import annotations

import sys

from flambeau.core import events
from flambeau.core.errors import GradError
from flambeau.core.grad_mode import _Mode
from flambeau.core.places import module_path

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_state = {"enabled": False, "check_nan": True}


def is_anomaly_enabled() -> bool:
    """True in anomaly mode.

    Example:
        >>> flambeau.is_anomaly_enabled()
        False
    """
    return _state["enabled"]


def is_anomaly_check_nan_enabled() -> bool:
    """True if anomaly mode, when it is on, refuses NaN.

    Example:
        >>> with flambeau.autograd.detect_anomaly(check_nan=False):
        ...     flambeau.is_anomaly_enabled(), flambeau.is_anomaly_check_nan_enabled()
        (True, False)
    """
    return _state["check_nan"]


def _remember_stack(node: Any) -> None:
    import traceback

    node.metadata["traceback_"] = traceback.format_stack()[:-1]
    path = module_path(sys._getframe(1))
    if path:
        node.metadata["module_path"] = path


def _check(node: Any, gradients: Sequence[Any], incoming: Sequence[Any], started: int) -> None:
    for k, gradient in enumerate(gradients):
        if gradient is not None and bool((gradient != gradient).any()):
            raise GradError(_text(node, k))


def _text(node: Any, place: int) -> str:
    text = f"Function '{node.name()}' returned nan values in its {place}th output."
    path = node.metadata.get("module_path")
    if path:
        text += f" It was recorded in {path}."
    stack = node.metadata.get("traceback_")
    if stack:
        text += (
            f" Error detected in {node.name()}. Traceback of forward call that caused the "
            "error:\n" + "".join(stack)
        )
    return text


def _apply(enabled: bool, check_nan: bool) -> None:
    _state.update(enabled=enabled, check_nan=check_nan)
    for listeners, function, wanted in (
        (events.recorded, _remember_stack, enabled),
        (events.gradients, _check, enabled and check_nan),
    ):
        listeners.remove(function)
        if wanted:
            listeners.add(function)


def set_anomaly_enabled(mode: bool, check_nan: bool = True) -> None:
    """Switches anomaly mode on or off.

    Args:
        mode: on or off.
        check_nan: raise when a backward gives NaN.

    Example:
        >>> flambeau.set_anomaly_enabled(True)
        >>> flambeau.is_anomaly_enabled()
        True
        >>> flambeau.set_anomaly_enabled(False)
    """
    _apply(mode, check_nan)


class set_detect_anomaly:
    """Switches anomaly mode at once; as a context manager, for the block.

    Args:
        mode: on or off.
        check_nan: raise when a backward gives NaN.

    Example:
        >>> with flambeau.autograd.set_detect_anomaly(True):
        ...     flambeau.is_anomaly_enabled()
        True
        >>> flambeau.is_anomaly_enabled()
        False
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (_state["enabled"], _state["check_nan"])
        _apply(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _apply(*self._before)


class detect_anomaly(_Mode):
    """Anomaly mode for a block: forward calls keep their stack, backward refuses NaN.

    Args:
        check_nan: raise when a backward gives NaN.

    Example:
        >>> x = flambeau.tensor(0.0, requires_grad=True)
        >>> with flambeau.autograd.detect_anomaly():
        ...     y = x.sqrt() * 0  # zero times infinity on the way back
        ...     y.backward()
        Traceback (most recent call last):
        ...
        flambeau.core.errors.GradError: Function 'SqrtBackward0' returned nan values in its 0th ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> None:
        self._before = (_state["enabled"], _state["check_nan"])
        _apply(True, self.check_nan)

    def __exit__(self, *exc: object) -> None:
        _apply(*self._before)

    def _fresh(self) -> detect_anomaly:
        return type(self)(self.check_nan)
