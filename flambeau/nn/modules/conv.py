"""Convolution layers."""

import math

from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.utils import _pair, _single, _triple
from flambeau.nn.parameter import Parameter
from flambeau.ops.creation import empty

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What convolutions of any number of dimensions share."""

    __constants__ = [
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    ]

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
        super().__init__()
        _check_channels(in_channels, out_channels, groups)
        _check_padding(padding, stride, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._padding_per_side()
        outer, inner = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (outer, inner // groups, *kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding_per_side(self):
        """The padding as `pad` takes it: last dimension first, both sides of each."""
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=False)]
            sides = [(t // 2, t - t // 2) for t in total]
        elif self.padding == "valid":
            sides = [(0, 0)] * len(self.kernel_size)
        else:
            sides = [(width, width) for width in self.padding]
        return [width for pair in reversed(sides) for width in pair]

    def reset_parameters(self):
        """Draw weight and bias uniformly from ±1/sqrt(fan_in)."""
        # a = sqrt(5) makes the bound of kaiming_uniform_ exactly 1/sqrt(fan_in).
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def _convolve(self, function, input, weight, bias):
        """The function of the layer, after borders other than zeros, which it does not know."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = 0
        return function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self):
        nothing = (0,) * len(self.kernel_size)
        once = (1,) * len(self.kernel_size)
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != nothing:
            text += f", padding={self.padding}"
        if self.dilation != once:
            text += f", dilation={self.dilation}"
        if self.output_padding != nothing:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


def _check_channels(in_channels, out_channels, groups):
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups != 0:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups != 0:
        raise ValueError("out_channels must be divisible by groups")


def _check_padding(padding, stride, padding_mode):
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
            )
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in _PADDING_MODES:
        raise ValueError(
            f"padding_mode must be one of {set(_PADDING_MODES)}, but got "
            f"padding_mode='{padding_mode}'"
        )


class Conv1d(_ConvNd):
    """Convolution of signals `(N, C, L)`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Length of the window.
        stride: Step of the window.
        padding: Length added at both ends, or "same" or "valid".
        dilation: Distance between the elements of the window.
        groups: Number of blocks that channels are connected within.
        bias: Whether a bias is added to each output channel.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (N, in_channels, L) or without N; the output is (N, out_channels, L') with
        L' = (L + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1.

    Raises:
        ValueError: If channels and groups, or padding and stride, do not go together.
        RuntimeError: When called, if the input has other channels, or is shorter than the window.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Conv1d(4, 8, 3, stride=2)(torch.ones(2, 4, 9)).shape
        torch.Size([2, 8, 4])
        >>> torch.nn.Conv1d(4, 8, 3, groups=2).weight.shape
        torch.Size([8, 2, 3])
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            _single(kernel_size),
            _single(stride),
            padding if isinstance(padding, str) else _single(padding),
            _single(dilation),
            False,
            _single(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input, weight, bias):
        return self._convolve(F.conv1d, input, weight, bias)

    def forward(self, input):
        """Apply the layer."""
        return self._conv_forward(input, self.weight, self.bias)


class Conv2d(_ConvNd):
    """Convolution of images `(N, C, H, W)`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Height and width of the window.
        stride: Step of the window.
        padding: Size added on all four sides, or "same" or "valid".
        dilation: Distance between the elements of the window.
        groups: Number of blocks that channels are connected within.
        bias: Whether a bias is added to each output channel.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (N, in_channels, H, W) or without N; the output is (N, out_channels, H', W') with
        H' = (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, W' likewise.

    Raises:
        ValueError: If channels and groups, or padding and stride, do not go together.
        RuntimeError: When called, if the input has other channels, or is smaller than the window.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Conv2d(3, 8, 3, padding=1)(torch.ones(1, 3, 16, 16)).shape
        torch.Size([1, 8, 16, 16])
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            _pair(kernel_size),
            _pair(stride),
            padding if isinstance(padding, str) else _pair(padding),
            _pair(dilation),
            False,
            _pair(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input, weight, bias):
        return self._convolve(F.conv2d, input, weight, bias)

    def forward(self, input):
        """Apply the layer."""
        return self._conv_forward(input, self.weight, self.bias)


class Conv3d(_ConvNd):
    """Convolution of volumes `(N, C, D, H, W)`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Depth, height and width of the window.
        stride: Step of the window.
        padding: Size added on all six sides, or "same" or "valid".
        dilation: Distance between the elements of the window.
        groups: Number of blocks that channels are connected within.
        bias: Whether a bias is added to each output channel.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (N, in_channels, D, H, W) or without N; the output is (N, out_channels, D', H', W') with
        D' = (D + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, and so on.

    Raises:
        ValueError: If channels and groups, or padding and stride, do not go together.
        RuntimeError: When called, if the input has other channels, or is smaller than the window.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Conv3d(1, 4, 3, padding="same")(torch.ones(2, 1, 5, 8, 8)).shape
        torch.Size([2, 4, 5, 8, 8])
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride=1,
        padding=0,
        dilation=1,
        groups=1,
        bias=True,
        padding_mode="zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            _triple(kernel_size),
            _triple(stride),
            padding if isinstance(padding, str) else _triple(padding),
            _triple(dilation),
            False,
            _triple(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input, weight, bias):
        return self._convolve(F.conv3d, input, weight, bias)

    def forward(self, input):
        """Apply the layer."""
        return self._conv_forward(input, self.weight, self.bias)
