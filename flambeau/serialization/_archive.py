"""Objects as archives: a pickle, and a record for each storage it refers to."""

import io
import mmap
import pickle
import random
import sys
from collections.abc import Callable

import flambeau
from flambeau.core.storage import TypedStorage, UntypedStorage
from flambeau.serialization._pickler import StorageTable, make_pickler
from flambeau.serialization._tensors import storage_memory, storage_over
from flambeau.serialization._unpickler import DataUnpickler, make_unpickler
from flambeau.serialization._zip import ALIGNMENT, ArchiveReader, ArchiveWriter

_FORMAT_VERSION = b"3\n"
# Digits of the number that tells one archive from another.
_ID_DIGITS = 40


def write_archive(obj, write: Callable, root: str, pickle_module, protocol: int, checksums: bool):
    """Writes an object as an archive.

    Args:
        obj: The object.
        write: Takes bytes-like objects.
        root: The folder inside the archive.
        pickle_module: What to pickle with.
        protocol: The pickle protocol.
        checksums: Whether to write checksums.
    """
    table = StorageTable()
    body = io.BytesIO()
    # Everything is pickled before anything is written: what cannot be saved leaves no trace.
    make_pickler(pickle_module, body, protocol, table).dump(obj)
    archive = ArchiveWriter(write, root, checksums)
    archive.add("data.pkl", body.getbuffer())
    archive.add(".format_version", b"1")
    archive.add(".storage_alignment", str(ALIGNMENT).encode())
    archive.add("byteorder", sys.byteorder.encode())
    for key, storage in enumerate(table.storages):
        archive.add(f"data/{key}", storage_memory(storage.cpu()))
    archive.add("version", _FORMAT_VERSION)
    digits = random.SystemRandom().randrange(10**_ID_DIGITS)
    archive.add(".data/serialization_id", f"{digits:0{_ID_DIGITS}}".encode())
    archive.finish()


def read_archive(file, name: str, restore: Callable, pickle_module, map_file: bool, options: dict):
    """Reads an object from an archive.

    Args:
        file: A seekable binary file.
        name: What to call it in messages.
        restore: Takes a storage to its device (see `make_restorer`).
        pickle_module: What to unpickle with; None reads nothing but data.
        map_file: Whether tensors lie in the file's mapping instead of being read.
        options: For the unpickler.
    """
    archive = ArchiveReader(file, name)
    body = io.BytesIO(archive.read("data.pkl"))
    load_storage = _StorageLoader(archive, file, restore, map_file).load
    if pickle_module is not None:
        return make_unpickler(pickle_module, body, load_storage, **options).load()
    return load_data(DataUnpickler(body, load_storage, **options), name)


def load_data(unpickler: DataUnpickler, name: str):
    """What a data-only pickle holds. Raises UnpicklingError, whatever is wrong with it."""
    try:
        return unpickler.load()
    except (pickle.UnpicklingError, RuntimeError):
        raise
    except Exception as error:  # a damaged pickle can fail in any way
        raise pickle.UnpicklingError(
            f"load: the pickle in {name} is damaged: {type(error).__name__}: {error}"
        ) from error


class _StorageLoader:
    """Reads each storage of an archive once, when it is first referred to."""

    def __init__(self, archive: ArchiveReader, file, restore: Callable, map_file: bool):
        self._archive = archive
        self._restore = restore
        self._loaded: dict[str, object] = {}
        self._mapping = None
        self._swap = False
        if "byteorder" in archive:
            self._swap = archive.read("byteorder") != sys.byteorder.encode()
        if map_file:
            # Writes to the tensors stay in this process.
            self._mapping = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))

    def load(self, kind: type, key: str, location: str, numel: int):
        """The storage of a reference, as an object of the class it asks for."""
        dtype = flambeau.uint8 if kind is UntypedStorage else kind.dtype
        if key not in self._loaded:
            self._loaded[key] = self._restore(
                self._read(f"data/{key}", numel * dtype.itemsize, dtype), location
            )
        storage = self._loaded[key]
        if kind is UntypedStorage:
            return storage
        return TypedStorage(wrap_storage=storage, dtype=dtype)

    def _read(self, record: str, nbytes: int, dtype) -> UntypedStorage:
        if self._archive.size(record) != nbytes:
            raise RuntimeError(
                f"load: record {record} should have {nbytes} bytes and has "
                f"{self._archive.size(record)}: the file is damaged"
            )
        storage = self._map(record, nbytes)
        if storage is None:
            storage = UntypedStorage(nbytes)
            self._archive.read_into(record, storage_memory(storage))
        if self._swap:
            _swap_bytes(storage, dtype)
        return storage

    def _map(self, record: str, nbytes: int) -> UntypedStorage | None:
        """The storage in the mapped file; None if it cannot be used where it lies."""
        if self._mapping is None:
            return None
        start = self._archive.offset(record)
        if start is None or start % ALIGNMENT:
            return None
        return storage_over(self._mapping[start : start + nbytes])


def _swap_bytes(storage: UntypedStorage, dtype) -> None:
    """Turns elements round that were written on a machine of the other byte order."""
    import numpy

    width = dtype.itemsize // (2 if dtype.is_complex else 1)
    numpy.frombuffer(storage_memory(storage), dtype=f"u{width}").byteswap(inplace=True)
