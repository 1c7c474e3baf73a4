"""Short-time Fourier transforms: the spectra of overlapping pieces of a signal, and back."""

from __future__ import annotations

from flambeau.core.errors import ShapeError
from flambeau.core.notices import warn_once
from flambeau.core.registry import function
from flambeau.core.tensor import Tensor
from flambeau.ops import fft
from flambeau.ops._declare import named, of, require_tensors
from flambeau.ops.complex import view_as_real
from flambeau.ops.creation import ones
from flambeau.ops.join import cat
from flambeau.ops.pad import _constant_pad as constant_pad
from flambeau.ops.pad import pad
from flambeau.ops.parts import unfold_backward

_SMALLEST_OVERLAP = 1e-11  # sums of squared windows below this cannot be divided by


def _integers(name, **values):
    for argument, value in values.items():
        if value is not None and (isinstance(value, bool) or not hasattr(value, "__index__")):
            raise TypeError(
                f"{name}(): argument '{argument}' must be int, not {type(value).__name__}"
            )


def _require(name, condition, what, **named):
    if not condition:
        seen = ", ".join(
            f"{k} is {tuple(v.shape) if isinstance(v, Tensor) else v}" for k, v in named.items()
        )
        raise ShapeError(f"{name}: {what}: {seen}")


def _check_window(name, window, win_length):
    if window is None:
        return
    require_tensors(name, window=window)
    _require(
        name,
        window.ndim == 1 and window.shape[0] == win_length,
        "expected a 1D window tensor of size equal to win_length",
        window=window,
        win_length=win_length,
    )


def _warn_without_window(name):
    warn_once(
        f"{name}: A window was not provided. A rectangular window will be applied; windows such as"
        " torch.hann_window leak less from one frequency to another. Pass"
        " window=torch.ones(win_length) to apply it without this warning.",
        UserWarning,
    )


