"""Choices between the ways in which modules may behave."""

_overwrite_module_params_on_conversion = False


def set_overwrite_module_params_on_conversion(value):
    """Choose whether converting a module puts new parameters in the place of the old ones.

    Otherwise the parameters stay the same objects and get new data.

    Args:
        value: Whether it does.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(1, 1)
        >>> before = layer.weight
        >>> torch.__future__.set_overwrite_module_params_on_conversion(True)
        >>> layer.double().weight is before
        False
        >>> torch.__future__.set_overwrite_module_params_on_conversion(False)
    """
    global _overwrite_module_params_on_conversion
    _overwrite_module_params_on_conversion = value


def get_overwrite_module_params_on_conversion():
    """Whether converting a module puts new parameters in the place of the old ones."""
    return _overwrite_module_params_on_conversion
