"""Profiles as tables: events with the same name together, sorted, with their share of the time."""

from __future__ import annotations

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any


class EventAverage:
    """Several events together: how often they ran, and for how long.

    Attributes:
        key: the name.
        count: how many calls.
        cpu_time_total, self_cpu_time_total: microseconds; self leaves the events inside out.
        cpu_memory_usage, self_cpu_memory_usage: bytes.

    Example:
        >>> with flambeau.autograd.profiler.profile() as measured:
        ...     _ = flambeau.ones(2).exp().exp()
        >>> {a.key: a.count for a in measured.key_averages()}["aten::exp"]
        2
    """

    def __init__(
        self,
        first: Any,
        shapes: str = "",
        place: str = "",
        module: str = "",
        *,
        name: str | None = None,
    ) -> None:
        self.key = first.name if name is None else name
        self.input_shapes = shapes
        self.stack = [place] if place else []
        self.module = module
        self.count = 0
        self.cpu_time_total = 0.0
        self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = 0
        self.self_cpu_memory_usage = 0

    def add(self, event: Any) -> EventAverage:
        """Adds an event, or another average."""
        self.count += event.count
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.cpu_memory_usage += event.cpu_memory_usage
        self.self_cpu_memory_usage += event.self_cpu_memory_usage
        return self

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    @property
    def cpu_time(self) -> float:
        """Microseconds of a call on average."""
        return self.cpu_time_total / self.count if self.count else 0.0

    def __repr__(self) -> str:
        return f"<EventAverage {self.key} count={self.count} cpu={self.cpu_time_total:.3f}us>"


_SORTABLE = (
    "count",
    "cpu_memory_usage",
    "cpu_time",
    "cpu_time_total",
    "self_cpu_memory_usage",
    "self_cpu_time_total",
)


class EventList(list):  # type: ignore[type-arg]
    """Events, or averages of them, that print as a table.

    Example:
        >>> with flambeau.autograd.profiler.profile() as measured:
        ...     _ = flambeau.ones(2).exp()
        >>> "aten::exp" in measured.events().table()
        True
    """

    def total_average(self) -> EventAverage:
        """All of them together."""
        total = EventAverage(None, name="Total")
        for event in self:
            total.add(event)
        return total

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds in all of them."""
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_name_column_width: int = 55,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """The table.

        Args:
            sort_by: "count", "cpu_time", "cpu_time_total", "self_cpu_time_total",
                "cpu_memory_usage" or "self_cpu_memory_usage", largest first; None keeps the order.
            row_limit: how many rows; -1 for all.
            max_name_column_width: longer names are cut.
            header: a line above.
            top_level_events_only: leave out events inside others.

        Raises:
            AttributeError: for another `sort_by`.
        """
        rows = list(self)
        if sort_by is not None:
            if sort_by not in _SORTABLE:
                raise AttributeError(f"'EventAverage' object has no attribute '{sort_by}'")
            rows.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        if top_level_events_only:
            inside = {id(child) for event in self for child in getattr(event, "cpu_children", ())}
            rows = [event for event in rows if id(event) not in inside]
        total = self.self_cpu_time_total
        columns = _columns(rows, total, max_name_column_width)
        shown = rows if row_limit < 0 else rows[:row_limit]
        cells = [[title for title, _ in columns]]
        cells += [[show(event) for _, show in columns] for event in shown]
        widths = [max(len(row[k]) for row in cells) + 2 for k in range(len(columns))]
        rule = "  ".join("-" * width for width in widths)
        lines = ["  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
        text = [header] if header else []
        text += [rule, lines[0], rule, *lines[1:], rule, f"Self CPU time total: {_time(total)}"]
        return "\n".join(text) + "\n"

    def __str__(self) -> str:
        return self.table()


def _columns(rows: list[Any], total: float, width: int) -> list[tuple[str, Any]]:
    def share(value: float) -> str:
        return f"{100 * value / total:.2f}%" if total else "0.00%"

    def name(event: Any) -> str:
        text: str = event.key
        return text if width < 4 or len(text) <= width else text[: width - 3] + "..."

    columns: list[tuple[str, Any]] = [
        ("Name", name),
        ("Self CPU %", lambda e: share(e.self_cpu_time_total)),
        ("Self CPU", lambda e: _time(e.self_cpu_time_total)),
        ("CPU total %", lambda e: share(e.cpu_time_total)),
        ("CPU total", lambda e: _time(e.cpu_time_total)),
        ("CPU time avg", lambda e: _time(e.cpu_time_total / e.count)),
    ]
    if any(event.cpu_memory_usage for event in rows):
        columns.append(("CPU Mem", lambda e: _memory(e.cpu_memory_usage)))
        columns.append(("Self CPU Mem", lambda e: _memory(e.self_cpu_memory_usage)))
    columns.append(("# of Calls", lambda e: str(e.count)))
    if any(event.input_shapes for event in rows):
        columns.append(("Input Shapes", lambda e: str(e.input_shapes)))
    if any(event.module for event in rows):
        columns.append(("Module", lambda e: e.module))
    return columns


def _time(microseconds: float) -> str:
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3f}s"
    if microseconds >= 1e3:
        return f"{microseconds / 1e3:.3f}ms"
    return f"{microseconds:.3f}us"


def _memory(count: int) -> str:
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)):
        if abs(count) >= size:
            return f"{count / size:.2f} {unit}"
    return f"{count} B"
