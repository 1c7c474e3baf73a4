"""Batches that are divided among devices."""

from flambeau.nn.modules.module import Module

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Calls a module; with several GPUs, PyTorch's class of this name divides the batch among them.

    flambeau computes on one device, so `device_ids` is empty and arguments reach the module as they
    are. State dicts have the keys that PyTorch's have, beginning with `module.`.

    Args:
        module: The module.
        device_ids: Accepted.
        output_device: Accepted.
        dim: Accepted.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.DataParallel(torch.nn.Linear(2, 3))
        >>> list(model.state_dict())
        ['module.weight', 'module.bias']
    """

    def __init__(self, module, device_ids=None, output_device=None, dim=0):
        super().__init__()
        self.module = module
        self.device_ids = []

    def forward(self, *inputs, **kwargs):
        """Call the module."""
        return self.module(*inputs, **kwargs)


def data_parallel(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None):
    """Call a module as `DataParallel` does.

    Args:
        module: The module.
        inputs: Its positional arguments: a tuple, or one value.
        device_ids: Accepted.
        output_device: Accepted.
        dim: Accepted.
        module_kwargs: Its keyword arguments.

    Returns:
        What the module returns.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> layer.weight.data.fill_(1.0), layer.bias.data.fill_(0.5)
        (tensor([[1., 1.]]), tensor([0.5000]))
        >>> torch.nn.parallel.data_parallel(layer, torch.ones(2)).tolist()
        [2.5]
    """
    if not isinstance(inputs, tuple):
        inputs = () if inputs is None else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
