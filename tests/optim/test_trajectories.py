"""Twenty steps of each optimizer, over its options, against torch."""

import importlib
import inspect

import numpy as np
import pytest

import flambeau
from flambeau import _C

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

SGD = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.05},
    {"maximize": True, "momentum": 0.5},
    {"maximize": True, "weight_decay": 0.1},
]

ADAM = [
    {},
    {"betas": (0.8, 0.9), "eps": 1e-3},
    {"weight_decay": 0.1},
    {"amsgrad": True},
    {"amsgrad": True, "weight_decay": 0.1, "maximize": True},
    {"maximize": True},
]

DECAY = [{}, {"weight_decay": 0.1}, {"maximize": True}, {"weight_decay": 0.1, "maximize": True}]

DECOUPLED = [*DECAY, {"weight_decay": 0.1, "decoupled_weight_decay": True}]

OPTIONS = {
    "SGD": SGD,
    "Adam": [*ADAM, {"decoupled_weight_decay": True, "weight_decay": 0.1}],
    "AdamW": ADAM,
    "Adamax": [*DECAY, {"betas": (0.8, 0.9), "eps": 1e-3}],
    "NAdam": [*DECOUPLED, {"betas": (0.8, 0.9), "eps": 1e-3, "momentum_decay": 0.1}],
    "RAdam": [*DECOUPLED, {"betas": (0.8, 0.9), "eps": 1e-3}],
    "Adagrad": [*DECAY, {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}],
    "Adadelta": [*DECAY, {"rho": 0.5, "eps": 1e-3}],
    "RMSprop": [
        *DECAY,
        {"alpha": 0.8, "eps": 1e-3},
        {"momentum": 0.9},
        {"centered": True, "eps": 1e-3},
        {"centered": True, "momentum": 0.5, "weight_decay": 0.1, "eps": 1e-3},
    ],
    "Rprop": [{}, {"maximize": True}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.02)}],
    "ASGD": [*DECAY, {"lambd": 0.1, "alpha": 0.5, "t0": 5.0}],
}

CASES = [(name, options) for name, cases in OPTIONS.items() for options in cases]


SHAPES = [(3, 5), (17,), (1,), (2, 3, 4)]


def trajectory(module, name, options, dtype, lr=0.01, shapes=SHAPES):
    """The parameters after each of twenty steps along given gradients."""
    rng = np.random.default_rng(7)
    params = [
        module.nn.Parameter(module.tensor(rng.standard_normal(shape).astype(dtype)))
        for shape in shapes
    ]
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": lr * 3}]
    optimizer = getattr(module.optim, name)(groups, lr=lr, **options)
    seen = []
    for _ in range(20):
        for param, shape in zip(params, shapes, strict=True):
            param.grad = module.tensor(rng.standard_normal(shape).astype(dtype))
        optimizer.step()
        seen.append(np.concatenate([p.detach().numpy().ravel() for p in params]))
    return np.stack(seen)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_as_torch(name, options, dtype, rtol):
    ours = trajectory(flambeau, name, options, dtype)
    theirs = trajectory(torch, name, options, dtype)
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol / 10)


ADAFACTOR = [
    {},
    {"weight_decay": 0.1, "maximize": True},
    {"beta2_decay": -0.5, "eps": (1e-6, 1e-2), "d": 2.0, "lr": 0.5},
]


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 1e-12)])
@pytest.mark.parametrize("options", ADAFACTOR)
def test_adafactor_as_torch(options, dtype, rtol):
    options = dict(options)
    lr = options.pop("lr", 0.01)
    ours = trajectory(flambeau, "Adafactor", options, dtype, lr)
    theirs = trajectory(torch, "Adafactor", options, dtype, lr)
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol / 10)


MUON = [{}, {"nesterov": False, "weight_decay": 0.0}, {"adjust_lr_fn": "match_rms_adamw"}]


@pytest.mark.parametrize("options", MUON)
def test_muon_as_torch(options):
    """To the digits of bfloat16, in which torch computes."""
    shapes = [(4, 4), (3, 8), (8, 3)]
    ours = trajectory(flambeau, "Muon", options, "float32", shapes=shapes)
    theirs = trajectory(torch, "Muon", options, "float32", shapes=shapes)
    np.testing.assert_allclose(ours, theirs, atol=3e-2)


@pytest.mark.parametrize("name", OPTIONS)
def test_complex_parameters(name):
    results = []
    for module in (flambeau, torch):
        rng = np.random.default_rng(3)
        numbers = rng.standard_normal((6, 4)) + 1j * rng.standard_normal((6, 4))
        param = module.nn.Parameter(module.tensor(numbers[0]))
        optimizer = getattr(module.optim, name)([param], lr=0.1)
        for gradient in numbers[1:]:
            param.grad = module.tensor(gradient)
            optimizer.step()
        results.append(param.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-6)


@pytest.mark.parametrize("name", OPTIONS)
def test_gradients_that_are_not_contiguous(name):
    results = []
    for module in (flambeau, torch):
        param = module.nn.Parameter(module.arange(6.0).reshape(2, 3).t())
        optimizer = getattr(module.optim, name)([param], lr=0.1)
        for _ in range(3):
            param.grad = (module.arange(6.0).reshape(2, 3) - 2.5).t()
            optimizer.step()
            param.grad = module.arange(6.0).reshape(3, 2) - 2.5
            optimizer.step()
        results.append(param.detach().numpy())
    np.testing.assert_allclose(*results, rtol=1e-5)


