"""Forward mode: tensors that carry the derivative along a direction, and the rules of ops on them.

The tangent of a linear op is the op of the tangent; that of an elementwise op is its gradient rule,
whose Jacobian is diagonal and so its own transpose; any other op's follows from its gradient rule
by transposing twice: the gradient of the gradient rule, as a function of its argument.
"""

from __future__ import annotations

import functools
from typing import Any

from flambeau import _C
from flambeau.core.tensor import Tensor
from flambeau.func import _tree
from flambeau.func._batching import _ELEMENTWISE, by_position
from flambeau.func._jvp_rules import LINEAR, RULES
from flambeau.func._levels import Transform, running
from flambeau.func._reverse import (
    Graph,
    _with_aux,
    basis,
    by_argnums,
    differentiable,
    require_tensors,
    vjp,
)
from flambeau.func._vmap import Vmap, vmap
from flambeau.ops.creation import ones_like, zeros_like
from flambeau.ops.linalg_common import any_phase


class Jvp(Transform):
    """The level of one forward derivative: wrappers hold a value and its tangent."""

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self.__class__ = _Ended

    def lift(self, tensor: Tensor) -> None:
        """Gives a tensor that is written to a tangent, zero so far, and so the tensor it views."""
        if self.inside(tensor) is not None:
            return
        base = tensor._base
        if base is not None:
            self.lift(base)
            whole = _C.wrapped_of(base)
            offset = tensor.storage_offset() - whole.value.storage_offset()
            tangent = whole.mark.as_strided(tuple(tensor.shape), tensor.stride(), offset)
        else:
            tangent = self._zero_tangent(tensor)
        _C.rewrap(tensor, tangent, self, self.level)

    def _zero_tangent(self, tensor: Tensor) -> Tensor:
        """Zeros laid out like a tensor; each example of the vmaps outside has its own."""
        outer = [t for t in running()[: self.level - 1] if isinstance(t, Vmap)]
        sizes = [t.size for t in outer]
        extent = 1 + sum(
            (size - 1) * stride
            for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
            if size
        )
        flat = _C.full((*sizes, extent), 0, tensor.dtype)
        lead = flat.stride()[:-1]
        tangent: Any = flat.as_strided((*sizes, *tensor.shape), (*lead, *tensor.stride()))
        for vmap_level in outer:
            tangent = vmap_level.wrap(tangent, True)
        return tangent

    def __call__(self, op: Any, values: tuple, marks: tuple, target: Any) -> Any:
        run = by_position(op)
        if target is not None:
            return self._write(op, run, values, marks, target)
        out = run(*values)
        return self._attach(out, tangents_of(op, run, values, marks, out))

    def _attach(self, out: Any, tangents: Any) -> Any:
        if isinstance(out, Tensor):
            return out if tangents is None else self.wrap(out, _like(tangents, out))
        if out is None or tangents is None:
            return out
        made = [self._attach(o, t) for o, t in zip(out, tangents, strict=True)]
        return made if isinstance(out, list) else type(out)(tuple(made))

    def _write(self, op: Any, run: Any, values: tuple, marks: tuple, target: Tensor) -> None:
        self.lift(target)
        inside = _C.wrapped_of(target)
        values, marks = (inside.value, *values[1:]), (inside.mark, *marks[1:])
        out = run(*values)
        tangent = tangents_of(op, run, values, marks, out)
        if out.shape != inside.value.shape:
            raise RuntimeError(
                f"{op.name}_: output with shape {list(inside.value.shape)} doesn't match the "
                f"broadcast shape {list(out.shape)}"
            )
        inside.value.copy_(out)
        inside.mark.copy_(zeros_like(inside.mark) if tangent is None else tangent)


class _Ended(Jvp):
    """A forward derivative that is over: what is left of its wrappers are their values."""

    def __call__(self, op: Any, values: tuple, marks: tuple, target: Any) -> Any:
        run = by_position(op)
        if target is None:
            return run(*values)
        return _C.make_positional(op, True)(*values)


