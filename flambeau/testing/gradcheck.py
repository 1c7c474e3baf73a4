"""Gradients against finite differences, of first and second order."""

from __future__ import annotations

import random

from flambeau import _C
from flambeau.core.grad_mode import no_grad
from flambeau.core.tensor import Tensor


class GradcheckError(RuntimeError):
    """The analytical and the numerical gradient differ."""


def _tuple(value):
    return (
        value if isinstance(value, tuple) else tuple(value) if isinstance(value, list) else (value,)
    )


def _checked(inputs):
    return [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]


def _outputs(function, inputs):
    found = _tuple(function(*inputs))
    return [o for o in found if isinstance(o, Tensor) and o.requires_grad]


def _values(function, inputs, places):
    """The differentiable outputs as flat lists of numbers."""
    with no_grad():
        found = [o for o in _tuple(function(*inputs)) if isinstance(o, Tensor)]
    return [_flat(found[k]) for k in places]


def _flat(tensor):
    return _C.reshape(_C.contiguous(tensor), (-1,)).tolist()


def _set(tensor, values):
    """Writes the numbers into the storage behind `tensor`, whatever its strides."""
    fresh = _C.empty(tensor.shape, tensor.dtype)
    flat = _C.reshape(fresh, (-1,))
    for k, value in enumerate(values):
        _C.fill(_C.select(flat, 0, k), value)
    _C.copy_into(tensor, fresh)


def _differences(function, inputs, x, places, direction, eps):
    """(f(x + eps d) - f(x - eps d)) / 2 eps, per output, for one direction in the elements of x."""
    start = _flat(x)
    try:
        _set(x, [v + eps * d for v, d in zip(start, direction, strict=True)])
        above = _values(function, inputs, places)
        _set(x, [v - eps * d for v, d in zip(start, direction, strict=True)])
        below = _values(function, inputs, places)
    finally:
        _set(x, start)
    return [
        [(a - b) / (2 * eps) for a, b in zip(hi, lo, strict=True)]
        for hi, lo in zip(above, below, strict=True)
    ]


def _vector(like, values):
    g = _C.empty(like.shape, like.dtype)
    _set(g, values)
    return g


def _analytic(output, inputs, cotangent):
    from flambeau.autograd import grad

    return grad(output, inputs, cotangent, retain_graph=True, allow_unused=True)


def gradcheck(
    func,
    inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
) -> bool:
    """Compares the gradients of `func` with central differences.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple; those that require gradients are checked. They should be
            float64.
        eps: step of the differences.
        atol: absolute tolerance.
        rtol: relative tolerance.
        raise_exception: raise on a difference; else return False.
        nondet_tol: how far two runs of the backward may differ.
        check_grad_dtypes: also compare the dtypes of the gradients with those of the inputs.
        fast_mode: compare along one random direction only.

    Returns:
        True when all gradients agree.

    Raises:
        GradcheckError: on the first difference (if `raise_exception`).
        ValueError: if no input requires gradients or one is complex.

    Example:
        >>> x = flambeau.tensor([0.5, 2.0], dtype=flambeau.float64, requires_grad=True)
        >>> flambeau.testing.gradcheck(flambeau.exp, x)
        True
    """
    inputs = _tuple(inputs)
    wanted = _checked(inputs)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them "
            "have requires_grad=True."
        )
    if any(x.dtype.is_complex for x in wanted):
        raise ValueError("gradcheck: inputs must be real")
    try:
        _check(func, inputs, wanted, eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _check(func, inputs, wanted, eps, atol, rtol, nondet_tol, check_grad_dtypes, fast_mode):
    found = [o for o in _tuple(func(*inputs)) if isinstance(o, Tensor)]
    places = [k for k, o in enumerate(found) if o.requires_grad]
    if not places:
        raise GradcheckError("no output of the function requires gradients")
    generator = random.Random(0)
    for x_number, x in enumerate(wanted):
        n = x.numel()
        if fast_mode:
            directions = [[generator.gauss(0, 1) for _ in range(n)]] if n else []
        else:
            directions = [[float(k == at) for k in range(n)] for at in range(n)]
        slopes = [_differences(func, inputs, x, places, d, eps) for d in directions]
        for o_number, place in enumerate(places):
            output = found[place]
            m = output.numel()
            if fast_mode:
                cotangents = [[generator.gauss(0, 1) for _ in range(m)]] if m else []
            else:
                cotangents = [[float(k == at) for k in range(m)] for at in range(m)]
            for row, c in enumerate(cotangents):
                g = _analytic(output, [x], _vector(output, c))[0]
                again = _analytic(output, [x], _vector(output, c))[0]
                if g is not None and check_grad_dtypes and g.dtype != x.dtype:
                    raise GradcheckError(f"the gradient has dtype {g.dtype}, the input {x.dtype}")
                flat = _flat(g) if g is not None else [0.0] * n
                flat_again = _flat(again) if again is not None else [0.0] * n
                if any(abs(a - b) > nondet_tol for a, b in zip(flat, flat_again, strict=True)):
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same input and "
                        "grad_output multiple times gives different values"
                    )
                for column, d in enumerate(directions):
                    analytical = sum(a * b for a, b in zip(flat, d, strict=True))
                    numerical = sum(a * b for a, b in zip(slopes[column][o_number], c, strict=True))
                    if not abs(analytical - numerical) <= atol + rtol * abs(numerical):
                        raise GradcheckError(
                            f"Jacobian mismatch for output {place} with respect to input "
                            f"{x_number}: "
                            f"numerical {numerical}, analytical {analytical} (output element "
                            f"{row}, "
                            f"input element {column}{', random directions' if fast_mode else ''})"
                        )


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    fast_mode: bool = False,
) -> bool:
    """gradcheck of the gradient: checks second derivatives.

    Args:
        grad_outputs: gradients of the outputs to start from; random by default.

    The other arguments are those of `gradcheck`.
    """
    from flambeau.autograd import grad

    inputs = _tuple(inputs)
    outputs = _outputs(func, inputs)
    if grad_outputs is None:
        generator = random.Random(1)
        grad_outputs = tuple(
            _vector(o, [generator.uniform(-1, 1) for _ in range(o.numel())]).requires_grad_()
            for o in outputs
        )
    else:
        grad_outputs = _tuple(grad_outputs)
    count = len(inputs)

    def gradients(*everything):
        own, starts = everything[:count], everything[count:]
        wanted = [x for x in own if isinstance(x, Tensor) and x.requires_grad]
        before = _C.is_grad_enabled()
        _C.set_grad_enabled(True)
        try:
            if not before:  # numerical pass: the graph of the first order is needed all the same
                own = tuple(
                    x.detach().requires_grad_() if isinstance(x, Tensor) and x.requires_grad else x
                    for x in own
                )
                wanted = [x for x in own if isinstance(x, Tensor) and x.requires_grad]
            found = grad(_outputs(func, own), wanted, starts, create_graph=True, allow_unused=True)
        finally:
            _C.set_grad_enabled(before)
        return tuple(
            g if g is not None else _C.full(x.shape, 0, x.dtype)
            for g, x in zip(found, wanted, strict=True)
        )

    probe = gradients(*inputs, *grad_outputs)
    if not any(g.requires_grad for g in probe):
        return True  # linear in everything that is checked
    return gradcheck(
        gradients,
        (*inputs, *grad_outputs),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        fast_mode=fast_mode,
    )
