"""Hooks of modules: registering them, and the call that runs them.

A module without hooks never comes here: `Module.__call__` tests one flag, `_hooked`, which is set
on the instance by the first hook it gets, and on the class `Module` by the first global hook, and
taken back by the first call that finds none left.
"""

from collections import OrderedDict

from flambeau.core.notices import warn
from flambeau.utils.hooks import RemovableHandle

INSTANCE_HOOKS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)

_CALL_HOOKS = ("_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_pre_hooks")

_global_forward_pre_hooks = OrderedDict()
_global_forward_hooks = OrderedDict()
_global_forward_hooks_with_kwargs = OrderedDict()
_global_forward_hooks_always_called = OrderedDict()
_global_backward_pre_hooks = OrderedDict()
_global_backward_hooks = OrderedDict()
_global_buffer_registration_hooks = OrderedDict()
_global_module_registration_hooks = OrderedDict()
_global_parameter_registration_hooks = OrderedDict()


_GLOBAL_CALL_HOOKS = (
    _global_forward_pre_hooks,
    _global_forward_hooks,
    _global_backward_pre_hooks,
    _global_backward_hooks,
)


def has_call_hooks(module):
    """Whether `module` itself carries a hook that its call must run."""
    return any(getattr(module, kind, None) for kind in _CALL_HOOKS)


def notify_registration(hooks, module, name, value):
    """Let the global registration `hooks` replace the value registered as `name`."""
    for hook in hooks.values():
        replacement = hook(module, name, value)
        if replacement is not None:
            value = replacement
    return value


