"""L-BFGS: trajectories against torch, and the line search by its conditions."""

import copy

import numpy as np
import pytest

import flambeau
from flambeau import _C
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
    # Within the root of the dtype's precision, where the loss is flat.
    np.testing.assert_allclose(seen[-1, 1:5], minimum, atol=3e-4)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_comes_near_the_minimum(dtype):
    x = flambeau.nn.Parameter(flambeau.tensor(START, dtype=getattr(flambeau, dtype)))
    optimizer = flambeau.optim.LBFGS([x], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = ((x - 1.5) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert x.dtype == getattr(flambeau, dtype)
    np.testing.assert_allclose(x.detach().float().numpy(), 1.5, atol=0.05)


def test_a_copy_goes_on():
    x = flambeau.nn.Parameter(flambeau.tensor(START))
    optimizer = flambeau.optim.LBFGS([x], max_iter=3)

    def closure_of(optimizer):
        (y,) = optimizer.param_groups[0]["params"]

        def closure():
            optimizer.zero_grad()
            loss = quartic(y)
            loss.backward()
            return loss

        return closure

    optimizer.step(closure_of(optimizer))
    again = copy.deepcopy(optimizer)
    for each in (optimizer, again):
        each.step(closure_of(each))
    (y,) = again.param_groups[0]["params"]
    assert y is not x
    assert y.equal(x)


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


def two_loops(gradient, steps, changes, scale):
    """The recursion as the textbook has it."""
    direction, weights = -gradient, []
    pairs = list(zip(steps, changes, strict=True))
    for s, y in reversed(pairs):
        weights.append(s @ direction / (s @ y))
        direction = direction - weights[-1] * y
    direction = direction * scale
    for (s, y), weight in zip(pairs, reversed(weights), strict=True):
        direction = direction + (weight - y @ direction / (s @ y)) * s
    return direction


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize("length", [1, 7, 40_000])
def test_direction(count, length):
    rng = np.random.default_rng(count)
    gradient, *vectors = rng.standard_normal((1 + 2 * count, length))
    steps, changes = vectors[:count], vectors[count:]
    changes = [y + 3 * s for s, y in zip(steps, changes, strict=True)]
    inverses = [float(1 / (s @ y)) for s, y in zip(steps, changes, strict=True)]
    expected = two_loops(gradient, steps, changes, 0.5)
    threads, found = _C.get_num_threads(), []
    try:
        for threads_used in (1, 2, 5):
            _C.set_num_threads(threads_used)
            lists = ([flambeau.tensor(v) for v in part] for part in (steps, changes))
            result, slope, largest = _C.lbfgs_direction(
                flambeau.tensor(gradient), *lists, inverses, 0.5
            )
            found.append(result.numpy().copy())
            assert slope == pytest.approx(found[0] @ gradient)
            assert largest == abs(found[0]).max()
    finally:
        _C.set_num_threads(threads)
    np.testing.assert_allclose(found[0], expected, rtol=1e-9, atol=1e-9)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_direction_refuses_what_does_not_fit():
    g = flambeau.ones(3)
    for arguments in (
        (g, [g], [], [1.0]),
        (g, [g], [g], []),
        (g, [flambeau.ones(4)], [g], [1.0]),
        (g, [g.double()], [g], [1.0]),
        (flambeau.ones(3, 1), [g], [g], [1.0]),
    ):
        with pytest.raises(RuntimeError, match="lbfgs_direction"):
            _C.lbfgs_direction(*arguments, 1.0)
    with pytest.raises(TypeError, match="lbfgs_direction"):
        _C.lbfgs_direction(flambeau.ones(3, dtype=flambeau.int64), [], [], 1.0)


@pytest.mark.parametrize("length", [1, 7, 40_000])
def test_change(length):
    new, old, direction = np.random.default_rng(0).standard_normal((3, length))
    vectors = [flambeau.tensor(v) for v in (new, old, direction)]
    change, step, curvature, square = _C.lbfgs_change(*vectors, 0.5)
    np.testing.assert_array_equal(change.numpy(), new - old)
    np.testing.assert_array_equal(step.numpy(), 0.5 * direction)
    assert curvature == pytest.approx((new - old) @ direction / 2)
    assert square == pytest.approx((new - old) @ (new - old))
    with pytest.raises(RuntimeError, match="lbfgs_change"):
        _C.lbfgs_change(vectors[0], flambeau.ones(3), vectors[2], 0.5)


def test_join():
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(shape) for shape in ((3, 5), (0,), (), (200, 300), (7,))]
    tensors = [flambeau.tensor(part) for part in parts]
    tensors[0] = flambeau.tensor(parts[0].T.copy()).T
    vector, largest = _C.lbfgs_join(tensors)
    np.testing.assert_array_equal(vector.numpy(), np.concatenate([p.ravel() for p in parts]))
    assert largest == abs(vector.numpy()).max()
    tensors[-1][2] = np.nan
    assert np.isnan(_C.lbfgs_join(tensors)[1])
    for wrong in ([], [tensors[0], tensors[1].float()]):
        with pytest.raises(RuntimeError, match="lbfgs_join"):
            _C.lbfgs_join(wrong)


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


def test_parameters_of_several_dtypes():
    wide = flambeau.nn.Parameter(flambeau.ones(2, dtype=flambeau.float64))
    narrow = flambeau.nn.Parameter(flambeau.ones(3))
    optimizer = flambeau.optim.LBFGS([narrow, wide])

    def loss():
        optimizer.zero_grad()
        value = ((wide - 3) ** 2).sum() + ((narrow - 2) ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    assert loss() < 1e-8
