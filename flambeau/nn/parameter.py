"""Parameter and Buffer: tensors that a module registers when they are assigned to it."""

from collections import OrderedDict

from flambeau.core.errors import GradError
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
