"""The steps of optimizers as functions of lists of tensors, against torch."""

import importlib
import inspect

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

#: The options of each function, and which of its lists start as the root of the step count does.
OPTIONS = {
    "adam": {"amsgrad": True, "beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1},
    "adamw": {"amsgrad": False, "beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1},
    "adamax": {"beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1},
    "nadam": {"beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1},
    "radam": {"beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1},
    "adagrad": {"lr": 0.1, "weight_decay": 0.1, "lr_decay": 0.2},
    "adadelta": {"lr": 0.1, "weight_decay": 0.1, "rho": 0.9},
    "rmsprop": {"lr": 0.1, "alpha": 0.9, "weight_decay": 0.1, "momentum": 0.5, "centered": True},
    "rprop": {"step_size_min": 1e-3, "step_size_max": 1.0, "etaminus": 0.5, "etaplus": 1.2},
    "asgd": {"lambd": 0.1, "lr": 0.1, "t0": 2, "alpha": 0.7, "weight_decay": 0.1},
}
#: Lists of one number per parameter.
NUMBERS = {"state_steps": 0.0, "mu_products": 1.0, "mus": 1.0, "etas": 0.1}


def run(module, name, differentiable):
    """The parameters and states after three steps."""
    function = getattr(importlib.import_module(f"{module.__name__}.optim.{name}"), name)
    rng = np.random.default_rng(0)
    parameters = inspect.signature(function).parameters
    lists = [p for p in list(parameters)[2:] if p in NUMBERS or p.endswith(("s", "_list"))]
    lists = lists[: lists.index("state_steps") + 1]
    params = [module.tensor(rng.standard_normal(4)) for _ in range(2)]
    states = {
        each: [
            module.tensor(NUMBERS[each])
            if each in NUMBERS
            else module.full((4,), 0.1 if each == "step_sizes" else 0.0, dtype=module.float64)
            for _ in params
        ]
        for each in lists
    }
    options = dict(OPTIONS[name], differentiable=differentiable)
    if "eps" in parameters:
        options["eps"] = 1e-6
    if "maximize" in parameters:
        options["maximize"] = False
    if "foreach" in parameters and module is torch:
        options["foreach"] = False
    for _ in range(3):
        grads = [module.tensor(rng.standard_normal(4)) for _ in params]
        function(params, grads, *states.values(), **options)
    return [t.numpy() for t in (*params, *(t for each in states.values() for t in each))]


@pytest.mark.parametrize("differentiable", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_as_torch(name, differentiable):
    ours, theirs = run(flambeau, name, differentiable), run(torch, name, False)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", [*OPTIONS, "sgd"])
def test_signatures(name):
    shapes = []
    for module in ("flambeau", "torch"):
        function = getattr(importlib.import_module(f"{module}.optim.{name}"), name)
        parameters = inspect.signature(function).parameters.values()
        shapes.append([(p.name, p.kind, p.default) for p in parameters])
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd(momentum):
    found = []
    for module in (flambeau, torch):
        step = importlib.import_module(f"{module.__name__}.optim.sgd").sgd
        params, buffers = [module.ones(3), module.ones(2)], [None, None]
        options = {"weight_decay": 0.1, "momentum": momentum, "lr": 0.1, "dampening": 0.2}
        for k in range(3):
            grads = [module.full((3,), 1.0 + k), module.full((2,), 2.0 - k)]
            step(params, grads, buffers, nesterov=False, maximize=False, **options)
        found.append([t.tolist() for t in (*params, *buffers) if t is not None])
    np.testing.assert_allclose(np.concatenate(found[0]), np.concatenate(found[1]), rtol=1e-6)


def test_errors():
    from flambeau.optim.adamax import adamax
    from flambeau.optim.sgd import sgd

    x = [flambeau.ones(2)]
    options = {"eps": 1e-8, "beta1": 0.9, "beta2": 0.9, "lr": 0.1, "weight_decay": 0}
    with pytest.raises(RuntimeError, match="state_steps"):
        adamax(x, x, x, x, [3], **options)
    options = {"weight_decay": 0, "momentum": 0, "lr": 1, "dampening": 0}
    with pytest.raises(RuntimeError, match="grad_scale"):
        sgd(x, x, [None], grad_scale=x[0], nesterov=False, maximize=False, **options)
    adamax([], [], [], [], [], eps=1e-8, beta1=0.9, beta2=0.9, lr=0.1, weight_decay=0)
