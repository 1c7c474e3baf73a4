"""The worker processes of one iterator, seen from the process that uses them."""

import multiprocessing
import os
import select
import signal
import socket
import sys
import time
import warnings
import weakref

from flambeau.utils.data._utils.transport import Channel, Content
from flambeau.utils.data._utils.worker import describe_index, run
from flambeau.utils.data._utils.worker_info import WorkerPlan

# How long workers may take to finish what they are doing before they are terminated, and killed.
_GRACE_SECONDS = 5.0
_TERMINATE_SECONDS = 1.0
# Ends of sockets that belong to this process. A child that inherited them would keep a worker
# alive after its parent's death, so every child closes them first.
_parent_ends: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()


def _close_parent_ends() -> None:
    for end in list(_parent_ends):
        end.close()


os.register_at_fork(after_in_child=_close_parent_ends)


class WorkerError(RuntimeError):
    """A worker process died or stalled."""


class WorkerTimeout(Exception):
    """The deadline has passed."""


class Worker(Channel):
    """A worker process and the connection to it.

    Args:
        context: The multiprocessing context to start it in.
        plan: What it is to do.
    """

    def __init__(self, context, plan: WorkerPlan):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        _parent_ends.add(ours)
        ours.setblocking(False)
        super().__init__(ours)
        self.id = plan.id
        self.questions: dict[int, object] = {}  # number of a question not answered yet, its index
        self.deadline = float("inf")
        self.process = context.Process(target=run, args=(theirs, plan), daemon=True)
        with warnings.catch_warnings():
            # The threads of the kernels survive a fork; of others the user must judge.
            warnings.filterwarnings("ignore", "This process .* is multi-threaded")
            self.process.start()
        theirs.close()

    def ask(self, number: int, index) -> None:
        """Asks for a batch."""
        self.questions[number] = index
        self._guard(self.send, ("fetch", number), index)

    def reset(self, first_wanted: int) -> None:
        """Makes it start over with its dataset; questions before `first_wanted` are void."""
        self.questions.clear()
        self._guard(self.send, ("reset", first_wanted))

    def answer(self) -> tuple[str, int, Content]:
        """The answer that has begun to arrive."""
        (kind, number), content = self._guard(self.receive)
        self.questions.pop(number, None)
        return kind, number, content

    def _guard(self, function, *args):
        try:
            return function(*args)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise self.death() from None

    def death(self) -> WorkerError:
        """What to raise when the process has ended and should not have."""
        self.process.join(_TERMINATE_SECONDS)
        code = self.process.exitcode
        how = ""
        if code is not None and code < 0:
            how = f" was killed by signal {_signal_name(-code)}"
            if -code == signal.SIGKILL:
                how += " (the system does that when memory runs out)"
        elif code is not None:
            how = f" ended with exit code {code}"
        return WorkerError(
            f"DataLoader worker (pid(s) {self.process.pid}) exited unexpectedly: "
            f"worker {self.id}{how}{self._doing()}"
        )

    def stall(self, timeout: float) -> WorkerError:
        """What to raise when it takes too long."""
        return WorkerError(
            f"DataLoader timed out after {timeout} seconds: worker {self.id} "
            f"(pid {self.process.pid}) did not answer{self._doing()}"
        )

    def _doing(self) -> str:
        if not self.questions:
            return ""
        return f" while loading {describe_index(next(iter(self.questions.values())))}"

    def _wait(self, events: int) -> None:
        wait_for([self], self.deadline, events)


def wait_for(workers: list[Worker], deadline: float, events: int = select.POLLIN) -> list[Worker]:
    """Waits for something to read (or, with `events`, for room to write).

    Args:
        workers: The workers to wait for.
        deadline: When to give up, by `time.monotonic()`.
        events: What to wait for.

    Returns:
        The workers that are ready.

    Raises:
        WorkerError: If one of them has died, and nothing it has sent is left.
        WorkerTimeout: At the deadline.
    """
    poll = select.poll()
    by_fd = {}
    for worker in workers:
        by_fd[worker.socket.fileno()] = worker
        by_fd[worker.process.sentinel] = worker
        poll.register(worker.socket, events)
        poll.register(worker.process.sentinel, select.POLLIN)
    remaining = max(0.0, deadline - time.monotonic())
    ready = poll.poll(None if remaining == float("inf") else remaining * 1000)
    if not ready:
        raise WorkerTimeout
    alive = [by_fd[fd] for fd, _ in ready if by_fd[fd].socket.fileno() == fd]
    if not alive:
        raise by_fd[ready[0][0]].death()
    return alive


class WorkerPool:
    """Starts workers, and sees to it that none outlives its use.

    Args:
        plans: One for each worker.
        context: The multiprocessing context, or None for the usual one.
    """

    def __init__(self, plans: list[WorkerPlan], context):
        self._pid = os.getpid()
        self.closed = False
        self.workers: list[Worker] = []
        context = context or _default_context()
        try:
            for plan in plans:
                self.workers.append(Worker(context, plan))
        except BaseException:
            self.close(grace=0)
            raise

    def require_owner(self) -> None:
        """Raises RuntimeError in a process that did not start the workers."""
        if os.getpid() != self._pid:
            raise RuntimeError(
                "DataLoader: an iterator with workers can only be used in the process that made it"
            )

    def close(self, grace: float = _GRACE_SECONDS) -> None:
        """Ends the workers: asked first, terminated after `grace` seconds, killed if need be."""
        if os.getpid() != self._pid:
            return  # a child has no say in its parent's workers
        self.closed = True
        workers, self.workers = self.workers, []
        for worker in workers:
            try:
                worker.deadline = 0  # do not wait for one that does not read
                worker.send(("stop", 0))
            except (OSError, RuntimeError, WorkerTimeout):
                worker.process.terminate()
            # One that is writing an answer nobody will read gets an error from it now.
            worker.close()
        limits = (
            (grace, lambda process: process.terminate()),
            (_TERMINATE_SECONDS, lambda process: process.kill()),
            (_TERMINATE_SECONDS, lambda process: None),
        )
        for seconds, escalate in limits:
            end = time.monotonic() + seconds
            for worker in workers:
                worker.process.join(max(0.0, end - time.monotonic()))
            for worker in workers:
                if worker.process.is_alive():
                    escalate(worker.process)
        for worker in workers:
            if not worker.process.is_alive():
                worker.process.close()


def _default_context():
    method = multiprocessing.get_start_method(allow_none=True)
    if method is None and sys.platform == "linux":
        method = "fork"  # datasets need not be picklable, and start at once
    return multiprocessing.get_context(method)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
