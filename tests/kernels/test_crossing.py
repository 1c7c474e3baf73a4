"""Operands whose rows lie in one another's columns: copies by squares, arithmetic, scans."""

import itertools

import numpy as np
import pytest

import flambeau

SHAPES = [
    (16, 16),
    (15, 40),
    (17, 16),
    (64, 65),
    (100, 33),
    (130, 257),
    (2, 40, 50),
    (40, 3, 50),
    (3, 20, 4, 30),
]
DTYPES = [np.float32, np.float64, np.int64, np.int32, np.int16, np.uint8, np.complex64]


def counted(shape, dtype) -> np.ndarray:
    return (np.arange(np.prod(shape)) % 251).reshape(shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_copies_of_permuted_tensors(shape, dtype):
    a = counted(shape, dtype)
    x = flambeau.from_numpy(a)
    for order in itertools.permutations(range(len(shape))):
        expected = a.transpose(order)
        assert np.array_equal(x.permute(order).contiguous().numpy(), expected)
        into = flambeau.zeros(expected.shape, dtype=x.dtype)[..., ::2]
        into.copy_(x.permute(order)[..., ::2])
        assert np.array_equal(into.numpy(), expected[..., ::2])
        part = x.permute(order)[..., 1:, :-1]
        assert np.array_equal(part.contiguous().numpy(), expected[..., 1:, :-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("shape", [(64, 64), (65, 130), (3, 70, 90)], ids=str)
def test_arithmetic_of_crossing_operands(shape, dtype):
    a, b = counted(shape, dtype), counted((*shape[:-2], shape[-1], shape[-2]), dtype)
    x, y = flambeau.from_numpy(a), flambeau.from_numpy(b)
    across = b.swapaxes(-1, -2)
    assert np.array_equal((x + y.mT).numpy(), a + across)
    assert (x + y.mT).stride() == x.stride()
    assert np.array_equal((y.mT - x).numpy(), across - a)
    assert (y.mT - x).stride() == y.mT.stride()
    assert np.array_equal((x < y.mT).numpy(), a < across)
    assert np.array_equal(flambeau.addcmul(x, y.mT, x).numpy(), a + across * a)
    result = flambeau.empty_like(y).mT
    assert flambeau.add(x, y.mT, out=result) is result
    assert np.array_equal(result.numpy(), a + across)
    assert np.array_equal(x.clone().add_(y.mT).numpy(), a + across)
    many = flambeau.from_numpy(a[..., :1, :, :]).expand(*shape) if len(shape) > 2 else x
    assert np.array_equal((many + y.mT).numpy(), many.numpy() + across)


def test_a_square_matrix_and_its_own_transpose():
    a = counted((70, 70), np.float32)
    x = flambeau.from_numpy(a.copy())
    assert np.array_equal((x + x.T).numpy(), a + a.T)
    for write in (x.add_, x.copy_):  # the order of reading and writing would decide
        with pytest.raises(RuntimeError, match="refer to a single memory location"):
            write(x.T)
    assert np.array_equal(x.numpy(), a)


@pytest.mark.parametrize("rows", [1, 3, 4, 5, 9])
@pytest.mark.parametrize("n", [1, 2, 50])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.complex64])
def test_scans_of_several_lines(rows, n, dtype):
    a = np.random.default_rng(n).integers(1, 4, (rows, n)).astype(dtype)
    x = flambeau.from_numpy(a)
    assert np.array_equal(x.cumsum(-1).numpy(), a.cumsum(-1))
    assert np.allclose(x.cumprod(-1).numpy(), a.cumprod(-1), rtol=1e-6)
    assert np.array_equal(x.T.cumsum(0).numpy(), a.T.cumsum(0))
    if dtype != np.complex64:
        values, places = x.cummax(-1)
        assert np.array_equal(values.numpy(), np.maximum.accumulate(a, -1))
        assert np.array_equal(x.gather(-1, places).numpy(), values.numpy())
    x = x.clone().requires_grad_() if dtype == np.float64 else None
    if x is not None:  # the gradient of a sum of sums is a scan backwards
        (x.cumsum(-1) * 2).sum().backward()
        assert np.array_equal(x.grad.numpy(), np.tile(2.0 * np.arange(n, 0, -1), (rows, 1)))


@pytest.mark.parametrize(
    "first, second", [((2, 3), (4, 5)), ((3,), (2, 2)), ((2, 1, 3), (2, 4)), ((), (2, 2))]
)
def test_kron_of_any_ranks(first, second):
    a, b = counted(first, np.float64) + 1, counted(second, np.float64) + 2
    assert np.array_equal(
        flambeau.kron(flambeau.tensor(a), flambeau.tensor(b)).numpy(), np.kron(a, b)
    )
