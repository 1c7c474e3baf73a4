"""Converting the weights of convolutions to a memory format."""

from flambeau.nn.modules.conv import Conv2d, Conv3d
from flambeau.nn.modules.conv_transpose import ConvTranspose2d, ConvTranspose3d

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def convert_conv2d_weight_memory_format(module, memory_format):
    """Lay out the weight of every Conv2d and ConvTranspose2d of a module as asked for.

    A convolution whose weight is channels-last has a channels-last result. Other layers with
    weights of four axes are left alone, which `module.to(memory_format=...)` would convert too.

    Args:
        module: The module, itself a convolution or with some among its parts.
        memory_format: The format, `channels_last` or `contiguous_format`.

    Returns:
        The module.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU())
        >>> layer = convert_conv2d_weight_memory_format(layer, torch.channels_last)
        >>> layer[0].weight.is_contiguous(memory_format=torch.channels_last)
        True
    """
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module, memory_format):
    """Lay out the weight of every Conv3d and ConvTranspose3d of a module as asked for.

    Args:
        module: The module, itself a convolution or with some among its parts.
        memory_format: The format, `channels_last_3d` or `contiguous_format`.

    Returns:
        The module.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Conv3d(2, 3, 3)
        >>> layer = convert_conv3d_weight_memory_format(layer, torch.channels_last_3d)
        >>> layer.weight.is_contiguous(memory_format=torch.channels_last_3d)
        True
    """
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)


def _convert(module, layers, memory_format):
    for part in module.modules():
        if isinstance(part, layers):
            # The parameter stays the same object: optimizers know it.
            part.weight.data = part.weight.detach().clone(memory_format=memory_format)
    return module
