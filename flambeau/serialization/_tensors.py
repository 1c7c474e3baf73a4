"""Tensors as bytes and bytes as tensors: all that files and worker processes need to know."""

import ctypes

import flambeau


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


def tensor_over(buffer, dtype, size, stride, offset: int = 0):
    """A tensor over the memory of `buffer`, without copying it.

    Args:
        buffer: An object with the buffer protocol; the tensor keeps it alive.
        dtype: The element type.
        size: The sizes.
        stride: The strides, in elements.
        offset: Where the first element is, in elements.

    Raises:
        ValueError: If the view would leave the buffer.
    """
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride) or offset < 0 or any(n < 0 for n in (*size, *stride)):
        raise ValueError(
            f"a tensor cannot have size {size}, stride {stride} and storage offset {offset}"
        )
    count = memoryview(buffer).nbytes // dtype.itemsize
    span = element_span(size, stride)
    if span and offset + span > count:
        raise ValueError(
            f"a tensor of size {size}, stride {stride} and storage offset {offset} needs "
            f"{offset + span} elements: its storage has {count}"
        )
    if count == 0:
        return flambeau.empty_strided(size, stride, dtype=dtype)
    flat = flambeau.frombuffer(buffer, dtype=dtype, count=count)
    if size == (count,) and stride == (1,):
        return flat
    return flat.as_strided(size, stride, offset)
