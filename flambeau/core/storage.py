"""Storages: the bytes under tensors, as objects."""

from __future__ import annotations

from flambeau import _C
from flambeau.core import device as _device
from flambeau.core.errors import DeviceError
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


#: Methods that convert elements, and the dtypes they convert to.
_CONVERSIONS = {
    **{"bool": _C.bool, "byte": _C.uint8, "char": _C.int8, "short": _C.int16, "int": _C.int32},
    **{"long": _C.int64, "half": _C.float16, "bfloat16": _C.bfloat16, "float": _C.float32},
    **{"double": _C.float64, "complex_float": _C.complex64, "complex_double": _C.complex128},
}


def _conversion(name: str, dtype: _C.dtype) -> Any:
    def convert(self: _Common) -> TypedStorage:
        made = _C.cast(self._elements(), dtype)
        return TypedStorage(wrap_storage=UntypedStorage._of(made), dtype=dtype)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"The elements converted to {dtype}, in memory of their own."
    return convert


class _Common:
    """What storages of bytes and of elements have in common."""

    __slots__ = ()

    is_cuda = False
    is_hpu = False
    is_sparse = False
    is_sparse_csr = False

    if TYPE_CHECKING:  # each of the two has its own

        def _elements(self) -> Tensor: ...

        @property
        def device(self) -> _device.device: ...

    def get_device(self) -> int | None:
        """The number of the device, None for the CPU."""
        return self.device.index

    def tolist(self) -> list[Any]:
        """The elements as a list."""
        return self._elements().tolist()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __setitem__(self, index: Any, value: Any) -> None:
        elements = self._elements()
        if isinstance(index, slice):
            start, stop, step = index.indices(elements.numel())
            part = _C.slice(elements, 0, start, max(start, stop), step)
            if hasattr(value, "__len__") or isinstance(value, Tensor):
                _C.copy_into(part, _C.tensor_from(value, elements.dtype))
            else:
                _C.fill(part, value)
        else:
            _C.fill(_C.select(elements, 0, _checked(index, elements.numel())), value)

    def to(self, *, device: Any, non_blocking: Any = False) -> Any:
        """This storage, if that is the device it is on.

        Raises:
            RuntimeError: if the device is not there.
        """
        _device.require_available(device)
        return self

    def cpu(self) -> Any:
        """This storage: it is in the memory of the CPU."""
        return self

    def cuda(self, device: Any = None, non_blocking: Any = False) -> Any:
        """This storage on a GPU.

        Raises:
            RuntimeError: if there is none.
        """
        return self.to(device="cuda")

    def is_pinned(self, device: Any = "cuda") -> bool:
        """False: there is no page-locked memory."""
        return False

    def pin_memory(self, device: Any = "cuda") -> Any:
        """This storage in page-locked memory.

        Raises:
            RuntimeError: if there is no GPU.
        """
        raise DeviceError("pin_memory: Cannot access accelerator device when none is available.")


for _name, _to in _CONVERSIONS.items():
    setattr(_Common, _name, _conversion(_name, _to))


def _length(elements: int) -> tuple[int]:
    if not 0 <= elements < 2**63:
        raise RuntimeError(f"a storage cannot have {elements} elements")
    return (elements,)


