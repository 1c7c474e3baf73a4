"""Training in a loop: memory stays flat, and the loss goes down the way it does with PyTorch."""

import gc

import pytest

import flambeau as fl
from flambeau import _C, nn, optim


def network():
    return nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 2))


def test_a_thousand_steps_with_flat_memory():
    fl.manual_seed(0)
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    x, y = fl.randn(64, 10), fl.randint(0, 2, (64,))

    def step():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    gc.collect()
    gc.disable()  # nothing may wait for the collector
    try:
        first = step().item()
        for _ in range(10):
            step()
        before = _C.allocator_stats()["allocated"]
        for _ in range(1000):
            last = step()
        last = last.item()
        assert _C.allocator_stats()["allocated"] == before
    finally:
        gc.enable()
    assert last < first


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_same_losses_as_the_oracle(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

    def train(lib):
        lib.manual_seed(3)
        model = lib.nn.Sequential(
            lib.nn.Linear(10, 20), lib.nn.Tanh(), lib.nn.Linear(20, 3)
        ).double()
        optimizer = getattr(lib.optim, name)(model.parameters(), lr=0.05)
        x = lib.randn(32, 10, dtype=lib.float64)
        y = lib.randint(0, 3, (32,))
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = lib.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    assert train(fl) == pytest.approx(train(torch), rel=1e-9)
