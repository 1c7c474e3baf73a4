"""Gradients against finite differences, of first and second order.

A complex tensor counts as its real and imaginary parts. With the gradient g of a real number L with
respect to z = x + iy defined as dL/dx + i dL/dy (the conjugate Wirtinger derivative, up to the
factor 2; https://pytorch.org/docs/stable/notes/autograd.html#autograd-for-complex-numbers), the
parts of g are L's slopes along the parts of z, so that a check of real coordinates covers maps from
and to complex numbers.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    _Coordinates = list[float]
    _Matrix = list[_Coordinates]  # by coordinate of the input, then by coordinate of the output


class GradcheckError(RuntimeError):
    """The analytical and the numerical gradient differ.

    Example:
        >>> x = flambeau.ones(1, dtype=flambeau.float64, requires_grad=True)
        >>> wrong = lambda t: t.detach() * t  # the product rule has two terms
        >>> try:
        ...     flambeau.autograd.gradcheck(wrong, x)
        ... except flambeau.autograd.GradcheckError:
        ...     print("differs")
        differs
    """


def _tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _wanted(values: Sequence[Any]) -> list[Tensor]:
    """The tensors that require gradients."""
    return [x for x in values if isinstance(x, Tensor) and x.requires_grad]


# ---- tensors as real coordinates ----


def _flat_parts(t: Tensor) -> Tensor:
    """A contiguous tensor's storage as a vector of real numbers, without history."""
    return _C.reshape(_C.view_as_real(t) if t.dtype.is_complex else t, (-1,))


def _coordinates(t: Tensor) -> _Coordinates:
    values: _Coordinates = _flat_parts(_C.contiguous(_C.resolved(_C.detach(t)))).tolist()
    return values


def _set_coordinates(t: Tensor, values: _Coordinates) -> None:
    """Writes the coordinates into the storage behind `t`, whatever its strides."""
    fresh = _C.empty(t.shape, t.dtype)
    flat = _flat_parts(fresh)
    for k, value in enumerate(values):
        _C.fill(_C.select(flat, 0, k), value)
    _C.copy_into(t, fresh)


def _count(t: Tensor) -> int:
    return t.numel() * (2 if t.dtype.is_complex else 1)


def _vector(like: Tensor, values: _Coordinates) -> Tensor:
    made: Tensor = _C.empty(like.shape, like.dtype)
    _set_coordinates(made, values)
    return made


def _unit(n: int, at: int) -> _Coordinates:
    return [float(k == at) for k in range(n)]


def _dot(a: _Coordinates, b: _Coordinates) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _gradient_coordinates(gradient: Tensor | None, like: Tensor) -> _Coordinates:
    """The gradient's coordinates; one that does not exist is zero."""
    if gradient is None:
        return [0.0] * _count(like)
    if like.dtype.is_complex and not gradient.dtype.is_complex:
        gradient = _C.cast(gradient, like.dtype)
    return _coordinates(gradient)


# ---- the two ways to a derivative ----


