"""Numbers of layers that no memory holds are refused at once."""

import pytest

import flambeau
from flambeau import nn
from flambeau.nn.modules import _memory

MANY = 2**62


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.RNN(1, 1, num_layers=MANY),
        lambda: nn.LSTM(1, 1, num_layers=MANY, bidirectional=True, bias=False),
        lambda: nn.GRU(1, 1, num_layers=MANY, device="meta"),
        lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8, batch_first=True), MANY),
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 8), MANY),
        lambda: nn.Transformer(8, 2, 1, MANY, 8, batch_first=True),
    ],
)
def test_too_many_layers(make):
    with pytest.raises(RuntimeError, match=f"not enough memory: {MANY} layers of at least"):
        make()


def test_the_bound_is_the_memory(monkeypatch):
    monkeypatch.setattr(_memory, "memory_size", lambda: 4 * 500 * 3)
    assert nn.RNN(1, 1, num_layers=3).num_layers == 3
    with pytest.raises(RuntimeError, match="4 layers of at least 2000 bytes each"):
        nn.RNN(1, 1, num_layers=4)


def test_the_memory_is_that_of_the_machine(monkeypatch):
    assert 1 << 20 < _memory.memory_size() < 1 << 60
    monkeypatch.delattr(_memory.os, "sysconf")
    assert _memory.memory_size() == 1 << 47
    assert flambeau.nn.RNN(1, 1, num_layers=2).num_layers == 2
