"""Layers that resize images."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]


class Upsample(Module):
    """Resizes all dimensions behind the channels; see `nn.functional.interpolate`.

    Args:
        size: The new sizes, one number or one per dimension.
        scale_factor: Instead of `size`: how much larger to become.
        mode: "nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear" or "area".
        align_corners: Whether the centres of the first and last elements stay where they are.
        recompute_scale_factor: Take the scale from the rounded sizes.

    Shape:
        (N, C, d1), (N, C, d1, d2) or (N, C, d1, d2, d3); the output is (N, C, *size).

    Raises:
        ValueError: When called, if not exactly one of `size` and `scale_factor` was given, or the
            mode does not take `align_corners`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Upsample(scale_factor=2)(torch.tensor([[[1.0, 2.0]]]))
        tensor([[[1., 1., 2., 2.]]])
    """

    __constants__ = [
        "size",
        "scale_factor",
        "mode",
        "align_corners",
        "name",
        "recompute_scale_factor",
    ]

    def __init__(
        self,
        size=None,
        scale_factor=None,
        mode="nearest",
        align_corners=None,
        recompute_scale_factor=None,
    ):
        super().__init__()
        self.name = type(self).__name__
        self.size = size
        if isinstance(scale_factor, tuple):
            self.scale_factor = tuple(float(factor) for factor in scale_factor)
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.mode = mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input):
        """Apply the layer."""
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def __setstate__(self, state):
        # Older pickles do not have it; then it was always true.
        state.setdefault("recompute_scale_factor", True)
        super().__setstate__(state)

    def extra_repr(self):
        if self.scale_factor is not None:
            return f"scale_factor={self.scale_factor!r}, mode={self.mode!r}"
        return f"size={self.size!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Enlarges images by repeating pixels; `Upsample` says the same and more.

    Args:
        size: The new height and width.
        scale_factor: Instead of `size`: how much larger to become.

    Shape:
        (N, C, H, W); the output is (N, C, H', W').

    Raises:
        ValueError: When called, if not exactly one of `size` and `scale_factor` was given.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.UpsamplingNearest2d(scale_factor=2)(torch.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[1., 1., 2., 2.],
                  [1., 1., 2., 2.]]]])
    """

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Enlarges images by linear interpolation, corners aligned; `Upsample` says the same and more.

    Args:
        size: The new height and width.
        scale_factor: Instead of `size`: how much larger to become.

    Shape:
        (N, C, H, W); the output is (N, C, H', W').

    Raises:
        ValueError: When called, if not exactly one of `size` and `scale_factor` was given.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.UpsamplingBilinear2d(size=(1, 3))(torch.tensor([[[[1.0, 2.0]]]]))
        tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """

    def __init__(self, size=None, scale_factor=None):
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)
