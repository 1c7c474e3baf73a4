"""Batching rules of indexing, gathering and scattering."""

from __future__ import annotations

from typing import Any

from flambeau import _C
from flambeau.core.tensor import Tensor
from flambeau.func._batching import align, elementwise, lead, rule, shift, whole
from flambeau.func._levels import DYNAMIC_SHAPE
from flambeau.ops.gather import embedding
from flambeau.ops.index import index, index_put
from flambeau.ops.masks import where


@rule("masked_fill")
def _masked_fill(op, size, values, marks):
    if marks[2] is not True:
        return elementwise(op, size, values, marks)
    x, mask, value = align(size, values, marks)  # the value of each example
    return where(mask, value.to(x.dtype), x)


@rule("masked_select")
def _masked_select(op, size, values, marks):
    x, mask = values
    if marks[1] is True:
        raise RuntimeError(DYNAMIC_SHAPE.format("masked_select"))
    shape = tuple(_C.broadcast_shapes(x.shape[1:], mask.shape))
    places = mask.expand(shape).reshape(-1).nonzero().reshape(-1)
    return lead(x, len(shape)).expand((size, *shape)).reshape(size, -1).index_select(1, places)


# ---- x[index tensors] ----


def _without_masks(indices: Any, marks: Any) -> tuple[list, list]:
    """Masks as the indices of their true elements, one per axis of the mask."""
    found, flags = [], []
    for item, mark in zip(indices, marks, strict=True):
        if isinstance(item, Tensor) and item.dtype in (_C.bool, _C.uint8):
            if mark is True:
                raise RuntimeError(DYNAMIC_SHAPE.format("nonzero"))
            places = item.nonzero(as_tuple=True)
            found.extend(places)
            flags.extend([None] * len(places))
        else:
            found.append(item)
            flags.append(mark)
    return found, flags


def _order(indices: list) -> tuple[int, int, list]:
    """Where the axes of the index tensors stand in the result, how many, and the axes they index.

    They take the place of the indexed axes if those are neighbours, else they come first.
    """
    axes = [k for k, item in enumerate(indices) if item is not None]
    neighbours = axes[-1] - axes[0] + 1 == len(axes)
    return (axes[0] if neighbours else 0), len(axes), axes


def _numbered(size: int, indices: list, flags: list) -> list:
    """The indices for a batch: the number of the example, then those of the examples' axes."""
    rank = max(
        item.ndim - int(flag is True)
        for item, flag in zip(indices, flags, strict=True)
        if item is not None
    )
    example = _C.reshape(_C.arange(0, 1, size, _C.int64), (size, *([1] * rank)))
    aligned = [
        lead(item, rank) if flag is True else item
        for item, flag in zip(indices, flags, strict=True)
    ]
    return [example, *aligned]


def _listed(indices: Any, marks: Any) -> list:
    return list(marks) if isinstance(marks, (list, tuple)) else [None] * len(indices)


@rule("index")
def _index(op, size, values, marks):
    x, indices = values
    indices, flags = _without_masks(indices, _listed(indices, marks[1]))
    ndim = x.ndim - int(marks[0] is True)
    place, used, axes = _order(indices)
    if not any(flags):
        out = index(x, [None, *indices])
        rank = out.ndim - 1 - (ndim - used)
        neighbours = axes[-1] - axes[0] + 1 == len(axes)
        return out if neighbours else out.movedim(rank, 0)
    if marks[0] is True:
        out = index(x, _numbered(size, indices, flags))
        rank = out.ndim - 1 - (ndim - used)
        # (batch, index axes, rest) -> (batch, rest[:place], index axes, rest[place:])
        order = [0, *range(1 + rank, 1 + rank + place), *range(1, 1 + rank)]
        return out.permute([*order, *range(1 + rank + place, out.ndim)])
    rank = max(
        i.ndim - int(f is True) for i, f in zip(indices, flags, strict=True) if i is not None
    )
    aligned = [lead(i, rank) if f is True else i for i, f in zip(indices, flags, strict=True)]
    return index(x, aligned).movedim(place, 0)


@rule("index_put")
def _index_put(op, size, values, marks):
    x, indices, new, accumulate = values
    indices, flags = _without_masks(indices, _listed(indices, marks[1]))
    x = whole(size, x, marks[0])
    ndim = x.ndim - 1
    place, _, _ = _order(indices)
    numbered = _numbered(size, indices, flags)
    rank = numbered[0].ndim - 1
    shape = _C.broadcast_shapes((), ())
    for item in numbered[1:]:
        if item is not None:
            shape = _C.broadcast_shapes(shape, item.shape)
    shape = tuple(shape)[-rank:] if rank else ()
    shape = (1,) * (rank - len(shape)) + shape
    rest = [x.shape[1 + d] for d in range(ndim) if d >= len(indices) or indices[d] is None]
    target = (*rest[:place], *shape, *rest[place:])
    if isinstance(new, Tensor):
        new = lead(new, len(target)) if marks[2] is True else new
        new = new.expand((size, *target))
        order = [0, *range(1 + place, 1 + place + rank), *range(1, 1 + place)]
        new = new.permute([*order, *range(1 + place + rank, new.ndim)])
    return index_put(x, numbered, new, accumulate)


