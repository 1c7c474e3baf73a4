"""Layers that move values between channels and positions."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["PixelShuffle", "PixelUnshuffle"]


class PixelShuffle(Module):
    """(..., C r^2, H, W) as (..., C, H r, W r): channels become pixels (Shi et al., 2016).

    Args:
        upscale_factor: r.

    Shape:
        (..., C r^2, H, W); the output is (..., C, H r, W r).

    Raises:
        RuntimeError: When called, if the square of `upscale_factor` does not divide the channels.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.PixelShuffle(2)(torch.ones(1, 8, 3, 3)).shape
        torch.Size([1, 2, 6, 6])
    """

    __constants__ = ["upscale_factor"]

    def __init__(self, upscale_factor):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input):
        """Apply the layer."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self):
        return f"upscale_factor={self.upscale_factor}"


class PixelUnshuffle(Module):
    """The inverse of `PixelShuffle`: (..., C, H r, W r) as (..., C r^2, H, W).

    Args:
        downscale_factor: r.

    Shape:
        (..., C, H r, W r); the output is (..., C r^2, H, W).

    Raises:
        RuntimeError: When called, if `downscale_factor` does not divide height and width.

    Example:
        >>> import flambeau as torch
        >>> image = torch.arange(4.0).reshape(1, 2, 2)
        >>> torch.nn.PixelUnshuffle(2)(image).flatten(1)
        tensor([[0.],
                [1.],
                [2.],
                [3.]])
    """

    __constants__ = ["downscale_factor"]

    def __init__(self, downscale_factor):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input):
        """Apply the layer."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self):
        return f"downscale_factor={self.downscale_factor}"
