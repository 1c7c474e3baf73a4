"""Activation functions against PyTorch: values, conventions at kinks, arguments, in-place forms."""

import math

import numpy as np
import pytest

import flambeau
from flambeau.nn import functional

#: name -> further arguments to try
FUNCTIONS = {
    "relu": [()],
    "relu6": [()],
    "leaky_relu": [(), (0.3,), (-1.0,)],
    "elu": [(), (0.5,)],
    "selu": [()],
    "celu": [(), (0.5,), (-2.0,)],
    "gelu": [()],
    "silu": [()],
    "mish": [()],
    "softplus": [(), (2.0, 3.0)],
    "softsign": [()],
    "hardtanh": [(), (-0.5, 3.0)],
    "hardsigmoid": [()],
    "hardswish": [()],
    "threshold": [(0.5, 7.0)],
    "logsigmoid": [()],
    "tanhshrink": [()],
    "softshrink": [(), (1.0,)],
    "hardshrink": [(), (1.0,)],
    "rrelu": [(), (0.1, 0.9)],
}
OUT_OF_PLACE = {
    "gelu",
    "softplus",
    "softsign",
    "logsigmoid",
    "tanhshrink",
    "softshrink",
    "hardshrink",
}
INPLACE = sorted(set(FUNCTIONS) - OUT_OF_PLACE)
CASES = [(name, arguments) for name, several in FUNCTIONS.items() for arguments in several]
KINKS = [0.0, -0.0, 3.0, -3.0, 0.5, -0.5, 6.0, 1.0, -1.0, 100.0, -100.0, math.nan, 0.3, -7.5, 20.5]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def run(module, functions, name, arguments, dtype):
    x = module.tensor(KINKS, dtype=getattr(module, dtype), requires_grad=True)
    out = getattr(functions, name)(x, *arguments)
    out.backward(module.full_like(out, 2.0))
    wide = module.float64
    return out.detach().to(wide).numpy(), x.grad.to(wide).numpy(), str(out.dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_values_and_gradients(torch, name, arguments, dtype):
    ours = run(flambeau, functional, name, arguments, dtype)
    theirs = run(torch, torch.nn.functional, name, arguments, dtype)
    rtol = {"float64": 1e-13, "float32": 3e-6, "bfloat16": 2e-2, "float16": 3e-3}[dtype]
    if name == "hardsigmoid":
        rtol = max(rtol, 1e-7)  # torch has 1/6 as a float32
    atol = rtol if name == "gelu" else rtol / 20  # torch loses the tail to cancellation
    assert ours[2] == theirs[2]
    for found, expected in zip(ours[:2], theirs[:2], strict=True):
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def test_gelu_with_tanh(torch):
    for dtype, rtol in (("float64", 1e-13), ("float32", 3e-6)):
        results = []
        for module, functions in ((flambeau, functional), (torch, torch.nn.functional)):
            x = module.linspace(-6, 6, 301, dtype=getattr(module, dtype)).requires_grad_()
            out = functions.gelu(x, approximate="tanh")
            out.sum().backward()
            results.append((out.detach().numpy(), x.grad.numpy()))
        for found, expected in zip(*results, strict=True):
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


def test_gelu_of_floats_against_doubles():
    """Both sides of zero, and the tail, where 1 + erf would cancel."""
    special = pytest.importorskip("scipy.special")
    x = np.linspace(-8, 8, 4001).astype("float32")
    wide = x.astype("float64")
    found = functional.gelu(flambeau.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, wide * special.ndtr(wide), rtol=2e-7, atol=6e-8)


@pytest.mark.parametrize("name", INPLACE)
def test_inplace(name):
    arguments = FUNCTIONS[name][-1]
    values = flambeau.linspace(-4, 4, 30)
    expected = getattr(functional, name)(values, *arguments)
    for target in (values.clone(), flambeau.linspace(-4, 4, 30)):
        result = getattr(functional, name)(target, *arguments, inplace=True)
        assert result is target
        assert flambeau.equal(target, expected)


@pytest.mark.parametrize("name", INPLACE)
def test_inplace_gradients(name):
    arguments = FUNCTIONS[name][-1]
    grads = []
    for inplace in (False, True):
        leaf = flambeau.linspace(-4, 4, 31).requires_grad_()
        if inplace and name in ("silu", "mish", "hardswish"):
            getattr(functional, name)(leaf * 1, inplace=True).sum().backward()
        else:
            getattr(functional, name)(leaf * 1, *arguments, inplace=inplace).sum().backward()
        grads.append(leaf.grad)
    assert flambeau.equal(*grads)


def test_functions_of_the_torch_namespace():
    x = flambeau.tensor([-1.0, 2.0])
    assert flambeau.threshold(x, 0, 5).tolist() == [5, 2]
    assert flambeau.selu_(x) is x
    for name in ("relu_", "celu_", "rrelu_", "threshold_", "celu", "rrelu", "prelu", "hardshrink"):
        assert hasattr(flambeau, name)
    for name in ("elu_", "hardtanh_", "leaky_relu_"):
        assert hasattr(functional, name)
        assert not hasattr(flambeau.Tensor, name)


def test_integers(torch):
    for name, arguments in (("hardtanh", (-1, 1)), ("threshold", (1, 7)), ("relu6", ())):
        found = getattr(functional, name)(flambeau.tensor([-3, 1, 9]), *arguments)
        wanted = getattr(torch.nn.functional, name)(torch.tensor([-3, 1, 9]), *arguments)
        assert found.tolist() == wanted.tolist()
        assert str(found.dtype) == str(wanted.dtype)
    assert functional.softsign(flambeau.tensor([1])).tolist() == [0.5]
    with pytest.raises(RuntimeError, match="gelu: not implemented for int64"):
        functional.gelu(flambeau.tensor([1]))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda f, x: f.gelu(x, approximate="other"), RuntimeError, "either none or tanh"),
        (lambda f, x: f.hardtanh(x, 2, 1), ValueError, "cannot be greater"),
        (lambda f, x: f.celu(x, 0), RuntimeError, "alpha cannot be 0"),
        (lambda f, x: f.softshrink(x, -1), RuntimeError, "lambda must be"),
        (lambda f, x: f.rrelu(x, 0.5, 0.1), RuntimeError, "less than or equal"),
        (lambda f, x: f.glu(x[0, 0]), RuntimeError, "does not support scalars"),
        (lambda f, x: f.glu(x), RuntimeError, "must be even"),
        (lambda f, x: f.glu(x, 5), IndexError, "out of range"),
        (lambda f, x: f.prelu(x, x[0, :2]), RuntimeError, "Mismatch of parameter numbers"),
        (lambda f, x: f.prelu(x[0, 0], x[0, :2]), RuntimeError, "zero-dim"),
        (lambda f, x: f.prelu(x, x[:, :1]), RuntimeError, "1D tensor"),
        (lambda f, x: f.prelu(x, x[0].double()), RuntimeError, "Type promoting"),
        (lambda f, x: f.relu(1.0), TypeError, "must be Tensor"),
        (lambda f, x: f.leaky_relu([1.0]), TypeError, "must be Tensor"),
    ],
)
def test_errors(torch, call, error, text):
    with pytest.raises(error, match=text):
        call(functional, flambeau.ones(2, 3))
    with pytest.raises(error):
        call(torch.nn.functional, torch.ones(2, 3))


