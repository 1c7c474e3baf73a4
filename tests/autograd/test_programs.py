"""Random programs give the values and gradients that PyTorch gives.

Each example is a program of up to a dozen statements made from the registry (programs.py): it runs
in both libraries, and its values, errors, names of nodes, first and second gradients are compared.
A program that fails is shrunk, and shown as code. `PROGRAMS=3000` in the environment tries that
many, each time others.
"""

import os
import warnings

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
import programs  # noqa: E402

COUNT = int(os.environ.get("PROGRAMS", "40"))
CATALOGUE = programs.Catalogue(torch)

sizes = st.lists(st.sampled_from(programs.SIZES), min_size=1, max_size=3)
step = st.tuples(st.sampled_from(programs.KINDS), *[st.integers(0, 1000)] * programs.STEPS)


def difference(program):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # both libraries warn of the same calls
        return programs.difference(program, torch)


def check(sizes, steps):
    """Raises with the smallest part of a program that differs, if it does."""
    if difference(programs.build(CATALOGUE, sizes, steps)):
        program = programs.smallest(CATALOGUE, sizes, steps, difference)
        raise AssertionError(f"{difference(program)}\n\n{program}")


@settings(
    max_examples=COUNT,
    derandomize="PROGRAMS" not in os.environ,
    phases=(Phase.generate, Phase.shrink),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(sizes, st.lists(step, min_size=1, max_size=12))
def test_a_program_gives_what_it_gives_in_torch(sizes, steps):
    check(sizes, steps)


class WrongCos(flambeau.autograd.Function):
    """cos with a gradient of the wrong sign."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.cos()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].sin()


def test_a_failing_program_shrinks_to_what_fails(monkeypatch):
    monkeypatch.setattr(flambeau, "cos", WrongCos.apply)
    cos = ("unary", CATALOGUE.unary.index("cos"))
    others = [(kind, 0, k) for k in range(4) for kind in ("operator", "reduction")]
    with pytest.raises(AssertionError) as error:
        check([(3,), (2, 3)], [*others[:5], cos, *others[5:]])
    text, code = str(error.value).split(programs.PRELUDE)
    assert text.startswith("first: ")
    assert len(code.splitlines()) == 2  # the input, and its cosine
    assert "torch.cos(a)" in code
    exec(programs.PRELUDE + code, {})  # what is shown runs as it is


def test_a_chain_that_does_nothing_is_left_out():
    lines = ["v1 = torch.sin(a)", "v2 = v1.reshape(3)", "v2.mul_(2)", "v3 = torch.cos(v2)"]
    inputs = ["a = torch.ones(3, dtype=torch.float64, requires_grad=True)"]
    program = programs.Program(["a"], inputs, lines, ["a", "v1", "v2", "v3"])

    def fails(p):
        return "cos" in str(p) and not programs.run(p, flambeau).error

    short = programs.shortened(program, fails)
    assert (short.lines, short.values) == (["v3 = torch.cos(a)"], ["a", "v3"])
