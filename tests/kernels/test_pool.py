"""Pooling of the CPU kernels against torch."""

import itertools

import numpy as np
import pytest

import flambeau
from flambeau import _C

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
F = torch.nn.functional

TOLERANCE = {"float32": 3e-6, "float64": 1e-14}
#: By the number of pooled axes.
INPUTS = {
    1: [(2, 3, 9), (1, 2, 3000), (2, 40)],
    2: [(2, 3, 9, 11), (3, 17, 40), (1, 2, 8, 70), (2, 2, 4, 4)],
    3: [(2, 3, 5, 6, 7), (2, 4, 9, 40)],
}
PAIRS = [(axes, sizes) for axes, several in INPUTS.items() for sizes in several]

# kernel, stride, padding, dilation of three axes, of which poolings of fewer take the last.
WINDOWS = [
    ((2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1)),
    ((2, 3, 3), (1, 2, 2), (1, 1, 1), (1, 1, 1)),
    ((3, 3, 2), (2, 1, 3), (1, 1, 0), (1, 1, 2)),
    ((2, 4, 4), (3, 4, 4), (1, 2, 2), (1, 1, 1)),
    ((3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1)),
    ((1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1)),
    ((2, 3, 4), (2, 3, 2), (0, 0, 0), (2, 1, 1)),
]


def tensor(array):
    return flambeau.from_numpy(np.ascontiguousarray(array))


def distinct(sizes, dtype):
    count = int(np.prod(sizes))
    return (np.random.default_rng(5).permutation(count).reshape(sizes) - count // 2).astype(dtype)


def cases(windows):
    for (axes, sizes), window in itertools.product(PAIRS, windows):
        cut = [values[3 - axes :] for values in window]
        reach = [d * (k - 1) + 1 for k, d in zip(cut[0], cut[3], strict=True)]
        if all(r <= n for r, n in zip(reach, sizes[-axes:], strict=True)):
            yield sizes, axes, cut


UNDILATED = [w for w in WINDOWS if w[3] == (1, 1, 1)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("sizes", "axes", "window"), list(cases(WINDOWS)), ids=str)
def test_max_pool(sizes, axes, window, ceil_mode, dtype):
    x = distinct(sizes, dtype)
    reference = torch.from_numpy(x).requires_grad_()
    pool = getattr(F, f"max_pool{axes}d")
    expected, places = pool(reference, *window, ceil_mode=ceil_mode, return_indices=True)
    values, indices = _C.max_pool(tensor(x), *window, ceil_mode)
    np.testing.assert_array_equal(values.numpy(), expected.detach().numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())
    grad = distinct(expected.shape, dtype)
    expected.backward(torch.from_numpy(grad))
    result = _C.max_pool_backward(tensor(grad), indices, sizes, axes)
    np.testing.assert_array_equal(result.numpy(), reference.grad.numpy())


@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (2, 2), (3, 1), (4, 3), (36, 4)])
def test_max_pool_ties_infinities_and_nan(kernel, stride):
    x = np.random.default_rng(0).integers(0, 3, (2, 1, 40, 40)).astype(np.float32)
    x[0, 0, :8, 4:20] = -np.inf
    x[0, 0, 1, 29] = np.nan
    x[0, 0, 12, 20:24] = np.nan
    x[1, 0] = -np.inf
    options = (kernel, stride, 1)
    expected, places = F.max_pool2d(torch.from_numpy(x), *options, return_indices=True)
    values, indices = _C.max_pool(tensor(x), *[(o, o) for o in options], (1, 1), False)
    np.testing.assert_array_equal(values.numpy(), expected.numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())


