"""The benchmark harness on small steps of its own: NumPy stands for both libraries."""

import json
import os
import sys
import types

import numpy
import pytest

from benchmarks import harness
from benchmarks.harness import Measurement, Result, Row, Settings

BRIEF = Settings("fast_library", "slow_library", threads=1, seconds=0.0, pairs=3)


class Clock:
    """Time that passes only in steps and pauses."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def no_rows(monkeypatch):
    monkeypatch.setattr(harness, "ROWS", {})


@pytest.fixture
def clock(monkeypatch):
    """Two modules: a step of the slow one takes ten times as long."""
    clock = Clock()
    monkeypatch.setattr(harness, "time", clock)
    for name, seconds in (("fast_library", 1e-5), ("slow_library", 1e-4)):
        module = types.ModuleType(name)
        module.step = lambda seconds=seconds: clock.sleep(seconds)
        module.set_num_threads = lambda n: None
        module.manual_seed = lambda n: None
        monkeypatch.setitem(sys.modules, name, module)
    return clock


def stepping(T):
    return T.step


def test_the_ratio_is_that_of_the_work(clock):
    measurement = harness.time_pairs(stepping, BRIEF)
    assert len(measurement.ratios) == 3
    assert measurement.ratio == pytest.approx(0.1)


def test_times_are_per_operation(clock):
    whole = harness.time_pairs(stepping, BRIEF)
    tenth = harness.time_pairs(stepping, BRIEF, calls=10)
    assert tenth.subject == pytest.approx([s / 10 for s in whole.subject])


def test_a_side_samples_long_enough_for_the_clock(clock):
    side = harness._Side(stepping, "fast_library", threads=1)
    side.calibrate()
    side.sample()
    assert side.samples == pytest.approx([1e-5])
    assert side.repeat * 1e-5 >= harness.SHORTEST_SAMPLE


def test_a_slow_first_step_does_not_decide_how_many_make_a_sample(clock):
    pauses = iter([0.0, 3 * harness.SHORTEST_SAMPLE])  # the first result, the first run

    def starting(T):
        return lambda: clock.sleep(next(pauses, 1e-5))

    side = harness._Side(starting, "fast_library", threads=1)
    side.calibrate()
    assert side.repeat > 1


def test_the_ratio_is_the_median_of_the_pairs():
    assert Measurement([1.0, 1.0, 9.0], [2.0, 1.0, 10.0]).ratio == 0.9


def test_steps_that_differ_are_not_timed():
    with pytest.raises(AssertionError):
        harness.require_agreement((numpy.ones(3),), (numpy.ones(3) * 1.01,))
    harness.require_agreement((numpy.ones(3), 4), (numpy.ones(3) * 1.0001, 5))


def test_rows_are_registered_once_and_selected_by_pattern():
    harness.row("conv 3x3", 1.0)(stepping)
    harness.row("conv 1x1", 1.0)(stepping)
    harness.row("mm", 1.0)(stepping)
    harness.row("x[1]", 1.0)(stepping)
    assert [r.name for r in harness.select(["conv*"])] == ["conv 3x3", "conv 1x1"]
    assert [r.name for r in harness.select(["x[1]", "mm"])] == ["mm", "x[1]"]
    with pytest.raises(ValueError, match="registered twice"):
        harness.row("mm", 1.0)(stepping)
    with pytest.raises(ValueError, match="no benchmark row matches 'nn'"):
        harness.select(["nn"])


@pytest.mark.usefixtures("clock")
def test_a_row_that_fails_leaves_the_others():
    def fail(settings):
        raise RuntimeError("no such kernel\nin detail")

    good = Row("good", 2.0, lambda settings: Measurement([1.0], [1.0]))
    seen = []
    results = harness.run([Row("bad", 1.0, fail), good], BRIEF, seen.append)
    assert [r.verdict for r in results] == ["error", "pass"]
    assert seen == results
    assert "RuntimeError: no such kernel" in harness.line(results[0])
    assert "detail" not in harness.line(results[0])


@pytest.mark.usefixtures("clock")
def test_a_row_has_a_process_of_its_own():
    def crash(settings):
        os._exit(3)

    here = []
    rows = [
        Row("crash", 1.0, crash),
        Row("own", 1.0, lambda settings: Measurement([float(os.getpid())], [1.0])),
        Row("apart", 1.0, lambda settings: here.append(1) or Measurement([1.0], [1.0])),
    ]
    crashed, own, apart = harness.run(rows, BRIEF, lambda result: None)
    assert "exit code 3" in crashed.error
    assert own.measurement.subject != [os.getpid()]
    assert apart.verdict == "pass"
    assert not here


def test_verdicts_compare_with_the_target():
    def result(ratio):
        return Result(Row("r", 0.5, lambda settings: None), Measurement([ratio], [1.0]))

    assert result(0.5).verdict == "pass"
    assert result(0.51).verdict == "miss"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.234, "1.23 s"), (0.0456, "45.6 ms"), (3e-7, "300 ns"), (0.0, "0 ns"), (2.5e6, "2.5 Ms")],
)
def test_figures_are_printed_with_a_fitting_prefix(value, text):
    assert harness.human(value, "s") == text


def test_the_record_is_json_with_machine_and_rows(tmp_path):
    results = [
        Result(Row("good", 1.0, lambda s: None), Measurement([1.0, 3.0], [2.0, 2.0])),
        Result(Row("bad", 1.0, lambda s: None), error="broken"),
    ]
    path = tmp_path / "deep" / "run.json"
    harness.write_json(path, results, BRIEF, 0.123)
    run = json.loads(path.read_text())
    assert {"date", "processor", "cores", "python", "versions"} <= run["machine"].keys()
    assert run["machine"]["cores_busy_with_other_programs"] == 0.12
    assert run["rows"][0]["ratio"] == 1.0
    assert run["rows"][1] == {"row": "bad", "target": 1.0, "verdict": "error", "error": "broken"}


def test_the_load_of_other_programs_is_noticed(monkeypatch):
    readings = iter([(10.0, 4.0, 100.0), (14.0, 5.0, 102.0)])
    monkeypatch.setattr(harness.ForeignLoad, "_now", staticmethod(lambda: next(readings)))
    assert harness.ForeignLoad().cores() == 1.5


def test_own_work_is_no_foreign_load():
    before = harness.ForeignLoad._now()
    sum(range(3_000_000))
    busy, own, wall = (b - a for a, b in zip(before, harness.ForeignLoad._now(), strict=True))
    assert own > 0
    assert wall > 0
    assert busy >= 0


def test_the_readme_section_marks_what_missed():
    from benchmarks.readme import section, summary

    results = [
        Result(Row("slow", 0.5, lambda s: None), Measurement([3e-3], [2e-3])),
        Result(Row("fast", 0.5, lambda s: None), Measurement([1e-3], [6e-3])),
    ]
    run = harness.record(results, BRIEF, 0.0)
    text = section(run, {"slow"})
    assert "| slow | 3 ms | 2 ms | **1.50** | 0.50 |" in text
    assert "| fast |" not in text
    assert summary(run) == "1 of 2 rows pass; geometric mean of the ratios 0.50.\n\n"
