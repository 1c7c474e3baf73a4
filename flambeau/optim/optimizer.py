"""The base class of optimizers."""

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from copy import deepcopy

from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor
from flambeau.utils.hooks import RemovableHandle

#: What the first argument of an optimizer may be, and a saved state, for annotations.
ParamsT = Iterable[Tensor] | Iterable[dict[str, object]] | Iterable[tuple[str, Tensor]]
StateDict = dict[str, object]

_global_step_pre_hooks = OrderedDict()
_global_step_post_hooks = OrderedDict()

_INSTANCE_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


class _RequiredParameter:
    """The default of an option that every parameter group has to give."""

    def __repr__(self):
        return "<required parameter>"


required = _RequiredParameter()


class Optimizer:
    """Base class of all optimizers.

    A subclass calls `super().__init__(params, defaults)` and defines `step`, which reads
    `self.param_groups` and keeps what it has to remember in `self.state[parameter]`.

    Args:
        params: An iterable of tensors, of pairs of name and tensor, or of dictionaries that
            hold one under "params" beside options of their own.
        defaults: The options of groups that do not give them.

    Raises:
        TypeError: If `params` is a lone tensor or holds something else.
        ValueError: If there is no parameter, or one occurs in two groups.

    Example:
        >>> import flambeau as torch
        >>> class SignDescent(torch.optim.Optimizer):
        ...     def __init__(self, params, lr=0.1):
        ...         super().__init__(params, {"lr": lr})
        ...     @torch.no_grad()
        ...     def step(self):
        ...         for group in self.param_groups:
        ...             for p in group["params"]:
        ...                 p.sub_(group["lr"] * p.grad.sign())
        >>> p = torch.nn.Parameter(torch.tensor([4.0]))
        >>> (p * p).backward()
        >>> SignDescent([p], lr=0.5).step()
        >>> p.detach()
        tensor([3.5000])
    """

    def __init__(self, params, defaults):
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                f"dicts, but got {params.type()}"
            )
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        self._make_hooks()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hooks(self):
        for kind in _INSTANCE_HOOKS:
            self.__dict__.setdefault(kind, OrderedDict())
        if _global_step_pre_hooks or _global_step_post_hooks:
            _run_hooks_around_step(type(self))

    def __getstate__(self):
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._make_hooks()
        defaults = self.__dict__.setdefault("defaults", {})
        for group in self.param_groups:
            # Options that did not exist when the state was saved.
            for name, default in defaults.items():
                group.setdefault(name, default)

    def __repr__(self):
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for name in sorted(group):
                if name != "params":
                    text += f"    {name}: {group[name]}\n"
        return text + ")"

    # --- stepping ---------------------------------------------------------------------------

    def step(self, closure=None):
        """Change the parameters by one step; every subclass defines it.

        Args:
            closure: A function that computes the loss anew and returns it.

        Returns:
            The loss, if there is a closure.

        Raises:
            NotImplementedError: Always, in this class.

        Example:
            >>> import flambeau as torch
            >>> p = torch.nn.Parameter(torch.tensor([3.0]))
            >>> optimizer = torch.optim.SGD([p], lr=0.25)
            >>> def closure():
            ...     optimizer.zero_grad()
            ...     loss = (p * p).sum()
            ...     loss.backward()
            ...     return loss.detach()
            >>> optimizer.step(closure), p.detach()
            (tensor(9.), tensor([1.5000]))
        """
        raise NotImplementedError(f"{type(self).__name__}.step: the class does not define it")

    def zero_grad(self, set_to_none=True):
        """Reset the gradients of all parameters.

        Args:
            set_to_none: Drop them instead of filling them with zeros.

        Example:
            >>> import flambeau as torch
            >>> p = torch.nn.Parameter(torch.ones(1))
            >>> p.grad = torch.ones(1)
            >>> torch.optim.SGD([p], lr=0.25).zero_grad(set_to_none=False)
            >>> p.grad
            tensor([0.])
        """
        for group in self.param_groups:
            for parameter in group["params"]:
                if set_to_none:
                    parameter.grad = None
                elif parameter.grad is not None:
                    parameter.grad.detach_()
                    parameter.grad.zero_()

    # --- groups -----------------------------------------------------------------------------

    def add_param_group(self, param_group):
        """Add a group of parameters, for instance to train frozen layers from now on.

        Args:
            param_group: A dictionary with "params" and any options that differ from the defaults.

        Raises:
            TypeError: If it is not a dictionary, or holds anything but tensors.
            ValueError: If a parameter is no leaf or is in another group, or an option is missing.

        Example:
            >>> import flambeau as torch
            >>> p, q = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
            >>> optimizer = torch.optim.SGD([p], lr=0.5)
            >>> optimizer.add_param_group({"params": [q], "lr": 0.25})
            >>> [group["lr"] for group in optimizer.param_groups]
            [0.5, 0.25]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _list_parameters(param_group)
        for parameter in param_group["params"]:
            self._require_optimizable(parameter)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        self._require_new(param_group)
        self.param_groups.append(param_group)

    def _require_optimizable(self, parameter):
        if not isinstance(parameter, Tensor):
            raise TypeError(
                "optimizer can only optimize Tensors, but one of the params is "
                f"{type(parameter).__name__}"
            )
        is_leaf = parameter.is_leaf or parameter.retains_grad
        if not self.defaults.get("differentiable") and not is_leaf:
            raise ValueError("can't optimize a non-leaf Tensor")

    def _require_new(self, param_group):
        parameters = param_group["params"]
        if len(parameters) != len(set(parameters)):
            warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
            )
        known = {parameter for group in self.param_groups for parameter in group["params"]}
        if not known.isdisjoint(parameters):
            raise ValueError("some parameters appear in more than one parameter group")
        named = "param_names" in param_group
        if self.param_groups and named != ("param_names" in self.param_groups[0]):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if named else 'without'} names to the optimizer"
            )

    # --- state ------------------------------------------------------------------------------

    def state_dict(self):
        """The state of the optimizer, with parameters replaced by their numbers.

        Returns:
            A dictionary: "state", from a parameter's number to what is remembered of it, and
            "param_groups", the groups with all options.

        Example:
            >>> import flambeau as torch
            >>> p = torch.nn.Parameter(torch.ones(1))
            >>> p.grad = torch.ones(1)
            >>> optimizer = torch.optim.SGD([p], lr=0.5, momentum=0.9)
            >>> optimizer.step()
            >>> optimizer.state_dict()["state"]
            {0: {'momentum_buffer': tensor([1.])}}
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        every = [id(parameter) for group in self.param_groups for parameter in group["params"]]
        # A parameter that a group has twice has the number of its last place.
        numbers = {key: place for place, key in enumerate(every)}
        groups = []
        for group in self.param_groups:
            packed = {name: value for name, value in group.items() if name != "params"}
            packed["params"] = [numbers[id(parameter)] for parameter in group["params"]]
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, Tensor) else key: value
            for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            replaced = hook(self, result)
            if replaced is not None:
                result = replaced
        return result

    def load_state_dict(self, state_dict):
        """Take over what `state_dict()` returned; tensors move to their parameter's dtype.

        Args:
            state_dict: The state, of an optimizer over as many parameters in as many groups.

        Raises:
            ValueError: If the groups differ.

        Example:
            >>> import flambeau as torch
            >>> p = torch.nn.Parameter(torch.ones(1))
            >>> saved = torch.optim.SGD([p], lr=0.125).state_dict()
            >>> optimizer = torch.optim.SGD([p], lr=0.5)
            >>> optimizer.load_state_dict(saved)
            >>> optimizer.param_groups[0]["lr"]
            0.125
        """
        if not hasattr(state_dict, "items"):
            raise TypeError(f"state_dict must be a dict, got {type(state_dict).__name__}")
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = hook(self, state_dict)
            if replaced is not None:
                state_dict = replaced
        # Copies: a learning rate may be a tensor that schedules change in place.
        groups = deepcopy(_entry(state_dict, "param_groups", "the state dict of an optimizer"))
        self._require_matching(groups)
        by_number = {}
        for saved, group in zip(groups, self.param_groups, strict=True):
            by_number.update(zip(saved["params"], group["params"], strict=True))
            saved["params"] = group["params"]
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        state = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                state[by_number[key]] = _fit(by_number[key], value)
            else:
                state[key] = value
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _require_matching(self, saved_groups):
        own, saved = len(self.param_groups), len(saved_groups)
        if own != saved:
            raise ValueError(
                "loaded state dict has a different number of parameter groups: the optimizer has "
                f"{own}, the state dict {saved}"
            )
        for k, groups in enumerate(zip(self.param_groups, saved_groups, strict=True)):
            own, saved = (
                len(_entry(group, "params", "a group of a state dict")) for group in groups
            )
            if own != saved:
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    f"optimizer's group: group {k} of the optimizer has {own} parameters, that of "
                    f"the state dict {saved}{_names_of_one(*groups)}"
                )

    # --- hooks ------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook):
        """Run `hook(optimizer, args, kwargs)` before each step.

        Args:
            hook: The function; a pair that it returns replaces `args` and `kwargs`.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> p = torch.nn.Parameter(torch.ones(1))
            >>> p.grad = torch.ones(1)
            >>> optimizer = torch.optim.SGD([p], lr=0.25)
            >>> handle = optimizer.register_step_pre_hook(lambda *_: print("before", p.item()))
            >>> optimizer.step()
            before 1.0
        """
        _run_hooks_around_step(type(self))
        return _enter(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook):
        """Run `hook(optimizer, args, kwargs)` after each step.

        Args:
            hook: The function.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> p = torch.nn.Parameter(torch.ones(1))
            >>> p.grad = torch.ones(1)
            >>> optimizer = torch.optim.SGD([p], lr=0.25)
            >>> handle = optimizer.register_step_post_hook(lambda *_: print("after", p.item()))
            >>> optimizer.step()
            after 0.75
        """
        _run_hooks_around_step(type(self))
        return _enter(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Run `hook(optimizer)` before `state_dict`.

        Args:
            hook: The function.
            prepend: Run it before the hooks already registered.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.25)
            >>> handle = optimizer.register_state_dict_pre_hook(lambda o: print(type(o).__name__))
            >>> state = optimizer.state_dict()
            SGD
        """
        return _enter(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Run `hook(optimizer, state_dict)` after `state_dict`; a result replaces it.

        Args:
            hook: The function.
            prepend: Run it before the hooks already registered.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.25)
            >>> handle = optimizer.register_state_dict_post_hook(lambda o, s: {**s, "run": 7})
            >>> sorted(optimizer.state_dict())
            ['param_groups', 'run', 'state']
        """
        return _enter(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Run `hook(optimizer, state_dict)` before `load_state_dict`; a result replaces it.

        Args:
            hook: The function.
            prepend: Run it before the hooks already registered.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.25)
            >>> handle = optimizer.register_load_state_dict_pre_hook(lambda o, s: print(sorted(s)))
            >>> optimizer.load_state_dict(optimizer.state_dict())
            ['param_groups', 'state']
        """
        return _enter(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Run `hook(optimizer)` after `load_state_dict`.

        Args:
            hook: The function.
            prepend: Run it before the hooks already registered.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.25)
            >>> handle = optimizer.register_load_state_dict_post_hook(lambda o: print("loaded"))
            >>> optimizer.load_state_dict(optimizer.state_dict())
            loaded
        """
        return _enter(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _enter(hooks, hook, prepend=False):
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _entry(mapping, name, what):
    """What a dictionary that a user made has under a name.

    Raises:
        KeyError: If it has nothing there.
        TypeError: If it is no dictionary.
    """
    if not isinstance(mapping, dict):
        raise TypeError(f"{what} must be a dict, got {type(mapping).__name__}")
    if name not in mapping:
        raise KeyError(f"{what} must have an entry '{name}', it has {list(mapping)}")
    return mapping[name]


def _list_parameters(param_group):
    """Make "params" of a group a list of tensors, and "param_names" one of names, if given."""
    params = _entry(param_group, "params", "a parameter group")
    if isinstance(params, Tensor):
        params = [params]
    elif isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering "
            "of tensors in sets will change between runs. Please use a list instead."
        )
    entries = list(params)
    names = [entry[0] for entry in entries if isinstance(entry, tuple)]
    if names:
        if len(names) != len(entries):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        param_group["params"] = [entry[1] for entry in entries]
        param_group["param_names"] = names
    else:
        param_group["params"] = entries


