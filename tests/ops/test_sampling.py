"""Binomial, Gamma and Dirichlet draws: PyTorch's stream, gradients, moments, degenerate cases."""

import math

import numpy as np
import pytest
from scipy import special
from test_random import both

import flambeau as fl


@pytest.mark.parametrize("d", ("float32", "float64"))
def test_binomial_equals_torch(d):
    def call(m):
        dtype = getattr(m, d)
        few = m.binomial(m.linspace(0, 30, 400, dtype=dtype), m.linspace(0, 1, 400, dtype=dtype))
        many = m.binomial(
            m.linspace(0, 1e5, 400, dtype=dtype).floor(), m.linspace(0, 1, 400, dtype=dtype)
        )
        return m.cat([few, many])

    both(call)


def gamma_shapes(m, dtype):
    return m.cat([m.linspace(0.01, top, 300, dtype=dtype) for top in (1.5, 100)]).view(-1, 6)


@pytest.mark.parametrize("d", ("float32", "float64"))
def test_gamma_equals_torch(d):
    both(lambda m: m._standard_gamma(gamma_shapes(m, getattr(m, d))))


def test_dirichlet_equals_torch():
    both(lambda m: m._sample_dirichlet(gamma_shapes(m, m.float32)))


def test_dirichlet_of_float64_equals_torch_but_for_the_order_of_a_sum():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    drawn = []
    for m in (torch, fl):
        m.manual_seed(0)
        drawn.append(m._sample_dirichlet(gamma_shapes(m, m.float64)).tolist())
    np.testing.assert_allclose(drawn[1], drawn[0], rtol=1e-15)
    assert fl.get_rng_state().tolist() == torch.get_rng_state().tolist()


def test_recorded():
    """What PyTorch 2.13 printed."""
    fl.manual_seed(5)
    drawn = fl._standard_gamma(fl.tensor([0.5, 0.5, 0.5, 0.5]))
    assert drawn.tolist() == pytest.approx(
        [0.1416303217, 1.3533694744, 0.1446079910, 0.0336528905], rel=1e-7
    )
    fl.manual_seed(5)
    drawn = fl.binomial(fl.tensor([10.0, 20.0]), fl.tensor([0.3, 0.7]))
    assert drawn.tolist() == [3, 11]
    fl.manual_seed(5)
    drawn = fl._sample_dirichlet(fl.full((3,), 2.5))
    assert drawn.tolist() == pytest.approx([0.3173714280, 0.2898460925, 0.3927824795], rel=1e-7)


@pytest.mark.parametrize(
    "count, prob, expected",
    (
        (0, 0.5, 0),
        (-3, 0.5, 0),
        (7, 0, 0),
        (7, 1, 7),
        (7, 1.5, 7),
        (math.inf, 0.5, math.inf),
        (math.inf, 0, 0),
    ),
)
def test_binomial_without_chance(count, prob, expected):
    drawn = fl.binomial(fl.tensor([float(count)]), fl.tensor([float(prob)]))
    assert drawn.tolist() == [expected]


@pytest.mark.parametrize("count, prob", ((math.nan, 0.5), (5.0, math.nan), (math.nan, math.nan)))
def test_binomial_of_nan(count, prob):
    assert fl.binomial(fl.tensor([count]), fl.tensor([prob])).isnan().all()


@pytest.mark.parametrize("count, prob", ((12, 0.1), (400, 0.3), (400, 0.8)))
def test_binomial_moments(count, prob):
    fl.manual_seed(1)
    drawn = fl.binomial(fl.full((20_000,), float(count)), fl.full((20_000,), prob))
    variance = count * prob * (1 - prob)
    assert drawn.mean().item() == pytest.approx(count * prob, abs=5 * (variance / 20_000) ** 0.5)
    assert drawn.var().item() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("shape", (0.3, 1.0, 4.0, 50.0))