class _Derivatives:
    """Derivatives of `func` at `inputs`, from backward and from differences."""

    def __init__(self, func: Callable[..., Any], inputs: tuple[Any, ...], eps: float) -> None:
        self.func = func
        self.inputs = inputs
        self.eps = eps
        self.wanted = _wanted(inputs)
        found = self._tensors()
        #: Places of the differentiable outputs among the tensors that `func` returns.
        self.places = [k for k, o in enumerate(found) if o.requires_grad]
        self.outputs = [found[k] for k in self.places]

    def _tensors(self) -> list[Tensor]:
        return [o for o in _tuple(self.func(*self.inputs)) if isinstance(o, Tensor)]

    def _moved(self, x: Tensor, start: _Coordinates, along: _Coordinates) -> list[_Coordinates]:
        """All outputs with `along` added to the input."""
        _set_coordinates(x, [v + d for v, d in zip(start, along, strict=True)])
        return [_coordinates(o) for o in self._tensors()]

    def slopes(self, x: Tensor, direction: _Coordinates) -> list[_Coordinates]:
        """(f(x + eps d) - f(x - eps d)) / 2 eps of every tensor that `func` returns."""
        start = _coordinates(x)
        step = [self.eps * d for d in direction]
        try:
            above = self._moved(x, start, step)
            below = self._moved(x, start, [-s for s in step])
        finally:
            _set_coordinates(x, start)
        return [
            [(a - b) / (2 * self.eps) for a, b in zip(high, low, strict=True)]
            for high, low in zip(above, below, strict=True)
        ]

    def gradients(self, output: Tensor, cotangent: _Coordinates) -> list[Tensor | None]:
        """What backward gives for each input that requires gradients."""
        from flambeau.autograd import grad

        return list(
            grad(
                output,
                self.wanted,
                _vector(output, cotangent),
                retain_graph=True,
                allow_unused=True,
            )
        )

    def pushed(self, x: Tensor, direction: _Coordinates) -> list[_Coordinates]:
        """What forward mode gives for every tensor that `func` returns, as `slopes`."""
        from flambeau.autograd.forward_ad import dual_level, make_dual, unpack_dual

        with dual_level():
            dual = make_dual(x.detach().requires_grad_(), _vector(x, direction))
            given = [dual if value is x else value for value in self.inputs]
            pairs = [unpack_dual(o) for o in _tuple(self.func(*given)) if isinstance(o, Tensor)]
            return [_gradient_coordinates(p.tangent, p.primal) for p in pairs]

    def numerical(self, x: Tensor) -> list[_Matrix]:
        """The Jacobians of all tensors that `func` returns."""
        return self._columns(self.slopes, x)

    def forward(self, x: Tensor) -> list[_Matrix]:
        """The same from forward mode."""
        return self._columns(self.pushed, x)

    def _columns(self, derivative: Callable[..., Any], x: Tensor) -> list[_Matrix]:
        n = _count(x)
        columns = [derivative(x, _unit(n, at)) for at in range(n)]
        if not columns:
            return [[] for _ in self._tensors()]
        return [list(rows) for rows in zip(*columns, strict=True)]

    def analytical(self, output: Tensor) -> list[_Matrix]:
        """The Jacobians of one output with respect to each input."""
        m = _count(output)
        rows = [self.gradients(output, _unit(m, at)) for at in range(m)]
        found = []
        for k, x in enumerate(self.wanted):
            by_output = [_gradient_coordinates(row[k], x) for row in rows]
            found.append([[row[i] for row in by_output] for i in range(_count(x))])
        return found


# ---- comparing ----


def _as_jacobian(matrix: _Matrix, x: Tensor, output: Tensor, part: int) -> list[list[Any]]:
    """Rows by element of the input, columns by element of one part of the output."""
    step = 2 if output.dtype.is_complex else 1
    picked = [row[part::step] for row in matrix]
    if not x.dtype.is_complex:
        return picked
    return [
        [complex(re, im) for re, im in zip(reals, imags, strict=True)]
        for reals, imags in zip(picked[::2], picked[1::2], strict=True)
    ]


def _close(a: Any, b: Any, atol: float, rtol: float) -> bool:
    return a == b or abs(a - b) <= atol + rtol * abs(b)


def _mismatch_text(
    output: Tensor, part: int, place: int, x_number: int, forward: bool = False
) -> str:
    """The part of the output that differs, in the words of torch."""
    how = "computed with forward mode " if forward else ""
    text = f"Jacobian {how}mismatch for output {place} with respect to input {x_number},\n"
    if not output.dtype.is_complex:
        return text
    name = "imaginary" if part else "real"
    return f"While considering the {name} part of complex outputs only, {text}"


def _parts_of(output: Tensor) -> tuple[int, ...]:
    """Which parts of an output to look at; imaginary ones first."""
    return (1, 0) if output.dtype.is_complex else (0,)


def _compare(
    numerical: _Matrix, analytical: _Matrix, x: Tensor, output: Tensor, atol: float, rtol: float
) -> tuple[int, Any, Any] | None:
    """The first part in which the Jacobians differ, with both Jacobians; None if they agree."""
    from flambeau.ops.values import tensor

    for part in _parts_of(output):
        n = _as_jacobian(numerical, x, output, part)
        a = _as_jacobian(analytical, x, output, part)
        if all(
            _close(p, q, atol, rtol)
            for row, other in zip(a, n, strict=True)
            for p, q in zip(row, other, strict=True)
        ):
            continue
        return part, tensor(n, dtype=x.dtype), tensor(a, dtype=x.dtype)
    return None


def _check_every_direction(d: _Derivatives, atol: float, rtol: float) -> None:
    numerical = [d.numerical(x) for x in d.wanted]
    for place, output in zip(d.places, d.outputs, strict=True):
        for k, (x, analytical) in enumerate(zip(d.wanted, d.analytical(output), strict=True)):
            found = _compare(numerical[k][place], analytical, x, output, atol, rtol)
            if found is not None:
                part, n, a = found
                raise GradcheckError(
                    _mismatch_text(output, part, place, k) + f"numerical:{n}\nanalytical:{a}\n"
                )


