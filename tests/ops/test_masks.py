"""Masks: what torch refuses is refused, and values of each example under vmap."""

import pytest

import flambeau

REFUSED = {
    "masked_fill by a vector": lambda m: m.ones(2).masked_fill(m.ones(2) > 0, m.ones(1)),
    "masked_fill in place by a vector": lambda m: m.ones(2).masked_fill_(m.ones(2) > 0, m.ones(1)),
    "masked_fill by numbers": lambda m: m.ones(2).masked_fill(m.ones(2), 1.0),
    "masked_scatter by numbers": lambda m: m.ones(2).masked_scatter(m.ones(2), m.ones(2)),
    "embedding of a vector": lambda m: m.nn.functional.embedding(m.tensor([0]), m.ones(3)),
    "embedding of a cube": lambda m: m.nn.functional.embedding(m.tensor([0]), m.ones(2, 2, 2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    with pytest.raises(Exception) as expected:
        REFUSED[name](torch)
    with pytest.raises(expected.type):
        REFUSED[name](flambeau)


def test_value_of_each_example():
    x, values = flambeau.tensor([1.0, -1.0]), flambeau.tensor([5, 7])
    found = flambeau.func.vmap(lambda v: x.masked_fill(x > 0, v))(values)
    assert found.tolist() == [[5.0, -1.0], [7.0, -1.0]]
    assert found.dtype == x.dtype
