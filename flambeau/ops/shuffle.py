"""Moves between channels and positions, and among channels: views, copied into order."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import RuntimeFailure, ShapeError
from flambeau.core.registry import op


def _check_pixels(name, input, factor, factor_name):
    if input.ndim < 3:
        raise ShapeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)"
        )
    if factor <= 0:
        raise RuntimeFailure(f"{name} expects a positive {factor_name}, but got {factor}")


def _copied(input, split, order, shape):
    """The input, its axes split into others of the sizes `split`, in another order, joined again.

    The result has `shape`, and is channels-last if the input is.
    """
    out = _C.empty_in_format_of(input, shape)
    parts = _C.reshape(out, tuple(split[axis] for axis in order))
    _C.copy_into(parts, _C.permute(_C.reshape(input, split), order))
    return out


def _shuffle_samples(s):
    yield s(s.tensor(2, 8, 2, 3), 2)
    yield s(s.tensor(9, 1, 2), 3)
    yield s(s.tensor(2, 1, 3, 2, 2), 1)


def _unshuffle_samples(s):
    yield s(s.tensor(2, 2, 4, 6), 2)
    yield s(s.tensor(1, 3, 6), 3)
    yield s(s.tensor(2, 1, 3, 2, 2), 1)


def _every_example(op, size, values, marks):
    """The batching rule of what leaves all axes but the last three alone."""
    input, factor = values
    if input.ndim < 4:
        _check_pixels(op.name, input[0], factor, "factor")
    return op(input, factor)


@op(out=False, dtypes="all", batch=_every_example, samples=_shuffle_samples)
def pixel_shuffle(input, upscale_factor):
    """(..., C r^2, H, W) as (..., C, H r, W r); see `nn.PixelShuffle`.

    Args:
        input: at least three axes.
        upscale_factor: r.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: if the channels cannot be divided by r^2.

    Example:
        >>> flambeau.pixel_shuffle(flambeau.arange(4).reshape(4, 1, 1), 2)
        tensor([[[0, 1],
                 [2, 3]]])
    """
    r = upscale_factor
    _check_pixels("pixel_shuffle", input, r, "upscale_factor")
    *batch, channels, height, width = input.shape
    if channels % (r * r):
        raise ShapeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    # (batch, c, r, r, h, w) -> (batch, c, h, r, w, r)
    c, n = channels // (r * r), len(batch)
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    shape = (*batch, c, height * r, width * r)
    return _copied(input, (*batch, c, r, r, height, width), order, shape)


@op(out=False, dtypes="all", batch=_every_example, samples=_unshuffle_samples)
def pixel_unshuffle(input, downscale_factor):
    """(..., C, H r, W r) as (..., C r^2, H, W), the inverse of `pixel_shuffle`.

    Args:
        input: at least three axes.
        downscale_factor: r.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: if height or width cannot be divided by r.

    Example:
        >>> flambeau.pixel_unshuffle(flambeau.zeros(1, 4, 6), 2).shape
        torch.Size([4, 2, 3])
    """
    r = downscale_factor
    _check_pixels("pixel_unshuffle", input, r, "downscale_factor")
    *batch, channels, height, width = input.shape
    for side, axis, size in (("height", -2, height), ("width", -1, width)):
        if size % r:
            raise ShapeError(
                f"pixel_unshuffle expects {side} to be divisible by downscale_factor, but "
                f"input.size({axis})={size} is not divisible by {r}"
            )
    # (batch, c, h, r, w, r) -> (batch, c, r, r, h, w)
    n = len(batch)
    split = (*batch, channels, height // r, r, width // r, r)
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return _copied(input, split, order, (*batch, channels * r * r, height // r, width // r))


pixel_shuffle.vjp("input")(lambda g, upscale_factor: pixel_unshuffle(g, upscale_factor))
pixel_unshuffle.vjp("input")(lambda g, downscale_factor: pixel_shuffle(g, downscale_factor))


def _channel_samples(s):
    yield s(s.tensor(2, 6, 2, 2), 3)
    yield s(s.tensor(2, 6, 2), 2)
    yield s(s.tensor(0, 4, 1, 2, 1), 2)


def _channels_of_examples(op, size, values, marks):
    """The examples' batches in one."""
    input, groups = values
    return op(input.flatten(0, 1), groups).unflatten(0, input.shape[:2])


@op(
    out=False,
    dtypes="all",
    aliases=("native_channel_shuffle",),
    batch=_channels_of_examples,
    samples=_channel_samples,
)
def channel_shuffle(input, groups):
    """The channels (axis 1) of groups in turn; see `nn.ChannelShuffle`.

    Args:
        input: (N, C, ...), at least three axes.
        groups: how many groups the channels are divided into.

    Returns:
        A new tensor.

    Raises:
        RuntimeError: if the channels cannot be divided into the groups.

    Example:
        >>> flambeau.channel_shuffle(flambeau.arange(4).reshape(1, 4, 1), 2).flatten()
        tensor([0, 2, 1, 3])
    """
    if input.ndim < 3:
        raise ShapeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    if groups <= 0:
        raise RuntimeFailure(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    batch, channels, *rest = input.shape
    if channels % groups:
        raise ShapeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and "
            f"{groups} groups."
        )
    split = (batch, groups, channels // groups, *rest)
    order = (0, 2, 1, *range(3, input.ndim + 1))
    return _copied(input, split, order, tuple(input.shape))


@channel_shuffle.vjp("input")
def _(g, groups):
    return channel_shuffle(g, g.shape[1] // groups) if g.numel() else g