def _check_forward_mode(d: _Derivatives, atol: float, rtol: float) -> None:
    for k, x in enumerate(d.wanted):
        numerical, analytical = d.numerical(x), d.forward(x)
        for place, output in zip(d.places, d.outputs, strict=True):
            found = _compare(numerical[place], analytical[place], x, output, atol, rtol)
            if found is not None:
                part, n, a = found
                raise GradcheckError(
                    _mismatch_text(output, part, place, k, forward=True)
                    + f"numerical:{n}\nanalytical:{a}\n"
                )


def _check_forward_mode_once(d: _Derivatives, atol: float, rtol: float) -> None:
    """Along one direction of each input."""
    import random

    generator = random.Random(0)
    for k, x in enumerate(d.wanted):
        direction = _positive_unit(generator, _count(x))
        if not direction:
            continue
        numerical, analytical = d.slopes(x, direction), d.pushed(x, direction)
        for place, output in zip(d.places, d.outputs, strict=True):
            pairs = zip(analytical[place], numerical[place], strict=True)
            if not all(_close(a, n, atol * sum(direction), rtol) for a, n in pairs):
                raise GradcheckError(
                    _mismatch_text(output, 0, place, k, forward=True)
                    + f"numerical:{numerical[place]}\nanalytical:{analytical[place]}\n"
                )


def _positive_unit(generator: Any, n: int) -> _Coordinates:
    values = [generator.random() for _ in range(n)]
    size = sum(v * v for v in values) ** 0.5 or 1.0
    return [v / size for v in values]


_FAST_NOTE = """
The above quantities relating the numerical and analytical jacobians are computed
in fast mode. Below, we recompute numerical and analytical jacobians in slow mode:

"""


def _check_random_direction(d: _Derivatives, atol: float, rtol: float) -> None:
    """u J v for one positive unit vector on either side: entries of J cannot cancel by sign of
    the vectors, and the tolerance of an entry grows with the number of entries.
    """
    import random

    generator = random.Random(0)
    directions = [_positive_unit(generator, _count(x)) for x in d.wanted]
    numerical = [d.slopes(x, u) for x, u in zip(d.wanted, directions, strict=True)]
    for place, output in zip(d.places, d.outputs, strict=True):
        cotangent = _positive_unit(generator, _count(output))
        for k, (x, g) in enumerate(zip(d.wanted, d.gradients(output, cotangent), strict=True)):
            if not directions[k]:
                continue
            n = _dot(numerical[k][place], cotangent)
            a = _dot(_gradient_coordinates(g, x), directions[k])
            if _close(a, n, atol * sum(directions[k]) * sum(cotangent), rtol):
                continue
            slow = _compare(d.numerical(x)[place], d.analytical(output)[k], x, output, atol, rtol)
            text = _mismatch_text(output, slow[0] if slow else 0, place, k)
            text += f"numerical:{n}\nanalytical:{a}\n"
            if slow is not None:
                text += _FAST_NOTE + f"Numerical:\n {slow[1]}\nAnalytical:\n{slow[2]}\n"
            raise GradcheckError(text)


# ---- further properties of a backward ----


def _ones(output: Tensor) -> _Coordinates:
    return [1.0] * _count(output)


def _check_same_twice(d: _Derivatives, tolerance: float) -> None:
    for output in d.outputs:
        first = d.gradients(output, _ones(output))
        second = d.gradients(output, _ones(output))
        for x, a, b in zip(d.wanted, first, second, strict=True):
            pairs = zip(_gradient_coordinates(a, x), _gradient_coordinates(b, x), strict=True)
            if any(p != q and not abs(p - q) <= tolerance and (p == p or q == q) for p, q in pairs):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values. The tolerance for"
                    f" nondeterminism was {tolerance}."
                )


def _check_dtypes(d: _Derivatives) -> None:
    for output in d.outputs:
        for x, g in zip(d.wanted, d.gradients(output, _ones(output)), strict=True):
            if g is not None and g.dtype != x.dtype:
                raise GradcheckError(
                    f"Expected the gradient to have the dtype of the input: it has {g.dtype}, the"
                    f" input {x.dtype}"
                )


def _check_undefined(d: _Derivatives) -> None:
    """Backward must do without the gradient of one of several outputs, and keep zeros zero."""
    from flambeau.autograd import grad

    if len(d.outputs) < 2:
        return
    for k in range(len(d.outputs)):
        rest = d.outputs[:k] + d.outputs[k + 1 :]
        zeros = [_C.full(o.shape, 0, o.dtype) for o in rest]
        try:
            found = grad(rest, d.wanted, zeros, retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            raise GradcheckError(
                "Expected backward function to handle undefined output grads: it failed without"
                f" the gradient of output {d.places[k]}"
            ) from error
        if any(g is not None and any(_coordinates(g)) for g in found):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are"
                " undefined or zero."
            )


