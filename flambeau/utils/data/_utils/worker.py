"""What runs in a worker process: fetch what is asked for, send it back, end with the parent."""

import os
import queue
import random
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import flambeau
from flambeau.utils.data._utils.failure import Failure
from flambeau.utils.data._utils.fetch import IterableFetcher
from flambeau.utils.data._utils.transport import Channel
from flambeau.utils.data._utils.worker_info import WorkerInfo, WorkerPlan, set_worker_info

_MASK32 = 0xFFFFFFFF


def run(connection, plan: WorkerPlan) -> None:
    """The whole life of a worker process.

    Args:
        connection: Its end of the socket to the parent.
        plan: What to do.
    """
    # Ctrl-C reaches the whole process group; the parent decides what becomes of its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        _Worker(Channel(connection), plan).live()
    except (BrokenPipeError, ConnectionResetError):
        os._exit(1)  # the parent is gone


class _Worker:
    def __init__(self, channel: Channel, plan: WorkerPlan):
        self._channel = channel
        self._plan = plan
        self._inbox = _Inbox(channel)
        self._fetcher: Any = None
        self._broken = self._attempt(lambda: _prepare(plan))

    def live(self) -> None:
        self._make_fetcher()
        while (message := self._inbox.get()) is not None:
            (kind, number), content = message
            if kind == "reset":
                self._make_fetcher()
            elif number >= self._inbox.first_wanted:
                self._channel.write(self._answer(number, content))

    def _make_fetcher(self) -> None:
        def make():
            self._fetcher = self._plan.make_fetcher()

        # A worker that could not start answers every question with the reason.
        self._broken = self._broken or self._attempt(make)

    def _attempt(self, action: Callable[[], None]) -> Failure | None:
        try:
            action()
        except BaseException as error:  # SystemExit too: the parent raises it
            return self._failure(error)
        return None

    def _answer(self, number: int, content):
        """The message that answers a question."""
        if self._broken is not None:
            return self._channel.pack(("failed", number), self._broken)
        index = None
        try:
            index = content.load()
            return self._channel.pack(("batch", number), self._fetcher.fetch(index))
        except BaseException as error:
            if isinstance(error, StopIteration) and isinstance(self._fetcher, IterableFetcher):
                return self._channel.pack(("ended", number))
            return self._channel.pack(("failed", number), self._failure(error, index))

    def _failure(self, error: BaseException, index=None) -> Failure:
        streaming = isinstance(self._fetcher, IterableFetcher)
        doing = "" if index is None or streaming else f"loading {describe_index(index)}"
        return Failure(error, f"in DataLoader worker process {self._plan.id}", doing)


class _Inbox:
    """Takes messages off the socket while the worker is busy, and ends it with its parent."""

    def __init__(self, channel: Channel):
        self.first_wanted = 0  # questions before this one are of an iteration that was given up
        self._channel = channel
        self._messages: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True, name="flambeau-inbox").start()

    def get(self):
        """The next message as a pair of tag and content; None when there will be no more."""
        return self._messages.get()

    def _read(self) -> None:
        try:
            while True:
                tag, content = self._channel.receive()
                if tag[0] == "stop":
                    break
                if tag[0] == "reset":
                    self.first_wanted = tag[1]
                self._messages.put((tag, content))
        except (EOFError, OSError):
            # The parent died without a word: nobody waits for what the worker is doing.
            os._exit(1)
        self._messages.put(None)


def _prepare(plan: WorkerPlan) -> None:
    seed = plan.base_seed + plan.id
    set_worker_info(WorkerInfo(plan.id, plan.num_workers, seed, plan.dataset))
    flambeau.set_num_threads(1)
    random.seed(seed)
    flambeau.manual_seed(seed)
    if "numpy" in sys.modules:
        import numpy

        # All words at once, and not their sum: workers of two loaders with neighbouring base seeds
        # must not share a stream.
        words = [plan.id, plan.base_seed & _MASK32, plan.base_seed >> 32, 0]
        numpy.random.seed(numpy.random.SeedSequence(words).generate_state(4))
    if plan.init_fn is not None:
        plan.init_fn(plan.id)


def describe_index(index) -> str:
    """The samples of a question, for messages."""
    text = repr(index)
    return f"sample(s) {text if len(text) <= 200 else text[:200] + '...'}"
