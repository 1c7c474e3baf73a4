"""Batching rules of views, rearranging copies, joining and splitting."""

from __future__ import annotations

from typing import Any

from flambeau import _C
from flambeau.func._batching import RULES, lead, rule, shift, shifts, whole


@rule("_alias", "view_as_real", "view_as_complex")
def _reinterpret(op, size, values, marks):
    return op(*values)


@rule("view", "reshape", "_unsafe_view")
def _reshape(op, size, values, marks):
    x, shape = values
    if isinstance(shape, _C.dtype):
        return op(x, shape)
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if size == 0 and -1 in shape:
        example = _C.empty(x.shape[1:], _C.bool)
        shape = tuple(_C.reshape(example, shape).shape)
    return op(x, (size, *shape))


@rule("flatten")
def _flatten(op, size, values, marks):
    x, start, end = values
    if x.ndim == 1:
        return x.unsqueeze(1)
    return op(x, shift(start, x.ndim - 1), shift(end, x.ndim - 1))


@rule("_squeeze_all")
def _squeeze_all(op, size, values, marks):
    x = values[0]
    return x.squeeze(tuple(d for d in range(1, x.ndim) if x.shape[d] == 1))


@rule("_squeeze_dim", "_squeeze_dims")
def _squeeze(op, size, values, marks):
    x, dims = values
    return x.squeeze(tuple(d for d in shifts(dims, x.ndim - 1) if d < x.ndim))


@rule("unsqueeze")
def _unsqueeze(op, size, values, marks):
    x, dim = values
    return op(x, shift(dim, x.ndim))


@rule("t")
def _t(op, size, values, marks):
    x = values[0]
    if x.ndim > 3:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {x.ndim - 1}D")
    return x.transpose(1, 2) if x.ndim == 3 else x.view(x.shape)


@rule("permute", "flip")
def _axes(op, size, values, marks):
    x, dims = values
    moved = shifts(dims, x.ndim - 1)
    if op.name == "flip":
        return op(x.unsqueeze(1), moved).squeeze(1) if x.ndim == 1 else op(x, moved)
    return op(x, (0, *moved))


def _shifting(*names: str, beside: tuple[str, ...] = (), extra: int = 0) -> Any:
    """A rule that moves the axes named by these parameters by one.

    Args:
        names: the parameters.
        beside: further tensors that must be batches too.
        extra: how many more axes the numbers count than the input has.
    """

    def shifting(op, size, values, marks):
        arguments = dict(zip(op.params, values, strict=True))
        x = values[0]
        lone = x.ndim == int(marks[0] is True) and not extra  # examples are numbers
        ndim = x.ndim - int(marks[0] is True) + extra
        for name, value, mark in zip(op.params, values, marks, strict=True):
            if name == op.params[0] or name in beside:
                arguments[name] = whole(size, value, mark)
                if lone:
                    arguments[name] = arguments[name].unsqueeze(1)
        for name in names:
            arguments[name] = shift(arguments[name], ndim)
        result = op(*arguments.values())
        return result.squeeze(1) if lone and result.ndim > 1 else result

    return shifting


RULES["transpose"] = _shifting("dim0", "dim1")
for _name in ("select", "slice", "_split_sizes", "_unsafe_split", "unbind"):
    RULES[_name] = _shifting("dim")
RULES["diagonal"] = RULES["diagonal_copy"] = _shifting("dim1", "dim2")
RULES["diag_embed"] = _shifting("dim1", "dim2", extra=1)
RULES["select_scatter"] = RULES["slice_scatter"] = _shifting("dim", beside=("src",))
RULES["diagonal_scatter"] = _shifting("dim1", "dim2", beside=("src",))


@rule("unfold")
def _unfold(op, size, values, marks):
    x, dim, length, step = values
    return op(x.unsqueeze(1) if x.ndim == 1 else x, shift(dim, x.ndim - 1), length, step)


