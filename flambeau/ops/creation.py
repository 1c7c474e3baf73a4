"""Making tensors: filled with one value, or like others; what such functions share.

These are plain functions: nothing flows through them that a gradient could follow. `dtype`,
`layout`, `device`, `pin_memory` and `requires_grad` mean the same everywhere; `values.tensor` says
what.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import cpu, on
from flambeau.core import device as _device
from flambeau.core import dtype as _dtypes
from flambeau.core import layout as _layout
from flambeau.core import settings as _settings
from flambeau.core.registry import checked, function
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


def _handed_out(made, out, dtype, requires_grad):
    """What was made: stored in `out=`, or itself, which may ask for gradients."""
    if out is not None:
        return _into(out, made, dtype)
    if requires_grad:
        made.requires_grad = True
    return made


@function
def scalar_tensor(
    s, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A 0-dim tensor with one value.

    Args:
        s: a number.
        dtype: the default floating type unless given, whatever the number's own type.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if the value does not fit in `dtype`.

    Example:
        >>> flambeau.scalar_tensor(2), flambeau.tensor(2)
        (tensor(2.), tensor(2))
    """
    return full(
        (),
        s,
        dtype=dtype or _default_dtype(),
        layout=layout,
        device=device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
    )


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
        return _handed_out(made, out, dtype, requires_grad)

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
        out: a tensor for the result.
        dtype: the default floating type unless given.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if a size is negative.

    Example:
        >>> flambeau.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
ones = _filled("ones", 1)
ones.__doc__ = """A tensor of ones.

    Args:
        size: the sizes, as integers or one sequence.
        out, dtype, layout, device, pin_memory, requires_grad: as of `zeros`.

    Raises:
        RuntimeError: if a size is negative.

    Example:
        >>> flambeau.ones(2, dtype=flambeau.int64)
        tensor([1, 1])
    """
empty = _filled("empty", None)
empty.__doc__ = """A tensor whose values are whatever was in memory.

    Args:
        size: the sizes, as integers or one sequence.
        out, dtype, layout, device, pin_memory, requires_grad: as of `zeros`.
        memory_format: `contiguous_format` (the default), `channels_last` (4 axes) or
            `channels_last_3d` (5 axes).

    Raises:
        RuntimeError: if a size is negative.

    Example:
        >>> flambeau.empty(1, 2, 3, 4, memory_format=flambeau.channels_last).stride()
        (24, 1, 8, 2)
    """


