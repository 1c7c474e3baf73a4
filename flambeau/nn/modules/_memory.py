"""Refusing numbers of layers that no memory could hold, before the first is made."""

import os

from flambeau.core.errors import OutOfMemory

# What a parameter takes at the least, without its elements: the object, its storage and its entries
# in dictionaries.
_PARAMETER = 500


def memory_size():
    """The bytes of memory of this machine; those of an address space where it does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 1 << 47


def require_room(name, count, tensors, elements=0):
    """Refuses to make so many layers that their parameters could not be held.

    Args:
        name: What they are called in the error.
        count: How many there would be.
        tensors: How many parameters and buffers each has.
        elements: The bytes of the elements of each that are sure to be written.

    Raises:
        RuntimeError: If the memory of this machine is smaller.
    """
    each = tensors * _PARAMETER + elements
    if count * each > memory_size():
        raise OutOfMemory(
            f"{name}: not enough memory: {count} layers of at least {each} bytes each are more than"
            f" the {memory_size()} bytes of this machine"
        )
