"""Measuring programs: every operation and backward node, with its time, shapes, module and memory.

While no profiler runs, operations are not watched and cost nothing more.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from time import perf_counter_ns

from flambeau import _C
from flambeau.autograd.profile_table import EventAverage, EventList
from flambeau.core import events
from flambeau.core.grad_mode import _Mode
from flambeau.core.places import module_path, user_line
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any

_running: list[profile] = []


class FunctionEvent:
    """One call that was measured.

    Attributes:
        name: `aten::mul`, `MulBackward0`, or the name given to `record_function`.
        kind: "operation", "backward" or "user".
        start, end: in nanoseconds.
        thread: the thread's number.
        input_shapes: shapes of the arguments, if they were asked for.
        module: path of the module that ran, if that was asked for.
        place: line of the program, if that was asked for.
        self_cpu_memory_usage: bytes allocated, less those freed, since the event before ended.

    Example:
        >>> with flambeau.autograd.profiler.profile() as measured:
        ...     _ = flambeau.ones(2).exp()
        >>> [event.name for event in measured.events() if event.kind == "operation"]
        ['aten::exp']
    """

    __slots__ = (
        "_children_time",
        "cpu_children",
        "end",
        "input_shapes",
        "kind",
        "module",
        "name",
        "place",
        "self_cpu_memory_usage",
        "start",
        "thread",
    )

    def __init__(self, name: str, kind: str, start: int, end: int) -> None:
        self.name = name
        self.kind = kind
        self.start = start
        self.end = end
        self.thread = get_ident()
        self.input_shapes: list[Any] = []
        self.module = ""
        self.place = ""
        self.self_cpu_memory_usage = 0
        self.cpu_children: list[FunctionEvent] = []
        self._children_time = 0

    @property
    def key(self) -> str:
        """The name."""
        return self.name

    @property
    def count(self) -> int:
        """1: an event is one call."""
        return 1

    @property
    def cpu_time_total(self) -> float:
        """Microseconds from start to end."""
        return (self.end - self.start) / 1000

    cpu_time = cpu_time_total

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds outside the events inside this one."""
        return (self.end - self.start - self._children_time) / 1000

    @property
    def cpu_memory_usage(self) -> int:
        """Bytes allocated in this event and those inside it."""
        return self.self_cpu_memory_usage + sum(c.cpu_memory_usage for c in self.cpu_children)

    def adopt(self, child: FunctionEvent) -> None:
        """Notes an event that happened inside this one."""
        self.cpu_children.append(child)
        self._children_time += child.end - child.start

    def __repr__(self) -> str:
        return f"<FunctionEvent {self.name} {self.cpu_time_total:.3f}us>"


