"""The archive: a zip file whose records are stored as they are, each starting on 64 bytes.

That lets a reader map the file and use the records in place, and any zip tool list it.
"""

import os
import struct
import zipfile
import zlib

ALIGNMENT = 64
_PADDING_TAG = b"FB"  # the extra field that pads a header, as other writers of this format name it
_UTF8 = 0x0800
# In a narrow field: the number is in the wide field that follows. And from where on it is so.
_SEE_WIDE = 0xFFFFFFFF
_NARROW_LIMIT = 0xFFFFFFFF
_MAX_COUNT = 0xFFFF
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")


class ArchiveWriter:
    """Writes records one after another; never seeks, so that any writable object will do.

    Args:
        write: Takes bytes-like objects.
        root: The folder inside the archive that holds the records.
        checksums: Whether to compute them; without, readers cannot tell damage.
    """

    def __init__(self, write, root: str, checksums: bool = True):
        self._write = write
        self._root = root
        self._checksums = checksums
        self._position = 0
        self._directory: list[bytes] = []

    def add(self, name: str, data) -> None:
        """Writes a record.

        Args:
            name: Its path below the root folder.
            data: Its bytes, as any object with the buffer protocol.
        """
        path = f"{self._root}/{name}".encode()
        size = memoryview(data).nbytes
        checksum = zlib.crc32(data) if self._checksums else 0
        start = self._position
        big = size >= _NARROW_LIMIT
        zip64 = struct.pack("<2H2Q", 1, 16, size, size) if big else b""
        stated = _SEE_WIDE if big else size
        version = 45 if big else 20
        fixed = (version, _UTF8, 0, 0, 0, checksum, stated, stated, len(path))
        unpadded = start + _LOCAL.size + len(path) + len(zip64) + 4
        padding = -unpadded % ALIGNMENT
        extra = zip64 + struct.pack("<2sH", _PADDING_TAG, padding) + b"Z" * padding
        self._emit(_LOCAL.pack(b"PK\x03\x04", *fixed, len(extra)) + path + extra)
        self._emit(data)

        wide = struct.pack("<2Q", size, size) if big else b""
        offset = start
        if start >= _NARROW_LIMIT:
            wide += struct.pack("<Q", start)
            offset = _SEE_WIDE
        extra = struct.pack("<2H", 1, len(wide)) + wide if wide else b""
        record = _CENTRAL.pack(b"PK\x01\x02", version, *fixed, len(extra), 0, 0, 0, 0, offset)
        self._directory.append(record + path + extra)

    def finish(self) -> None:
        """Writes the directory, without which the archive cannot be read."""
        start = self._position
        for entry in self._directory:
            self._emit(entry)
        size = self._position - start
        count = len(self._directory)
        end64 = self._position
        self._emit(
            struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, start)
        )
        self._emit(struct.pack("<4sIQI", b"PK\x06\x07", 0, end64, 1))
        count = min(count, _MAX_COUNT)
        size, start = (n if n < _NARROW_LIMIT else _SEE_WIDE for n in (size, start))
        self._emit(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, size, start, 0))

    def _emit(self, data) -> None:
        self._write(data)
        self._position += memoryview(data).nbytes


class ArchiveReader:
    """Finds and reads records.

    Args:
        file: A seekable binary file.
        name: What to call it in messages.

    Raises:
        RuntimeError: If it is not a complete archive.
    """

    def __init__(self, file, name: str):
        self._file = file
        self._name = name
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, struct.error, NotImplementedError) as e:
            raise self._damage(f"failed finding central directory ({e})") from None
        paths = self._zip.namelist()
        self._root = paths[0].partition("/")[0] if paths else ""
        self._size = file.seek(0, os.SEEK_END)

    def __contains__(self, name: str) -> bool:
        return f"{self._root}/{name}" in self._zip.NameToInfo

    def read(self, name: str) -> bytes:
        """A whole record, its checksum verified."""
        data = bytearray(self.size(name))
        self.read_into(name, memoryview(data))
        return bytes(data)

    def size(self, name: str) -> int:
        """The length of a record in bytes."""
        return self._info(name).file_size

    def read_into(self, name: str, target: memoryview) -> None:
        """Fills `target` with a record of the same length, its checksum verified."""
        info = self._info(name)
        if info.compress_type == zipfile.ZIP_STORED:
            self._file.seek(self.offset(name))
            rest = target
            while rest:
                count = self._file.readinto(rest)
                if not count:
                    raise self._damage(f"record {name} ends too early")
                rest = rest[count:]
        else:
            self._inflate(info, name, target)
        # A writer that leaves checksums out states 0.
        if info.CRC and zlib.crc32(target) != info.CRC:
            raise self._damage(f"record {name} does not match its checksum")

    def offset(self, name: str) -> int | None:
        """Where a record starts in the file; None if it is compressed."""
        info = self._info(name)
        if info.compress_type != zipfile.ZIP_STORED:
            return None
        if info.header_offset < 0:
            raise self._damage(f"record {name} lies outside the file")
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
            raise self._damage(f"record {name} has no header")
        path_size, extra_size = struct.unpack("<2H", header[-4:])
        start = info.header_offset + _LOCAL.size + path_size + extra_size
        if start + info.file_size > self._size:
            raise self._damage(f"record {name} reaches beyond the end of the file")
        return start

    def _inflate(self, info: zipfile.ZipInfo, name: str, target: memoryview) -> None:
        try:
            with self._zip.open(info) as stream:
                data = stream.read(len(target))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as e:
            raise self._damage(f"record {name} cannot be unpacked ({e})") from None
        if len(data) != len(target):
            raise self._damage(f"record {name} ends too early")
        target[:] = data

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = self._zip.NameToInfo.get(f"{self._root}/{name}")
        if info is None:
            raise self._damage(f"record {name} is missing")
        if info.compress_type == zipfile.ZIP_STORED and info.file_size > self._size:
            raise self._damage(f"record {name} is larger than the file")
        return info

    def _damage(self, what: str) -> RuntimeError:
        return RuntimeError(
            f"load: PytorchStreamReader failed reading zip archive: {what}. {self._name} is "
            "truncated or damaged, or was not written by save()"
        )
