"""The functions that files name to have tensors and parameters made again.

Nothing here trusts its arguments: a file may call these with anything.
"""

from collections import OrderedDict

import flambeau
from flambeau.core.storage import TypedStorage, UntypedStorage, with_flags
from flambeau.serialization._tensors import view_storage


def rebuild_tensor(storage, storage_offset, size, stride):
    """A tensor over a storage: what the oldest files say."""
    return rebuild_tensor_v2(storage, storage_offset, size, stride, False, OrderedDict())


def rebuild_tensor_v2(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None
):
    """A tensor over a storage of its own dtype."""
    if not isinstance(storage, TypedStorage):
        raise TypeError(f"a tensor needs a storage, not {type(storage).__name__}")
    dtype = storage.dtype
    return rebuild_tensor_v3(
        storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata
    )


def rebuild_tensor_v3(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None
):
    """A tensor over a storage of any dtype, seen as `dtype`."""
    if not isinstance(storage, (TypedStorage, UntypedStorage)):
        raise TypeError(f"a tensor needs a storage, not {type(storage).__name__}")
    tensor = view_storage(storage.untyped(), dtype, size, stride, storage_offset)
    if metadata is not None and not isinstance(metadata, dict):
        raise TypeError(f"a tensor's flags must be a dict, not {type(metadata).__name__}")
    tensor = with_flags(tensor, metadata)
    return tensor.requires_grad_(bool(requires_grad))


def rebuild_parameter(data, requires_grad, backward_hooks):
    """A parameter around a tensor."""
    return flambeau.nn.Parameter(data, bool(requires_grad))


def rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    """A parameter with attributes."""
    return set_state(rebuild_parameter(data, requires_grad, backward_hooks), state)


def rebuild_from_type(function, kind, arguments, state):
    """A tensor of a subclass, or one with attributes."""
    if function not in (rebuild_tensor, rebuild_tensor_v2, rebuild_tensor_v3, rebuild_parameter):
        raise TypeError(f"{function!r:.100} does not make tensors")
    tensor = function(*arguments)
    if type(tensor) is not kind:
        tensor = flambeau.Tensor._make_subclass(kind, tensor, tensor.requires_grad)
    return set_state(tensor, state)


def set_state(tensor, state):
    """Gives a tensor its attributes back."""
    # Objects with slots come as a pair: their dictionary, and what is in the slots.
    for attributes in state if isinstance(state, tuple) else (state,):
        for name, value in (attributes or {}).items():
            setattr(tensor, name, value)
    return tensor


def rebuild_bytes(text, encoding):
    """Bytes, which protocol 2 can only express as text."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes are written as latin1, not as {encoding!r}")
    return text.encode("latin-1")


def rebuild_bytearray(content=b"", encoding=None):
    """A bytearray, from bytes or from text; not from a number, which would ask for memory."""
    if encoding is not None:
        content = rebuild_bytes(content, encoding)
    if not isinstance(content, bytes):
        raise TypeError(f"a bytearray is made of bytes, not of {type(content).__name__}")
    return bytearray(content)