def test_a_window_without_elements_has_a_place_in_the_plane():
    x = _C.full([1, 1, 1], 3.0, flambeau.float32)
    values, indices = _C.max_pool(x, (2,), (1,), (2,), (3,), False)
    assert values.tolist() == [[[-np.inf, -np.inf]]]
    assert indices.tolist() == [[[0, 0]]]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "options",
    [(False, True, 0), (False, False, 0), (True, True, 0), (True, False, 0), (False, True, 7)],
    ids=str,
)
@pytest.mark.parametrize(("sizes", "axes", "window"), list(cases(UNDILATED)), ids=str)
def test_avg_pool(sizes, axes, window, options, dtype):
    ceil_mode, include_pad, divisor = options
    if divisor and axes == 1:
        pytest.skip("torch's avg_pool1d has no divisor")
    window = window[:3]
    divisors = [divisor or None] if axes > 1 else []
    x = np.random.default_rng(2).standard_normal(sizes).astype(dtype)
    reference = torch.from_numpy(x).double().requires_grad_()
    expected = getattr(F, f"avg_pool{axes}d")(reference, *window, ceil_mode, include_pad, *divisors)
    result = _C.avg_pool(tensor(x), *window, *options)
    np.testing.assert_allclose(
        result.numpy(), expected.detach().numpy(), rtol=0, atol=TOLERANCE[dtype]
    )
    grad = np.random.default_rng(3).standard_normal(expected.shape).astype(dtype)
    expected.backward(torch.from_numpy(grad).double())
    result = _C.avg_pool_backward(tensor(grad), sizes, *window, *options)
    np.testing.assert_allclose(
        result.numpy(), reference.grad.numpy(), rtol=0, atol=TOLERANCE[dtype]
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("output", [(1, 1, 1), (2, 2, 2), (4, 3, 5), (9, 7, 19)], ids=str)
@pytest.mark.parametrize(("axes", "sizes"), PAIRS, ids=str)
def test_adaptive_pools(axes, sizes, output, dtype):
    output = output[3 - axes :]
    x = distinct(sizes, dtype) / 16
    reference = torch.from_numpy(x).double().requires_grad_()
    expected = getattr(F, f"adaptive_avg_pool{axes}d")(reference, output)
    np.testing.assert_allclose(
        _C.adaptive_avg_pool(tensor(x), output).numpy(),
        expected.detach().numpy(),
        rtol=1e-5,
        atol=1e-5,
    )
    grad = distinct(expected.shape, dtype)
    expected.backward(torch.from_numpy(grad).double())
    result = _C.adaptive_avg_pool_backward(tensor(grad), sizes, axes).numpy()
    np.testing.assert_allclose(result, reference.grad.numpy(), rtol=1e-5, atol=1e-5)

    pool = getattr(F, f"adaptive_max_pool{axes}d")
    expected, places = pool(torch.from_numpy(x), output, return_indices=True)
    values, indices = _C.adaptive_max_pool(tensor(x), output)
    np.testing.assert_array_equal(values.numpy(), expected.numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    ("sizes", "kernel", "output"),
    [
        ((2, 3, 9, 11), (2, 2), (5, 7)),
        ((3, 30, 17), (3, 2), (14, 1)),
        ((2, 3, 9, 11, 13), (2, 1, 3), (4, 10, 6)),
    ],
)
def test_fractional_max_pool(sizes, kernel, output, dtype):
    axes = len(kernel)
    kind = getattr(torch, dtype)
    x = torch.from_numpy(np.random.default_rng(0).integers(-99, 99, sizes).astype("float32"))
    samples = torch.rand(2, 3, axes, dtype=kind)
    pool = getattr(F, f"fractional_max_pool{axes}d_with_indices")
    expected, places = pool(x.to(kind), kernel, output, _random_samples=samples)
    ours = getattr(flambeau, dtype)
    values, indices = _C.fractional_max_pool(
        _C.cast(tensor(x.numpy()), ours),
        kernel,
        output,
        _C.cast(tensor(samples.double().numpy()), ours),
    )
    assert values.tolist() == expected.tolist()
    assert indices.tolist() == places.tolist()


@pytest.mark.parametrize("sizes", [(2, 5, 8, 9), (2, 18, 4, 7, 6)], ids=str)
def test_channels_last(sizes):
    """The same numbers as for row-major tensors; the layout is that of the input."""
    axes = len(sizes) - 2
    kernel, stride, padding, dilation = (3,) * axes, (2,) * axes, (1,) * axes, (1,) * axes
    x = distinct(sizes, "float32")
    x[0, 1, 2:4] = np.nan
    order = (0, *range(2, axes + 2), 1)
    last = _C.contiguous(_C.permute(tensor(x), order))
    last = _C.permute(last, (0, axes + 1, *range(1, axes + 1)))
    assert last.stride()[1] == 1
    windows, halves = (kernel, stride, padding), ((2,) * axes, (2,) * axes, (0,) * axes)
    doubled = (*sizes[:2], *[2 * s for s in sizes[2:]])
    for call in (
        lambda t: _C.max_pool(t, *windows, dilation, False),
        lambda t: _C.adaptive_max_pool(t, (3,) * axes),
        lambda t: (_C.avg_pool(t, *windows, True, False, 0),),
        lambda t: (_C.adaptive_avg_pool(t, (3,) * axes),),
        lambda t: (_C.adaptive_avg_pool(t, (1,) * axes),),
        lambda t: (_C.avg_pool_backward(t, doubled, *halves, False, True, 0),),
        lambda t: (_C.adaptive_avg_pool_backward(t, doubled, axes),),
    ):
        for expected, found in zip(call(tensor(x)), call(last), strict=True):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)
            if axes == 2 and max(found.shape[2:]) > 1:
                assert found.stride()[1] == 1
    values, indices = _C.max_pool(last, *windows, dilation, False)
    assert indices.stride()[1] == 1
    found = _C.max_pool_backward(values, indices, sizes, axes)
    expected = _C.max_pool_backward(_C.contiguous(values), _C.contiguous(indices), sizes, axes)
    assert found.stride() == last.stride()
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers(dtype):
    x = np.random.default_rng(0).integers(0, 100, (2, 3, 7, 9)).astype(dtype)
    expected, places = F.max_pool2d(torch.from_numpy(x), 3, 2, 1, return_indices=True)
    values, indices = _C.max_pool(tensor(x), (3, 3), (2, 2), (1, 1), (1, 1), False)
    np.testing.assert_array_equal(values.numpy(), expected.numpy())
    np.testing.assert_array_equal(indices.numpy(), places.numpy())


