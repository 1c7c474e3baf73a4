"""einsum, bilinear forms, and functions that are made of products and differences."""

from __future__ import annotations

from types import ModuleType

from ..harness import row
from .inputs import normal

EQUATIONS = (
    ("einsum bilinear 80x100", "bq,oqk,bk->bo", ((80, 100), (50, 100, 100), (80, 100)), 0.8),
    ("einsum matrix 4", "ij,jk->ik", ((4, 4), (4, 4)), 0.7),
    ("einsum matrix 512", "ij,jk->ik", ((512, 512), (512, 512)), 1.1),
    ("einsum batch 32x64", "bij,bjk->bik", ((32, 64, 64), (32, 64, 64)), 1.0),
    ("einsum dot 1e6", "ij,ij->", ((1000, 1000), (1000, 1000)), 0.9),
    ("einsum scores", "bhqd,bhkd->bhqk", ((4, 8, 128, 64), (4, 8, 128, 64)), 1.0),
    ("einsum scores, heads last", "bqhd,bkhd->bhqk", ((4, 128, 8, 64), (4, 128, 8, 64)), 0.9),
    ("einsum weighted values", "bhqk,bkhd->bqhd", ((4, 8, 128, 128), (4, 128, 8, 64)), 1.0),
)


def contraction(name: str, equation: str, shapes: tuple, at_most: float) -> None:
    """A row for one equation."""

    @row(name, at_most)
    def make(T: ModuleType):
        operands = [normal(T, *shape, seed=k) for k, shape in enumerate(shapes)]
        return lambda: T.einsum(equation, *operands)


for entry in EQUATIONS:
    contraction(*entry)


@row("einsum bilinear, forward and backward", 0.8)
def bilinear_training(T: ModuleType):
    x, w, y = (
        normal(T, *shape, seed=k, grad=True)
        for k, shape in enumerate(((80, 100), (50, 100, 100), (80, 100)))
    )

    def step():
        x.grad = w.grad = y.grad = None
        T.einsum("bq,oqk,bk->bo", x, w, y).sum().backward()
        return w.grad

    return step


@row("bilinear 80x100", 0.8)
def bilinear(T: ModuleType):
    x, y, w, b = (
        normal(T, *shape, seed=k)
        for k, shape in enumerate(((80, 100), (80, 100), (50, 100, 100), (50,)))
    )
    return lambda: T.bilinear(x, y, w, b)


def distances(p: float, at_most: float) -> None:
    """A row for the distances of 500 to 400 points in 32 dimensions."""

    @row(f"cdist p={p:g}", at_most)
    def make(T: ModuleType):
        x, y = normal(T, 500, 32), normal(T, 400, 32, seed=1)
        return lambda: T.cdist(x, y, p)


for p, at_most in ((2.0, 1.0), (1.0, 1.1), (3.0, 1.1)):
    distances(p, at_most)


@row("cov 100x1000", 0.9)
def cov(T: ModuleType):
    x = normal(T, 100, 1000)
    return lambda: T.cov(x)


@row("diff 1e6", 0.9)
def diff(T: ModuleType):
    x = normal(T, 1000, 1000)
    return lambda: T.diff(x)


@row("diff 100", 1.0)
def small_diff(T: ModuleType):
    x = normal(T, 100)
    return lambda: T.diff(x)


@row("cross 100", 1.2)
def cross(T: ModuleType):
    x, y = normal(T, 100, 3), normal(T, 100, 3, seed=1)
    return lambda: T.linalg.cross(x, y)


@row("addr 500", 1.1)
def addr(T: ModuleType):
    A, x, y = normal(T, 500, 500), normal(T, 500, seed=1), normal(T, 500, seed=2)
    return lambda: T.addr(A, x, y)


@row("addmv 10", 1.1)
def addmv(T: ModuleType):
    b, A, x = normal(T, 10), normal(T, 10, 10, seed=1), normal(T, 10, seed=2)
    return lambda: T.addmv(b, A, x)


@row("kron 30", 0.9)
def kron(T: ModuleType):
    x, y = normal(T, 30, 30), normal(T, 30, 30, seed=1)
    return lambda: T.kron(x, y)


@row("histogram 1e6", 0.9)
def histogram(T: ModuleType):
    x = normal(T, 1_000_000)
    return lambda: T.histogram(x, 100)
