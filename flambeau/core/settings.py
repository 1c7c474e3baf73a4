"""Settings of the whole process: threads, determinism, precision, default device and dtype."""

from __future__ import annotations

from flambeau import _C
from flambeau.core import device as _device
from flambeau.core.dtype import set_default_dtype
from flambeau.core.numeric import iinfo

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any

    from flambeau.core.tensor import Tensor

get_num_threads = _C.get_num_threads


def set_num_threads(number: int) -> None:
    """Sets how many threads an operation may use.

    Args:
        number: at least 1.

    Raises:
        RuntimeError: if the number is not positive.

    Example:
        >>> before = flambeau.get_num_threads()
        >>> flambeau.set_num_threads(1)
        >>> flambeau.get_num_threads()
        1
        >>> flambeau.set_num_threads(before)
    """
    if not isinstance(number, int):
        raise RuntimeError(f"set_num_threads expects an int, but got {type(number).__name__}")
    _C.set_num_threads(number)


_interop_threads: int | None = None


def get_num_interop_threads() -> int:
    """What `set_num_interop_threads` set, by default the number of threads of an operation.

    Example:
        >>> flambeau.get_num_interop_threads() >= 1
        True
    """
    return _interop_threads or get_num_threads()


def set_num_interop_threads(number: int) -> None:
    """Recorded for programs that ask for it again: operations run one after the other.

    Args:
        number: at least 1; may be given once in the life of the process.

    Raises:
        RuntimeError: if the number is not positive, or was set before.

    Example:
        >>> flambeau.set_num_interop_threads(0)
        Traceback (most recent call last):
        ...
        RuntimeError: set_num_interop_threads expects a positive integer
    """
    global _interop_threads
    if not isinstance(number, int):
        raise RuntimeError(
            f"set_num_interop_threads expects an int, but got {type(number).__name__}"
        )
    if number < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    if _interop_threads is not None:
        raise RuntimeError(
            "Error: cannot set number of interop threads after parallel work has started or"
            " set_num_interop_threads called"
        )
    _interop_threads = number


def set_flush_denormal(mode: bool) -> bool:
    """Whether results too small for a normal number are zero, in what this thread computes.

    Such numbers are slow on some processors.

    Args:
        mode: on or off.

    Returns:
        Whether the processor can; otherwise nothing changes.

    Raises:
        RuntimeError: if the mode is no bool.

    Example:
        >>> possible = flambeau.set_flush_denormal(True)
        >>> bool(flambeau.tensor([1e-323], dtype=flambeau.float64) == 0) == possible
        True
        >>> _ = flambeau.set_flush_denormal(False)
    """
    if not isinstance(mode, bool):
        raise RuntimeError(f"flush_denormal expects a bool, but got {type(mode).__name__}")
    return _C.set_flush_denormal(mode)


# ---- determinism ----

_deterministic = {"enabled": False, "warn_only": False, "fill": True}
#: Whether new memory must not show what was there before; read by whatever makes uninitialised
#: tensors.
fills_memory = False


