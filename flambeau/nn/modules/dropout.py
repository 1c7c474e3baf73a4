"""Dropout layers."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _DropoutNd(Module):
    __constants__ = ["p", "inplace"]

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self):
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Sets elements to zero with probability `p` while training (Srivastava et al., 2014).

    The rest is divided by `1 - p`, so that the mean stays.

    Args:
        p: The probability.
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        ValueError: If `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Dropout(0.2).eval()(torch.ones(3))
        tensor([1., 1., 1.])
    """

    def forward(self, input):
        """Apply the layer."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """`Dropout` of whole channels of signals (Tompson et al., 2015).

    Args:
        p: The probability of setting a channel to zero while training.
        inplace: Write the result into the input.

    Shape:
        (N, C, L) or (C, L); the output has the shape of the input.

    Raises:
        ValueError: If `p` is not between 0 and 1.
        RuntimeError: When called, if the input has another number of dimensions.

    Example:
        >>> import flambeau as torch
        >>> channels = torch.nn.Dropout1d(0.5)(torch.ones(1, 50, 4)).sum(2)
        >>> sorted(set(channels.flatten().tolist()))
        [0.0, 8.0]
    """

    def forward(self, input):
        """Apply the layer."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """`Dropout` of whole channels of images (Tompson et al., 2015).

    Args:
        p: The probability of setting a channel to zero while training.
        inplace: Write the result into the input.

    Shape:
        (N, C, H, W); the output has the shape of the input. (N, C, L) is taken too, with a warning.

    Raises:
        ValueError: If `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> layer, image = torch.nn.Dropout2d(1.0), torch.ones(1, 2, 4, 4)
        >>> layer(image).sum(), layer.eval()(image).sum()
        (tensor(0.), tensor(32.))
    """

    def forward(self, input):
        """Apply the layer."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """`Dropout` of whole channels of volumes (Tompson et al., 2015).

    Args:
        p: The probability of setting a channel to zero while training.
        inplace: Write the result into the input.

    Shape:
        (N, C, D, H, W) or (C, D, H, W); the output has the shape of the input.

    Raises:
        ValueError: If `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> channels = torch.nn.Dropout3d(0.75)(torch.ones(1, 50, 1, 1, 1))
        >>> sorted(set(channels.flatten().tolist()))
        [0.0, 4.0]
    """

    def forward(self, input):
        """Apply the layer."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance behind `SELU` (Klambauer et al., 2017).

    Args:
        p: The probability of setting an element to the negative limit of SELU, before all are
            scaled and shifted.
        inplace: Accepted; the input is left as it is.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        ValueError: If `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AlphaDropout(0.1).eval()(torch.ones(3))
        tensor([1., 1., 1.])
        >>> x = torch.ones(100)
        >>> len(set(torch.nn.AlphaDropout(0.5)(x).tolist()))
        2
    """

    def forward(self, input):
        """Apply the layer."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels, axis 1 of the input.

    Args:
        p: The probability of setting a channel to the negative limit of SELU, before all are scaled
            and shifted.
        inplace: Accepted; the input is left as it is.

    Shape:
        (N, C, ...), of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        ValueError: If `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> dropped = torch.nn.FeatureAlphaDropout(0.5)(torch.ones(1, 3, 10))
        >>> bool((dropped == dropped[..., :1]).all())
        True
    """

    def forward(self, input):
        """Apply the layer."""
        return F.feature_alpha_dropout(input, self.p, self.training)
