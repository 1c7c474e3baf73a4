"""Gradients: `backward`, `grad`, custom `Function`s, grad modes, anomaly detection, gradcheck."""

from __future__ import annotations

from flambeau import _C
from flambeau.autograd.anomaly import detect_anomaly, set_detect_anomaly
from flambeau.autograd.function import Function, once_differentiable
from flambeau.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from flambeau.autograd.variable import Variable
from flambeau.backends import kernels
from flambeau.core.errors import ArgumentTypeError, GradError, ShapeError
from flambeau.core.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from flambeau.core.graph import SavedTensor
from flambeau.core.notices import warn, warn_once
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    _Tensors = Tensor | Sequence[Tensor]
    _Gradients = Tensor | Sequence[Tensor | None] | None


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Tensor) or _is_edge(value):
        return (value,)
    if not hasattr(value, "__iter__"):
        raise ArgumentTypeError(
            f"expected a tensor or a sequence of tensors, got {type(value).__name__}"
        )
    return tuple(value)


def _is_edge(value: Any) -> bool:
    """Whether this is a `graph.GradientEdge`, which loads with the module that makes them."""
    return type(value).__name__ == "GradientEdge"


def _place(value: Any) -> Any:
    """A tensor as it is; of an edge the node, or the leaf, and the number of the output."""
    if not _is_edge(value):
        return value
    leaf = getattr(value.node, "variable", None)
    return (value.node if leaf is None else leaf, value.output_nr)


def _start_of_edge(edge: Any, gradient: Any) -> Tensor:
    leaf = getattr(edge.node, "variable", None)
    if leaf is None and not 0 <= edge.output_nr < len(edge.node._outputs):
        raise GradError(f"the node {edge.node.name()} has no output {edge.output_nr}")
    shape, dtype = edge.node._outputs[edge.output_nr] if leaf is None else (leaf.shape, leaf.dtype)
    if gradient is None:
        if shape.numel() != 1:
            raise GradError("grad can be implicitly created only for scalar outputs")
        made: Tensor = _C.full(shape, 1.0, dtype)
        return made
    if gradient.shape != shape:
        raise ShapeError(
            f"Mismatch in shape: the gradient has a shape of {gradient.shape} and the edge one of"
            f" {shape}."
        )
    kept: Tensor = gradient
    return kept


def _require_tensor(value: object, place: int) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"inputs[{place}] must be a Tensor, not {type(value).__name__}")


def _initial(outputs: tuple[Any, ...], gradients: Any) -> list[Tensor]:
    """The gradients to start from: ones for single elements, checked shapes for the rest."""
    gradients = (None,) * len(outputs) if gradients is None else _as_tuple(gradients)
    if len(gradients) != len(outputs):
        raise GradError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    start = []
    for k, (output, gradient) in enumerate(zip(outputs, gradients, strict=True)):
        if _is_edge(output):
            start.append(_start_of_edge(output, gradient))
            continue
        if not isinstance(output, Tensor):
            raise TypeError(f"element {k} of tensors must be a Tensor, not {type(output).__name__}")
        if not output.requires_grad:
            raise GradError(
                f"element {k} of tensors does not require grad and does not have a grad_fn"
            )
        if gradient is None:
            if output._numel != 1:
                raise GradError(
                    "grad can be implicitly created only for scalar outputs: the output has shape "
                    f"{tuple(output.shape)}; pass its gradient, or reduce it with sum() or mean()"
                )
            if output.dtype.is_complex:
                raise GradError(
                    "grad can be implicitly created only for real scalar outputs but got "
                    f"{output.dtype}"
                )
            gradient = kernels(output).full(output.shape, 1.0, output.dtype)
        elif not isinstance(gradient, Tensor):
            raise TypeError(
                f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
            )
        elif gradient.shape != output.shape:
            raise ShapeError(
                f"Mismatch in shape: grad_output[{k}] has a shape of {gradient.shape} and "
                f"output[{k}]"
                f" has a shape of {output.shape}."
            )
        elif gradient.dtype.is_complex != output.dtype.is_complex:
            raise GradError(
                "For complex Tensors, both grad_output and output are required to have the same "
                f"dtype. Mismatch in dtype: grad_output[{k}] has a dtype of {gradient.dtype} and "
                f"output[{k}] has a dtype of {output.dtype}."
            )
        start.append(gradient if gradient.dtype == output.dtype else gradient.to(output.dtype))
    return start


