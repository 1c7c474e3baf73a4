"""Measuring one library beside another: pairs of samples, rows, the table and the JSON record.

A row is one function of a module ``T`` (flambeau or torch) that prepares its inputs and returns
the step to time, so both libraries run the very same code. The two are timed in turns within one
process; what is reported is the median over the pairs of (subject's time / reference's time),
which a slow spell of the machine moves far less than either time alone.
"""

from __future__ import annotations

import datetime
import gc
import importlib
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from importlib import metadata
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

Step = Callable[[], Any]
Make = Callable[[ModuleType], Step]

SHORTEST_SAMPLE = 2e-3  # seconds; below it the clock and the scheduler show in the figures


@dataclass(frozen=True)
class Settings:
    """How to measure: the two libraries, their threads, and the time to spend on a row."""

    subject: str = "flambeau"
    reference: str = "torch"
    threads: int = 2
    seconds: float = 1.5
    pairs: int = 9

    def quick(self) -> Settings:
        """The same measurement for a first look: fewer pairs, no padding with more of them."""
        return Settings(self.subject, self.reference, self.threads, seconds=0.2, pairs=3)


@dataclass
class Measurement:
    """Samples of both libraries, pair by pair, in the row's unit."""

    subject: list[float]
    reference: list[float]
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Median of the pairs' ratios."""
        return statistics.median(self.ratios)

    @property
    def ratios(self) -> list[float]:
        """Subject over reference for each pair."""
        return [a / b for a, b in zip(self.subject, self.reference, strict=True)]


@dataclass(frozen=True)
class Row:
    """One line of the table: its name, the largest ratio wanted, and how to measure it."""

    name: str
    at_most: float
    measure: Callable[[Settings], Measurement] = field(repr=False)


@dataclass
class Result:
    """A row's outcome: a measurement, or the error that kept it from being taken."""

    row: Row
    measurement: Measurement | None = None
    error: str = ""

    @property
    def verdict(self) -> str:
        """``pass``, ``miss`` or ``error``."""
        if self.measurement is None:
            return "error"
        return "pass" if self.measurement.ratio <= self.row.at_most else "miss"


ROWS: dict[str, Row] = {}


def add_row(row: Row) -> None:
    """Puts a row into the table; the order of registration is the order of printing.

    Raises:
        ValueError: A row of that name exists.
    """
    if row.name in ROWS:
        raise ValueError(f"benchmark row {row.name!r} is registered twice")
    ROWS[row.name] = row


def row(name: str, at_most: float, calls: int = 1) -> Callable[[Make], Make]:
    """Registers a function ``make(T) -> step`` as a timed row.

    Args:
        name: The row's name in the table and for ``--rows``.
        at_most: The largest ratio wanted.
        calls: How many operations one step makes; times are given per operation.

    Returns:
        A decorator that leaves ``make`` as it is.
    """

    def register(make: Make) -> Make:
        add_row(Row(name, at_most, lambda settings: time_pairs(make, settings, calls)))
        return make

    return register


def select(patterns: Iterable[str]) -> list[Row]:
    """The rows with one of these names, or that match one as a shell pattern, in table order.

    Raises:
        ValueError: A pattern matches no row.
    """
    chosen = set()
    for pattern in patterns:
        found = {name for name in ROWS if name == pattern or fnmatchcase(name, pattern)}
        if not found:
            raise ValueError(f"no benchmark row matches {pattern!r}")
        chosen |= found
    return [r for r in ROWS.values() if r.name in chosen]


