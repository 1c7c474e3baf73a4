"""Pooling layers."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.utils import _pair, _single, _triple

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]


class _MaxPoolNd(Module):
    __constants__ = [
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "return_indices",
        "ceil_mode",
    ]

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        return_indices=False,
        ceil_mode=False,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self):
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )

    def forward(self, input):
        """Apply the layer."""
        return self._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool1d(_MaxPoolNd):
    """The maximum of each window of signals `(N, C, L)`.

    Args:
        kernel_size: Length of the window.
        stride: Step of the window; `kernel_size` if left out.
        padding: Length added at both ends, where nothing is the maximum; at most half the window.
        dilation: Distance between the elements of the window.
        return_indices: Also return where the maxima are.
        ceil_mode: Round the output length up instead of down.

    Shape:
        (N, C, L) or (C, L); the output has the length
        (L + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1.

    Raises:
        RuntimeError: When called, if the window does not fit.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([[1.0, 3.0, 2.0, 0.0]])
        >>> torch.nn.MaxPool1d(2)(x)
        tensor([[3., 2.]])
        >>> torch.nn.MaxPool1d(2, return_indices=True)(x)[1]
        tensor([[1, 2]])
    """

    _pool = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPoolNd):
    """The maximum of each window of images `(N, C, H, W)`.

    Args:
        kernel_size: Size of the window.
        stride: Step of the window; `kernel_size` if left out.
        padding: Size added on all sides, where nothing is the maximum.
        dilation: Distance between the elements of the window.
        return_indices: Also return where the maxima are.
        ceil_mode: Round the output size up instead of down.

    Shape:
        (N, C, H, W) or (C, H, W); the output's height is
        (H + 2 padding - dilation (kernel_size - 1) - 1) // stride + 1, its width likewise.

    Raises:
        RuntimeError: When called, if the window does not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MaxPool2d(2)(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 4, 4])
    """

    _pool = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPoolNd):
    """The maximum of each window of volumes `(N, C, D, H, W)`.

    Args:
        kernel_size: Size of the window, one number or one for each axis.
        stride: Step of the window; `kernel_size` if left out.
        padding: Size added on all sides, where nothing is the maximum; at most half the window.
        dilation: Distance between the elements of the window.
        return_indices: Also return where the maxima are, as numbers within a volume.
        ceil_mode: Round the output size up instead of down.

    Shape:
        (N, C, D, H, W) or (C, D, H, W); the sizes of the output as those of `MaxPool1d`.

    Raises:
        RuntimeError: When called, if the window does not fit.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MaxPool3d((1, 2, 2))(torch.ones(1, 3, 5, 8, 8)).shape
        torch.Size([1, 3, 5, 4, 4])
    """

    _pool = staticmethod(F.max_pool3d)


class _AvgPoolNd(Module):
    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"]

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """The mean of each window of signals `(N, C, L)`.

    Args:
        kernel_size: Length of the window.
        stride: Step of the window; `kernel_size` if left out.
        padding: Zeros added at both ends.
        ceil_mode: Round the output length up instead of down.
        count_include_pad: Whether the added zeros count in the mean.

    Shape:
        (N, C, L) or (C, L); the output has the length (L + 2 padding - kernel_size) // stride + 1.

    Raises:
        RuntimeError: When called, if the window does not fit.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([[1.0, 3.0, 5.0]])
        >>> torch.nn.AvgPool1d(2, stride=1)(x)
        tensor([[2., 4.]])
        >>> torch.nn.AvgPool1d(2, padding=1, count_include_pad=False)(x)
        tensor([[1., 4.]])
    """

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
    ):
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = self.kernel_size if stride is None else _single(stride)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input):
        """Apply the layer."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class _DividedAvgPoolNd(_AvgPoolNd):
    __constants__ = [*_AvgPoolNd.__constants__, "divisor_override"]

    def __init__(
        self,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input):
        """Apply the layer."""
        return self._pool(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool2d(_DividedAvgPoolNd):
    """The mean of each window of images `(N, C, H, W)`.

    Args:
        kernel_size: Size of the window.
        stride: Step of the window; `kernel_size` if left out.
        padding: Zeros added on all sides.
        ceil_mode: Round the output size up instead of down.
        count_include_pad: Whether the added zeros count in the mean.
        divisor_override: Divide the sums by this instead of by the window's size.

    Shape:
        (N, C, H, W) or (C, H, W); the output's height is
        (H + 2 padding - kernel_size) // stride + 1, its width likewise.

    Raises:
        RuntimeError: When called, if the window does not fit or `divisor_override` is 0.

    Example:
        >>> import flambeau as torch
        >>> image = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
        >>> torch.nn.AvgPool2d(2)(image)
        tensor([[[2.5000]]])
        >>> torch.nn.AvgPool2d(2, divisor_override=1)(image)
        tensor([[[10.]]])
    """

    _pool = staticmethod(F.avg_pool2d)


class AvgPool3d(_DividedAvgPoolNd):
    """The mean of each window of volumes `(N, C, D, H, W)`.

    Args:
        kernel_size: Size of the window, one number or one for each axis.
        stride: Step of the window; `kernel_size` if left out.
        padding: Zeros added on all sides.
        ceil_mode: Round the output size up instead of down.
        count_include_pad: Whether the added zeros count in the mean.
        divisor_override: Divide the sums by this instead of by the window's size.

    Shape:
        (N, C, D, H, W) or (C, D, H, W); the sizes of the output as those of `AvgPool1d`.

    Raises:
        RuntimeError: When called, if the window does not fit or `divisor_override` is 0.

    Example:
        >>> import flambeau as torch
        >>> volume = torch.arange(8.0).reshape(1, 2, 2, 2)
        >>> torch.nn.AvgPool3d(2)(volume).item()
        3.5
    """

    _pool = staticmethod(F.avg_pool3d)


class _LPPoolNd(Module):
    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]

    def __init__(self, norm_type, kernel_size, stride=None, ceil_mode=False):
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self):
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )

    def forward(self, input):
        """Apply the layer."""
        return self._pool(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool1d(_LPPoolNd):
    """The p-norm of each window of signals: the root of the sum of the p-th powers.

    Args:
        norm_type: The power p; infinity means the largest magnitude.
        kernel_size: Length of the window.
        stride: Step of the window; `kernel_size` if left out.
        ceil_mode: Round the output length up instead of down.

    Shape:
        (N, C, L) or (C, L); the output has the length (L - kernel_size) // stride + 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LPPool1d(2, 2)(torch.tensor([[3.0, 4.0, 6.0, 8.0]]))
        tensor([[ 5., 10.]])
    """

    _pool = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window of images `(N, C, H, W)`.

    Args:
        norm_type: The power p; infinity means the largest magnitude.
        kernel_size: Size of the window.
        stride: Step of the window; `kernel_size` if left out.
        ceil_mode: Round the output size up instead of down.

    Shape:
        (N, C, H, W) or (C, H, W); the output's height is (H - kernel_size) // stride + 1, its width
        likewise.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LPPool2d(2, 2)(torch.ones(1, 1, 4, 4))
        tensor([[[[2., 2.],
                  [2., 2.]]]])
    """

    _pool = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window of volumes: the root of the sum of the p-th powers.

    Args:
        norm_type: The power p; infinity means the largest magnitude.
        kernel_size: Size of the window, one number or one for each axis.
        stride: Step of the window; `kernel_size` if left out.
        ceil_mode: Round the output size up instead of down.

    Shape:
        (N, C, D, H, W) or (C, D, H, W); the sizes of the output as those of `LPPool1d`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LPPool3d(1, 2)(torch.ones(1, 2, 2, 2)).item()
        8.0
    """

    _pool = staticmethod(F.lp_pool3d)


class _MaxUnpoolNd(Module):
    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.kernel_size = self._spread(kernel_size)
        self.stride = self._spread(kernel_size if stride is None else stride)
        self.padding = self._spread(padding)

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"

    def forward(self, input, indices, output_size=None):
        """Apply the layer."""
        return self._unpool(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool1d(_MaxUnpoolNd):
    """Maxima put back where `MaxPool1d` found them, and zeros elsewhere.

    Args:
        kernel_size: Length of the window of the pooling.
        stride: Its step; `kernel_size` if left out.
        padding: Its padding.

    Shape:
        Values and indices (N, C, L) or (C, L); the output has the length
        (L - 1) stride - 2 padding + kernel_size, or the one given as `output_size` in the call.

    Raises:
        ValueError: When called, if the pooling could not have had an input of `output_size`.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([[1.0, 3.0, 2.0, 0.0]])
        >>> values, indices = torch.nn.MaxPool1d(2, return_indices=True)(x)
        >>> torch.nn.MaxUnpool1d(2)(values, indices)
        tensor([[0., 3., 2., 0.]])
    """

    _spread = staticmethod(_single)
    _unpool = staticmethod(F.max_unpool1d)


class MaxUnpool2d(_MaxUnpoolNd):
    """Maxima put back where `MaxPool2d` found them, and zeros elsewhere.

    Args:
        kernel_size: Size of the window of the pooling.
        stride: Its step; `kernel_size` if left out.
        padding: Its padding.

    Shape:
        Values and indices (N, C, H, W) or (C, H, W); the output's height is
        (H - 1) stride - 2 padding + kernel_size, its width likewise, or those given as
        `output_size` in the call.

    Raises:
        ValueError: When called, if the pooling could not have had an input of `output_size`.

    Example:
        >>> import flambeau as torch
        >>> values, indices = torch.nn.MaxPool2d(2, return_indices=True)(torch.eye(4)[None])
        >>> torch.nn.MaxUnpool2d(2)(values, indices)
        tensor([[[1., 0., 0., 0.],
                 [0., 0., 0., 0.],
                 [0., 0., 1., 0.],
                 [0., 0., 0., 0.]]])
    """

    _spread = staticmethod(_pair)
    _unpool = staticmethod(F.max_unpool2d)


class MaxUnpool3d(_MaxUnpoolNd):
    """Maxima put back where `MaxPool3d` found them, and zeros elsewhere.

    Args:
        kernel_size: Size of the window of the pooling.
        stride: Its step; `kernel_size` if left out.
        padding: Its padding.

    Shape:
        Values and indices (N, C, D, H, W) or (C, D, H, W); the sizes of the output as those of
        `MaxUnpool1d`.

    Raises:
        ValueError: When called, if the pooling could not have had an input of `output_size`.

    Example:
        >>> import flambeau as torch
        >>> volume = torch.arange(8.0).reshape(1, 2, 2, 2)
        >>> values, indices = torch.nn.MaxPool3d(2, return_indices=True)(volume)
        >>> torch.nn.MaxUnpool3d(2)(values, indices).flatten()
        tensor([0., 0., 0., 0., 0., 0., 0., 7.])
    """

    _spread = staticmethod(_triple)
    _unpool = staticmethod(F.max_unpool3d)
