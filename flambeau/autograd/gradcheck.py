"""Gradients against finite differences, of first and second order."""

from __future__ import annotations

from flambeau import _C
from flambeau.autograd.differences import (
    Derivatives,
    as_tuple,
    coordinate_count,
    coordinates_of,
    dot,
    gradient_coordinates,
    requiring_grad,
    tensor_from,
    unit_vector,
)
from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from flambeau.autograd.differences import Coordinates, Matrix


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


# ---- comparing ----


def _as_jacobian(matrix: Matrix, x: Tensor, output: Tensor, part: int) -> list[list[Any]]:
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
    numerical: Matrix, analytical: Matrix, x: Tensor, output: Tensor, atol: float, rtol: float
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


def _check_every_direction(d: Derivatives, atol: float, rtol: float) -> None:
    numerical = [d.numerical(x) for x in d.wanted]
    for place, output in zip(d.places, d.outputs, strict=True):
        for k, (x, analytical) in enumerate(zip(d.wanted, d.analytical(output), strict=True)):
            found = _compare(numerical[k][place], analytical, x, output, atol, rtol)
            if found is not None:
                part, n, a = found
                raise GradcheckError(
                    _mismatch_text(output, part, place, k) + f"numerical:{n}\nanalytical:{a}\n"
                )


def _check_forward_mode(d: Derivatives, atol: float, rtol: float) -> None:
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


def _check_forward_mode_once(d: Derivatives, atol: float, rtol: float) -> None:
    """Along one direction of each input."""
    import random

    generator = random.Random(0)
    for k, x in enumerate(d.wanted):
        direction = _positive_unit(generator, coordinate_count(x))
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


def _positive_unit(generator: Any, n: int) -> Coordinates:
    values = [generator.random() for _ in range(n)]
    size = sum(v * v for v in values) ** 0.5 or 1.0
    return [v / size for v in values]


_FAST_NOTE = """
The above quantities relating the numerical and analytical jacobians are computed
in fast mode. Below, we recompute numerical and analytical jacobians in slow mode:

"""


def _check_random_direction(d: Derivatives, atol: float, rtol: float) -> None:
    """u J v for one positive unit vector on either side: entries of J cannot cancel by sign of
    the vectors, and the tolerance of an entry grows with the number of entries.
    """
    import random

    generator = random.Random(0)
    directions = [_positive_unit(generator, coordinate_count(x)) for x in d.wanted]
    numerical = [d.slopes(x, u) for x, u in zip(d.wanted, directions, strict=True)]
    for place, output in zip(d.places, d.outputs, strict=True):
        cotangent = _positive_unit(generator, coordinate_count(output))
        for k, (x, g) in enumerate(zip(d.wanted, d.gradients(output, cotangent), strict=True)):
            if not directions[k]:
                continue
            n = dot(numerical[k][place], cotangent)
            a = dot(gradient_coordinates(g, x), directions[k])
            if _close(a, n, atol * sum(directions[k]) * sum(cotangent), rtol):
                continue
            slow = _compare(d.numerical(x)[place], d.analytical(output)[k], x, output, atol, rtol)
            text = _mismatch_text(output, slow[0] if slow else 0, place, k)
            text += f"numerical:{n}\nanalytical:{a}\n"
            if slow is not None:
                text += _FAST_NOTE + f"Numerical:\n {slow[1]}\nAnalytical:\n{slow[2]}\n"
            raise GradcheckError(text)


# ---- further properties of a backward ----


def _ones(output: Tensor) -> Coordinates:
    return [1.0] * coordinate_count(output)


def _check_same_twice(d: Derivatives, tolerance: float) -> None:
    for output in d.outputs:
        first = d.gradients(output, _ones(output))
        second = d.gradients(output, _ones(output))
        for x, a, b in zip(d.wanted, first, second, strict=True):
            pairs = zip(gradient_coordinates(a, x), gradient_coordinates(b, x), strict=True)
            if any(p != q and not abs(p - q) <= tolerance and (p == p or q == q) for p, q in pairs):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values. The tolerance for"
                    f" nondeterminism was {tolerance}."
                )


def _check_dtypes(d: Derivatives) -> None:
    for output in d.outputs:
        for x, g in zip(d.wanted, d.gradients(output, _ones(output)), strict=True):
            if g is not None and g.dtype != x.dtype:
                raise GradcheckError(
                    f"Expected the gradient to have the dtype of the input: it has {g.dtype}, the"
                    f" input {x.dtype}"
                )