def time_pairs(make: Make, settings: Settings, calls: int = 1) -> Measurement:
    """Times ``make``'s step in both libraries, alternately, each pair in the other order.

    Args:
        make: Prepares the inputs with the given library and returns the step.
        settings: What to compare and for how long.
        calls: Operations per step.

    Returns:
        Seconds per operation of each pair.

    Raises:
        AssertionError: The two libraries' first results differ.
    """
    sides = [_Side(make, name, settings.threads) for name in (settings.subject, settings.reference)]
    require_agreement(sides[0].first, sides[1].first)
    for side in sides:
        side.calibrate()
    # What setting up left behind is no business of the samples; collections within them are.
    gc.collect()
    gc.freeze()
    try:
        stop = time.perf_counter() + settings.seconds
        pairs = 0
        while pairs < settings.pairs or time.perf_counter() < stop:
            for side in sides if pairs % 2 == 0 else reversed(sides):
                side.sample()
            pairs += 1
    finally:
        gc.unfreeze()
    subject, reference = ([s / calls for s in side.samples] for side in sides)
    return Measurement(subject, reference)


class _Side:
    """One library's half of a row."""

    def __init__(self, make: Make, library: str, threads: int) -> None:
        module = importlib.import_module(library)
        module.set_num_threads(threads)
        module.manual_seed(0)
        self.step = make(module)
        self.first = to_numpy(self.step())
        self.repeat = 1
        self.samples: list[float] = []

    def calibrate(self) -> None:
        """Warms up and finds how many steps make a sample long enough for the clock.

        The fastest of three runs counts: a slow first one (threads start, pages are faulted in)
        would make every sample a single step right after the pause, which is another measurement.
        """
        while (elapsed := min(self._run() for _ in range(3))) < SHORTEST_SAMPLE / self.repeat:
            self.repeat = max(self.repeat * 2, round(1.2 * SHORTEST_SAMPLE / max(elapsed, 1e-9)))

    def sample(self) -> None:
        """Takes one sample, once the other library's threads have stopped spinning."""
        time.sleep(1e-2)
        if self.repeat > 1:
            self.step()
        self.samples.append(self._run())

    def _run(self) -> float:
        step = self.step
        start = time.perf_counter()
        for _ in range(self.repeat):
            step()
        return (time.perf_counter() - start) / self.repeat


