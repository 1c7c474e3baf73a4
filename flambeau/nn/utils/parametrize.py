"""Parametrizations: parameters and buffers computed from others whenever they are read.

A module with a parametrized `weight` gets a class of its own, in which `weight` is a property; the
tensors that it is computed from live in `module.parametrizations.weight`.
"""

import copy
from collections.abc import Sequence
from contextlib import contextmanager, suppress

from flambeau.core.errors import ArgumentValueError, RuntimeFailure
from flambeau.core.grad_mode import no_grad
from flambeau.core.registry import explain_functions
from flambeau.core.tensor import Tensor
from flambeau.nn.modules.container import ModuleDict, ModuleList
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache_depth = 0
_cache = {}


@contextmanager
def cached():
    """Compute each parametrized tensor only once within the `with` block.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import parametrizations, parametrize
        >>> layer = parametrizations.weight_norm(torch.nn.Linear(2, 3))
        >>> with parametrize.cached():
        ...     layer.weight is layer.weight
        True
    """
    global _cache_depth
    _cache_depth += 1
    try:
        yield
    finally:
        _cache_depth -= 1
        if _cache_depth == 0:
            _cache.clear()


def _register(module, name, tensor):
    """Register `tensor` as the parameter or buffer `name`, whichever it is."""
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _overwrite(target, source):
    """Let `target` have the values and sizes of `source`, and stay the object that it is."""
    target.data = source.detach()


def _require_same(what, before, after, mistake, expected_name, got_name):
    """Raise ValueError if two tensors differ in their attribute `what`, dtype or shape."""
    expected, got = getattr(before, what), getattr(after, what)
    if expected != got:
        raise ArgumentValueError(f"{mistake}\n{expected_name}: {expected}\n{got_name}: {got}")


