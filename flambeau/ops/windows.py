"""Window functions: weights that let a piece of a signal begin and end softly.

Every window is a formula of n, the number of the sample, and of its last one; a periodic window is
the symmetric one of one more sample, without that. Windows are computed in float64.
"""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.core import layout as _layout
from flambeau.core.registry import function
from flambeau.ops.creation import _check_storage, ones
from flambeau.ops.ranges import arange
from flambeau.ops.special import i0

# ---- formulas ----


def _cosines(*coefficients):
    """a0 - a1 cos(t) + a2 cos(2 t) - ... with t from 0 to 2 pi."""

    def formula(n, last):
        angle = n * (2 * math.pi / last)
        terms = enumerate(coefficients)
        return sum((angle * i).cos() * ((-1) ** i * a) for i, a in terms)

    return formula


def _bartlett(n, last):
    return 1 - (n * (2 / last) - 1).abs()


def _kaiser(beta):
    """Kaiser's approximation of the window with the most energy in its main lobe (1966)."""

    def formula(n, last):
        distance = n * (2 / last) - 1
        inside = (1 - distance * distance).clamp(min=0)  # the last sample may round below zero
        return i0(inside.sqrt() * beta) / i0(n.new_full((), beta))

    return formula


def _sampled(formula, length, periodic, dtype, device, requires_grad):
    if length < 2:
        made = ones(length, dtype=dtype, device=device)
    else:
        n = arange(length, dtype=_C.float64, device=device)
        made = formula(n, length - (not periodic)).to(dtype)
    return made.requires_grad_() if requires_grad else made


def _length(name, argument, value):
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}(): argument '{argument}' must be int, not {type(value).__name__}")
    return value.__index__()


