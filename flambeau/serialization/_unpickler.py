"""Reading the pickle of an archive: as data only, or as anything it may be."""

import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable
from types import FunctionType

import flambeau
from flambeau.core.storage import LEGACY, UntypedStorage
from flambeau.serialization._names import find_data_global, find_global

# What data is made of. Not among them: the registry of extensions, classic instances, and buffers
# from outside the pickle.
# fmt: off
_DATA_OPCODES = (
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK, pickle.DUP,
    pickle.MEMOIZE, pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.GET, pickle.BINGET,
    pickle.LONG_BINGET, pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT,
    pickle.BININT1, pickle.BININT2, pickle.LONG, pickle.LONG1, pickle.LONG4, pickle.FLOAT,
    pickle.BINFLOAT, pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.UNICODE,
    pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8, pickle.BINBYTES,
    pickle.SHORT_BINBYTES, pickle.BINBYTES8, pickle.BYTEARRAY8, pickle.EMPTY_LIST, pickle.APPEND,
    pickle.APPENDS, pickle.LIST, pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2,
    pickle.TUPLE3, pickle.EMPTY_DICT, pickle.DICT, pickle.SETITEM, pickle.SETITEMS,
    pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.GLOBAL, pickle.STACK_GLOBAL,
    pickle.REDUCE, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.BUILD, pickle.BINPERSID,
)
# fmt: on

# The allowed classes that may be called. Not Tensor: it would give memory for any size asked for.
_DATA_CLASSES = (OrderedDict, Counter, set, complex, flambeau.Size, flambeau.device)

_safe_globals: dict[str, object] = {}


class DataUnpickler(pickle._Unpickler):
    """Reads a pickle without ever running code that the file chooses.

    Only names of the table of `_names` and those a user has allowed are looked up, only they are
    called, and only their instances are given a state.

    Args:
        file: The pickle.
        load_storage: Called with (class, key, location, numel) for each reference to a storage.
        encoding: How to read the byte strings of Python 2.
    """

    class _Dispatch(dict):
        def __missing__(self, opcode):
            raise pickle.UnpicklingError(f"Weights only load failed: unsupported operand {opcode}")

    dispatch = _Dispatch(
        (opcode[0], pickle._Unpickler.dispatch[opcode[0]]) for opcode in _DATA_OPCODES
    )

    def __init__(self, file, load_storage: Callable, encoding: str = "utf-8"):
        super().__init__(file, encoding=encoding)
        self._load_storage = load_storage

    def find_class(self, module: str, name: str):
        """The object of an allowed name. Raises UnpicklingError for any other."""
        full = _full_name(module, name)
        if full in _safe_globals:
            return _safe_globals[full]
        found = find_data_global(module, name)
        if found is None:
            raise pickle.UnpicklingError(
                "Weights only load failed: the file is not pure data, and loading it could run "
                "code of its choice. If you trust where it comes from, load it with "
                f"weights_only=False. Unsupported global: GLOBAL {full} was not an allowed global "
                "by default. Please use "
                f"`torch.serialization.add_safe_globals([{full}])` or the "
                f"`torch.serialization.safe_globals([{full}])` context manager to allowlist this "
                "global if you trust this class/function."
            )
        return found

    def persistent_load(self, reference):
        """The storage of a reference."""
        return load_reference(reference, self._load_storage)

    def load_reduce(self):
        arguments = self.stack.pop()
        function = self.stack[-1]
        self.stack[-1] = self._require_callable(function)(*arguments)

    def load_newobj(self):
        arguments = self.stack.pop()
        kind = self._require_class(self.stack.pop())
        self.append(kind.__new__(kind, *arguments))

    def load_newobj_ex(self):
        keywords = self.stack.pop()
        arguments = self.stack.pop()
        kind = self._require_class(self.stack.pop())
        self.append(kind.__new__(kind, *arguments, **keywords))

    def load_build(self):
        value = self.stack[-2]
        if type(value) is OrderedDict:
            # Module.state_dict() hangs its version numbers on the dictionary.
            value.__dict__.update(self.stack.pop())
        elif _is_safe(type(value)):
            pickle._Unpickler.load_build(self)
        else:
            raise pickle.UnpicklingError(
                "Weights only load failed: the file gives a state to an object of type "
                f"{type(value).__name__}"
            )

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build

    def _require_callable(self, value):
        # A function can only have come from find_class.
        if isinstance(value, FunctionType) or _is_one_of(value, _DATA_CLASSES) or _is_safe(value):
            return value
        raise pickle.UnpicklingError(
            f"Weights only load failed: the file calls {value!r:.100}, which is not allowed"
        )

    def _require_class(self, value):
        if _is_one_of(value, _DATA_CLASSES) or _is_safe(value):
            return value
        raise pickle.UnpicklingError(
            f"Weights only load failed: the file makes an instance of {value!r:.100}, which is not "
            "allowed"
        )


