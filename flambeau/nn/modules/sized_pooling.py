"""Pooling layers that are given the size of their output, not the windows."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.utils import _pair, _triple

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
]


class _AdaptiveAvgPoolNd(Module):
    __constants__ = ["output_size"]

    def __init__(self, output_size):
        super().__init__()
        self.output_size = output_size

    def extra_repr(self):
        return f"output_size={self.output_size}"

    def forward(self, input):
        """Apply the layer."""
        return self._pool(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that the output has the length `output_size`.

    Window i of n reaches from `floor(i L / n)` to `ceil((i + 1) L / n)`.

    Args:
        output_size: The length n.

    Shape:
        (N, C, L) or (C, L); the output has the length `output_size`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveAvgPool1d(2)(torch.tensor([[1.0, 2.0, 6.0]]))
        tensor([[1.5000, 4.0000]])
    """

    _pool = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that the output has the size `output_size`.

    Args:
        output_size: Height and width; None keeps that of the input.

    Shape:
        (N, C, H, W) or (C, H, W); the last two axes of the output have the sizes asked for.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveAvgPool2d(1)(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 1, 1])
    """

    _pool = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means over windows chosen so that the output has the size `output_size`.

    Args:
        output_size: Depth, height and width, one number for all or three; None keeps that of the
            input.

    Shape:
        (N, C, D, H, W) or (C, D, H, W); the last three axes of the output have the sizes asked for.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveAvgPool3d((1, None, 2))(torch.ones(3, 4, 5, 6)).shape
        torch.Size([3, 1, 5, 2])
    """

    _pool = staticmethod(F.adaptive_avg_pool3d)


class _AdaptiveMaxPoolNd(Module):
    __constants__ = ["output_size", "return_indices"]

    def __init__(self, output_size, return_indices=False):
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self):
        return f"output_size={self.output_size}"

    def forward(self, input):
        """Apply the layer."""
        return self._pool(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that the output has the length `output_size`.

    The windows are those of `AdaptiveAvgPool1d`.

    Args:
        output_size: The length.
        return_indices: Also return where the maxima are.

    Shape:
        (N, C, L) or (C, L); the output has the length `output_size`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveMaxPool1d(2)(torch.tensor([[5.0, 2.0, 3.0, 4.0]]))
        tensor([[5., 4.]])
    """

    _pool = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that the output has the size `output_size`.

    Args:
        output_size: Height and width, one number for both or two; None keeps that of the input.
        return_indices: Also return where the maxima are, as numbers within an image.

    Shape:
        (N, C, H, W) or (C, H, W); the last two axes of the output have the sizes asked for.

    Example:
        >>> import flambeau as torch
        >>> image = torch.arange(6.0).reshape(1, 2, 3)
        >>> torch.nn.AdaptiveMaxPool2d((None, 1))(image).squeeze()
        tensor([2., 5.])
    """

    _pool = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Maxima over windows chosen so that the output has the size `output_size`.

    Args:
        output_size: Depth, height and width, one number for all or three; None keeps that of the
            input.
        return_indices: Also return where the maxima are, as numbers within a volume.

    Shape:
        (N, C, D, H, W) or (C, D, H, W); the last three axes of the output have the sizes asked for.

    Example:
        >>> import flambeau as torch
        >>> volume = torch.arange(8.0).reshape(1, 2, 2, 2)
        >>> values, indices = torch.nn.AdaptiveMaxPool3d(1, return_indices=True)(volume)
        >>> values.item(), indices.item()
        (7.0, 7)
    """

    _pool = staticmethod(F.adaptive_max_pool3d)


class _FractionalMaxPoolNd(Module):
    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]

    def __init__(
        self,
        kernel_size,
        output_size=None,
        output_ratio=None,
        return_indices=False,
        _random_samples=None,
    ):
        super().__init__()
        spread, name = self._spread, type(self).__name__
        self.kernel_size = spread(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else spread(output_size)
        self.output_ratio = None if output_ratio is None else spread(output_ratio)
        if output_size is None and output_ratio is None:
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
            )
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input):
        """Apply the layer."""
        return self._pool(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The maximum of windows of images that lie at random, input size / output size apart.

    The method is that of Graham (2015, arXiv:1412.6071).

    Args:
        kernel_size: Size of the window.
        output_size: Height and width of the output.
        output_ratio: Instead of it, the output's size as a fraction of the input's.
        return_indices: Also return where the maxima are.

    Shape:
        (N, C, H, W) or (C, H, W); the last two axes of the output have the sizes asked for.

    Raises:
        ValueError: if not exactly one of output_size and output_ratio is given, or a ratio is not
            between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.FractionalMaxPool2d(3, output_ratio=0.6)(torch.ones(1, 3, 10, 20)).shape
        torch.Size([1, 3, 6, 12])
    """

    _spread = staticmethod(_pair)
    _pool = staticmethod(F.fractional_max_pool2d)


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The maximum of windows of volumes that lie at random, input size / output size apart.

    The method is that of Graham (2015), as in `FractionalMaxPool2d`.

    Args:
        kernel_size: Size of the window, one number or one for each axis.
        output_size: Depth, height and width of the output.
        output_ratio: Instead of it, the output's size as a fraction of the input's.
        return_indices: Also return where the maxima are.

    Shape:
        (N, C, D, H, W) or (C, D, H, W); the last three axes of the output have the sizes asked for.

    Raises:
        ValueError: If not exactly one of output_size and output_ratio is given, or a ratio is not
            between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.FractionalMaxPool3d(2, output_ratio=(0.5, 0.5, 0.8))
        >>> layer(torch.ones(3, 4, 6, 10)).shape
        torch.Size([3, 2, 3, 8])
    """

    _spread = staticmethod(_triple)
    _pool = staticmethod(F.fractional_max_pool3d)
