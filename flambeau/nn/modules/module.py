"""Module: the base class of every layer and model."""

from collections import OrderedDict

from flambeau.core.tensor import Tensor
from flambeau.nn.modules import _hooks
from flambeau.nn.modules._hooks import *  # noqa: F403 - the global hooks are public here
from flambeau.nn.modules._hooks import INSTANCE_HOOKS, HookMixin, notify_registration
from flambeau.nn.modules._moves import MoveMixin
from flambeau.nn.modules._registry import KINDS, Registry, registry_of, without_mirrors
from flambeau.nn.modules._state import _EXTRA_STATE_KEY_SUFFIX as _EXTRA_STATE_KEY_SUFFIX
from flambeau.nn.modules._state import StateMixin
from flambeau.nn.modules._state import _IncompatibleKeys as _IncompatibleKeys
from flambeau.nn.modules._state import _WrappedHook as _WrappedHook
from flambeau.nn.modules._tree import TreeMixin
from flambeau.nn.parameter import Buffer, Parameter
from flambeau.ops.query import typename

__all__ = ["Module", *_hooks.__all__]


class Module(HookMixin, StateMixin, MoveMixin, TreeMixin):
    """Base class of all layers and models.

    A subclass calls `super().__init__()`, assigns parameters and other modules to attributes, and
    defines `forward`. Calling the module runs `forward` between its hooks.

    Example:
        >>> import flambeau as torch
        >>> class Twice(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.linear = torch.nn.Linear(4, 4)
        ...     def forward(self, x):
        ...         return self.linear(self.linear(x))
        >>> Twice()(torch.ones(1, 4)).shape
        torch.Size([1, 4])
    """

    dump_patches = False

    # Set by subclasses that sit before another base class and want its __init__ called too.
    call_super_init = False

    def __init__(self, *args, **kwargs):
        if not self.call_super_init and (args or kwargs):
            name = type(self).__name__
            if kwargs:
                raise TypeError(
                    f"{name}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
                )
            raise TypeError(
                f"{name}.__init__() takes 1 positional argument but {len(args) + 1} were given"
            )
        attributes = self.__dict__
        attributes["training"] = True
        for kind in KINDS:
            attributes[kind] = Registry(self)
        attributes["_non_persistent_buffers_set"] = set()
        attributes["_is_full_backward_hook"] = None
        for kind in INSTANCE_HOOKS:
            attributes[kind] = OrderedDict()
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def forward(self, *input):
        """Compute the output; every subclass defines it.

        Raises:
            NotImplementedError: Always, in this class.

        Example:
            >>> import flambeau as torch
            >>> class Twice(torch.nn.Module):
            ...     def forward(self, x):
            ...         return 2 * x
            >>> Twice()(torch.ones(2))
            tensor([2., 2.])
        """
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args, **kwargs):
        try:
            if self._hooked:
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            explained = _explained(error, self, args, kwargs)
            _note_module(explained, self)
            if explained is error:
                raise
            raise explained from None

    # --- attributes -------------------------------------------------------------------------

    def __getattr__(self, name):
        # Entries of the registries are found before this as plain attributes, unless user code
        # has replaced a registry by a plain dict.
        for kind in KINDS:
            entries = self.__dict__.get(kind)
            if entries is not None and name in entries:
                return entries[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name, value):
        if isinstance(value, Parameter):
            self._require_init("parameters", "_parameters")
            self._forget(name, "_buffers", "_modules")
            self.register_parameter(name, value)
        elif name in self.__dict__.get("_parameters", ()):
            self._require_none(name, value, "parameter", "torch.nn.Parameter")
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._require_init("module", "_modules")
            self._forget(name, "_buffers")
            self._set_child(name, value)
        elif name in self.__dict__.get("_modules", ()):
            self._require_none(name, value, "child module", "torch.nn.Module")
            self._set_child(name, value)
        elif isinstance(value, Tensor) and isinstance(value, Buffer):
            self._require_init("buffer", "_buffers")
            self.register_buffer(name, value, value.persistent)
        elif name in self.__dict__.get("_buffers", ()):
            if not isinstance(value, Tensor):
                self._require_none(name, value, "buffer", "torch.nn.Buffer, torch.Tensor")
            value = notify_registration(_hooks._global_buffer_registration_hooks, self, name, value)
            registry_of(self, "_buffers")[name] = value
        elif name in KINDS:
            self._replace_registry(name, value)
        else:
            object.__setattr__(self, name, value)

    def _set_child(self, name, value):
        value = notify_registration(_hooks._global_module_registration_hooks, self, name, value)
        registry_of(self, "_modules")[name] = value

    def _require_none(self, name, value, what, expected):
        """Check that the entry `name` of a registry is only switched off by `value`."""
        if value is not None:
            raise TypeError(
                f"cannot assign '{typename(value)}' as {what} '{name}' ({expected} or None "
                "expected)"
            )

    def _replace_registry(self, kind, entries):
        for name in self.__dict__.get(kind, ()):
            self.__dict__.pop(name, None)
        self.__dict__[kind] = Registry(self, entries)

    def _require_init(self, what, kind):
        if kind not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")

    def _forget(self, name, *kinds):
        """Remove a plain attribute `name`, or an entry of `kinds`, that a new value replaces."""
        attributes = self.__dict__
        for kind in kinds:
            if name in attributes[kind]:
                del registry_of(self, kind)[name]
        if not any(name in attributes[kind] for kind in KINDS):
            attributes.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name):
        for kind in KINDS:
            if name in self.__dict__.get(kind, ()):
                del registry_of(self, kind)[name]
                self._non_persistent_buffers_set.discard(name)
                return
        if name not in self.__dict__ and not hasattr(type(self), name):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        object.__delattr__(self, name)

    def __dir__(self):
        names = {*dir(type(self)), *self.__dict__}
        for kind in KINDS:
            names.update(self.__dict__.get(kind, ()))
        return sorted(name for name in names if not name[:1].isdigit())

    def __getstate__(self):
        return without_mirrors(self)

    def __setstate__(self, state):
        self.__dict__.update(state)
        for kind in KINDS:
            registry_of(self, kind)
        for kind in INSTANCE_HOOKS:
            self.__dict__.setdefault(kind, OrderedDict())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)
        if _hooks.has_call_hooks(self):
            self._hooked = True

    # --- registration -----------------------------------------------------------------------

    def register_parameter(self, name, param):
        """Add a parameter, found afterwards as the attribute `name`.

        Args:
            name: Its name.
            param: A `Parameter`, or None for one that is switched off.

        Raises:
            KeyError: If the name is empty, contains a dot, or is taken.
            TypeError: If `param` is neither a `Parameter` nor None.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.register_parameter("scale", torch.nn.Parameter(torch.ones(1)))
            >>> [name for name, _ in module.named_parameters()]
            ['scale']
        """
        self._require_init("parameter", "_parameters")
        self._require_free(name, "parameter", "_parameters")
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                f"created explicitly. To express '{name}' as a function of another Tensor, "
                "compute the value in the forward() method."
            )
        param = notify_registration(_hooks._global_parameter_registration_hooks, self, name, param)
        registry_of(self, "_parameters")[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        """Add a buffer: a tensor that is part of the module's state but not trained.

        Args:
            name: Its name.
            tensor: The tensor, or None for one that is switched off.
            persistent: Whether it belongs to the `state_dict`.

        Raises:
            KeyError: If the name is empty, contains a dot, or is taken.
            TypeError: If `tensor` is neither a tensor nor None.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.register_buffer("mean", torch.zeros(1))
            >>> module.register_buffer("cache", torch.zeros(1), persistent=False)
            >>> list(module.state_dict())
            ['mean']
        """
        self._require_init("buffer", "_buffers")
        self._require_free(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        tensor = notify_registration(_hooks._global_buffer_registration_hooks, self, name, tensor)
        registry_of(self, "_buffers")[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name, module):
        """Add a child module, found afterwards as the attribute `name`.

        Args:
            name: Its name.
            module: The child, or None.

        Raises:
            KeyError: If the name is empty, contains a dot, or is taken.
            TypeError: If `module` is neither a module nor None.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.add_module("activation", torch.nn.ReLU())
            >>> module.activation
            ReLU()
        """
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._require_free(name, "module", "_modules")
        module = notify_registration(_hooks._global_module_registration_hooks, self, name, module)
        registry_of(self, "_modules")[name] = module

    def register_module(self, name, module):
        """The same as `add_module`.

        Args:
            name: Its name.
            module: The child, or None.

        Example:
            >>> import flambeau as torch
            >>> module = torch.nn.Module()
            >>> module.register_module("activation", torch.nn.ReLU())
            >>> module.activation
            ReLU()
        """
        self.add_module(name, module)

    def _require_free(self, name, what, kind):
        """Check that `name` may become an entry of the registry `kind`."""
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {typename(name)}")
        if "." in name:
            got = f", got: {name}" if what == "module" else ""
            raise KeyError(f'{what} name can\'t contain "."{got}')
        if name == "":
            raise KeyError(f'{what} name can\'t be empty string ""')
        if name not in getattr(self, kind) and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # --- modes ------------------------------------------------------------------------------

    def apply(self, fn):
        """Call `fn` on every module below, then on this one.

        Args:
            fn: A function of a module.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())
            >>> model = model.apply(lambda module: print(type(module).__name__))
            ReLU
            Tanh
            Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode=True):
        """Set training mode here and in all modules below (it matters to dropout and batch norm).

        Args:
            mode: True for training, False for evaluation.

        Returns:
            The module.

        Raises:
            ValueError: If `mode` is no bool.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.Dropout(1.0)).eval()
            >>> model(torch.ones(2)), model.train()(torch.ones(2))
            (tensor([1., 1.]), tensor([0., 0.]))
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Set evaluation mode; the same as `train(False)`.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.Dropout(1.0)).eval()
            >>> model(torch.ones(2)), model[0].training
            (tensor([1., 1.]), False)
        """
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Say of every parameter whether gradients are recorded for it.

        Args:
            requires_grad: Whether they are.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> frozen = torch.nn.Linear(2, 3).requires_grad_(False)
            >>> frozen(torch.ones(1, 2)).requires_grad
            False
        """
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Reset the gradients of all parameters.

        Args:
            set_to_none: Drop them instead of filling them with zeros.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 1)
            >>> layer(torch.ones(2)).backward()
            >>> layer.zero_grad()
            >>> layer.weight.grad is None
            True
        """
        for parameter in self.parameters():
            _reset_grad(parameter, set_to_none)

    def compile(self, *args, **kwargs):
        """Accepted for programs that call it; kernels are compiled ahead of time here.

        Args:
            *args: Accepted.
            **kwargs: Accepted.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.ReLU()
            >>> layer.compile()
            >>> layer(torch.tensor([-1.0, 1.0]))
            tensor([0., 1.])
        """

    # --- printing ---------------------------------------------------------------------------

    def _get_name(self):
        return type(self).__name__

    def extra_repr(self):
        """What stands in the parentheses of the printed form; for subclasses to override.

        Returns:
            A text, of one or several lines.

        Example:
            >>> import flambeau as torch
            >>> class Scale(torch.nn.Module):
            ...     def extra_repr(self):
            ...         return "by=2"
            >>> Scale()
            Scale(by=2)
        """
        return ""

    def __repr__(self):
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [
            f"({name}): " + _indent(repr(module)) for name, module in self._modules.items()
        ]
        if len(extra_lines) == 1 and not child_lines:
            return f"{self._get_name()}({extra_lines[0]})"
        lines = extra_lines + child_lines
        if not lines:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def _indent(text):
    """`text` with every line but the first two spaces further in."""
    return text.replace("\n", "\n  ")


def _reset_grad(parameter, set_to_none):
    if set_to_none:
        parameter.grad = None
    elif parameter.grad is not None:
        parameter.grad.detach_()
        parameter.grad.zero_()


class _ModuleNote(str):
    """The note on an exception that says which module raised it."""

    __slots__ = ("module",)


def _explained(error, module, args, kwargs):
    """The error of a layer's `forward` that was given no tensor, else the error that was."""
    if type(error) is not AttributeError or not type(module).__module__.startswith("flambeau."):
        return error
    from flambeau.core.blame import explain, raised_here

    if not raised_here(error.__traceback__):
        return error
    code = type(module).forward.__code__
    names = code.co_varnames[1 : code.co_argcount]
    name = f"{type(module).__name__}.forward"
    return explain(name, names, None, args, kwargs, error) or error


def _note_module(error, module):
    """Name the module that raised `error`, by its path from the outermost module left so far.

    The innermost module leaves the note; every module around it replaces it by a longer one.
    """
    notes = getattr(error, "__notes__", [])
    place = next((i for i, note in enumerate(notes) if isinstance(note, _ModuleNote)), None)
    raised_in = module if place is None else notes[place].module
    path = next((name for name, each in module.named_modules() if each is raised_in), None)
    if path is None:
        # The inner module is not below this one, so there is no path to add to.
        return
    kind = type(raised_in).__name__
    note = _ModuleNote(f"raised in {path} ({kind})" if path else f"raised in {kind}")
    note.module = raised_in
    if place is None:
        error.add_note(note)
    else:
        notes[place] = note
