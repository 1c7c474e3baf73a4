"""Saving objects to files, and loading them."""

import contextlib
import io
import os
import pickle

from flambeau.serialization._archive import read_archive, write_archive
from flambeau.serialization._atomic import atomic_write
from flambeau.serialization._locations import (
    default_restore_location,
    location_tag,
    make_restorer,
)
from flambeau.serialization._unpickler import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)

__all__ = [
    "add_safe_globals",
    "clear_safe_globals",
    "default_restore_location",
    "get_crc32_options",
    "get_safe_globals",
    "load",
    "location_tag",
    "safe_globals",
    "save",
    "set_crc32_options",
]

DEFAULT_PROTOCOL = 2
_compute_crc32 = True


def save(
    obj,
    f,
    pickle_module=pickle,
    pickle_protocol: int = DEFAULT_PROTOCOL,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Saves an object to a file that `load`, and PyTorch's `torch.load`, can read.

    A file given by its path appears whole or not at all: until all its bytes are on disk, `f` is
    what it was before. Tensors that share storage are saved so that they share it after loading.

    Args:
        obj: The object: tensors, parameters, `state_dict`s, containers of them, anything that can
            be pickled.
        f: A path, or an object with a `write` method.
        pickle_module: The module to pickle with.
        pickle_protocol: The pickle protocol. PyTorch loads 2 and 3 without `weights_only=False`.

    Raises:
        AttributeError: If `f` is neither.
        RuntimeError: If the folder of the path does not exist.

    Example:
        >>> import flambeau as torch, io
        >>> file = io.BytesIO()
        >>> torch.save({"w": torch.ones(2)}, file)
        >>> _ = file.seek(0)
        >>> torch.load(file)
        {'w': tensor([1., 1.])}
    """

    def write(sink, root: str) -> None:
        write_archive(obj, sink, root, pickle_module, pickle_protocol, _compute_crc32)

    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        root = os.path.splitext(os.path.basename(path))[0]
        with atomic_write(path) as file:
            write(file.write, root or "archive")
    elif hasattr(f, "write"):
        write(f.write, "archive")
        if hasattr(f, "flush"):
            f.flush()
    else:
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute"
        )


def load(
    f,
    map_location=None,
    pickle_module=None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args,
):
    """Loads an object that `save`, or PyTorch's `torch.save`, has written.

    Args:
        f: A path, or a seekable binary file.
        map_location: Where tensors go: a device or its name, a dictionary from names of devices to
            others, or a function of a storage and the name of its device. Without it, to the
            device they were saved from.
        pickle_module: The module to unpickle with, if `weights_only` is false.
        weights_only: Whether to refuse whatever is not data: tensors, containers, numbers, text,
            and what `add_safe_globals` allows. False lets the file run code of its choice: only
            for files one trusts. The default is True, unless there is a `pickle_module`.
        mmap: Whether to map the file, so that tensors are read when they are used. Needs a path.
        **pickle_load_args: For the unpickler: `encoding`.

    Returns:
        The object.

    Raises:
        pickle.UnpicklingError: If the file holds more than data, or its pickle is damaged.
        RuntimeError: If the file is truncated or damaged, or a device is not there.
        ValueError: If `mmap` is asked for and `f` is not a path.

    Example:
        >>> import flambeau as torch, io
        >>> file = io.BytesIO()
        >>> torch.save([1, "a"], file)
        >>> _ = file.seek(0)
        >>> torch.load(file)
        [1, 'a']
    """
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if weights_only is None:
        weights_only = pickle_module is None
    is_path = isinstance(f, (str, os.PathLike))
    if mmap and not is_path:
        raise ValueError("f must be a file path in order to use the mmap argument")
    restore = make_restorer(map_location)
    with contextlib.ExitStack() as stack:
        if is_path:
            name = os.fspath(f)
            file = stack.enter_context(open(f, "rb"))
        else:
            name = str(getattr(f, "name", "the file"))
            file = _require_seekable(f)
        _require_archive(file, name)
        return read_archive(
            file,
            name,
            restore,
            None if weights_only else pickle_module or pickle,
            bool(mmap),
            pickle_load_args,
        )


def get_crc32_options() -> bool:
    """Whether `save` computes checksums.

    Returns:
        True unless `set_crc32_options` has changed it.

    Example:
        >>> flambeau.serialization.get_crc32_options()
        True
    """
    return _compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """Sets whether `save` computes checksums; `load` cannot notice damage without them.

    Args:
        compute_crc32: Whether to.

    Example:
        >>> flambeau.serialization.set_crc32_options(False)
        >>> flambeau.serialization.get_crc32_options()
        False
        >>> flambeau.serialization.set_crc32_options(True)
    """
    global _compute_crc32
    _compute_crc32 = compute_crc32


def _require_seekable(f):
    """The file, if one can look around in it."""
    if not hasattr(f, "seek") or not hasattr(f, "read"):
        raise AttributeError(
            f"'{type(f).__name__}' object has no attribute 'seek'. You can only torch.load from a "
            "file that is seekable. Please pre-load the data into a buffer like io.BytesIO and try "
            "to load from it instead."
        )
    return f if hasattr(f, "readinto") else io.BytesIO(f.read())


def _require_archive(file, name: str) -> None:
    start = file.tell()
    magic = file.read(4)
    file.seek(start)
    if not magic:
        raise EOFError(f"load: {name} is empty")
    if magic.startswith(pickle.PROTO):
        raise pickle.UnpicklingError(
            f"load: {name} is a bare pickle, the format of PyTorch before 1.6, and not an archive: "
            "load it with a newer PyTorch and save it again"
        )
    if magic != b"PK\x03\x04":
        raise pickle.UnpicklingError(
            f"load: {name} was not written by save(): it begins with {magic!r}"
        )