def _padded(window, n_fft):
    """The window in the middle of n_fft samples."""
    rest = n_fft - window.shape[0]
    return constant_pad(window, (rest // 2, rest - rest // 2), 0) if rest else window


@function(methods=("stft",))
def stft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    pad_mode="reflect",
    normalized=False,
    onesided=None,
    return_complex=None,
    align_to_window=None,
):
    """The Fourier transforms of overlapping pieces of a signal.

    Args:
        input: a signal, (length,), or several, (batch, length); real or complex.
        n_fft: the samples of one piece.
        hop_length: from the start of one piece to the next (default n_fft // 4).
        win_length: the samples of the window, in the middle of a piece (default n_fft).
        window: win_length weights (default ones, with a warning).
        center: the signal is continued by n_fft // 2 samples on both sides, so that piece t has its
            middle at sample t * hop_length.
        pad_mode: how it is continued, see `nn.functional.pad`.
        normalized: divide by sqrt(n_fft).
        onesided: leave out the frequencies that mirror others; the default for real numbers.
        return_complex: must be given for real input; False (deprecated) for real and imaginary
            parts in a last axis.
        align_to_window: without `center`, let the first window begin at the first sample where the
            window is shorter than a piece.

    Returns:
        A complex tensor: (..., frequencies, pieces).

    Raises:
        RuntimeError: if the sizes do not fit together, or `return_complex` is missing.

    Example:
        >>> signal = flambeau.arange(16.0)
        >>> flambeau.stft(signal, 8, window=flambeau.hann_window(8), return_complex=True).shape
        torch.Size([5, 9])
    """
    ndim = of(input).ndim
    _integers("stft", n_fft=n_fft, hop_length=hop_length, win_length=win_length)
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    if center and align_to_window is not None:
        raise RuntimeError("stft: align_to_window should only be set when center = false")
    complex_ = input.dtype.is_complex or (isinstance(window, Tensor) and window.dtype.is_complex)
    if return_complex is None:
        if not complex_:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will"
                " further require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    elif not return_complex:
        warn_once(
            "stft with return_complex=False is deprecated. In a future pytorch release, stft will"
            " return complex tensors for all inputs, and return_complex=False will raise an error.",
            UserWarning,
        )
    if window is None:
        _warn_without_window("stft")
    if onesided and complex_:
        raise RuntimeError("stft: Cannot have onesided output if window or input is complex")
    if center:
        input = _continued(input, n_fft // 2, pad_mode)
    dtype = input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"stft: expected a tensor of floating point or complex values: {dtype}")
    _require("stft", ndim in (1, 2), "expected a 1D or 2D tensor", input=input)
    _require("stft", hop_length > 0, "expected hop_length > 0", hop_length=hop_length)
    fits = 0 < win_length <= n_fft
    _require("stft", fits, "expected 0 < win_length <= n_fft", win_length=win_length, n_fft=n_fft)
    _check_window("stft", window, win_length)
    if align_to_window:
        before = (n_fft - win_length) // 2
        input = constant_pad(input, (before, n_fft - win_length - before), 0)
    fits = 0 < n_fft <= input.shape[-1]
    _require("stft", fits, "expected 0 < n_fft <= length", n_fft=n_fft, input=input)
    pieces = input.unfold(-1, n_fft, hop_length)
    if window is None and win_length < n_fft:
        window = ones(win_length, dtype=dtype, device=input.device)
    if window is not None:
        pieces = pieces * _padded(window, n_fft)
    transform = fft.fft if complex_ or onesided is False else fft.rfft
    spectra = transform(pieces, norm="ortho" if normalized else None).mT
    if not return_complex:
        return view_as_real(spectra)
    return named("SqueezeBackward4" if ndim == 1 else "TransposeBackward1", spectra)


def _continued(input, samples, mode):
    """The signal with more samples on both sides."""
    if input.ndim == 0:
        input = input.view((1,))
    if mode != "reflect" or samples == 0:
        return pad(input.unsqueeze(-2), (samples, samples), mode).squeeze(-2)
    # The general `pad` looks up every sample; here only the two ends are turned round.
    size = input.shape[-1]
    if samples >= size:
        raise RuntimeError(
            "stft: Padding size should be less than the corresponding input dimension, but got:"
            f" padding ({samples}, {samples}) for a signal of {size} samples"
        )
    before = input[..., 1 : samples + 1].flip((-1,))
    after = input[..., size - samples - 1 : size - 1].flip((-1,))
    return cat((before, input, after), -1)


@function(methods=("istft",))
def istft(
    input,
    n_fft,
    hop_length=None,
    win_length=None,
    window=None,
    center=True,
    normalized=False,
    onesided=None,
    length=None,
    return_complex=False,
):
    """The signal of which `stft` made these spectra, the best one in the sense of least squares.

    The pieces are weighted with the window once more, added up where they overlap, and divided by
    the sum of the squared windows (D. W. Griffin and J. S. Lim, IEEE ASSP-32, 1984).

    Args:
        input: complex spectra, (frequencies, pieces) or (batch, frequencies, pieces).
        n_fft: the samples of one piece.
        hop_length: from the start of one piece to the next (default n_fft // 4).
        win_length: the samples of the window (default n_fft).
        window: the window that `stft` was given (default ones, with a warning).
        center: whether the signal was continued on both sides.
        normalized: whether the spectra were divided by sqrt(n_fft).
        onesided: whether the frequencies that mirror others were left out (default: if there are
            not n_fft of them).
        length: the samples to return (default: all that the pieces reach).
        return_complex: for a complex signal; then all frequencies must be there.

    Returns:
        The signal, (length,) or (batch, length).

    Raises:
        RuntimeError: if the sizes do not fit together, or the windows leave samples uncovered.

    Example:
        >>> window, signal = flambeau.hann_window(8), flambeau.arange(16.0)
        >>> spectra = flambeau.stft(signal, 8, window=window, return_complex=True)
        >>> flambeau.istft(spectra, 8, window=window).allclose(signal, atol=1e-5)
        True
    """
    of(input)
    _integers("istft", n_fft=n_fft, hop_length=hop_length, win_length=win_length, length=length)
    hop_length = n_fft // 4 if hop_length is None else hop_length
    win_length = n_fft if win_length is None else win_length
    if window is None:
        _warn_without_window("istft")
    onesided = _check_spectra(input, n_fft, onesided)
    fits = 0 < hop_length <= win_length
    _require("istft", fits, "expected 0 < hop_length <= win_length", hop_length=hop_length)
    fits = 0 < win_length <= n_fft
    _require("istft", fits, "expected 0 < win_length <= n_fft", win_length=win_length, n_fft=n_fft)
    _check_window("istft", window, win_length)
    complex_window = window is not None and window.dtype.is_complex
    if return_complex and onesided:
        raise RuntimeError("istft: Cannot have onesided output if window or input is complex")
    if complex_window and not return_complex:
        raise RuntimeError("istft: Complex windows are incompatible with return_complex=False")
    norm = "ortho" if normalized else None
    if return_complex:
        pieces = fft.ifft(input.mT, norm=norm)
    else:  # of a real signal the first half of the frequencies says all
        pieces = fft.irfft(input[..., : n_fft // 2 + 1, :].mT, n_fft, norm=norm)
    if window is None:
        window = ones(win_length, dtype=input.dtype.to_real(), device=input.device)
    window = _padded(window, n_fft)
    signal = _overlapped(pieces * window, hop_length)
    weights = _overlapped((window * window).expand((pieces.shape[-2], n_fft)), hop_length)
    start = n_fft // 2 if center else 0
    reach = signal.shape[-1]
    end = start + length if length is not None else reach - start
    signal, weights = signal[..., start:end], weights[start:end]
    least = float(weights.detach().abs().min()) if weights.numel() else 0.0
    if not least > _SMALLEST_OVERLAP:
        raise RuntimeError(
            "istft: window overlap add min: the windows must cover every sample, and there must be"
            f" samples: the least sum of squared windows over {weights.shape[0]} samples is {least}"
        )
    signal = signal / weights
    if input.ndim == 2:
        signal = named("SqueezeBackward1", signal)
    if end > reach:
        warn_once(
            "istft: The length of signal is shorter than the length parameter. Result is being"
            " padded with zeros in the tail. Please check your center and hop_length settings.",
            UserWarning,
        )
        signal = constant_pad(signal, (0, end - reach), 0)
    return signal


def _check_spectra(input, n_fft, onesided):
    """Whether half the frequencies were left out."""
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with"
            f" return_complex=True, got {input.dtype}"
        )
    _require("istft", input.numel() > 0, "input tensor cannot be empty", input=input)
    _require("istft", input.ndim in (2, 3), "expected a tensor with 2 or 3 axes", input=input)
    if onesided is None:
        onesided = input.shape[-2] != n_fft
    wanted = n_fft // 2 + 1 if onesided else n_fft
    _require(
        "istft",
        input.shape[-2] == wanted,
        f"expected the frequency dimension to have {wanted} elements to match n_fft={n_fft}"
        f" and onesided={bool(onesided)}",
        input=input,
    )
    return onesided


def _overlapped(pieces, hop_length):
    """Pieces, (..., count, size), added up where they overlap."""
    *batch, count, size = pieces.shape
    shape = (*batch, size + hop_length * (count - 1))
    return unfold_backward(pieces, shape, -1, size, hop_length)
