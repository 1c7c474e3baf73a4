"""Transposed convolution layers."""

from flambeau.nn import functional as F
from flambeau.nn.modules.conv import _ConvNd
from flambeau.nn.modules.utils import _pair, _single, _triple

__all__ = [
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]


class _ConvTransposeNd(_ConvNd):
    """What transposed convolutions of any number of dimensions share."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
        bias,
        padding_mode,
        device=None,
        dtype=None,
    ):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            transposed,
            output_padding,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(
        self, input, output_size, stride, padding, kernel_size, num_spatial_dims, dilation=None
    ):
        """The output padding that makes the output as large as asked for.

        Args:
            input: The input of the layer.
            output_size: The sizes wanted, with or without those of batch and channels; None asks
                for the output padding of the layer.
            stride, padding, kernel_size, dilation: One value per axis; no dilation is 1.
            num_spatial_dims: The number of axes.

        Raises:
            ValueError: If `output_size` has another number of values, or ones out of reach.
        """
        if output_size is None:
            return _single(self.output_padding)
        n = num_spatial_dims
        others = input.dim() - n  # axes of batch and channels
        if len(output_size) == n + others:
            output_size = output_size[others:]
        if len(output_size) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} or "
                f"{n + others} elements (got {len(output_size)})"
            )
        least = [
            (input.size(others + i) - 1) * stride[i]
            - 2 * padding[i]
            + (dilation[i] if dilation is not None else 1) * (kernel_size[i] - 1)
            + 1
            for i in range(n)
        ]
        most = [size + step - 1 for size, step in zip(least, stride, strict=True)]
        if any(not a <= size <= b for a, size, b in zip(least, output_size, most, strict=True)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} "
                f"to {most} (for an input of {input.size()[others:]})"
            )
        return [size - a for size, a in zip(output_size, least, strict=True)]

    def _transpose(self, function, n, input, output_size):
        extra = self._output_padding(
            input, output_size, self.stride, self.padding, self.kernel_size, n, self.dilation
        )
        return function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            extra,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution of signals `(N, C, L)`, the adjoint of Conv1d.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Length of the window.
        stride: Distance of the places that neighbouring inputs are added to.
        padding: Size cut off on all sides of the output.
        output_padding: Size added at the end of each axis of the output.
        groups: Number of blocks that channels are connected within.
        bias: Whether a bias is added to each output channel.
        dilation: Distance between the elements of the window.
        padding_mode: "zeros", the only one there is.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (N, in_channels, L) or without N; the output is (N, out_channels, L') with
        L' = (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1.

    Raises:
        ValueError: If channels and groups do not go together, or for another padding mode; when
            called, if `output_size` is out of reach.
        RuntimeError: When called, if the input has other channels.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConvTranspose1d(8, 4, 3, stride=2)(torch.ones(2, 8, 4)).shape
        torch.Size([2, 4, 9])
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            _single(kernel_size),
            _single(stride),
            _single(padding),
            _single(dilation),
            True,
            _single(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input, output_size=None):
        """Apply the layer.

        Args:
            input: What the layer is applied to.
            output_size: The sizes of the output, where the stride leaves several possible.
        """
        return self._transpose(F.conv_transpose1d, 1, input, output_size)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution of images `(N, C, H, W)`, the adjoint of Conv2d.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the window.
        stride: Distance of the places that neighbouring inputs are added to.
        padding: Size cut off on all sides of the output.
        output_padding: Size added at the end of each axis of the output.
        groups: Number of blocks that channels are connected within.
        bias: Whether a bias is added to each output channel.
        dilation: Distance between the elements of the window.
        padding_mode: "zeros", the only one there is.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (N, in_channels, H, W) or without N; the output is (N, out_channels, H', W') with
        H' = (H - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1, W'
        likewise.

    Raises:
        ValueError: If channels and groups do not go together, or for another padding mode; when
            called, if `output_size` is out of reach.
        RuntimeError: When called, if the input has other channels.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1)
        >>> layer(torch.ones(1, 8, 8, 8)).shape
        torch.Size([1, 3, 15, 15])
        >>> layer(torch.ones(1, 8, 8, 8), output_size=(16, 16)).shape
        torch.Size([1, 3, 16, 16])
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            _pair(kernel_size),
            _pair(stride),
            _pair(padding),
            _pair(dilation),
            True,
            _pair(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input, output_size=None):
        """Apply the layer.

        Args:
            input: What the layer is applied to.
            output_size: The sizes of the output, where the stride leaves several possible.
        """
        return self._transpose(F.conv_transpose2d, 2, input, output_size)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution of volumes `(N, C, D, H, W)`, the adjoint of Conv3d.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Depth, height and width of the window.
        stride: Distance of the places that neighbouring inputs are added to.
        padding: Size cut off on all sides of the output.
        output_padding: Size added at the end of each axis of the output.
        groups: Number of blocks that channels are connected within.
        bias: Whether a bias is added to each output channel.
        dilation: Distance between the elements of the window.
        padding_mode: "zeros", the only one there is.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (N, in_channels, D, H, W) or without N; the output is (N, out_channels, D', H', W') with
        D' = (D - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1, and so
        on.

    Raises:
        ValueError: If channels and groups do not go together, or for another padding mode; when
            called, if `output_size` is out of reach.
        RuntimeError: When called, if the input has other channels.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.ConvTranspose3d(8, 4, (1, 2, 2), stride=(1, 2, 2))
        >>> layer(torch.ones(2, 8, 5, 4, 4)).shape
        torch.Size([2, 4, 5, 8, 8])
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        bias=True,
        dilation=1,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            _triple(kernel_size),
            _triple(stride),
            _triple(padding),
            _triple(dilation),
            True,
            _triple(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input, output_size=None):
        """Apply the layer.

        Args:
            input: What the layer is applied to.
            output_size: The sizes of the output, where the stride leaves several possible.
        """
        return self._transpose(F.conv_transpose3d, 3, input, output_size)
