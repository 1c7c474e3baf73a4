"""Moves between channels and positions, and among channels: views, put in order."""

from __future__ import annotations

from flambeau.core.errors import RuntimeFailure, ShapeError
from flambeau.core.registry import function


def _check_pixels(name, input, factor, factor_name):
    if input.ndim < 3:
        raise ShapeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)"
        )
    if factor <= 0:
        raise RuntimeFailure(f"{name} expects a positive {factor_name}, but got {factor}")


@function
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
    split = input.reshape(*batch, c, r, r, height, width)
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return split.permute(order).reshape(*batch, c, height * r, width * r)


@function
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
    split = input.reshape(*batch, channels, height // r, r, width // r, r)
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return split.permute(order).reshape(*batch, channels * r * r, height // r, width // r)


@function(aliases=("native_channel_shuffle",))
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
    split = input.reshape(batch, groups, channels // groups, *rest)
    return split.transpose(1, 2).reshape(batch, channels, *rest)
