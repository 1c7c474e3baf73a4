"""Operations written by the user: a forward and a backward of one's own in one class."""

from __future__ import annotations

import weakref

from flambeau import _C
from flambeau.core.errors import GradError
from flambeau.core.saved import Packed, pack_value
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they "
    "have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


class FunctionCtx:
    """What forward hands over to backward.

    Example:
        >>> class Cut(flambeau.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x, limit):
        ...         ctx.limit = limit
        ...         ctx.save_for_backward(x)
        ...         return x.clamp(max=limit)
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (x,) = ctx.saved_tensors
        ...         return grad * (x < ctx.limit), None
        >>> x = flambeau.tensor([1.0, 5.0], requires_grad=True)
        >>> Cut.apply(x, 2.0).sum().backward()
        >>> x.grad
        tensor([1., 0.])
    """

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True

    def __init__(self) -> None:
        self._to_save: tuple[Tensor | None, ...] = ()
        self._for_forward: tuple[Tensor | None, ...] = ()
        self._saved: list[tuple[Any, int, int | None] | None] | None = []
        self._dirty: tuple[Tensor, ...] = ()
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._node: weakref.ref[Any] | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps inputs or outputs for backward; in-place changes to them are detected."""
        for k, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {k} is of type "
                    + type(tensor).__name__
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `jvp`, if save_for_backward kept none."""
        self._for_forward = tensors

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Names the inputs that forward changed in place (and returns)."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Names the outputs that carry no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """False: backward gets None, not zeros, for outputs without a gradient."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What save_for_backward kept.

        Raises:
            RuntimeError: if the graph was freed, or a kept tensor was changed in place since.
        """
        if self._saved is None:
            raise GradError(_FREED)
        return tuple(self._unpack(entry) for entry in self._saved)

    def _unpack(self, entry: tuple[Any, int, int | None] | None) -> Any:
        if entry is None:
            return None
        tensor, version, output_nr = entry
        if isinstance(tensor, Packed):
            return self._with_history(tensor(True), output_nr)
        wrapped = _C.wrapped_of(tensor)
        if wrapped is not None and wrapped.mark is None and wrapped.transform.ended:
            inside: Tensor = wrapped.value  # the graph of a function transform, after it
            return inside
        if tensor._version != version:
            node = self._node() if self._node is not None else None
            place = -1 if output_nr is None else output_nr
            raise GradError(_C.version_error(node, tensor, version, place))
        return self._with_history(tensor, output_nr)

    def _with_history(self, tensor: Tensor, output_nr: int | None) -> Tensor:
        """A saved output as an output of the node again; inputs have their own history."""
        node = self._node() if self._node is not None else None
        if output_nr is None or node is None:
            return tensor
        output: Tensor = _C.output_of(tensor, node, output_nr)
        return output

    def _pack(self, outputs: Sequence[Any]) -> None:
        """Outputs are kept without their history: the node must not keep itself alive."""
        positions = {id(o): k for k, o in enumerate(outputs) if isinstance(o, Tensor)}
        self._saved = []
        for tensor in self._to_save:
            if tensor is None:
                self._saved.append(None)
                continue
            nr = positions.get(id(tensor))
            kept = tensor if nr is None else _C.detach(tensor)
            _C.mark_saved(kept)
            self._saved.append((pack_value(kept) or kept, kept._version, nr))
        self._to_save = ()


class _Backward:
    """What the graph node calls: gradients of the outputs in, one gradient per edge out."""

    __slots__ = ("ctx", "function", "input_count", "outputs", "wanted")

    def __init__(
        self, function: type[Function], ctx: FunctionCtx, input_count: int, wanted: list[int]
    ) -> None:
        self.function = function
        self.ctx = ctx
        self.input_count = input_count
        self.wanted = wanted  # positions of the inputs that have an edge
        self.outputs: list[tuple[Any, ...] | None] = []  # (shape, dtype) of each output

    def __call__(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.ctx.materialize_grads:
            gradients = tuple(
                _C.full(meta[0], 0, meta[1]) if g is None and meta is not None else g
                for g, meta in zip(gradients, self.outputs, strict=True)
            )
        result = self.function.backward(self.ctx, *gradients)
        if not isinstance(result, tuple):
            result = (result,)
        name = self.function.__name__ + "Backward"
        if len(result) > self.input_count and all(r is None for r in result[self.input_count :]):
            result = result[: self.input_count]
        if len(result) != self.input_count:
            raise GradError(
                f"function {name} returned an incorrect number of gradients (expected "
                f"{self.input_count}, got {len(result)})"
            )
        for value in result:
            if value is not None and not isinstance(value, Tensor):
                raise GradError(f"expected Variable or None (got {type(value).__name__})")
        return tuple(result[k] for k in self.wanted)

    def release(self) -> None:
        self.ctx._saved = None if self.ctx._saved else self.ctx._saved


class Function:
    """Base class of custom operations.

    A subclass defines the static methods `forward(ctx, *args)` (or `forward(*args)` together with
    `setup_context(ctx, inputs, output)`) and `backward(ctx, *gradients)`, and is used through
    `apply`.

    Example:
        >>> class Square(flambeau.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...     @staticmethod
        ...     def backward(ctx, g):
        ...         (x,) = ctx.saved_tensors
        ...         return 2 * x * g
        >>> x = flambeau.tensor(3.0, requires_grad=True)
        >>> Square.apply(x).backward()
        >>> x.grad
        tensor(6.)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, "
            "so you should invoke them on the class itself. Instantiating an autograd function "
            "will "
            "raise an error in a future version of PyTorch."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the outputs; nothing in here is recorded."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Fills `ctx` after forward, for the form of forward without `ctx`."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Gradients of the inputs from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function "
            "to use it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Tangents of the outputs from those of the inputs, for forward mode."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )

    #: Whether vmap may map forward, backward and jvp as they are; they must then use tensors only.
    generate_vmap_rule = False

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """The operation on batches: (outputs, axis of the batch in each).

        Args:
            info: `batch_size` and `randomness`.
            in_dims: for each argument the axis that the batch runs along, or None.
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method "
            "or set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs forward and records the node."""
        if _C.has_wrappers() and not kwargs:
            from flambeau.func._function import apply

            return apply(cls, args)
        return cls._apply(*args, **kwargs)

    @classmethod
    def _apply(cls, *args: Any, **kwargs: Any) -> Any:
        ctx = FunctionCtx()
        flags = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx.needs_input_grad = flags
        records = _C.is_grad_enabled() and any(flags)
        before = _C.is_grad_enabled()
        _C.set_grad_enabled(False)
        try:
            if cls.setup_context is not Function.setup_context:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
            else:
                result = cls.forward(ctx, *args, **kwargs)
        finally:
            _C.set_grad_enabled(before)
        single = not isinstance(result, tuple)
        outputs = [result] if single else list(result)
        if records:
            cls._record(ctx, args, flags, outputs)
        else:
            ctx._pack(())
        return outputs[0] if single else tuple(outputs)

    @classmethod
    def _record(
        cls,
        ctx: FunctionCtx,
        args: tuple[Any, ...],
        flags: tuple[bool, ...],
        outputs: list[Any],
        level: int = 0,
    ) -> None:
        dirty = {id(t) for t in ctx._dirty}
        inputs = {id(a) for a in args if isinstance(a, Tensor)}
        if not dirty <= {id(o) for o in outputs}:
            raise GradError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function."
            )
        for tensor in ctx._dirty:
            if tensor.requires_grad and tensor.is_leaf:
                raise GradError(
                    "a leaf Variable that requires grad has been used in an in-place operation."
                )
        constant = {id(t) for t in ctx._non_differentiable}
        ctx._pack(outputs)
        backward = _Backward(cls, ctx, len(args), [k for k, flag in enumerate(flags) if flag])
        node = _C.make_custom_node(
            cls.__name__ + "Backward", backward, [args[k] for k in backward.wanted], level
        )
        ctx._node = weakref.ref(node)
        differentiable = []
        for k, output in enumerate(outputs):
            if not isinstance(output, Tensor):
                backward.outputs.append(None)
                differentiable.append(False)
                continue
            if id(output) in inputs and id(output) not in dirty:
                fresh = _C.detach(output)  # an input handed through: its own place in the graph
                if id(output) in constant:
                    constant.add(id(fresh))
                outputs[k] = output = fresh
            if id(output) in dirty:
                _C.bump_version(output)
            backward.outputs.append((output.shape, output.dtype))
            differentiable.append(
                id(output) not in constant
                and (output.dtype.is_floating_point or output.dtype.is_complex)
            )
        _C.set_custom_outputs(node, outputs, differentiable)
        ctx._dirty = ()  # these are outputs now: the node must not keep itself alive