def _require_tensor(value):
    if not isinstance(value, Tensor):
        raise ArgumentValueError(
            f"A parametrization must return a tensor. Got {type(value).__name__}."
        )
    return value


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor in order, and the tensors that the first one starts from.

    It is what `module.parametrizations[tensor_name]` holds; `register_parametrization` makes it.
    What the first parametrization starts from is called `original`, or `original0`, `original1`
    and so on if it is several tensors.

    Args:
        modules: The parametrizations.
        original: The parameter or buffer that is parametrized.
        unsafe: Do not check dtype and shape of what they compute.

    Raises:
        ValueError: If there is no parametrization, or one returns something that does not fit.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 3))
        >>> parametrizations = layer.parametrizations.weight
        >>> [name for name, _ in parametrizations.named_parameters()]
        ['original0', 'original1']
    """

    def __init__(self, modules, original, unsafe=False):
        if len(modules) == 0:
            raise ArgumentValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        before = original.detach()
        start = self._invert_where_possible(original)
        self.is_tensor = isinstance(start, Tensor)
        self.ntensors = 1 if self.is_tensor else len(start)
        if self.is_tensor:
            self._keep_one(original, start)
        else:
            self._keep_many(original, start)
        if not unsafe:
            self._check_forward(before)

    def _invert_where_possible(self, original):
        """What the first parametrization has to start from so that `original` comes out."""
        with no_grad():
            start = original
            for module in reversed(list(self)):
                if hasattr(module, "right_inverse"):
                    # Without an inverse, `original` itself is where it starts.
                    with suppress(NotImplementedError):
                        start = module.right_inverse(start)
        if not isinstance(start, (Tensor, Sequence)):
            raise ArgumentValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(start).__name__}"
            )
        return start

    def _keep_one(self, original, start):
        for what in ("dtype", "device"):
            _require_same(
                what,
                original,
                start,
                f"When `right_inverse` outputs one tensor, it may not change the {what}.",
                f"original.{what}",
                f"right_inverse(original).{what}",
            )
        # The object stays the same, since an optimizer may hold it already.
        _overwrite(original, start)
        _register(self, "original", original)

    def _keep_many(self, original, start):
        for i, tensor in enumerate(start):
            if not isinstance(tensor, Tensor):
                raise ArgumentValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                    f"tuple...). Got element {i} of the sequence with type "
                    f"{type(tensor).__name__}."
                )
            if isinstance(original, Parameter):
                tensor = Parameter(tensor, original.requires_grad)
            tensor.requires_grad_(original.requires_grad)
            _register(self, f"original{i}", tensor)

    def _check_forward(self, before):
        out = _require_tensor(self())
        for what in ("dtype", "shape"):
            _require_same(
                what,
                before,
                out,
                f"Registering a parametrization may not change the {what} of the tensor, unless "
                "`unsafe` flag is enabled.",
                f"unparametrized {what}",
                f"parametrized {what}",
            )

    def right_inverse(self, value):
        """Change the original tensors so that the parametrized one becomes `value`.

        Args:
            value: The tensor to arrive at.

        Raises:
            RuntimeError: If a parametrization has no `right_inverse`.
            ValueError: If one returns something that does not fit the original tensors.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(1, 1))
            >>> layer.parametrizations.weight.right_inverse(torch.tensor([[-3.0]]))
            >>> layer.weight.tolist(), layer.parametrizations.weight.original0.tolist()
            ([[-3.0]], [[3.0]])
        """
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeFailure(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                self._set_one(value)
            else:
                self._set_many(value)

    def _set_one(self, value):
        if not isinstance(value, Tensor):
            raise ArgumentValueError(
                f"`right_inverse` should return a tensor. Got {type(value).__name__}"
            )
        if value.dtype != self.original.dtype:
            raise ArgumentValueError(
                "The tensor returned by `right_inverse` has dtype "
                f"{value.dtype} while `original` has dtype {self.original.dtype}"
            )
        _overwrite(self.original, value)

    def _set_many(self, values):
        if not isinstance(values, Sequence):
            raise ArgumentValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(values).__name__}."
            )
        if len(values) != self.ntensors:
            raise ArgumentValueError(
                "'right_inverse' must return a sequence of tensors of length "
                f"{self.ntensors}. Got a sequence of length {len(values)}."
            )
        for i, tensor in enumerate(values):
            original = getattr(self, f"original{i}")
            if not isinstance(tensor, Tensor):
                raise ArgumentValueError(
                    f"`right_inverse` must return a sequence of tensors. Got element {i} of type "
                    f"{type(tensor).__name__}"
                )
            if original.dtype != tensor.dtype:
                raise ArgumentValueError(
                    f"Tensor {i} returned by `right_inverse` has dtype {tensor.dtype} while "
                    f"`original{i}` has dtype {original.dtype}"
                )
            _overwrite(original, tensor)

    def forward(self):
        """The parametrized tensor."""
        if self.is_tensor:
            originals = (self.original,)
        else:
            originals = tuple(getattr(self, f"original{i}") for i in range(self.ntensors))
        first, *others = self
        value = first(*originals)
        for module in others:
            value = module(value)
        return value


def _deepcopy_with_class(self, memo):
    """A deep copy of a module whose class was made for it alone."""
    known = memo.get(id(self))
    if known is not None:
        return known
    replica = memo[id(self)] = self.__new__(type(self))
    replica.__setstate__(copy.deepcopy(Module.__getstate__(self), memo))
    return replica


def _refuse_pickling(self):
    raise RuntimeFailure(
        "Serialization of parametrized modules is only supported through state_dict(). See:\n"
        "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
        "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
    )


def _give_own_class(module):
    """Put a subclass, for this module alone, in the place of its class."""
    cls = type(module)
    members = {"__getstate__": _refuse_pickling}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy_with_class
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _add_property(module, tensor_name):
    """Let `tensor_name` be computed when it is read, and inverted when it is assigned."""

    def read(self):
        if _cache_depth == 0:
            return self.parametrizations[tensor_name]()
        key = (id(self), tensor_name)
        if key not in _cache:
            _cache[key] = self.parametrizations[tensor_name]()
        return _cache[key]

    def assign(self, value):
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(read, assign))


def register_parametrization(module, tensor_name, parametrization, *, unsafe=False):
    """Compute a parameter or buffer of a module from another tensor from now on.

    `module.weight` becomes `parametrization(original)`, where `original` is a parameter that stands
    at `module.parametrizations.weight.original`. A further parametrization of the same tensor takes
    what the last one returns.

    A method `right_inverse` of the parametrization, if there is one, says what to start from so
    that a given tensor comes out: the tensor is kept then, and `module.weight = value` works. It
    may return several tensors, which all go into `parametrization` afterwards.

    Args:
        module: The module.
        tensor_name: The name of its parameter or buffer.
        parametrization: A module from tensors to a tensor.
        unsafe: Do not check that it keeps dtype and shape.

    Returns:
        The module.

    Raises:
        ValueError: If the module has no such tensor, or the parametrization does not fit.

    Example:
        >>> import flambeau as torch
        >>> class Symmetric(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).T
        >>> layer = torch.nn.utils.parametrize.register_parametrization(
        ...     torch.nn.Linear(3, 3), "weight", Symmetric()
        ... )
        >>> bool((layer.weight == layer.weight.T).all())
        True
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_addition(tensor_name, getattr(module, tensor_name), parametrization)
        module.parametrizations[tensor_name].append(parametrization)
        module.parametrizations[tensor_name].unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        # Made first: it may fail, and the module is as it was then.
        parametrizations = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _give_own_class(module)
            module.parametrizations = ModuleDict()
        _add_property(module, tensor_name)
        module.parametrizations[tensor_name] = parametrizations
    else:
        raise ArgumentValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _check_addition(tensor_name, before, parametrization):
    """Check that one more parametrization keeps the dtype and shape of the tensor `before`."""
    name = f"module.{tensor_name}"
    after = _require_tensor(parametrization(before))
    for what in ("dtype", "shape"):
        _require_same(
            what,
            before,
            after,
            f"Registering a parametrization may not change the {what} of the tensor, unless the "
            "`unsafe` flag is enabled.",
            f"{name}.{what}",
            f"parametrization({name}).{what}",
        )
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        back = parametrization.right_inverse(after)
    except NotImplementedError:
        return
    if not isinstance(back, Tensor):
        raise ArgumentValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(back).__name__}"
        )
    for what in ("dtype", "shape"):
        _require_same(
            what,
            before,
            back,
            f"The tensor returned by parametrization.right_inverse must have the same {what} as "
            f"{name}, unless the `unsafe` flag is enabled.",
            f"{name}.{what}",
            f"returned {what}",
        )


