"""A layer that moves values among channels."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """The channels of groups in turn: the first of every group, then the second (Zhang, 2017).

    Args:
        groups: How many groups the channels are divided into.

    Shape:
        (N, C, ...) with C a multiple of `groups`; the output has the shape of the input.

    Raises:
        RuntimeError: When called, if the groups do not divide the channels.

    Example:
        >>> import flambeau as torch
        >>> channels = torch.tensor([0.0, 1.0, 10.0, 11.0]).reshape(1, 4, 1)
        >>> torch.nn.ChannelShuffle(2)(channels).flatten()
        tensor([ 0., 10.,  1., 11.])
    """

    __constants__ = ["groups"]

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, input):
        """Apply the layer."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self):
        return f"groups={self.groups}"
