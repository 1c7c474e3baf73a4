"""Parameters as one vector."""

from flambeau.core.registry import explain_functions
from flambeau.ops.join import cat


def parameters_to_vector(parameters):
    """All parameters, flattened and joined.

    Args:
        parameters: An iterable of tensors.

    Returns:
        A tensor of one dimension.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.parameters_to_vector(torch.nn.Linear(2, 3).parameters()).shape
        torch.Size([9])
    """
    parameters = list(parameters)
    _require_one_device(parameters)
    return cat([parameter.reshape(-1) for parameter in parameters])


def vector_to_parameters(vec, parameters):
    """Replace the values of `parameters` by those of the vector, in order.

    Afterwards the parameters are views of the vector.

    Args:
        vec: A tensor of one dimension, with as many elements as all parameters.
        parameters: An iterable of tensors.

    Raises:
        TypeError: If `vec` is not a tensor, or the parameters are on several devices.
        RuntimeError: If `vec` is too short.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0, 3.0]), layer.parameters())
        >>> layer.weight.tolist(), layer.bias.tolist()
        ([[1.0, 2.0]], [3.0])
    """
    from flambeau.core.tensor import Tensor

    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    parameters = list(parameters)
    _require_one_device(parameters)
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.data = vec[start:stop].view_as(parameter).data
        start = stop


def _require_one_device(parameters):
    devices = {parameter.device for parameter in parameters}
    if len(devices) > 1:
        raise TypeError(
            "Found two parameters on different devices, this is currently not supported."
        )


explain_functions(globals())
