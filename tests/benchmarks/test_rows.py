"""Every row of the benchmarks prepares its inputs and takes a step in flambeau."""

import pytest

pytest.importorskip("flambeau")

from benchmarks import harness
from benchmarks.rows import load, training


def test_all_rows_of_the_table_are_there():
    load()
    assert len(harness.ROWS) == 52


def test_the_optimizer_row_is_what_its_name_says():
    shapes = training.resnet18_shapes()
    sizes = [__import__("math").prod(shape) for shape in shapes]
    assert len(shapes) == 60
    assert 11.0e6 < sum(sizes) < 11.5e6
