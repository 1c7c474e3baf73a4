"""Messages between processes whose tensors and arrays travel in shared memory.

A message is pickled; the memory of its tensors and arrays is left out of the pickle and put beside
it. Small ones follow in the socket. Larger ones go into a segment: an anonymous file that both
processes map, so that the receiver's tensors lie where the sender wrote them. The receiver tells
when it no longer uses a segment, and the sender uses it again: its pages are in place by then.

Segments have no names. When the processes are gone, in whatever way, so is the memory.
"""

import collections
import ctypes
import io
import itertools
import mmap
import os
import pickle
import select
import socket
import struct
import threading
import weakref
from typing import NamedTuple

import flambeau
from flambeau.serialization._tensors import (
    element_span,
    storage_memory,
    storage_over,
    view_storage,
)

# Below this the socket is faster than bookkeeping for shared memory.
INLINE_BYTES = 64 * 1024
# Segments that the receiver's tensors may hold at a time. Further messages are copied out of theirs
# on arrival, which bounds open files and shared memory for those who keep every batch.
MAX_HELD = 32
_ALIGNMENT = 64

# Sizes of the head and of the buffers that follow it.
_PREFIX = struct.Struct("<QQ")


class Channel:
    """One end of a connection between two processes.

    One thread may send while another receives.

    Args:
        connection: A connected stream socket of the Unix family.
    """

    def __init__(self, connection: socket.socket):
        self.socket = connection
        self._outgoing = _SegmentPool()
        self._incoming: dict[int, mmap.mmap] = {}
        self._held: set[int] = set()
        # Filled by finalizers, which may run in any thread at any time.
        self._released: collections.deque[int] = collections.deque()

    def send(self, tag: tuple, content=None) -> None:
        """Sends a message: `write(pack(tag, content))`."""
        self.write(self.pack(tag, content))

    def pack(self, tag: tuple, content=None) -> "Message":
        """Makes a message, which must be written then.

        Args:
            tag: What the message is about: a tuple of plain values.
            content: Any object that can be pickled, tensors anywhere in it.

        Raises:
            Exception: Whatever pickling raises.
        """
        body, buffers = _dump(content)
        spans, total = _layout(buffers)
        segment = None
        retired: tuple[int, ...] = ()
        if total > INLINE_BYTES:
            segment, retired = self._outgoing.take(total)
            target = memoryview(segment.memory)
        else:
            target = memoryview(bytearray(total))
        for (start, size), buffer in zip(spans, buffers, strict=True):
            target[start : start + size] = buffer
        reference = segment and (segment.number, len(segment.memory), total)
        head = pickle.dumps((tag, body, spans, reference, retired, self._take_released()))
        tail = b"" if segment else target
        return Message(_PREFIX.pack(len(head), len(tail)) + head, tail, segment)

    def write(self, message: "Message") -> None:
        """Sends a message that is packed.

        Raises:
            OSError: If the other end is gone.
        """
        self._write(message.head, message.segment and message.segment.take_fd())
        self._write(message.tail)

    def receive(self) -> tuple[tuple, "Content"]:
        """Waits for a message.

        Returns:
            The tag, and the content, yet to be unpickled.

        Raises:
            EOFError: If the other end is gone.
        """
        head_size, tail_size, fd = self._read_prefix()
        head = self._read(head_size)
        tail = self._read(tail_size)
        tag, body, spans, reference, retired, released = pickle.loads(head)
        self._outgoing.give_back(released)
        for number in retired:
            self._incoming.pop(number, None)
        if reference is not None:
            number, size, used = reference
            if fd is not None:
                self._incoming[number] = mmap.mmap(fd, size)
                os.close(fd)
            elif number not in self._incoming:
                raise OSError(
                    "the file of a shared memory segment was not delivered: this process has too "
                    "many open files (see ulimit -n)"
                )
            tail = self._open(number, used)
        return tag, Content(body, [tail[start : start + size] for start, size in spans])

    def close(self) -> None:
        """Closes the connection. Received tensors stay valid."""
        self.socket.close()
        self._incoming.clear()

    def _open(self, number: int, used: int) -> memoryview:
        """The bytes of a message in a segment, to be released when the last tensor is gone."""
        segment = self._incoming[number]
        if len(self._held) >= MAX_HELD:
            copy = bytearray(memoryview(segment)[:used])
            self._released.append(number)
            return memoryview(copy)
        lease = (ctypes.c_ubyte * used).from_buffer(segment)
        self._held.add(number)
        weakref.finalize(lease, _release, self._held, self._released, number).atexit = False
        return memoryview(lease).cast("B")

    def _take_released(self) -> list[int]:
        return [self._released.popleft() for _ in range(len(self._released))]

    def _write(self, data, fd: int | None = None) -> None:
        view = memoryview(data)
        while view:
            try:
                if fd is None:
                    sent = self.socket.send(view)
                else:
                    sent = socket.send_fds(self.socket, [view], [fd])
                    os.close(fd)
                    fd = None
            except BlockingIOError:
                self._wait(select.POLLOUT)
            else:
                view = view[sent:]

    def _read_prefix(self) -> tuple[int, int, int | None]:
        while True:
            try:
                start, fds, _, _ = socket.recv_fds(
                    self.socket, _PREFIX.size, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
                )
                break
            except BlockingIOError:
                self._wait(select.POLLIN)
        if not start:
            raise EOFError
        rest = self._read(_PREFIX.size - len(start))
        head_size, tail_size = _PREFIX.unpack(start + bytes(rest))
        return head_size, tail_size, fds[0] if fds else None

    def _read(self, size: int) -> memoryview:
        whole = memoryview(bytearray(size))
        rest = whole
        while rest:
            try:
                count = self.socket.recv_into(rest)
            except BlockingIOError:
                self._wait(select.POLLIN)
            else:
                if count == 0:
                    raise EOFError
                rest = rest[count:]
        return whole

    def _wait(self, events: int) -> None:
        """Called where a socket that does not block cannot go on."""
        poll = select.poll()
        poll.register(self.socket, events)
        poll.poll()