def test_gamma_moments(shape):
    fl.manual_seed(1)
    drawn = fl._standard_gamma(fl.full((20_000,), shape))
    assert drawn.mean().item() == pytest.approx(shape, abs=5 * (shape / 20_000) ** 0.5)
    assert drawn.var().item() == pytest.approx(shape, rel=0.1)


def test_gamma_draws_are_positive():
    fl.manual_seed(1)
    drawn = fl._standard_gamma(fl.full((1000,), 1e-4))
    assert (drawn >= 2.0**-126).all()


# ---- gradients ----


def quantile_derivative(quantile, first, *others):
    """The derivative of a quantile function by its first parameter, by central differences."""
    h = first * 1e-5
    return (quantile(first + h, *others) - quantile(first - h, *others)) / (2 * h)


def test_gamma_gradient_is_that_of_the_quantile():
    random = np.random.default_rng(0)
    shape = np.exp(random.uniform(np.log(2e-2), np.log(1e5), 2000))
    level = random.uniform(0.001, 0.999, 2000)
    drawn = special.gammaincinv(shape, level)
    found = fl._standard_gamma_grad(fl.from_numpy(shape), fl.from_numpy(drawn))
    expected = quantile_derivative(special.gammaincinv, shape, level)
    np.testing.assert_allclose(found.tolist(), expected, rtol=1e-5)


@pytest.mark.parametrize("shape", (0.99e6, 1.01e6, 1e8))
def test_gamma_gradient_of_large_shapes(shape):
    drawn = special.gammaincinv(shape, 0.3)
    found = fl._standard_gamma_grad(
        fl.tensor(shape, dtype=fl.float64), fl.tensor(drawn, dtype=fl.float64)
    )
    expected = quantile_derivative(special.gammaincinv, shape, 0.3)
    assert found.item() == pytest.approx(expected, rel=1e-7)


def test_dirichlet_gradient_is_that_of_the_beta_quantile():
    random = np.random.default_rng(0)
    a, b = np.exp(random.uniform(np.log(1e-1), np.log(1e3), (2, 2000)))
    level = random.uniform(0.01, 0.99, 2000)
    x = special.betaincinv(a, b, level)
    inside = (x > 1e-6) & (x < 1 - 1e-4)
    a, b, level, x = a[inside], b[inside], level[inside], x[inside]
    found = fl._dirichlet_grad(fl.from_numpy(x), fl.from_numpy(a), fl.from_numpy(a + b))
    expected = quantile_derivative(special.betaincinv, a, b, level) / (1 - x)
    np.testing.assert_allclose(found.tolist(), expected, rtol=1e-5)


