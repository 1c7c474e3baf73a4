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
    """Sets elements to zero with probability `p` while training, and scales the rest up.

    Args:
        p: The probability.
        inplace: Write the result into the input.

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
    """`Dropout` of whole channels of signals `(N, C, L)`."""

    def forward(self, input):
        """Apply the layer."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """`Dropout` of whole channels of images `(N, C, H, W)`."""

    def forward(self, input):
        """Apply the layer."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """`Dropout` of whole channels of volumes `(N, C, D, H, W)`."""

    def forward(self, input):
        """Apply the layer."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance behind `SELU` (Klambauer et al., 2017).

    Args:
        p: The probability of setting an element to the negative limit of SELU.
        inplace: Write the result into the input.

    Raises:
        ValueError: If `p` is not between 0 and 1.
    """

    def forward(self, input):
        """Apply the layer."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels, axis 1 of the input."""

    def forward(self, input):
        """Apply the layer."""
        return F.feature_alpha_dropout(input, self.p, self.training)
