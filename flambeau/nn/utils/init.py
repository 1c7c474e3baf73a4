"""Making a module without drawing first values."""

from flambeau.core.errors import RuntimeFailure


def skip_init(module_cls, *args, **kwargs):
    """A module whose parameters hold garbage, since no first values are drawn.

    Args:
        module_cls: The class; its constructor takes `device`.
        *args: What the constructor takes.
        **kwargs: What the constructor takes; `device` is where the module lives in the end.

    Returns:
        The module.

    Raises:
        RuntimeError: If the class is no module, or its constructor takes no `device`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.skip_init(torch.nn.Linear, 5, 1).weight.shape
        torch.Size([1, 5])
    """
    from inspect import signature

    from flambeau.nn.modules.module import Module

    if not issubclass(module_cls, Module):
        raise RuntimeFailure(f"Expected a Module; got {module_cls}")
    if "device" not in signature(module_cls).parameters:
        raise RuntimeFailure("Module must support a 'device' arg to skip initialization")
    final_device = kwargs.pop("device", "cpu")
    return module_cls(*args, **kwargs, device="meta").to_empty(device=final_device)