def _decide_filling() -> None:
    global fills_memory
    fills_memory = _deterministic["enabled"] and _deterministic["fill"]


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Asks for results that do not vary between runs.

    Kernels on the CPU never let them vary. What changes is memory that nothing was written to: it
    is filled, see `flambeau.utils.deterministic`.

    Args:
        mode: on or off.
        warn_only: what a kernel without such results should do: warn, not fail.

    Raises:
        TypeError: if an argument is not a bool.

    Example:
        >>> flambeau.use_deterministic_algorithms(True)
        >>> flambeau.empty(2)  # not what was in memory before
        tensor([nan, nan])
        >>> flambeau.use_deterministic_algorithms(False)
    """
    for name, value in (("mode", mode), ("warn_only", warn_only)):
        if not isinstance(value, bool):
            raise TypeError(
                f"use_deterministic_algorithms(): argument '{name}' must be bool, not"
                f" {type(value).__name__}"
            )
    _deterministic.update(enabled=mode, warn_only=warn_only)
    _decide_filling()


def filled_memory(made: Tensor) -> Tensor:
    """A tensor whose memory nothing was written to, filled if deterministic mode wants that."""
    if fills_memory and not made.is_meta:
        dtype = made.dtype
        if dtype.is_floating_point or dtype.is_complex:
            _C.fill(made, float("nan"))
        else:
            _C.fill(made, True if dtype is _C.bool else iinfo(dtype).max)
    return made


def _set_filling(fill: bool) -> None:
    _deterministic["fill"] = fill
    _decide_filling()


def _get_filling() -> bool:
    return _deterministic["fill"]


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` set.

    Example:
        >>> flambeau.use_deterministic_algorithms(True)
        >>> flambeau.are_deterministic_algorithms_enabled()
        True
        >>> flambeau.use_deterministic_algorithms(False)
    """
    return _deterministic["enabled"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What `use_deterministic_algorithms` set for `warn_only`.

    Example:
        >>> flambeau.use_deterministic_algorithms(True, warn_only=True)
        >>> flambeau.is_deterministic_algorithms_warn_only_enabled()
        True
        >>> flambeau.use_deterministic_algorithms(False)
    """
    return _deterministic["warn_only"]


_DEBUG_MODES = ("default", "warn", "error")


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by one of three modes.

    Args:
        debug_mode: "default" or 0 for off, "warn" or 1, "error" or 2.

    Raises:
        TypeError: if it is neither a str nor an int.
        RuntimeError: for another mode.

    Example:
        >>> flambeau.set_deterministic_debug_mode("error")
        >>> flambeau.are_deterministic_algorithms_enabled()
        True
        >>> flambeau.set_deterministic_debug_mode("default")
    """
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _DEBUG_MODES:
            raise RuntimeError(
                "invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got"
                f" {debug_mode}"
            )
        debug_mode = _DEBUG_MODES.index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}"
        )
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2, see `set_deterministic_debug_mode`.

    Example:
        >>> flambeau.use_deterministic_algorithms(True, warn_only=True)
        >>> flambeau.get_deterministic_debug_mode()
        1
        >>> flambeau.set_deterministic_debug_mode(0)
    """
    if not _deterministic["enabled"]:
        return 0
    return 1 if _deterministic["warn_only"] else 2


_warn_always = False


def set_warn_always(b: bool) -> None:
    """Records whether warnings that appear once per process should always appear.

    Args:
        b: a truth value.

    Example:
        >>> flambeau.set_warn_always(True)
        >>> flambeau.is_warn_always_enabled()
        True
        >>> flambeau.set_warn_always(False)
    """
    global _warn_always
    _warn_always = bool(b)


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` set; False unless it was called.

    Example:
        >>> flambeau.is_warn_always_enabled()
        False
    """
    return _warn_always


# ---- precision ----

_matmul_precision = "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """Records how exact matrix products of float32 should be; on the CPU they always are.

    Args:
        precision: "highest" (the default), "high" or "medium".

    Raises:
        ValueError: if it is something else.

    Example:
        >>> flambeau.set_float32_matmul_precision("high")
        >>> flambeau.get_float32_matmul_precision()
        'high'
        >>> flambeau.set_float32_matmul_precision("highest")
    """
    global _matmul_precision
    if precision not in ("highest", "high", "medium"):
        raise ValueError(
            f"set_float32_matmul_precision: expected highest, high or medium, got {precision!r}"
        )
    _matmul_precision = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` set; "highest" unless it was called.

    Example:
        >>> flambeau.get_float32_matmul_precision()
        'highest'
    """
    return _matmul_precision


# ---- defaults of new tensors ----


def set_default_device(device: Any) -> None:
    """Sets where new tensors live.

    Args:
        device: a `device`, its name, or None for the CPU.

    Raises:
        RuntimeError: if that device is not available.

    Example:
        >>> flambeau.set_default_device("cpu")
        >>> flambeau.zeros(1).device
        device(type='cpu')
        >>> flambeau.set_default_device(None)
    """
    _device.set_default(device)


def get_default_device() -> _device.device:
    """Where new tensors live: on the CPU, unless `set_default_device` was called.

    Example:
        >>> flambeau.get_default_device()
        device(type='cpu')
    """
    return _device.get_default()


def set_default_tensor_type(t: Any) -> None:
    """Sets the default dtype by a legacy type, with a warning; use `set_default_dtype` instead.

    Args:
        t: HalfTensor, BFloat16Tensor, FloatTensor or DoubleTensor, or such a name.

    Raises:
        TypeError: if it is not a floating point type.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     flambeau.set_default_tensor_type("torch.DoubleTensor")
        >>> flambeau.get_default_dtype()
        torch.float64
        >>> flambeau.set_default_dtype(flambeau.float32)
    """
    from flambeau.core.notices import warn_once

    warn_once(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
        "torch.set_default_dtype() and torch.set_default_device() as alternatives."
    )
    name = t
    if not isinstance(t, str):
        name = f"{getattr(t, '__module__', '')}.{getattr(t, '__name__', t)}"
    if name.startswith("torch.cuda."):
        raise TypeError(f"type {name} not available: this build of flambeau computes on the CPU")
    known = {
        "torch.HalfTensor": _C.float16,
        "torch.BFloat16Tensor": _C.bfloat16,
        "torch.FloatTensor": _C.float32,
        "torch.DoubleTensor": _C.float64,
    }
    if name not in known:
        raise TypeError(
            "invalid type object: only floating-point types are supported as the default type"
        )
    set_default_dtype(known[name])
