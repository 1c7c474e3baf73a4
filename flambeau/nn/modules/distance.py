"""Distances of pairs of vectors."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class PairwiseDistance(Module):
    """The norm of the difference of two vectors, the last axis of the inputs.

    Args:
        p: The power of the norm.
        eps: Added to the differences.
        keepdim: Keep the last axis.

    Shape:
        (..., D) twice; the output is (...), or (..., 1) with `keepdim`.

    Raises:
        RuntimeError: When called, if the shapes do not broadcast.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.PairwiseDistance(eps=0.0)(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([5.])
    """

    __constants__ = ["norm", "eps", "keepdim"]

    def __init__(self, p=2.0, eps=1e-6, keepdim=False):
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1, x2):
        """The distances of `x1` and `x2`."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class CosineSimilarity(Module):
    """The cosine of the angle between two vectors.

    Args:
        dim: The axis of the vectors.
        eps: The smallest norm that is divided by.

    Shape:
        Two inputs of shapes that broadcast; the output has their common shape without `dim`.

    Raises:
        IndexError: When called, if the axis is not there.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CosineSimilarity()(torch.ones(1, 2), torch.tensor([[1.0, 0.0]]))
        tensor([0.7071])
    """

    __constants__ = ["dim", "eps"]

    def __init__(self, dim=1, eps=1e-8):
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1, x2):
        """The cosines between `x1` and `x2`."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)
