"""Where a tensor lives: `device("cpu")`, `device("cuda", 1)`, `device("cuda:1")`."""

from __future__ import annotations

from _thread import _local as _local_storage

_TYPES = ("cpu", "cuda", "meta")


class device:
    """A device type and, for devices that come in numbers, an index.

    Args:
        type: "cpu", "cuda" or "meta", with the index after a colon if there is one; or a device.
        index: the number of the device, if `type` does not carry it.

    Raises:
        RuntimeError: if the text does not name a device.

    Example:
        >>> device("cuda:1").index
        1
    """

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: str | device | int, index: int | None = None) -> None:
        text: object = type
        if isinstance(type, device):
            text, index = type.type, type.index
        elif isinstance(type, int) and not isinstance(type, bool):
            text, index = "cuda", int(type)
        if index is not None and not isinstance(index, int):
            raise TypeError(
                "device(): argument 'index' (position 2) must be int, not"
                f" {index.__class__.__name__}"
            )
        if not isinstance(text, str):
            raise TypeError(f"device: expected a str or a device, got {type.__class__.__name__}")
        name, colon, number = text.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(
                    "type (string) must not include an index because index was passed explicitly: "
                    + text
                )
            if not number.isdecimal() or (len(number) > 1 and number[0] == "0"):
                raise RuntimeError(f"Invalid device string: '{text}'")
            index = int(number)
        if name not in _TYPES:
            raise RuntimeError(
                f"Expected one of {', '.join(_TYPES)} device type at start of device string: {text}"
            )
        if index is not None and index < 0:
            raise RuntimeError(f"Device index must not be negative, got {index}")
        object.__setattr__(self, "type", name)
        object.__setattr__(self, "index", index)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"attribute '{name}' of 'torch.device' objects is not writable")

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type='{self.type}')"
        return f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[object, ...]:
        return (device, (str(self),))

    def __enter__(self) -> device:
        global default_changed
        default_changed = True
        _local.stack = [*_stack(), require_available(self)]
        return self

    def __exit__(self, *exception: object) -> None:
        _local.stack = _stack()[:-1]


cpu = device("cpu")
meta = device("meta")

# ---- where new tensors live ----

_local = _local_storage()  # of each thread: the devices of the `with` statements it is in
_default = cpu
#: False until something asks for another default than the CPU: making tensors looks no further.
default_changed = False


def _stack() -> list[device]:
    found: list[device] = getattr(_local, "stack", [])
    return found


def get_default() -> device:
    """Where tensors are made that no argument gives a device."""
    stack = _stack()
    return stack[-1] if stack else _default


def set_default(where: str | device | int | None) -> None:
    """Sets where tensors are made that no argument gives a device; None for the CPU."""
    global _default, default_changed
    default_changed = True
    _default = cpu if where is None else require_available(where)


def require_available(where: str | device | int | None) -> device:
    """The device of an argument, which must be one that this machine computes on.

    Raises:
        DeviceError: when the device is not there.
    """
    if where is None:
        return get_default()
    wanted = device(where)
    if wanted.type == "cuda":
        from flambeau.core.errors import DeviceError

        raise DeviceError("No CUDA GPUs are available: this build of flambeau computes on the CPU")
    return cpu if wanted.type == "cpu" else meta
