"""Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import GradError
from flambeau.core.grad_mode import enable_grad
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    _Function = Callable[..., Any]

# ---- arguments and results: a tensor, or a tuple of tensors ----


def _as_tuple(value: Any, what: str, caller: str) -> tuple[tuple[Tensor, ...], bool]:
    """The tensors, and whether they came as a tuple."""
    several = isinstance(value, tuple)
    items: tuple[Any, ...] = value if several else (value,)
    for k, item in enumerate(items):
        if isinstance(item, Tensor):
            continue
        where = f"the value at index {k}" if several else f"the given {what}"
        raise TypeError(
            f"The {what} given to {caller} must be either a Tensor or a tuple of Tensors but "
            f"{where} has type {type(item)}."
        )
    return items, several


def _outputs(value: Any, caller: str) -> tuple[tuple[Tensor, ...], bool]:
    return _as_tuple(value, "outputs of the user-provided function", caller)


def _restore(items: Sequence[Any], several: bool) -> Any:
    return tuple(items) if several else items[0]


def _prepared(
    inputs: tuple[Tensor, ...], create_graph: bool, need_graph: bool = True
) -> tuple[Tensor, ...]:
    """The inputs as the start of a graph of their own, connected to theirs if that is wanted."""
    fresh: list[Tensor] = []
    for x in inputs:
        if create_graph and x.requires_grad:
            fresh.append(x.view_as(x))
        else:
            fresh.append(x.detach().requires_grad_(need_graph))
    return tuple(fresh)


def _finished(items: Any, create_graph: bool) -> Any:
    """The results, outside the graph unless that is wanted."""
    if create_graph:
        return items
    if isinstance(items, tuple):
        return tuple(_finished(item, create_graph) for item in items)
    return items.detach()


def _vector(v: Any, like: tuple[Tensor, ...], several: bool, caller: str, of: str) -> Any:
    """The vector to multiply with: as given, or one if there is a single number."""
    if v is None:
        if len(like) != 1 or like[0]._numel != 1:
            raise GradError(
                f"The vector v can only be None if {of} a single Tensor with a single element."
            )
        return (_C.full(like[0].shape, 1, like[0].dtype),)
    items, _ = _as_tuple(v, "v", caller)
    if len(items) != len(like):
        if several:
            raise GradError(
                f"v is a tuple of invalid length: should be {len(like)} but got {len(items)}."
            )
        raise GradError("The given v should contain a single Tensor.")
    for k, (item, x) in enumerate(zip(items, like, strict=True)):
        if item.shape != x.shape:
            entry = f"Entry {k} in " if several else ""
            raise GradError(f"{entry}v has invalid size: should be {x.shape} but got {item.shape}.")
    return items


_OF_INPUT = "the input to the user-provided function is"
_OF_OUTPUT = "the user-provided function returns"

# ---- strictness ----

_INDEPENDENT = {
    "back": "The output of the user-provided function is independent of input {}.",
    "back_trick": (
        "The gradient with respect to the input is independent of entry {} in the grad_outputs "
        "when using the double backward trick to compute forward mode gradients."
    ),
    "double_back": "The jacobian of the user-provided function is independent of input {}.",
    "double_back_trick": (
        "The hessian of the user-provided function is independent of entry {} in the grad_jacobian."
    ),
}
_NEXT = {
    "back": "The jacobian of the user-provided function is independent of input {}.",
    "back_trick": "The jacobian of the user-provided function is independent of input {}.",
    "double_back": "The hessian of the user-provided function is independent of input {}.",
    "double_back_trick": "The hessian of the user-provided function is independent of input {}.",
}
_NOT_DIFFERENTIABLE = {
    "outputs": (
        "Output {} of the user-provided function does not require gradients. The outputs must be "
        "computed in a differentiable manner from the input when running in strict mode."
    ),
    "grad_inputs": (
        "The gradient with respect to input {} is independent of the inputs of the user-provided "
        "function. This is not allowed in strict mode."
    ),
    "jacobian": (
        "While computing the hessian, found that the jacobian of the user-provided function with "
        "respect to input {} is independent of the input. This is not allowed in strict mode. You "
        "should ensure that your function is twice differentiable and that the jacobian depends "
        "on the inputs (this would be violated by a linear function for example)."
    ),
}


def _require_graph(items: Sequence[Any], kind: str, strict: bool) -> None:
    for k, item in enumerate(items):
        if strict and not item.requires_grad:
            raise GradError(_NOT_DIFFERENTIABLE[kind].format(k))


def _filled(
    gradients: Sequence[Any],
    like: tuple[Tensor, ...],
    strict: bool,
    create_graph: bool,
    stage: str,
) -> tuple[Any, ...]:
    """Zeros for gradients that do not exist; in strict mode an error."""
    filled = []
    for k, (g, x) in enumerate(zip(gradients, like, strict=True)):
        if g is None:
            if strict:
                raise GradError(
                    _INDEPENDENT[stage].format(k) + " This is not allowed in strict mode."
                )
            g = _C.full(x.shape, 0, x.dtype)
        elif strict and create_graph and not g.requires_grad:
            raise GradError(
                _NEXT[stage].format(k)
                + " This is not allowed in strict mode when create_graph=True."
            )
        filled.append(g)
    return tuple(filled)


def _gradients(
    outputs: Sequence[Any],
    inputs: tuple[Tensor, ...],
    vectors: Sequence[Any],
    create_graph: bool = False,
    retain_graph: bool = False,
) -> tuple[Any, ...]:
    """The gradients through those outputs that have any; None for inputs without."""
    pairs = [(o, v) for o, v in zip(outputs, vectors, strict=True) if o.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    found = _C.run_backward(
        [o for o, _ in pairs],
        [v for _, v in pairs],
        retain_graph or create_graph,
        create_graph,
        list(inputs),
        False,
    )
    return tuple(found)


# ---- products with vectors ----


def vjp(
    func: _Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """A vector times the Jacobian of a function, and the function's value.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: its arguments, a tensor or a tuple.
        v: in the form of the outputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.

    Returns:
        (func(*inputs), product in the form of the inputs).

    Raises:
        RuntimeError: if `v` does not fit, or in strict mode.

    Example:
        >>> x = flambeau.tensor([1., 2.])
        >>> flambeau.autograd.functional.vjp(lambda x: x ** 2, x, flambeau.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    with enable_grad():
        items, several = _as_tuple(inputs, "inputs", "vjp")
        start = _prepared(items, create_graph)
        outputs, several_outputs = _outputs(func(*start), "vjp")
        _require_graph(outputs, "outputs", strict)
        vectors = _vector(v, outputs, several_outputs, "vjp", _OF_OUTPUT)
        found = _gradients(outputs, start, vectors, create_graph)
        product = _filled(found, start, strict, create_graph, "back")
    outputs = _finished(outputs, create_graph)
    product = _finished(product, create_graph)
    return _restore(outputs, several_outputs), _restore(product, several)


def jvp(
    func: _Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The Jacobian of a function times a vector, and the function's value.

    Computed by two backwards: the first one is linear in the vector it is given, and its own
    gradient is the product. `flambeau.func.jvp` needs a single forward pass.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: its arguments, a tensor or a tuple.
        v: in the form of the inputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.

    Returns:
        (func(*inputs), product in the form of the outputs).

    Example:
        >>> x = flambeau.tensor([1., 2.])
        >>> flambeau.autograd.functional.jvp(lambda x: x.sum(), x, flambeau.ones(2))
        (tensor(3.), tensor(2.))
    """
    with enable_grad():
        items, several = _as_tuple(inputs, "inputs", "jvp")
        start = _prepared(items, create_graph)
        vectors = _vector(v, items, several, "jvp", _OF_INPUT)
        outputs, several_outputs = _outputs(func(*start), "jvp")
        _require_graph(outputs, "outputs", strict)
        # Any point does: the backward is linear in it.
        point = tuple(_C.full(o.shape, 0, o.dtype).requires_grad_() for o in outputs)
        found = _gradients(outputs, start, point, create_graph=True)
        _filled(found, start, strict, create_graph, "back")
        pairs = [(g, w) for g, w in zip(found, vectors, strict=True) if g is not None]
        again = _gradients([g for g, _ in pairs], point, [w for _, w in pairs], create_graph)
        product = _filled(again, outputs, strict, create_graph, "back_trick")
    outputs = _finished(outputs, create_graph)
    product = _finished(product, create_graph)
    return _restore(outputs, several_outputs), _restore(product, several_outputs)


def _single_number(outputs: tuple[Tensor, ...], several: bool, caller: str) -> None:
    if several:
        raise GradError(f"The function given to {caller} should return a single Tensor")
    if outputs[0]._numel != 1:
        raise GradError(
            f"The Tensor returned by the function given to {caller} should contain a single element"
        )


def _number_and_gradient(
    func: _Function, start: Any, strict: bool, caller: str
) -> tuple[Tensor, Any]:
    """What a scalar function returns, and its gradient with a graph of its own."""
    outputs, several = _outputs(func(*start), caller)
    _require_graph(outputs, "outputs", strict)
    _single_number(outputs, several, caller)
    one = [_C.full(outputs[0].shape, 1, outputs[0].dtype)]
    found = _gradients(outputs, start, one, create_graph=True)
    gradient = _filled(found, start, strict, False, "back")
    _require_graph(gradient, "jacobian", strict)
    return outputs[0], gradient


def vhp(
    func: _Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """A vector times the Hessian of a scalar function, and the function's value.

    Args:
        func: takes tensors, returns a tensor of one element.
        inputs: its arguments, a tensor or a tuple.
        v: in the form of the inputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: raise where the value or its gradient does not depend on an input.

    Returns:
        (func(*inputs), product in the form of the inputs).

    Example:
        >>> x = flambeau.tensor([1., 2.])
        >>> flambeau.autograd.functional.vhp(lambda x: (x ** 3).sum(), x, flambeau.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        items, several = _as_tuple(inputs, "inputs", "vhp")
        start = _prepared(items, create_graph)
        vectors = _vector(v, items, several, "vhp", _OF_INPUT)
        value, jacobian = _number_and_gradient(func, start, strict, "vhp")
        again = _gradients(jacobian, start, vectors, create_graph)
        product = _filled(again, start, strict, create_graph, "double_back")
    output = _finished(value, create_graph)
    return output, _restore(_finished(product, create_graph), several)


def hvp(
    func: _Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """The Hessian of a scalar function times a vector, and the function's value.

    The Hessian is symmetric where the function is twice continuously differentiable; `vhp` then
    gives the same for less work.

    Args:
        func: takes tensors, returns a tensor of one element.
        inputs: its arguments, a tensor or a tuple.
        v: in the form of the inputs; may be left out for a single number.
        create_graph: make the results differentiable.
        strict: raise where the value or its gradient does not depend on an input.

    Returns:
        (func(*inputs), product in the form of the inputs).

    Example:
        >>> x = flambeau.tensor([1., 2.])
        >>> flambeau.autograd.functional.hvp(lambda x: (x ** 3).sum(), x, flambeau.ones(2))
        (tensor(9.), tensor([ 6., 12.]))
    """
    with enable_grad():
        items, several = _as_tuple(inputs, "inputs", "hvp")
        start = _prepared(items, create_graph)
        vectors = _vector(v, items, several, "hvp", _OF_INPUT)
        value, jacobian = _number_and_gradient(func, start, strict, "hvp")
        point = tuple(_C.full(x.shape, 0, x.dtype).requires_grad_() for x in start)
        second = _gradients(jacobian, start, point, create_graph=True)
        pairs = [(g, w) for g, w in zip(second, vectors, strict=True) if g is not None]
        again = _gradients([g for g, _ in pairs], point, [w for _, w in pairs], create_graph)
        product = _filled(again, start, strict, create_graph, "double_back_trick")
    output = _finished(value, create_graph)
    return output, _restore(_finished(product, create_graph), several)


# ---- whole matrices ----

_STRATEGIES = ("forward-mode", "reverse-mode")


def jacobian(
    func: _Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of a function.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: its arguments, a tensor or a tuple.
        create_graph: make the result differentiable.
        strict: raise where an output does not depend on an input, instead of giving zeros.
        vectorize: compute all rows (or columns) at once.
        strategy: "reverse-mode", by rows, or "forward-mode", by columns.

    Returns:
        For a tensor in and a tensor out a tensor of the sizes of the output followed by those of
        the input; a tuple over outputs of tuples over inputs where those are tuples.

    Raises:
        RuntimeError: in strict mode, or for options that exclude each other.

    Example:
        >>> x = flambeau.tensor([1., 2.])
        >>> flambeau.autograd.functional.jacobian(lambda x: x ** 2, x)
        tensor([[2., 0.],
                [0., 4.]])
    """
    if strategy not in _STRATEGIES:
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        _check_forward(create_graph, strict, vectorize)
        return _by_columns(func, inputs)
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    with enable_grad():
        items, several = _as_tuple(inputs, "inputs", "jacobian")
        start = _prepared(items, create_graph)
        outputs, several_outputs = _outputs(func(*start), "jacobian")
        _require_graph(outputs, "outputs", strict)
        rows = _all_rows if vectorize else _each_row
        found = [rows(k, o, start, create_graph, strict) for k, o in enumerate(outputs)]
    result = [_restore(_finished(row, create_graph), several) for row in found]
    return _restore(result, several_outputs)


def _check_forward(create_graph: bool, strict: bool, vectorize: bool) -> None:
    name = "torch.autograd.functional.jacobian"
    together = '`strategy="forward-mode"` are not supported together (yet). Please either set'
    if strict:
        raise RuntimeError(
            f'{name}: `strict=True` and {together} `strict=False` or `strategy="reverse-mode"`.'
        )
    if create_graph:
        raise NotImplementedError(
            f"{name}: `create_graph=True` and {together} `create_graph=False` or "
            '`strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only "
            "implemented for `vectorize=True`."
        )


def _by_columns(func: _Function, inputs: Any) -> Any:
    from flambeau.func import jacfwd

    items, several = _as_tuple(inputs, "inputs", "jacobian")
    shape = {}

    def checked(*args: Any) -> Any:
        outputs, shape["several"] = _outputs(func(*args), "jacobian")
        return outputs

    found = jacfwd(checked, tuple(range(len(items))))(*items)
    result = [_restore(row, several) for row in found]
    return _restore(result, shape["several"])


def _all_rows(
    number: int, output: Tensor, inputs: tuple[Tensor, ...], create_graph: bool, strict: bool
) -> tuple[Any, ...]:
    """The Jacobian of one output, by one backward of a batch of unit vectors."""
    from flambeau.func import vmap

    count = output._numel
    used: list[bool] = []
    parts: Any = ()
    if output.requires_grad and count:
        unit = _C.view(_C.eye(count, count, output.dtype), (count, *output.shape))

        def pull(vector: Tensor) -> tuple[Any, ...]:
            row = _gradients((output,), inputs, (vector,), create_graph, retain_graph=True)
            used.extend(g is not None for g in row)
            return tuple(g for g in row if g is not None)

        parts = vmap(pull)(unit)
    iterator = iter(parts)
    filled = []
    for k, x in enumerate(inputs):
        if used and used[k]:
            part = next(iterator).reshape((*output.shape, *x.shape))
        else:
            part = _C.full((*output.shape, *x.shape), 0, x.dtype)
        filled.append(part)
    return tuple(filled)


def _each_row(
    number: int, output: Tensor, inputs: tuple[Tensor, ...], create_graph: bool, strict: bool
) -> tuple[Any, ...]:
    """The Jacobian of one output, by a backward for each of its elements."""
    from flambeau.ops.join import stack

    count = output._numel
    unit = _C.eye(count, count, output.dtype)
    columns: list[list[Any]] = [[] for _ in inputs]
    for row in range(count):
        vector = _C.view(_C.select(unit, 0, row), output.shape)
        found = _gradients((output,), inputs, (vector,), create_graph, retain_graph=True)
        for k, (g, x) in enumerate(zip(found, inputs, strict=True)):
            if g is None:
                if strict:
                    raise GradError(
                        f"Output {number} of the user-provided function is independent of input "
                        f"{k}. This is not allowed in strict mode."
                    )
                g = _C.full(x.shape, 0, x.dtype)
            elif strict and create_graph and not g.requires_grad:
                raise GradError(
                    _NEXT["back"].format(k)
                    + " This is not allowed in strict mode when create_graph=True."
                )
            columns[k].append(g)
    return tuple(
        stack(column).view((*output.shape, *x.shape))
        if column
        else _C.full((*output.shape, *x.shape), 0, x.dtype)
        for column, x in zip(columns, inputs, strict=True)
    )


def hessian(
    func: _Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a scalar function.

    Args:
        func: takes tensors, returns a tensor of one element.
        inputs: its arguments, a tensor or a tuple.
        create_graph: make the result differentiable.
        strict: raise where the value or its gradient does not depend on an input.
        vectorize: compute all rows (or columns) at once.
        outer_jacobian_strategy: how the gradient is differentiated; see `jacobian`.

    Returns:
        For a tensor a tensor of its sizes twice over, else a tuple of tuples.

    Raises:
        RuntimeError: if the function does not return a single number, or in strict mode.

    Example:
        >>> x = flambeau.tensor([1., 2.])
        >>> flambeau.autograd.functional.hessian(lambda x: (x ** 3).sum(), x)
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    items, several = _as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in _STRATEGIES:
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    if outer_jacobian_strategy == "forward-mode":
        _check_forward(create_graph, strict, vectorize)

    def number(*own: Tensor) -> Tensor:
        result = func(*own)
        outputs, several_outputs = _outputs(result, "hessian")
        _require_graph(outputs, "outputs", strict)
        _single_number(outputs, several_outputs, "hessian")
        return outputs[0].reshape(())

    if outer_jacobian_strategy == "forward-mode":
        from flambeau.func import jacfwd, jacrev

        argnums = tuple(range(len(items)))
        found = jacfwd(jacrev(number, argnums), argnums)(*items)
        return tuple(found) if several else found[0][0]

    def gradient(*own: Tensor) -> Any:
        rows = jacobian(number, own, create_graph=True)
        _require_graph(rows, "jacobian", strict)
        return rows

    found = jacobian(gradient, items, create_graph, strict, vectorize)
    return found if several else found[0][0]


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
