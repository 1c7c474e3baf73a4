"""Initialisation: the values of torch for the same seed."""

import itertools

import both
import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

CALLS = [
    "uniform_(t(3, 4), -1, 2)",
    "normal_(t(3, 4), 1, 2)",
    "normal_(t(5, 7), 1, 2)",
    "trunc_normal_(t(30, 4), std=0.5, a=-0.4, b=0.6)",
    "trunc_normal_(t(5, 5))",
    "trunc_normal_(t(20), mean=1.0, std=2.0, a=0.0, b=0.5)",
    "trunc_normal_(t(20), a=2.0, b=3.0)",
    "constant_(t(3), 2.5)",
    "ones_(t(3))",
    "zeros_(t(3))",
    "eye_(t(3, 4))",
    "dirac_(t(4, 2, 3))",
    "dirac_(t(4, 2, 3, 3), groups=2)",
    "dirac_(t(2, 2, 3, 2, 3))",
    "xavier_uniform_(t(3, 4), gain=2)",
    "xavier_uniform_(t(3, 4, 2, 2))",
    "xavier_normal_(t(3, 4))",
    "kaiming_uniform_(t(3, 4), a=0.3)",
    "kaiming_uniform_(t(3, 4, 3), mode='fan_out', nonlinearity='relu')",
    "kaiming_normal_(t(6, 4), mode='fan_out')",
    "sparse_(t(10, 4), 0.35)",
]

ERRORS = [
    "calculate_gain('x')",
    "calculate_gain('leaky_relu', 'a')",
    "xavier_uniform_(torch.ones(3))",
    "kaiming_uniform_(torch.ones(3, 3), mode='x')",
    "eye_(torch.ones(3))",
    "dirac_(torch.ones(3))",
    "dirac_(torch.ones(3, 3, 3), groups=2)",
    "orthogonal_(torch.ones(3))",
    "sparse_(torch.ones(3), 0.1)",
    "kaiming_uniform_(torch.ones(0, 3)).shape",
    "trunc_normal_(torch.ones(3), mean=9).shape",
    "uniform(torch.ones(3), 0.0, 0.0)",
]

GAINS = ["linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]


def fill(call, module):
    module.manual_seed(5)
    tensor = eval(call, {**vars(module.nn.init), "t": module.empty})
    return tensor.numpy()


@pytest.mark.parametrize("call", CALLS)
def test_values_as_torch(call):
    np.testing.assert_allclose(
        fill(call, flambeau), fill(call, torch), rtol=2e-6, atol=1e-7, strict=True
    )


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape):
    values = fill(f"orthogonal_(t{shape}, gain=2)", flambeau)
    np.testing.assert_allclose(
        values, fill(f"orthogonal_(t{shape}, gain=2)", torch), rtol=1e-4, atol=1e-5
    )
    matrix = values.reshape(shape[0], -1) / 2
    small = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-5)


@pytest.mark.parametrize("expression", ERRORS)
def test_errors_as_torch(expression):
    both.check("", f"nn.init.{expression}")


@pytest.mark.parametrize("name", GAINS)
def test_gain(name):
    assert flambeau.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


def test_generator():
    a, b = (
        flambeau.nn.init.normal_(flambeau.empty(4), generator=flambeau.Generator().manual_seed(3))
        for _ in range(2)
    )
    np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_parameters_are_not_recorded():
    parameter = flambeau.nn.Parameter(flambeau.empty(3, 3))
    assert flambeau.nn.init.eye_(parameter) is parameter
    assert parameter.is_leaf and parameter.requires_grad


KAIMING = [
    {"mode": mode, "nonlinearity": kind, "a": a}
    for mode in ("fan_in", "FAN_OUT", "x")
    for kind in ("relu", "leaky_relu", "tanh", "x")
    for a in (0, 5**0.5)
]
#: Of each function the options; every one is called on all shapes and dtypes, with both generators.
OPTIONS = {
    "uniform_": [{}, {"a": -1.5, "b": 0.3}],
    "normal_": [{}, {"mean": 0.3, "std": 2.5}, {"std": -1.0}],
    "trunc_normal_": [{}, {"std": 0.5, "a": 0.1, "b": 1.2}, {"std": 0.02}],
    "xavier_uniform_": [{}, {"gain": 0.5}],
    "xavier_normal_": [{}, {"gain": 2.0}],
    "kaiming_uniform_": [{}, *KAIMING],
    "kaiming_normal_": [{}, *KAIMING],
    "sparse_": [{"sparsity": 0.1}, {"sparsity": 0.7, "std": 1.0}],
    "orthogonal_": [{}, {"gain": 2.0}],
    "eye_": [{}],
    "dirac_": [{}, {"groups": 2}, {"groups": 3}],
}
SHAPES = [(), (1,), (3, 4), (4, 3), (2, 3, 4), (4, 6, 3), (2, 2, 3, 3), (6, 3, 1, 2, 2), (3, 0)]
DTYPES = ["float32", "float64", "float16", "bfloat16", "complex64"]


def initial(module, name, shape, dtype, given, options):
    """The values that an initialisation gives, or the built-in class of the error."""
    tensor = module.zeros(shape, dtype=getattr(module, dtype))
    module.manual_seed(5)
    if given:
        options = {**options, "generator": module.Generator().manual_seed(7)}
    try:
        getattr(module.nn.init, name)(tensor, **options)
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        return kinds[0].replace("NotImplemented", "Runtime")
    wide = module.complex128 if tensor.is_complex() else module.float64
    return tensor.to(wide).numpy()


@pytest.mark.filterwarnings("ignore")  # those of both: test_errors_as_torch
@pytest.mark.parametrize("name", OPTIONS)
def test_every_shape_and_dtype_as_torch(name):
    generators = (False,) if name in ("eye_", "dirac_") else (False, True)
    for call in itertools.product(SHAPES, DTYPES, generators, OPTIONS[name]):
        ours, theirs = (initial(module, name, *call) for module in (flambeau, torch))
        if isinstance(theirs, str):
            assert ours == theirs, call
            continue
        exact = name not in ("orthogonal_", "xavier_normal_", "kaiming_normal_", "normal_")
        tolerance = 1e-5 if name == "orthogonal_" else 0 if exact else 2e-6
        np.testing.assert_allclose(ours, theirs, tolerance, tolerance, err_msg=str(call))
