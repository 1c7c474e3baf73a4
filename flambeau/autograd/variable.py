"""`Variable`, what tensors with gradients were called before they were all tensors."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any


class _VariableMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """Makes a tensor over the memory of another, without its history; every tensor is an instance.

    Args:
        data: The tensor, or None for an empty one.
        requires_grad: Whether operations on the result are recorded.
        volatile: Of no effect since `no_grad` exists; giving it warns.

    Raises:
        TypeError: If `data` is no tensor.
        RuntimeError: If tensors of its type cannot require gradients.

    Example:
        >>> x = flambeau.autograd.Variable(flambeau.ones(2), requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 2.])
    """

    def __new__(  # type: ignore[misc]  # a Tensor is what programs of that time expect
        cls, data: Any = None, requires_grad: Any = False, volatile: Any = None
    ) -> Tensor:
        if volatile is not None:
            warn("volatile was removed and now has no effect. Use `with torch.no_grad():` instead.")
        if data is None:
            data = Tensor()
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        made: Tensor = _C.detach(data)
        return made.requires_grad_(bool(requires_grad))