class InplaceFunction(Function):
    """The base of older programs' operations that may change their input; as `Function`.

    Example:
        >>> issubclass(flambeau.autograd.function.InplaceFunction, flambeau.autograd.Function)
        True
    """


class _Twice(Function):
    """Stands after a gradient that cannot be differentiated again."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, *inputs: Any) -> Any:
        return _C.detach(gradient)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise GradError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a backward whose own gradient does not exist: differentiating it again raises.

    Args:
        backward: the method, below `staticmethod`.

    Returns:
        A method that computes without recording.

    Raises:
        RuntimeError: by what is returned, when its result is differentiated.

    Example:
        >>> class Double(flambeau.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         return 2 * x
        ...     @staticmethod
        ...     @flambeau.autograd.function.once_differentiable
        ...     def backward(ctx, grad):
        ...         return 2 * grad
        >>> x = flambeau.tensor(1.0, requires_grad=True)
        >>> flambeau.autograd.grad(Double.apply(x), x)
        (tensor(2.),)
    """
    import functools

    @functools.wraps(backward)
    def wrapper(ctx: Any, *gradients: Any) -> Any:
        recording = _C.is_grad_enabled()
        _C.set_grad_enabled(False)
        try:
            result = backward(ctx, *gradients)
        finally:
            _C.set_grad_enabled(recording)
        if not recording or not any(isinstance(g, Tensor) and g.requires_grad for g in gradients):
            return result
        values = result if isinstance(result, tuple) else (result,)
        values = tuple(_Twice.apply(v, *gradients) if isinstance(v, Tensor) else v for v in values)
        return values if isinstance(result, tuple) else values[0]

    return wrapper
