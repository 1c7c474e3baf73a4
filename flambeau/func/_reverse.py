"""Reverse mode: vjp, grad, jacrev.

Where no other transform runs, the graph is the ordinary one. Inside of others the inputs become
wrappers of a level of their own, whose graph records what the levels below compute; the backward
then runs one level below.
"""

from __future__ import annotations

import functools
from typing import Any

from flambeau import _C
from flambeau.core.grad_mode import enable_grad
from flambeau.core.tensor import Tensor
from flambeau.func import _tree
from flambeau.func._levels import Transform, is_tracked, running, track
from flambeau.func._vmap import vmap
from flambeau.ops.creation import zeros_like


class Track(Transform):
    """The level of a graph inside of other transforms; its wrappers hold the tracked value."""


def differentiable(value: Any) -> bool:
    """Whether gradients can flow to a value."""
    return isinstance(value, Tensor) and (value.dtype.is_floating_point or value.dtype.is_complex)


def require_tensors(leaves: list) -> None:
    """Raises for what gradients cannot flow to."""
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")
        if not differentiable(leaf):
            raise RuntimeError("only Tensors of floating point dtype can require gradients")


class Graph:
    """A recorded call: its outputs as the levels below see them, and gradients on demand."""

    def __init__(self, function: Any, inputs: list):
        """Calls `function` with a list of tensors in place of `inputs`; it returns leaves and a
        structure.
        """
        self.inputs = inputs
        recording = _C.is_grad_enabled()
        with enable_grad():
            if running():
                with Track() as level:
                    self.level = level.level
                    self.leaves = [track(level.wrap(x, None)) for x in inputs]
                    self.tracked, self.structure = function(self.leaves)
                self.outputs = [self._below(level, t) for t in self.tracked]
            else:
                self.level = 0
                self.leaves = [_fresh(x, recording) for x in inputs]
                self.tracked, self.structure = function(self.leaves)
                self.outputs = self._plain(recording)

    @staticmethod
    def _below(level: Transform, tensor: Tensor) -> Tensor:
        wrapped = level.inside(tensor)
        return tensor if wrapped is None else wrapped.value

    def _plain(self, recording: bool) -> list[Tensor]:
        """The outputs; without history if nothing outside the call wants gradients."""
        live = [t for t in self.tracked if isinstance(t, Tensor) and t.requires_grad]
        for leaf in self.leaves:
            if leaf.is_leaf:
                _C.seal(leaf)
        self.recording = recording
        self.outside = recording and _C.leads_elsewhere(live)
        if self.outside:
            return self.tracked
        return [t.detach() if isinstance(t, Tensor) else t for t in self.tracked]

    def from_outside(self, tensor: Tensor) -> Tensor:
        """A tensor of the call as if its inputs had not been made leaves for it."""
        for leaf, given in zip(self.leaves, self.inputs, strict=True):
            if tensor is leaf:
                return given
        live = self.recording and tensor.requires_grad and _C.leads_elsewhere([tensor])
        return tensor if live else tensor.detach()

    def gradients(self, cotangents: list, retain: bool) -> list[Tensor]:
        """The gradients of the inputs for those of the outputs."""
        starts, roots = [], []
        for output, cotangent in zip(self.tracked, cotangents, strict=True):
            if cotangent is not None and self.reaches(output):
                roots.append(output)
                starts.append(cotangent)
        create = _C.is_grad_enabled() and (
            self.level > 0 or self.outside or any(c.requires_grad for c in starts)
        )
        found: Any = [None] * len(self.inputs)
        if roots:
            found = _C.run_backward(
                roots, starts, retain or create, create, self.leaves, False, self.level
            )
        return [zeros_like(x) if g is None else g for x, g in zip(self.inputs, found, strict=True)]

    def reaches(self, output: Tensor) -> bool:
        """Whether gradients flow from an output to the inputs' side of the graph."""
        if not self.level:
            return output.requires_grad
        wrapped = _C.wrapped_of(output)
        own = wrapped is not None and wrapped.level == self.level and wrapped.mark is None
        return own and is_tracked(output)


