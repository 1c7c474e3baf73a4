"""Arithmetic, powers, rounding and shifts: results that can be stated exactly, and errors."""

import numpy as np
import pytest

import flambeau


def test_operators_of_integers():
    a, b = flambeau.tensor([7, -7, 6]), flambeau.tensor([2, 2, -4])
    assert (a // b).tolist() == [3, -4, -2]
    assert (a % b).tolist() == [1, 1, -2]
    assert (a & b).tolist() == [2, 0, 4]
    assert (a | b).tolist() == [7, -5, -2]
    assert (a ^ b).tolist() == [5, -5, -6]
    assert (~a).tolist() == [-8, 6, -7]
    assert (a << 1).tolist() == [14, -14, 12]
    assert (a >> 1).tolist() == [3, -4, 3]
    assert (2 ** a.abs()).tolist() == [128, 128, 64]
    assert (100 // b).tolist() == [50, 50, -25]
    assert (1 << b.abs()).tolist() == [4, 4, 16]
    assert abs(a).tolist() == [7, 7, 6]
    assert (+a).tolist() == a.neg().neg().tolist() == a.tolist()


def test_inplace_operators():
    a = flambeau.tensor([7, -7, 6])
    start = a
    a += 1
    a -= 2
    a *= 3
    a //= 2
    a %= 100
    a &= 63
    a |= 1
    a ^= 2
    a <<= 2
    a >>= 1
    a **= 2
    assert a is start
    x = (((np.array([7, -7, 6]) + 1 - 2) * 3) // 2 % 100) & 63
    assert a.tolist() == (((((x | 1) ^ 2) << 2) >> 1) ** 2).tolist()


def test_integer_division_by_zero_raises():
    zero = flambeau.tensor([0])
    for call in (
        lambda: flambeau.tensor([5]) // 0,
        lambda: flambeau.tensor([5]) % zero,
        lambda: flambeau.fmod(flambeau.tensor([5]), 0),
        lambda: flambeau.div(flambeau.tensor([5]), zero, rounding_mode="trunc"),
    ):
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            call()


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_the_smallest_integer_wraps_around(dtype):
    low = -(2 ** (8 * np.dtype(dtype).itemsize - 1))
    x = flambeau.tensor([low], dtype=getattr(flambeau, dtype))
    for result in (x // -1, -x, abs(x), x - 0, x * -1, flambeau.div(x, -1, rounding_mode="trunc")):
        assert result.tolist() == [low]
    assert (x % -1).tolist() == flambeau.fmod(x, -1).tolist() == [0]
    assert (x - 1).tolist() == [-low - 1]


def test_shifts_beyond_the_width():
    x = flambeau.tensor([1, -8], dtype=flambeau.int32)
    assert (x << 40).tolist() == (x << -1).tolist() == [0, 0]
    assert (x >> 40).tolist() == (x >> -1).tolist() == [0, -1]


def test_powers_of_integers():
    assert (flambeau.tensor([2, 1, -1]) ** flambeau.tensor([-1, -1, -1])).tolist() == [0, 1, -1]
    with pytest.raises(RuntimeError, match="Integers to negative integer powers"):
        flambeau.tensor([2]) ** -1


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.5])
def test_frequent_exponents(exponent):
    x = flambeau.tensor([0.5, 1.0, 7.0, 1e10])
    expected = x.numpy().astype("float64") ** exponent
    np.testing.assert_allclose((x**exponent).numpy(), expected, rtol=3e-7)


def test_bool_has_no_difference_and_no_negative():
    x = flambeau.tensor([True])
    with pytest.raises(RuntimeError, match="with two bool tensors is not supported"):
        x - x
    for call in (lambda: x - 1, lambda: flambeau.tensor([1.0]) - True, lambda: 1 - x):
        with pytest.raises(RuntimeError, match="with a bool tensor is not supported"):
            call()
    with pytest.raises(RuntimeError, match="Negation"):
        x.__neg__()
    with pytest.raises(RuntimeError, match="on a bool tensor"):
        x.__pos__()


def test_alpha():
    a, b = flambeau.tensor([1.0, 2.0]), flambeau.tensor([10.0, 20.0])
    assert flambeau.add(a, b, alpha=0.5).tolist() == [6, 12]
    assert flambeau.sub(a, b, alpha=2).tolist() == [-19, -38]
    assert flambeau.rsub(a, b, alpha=2).tolist() == [8, 16]
    assert a.clone().add_(b, alpha=-1).tolist() == [-9, -18]
    whole = flambeau.tensor([1, 2])
    assert flambeau.add(whole, whole, alpha=3).tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="alpha must not be a floating point number"):
        flambeau.add(whole, whole, alpha=0.5)


def test_rounding():
    x = flambeau.tensor([2.5, 3.5, -0.5, 1234.567])
    assert flambeau.round(x).tolist() == [2, 4, 0, 1235]
    assert flambeau.round(x, decimals=-2).tolist() == [0, 0, 0, 1200]
    np.testing.assert_allclose(flambeau.round(x, decimals=1).numpy()[3], 1234.6, rtol=1e-6)
    assert flambeau.fix(x).tolist() == [2, 3, 0, 1234]
    with pytest.raises(NotImplementedError):
        flambeau.round(flambeau.tensor([1]), decimals=1)


def test_division_modes():
    x = flambeau.tensor([7.0, -7.0, 0.0])
    assert flambeau.div(x, 2, rounding_mode="trunc").tolist() == [3, -3, 0]
    assert flambeau.div(x, 2, rounding_mode="floor").tolist() == [3, -4, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        np.testing.assert_array_equal((x // 0).numpy(), [np.inf, -np.inf, np.nan])
    with pytest.raises(RuntimeError, match="rounding_mode"):
        flambeau.div(x, 2, rounding_mode="ceil")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_remainders_of_distant_numbers_are_exact(dtype):
    random = np.random.default_rng(0)
    a = (random.normal(size=400) * 10.0 ** random.integers(-6, 12, 400)).astype(dtype)
    b = (random.normal(size=400) * 10.0 ** random.integers(-3, 3, 400)).astype(dtype)
    x, y = flambeau.from_numpy(a), flambeau.from_numpy(b)
    np.testing.assert_array_equal(flambeau.fmod(x, y).numpy(), np.fmod(a, b))
    np.testing.assert_array_equal((x % y).numpy(), np.remainder(a, b))


# ---- three operands ----


def test_addcmul_and_addcdiv_of_integers():
    a, b, c = (flambeau.tensor([v]) for v in (1, 2, 3))
    assert flambeau.addcmul(a, b, c, value=2).tolist() == [13]
    with pytest.raises(RuntimeError, match="Integer division with addcdiv"):
        flambeau.addcdiv(a, b, c)


def test_lerp_ends_exactly():
    start, end = flambeau.tensor([1e8, 0.1]), flambeau.tensor([1.0, 0.3])
    assert flambeau.equal(flambeau.lerp(start, end, 1.0), end)
    assert flambeau.equal(flambeau.lerp(start, end, 0.0), start)
    with pytest.raises(RuntimeError, match="expected dtype"):
        flambeau.lerp(start, flambeau.tensor([1, 2]), 0.5)
