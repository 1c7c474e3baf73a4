"""Switching the recording of operations on and off: `no_grad`, `enable_grad`, `inference_mode`.

Each is a context manager and a decorator; the state belongs to the thread.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.core.notices import warn

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any

is_grad_enabled = _C.is_grad_enabled
is_inference_mode_enabled = _C.is_inference_mode_enabled


class _Mode:
    """Base: what is set while the block or the decorated function runs, and put back after."""

    def __enter__(self) -> None:
        raise NotImplementedError(type(self).__name__)

    def __exit__(self, *exc: Any) -> None:
        raise NotImplementedError(type(self).__name__)

    def _fresh(self) -> _Mode:
        return type(self)()

    def __call__(self, function: Any) -> Any:
        import functools

        if isinstance(function, type):
            warn(
                "Decorating classes is deprecated and will be disabled in future versions. You "
                "should only decorate functions or methods. To preserve the current behavior of "
                "class decoration, you can directly decorate the `__init__` method and nothing "
                "else.",
                FutureWarning,
            )
        code = getattr(function, "__code__", None)
        if code is not None and code.co_flags & 0x20:  # a generator: the mode holds while it runs

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                iterator = function(*args, **kwargs)
                step, sent = iterator.send, None
                while True:
                    try:
                        with self._fresh():
                            value = step(sent)
                    except StopIteration as stop:
                        return stop.value
                    try:
                        sent = yield value
                        step = iterator.send
                    except GeneratorExit:
                        with self._fresh():
                            iterator.close()
                        raise
                    except BaseException as error:
                        step, sent = iterator.throw, error

            return generator

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with self._fresh():
                return function(*args, **kwargs)

        return wrapper


class no_grad(_Mode):
    """Operations in the block are not recorded.

    Args:
        function: what to decorate, for `@no_grad` without parentheses.

    Example:
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> with flambeau.no_grad():
        ...     (x * 2).requires_grad
        False
    """

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._before = _C.is_grad_enabled()
        _C.set_grad_enabled(False)

    def __exit__(self, *exc: Any) -> None:
        _C.set_grad_enabled(self._before)


class enable_grad(_Mode):
    """Operations in the block are recorded, also inside `no_grad`.

    Args:
        function: what to decorate, for `@enable_grad` without parentheses.

    Example:
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> with flambeau.no_grad(), flambeau.enable_grad():
        ...     (x * 2).requires_grad
        True
    """

    def __new__(cls, function: Any = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)

    def __enter__(self) -> None:
        self._before = _C.is_grad_enabled()
        _C.set_grad_enabled(True)

    def __exit__(self, *exc: Any) -> None:
        _C.set_grad_enabled(self._before)


class set_grad_enabled(_Mode):
    """Recording on or off: at once as a function, for the block as a context manager.

    Args:
        mode: True to record.

    Example:
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> training = False
        >>> with flambeau.set_grad_enabled(training):
        ...     (x * 2).requires_grad
        False
    """

    def __init__(self, mode: bool) -> None:
        self._before = _C.is_grad_enabled()
        self._mode = mode
        _C.set_grad_enabled(bool(mode))

    def __enter__(self) -> None:
        _C.set_grad_enabled(bool(self._mode))

    def __exit__(self, *exc: Any) -> None:
        _C.set_grad_enabled(self._before)

    def __repr__(self) -> str:
        return f"flambeau.autograd.grad_mode.set_grad_enabled(mode={self._mode})"

    def _fresh(self) -> _Mode:
        return type(self)(self._mode)

    def __call__(self, function: Any) -> Any:
        _C.set_grad_enabled(self._before)
        return super().__call__(function)


class inference_mode(_Mode):
    """No recording, no version counting: tensors made here can never enter a graph.

    Args:
        mode: False leaves inference mode for the block.

    Example:
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> with flambeau.inference_mode():
        ...     y = x * 2
        >>> y.requires_grad, y.is_inference()
        (False, True)
    """

    def __new__(cls, mode: Any = True) -> Any:
        if isinstance(mode, bool):
            return super().__new__(cls)
        return cls()(mode)

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self._before = (_C.is_inference_mode_enabled(), _C.is_grad_enabled())
        _C.set_inference_mode(self.mode)
        _C.set_grad_enabled(not self.mode)

    def __exit__(self, *exc: Any) -> None:
        _C.set_inference_mode(self._before[0])
        _C.set_grad_enabled(self._before[1])

    def _fresh(self) -> _Mode:
        return type(self)(self.mode)
