"""Pooling of the CPU kernels against torch."""

import itertools

import numpy as np
import pytest

import flambeau
from flambeau import _C

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
F = torch.nn.functional

TOLERANCE = {"float32": 2e-6, "float64": 1e-14}
INPUTS = [(2, 3, 9, 11), (3, 17, 40), (1, 2, 8, 70), (2, 2, 4, 4)]

# kernel, stride, padding, dilation
WINDOWS = [
    ((2, 2), (2, 2), (0, 0), (1, 1)),
    ((3, 3), (2, 2), (1, 1), (1, 1)),
    ((3, 2), (1, 3), (1, 0), (1, 2)),
    ((4, 4), (4, 4), (2, 2), (1, 1)),
    ((1, 1), (1, 1), (0, 0), (1, 1)),
]
UNDILATED = [window for window in WINDOWS if window[3] == (1, 1)]


def tensor(array):
    return flambeau.from_numpy(np.ascontiguousarray(array))


def distinct(sizes, dtype):
    count = int(np.prod(sizes))
    return (np.random.default_rng(5).permutation(count).reshape(sizes) - count // 2).astype(dtype)


def effective(kernel, dilation):
    return [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("sizes", "window"), list(itertools.product(INPUTS, WINDOWS)), ids=str)
def test_max_pool2d(sizes, window, ceil_mode, dtype):
    if any(
        e > n + 2 * p
        for e, n, p in zip(effective(window[0], window[3]), sizes[-2:], window[2], strict=True)
    ):
        pytest.skip("the window is larger than the image")
    x = distinct(sizes, dtype)
    reference = torch.from_numpy(x).requires_grad_()
    expected, places = F.max_pool2d(reference, *window, ceil_mode=ceil_mode, return_indices=True)
    values, indices = _C.max_pool2d(tensor(x), *window, ceil_mode)
    np.testing.assert_array_equal(values.numpy(), expected.detach().numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())
    grad = distinct(expected.shape, dtype)
    expected.backward(torch.from_numpy(grad))
    result = _C.max_pool2d_backward(tensor(grad), indices, sizes)
    np.testing.assert_array_equal(result.numpy(), reference.grad.numpy())


def test_max_pool2d_ties_infinities_and_nan():
    x = np.zeros((1, 1, 4, 40), np.float32)
    x[0, 0, :2, 4:8] = -np.inf
    x[0, 0, 1, 9] = np.nan
    x[0, 0, 2, 20:24] = np.nan
    expected, places = F.max_pool2d(torch.from_numpy(x), 3, 2, 1, return_indices=True)
    values, indices = _C.max_pool2d(tensor(x), (3, 3), (2, 2), (1, 1), (1, 1), False)
    np.testing.assert_array_equal(values.numpy(), expected.numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "options",
    [(False, True, 0), (False, False, 0), (True, True, 0), (True, False, 0), (False, True, 7)],
    ids=str,
)
@pytest.mark.parametrize(("sizes", "window"), list(itertools.product(INPUTS, UNDILATED)), ids=str)
def test_avg_pool2d(sizes, window, options, dtype):
    ceil_mode, include_pad, divisor = options
    kernel, stride, padding, _ = window
    x = np.random.default_rng(2).standard_normal(sizes).astype(dtype)
    reference = torch.from_numpy(x).double().requires_grad_()
    expected = F.avg_pool2d(
        reference, kernel, stride, padding, ceil_mode, include_pad, divisor or None
    )
    result = _C.avg_pool2d(tensor(x), kernel, stride, padding, ceil_mode, include_pad, divisor)
    np.testing.assert_allclose(
        result.numpy(), expected.detach().numpy(), rtol=0, atol=TOLERANCE[dtype]
    )
    grad = np.random.default_rng(3).standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.from_numpy(grad).double())
    result = _C.avg_pool2d_backward(
        tensor(grad), sizes, kernel, stride, padding, ceil_mode, include_pad, divisor
    )
    np.testing.assert_allclose(
        result.numpy(), reference.grad.numpy(), rtol=0, atol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("output", [(1, 1), (2, 2), (3, 5), (7, 9)], ids=str)
@pytest.mark.parametrize("sizes", INPUTS, ids=str)
def test_adaptive_pools(sizes, output, dtype):
    x = distinct(sizes, dtype) / 16
    reference = torch.from_numpy(x).double().requires_grad_()
    expected = F.adaptive_avg_pool2d(reference, output)
    np.testing.assert_allclose(
        _C.adaptive_avg_pool2d(tensor(x), output).numpy(), expected.detach().numpy(), rtol=1e-5
    )
    grad = distinct(expected.shape, dtype)
    expected.backward(torch.from_numpy(grad).double())
    result = _C.adaptive_avg_pool2d_backward(tensor(grad), sizes).numpy()
    np.testing.assert_allclose(result, reference.grad.numpy(), rtol=1e-5, atol=1e-5)

    expected, places = F.adaptive_max_pool2d(torch.from_numpy(x), output, return_indices=True)
    values, indices = _C.adaptive_max_pool2d(tensor(x), output)
    np.testing.assert_array_equal(values.numpy(), expected.numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())


def test_empty_batch():
    x = _C.empty([0, 3, 8, 8], flambeau.float32)
    values, indices = _C.max_pool2d(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    assert tuple(values.shape) == tuple(indices.shape) == (0, 3, 4, 4)
    assert tuple(_C.avg_pool2d(x, (2, 2), (2, 2), (0, 0), False, True, 0).shape) == (0, 3, 4, 4)
    assert tuple(_C.max_pool2d_backward(values, indices, (0, 3, 8, 8)).shape) == (0, 3, 8, 8)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bit_floats(dtype):
    x = _C.cast(tensor(distinct((1, 2, 6, 6), "float32")), getattr(flambeau, dtype))
    values, _ = _C.max_pool2d(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    wide, _ = _C.max_pool2d(_C.cast(x, flambeau.float32), (2, 2), (2, 2), (0, 0), (1, 1), False)
    assert values.dtype == x.dtype
    np.testing.assert_array_equal(_C.cast(values, flambeau.float32).numpy(), wide.numpy())


def full(*sizes):
    return _C.full(list(sizes), 1.0, flambeau.float32)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: _C.max_pool2d(full(3, 3), (2, 2), (2, 2), (0, 0), (1, 1), False),
            "Expected 3D or 4D",
        ),
        (
            lambda: _C.max_pool2d(full(1, 0, 3, 3), (2, 2), (2, 2), (0, 0), (1, 1), False),
            "only the batch size may be 0",
        ),
        (
            lambda: _C.max_pool2d(full(1, 3, 3), (5, 5), (1, 1), (0, 0), (1, 1), False),
            "Output size is too small",
        ),
        (
            lambda: _C.max_pool2d(full(1, 3, 3), (2, 2), (1, 1), (2, 2), (1, 1), False),
            "pad should be at most half",
        ),
        (
            lambda: _C.max_pool2d(full(1, 3, 3), (0, 2), (1, 1), (0, 0), (1, 1), False),
            "kernel_size must be at least 1",
        ),
        (
            lambda: _C.max_pool2d(full(1, 3, 3), (2, 2), (1, 0), (0, 0), (1, 1), False),
            "stride must be at least 1",
        ),
        (
            lambda: _C.avg_pool2d(full(1, 3, 3), (2,), (1, 1), (0, 0), False, True, 0),
            "expected two values of kernel_size",
        ),
        (
            lambda: _C.avg_pool2d_backward(
                full(1, 3, 3), (1, 4, 4), (2, 2), (2, 2), (0, 0), False, True, 0
            ),
            "sizes of the output",
        ),
        (lambda: _C.adaptive_avg_pool2d(full(1, 3, 3), (-1, 2)), "output_size must be at least 0"),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError) as error:
        call()
    assert text in str(error.value)


@pytest.mark.parametrize("place", [-1, 9])
def test_an_index_outside_the_plane_is_refused(place):
    indices = _C.full([1, 1, 1], place, flambeau.int64)
    with pytest.raises(IndexError, match=f"index {place} is outside a plane of 3x3"):
        _C.max_pool2d_backward(full(1, 1, 1), indices, (1, 3, 3))
