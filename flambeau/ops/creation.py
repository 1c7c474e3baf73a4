"""Making tensors: from Python values, NumPy arrays and buffers, filled, or from a formula.

These are plain functions: nothing flows through them that a gradient could follow. `dtype`,
`layout`, `device`, `pin_memory` and `requires_grad` mean the same everywhere; `tensor` says what.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import cpu, on
from flambeau.core import device as _device
from flambeau.core import dtype as _dtypes
from flambeau.core import layout as _layout
from flambeau.core import settings as _settings
from flambeau.core.registry import FUNCTIONS, checked, function
from flambeau.core.tensor import Tensor

_default_dtype = _C.get_default_dtype
_DType = _C.dtype


def _method(target):
    """The function under its name as a method of Tensor."""
    setattr(Tensor, target.__name__, checked(target))
    return target


def _dtype(dtype, op):
    """The dtype that an argument names; bool, int, float and complex do as well."""
    if type(dtype) is _DType:
        return dtype
    found = _dtypes.from_python(dtype) if isinstance(dtype, type) else None
    if found is None:
        raise TypeError(f"{op}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    return found


def _place(device):
    """The kernels of a device argument."""
    if device is None and not _device.default_changed:
        return cpu
    return on(_device.require_available(device))


def _moved(made, device):
    """A new tensor on the device of an argument."""
    if device is None and not _device.default_changed:
        return made
    where = _device.require_available(device)
    return made if made.device == where else made.to(where)


def _check_storage(op, layout, pin_memory):
    if layout is not None and layout is not _layout.strided:
        raise NotImplementedError(f"{op}: only layout=torch.strided is supported, got {layout}")
    if pin_memory:
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory"
            " allocator is available on this system."
        )


def _require_tensor(value, op):
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{op}(): argument 'input' (position 1) must be Tensor, not {type(value).__name__}"
        )


def _into(out, value, dtype):
    """Stores a new tensor in `out=`, which takes its sizes."""
    if not isinstance(out, Tensor):
        raise TypeError(f"argument 'out' must be Tensor, not {type(out).__name__}")
    if dtype is not None and out.dtype is not dtype:
        raise RuntimeError(f"dtype {dtype} does not match dtype of out parameter ({out.dtype})")
    if out.shape != value.shape:
        out.resize_(value.shape)
    return out.copy_(value)


# ---- from values ----


@function
def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with the values of `data`, always a copy.

    Args:
        data: number, nested sequence of numbers, NumPy array or tensor.
        dtype: element type; by default what holds the values: bool, int64, the default floating
            type or its complex twin, or the type of the array.
        device: where the tensor lives.
        requires_grad: whether gradients are recorded for it.
        pin_memory: page-locked memory; needs a GPU.

    Raises:
        ValueError: for sequences of unequal lengths.
        TypeError: for elements that are not numbers.
        RuntimeError: for values that do not fit in `dtype`.

    Example:
        >>> flambeau.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
    """
    if dtype is not None and type(dtype) is not _DType:
        dtype = _dtype(dtype, "tensor")
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use"
            " sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True),"
            " rather than torch.tensor(sourceTensor).",
            stacklevel=2,
        )
        out = _C.clone(data) if dtype in (None, data.dtype) else _C.cast(data, dtype)
    else:
        out = _moved(_C.tensor_from(data, dtype), device)
    if pin_memory:
        _check_storage("tensor", None, True)
    if requires_grad:
        out.requires_grad = True
    return out


