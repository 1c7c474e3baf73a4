"""Fourier transforms against NumPy and PyTorch: lengths, axes, gradients, wrong calls."""

import numpy as np
import pytest

import flambeau
from flambeau import fft as ours
from flambeau.autograd import gradcheck, gradgradcheck

LENGTHS = [*range(1, 34), 49, 63, 64, 65, 97, 121, 128, 243, 400, 1009, 1024, 4096, 5000, 37 * 41]
SHAPES = {  # of inputs with an axis of n elements, and that axis
    "line": lambda n: ((n,), 0),
    "few lines": lambda n: ((3, n), 1),
    "many lines": lambda n: ((19, n), 1),
    "columns": lambda n: ((n, 3), 0),
    "many columns": lambda n: ((2, n, 21), 1),
}


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.standard_normal(shape)
    return values.astype(dtype)


def assert_near(actual, expected, dtype):
    found = actual.numpy()
    assert found.shape == expected.shape
    scale = np.sqrt(np.mean(np.abs(expected) ** 2)) if expected.size else 1.0
    tolerance = 1e-13 if np.dtype(dtype) in (np.float64, np.complex128) else 1e-5
    assert np.abs(found - expected).max(initial=0) <= tolerance * max(scale, 1e-30)


@pytest.mark.parametrize("single", [False, True], ids=["double", "single"])
@pytest.mark.parametrize("layout", SHAPES)
def test_every_length_and_layout(layout, single):
    real, complex_ = (np.float32, np.complex64) if single else (np.float64, np.complex128)
    for n in LENGTHS:
        shape, axis = SHAPES[layout](n)
        x, z = numbers(shape, real), numbers(shape, complex_)
        tx, tz = flambeau.from_numpy(x), flambeau.from_numpy(z)
        wide_x, wide_z = x.astype(np.float64), z.astype(np.complex128)
        assert_near(ours.fft(tz, dim=axis), np.fft.fft(wide_z, axis=axis), complex_)
        assert_near(ours.ifft(tz, dim=axis), np.fft.ifft(wide_z, axis=axis), complex_)
        assert_near(ours.fft(tx, dim=axis), np.fft.fft(wide_x, axis=axis), complex_)
        half = np.fft.rfft(wide_x, axis=axis)
        assert_near(ours.rfft(tx, dim=axis), half, complex_)
        given = flambeau.from_numpy(half.astype(complex_))
        assert_near(ours.irfft(given, n, dim=axis), wide_x, real)


def test_long_lines():
    for n in (2**16, 3 * 2**15, 65537, 2**16 - 6):
        z = numbers((n,), np.complex64)
        assert_near(ours.fft(flambeau.from_numpy(z)), np.fft.fft(z.astype(complex)), z.dtype)
        x = numbers((n,), np.float64)
        assert_near(ours.irfft(ours.rfft(flambeau.from_numpy(x)), n), x, x.dtype)


def test_threads_do_not_change_bits():
    z = flambeau.from_numpy(numbers((3, 2**14), np.complex64))
    threads = flambeau.get_num_threads()
    try:
        flambeau.set_num_threads(1)
        one = ours.fft2(z)
        flambeau.set_num_threads(4)
        assert flambeau.equal(one, ours.fft2(z))
    finally:
        flambeau.set_num_threads(threads)


def test_a_line_with_nan_leaves_the_others_alone():
    x = flambeau.ones(20, 16)
    x[3, 5] = float("nan")
    for result in (ours.fft(x), ours.rfft(x), ours.irfft(ours.rfft(x))):
        bad = result.isnan().any(1) if not result.is_complex() else result.real.isnan().any(1)
        assert bad.tolist() == [k == 3 for k in range(20)]


def test_the_imaginary_parts_of_the_ends_do_not_count():
    z = flambeau.tensor([1 + 5j, 2 + 1j, 3 + 7j])
    plain = flambeau.tensor([1 + 0j, 2 + 1j, 3 + 0j])
    assert ours.irfft(z, 4).tolist() == ours.irfft(plain, 4).tolist()
    assert ours.irfft(z[:2], 3).tolist() == ours.irfft(plain[:2], 3).tolist()


def test_strided_inputs_and_outputs():
    z = numbers((6, 8), np.complex128)
    t = flambeau.from_numpy(z)
    assert_near(ours.fftn(t[::2, 1::3].mT), np.fft.fftn(z[::2, 1::3].T), z.dtype)
    out = flambeau.empty(0, dtype=flambeau.complex128)
    assert ours.fft(t, out=out) is out
    assert_near(out, np.fft.fft(z), z.dtype)
    assert ours.fft(flambeau.empty(0, 4)).shape == (0, 4)


def test_dtypes():
    assert ours.fft(flambeau.arange(4)).dtype == flambeau.complex64
    assert ours.rfft(flambeau.ones(4, dtype=flambeau.float64)).dtype == flambeau.complex128
    assert ours.irfft(flambeau.ones(4, dtype=flambeau.bool)).dtype == flambeau.float32
    assert ours.hfft(flambeau.ones(4, dtype=flambeau.complex128)).dtype == flambeau.float64


def as_parts(function):
    """A function of complex numbers as one of pairs of real ones, for finite differences."""

    def of_parts(pairs):
        result = function(flambeau.view_as_complex(pairs))
        return flambeau.view_as_real(result) if result.is_complex() else result

    return of_parts