def to_numpy(value: Any) -> Any:
    """A step's result as NumPy arrays: tensors alone or in tuples; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(to_numpy(v) for v in value)
    if hasattr(value, "detach"):
        if str(value.dtype) == "torch.bfloat16":  # unknown to NumPy
            value = value.float()
        # A copy: the next step may write into the tensor's memory.
        return value.detach().numpy().copy()
    return value


def require_agreement(subject: Any, reference: Any) -> None:
    """Refuses to time two steps that compute different things.

    Raises:
        AssertionError: Values differ by more than the rounding of a long float32 sum.
    """
    import numpy

    if isinstance(subject, tuple):
        for a, b in zip(subject, reference, strict=True):
            require_agreement(a, b)
    elif isinstance(subject, numpy.ndarray):
        if subject.shape != reference.shape:
            raise AssertionError(f"results of shapes {subject.shape} and {reference.shape}")
        scale = numpy.abs(reference).max(initial=0)
        if not numpy.allclose(subject, reference, rtol=1e-3, atol=1e-3 * scale):
            worst = numpy.abs(subject - reference).max() / scale
            raise AssertionError(f"results differ by {worst:.2g} of the largest value")


def run(rows: Iterable[Row], settings: Settings, report: Callable[[Result], None]) -> list[Result]:
    """Measures the rows one after another; a row that fails does not keep the next from running.

    Each is measured in a process of its own: what rows before it did to the allocators' pages and
    limits changes the times of both libraries by tens of percents. The processes are forked from
    this one, which has imported the libraries and never computed with them.

    Args:
        rows: What to measure.
        settings: How.
        report: Called with each result as soon as it is there.

    Returns:
        All results, in order.
    """
    for name in (settings.subject, settings.reference):
        importlib.import_module(name)
    results = []
    for r in rows:
        result = _measured_apart(r, settings)
        report(result)
        results.append(result)
    return results


def _measured_apart(r: Row, settings: Settings) -> Result:
    processes = multiprocessing.get_context("fork")
    receiver, sender = processes.Pipe(duplex=False)
    child = processes.Process(target=_measure_and_send, args=(r, settings, sender))
    child.start()
    sender.close()
    try:
        result = Result(r, *receiver.recv())
    except EOFError:
        child.join()
        result = Result(r, error=f"the process ended with exit code {child.exitcode}")
    child.join()
    return result


def _measure_and_send(r: Row, settings: Settings, to: Connection) -> None:
    try:
        to.send((r.measure(settings), ""))
    except Exception as error:
        to.send((None, f"{type(error).__name__}: {error}".splitlines()[0]))


class ForeignLoad:
    """How many cores other programs keep busy, from the creation of this object on.

    Threads that wait for one another lose whole time slices to other programs, some libraries far
    more than others: with this above a few tenths, figures say nothing.
    """

    HARMFUL = 0.2

    def __init__(self) -> None:
        self._start = self._now()

    def cores(self) -> float:
        """The mean number of cores busy with other programs."""
        busy, own, wall = (now - then for now, then in zip(self._now(), self._start, strict=True))
        return max(0.0, (busy - own) / wall)

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds of processor time spent by all, by this process with its children; the clock."""
        stat = Path("/proc/stat")
        own = sum(os.times()[:4])
        if not stat.exists():
            return own, own, time.perf_counter()
        # user nice system idle iowait irq softirq steal
        ticks = [int(n) for n in stat.read_text().splitlines()[0].split()[1:9]]
        busy = (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
        return busy, own, time.perf_counter()


def header(settings: Settings) -> str:
    """The table's first line."""
    return (
        f"{'row':<39}{settings.subject:>12}{settings.reference:>12}{'ratio':>8}{'target':>8}  "
    ).rstrip()


def line(result: Result) -> str:
    """A result as a line of the table."""
    r, m = result.row, result.measurement
    if m is None:
        return f"{r.name:<39}  {result.error}"
    times = "".join(f"{human(statistics.median(v), m.unit):>12}" for v in (m.subject, m.reference))
    return f"{r.name:<39}{times}{m.ratio:>8.2f}{r.at_most:>8.2f}  {result.verdict}"


def human(value: float, unit: str) -> str:
    """A figure with three digits and the prefix that suits it: ``1.23 ms``, ``45.6 MB``."""
    for factor, prefix in ((1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "u")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {prefix}{unit}"
    return f"{value / 1e-9:.3g} n{unit}"


def record(results: Iterable[Result], settings: Settings, foreign: float) -> dict[str, Any]:
    """The run as plain data for JSON: the machine, the settings, and every row's quartiles."""
    return {
        "machine": machine(settings) | {"cores_busy_with_other_programs": round(foreign, 2)},
        "settings": asdict(settings),
        "rows": [_row_record(result) for result in results],
    }


def _row_record(result: Result) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "row": result.row.name,
        "target": result.row.at_most,
        "verdict": result.verdict,
    }
    m = result.measurement
    if m is None:
        return fields | {"error": result.error}
    spread = statistics.quantiles(m.ratios, n=4) if len(m.ratios) > 1 else [m.ratio] * 3
    return fields | {
        "unit": m.unit,
        "subject": statistics.median(m.subject),
        "reference": statistics.median(m.reference),
        "ratio": m.ratio,
        "ratio_quartiles": [spread[0], spread[2]],
        "pairs": len(m.ratios),
    }


def machine(settings: Settings) -> dict[str, Any]:
    """What the figures were taken on: processor, memory, system, versions, date."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {
            name: metadata.version(name)
            for name in (settings.subject, settings.reference, "numpy", "scipy-openblas32")
            if _installed(name)
        },
    }


def _processor() -> str:
    """The processor's name and the widest vectors it has, which decide most of the figures."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(
        (part.strip() for part in entry.split(":", 1))
        for entry in text.splitlines()
        if ":" in entry
    )
    flags = fields.get("flags", "").split()
    vectors = next((f for f in ("avx512f", "avx2", "sse4_2") if f in flags), "no vector flags")
    return f"{fields.get('model name', platform.machine())} ({vectors})"


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def write_json(path: Path, results: Iterable[Result], settings: Settings, foreign: float) -> None:
    """Writes the record of a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record(results, settings, foreign), indent=1) + "\n")
