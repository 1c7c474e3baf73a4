"""`Variable`, what tensors with gradients were called before they were all tensors."""

from flambeau.core.tensor import Tensor

Variable = Tensor

__all__ = ["Variable"]
