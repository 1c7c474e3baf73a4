"""Spectral norm by a hook before each call; `nn.utils.parametrizations` has the newer form."""

from flambeau.core.errors import ArgumentValueError, RuntimeFailure
from flambeau.core.grad_mode import no_grad
from flambeau.core.registry import explain_functions
from flambeau.nn import functional as F
from flambeau.nn.parameter import Parameter, is_lazy
from flambeau.nn.utils._norms import as_matrix, find_hook, output_axis, power_iteration
from flambeau.ops.linalg_singular import pinv
from flambeau.ops.matmul import mv

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]


class SpectralNorm:
    """The hook that divides a weight by its largest singular value before each call.

    The weight itself becomes `<name>_orig`; `<name>_u` and `<name>_v` are the singular vectors.

    Args:
        name: The name of the weight.
        n_power_iterations: Steps of the power method per call in training mode.
        dim: The axis of outputs.
        eps: The smallest norm that is divided by.

    Raises:
        ValueError: If the number of steps is not positive.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.spectral_norm import SpectralNorm
        >>> layer = torch.nn.Linear(3, 2, bias=False)
        >>> hook = SpectralNorm.apply(layer, "weight", 1, 0, 1e-12)
        >>> sorted(layer.state_dict())
        ['weight_orig', 'weight_u', 'weight_v']
    """

    # Before version 1, state dicts had the weight itself and no right singular vector.
    _version = 1

    def __init__(self, name="weight", n_power_iterations=1, dim=0, eps=1e-12):
        if n_power_iterations <= 0:
            raise ArgumentValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight):
        """`weight` with the axis of outputs as rows and all others as columns."""
        return as_matrix(weight, self.dim)

    def compute_weight(self, module, do_power_iteration):
        """The weight of `module` divided by its largest singular value."""
        weight = getattr(module, f"{self.name}_orig")
        u = getattr(module, f"{self.name}_u")
        v = getattr(module, f"{self.name}_v")
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            power_iteration(matrix.mH, u, v, self.n_power_iterations, self.eps)
            # The next call changes them in place, and this graph may be used after it.
            u, v = u.clone(), v.clone()
        return weight / u.dot(mv(matrix, v))

    @staticmethod
    def apply(module, name, n_power_iterations, dim, eps):
        """Register the hook on the weight `name` of `module`, and return it."""
        if find_hook(module, SpectralNorm, name) is not None:
            raise RuntimeFailure(
                f"Cannot register two spectral_norm hooks on the same parameter {name}"
            )
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if is_lazy(weight):
            raise ArgumentValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make "
                "sure to run the dummy forward before applying spectral normalization"
            )
        with no_grad():
            matrix = hook.reshape_weight_to_matrix(weight)
            u, v = (
                F.normalize(matrix.new_empty(size).normal_(0, 1), dim=0, eps=eps)
                for size in matrix.shape
            )
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        # A plain attribute: the hook replaces it before each call by a tensor with a graph.
        setattr(module, name, weight.data)
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(hook)
        module._register_state_dict_hook(SpectralNormStateDictHook(hook))
        module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(hook))
        return hook

    def remove(self, module):
        """Make the present weight of `module` its only parameter."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for suffix in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + suffix)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module, module.training))


class SpectralNormStateDictHook:
    """Writes the version of the hook into the metadata of state dicts."""

    def __init__(self, fn):
        self.fn = fn

    def __call__(self, module, state_dict, prefix, local_metadata):
        versions = local_metadata.setdefault("spectral_norm", {})
        key = f"{self.fn.name}.version"
        if key in versions:
            raise RuntimeFailure(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


class SpectralNormLoadStateDictPreHook:
    """Completes state dicts of versions that kept no right singular vector."""

    def __init__(self, fn):
        self.fn = fn

    def __call__(
        self,
        state_dict,
        prefix,
        local_metadata,
        strict,
        missing_keys,
        unexpected_keys,
        error_msgs,
    ):
        versions = local_metadata.get("spectral_norm", {})
        version = versions.get(f"{self.fn.name}.version")
        if version is not None and version >= 1:
            return
        weight = prefix + self.fn.name
        own = [weight + suffix for suffix in ("_orig", "_u", "_v")]
        if version is None and weight not in state_dict and all(key in state_dict for key in own):
            # A later version whose metadata was lost.
            return
        missing = [key for key in (own[0], weight, own[1]) if key not in state_dict]
        if missing:
            missing_keys.extend(missing if strict else ())
            return
        with no_grad():
            original, u = state_dict[own[0]], state_dict[own[1]]
            sigma = (original / state_dict.pop(weight)).mean()
            state_dict[own[2]] = self._right_vector(original, u, sigma)

    def _right_vector(self, original, u, sigma):
        """The v for which W v is closest to u, scaled so that uᵀ W v is `sigma`."""
        matrix = self.fn.reshape_weight_to_matrix(original)
        v = mv(pinv(matrix), u)
        return v * (sigma / u.dot(mv(matrix, v)))


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Divide a weight by its largest singular value before each call.

    `nn.utils.parametrizations.spectral_norm` is the newer form, which does so when it is read.

    Args:
        module: The module.
        name: The name of its parameter, which becomes `<name>_orig`.
        n_power_iterations: Steps of the power method per call in training mode.
        eps: The smallest norm that is divided by.
        dim: The axis of outputs: 0, or 1 for transposed convolutions, if None.

    Returns:
        The module.

    Raises:
        RuntimeError: If the weight has such a hook already.
        ValueError: If the weight has no sizes yet, or the number of steps is not positive.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(20, 40))
        >>> layer.weight_u.size()
        torch.Size([40])
    """
    dim = output_axis(module) if dim is None else dim
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module, name="weight"):
    """Undo `spectral_norm`; the weight keeps its value.

    Args:
        module: The module.
        name: The name of the weight.

    Returns:
        The module.

    Raises:
        ValueError: If the weight has no such hook.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(2, 3, bias=False))
        >>> [name for name, _ in layer.named_parameters()]
        ['weight_orig']
        >>> layer = torch.nn.utils.remove_spectral_norm(layer)
        >>> [name for name, _ in layer.named_parameters()]
        ['weight']
    """
    key = find_hook(module, SpectralNorm, name)
    if key is None:
        raise ArgumentValueError(f"spectral_norm of '{name}' not found in {module}")
    module._forward_pre_hooks.pop(key).remove(module)
    for hooks in (module._state_dict_hooks, module._load_state_dict_pre_hooks):
        for key, hook in list(hooks.items()):
            ours = (SpectralNormStateDictHook, SpectralNormLoadStateDictPreHook)
            if isinstance(hook, ours) and hook.fn.name == name:
                del hooks[key]
    return module


explain_functions(globals())