class UntypedStorage(_Common):
    """The bytes that a tensor and its views share.

    Args:
        source: a number of bytes, or the bytes as a sequence of integers.
        device: "cpu".

    Example:
        >>> flambeau.zeros(3).untyped_storage().nbytes()
        12
    """

    __slots__ = ("__weakref__", "_holder", "filename")

    #: The file that writes reach, or None.
    filename: str | None

    def __init__(self, source: Any = 0, *, device: Any = None) -> None:
        _device.require_available(device)
        self.filename = None
        if isinstance(source, int):
            self._holder = _C.empty(_length(source), _C.uint8)
        elif isinstance(source, (list, tuple)):
            self._holder = _C.tensor_from(source, _C.uint8)
        else:
            raise RuntimeError(
                "UntypedStorage(): expected a number of bytes or a sequence of integers, got"
                f" {type(source).__name__}"
            )

    @classmethod
    def _of(cls, holder: Any) -> UntypedStorage:
        """The storage of a tensor."""
        self = cls.__new__(cls)
        self._holder = _C.storage_bytes(holder)
        self.filename = None
        return self

    @classmethod
    def from_file(cls, filename: Any, shared: Any = False, nbytes: Any = 0) -> UntypedStorage:
        """The bytes of a file, read when they are needed.

        Args:
            filename: the path.
            shared: what is written to the storage goes to the file, which is made and grown to
                `nbytes` if needed; otherwise it stays in memory.
            nbytes: how many bytes to map.

        Raises:
            RuntimeError: if the file cannot be opened, or is shorter than `nbytes` and not shared.
        """
        made = cls._of(_mapped(filename, shared, nbytes))
        made.filename = str(filename) if shared else None
        return made

    def _bytes(self) -> Tensor:
        """All bytes as a tensor; storages can be resized, so it is made anew each time."""
        return _C.storage_bytes(self._holder)

    _elements = _bytes

    @property
    def device(self) -> _device.device:
        """Where the bytes are."""
        return self._holder.device

    @property
    def _cdata(self) -> int:
        """A number that only this storage has among the living ones."""
        return _C.storage_address(self._holder)

    def nbytes(self) -> int:
        """How many bytes there are."""
        return _C.storage_info(self._holder)[1]

    size = nbytes
    __len__ = nbytes

    def element_size(self) -> int:
        """1: elements are bytes."""
        return 1

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return _C.storage_info(self._holder)[0]

    def resizable(self) -> bool:
        """Whether the storage owns its memory and may change its size."""
        return _C.storage_info(self._holder)[2]

    def resize_(self, size: Any) -> UntypedStorage:
        """Changes the number of bytes; those that remain keep their values."""
        _C.storage_resize(self._holder, size)
        return self

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                raise RuntimeError(
                    f"Trying to slice with a step of {step}, but only a step of 1 is supported"
                )
            return UntypedStorage._of(_C.clone(_C.slice(self._bytes(), 0, start, stop, 1)))
        return self._bytes()[_checked(index, len(self))].item()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UntypedStorage):
            return NotImplemented
        return _C.share_storage(self._holder, other._holder)

    def __hash__(self) -> int:
        return hash(self._cdata)

    def copy_(self, source: Any, non_blocking: Any = None) -> UntypedStorage:
        """Takes over the bytes of another storage of the same size."""
        other = source._untyped_storage if isinstance(source, TypedStorage) else source
        if len(other) != len(self):
            raise RuntimeError(
                f"copy_: sizes must agree: this storage has {len(self)} bytes, the source"
                f" {len(other)}"
            )
        _C.copy_into(self._bytes(), other._bytes())
        return self

    def fill_(self, value: Any) -> UntypedStorage:
        """Sets every byte."""
        _C.fill(self._bytes(), value)
        return self

    def clone(self) -> UntypedStorage:
        """A storage with the same bytes in memory of its own."""
        return UntypedStorage._of(_C.clone(self._bytes()))

    def __copy__(self) -> UntypedStorage:
        return self.clone()

    def __deepcopy__(self, memo: Any) -> UntypedStorage:
        made = memo.get(self._cdata)
        if made is None:
            made = memo[self._cdata] = self.clone()
        return made

    def is_shared(self) -> bool:
        """Whether other processes may map these bytes."""
        return _C.storage_info(self._holder)[3]

    def share_memory_(self) -> UntypedStorage:
        """Moves the bytes into memory that other processes can map; views stay valid."""
        _C.share(self._holder)
        return self

    def new(self) -> UntypedStorage:
        """An empty storage."""
        return UntypedStorage()

    def type(self, dtype: Any = None, non_blocking: Any = False) -> Any:
        """The name of this class, or the bytes converted to the elements of another."""
        if dtype is None:
            return "torch.storage.UntypedStorage"
        return TypedStorage(wrap_storage=self, dtype=_C.uint8).type(dtype)

    def byteswap(self, dtype: Any) -> None:
        """Reverses the bytes of each element of `dtype` (each part of complex ones)."""
        step = dtype.to_real().itemsize if dtype.is_complex else dtype.itemsize
        bytes_ = self._bytes()
        rows = _C.view(_C.slice(bytes_, 0, 0, len(self) // step * step, 1), (-1, step))
        before = _C.clone(rows)
        for column in range(step):
            _C.copy_into(_C.select(rows, 1, column), _C.select(before, 1, step - 1 - column))

    def _shared_descriptor(self) -> int:
        """The file descriptor behind shared memory."""
        return _C.shared_descriptor(self._holder)

    @classmethod
    def _from_shared_descriptor(cls, descriptor: Any, nbytes: Any) -> UntypedStorage:
        """The storage that another process shares through a descriptor."""
        return cls._of(_C.map_shared(descriptor, nbytes))

    def untyped(self) -> UntypedStorage:
        """This storage itself."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_from_bytes, (bytes(_C.memory(self._bytes())),))

    def __repr__(self) -> str:
        on_meta = self.device.type == "meta"
        lines = "..." if on_meta else " " + "\n ".join(str(b) for b in self.tolist())
        return f"{lines}\n[torch.storage.UntypedStorage(device={self.device}) of size {len(self)}]"


def _checked(index: Any, length: Any) -> int:
    if not -length <= index < length:
        raise IndexError(f"index {index} out of range for storage of size {length}")
    return index


def _mapped(filename: Any, shared: Any, nbytes: int) -> Any:
    """A file's first bytes as a tensor; writes reach the file if it is shared."""
    import mmap
    import os

    flags = os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY
    descriptor = -1
    try:
        descriptor = os.open(filename, flags, 0o666)
        there = os.fstat(descriptor).st_size
        if there < nbytes:
            if not shared:
                raise RuntimeError(
                    f"from_file: the file must hold {nbytes} bytes: {filename} has {there}"
                )
            os.ftruncate(descriptor, nbytes)
        if nbytes == 0:
            return _C.empty((0,), _C.uint8)
        access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
        return _C.from_buffer(mmap.mmap(descriptor, nbytes, access=access), _C.uint8, -1, 0)
    except (OSError, OverflowError, ValueError) as error:
        raise RuntimeError(f"from_file: unable to open file <{filename}>: {error}") from error
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _from_bytes(data: Any) -> UntypedStorage:
    made = UntypedStorage(len(data))
    if data:
        _C.copy_into(made._bytes(), _C.from_buffer(data, _C.uint8, -1, 0))
    return made


_TYPE_NAMES = {
    _C.bool: "BoolStorage",
    _C.uint8: "ByteStorage",
    _C.int8: "CharStorage",
    _C.int16: "ShortStorage",
    _C.int32: "IntStorage",
    _C.int64: "LongStorage",
    _C.float16: "HalfStorage",
    _C.bfloat16: "BFloat16Storage",
    _C.float32: "FloatStorage",
    _C.float64: "DoubleStorage",
    _C.complex64: "ComplexFloatStorage",
    _C.complex128: "ComplexDoubleStorage",
}


class TypedStorage(_Common):
    """A storage seen as elements of one dtype: the older interface, kept for programs that use it.

    Args:
        source: a number of elements, or a sequence of values.
        wrap_storage: an UntypedStorage to look at instead.
        dtype: the element type.

    Example:
        >>> storage = flambeau.TypedStorage([1, 2, 3], dtype=flambeau.int64)
        >>> storage[2], storage.nbytes()
        (3, 24)
    """

    __slots__ = ("__weakref__", "_untyped_storage", "dtype")

    def __init__(
        self, source: Any = 0, *, wrap_storage: Any = None, dtype: Any = None, device: Any = None
    ) -> None:
        _device.require_available(device)
        self.dtype = dtype or _C.get_default_dtype()
        if wrap_storage is not None:
            self._untyped_storage = wrap_storage
        elif isinstance(source, int):
            self._untyped_storage = UntypedStorage._of(_C.empty(_length(source), self.dtype))
        else:
            self._untyped_storage = UntypedStorage._of(_C.tensor_from(source, self.dtype))

    def _elements(self) -> Tensor:
        return _C.storage_view(self._untyped_storage._holder, self.dtype, 0, None, None)

    @property
    def device(self) -> _device.device:
        """Where the elements are."""
        return self._untyped_storage.device

    @property
    def _cdata(self) -> int:
        return self._untyped_storage._cdata

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return self._untyped_storage

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._untyped_storage.nbytes()

    def size(self) -> int:
        """How many elements there are."""
        return self.nbytes() // self.dtype.itemsize

    __len__ = size

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self._untyped_storage.data_ptr()

    def resize_(self, size: Any) -> TypedStorage:
        """Changes the number of elements."""
        self._untyped_storage.resize_(size * self.dtype.itemsize)
        return self

    def resizable(self) -> bool:
        """Whether the storage may change its size."""
        return self._untyped_storage.resizable()

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise RuntimeError("slices are only supported in UntypedStorage.__getitem__")
        return self._elements()[_checked(index, len(self))].item()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TypedStorage):
            return NotImplemented
        return self.dtype is other.dtype and self._untyped_storage == other._untyped_storage

    def __hash__(self) -> int:
        return hash(self._cdata)

    def fill_(self, value: Any) -> TypedStorage:
        """Sets every element."""
        _C.fill(self._elements(), value)
        return self

    def copy_(self, source: Any, non_blocking: Any = None) -> TypedStorage:
        """Takes over the elements of another storage of as many elements."""
        if len(source) != len(self):
            raise RuntimeError(
                f"copy_: sizes must agree: this storage has {len(self)} elements, the source"
                f" {len(source)}"
            )
        _C.copy_into(self._elements(), source._elements())
        return self

    def clone(self) -> TypedStorage:
        """A storage with the same elements in memory of its own."""
        return TypedStorage(wrap_storage=self._untyped_storage.clone(), dtype=self.dtype)

    def __copy__(self) -> TypedStorage:
        return self.clone()

    def __deepcopy__(self, memo: Any) -> TypedStorage:
        import copy

        return TypedStorage(
            wrap_storage=copy.deepcopy(self._untyped_storage, memo), dtype=self.dtype
        )

    def type(self, dtype: Any = None, non_blocking: Any = False) -> Any:
        """The name of the legacy class ("torch.FloatStorage"), or the elements converted.

        Args:
            dtype: a legacy class of storages or its name, or a dtype.

        Raises:
            ValueError: if no class is called so.
        """
        if dtype is None:
            return "torch." + self.pickle_storage_type()
        if isinstance(dtype, str):
            named = LEGACY.get(dtype.rpartition(".")[2])
            if named is None:
                raise ValueError(f"invalid type: '{dtype}'")
            dtype = named.dtype
        elif isinstance(dtype, _LegacyType):
            dtype = dtype.dtype
        if dtype is self.dtype:
            return self
        made = _C.cast(self._elements(), dtype)
        return TypedStorage(wrap_storage=UntypedStorage._of(made), dtype=dtype)

    @property
    def filename(self) -> str | None:
        """The file that writes reach, or None."""
        return self._untyped_storage.filename

    def pickle_storage_type(self) -> str:
        """The name of the legacy class, for instance "FloatStorage".

        Raises:
            KeyError: for the dtypes that have none (the wider unsigned integers).
        """
        return _TYPE_NAMES[self.dtype]

    def is_shared(self) -> bool:
        """Whether other processes may map these elements."""
        return self._untyped_storage.is_shared()

    def share_memory_(self) -> TypedStorage:
        """Moves the elements into memory that other processes can map."""
        self._untyped_storage.share_memory_()
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_typed, (self._untyped_storage, self.dtype))

    def __repr__(self) -> str:
        lines = "\n ".join(str(v) for v in self.tolist())
        return (
            f" {lines}\n[torch.storage.TypedStorage(dtype={self.dtype}, device={self.device})"
            f" of size {len(self)}]"
        )


