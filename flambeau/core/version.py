"""The version, and version numbers that compare as numbers: "1.10" comes after "1.9"."""

from __future__ import annotations

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Iterable


#: The package's own version, as installers know it.
PACKAGE = "0.1.0"
#: The release of PyTorch whose public names, signatures and results flambeau follows.
TORCH = "2.13.0"


def _release(version: object) -> tuple[int, ...]:
    """The numbers of a version's release: 1.10.0+cpu -> (1, 10)."""
    if isinstance(version, str):
        text = version.partition("+")[0]
        numbers = []
        for part in text.split("."):
            digits = part[: len(part) - len(part.lstrip("0123456789"))]
            if not digits:
                break
            numbers.append(int(digits))
            if digits != part:
                break
    elif isinstance(version, int):
        numbers = [version]
    else:
        parts: Iterable[object] = version  # type: ignore[assignment]
        numbers = [int(part) for part in parts if isinstance(part, (int, str))]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


class TorchVersion(str):
    """A version as text, which compares with versions given as text or as numbers.

    Example:
        >>> TorchVersion("1.10.0") > "1.9"
        True
        >>> TorchVersion("1.10.0") >= (1, 10)
        True
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __lt__(self, other: object) -> bool:
        return _release(self) < _release(other)

    def __le__(self, other: object) -> bool:
        return _release(self) <= _release(other)

    def __gt__(self, other: object) -> bool:
        return _release(self) > _release(other)

    def __ge__(self, other: object) -> bool:
        return _release(self) >= _release(other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str) or not hasattr(other, "__iter__"):
            return str.__eq__(self, other) is True
        return _release(self) == _release(other)

    def __ne__(self, other: object) -> bool:
        return not self == other


#: `flambeau.__version__`. Programs written for PyTorch choose by it which functions they may call,
#: so it says which release's these are; the part after the plus, a local version as PEP 440 has it,
#: says whose they are.
VERSION = TorchVersion(f"{TORCH}+flambeau.{PACKAGE}")
