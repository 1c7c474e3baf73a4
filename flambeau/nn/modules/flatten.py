"""Layers that change the shape only."""

from flambeau.nn.modules.module import Module

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """Joins the dimensions from `start_dim` to `end_dim` into one.

    Args:
        start_dim: The first of them.
        end_dim: The last of them.

    Shape:
        Any; the output has the product of the sizes in the place of those that are joined.

    Raises:
        RuntimeError: When called, if `start_dim` comes after `end_dim`.
        IndexError: When called, if a dimension is not there.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Flatten()(torch.ones(2, 3, 4)).shape
        torch.Size([2, 12])
    """

    __constants__ = ["start_dim", "end_dim"]

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input):
        """Apply the layer."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """Splits the dimension `dim` into several.

    Args:
        dim: The dimension.
        unflattened_size: The sizes of the new ones; -1 stands for what is left.

    Shape:
        Any whose size along `dim` is the product of the new sizes.

    Raises:
        TypeError: If the sizes are not integers.
        RuntimeError: When called, if the sizes do not multiply to that of the dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Unflatten(1, (2, -1))(torch.ones(5, 12)).shape
        torch.Size([5, 2, 6])
    """

    __constants__ = ["dim", "unflattened_size"]

    def __init__(self, dim, unflattened_size):
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                "unflattened_size must be a tuple of ints, but found type "
                f"{type(unflattened_size).__name__}"
            )
        for i, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                raise TypeError(
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(size).__name__} at pos {i}"
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input):
        """Apply the layer."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self):
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
