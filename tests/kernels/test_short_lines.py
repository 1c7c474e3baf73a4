"""Copies of many short lines: slices written to, joined, repeated and made contiguous."""

import numpy as np
import pytest

import flambeau

DTYPES = ("uint8", "int16", "float32", "float64", "complex128")
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 130)


def numbers(dtype, *shape):
    return np.random.default_rng(0).integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", LENGTHS)
def test_a_line_is_written_and_nothing_beside_it(dtype, n):
    frame, lines = numbers(dtype, 3, 41, n + 2), numbers(dtype, 3, 41, n) + np.array(100, dtype)
    written = flambeau.from_numpy(frame.copy())
    written[:, :, 1 : n + 1] = flambeau.from_numpy(lines)
    frame[:, :, 1 : n + 1] = lines
    np.testing.assert_array_equal(written.numpy(), frame)


@pytest.mark.parametrize("n", LENGTHS)
def test_lines_are_read_in_every_order(n):
    x = numbers("float32", 6, 5, 4, n)
    t = flambeau.from_numpy(x)
    for order in ((0, 1, 2, 3), (2, 1, 0, 3), (1, 2, 0, 3), (0, 2, 1, 3)):
        np.testing.assert_array_equal(t.permute(order).contiguous().numpy(), x.transpose(order))
    np.testing.assert_array_equal(t[::2, 1:].contiguous().numpy(), x[::2, 1:])
    np.testing.assert_array_equal(t.flip(1)[:, ::3].contiguous().numpy(), x[:, ::-1][:, ::3])


@pytest.mark.parametrize("n", LENGTHS)
def test_one_line_many_times(n):
    x = numbers("float32", 12, 1, n)
    t = flambeau.from_numpy(x)
    np.testing.assert_array_equal(t.expand(-1, 9, -1).contiguous().numpy(), x.repeat(9, 1))
    np.testing.assert_array_equal(t.repeat(2, 9, 1).numpy(), np.tile(x, (2, 9, 1)))


def test_lines_joined_by_several_threads():
    x, y = numbers("float32", 40_000, 3), numbers("float32", 40_000, 5)
    joined = flambeau.cat([flambeau.from_numpy(x), flambeau.from_numpy(y)], -1)
    np.testing.assert_array_equal(joined.numpy(), np.concatenate([x, y], -1))


def test_no_lines_and_lines_of_nothing():
    for shape in ((0, 70, 3), (70, 0, 3), (70, 3, 0)):
        x = flambeau.zeros(100, 100, 5)[tuple(slice(n) for n in shape)]
        assert x.contiguous().shape == shape