def _enter(hooks, hook, *, prepend=False, marks=()):
    """Enter `hook` in `hooks`, and its id in every dictionary of `marks`."""
    handle = RemovableHandle(hooks, extra_dict=list(marks))
    hooks[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class HookMixin:
    """The part of `Module` that registers hooks and runs a call with them."""

    _hooked = False

    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Run `hook(module, args)` before each `forward`; what it returns replaces the arguments.

        Args:
            hook: The function. It may return None, one value, or a tuple of arguments.
            prepend: Run it before the hooks already registered.
            with_kwargs: Call `hook(module, args, kwargs)`, which returns None or both anew.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.ReLU()
            >>> handle = layer.register_forward_pre_hook(lambda module, args: -args[0])
            >>> layer(torch.tensor([-1.0, 1.0]))
            tensor([1., 0.])
        """
        self._hooked = True
        marks = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return _enter(self._forward_pre_hooks, hook, prepend=prepend, marks=marks)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """Run `hook(module, args, output)` after each `forward`; a result replaces the output.

        Args:
            hook: The function.
            prepend: Run it before the hooks already registered.
            with_kwargs: Call `hook(module, args, kwargs, output)`.
            always_call: Run it also when `forward` raises, where the output is None, or another
                hook does.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.ReLU()
            >>> handle = layer.register_forward_hook(lambda module, args, output: output + 10)
            >>> layer(torch.tensor([-1.0, 1.0]))
            tensor([10., 11.])
        """
        self._hooked = True
        marks = []
        if with_kwargs:
            marks.append(self._forward_hooks_with_kwargs)
        if always_call:
            marks.append(self._forward_hooks_always_called)
        return _enter(self._forward_hooks, hook, prepend=prepend, marks=marks)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Run `hook(module, grad_output)` when the gradients of the outputs are known.

        Args:
            hook: The function; a result replaces `grad_output`.
            prepend: Run it before the hooks already registered.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> layer, x = torch.nn.ReLU(), torch.ones(1, requires_grad=True)
            >>> handle = layer.register_full_backward_pre_hook(lambda m, got: (got[0] * 10,))
            >>> layer(x).backward()
            >>> x.grad
            tensor([10.])
        """
        self._hooked = True
        return _enter(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """Run `hook(module, grad_input, grad_output)` when the gradients of the inputs are known.

        Args:
            hook: The function; a result replaces `grad_input`.
            prepend: Run it before the hooks already registered.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: If the module has a hook of the older `register_backward_hook`.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.LeakyReLU(0.5)
            >>> handle = layer.register_full_backward_hook(lambda m, given, got: print(given, got))
            >>> layer(torch.tensor([-1.0], requires_grad=True)).backward()
            (tensor([0.5000]),) (tensor([1.]),)
        """
        self._choose_backward_hooks(full=True)
        return _enter(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook):
        """Run `hook` on the gradients of the module's last operation (deprecated).

        Use `register_full_backward_hook`, whose gradients are those of the whole module.

        Args:
            hook: A function of the module and the gradients of inputs and of outputs; a result
                replaces the former.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: If the module has a hook of `register_full_backward_hook`.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Tanh()
            >>> handle = layer.register_backward_hook(lambda module, given, got: print(given, got))
            >>> layer(torch.zeros(1, requires_grad=True) * 3).backward()
            (tensor([1.]),) (tensor([1.]),)
        """
        self._choose_backward_hooks(full=False)
        return _enter(self._backward_hooks, hook)

    def _choose_backward_hooks(self, full):
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single "
                "Module. Please use only one of them."
            )
        self._is_full_backward_hook = full
        self._hooked = True

    def _call_with_hooks(self, args, kwargs):
        """`forward` between its hooks."""
        if not has_call_hooks(self):
            # All were removed: the next call need not come here.
            self.__dict__.pop("_hooked", None)
            if not any(_GLOBAL_CALL_HOOKS):
                _hook_every_module(False)
                return self.forward(*args, **kwargs)
        pending = dict(self._pending_always_called())
        call = [args, kwargs, None]
        try:
            return self._forward_between_hooks(call, pending)
        except Exception:
            self._run_always_called(pending, *call)
            raise

    def _forward_between_hooks(self, call, pending):
        """The output; `call` keeps the arguments and output as the hooks have left them."""
        args, kwargs = self._run_pre_hooks(call[0], call[1])
        full_hooks, last_operation_hooks = self._backward_hooks_to_run()
        pre_hooks = [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]
        boundary = None
        if full_hooks or pre_hooks:
            from flambeau.nn.modules._backward_hooks import BackwardBoundary

            boundary = BackwardBoundary(self, full_hooks, pre_hooks)
            args = boundary.enter(args)
        call[:2] = args, kwargs
        call[2] = self.forward(*args, **kwargs)
        self._run_forward_hooks(call, pending)
        result = call[2]
        if boundary is not None:
            result = boundary.leave(result)
        if last_operation_hooks:
            from flambeau.nn.modules._backward_hooks import hook_last_operation

            hook_last_operation(self, args, result, last_operation_hooks)
        return result

    def _run_pre_hooks(self, args, kwargs):
        with_kwargs = self._forward_pre_hooks_with_kwargs
        for key, hook in (*_global_forward_pre_hooks.items(), *self._forward_pre_hooks.items()):
            if key in with_kwargs:
                replaced = hook(self, args, kwargs)
                if replaced is None:
                    continue
                if not (isinstance(replaced, tuple) and len(replaced) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {replaced}."
                    )
                args, kwargs = replaced
            else:
                replaced = hook(self, args)
                if replaced is not None:
                    args = replaced if isinstance(replaced, tuple) else (replaced,)
        return args, kwargs

    def _run_forward_hooks(self, call, pending):
        for key, hook in (*_global_forward_hooks.items(), *self._forward_hooks.items()):
            pending.pop(key, None)
            replaced = self._run_forward_hook(key, hook, *call)
            if replaced is not None:
                call[2] = replaced

    def _run_forward_hook(self, key, hook, args, kwargs, result):
        if key in self._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _pending_always_called(self):
        for hooks, marks in (
            (_global_forward_hooks, _global_forward_hooks_always_called),
            (self._forward_hooks, self._forward_hooks_always_called),
        ):
            for key, hook in hooks.items():
                if key in marks:
                    yield key, hook

    def _run_always_called(self, pending, args, kwargs, result):
        for key, hook in pending.items():
            try:
                self._run_forward_hook(key, hook, args, kwargs, result)
            except Exception as error:
                warn(
                    "module forward hook with ``always_call=True`` raised an exception that was "
                    f"silenced as another error was raised in forward: {error}"
                )

    def _backward_hooks_to_run(self):
        full, last_operation = [], []
        if _global_backward_hooks:
            chosen = full if HookMixin._global_is_full_backward_hook else last_operation
            chosen.extend(_global_backward_hooks.values())
        if self._backward_hooks:
            chosen = full if self._is_full_backward_hook else last_operation
            chosen.extend(self._backward_hooks.values())
        return full, last_operation

    _global_is_full_backward_hook = None


def _hook_every_module(hooked=True):
    from flambeau.nn.modules.module import Module

    Module._hooked = hooked


def register_module_forward_pre_hook(hook):
    """Run `hook(module, args)` before the `forward` of every module; see `Module`.

    Args:
        hook: The function; what it returns replaces the arguments, None leaves them.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_forward_pre_hook
        >>> handle = register_module_forward_pre_hook(lambda module, args: (args[0] * 10,))
        >>> torch.nn.ReLU()(torch.tensor([-1.0, 1.0]))
        tensor([ 0., 10.])
        >>> handle.remove()
    """
    _hook_every_module()
    return _enter(_global_forward_pre_hooks, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Run `hook(module, args, output)` after the `forward` of every module; see `Module`.

    Args:
        hook: The function; what it returns replaces the output, None leaves it.
        with_kwargs: Call `hook(module, args, kwargs, output)`.
        always_call: Call it, with None for the output, after an error too.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_forward_hook
        >>> handle = register_module_forward_hook(lambda module, args, output: print(module))
        >>> result = torch.nn.Sequential(torch.nn.ReLU())(torch.ones(1))
        ReLU()
        Sequential(
          (0): ReLU()
        )
        >>> handle.remove()
    """
    _hook_every_module()
    marks = []
    if with_kwargs:
        marks.append(_global_forward_hooks_with_kwargs)
    if always_call:
        marks.append(_global_forward_hooks_always_called)
    return _enter(_global_forward_hooks, hook, marks=marks)


def register_module_full_backward_pre_hook(hook):
    """Run `hook(module, grad_output)` for every module, before its gradients are computed.

    Args:
        hook: The function; what it returns replaces the gradients of the outputs, None leaves them.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_full_backward_pre_hook
        >>> handle = register_module_full_backward_pre_hook(lambda module, grads: (grads[0] * 10,))
        >>> x = torch.ones(1, requires_grad=True)
        >>> torch.nn.ReLU()(x).backward()
        >>> handle.remove()
        >>> x.grad
        tensor([10.])
    """
    _hook_every_module()
    return _enter(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook):
    """Run `hook(module, grad_input, grad_output)` for every module in the backward pass.

    Args:
        hook: The function; what it returns replaces the gradients of the inputs, None leaves them.

    Returns:
        A handle whose `remove()` takes the hook away.

    Raises:
        RuntimeError: If there are hooks of `register_module_backward_hook`.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_full_backward_hook
        >>> handle = register_module_full_backward_hook(lambda m, given, got: print(given, got))
        >>> layer = torch.nn.LeakyReLU(0.5)
        >>> layer(torch.tensor([-1.0], requires_grad=True)).backward()
        (tensor([0.5000]),) (tensor([1.]),)
        >>> handle.remove()
    """
    return _register_global_backward_hook(hook, full=True)


def register_module_backward_hook(hook):
    """Run `hook` on the last operation of every module (deprecated); see `Module`.

    Args:
        hook: A function of the module, its gradients of inputs and of outputs, which may return
            other gradients of inputs.

    Returns:
        A handle whose `remove()` takes the hook away.

    Raises:
        RuntimeError: If there are hooks of `register_module_full_backward_hook`.
    """
    return _register_global_backward_hook(hook, full=False)


def _register_global_backward_hook(hook, full):
    if HookMixin._global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module "
            "hook. Please use only one of them."
        )
    HookMixin._global_is_full_backward_hook = full
    _hook_every_module()
    return _enter(_global_backward_hooks, hook)


def register_module_buffer_registration_hook(hook):
    """Run `hook(module, name, buffer)` when any module registers a buffer; a result replaces it.

    Args:
        hook: The function; None leaves the buffer.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_buffer_registration_hook
        >>> handle = register_module_buffer_registration_hook(lambda m, name, buffer: buffer + 1)
        >>> layer = torch.nn.Module()
        >>> layer.register_buffer("mean", torch.zeros(2))
        >>> handle.remove()
        >>> layer.mean
        tensor([1., 1.])
    """
    return _enter(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook):
    """Run `hook(module, name, child)` when any module registers a child; a result replaces it.

    Args:
        hook: The function; None leaves the child.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_module_registration_hook
        >>> handle = register_module_module_registration_hook(lambda m, name, child: print(name))
        >>> model = torch.nn.ModuleDict({"first": torch.nn.ReLU(), "second": torch.nn.Tanh()})
        first
        second
        >>> handle.remove()
    """
    return _enter(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook):
    """Run `hook(module, name, parameter)` when any module registers a parameter.

    Args:
        hook: The function; what it returns replaces the parameter, None leaves it.

    Returns:
        A handle whose `remove()` takes the hook away.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_parameter_registration_hook
        >>> handle = register_module_parameter_registration_hook(
        ...     lambda module, name, parameter: print(name, tuple(parameter.shape))
        ... )
        >>> layer = torch.nn.Linear(2, 3)
        weight (3, 2)
        bias (3,)
        >>> handle.remove()
    """
    return _enter(_global_parameter_registration_hooks, hook)


__all__ = [name for name in dir() if name.startswith("register_module_")]
