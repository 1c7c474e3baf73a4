"""Tensors as bytes and bytes as tensors: all that files and worker processes need to know."""

import ctypes
import math

import flambeau

_MAX_ELEMENTS = 2**63 - 1


def memory_of(address: int, nbytes: int) -> memoryview:
    """The bytes at an address, readable and writable, valid as long as their owner is kept."""
    if nbytes == 0:
        return memoryview(bytearray())
    return memoryview((ctypes.c_ubyte * nbytes).from_address(address)).cast("B")


def storage_bytes(tensor) -> memoryview:
    """The whole storage under a CPU tensor; the caller keeps the tensor alive."""
    storage = tensor.untyped_storage()
    return memory_of(storage.data_ptr(), storage.nbytes())


def element_span(size, stride) -> int:
    """How many elements lie between the first and the last one of a view, both included."""
    if 0 in size:
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))


def view_of(flat, size, stride, offset: int = 0):
    """A view of a one-dimensional tensor that is known to start its storage.

    Args:
        flat: The tensor.
        size: The sizes.
        stride: The strides, in elements.
        offset: Where the first element is, in elements.

    Raises:
        ValueError: If the view would leave the tensor.
    """
    size, stride = tuple(size), tuple(stride)
    numbers = (*size, *stride, offset)
    valid = len(size) == len(stride) and all(type(n) is int and n >= 0 for n in numbers)
    if not valid or math.prod(size) > _MAX_ELEMENTS:
        raise ValueError(
            f"a tensor cannot have size {size}, stride {stride} and storage offset {offset}"
        )
    span = element_span(size, stride)
    if span and offset + span > flat.numel():
        raise ValueError(
            f"a tensor of size {size}, stride {stride} and storage offset {offset} needs "
            f"{offset + span} elements: its storage has {flat.numel()}"
        )
    return flat.as_strided(size, stride, offset if span else 0)


def tensor_over(buffer, dtype):
    """A one-dimensional tensor over the memory of `buffer`, which it keeps alive.

    Args:
        buffer: A writable object with the buffer protocol.
        dtype: The element type.
    """
    count = memoryview(buffer).nbytes // dtype.itemsize
    if count == 0:
        return flambeau.empty(0, dtype=dtype)
    return flambeau.frombuffer(buffer, dtype=dtype, count=count)
