"""`make_tensor`: tensors for tests, of any dtype, between bounds, with gaps in memory if wanted."""

from __future__ import annotations

import math

import flambeau
from flambeau import _C
from flambeau.core.tensor import Tensor

_WHOLE = (
    _C.bool,
    *(_C.uint8, _C.uint16, _C.uint32, _C.uint64),
    *(_C.int8, _C.int16, _C.int32, _C.int64),
)
_BROKEN = (_C.float16, _C.bfloat16, _C.float32, _C.float64, _C.complex64, _C.complex128)


def make_tensor(
    *shape,
    dtype,
    device,
    low=None,
    high=None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format=None,
) -> Tensor:
    """A tensor of numbers drawn uniformly from [low, high), from the default generator.

    Args:
        shape: sizes, as several integers or one sequence of them.
        dtype: the dtype.
        device: the device.
        low: the least number; by default 0 for bool and unsigned integers, else -9.
        high: what all numbers are below; by default 2 for bool, 10 for integers, else 9.
        requires_grad: whether autograd records what is done with it.
        noncontiguous: whether elements lie apart in memory, if there are at least two.
        exclude_zero: whether zeros become the smallest positive normal number, or 1 for integers.
        memory_format: the memory format.

    Raises:
        ValueError: for bounds in the wrong order, NaN, or outside of the dtype; for `requires_grad`
            of whole numbers; for both `noncontiguous` and a memory format.
        TypeError: for something else than a dtype.

    Example:
        >>> x = flambeau.testing.make_tensor(
        ...     2, 3, dtype=flambeau.int64, device="cpu", low=1, high=2, noncontiguous=True
        ... )
        >>> x, x.stride()
        (tensor([[1, 1, 1],
                [1, 1, 1]]), (6, 2))
    """
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = shape[0]
    shape = tuple(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"{noncontiguous=} and {memory_format=}"
        )
    if requires_grad and dtype in _WHOLE:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, "
            f"but got {dtype=}"
        )
    if dtype not in _WHOLE + _BROKEN:
        raise TypeError(f"The requested dtype '{dtype}' is not supported by make_tensor()")
    low, high = _bounds(low, high, dtype)
    apart = noncontiguous and math.prod(shape) > 1
    drawn = flambeau.empty(
        (*shape[:-1], 2 * shape[-1]) if apart else shape, dtype=dtype, device=device
    )
    _draw(drawn, low, high)
    if apart:
        drawn = drawn[..., 1::2]
    elif memory_format is not None:
        drawn = drawn.clone(memory_format=memory_format)
    if exclude_zero:
        tiny = 1 if dtype in _WHOLE else flambeau.finfo(dtype).tiny
        drawn[drawn == 0] = complex(tiny, tiny) if dtype.is_complex else tiny
    return drawn.requires_grad_(requires_grad)


def _bounds(low, high, dtype):
    """The bounds within what the dtype can hold; those of whole numbers are whole."""
    whole = dtype in _WHOLE
    if dtype is _C.bool:
        least, most, default = 0, 2, (0, 2)
    elif whole:
        limits = flambeau.iinfo(dtype)
        least, most = limits.min, limits.max + 1
        default = (-9 if dtype.is_signed else 0, 10)
    else:
        limits = flambeau.finfo(dtype)
        least, most, default = limits.min, limits.max, (-9, 9)
    low, high = (
        d if given is None else given for given, d in zip((low, high), default, strict=True)
    )
    if math.isnan(low) or math.isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low > high or (whole and low == high):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    if most <= low < math.inf or -math.inf < high < least:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {dtype} only supports [{least}, {most})"
        )
    low, high = max(low, least), min(high, most)
    return (math.ceil(low), math.ceil(high)) if whole else (min(low, most), max(high, least))


def _draw(tensor, low, high):
    """Fills a tensor; a range that is itself no number of the dtype is drawn at half its size."""
    if tensor.dtype in _WHOLE:
        tensor.random_(low, min(high, flambeau.iinfo(_C.int64).max))
        return
    numbers = flambeau.view_as_real(tensor) if tensor.dtype.is_complex else tensor
    if low == high:
        numbers.fill_(low)
    elif high - low > flambeau.finfo(tensor.dtype).max:
        numbers.uniform_(low / 2, high / 2).mul_(2)
    else:
        numbers.uniform_(low, high)
