"""Layers that take windows of images apart, and put them together."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """The blocks of an image that a kernel slides over, as columns.

    Args:
        kernel_size: The size of a block.
        dilation: The distance between its elements.
        padding: Zeros on both sides of the image.
        stride: The distance between blocks.

    Shape:
        (N, C, H, W) or (C, H, W); the output is (N, C kh kw, L) or (C kh kw, L), with the number of
        blocks L.

    Raises:
        RuntimeError: When called, if the kernel does not fit into the image.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Unfold((2, 3))(torch.ones(2, 5, 3, 4)).shape
        torch.Size([2, 30, 4])
    """

    __constants__ = ["kernel_size", "dilation", "padding", "stride"]

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input):
        """Apply the layer."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self):
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Fold(Module):
    """The sum of blocks, which are columns, at their places in an image.

    Args:
        output_size: The size of the image.
        kernel_size: The size of a block.
        dilation: The distance between its elements.
        padding: What is cut off on both sides of the image.
        stride: The distance between blocks.

    Shape:
        (N, C kh kw, L) or (C kh kw, L) with as many blocks L as fit into the image; the output is
        (N, C, H, W) or (C, H, W).

    Raises:
        RuntimeError: When called, if the number of blocks is another one.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Fold((4, 5), (2, 2))(torch.ones(1, 12, 12)).shape
        torch.Size([1, 3, 4, 5])
    """

    __constants__ = ["output_size", "kernel_size", "dilation", "padding", "stride"]

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input):
        """Apply the layer."""
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self):
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )
