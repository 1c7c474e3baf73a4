"""The pickle of an archive: tensors in it refer to storages, and names are torch's."""

import functools
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType
from typing import NamedTuple

import flambeau
from flambeau.serialization import _rebuild
from flambeau.serialization._names import TorchGlobal, global_of, storage_global, torch_global

# The oldest pickle protocol that can refer to storages by more than a string.
_MIN_PROTOCOL = 2


class StorageReference(NamedTuple):
    """Stands in the pickle for a storage, whose bytes are in a record of their own."""

    kind: TorchGlobal
    key: str
    location: str
    numel: int


class StorageTable:
    """The storages of an archive, each once however many tensors share it."""

    def __init__(self):
        self.tensors: list = []  # one on each storage; its place in the list is its key
        self._known: dict[int, tuple[int, object]] = {}

    def refer(self, tensor) -> StorageReference:
        """The reference to a tensor's storage, adding that to the table.

        A storage has the dtype of the first tensor seen on it. For a tensor that sees it otherwise,
        or whose dtype never had a storage class, the reference is one to plain bytes.
        """
        storage = tensor.untyped_storage()
        address = storage.data_ptr()
        place, dtype = self._known.get(address, (len(self.tensors), tensor.dtype))
        if place == len(self.tensors):
            # Kept, so that no other storage comes to lie at this address while saving.
            self.tensors.append(tensor)
            if address:  # storages without bytes all have the same
                self._known[address] = place, dtype
        kind = storage_global(dtype) if tensor.dtype == dtype else None
        width = dtype.itemsize if kind else 1
        return StorageReference(
            kind or torch_global("torch.storage", "UntypedStorage"),
            str(place),
            str(tensor.device),
            storage.nbytes() // width,
        )


def make_pickler(pickle_module, file, protocol: int, storages: StorageTable) -> pickle._Pickler:
    """A pickler for archives.

    Args:
        pickle_module: `pickle`, or a module with the same interface.
        file: Where the pickle goes.
        protocol: The pickle protocol. Those before 2 cannot express references to storages; 2,
            which every reader knows, is written in their place.
        storages: Where to put storages.

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
    pickler.storages = storages
    return pickler


@functools.cache
def _pickler_class(base: type) -> type:
    class ArchivePickler(base):  # type: ignore[misc, valid-type]
        dispatch = dict(base.dispatch)

        def persistent_id(self, value):
            return ("storage", *value) if type(value) is StorageReference else None

        def reducer_override(self, value):
            if isinstance(value, flambeau.Tensor):
                return _reduce_tensor(value, self.storages)
            if isinstance(value, flambeau.dtype):
                return global_of(value).name
            return NotImplemented

        def save_global(self, value, name=None):
            known = global_of(value, name)
            if known is None:
                super().save_global(value, name)
            else:
                self._save_name(known)
                self.memoize(value)

        def save_torch_global(self, value):
            self._save_name(value)
            self.memoize(value)

        def _save_name(self, value):
            if self.proto >= 4:
                self.save(value.module)
                self.save(value.name)
                self.write(pickle.STACK_GLOBAL)
            else:
                self.write(pickle.GLOBAL + f"{value.module}\n{value.name}\n".encode())

        dispatch[TorchGlobal] = save_torch_global
        dispatch[FunctionType] = save_global
        dispatch[BuiltinFunctionType] = save_global

    return ArchivePickler


def _reduce_tensor(tensor, storages: StorageTable):
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
    function, arguments = _rebuild_call(tensor, storages)
    if kind is flambeau.Tensor and not attributes:
        return function, arguments
    return _rebuild.rebuild_from_type, (function, kind, arguments, attributes)


def _rebuild_call(tensor, storages: StorageTable) -> tuple[Callable, tuple]:
    storage = storages.refer(tensor)
    arguments = (
        storage,
        tensor.storage_offset(),
        tuple(tensor.shape),
        tuple(tensor.stride()),
        tensor.requires_grad,
        OrderedDict(),  # backward hooks: they never travel
    )
    if storage.kind.name == "UntypedStorage":
        return _rebuild.rebuild_tensor_v3, (*arguments, tensor.dtype)
    return _rebuild.rebuild_tensor_v2, arguments