def backward(
    tensors: _Tensors,
    grad_tensors: _Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: _Gradients = None,
    inputs: _Tensors | None = None,
) -> None:
    """Adds the gradients of `tensors` to `.grad` of the leaves they depend on.

    Args:
        tensors: a tensor or a sequence of tensors.
        grad_tensors: their gradients; None where a tensor has a single element.
        retain_graph: keep what the graph saved for another pass (default: `create_graph`).
        create_graph: record the pass itself.
        grad_variables: an older name of `grad_tensors`.
        inputs: accumulate into these only.

    Raises:
        RuntimeError: when a tensor is not part of a graph, or the graph was freed already.

    Example:
        >>> x = flambeau.tensor(3.0, requires_grad=True)
        >>> (x * x).backward()
        >>> x.grad
        tensor(6.)
    """
    if grad_variables is not None:
        warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning)
        if grad_tensors is not None:
            raise GradError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to"
                " `backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    outputs = _as_tuple(tensors)
    if inputs is not None:
        inputs = list(_as_tuple(inputs))
        if not inputs:
            raise GradError("`inputs` argument to `backward()` cannot be empty.")
        for k, tensor in enumerate(inputs):
            if _is_edge(tensor):
                continue
            _require_tensor(tensor, k)
            if not tensor.requires_grad:
                raise GradError(
                    f"One of the differentiated Tensors (inputs[{k}]) does not require grad"
                )
            if not tensor.is_leaf:
                tensor.retain_grad()
    start = _initial(outputs, grad_tensors)
    if create_graph:
        warn_once(
            "Using backward() with create_graph=True makes a reference cycle of a parameter and its"
            " gradient, which can keep memory in use. Use autograd.grad where gradients have a"
            " graph, or set .grad of the parameters to None afterwards."
        )
    retain = create_graph if retain_graph is None else retain_graph
    places = None if inputs is None else [_place(t) for t in inputs]
    _C.run_backward(
        [_place(o) for o in outputs], start, bool(retain), bool(create_graph), places, True
    )


