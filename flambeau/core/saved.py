"""Hooks on what graphs save: the stack of hooks of each thread, and what nodes keep under them."""

from __future__ import annotations

from _thread import _local  # what threading.local is, without loading the rest of threading

from flambeau import _C
from flambeau.core.errors import GradError
from flambeau.core.events import Listeners

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Stack(_local):
    def __init__(self) -> None:
        self.hooks: list[tuple[Callable[[Any], Any], Callable[[Any], Any]]] = []
        self.disabled: str | None = None


stack = _Stack()
_packing = Listeners("pack_saved")
_active = 0  # blocks of hooks that are entered, in all threads


def push(pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> None:
    """Makes these the innermost hooks of the thread.

    Raises:
        GradError: if hooks are disabled.
    """
    global _active
    if stack.disabled is not None:
        raise GradError(stack.disabled)
    stack.hooks = [*stack.hooks, (pack, unpack)]
    _active += 1
    if _active == 1:
        _packing.add(pack_value)


def pop() -> None:
    """Takes the innermost hooks of the thread away."""
    global _active
    stack.hooks = stack.hooks[:-1]
    _active -= 1
    if _active == 0:
        _packing.remove(pack_value)


def pack_value(value: Any) -> Any:
    """What is kept of a tensor, or a tuple of them, under the innermost hooks; None without."""
    hooks = stack.hooks
    if not hooks:
        return None
    if isinstance(value, _C.TensorBase):
        return _pack_under(hooks, value)
    if not any(isinstance(v, _C.TensorBase) for v in value):
        return None
    return PackedTuple(_pack_under(hooks, v) if isinstance(v, _C.TensorBase) else v for v in value)


def _pack_under(hooks: list[Any], tensor: Any) -> Packed:
    """Packs with the innermost hooks; what they compute is itself saved by no hook."""
    stack.hooks = []
    try:
        pack, unpack = hooks[-1]
        return Packed(pack, unpack, tensor)
    finally:
        stack.hooks = hooks


class PackedTuple(tuple):  # type: ignore[type-arg]
    """A saved list of tensors, each packed."""

    __slots__ = ()

    def __call__(self, with_history: bool) -> tuple[Any, ...]:
        return tuple(v(with_history) if isinstance(v, Packed) else v for v in self)


class Packed:
    """What a node keeps of a saved tensor whose hooks packed it; called, it gives the tensor.

    Args:
        pack: turns the tensor into what is kept.
        unpack: turns that into the tensor again.
        tensor: the tensor to save.
    """

    __slots__ = ("_edge", "kept", "unpack_hook")

    def __init__(
        self, pack: Callable[[Any], Any], unpack: Callable[[Any], Any], tensor: Any
    ) -> None:
        self.unpack_hook = unpack
        self._edge: Any = None
        if tensor.requires_grad:
            node = tensor.grad_fn
            self._edge = (tensor, 0) if node is None else (node, tensor.output_nr)
        recording = _C.is_grad_enabled()
        version = tensor._version
        _C.set_grad_enabled(False)
        try:
            self.kept = pack(tensor)
        finally:
            _C.set_grad_enabled(recording)
        if tensor._version != version:
            raise GradError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as "
                "input to pack hook cannot be modified by in-place operations as this can lead to "
                "unexpected side-effects. Please open an issue if you need to perform in-place "
                "operations on the input to a pack hook."
            )

    def __call__(self, with_history: bool) -> Any:
        tensor: Any = self.unpack_hook(self.kept)
        if not isinstance(tensor, _C.TensorBase):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                + type(tensor).__name__
            )
        if not with_history or self._edge is None or tensor is self._edge[0]:
            return tensor
        target, number = self._edge
        if isinstance(target, _C.Node):
            return _C.output_of(tensor, target, number)
        return _same_leaf(tensor, target)


class _HandOver:
    """The gradient of a tensor that stands for a leaf is the leaf's."""

    def __call__(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        return gradients

    def release(self) -> None:
        pass


def _same_leaf(tensor: Any, leaf: Any) -> Any:
    made = _C.detach(tensor)
    node = _C.make_custom_node("UnpackBackward", _HandOver(), [leaf])
    _C.set_custom_outputs(node, [made], [True])
    return made