def _like(tangent: Tensor, out: Tensor) -> Tensor:
    """A tangent with the sizes and dtype of its value."""
    if tangent.dtype != out.dtype:
        tangent = tangent.to(out.dtype)
    return tangent if tangent.shape == out.shape else tangent.expand(out.shape)


# ---- the rules ----


def tangents_of(op: Any, run: Any, values: tuple, marks: tuple, out: Any) -> Any:
    """The tangent of the result, or of each result; None where it has none."""
    if not op.info.rules:
        return None if isinstance(out, Tensor) else (None,) * len(out)
    rule = op.info.jvp or RULES.get(op.name)
    if rule is not None:
        return rule(run, values, marks, out)
    if op.name in LINEAR:
        return _linear(op, run, values, marks, LINEAR[op.name])
    elementwise = op.info.elementwise or op.name in _ELEMENTWISE
    if elementwise and isinstance(out, Tensor) and not _complex(values):
        return _diagonal(op, values, marks, out)
    return _transposed_twice(op, run, values, marks, out)


def _complex(values: tuple) -> bool:
    return any(isinstance(v, Tensor) and v.dtype.is_complex for v in values)


def _linear(op: Any, run: Any, values: tuple, marks: tuple, names: tuple) -> Any:
    """The op is linear in each of these arguments: a sum over them."""
    total: Any = None
    for name in names:
        place = op.params.index(name)
        mark = marks[place]
        if mark is None:
            continue
        if isinstance(mark, (list, tuple)):
            mark = [
                zeros_like(v) if m is None else m for v, m in zip(values[place], mark, strict=True)
            ]
        term = run(*values[:place], mark, *values[place + 1 :])
        total = term if total is None else _sum(total, term)
    return total


def _sum(a: Any, b: Any) -> Any:
    if isinstance(a, Tensor):
        return a + b
    return type(a)(x + y for x, y in zip(a, b, strict=True))