def grad(
    outputs: _Tensors,
    inputs: _Tensors,
    grad_outputs: _Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` with respect to `inputs`, without touching any `.grad`.

    Args:
        outputs: tensor or sequence of tensors to differentiate.
        inputs: tensor or sequence of tensors to differentiate with respect to.
        grad_outputs: the gradients of the outputs (None for single elements).
        retain_graph: keep what the graph saved (default: `create_graph`).
        create_graph: record the computation, for gradients of higher order.
        only_inputs: of no effect; False warns.
        allow_unused: give None for inputs that the outputs do not depend on.
        is_grads_batched: `grad_outputs` carry a leading axis of several vectors.
        materialize_grads: zeros in place of None.

    Returns:
        A tuple with one gradient per input.

    Raises:
        RuntimeError: if an input is unused and that is not allowed, or does not require gradients.

    Example:
        >>> x = flambeau.tensor(2.0, requires_grad=True)
        >>> flambeau.autograd.grad(x ** 3, x)
        (tensor(12.),)
    """
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    if not inputs:
        raise ValueError("grad requires non-empty inputs.")
    if not only_inputs:
        warn(
            "only_inputs argument is deprecated and ignored: gradients of other tensors come from"
            " torch.autograd.backward.",
            FutureWarning,
        )
    if allow_unused is False and materialize_grads:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True"
        )
    for k, tensor in enumerate(inputs):
        if _is_edge(tensor):
            continue
        _require_tensor(tensor, k)
        if not tensor.requires_grad:
            raise GradError("One of the differentiated Tensors does not require grad")
    retain = bool(create_graph if retain_graph is None else retain_graph)
    if is_grads_batched:
        allowed = allow_unused or materialize_grads
        batches = _batched(outputs, inputs, grad_outputs, retain, create_graph, allowed)
        if materialize_grads:
            pairs = zip(batches, inputs, strict=True)
            return tuple(_zeros_at(_place(x)) if g is None else g for g, x in pairs)
        return batches
    start = _initial(outputs, grad_outputs)
    outputs, inputs = tuple(map(_place, outputs)), tuple(map(_place, inputs))
    if _C.has_wrappers():
        from flambeau.func._forward import gradients_of_duals

        found = gradients_of_duals(outputs, start, inputs, retain, bool(create_graph))
    else:
        found = _C.run_backward(
            list(outputs), start, retain, bool(create_graph), list(inputs), False
        )
    for k, gradient in enumerate(found):
        if gradient is not None:
            continue
        if materialize_grads:
            found[k] = _zeros_at(inputs[k])
        elif not allow_unused:
            raise GradError(
                f"The differentiated Tensor at index {k} appears to not have been used in the"
                " graph. Set allow_unused=True if this is the desired behavior."
            )
    return tuple(found)


def _zeros_at(place: Any) -> Tensor:
    """The gradient of what the outputs do not depend on; `place` is a tensor or an edge of one."""
    if isinstance(place, Tensor):
        shape, dtype = place.shape, place.dtype
        made: Tensor = kernels(place).full(shape, 0, dtype)
        return made
    target, number = place
    if isinstance(target, Tensor):
        return _zeros_at(target)
    shape, dtype = target._outputs[number]
    made = _C.full(shape, 0, dtype)
    return made


def _batched(
    outputs: tuple[Any, ...],
    inputs: tuple[Any, ...],
    grad_outputs: Any,
    retain: bool,
    create_graph: bool,
    allow_unused: bool | None,
) -> tuple[Any, ...]:
    """One backward of all vectors of the leading axis at once."""
    from flambeau.func import vmap

    vectors = _as_tuple(grad_outputs)
    for k, (vector, output) in enumerate(zip(vectors, outputs, strict=True)):
        if vector.ndim == 0 or vector.shape[1:] != output.shape:
            raise ShapeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output "
                "as the batch dimension. The sizes of the remaining dimensions are expected to "
                "match the shape of corresponding output, but a mismatch was detected: "
                f"grad_output[{k}] has a shape of {vector.shape[1:]} and output[{k}] has a shape "
                f"of {output.shape}. If you only want some tensors in `grad_output` to be "
                "considered batched, consider using vmap."
            )
    used: list[bool] = []

    def pull(*rows: Tensor) -> tuple[Any, ...]:
        found = grad(outputs, inputs, rows, retain, create_graph, allow_unused=allow_unused)
        used.extend(g is not None for g in found)
        return tuple(g for g in found if g is not None)

    found = iter(vmap(pull)(*vectors))
    return tuple(next(found) if wanted else None for wanted in used)


_threaded = True


def is_multithreading_enabled() -> bool:
    """Whether a backward may use several threads for one graph; see `set_multithreading_enabled`.

    Example:
        >>> flambeau.autograd.is_multithreading_enabled()
        True
    """
    return _threaded


class set_multithreading_enabled:
    """Allows or forbids several threads in one backward: at once, or for the block.

    On the CPU a backward runs in the thread that calls it, so results do not depend on this.

    Args:
        mode: True to allow.

    Example:
        >>> with flambeau.autograd.set_multithreading_enabled(False):
        ...     flambeau.autograd.is_multithreading_enabled()
        False
    """

    def __init__(self, mode: bool) -> None:
        global _threaded
        self._before, self._mode = _threaded, bool(mode)
        _threaded = self._mode

    def __enter__(self) -> None:
        global _threaded
        _threaded = self._mode

    def __exit__(self, *exc: object) -> None:
        global _threaded
        _threaded = self._before


class enforce_grad_layout_policy:
    """Whether a new gradient lies in memory as its leaf does: at once, or for the block.

    With True, which is the default, a first gradient with other strides than its leaf's is copied;
    with False it is taken as it is. A leaf with gaps wants a contiguous gradient. The setting
    belongs to the thread.

    Args:
        enable: True to enforce.

    Example:
        >>> x = flambeau.ones(2, 3, requires_grad=True)
        >>> with flambeau.autograd.enforce_grad_layout_policy(False):
        ...     (x.t() * 2).sum().backward()
        >>> x.grad.stride()
        (1, 2)
    """

    def __init__(self, enable: bool = True) -> None:
        self._before = _C.is_grad_layout_enforced()
        self._enable = bool(enable)
        _C.set_grad_layout_enforced(self._enable)

    def __enter__(self) -> None:
        _C.set_grad_layout_enforced(self._enable)

    def __exit__(self, *exc: object) -> None:
        _C.set_grad_layout_enforced(self._before)


_SUBMODULES = ("forward_ad", "functional", "grad_mode", "graph", "profiler", "variable")


def __getattr__(name: str) -> Any:
    """Modules that load when they are first named."""
    from importlib import import_module

    if name == "anomaly_mode":
        return import_module("flambeau.autograd.anomaly")
    if name == "nan_guard":
        return import_module("flambeau.autograd.guarding").nan_guard
    if name in _SUBMODULES:
        return import_module(f"flambeau.autograd.{name}")
    raise AttributeError(f"module 'flambeau.autograd' has no attribute '{name}'")


__all__ = [
    "Function",
    "GradcheckError",
    "SavedTensor",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "is_multithreading_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]