def test_prelu_channels(torch):
    random = np.random.default_rng(0)
    for shape, count in (((4, 3), 3), ((2, 3, 4, 5), 3), ((5,), 1), ((2, 3), 1), ((), 1)):
        numbers, slopes = random.normal(size=shape), random.normal(size=count)
        results = []
        for module in (flambeau, torch):
            x = module.from_numpy(np.array(numbers)).requires_grad_()
            w = module.from_numpy(slopes.copy()).requires_grad_()
            out = module.prelu(x, w)
            out.sum().backward()
            results.append((out.detach().numpy(), x.grad.numpy(), w.grad.numpy()))
        for found, expected in zip(*results, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_glu(torch):
    numbers = np.random.default_rng(0).normal(size=(4, 6))
    for dim in (0, 1, -1):
        results = []
        for module, functions in ((flambeau, functional), (torch, torch.nn.functional)):
            x = module.from_numpy(numbers.copy()).requires_grad_()
            out = functions.glu(x, dim)
            out.sum().backward()
            results.append((out.detach().numpy(), x.grad.numpy()))
        for found, expected in zip(*results, strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_random_slopes_are_torchs(torch, dtype):
    numbers = np.random.default_rng(0).normal(size=(5, 7)).astype(dtype)
    results = []
    for module, functions in ((flambeau, functional), (torch, torch.nn.functional)):
        module.manual_seed(3)
        x = module.from_numpy(numbers.copy()).requires_grad_()
        out = functions.rrelu(x, 0.2, 0.8, training=True)
        out.sum().backward()
        results.append((out.detach().numpy(), x.grad.numpy()))
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_second_derivatives(torch):
    """At ordinary points; the suite over the registry checks them against differences."""
    for name, arguments in CASES:
        if name == "hardsigmoid":
            continue  # torch has no second derivative of it
        results = []
        for module, functions in ((flambeau, functional), (torch, torch.nn.functional)):
            x = module.tensor([0.7, -0.4, 2.2, -3.3], dtype=module.float64, requires_grad=True)
            out = getattr(functions, name)(x, *arguments)
            (slope,) = module.autograd.grad(out.sum(), x, create_graph=True)
            if slope.requires_grad:
                (slope * slope).sum().backward()
            results.append(x.grad.numpy() if x.grad is not None else np.zeros(4))
        np.testing.assert_allclose(*results, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", ["elu", "selu", "celu"])
def test_second_derivative_at_kinks(torch, name):
    def second(module):
        x = module.tensor([0.0, math.nan, math.inf, -math.inf, -0.5, 2.0], requires_grad=True)
        first = getattr(module.nn.functional, name)(x)
        (slope,) = module.autograd.grad(first, x, module.ones(6), create_graph=True)
        return module.autograd.grad(slope, x, module.ones(6))[0].tolist()

    assert second(flambeau) == pytest.approx(second(torch))


def test_softshrink_writes_to_out(torch):
    for module in (flambeau, torch):
        out = module.empty(0)
        found = module.nn.functional.softshrink(module.tensor([2.0, 0.1]), out=out)
        assert found is out
        assert out.tolist() == [1.5, 0.0]
