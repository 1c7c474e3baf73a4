"""Normalisation and pooling layers, forward and backward."""

from __future__ import annotations

from types import ModuleType

from ..harness import Step, row
from .inputs import normal


def layer_step(T: ModuleType, layer, *shape: int) -> Step:
    """One forward and backward pass of a layer over an input of the given shape."""
    x = normal(T, *shape, grad=True)
    g = normal(T, *layer(x).shape, seed=1)
    leaves = [x, *layer.parameters()]

    def step():
        for leaf in leaves:
            leaf.grad = None
        y = layer(x)
        y.backward(g)
        return y, *(leaf.grad for leaf in leaves)

    return step


@row("BatchNorm2d forward+backward", 1.0)
def batch_norm(T: ModuleType) -> Step:
    """In training mode: batch statistics, running statistics updated."""
    return layer_step(T, T.nn.BatchNorm2d(64), 16, 64, 56, 56)


@row("LayerNorm forward+backward", 1.0)
def layer_norm(T: ModuleType) -> Step:
    """Over the last dimension, as in a transformer."""
    return layer_step(T, T.nn.LayerNorm(768), 16, 128, 768)


@row("MaxPool2d forward+backward", 1.0)
def max_pool(T: ModuleType) -> Step:
    """Windows of 2x2."""
    return layer_step(T, T.nn.MaxPool2d(2), 16, 64, 56, 56)
