"""Batches in page-locked memory, from which copies to an accelerator are faster."""

from collections.abc import Mapping, Sequence

import flambeau
from flambeau.core.notices import warn


def can_pin(asked: bool) -> bool:
    """Whether to pin: if it is asked for, and there is an accelerator. Warns if there is none."""
    if asked and not flambeau.cuda.is_available():
        warn(
            "'pin_memory' argument is set as true but no accelerator is found, "
            "then device pinned memory won't be used."
        )
        return False
    return asked


def pin_memory(data):
    """Pins the tensors of a batch.

    Args:
        data: A batch: tensors, containers of them, objects with a `pin_memory` method, or
            anything else, which is left alone.

    Returns:
        The batch with its tensors in page-locked memory.
    """
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, Mapping):
        pinned = {key: pin_memory(value) for key, value in data.items()}
        return pinned if type(data) is dict else _like(data, pinned)
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(pin_memory(item) for item in data))
    if isinstance(data, Sequence):
        items = [pin_memory(item) for item in data]
        return items if type(data) is list else _like(data, items)
    return data


def _like(data, items):
    try:
        return type(data)(items)
    except TypeError:  # a type that is made in its own way
        return items
