"""Deterministic mode: its switches, and memory that nothing was written to."""

import pytest

import flambeau
import flambeau.utils.deterministic

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

LIBRARIES = pytest.mark.parametrize("library", [flambeau, torch], ids=["flambeau", "torch"])


@pytest.fixture(autouse=True)
def _restored():
    yield
    for library in (flambeau, torch):
        library.use_deterministic_algorithms(False)
        library.utils.deterministic.fill_uninitialized_memory = True


def state(library):
    return (
        library.get_deterministic_debug_mode(),
        library.are_deterministic_algorithms_enabled(),
        library.is_deterministic_algorithms_warn_only_enabled(),
    )


@pytest.mark.parametrize("mode", [0, 1, 2, "default", "warn", "error", True])
def test_debug_modes(mode):
    found = []
    for library in (flambeau, torch):
        library.set_deterministic_debug_mode(mode)
        found.append(state(library))
    assert found[0] == found[1]


@LIBRARIES
def test_switches(library):
    library.use_deterministic_algorithms(True, warn_only=True)
    assert state(library) == (1, True, True)
    library.use_deterministic_algorithms(True)
    assert state(library) == (2, True, False)
    library.use_deterministic_algorithms(False)
    assert state(library) == (0, False, False)


@LIBRARIES
@pytest.mark.parametrize("mode", [1, "x", None])
def test_modes_are_bools(library, mode):
    with pytest.raises(TypeError):
        library.use_deterministic_algorithms(mode)


@pytest.mark.parametrize("mode", [3, "x", None, 1.0])
def test_unknown_debug_modes(mode):
    with pytest.raises((RuntimeError, TypeError)) as theirs:
        torch.set_deterministic_debug_mode(mode)
    with pytest.raises(type(theirs.value)) as ours:
        flambeau.set_deterministic_debug_mode(mode)
    assert str(ours.value) == str(theirs.value)


MADE = {
    "floats": lambda lib: lib.empty(3),
    "half": lambda lib: lib.empty(2, dtype=lib.bfloat16),
    "integers": lambda lib: lib.empty(2, dtype=lib.int64),
    "bytes": lambda lib: lib.empty(2, dtype=lib.uint8),
    "truth": lambda lib: lib.empty(2, dtype=lib.bool),
    "complex": lambda lib: lib.empty(2, dtype=lib.complex64),
    "like": lambda lib: lib.empty_like(lib.ones(2)),
    "new": lambda lib: lib.ones(2).new_empty(2),
    "strided": lambda lib: lib.empty_strided((2, 2), (1, 2)),
    "resized": lambda lib: lib.ones(1).resize_(3),
    "zeros": lambda lib: lib.zeros(2),
    "legacy": lambda lib: lib.Tensor(2, 2),
    "legacy of a size": lambda lib: lib.IntTensor(lib.Size([2])),
    "legacy of a tensor's type": lambda lib: lib.ones(2).new(3),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_new_memory_is_filled(make):
    for library in (flambeau, torch):
        library.use_deterministic_algorithms(True)
    assert repr(make(flambeau)) == repr(make(torch))


@LIBRARIES
def test_filling_can_be_switched_off(library):
    switch = library.utils.deterministic
    assert switch.fill_uninitialized_memory is True
    with pytest.raises(RuntimeError, match="expected a bool, but got int"):
        switch.fill_uninitialized_memory = 1
    switch.fill_uninitialized_memory = False
    assert switch.fill_uninitialized_memory is False
    library.use_deterministic_algorithms(True)
    library.empty(3)
