"""state_dict and load_state_dict of modules."""

import weakref
from collections import OrderedDict, namedtuple

from flambeau.core.grad_mode import no_grad
from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor
from flambeau.nn.modules._hooks import _enter
from flambeau.nn.parameter import Parameter, is_lazy

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"


class _IncompatibleKeys(namedtuple("_IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict(strict=False)` could not match."""

    __slots__ = ()

    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


class _WrappedHook:
    """A hook that is called with its module, which it does not keep alive.

    Pickles of PyTorch's modules name it, with the same attributes.
    """

    def __init__(self, hook, module=None):
        self.__setstate__({"hook": hook, "with_module": module is not None, "module": module})

    def __call__(self, *args, **kwargs):
        if not self.with_module:
            return self.hook(*args, **kwargs)
        return self.hook(self.module(), *args, **kwargs)

    def __getstate__(self):
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state):
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            self.module = weakref.ref(state["module"])


class StateMixin:
    """The part of `Module` that turns it into a dictionary of tensors and back."""

    # Written into the metadata of state dicts; a module raises it when its layout changes.
    _version = 1

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """The parameters and persistent buffers of the module and all below it, by path.

        The tensors share storage with the module.

        Args:
            destination: A dictionary to write into; a new one if left out.
            prefix: Put before every key.
            keep_vars: Keep the tensors attached to the graph.

        Returns:
            An ordered dictionary from `"layer.weight"` to tensors.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.Linear(2, 3).state_dict())
            ['weight', 'bias']
        """
        if args:
            warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html"
                "#torch.nn.Module.state_dict for details.",
                FutureWarning,
            )
            rest = (destination, prefix, keep_vars)[len(args) :]
            destination, prefix, keep_vars = (*args, *rest)[:3]
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        return self._run_state_dict_hooks(destination, prefix, local_metadata)

    def _run_state_dict_hooks(self, destination, prefix, local_metadata):
        for hook in self._state_dict_hooks.values():
            replaced = hook(self, destination, prefix, local_metadata)
            if replaced is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = replaced
        return destination

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        """Write this module's own tensors, not those of its children, into `destination`."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                destination[prefix + name] = parameter if keep_vars else parameter.detach()
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = buffer if keep_vars else buffer.detach()
        if type(self).get_extra_state is not StateMixin.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def get_extra_state(self):
        """Further state to keep in the `state_dict`; override together with `set_extra_state`.

        Returns:
            Anything that can be pickled.

        Raises:
            RuntimeError: Always, in this class.

        Example:
            >>> import flambeau as torch
            >>> class Counter(torch.nn.Module):
            ...     count = 0
            ...     def get_extra_state(self):
            ...         return self.count
            ...     def set_extra_state(self, state):
            ...         self.count = state
            >>> Counter().state_dict()
            OrderedDict([('_extra_state', 0)])
        """
        raise RuntimeError(f"{type(self).__name__}.get_extra_state: the class does not define it")

    def set_extra_state(self, state):
        """Take back what `get_extra_state` returned.

        Args:
            state: What it returned.

        Raises:
            RuntimeError: Always, in this class.

        Example:
            >>> import flambeau as torch
            >>> class Counter(torch.nn.Module):
            ...     count = 0
            ...     def get_extra_state(self):
            ...         return self.count
            ...     def set_extra_state(self, state):
            ...         self.count = state
            >>> counter = Counter()
            >>> counter.load_state_dict({"_extra_state": 7})
            <All keys matched successfully>
            >>> counter.count
            7
        """
        raise RuntimeError(f"{type(self).__name__}.set_extra_state: the class does not define it")

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Copy the tensors of `state_dict` into the module and all below it.

        Args:
            state_dict: A dictionary from paths to tensors, as `state_dict()` returns it.
            strict: Whether the keys must match exactly.
            assign: Put the given tensors into the module instead of copying their values.

        Returns:
            A named tuple `(missing_keys, unexpected_keys)`.

        Raises:
            TypeError: If `state_dict` is not a mapping.
            RuntimeError: Listing every key that is missing, unexpected or of another shape.

        Example:
            >>> import flambeau as torch
            >>> a, b = torch.nn.Linear(2, 3), torch.nn.Linear(2, 3)
            >>> a.load_state_dict(b.state_dict())
            <All keys matched successfully>
        """
        from collections.abc import Mapping

        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None)
        loading = _Loading(metadata, assign)
        loading.load(self, OrderedDict(state_dict), "")
        if strict:
            loading.report_keys()
        if loading.errors:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(loading.errors)
            )
        return loading.incompatible

    def _load_from_state_dict(
        self,
        state_dict,
        prefix,
        local_metadata,
        strict,
        missing_keys,
        unexpected_keys,
        error_msgs,
    ):
        """Load this module's own tensors, not those of its children, from `state_dict`."""
        for hook in self._load_state_dict_pre_hooks.values():
            hook(
                state_dict,
                prefix,
                local_metadata,
                strict,
                missing_keys,
                unexpected_keys,
                error_msgs,
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = {**self._parameters, **self._persistent_buffers()}
        for name, tensor in own.items():
            key = prefix + name
            if tensor is None:
                continue
            if key in state_dict:
                _load_tensor(self, name, tensor, key, state_dict[key], assign, error_msgs)
            elif strict:
                missing_keys.append(key)
        self._load_extra_state(state_dict, prefix, strict, missing_keys, unexpected_keys)
        if strict:
            self._find_unexpected(own, state_dict, prefix, unexpected_keys)

    def _persistent_buffers(self):
        hidden = self._non_persistent_buffers_set
        return {name: buffer for name, buffer in self._buffers.items() if name not in hidden}

    def _load_extra_state(self, state_dict, prefix, strict, missing_keys, unexpected_keys):
        key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not StateMixin.set_extra_state:
            if key in state_dict:
                self.set_extra_state(state_dict[key])
            elif strict:
                missing_keys.append(key)
        elif strict and key in state_dict:
            unexpected_keys.append(key)

    def _find_unexpected(self, own, state_dict, prefix, unexpected_keys):
        for key in state_dict:
            if not key.startswith(prefix) or key == prefix + _EXTRA_STATE_KEY_SUFFIX:
                continue
            name, *below = key[len(prefix) :].split(".", 1)
            known = name in self._modules if below else name in own
            if not known:
                unexpected_keys.append(key)

    def register_state_dict_pre_hook(self, hook):
        """Run `hook(module, prefix, keep_vars)` before the module's `state_dict` is filled.

        Args:
            hook: The function.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.PReLU()
            >>> handle = layer.register_state_dict_pre_hook(lambda *args: print(args))
            >>> state = layer.state_dict(prefix="act.")
            (PReLU(num_parameters=1), 'act.', False)
        """
        return _enter(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """Run `hook(module, state_dict, prefix, local_metadata)` on the filled dictionary.

        Args:
            hook: The function, which edits the dictionary in place and returns None.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 3)
            >>> def leave_out(module, state, prefix, metadata):
            ...     del state[prefix + "bias"]
            >>> handle = layer.register_state_dict_post_hook(leave_out)
            >>> list(layer.state_dict())
            ['weight']
        """
        hook._from_public_api = True
        return _enter(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook):
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return _enter(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook):
        """Run `hook(module, state_dict, prefix, local_metadata, strict, missing_keys,
        unexpected_keys, error_msgs)` before the module's tensors are loaded.

        Args:
            hook: The function, which may edit the dictionary and the lists in place.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.PReLU()
            >>> def rename(module, state, *_):
            ...     state["weight"] = state.pop("slope")
            >>> handle = layer.register_load_state_dict_pre_hook(rename)
            >>> layer.load_state_dict({"slope": torch.tensor([0.5])})
            <All keys matched successfully>
            >>> layer.weight.tolist()
            [0.5]
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        if with_module:
            hook = _WrappedHook(hook, self)
        return _enter(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook):
        """Run `hook(module, incompatible_keys)` after the module and its children are loaded.

        Args:
            hook: The function, which may edit the two lists of keys in place and returns None.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.PReLU()
            >>> def forgive(module, keys):
            ...     keys.missing_keys.clear()
            >>> handle = layer.register_load_state_dict_post_hook(forgive)
            >>> layer.load_state_dict({})
            <All keys matched successfully>
        """
        return _enter(self._load_state_dict_post_hooks, hook)


class _Loading:
    """One run of `load_state_dict`: what it reads and what it has to report."""

    def __init__(self, metadata, assign):
        self.metadata = metadata
        self.assign = assign
        self.missing = []
        self.unexpected = []
        self.errors = []
        self.incompatible = _IncompatibleKeys(self.missing, self.unexpected)

    def load(self, module, state_dict, prefix):
        local_metadata = {} if self.metadata is None else self.metadata.get(prefix[:-1], {})
        if self.assign:
            local_metadata["assign_to_params_buffers"] = True
        module._load_from_state_dict(
            state_dict, prefix, local_metadata, True, self.missing, self.unexpected, self.errors
        )
        for name, child in module._modules.items():
            if child is not None:
                below = f"{prefix}{name}."
                # Each module sees its own part only, so that the walk stays linear.
                part = {key: value for key, value in state_dict.items() if key.startswith(below)}
                self.load(child, part, below)
        for hook in module._load_state_dict_post_hooks.values():
            if hook(module, self.incompatible) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not "
                    "expected to return new values, if incompatible_keys need to be modified, "
                    "it should be done inplace."
                )

    def report_keys(self):
        for title, keys in (("Unexpected", self.unexpected), ("Missing", self.missing)):
            if keys:
                listed = ", ".join(f'"{key}"' for key in keys)
                self.errors.insert(0, f"{title} key(s) in state_dict: {listed}. ")


def _load_tensor(module, name, tensor, key, loaded, assign, error_msgs):
    """Put `loaded` into the parameter or buffer `name` of `module`, or add to `error_msgs`."""
    if not isinstance(loaded, Tensor):
        error_msgs.append(
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(loaded)}"
        )
        return
    lazy = is_lazy(tensor)
    if not lazy and tensor.dim() == 0 and loaded.shape == (1,):
        # Scalars were saved as vectors of one element by very old versions.
        loaded = loaded[0]
    if not lazy and loaded.shape != tensor.shape:
        error_msgs.append(
            f"size mismatch for {key}: copying a param with shape {loaded.shape} from "
            f"checkpoint, the shape in current model is {tensor.shape}."
        )
        return
    if tensor.is_meta and not loaded.is_meta and not assign:
        warn(
            f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter "
            "in the current model, which is a no-op. (Did you mean to pass `assign=True` to assign "
            "items in the state dictionary to their corresponding key in the module instead of "
            "copying them in place?)"
        )
    try:
        with no_grad():
            if assign:
                _assign_tensor(module, name, tensor, loaded)
            else:
                tensor.copy_(loaded)
    except Exception as error:
        error_msgs.append(
            f'While copying the parameter named "{key}", whose dimensions in the model are '
            f"{tensor.size()} and whose dimensions in the checkpoint are {loaded.size()}, an "
            f"exception occurred : {error.args}."
        )


def _assign_tensor(module, name, tensor, loaded):
    if isinstance(tensor, Parameter) and not isinstance(loaded, Parameter):
        loaded = Parameter(loaded, requires_grad=tensor.requires_grad)
    elif isinstance(tensor, Parameter):
        loaded.requires_grad_(tensor.requires_grad)
    setattr(module, name, loaded)