class Message(NamedTuple):
    """A message as it goes through the socket."""

    head: bytes
    tail: bytes | memoryview
    segment: "_Segment | None"


class Content:
    """The content of a message that has arrived, unpickled when it is asked for."""

    def __init__(self, body: bytes, buffers: list[memoryview]):
        self._body = body
        self._buffers = buffers

    def load(self):
        """The object. Raises what unpickling raises."""
        return pickle.loads(self._body, buffers=self._buffers)


def _release(held: set, released: collections.deque, number: int) -> None:
    held.discard(number)
    released.append(number)


def _dump(content) -> tuple[bytes, list[memoryview]]:
    """The pickle, and the buffers left out of it."""
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(content)
    return file.getvalue(), [buffer.raw() for buffer in buffers]


def _layout(buffers: list[memoryview]) -> tuple[list[tuple[int, int]], int]:
    """Start and size of each buffer in one aligned run of bytes, and the size of it all."""
    spans = []
    end = 0
    for buffer in buffers:
        spans.append((end, len(buffer)))
        end += -(-len(buffer) // _ALIGNMENT) * _ALIGNMENT
    return spans, end


class _Pickler(pickle.Pickler):
    """Leaves the memory of tensors out of the pickle, as protocol 5 does for arrays."""

    def reducer_override(self, value):
        if not isinstance(value, flambeau.Tensor):
            return NotImplemented
        if value.requires_grad and not value.is_leaf:
            raise RuntimeError(
                "a tensor that requires grad and is not a leaf cannot leave its process, since "
                "autograd does not reach across: detach() it first"
            )
        if value.device.type != "cpu":
            raise RuntimeError(
                f"a tensor on device {value.device} cannot leave its process: move it to the CPU"
            )
        data = value.detach().resolve_conj().resolve_neg()
        if element_span(data.shape, data.stride()) > data.numel():
            data = data.contiguous()
        width = data.element_size()
        start = data.storage_offset() * width
        end = start + element_span(data.shape, data.stride()) * width
        memory = storage_memory(data.untyped_storage())[start:end]
        layout = (tuple(data.shape), tuple(data.stride()))
        kind = type(value)
        attributes = getattr(value, "__dict__", None) or None
        return _rebuild, (
            pickle.PickleBuffer(memory),
            data.dtype,
            layout,
            value.requires_grad,
            None if kind is flambeau.Tensor else kind,
            attributes,
        )


def _rebuild(buffer, dtype, layout, requires_grad: bool, kind: type | None, attributes):
    tensor = view_storage(storage_over(buffer), dtype, *layout)
    if kind is not None:
        tensor = flambeau.Tensor._make_subclass(kind, tensor, requires_grad)
    elif requires_grad:
        tensor.requires_grad_()
    for name, attribute in (attributes or {}).items():
        setattr(tensor, name, attribute)
    return tensor


class _Segment:
    """An anonymous file, mapped."""

    def __init__(self, number: int, size: int):
        self.number = number
        self._fd: int | None = _anonymous_file(size)
        self.memory = mmap.mmap(self._fd, size)

    def take_fd(self) -> int | None:
        """The file, once: the caller closes it."""
        fd, self._fd = self._fd, None
        return fd


class _SegmentPool:
    """Segments to write messages into: those that came back first, new ones otherwise."""

    def __init__(self):
        self._numbers = itertools.count()
        self._free: dict[int, _Segment] = {}
        self._busy: dict[int, _Segment] = {}
        self._lock = threading.Lock()

    def take(self, size: int) -> tuple[_Segment, tuple[int, ...]]:
        """A segment of at least `size` bytes, and the numbers of segments given up for it."""
        retired: tuple[int, ...] = ()
        with self._lock:
            fitting = [s for s in self._free.values() if len(s.memory) >= size]
            if fitting:
                segment = min(fitting, key=lambda s: len(s.memory))
                del self._free[segment.number]
            else:
                # One that is too small will be so again: batches mostly have one size.
                if self._free:
                    retired = (self._free.popitem()[0],)
                page = mmap.PAGESIZE
                segment = _Segment(next(self._numbers), -(-size // page) * page)
            self._busy[segment.number] = segment
        return segment, retired

    def give_back(self, numbers: list[int]) -> None:
        """The receiver no longer uses these."""
        with self._lock:
            for number in numbers:
                self._free[number] = self._busy.pop(number)


def _anonymous_file(size: int) -> int:
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("flambeau")
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:  # has no name once it is open
            fd = os.dup(file.fileno())
    os.ftruncate(fd, size)
    return fd