def _typed(storage: Any, dtype: Any) -> TypedStorage:
    return TypedStorage(wrap_storage=storage, dtype=dtype)


class _LegacyType(type):
    """The class of FloatStorage and its like: makes TypedStorages."""

    dtype: _C.dtype

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, TypedStorage) and value.dtype is cls.dtype

    def __call__(
        cls, source: Any = 0, *, wrap_storage: Any = None, device: Any = None
    ) -> TypedStorage:
        return TypedStorage(source, wrap_storage=wrap_storage, dtype=cls.dtype, device=device)

    def from_file(cls, filename: Any, shared: Any = False, size: Any = 0) -> TypedStorage:
        """`UntypedStorage.from_file` for `size` elements."""
        bytes_ = UntypedStorage.from_file(filename, shared, size * cls.dtype.itemsize)
        return TypedStorage(wrap_storage=bytes_, dtype=cls.dtype)


#: FloatStorage, LongStorage, ...
LEGACY = {
    name: _LegacyType(
        name, (), {"__module__": "torch", "dtype": dtype, "__doc__": f"Storages of {dtype}."}
    )
    for dtype, name in _TYPE_NAMES.items()
}


def is_storage(obj: Any) -> bool:
    """True if `obj` is a storage, typed or untyped.

    Args:
        obj: anything.

    Example:
        >>> x = flambeau.zeros(2)
        >>> flambeau.is_storage(x.untyped_storage()), flambeau.is_storage(x)
        (True, False)
    """
    return isinstance(obj, (UntypedStorage, TypedStorage))