def _fresh(x: Tensor, recording: bool) -> Tensor:
    """The tensor as the start of a graph of its own, connected to the one it is in already."""
    if recording and x.requires_grad:
        return x.view_as(x)
    leaf = _C.detach(x)
    leaf.requires_grad = True
    return leaf


# ---- calls ----


def _with_aux(name: str, result: Any) -> tuple[Any, Any]:
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def _outside(value: Any, graph: Graph) -> Any:
    """What a call returns besides its outputs: without its own graph."""

    def leaf(x: Any) -> Any:
        wrapped = _C.wrapped_of(x)
        if wrapped is not None and wrapped.level == graph.level and wrapped.mark is None:
            return wrapped.value
        return graph.from_outside(x) if graph.level == 0 and isinstance(x, Tensor) else x

    return _tree.tree_map(leaf, value)


def _record(name: str, func: Any, inputs: list, spec: Any, has_aux: bool) -> tuple[Graph, Any]:
    """The graph of func(*args), args given as leaves and structure, and the auxiliary output."""
    kept: list = []

    def function(leaves: list) -> tuple[list, Any]:
        result = func(*_tree.unflatten(leaves, spec))
        if has_aux:
            result, aux = _with_aux(name, result)
            kept.append(aux)
        flat, structure = _tree.flatten(result)
        for value in flat:
            if not isinstance(value, Tensor):
                raise RuntimeError(
                    f"{name}: expected f(*primals) to return only tensors, got unsupported type "
                    f"{type(value)}"
                )
        return flat, structure

    graph = Graph(function, inputs)
    return graph, _outside(kept[0], graph) if has_aux else None


