"""Normalisation of each channel of each sample."""

from flambeau.core.notices import warn
from flambeau.nn import functional as F
from flambeau.nn.modules.batchnorm import _lazy_documentation, _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    """Normalisation of each channel of each sample over its positions (Ulyanov et al., 2016).

    Args:
        num_features: The number of channels.
        eps: Added to the variance.
        momentum: The weight of a new batch in the running statistics.
        affine: Whether a learned scale and shift follow.
        track_running_stats: Whether running statistics are kept and used in evaluation mode.
        device: Where the tensors live.
        dtype: Their type.
        bias: Whether the shift is there (with `affine`).
    """

    _axes = 1

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input):
        """Apply the layer."""
        axes = self._axes
        if input.dim() not in (axes + 1, axes + 2):
            raise ValueError(
                f"expected {axes + 1}D or {axes + 2}D input (got {input.dim()}D input)"
            )
        channel = input.dim() - axes - 1
        if input.size(channel) != self.num_features:
            message = (
                f"expected input's size at dim={channel} to match num_features "
                f"({self.num_features}), but got: {input.size(channel)}."
            )
            if self.affine:
                raise ValueError(message)
            warn(
                f"input's size at dim={channel} does not match num_features. You can silence this "
                "warning by not passing in num_features, which is not used because affine=False",
            )
        return (
            self._normalised(input) if channel else self._normalised(input.unsqueeze(0)).squeeze(0)
        )

    def _normalised(self, input):
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    Shape:
        (N, C, L) or (C, L); the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has another number of dimensions, or only one value
            per channel, or other channels than `num_features` with `affine`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.InstanceNorm1d(2)
        >>> layer(torch.tensor([[1.0, 3.0], [10.0, 30.0]])).round()
        tensor([[-1.,  1.],
                [-1.,  1.]])
    """


class InstanceNorm2d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    Shape:
        (N, C, H, W) or (C, H, W); the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has another number of dimensions, or only one value
            per channel, or other channels than `num_features` with `affine`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.InstanceNorm2d(1)
        >>> images = torch.tensor([1.0, 1.0, 3.0, 3.0]).reshape(1, 1, 2, 2)
        >>> brighter = layer(images + 100.0)
        >>> torch.allclose(layer(images), brighter)
        True
    """
    _axes = 2


class InstanceNorm3d(_InstanceNorm):
    __doc__ = f"""{_InstanceNorm.__doc__}
    Shape:
        (N, C, D, H, W) or (C, D, H, W); the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has another number of dimensions, or only one value
            per channel, or other channels than `num_features` with `affine`.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.InstanceNorm3d(2, affine=True)
        >>> [tuple(p.shape) for p in layer.parameters()]
        [(2,), (2,)]
        >>> layer(torch.ones(5, 2, 3, 4, 4)).shape
        torch.Size([5, 2, 3, 4, 4])
    """
    _axes = 3


class LazyInstanceNorm1d(_LazyNormBase, InstanceNorm1d):
    __doc__ = _lazy_documentation("InstanceNorm1d", "2, 3, 4")
    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, InstanceNorm2d):
    __doc__ = _lazy_documentation("InstanceNorm2d", "2, 3, 4, 4")
    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, InstanceNorm3d):
    __doc__ = _lazy_documentation("InstanceNorm3d", "2, 3, 4, 4, 4")
    cls_to_become = InstanceNorm3d