def _check_batched(d: _Derivatives) -> None:
    """Several vectors at once give what they give one after the other."""
    from flambeau.autograd import grad
    from flambeau.ops.join import stack

    for output in d.outputs:
        n = _count(output)
        vectors = [[(-1.0) ** (k * row) / (k + row + 1) for k in range(n)] for row in range(2)]
        together = grad(
            output,
            d.wanted,
            stack([_vector(output, v) for v in vectors]),
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=True,
        )
        rows = [d.gradients(output, v) for v in vectors]
        for k, x in enumerate(d.wanted):
            one_by_one = [v for row in rows for v in _gradient_coordinates(row[k], x)]
            batched = [0.0] * len(one_by_one) if together[k] is None else _coordinates(together[k])
            if not all(_close(a, b, 1e-8, 1e-5) for a, b in zip(batched, one_by_one, strict=True)):
                raise GradcheckError(
                    "gradcheck or gradgradcheck failed while testing batched gradient computation:"
                    f" the gradients of input {k} differ from those computed one by one"
                )


def _check_batched_forward(d: _Derivatives) -> None:
    """Several tangents at once give what they give one after the other."""
    from flambeau.func import jvp, vmap
    from flambeau.ops.join import stack

    for k, x in enumerate(d.wanted):
        n = _count(x)
        tangents = [[(-1.0) ** (j * row) / (j + row + 1) for j in range(n)] for row in range(2)]

        def push(tangent: Tensor, x: Tensor = x) -> tuple[Any, ...]:
            def of_one(value: Tensor) -> tuple[Any, ...]:
                given = [value if other is x else other for other in d.inputs]
                found = [o for o in _tuple(d.func(*given)) if isinstance(o, Tensor)]
                return tuple(found[place] for place in d.places)

            pushed: tuple[Any, ...] = jvp(of_one, (x.detach(),), (tangent,))[1]
            return pushed

        together = vmap(push)(stack([_vector(x, t) for t in tangents]))
        for place, batch in zip(d.places, together, strict=True):
            for row, tangent in enumerate(tangents):
                alone = d.pushed(x, tangent)[place]
                found = _coordinates(batch.select(0, row))
                if not all(_close(a, b, 1e-8, 1e-5) for a, b in zip(found, alone, strict=True)):
                    raise GradcheckError(
                        "gradcheck or gradgradcheck failed while testing batched forward mode AD:"
                        f" the tangents of input {k} differ from those computed one by one"
                    )


def _check_constant(d: _Derivatives) -> None:
    for x in d.wanted:
        n = _count(x)
        for at in range(n):
            if any(any(abs(v) > 1e-5 for v in o) for o in d.slopes(x, _unit(n, at))):
                raise GradcheckError("Numerical gradient for function expected to be zero")


