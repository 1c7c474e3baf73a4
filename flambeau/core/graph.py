"""What Python sees of graph nodes: `grad_fn.next_functions`, hooks on nodes, `AccumulateGrad`."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.hooks import RemovableHandle

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

Node: Any = _C.Node


class AccumulateGrad:
    """Stands for a leaf among `next_functions`; the graph itself points at the tensor."""

    __slots__ = ("variable",)

    def __init__(self, variable: Any) -> None:
        self.variable = variable

    def name(self) -> str:
        """The node's name."""
        return "torch::autograd::AccumulateGrad"

    next_functions: tuple[Any, ...] = ()

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


Node.next_functions = property(_next_functions)
Node.register_hook = _register_hook
Node.register_prehook = _register_prehook
