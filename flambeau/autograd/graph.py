"""Looking at graphs and taking part in them: hooks on saved tensors and on gradients, edges."""

from __future__ import annotations

import threading

from flambeau import _C
from flambeau.autograd.drawing import draw
from flambeau.core import graph as _graph
from flambeau.core import saved as _saved
from flambeau.core.errors import GradError
from flambeau.core.events import writes as _writes
from flambeau.core.hooks import HandleGroup
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class _NodeMeta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, (_C.Node, _graph.AccumulateGrad))


class Node(metaclass=_NodeMeta):
    """What the nodes of graphs have in common; for `isinstance`.

    A node has `name()`, `next_functions`, `metadata`, `register_hook` and `register_prehook`.

    Example:
        >>> y = flambeau.ones(1, requires_grad=True).exp()
        >>> isinstance(y.grad_fn, flambeau.autograd.graph.Node), y.grad_fn.name()
        (True, 'ExpBackward0')
    """


class GradientEdge(tuple):  # type: ignore[type-arg]
    """A place in the graph that a gradient flows through: a node and one of its outputs.

    `backward` and `grad` take it in place of a tensor, which then need not be kept.

    Args:
        node: a node.
        output_nr: which of its outputs.
        ownership_token: what must live as long as the edge.

    Example:
        >>> x = flambeau.tensor(3.0, requires_grad=True)
        >>> edge = flambeau.autograd.graph.get_gradient_edge(x * x)
        >>> flambeau.autograd.grad(edge, x)
        (tensor(6.),)
    """

    __slots__ = ()

    def __new__(cls, node: Any, output_nr: int, ownership_token: Any = None) -> GradientEdge:
        return tuple.__new__(cls, (node, output_nr, ownership_token))

    node: Any = property(lambda self: self[0])
    output_nr: Any = property(lambda self: self[1])
    ownership_token: Any = property(lambda self: self[2])

    def __repr__(self) -> str:
        return f"GradientEdge(node={self[0]!r}, output_nr={self[1]}, ownership_token={self[2]!r})"


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge by which the gradient of `tensor` enters the graph.

    Raises:
        RuntimeError: if the tensor does not require gradients.

    Example:
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> y = (x * 3).sum()
        >>> edge = flambeau.autograd.graph.get_gradient_edge(y)
        >>> del y
        >>> flambeau.autograd.grad(edge, x)
        (tensor([3., 3.]),)
    """
    if not tensor.requires_grad:
        raise GradError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    node = tensor.grad_fn
    if node is None:
        return GradientEdge(_graph.AccumulateGrad(tensor), 0)
    return GradientEdge(node, tensor.output_nr)


def increment_version(tensor: Any) -> None:
    """Tells autograd that the values of a tensor, or of several, changed behind its back.

    Args:
        tensor: a tensor or an iterable of tensors.

    Example:
        >>> x = flambeau.ones(1)
        >>> before = x._version
        >>> flambeau.autograd.graph.increment_version(x)
        >>> x._version - before
        1
    """
    for each in (tensor,) if isinstance(tensor, Tensor) else tensor:
        _C.bump_version(each)


# ---- hooks on saved tensors ----


class saved_tensors_hooks:
    """What the block saves for backward goes through `pack_hook` and back through `unpack_hook`.

    Args:
        pack_hook: called with each tensor when it is saved; what it returns is kept instead.
        unpack_hook: called with that when backward needs the tensor, which it returns.

    Raises:
        RuntimeError: inside `disable_saved_tensors_hooks`.

    Example:
        >>> x = flambeau.tensor(3.0, requires_grad=True)
        >>> with flambeau.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), flambeau.tensor):
        ...     y = x * x
        >>> flambeau.autograd.grad(y, x)
        (tensor(6.),)
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        _saved.push(self.pack_hook, self.unpack_hook)

    def __exit__(self, *exc: object) -> None:
        _saved.pop()


