"""Gradients: `backward`, `grad`, custom `Function`s, grad modes, anomaly detection, gradcheck."""

from __future__ import annotations

from flambeau import _C
from flambeau.autograd.anomaly import detect_anomaly, set_detect_anomaly
from flambeau.autograd.function import Function, once_differentiable
from flambeau.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck
from flambeau.backends import kernels
from flambeau.core.errors import GradError, ShapeError
from flambeau.core.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    _Tensors = Tensor | Sequence[Tensor]
    _Gradients = Tensor | Sequence[Tensor | None] | None

Variable = Tensor


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Tensor):
        return (value,)
    return tuple(value)


def _require_tensor(value: object, place: int) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"inputs[{place}] must be a Tensor, not {type(value).__name__}")


def _initial(outputs: tuple[Any, ...], gradients: Any) -> list[Tensor]:
    """The gradients to start from: ones for single elements, checked shapes for the rest."""
    if gradients is None:
        gradients = (None,) * len(outputs)
    elif isinstance(gradients, Tensor):
        gradients = (gradients,)
    if len(gradients) != len(outputs):
        raise GradError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    start = []
    for k, (output, gradient) in enumerate(zip(outputs, gradients, strict=True)):
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
        start.append(gradient)
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
        grad_tensors = grad_variables
    outputs = _as_tuple(tensors)
    if inputs is not None:
        inputs = list(_as_tuple(inputs))
        if not inputs:
            raise GradError("`inputs` argument to `backward()` cannot be empty.")
        for k, tensor in enumerate(inputs):
            _require_tensor(tensor, k)
            if not tensor.requires_grad:
                raise GradError(
                    f"One of the differentiated Tensors (inputs[{k}]) does not require grad"
                )
            if not tensor.is_leaf:
                tensor.retain_grad()
    start = _initial(outputs, grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    _C.run_backward(list(outputs), start, bool(retain), bool(create_graph), inputs, True)


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
        raise ValueError("grad: only_inputs=False is not supported")
    if allow_unused is False and materialize_grads:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True"
        )
    for k, tensor in enumerate(inputs):
        _require_tensor(tensor, k)
        if not tensor.requires_grad:
            raise GradError("One of the differentiated Tensors does not require grad")
    retain = bool(create_graph if retain_graph is None else retain_graph)
    if is_grads_batched:
        return _batched(outputs, inputs, grad_outputs, retain, create_graph, allow_unused)
    start = _initial(outputs, grad_outputs)
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
            found[k] = kernels(inputs[k]).full(inputs[k].shape, 0, inputs[k].dtype)
        elif not allow_unused:
            raise GradError(
                "One of the differentiated Tensors appears to not have been used in the graph. Set "
                f"allow_unused=True if this is the desired behavior. (inputs[{k}])"
            )
    return tuple(found)


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


_SUBMODULES = ("forward_ad", "functional")


def __getattr__(name: str) -> Any:
    """Modules that load when they are first named."""
    if name in _SUBMODULES:
        from importlib import import_module

        return import_module(f"flambeau.autograd.{name}")
    raise AttributeError(f"module 'flambeau.autograd' has no attribute '{name}'")


__all__ = [
    "Function",
    "GradcheckError",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]
