"""Running the same program in flambeau and in torch and comparing what comes out."""

import re
import warnings

import pytest

import flambeau


def outcome(program, expression, module):
    """What `expression` gives after `program`, with `torch` standing for `module`.

    Returns:
        The printed result or the type and text of the exception, and the texts of the warnings.
    """
    names = {"torch": module, "nn": module.nn, "optim": module.optim}
    module.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(program, names)
        try:
            result = repr(eval(expression, names))
        except Exception as error:
            result = f"{_public_type(error)}: {error}"
    return _neutral(result), [_neutral(str(warning.message)) for warning in caught]


def _public_type(error):
    """The name of the built-in class of an exception; ours also derive from one."""
    builtin = next(cls for cls in type(error).__mro__ if cls.__module__ == "builtins")
    return builtin.__name__


def _neutral(text):
    """`text` without package names and addresses."""
    text = re.sub(r"\b(flambeau|torch)\.(nn|optim)\.", r"torch.\2.", text)
    return re.sub(r"0x[0-9a-f]+", "0x", text)


def check(program, expression):
    """Check that flambeau and torch give the same result, error and warnings."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    assert outcome(program, expression, flambeau) == outcome(program, expression, torch)
