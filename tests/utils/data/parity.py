"""The same few lines run with flambeau and with torch, and what comes of them."""

import importlib
import re
import warnings

import pytest


def both(program):
    """The outcomes of `program(module, module.utils.data)` with flambeau and with torch."""
    pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    return outcome(program, "flambeau"), outcome(program, "torch")


def outcome(program, package):
    """What a program gives: its value printed, or its error; and the warnings on the way."""
    module = importlib.import_module(package)
    data = importlib.import_module(f"{package}.utils.data")
    module.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = repr(program(module, data))
        except Exception as error:
            builtin = next(c for c in type(error).__mro__ if c.__module__ == "builtins")
            result = f"{builtin.__name__}: {error}"
    texts = [f"{w.category.__name__}: {w.message}" for w in caught]
    return re.sub(r"0x[0-9a-f]+", "0x", result), texts


def assert_same(program):
    """Requires the same outcome of both; our error may say more than torch's."""
    (ours, our_warnings), (theirs, their_warnings) = both(program)
    assert ours.startswith(theirs)
    if not re.match(r"\w+Error: ", theirs):
        assert ours == theirs
    assert our_warnings == their_warnings
