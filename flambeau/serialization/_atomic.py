"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # not on Windows: there, temporary files of dead processes stay
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".tmp"
# A file name may have 255 bytes; ours carries a dot, a random part and the suffix besides.
_MAX_STEM = 200


@contextlib.contextmanager
def atomic_write(path: str) -> Iterator:
    """A binary file to write to that takes the place of `path` when the block ends.

    The bytes go to a temporary file in the same folder, which is renamed once the disk has them.
    Whenever the process is killed, `path` holds what it held before or all of the new bytes. A
    temporary file that was left behind so is removed by the next writer of the same path. A path
    that is no ordinary file (a pipe, a device) is written to directly.

    Args:
        path: Where to write. A symbolic link is followed, permissions are kept.

    Raises:
        RuntimeError: If the folder does not exist.
        OSError: If the file cannot be written.
    """
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {folder} does not exist.")
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with open(path, "wb") as file:
            yield file
        return
    stem = f".{os.fsdecode(os.fsencode(name)[:_MAX_STEM])}."
    _remove_stale(folder, stem)
    temporary, fd = _create(folder, stem)
    try:
        with open(fd, "wb") as file:
            if mode is not None:
                os.chmod(temporary, stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(fd)
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _create(folder: str, stem: str) -> tuple[str, int]:
    """A new temporary file, locked as long as it is open."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    while True:
        path = os.path.join(folder, f"{stem}{secrets.token_hex(8)}{_SUFFIX}")
        fd = os.open(path, flags, 0o666)
        _try_lock(fd)
        # Between its creation and the lock another writer may have taken it for a stale one.
        if os.fstat(fd).st_nlink > 0:
            return path, fd
        os.close(fd)


def _remove_stale(folder: str, stem: str) -> None:
    """Removes the temporary files that no living process has open."""
    with os.scandir(folder) as entries:
        names = [e.name for e in entries if e.name.startswith(stem) and e.name.endswith(_SUFFIX)]
    for name in names:
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):  # another writer was faster, or it is not ours
            fd = os.open(path, os.O_WRONLY)
            try:
                if _try_lock(fd):
                    os.unlink(path)
            finally:
                os.close(fd)


def _try_lock(fd: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _sync_folder(folder: str) -> None:
    """Puts the new name on disk, where folders can be opened."""
    if os.name != "posix":
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
