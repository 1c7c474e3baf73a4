"""Fourier transforms and special functions."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..harness import row
from .inputs import normal

AT_MOST = 1.1
SIZE = 1_000_000

TRANSFORMS = {  # the shape of the input, whether it is complex, the function
    "fft 2^18": ((2**18,), True, lambda T, x: T.fft.fft(x)),
    "rfft 2^18": ((2**18,), False, lambda T, x: T.fft.rfft(x)),
    "irfft 2^18": ((2**17 + 1,), True, lambda T, x: T.fft.irfft(x)),
    "fft 64x1024": ((64, 1024), True, lambda T, x: T.fft.fft(x)),
    "rfft 64x1024": ((64, 1024), False, lambda T, x: T.fft.rfft(x)),
    "fft2 512x512": ((512, 512), True, lambda T, x: T.fft.fft2(x)),
    "fft of 64": ((64,), True, lambda T, x: T.fft.fft(x)),
    "fft of 1009": ((1009,), True, lambda T, x: T.fft.fft(x)),
}
SPECIAL = {  # of numbers between the two bounds
    "i0": (-6.0, 6.0),
    "i1e": (-20.0, 20.0),
    "erfcx": (-3.0, 20.0),
    "ndtri": (0.0, 1.0),
    "log_ndtr": (-20.0, 5.0),
    "bessel_j0": (-30.0, 30.0),
    "bessel_y1": (0.1, 30.0),
    "modified_bessel_k0": (0.1, 20.0),
    "airy_ai": (-10.0, 5.0),
}


def spread(T: ModuleType, low: float, high: float) -> Any:
    """A float32 tensor of numbers evenly between two bounds, in random order."""
    import numpy

    values = numpy.random.default_rng(0).uniform(low, high, SIZE).astype(numpy.float32)
    return T.from_numpy(values).clone()


def register_transform(name: str) -> None:
    """A row for one transform."""
    shape, complex_, function = TRANSFORMS[name]

    @row(name, AT_MOST)
    def make(T: ModuleType):
        x = normal(T, *shape)
        if complex_:
            x = T.complex(x, normal(T, *shape, seed=1))
        return lambda: function(T, x)


def register_special(name: str) -> None:
    """A row for one function of a million numbers."""

    @row(f"special.{name} 1e6", AT_MOST)
    def make(T: ModuleType):
        function, x = getattr(T.special, name), spread(T, *SPECIAL[name])
        return lambda: function(x)


for _name in TRANSFORMS:
    register_transform(_name)


@row("stft 1e5", AT_MOST)
def stft(T: ModuleType):
    """Pieces of 400 samples, 100 apart, of a signal of a hundred thousand."""
    x, window = normal(T, 100_000), T.hann_window(400)
    return lambda: T.stft(x, 400, 100, window=window, return_complex=True)


@row("istft 1e5", AT_MOST)
def istft(T: ModuleType):
    """The way back."""
    window = T.hann_window(400)
    spectra = T.stft(normal(T, 100_000), 400, 100, window=window, return_complex=True)
    return lambda: T.istft(spectra, 400, 100, window=window)


for _name in SPECIAL:
    register_special(_name)


@row("igamma 1e6", AT_MOST)
def igamma(T: ModuleType):
    """The lower incomplete gamma function."""
    a, x = spread(T, 0.1, 50.0), spread(T, 0.1, 50.0).flip(0)
    return lambda: T.igamma(a, x)


@row("zeta 1e6", AT_MOST)
def zeta(T: ModuleType):
    """Hurwitz's zeta function."""
    s, q = spread(T, 1.5, 8.0), spread(T, 0.5, 4.0).flip(0)
    return lambda: T.special.zeta(s, q)


@row("legendre_polynomial_p 1e6", AT_MOST)
def legendre(T: ModuleType):
    """Legendre polynomials of degrees up to nine."""
    x, n = spread(T, -1.0, 1.0), T.arange(SIZE) % 10
    return lambda: T.special.legendre_polynomial_p(x, n)
