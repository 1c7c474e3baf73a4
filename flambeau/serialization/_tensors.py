"""Tensors as bytes and bytes as tensors: all that files and worker processes need to know."""

import math

import flambeau
from flambeau import _C
from flambeau.core.storage import UntypedStorage, rebuild_tensor

_MAX_ELEMENTS = 2**63 - 1


def storage_memory(storage: UntypedStorage) -> memoryview:
    """The bytes of a storage, readable and writable; they keep it alive."""
    return memoryview(_C.memory(storage._bytes())).cast("B")


def storage_over(buffer) -> UntypedStorage:
    """A storage over the memory of a writable buffer, which it keeps alive."""
    if memoryview(buffer).nbytes == 0:
        return UntypedStorage(0)
    return flambeau.frombuffer(buffer, dtype=flambeau.uint8).untyped_storage()


def element_span(size, stride) -> int:
    """How many elements lie between the first and the last one of a view, both included."""
    if 0 in size:
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))


def view_storage(storage: UntypedStorage, dtype, size, stride, offset: int = 0):
    """A tensor over a storage. The numbers may come from a file, and are checked.

    Args:
        storage: The storage.
        dtype: The element type.
        size: The sizes.
        stride: The strides, in elements.
        offset: Where the first element is, in elements.

    Raises:
        ValueError: If there is no such tensor, or it would leave the storage.
    """
    size, stride = tuple(size), tuple(stride)
    numbers = (*size, *stride, offset)
    valid = len(size) == len(stride) and all(type(n) is int and n >= 0 for n in numbers)
    if not valid or math.prod(size) > _MAX_ELEMENTS:
        raise ValueError(
            f"a tensor cannot have size {size}, stride {stride} and storage offset {offset}"
        )
    span = element_span(size, stride)
    available = storage.nbytes() // dtype.itemsize
    if span and offset + span > available:
        raise ValueError(
            f"a tensor of size {size}, stride {stride} and storage offset {offset} needs "
            f"{offset + span} elements: its storage has {available}"
        )
    return rebuild_tensor(storage, dtype, offset if span else 0, size, stride, False)