CHOICES = ("foreach", "fused", "capturable")


@pytest.mark.parametrize("name", [*OPTIONS, "Adafactor"])
def test_choices_of_implementation_change_nothing(name):
    """What PyTorch has several implementations of is one kernel here, whatever is asked for."""
    taken = inspect.signature(getattr(flambeau.optim, name)).parameters
    plain = trajectory(flambeau, name, {}, "float32")
    for choice in filter(taken.__contains__, CHOICES):
        assert np.array_equal(trajectory(flambeau, name, {choice: True}, "float32"), plain)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", OPTIONS)
def test_half_precision(name, dtype):
    results = []
    for module in (flambeau, torch):
        half = getattr(module, dtype)
        param = module.nn.Parameter(module.tensor([1.0, -2.0, 3.0], dtype=half))
        optimizer = getattr(module.optim, name)([param], lr=0.1)
        for step in range(5):
            param.grad = module.tensor([0.5, 1.0, -1.5 + step], dtype=half)
            optimizer.step()
        results.append(param.detach().float().numpy())
    np.testing.assert_allclose(*results, rtol=2e-2)


@pytest.mark.parametrize("name", OPTIONS)
def test_learning_rate_as_a_tensor(name):
    plain = trajectory(flambeau, name, {}, "float64")
    tensor = trajectory(
        flambeau, name, {}, "float64", lr=flambeau.tensor(0.01, dtype=flambeau.float64)
    )
    np.testing.assert_allclose(tensor, plain, rtol=1e-9)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_recorded_steps_equal_fused_ones(name, options):
    """With differentiable=True the same steps are operations of the graph."""
    results = []
    for differentiable in (False, True):
        start = flambeau.tensor([1.0, -2.0, 3.0], dtype=flambeau.float64)
        param = start.clone().requires_grad_(not differentiable)
        scale = flambeau.ones((), dtype=flambeau.float64, requires_grad=differentiable)
        optimizer = getattr(flambeau.optim, name)(
            [param], lr=0.1, differentiable=differentiable, **options
        )
        for step in range(4):
            gradient = flambeau.tensor([0.5, 1.0, -1.5 + step], dtype=flambeau.float64)
            param.grad = gradient * scale if differentiable else gradient
            optimizer.step()
        results.append(param.detach().numpy())
        if differentiable:
            param.sum().backward()
            assert scale.grad is not None
    np.testing.assert_allclose(*results, rtol=1e-12)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_step_is_one_kernel_call(name, monkeypatch):
    module = importlib.import_module(f"flambeau.optim.{'sgd' if name == 'SGD' else '_common'}")
    calls = []

    class Counting:
        def __init__(self, backend):
            self.backend = backend

        def __getattr__(self, name):
            calls.append(name)
            return getattr(self.backend, name)

    find = module.kernels
    monkeypatch.setattr(module, "kernels", lambda t: Counting(find(t)))
    model = flambeau.nn.Sequential(flambeau.nn.Linear(2, 3), flambeau.nn.Linear(3, 1))
    model(flambeau.ones(1, 2)).sum().backward()
    optimizer = getattr(flambeau.optim, name)(model.parameters())
    optimizer.step()
    optimizer.step()
    assert calls == [f"{'adam' if name == 'AdamW' else name.lower()}_step"] * 2


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (1, 3), (70, 130), (0, 3)])
@pytest.mark.parametrize("iterations", [0, 1, 5, 12])
def test_newton_schulz_takes_singular_values_through_the_polynomial(shape, iterations):
    coefficients = (3.4445, -4.7750, 2.0315)
    matrix = np.random.default_rng(0).standard_normal(shape)
    found = _C.newton_schulz(
        [flambeau.tensor(matrix), flambeau.tensor(matrix.T).T],
        [2.0, 1.0],
        *coefficients,
        iterations,
        1e-7,
    )
    if 0 in shape:
        assert [tuple(each.shape) for each in found] == [shape, shape]
        return
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    s = s / np.linalg.norm(s)
    for _ in range(iterations):
        s = sum(c * s**power for c, power in zip(coefficients, (1, 3, 5), strict=True))
    for each, factor in zip(found, (2, 1), strict=True):
        np.testing.assert_allclose(each.numpy(), factor * (u * s) @ vt, atol=2e-3)


def test_newton_schulz_of_zeros_is_zero():
    (found,) = _C.newton_schulz([flambeau.zeros(3, 4)], [1.0], 3.0, -4.0, 2.0, 5, 1e-7)
    assert found.tolist() == [[0.0] * 4] * 3


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: _C.newton_schulz([flambeau.ones(3)], [1.0], 1, 1, 1, 5, 1e-7),
            "expected matrices",
        ),
        (
            lambda: _C.newton_schulz([flambeau.ones(3, 3)], [], 1, 1, 1, 5, 1e-7),
            "a factor for each",
        ),
    ],
)
def test_newton_schulz_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()
