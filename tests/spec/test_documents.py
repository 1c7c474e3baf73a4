"""The tensor examples of the specification's documents print what they print there.

A file `document_NNN.txt` holds the examples of one document in the form of doctest, under a line
`# title`. After `; needs` stand names without which an example is skipped. The same examples run in
PyTorch, whose release 2.13 decides where the documents show another one's output.
"""

import doctest
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import flambeau

FOLDER = Path(__file__).parent
PARSER = doctest.DocTestParser()


def examples():
    """Document and title of each example, its text, and the names that it needs."""
    for path in sorted(FOLDER.glob("document_*.txt")):
        for part in path.read_text().split("# ")[1:]:
            title, text = part.split("\n", 1)
            title, _, needs = title.partition("; needs ")
            yield pytest.param(text, needs.split(), id=f"{path.stem} {title}")


EXAMPLES = list(examples())


def has(module, name):
    """Whether a dotted name is there."""
    for part in name.split("."):
        module = getattr(module, part, None)
    return module is not None


@pytest.fixture(autouse=True)
def restored():
    """Examples switch gradients off and on, and seed the default generator."""
    with flambeau.random.fork_rng(), flambeau.enable_grad():
        yield


def run(text, module):
    """Runs an example with `module` as torch, and returns doctest's report of what differs."""
    test = PARSER.get_doctest(text, {"torch": module, "np": np}, "example", None, 0)
    report = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("text, needs", EXAMPLES)
def test_an_example_prints_what_the_document_shows(text, needs):
    missing = [name for name in needs if not has(flambeau, name)]
    if missing:
        pytest.skip(f"not there yet: {', '.join(missing)}")
    assert run(text, flambeau) == ""


@pytest.mark.parametrize("text, needs", EXAMPLES)
def test_pytorch_prints_the_same(text, needs):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    with torch.random.fork_rng(), torch.enable_grad():
        assert run(text, torch) == ""


@pytest.mark.parametrize(
    "call, text",
    (
        (
            lambda m: m.clamp(m.tensor([1.0, 2.0])),
            "At least one of 'min' or 'max' must not be None",
        ),
        (
            lambda m: m.arange(9).reshape(3, 3).permute(1, 0).view(-1),
            "view size is not compatible with input tensor's size and stride (at least one"
            " dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
        ),
    ),
)
def test_an_error_has_the_text_that_the_document_shows(call, text):
    with pytest.raises(RuntimeError, match=re.escape(text)):
        call(flambeau)