def _number(value, op):
    """The fill value as a Python number."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise TypeError(
                f"{op}(): argument 'fill_value' (position 2) must be Number, not Tensor"
            )
        return value.item()
    return value.item() if _C.is_numpy(value) else value


def _dtype_of_number(value):
    if isinstance(value, bool):
        return _dtypes.bool
    if isinstance(value, int):
        return _dtypes.int64
    return _default_dtype().to_complex() if isinstance(value, complex) else _default_dtype()


def fitting(value, dtype):
    """A number for a tensor of `dtype`, refused if the dtype cannot hold it."""
    if _C.is_numpy(value):
        value = value.item()
    if not isinstance(value, (int, float, complex)):
        raise TypeError(f"fill value must be Number, not {type(value).__name__}")
    if isinstance(value, complex) and not dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {dtype} without overflow")
    if dtype.is_floating_point or dtype.is_complex or isinstance(value, bool):
        return value
    return _C.tensor_from(value, dtype).item()


def _fill(made, value, op):
    """Fills with a number that must fit."""
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

    Args:
        size: the sizes, as a sequence.
        fill_value: a number or a 0-dim tensor.
        out: a tensor for the result.
        dtype: by default what the number's type asks for.
        layout, device, pin_memory, requires_grad: as of `tensor`.

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
    return _handed_out(made, out, dtype, requires_grad)


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
        input: any dtype and sizes.
        dtype, layout, device: instead of input's own.
        requires_grad, pin_memory: as of `tensor`.
        memory_format: `preserve_format` (the default) also keeps the order of the axes in memory.

    Example:
        >>> x = flambeau.zeros(2, 3, dtype=flambeau.int8).t()
        >>> y = flambeau.empty_like(x)
        >>> y.shape, y.stride(), y.dtype
        (torch.Size([3, 2]), (1, 3), torch.int8)
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
    create.__doc__ = f"""A tensor filled with {value}, like `input` in sizes, dtype and device.

    Args:
        input: any dtype and sizes.
        dtype, layout, device: instead of input's own.
        requires_grad, pin_memory, memory_format: as of `empty_like`.

    Example:
        >>> flambeau.{op}(flambeau.tensor([5, 6]))
        tensor([{value}, {value}])
    """
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
    """A tensor filled with one value, like `input` in sizes, dtype and device.

    Args:
        input: any dtype and sizes.
        fill_value: a number or a 0-dim tensor; what comes after the point is cut off for integers.
        dtype, layout, device: instead of input's own.
        requires_grad, pin_memory, memory_format: as of `empty_like`.

    Raises:
        RuntimeError: if the value does not fit in the dtype.

    Example:
        >>> flambeau.full_like(flambeau.tensor([1, 2]), 7)
        tensor([7, 7])
    """
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
    """An uninitialised tensor with these strides and just enough storage for them.

    Args:
        size: the sizes.
        stride: as many distances in memory, counted in elements.
        dtype, layout, device, requires_grad, pin_memory: as of `tensor`.

    Raises:
        RuntimeError: if there are not as many strides as sizes, or one of them is negative.

    Example:
        >>> x = flambeau.empty_strided((2, 3), (1, 2))
        >>> x.shape, x.stride(), x.is_contiguous()
        (torch.Size([2, 3]), (1, 2), False)
    """
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
    """An uninitialised dense tensor whose axes lie in memory in a given order.

    Args:
        size: the sizes.
        physical_layout: each axis once, that of the longest stride first.
        dtype, layout, device, requires_grad, pin_memory: as of `tensor`.

    Raises:
        RuntimeError: if `physical_layout` is no permutation of the axes.

    Example:
        >>> flambeau.empty_permuted((2, 3, 5), (0, 2, 1)).stride()
        (15, 1, 3)
    """
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


# ---- methods: new tensors like this one ----


def _new(op, value, shown, printed):
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
    what = "uninitialised tensor" if value is None else f"tensor filled with {value}"
    create.__doc__ = f"""A new {what}, with the dtype and device of this one.

    Args:
        size: the sizes, as integers or one sequence.
        dtype, device: instead of this tensor's own.
        layout, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if a size is negative.

    Example:
        >>> flambeau.tensor([5, 6]).{op}(3){shown}
        {printed}
    """
    return _method(create)


new_empty = _new("new_empty", None, ".dtype", "torch.int64")
new_zeros = _new("new_zeros", 0, "", "tensor([0, 0, 0])")
new_ones = _new("new_ones", 1, "", "tensor([1, 1, 1])")


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
    """A new tensor filled with one value, with the dtype and device of this one.

    Args:
        size: the sizes, as a sequence.
        fill_value: a number or a 0-dim tensor.
        dtype, device: instead of this tensor's own.
        layout, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if the value does not fit in the dtype.

    Example:
        >>> flambeau.zeros(1, dtype=flambeau.float64).new_full((2,), 3)
        tensor([3., 3.], dtype=torch.float64)
    """
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
def new_empty_strided(
    self, size, stride, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False
):
    """A new uninitialised tensor with these strides and the dtype and device of this one.

    Args:
        size: the sizes.
        stride: as many distances in memory, counted in elements.
        dtype, device: instead of this tensor's own.
        layout, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if there are not as many strides as sizes, or one of them is negative.

    Example:
        >>> flambeau.zeros(1).new_empty_strided((2, 3), (1, 2)).stride()
        (1, 2)
    """
    return empty_strided(
        size,
        stride,
        dtype=dtype or self.dtype,
        layout=layout,
        device=self.device if device is None else device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
    )