@function
def scalar_tensor(
    s, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A 0-dim tensor with the value `s`, of the default dtype unless told otherwise."""
    return full(
        (),
        s,
        dtype=dtype or _default_dtype(),
        layout=layout,
        device=device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
    )


@function
def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, without copying if it is a tensor or NumPy array that fits already.

    Example:
        >>> flambeau.as_tensor([1., 2.])
        tensor([1., 2.])
    """
    if isinstance(data, Tensor):
        return data if dtype is None and device is None else data.to(device=device, dtype=dtype)
    if _C.is_numpy(data):
        shared = _shared_array(data)
        return shared if dtype is None else shared.to(_dtype(dtype, "as_tensor"))
    return tensor(data, dtype=dtype, device=device)


@function
def from_numpy(ndarray):
    """A tensor over the memory of a NumPy array: writing to one changes the other.

    Raises:
        TypeError: if it is not an array, or of a type that tensors do not have.
        ValueError: for negative strides or foreign byte order.
    """
    if not _C.is_numpy(ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return _shared_array(ndarray)


_warned_read_only = False


def _warn_read_only(text):
    global _warned_read_only
    if not _warned_read_only:
        _warned_read_only = True
        import warnings

        warnings.warn(
            f"{text} is not writable, and PyTorch does not support non-writable tensors. This means"
            " writing to this tensor will result in undefined behavior. Copy it first to protect"
            " its data. This type of warning will be suppressed for the rest of this program.",
            stacklevel=4,
        )


def _shared_array(array):
    if not hasattr(array, "__setitem__"):  # a NumPy scalar: immutable, so copied
        return _C.tensor_from(array, None)
    if not array.flags.writeable:
        _warn_read_only("The given NumPy array")
    return _C.from_numpy(array)


@function
def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-dim tensor over the memory of an object with a buffer.

    Args:
        buffer: bytes, bytearray, memoryview, array, mmap, ...
        dtype: how to read the bytes.
        count: number of elements; -1 for all that follow.
        offset: bytes to skip first.

    Raises:
        ValueError: if the buffer does not hold that many elements.
    """
    dtype = _dtype(dtype, "frombuffer")
    out = _C.from_buffer(buffer, dtype, count, offset)
    if memoryview(buffer).readonly:
        _warn_read_only("The given buffer")
    if requires_grad:
        out.requires_grad = True
    return out


@function
def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=None):
    """`obj` as a tensor that shares its memory where it can.

    Args:
        obj: tensor, NumPy array, DLPack capsule, object with a buffer, number or sequence.
        dtype: the element type, by default that of `obj`.
        copy: True for always, False for never, None for only if it must be.
        requires_grad: whether gradients are recorded; None keeps what `obj` says.

    Raises:
        ValueError: if `copy=False` and a copy is needed.

    Example:
        >>> flambeau.asarray(bytearray([1, 0, 2, 0]), dtype=flambeau.int16)
        tensor([1, 2], dtype=torch.int16)
    """
    dtype = None if dtype is None else _dtype(dtype, "asarray")
    if isinstance(obj, Tensor):
        shared = obj
    elif _C.is_numpy(obj):
        if copy is False and not hasattr(obj, "__setitem__"):
            raise RuntimeError(
                "can't alias NumPy scalars. Either remove copy=False or transform it in a ndarray."
            )
        shared = _shared_array(obj)
    elif type(obj).__name__ == "PyCapsule" or hasattr(obj, "__dlpack__"):
        from flambeau.ops.convert import from_dlpack

        shared = from_dlpack(obj)
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        shared = frombuffer(obj, dtype=dtype or _default_dtype())
    else:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return tensor(obj, dtype=dtype, device=device, requires_grad=bool(requires_grad))
    if dtype is not None and shared.dtype is not dtype:
        if copy is False:
            raise ValueError(
                f"can't alias tensor with dtype '{shared.dtype}' into dtype '{dtype}'."
            )
        out = shared.to(dtype)
    else:
        out = shared.clone() if copy else shared
    if device is not None:
        out = _moved(out, device)
    if requires_grad is False and out.requires_grad:
        return _C.detach(out)
    if requires_grad and not out.requires_grad:
        out.requires_grad = True
    return out


@function
def from_file(
    filename,
    shared=None,
    size=0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """A 1-dim tensor over the contents of a file, which is read when elements are needed.

    Args:
        filename: the path.
        shared: whether writes to the tensor reach the file, which then is made or grown if needed.
        size: the number of elements.
        dtype: how to read the bytes; the default floating type unless given.

    Raises:
        RuntimeError: if the file cannot be opened, or is too short and not shared.
    """
    from flambeau.core.storage import UntypedStorage

    dtype = _default_dtype() if dtype is None else _dtype(dtype, "from_file")
    _check_storage("from_file", layout, pin_memory)
    place = _place(device)
    if not isinstance(size, int) or size < 0:
        raise RuntimeError(f"from_file: size must not be negative, got {size!r}")
    bytes_ = UntypedStorage.from_file(filename, bool(shared), size * dtype.itemsize)
    out = place.storage_view(bytes_._holder, dtype, 0, (size,), None)
    if requires_grad:
        out.requires_grad = True
    return out


# ---- filled ----


def _filled(op, value):
    """torch.zeros, torch.ones and torch.empty: sizes as integers or as one sequence."""

    def create(
        *size,
        out=None,
        dtype=None,
        layout=None,
        device=None,
        pin_memory=False,
        requires_grad=False,
        **sizes,
    ):
        memory_format = None
        if not size or sizes:
            size, memory_format = _size_keywords(op, size, sizes)
        if out is None:
            if dtype is None:
                dtype = _default_dtype()
            elif type(dtype) is not _DType:
                dtype = _dtype(dtype, op)
        elif dtype is None:
            dtype = out.dtype
        place = _place(device)
        if value is None:
            made = _settings.filled_memory(place.new_empty(op, size, dtype))
        else:
            made = place.new_filled(op, size, value, dtype)
        if layout is not None or pin_memory:
            _check_storage(op, layout, pin_memory)
        if memory_format is not None:
            made = _in_format(made, memory_format)
        if out is not None:
            return _into(out, made, dtype)
        if requires_grad:
            made.requires_grad = True
        return made

    create.__name__ = create.__qualname__ = op
    return function(create)


def _size_keywords(op, size, keywords):
    """The sizes when they were given as `size=`, and the memory format, which `empty` takes."""
    memory_format = keywords.pop("memory_format", None) if op == "empty" else None
    if not size:
        if "size" not in keywords:
            raise TypeError(f'{op}() missing 1 required positional arguments: "size"')
        size = keywords.pop("size")
    if keywords:
        raise TypeError(f"{op}() got an unexpected keyword argument '{next(iter(keywords))}'")
    return size, memory_format


def _in_format(made, memory_format):
    """A tensor like `made` (whose values do not vary) in a memory format."""
    if memory_format in (_layout.contiguous_format, _layout.preserve_format):
        return made
    return made.as_strided(made.shape, _layout.strides_in(made.shape, memory_format))


zeros = _filled("zeros", 0)
zeros.__doc__ = """A tensor of zeros.

    Args:
        size: the sizes, as integers or one sequence.

    Example:
        >>> flambeau.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
ones = _filled("ones", 1)
ones.__doc__ = "A tensor of ones; arguments as for `zeros`."
empty = _filled("empty", None)
empty.__doc__ = "A tensor whose values are whatever was in memory; arguments as for `zeros`."


def _number(value, op):
    """The fill value as a Python number."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise TypeError(
                f"{op}(): argument 'fill_value' (position 2) must be Number, not Tensor"
            )
        return value.item()
    return value


def _dtype_of_number(value):
    if isinstance(value, bool):
        return _dtypes.bool
    if isinstance(value, int):
        return _dtypes.int64
    return _default_dtype().to_complex() if isinstance(value, complex) else _default_dtype()


def fitting(value, dtype):
    """A number for a tensor of `dtype`, refused if the dtype cannot hold it."""
    if not isinstance(value, (int, float, complex)):
        raise TypeError(f"fill value must be Number, not {type(value).__name__}")
    if isinstance(value, complex) and not dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {dtype} without overflow")
    if dtype.is_floating_point or dtype.is_complex or isinstance(value, bool):
        return value
    return _C.tensor_from(value, dtype).item()


def _fill(made, value, op):
    """Fills with a number that must fit."""
    if _C.is_numpy(value):
        value = value.item()
    if not isinstance(value, (int, float, complex)):
        raise TypeError(
            f"{op}(): argument 'fill_value' (position 2) must be Number, not {type(value).__name__}"
        )
    _C.fill(made, fitting(value, made.dtype))
    return made


@function
def full(
    size,
    fill_value,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """A tensor filled with one value, whose type decides the dtype if none is given.

    Raises:
        RuntimeError: if the value does not fit in `dtype`.

    Example:
        >>> flambeau.full((2,), 3)
        tensor([3, 3])
    """
    if isinstance(size, int) and not isinstance(size, bool):
        raise TypeError("full(): argument 'size' (position 1) must be tuple of ints, not int")
    value = _number(fill_value, "full")
    if dtype is None:
        dtype = _dtype_of_number(value) if out is None else out.dtype
    dtype = _dtype(dtype, "full")
    if layout is not None or pin_memory:
        _check_storage("full", layout, pin_memory)
    made = _fill(_place(device).new_empty("full", size, dtype), value, "full")
    if out is not None:
        return _into(out, made, dtype)
    if requires_grad:
        made.requires_grad = True
    return made


@function
def empty_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    memory_format=None,
):
    """An uninitialised tensor with the sizes, dtype and device of `input`.

    Args:
        memory_format: `preserve_format` (the default) also keeps the order of the axes in memory.
    """
    _require_tensor(input, "empty_like")
    dtype = input.dtype if dtype is None else _dtype(dtype, "empty_like")
    if layout is not None or pin_memory:
        _check_storage("empty_like", layout, pin_memory)
    own = on(input.device)
    place = own if device is None else _place(device)
    if memory_format is None or memory_format is _layout.preserve_format:
        made = own.empty_like(input, dtype)
        if place is not own:
            made = place.empty_strided(made.shape, made.stride(), dtype)
    else:
        made = _in_format(place.empty(input.shape, dtype), memory_format)
    _settings.filled_memory(made)
    if requires_grad:
        made.requires_grad = True
    return made


def _like(op, value):
    def create(
        input,
        *,
        dtype=None,
        layout=None,
        device=None,
        requires_grad=False,
        pin_memory=False,
        memory_format=None,
    ):
        _require_tensor(input, op)
        made = empty_like(
            input,
            dtype=dtype,
            layout=layout,
            device=device,
            pin_memory=pin_memory,
            memory_format=memory_format,
        )
        _C.fill(made, value)
        if requires_grad:
            made.requires_grad = True
        return made

    create.__name__ = create.__qualname__ = op
    create.__doc__ = f"A tensor filled with {value}, like `input` in sizes, dtype and device."
    return function(create)


zeros_like = _like("zeros_like", 0)
ones_like = _like("ones_like", 1)


@function
def full_like(
    input,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    memory_format=None,
):
    """A tensor filled with one value, like `input` in sizes, dtype and device."""
    _require_tensor(input, "full_like")
    made = empty_like(
        input,
        dtype=dtype,
        layout=layout,
        device=device,
        pin_memory=pin_memory,
        memory_format=memory_format,
    )
    _fill(made, _number(fill_value, "full_like"), "full_like")
    if requires_grad:
        made.requires_grad = True
    return made


@function
def empty_strided(
    size, stride, *, dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False
):
    """An uninitialised tensor with these strides and just enough storage for them."""
    if len(size) != len(stride):
        raise RuntimeError(
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides"
            f" ({len(stride)})"
        )
    dtype = _default_dtype() if dtype is None else _dtype(dtype, "empty_strided")
    if layout is not None or pin_memory:
        _check_storage("empty_strided", layout, pin_memory)
    made = _settings.filled_memory(_place(device).empty_strided(size, stride, dtype))
    if requires_grad:
        made.requires_grad = True
    return made


@function
def empty_permuted(
    size,
    physical_layout,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """An uninitialised dense tensor whose axes lie in memory in the order `physical_layout`."""
    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout, or it"
            f" is no permutation: size is {tuple(size)}, physical_layout is"
            f" {tuple(physical_layout)}"
        )
    strides = [0] * len(size)
    step = 1
    for axis in reversed(physical_layout):
        strides[axis] = step
        step *= max(size[axis], 1)
    return empty_strided(
        size,
        strides,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
        pin_memory=pin_memory,
    )


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
    if out is not None:
        return _into(out, made, dtype)
    if requires_grad:
        made.requires_grad = True
    return made


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
    """How many elements a range has, its start and its step; whole numbers for integer dtypes."""
    _check_range(start, end, step)
    if not dtype.is_floating_point:
        start, end, step = int(start), int(end), int(step)
        _check_range(start, end, step)
    if type(start) is int and type(end) is int and type(step) is int:
        return -((start - end) // step), start, step
    import math

    return math.ceil((end - start) / step), start, step


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
    """start, start + step, ... up to and with end: a deprecated form of `arange`."""
    import warnings

    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is"
        " inconsistent with Python's range builtin. Instead, use torch.arange, which produces"
        " values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    start, end, step = _plain(start, "range"), _plain(end, "range"), _plain(step, "range")
    dtype = _default_dtype() if dtype is None else _dtype(dtype, "range")
    _check_range(start, end, step)
    made = _place(device).arange(start, step, int((end - start) / step) + 1, dtype)
    if out is not None:
        return _into(out, made, dtype)
    if requires_grad:
        made.requires_grad = True
    return made


FUNCTIONS["range"] = inclusive_range  # the builtin keeps its name in this file


def _spaced(op, start, end, steps, dtype, out):
    start, end = _plain(start, op), _plain(end, op)
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise TypeError(f"{op}(): argument 'steps' must be int, not {type(steps).__name__}")
    if dtype is None and out is not None:
        dtype = out.dtype
    if dtype is None:
        is_complex = isinstance(start, complex) or isinstance(end, complex)
        dtype = _default_dtype().to_complex() if is_complex else _default_dtype()
    return start, end, steps.__index__(), _dtype(dtype, op)


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

    Example:
        >>> flambeau.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    start, end, steps, dtype = _spaced("linspace", start, end, steps, dtype, out)
    if layout is not None or pin_memory:
        _check_storage("linspace", layout, pin_memory)
    made = _place(device).linspace(start, end, steps, dtype)
    if out is not None:
        return _into(out, made, dtype)
    if requires_grad:
        made.requires_grad = True
    return made


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

    Example:
        >>> flambeau.logspace(0, 2, 3)
        tensor([  1.,  10., 100.])
    """
    start, end, steps, dtype = _spaced("logspace", start, end, steps, dtype, out)
    if layout is not None or pin_memory:
        _check_storage("logspace", layout, pin_memory)
    made = _place(device).logspace(start, end, steps, float(base), dtype)
    if out is not None:
        return _into(out, made, dtype)
    if requires_grad:
        made.requires_grad = True
    return made


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
    """The (n, m) matrix with ones on the diagonal; m is n unless given."""
    if dtype is None:
        dtype = _default_dtype() if out is None else out.dtype
    dtype = _dtype(dtype, "eye")
    if layout is not None or pin_memory:
        _check_storage("eye", layout, pin_memory)
    made = _place(device).eye(n, n if m is None else m, dtype)
    if out is not None:
        return _into(out, made, dtype)
    if requires_grad:
        made.requires_grad = True
    return made


def _triangle_indices(op, upper):
    def indices(row, col, offset=0, *, dtype=None, layout=None, device=None, pin_memory=False):
        if layout is not None or pin_memory:
            _check_storage(op, layout, pin_memory)
        dtype = _dtypes.int64 if dtype is None else _dtype(dtype, op)
        return _place(device).triangle_indices(row, col, offset, upper, dtype)

    indices.__name__ = indices.__qualname__ = op
    side = "on and above" if upper else "on and below"
    indices.__doc__ = (
        f"Row and column numbers, (2, count), of the elements {side} a diagonal of a matrix."
    )
    return function(indices)


tril_indices = _triangle_indices("tril_indices", False)
triu_indices = _triangle_indices("triu_indices", True)


# ---- methods: new tensors like this one ----


def _new(op, value):
    def create(
        self,
        *size,
        dtype=None,
        layout=None,
        device=None,
        pin_memory=False,
        requires_grad=False,
        **sizes,
    ):
        if not size or sizes:
            size, _ = _size_keywords(op, size, sizes)
        dtype = self.dtype if dtype is None else _dtype(dtype, op)
        if layout is not None or pin_memory:
            _check_storage(op, layout, pin_memory)
        place = on(self.device) if device is None else _place(device)
        if value is None:
            made = _settings.filled_memory(place.new_empty(op, size, dtype))
        else:
            made = place.new_filled(op, size, value, dtype)
        if requires_grad:
            made.requires_grad = True
        return made

    create.__name__ = create.__qualname__ = op
    create.__doc__ = "A new tensor of these sizes with the dtype and device of this one."
    return _method(create)


new_empty = _new("new_empty", None)
new_zeros = _new("new_zeros", 0)
new_ones = _new("new_ones", 1)


@_method
def new_full(
    self,
    size,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """A new tensor filled with one value, with the dtype and device of this one."""
    return full(
        size,
        fill_value,
        dtype=dtype or self.dtype,
        layout=layout,
        device=self.device if device is None else device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
    )


@_method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with the values of `data` and the dtype and device of this one."""
    return tensor(
        data,
        dtype=dtype or self.dtype,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
        pin_memory=pin_memory,
    )


@_method
def new_empty_strided(
    self, size, stride, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A new uninitialised tensor with these strides and the dtype and device of this one."""
    return empty_strided(
        size,
        stride,
        dtype=dtype or self.dtype,
        layout=layout,
        device=self.device if device is None else device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
    )
