"""The largest and smallest of many short rows, which are folded side by side."""

import numpy as np
import pytest

import flambeau

WIDTHS = (1, 2, 3, 7, 10, 16, 17, 31, 32, 33, 40)


def rows(dtype, *shape):
    """Small whole numbers: every row has its extreme several times."""
    return np.random.default_rng(0).integers(0, 5, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8"])
@pytest.mark.parametrize("n", WIDTHS)
def test_value_and_first_place(dtype, n):
    for count in (1, 7, 8, 33, 70):
        x = rows(dtype, 2, count, n)
        t = flambeau.from_numpy(x)
        for name, place in (("max", "argmax"), ("min", "argmin")):
            values, places = getattr(t, name)(-1)
            wanted = getattr(x, place)(-1)
            np.testing.assert_array_equal(places.numpy(), wanted)
            np.testing.assert_array_equal(getattr(t, place)(-1).numpy(), wanted)
            np.testing.assert_array_equal(values.numpy(), getattr(x, name)(-1))
            np.testing.assert_array_equal(getattr(t, "a" + name)(-1).numpy(), values.numpy())


@pytest.mark.parametrize("n", WIDTHS)
def test_nan_and_infinity(n):
    x = rows("float32", 50, n)
    x[::3, n // 2], x[1::3, -1], x[2::5] = np.nan, np.inf, -np.inf
    t = flambeau.from_numpy(x)
    np.testing.assert_array_equal(t.max(-1)[0].numpy(), x.max(-1))
    np.testing.assert_array_equal(t.amin(-1).numpy(), x.min(-1))
    np.testing.assert_array_equal(t.max(-1)[1].numpy(), x.argmax(-1))
    np.testing.assert_array_equal(t.argmin(-1).numpy(), x.argmin(-1))


@pytest.mark.parametrize("n", WIDTHS)
def test_rows_with_gaps_and_in_other_orders(n):
    x = rows("float32", 20, 9, 2 * n)
    t = flambeau.from_numpy(x)
    for make in (
        lambda a: a[:, :, ::2],
        lambda a: a[::2, 1:, :n],
        lambda a: a.swapaxes(0, 1)[..., :n],
        lambda a: a[..., 0, :n],
    ):
        np.testing.assert_array_equal(make(t).max(-1)[1].numpy(), make(x).argmax(-1))
        np.testing.assert_array_equal(make(t).amin(-1).numpy(), make(x).min(-1))
