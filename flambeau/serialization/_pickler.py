"""The pickle of an archive: tensors in it refer to storages, and names are torch's."""

import functools
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import NamedTuple

import flambeau
from flambeau.core.storage import (
    LEGACY,
    TypedStorage,
    UntypedStorage,
    flags_of,
    rebuild_meta_tensor,
)
from flambeau.serialization import _rebuild
from flambeau.serialization._names import name_of

# The oldest pickle protocol that can refer to storages by more than a string.
_MIN_PROTOCOL = 2


class StorageReference(NamedTuple):
    """Stands in the pickle for a storage, whose bytes are in a record of their own."""

    kind: type
    key: str
    location: str
    numel: int


class StorageTable:
    """The storages of an archive, each once however many tensors share it."""

    def __init__(self):
        self.storages: list[UntypedStorage] = []  # a storage's place in the list is its key
        self._known: dict[int, tuple[int, object]] = {}

    def refer(self, storage: UntypedStorage, dtype=None) -> StorageReference:
        """The reference to a storage, which joins the table.

        A storage has the dtype under which it was seen first. Where it is seen otherwise, or the
        dtype never had a class of storages, the reference is one to plain bytes.
        """
        place, first_dtype = self._known.setdefault(storage._cdata, (len(self.storages), dtype))
        if place == len(self.storages):
            self.storages.append(storage)
        kind = _KINDS.get(dtype) if dtype == first_dtype else None
        width = dtype.itemsize if kind else 1
        return StorageReference(
            kind or UntypedStorage, str(place), str(storage.device), storage.nbytes() // width
        )


_KINDS = {kind.dtype: kind for kind in LEGACY.values()}


def make_pickler(pickle_module, file, protocol: int, table: StorageTable) -> pickle._Pickler:
    """A pickler for archives.

    Args:
        pickle_module: `pickle`, or a module with the same interface.
        file: Where the pickle goes.
        protocol: The pickle protocol. Those before 2 cannot express references to storages; 2,
            which every reader knows, is written in their place.
        table: Where to put storages.

    Raises:
        TypeError: If the module's pickler is not one written in Python.
    """
    # Not the one in C: it refuses to write a name that it cannot import.
    base = getattr(pickle_module, "_Pickler", None) or pickle_module.Pickler
    if not (isinstance(base, type) and issubclass(base, pickle._Pickler)):
        raise TypeError(
            f"save: the Pickler of pickle_module {pickle_module.__name__} must be a subclass of "
            "pickle._Pickler"
        )
    if protocol < 0:
        protocol = pickle.HIGHEST_PROTOCOL
    pickler = _pickler_class(base)(file, protocol=max(protocol, _MIN_PROTOCOL))
    pickler.table = table
    return pickler


@functools.cache
def _pickler_class(base: type) -> type:
    class ArchivePickler(base):  # type: ignore[misc, valid-type]
        table: StorageTable
        dispatch = dict(base.dispatch)

        def persistent_id(self, value):
            if type(value) is StorageReference:
                return ("storage", *value)
            if isinstance(value, UntypedStorage):
                return ("storage", *self.table.refer(value))
            if isinstance(value, TypedStorage):
                return ("storage", *self.table.refer(value.untyped(), value.dtype))
            return None

        def reducer_override(self, value):
            if isinstance(value, flambeau.Tensor):
                return _reduce_tensor(value, self.table)
            if isinstance(value, flambeau.dtype):
                return name_of(value)[1]
            return NotImplemented

        def save_global(self, value, name=None):
            known = name_of(value, name)
            if known is None:
                super().save_global(value, name)
                return
            module, name = known
            if self.proto >= 4:
                self.save(module)
                self.save(name)
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            self.memoize(value)

        dispatch[FunctionType] = save_global
        dispatch[BuiltinFunctionType] = save_global

    return ArchivePickler


def _reduce_tensor(tensor, table: StorageTable):
    """How a tensor is made again: a function, and its arguments."""
    kind = type(tensor)
    ours = (flambeau.Tensor.__reduce_ex__, flambeau.nn.Parameter.__reduce_ex__)
    if kind.__reduce_ex__ not in ours:
        return NotImplemented  # a subclass that sees to itself
    attributes = getattr(tensor, "__dict__", None) or None
    if kind is flambeau.nn.Parameter:
        arguments = (tensor.data, tensor.requires_grad, OrderedDict())
        if attributes:
            return _rebuild.rebuild_parameter_with_state, (*arguments, attributes)
        return _rebuild.rebuild_parameter, arguments
    function, arguments = _rebuild_call(tensor, table)
    if kind is flambeau.Tensor and not attributes:
        return function, arguments
    return _rebuild.rebuild_from_type, (function, kind, arguments, attributes)


def _rebuild_call(tensor, table: StorageTable) -> tuple[Callable, tuple]:
    if tensor.is_meta:
        layout = (tuple(tensor.shape), tuple(tensor.stride()))
        return rebuild_meta_tensor, (tensor.dtype, *layout, tensor.requires_grad)
    reference = table.refer(tensor.untyped_storage(), tensor.dtype)
    arguments = (
        reference,
        tensor.storage_offset(),
        tuple(tensor.shape),
        tuple(tensor.stride()),
        tensor.requires_grad,
        OrderedDict(),  # backward hooks: they never travel
    )
    flags = flags_of(tensor)
    more = (flags,) if flags else ()
    if reference.kind is UntypedStorage:
        return _rebuild.rebuild_tensor_v3, (*arguments, tensor.dtype, *more)
    return _rebuild.rebuild_tensor_v2, (*arguments, *more)
