"""Convolutions that take the number of their input channels from the first input."""

from flambeau.core.errors import ArgumentValueError, ShapeError
from flambeau.nn.modules.conv import Conv1d, Conv2d, Conv3d
from flambeau.nn.modules.conv_transpose import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from flambeau.nn.modules.lazy import LazyModuleMixin
from flambeau.nn.parameter import UninitializedParameter

__all__ = [
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]


class _LazyConvNd(LazyModuleMixin):
    """What lazy convolutions of any number of dimensions share."""

    def _start(self, out_channels, bias, device, dtype):
        """Put tensors without sizes in the place of those for no channels."""
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        """Draw weight and bias once they have sizes."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input, *args, **kwargs):
        """Make the weight fit the channels of `input`, and draw first values."""
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._channels_of(input)
        if self.in_channels % self.groups != 0:
            raise ArgumentValueError("in_channels must be divisible by groups")
        ends = (self.out_channels, self.in_channels // self.groups)
        if self.transposed:
            ends = (self.in_channels, self.out_channels // self.groups)
        self.weight.materialize((*ends, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _channels_of(self, input):
        axes = len(self.kernel_size)
        if input.dim() not in (axes + 1, axes + 2):
            raise ShapeError(
                f"Expected {axes + 1}D (unbatched) or {axes + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape}"
            )
        return input.shape[input.dim() - axes - 1]


class _LazyConv(_LazyConvNd):
    """A convolution whose input channels are those of the first input.

    Args:
        out_channels: Channels of the output.
        kernel_size: Size of the window.
        stride: Step of the window.
        padding: See the class that it becomes.
        dilation: Distance between the elements of the window.
        groups: Number of blocks that channels are connected within.
        bias: Whether a bias is added to each output channel.
        padding_mode: See the class that it becomes.
        device: Where the parameters live.
        dtype: Their type.
    """

    def __init__(
        self,
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
        options = (stride, padding, dilation, groups, False, padding_mode, device, dtype)
        super().__init__(0, 0, kernel_size, *options)
        self._start(out_channels, bias, device, dtype)


class _LazyConvTranspose(_LazyConvNd):
    """A transposed convolution whose input channels are those of the first input.

    Args:
        out_channels: Channels of the output.
        kernel_size: Size of the window.
        stride: Step of the window.
        padding: See the class that it becomes.
        output_padding: See the class that it becomes.
        groups: Number of blocks that channels are connected within.
        bias: Whether a bias is added to each output channel.
        dilation: Distance between the elements of the window.
        padding_mode: See the class that it becomes.
        device: Where the parameters live.
        dtype: Their type.
    """

    def __init__(
        self,
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
        options = (stride, padding, output_padding, groups, False, dilation, padding_mode)
        super().__init__(0, 0, kernel_size, *options, device, dtype)
        self._start(out_channels, bias, device, dtype)


def _with_example(base, name, axes):
    """The docstring of `base`, with what the layer does with the first input it gets.

    Args:
        base: The class.
        name: The name of the class that the layer becomes.
        axes: How many axes the signals have.
    """
    sizes, windows, steps = (", ".join([number] * axes) for number in "531")
    comma = "," if axes == 1 else ""
    return f"""{base.__doc__}
    Shape:
        As of `{name}`, the class that the layer becomes with its first input.

    Raises:
        ValueError: If an argument is out of its range; when called, if the channels are no multiple
            of `groups`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Lazy{name}(8, 3)
        >>> layer.weight
        <UninitializedParameter>
        >>> result = layer(torch.ones(2, 4, {sizes}))
        >>> layer
        {name}(4, 8, kernel_size=({windows}{comma}), stride=({steps}{comma}))
    """


class LazyConv1d(_LazyConv, Conv1d):
    __doc__ = _with_example(_LazyConv, "Conv1d", 1)
    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    __doc__ = _with_example(_LazyConv, "Conv2d", 2)
    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    __doc__ = _with_example(_LazyConv, "Conv3d", 3)
    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):
    __doc__ = _with_example(_LazyConvTranspose, "ConvTranspose1d", 1)
    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):
    __doc__ = _with_example(_LazyConvTranspose, "ConvTranspose2d", 2)
    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):
    __doc__ = _with_example(_LazyConvTranspose, "ConvTranspose3d", 3)
    cls_to_become = ConvTranspose3d
