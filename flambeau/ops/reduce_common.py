"""What the families of reductions share: their samples, and parts of their gradient rules."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.ops.masks import where

#: The results of an extreme along one axis.
PICKED = ("values", "indices")

# ---- samples ----


def with_dims(s):
    """Calls over no, one and several axes."""
    yield s(s.tensor(2, 3, 4))
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(2, 3, 4), (0, -1), keepdim=True)
    yield s(s.tensor(3, 40), dim=0)
    yield s(s.tensor())
    yield s(s.tensor(5), 0)


def with_dims_and_empty(s):
    """The same, and over axes without elements."""
    yield from with_dims(s)
    yield s(s.tensor(0, 3))
    yield s(s.tensor(0, 3), 0)
    yield s(s.tensor(3, 0), 0)


def one_or_several_axes(s):
    """Calls that name the axes."""
    yield s(s.tensor(2, 3, 4), dim=0)
    yield s(s.tensor(2, 3, 4), (0, -1))
    yield s(s.tensor(5), 0)
    yield s(s.tensor(), 0)


def distinct_with_dims(s):
    """Calls over no, one and several axes of elements of which no two are equal."""
    yield s(s.distinct(2, 3, 4))
    yield s(s.distinct(2, 3, 4), 1)
    yield s(s.distinct(2, 3, 4), (0, -1), keepdim=True)
    yield s(s.distinct(5), 0)


def along_one_axis(s):
    """Calls along one axis of elements of which no two are equal."""
    yield s(s.distinct(2, 3, 4), 1)
    yield s(s.distinct(2, 3, 4), -1)
    yield s(s.distinct(5), 0)
    yield s(s.distinct(), 0)


# ---- for the rules ----


def unreduced(reduced, dim, keepdim, shape):
    """What a reduction returned, with the reduced axes back as axes of size one."""
    if keepdim or dim is None or reduced.ndim == len(shape):
        return reduced
    n = len(shape)
    dims = (dim,) if isinstance(dim, int) else dim
    for d in sorted(d % n for d in dims):
        reduced = reduced.unsqueeze(d)
    return reduced


def reduced_count(shape, dim):
    """How many elements stand behind one result."""
    dims = (
        range(len(shape)) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim
    )
    count = 1
    for d in dims:
        count *= shape[d] if shape else 1
    return count


def share_of_extreme(g, input, dim, keepdim, out):
    """The gradient goes in equal parts to all elements that are the extreme."""
    shape = input.shape
    reached = (input == unreduced(out, dim, keepdim, shape)).to(g.dtype)
    count = reached.sum(dim, True)
    g = unreduced(g, dim, keepdim, shape)
    return reached * (g / count) if dim is not None else reached * g / count


def has_zero(input):
    """Whether an element is zero, or may be."""
    if _C.wrapped_of(input) is not None:  # under a function transform: some example may have one
        return True
    return not input.is_meta and not kernels(input).all(input, None, False).item()


def all_but_one(input, dim):
    """(..., n) -> (..., n, n), dim last: row i has the elements with the i-th replaced by one."""
    rows = input.transpose(dim, -1).unsqueeze(-2)
    n = rows.shape[-1]
    return where(_C.cast(_C.eye(n, n, input.dtype), _C.bool), _C.full((), 1, input.dtype), rows)
