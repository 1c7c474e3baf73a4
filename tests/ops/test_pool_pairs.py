"""Maxima of windows of 2 x 2 over small planes, where one vector spans rows and planes."""

import numpy as np
import pytest

import flambeau

CASES = [
    (shape, dtype)
    for shape in [
        (1, 1, 2, 2),
        (3, 5, 2, 4),
        (2, 3, 6, 8),
        (1, 7, 4, 16),
        (3, 3, 2, 32),
        (1, 1, 64, 64),
        (5, 4, 4),
    ]
    for dtype in ("float32", "float64")
]


def maxima(x):
    """Greatest values and their places; the first of equal ones, the last NaN."""
    height, width = x.shape[-2:]
    corners = np.arange(0, height, 2)[:, None] * width + np.arange(0, width, 2)
    taps = [(a, b) for a in (0, 1) for b in (0, 1)]
    values = x[..., ::2, ::2].copy()
    places = np.broadcast_to(corners, values.shape).copy()
    for a, b in taps[1:]:
        other = x[..., a::2, b::2]
        wins = (other > values) | np.isnan(other)
        values[wins] = other[wins]
        places[wins] = np.broadcast_to(corners + a * width + b, values.shape)[wins]
    return values, places


@pytest.mark.parametrize(("shape", "dtype"), CASES)
@pytest.mark.parametrize("kind", ["normal", "ties", "nan"])
def test_values_and_places(shape, dtype, kind):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    if kind == "ties":
        x = np.where(x > 1, -np.inf, x.round()).astype(dtype)
    if kind == "nan":
        x[x > 0.5] = np.nan
    t = flambeau.tensor(x, requires_grad=True)
    out, places = flambeau.nn.functional.max_pool2d(t, 2, return_indices=True)
    values, expected = maxima(x)
    np.testing.assert_array_equal(out.detach().numpy(), values)
    np.testing.assert_array_equal(places.numpy(), expected)
    out.sum().backward()
    assert t.grad.sum() == values.size
    assert set(np.unique(t.grad.numpy())) <= {0.0, 1.0}
