"""What Python sees of graph nodes: next functions, hooks, saved values, `AccumulateGrad`."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import GradError
from flambeau.core.hooks import HandleGroup, RemovableHandle
from flambeau.core.saved import Packed, PackedTuple

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Node: Any = _C.Node


class InputMetadata:
    """What a node expects of one of the gradients it gets: the look of an output of its forward."""

    __slots__ = ("device", "dtype", "shape")

    is_nested_tensor = False
    is_cpp_nested_tensor = False

    def __init__(self, shape: Any, dtype: Any, device: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device


class AccumulateGrad:
    """Stands for a leaf among `next_functions`; the graph itself points at the tensor."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def name(self) -> str:
        """The node's name."""
        return "torch::autograd::AccumulateGrad"

    next_functions: tuple[Any, ...] = ()
    requires_grad = True

    def _sequence_nr(self) -> int:
        """The largest number: leaves are reached as soon as their gradient is complete."""
        return 2**64 - 1

    @property
    def _input_metadata(self) -> tuple[InputMetadata, ...]:
        leaf = self.variable
        return (InputMetadata(leaf.shape, leaf.dtype, leaf.device),)

    @property
    def metadata(self) -> dict[Any, Any]:
        """A dictionary of the user's own, kept with the leaf."""
        kept: dict[Any, Any] = self.variable.__dict__.setdefault("_accumulate_metadata", {})
        return kept

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook((grad,))` before the gradient is accumulated; it may return another tuple."""

        def on_gradient(gradient: Any) -> Any:
            replaced = hook((gradient,))
            if replaced is None:
                return None
            if not isinstance(replaced, tuple):
                raise TypeError(f"expected tuple, but hook returned '{type(replaced).__name__}'")
            return replaced[0]

        handle: RemovableHandle = self.variable.register_hook(on_gradient)
        return handle

    def register_hook(self, hook: Callable[..., Any]) -> HandleGroup:
        """Calls `hook((), (grad,))` after the gradient was accumulated."""
        arrived: list[Any] = []
        before = self.variable.register_hook(lambda gradient: arrived.append(gradient))
        after = self.variable.register_post_accumulate_grad_hook(
            lambda _: hook((), (arrived.pop(),))
        )
        return HandleGroup((before, after))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and self.variable is other.variable

    def __hash__(self) -> int:
        return id(self.variable)

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self.variable):#x}>"


def _next_functions(node: Any) -> tuple[tuple[Any, int], ...]:
    """Where the gradients of the inputs go: (node, output number), (None, 0) for constants."""
    return tuple(
        (target if target is None or isinstance(target, Node) else AccumulateGrad(target), number)
        for target, number in node._edges
    )


def _input_metadata(node: Any) -> tuple[InputMetadata, ...]:
    """What the gradients that the node gets look like, one per output of its forward."""
    pairs = zip(node._outputs, node._devices, strict=True)
    return tuple(InputMetadata(shape, dtype, device) for (shape, dtype), device in pairs)


def _register_hook(node: Any, hook: Callable[..., Any]) -> RemovableHandle:
    """Calls `hook(grad_inputs, grad_outputs)` after this node; it may return other grad_inputs."""
    if node._posthooks is None:
        node._posthooks = {}
    return RemovableHandle.add(node._posthooks, hook)


def _register_prehook(node: Any, hook: Callable[..., Any]) -> RemovableHandle:
    """Calls `hook(grad_outputs)` before this node runs; it may return other grad_outputs."""
    if node._prehooks is None:
        node._prehooks = {}
    return RemovableHandle.add(node._prehooks, hook)


# ---- what a node saved, under torch's names ----

_OUT, _INPUT, _SHAPE = 1, 2, 3  # kinds of SourceKind in csrc/bind/node.h


def saved_places(node: Any) -> dict[str, tuple[int, int | None]]:
    """{name: (place among the saved values, number of the output or None)}: self, other, result."""
    op = node._op
    if op is None:
        return {}
    outputs = op.info.outputs or ("result",)
    found = {}
    for (kind, index), place in op.slots.items():
        if kind == _OUT:
            found[outputs[index]] = (place, index)
        elif kind in (_INPUT, _SHAPE):
            name = "self" if op.params[index] == "input" else op.params[index]
            found[name + ("_sym_sizes" if kind == _SHAPE else "")] = (place, None)
    return found


def saved_value(node: Any, place: int, output: int | None) -> Any:
    """A saved value as backward gets it: from its hooks, outputs with their history."""
    value = node._saved[place]
    if isinstance(value, (Packed, PackedTuple)):
        value = value(True)
    if output is not None and value is not None:
        return _C.output_of(value, node, output)
    return value


class SavedTensor:
    """One saved value of a node, for hooks of its own (`grad_fn._raw_saved_self`).

    Example:
        >>> y = flambeau.tensor([3.0], requires_grad=True).exp()
        >>> y.grad_fn._raw_saved_result.register_hooks(lambda t: t.half(), lambda h: h.float())
    """

    __slots__ = ("_node", "_place")

    def __init__(self, node: Any, place: int) -> None:
        self._node = node
        self._place = place

    def register_hooks(
        self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]
    ) -> None:
        """Keeps `pack_hook(tensor)` from now on; `unpack_hook` of it is what backward gets.

        Raises:
            RuntimeError: if the value has hooks, was freed, or is no tensor.
        """
        value = self._node._saved[self._place]
        if isinstance(value, Packed):
            raise GradError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: "
                "only one pair of hooks is allowed at a time."
            )
        if not isinstance(value, _C.TensorBase):
            raise GradError("Calling register_hooks on a saved tensor with value None is forbidden")
        self._node._pack(self._place, Packed(pack_hook, unpack_hook, value))

    def unpack(self) -> Any:
        """The value as backward gets it."""
        return saved_value(self._node, self._place, None)

    @property
    def data(self) -> Any:
        """What is kept: the tensor itself, or what the pack hook made of it."""
        value = self._node._saved[self._place]
        return value.kept if isinstance(value, Packed) else value

    @property
    def unpack_hook(self) -> Any:
        """The hook that gives the tensor back, or None."""
        value = self._node._saved[self._place]
        return value.unpack_hook if isinstance(value, Packed) else None


def _node_attribute(node: Any, name: str) -> Any:
    """`_saved_*` and `_raw_saved_*` of operations; the fields of `ctx` for custom functions."""
    if name.startswith("_saved_"):
        found = saved_places(node).get(name[7:])
        if found is not None:
            return saved_value(node, *found)
    elif name.startswith("_raw_saved_"):
        found = saved_places(node).get(name[11:])
        if found is not None:
            return SavedTensor(node, found[0])
    elif node._custom is not None and not name.startswith("__"):
        ctx = getattr(node._custom, "ctx", None)
        if hasattr(ctx, name):
            return getattr(ctx, name)
    raise AttributeError(f"'{type(node).__name__}' object has no attribute '{name}'")


def _node_names(node: Any) -> list[str]:
    saved = saved_places(node)
    raw = [n for n in saved if not n.endswith("_sym_sizes")]
    return sorted(
        {
            *object.__dir__(node),
            *("_saved_" + n for n in saved),
            *("_raw_saved_" + n for n in raw),
        }
    )


Node.next_functions = property(_next_functions)
Node._input_metadata = property(_input_metadata)
Node.requires_grad = True
Node.register_hook = _register_hook
Node.register_prehook = _register_prehook
Node.__getattr__ = _node_attribute
Node.__dir__ = _node_names
