"""What a dtype can hold: `finfo` and `iinfo`; numbers of other packages."""

from __future__ import annotations

from flambeau import _C

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any

# bits, eps, max, smallest normal, decimal digits
_FLOATS = {
    _C.float16: (16, 2.0**-10, 65504.0, 2.0**-14, 3),
    _C.bfloat16: (16, 2.0**-7, (2 - 2.0**-7) * 2.0**127, 2.0**-126, 2),
    _C.float32: (32, 2.0**-23, (2 - 2.0**-23) * 2.0**127, 2.0**-126, 6),
    _C.float64: (64, 2.0**-52, (2 - 2.0**-52) * 2.0**1023, 2.0**-1022, 15),
}


def whole(value: Any) -> int | None:
    """The int that a value is: Python's, NumPy's, a tensor without axes; None if it is none."""
    if isinstance(value, int):
        return value
    if not hasattr(value, "__index__") or (hasattr(value, "ndim") and value.ndim):
        return None
    try:
        return int(value.__index__())
    except TypeError:
        return None


def _short(value: float) -> str:
    return f"{value:.6g}"


class finfo:
    """The limits of a floating point dtype: bits, eps, max, min, tiny, resolution.

    Args:
        type: the dtype (the default one if left out); a complex dtype stands for its parts.

    Raises:
        TypeError: for integer dtypes.

    Example:
        >>> flambeau.finfo(flambeau.float32).eps
        1.1920928955078125e-07
    """

    def __init__(self, type: Any = None) -> None:
        dtype = _C.get_default_dtype() if type is None else type
        if not isinstance(dtype, _C.dtype):
            raise TypeError(
                "finfo(): argument 'type' (position 1) must be torch.dtype, not"
                f" {dtype.__class__.__name__}"
            )
        if not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle"
                f" '{dtype}'"
            )
        real = dtype.to_real()
        self.dtype = real.name
        self.bits, self.eps, self.max, self.tiny, digits = _FLOATS[real]
        self.min = -self.max
        self.smallest_normal = self.tiny
        self.resolution = 10.0**-digits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={_short(self.resolution)}, min={_short(self.min)},"
            f" max={_short(self.max)}, eps={_short(self.eps)},"
            f" smallest_normal={_short(self.smallest_normal)}, tiny={_short(self.tiny)},"
            f" dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype: bits, max, min.

    Args:
        type: a dtype of integers.

    Raises:
        TypeError: if it is another.

    Example:
        >>> flambeau.iinfo(flambeau.int8).max
        127
    """

    def __init__(self, type: Any) -> None:
        if not isinstance(type, _C.dtype) or type.is_floating_point or type.is_complex:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'"
            )
        if type is _C.bool:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        self.dtype = type.name
        self.bits = type.itemsize * 8
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0
        self.max = 2 ** (self.bits - type.is_signed) - 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)

    def __repr__(self) -> str:
        return f"iinfo(min={_short(self.min)}, max={_short(self.max)}, dtype={self.dtype})"
