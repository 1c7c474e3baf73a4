"""The memory format of the weights of convolutions."""


def _convert(module, memory_format, axes):
    from flambeau.nn.modules.conv import _ConvNd

    for layer in module.modules():
        if isinstance(layer, _ConvNd) and layer.weight.dim() == axes:
            layer.weight.data = layer.weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module, memory_format):
    """Lay out the weights of all 2-dimensional convolutions in `module` anew, in place.

    Args:
        module: The module.
        memory_format: Such as `channels_last`.

    Returns:
        The module.
    """
    return _convert(module, memory_format, 4)


def convert_conv3d_weight_memory_format(module, memory_format):
    """Lay out the weights of all 3-dimensional convolutions in `module` anew, in place.

    Args:
        module: The module.
        memory_format: Such as `channels_last_3d`.

    Returns:
        The module.
    """
    return _convert(module, memory_format, 5)