def _number(name, argument, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(
            f"{name}(): argument '{argument}' must be float, not {type(value).__name__}"
        )
    return value


# ---- windows of the torch namespace ----


def _window(name, formula, length, periodic, settings):
    dtype, layout, device, pin_memory, requires_grad = settings
    length = _length(name, "window_length", length)
    dtype = _C.get_default_dtype() if dtype is None else dtype
    if not isinstance(dtype, _C.dtype):
        raise TypeError(
            f"{name}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}"
        )
    if not dtype.is_floating_point:
        kind = NotImplementedError if dtype.is_complex else RuntimeError
        raise kind(f"{name} expects floating point dtypes, got: {dtype}")
    if layout is not None and layout is not _layout.strided:
        raise RuntimeError(f"{name} is not implemented for sparse types, got: {layout}")
    _check_storage(name, None, pin_memory)
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    return _sampled(formula, length, periodic, dtype, device, requires_grad)


_ARGUMENTS = """

    Args:
        window_length: how many samples.
        periodic: whether the window goes on after its end, as the Fourier transform takes it
            (the default); otherwise it is symmetric.{more}
        dtype: a floating point type.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Returns:
        A tensor of `window_length` numbers.

    Raises:
        RuntimeError: for a negative length or a dtype that is not floating point.

    Example:
        >>> flambeau.{name}(4)
        {printed}
    """


def _simple(name, doc, formula, printed):
    """Declares a window without parameters."""

    def window(
        window_length,
        periodic=True,
        *,
        dtype=None,
        layout=None,
        device=None,
        pin_memory=False,
        requires_grad=False,
    ):
        settings = (dtype, layout, device, pin_memory, requires_grad)
        return _window(name, formula, window_length, periodic, settings)

    window.__name__ = name
    window.__doc__ = doc + _ARGUMENTS.format(name=name, printed=printed, more="")
    return function(window)


hann_window = _simple(
    "hann_window",
    "Hann's window, a raised cosine: 0.5 - 0.5 cos(2 pi n / N).",
    _cosines(0.5, 0.5),
    "tensor([0.0000, 0.5000, 1.0000, 0.5000])",
)
blackman_window = _simple(
    "blackman_window",
    "Blackman's window: 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N).",
    _cosines(0.42, 0.5, 0.08),
    "tensor([-1.3878e-17,  3.4000e-01,  1.0000e+00,  3.4000e-01])",
)
bartlett_window = _simple(
    "bartlett_window",
    "Bartlett's window, a triangle: 1 - |2 n / N - 1|.",
    _bartlett,
    "tensor([0.0000, 0.5000, 1.0000, 0.5000])",
)


@function
def hamming_window(
    window_length,
    periodic=True,
    alpha=0.54,
    beta=0.46,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Hamming's window: alpha - beta cos(2 pi n / N).

    Args:
        window_length: how many samples.
        periodic: whether the window goes on after its end (the default); otherwise symmetric.
        alpha: the constant part.
        beta: the height of the cosine.
        dtype: a floating point type.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Returns:
        A tensor of `window_length` numbers.

    Raises:
        RuntimeError: for a negative length or a dtype that is not floating point.

    Example:
        >>> flambeau.hamming_window(4)
        tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    alpha = _number("hamming_window", "alpha", alpha)
    formula = _cosines(alpha, _number("hamming_window", "beta", beta))
    settings = (dtype, layout, device, pin_memory, requires_grad)
    return _window("hamming_window", formula, window_length, periodic, settings)


@function
def kaiser_window(
    window_length,
    periodic=True,
    beta=12.0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Kaiser's window: I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta).

    Args:
        window_length: how many samples.
        periodic: whether the window goes on after its end (the default); otherwise symmetric.
        beta: the larger, the lower the side lobes and the wider the main one.
        dtype: a floating point type.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Returns:
        A tensor of `window_length` numbers.

    Raises:
        RuntimeError: for a negative length or a dtype that is not floating point.

    Example:
        >>> flambeau.kaiser_window(4, beta=2.0)
        tensor([0.4387, 0.8348, 1.0000, 0.8348])
    """
    formula = _kaiser(_number("kaiser_window", "beta", beta))
    settings = (dtype, layout, device, pin_memory, requires_grad)
    return _window("kaiser_window", formula, window_length, periodic, settings)


# ---- windows of flambeau.signal.windows ----


def _signal(name, formula, M, sym, dtype, layout, device, requires_grad):
    M = _length(name, "M", M)
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not None and layout is not _layout.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    dtype = _C.get_default_dtype() if dtype is None else dtype
    if dtype not in (_C.float32, _C.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return _sampled(formula, M, not sym, dtype, device, requires_grad)


_SIGNAL_ARGUMENTS = """

    Args:
        M: how many samples.{more}
        sym: symmetric (the default), or to be continued periodically.
        dtype: float32 or float64.

    Returns:
        A tensor of M numbers.

    Raises:
        ValueError: for a negative length, another dtype{raised}.

    Example:
        >>> flambeau.signal.windows.{name}({call})
        {printed}
    """


def _described(doc, call, printed, more="", raised=""):
    """Adds to a window function the docstring of its kind."""

    def describe(window):
        name = window.__name__
        more_lines = f"\n        {more}" if more else ""
        window.__doc__ = doc + _SIGNAL_ARGUMENTS.format(
            name=name, call=call, printed=printed, more=more_lines, raised=raised
        )
        return window

    return describe


def _plain_signal(name, doc, formula, printed):
    """Declares a window without parameters of its own."""

    def window(M, *, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
        return _signal(name, formula, M, sym, dtype, layout, device, requires_grad)

    window.__name__ = name
    return _described(doc, "5", printed)(window)


bartlett = _plain_signal(
    "bartlett",
    "Bartlett's window, a triangle: 1 - |2 n / N - 1|.",
    _bartlett,
    "tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])",
)
blackman = _plain_signal(
    "blackman",
    "Blackman's window: 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N).",
    _cosines(0.42, 0.5, 0.08),
    "tensor([-1.3878e-17,  3.4000e-01,  1.0000e+00,  3.4000e-01, -1.3878e-17])",
)
cosine = _plain_signal(
    "cosine",
    "Half a wave: sin(pi (n + 1/2) / (N + 1)).",
    lambda n, last: ((n + 0.5) * (math.pi / (last + 1))).sin(),
    "tensor([0.3090, 0.8090, 1.0000, 0.8090, 0.3090])",
)
hann = _plain_signal(
    "hann",
    "Hann's window, a raised cosine: 0.5 - 0.5 cos(2 pi n / N).",
    _cosines(0.5, 0.5),
    "tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])",
)
hamming = _plain_signal(
    "hamming",
    "Hamming's window: 0.54 - 0.46 cos(2 pi n / N).",
    _cosines(0.54, 0.46),
    "tensor([0.0800, 0.5400, 1.0000, 0.5400, 0.0800])",
)
nuttall = _plain_signal(
    "nuttall",
    "The four-term cosine window with the lowest side lobes (A. H. Nuttall, IEEE ASSP-29, 1981).",
    _cosines(0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "tensor([3.6280e-04, 2.2698e-01, 1.0000e+00, 2.2698e-01, 3.6280e-04])",
)


@_described(
    "A sum of cosines: a[0] - a[1] cos(2 pi n / N) + a[2] cos(4 pi n / N) - ...",
    "5, a=[0.5, 0.5]",
    "tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])",
    "a: the weights of the cosines.",
    " or no weights",
)
def general_cosine(M, *, a, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    if not isinstance(a, (list, tuple)):
        raise TypeError("general_cosine: Coefficients must be a list/tuple")
    if not a:
        raise ValueError("general_cosine: Coefficients cannot be empty")
    formula = _cosines(*(_number("general_cosine", "a", weight) for weight in a))
    return _signal("general_cosine", formula, M, sym, dtype, layout, device, requires_grad)


@_described(
    "Hamming's window with another constant: alpha - (1 - alpha) cos(2 pi n / N).",
    "5, alpha=0.6",
    "tensor([0.2000, 0.6000, 1.0000, 0.6000, 0.2000])",
    "alpha: the constant part.",
)
def general_hamming(
    M, *, alpha=0.54, sym=True, dtype=None, layout=None, device=None, requires_grad=False
):
    alpha = _number("general_hamming", "alpha", alpha)
    formula = _cosines(alpha, 1 - alpha)
    return _signal("general_hamming", formula, M, sym, dtype, layout, device, requires_grad)


@_described(
    "An exponential that falls to both sides: exp(-|n - center| / tau).",
    "5",
    "tensor([0.1353, 0.3679, 1.0000, 0.3679, 0.1353])",
    "center: the place of the peak (default the middle); only with sym=False.\n"
    "        tau: how many samples the window takes to fall by a factor of e.",
    ", a tau that is not positive, a center with sym",
)
def exponential(
    M,
    *,
    center=None,
    tau=1.0,
    sym=True,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
):
    if _number("exponential", "tau", tau) <= 0:
        raise ValueError(f"exponential: Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("exponential: Center must be None for symmetric windows")
    if center is not None:
        _number("exponential", "center", center)

    def formula(n, last):
        middle = last / 2 if center is None else center
        return (-(n - middle).abs() / tau).exp()

    return _signal("exponential", formula, M, sym, dtype, layout, device, requires_grad)


@_described(
    "The bell curve: exp(-(n - N / 2)^2 / (2 std^2)).",
    "5",
    "tensor([0.1353, 0.6065, 1.0000, 0.6065, 0.1353])",
    "std: its standard deviation, in samples.",
    " or an std that is not positive",
)
def gaussian(M, *, std=1.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    if _number("gaussian", "std", std) <= 0:
        raise ValueError(f"gaussian: Standard deviation must be positive, got: {std} instead.")

    def formula(n, last):
        return (-0.5 * ((n - last / 2) / std).square()).exp()

    return _signal("gaussian", formula, M, sym, dtype, layout, device, requires_grad)


@_described(
    "Kaiser's window: I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta).",
    "5, beta=2.0",
    "tensor([0.4387, 0.8348, 1.0000, 0.8348, 0.4387])",
    "beta: the larger, the lower the side lobes and the wider the main one.",
    " or a negative beta",
)
def kaiser(M, *, beta=12.0, sym=True, dtype=None, layout=None, device=None, requires_grad=False):
    if _number("kaiser", "beta", beta) < 0:
        raise ValueError(f"kaiser: beta must be non-negative, got: {beta} instead.")
    return _signal("kaiser", _kaiser(beta), M, sym, dtype, layout, device, requires_grad)