# ---- along one axis ----


def _column(dim: int, index_tensor: Any) -> list:
    return [None] * dim + [index_tensor]


def _vectors(size: int, values: Any, marks: Any) -> Any:
    """Input and `dim` of ops along an axis; examples that are numbers count as vectors."""
    x = values[0]
    ndim = x.ndim - int(marks[0] is True)
    return x, shift(values[1], ndim) - 1


@rule("index_select")
def _index_select(op, size, values, marks):
    x, dim = _vectors(size, values, marks)
    picked = values[2]
    if marks[2] is not True:
        return op(x, dim + 1, picked)
    if picked.ndim == 1:
        picked = picked.unsqueeze(1)
    return _index(index, size, (x, _column(dim, picked)), (marks[0], _column(dim, True)))


@rule("index_add", "index_copy", "index_fill")
def _index_write(op, size, values, marks):
    x, dim = _vectors(size, values, marks)
    picked, new, *more = values[2:]
    if op.name == "index_add":
        if marks[2] is not True:
            return op(whole(size, x, marks[0]), dim + 1, picked, whole(size, new, marks[3]), *more)
        new = new if more[0] == 1 else new * more[0]
    accumulate = op.name == "index_add"
    if op.name == "index_fill" and not isinstance(new, Tensor):
        new = _C.scalar_tensor(new, x.dtype)
    number = x.ndim == int(marks[0] is True)
    x = x.unsqueeze(-1) if number else x
    arguments = (x, _column(dim, picked), new.to(x.dtype), accumulate)
    written = _index_put(
        index_put, size, arguments, (marks[0], _column(dim, marks[2]), marks[3], None)
    )
    return written.squeeze(-1) if number else written


@rule("gather", "_scatter", "scatter_add", "_scatter_reduce")
def _gather(op, size, values, marks):
    x, dim, *rest = values
    ndim = x.ndim - int(marks[0] is True)
    dim = shift(dim, ndim)
    batches = [whole(size, v, m) for v, m in zip((x, *rest), (marks[0], *marks[2:]), strict=True)]
    numbers = ndim == 0
    if numbers:
        batches = [
            b.reshape(size, -1) if isinstance(b, Tensor) and not isinstance(b, bool) else b
            for b in batches
        ]
    out = op(batches[0], dim, *batches[1:])
    like = batches[1] if op.name == "gather" else None
    if not numbers:
        return out
    wanted = whole(size, rest[0], marks[2]).shape if like is not None else (size,)
    return out.reshape(wanted)


@rule("take")
def _take(op, size, values, marks):
    x, places = values
    flat = x.reshape(size, -1) if marks[0] is True else x.reshape(-1)
    return _index(index, size, (flat, [places]), (marks[0], [marks[1]]))


@rule("masked_scatter")
def _masked_scatter(op, size, values, marks):
    """The k-th true element of each mask takes the k-th element of its source."""
    x, mask, source = (whole(size, v, m) for v, m in zip(values, marks, strict=True))
    ndim = max(x.ndim, mask.ndim) - 1
    x, mask = lead(x, ndim), lead(mask, ndim)
    shape = tuple(_C.broadcast_shapes(x.shape, mask.shape))
    mask = mask.expand(shape).reshape(size, -1)
    places = (mask.cumsum(1) - 1).clamp(min=0, max=max(source.reshape(size, -1).shape[1] - 1, 0))
    new = source.reshape(size, -1).gather(1, places)
    return where(mask, new, x.expand(shape).reshape(size, -1)).reshape(shape)


@rule("embedding")
def _embedding(op, size, values, marks):
    picked, weight, padding = values
    if marks[1] is not True:
        return op(picked, weight, padding)
    rows = weight.shape[1]
    start = _C.reshape(_C.arange(0, rows, size, _C.int64), (size, *([1] * (picked.ndim - 1))))
    if marks[0] is not True:
        start = _C.reshape(_C.arange(0, rows, size, _C.int64), (size, *([1] * picked.ndim)))
    out = embedding(picked + start, weight.reshape(-1, *weight.shape[2:]), -1)
    if padding is None or padding == -1:
        return out
    row = padding % rows
    return where((picked == row).unsqueeze(-1), out.detach(), out)


@rule("copy", "fill")
def _copy(op, size, values, marks):
    """Both give the first argument's sizes to the second's values."""
    x, new, *more = values
    x = whole(size, x, marks[0])
    if marks[1] is True:
        new = lead(new, x.ndim - 1)
    if op.name == "fill" and isinstance(new, Tensor):
        return new.to(x.dtype).expand(x.shape).clone()
    return op(x, new, *more)
