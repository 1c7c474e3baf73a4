"""Sobol sequences: PyTorch's numbers, evenness, SciPy's points, states, wrong calls."""

import copy
import pickle

import numpy as np
import pytest
from scipy.stats import qmc

import flambeau as fl
from flambeau.quasirandom import SobolEngine


def both(call):
    """The same calls in PyTorch and here give equal numbers."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    expected, found = call(torch), call(fl)
    assert str(found.dtype) == str(expected.dtype)
    assert found.tolist() == expected.tolist()


def engine(module, *arguments, **keywords):
    return module.quasirandom.SobolEngine(*arguments, **keywords)


def test_recorded():
    """What PyTorch 2.13 printed."""
    assert SobolEngine(3).draw(4).tolist() == [
        [0.0, 0.0, 0.0],
        [0.5, 0.5, 0.5],
        [0.75, 0.25, 0.25],
        [0.25, 0.75, 0.75],
    ]
    scrambled = SobolEngine(3, scramble=True, seed=7)
    assert scrambled.shift.tolist() == [214182645, 183537049, 804615878]
    assert scrambled.sobolstate[0, :3].tolist() == [545853173, 438452617, 257908810]
    found = scrambled.draw(2).flatten().tolist()
    assert found == pytest.approx([0.1995, 0.1709, 0.7494, 0.6922, 0.7115, 0.4898], abs=5e-5)


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("arguments", ((1,), (2,), (40,), (3, True, 11), (40, True, -4)))
def test_draws_equal_torch(arguments, dtype):
    both(lambda m: engine(m, *arguments).draw(700, dtype=getattr(m, dtype)))


def test_all_dimensions_equal_torch():
    both(lambda m: engine(m, 21201).sobolstate)


def test_calls_in_a_row_equal_torch():
    def call(m):
        m.manual_seed(3)
        e = engine(m, 4, scramble=True)
        parts = [e.draw(3), e.fast_forward(5).draw(7), e.reset().draw(1), e.draw(2)]
        parts += [e.reset().fast_forward(1).draw(4), e.reset().draw_base2(3), e.draw_base2(3)]
        return m.cat([*parts, m.rand(1, 4)])

    both(call)


def test_the_end_of_the_sequence_equals_torch():
    both(lambda m: engine(m, 3).fast_forward(2**30 - 300).draw(300, dtype=m.float64))


def test_points_are_scipys():
    expected = qmc.Sobol(7, scramble=False, bits=30).random(64)
    assert SobolEngine(7).draw(64, dtype=fl.float64).tolist() == expected.tolist()


@pytest.mark.parametrize("scramble", (False, True))
def test_every_cell_has_one_point(scramble):
    points = SobolEngine(5, scramble, seed=0).draw_base2(8).numpy()
    cells = np.sort((points * 256).astype(int), axis=0)
    assert (cells == np.arange(256)[:, None]).all()


def test_the_parts_make_the_whole():
    whole, parts = SobolEngine(3, True, 1), SobolEngine(3, True, 1)
    pieces = [parts.draw(n) for n in (1, 1, 5, 9)]
    assert fl.cat(pieces).tolist() == whole.draw(16).tolist()


def test_copies_go_on_from_the_same_place():
    e = SobolEngine(2, True, 3)
    e.draw(3)
    copies = [copy.deepcopy(e), pickle.loads(pickle.dumps(e))]
    expected = e.draw(2).tolist()
    assert all(c.draw(2).tolist() == expected for c in copies)


def test_out_and_dtype():
    out = fl.empty(0)
    assert SobolEngine(2).draw(3, out=out) is out
    assert out.tolist() == [[0, 0], [0.5, 0.5], [0.75, 0.25]]
    out = fl.empty(2, 2, dtype=fl.float64)
    assert SobolEngine(2).draw_base2(1, out).dtype == fl.float64
    assert SobolEngine(2).draw_base2(1, dtype=fl.float64).dtype == fl.float64


def test_what_is_printed():
    assert repr(SobolEngine(3)) == "SobolEngine(dimension=3)"
    text = "SobolEngine(dimension=3, scramble=True, seed=7)"
    assert repr(SobolEngine(3, scramble=True, seed=7)) == text


@pytest.mark.parametrize(
    "call, error, text",
    (
        (lambda: SobolEngine(0), ValueError, r"\[1, 21201\]"),
        (lambda: SobolEngine(21202), ValueError, r"\[1, 21201\]"),
        (lambda: SobolEngine(2.0), TypeError, "integer"),
        (lambda: SobolEngine(True), TypeError, "bool"),
        (lambda: SobolEngine(2, True, "a"), RuntimeError, "manual_seed"),
        (lambda: SobolEngine(2).draw(0), RuntimeError, "must be positive"),
        (lambda: SobolEngine(2).draw(1.5), TypeError, "integer"),
        (lambda: SobolEngine(2).draw(3, dtype=fl.int64), NotImplementedError, "int64"),
        (lambda: SobolEngine(2).draw(3, dtype=fl.float16), NotImplementedError, "float16"),
        (lambda: SobolEngine(2).fast_forward(-1), ValueError, "negative"),
        (lambda: SobolEngine(2).fast_forward(2**30 + 1), ValueError, r"2\*\*30 points"),
        (lambda: SobolEngine(2).fast_forward(2**30).draw(), ValueError, r"2\*\*30 points"),
        (lambda: SobolEngine(2).fast_forward(3).draw_base2(2), ValueError, "balance properties"),
        (lambda: SobolEngine(2).draw_base2(-1), ValueError, "negative"),
    ),
)
def test_wrong_calls(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_missing_table_is_named(monkeypatch, tmp_path):
    import scipy

    monkeypatch.setattr(scipy, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(RuntimeError, match=r"_sobol_direction_numbers.npz is not there"):
        SobolEngine(2)
