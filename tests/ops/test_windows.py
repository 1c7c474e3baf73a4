"""Window functions against SciPy and PyTorch."""

import numpy as np
import pytest
import scipy.signal.windows

import flambeau
from flambeau.signal import windows as ours

PLAIN = ("hann_window", "hamming_window", "blackman_window", "bartlett_window", "kaiser_window")
SIGNAL = {  # the settings to try, and SciPy's name for them
    "bartlett": [{}],
    "blackman": [{}],
    "cosine": [{}],
    "exponential": [{}, {"tau": 3.0}],
    "gaussian": [{}, {"std": 2.5}],
    "general_cosine": [{"a": [0.46, 0.23, 0.31]}],
    "general_hamming": [{"alpha": 0.6}],
    "hamming": [{}],
    "hann": [{}],
    "kaiser": [{}, {"beta": 0.0}],
    "nuttall": [{}],
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_windows(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for length in (0, 1, 2, 5, 64):
        for periodic in (True, False):
            for dtype in ("float32", "float64", "float16"):
                found = getattr(flambeau, name)(length, periodic, dtype=getattr(flambeau, dtype))
                expected = getattr(torch, name)(length, periodic, dtype=getattr(torch, dtype))
                assert str(found.dtype) == str(expected.dtype)
                tolerance = {"float32": 1e-6, "float64": 1e-14, "float16": 3e-3}[dtype]
                np.testing.assert_allclose(found.tolist(), expected.tolist(), atol=tolerance)


def test_parameters():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for library in (torch, flambeau):
        assert library.hamming_window(4, True, 0.3, 0.7).tolist()[0] == pytest.approx(-0.4)
        assert library.kaiser_window(4, False, 3.0).tolist()[0] == pytest.approx(0.2048, abs=1e-4)
        assert library.hann_window(4, requires_grad=True).requires_grad


@pytest.mark.parametrize("name", SIGNAL)
def test_signal_windows(name):
    for settings in SIGNAL[name]:
        twin = getattr(scipy.signal.windows, name)
        other = {"exponential": {"tau": 1.0}, "gaussian": {"std": 1.0}, "kaiser": {"beta": 12.0}}
        keywords = {**other.get(name, {}), **settings}
        for length in (0, 1, 2, 5, 33):
            for sym in (True, False):
                found = getattr(ours, name)(length, sym=sym, dtype=flambeau.float64, **settings)
                expected = twin(length, sym=sym, **keywords)
                np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-15)


def test_signal_windows_are_those_of_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    assert sorted(ours.__all__) == sorted(torch.signal.windows.__all__)
    for name, all_settings in SIGNAL.items():
        for settings in all_settings:
            found = getattr(flambeau.signal.windows, name)(7, sym=False, **settings)
            expected = getattr(torch.signal.windows, name)(7, sym=False, **settings)
            np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6)
            assert found.dtype == flambeau.float32
    found = ours.exponential(6, center=1.0, sym=False)
    expected = torch.signal.windows.exponential(6, center=1.0, sym=False)
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6)


WRONG = {
    "negative": lambda t: t.hann_window(-1),
    "integers": lambda t: t.hann_window(4, dtype=t.int64),
    "complex": lambda t: t.hann_window(4, dtype=t.complex64),
    "length": lambda t: t.hann_window(4.0),
    "sparse": lambda t: t.hann_window(4, layout=t.sparse_coo),
    "out": lambda t: t.hann_window(4, out=t.empty(0)),
    "signal negative": lambda t: t.signal.windows.hann(-1),
    "signal integers": lambda t: t.signal.windows.cosine(4, dtype=t.int64),
    "signal half": lambda t: t.signal.windows.cosine(4, dtype=t.float16),
    "signal sparse": lambda t: t.signal.windows.nuttall(4, layout=t.sparse_coo),
    "tau": lambda t: t.signal.windows.exponential(4, tau=-1.0),
    "center": lambda t: t.signal.windows.exponential(4, center=1.0),
    "std": lambda t: t.signal.windows.gaussian(4, std=0.0),
    "beta": lambda t: t.signal.windows.kaiser(4, beta=-1.0),
    "no cosines": lambda t: t.signal.windows.general_cosine(4, a=[]),
    "no list": lambda t: t.signal.windows.general_cosine(4, a=3),
}


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_wrong_calls(call):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(expected.type):
        call(flambeau)
