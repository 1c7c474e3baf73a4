"""The update of every optimizer alone, gradients given: 60 tensors, a million numbers."""

from __future__ import annotations

from itertools import count
from types import ModuleType
from typing import Any

from ..harness import Step, row
from .inputs import normal

# A matrix of 182x182 and a vector of 182 are one of 30 layers.
WIDTH, LAYERS = 182, 30

# SparseAdam has no row: it refuses dense gradients, as in PyTorch, and there are no sparse ones.
OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9},
    "Adam": {},
    "AdamW": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "Adagrad": {},
    "Adadelta": {},
    "RMSprop": {},
    "Rprop": {},
    "ASGD": {},
    "Adafactor": {},
}


def parameters(T: ModuleType, *shapes: tuple[int, ...]) -> list[Any]:
    """Parameters with gradients."""
    made = [T.nn.Parameter(normal(T, *shape)) for shape in shapes]
    for p in made:
        p.grad = normal(T, *p.shape, seed=1)
    return made


def update(T: ModuleType, name: str, options: dict[str, Any]) -> Step:
    """``optimizer.step()``."""
    params = parameters(T, *[(WIDTH, WIDTH), (WIDTH,)] * LAYERS)
    optimizer = getattr(T.optim, name)(params, lr=1e-3, **options)

    def step():
        optimizer.step()
        return params[0]

    return step


for name, options in OPTIONS.items():
    row(f"{name}, 60 tensors, 1M parameters", 0.60)(
        lambda T, name=name, options=options: update(T, name, options)
    )


@row("Muon, 6 matrices 128x256", 0.60)
def muon(T: ModuleType) -> Step:
    """The update of matrices, which is mostly products of matrices."""
    params = parameters(T, *[(128, 256)] * 6)
    optimizer = T.optim.Muon(params, lr=1e-3)

    def step():
        optimizer.step()
        return 0.0

    return step


@row("LBFGS, 60 tensors, 1M parameters", 0.60)
def lbfgs(T: ModuleType) -> Step:
    """Ten iterations of a new optimizer on a quadratic whose gradient costs little.

    Steps that go on from one another would soon measure an optimizer that has converged. The loss
    is a number that falls, or the iterations would end.
    """
    losses = count(0.0, -1.0)
    params = parameters(T, *[(WIDTH, WIDTH), (WIDTH,)] * LAYERS)
    start = [p.detach().clone() for p in params]

    def closure():
        for p in params:
            p.grad.copy_(p.detach())
        return next(losses)

    def step():
        with T.no_grad():
            for p, value in zip(params, start, strict=True):
                p.copy_(value)
        T.optim.LBFGS(params, lr=0.1, max_iter=10).step(closure)
        return params[0]

    return step


@row("clip_grad_norm_, 60 tensors, 1M parameters", 0.60)
def clip(T: ModuleType) -> Step:
    """The norm of all gradients, and their scaling."""
    params = parameters(T, *[(WIDTH, WIDTH), (WIDTH,)] * LAYERS)
    return lambda: T.nn.utils.clip_grad_norm_(params, 1e6)


@row("EMA of 60 tensors, 1M parameters", 0.60)
def ema(T: ModuleType) -> Step:
    """``get_ema_multi_avg_fn`` on lists of tensors."""
    averages, values = (
        [normal(T, *shape, seed=seed) for shape in [(WIDTH, WIDTH), (WIDTH,)] * LAYERS]
        for seed in (0, 1)
    )
    average = T.optim.swa_utils.get_ema_multi_avg_fn(0.99)

    def step():
        average(averages, values, None)
        return averages[0]

    return step


@row("AveragedModel.update_parameters, 60 parameters, 1M numbers", 0.60)
def averaged_model(T: ModuleType) -> Step:
    """The same averages as a copy of a model, which is what training loops keep."""
    model = T.nn.Sequential(*[T.nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS)])
    for p in model.parameters():
        p.data = normal(T, *p.shape)
    averages = T.optim.swa_utils
    averaged = averages.AveragedModel(model, multi_avg_fn=averages.get_ema_multi_avg_fn(0.99))
    averaged.update_parameters(model)

    def step():
        averaged.update_parameters(model)
        return next(averaged.parameters())

    return step
