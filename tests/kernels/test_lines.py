"""Elementwise and reducing loops at lengths around those of vectors and blocks."""

import numpy as np
import pytest

import flambeau

LENGTHS = [0, 1, 2, 15, 16, 17, 31, 33, 64, 100, 1023, 1025, 5000]
INTEGERS = [np.uint8, np.int8, np.int16, np.int32, np.int64]


def integers(n: int, dtype, seed: int = 0) -> np.ndarray:
    limits = np.iinfo(dtype)
    random = np.random.default_rng(seed)
    return random.integers(limits.min, limits.max, n, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("n", LENGTHS)
def test_integers_of_any_length(n, dtype, step):
    a, b = (integers(n * step, dtype, seed)[::step] for seed in (1, 2))
    x, y = flambeau.from_numpy(a), flambeau.from_numpy(b)
    number = dtype(7)
    for ours, theirs in [
        (x + y, a + b),
        (x - y, a - b),
        (x * y, a * b),
        (x * 7, a * number),
        (x.maximum(y), np.maximum(a, b)),
        (x.minimum(y), np.minimum(a, b)),
        (x.clamp(3, 50), np.clip(a, dtype(3), dtype(50))),
        (flambeau.clamp(x, y, y), b),
        (-x, -a if dtype != np.uint8 else (0 - a).astype(dtype)),
        (x.abs(), np.abs(a)),
        (x.sum(), a.sum(dtype=np.int64)),
    ]:
        assert np.array_equal(ours.numpy(), theirs)
    if n:
        assert x.amax() == a.max() and x.amin() == a.min()
        rows = x.view(1, n).expand(3, n)
        assert np.array_equal(rows.sum(0).numpy(), 3 * a.astype(np.int64))
        assert np.array_equal(rows.amax(0).numpy(), a)


HALVES = [flambeau.float16, flambeau.bfloat16]


def halves(n: int, dtype, seed: int):
    flambeau.manual_seed(seed)
    x = (flambeau.randn(n) * 10).to(dtype)
    for k, value in enumerate([flambeau.inf, -flambeau.inf, flambeau.nan, -0.0, 65504.0, 1e-7]):
        if n > 20:
            x[3 * k + seed] = value
    return x


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("n", LENGTHS)
def test_16_bit_floats_round_the_float32_result_once(n, dtype, step):
    x, y = (halves(n * step, dtype, seed)[::step] for seed in (1, 2))
    a, b = x.float(), y.float()
    for ours, exact in [
        (x + y, a + b),
        (x - y, a - b),
        (x * y, a * b),
        (x / y, a / b),
        (x + 1.1, a + 1.1),
        (x * 1.1, a * 1.1),
        (flambeau.add(x, y, alpha=2), a + 2 * b),
        (x + y[:1].expand(x.shape[0]) if n else x, a + b[:1] if n else a),
        (-x, -a),
        (x.abs(), a.abs()),
    ]:
        assert ours.dtype == dtype
        assert np.array_equal(ours.float().numpy(), exact.to(dtype).float().numpy(), equal_nan=True)
    assert not bool((flambeau.signbit(-x) == flambeau.signbit(x)).any())


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("n", LENGTHS)
def test_sums_of_16_bit_floats(n, dtype):
    x = flambeau.randn(n).to(dtype)
    exact = x.double().sum()
    assert x.sum(dtype=flambeau.float32).allclose(exact.float(), atol=1e-5)
    assert x.view(1, n).expand(4, n).sum(1).float().allclose(exact.to(dtype).float(), atol=0.05)


@pytest.mark.parametrize(
    "shape, dim", [((7, 1000), 1), ((1000, 7), 0), ((3000,), 0), ((9, 300), 0)]
)
@pytest.mark.parametrize("scale", [1.0, 1e30, 1e-30])
def test_products_that_leave_float32_on_the_way(shape, dim, scale):
    x = np.exp(np.random.default_rng(0).uniform(-0.1, 0.1, shape)).astype(np.float32)
    reduced = np.moveaxis(x, dim, 0)
    reduced[:4] *= np.float32(scale)
    reduced[-4:] /= np.float32(scale)
    expected = x.astype(np.float64).prod(axis=dim)
    assert np.allclose(flambeau.from_numpy(x).prod(dim).numpy(), expected, rtol=1e-4, atol=0)


def test_a_product_does_not_remember_the_last_one():
    tiny, plain = flambeau.full((100,), 1e-30), flambeau.full((100,), 1.5)
    assert tiny.prod() == 0
    assert plain.prod().allclose(flambeau.tensor(1.5**100))
    assert flambeau.cat((tiny, 1 / tiny)).prod().allclose(flambeau.tensor(1.0), rtol=1e-5)
    both = flambeau.stack((tiny, plain, plain / plain), 1)
    assert both.prod(0).allclose(flambeau.tensor([0.0, 1.5**100, 1.0]))