def _sizes(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(map(_sizes, value))
    return value.shape if isinstance(value, Tensor) else ()


def rule_argument(op: Any, name: str, values: tuple, g: Any, out: Any, targets: Any) -> Any:
    """What a gradient rule gets for one of its parameters (core/registry.py)."""
    if name == "g":
        return g
    if name == "needs":
        return tuple(True for _ in targets)
    if name in op.params:
        return values[op.params.index(name)]
    if name == "out":
        return out
    if name.endswith("_shape"):
        return _sizes(values[op.params.index(name[:-6])])
    source = values[op.params.index(name.removesuffix("_layout"))]
    return source.shape, source.stride(), source.storage_offset()


def _diagonal(op: Any, values: tuple, marks: tuple, out: Tensor) -> Any:
    total: Any = None
    for targets, rule in op.info.rules.items():
        names = rule.__code__.co_varnames[: rule.__code__.co_argcount]
        for k, target in enumerate(targets):
            tangent = marks[op.params.index(target)]
            if tangent is None:
                continue
            g = _like(tangent, out)
            term = rule(*(rule_argument(op, n, values, g, out, targets) for n in names))
            term = term if len(targets) == 1 else term[k]
            total = term if total is None else total + term
    return total


def _transposed_twice(op: Any, run: Any, values: tuple, marks: tuple, out: Any) -> Any:
    """The gradient of the gradient rule, as a function of the gradient that it is given.

    See J. Townsend, "A new trick for calculating Jacobian vector products" (2017).
    """
    places, flat = [], []
    for k, mark in enumerate(marks):
        for j, m in enumerate(mark) if isinstance(mark, (list, tuple)) else [(None, mark)]:
            if m is not None:
                places.append((k, j))
                flat.append(m)
    results = [out] if isinstance(out, Tensor) else list(out)
    wanted = [k for k, r in enumerate(results) if differentiable(r)]

    def function(*own: Tensor) -> tuple:
        everything = [list(v) if isinstance(v, (list, tuple)) else v for v in values]
        for (k, j), value in zip(places, own, strict=True):
            if j is None:
                everything[k] = value
            else:
                everything[k][j] = value
        made = run(*everything)
        made = [made] if isinstance(made, Tensor) else list(made)
        return tuple(made[k] for k in wanted)

    def recorded(leaves: list) -> tuple[list, Any]:
        return list(function(*leaves)), None

    primals = [values[k] if j is None else values[k][j] for k, j in places]
    graph = Graph(recorded, primals)
    # Any point would do, the map being linear; some rules are singular at zero.
    start = [ones_like(results[k]) for k in wanted]
    unchecked = any_phase.set(True)
    try:
        _, push = vjp(lambda *g: tuple(graph.gradients(list(g), retain=True)), *start)
    finally:
        any_phase.reset(unchecked)
    found = push(tuple(flat))
    tangents: list = [None] * len(results)
    for k, tangent, output in zip(wanted, found, graph.tracked, strict=True):
        if graph.reaches(output):
            tangents[k] = tangent
    return tangents[0] if isinstance(out, Tensor) else tuple(tangents)


# ---- the gradient of dual tensors ----


def gradients_of_duals(
    outputs: Any, starts: Any, inputs: Any, retain: bool, create_graph: bool
) -> list:
    """Gradients whose tangents are those of the gradients, where outputs have tangents.

    The tangent of the gradient is the gradient of the tangent: second derivatives commute.
    """
    inside = [_C.wrapped_of(o) for o in outputs]
    level = next(
        (w.transform for w in inside if w is not None and isinstance(w.mark, Tensor)), None
    )

    def value(x: Any) -> Any:
        wrapped = None if level is None else level.inside(x)
        return x if wrapped is None else wrapped.value

    leaves = [value(x) for x in inputs]
    roots, given = [value(o) for o in outputs], [value(g) for g in starts]
    keep = retain or level is not None
    found = _C.run_backward(roots, given, keep, create_graph, leaves, False)
    if level is None:
        return found
    pairs = []
    for output, start in zip(outputs, starts, strict=True):
        of_output, of_start = level.inside(output), level.inside(start)
        if of_output is not None and of_output.mark.requires_grad:
            pairs.append((of_output.mark, value(start)))
        if of_start is not None:
            pairs.append((value(output), of_start.mark))
    if not pairs:
        return found
    tangents = _C.run_backward(
        [o for o, _ in pairs], [g for _, g in pairs], retain, create_graph, leaves, False
    )
    return [
        g if g is None or t is None else level.wrap(g, t)
        for g, t in zip(found, tangents, strict=True)
    ]


# ---- the transforms ----


def _tangent_of(level: Jvp, value: Tensor) -> tuple[Tensor, Tensor]:
    wrapped = level.inside(value)
    if wrapped is None:
        return value, zeros_like(value)
    return wrapped.value, wrapped.mark


def _require_pair(name: str, primal: Any, tangent: Any) -> None:
    for value, what in ((primal, "primals"), (tangent, "tangents")):
        if not isinstance(value, Tensor):
            raise RuntimeError(
                f"{name}: Expected {what} to only contain Tensors, got {type(value)}"
            )
        if not differentiable(value):
            raise ValueError(
                f"Expected {what[:-1]} to be floating point or complex, but got: "
                f"torch.{value.dtype.name}"
            )
    if primal.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(primal.shape)} while the "
            f"given forward gradient is of size {list(tangent.shape)}."
        )


