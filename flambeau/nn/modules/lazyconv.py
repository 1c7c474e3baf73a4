"""Convolutions that take the number of their input channels from the first input."""

from flambeau.core.errors import ArgumentValueError, ShapeError
from flambeau.nn.modules.conv import Conv1d, Conv2d
from flambeau.nn.modules.lazy import LazyModuleMixin
from flambeau.nn.parameter import UninitializedParameter

__all__ = ["LazyConv1d", "LazyConv2d"]


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


_ARGUMENTS = """

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


class _LazyConv(_LazyConvNd):
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


class LazyConv1d(_LazyConv, Conv1d):
    __doc__ = f"A `Conv1d` whose input channels are those of the first input.{_ARGUMENTS}"
    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    __doc__ = f"A `Conv2d` whose input channels are those of the first input.{_ARGUMENTS}"
    cls_to_become = Conv2d
