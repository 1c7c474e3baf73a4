"""L-BFGS: trajectories against torch, and the line search by its conditions."""

import numpy as np
import pytest

import flambeau
from flambeau.optim.lbfgs import strong_wolfe

START = np.array([-1.2, 1.0, 0.5, 2.0])


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def quartic(x):
    return ((x - 1.5) ** 4).sum()


def run(module, function, dtype=np.float64, steps=4, **options):
    """Losses, parameters and counts after each step."""
    x = module.nn.Parameter(module.tensor(START.astype(dtype)))
    optimizer = module.optim.LBFGS([x], **options)

    def closure():
        optimizer.zero_grad()
        loss = function(x)
        loss.backward()
        return loss

    seen = []
    for _ in range(steps):
        loss = optimizer.step(closure).item()
        state = optimizer.state_dict()["state"][0]
        seen.append([loss, *x.detach().numpy().copy(), state["func_evals"], state["n_iter"]])
    return np.array(seen)


CASES = [
    (rosenbrock, {"line_search_fn": "strong_wolfe"}),
    (rosenbrock, {"line_search_fn": "strong_wolfe", "max_iter": 7, "history_size": 3}),
    (rosenbrock, {"line_search_fn": "strong_wolfe", "max_eval": 9, "lr": 0.3}),
    (rosenbrock, {"lr": 1e-3}),
    (rosenbrock, {"lr": 1e-3, "history_size": 2, "max_iter": 5}),
    (quartic, {}),
    (quartic, {"line_search_fn": "strong_wolfe", "lr": 0.1}),
    (quartic, {"tolerance_grad": 1e-2, "tolerance_change": 1e-3}),
]


@pytest.mark.parametrize(("function", "options"), CASES)
def test_as_torch(function, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    ours, theirs = run(flambeau, function, **options), run(torch, function, **options)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_float32_comes_to_the_minimum():
    seen = run(flambeau, rosenbrock, np.float32, line_search_fn="strong_wolfe")
    minimum = [-0.775659, 0.613093, 0.382063, 0.145972]  # a local one
    np.testing.assert_allclose(seen[-1, 1:5], minimum, atol=1e-4)


def test_complex_parameters():
    x = flambeau.nn.Parameter(flambeau.tensor([1 + 2j, -1j], dtype=flambeau.complex128))
    optimizer = flambeau.optim.LBFGS([x], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (x - (2 - 1j)).abs().square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose(x.detach().numpy(), 2 - 1j, atol=1e-6)


@pytest.mark.parametrize("resume_in", ["flambeau", "torch"])
def test_state_moves_between_flambeau_and_torch(resume_in):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    source, target = (torch, flambeau) if resume_in == "flambeau" else (flambeau, torch)
    options = {"line_search_fn": "strong_wolfe", "max_iter": 4}

    def make(module, values):
        x = module.nn.Parameter(module.tensor(values))
        optimizer = module.optim.LBFGS([x], **options)

        def closure():
            optimizer.zero_grad()
            loss = rosenbrock(x)
            loss.backward()
            return loss

        return x, optimizer, closure

    def moved(value):
        if isinstance(value, dict):
            return {key: moved(each) for key, each in value.items()}
        if isinstance(value, list):
            return [moved(each) for each in value]
        return target.tensor(value.numpy()) if hasattr(value, "numpy") else value

    x, optimizer, closure = make(source, START)
    optimizer.step(closure)
    y, resumed, resumed_closure = make(target, x.detach().numpy().copy())
    resumed.load_state_dict(moved(optimizer.state_dict()))
    for _ in range(3):
        optimizer.step(closure)
        resumed.step(resumed_closure)
    np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy(), rtol=1e-7)


class Line:
    """A point of a function of one number."""

    def __init__(self, t, function):
        self.t = t
        self.loss, self.slope = function(t)
        self.gradient = None


@pytest.mark.parametrize("length", [1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize(
    "function",
    [
        lambda t: ((t - 2) ** 2, 2 * (t - 2)),
        lambda t: (-t / (t * t + 2), (t * t - 2) / (t * t + 2) ** 2),
        lambda t: (np.cosh(t - 3), np.sinh(t - 3)),
    ],
)
def test_strong_wolfe_conditions(function, length):
    origin = Line(0.0, function)
    found, calls = strong_wolfe(lambda t: Line(t, function), origin, length, 1e-12)
    assert found.loss <= origin.loss + 1e-4 * found.t * origin.slope
    assert abs(found.slope) <= 0.9 * abs(origin.slope)
    assert calls <= 26


def test_a_function_without_minimum_ends():
    def fall(t):
        return -t, -1.0

    found, calls = strong_wolfe(lambda t: Line(t, fall), Line(0.0, fall), 1.0, 1e-9)
    assert calls == 26
    assert found.t > 1
