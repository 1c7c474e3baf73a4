"""Profiling: tables per operation, shape and module, Chrome traces, schedules, memory by owner."""

from __future__ import annotations

from enum import Enum

from flambeau.autograd import profiler as _base
from flambeau.autograd.profiler import record_function
from flambeau.profiler.memory import MemoryReport, memory_by_owner


class ProfilerActivity(Enum):
    """Kinds of devices that can be profiled.

    Example:
        >>> flambeau.profiler.ProfilerActivity.CPU in flambeau.profiler.supported_activities()
        True
    """

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a profiler does in a step.

    Example:
        >>> plan = flambeau.profiler.schedule(wait=1, warmup=1, active=1)
        >>> [plan(step).name for step in range(3)]
        ['NONE', 'WARMUP', 'RECORD_AND_SAVE']
    """

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities():
    """The kinds of devices that this build can profile.

    Returns:
        A set of `ProfilerActivity`.

    Example:
        >>> [activity.name for activity in flambeau.profiler.supported_activities()]
        ['CPU']
    """
    return {ProfilerActivity.CPU}


def schedule(*, wait, warmup, active, repeat=0, skip_first=0, skip_first_wait=0):
    """What to do in which step: wait, warm up, record, and again.

    Args:
        wait: steps of a cycle without profiling.
        warmup: steps that are run but not kept.
        active: steps that are kept.
        repeat: how many cycles; 0 for no end.
        skip_first: steps before the first cycle.
        skip_first_wait: 1 leaves `wait` out of the first cycle.

    Returns:
        A function from the number of the step to a `ProfilerAction`.

    Example:
        >>> plan = flambeau.profiler.schedule(wait=1, warmup=1, active=2)
        >>> [plan(step).name for step in range(5)]
        ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if wait < 0 or warmup < 0 or active <= 0 or repeat < 0 or skip_first < 0:
        raise ValueError(
            "schedule: wait, warmup, repeat and skip_first must not be negative, active positive"
        )

    def action(step):
        step -= skip_first
        if step < 0:
            return ProfilerAction.NONE
        if skip_first_wait:
            step += wait
        cycle = wait + warmup + active
        if repeat and step >= repeat * cycle:
            return ProfilerAction.NONE
        at = step % cycle
        if at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD_AND_SAVE if at == cycle - 1 else ProfilerAction.RECORD

    return action


def _always(step):
    return ProfilerAction.RECORD


def tensorboard_trace_handler(dir_name, worker_name=None, use_gzip=False):
    """An `on_trace_ready` that writes each trace into a folder.

    Args:
        dir_name: the folder, made if it is not there.
        worker_name: first part of the files' names; the machine and process by default.
        use_gzip: compress the files.

    Returns:
        A function of the profiler.

    Example:
        >>> import os
        >>> write = flambeau.profiler.tensorboard_trace_handler("traces", worker_name="me")
        >>> with flambeau.profiler.profile(on_trace_ready=write):
        ...     _ = flambeau.ones(2).exp()
        >>> len(os.listdir("traces"))
        1
    """
    import os
    import socket
    import time

    def write(profiler):
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        ending = "pt.trace.json.gz" if use_gzip else "pt.trace.json"
        name = f"{worker}.{time.time_ns()}.{ending}"
        profiler.export_chrome_trace(os.path.join(dir_name, name))

    return write


class profile:
    """Measures what runs in the block, all of it or by a schedule of steps.

    Args:
        activities: kinds of devices; only the CPU is measured.
        schedule: what to do in which step, see `schedule`; without it all is recorded.
        on_trace_ready: called with the profiler when a cycle of the schedule, or the block, ends.
        record_shapes: keep the shapes of arguments.
        profile_memory: keep how many bytes each call allocated.
        with_stack: keep the line of the program.
        with_modules: keep the path of the module.
        acc_events: keep the events of earlier cycles.

    Example:
        >>> from flambeau.profiler import ProfilerActivity, profile, record_function
        >>> with profile(activities=[ProfilerActivity.CPU]) as prof:
        ...     with record_function("mine"):
        ...         _ = flambeau.ones(3) * 2
        >>> table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=10)
        >>> "aten::mul" in table and "mine" in table
        True
    """

    def __init__(
        self,
        *,
        activities=None,
        schedule=None,
        on_trace_ready=None,
        record_shapes=False,
        profile_memory=False,
        with_stack=False,
        with_modules=False,
        acc_events=False,
    ):
        self.activities = set(activities or supported_activities())
        self.schedule = schedule or _always
        self.on_trace_ready = on_trace_ready
        self.acc_events = acc_events
        self.step_num = 0
        self._options = {
            "record_shapes": record_shapes,
            "profile_memory": profile_memory,
            "with_stack": with_stack,
            "with_modules": with_modules,
        }
        self._current = None  # the recorder that runs
        self._finished = []
        self._action = ProfilerAction.NONE

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    def start(self):
        """Begins with step 0."""
        self._enter(self.schedule(self.step_num))

    def step(self):
        """Tells that the next step of the program begins."""
        self._leave(finished=self._action is ProfilerAction.RECORD_AND_SAVE)
        self.step_num += 1
        self._enter(self.schedule(self.step_num))

    def stop(self):
        """Ends measuring; what was recorded stays readable."""
        self._leave(finished=self._current is not None)

    def _enter(self, action):
        self._action = action
        recording = action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if recording and self._current is None:
            self._current = _base.profile(**self._options)
            self._current.start()

    def _leave(self, finished):
        if self._current is None or not finished:
            return
        self._current.stop()
        self._finished = [*self._finished, self._current] if self.acc_events else [self._current]
        self._current = None
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    # ---- what was found ----

    def _result(self):
        """The recorder to read: of several, one with the events of all."""
        found = self._finished or ([self._current] if self._current is not None else [])
        if not found:
            raise RuntimeError("profile: nothing was recorded")
        if len(found) == 1:
            return found[0]
        return _base.profile.joined(found)

    def events(self):
        """All events, in the order in which they began."""
        return self._result().events()

    def key_averages(self, group_by_input_shape=False, group_by_stack_n=0, group_by_module=False):
        """The events with the same name together, if wanted apart by shapes, line or module."""
        return self._result().key_averages(group_by_input_shape, group_by_stack_n, group_by_module)

    def module_averages(self):
        """The events of each module together (`with_modules=True`)."""
        return self._result().module_averages()

    def export_chrome_trace(self, path):
        """Writes the events for `chrome://tracing` or Perfetto."""
        self._result().export_chrome_trace(path)


__all__ = [
    "MemoryReport",
    "ProfilerAction",
    "ProfilerActivity",
    "memory_by_owner",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]
