"""Weight norm by a hook before each call; `nn.utils.parametrizations` has the newer form."""

from flambeau.core.errors import ArgumentValueError, RuntimeFailure
from flambeau.core.notices import warn
from flambeau.core.registry import explain_functions
from flambeau.nn.parameter import Parameter, is_lazy
from flambeau.nn.utils._norms import find_hook, scaled
from flambeau.ops.networks import norm_except_dim

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


class WeightNorm:
    """The hook that computes a weight from `<name>_g` and `<name>_v` before each call.

    Args:
        name: The name of the weight.
        dim: The axis along which slices are taken; -1 for the whole.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.weight_norm import WeightNorm
        >>> layer = torch.nn.Linear(3, 2, bias=False)
        >>> hook = WeightNorm.apply(layer, "weight", 0)
        >>> sorted(layer.state_dict())
        ['weight_g', 'weight_v']
    """

    def __init__(self, name, dim):
        self.name = name
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module):
        """The weight of `module` from norms and directions."""
        sizes = getattr(module, f"{self.name}_g")
        return scaled(getattr(module, f"{self.name}_v"), sizes, self.dim)

    @staticmethod
    def apply(module, name, dim):
        """Split the weight `name` of `module` in two, and register the hook, which is returned."""
        if find_hook(module, WeightNorm, name) is not None:
            raise RuntimeFailure(
                f"Cannot register two weight_norm hooks on the same parameter {name}"
            )
        hook = WeightNorm(name, dim)
        weight = getattr(module, name)
        if is_lazy(weight):
            raise ArgumentValueError(
                "The module passed to `WeightNorm` can't have uninitialized parameters. Make sure "
                "to run the dummy forward before applying weight normalization"
            )
        del module._parameters[name]
        sizes = norm_except_dim(weight, 2, hook.dim)
        module.register_parameter(f"{name}_g", Parameter(sizes.detach()))
        module.register_parameter(f"{name}_v", Parameter(weight.detach()))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module):
        """Make the present weight of `module` its only parameter."""
        weight = self.compute_weight(module)
        delattr(module, self.name)
        del module._parameters[f"{self.name}_g"]
        del module._parameters[f"{self.name}_v"]
        setattr(module, self.name, Parameter(weight.detach()))

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module, name="weight", dim=0):
    """Train the norms of a weight's slices and their directions apart (Salimans & Kingma, 2016).

    Deprecated: `nn.utils.parametrizations.weight_norm` computes the weight when it is read, this
    one before each call, as g v / |v|.

    Args:
        module: The module.
        name: The name of its parameter, which `<name>_g` and `<name>_v` replace.
        dim: The axis along which slices are taken; None for the norm of the whole tensor.

    Returns:
        The module.

    Raises:
        RuntimeError: If the weight has such a hook already.
        ValueError: If the weight has no sizes yet.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     layer = torch.nn.utils.weight_norm(torch.nn.Linear(2, 3))
        >>> layer.weight_g.shape, layer.weight_v.shape
        (torch.Size([3, 1]), torch.Size([3, 2]))
    """
    warn(
        "`torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
    )
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module, name="weight"):
    """Undo `weight_norm`; the weight keeps its value.

    Args:
        module: The module.
        name: The name of the weight.

    Returns:
        The module.

    Raises:
        ValueError: If the weight has no such hook.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     layer = torch.nn.utils.weight_norm(torch.nn.Linear(2, 3, bias=False))
        >>> layer = torch.nn.utils.remove_weight_norm(layer)
        >>> [name for name, _ in layer.named_parameters()]
        ['weight']
    """
    key = find_hook(module, WeightNorm, name)
    if key is None:
        raise ArgumentValueError(f"weight_norm of '{name}' not found in {module}")
    module._forward_pre_hooks.pop(key).remove(module)
    return module


explain_functions(globals())