def test_gradients_are_close_to_torch():
    """PyTorch approximates both; away from their tails it is right to three digits and more."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    found, expected = (
        m._standard_gamma_grad(
            m.linspace(0.2, 30, 500, dtype=m.float64),
            m.linspace(0.1, 40, 500, dtype=m.float64),
        ).tolist()
        for m in (fl, torch)
    )
    np.testing.assert_allclose(found, expected, rtol=2e-3)
    found, expected = (
        m._dirichlet_grad(
            m.linspace(0.05, 0.9, 500, dtype=m.float64),
            m.linspace(0.5, 20, 500, dtype=m.float64),
            m.linspace(3, 30, 500, dtype=m.float64),
        ).tolist()
        for m in (fl, torch)
    )
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_degenerate_gradients():
    grad = fl._standard_gamma_grad
    ones = fl.ones(1)
    assert grad(ones, 0 * ones).tolist() == [0]
    assert grad(-ones, ones).isnan().all()
    assert grad(ones, math.nan * ones).isnan().all()
    assert grad(ones, math.inf * ones).isnan().all()
    assert grad(math.inf * ones, ones).isnan().all()
    grad = fl._dirichlet_grad
    assert grad(0 * ones, 2 * ones, 6 * ones).tolist() == [0]
    assert grad(ones, 2 * ones, 6 * ones).item() == pytest.approx(77 / 240)
    assert grad(ones, ones, ones).tolist() == [0]
    assert grad(2 * ones, ones, 3 * ones).isnan().all()


def test_gamma_draws_are_differentiable():
    """The mean of draws of shape a is a, so the mean of their derivatives is 1."""
    fl.manual_seed(0)
    shape = fl.full((40_000,), 2.5, requires_grad=True)
    fl._standard_gamma(shape).sum().backward()
    assert shape.grad.mean().item() == pytest.approx(1, abs=0.01)


def test_dirichlet_draws_are_differentiable():
    """E[x_0] = a_0 / sum(a), and its derivatives, as means over draws."""
    fl.manual_seed(0)
    a = fl.tensor([1.5, 2.0, 0.5], dtype=fl.float64, requires_grad=True)
    drawn = fl._sample_dirichlet(a.expand(60_000, 3))
    assert drawn.sum(-1).tolist() == pytest.approx([1.0] * 60_000)
    drawn[:, 0].mean().backward()
    expected = [(4 - 1.5) / 16, -1.5 / 16, -1.5 / 16]
    assert a.grad.tolist() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("name", ("_standard_gamma", "_sample_dirichlet"))
def test_second_derivatives_are_an_error(name):
    a = fl.ones(3, requires_grad=True)
    (first,) = fl.autograd.grad(getattr(fl, name)(a)[0], a, create_graph=True)
    with pytest.raises(NotImplementedError, match=r"derivative of _\w+_grad is not"):
        first.sum().backward()


def test_draws_give_their_parameters_zero_gradients():
    p = fl.rand(3, 4, requires_grad=True)
    std = fl.rand(4, requires_grad=True)
    total = fl.bernoulli(p).sum() + fl.poisson(p).sum() + fl.normal(p, std).sum()
    total = total + fl.normal(p, 2.0).sum() + fl.normal(1.0, std).sum()
    total.backward()
    assert p.grad.tolist() == [[0.0] * 4] * 3
    assert std.grad.tolist() == [0.0] * 4


def test_the_derivative_of_binomial_is_an_error():
    count = fl.full((3,), 5.0, requires_grad=True)
    with pytest.raises(NotImplementedError, match="derivative of binomial"):
        fl.binomial(count, fl.full((3,), 0.5)).sum().backward()


@pytest.mark.parametrize(
    "call, error, text",
    (
        (
            lambda: fl.binomial(fl.ones(2, dtype=fl.int64), fl.ones(2)),
            ValueError,
            "only supports floating-point dtypes for count, got: int64",
        ),
        (
            lambda: fl.binomial(fl.ones(2), fl.ones(2, dtype=fl.float64)),
            RuntimeError,
            "dtypes must be equal",
        ),
        (
            lambda: fl.binomial(fl.ones(2, dtype=fl.float16), fl.ones(2, dtype=fl.float16)),
            NotImplementedError,
            "not implemented for float16",
        ),
        (lambda: fl.binomial(fl.ones(2), fl.ones(3)), RuntimeError, "binomial"),
        (lambda: fl.binomial(fl.ones(2), 0.5), TypeError, "prob"),
        (
            lambda: fl._standard_gamma(fl.ones(2, dtype=fl.bfloat16)),
            NotImplementedError,
            "_standard_gamma: not implemented for bfloat16",
        ),
        (
            lambda: fl._sample_dirichlet(fl.ones(2, dtype=fl.int64)),
            NotImplementedError,
            "_sample_dirichlet: not implemented for int64",
        ),
        (
            lambda: fl._standard_gamma_grad(fl.ones(2), fl.ones(2, dtype=fl.float64)),
            RuntimeError,
            "dtypes must be equal",
        ),
    ),
)
def test_wrong_calls(call, error, text):
    with pytest.raises(error, match=text):
        call()
