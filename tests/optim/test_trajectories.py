"""Twenty steps of each optimizer, over its options, against torch."""

import importlib
import inspect
import itertools

import numpy as np
import pytest

import flambeau
from flambeau import _C

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

SWITCH = (False, True)
DECAY = (0, 0.1)
ADAM = {
    "betas": ((0.9, 0.999), (0.8, 0.9)),
    "eps": (1e-8, 1e-3),
    "weight_decay": DECAY,
    "maximize": SWITCH,
}

#: Of each option the default and another value; all their combinations are run.
VALUES = {
    "SGD": {
        "momentum": (0, 0.9),
        "dampening": (0, 0.3),
        "weight_decay": DECAY,
        "nesterov": SWITCH,
        "maximize": SWITCH,
    },
    "Adam": {**ADAM, "amsgrad": SWITCH, "decoupled_weight_decay": SWITCH},
    "AdamW": {**ADAM, "amsgrad": SWITCH},
    "Adamax": ADAM,
    "NAdam": {**ADAM, "momentum_decay": (4e-3, 0.1), "decoupled_weight_decay": SWITCH},
    "RAdam": {**ADAM, "decoupled_weight_decay": SWITCH},
    "Adagrad": {
        "lr_decay": (0, 0.1),
        "initial_accumulator_value": (0, 0.5),
        "eps": (1e-10, 1e-3),
        "weight_decay": DECAY,
        "maximize": SWITCH,
    },
    "Adadelta": {
        "rho": (0.9, 0.5),
        "eps": (1e-6, 1e-3),
        "weight_decay": DECAY,
        "maximize": SWITCH,
    },
    "RMSprop": {
        "alpha": (0.99, 0.8),
        "eps": (1e-8, 1e-3),
        "weight_decay": DECAY,
        "momentum": (0, 0.9),
        "centered": SWITCH,
        "maximize": SWITCH,
    },
    "Rprop": {
        "etas": ((0.5, 1.2), (0.3, 1.5)),
        "step_sizes": ((1e-6, 50), (1e-3, 0.02)),
        "maximize": SWITCH,
    },
    "ASGD": {
        "lambd": (1e-4, 0.1),
        "alpha": (0.75, 0.5),
        "t0": (1e6, 5.0),
        "weight_decay": DECAY,
        "maximize": SWITCH,
    },
}
ADAFACTOR = {
    "lr": (0.01, 0.5),
    "beta2_decay": (-0.8, -0.5),
    "eps": ((None, 1e-3), (1e-6, 1e-2)),
    "d": (1.0, 2.0),
    "weight_decay": DECAY,
    "maximize": SWITCH,
}
MUON = {
    "weight_decay": (0.1, 0.0),
    "momentum": (0.95, 0.5),
    "nesterov": (True, False),
    "ns_steps": (5, 3),
    "adjust_lr_fn": ("original", "match_rms_adamw"),
}


def combinations(values):
    """Each choice of one value per option."""
    for chosen in itertools.product(*values.values()):
        options = dict(zip(values, chosen, strict=True))
        if options.get("nesterov") and (options.get("dampening") or not options["momentum"]):
            continue  # refused: test_optimizer
        if options.get("centered") and options["eps"] < 1e-6:
            continue  # a root of a difference of like numbers: their last digits decide
        yield options


SHAPES = [(3, 5), (17,), (1,), (2, 3, 4)]


def trajectory(module, name, options, dtype, shapes=SHAPES):
    """The parameters after each of twenty steps along given gradients."""
    rng = np.random.default_rng(7)
    params = [
        module.nn.Parameter(module.tensor(rng.standard_normal(shape).astype(dtype)))
        for shape in shapes
    ]
    options = {"lr": 0.01, **options}
    groups = [{"params": params[:2]}, {"params": params[2:], "lr": options["lr"] * 3}]
    optimizer = getattr(module.optim, name)(groups, **options)
    seen = []
    for _ in range(20):
        for param, shape in zip(params, shapes, strict=True):
            param.grad = module.tensor(rng.standard_normal(shape).astype(dtype))
        optimizer.step()
        seen.append(np.concatenate([p.detach().numpy().ravel() for p in params]))
    return np.stack(seen)


PRECISIONS = pytest.mark.parametrize(("dtype", "rtol"), [("float32", 2e-5), ("float64", 1e-12)])


def require_the_same(name, values, dtype, rtol, atol, **more):
    for options in combinations(values):
        ours, theirs = (
            trajectory(module, name, options, dtype, **more) for module in (flambeau, torch)
        )
        np.testing.assert_allclose(ours, theirs, rtol, atol, err_msg=f"{name} {options}")


@PRECISIONS
@pytest.mark.parametrize("name", VALUES)
def test_as_torch(name, dtype, rtol):
    require_the_same(name, VALUES[name], dtype, rtol, rtol / 10)


@PRECISIONS
def test_adafactor_as_torch(dtype, rtol):
    require_the_same("Adafactor", ADAFACTOR, dtype, rtol, rtol / 10)


def test_muon_as_torch():
    """To the digits of bfloat16, in which torch computes."""
    require_the_same("Muon", MUON, "float32", 0, 3e-2, shapes=[(4, 4), (3, 8), (8, 3)])


@pytest.mark.parametrize("name", [*VALUES, "Adafactor", "Muon"])
def test_all_options_are_run(name):
    choice = ["foreach", "fused", "capturable", "differentiable"]
    values = VALUES | {"Adafactor": ADAFACTOR, "Muon": MUON}
    numbers = inspect.signature(getattr(torch.optim, name)).parameters
    fixed = {"params", "lr", "ns_coefficients"} | ({"eps"} if name == "Muon" else set())
    assert set(numbers) - set(choice) - fixed == set(values[name]) - fixed


@pytest.mark.parametrize("name", VALUES)
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


@pytest.mark.parametrize("name", VALUES)
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


@pytest.mark.parametrize("name", [*VALUES, "Adafactor"])
def test_choices_of_implementation_change_nothing(name):
    """What PyTorch has several implementations of is one kernel here, whatever is asked for."""
    taken = inspect.signature(getattr(flambeau.optim, name)).parameters
    plain = trajectory(flambeau, name, {}, "float32")
    for choice in filter(taken.__contains__, CHOICES):
        assert np.array_equal(trajectory(flambeau, name, {choice: True}, "float32"), plain)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", VALUES)
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


@pytest.mark.parametrize("name", VALUES)
def test_learning_rate_as_a_tensor(name):
    plain = trajectory(flambeau, name, {}, "float64")
    rate = flambeau.tensor(0.01, dtype=flambeau.float64)
    tensor = trajectory(flambeau, name, {"lr": rate}, "float64")
    np.testing.assert_allclose(tensor, plain, rtol=1e-9)


@pytest.mark.parametrize("name", VALUES)
def test_recorded_steps_equal_fused_ones(name):
    """With differentiable=True the same steps are operations of the graph."""
    for options in combinations(VALUES[name]):
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
                assert scale.grad is not None, options
        np.testing.assert_allclose(*results, rtol=1e-12, err_msg=str(options))


@pytest.mark.parametrize("name", VALUES)
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
