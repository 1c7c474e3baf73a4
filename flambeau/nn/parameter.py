"""Parameter and Buffer: tensors that a module registers when they are assigned to it.

Their uninitialized forms have no sizes until `materialize` gives them some.
"""

from collections import OrderedDict

from flambeau import _C
from flambeau.core.errors import ArgumentValueError, GradError, RuntimeFailure
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import empty


class Parameter(Tensor):
    """A tensor that a `Module` lists among its parameters as soon as it is assigned to it.

    It shares its storage with `data`.

    Args:
        data: The values; an empty tensor if left out.
        requires_grad: Whether gradients are accumulated for it.

    Raises:
        TypeError: If `data` is not a tensor.
        RuntimeError: If `requires_grad` is asked of an integer tensor.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Parameter(torch.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    def __new__(cls, data=None, requires_grad=True):
        if data is None:
            data = empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter: data must be a Tensor: data is {type(data).__name__}")
        if requires_grad and not (data.is_floating_point() or data.is_complex()):
            raise GradError(
                "Only Tensors of floating point and complex dtype can require gradients"
            )
        return Tensor._make_subclass(cls, data, requires_grad)

    def __deepcopy__(self, memo):
        known = memo.get(id(self))
        if known is not None:
            return known
        result = memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return result

    def __repr__(self):
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, protocol):
        # The third value holds the tensor's backward hooks in the pickle layout; they never travel.
        state = getattr(self, "__dict__", None)
        if state:
            return _rebuild_parameter_with_state, (
                self.data,
                self.requires_grad,
                OrderedDict(),
                state,
            )
        return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())


def _rebuild_parameter(data, requires_grad, backward_hooks):
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    parameter = _rebuild_parameter(data, requires_grad, backward_hooks)
    for name, value in state.items():
        setattr(parameter, name, value)
    return parameter


class _BufferMeta(type(Tensor)):
    """Recognises buffers, which are plain tensors carrying a mark."""

    def __instancecheck__(cls, instance):
        if cls is not Buffer:
            return super().__instancecheck__(instance)
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that a `Module` registers as a buffer when it is assigned to it.

    Args:
        data: The values; an empty tensor if left out.
        persistent: Whether the buffer is part of the module's `state_dict`.

    Returns:
        A plain tensor sharing storage with `data`, marked as a buffer.

    Example:
        >>> import flambeau as torch
        >>> module = torch.nn.Module()
        >>> module.mean = torch.nn.Buffer(torch.zeros(2))
        >>> module.state_dict()["mean"]
        tensor([0., 0.])
    """

    def __new__(cls, data=None, *, persistent=True):
        if data is None:
            data = empty(0)
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer


#: What changes the type and place of a tensor, which those without sizes have too.
_CONVERSIONS = (
    *("bfloat16", "bool", "byte", "char", "cpu", "cuda", "double", "float", "half", "int", "long"),
    *("short", "to"),
)
#: What else a tensor without sizes can do: there are no elements to copy.
_ALLOWED = {
    *("copy_", "get_device", "is_complex", "is_floating_point", "size"),
    *("__copy__", "__reduce_ex__", "__repr__", "__setstate__", "__format__"),
}


def _refusing(name):
    """A method that says that the tensor has no sizes yet."""

    def refuse(self, *args, **kwargs):
        kind = type(self).__name__
        raise ArgumentValueError(
            f"Attempted to use an uninitialized parameter in {name}. This error happens when you "
            f"are using a `LazyModule` or explicitly manipulating `torch.nn.parameter.{kind}` "
            "objects. When using LazyModules Call `forward` with a dummy batch to initialize the "
            "parameters before calling torch functions"
        )

    refuse.__name__ = name
    return refuse


def _refusals():
    """Refusing methods by name, in place of all of Tensor's that are not in `_ALLOWED`."""
    ordinary = set(dir(object)) - {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"}
    return {
        name: _refusing(name)
        for name in dir(Tensor)
        if callable(getattr(Tensor, name))
        and name not in ordinary
        and name not in (*_ALLOWED, *_CONVERSIONS)
        and (not name.startswith("_") or name.endswith("__"))
    }


def _conversion(name):
    """A method that converts what stands in for the elements."""

    def convert(self, *args, **kwargs):
        return getattr(self.data, name)(*args, **kwargs)

    convert.__name__ = name
    return convert


class UninitializedTensorMixin:
    """A tensor whose sizes are not known yet; methods that need elements raise ValueError.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.nn.UninitializedParameter()
        >>> isinstance(weight, torch.nn.parameter.UninitializedTensorMixin)
        True
        >>> try:
        ...     weight.sum()
        ... except ValueError as error:
        ...     print(str(error)[:43])
        Attempted to use an uninitialized parameter
    """

    vars().update(_refusals())
    vars().update({name: _conversion(name) for name in _CONVERSIONS})
    __hash__ = Tensor.__hash__
    cls_to_become = Tensor

    @classmethod
    def _unsized(cls, requires_grad, device, dtype):
        """A new one; from now on operations look out for them."""
        _C.refuse_uninitialized(UninitializedTensorMixin)
        return Tensor._make_subclass(cls, empty(0, device=device, dtype=dtype), requires_grad)

    def materialize(self, shape, device=None, dtype=None):
        """Give the tensor sizes, and make it an ordinary one; its elements hold garbage.

        Args:
            shape: The sizes.
            device: Where it lives; where it is if None.
            dtype: Its type; the type that it has if None.
        """
        device = self.data.device if device is None else device
        dtype = self.data.dtype if dtype is None else dtype
        self.data = empty(shape, device=device, dtype=dtype)
        self.__class__ = self.cls_to_become

    @property
    def shape(self):
        """There is none.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeFailure(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    def share_memory_(self):
        """There is no memory to share.

        Raises:
            RuntimeError: Always.
        """
        raise RuntimeFailure(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to "
            "initialize the parameters before calling `module.share_memory()`."
        )

    def __repr__(self):
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol):
        return type(self), (self.requires_grad,)


def is_lazy(param):
    """Whether a parameter or buffer has no sizes yet.

    Args:
        param: Anything.

    Returns:
        True or False.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyLinear(3)
        >>> torch.nn.parameter.is_lazy(layer.weight)
        True
        >>> output = layer(torch.ones(2, 5))
        >>> torch.nn.parameter.is_lazy(layer.weight)
        False
    """
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A `Parameter` whose sizes are not known yet.

    Args:
        requires_grad: Whether gradients are accumulated for it.
        device: Where it will live.
        dtype: Its type.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.nn.UninitializedParameter()
        >>> weight.materialize((2, 3))
        >>> weight.shape
        torch.Size([2, 3])
    """

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        return cls._unsized(requires_grad, device, dtype)

    def __deepcopy__(self, memo):
        known = memo.get(id(self))
        if known is not None:
            return known
        result = type(self)(self.requires_grad, self.data.device, self.data.dtype)
        memo[id(self)] = result
        return result


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer whose sizes are not known yet.

    Args:
        requires_grad: Whether gradients are accumulated for it.
        device: Where it will live.
        dtype: Its type.
        persistent: Whether the buffer is part of the module's `state_dict`.

    Raises:
        ValueError: By every method that needs elements, until `materialize` is called.

    Example:
        >>> import flambeau as torch
        >>> mean = torch.nn.UninitializedBuffer()
        >>> mean.materialize((2, 3))
        >>> mean.shape, type(mean).__name__
        (torch.Size([2, 3]), 'Tensor')
    """

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        buffer = cls._unsized(requires_grad, device, dtype)
        buffer.persistent = persistent
        buffer._is_buffer = True
        return buffer