@rule("select_backward", "slice_backward", "diagonal_backward", "unfold_backward")
def _into(op, size, values, marks):
    g, shape, *rest = values
    for k, name in enumerate(op.params[2:]):
        if name in ("dim", "dim1", "dim2", "dimension"):
            rest[k] = shift(rest[k], len(shape))
    return op(g, (size, *shape), *rest)


@rule("expand")
def _expand(op, size, values, marks):
    x, shape, *rest = values
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    return op(lead(x, len(shape)), (size, *shape), *rest)


@rule("sum_to_size")
def _sum_to_size(op, size, values, marks):
    x, shape = values
    extra = x.ndim - 1 - len(shape)
    dims = tuple(
        d + 1
        for d in range(x.ndim - 1)
        if d < extra or (shape[d - extra] == 1 and x.shape[d + 1] != 1)
    )
    return (x.sum(dims, True) if dims else x).reshape((size, *shape))


@rule("repeat")
def _repeat(op, size, values, marks):
    x, repeats = values
    repeats = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    return op(lead(x, len(repeats)), (1, *repeats))


@rule("_fft_c2c", "_fft_r2c", "_fft_c2r")
def _fft(op, size, values, marks):
    x, dims, *rest = values
    return op(x, shifts(dims, x.ndim - 1), *rest)


@rule("roll")
def _roll(op, size, values, marks):
    x, by, dims = values
    if dims == () or dims is None or dims == []:
        return op(x.reshape(size, -1), by, 1).reshape(x.shape)
    return op(x, by, shifts(dims, x.ndim - 1))


@rule("rot90")
def _rot90(op, size, values, marks):
    x, k, dims = values
    if x.ndim < 3:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {x.ndim - 1}")
    return op(x, k, shifts(dims, x.ndim - 1))


@rule("tril", "triu")
def _triangle(op, size, values, marks):
    x, diagonal = values
    if x.ndim < 3:
        raise RuntimeError(f"{op.name}: input tensor must have at least 2 dimensions")
    return op(x, diagonal)


@rule("constant_pad_nd")
def _pad(op, size, values, marks):
    x, pad, value = values
    if len(pad) > 2 * (x.ndim - 1):
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad "
            f"length is {len(pad)} while the input has {x.ndim - 1} dimensions."
        )
    return op(x, pad, value)


# ---- any strides ----


@rule("as_strided")
def _as_strided(op, size, values, marks):
    x, shape, strides, offset = values
    return op(x, (size, *shape), (x.stride(0) if size else 0, *strides), offset)


def _extent(geometry: Any) -> int:
    sizes, strides, offset = geometry
    return 1 + offset + sum((s - 1) * t for s, t in zip(sizes, strides, strict=True) if s)


@rule("strided_gather", "strided_scatter_add", "strided_clear")
def _strided(op, size, values, marks):
    x, layout, part = values
    step = max(_extent(layout), _extent(part))
    layout, part = (((size, *g[0]), (step, *g[1]), g[2]) for g in (layout, part))
    return op(x, layout, part)


@rule("as_strided_scatter", "copy_slices")
def _as_strided_scatter(op, size, values, marks):
    x, src, shape, strides, offset = values
    src = whole(size, src, marks[1])
    if marks[0] is not True or x.stride(0) == 0:  # examples must not overlap
        layout = (tuple(x.shape), x.stride(), 0) if marks[0] is not True else None
        layout = layout or (tuple(x.shape[1:]), x.stride()[1:], 0)
        start = x.storage_offset()
        apart = x.new_empty_strided((size, *layout[0]), (_extent(layout), *layout[1]))
        x = apart.copy_(x)
        offset = None if offset is None else offset - start
    return op(x, src, (size, *shape), (x.stride(0), *strides), offset)


# ---- joining ----


@rule("cat", "stack")
def _join(op, size, values, marks):
    tensors, dim = values
    batches = [whole(size, t, m) for t, m in zip(tensors, marks[0], strict=True)]
    if op.name == "stack":
        return op(batches, shift(dim, batches[0].ndim))
    used = [b for b in batches if b.shape[1:] != (0,)] or batches
    return op(used, shift(dim, used[0].ndim - 1))