def vjp(func: Any, *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and the function that maps a gradient of it to those of the inputs.

    Args:
        func: takes the primals, returns tensors or nested structures of them.
        primals: tensors or nested structures of them.
        has_aux: `func` returns (output, aux), aux being handed through.

    Returns:
        (output, vjp_fn), or (output, vjp_fn, aux). `vjp_fn(cotangents)` gives a tuple with one
        entry per primal.

    Example:
        >>> out, pull = flambeau.func.vjp(flambeau.sin, flambeau.zeros(2))
        >>> pull(flambeau.tensor([1., 3.]))
        (tensor([1., 3.]),)
    """
    leaves, spec = _tree.flatten(primals)
    require_tensors(leaves)
    graph, aux = _record("vjp(f, *primals)", func, leaves, spec, has_aux)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: Any = None) -> Any:
        flat, structure = _tree.flatten(cotangents)
        if structure != graph.structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {structure}, primal output: "
                f"{graph.structure}"
            )
        for cotangent, output in zip(flat, graph.outputs, strict=True):
            _require_like(cotangent, output)
        found = graph.gradients(flat, retain_graph)
        return _tree.unflatten(found, spec)

    output = _tree.unflatten(graph.outputs, graph.structure)
    return (output, vjp_fn, aux) if has_aux else (output, vjp_fn)


def _require_like(cotangent: Any, output: Tensor) -> None:
    if not isinstance(cotangent, Tensor):
        raise RuntimeError(
            f"vjp_fn: Expected cotangents to be Tensors, got {type(cotangent).__name__}"
        )
    if cotangent.shape != output.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {cotangent.shape} and output[0] has "
            f"a shape of {output.shape}."
        )


def chosen(argnums: Any, args: tuple) -> tuple[int, ...]:
    """The numbers of the arguments to differentiate by.

    Raises:
        RuntimeError: if there is no such argument, or the numbers are neither int nor tuple.
    """
    if not isinstance(argnums, (int, tuple)):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    found = []
    for number in numbers:
        if not -len(args) <= number < len(args):
            raise RuntimeError(f"Got argnum={number}, but only {len(args)} positional inputs")
        found.append(number % len(args))
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return tuple(found)


def by_argnums(func: Any, argnums: Any, args: tuple, kwargs: dict) -> tuple[Any, tuple, bool]:
    """`func` as a function of the chosen arguments alone, these, and whether it is a single one."""
    numbers = chosen(argnums, args)

    def partial(*own: Any) -> Any:
        everything = list(args)
        for number, value in zip(numbers, own, strict=True):
            everything[number] = value
        return func(*everything, **kwargs)

    return partial, tuple(args[n] for n in numbers), isinstance(argnums, int)


def grad_and_value(func: Any, argnums: Any = 0, has_aux: bool = False) -> Any:
    """A function that returns the gradient of a scalar function together with its value.

    Args:
        func: returns a tensor of one element without axes.
        argnums: which arguments to differentiate by: a number, or a tuple of them.
        has_aux: `func` returns (output, aux), aux being handed through.

    Returns:
        A function of the same arguments: (gradient, value), or (gradient, (value, aux)).

    Raises:
        RuntimeError: if the result is not a scalar tensor.

    Example:
        >>> flambeau.func.grad_and_value(flambeau.sin)(flambeau.tensor(0.))
        (tensor(1.), tensor(0.))
    """
    name = "grad_and_value(f)(*args)"

    @functools.wraps(func, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        partial, own, single = by_argnums(func, argnums, args, kwargs)

        def checked(*values: Any) -> Any:
            result = partial(*values)
            output = _with_aux(name, result)[0] if has_aux else result
            if not isinstance(output, Tensor):
                raise RuntimeError(
                    f"{name}: Expected f(*args) to return a Tensor, got {type(output)}"
                )
            if output.ndim != 0:
                raise RuntimeError(
                    f"{name}: Expected f(*args) to return a scalar Tensor, got tensor with "
                    f"{output.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
                )
            return result

        leaves, spec = _tree.flatten(own)
        require_tensors(leaves)
        graph, aux = _record(name, checked, leaves, spec, has_aux)
        value = graph.outputs[0]
        one = _C.full((), 1, value.dtype)
        gradients = _tree.unflatten(graph.gradients([one], retain=False), spec)
        gradients = gradients[0] if single else gradients
        return (gradients, (value, aux)) if has_aux else (gradients, value)

    return wrapper


def grad(func: Any, argnums: Any = 0, has_aux: bool = False) -> Any:
    """A function that returns the gradient of a scalar function.

    It nests with itself and all other transforms: `vmap(grad(f))` gives one gradient per example.

    Args:
        func: returns a tensor of one element without axes.
        argnums: which arguments to differentiate by: a number, or a tuple of them.
        has_aux: `func` returns (output, aux); the result is then (gradient, aux).

    Raises:
        RuntimeError: if the result is not a scalar tensor.

    Example:
        >>> flambeau.func.grad(flambeau.func.grad(flambeau.sin))(flambeau.tensor(0.))
        tensor(-0.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradients, value = both(*args, **kwargs)
        return (gradients, value[1]) if has_aux else gradients

    return wrapper


# ---- Jacobians ----


def basis(tensors: list) -> list[Tensor]:
    """Unit vectors of the space of several tensors: per tensor a batch of its part in each."""
    total = sum(t.numel() for t in tensors)
    parts, start = [], 0
    for t in tensors:
        n = t.numel()
        rows = _C.full((total, n), 0, t.dtype)
        if n:
            block = _C.slice(rows, 0, start, start + n, 1)
            _C.copy_into(block, _C.eye(n, n, t.dtype))
        parts.append(_C.view(rows, (total, *t.shape)))
        start += n
    return parts


def _rows(graph: Graph, chunk_size: int | None) -> list[Tensor]:
    """The gradients of all inputs for each element of the outputs, stacked along a first axis."""
    count = sum(t.numel() for t in graph.outputs)
    if count == 1:  # no need for a batch
        cotangents = [_C.full(t.shape, 1, t.dtype) for t in graph.outputs]
        return [g.unsqueeze(0) for g in graph.gradients(cotangents, retain=False)]
    if count == 0:
        return [_C.full((0, *x.shape), 0, x.dtype) for x in graph.inputs]
    cotangents = basis(graph.outputs)
    if chunk_size == 1:
        found = [
            graph.gradients([c.select(0, k) for c in cotangents], retain=True) for k in range(count)
        ]
        from flambeau.ops.join import stack

        return [stack(list(column)) for column in zip(*found, strict=True)]

    def pull(*given: Tensor) -> tuple:
        return tuple(graph.gradients(list(given), retain=True))

    return list(vmap(pull, chunk_size=chunk_size)(*cotangents))


def jacrev(
    func: Any,
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Any:
    """A function that returns the Jacobian, computed row by row in reverse mode.

    Args:
        func: takes and returns tensors or nested structures of them.
        argnums: which arguments to differentiate by: a number, or a tuple of them.
        has_aux: `func` returns (output, aux); the result is then (jacobian, aux).
        chunk_size: how many rows to compute at once; None for all.

    Returns:
        A function of the same arguments. For an output and an input the Jacobian has the sizes of
        the output followed by those of the input; structures of outputs hold those of inputs.

    Raises:
        ValueError: if chunk_size is not positive.

    Example:
        >>> flambeau.func.jacrev(flambeau.sin)(flambeau.zeros(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        partial, own, single = by_argnums(func, argnums, args, kwargs)
        leaves, spec = _tree.flatten(own)
        require_tensors(leaves)
        graph, aux = _record("vjp(f, *primals)", partial, leaves, spec, has_aux)
        rows = _rows(graph, chunk_size)
        jacobians, start = [], 0
        for output in graph.outputs:
            n = output.numel()
            parts = [
                r.narrow(0, start, n).reshape((*output.shape, *x.shape))
                for r, x in zip(rows, leaves, strict=True)
            ]
            by_argument = _tree.unflatten(parts, spec)
            jacobians.append(by_argument[0] if single else by_argument)
            start += n
        result = _tree.unflatten(jacobians, graph.structure)
        return (result, aux) if has_aux else result

    return wrapper


def linearize(func: Any, *primals: Any) -> tuple[Any, Any]:
    """The value of a function, and its best linear approximation there as a function of tangents.

    The function is evaluated once, however many tangents are pushed through the approximation.

    Args:
        func: a function of tensors (or trees of them) that returns such.
        primals: where it is approximated.

    Returns:
        (output, jvp_fn).

    Raises:
        RuntimeError: by the approximation, if the tangents have another structure than the primals.

    Example:
        >>> out, push = flambeau.func.linearize(flambeau.sin, flambeau.zeros(2))
        >>> push(flambeau.tensor([1., 3.]))
        tensor([1., 3.])
    """
    leaves, spec = _tree.flatten(primals)
    output, pull = vjp(func, *primals)
    # pull is linear in its argument; its transpose maps tangents of the inputs to the output's.
    start = _tree.tree_map(zeros_like, output)
    _, push = vjp(pull, start)

    def jvp_fn(*tangents: Any) -> Any:
        if _tree.flatten(tangents)[1] != spec:
            raise RuntimeError(
                f"Expected the tangents {_tree.flatten(tangents)[1]} to have the same argspec as "
                f"the primals {spec}"
            )
        for k, (t, x) in enumerate(zip(_tree.flatten(tangents)[0], leaves, strict=True)):
            if t.shape != x.shape:
                raise RuntimeError(
                    f"tangent:{k} with shape {t.shape} in flattened pytree doesn't match the shape "
                    f"{x.shape} of the corresponding primal."
                )
        return push(tangents)[0]

    return output, jvp_fn
