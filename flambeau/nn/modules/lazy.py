"""Layers that learn the sizes of their tensors from the first input."""

from flambeau.core.errors import RuntimeFailure, UnsupportedError
from flambeau.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """Stands before `Module` in the bases of a class with uninitialized parameters or buffers.

    Before the first call, `initialize_parameters` gets the arguments of the call and gives all
    tensors their sizes; after that the module is an ordinary one, of the class `cls_to_become` if
    there is one. Loading a state dict gives the tensors sizes as well.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyLinear(3)
        >>> layer(torch.ones(2, 5)).shape
        torch.Size([2, 3])
        >>> layer
        Linear(in_features=5, out_features=3, bias=True)
    """

    cls_to_become = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def initialize_parameters(self, *args, **kwargs):
        """Give all tensors their sizes, from the arguments of the first call.

        Raises:
            NotImplementedError: Always, in this class.
        """
        raise UnsupportedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self):
        """Whether a parameter or buffer of the module itself has no sizes yet."""
        return any(is_lazy(t) for t in (*self._parameters.values(), *self._buffers.values()))

    def _infer_parameters(self, module, args, kwargs=None):
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeFailure(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _lazy_load_hook(self, state_dict, prefix, *_):
        """Give the tensors that `state_dict` has sizes for these sizes."""
        for name, tensor in (*self._parameters.items(), *self._buffers.items()):
            loaded = state_dict.get(prefix + name)
            if is_lazy(tensor) and loaded is not None and not is_lazy(loaded):
                tensor.materialize(loaded.shape)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        # `detach` needs sizes; without them a tensor has no values to share either.
        super()._save_to_state_dict(destination, prefix, keep_vars=True)
        if not keep_vars:
            for name in (*self._parameters, *self._buffers):
                saved = destination.get(prefix + name)
                if saved is not None and not is_lazy(saved):
                    destination[prefix + name] = saved.detach()