def _names_of_one(group, saved):
    """Which named parameters only one of two groups has, for an error."""
    names = [each.get("param_names") for each in (group, saved)]
    if None in names:
        return ""
    own, other = ([n for n in a if n not in b] for a, b in (names, names[::-1]))
    return f"; only the optimizer has {own}, only the state dict {other}"


def _fit(parameter, value, key=None):
    """Saved state in the dtype and on the device of the parameter it belongs to."""
    if isinstance(value, Tensor):
        if key == "step":
            # Counters stay as they are, whatever the parameter's dtype.
            return value
        if parameter.is_floating_point():
            return value.to(dtype=parameter.dtype, device=parameter.device)
        return value.to(device=parameter.device)
    if isinstance(value, dict):
        return {name: _fit(parameter, each, key=name) for name, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return type(value)(_fit(parameter, each) for each in value)
    return value


def _run_hooks_around_step(cls):
    """Make `cls.step` run the hooks; done when the first is registered, so none cost nothing."""
    step = cls.step
    if getattr(step, "hooked", False):
        return

    @functools.wraps(step)
    def step_with_hooks(*args, **kwargs):
        self = args[0]
        for hook in (*_global_step_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
            replaced = hook(self, args, kwargs)
            if replaced is None:
                continue
            if not (isinstance(replaced, tuple) and len(replaced) == 2):
                raise RuntimeError(
                    f"{step} must return None or a tuple of (new_args, new_kwargs), but got "
                    f"{replaced}."
                )
            args, kwargs = replaced
        result = step(*args, **kwargs)
        for hook in (*self._optimizer_step_post_hooks.values(), *_global_step_post_hooks.values()):
            hook(self, args, kwargs)
        return result

    step_with_hooks.hooked = True
    cls.step = step_with_hooks


def _hook_every_optimizer(cls=Optimizer):
    for subclass in cls.__subclasses__():
        if "step" in vars(subclass):
            _run_hooks_around_step(subclass)
        _hook_every_optimizer(subclass)


def register_optimizer_step_pre_hook(hook):
    """Run `hook(optimizer, args, kwargs)` before each step of every optimizer.

    Args:
        hook: The function; a pair that it returns replaces `args` and `kwargs`.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.optimizer import register_optimizer_step_pre_hook
        >>> handle = register_optimizer_step_pre_hook(lambda o, *_: print(type(o).__name__))
        >>> torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0).step()
        SGD
        >>> handle.remove()
    """
    _hook_every_optimizer()
    return _enter(_global_step_pre_hooks, hook)


def register_optimizer_step_post_hook(hook):
    """Run `hook(optimizer, args, kwargs)` after each step of every optimizer.

    Args:
        hook: The function.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.optimizer import register_optimizer_step_post_hook
        >>> p = torch.nn.Parameter(torch.ones(1))
        >>> p.grad = torch.ones(1)
        >>> handle = register_optimizer_step_post_hook(lambda *_: print(p.item()))
        >>> torch.optim.SGD([p], lr=0.25).step()
        0.75
        >>> handle.remove()
    """
    _hook_every_optimizer()
    return _enter(_global_step_post_hooks, hook)
