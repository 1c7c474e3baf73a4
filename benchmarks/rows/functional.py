"""Derivatives of functions: Hessians, per-sample gradients, double backward, small transforms."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..harness import Step, row
from .inputs import classes, normal

WIDTHS = ((64, 32), (64, 64), (10, 64))
BATCH = 64


def parameters(T: ModuleType, grad: bool = False) -> list[Any]:
    """Weights and biases of a network of three layers."""
    found = []
    for seed, shape in enumerate(WIDTHS):
        for values in (normal(T, *shape, seed=seed), normal(T, shape[0], seed=seed)):
            found.append((values * 0.1).requires_grad_(grad))
    return found


def loss(T: ModuleType, p: list[Any], x: Any, y: Any) -> Any:
    """Cross-entropy of the network, for one example or several."""
    hidden = T.nn.functional.linear(x, p[0], p[1]).tanh()
    hidden = T.nn.functional.linear(hidden, p[2], p[3]).tanh()
    return T.nn.functional.cross_entropy(T.nn.functional.linear(hidden, p[4], p[5]), y)


@row("double backward of an MLP", 0.6)
def double_backward(T: ModuleType) -> Step:
    """The gradient of the squared norm of a gradient, batch 64."""
    p, x, y = parameters(T, grad=True), normal(T, BATCH, 32, seed=9), classes(T, BATCH, 10)

    def step():
        gradients = T.autograd.grad(loss(T, p, x, y), p, create_graph=True)
        return T.autograd.grad(sum((g * g).sum() for g in gradients), p)

    return step


@row("backward of a graph of 1,000 nodes", 0.4)
def thousand_nodes(T: ModuleType) -> Step:
    """The gradients of three vectors of 16 that a thousand operations joined."""
    a, b, c = (normal(T, 16, seed=seed).requires_grad_() for seed in range(3))
    y = a
    for k in range(250):  # four operations each; what is shared has several paths
        y = (y * b).tanh() + c * (k % 2) if k % 3 else (y + a) * b - c.sin()
    out = y.sum()

    def step():
        return T.autograd.grad(out, (a, b, c), retain_graph=True)

    return step


@row("backward of the chain of 40", 0.4)
def chain_backward(T: ModuleType) -> Step:
    """The gradients of ten rounds of tanh(y * w + b) - c, whose forward is not timed."""
    leaves = [normal(T, 4, 4, seed=seed, grad=True) for seed in range(4)]
    x, w, b, c = leaves
    for _ in range(10):
        x = T.tanh(x * w + b) - c
    out = x.sum()
    return lambda: T.autograd.grad(out, leaves, retain_graph=True)


def form(T: ModuleType) -> Any:
    """A function of 50 parameters."""
    a = normal(T, 50, 50) * 0.2
    return lambda x: ((a @ x).tanh() * x).sum()


@row("autograd.functional.hessian, 50 parameters", 0.5)
def hessian(T: ModuleType) -> Step:
    """Row by row."""
    from importlib import import_module

    functional = import_module(f"{T.__name__}.autograd.functional")
    f, x = form(T), normal(T, 50, seed=1)
    return lambda: functional.hessian(f, x)


@row("func.hessian, 50 parameters", 0.5)
def forward_over_reverse(T: ModuleType) -> Step:
    """All columns at once."""
    f, x = form(T), normal(T, 50, seed=1)
    return lambda: T.func.hessian(f)(x)


@row("func.jacrev, 50 to 50", 0.5)
def jacobian(T: ModuleType) -> Step:
    """jacrev of (A x).tanh()."""
    a, x = normal(T, 50, 50) * 0.2, normal(T, 50, seed=1)
    return lambda: T.func.jacrev(lambda v: (a @ v).tanh())(x)


def per_sample(T: ModuleType) -> tuple[Any, Any, Any, Any]:
    """The gradient of the loss of one example, and a batch."""
    p, x, y = parameters(T), normal(T, BATCH, 32, seed=9), classes(T, BATCH, 10)
    return T.func.grad(lambda p, x, y: loss(T, p, x, y)), p, x, y


@row("per-sample gradients of an MLP, vmap", 0.5)
def vmapped(T: ModuleType) -> Step:
    """vmap(grad) over a batch of 64."""
    gradient, p, x, y = per_sample(T)
    mapped = T.func.vmap(gradient, in_dims=(None, 0, 0))
    return lambda: mapped(p, x, y)


@row("per-sample gradients of an MLP, loop", 0.5)
def looped(T: ModuleType) -> Step:
    """grad of each of 64 examples; the row with vmap is to be five times as fast."""
    gradient, p, x, y = per_sample(T)
    return lambda: [gradient(p, a, b) for a, b in zip(x, y, strict=True)][-1]


@row("vmap of a small function", 0.5)
def small(T: ModuleType) -> Step:
    """vmap of x.sin() * x + 1 over 50 numbers."""
    x = normal(T, 50)
    return lambda: T.func.vmap(lambda a: a.sin() * a + 1)(x)


@row("func.jvp of a small function", 0.5)
def jvp(T: ModuleType) -> Step:
    """jvp of (A x).tanh() * x, 50 numbers."""
    a, x, v = normal(T, 50, 50) * 0.2, normal(T, 50, seed=1), normal(T, 50, seed=2)
    return lambda: T.func.jvp(lambda u: (a @ u).tanh() * u, (x,), (v,))