def is_parametrized(module, tensor_name=None):
    """Whether a tensor of a module is parametrized.

    Args:
        module: The module.
        tensor_name: The name of the tensor; any tensor if None.

    Returns:
        True or False.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 3))
        >>> is_parametrized = torch.nn.utils.parametrize.is_parametrized
        >>> is_parametrized(layer), is_parametrized(layer, "weight"), is_parametrized(layer, "bias")
        (True, True, False)
    """
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """Make a parametrized tensor an ordinary parameter or buffer again.

    Args:
        module: The module.
        tensor_name: The name of the tensor.
        leave_parametrized: Keep its present value; otherwise that of the original tensor.

    Returns:
        The module.

    Raises:
        ValueError: If it is not parametrized, or the original tensor is wanted and there are
            several.

    Example:
        >>> import flambeau as torch
        >>> class Abs(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.abs()
        >>> parametrize = torch.nn.utils.parametrize
        >>> layer = parametrize.register_parametrization(torch.nn.Linear(9, 9), "weight", Abs())
        >>> layer = parametrize.remove_parametrizations(layer, "weight")
        >>> type(layer).__name__, bool((layer.weight >= 0).all())
        ('Linear', True)
    """
    if not is_parametrized(module, tensor_name):
        raise ArgumentValueError(
            f"Module {module} does not have a parametrization on {tensor_name}"
        )
    parametrizations = module.parametrizations[tensor_name]
    if parametrizations.is_tensor:
        original = parametrizations.original
        if leave_parametrized:
            with no_grad():
                _overwrite(original, getattr(module, tensor_name))
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ArgumentValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module):
    """The class of a module, without the one that a parametrization put in its place.

    Args:
        module: The module, parametrized or not.

    Returns:
        A class.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 3))
        >>> type(layer).__name__
        'ParametrizedLinear'
        >>> torch.nn.utils.parametrize.type_before_parametrizations(layer) is torch.nn.Linear
        True
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module, to_module, tensor_name=None):
    """Give a module the parametrizations of another one, and what they start from.

    Args:
        from_module: The module that has them.
        to_module: The module that gets them; tensors that it lacks are made.
        tensor_name: The name of the only tensor to transfer; all parametrized ones if None.

    Returns:
        `to_module`.

    Example:
        >>> import flambeau as torch
        >>> first = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 3))
        >>> second = torch.nn.Linear(3, 3)
        >>> parametrize = torch.nn.utils.parametrize
        >>> second = parametrize.transfer_parametrizations_and_params(first, second)
        >>> torch.equal(second.weight, first.weight)
        True
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        given = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for parametrization in given:
            register_parametrization(to_module, name, parametrization)
        for original in given._parameters.keys() | given._buffers.keys():
            setattr(to_module.parametrizations[name], original, getattr(given, original))
    return to_module


explain_functions(globals())
