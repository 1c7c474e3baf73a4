"""Whole training steps, and an optimizer's step alone."""

from __future__ import annotations

from types import ModuleType

from flambeau.cli._digits import network

from ..harness import Step, row
from .inputs import classes, normal


def train_step(T: ModuleType, model, optimizer, x, target) -> Step:
    """Forward, cross-entropy, backward, update."""
    loss_of = T.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return step


def small_network(T: ModuleType):
    """Linear-ReLU-Linear, with the inputs and labels of a batch of 64."""
    model = T.nn.Sequential(T.nn.Linear(10, 20), T.nn.ReLU(), T.nn.Linear(20, 2))
    return model, normal(T, 64, 10), classes(T, 64, 2)


@row("small training step, SGD momentum", 0.20)
def small_sgd(T: ModuleType) -> Step:
    """Two layers, SGD with momentum."""
    model, x, target = small_network(T)
    optimizer = T.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return train_step(T, model, optimizer, x, target)


@row("small training step, Adam", 0.20)
def small_adam(T: ModuleType) -> Step:
    """Two layers, Adam."""
    model, x, target = small_network(T)
    optimizer = T.optim.Adam(model.parameters(), lr=0.001)
    return train_step(T, model, optimizer, x, target)


def resnet18_shapes() -> list[tuple[int, ...]]:
    """The shapes of ResNet-18's convolutions and batch norms: 60 tensors, 11.2 million numbers."""
    weights: list[tuple[int, ...]] = [(64, 3, 7, 7)]
    width = 64
    for stage in (64, 128, 256, 512):
        weights += [(stage, width, 3, 3), *[(stage, stage, 3, 3)] * 3]
        if stage != width:
            weights.append((stage, width, 1, 1))
        width = stage
    norms = [(weight[0],) for weight in weights for _ in ("scale", "shift")]
    return weights + norms


@row("Adam, 60 tensors, 11M parameters", 0.5)
def adam(T: ModuleType) -> Step:
    """The update alone, gradients given."""
    parameters = [T.nn.Parameter(normal(T, *shape)) for shape in resnet18_shapes()]
    for p in parameters:
        p.grad = normal(T, *p.shape, seed=1)
    optimizer = T.optim.Adam(parameters, lr=0.001)

    def step():
        optimizer.step()
        return parameters[0]

    return step


@row("digits training step", 0.5)
def digits(T: ModuleType, batch: int = 64) -> Step:
    """The network of ``flambeau demo digits``, batch 64, AdamW."""
    model = network(T.nn)
    optimizer = T.optim.AdamW(model.parameters(), lr=0.001)
    return train_step(T, model, optimizer, normal(T, batch, 1, 8, 8), classes(T, batch, 10))
