"""The former place of `func.functional_call`."""

from flambeau.core.notices import warn
from flambeau.func import functional_call as _functional_call


def functional_call(
    module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """The same as `flambeau.func.functional_call` (deprecated).

    Args:
        module: The module.
        parameters_and_buffers: Tensors by name as in `state_dict`.
        args: The positional arguments: a tuple, or one value.
        kwargs: The keyword arguments.
        tie_weights: Replace a tensor under all names that it has in the module.
        strict: Require all names of the module, and no others.

    Returns:
        What the module returns.

    Raises:
        RuntimeError: With `strict`, if a name is missing or none of the module's.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> layer, x = torch.nn.Linear(2, 1), torch.ones(1, 2)
        >>> values = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([0.5])}
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     torch.nn.utils.stateless.functional_call(layer, values, x)
        tensor([[3.5000]])
    """
    warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be "
        "removed in a future version of PyTorch. Please use `torch.func.functional_call` instead "
        "which is a drop-in replacement.",
        FutureWarning,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )


__all__ = ["functional_call"]
