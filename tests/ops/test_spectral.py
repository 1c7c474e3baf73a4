"""stft and istft against PyTorch and against each other."""

import warnings

import numpy as np
import pytest

import flambeau
from flambeau.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
REAL = {
    "signal": RNG.standard_normal(200),
    "batch": RNG.standard_normal((2, 120)),
    "single": RNG.standard_normal(150).astype(np.float32),
}
WINDOW = np.hanning(34)[1:-1]

OPTIONS = [
    {},
    {"hop_length": 5},
    {"center": False},
    {"center": False, "hop_length": 7},
    {"normalized": True},
    {"onesided": False},
    {"pad_mode": "constant"},
    {"pad_mode": "replicate"},
    {"pad_mode": "circular"},
    {"hop_length": 4, "win_length": 21, "window": WINDOW[:21]},
    {"win_length": 21, "window": WINDOW[:21], "center": False, "align_to_window": True},
    {"win_length": 21, "window": WINDOW[:21], "center": False, "align_to_window": False},
    {"window": WINDOW.astype(np.float32)},
    {"window": WINDOW * (1 + 0.5j)},
    {"return_complex": False},
]


def both(torch, array):
    return flambeau.from_numpy(array.copy()), torch.from_numpy(array.copy())


def run(library, function, signal, options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(library, function)(signal, 32, **options)


def assert_same(found, expected):
    assert tuple(found.shape) == tuple(expected.shape)
    assert str(found.dtype) == str(expected.dtype)
    tolerance = 1e-4 if found.dtype in (flambeau.float32, flambeau.complex64) else 1e-11
    np.testing.assert_allclose(
        found.resolve_conj().numpy(), expected.resolve_conj().numpy(), atol=tolerance
    )


def settings(options):
    chosen = {"window": WINDOW, "return_complex": True, **options}
    return [
        {k: convert(v) if k == "window" else v for k, v in chosen.items()} for convert in MAKERS
    ]


MAKERS: list = []


@pytest.fixture(autouse=True)
def torch_library():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    MAKERS[:] = [flambeau.from_numpy, torch.from_numpy]
    return torch


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", REAL)
def test_stft(torch_library, name, options):
    here, there = both(torch_library, REAL[name])
    ours, theirs = settings(options)
    assert_same(run(flambeau, "stft", here, ours), run(torch_library, "stft", there, theirs))


def test_complex_signals(torch_library):
    z = REAL["signal"] + 1j * REAL["signal"][::-1]
    here, there = both(torch_library, z)
    ours, theirs = settings({})
    ours.pop("return_complex"), theirs.pop("return_complex")
    found = run(flambeau, "stft", here, ours)
    expected = run(torch_library, "stft", there, theirs)
    assert_same(found, expected)
    for more in ({}, {"return_complex": True}):
        back = run(flambeau, "istft", found, {**ours, **more})
        assert_same(back, run(torch_library, "istft", expected, {**theirs, **more}))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"hop_length": 5},
        {"normalized": True},
        {"length": 150},
        {"length": 230},
        {"hop_length": 4, "win_length": 21, "window": WINDOW[:21]},
        {"center": False, "window": WINDOW + 0.5},
        {"onesided": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", REAL)
def test_istft(torch_library, name, options):
    here, there = both(torch_library, REAL[name])
    ours, theirs = settings(options)
    length = options.get("length")
    ours.pop("length", None), theirs.pop("length", None)
    spectra = run(flambeau, "stft", here, ours), run(torch_library, "stft", there, theirs)
    ours.pop("return_complex"), theirs.pop("return_complex")
    found = run(flambeau, "istft", spectra[0], {**ours, "length": length})
    assert_same(found, run(torch_library, "istft", spectra[1], {**theirs, "length": length}))
    whole = min(found.shape[-1], here.shape[-1])
    tolerance = 1e-5 if name == "single" else 1e-12
    start = 0 if ours.get("center", True) else 1
    np.testing.assert_allclose(
        found.numpy()[..., start:whole], REAL[name][..., start:whole], atol=tolerance
    )


def test_methods_and_warnings():
    x = flambeau.from_numpy(REAL["signal"])
    window = flambeau.from_numpy(WINDOW)
    spectra = x.stft(32, window=window, return_complex=True)
    assert flambeau.equal(spectra, flambeau.stft(x, 32, window=window, return_complex=True))
    assert spectra.istft(32, window=window).shape == (200,)
    with pytest.warns(UserWarning, match="window was not provided"):
        flambeau.stft(x, 32, return_complex=True)
    with pytest.warns(UserWarning, match="window was not provided"):
        flambeau.istft(spectra, 32)
    with pytest.warns(UserWarning, match="return_complex=False is deprecated"):
        flambeau.stft(x, 32, window=window, return_complex=False)
    with pytest.warns(UserWarning, match="padded with zeros"):
        flambeau.istft(spectra, 32, window=window, length=300)


def test_gradients():
    window = flambeau.from_numpy(WINDOW[:8] + 0.1).requires_grad_()
    x = flambeau.from_numpy(REAL["signal"][:14].copy()).requires_grad_()

    def there_and_back(x, window):
        spectra = flambeau.stft(x, 8, 3, window=window, return_complex=True)
        return flambeau.istft(spectra * spectra, 8, 3, window=window)

    gradcheck(there_and_back, (x, window))
    gradgradcheck(there_and_back, (x, window), fast_mode=True)


def stft_of(t, n=40, **options):
    window = options.pop("window", t.ones(16))
    return t.stft(t.ones(n), 16, window=window, return_complex=True, **options)


def istft_of(t, shape=(9, 11), **options):
    window = options.pop("window", t.ones(16))
    return t.istft(t.ones(shape) + 0j, 16, window=window, **options)


WRONG = {
    "return_complex": lambda t: t.stft(t.ones(40), 16, window=t.ones(16)),
    "onesided complex": lambda t: stft_of(t, window=t.ones(16) + 0j, onesided=True),
    "length of window": lambda t: stft_of(t, window=t.ones(9)),
    "axes of window": lambda t: stft_of(t, window=t.ones(2, 16)),
    "window no tensor": lambda t: stft_of(t, window=[1.0] * 16),
    "hop": lambda t: stft_of(t, hop_length=0),
    "win_length": lambda t: stft_of(t, win_length=20, window=t.ones(20)),
    "win_length of 0": lambda t: stft_of(t, win_length=0),
    "short": lambda t: stft_of(t, 6),
    "short without center": lambda t: stft_of(t, 6, center=False),
    "mode": lambda t: stft_of(t, pad_mode="bad"),
    "align": lambda t: stft_of(t, align_to_window=True),
    "axes": lambda t: t.stft(t.ones(2, 2, 40), 16, window=t.ones(16), return_complex=True),
    "integers": lambda t: t.stft(t.ones(40).long(), 16, window=t.ones(16), return_complex=True),
    "n_fft": lambda t: t.stft(t.ones(40), 16.0, window=t.ones(16), return_complex=True),
    "n_fft of 0": lambda t: t.stft(t.ones(40), 0, window=t.ones(16), return_complex=True),
    "real spectra": lambda t: t.istft(t.ones(9, 11), 16, window=t.ones(16)),
    "empty spectra": lambda t: istft_of(t, (9, 0)),
    "axes of spectra": lambda t: istft_of(t, (1, 1, 9, 11)),
    "frequencies": lambda t: istft_of(t, (8, 11)),
    "both sides": lambda t: istft_of(t, onesided=False),
    "hop of istft": lambda t: istft_of(t, hop_length=17),
    "window of istft": lambda t: istft_of(t, window=t.ones(9)),
    "win_length of istft": lambda t: istft_of(t, win_length=20, window=t.ones(20)),
    "uncovered": lambda t: istft_of(t, window=t.zeros(16)),
    "complex of one side": lambda t: istft_of(t, return_complex=True),
    "complex window": lambda t: istft_of(t, (16, 11), window=t.ones(16) + 0j),
    "length": lambda t: istft_of(t, length=-1),
    "no length": lambda t: istft_of(t, length=0),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_wrong_calls(torch_library, call):
    with pytest.raises(Exception) as expected:
        call(torch_library)
    with pytest.raises(expected.type):
        call(flambeau)