def jvp(
    func: Any, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """The value of a function and its derivative along a direction, in one pass.

    Args:
        func: takes the primals, returns tensors or nested structures of them.
        primals: a tuple of arguments.
        tangents: the direction, in the structure of primals.
        strict: raise if the output does not depend on the inputs.
        has_aux: `func` returns (output, aux), aux being handed through.

    Returns:
        (output, jvp_out), or (output, jvp_out, aux).

    Raises:
        RuntimeError: if primals and tangents do not fit together.

    Example:
        >>> flambeau.func.jvp(flambeau.sin, (flambeau.zeros(2),), (flambeau.ones(2),))
        (tensor([0., 0.]), tensor([1., 1.]))
    """
    name = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    flat, spec = _tree.flatten(primals)
    directions, structure = _tree.flatten(tangents)
    if spec != structure:
        raise RuntimeError(
            f"{name}: Expected primals and tangents to have the same python structure. For "
            "example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with "
            f"structure {spec} and tangents with structure {structure}"
        )
    for primal, tangent in zip(flat, directions, strict=True):
        _require_pair(name, primal, tangent)
    with Jvp() as level:
        duals = [level.wrap(p, t) for p, t in zip(flat, directions, strict=True)]
        result = func(*_tree.unflatten(duals, spec))
        aux = None
        if has_aux:
            result, aux = _with_aux(name, result)
            aux = _tree.tree_map(lambda x: getattr(level.inside(x), "value", x), aux)
        outputs, out_spec = _tree.flatten(result)
        for value in outputs:
            if not isinstance(value, Tensor):
                raise RuntimeError(
                    f"{name}: expected f(*primals) to return only tensors, got unsupported type "
                    f"{type(value)}"
                )
            if strict and level.inside(value) is None:
                raise RuntimeError(
                    "jvp(f, primals, tangents, strict=True): The output of f is independent of "
                    "the inputs. This is not allowed with strict=True."
                )
        pairs = [_tangent_of(level, value) for value in outputs]
    output = _tree.unflatten([p for p, _ in pairs], out_spec)
    derivative = _tree.unflatten([t for _, t in pairs], out_spec)
    return (output, derivative, aux) if has_aux else (output, derivative)


def jacfwd(func: Any, argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error") -> Any:
    """A function that returns the Jacobian, computed column by column in forward mode.

    Args:
        func: takes and returns tensors or nested structures of them.
        argnums: which arguments to differentiate by: a number, or a tuple of them.
        has_aux: `func` returns (output, aux); the result is then (jacobian, aux).
        randomness: as in `vmap`.

    Returns:
        A function of the same arguments; see `jacrev`.

    Example:
        >>> flambeau.func.jacfwd(flambeau.sin)(flambeau.zeros(2))
        tensor([[1., 0.],
                [0., 1.]])
    """

    @functools.wraps(func, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        partial, own, single = by_argnums(func, argnums, args, kwargs)
        leaves, spec = _tree.flatten(own)
        require_tensors(leaves)
        kept: dict = {}

        def push(*directions: Tensor) -> tuple:
            result = jvp(partial, own, _tree.unflatten(directions, spec), has_aux=has_aux)
            kept["outputs"], kept["spec"] = _tree.flatten(result[0])
            kept["shapes"] = [o.shape for o in kept["outputs"]]
            kept["aux"] = result[2] if has_aux else None
            flat = tuple(_tree.flatten(result[1])[0])
            if not has_aux:
                return flat
            aux, kept["aux_spec"] = _tree.flatten(result[2])
            return flat, tuple(aux)

        columns: Any = vmap(push, randomness=randomness, out_dims=(-1, None) if has_aux else -1)(
            *basis(leaves)
        )
        aux = None
        if has_aux:
            columns, aux_leaves = columns
            aux = _tree.unflatten(aux_leaves, kept["aux_spec"])
        jacobians = []
        for column, shape in zip(columns, kept["shapes"], strict=True):
            parts, start = [], 0
            for x in leaves:
                part = column.narrow(-1, start, x.numel())
                parts.append(part.reshape((*shape, *x.shape)))
                start += x.numel()
            by_argument = _tree.unflatten(parts, spec)
            jacobians.append(by_argument[0] if single else by_argument)
        result = _tree.unflatten(jacobians, kept["spec"])
        return (result, aux) if has_aux else result

    return wrapper


__all__ = ["Jvp", "jacfwd", "jvp"]
