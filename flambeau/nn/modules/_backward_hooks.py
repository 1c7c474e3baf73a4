"""Backward hooks: identity nodes at the two ends of a module, where its gradients pass."""

from flambeau.autograd import Function
from flambeau.core.grad_mode import is_grad_enabled
from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import zeros_like

_GUIDE = "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"


class _Boundary(Function):
    """The identity; its gradients go through `on_gradients` on their way back."""

    @staticmethod
    def forward(ctx, on_gradients, *tensors):
        ctx.on_gradients = on_gradients
        ctx.set_materialize_grads(False)
        ctx.sizes = [tensor.detach() for tensor in tensors]
        aliases = tuple(tensor.view_as(tensor) for tensor in tensors)
        ctx.mark_non_differentiable(
            *(
                alias
                for alias, tensor in zip(aliases, tensors, strict=True)
                if not tensor.requires_grad
            )
        )
        return aliases

    @staticmethod
    def backward(ctx, *gradients):
        # A module is one node: what did not matter to the result still gets a gradient, of zeros.
        return (None, *_or_zeros(ctx.on_gradients(gradients, ctx.sizes), ctx.sizes))


def _or_zeros(gradients, tensors):
    """The gradients, zeros in the place of those that are None."""
    return [
        zeros_like(tensor) if gradient is None else gradient
        for gradient, tensor in zip(gradients, tensors, strict=True)
    ]


class BackwardBoundary:
    """One call of a module with full backward hooks.

    `enter` wraps the inputs and `leave` the outputs; in the backward pass the gradients of the
    outputs arrive first and are kept until those of the inputs arrive and the hooks can run.
    """

    def __init__(self, module, hooks, pre_hooks):
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.grad_outputs = None
        self.inputs_tracked = False
        self.n_inputs = 0

    def enter(self, args):
        """The arguments, their tensors behind a node that reports their gradients."""
        self.n_inputs = len(args)
        args, self.inputs_tracked = self._wrap(args, self._on_grad_inputs)
        return args

    def leave(self, result):
        """The result, its tensors behind a node that reports their gradients."""
        if isinstance(result, Tensor):
            (result,), _ = self._wrap((result,), self._on_grad_outputs_of(1))
            return result
        if not isinstance(result, tuple):
            warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}"
            )
            return result
        wrapped, _ = self._wrap(result, self._on_grad_outputs_of(len(result)))
        if hasattr(result, "_fields"):
            return type(result)(*wrapped)
        return wrapped

    def _wrap(self, values, on_gradients):
        places = [i for i, value in enumerate(values) if isinstance(value, Tensor)]
        tensors = [values[i] for i in places]
        if not is_grad_enabled() or not any(tensor.requires_grad for tensor in tensors):
            return values, False
        # The callback needs to know which of the values the gradients belong to.
        wrapped = _Boundary.apply(
            lambda grads, tensors: on_gradients(grads, tensors, places), *tensors
        )
        values = list(values)
        for i, tensor in zip(places, wrapped, strict=True):
            values[i] = tensor
        return tuple(values), True

    def _on_grad_outputs_of(self, count):
        def on_gradients(gradients, tensors, places):
            grad_outputs = _spread(gradients, places, count)
            for hook in self.pre_hooks:
                replaced = hook(self.module, grad_outputs)
                if replaced is not None:
                    grad_outputs = _as_many(replaced, grad_outputs, "pre hook", "grad_output")
            self.grad_outputs = grad_outputs
            if not self.inputs_tracked:
                self._run_without_inputs()
            return tuple(grad_outputs[i] for i in places)

        return on_gradients

    def _run_without_inputs(self):
        if self.hooks:
            warn(
                "Full backward hook is firing when gradients are computed with respect to module "
                f"outputs since no inputs require gradients. See {_GUIDE}#torch.nn.Module."
                "register_full_backward_hook for more details."
            )
        grad_inputs = (None,) * self.n_inputs
        for hook in self.hooks:
            replaced = hook(self.module, grad_inputs, self.grad_outputs)
            if replaced is not None and any(grad is not None for grad in _tuple_of(replaced)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.grad_outputs = None

    def _on_grad_inputs(self, gradients, tensors, places):
        if self.grad_outputs is None:
            # The backward pass did not come through this module's outputs.
            return gradients
        grad_inputs = _spread(_or_zeros(gradients, tensors), places, self.n_inputs)
        for hook in self.hooks:
            replaced = hook(self.module, grad_inputs, self.grad_outputs)
            if replaced is not None:
                grad_inputs = _as_many(replaced, grad_inputs, "hook", "grad_input")
        self.grad_outputs = None
        return tuple(grad_inputs[i] for i in places)


def _tuple_of(value):
    return value if isinstance(value, tuple) else (value,)


def _spread(gradients, places, count):
    spread = [None] * count
    for i, gradient in zip(places, gradients, strict=True):
        spread[i] = gradient
    return tuple(spread)


def _as_many(replaced, expected, hook, what):
    """The gradients that a hook gives in the place of others: as many, and of their sizes.

    A tensor is a sequence of its rows here, as in PyTorch, and is refused for their sizes.
    """
    if len(replaced) != len(expected):
        raise RuntimeError(
            f"Backward {hook} returned an invalid number of {what}, got {len(replaced)}, but "
            f"expected {len(expected)}"
        )
    for new, old in zip(replaced, expected, strict=True):
        if new is None or old is None:
            continue
        if not isinstance(new, Tensor):
            raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
        if new.shape != old.shape:
            raise RuntimeError("hook 'hook' has changed the size of value")
    return tuple(replaced)


def hook_last_operation(module, inputs, result, hooks):
    """Register `hooks(module, grad_input, grad_output)` on the node that made `result`."""
    first = result
    while not isinstance(first, Tensor):
        first = _first_tensor(first) if isinstance(first, dict) else first[0]
    if first.grad_fn is None:
        return
    for hook in hooks:
        first.grad_fn.register_hook(
            lambda grad_input, grad_output, hook=hook: hook(module, grad_input, grad_output)
        )
    missing = _missing_gradients(inputs, result, first.grad_fn)
    if missing is not None:
        situation, what = missing
        warn(
            f"Using {situation} is deprecated and will be removed in future versions. This hook "
            f"will be missing some {what}. Please use register_full_backward_hook to get the "
            "documented behavior.",
            FutureWarning,
        )


def _missing_gradients(inputs, result, node):
    """Why the gradients of one node are not those of the module, and which are missing; or None."""
    results = result if isinstance(result, tuple) else (result,)
    if not all(isinstance(value, Tensor) for value in results):
        return (
            "non-full backward hooks on a Module that does not return a single Tensor or a tuple "
            "of Tensors",
            "of the grad_output",
        )
    if not all(isinstance(value, Tensor) for value in inputs):
        return (
            "non-full backward hooks on a Module that does not take as input a single Tensor or a "
            "tuple of Tensors",
            "of the grad_input",
        )
    if len({value.grad_fn for value in results if value.grad_fn is not None}) > 1:
        return (
            "a non-full backward hook when outputs are generated by different autograd Nodes",
            "grad_output",
        )
    before = {value.grad_fn for value in inputs if value.grad_fn is not None}
    if before != {edge[0] for edge in node.next_functions}:
        return (
            "a non-full backward hook when the forward contains multiple autograd Nodes",
            "grad_input",
        )
    return None


def _first_tensor(values):
    return next(value for value in values.values() if isinstance(value, Tensor))
