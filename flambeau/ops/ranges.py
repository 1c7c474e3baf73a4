"""Tensors from formulas: ranges, the identity, the places of a triangle."""

from __future__ import annotations

from flambeau import _C
from flambeau.core import dtype as _dtypes
from flambeau.core.notices import warn
from flambeau.core.registry import FUNCTIONS, checked, function
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import _check_storage, _default_dtype, _dtype, _handed_out, _place

# ---- ranges ----


def _range_dtype(*values):
    """int64 if all are integers, else the default dtype or its complex twin."""
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        return _dtypes.int64
    if any(isinstance(v, complex) for v in values):
        return _default_dtype().to_complex()
    return _default_dtype()


def _plain(value, op):
    """A range bound as a Python number."""
    if isinstance(value, (bool, int, float, complex)):
        return value
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.item()
    if _C.is_numpy(value) and value.size == 1:
        return value.item()
    raise TypeError(
        f"{op}(): expected a number or a tensor of one element, got {type(value).__name__}"
    )


@function
def arange(
    start=0,
    end=None,
    step=1,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """start, start + step, ... up to but without end.

    Args:
        start: first value; `arange(n)` counts from 0 to n - 1.
        end: where to stop.
        step: distance between neighbours; may be negative.
        out: a tensor for the result.
        dtype: by default int64 if all numbers are integers, else the default floating type.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if step is 0, or leads away from end.

    Example:
        >>> flambeau.arange(1, 2.5, 0.5)
        tensor([1.0000, 1.5000, 2.0000])
    """
    if end is None:
        start, end = 0, start
    whole = type(start) is int and type(end) is int and type(step) is int
    if whole and dtype is None and out is None and step and (end - start) * step >= 0:
        dtype, count = _dtypes.int64, -((start - end) // step)
    else:
        start, end, step = _plain(start, "arange"), _plain(end, "arange"), _plain(step, "arange")
        if dtype is None:
            dtype = _range_dtype(start, end, step) if out is None else out.dtype
        dtype = _dtype(dtype, "arange")
        if dtype is _dtypes.bool or dtype.is_complex:
            raise NotImplementedError(f"arange: not implemented for '{dtype}'")
        count, start, step = _counted(start, end, step, dtype)
    if layout is not None or pin_memory:
        _check_storage("arange", layout, pin_memory)
    place = _place(device)
    made = place.arange(start, step, count, dtype)
    return _handed_out(made, out, dtype, requires_grad)


def _check_range(start, end, step):
    for value in (start, end, step):
        if isinstance(value, complex):
            raise RuntimeError("value cannot be converted to type double without overflow")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if not (abs(start) < float("inf") and abs(end) < float("inf")):
        raise RuntimeError(f"unsupported range: {start:g} -> {end:g}")
    if (end < start) if step > 0 else (end > start):
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")


def _counted(start, end, step, dtype):
    """How many elements a range has, its start and its step; whole numbers for integer dtypes.

    As in PyTorch, the count of an int64 range is that of its whole bounds, else that of the bounds
    as given.
    """
    _check_range(start, end, step)
    if dtype is _dtypes.int64:
        start, end, step = int(start), int(end), int(step)
        _check_range(start, end, step)
    if type(start) is int and type(end) is int and type(step) is int:
        return -((start - end) // step), start, step
    import math

    count = math.ceil((end - start) / step)
    return (count, start, step) if dtype.is_floating_point else (count, int(start), int(step))


def inclusive_range(
    start=0,
    end=None,
    step=1,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """start, start + step, ... up to and with end: a deprecated form of `arange`, with a warning.

    Args:
        start: the first value, 0 unless given.
        end: the greatest that the last value may be.
        step: the distance, not 0.
        out: a tensor for the result.
        dtype: the default floating type unless given.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if the step is 0, or leads away from the end.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     flambeau.range(1, 3)
        tensor([1., 2., 3.])
    """
    warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is"
        " inconsistent with Python's range builtin. Instead, use torch.arange, which produces"
        " values in [start, end).",
        UserWarning,
    )
    if end is None:
        start, end = 0, start
    start, end, step = _plain(start, "range"), _plain(end, "range"), _plain(step, "range")
    dtype = _default_dtype() if dtype is None else _dtype(dtype, "range")
    _check_range(start, end, step)
    made = _place(device).arange(start, step, int((end - start) / step) + 1, dtype)
    return _handed_out(made, out, dtype, requires_grad)


inclusive_range.__name__ = inclusive_range.__qualname__ = "range"
FUNCTIONS["range"] = checked(inclusive_range)  # the builtin keeps its name in this file


def _spaced(op, start, end, steps, dtype, out):
    sizes = [v.ndim if isinstance(v, Tensor) else 0 for v in (start, end)]
    if any(sizes):
        raise RuntimeError(
            f"{op} only supports 0-dimensional start and end tensors, but got start with"
            f" {sizes[0]} dimension(s) and end with {sizes[1]} dimension(s)."
        )
    start, end = _plain(start, op), _plain(end, op)
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise TypeError(f"{op}(): argument 'steps' must be int, not {type(steps).__name__}")
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is None:
        is_complex = isinstance(start, complex) or isinstance(end, complex)
        dtype = _default_dtype().to_complex() if is_complex else _default_dtype()
    dtype = _dtype(dtype, op)
    if not (dtype.is_floating_point or dtype.is_complex):  # the ends are rounded before all else
        start, end = _C.full((), start, dtype).item(), _C.full((), end, dtype).item()
    return start, end, steps.__index__(), dtype


@function
def linspace(
    start,
    end,
    steps,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """`steps` values from start to end, both included, at equal distances.

    Args:
        start: the first value, a number or a 0-dim tensor.
        end: the last one.
        steps: how many.
        out: a tensor for the result.
        dtype: the default floating type (or its complex twin) unless given.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if steps is negative, or a bound has axes.

    Example:
        >>> flambeau.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    start, end, steps, dtype = _spaced("linspace", start, end, steps, dtype, out)
    if layout is not None or pin_memory:
        _check_storage("linspace", layout, pin_memory)
    made = _place(device).linspace(start, end, steps, dtype)
    return _handed_out(made, out, dtype, requires_grad)


@function
def logspace(
    start,
    end,
    steps,
    base=10.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """`steps` values from base**start to base**end, equally spaced on a logarithmic scale.

    Args:
        start: the first exponent, a number or a 0-dim tensor.
        end: the last one.
        steps: how many.
        base: a number.
        out: a tensor for the result.
        dtype: the default floating type (or its complex twin) unless given.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if steps is negative, or a bound has axes.

    Example:
        >>> flambeau.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    start, end, steps, dtype = _spaced("logspace", start, end, steps, dtype, out)
    if layout is not None or pin_memory:
        _check_storage("logspace", layout, pin_memory)
    made = _place(device).logspace(start, end, steps, float(base), dtype)
    return _handed_out(made, out, dtype, requires_grad)


# ---- matrices ----


@function
def eye(
    n,
    m=None,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The matrix with ones on the diagonal, zeros elsewhere.

    Args:
        n: the number of rows.
        m: the number of columns, n unless given.
        out: a tensor for the result.
        dtype: the default floating type unless given.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Returns:
        (n, m).

    Raises:
        RuntimeError: if a number is negative.

    Example:
        >>> flambeau.eye(2, 3)
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    if dtype is None:
        dtype = _default_dtype() if out is None else out.dtype
    dtype = _dtype(dtype, "eye")
    if layout is not None or pin_memory:
        _check_storage("eye", layout, pin_memory)
    made = _place(device).eye(n, n if m is None else m, dtype)
    return _handed_out(made, out, dtype, requires_grad)


def _triangle_indices(op, upper, printed):
    def indices(row, col, offset=0, *, dtype=None, layout=None, device=None, pin_memory=False):
        if layout is not None or pin_memory:
            _check_storage(op, layout, pin_memory)
        dtype = _dtypes.int64 if dtype is None else _dtype(dtype, op)
        return _place(device).triangle_indices(row, col, offset, upper, dtype)

    indices.__name__ = indices.__qualname__ = op
    side = "on and above" if upper else "on and below"
    indices.__doc__ = f"""The places of the elements {side} a diagonal of a matrix, row by row.

    Args:
        row: the number of rows.
        col: the number of columns.
        offset: the diagonal, counted upwards from the main one.
        dtype: int64 unless given.
        layout, device, pin_memory: as of `tensor`.

    Returns:
        (2, count): the row numbers, and the column numbers.

    Raises:
        RuntimeError: if a number is negative.

    Example:
        >>> flambeau.{op}(2, 2)
        {printed}
    """
    return function(indices)


tril_indices = _triangle_indices(
    "tril_indices", False, "tensor([[0, 1, 1],\n                [0, 0, 1]])"
)
triu_indices = _triangle_indices(
    "triu_indices", True, "tensor([[0, 0, 1],\n                [0, 1, 1]])"
)
