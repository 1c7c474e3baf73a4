"""The rows of the benchmarks: all are there, and the quick ones run in flambeau."""

import math
from pathlib import Path

import pytest

import flambeau
from benchmarks import harness, rows
from benchmarks.rows import load, training

load()
QUICK = ["* 4x4*", "view", "transpose", "x[[]*", "40 small ops*", "* 1e5", "small training*"]


@pytest.fixture(autouse=True)
def threads():
    """The harness sets the number of threads; other tests want theirs back."""
    before = flambeau.get_num_threads()
    yield
    flambeau.set_num_threads(before)


def test_every_file_of_rows_is_loaded():
    files = {path.stem for path in Path(rows.__file__).parent.glob("*.py")}
    assert files - {"__init__", "inputs"} == set(rows.FAMILIES)


@pytest.mark.parametrize("name", [r.name for r in harness.select(QUICK)])
def test_a_row_prepares_its_inputs_and_steps(name):
    settings = harness.Settings(reference="flambeau", seconds=0.0, pairs=1)
    assert harness.ROWS[name].measure(settings).subject[0] > 0


def test_the_optimizer_row_is_what_its_name_says():
    shapes = training.resnet18_shapes()
    assert len(shapes) == 60
    assert 11.0e6 < sum(math.prod(shape) for shape in shapes) < 11.5e6


def test_peak_memory_and_import_are_measured_in_fresh_processes():
    settings = harness.Settings(reference="flambeau").quick()
    for name, most in (("import (fresh process)", 5.0), ("digits step, peak memory", 1e9)):
        measurement = harness.ROWS[name].measure(settings)
        assert all(0 <= figure < most for figure in measurement.subject)