@pytest.mark.parametrize("dtype", ["bool", "complex64", "uint16"])
def test_dtypes_without_maxima(dtype):
    x = _C.full([1, 2, 4], 1, getattr(flambeau, dtype))
    with pytest.raises(NotImplementedError, match=dtype):
        _C.max_pool(x, (2,), (2,), (0,), (1,), False)


def test_means_of_integers_are_cut_towards_zero():
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 7, 9))
    expected = F.avg_pool2d(torch.from_numpy(x), (3, 2), 2, 1)
    found = _C.avg_pool(tensor(x), (3, 2), (2, 2), (1, 1), False, True, 0)
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def test_empty_batch():
    x = _C.empty([0, 3, 8, 8], flambeau.float32)
    values, indices = _C.max_pool(x, (2, 2), (2, 2), (0, 0), (1, 1), False)
    assert tuple(values.shape) == tuple(indices.shape) == (0, 3, 4, 4)
    assert tuple(_C.avg_pool(x, (2, 2), (2, 2), (0, 0), False, True, 0).shape) == (0, 3, 4, 4)
    assert tuple(_C.max_pool_backward(values, indices, (0, 3, 8, 8), 2).shape) == (0, 3, 8, 8)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bit_floats(dtype):
    """Computed in float32 and rounded once."""
    kind = getattr(flambeau, dtype)
    x = _C.cast(tensor(distinct((2, 3, 6, 7), "float32") / 8), kind)
    wide = _C.cast(x, flambeau.float32)
    windows = (3, 3), (2, 2), (1, 1)

    def check(found, expected):
        assert found.dtype == kind
        np.testing.assert_array_equal(
            _C.cast(found, flambeau.float32).numpy(),
            _C.cast(_C.cast(expected, kind), flambeau.float32).numpy(),
        )

    values, indices = _C.max_pool(x, *windows, (1, 1), False)
    check(values, _C.max_pool(wide, *windows, (1, 1), False)[0])
    check(_C.avg_pool(x, *windows, False, True, 0), _C.avg_pool(wide, *windows, False, True, 0))
    check(_C.adaptive_avg_pool(x, (2, 5)), _C.adaptive_avg_pool(wide, (2, 5)))
    check(_C.adaptive_avg_pool(x, (1, 1)), _C.adaptive_avg_pool(wide, (1, 1)))
    grad = _C.cast(values, flambeau.float32)
    check(
        _C.max_pool_backward(values, indices, (2, 3, 6, 7), 2),
        _C.max_pool_backward(grad, indices, (2, 3, 6, 7), 2),
    )
    check(
        _C.avg_pool_backward(values, (2, 3, 6, 7), *windows, False, True, 0),
        _C.avg_pool_backward(grad, (2, 3, 6, 7), *windows, False, True, 0),
    )


