"""Operations whose time is the call itself: 4x4 tensors, views, a chain of forty."""

from __future__ import annotations

from types import ModuleType

from ..harness import Step, row
from .inputs import normal

CALLS = 100
REPEAT = range(CALLS)


@row("add 4x4", 0.40, CALLS)
def add(T: ModuleType, grad: bool = False) -> Step:
    """x + y."""
    x, y = normal(T, 4, 4, grad=grad), normal(T, 4, 4, seed=1, grad=grad)

    def step():
        for _ in REPEAT:
            out = x + y
        return out

    return step


@row("add 4x4 after a profile", 0.40, CALLS)
def add_after_a_profile(T: ModuleType) -> Step:
    """x + y in a process that has profiled before: what remains of the profiler."""
    with T.profiler.profile(activities=[T.profiler.ProfilerActivity.CPU]):
        T.ones(4) + 1
    return add(T)


@row("mul 4x4", 0.40, CALLS)
def mul(T: ModuleType, grad: bool = False) -> Step:
    """x * y."""
    x, y = normal(T, 4, 4, grad=grad), normal(T, 4, 4, seed=1, grad=grad)

    def step():
        for _ in REPEAT:
            out = x * y
        return out

    return step


@row("relu 4x4", 0.40, CALLS)
def relu(T: ModuleType, grad: bool = False) -> Step:
    """T.relu(x)."""
    x = normal(T, 4, 4, grad=grad)
    function = T.relu

    def step():
        for _ in REPEAT:
            out = function(x)
        return out

    return step


for make in (add, mul, relu):
    row(f"{make.__name__} 4x4 with graph", 0.45, CALLS)(lambda T, make=make: make(T, grad=True))


@row("view", 0.60, CALLS)
def view(T: ModuleType) -> Step:
    """x.view(16)."""
    x = normal(T, 4, 4)

    def step():
        for _ in REPEAT:
            out = x.view(16)
        return out

    return step


@row("transpose", 0.60, CALLS)
def transpose(T: ModuleType) -> Step:
    """x.transpose(0, 1)."""
    x = normal(T, 4, 4)

    def step():
        for _ in REPEAT:
            out = x.transpose(0, 1)
        return out

    return step


@row("x[1]", 0.60, CALLS)
def index(T: ModuleType) -> Step:
    """x[1]."""
    x = normal(T, 4, 4)

    def step():
        for _ in REPEAT:
            out = x[1]
        return out

    return step


@row("x[1:3]", 0.60, CALLS)
def slicing(T: ModuleType) -> Step:
    """x[1:3]."""
    x = normal(T, 4, 4)

    def step():
        for _ in REPEAT:
            out = x[1:3]
        return out

    return step


@row("40 small ops forward+backward", 0.45)
def chain(T: ModuleType) -> Step:
    """Ten rounds of tanh(y * w + b) - c, and the gradients of all four inputs."""
    leaves = [normal(T, 4, 4, seed=seed, grad=True) for seed in range(4)]
    x, w, b, c = leaves

    def step():
        for leaf in leaves:
            leaf.grad = None
        y = x
        for _ in range(10):
            y = T.tanh(y * w + b) - c
        y.sum().backward()
        return y, x.grad

    return step