def _check_undefined(d: Derivatives) -> None:
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
        if any(g is not None and any(coordinates_of(g)) for g in found):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are"
                " undefined or zero."
            )


def _check_batched(d: Derivatives) -> None:
    """Several vectors at once give what they give one after the other."""
    from flambeau.autograd import grad
    from flambeau.ops.join import stack

    for output in d.outputs:
        n = coordinate_count(output)
        vectors = [[(-1.0) ** (k * row) / (k + row + 1) for k in range(n)] for row in range(2)]
        together = grad(
            output,
            d.wanted,
            stack([tensor_from(output, v) for v in vectors]),
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=True,
        )
        rows = [d.gradients(output, v) for v in vectors]
        for k, x in enumerate(d.wanted):
            one_by_one = [v for row in rows for v in gradient_coordinates(row[k], x)]
            batched = (
                [0.0] * len(one_by_one) if together[k] is None else coordinates_of(together[k])
            )
            if not all(_close(a, b, 1e-8, 1e-5) for a, b in zip(batched, one_by_one, strict=True)):
                raise GradcheckError(
                    "gradcheck or gradgradcheck failed while testing batched gradient computation:"
                    f" the gradients of input {k} differ from those computed one by one"
                )


def _check_batched_forward(d: Derivatives) -> None:
    """Several tangents at once give what they give one after the other."""
    from flambeau.func import jvp, vmap
    from flambeau.ops.join import stack

    for k, x in enumerate(d.wanted):
        n = coordinate_count(x)
        tangents = [[(-1.0) ** (j * row) / (j + row + 1) for j in range(n)] for row in range(2)]

        def push(tangent: Tensor, x: Tensor = x) -> tuple[Any, ...]:
            def of_one(value: Tensor) -> tuple[Any, ...]:
                given = [value if other is x else other for other in d.inputs]
                found = [o for o in as_tuple(d.func(*given)) if isinstance(o, Tensor)]
                return tuple(found[place] for place in d.places)

            pushed: tuple[Any, ...] = jvp(of_one, (x.detach(),), (tangent,))[1]
            return pushed

        together = vmap(push)(stack([tensor_from(x, t) for t in tangents]))
        for place, batch in zip(d.places, together, strict=True):
            for row, tangent in enumerate(tangents):
                alone = d.pushed(x, tangent)[place]
                found = coordinates_of(batch.select(0, row))
                if not all(_close(a, b, 1e-8, 1e-5) for a, b in zip(found, alone, strict=True)):
                    raise GradcheckError(
                        "gradcheck or gradgradcheck failed while testing batched forward mode AD:"
                        f" the tangents of input {k} differ from those computed one by one"
                    )


def _check_constant(d: Derivatives) -> None:
    for x in d.wanted:
        n = coordinate_count(x)
        for at in range(n):
            if any(any(abs(v) > 1e-5 for v in o) for o in d.slopes(x, unit_vector(n, at))):
                raise GradcheckError("Numerical gradient for function expected to be zero")


def _check_inputs(inputs: tuple[Any, ...]) -> None:
    if not requiring_grad(inputs):
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them "
            "have requires_grad=True."
        )
    for k, x in enumerate(inputs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            continue
        if x.dtype not in (_C.float64, _C.complex128):
            warn(
                f"Input #{k} requires gradient and is not a double precision floating point or"
                " complex. This check will likely fail if all the inputs are not of double"
                " precision floating point or complex. ",
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
    inputs = as_tuple(inputs)
    _check_inputs(inputs)
    derivatives = Derivatives(func, inputs, eps)
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
        start = tensor_from(o, [generator.uniform(-1, 1) for _ in range(coordinate_count(o))])
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
    inputs = as_tuple(inputs)
    _check_inputs(inputs)
    outputs = requiring_grad(as_tuple(func(*inputs)))
    if not outputs:
        return True  # a constant
    if grad_outputs is None:
        grad_outputs = _random_starts(outputs, gen_non_contig_grad_outputs)
    grad_outputs = as_tuple(grad_outputs)
    count = len(inputs)

    def gradients(*everything: Any) -> tuple[Tensor, ...]:
        own, starts = everything[:count], everything[count:]
        wanted = requiring_grad(own)
        found = grad(
            requiring_grad(as_tuple(func(*own))),
            wanted,
            starts,
            create_graph=True,
            allow_unused=True,
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