def full(*sizes):
    return _C.full(list(sizes), 1.0, flambeau.float32)


SQUARE = (2, 2), (2, 2), (0, 0)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: _C.max_pool(full(3, 3), *SQUARE, (1, 1), False), "Expected 3D or 4D"),
        (lambda: _C.max_pool(full(1, 0, 3, 3), *SQUARE, (1, 1), False), "batch size may be 0"),
        (
            lambda: _C.max_pool(full(1, 3, 3), (5, 5), (1, 1), (0, 0), (1, 1), False),
            "Output size is too small",
        ),
        (
            lambda: _C.max_pool(full(1, 3, 3), (2, 2), (1, 1), (2, 2), (1, 1), False),
            "pad should be at most half",
        ),
        (
            lambda: _C.max_pool(full(1, 3, 3), (0, 2), (1, 1), (0, 0), (1, 1), False),
            "kernel_size must be at least 1",
        ),
        (
            lambda: _C.max_pool(full(1, 3, 3), (2, 2), (1, 0), (0, 0), (1, 1), False),
            "stride must be at least 1",
        ),
        (
            lambda: _C.avg_pool(full(1, 3, 3), (2,), (1, 1), (0, 0), False, True, 0),
            "expected 1 values of stride",
        ),
        (
            lambda: _C.max_pool(full(1, 3, 3), (), (), (), (), False),
            "must have one, two or three values",
        ),
        (
            lambda: _C.avg_pool_backward(full(1, 3, 3), (1, 4, 4), *SQUARE, False, True, 0),
            "sizes of the output",
        ),
        (lambda: _C.adaptive_avg_pool(full(1, 3, 3), (-1, 2)), "output_size must be at least 0"),
        (lambda: _C.adaptive_avg_pool_backward(full(3), (3,), 7), "Expected 8D or 9D"),
        (
            lambda: _C.fractional_max_pool(full(1, 3, 3), (2, 2), (3, 1), full(1, 1, 2)),
            "too large relative to input",
        ),
        (
            lambda: _C.fractional_max_pool(
                full(1, 3, 3), (2, 2), (2, 1), _C.full([1, 1, 2], np.nan, flambeau.float32)
            ),
            "samples must be numbers",
        ),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError) as error:
        call()
    assert text in str(error.value)


@pytest.mark.parametrize("place", [-1, 9])
def test_an_index_outside_the_plane_is_refused(place):
    indices = _C.full([1, 1, 1], place, flambeau.int64)
    with pytest.raises(RuntimeError, match=f"invalid max index: {place}"):
        _C.max_pool_backward(full(1, 1, 1), indices, (1, 3, 3), 2)
    with pytest.raises(RuntimeError, match=f"invalid max index: {place}"):
        _C.max_unpool(full(1, 1, 1), indices, (3, 3))


def test_results_do_not_depend_on_the_number_of_threads():
    x = tensor(distinct((3, 5, 40, 41), "float32") / 7)
    threads = flambeau.get_num_threads()
    found = []
    for count in (1, 2, 3):
        flambeau.set_num_threads(count)
        values, indices = _C.max_pool(x, (3, 3), (2, 2), (1, 1), (1, 1), False)
        back = _C.avg_pool_backward(values, tuple(x.shape), (3, 3), (2, 2), (1, 1), False, True, 0)
        found.append((indices.numpy(), back.numpy()))
    flambeau.set_num_threads(threads)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
