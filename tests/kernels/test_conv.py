"""Convolutions of the CPU kernels against torch in float64."""

import numpy as np
import pytest

import flambeau
from flambeau import _C

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
pytestmark = pytest.mark.usefixtures("restore_threads")

# Relative to the greatest value of the result. Winograd (float32, 3x3, stride 1, at least 16
# channels) loses about one digit more than a direct sum.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}

# input, weight, stride, padding, dilation, groups
CASES = {
    "3x3": ((2, 3, 9, 11), (5, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "3x3 one channel": ((5, 1, 8, 8), (32, 1, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "winograd": ((5, 32, 8, 8), (64, 32, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "winograd odd channels": ((2, 17, 13, 19), (33, 17, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "winograd no padding": ((5, 16, 7, 7), (16, 16, 3, 3), (1, 1), (0, 0), (1, 1), 1),
    "winograd padding beyond the kernel": (
        (2, 19, 9, 18),
        (18, 19, 3, 3),
        (1, 1),
        (4, 3),
        (1, 1),
        1,
    ),
    "winograd groups": ((1, 48, 16, 16), (96, 24, 3, 3), (1, 1), (1, 1), (1, 1), 2),
    "winograd many rows": ((1, 64, 60, 30), (64, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "winograd many images": ((70, 16, 4, 4), (16, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "too few tiles for winograd": ((2, 90, 8, 8), (96, 90, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "few windows": ((2, 18, 5, 4), (70, 18, 3, 3), (2, 2), (1, 1), (1, 1), 1),
    "few windows groups": ((1, 6, 6, 9), (128, 3, 2, 3), (1, 2), (0, 3), (2, 1), 2),
    "a window in each image": ((33, 20, 4, 4), (90, 20, 4, 4), (1, 1), (0, 0), (1, 1), 1),
    "1x1 of pixels": ((40, 20, 1, 1), (90, 20, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "1x1 of small images": ((5, 70, 5, 5), (50, 70, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "1d few windows": ((2, 7, 13), (40, 7, 5), (2,), (3,), (2,), 1),
    "3d few windows": ((1, 3, 3, 4, 5), (64, 3, 2, 3, 3), (1, 1, 2), (1, 0, 1), (1, 1, 1), 1),
    "stride padding dilation groups": ((2, 8, 12, 15), (18, 4, 5, 3), (2, 3), (2, 1), (1, 2), 2),
    "7x7 stride 2": ((2, 3, 31, 33), (20, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    "stride beyond the kernel": ((1, 4, 11, 10), (5, 4, 2, 2), (5, 7), (0, 0), (1, 1), 1),
    "1x1": ((2, 40, 20, 21), (50, 40, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    "1x1 groups": ((2, 40, 5, 5), (50, 20, 1, 1), (1, 1), (0, 0), (1, 1), 2),
    "1x1 stride": ((2, 40, 7, 7), (50, 40, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    "1x1 padded": ((1, 5, 4, 4), (7, 5, 1, 1), (1, 1), (2, 1), (1, 1), 1),
    "one output pixel": ((2, 4, 3, 3), (5, 4, 3, 3), (1, 1), (0, 0), (1, 1), 1),
    "one input pixel": ((1, 4, 1, 1), (5, 4, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "padding beyond the kernel": ((2, 4, 2, 2), (5, 4, 2, 2), (1, 1), (5, 4), (1, 1), 1),
    "one row": ((2, 4, 1, 50), (5, 4, 1, 9), (1, 2), (0, 4), (1, 2), 1),
    "groups": ((1, 24, 6, 6), (48, 8, 3, 3), (1, 1), (1, 1), (1, 1), 3),
    "depthwise": ((2, 6, 20, 37), (6, 1, 3, 3), (1, 1), (1, 1), (1, 1), 6),
    "depthwise small": ((2, 6, 5, 5), (6, 1, 3, 3), (1, 1), (1, 1), (1, 1), 6),
    "depthwise multiplier": ((2, 6, 20, 37), (12, 1, 3, 3), (2, 1), (1, 2), (2, 1), 6),
    "depthwise stride": ((1, 5, 33, 70), (5, 1, 5, 5), (2, 2), (2, 2), (1, 1), 5),
    "depthwise many rows": ((1, 2, 150, 40), (2, 1, 3, 3), (2, 1), (1, 1), (1, 2), 2),
    "depthwise windows beyond": ((1, 3, 5, 4), (3, 1, 7, 7), (2, 2), (5, 4), (1, 1), 3),
    "depthwise stride 3": ((1, 5, 14, 40), (10, 1, 2, 4), (3, 3), (1, 0), (1, 2), 5),
    "wide": ((1, 3, 5, 300), (4, 3, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    "tall": ((1, 3, 300, 2), (4, 3, 3, 2), (1, 1), (1, 1), (1, 1), 1),
    "very wide": ((1, 40, 4, 1500), (8, 40, 3, 5), (1, 1), (1, 2), (1, 1), 1),
    "very wide stride": ((1, 40, 4, 3000), (8, 40, 2, 5), (1, 3), (1, 2), (1, 2), 1),
    "1d": ((3, 7, 40), (9, 7, 5), (1,), (2,), (1,), 1),
    "1d long": ((2, 64, 5000), (20, 64, 5), (1,), (2,), (1,), 1),
    "1d long stride": ((1, 64, 5000), (20, 64, 5), (3,), (1,), (2,), 1),
    "1d groups": ((2, 12, 33), (8, 3, 4), (2,), (0,), (3,), 4),
    "1d pointwise": ((2, 12, 33), (8, 12, 1), (1,), (0,), (1,), 1),
    "1d depthwise": ((2, 6, 100), (12, 1, 5), (1,), (2,), (1,), 6),
    "1d depthwise stride": ((2, 6, 100), (6, 1, 5), (3,), (2,), (2,), 6),
    "3d": ((2, 3, 5, 6, 7), (4, 3, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    "3d blocks": ((1, 16, 17, 32, 33), (20, 16, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    "3d no padding": ((1, 24, 9, 20, 31), (8, 24, 3, 2, 3), (1, 1, 1), (0, 0, 0), (1, 1, 1), 1),
    "3d all": ((2, 4, 11, 12, 13), (6, 2, 3, 2, 4), (2, 1, 3), (1, 2, 0), (2, 3, 1), 2),
    "3d stride": ((1, 20, 16, 16, 16), (17, 20, 2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1), 1),
    "3d wide": ((1, 32, 3, 3, 900), (4, 32, 3, 3, 3), (1, 1, 2), (1, 1, 1), (1, 1, 1), 1),
    "3d flat kernel": ((1, 18, 6, 9, 9), (17, 18, 1, 3, 3), (1, 1, 1), (0, 1, 1), (1, 1, 1), 1),
    "3d deep kernel": ((1, 5, 20, 4, 4), (7, 5, 5, 1, 1), (2, 1, 1), (2, 0, 0), (1, 1, 1), 1),
    "3d winograd depth": ((2, 17, 7, 9, 10), (18, 17, 3, 3, 3), (1, 1, 1), (3, 0, 1), (2, 1, 1), 1),
    "3d winograd deep": ((8, 32, 7, 8, 8), (32, 16, 4, 3, 3), (1, 1, 1), (0, 1, 1), (1, 1, 1), 2),
    "3d winograd small": ((20, 16, 5, 4, 4), (40, 16, 3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
    "3d pointwise": ((2, 20, 3, 4, 5), (30, 10, 1, 1, 1), (1, 1, 1), (0, 0, 0), (1, 1, 1), 2),
    "3d depthwise": ((2, 4, 5, 6, 7), (8, 1, 3, 3, 2), (1, 1, 1), (1, 0, 1), (1, 1, 1), 4),
    "3d depthwise all": ((1, 3, 9, 8, 20), (3, 1, 2, 3, 3), (2, 3, 2), (1, 1, 2), (2, 1, 3), 3),
    "3d padding beyond": ((1, 2, 1, 2, 1), (3, 2, 2, 2, 3), (1, 2, 1), (3, 4, 5), (1, 1, 2), 1),
}


def tensor(array):
    return flambeau.from_numpy(np.ascontiguousarray(array))


def oracle(case, dtype):
    """Inputs in `dtype`, and what torch computes from them in float64."""
    x_sizes, w_sizes, stride, padding, dilation, groups = case
    rng = np.random.default_rng(3)
    x, w = (torch.from_numpy(rng.standard_normal(s)) for s in (x_sizes, w_sizes))
    bias = torch.from_numpy(rng.standard_normal(w_sizes[0]))
    x, w, bias = (t.to(getattr(torch, dtype)).double().requires_grad_() for t in (x, w, bias))
    convolve = getattr(torch.nn.functional, f"conv{len(stride)}d")
    y = convolve(x, w, bias, stride, padding, dilation, groups)
    grad = torch.from_numpy(rng.standard_normal(y.shape)).to(getattr(torch, dtype)).double()
    y.backward(grad)
    inputs = [t.detach().numpy().astype(dtype) for t in (x, w, bias, grad)]
    return inputs, [y.detach().numpy(), x.grad.numpy(), w.grad.numpy()]


def run(case, x, w, bias, grad):
    x_sizes, w_sizes, *arguments = case
    return [
        _C.convolution(x, w, bias, *arguments),
        _C.convolution_transposed(grad, w, None, x_sizes, *arguments),
        _C.convolution_weight_grad(grad, x, w_sizes, *arguments),
    ]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_forward_and_gradients(case, dtype):
    inputs, expected = oracle(CASES[case], dtype)
    results = run(CASES[case], *map(tensor, inputs))
    for name, result, reference in zip(("y", "x", "w"), results, expected, strict=True):
        result = result.numpy()
        assert result.dtype == dtype
        assert result.shape == reference.shape
        error = np.abs(result - reference).max() / np.abs(reference).max()
        assert error < TOLERANCE[dtype], name


def test_without_bias():
    case = CASES["winograd"]
    (x, w, bias, _), (y, *_) = oracle(case, "float32")
    result = _C.convolution(tensor(x), tensor(w), None, *case[2:]).numpy()
    np.testing.assert_allclose(result, y - bias[:, None, None], atol=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bit_floats_are_computed_in_float32(dtype):
    case = CASES["3x3"]
    inputs, _ = oracle(case, "float32")
    narrow = [_C.cast(tensor(a), getattr(flambeau, dtype)) for a in inputs]
    wide = [_C.cast(t, flambeau.float32) for t in narrow]
    for result, reference in zip(run(case, *narrow), run(case, *wide), strict=True):
        assert result.dtype == getattr(flambeau, dtype)
        expected = _C.cast(_C.cast(reference, result.dtype), flambeau.float32).numpy()
        np.testing.assert_array_equal(_C.cast(result, flambeau.float32).numpy(), expected)


def test_strided_inputs():
    case = CASES["winograd"]
    inputs, expected = oracle(case, "float32")
    strided = []
    for a in inputs:
        padded = np.full((*a.shape[:-1], a.shape[-1] * 2), np.nan, a.dtype)
        padded[..., ::2] = a
        strided.append(flambeau.from_numpy(padded[..., ::2]))
    for result, reference in zip(run(case, *strided), expected, strict=True):
        assert np.abs(result.numpy() - reference).max() < 1e-5 * np.abs(reference).max()


@pytest.mark.parametrize("sizes", [(0, 4, 5, 5), (0, 16, 8, 8), (0, 2, 3, 3)], ids=str)
def test_empty_batch(sizes):
    case = (sizes, (6, sizes[1], 3, 3), (1, 1), (0, 0), (1, 1), 1)
    x, w = np.zeros(sizes, np.float32), np.ones(case[1], np.float32)
    grad = np.zeros((0, 6, sizes[2] - 2, sizes[3] - 2), np.float32)
    bias = tensor(np.ones(6, np.float32))
    y, grad_x, grad_w = run(case, tensor(x), tensor(w), bias, tensor(grad))
    assert tuple(y.shape) == grad.shape
    assert tuple(grad_x.shape) == sizes
    np.testing.assert_array_equal(grad_w.numpy(), 0)


@pytest.mark.parametrize("channels", [64, 256])
def test_winograd_accuracy(channels):
    """The documented bound: 1e-4 of the greatest result."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, channels, 12, 12)).astype(np.float32)
    w = rng.standard_normal((16, channels, 3, 3)).astype(np.float32)
    exact = torch.nn.functional.conv2d(
        torch.from_numpy(x).double(), torch.from_numpy(w).double()
    ).numpy()
    result = _C.convolution(tensor(x), tensor(w), None, (1, 1), (0, 0), (1, 1), 1).numpy()
    assert np.abs(result - exact).max() / np.abs(exact).max() < 1e-4


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("case", ["3x3", "winograd", "depthwise", "1x1"])
def test_special_values_propagate(case, special):
    inputs, _ = oracle(CASES[case], "float32")
    inputs[0][0, :, 3, 4] = special
    y = run(CASES[case], *map(tensor, inputs))[0].numpy()
    assert not np.isfinite(y[0, :, 3, 4]).any()
    assert np.isfinite(y[1:]).all()


def test_depthwise_weight_gradient_ignores_what_no_product_reads():
    x = np.ones((1, 2, 3, 20), np.float32)
    x[0, 0, 0, 19] = np.nan
    grad = np.ones((1, 2, 3, 18), np.float32)
    result = _C.convolution_weight_grad(
        tensor(grad), tensor(x), (2, 1, 1, 3), (1, 1), (0, 0), (1, 1), 2
    ).numpy()
    np.testing.assert_array_equal(np.isnan(result[0, 0, 0]), [False, False, True])
    np.testing.assert_array_equal(result[1], 54)


@pytest.mark.parametrize(
    "case",
    [
        "winograd many images",
        "winograd many rows",
        "7x7 stride 2",
        "few windows groups",
        "a window in each image",
        "depthwise",
        "1x1",
        "1d long",
        "3d blocks",
        "3d winograd depth",
        "3d wide",
        "3d depthwise",
    ],
)
def test_bits_do_not_depend_on_the_number_of_threads(case):
    inputs = [tensor(a) for a in oracle(CASES[case], "float32")[0]]
    _C.set_num_threads(1)
    reference = [r.numpy() for r in run(CASES[case], *inputs)]
    for threads in (2, 5):
        _C.set_num_threads(threads)
        for result, expected in zip(run(CASES[case], *inputs), reference, strict=True):
            np.testing.assert_array_equal(result.numpy(), expected)


LAST = [c for c in CASES if not c.startswith("1d")]


@pytest.mark.parametrize("case", LAST)
def test_channels_last(case):
    """The same results, laid out as the operands are."""
    case = CASES[case]
    inputs, expected = oracle(case, "float32")
    x, w, bias, grad = map(tensor, inputs)
    order = flambeau.channels_last if x.ndim == 4 else flambeau.channels_last_3d
    x, grad = (t.contiguous(memory_format=order) for t in (x, grad))
    for result, reference in zip(run(case, x, w, bias, grad), expected, strict=True):
        assert np.abs(result.numpy() - reference).max() < 1e-5 * np.abs(reference).max()
        # Sizes of one leave it open which format the operands have.
        if not (x.is_contiguous() or grad.is_contiguous()):
            assert result.is_contiguous(memory_format=order)


def test_long_signals_are_cut_into_pieces():
    """Scratch memory does not grow with the length of the signal."""
    x, w = flambeau.zeros(1, 64, 1 << 18), flambeau.zeros(1, 64, 9)
    _C.convolution(x, w, None, (1,), (4,), (1,), 1)
    _C.reset_peak_stats()
    before = _C.allocator_stats()["allocated"]
    y = _C.convolution(x, w, None, (1,), (4,), (1,), 1)
    assert _C.allocator_stats()["peak_allocated"] - before < y.nbytes + (4 << 20)


def test_transposed_convolution_is_the_input_gradient():
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 6, 5, 7)), rng.standard_normal((6, 3, 4, 3))
    expected = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(x), torch.from_numpy(w), None, (2, 3), (1, 0), (1, 1)
    )
    sizes = tuple(expected.shape)
    result = _C.convolution_transposed(
        tensor(x), tensor(w), None, sizes, (2, 3), (1, 0), (1, 1), 1
    ).numpy()
    np.testing.assert_allclose(result, expected.numpy(), rtol=1e-12, atol=1e-12)


def call(
    x=(2, 4, 8, 8),
    w=(6, 4, 3, 3),
    bias=None,
    stride=(1, 1),
    padding=(0, 0),
    dilation=(1, 1),
    groups=1,
):
    tensors = [None if s is None else _C.full(s, 1.0, flambeau.float32) for s in (x, w, bias)]
    return _C.convolution(*tensors, stride, padding, dilation, groups)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"x": (4, 8, 8)}, "conv1d: expected an input and a weight of three, four or five axes"),
        (
            {"x": (2, 5, 8, 8)},
            "expected input(2, 5, 8, 8) to have 4 channels, but got 5 channels instead",
        ),
        ({"x": (2, 4, 2, 8)}, "Kernel size can't be greater than actual input size"),
        ({"x": (2, 4, 8, 8), "dilation": (4, 1)}, "Kernel size: (9 x 3)"),
        ({"groups": 4, "w": (6, 1, 3, 3)}, "divisible by groups=4"),
        ({"groups": 0}, "groups must be positive"),
        ({"stride": (0, 1)}, "stride must be at least 1"),
        ({"padding": (-1, 0)}, "padding must be at least 0"),
        ({"dilation": (1, 0)}, "dilation must be at least 1"),
        ({"stride": (1,)}, "expected 2 values of stride"),
        ({"bias": (5,)}, "expected bias to be 1-dimensional with 6 elements"),
        ({"w": (6, 4, 0, 3)}, "the kernel must not be empty"),
    ],
)
def test_errors(arguments, text):
    with pytest.raises(RuntimeError) as error:
        call(**arguments)
    assert text in str(error.value)


def test_gradient_of_other_sizes_is_refused():
    grad, w = (_C.full(s, 1.0, flambeau.float32) for s in ((2, 6, 5, 6), (6, 4, 3, 3)))
    with pytest.raises(RuntimeError, match=r"expected \(2, 6, 6, 6\), got \(2, 6, 5, 6\)"):
        _C.convolution_transposed(grad, w, None, (2, 4, 8, 8), (1, 1), (0, 0), (1, 1), 1)


def test_dtypes_must_agree():
    x, w = (
        _C.full((1, 1, 3, 3), 1.0, flambeau.float32),
        _C.full((1, 1, 3, 3), 1.0, flambeau.float64),
    )
    with pytest.raises(RuntimeError, match="same dtype: input is float32, weight is float64"):
        _C.convolution(x, w, None, (1, 1), (0, 0), (1, 1), 1)
    i = _C.full((1, 1, 3, 3), True, flambeau.bool)
    with pytest.raises(RuntimeError, match="not implemented for bool"):
        _C.convolution(i, i, None, (1, 1), (0, 0), (1, 1), 1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stride": 2, "padding": 1},
        {"dilation": 2, "groups": 2},
        {"padding": "same"},
        {"padding": "valid", "stride": (2,)},
    ],
)
def test_one_dimensional(options):
    rng = np.random.default_rng(0)
    groups = options.get("groups", 1)
    arrays = [rng.standard_normal(s) for s in ((2, 4, 9), (6, 4 // groups, 3), (6,))]
    for batched in (True, False):
        given = [arrays[0] if batched else arrays[0][0], *arrays[1:]]
        found = []
        for module in (flambeau, torch):
            x, weight, bias = (module.from_numpy(a.copy()).requires_grad_() for a in given)
            y = module.nn.functional.conv1d(x, weight, bias, **options)
            (y * y).sum().backward()
            found.append([t.detach().numpy() for t in (y, x.grad, weight.grad, bias.grad)])
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_second_gradients_in_one_dimension():
    from flambeau.autograd import gradcheck, gradgradcheck

    rng = np.random.default_rng(1)
    leaves = [
        flambeau.from_numpy(rng.standard_normal(s)).requires_grad_()
        for s in ((2, 2, 5), (3, 2, 2), (3,))
    ]
    for check in (gradcheck, gradgradcheck):
        check(lambda x, w, b: flambeau.nn.functional.conv1d(x, w, b, 2, 1), leaves)


@pytest.mark.parametrize("groups", [1, 2])
def test_windows_that_no_memory_holds(groups):
    x, w = flambeau.ones(1, 2, 4, 4), flambeau.ones(2, 2 // groups, 3, 3)
    far = (2**31 - 1,) * 2
    with pytest.raises(MemoryError, match="reach too far"):
        _C.convolution(x, w, None, (1, 1), far, far, groups)
