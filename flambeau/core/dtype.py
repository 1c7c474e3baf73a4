"""Element types under their public names, and the default one."""

from flambeau import _C

dtype = _C.dtype

bool = _C.bool
uint8 = _C.uint8
int8 = _C.int8
int16 = short = _C.int16
int32 = int = _C.int32
int64 = long = _C.int64
uint16 = _C.uint16
uint32 = _C.uint32
uint64 = _C.uint64
float16 = half = _C.float16
bfloat16 = _C.bfloat16
float32 = float = _C.float32
float64 = double = _C.float64
complex64 = cfloat = _C.complex64
complex128 = cdouble = _C.complex128

by_name = {
    name: getattr(_C, name)
    for name in (
        *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    )
}


def _dtype_by_name(name: str) -> _C.dtype:
    return by_name[name]


def get_default_dtype() -> _C.dtype:
    """The dtype of new floating point tensors (float32 unless changed).

    Example:
        >>> flambeau.get_default_dtype() == flambeau.tensor([0.5]).dtype
        True
    """
    return _C.get_default_dtype()


def set_default_dtype(d: _C.dtype) -> None:
    """Sets the dtype of new floating point tensors; new complex ones get twice its size.

    Args:
        d: float16, bfloat16, float32 or float64.

    Raises:
        TypeError: if `d` is not a floating point dtype.

    Example:
        >>> flambeau.set_default_dtype(flambeau.float64)
        >>> flambeau.tensor([0.5]).dtype, flambeau.tensor([1j]).dtype
        (torch.float64, torch.complex128)
        >>> flambeau.set_default_dtype(flambeau.float32)
    """
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(
            "set_default_dtype: only floating-point types are supported as the default type,"
            f" got {d}"
        )
    _C.set_default_dtype(d)


def from_python(value: object) -> _C.dtype | None:
    """bool, int, float and complex as dtypes: what torch accepts for `dtype=`."""
    import builtins

    return {
        builtins.bool: bool,
        builtins.int: int64,
        builtins.float: float64,
        builtins.complex: complex128,
    }.get(value)  # type: ignore[call-overload]
