"""Normalisation within each sample."""

from flambeau.core.numeric import whole
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.ops.creation import empty

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


def _shape_of(normalized_shape):
    size = whole(normalized_shape)
    return tuple(normalized_shape) if size is None else (size,)


class LayerNorm(Module):
    """Normalisation over the last dimensions of the input (Ba et al., 2016).

    `(x - mean) / sqrt(variance + eps)`, times a learned scale, plus a learned shift.

    Args:
        normalized_shape: The sizes of those dimensions.
        eps: Added to the variance.
        elementwise_affine: Whether a learned scale and shift follow.
        bias: Whether the shift is there (with `elementwise_affine`).
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (..., *normalized_shape), of a floating dtype; the output has the shape of the input.

    Raises:
        RuntimeError: When called, if the input's last axes have other sizes.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LayerNorm(4)(torch.ones(2, 4)).shape
        torch.Size([2, 4])
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(
        self,
        normalized_shape,
        eps=1e-5,
        elementwise_affine=True,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, wanted in (
            ("weight", elementwise_affine),
            ("bias", elementwise_affine and bias),
        ):
            parameter = None
            if wanted:
                parameter = Parameter(empty(self.normalized_shape, device=device, dtype=dtype))
            self.register_parameter(name, parameter)
        self.reset_parameters()

    def reset_parameters(self):
        """Set the scale to one and the shift to zero."""
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input):
        """Apply the layer."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """Normalisation over groups of channels and all positions (Wu & He, 2018).

    `(x - mean) / sqrt(variance + eps)`, times a learned scale, plus a learned shift.

    Args:
        num_groups: The number of groups.
        num_channels: The number of channels.
        eps: Added to the variance.
        affine: Whether a learned scale and shift of each channel follow.
        device: Where the parameters live.
        dtype: Their type.
        bias: Whether the shift is there (with `affine`).

    Shape:
        (N, num_channels, ...); the output has the shape of the input.

    Raises:
        ValueError: If the channels cannot be divided into the groups.
        RuntimeError: When called, if the input has other channels.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GroupNorm(2, 4)(torch.tensor([[1.0, 3.0, 10.0, 30.0]])).detach().round()
        tensor([[-1.,  1., -1.,  1.]])
    """

    __constants__ = ["num_groups", "num_channels", "eps", "affine"]

    def __init__(
        self,
        num_groups,
        num_channels,
        eps=1e-5,
        affine=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            parameter = None
            if wanted:
                parameter = Parameter(empty(num_channels, device=device, dtype=dtype))
            self.register_parameter(name, parameter)
        self.reset_parameters()

    def reset_parameters(self):
        """Set the scale to one and the shift to zero."""
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input):
        """Apply the layer."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Division by the root of the mean square over the last dimensions (Zhang & Sennrich, 2019).

    Args:
        normalized_shape: The sizes of those dimensions.
        eps: Added to the mean square; the smallest step of the dtype if None.
        elementwise_affine: Whether a learned scale follows.
        device: Where the parameter lives.
        dtype: Its type.

    Shape:
        (..., *normalized_shape), of a floating or complex dtype; the output has the shape of the
        input.

    Raises:
        RuntimeError: When called, if the input's last axes have other sizes.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RMSNorm(4)(torch.tensor([2.0, -2.0, 2.0, -2.0])).detach()
        tensor([ 1., -1.,  1., -1.])
    """

    __constants__ = ["normalized_shape", "eps", "elementwise_affine"]

    def __init__(
        self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None
    ):
        super().__init__()
        self.normalized_shape = _shape_of(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = None
        if elementwise_affine:
            weight = Parameter(empty(self.normalized_shape, device=device, dtype=dtype))
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self):
        """Set the scale to one."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x):
        """Apply the layer."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class LocalResponseNorm(Module):
    """Division by a power of the mean square of the neighbouring channels (Krizhevsky, 2012).

    Args:
        size: How many channels are neighbours.
        alpha: The factor of the mean.
        beta: The power.
        k: What is added to the mean.

    Shape:
        (N, C, ...) of at least three dimensions; the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has fewer dimensions.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LocalResponseNorm(2, alpha=2.0, beta=1.0)
        >>> layer(torch.ones(1, 2, 1)).flatten()
        tensor([0.5000, 0.3333])
    """

    __constants__ = ["size", "alpha", "beta", "k"]

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1.0):
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input):
        """Apply the layer."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self):
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(LocalResponseNorm):
    """`LocalResponseNorm` under the name that older models refer to.

    Args:
        size: How many channels are neighbours.
        alpha: The factor of the mean.
        beta: The power.
        k: What is added to the mean.

    Shape:
        (N, C, H, W); the output has the shape of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CrossMapLRN2d(1, alpha=1.0, beta=1.0)(torch.ones(1, 1, 1, 1)).item()
        0.5
    """

    def __init__(self, size, alpha=1e-4, beta=0.75, k=1):
        super().__init__(size, alpha, beta, k)