def make_unpickler(pickle_module, file, load_storage: Callable, **options):
    """An unpickler that follows the pickle wherever it leads: for files one trusts.

    Args:
        pickle_module: `pickle`, or a module with the same interface.
        file: The pickle.
        load_storage: Called with (class, key, location, numel) for each reference to a storage.
        options: For the module's `Unpickler`.
    """

    class Unpickler(pickle_module.Unpickler):
        def find_class(self, module, name):
            found = find_global(module, name)
            return super().find_class(module, name) if found is None else found

        def persistent_load(self, reference):
            return load_reference(reference, load_storage)

    return Unpickler(file, **options)


def load_reference(reference, load_storage: Callable):
    """The storage that a persistent id of a pickle refers to."""
    if not (isinstance(reference, tuple) and len(reference) == 5 and reference[0] == "storage"):
        raise pickle.UnpicklingError(f"the file refers to something unknown: {reference!r:.100}")
    _, kind, key, location, numel = reference
    if not (
        (kind is UntypedStorage or _is_one_of(kind, LEGACY.values()))
        and isinstance(key, str)
        and isinstance(location, str)
        and type(numel) is int
        and numel >= 0
    ):
        raise pickle.UnpicklingError(f"the file refers to a storage wrongly: {reference!r:.100}")
    return load_storage(kind, key, location, numel)


def add_safe_globals(safe_globals: list) -> None:
    """Allows files that are loaded with `weights_only=True` to name these.

    Args:
        safe_globals: Classes and functions, or pairs of one and the full name it has in files.

    Example:
        >>> import datetime
        >>> add_safe_globals([datetime.timedelta])
        >>> clear_safe_globals()
    """
    for entry in safe_globals:
        value, name = entry if isinstance(entry, tuple) else (entry, None)
        _safe_globals[name or _full_name(value.__module__, value.__qualname__)] = value


def get_safe_globals() -> list:
    """What `add_safe_globals` has allowed.

    Returns:
        The classes and functions.

    Example:
        >>> import datetime
        >>> flambeau.serialization.add_safe_globals([datetime.timedelta])
        >>> flambeau.serialization.get_safe_globals()
        [<class 'datetime.timedelta'>]
        >>> flambeau.serialization.clear_safe_globals()
    """
    return list(_safe_globals.values())


def clear_safe_globals() -> None:
    """Takes back what `add_safe_globals` has allowed.

    Example:
        >>> import datetime
        >>> flambeau.serialization.add_safe_globals([datetime.timedelta])
        >>> flambeau.serialization.clear_safe_globals()
        >>> flambeau.serialization.get_safe_globals()
        []
    """
    _safe_globals.clear()


class safe_globals:
    """`add_safe_globals` for the length of a `with` block.

    Args:
        safe_globals: Classes and functions, or pairs of one and the full name it has in files.

    Example:
        >>> import datetime
        >>> with safe_globals([datetime.timedelta]):
        ...     get_safe_globals()
        [<class 'datetime.timedelta'>]
    """

    def __init__(self, safe_globals: list):
        self._entries = safe_globals

    def __enter__(self) -> None:
        self._before = dict(_safe_globals)
        add_safe_globals(self._entries)

    def __exit__(self, *exception) -> None:
        clear_safe_globals()
        _safe_globals.update(self._before)


def _is_safe(value) -> bool:
    return _is_one_of(value, _safe_globals.values())


def _is_one_of(value, allowed) -> bool:
    return any(value is entry for entry in allowed)


def _full_name(module: str, name: str) -> str:
    return name if module in ("builtins", "__builtin__") else f"{module}.{name}"
