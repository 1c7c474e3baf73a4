"""Tensors of given values: Python numbers, NumPy arrays, buffers, files."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.notices import warn, warn_once
from flambeau.core.registry import function
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import (
    _check_storage,
    _default_dtype,
    _DType,
    _dtype,
    _method,
    _moved,
    _place,
)


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
        warn(
            "To copy construct from a tensor, it is recommended to use"
            " sourceTensor.detach().clone() or sourceTensor.detach().clone().requires_grad_(True),"
            " rather than torch.tensor(sourceTensor).",
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
def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, without copying if it is a tensor or NumPy array that fits already.

    Args:
        data: what `tensor` takes.
        dtype: the dtype wanted, by default that of `data`.
        device: the device wanted, by default that of `data`.

    Raises:
        ValueError: as of `tensor`.

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

    Args:
        ndarray: an array of numbers or bools.

    Raises:
        TypeError: if it is not an array, or of a type that tensors do not have.
        ValueError: for negative strides or foreign byte order.

    Example:
        >>> import numpy
        >>> array = numpy.zeros(2)
        >>> flambeau.from_numpy(array).fill_(1), array
        (tensor([1., 1.], dtype=torch.float64), array([1., 1.]))
    """
    if not _C.is_numpy(ndarray) or not hasattr(ndarray, "__setitem__"):  # no scalars
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    return _shared_array(ndarray)


def _beside_array(name, self, other):
    """What an operator gives beside a NumPy array: an ndarray mostly takes the tensor as an array.

    It leaves == and != to us, and does not ask for the tensor's array when it is divided.
    """
    if name in ("eq", "ne", "rdiv") and _C.is_numpy(other) and other.dtype.kind in "biufc":
        return self.reciprocal() * other if name == "rdiv" else getattr(self, name)(tensor(other))
    return NotImplemented


_C.set_engine_op("foreign", _beside_array)


def _warn_read_only(text):
    warn_once(
        f"{text} is not writable, and PyTorch does not support non-writable tensors. This means"
        " writing to this tensor will result in undefined behavior. Copy it first to protect"
        " its data. This type of warning will be suppressed for the rest of this program."
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
        requires_grad: whether gradients are wanted.

    Raises:
        ValueError: if the buffer does not hold that many elements.

    Example:
        >>> flambeau.frombuffer(bytearray([1, 0, 2, 0]), dtype=flambeau.int16)  # little-endian
        tensor([1, 2], dtype=torch.int16)
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
        device: where the tensor shall be.
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
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Raises:
        RuntimeError: if the file cannot be opened, or is too short and not shared.

    Example:
        >>> with open("numbers", "wb") as file:
        ...     _ = file.write(bytes([1, 2, 3]))
        >>> flambeau.from_file("numbers", size=2, dtype=flambeau.uint8)
        tensor([1, 2], dtype=torch.uint8)
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


@_method
def new_tensor(self, data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor with the values of `data` and the dtype and device of this one.

    Args:
        data: what `tensor` takes.
        dtype, device: instead of this tensor's own.
        requires_grad, pin_memory: as of `tensor`.

    Raises:
        ValueError: as of `tensor`.

    Example:
        >>> flambeau.zeros(1, dtype=flambeau.float64).new_tensor([1, 2])
        tensor([1., 2.], dtype=torch.float64)
    """
    return tensor(
        data,
        dtype=dtype or self.dtype,
        device=self.device if device is None else device,
        requires_grad=requires_grad,
        pin_memory=pin_memory,
    )