@pytest.mark.parametrize("norm", ["backward", "ortho", "forward"])
@pytest.mark.parametrize(
    "function",
    [
        lambda z, norm: ours.fft(z, 5, norm=norm),
        lambda z, norm: ours.ifftn(z, (2, 4), norm=norm),
        lambda z, norm: ours.irfft(z, norm=norm),
        lambda z, norm: ours.irfft2(z, (3, 5), norm=norm),
        lambda z, norm: ours.hfft2(z, norm=norm),
        lambda z, norm: ours.hfft(z, 3, dim=0, norm=norm),
    ],
    ids=["fft", "ifftn", "irfft", "irfft2", "hfft2", "hfft"],
)
def test_gradients_of_complex_inputs(function, norm):
    pairs = flambeau.from_numpy(numbers((2, 3, 2), np.float64)).requires_grad_()
    inner = as_parts(lambda z: function(z, norm))
    gradcheck(inner, (pairs,))
    gradgradcheck(inner, (pairs,))


@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "ihfft", "fft2", "rfft2", "ihfft2"])
def test_gradients_of_real_inputs(name):
    x = flambeau.from_numpy(numbers((4, 5), np.float64)).requires_grad_()

    def parts(x):
        return flambeau.view_as_real(getattr(ours, name)(x).resolve_conj())

    gradcheck(parts, (x,))
    gradgradcheck(parts, (x,))


def test_frequencies():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for n in range(8):
        for d in (1.0, 0.3, 2, 0.0):
            for name in ("fftfreq", "rfftfreq"):
                found = getattr(ours, name)(n, d)
                expected = getattr(torch.fft, name)(n, d)
                np.testing.assert_array_equal(found.numpy(), expected.numpy())
    out = flambeau.empty(0, dtype=flambeau.float64)
    assert ours.fftfreq(3, out=out).dtype == flambeau.float64
    assert ours.fftfreq(3, dtype=flambeau.float16).dtype == flambeau.float16
    assert ours.rfftfreq(3, requires_grad=True).requires_grad


def test_graph_nodes_are_named_as_in_torch():
    x = flambeau.ones(4, requires_grad=True)
    assert "FftR2CBackward0" in str(ours.rfft(x).grad_fn)
    assert "FftC2CBackward0" in str(ours.fft(flambeau.complex(x, x)).grad_fn)
    assert "FftC2RBackward0" in str(ours.irfft(flambeau.complex(x, x)).grad_fn)


WRONG = {
    "half": lambda t: t.fft.fft(t.ones(4).half()),
    "bfloat16": lambda t: t.fft.rfft(t.ones(4).bfloat16()),
    "complex to rfft": lambda t: t.fft.rfft(t.ones(4) + 0j),
    "complex to ihfft2": lambda t: t.fft.ihfft2(t.ones(4, 4) + 0j),
    "n of zero": lambda t: t.fft.fft(t.ones(4), n=0),
    "n below zero": lambda t: t.fft.fft(t.ones(4), n=-1),
    "axis": lambda t: t.fft.fft(t.ones(4), dim=5),
    "no axes": lambda t: t.fft.fft(t.tensor(1.0)),
    "empty": lambda t: t.fft.fft(t.empty(0)),
    "norm": lambda t: t.fft.fft(t.ones(4), norm="bad"),
    "lengths of s and dim": lambda t: t.fft.fft2(t.ones(4, 4), s=(2,)),
    "same axis twice": lambda t: t.fft.fftn(t.ones(4, 4), dim=(0, -2)),
    "no axis for rfftn": lambda t: t.fft.rfftn(t.ones(4), dim=()),
    "no axis for irfftn": lambda t: t.fft.irfftn(t.ones(4), dim=()),
    "no axis for hfftn": lambda t: t.fft.hfftn(t.ones(4), dim=()),
    "no axis for ihfftn": lambda t: t.fft.ihfftn(t.ones(4), dim=()),
    "too many sizes": lambda t: t.fft.fftn(t.ones(4), s=(2, 3)),
    "size": lambda t: t.fft.fftn(t.ones(4, 4), s=(-2, 2)),
    "one number": lambda t: t.fft.irfft(t.ones(1)),
    "too few axes": lambda t: t.fft.fft2(t.ones(3)),
    "dim of None": lambda t: t.fft.fft(t.ones(3), dim=None),
    "n of bool": lambda t: t.fft.fft(t.ones(3), n=True),
    "real out": lambda t: t.fft.fft(t.ones(3), out=t.empty(0)),
    "integer frequencies": lambda t: t.fft.fftfreq(5, dtype=t.int64),
    "complex frequencies": lambda t: t.fft.fftfreq(5, dtype=t.complex64),
    "frequencies of fewer than none": lambda t: t.fft.fftfreq(-1),
    "shift of a number": lambda t: t.fft.fftshift(t.tensor(1.0)),
    "shift axis": lambda t: t.fft.fftshift(t.ones(2), dim=(0, 5)),
    "not a tensor": lambda t: t.fft.fft("a"),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_wrong_calls(call):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(expected.type):
        call(flambeau)


def test_kernels_check_what_they_get():
    kernels = flambeau._C
    x, z = flambeau.ones(4), flambeau.ones(4) + 0j
    for call, text in (
        (lambda: kernels.fft_c2c(x, (0,), 0, True), "expected a complex tensor"),
        (lambda: kernels.fft_r2c(z, (0,), 0, True), "float32 or float64"),
        (lambda: kernels.fft_r2c(x, (), 0, True), "at least one axis"),
        (lambda: kernels.fft_c2r(z, (0,), 0, 4), "must have 3 elements"),
        (lambda: kernels.fft_c2r(z, (0,), 0, 0), "Invalid number of data points"),
        (lambda: kernels.fft_c2c(z, (0, 0), 0, True), "must be unique"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()
    with pytest.raises(ValueError, match="normalization"):
        kernels.fft_c2c(z, (0,), 3, True)