class profile:
    """Measures what runs in the block.

    Args:
        enabled: False measures nothing.
        record_shapes: keep the shapes of arguments.
        profile_memory: keep how many bytes each call allocated.
        with_stack: keep the line of the program.
        with_modules: keep the path of the module.

    Example:
        >>> x = flambeau.ones(3, requires_grad=True)
        >>> with flambeau.autograd.profiler.profile() as prof:
        ...     (x * 2).sum().backward()
        >>> [a.key for a in prof.key_averages() if a.key.endswith("Backward0")]
        ['SumBackward0', 'MulBackward0']
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cpu: bool = True,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
    ) -> None:
        self.enabled = enabled and use_cpu
        self.record_shapes = record_shapes
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.started = self.ended = 0
        self._events: list[FunctionEvent] = []
        self._allocated = 0

    def __enter__(self) -> profile:
        if self.enabled:
            self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self.enabled:
            self.stop()

    @classmethod
    def joined(cls, several: list[profile]) -> profile:
        """A profile with the events of several."""
        made = cls()
        made.started = min(p.started for p in several)
        made._events = [event for p in several for event in p._events]
        return made

    def start(self) -> None:
        """Begins to measure."""
        self.started = perf_counter_ns()
        self._allocated = _allocated() if self.profile_memory else 0
        _running.append(self)
        events.operations.add(self._after_operation)
        events.gradients.add(self._after_node)
        if self.with_modules:
            events.recorded.add(_remember_module)

    def stop(self) -> None:
        """Ends measuring, and sorts which event was inside which."""
        events.operations.remove(self._after_operation)
        events.gradients.remove(self._after_node)
        events.recorded.remove(_remember_module)
        _running.remove(self)
        self.ended = perf_counter_ns()
        _nest(self._events)

    def _after_operation(
        self, op: Any, arguments: tuple[Any, ...], result: Any, started: int, inplace: bool
    ) -> None:
        event = FunctionEvent(
            f"aten::{op.name}{'_' * inplace}", "operation", started, perf_counter_ns()
        )
        if self.record_shapes:
            event.input_shapes = _shapes(arguments)
        self._add(event)

    def _after_node(
        self, node: Any, outgoing: tuple[Any, ...], incoming: tuple[Any, ...], started: int
    ) -> None:
        event = FunctionEvent(node.name(), "backward", started, perf_counter_ns())
        if self.record_shapes:
            event.input_shapes = _shapes(incoming)
        event.module = node.metadata.get("module_path", "")
        self._add(event)

    def _add(self, event: FunctionEvent) -> None:
        if not event.start:
            event.start = event.end  # began before this profiler did
        frame = sys._getframe(2)
        if self.with_modules and not event.module:
            event.module = module_path(frame)
        if self.with_stack:
            event.place = user_line(frame)
        if self.profile_memory:
            now = _allocated()
            event.self_cpu_memory_usage = now - self._allocated
            self._allocated = now
        self._events.append(event)

    # ---- what was found ----

    def events(self) -> EventList:
        """All events, in the order in which they began."""
        return EventList(sorted(self._events, key=lambda e: (e.start, -e.end)))

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_module: bool = False,
    ) -> EventList:
        """The events with the same name together.

        Args:
            group_by_input_shape: also apart by shapes of arguments.
            group_by_stack_n: if positive, also apart by line of the program.
            group_by_module: also apart by module.
        """
        groups: dict[Any, EventAverage] = {}
        for event in self.events():
            key = (
                event.name,
                str(event.input_shapes) if group_by_input_shape else "",
                event.place if group_by_stack_n > 0 else "",
                event.module if group_by_module else "",
            )
            groups.setdefault(key, EventAverage(event, *key[1:])).add(event)
        return EventList(groups.values())

    def module_averages(self) -> EventList:
        """The events of each module together, under its path; modules inside it are apart."""
        groups: dict[str, EventAverage] = {}
        for event in self.events():
            if event.kind != "user":
                groups.setdefault(event.module, EventAverage(event, name=event.module)).add(event)
        return EventList(groups.values())

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """The table of all events."""
        return self.events().table(sort_by=sort_by, row_limit=row_limit, **options)

    def total_average(self) -> EventAverage:
        """All events together."""
        return self.key_averages().total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds inside events."""
        return sum(event.self_cpu_time_total for event in self._events)

    def export_chrome_trace(self, path: str) -> None:
        """Writes the events for `chrome://tracing` or Perfetto, gzipped if the name ends in .gz."""
        import json

        records = [
            {
                "ph": "X",
                "cat": {"operation": "cpu_op", "backward": "cpu_op", "user": "user_annotation"}[
                    event.kind
                ],
                "name": event.name,
                "pid": 0,
                "tid": event.thread,
                "ts": (event.start - self.started) / 1000,
                "dur": event.cpu_time_total,
                "args": {
                    name: value
                    for name, value in (
                        ("Input Dims", event.input_shapes),
                        ("Module", event.module),
                        ("Call stack", event.place),
                        ("Bytes", event.cpu_memory_usage),
                    )
                    if value
                },
            }
            for event in self.events()
        ]
        text = json.dumps({"displayTimeUnit": "ms", "traceEvents": records})
        if str(path).endswith(".gz"):
            import gzip

            with gzip.open(path, "wt", encoding="utf-8") as packed:
                packed.write(text)
            return
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


class record_function(_Mode):
    """Gives a block, or a decorated function, a name in the profile.

    Args:
        name: the name.
        args: text that is kept with it.

    Example:
        >>> with flambeau.autograd.profiler.profile() as measured:
        ...     with flambeau.autograd.profiler.record_function("step"):
        ...         pass
        >>> [event.name for event in measured.events()]
        ['step']
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args

    def __enter__(self) -> record_function:  # type: ignore[override]
        self._start = perf_counter_ns()
        return self

    def __exit__(self, *exc: object) -> None:
        for profiler in _running:
            profiler._add(FunctionEvent(self.name, "user", self._start, perf_counter_ns()))

    def _fresh(self) -> record_function:
        return type(self)(self.name, self.args)


def _remember_module(node: Any) -> None:
    """Backward belongs to the module whose forward recorded it."""
    node.metadata["module_path"] = module_path(sys._getframe(1))


def _allocated() -> int:
    allocated: int = _C.allocator_stats()["allocated"]
    return allocated


def _shapes(values: Any) -> list[Any]:
    return [
        list(v.shape)
        if isinstance(v, Tensor)
        else [list(t.shape) for t in v if isinstance(t, Tensor)]
        if isinstance(v, (list, tuple))
        else []
        for v in values
    ]


def _nest(found: list[FunctionEvent]) -> None:
    """Puts each event into the innermost one of its thread that was running."""
    open_events: dict[int, list[FunctionEvent]] = {}
    for event in sorted(found, key=lambda e: (e.start, -e.end)):
        around = open_events.setdefault(event.thread, [])
        while around and around[-1].end < event.end:
            around.pop()
        if around:
            around[-1].adopt(event)
        around.append(event)


__all__ = ["EventList", "FunctionEvent", "profile", "record_function"]