def flags_of(tensor: Tensor) -> dict[str, bool]:
    """What a pickle says of a conj or neg view beside its storage; nothing for other tensors."""
    flags = {"conj": tensor.is_conj(), "neg": tensor.is_neg()}
    return {name: True for name, is_set in flags.items() if is_set}


def with_flags(tensor: Tensor, flags: Any) -> Tensor:
    """The tensor as the conj or neg view that a pickle describes."""
    if flags and flags.get("conj"):
        tensor = _C.conj_view(tensor)
    return _C.neg_view(tensor) if flags and flags.get("neg") else tensor


def rebuild_tensor(
    storage: Any,
    dtype: Any,
    offset: Any,
    size: Any,
    stride: Any,
    requires_grad: Any,
    flags: Any = None,
) -> Tensor:
    """The tensor that a pickle describes: a view of a storage."""
    made = with_flags(_C.storage_view(storage._holder, dtype, offset, size, stride), flags)
    if requires_grad:
        made.requires_grad = True
    return made


def rebuild_meta_tensor(dtype: Any, size: Any, stride: Any, requires_grad: Any) -> Tensor:
    """The tensor without values that a pickle describes."""
    made: Tensor = _C.shape_only(_C.empty_strided, (size, stride, dtype))
    made.requires_grad = requires_grad
    return made


def rebuild_from_type(cls: Any, arguments: Any, state: Any) -> Tensor:
    """A tensor of a subclass, or one with attributes of its own."""
    made = rebuild_tensor(*arguments)
    if cls is not Tensor:
        made = _C.as_class(made, cls, arguments[5])
    made.__dict__.update(state)
    return made


for _class in (UntypedStorage, TypedStorage):
    _class.__module__ = "flambeau.storage"
globals().update(LEGACY)
Storage = LEGACY["FloatStorage"]  # the storage of the default dtype, when that never changed
