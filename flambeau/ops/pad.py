"""Padding: with a constant, or with what stands at the edges."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.registry import op


def _samples(s):
    yield s(s.tensor(2, 3), (1, 2), 0.5)
    yield s(s.tensor(2, 3, 4), (1, 0, -1, 2), 0)


@op(backward_name="ConstantPadNd", samples=_samples, name="constant_pad_nd")
def _constant_pad(input, pad, value=0):
    """Widens the last axes by a constant.

    Args:
        pad: (before, after) of the last axis, then of the one before it, and so on; negative
            numbers trim.
        value: what to fill with.

    Raises:
        RuntimeError: if the widths do not fit the input.

    Example:
        >>> flambeau.constant_pad_nd(flambeau.tensor([1, 2]), (1, 0))
        tensor([0, 1, 2])
    """
    _require_axes(input, pad)
    shape, source, starts = list(input.shape), input, []
    for k in range(len(pad) // 2):
        axis = input.ndim - 1 - k
        before, after = pad[2 * k], pad[2 * k + 1]
        shape[axis] = _padded(shape[axis], before, after, axis)
        source = _C.slice(source, axis, max(0, -before), input.shape[axis] - max(0, -after), 1)
        starts.append((axis, max(0, before)))
    out = _C.empty_in_format_of(input, shape)
    _C.fill(out, value)
    inner = out
    for axis, start in starts:
        inner = _C.slice(inner, axis, start, start + source.shape[axis], 1)
    _C.copy_into(inner, source)
    return out


_constant_pad.vjp("input")(lambda g, pad: _constant_pad(g, tuple(-p for p in pad), 0))


def _require_axes(input, pad):
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(
            "pad: Padding length must be divisible by 2 and at most twice the number of "
            f"dimensions of the input, got {list(pad)} for {input.ndim}"
        )


def _padded(size, before, after, axis):
    """The size of an axis after padding."""
    if size + before + after < 0:
        raise RuntimeError(
            f"pad: The input size {size}, plus negative padding {before} and {after}, resulted in "
            f"a negative output size, which is invalid (dimension {axis})"
        )
    return size + before + after


def _places(mode, size, before, after):
    """For every position of the widened axis, the one of the input that it repeats."""
    if mode == "reflect":
        if before >= size or after >= size:
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input "
                f"dimension, but got: padding ({before}, {after}) for an axis of {size}"
            )
        places = [*range(before, 0, -1), *range(size), *range(size - 2, size - 2 - after, -1)]
    elif mode == "replicate":
        places = [0] * before + list(range(size)) + [size - 1] * after
    else:
        if before > size or after > size:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        places = [*range(size - before, size), *range(size), *range(after)]
    return places


def pad(input, pad, mode="constant", value=None):
    """Widens (or, with negative numbers, trims) the last axes.

    Args:
        input: any tensor; the other modes than "constant" leave the first axes (batch, channels)
            alone.
        pad: (before, after) of the last axis, then of the one before it, and so on.
        mode: "constant", "reflect", "replicate" or "circular".
        value: what to fill with, for "constant"; 0 by default.

    Raises:
        RuntimeError: if the widths do not fit the input or the mode.

    Example:
        >>> flambeau.nn.functional.pad(flambeau.ones(2), (1, 0))
        tensor([0., 1., 1.])
    """
    pad = tuple(int(p) for p in pad)
    if mode == "constant":
        return _constant_pad(input, pad, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    from flambeau.ops.gather import index_select
    from flambeau.ops.values import tensor

    _require_axes(input, pad)
    # Channels-last images stay so: the channels wait at the end.
    waits = mode != "circular" and _C.is_channels_last(input.shape, input._strides)
    if waits:
        input = input.movedim(1, -1)
    for k in range(len(pad) // 2):
        before, after = pad[2 * k], pad[2 * k + 1]
        axis = input.ndim - 1 - k
        if waits and axis:
            axis = axis - 1 if axis > 1 else input.ndim - 1
        _padded(input.shape[axis], before, after, axis)
        places = _places(mode, input.shape[axis], max(before, 0), max(after, 0))
        if before < 0:
            places = places[-before:]
        if after < 0:
            places = places[:after]
        if before or after:
            input = index_select(input, axis, tensor(places, dtype=_C.int64))
    return input.movedim(-1, 1) if waits else input