class save_on_cpu(saved_tensors_hooks):
    """Keeps what the block saves as copies in main memory, and moves them back for backward.

    Args:
        pin_memory: whether to use page-locked memory for the copies, where a device has it.
        device_type: the device that the tensors come from.

    Example:
        >>> x = flambeau.tensor(3.0, requires_grad=True)
        >>> with flambeau.autograd.graph.save_on_cpu():
        ...     y = x * x
        >>> flambeau.autograd.grad(y, x)
        (tensor(6.),)
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Any) -> tuple[Any, Any]:
            return tensor.device, tensor.to("cpu", copy=True)

        def unpack(packed: tuple[Any, Any]) -> Tensor:
            device, kept = packed
            moved: Tensor = kept.to(device, non_blocking=pin_memory)
            return moved

        super().__init__(pack, unpack)


class disable_saved_tensors_hooks:
    """In the block, hooks on saved tensors are refused.

    Args:
        error_message: the text of the RuntimeError that `saved_tensors_hooks` then raises.

    Raises:
        RuntimeError: if there are hooks already.

    Example:
        >>> from flambeau.autograd.graph import disable_saved_tensors_hooks, saved_tensors_hooks
        >>> with disable_saved_tensors_hooks("not here"):
        ...     with saved_tensors_hooks(lambda t: t, lambda t: t):
        ...         pass
        Traceback (most recent call last):
        ...
        flambeau.core.errors.GradError: not here
    """

    def __init__(self, error_message: str) -> None:
        self.error_message = error_message

    def __enter__(self) -> None:
        if _saved.stack.hooks:
            raise GradError(self.error_message)
        self._before = _saved.stack.disabled
        _saved.stack.disabled = self.error_message

    def __exit__(self, *exc: object) -> None:
        _saved.stack.disabled = self._before


# ---- changing what was saved ----


class _Mutations:
    """Copies of saved tensors, made when one is about to be overwritten."""

    def __init__(self) -> None:
        self.saved: dict[int, list[_SavedAsItWas]] = {}  # by storage
        self.open = True

    def pack(self, tensor: Tensor) -> _SavedAsItWas:
        entry = _SavedAsItWas(self, tensor)
        self.saved.setdefault(_storage_of(tensor), []).append(entry)
        return entry

    def unpack(self, entry: _SavedAsItWas) -> Tensor:
        if not self.open:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context"
                "in which the graph was originally recorded."
            )
        return entry.tensor

    def before_write(self, tensor: Tensor) -> None:
        for entry in self.saved.pop(_storage_of(tensor), ()):
            recording = _C.is_grad_enabled()
            _C.set_grad_enabled(False)
            try:
                entry.tensor = entry.tensor.clone()
            finally:
                _C.set_grad_enabled(recording)

    def clear(self) -> None:
        """Forgets the copies; backward of what was recorded is not possible any more."""
        self.saved.clear()


class _SavedAsItWas:
    __slots__ = ("owner", "tensor")

    def __init__(self, owner: _Mutations, tensor: Tensor) -> None:
        self.owner = owner
        self.tensor = tensor


def _storage_of(tensor: Tensor) -> int:
    key: int = tensor.untyped_storage()._cdata
    return key


class allow_mutation_on_saved_tensors:
    """In the block, a tensor that backward needs may be changed in place: it is copied first.

    Raises:
        RuntimeError: if such blocks are nested.

    Example:
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> with flambeau.autograd.graph.allow_mutation_on_saved_tensors():
        ...     y = x.clone()
        ...     z = (y ** 2).sum()
        ...     _ = y.sin_()
        ...     z.backward()
        >>> x.grad
        tensor([2., 2.])
    """

    _inside = False

    def __enter__(self) -> _Mutations:
        if allow_mutation_on_saved_tensors._inside:
            raise GradError("allow_mutation_on_saved_tensors contexts cannot be nested")
        allow_mutation_on_saved_tensors._inside = True
        self._mutations = _Mutations()
        self._hooks = saved_tensors_hooks(self._mutations.pack, self._mutations.unpack)
        self._hooks.__enter__()
        _writes.add(self._mutations.before_write)
        return self._mutations

    def __exit__(self, *exc: object) -> None:
        _writes.remove(self._mutations.before_write)
        self._hooks.__exit__()
        self._mutations.open = False
        self._mutations.clear()
        allow_mutation_on_saved_tensors._inside = False


# ---- one hook for several gradients ----


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all"
) -> HandleGroup:
    """Calls `fn` in every backward when the gradients of all the tensors, or of one, are known.

    Args:
        tensors: tensors that require gradients.
        fn: with mode "all", called with the list of their gradients (None for those that this
            backward does not reach); with mode "any", with the first one.
        mode: "all" or "any".

    Returns:
        A handle whose `remove()` takes the hooks away.

    Raises:
        ValueError: for another mode.

    Example:
        >>> x = flambeau.tensor(2.0, requires_grad=True)
        >>> y = flambeau.tensor(3.0, requires_grad=True)
        >>> handle = flambeau.autograd.graph.register_multi_grad_hook((x, y), print)
        >>> (x * y).backward()
        [tensor(3.), tensor(2.)]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    watch = _AllGradients(tensors, fn) if mode == "all" else _AnyGradient(fn)
    return HandleGroup([t.register_hook(watch.hook_of(k)) for k, t in enumerate(tensors)])


class _AnyGradient:
    """Calls the function with the first gradient of each backward."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._done_in: int | None = None

    def hook_of(self, place: int) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            current = _C.current_backward()
            with self._lock:
                if self._done_in == current:
                    return
                self._done_in = current
            self._function(gradient)

        return hook


class _AllGradients:
    """Collects the gradients of one backward until those it reaches are there."""

    def __init__(self, tensors: Sequence[Tensor], function: Callable[..., Any]) -> None:
        self._edges = [_target(t) for t in tensors]
        self._function = function
        self._lock = threading.Lock()
        self._arrived: dict[int, list[Tensor | None]] = {}  # by backward
        self._missing: dict[int, int] = {}

    def hook_of(self, place: int) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            current = _C.current_backward()
            with self._lock:
                if current not in self._arrived:
                    self._arrived[current] = [None] * len(self._edges)
                    self._missing[current] = sum(map(_C.is_reached, self._edges))
                self._arrived[current][place] = gradient
                self._missing[current] -= 1
                if self._missing[current]:
                    return
                gradients = self._arrived.pop(current)
                del self._missing[current]
            self._function(gradients)

        return hook


def _target(tensor: Tensor) -> Any:
    node = tensor.grad_fn
    return tensor if node is None else node


__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "draw",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]