def _check_inputs(inputs: tuple[Any, ...]) -> None:
    if not _wanted(inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them "
            "have requires_grad=True."
        )
    for k, x in enumerate(inputs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            continue
        if x.dtype not in (_C.float64, _C.complex128):
            from warnings import warn

            warn(
                f"Input #{k} requires gradient and is not a double precision floating point or"
                " complex. This check will likely fail if all the inputs are not of double"
                " precision floating point or complex. ",
                UserWarning,
                stacklevel=3,
            )
        if any(st == 0 and size > 1 for st, size in zip(x.stride(), x.shape, strict=True)):
            raise RuntimeError(
                f"The {k}th input has a dimension with stride 0. gradcheck only supports inputs"
                " that are non-overlapping to be able to compute the numerical gradients"
                " correctly. You should call .contiguous on the input before passing it to"
                " gradcheck."
            )


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(text)


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compares the gradients of `func` with central differences.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors, real or complex.
        inputs: a tensor or a tuple; those that require gradients are checked. They should be
            float64 or complex128.
        eps: step of the differences.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise on a difference; else return False.
        nondet_tol: how far two runs of the backward may differ.
        check_undefined_grad: of several outputs, each may have no gradient.
        check_grad_dtypes: also compare the dtypes of the gradients with those of the inputs.
        check_batched_grad: also compare `grad(..., is_grads_batched=True)`.
        check_batched_forward_grad: also compare forward mode under `vmap`.
        check_forward_ad: compare what forward mode gives.
        check_backward_ad: compare what backward gives.
        fast_mode: compare along one random direction only.
        masked: says how sparse inputs count; dense ones do not need it.

    Returns:
        True when all gradients agree.

    Raises:
        GradcheckError: on the first difference (if `raise_exception`).
        ValueError: if no input requires gradients.
        AssertionError: for checks that exclude each other, as in PyTorch.
        RuntimeError: if elements of an input share memory.

    Example:
        >>> x = flambeau.tensor([0.5, 2.0], dtype=flambeau.float64, requires_grad=True)
        >>> flambeau.autograd.gradcheck(flambeau.exp, x)
        True
    """
    _require(
        check_forward_ad or check_backward_ad,
        "Expected at least one of check_forward_ad or check_backward_ad to be True",
    )
    _require(
        check_backward_ad or not check_batched_grad,
        "Setting check_batched_grad=True requires check_backward_ad to be True",
    )
    _require(
        check_forward_ad or not check_batched_forward_grad,
        "Setting check_batched_forward_grad=True requires check_forward_ad to be True",
    )
    inputs = _tuple(inputs)
    _check_inputs(inputs)
    derivatives = _Derivatives(func, inputs, eps)
    try:
        if not derivatives.outputs:
            _check_constant(derivatives)
            return True
        if check_backward_ad:
            _check_same_twice(derivatives, nondet_tol)
            (_check_random_direction if fast_mode else _check_every_direction)(
                derivatives, atol, rtol
            )
        if check_forward_ad:
            (_check_forward_mode_once if fast_mode else _check_forward_mode)(
                derivatives, atol, rtol
            )
        for wanted, check in (
            (check_batched_forward_grad, _check_batched_forward),
            (check_backward_ad and check_grad_dtypes, _check_dtypes),
            (check_batched_grad, _check_batched),
            (check_backward_ad and check_undefined_grad, _check_undefined),
        ):
            if wanted:
                check(derivatives)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _random_starts(outputs: list[Tensor], spread: bool) -> tuple[Tensor, ...]:
    """Gradients of the outputs to start from, if wanted with gaps between their elements."""
    import random

    generator = random.Random(1)
    starts = []
    for o in outputs:
        start = _vector(o, [generator.uniform(-1, 1) for _ in range(_count(o))])
        if spread and o.ndim:
            wide: Tensor = _C.empty((*o.shape[:-1], 2 * o.shape[-1]), o.dtype)
            strided = _C.slice(wide, o.ndim - 1, 0, 2 * o.shape[-1], 2)
            _C.copy_into(strided, start)
            start = strided
        starts.append(start.requires_grad_())
    return tuple(starts)


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """gradcheck of the gradient: checks second derivatives.

    Args:
        grad_outputs: gradients of the outputs to start from; random by default.
        gen_non_contig_grad_outputs: whether the random ones have gaps between their elements.
        check_fwd_over_rev: differentiate the gradient by forward mode.
        check_rev_over_rev: differentiate it by backward.

    The other arguments, what is returned and raised are those of `gradcheck`.

    Example:
        >>> x = flambeau.tensor([0.5, 2.0], dtype=flambeau.float64, requires_grad=True)
        >>> flambeau.autograd.gradgradcheck(flambeau.exp, x)
        True
    """
    from flambeau.autograd import grad

    _require(
        check_fwd_over_rev or check_rev_over_rev,
        "Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True",
    )
    _require(
        check_rev_over_rev or not check_undefined_grad,
        "Setting check_undefined_grad=True requires check_rev_over_rev to be True",
    )
    _require(
        check_rev_over_rev or not check_batched_grad,
        "Setting check_batched_grad=True requires check_rev_over_rev to be True",
    )
    inputs = _tuple(inputs)
    _check_inputs(inputs)
    outputs = _wanted(_tuple(func(*inputs)))
    if not outputs:
        return True  # a constant
    if grad_outputs is None:
        grad_outputs = _random_starts(outputs, gen_non_contig_grad_outputs)
    grad_outputs = _tuple(grad_outputs)
    count = len(inputs)

    def gradients(*everything: Any) -> tuple[Tensor, ...]:
        own, starts = everything[:count], everything[count:]
        wanted = _wanted(own)
        found = grad(
            _wanted(_tuple(func(*own))), wanted, starts, create_graph=True, allow_unused=True
        )
        return tuple(
            g if g is not None else _C.full(x.shape, 0, x.dtype)
            for g, x in zip(found, wanted, strict=True)
        )

    return gradcheck(
        gradients,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )
