"""Batching rules: what an op does to a whole batch at once.

A rule is called with (op, size, values, marks): the op, the number of examples, one value per
parameter of the op, and for each of them whether it is a batch (`True`: its first axis runs over
the examples), or a list of that for a list of tensors. It returns the result, or the sequence of
results, with the batch as first axis. Rules use differentiable operations.

An elementwise op needs no rule of its own: what has fewer axes gets new ones behind the batch. The
rules of other families are in the modules of this folder, by the names of the ops; an op may also
bring its own (`batch=` in its declaration).
"""

from __future__ import annotations

from typing import Any

from flambeau import _C
from flambeau.core.errors import OutOfRangeError
from flambeau.core.tensor import Tensor

RULES: dict[str, Any] = {}
#: Bodies of composite ops, to be run on wrappers.
COMPOSED: dict[str, Any] = {}

#: Ops that treat every element alike although they are not declared elementwise.
_ELEMENTWISE = [
    "_conj",
    "_conj_physical",
    "_dirichlet_grad",
    "_mul_sigmoid",
    "_neg_view",
    "_standard_gamma_grad",
    "_overwrite",
    "_to_copy",
    "addcdiv",
    "addcmul",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clone",
    "complex",
    "frexp",
    "hardshrink",
    "lerp",
    "logit",
    "logsigmoid",
    "nan_to_num",
    "polygamma",
    "softshrink",
    "where",
    "zero",
]


def rule(*names: str) -> Any:
    """Registers the decorated rule for ops of these names."""

    def register(function: Any) -> Any:
        for name in names:
            RULES[name] = function
        return function

    return register


def rule_of(op: Any) -> Any:
    """The batching rule of an op, or None."""
    found = op.info.batch or RULES.get(op.name)
    if found is None and (op.info.elementwise or op.info.native or op.name in _ELEMENTWISE):
        return elementwise
    return found


_by_position: dict[Any, Any] = {}
_in_place: dict[Any, Any] = {}


def by_position(op: Any) -> Any:
    """The op as a function of one positional argument per parameter."""
    found = _by_position.get(op)
    if found is None:
        found = _by_position[op] = _C.make_positional(op, False)
        found.params, found.info = op.params, op.info
    return found


def in_place(op: Any) -> Any:
    """The in-place form of the op as such a function."""
    found = _in_place.get(op)
    if found is None:
        found = _in_place[op] = _C.make_positional(op, True)
    return found


# ---- elementwise ----


def align(size: int, values: Any, marks: Any) -> list:
    """The arguments with the axes of the examples aligned at the right, as broadcasting wants."""
    tensors = [
        (v.ndim - 1 if m else v.ndim)
        for v, m in zip(values, marks, strict=True)
        if isinstance(v, Tensor)
    ]
    if len(tensors) == 1:
        return list(values)
    ndim = max(tensors)
    if min(tensors) == 0 and ndim:
        values = _promoted(values, marks)
    return [
        lead(v, ndim) if m is True and v.ndim <= ndim else v
        for v, m in zip(values, marks, strict=True)
    ]


def _promoted(values: Any, marks: Any) -> Any:
    """Numbers of each example (0-dim) have less say in the result's dtype than other tensors."""
    tensors = [v for v in values if isinstance(v, Tensor)]
    if all(v.dtype is tensors[0].dtype or v.dtype is _C.bool for v in tensors):
        return values
    seen = [
        v.new_empty(()) if v.ndim == int(m is True) else v
        for v, m in zip(values, marks, strict=True)
        if isinstance(v, Tensor) and v.dtype is not _C.bool
    ]
    common = _C.result_type(seen)
    return [
        v.to(common) if m is True and v.ndim == 1 and v.dtype is not _C.bool else v
        for v, m in zip(values, marks, strict=True)
    ]


def lead(batch: Tensor, ndim: int) -> Tensor:
    """A batch whose examples have `ndim` axes, new ones in front of their own."""
    missing = ndim + 1 - batch.ndim
    if missing <= 0:
        return batch
    return batch.reshape((batch.shape[0], *([1] * missing), *batch.shape[1:]))


def elementwise(op: Any, size: int, values: Any, marks: Any) -> Any:
    """The rule of ops that treat every element alike."""
    return op(*align(size, values, marks))


# ---- helpers of the rules ----


def whole(size: int, value: Any, mark: Any) -> Any:
    """A tensor as a batch: one that all examples share is repeated without copying."""
    if mark is True or not isinstance(value, Tensor):
        return value
    return value.expand((size, *value.shape))


def shift(dim: int, ndim: int) -> int:
    """An axis of an example as an axis of the batch.

    Raises:
        IndexError: if an example has no such axis.
    """
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise OutOfRangeError(
            f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got "
            f"{dim})"
        )
    return dim % bound + 1


def shifts(dims: Any, ndim: int) -> tuple[int, ...]:
    """`shift` of one axis or several."""
    return tuple(shift(d, ndim) for d in ((dims,) if isinstance(dims, int) else dims))


def merged(batch: Tensor, axis: int = 0) -> Tensor:
    """A batch with its examples' axis `axis` merged into that of the batch."""
    moved = batch.movedim(0, axis) if axis else batch
    shape = moved.shape
    return moved.reshape((*shape[:axis], shape[axis] * shape[axis + 1], *shape[axis + 2 :]))


def split(value: Tensor, size: int, axis: int = 0) -> Tensor:
    """The inverse of `merged`."""
    shape = value.shape
    rest = shape[axis] // size if size else 0
    apart = value.reshape((*shape[:axis], size, rest, *shape[axis + 1 :]))
    return apart.movedim(axis, 0) if axis else apart


from flambeau.func._batching import (  # noqa: E402
    attention,
    composed,
    decompositions,
    indexing,
    losses,
    norms,
    products,
    random,
    recurrent,
    reductions,
    views,
)

__all__ = [
    "attention",
    "composed",
    "decompositions",
    "indexing",
    "losses",
    "norms",
    "products",
    "random",
    "recurrent",
    "reductions",
    "views",
]
