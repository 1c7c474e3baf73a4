"""Warnings: those of PyTorch, as often, and at the user's line."""

import json
import pathlib
import subprocess
import sys
import warnings

import pytest

import flambeau
from flambeau.core import notices

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def ours():
    return given("flambeau")


@pytest.fixture(scope="module")
def theirs():
    pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    return given("torch")


def given(library):
    """What the programs warn of under a library, in a process of its own."""
    command = [sys.executable, str(HERE / "warnings_given.py"), library]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


PROGRAMS = (HERE / "warning_programs.txt").read_text().splitlines()


@pytest.mark.parametrize("program", PROGRAMS)
def test_pytorch_warns_of_the_same(program, ours, theirs):
    assert [w[:2] for w in ours[program]] == [w[:2] for w in theirs[program]]


@pytest.mark.parametrize("program", PROGRAMS)
def test_warnings_point_at_the_program(program, ours):
    assert all(here for _, _, here, _ in ours[program])


def test_some_warnings_come_once():
    with warnings.catch_warnings(record=True) as records:
        warnings.simplefilter("always")
        notices.warn_once("here")
        notices.warn_once("here")
        flambeau.set_warn_always(True)
        notices.warn_once("here")
        flambeau.set_warn_always(False)
        notices.warn_once("here")
        notices.warn_once("there")
    assert [str(r.message) for r in records] == ["here", "here", "there"]
    assert {r.filename for r in records} == {__file__}


def test_arrays_in_a_list_need_no_warning():
    """PyTorch warns that it is slow with them; here they are copied as wholes."""
    np = pytest.importorskip("numpy")
    a, b = np.arange(3), np.array([0.5, 1.5, 2.5])
    assert flambeau.tensor([a, b]).tolist() == [[0, 1, 2], [0.5, 1.5, 2.5]]
    assert flambeau.tensor([a[::-1], [3, 4, 5]]).tolist() == [[2, 1, 0], [3, 4, 5]]
    assert flambeau.tensor([[a], [b]], dtype=flambeau.float16).shape == (2, 1, 3)
    assert flambeau.tensor([b], dtype=flambeau.int32).tolist() == [[0, 1, 2]]
    with pytest.raises(ValueError, match="expected sequence of length 3 at dim 1"):
        flambeau.tensor([a, b[:2]])
    with pytest.raises(RuntimeError, match="without overflow"):
        flambeau.tensor([a + 300], dtype=flambeau.uint8)
    with pytest.raises(TypeError, match=r"of type numpy\.object_"):
        flambeau.tensor([a.astype(object)])
