"""Batching rules of normalisations: (result, mean, reciprocal standard deviation)."""

from __future__ import annotations

from typing import Any

from flambeau.core.tensor import Tensor
from flambeau.func._batching import lead, merged, rule, split, whole


def _scaled(out: Tensor, weight: Any, bias: Any, marks: Any, shape: Any) -> Tensor:
    """The factor and summand of each example; `shape` makes a vector broadcast with the result."""
    for value, mark, apply in ((weight, marks[0], "mul"), (bias, marks[1], "add")):
        if value is not None:
            out = getattr(out, apply)(shape(value, mark is True))
    return out


@rule("_native_layer_norm", "_fused_rms_norm")
def _layer_norm(op, size, values, marks):
    x, normalized, weight, *bias, eps = values
    flags = marks[2:-1]
    if not any(f is True for f in flags):
        return op(*values)
    x = whole(size, x, marks[0])
    out, *statistics = op(x, normalized, *([None] * (1 + len(bias))), eps)
    bias, flags = (bias[0] if bias else None), (*flags, None)
    out = _scaled(out, weight, bias, flags, lambda v, batch: lead(v, out.ndim - 1) if batch else v)
    return out, *statistics


def _channels(ndim: int) -> Any:
    """A vector of channels, or one of each example, for a batch of (n, c, ...)."""

    def shape(value: Tensor, batch: bool) -> Tensor:
        first = value.shape[0] if batch else 1
        return value.reshape((first, 1, -1, *([1] * (ndim - 3))))

    return shape


@rule("_native_group_norm")
def _group_norm(op, size, values, marks):
    x, groups, weight, bias, eps = values
    x = whole(size, x, marks[0])
    affine = marks[2] is not True and marks[3] is not True
    found = op(merged(x), groups, weight if affine else None, bias if affine else None, eps)
    out, *statistics = (split(r, size) for r in found)
    if not affine:
        out = _scaled(out, weight, bias, marks[2:4], _channels(x.ndim))
    return out, *statistics


@rule("_native_batch_norm")
def _batch_norm(op, size, values, marks):
    x, weight, bias, mean, var, training, momentum, eps = values
    if marks[0] is not True and marks[3] is not True and marks[4] is not True:
        found = op(x, None, None, mean, var, training, momentum, eps)  # of one batch, for all
        out, *statistics = (whole(size, r, False) for r in found)
        return _scaled(out, weight, bias, marks[1:3], _channels(out.ndim)), *statistics
    if training and mean is not None and (marks[3] is not True or marks[4] is not True):
        raise RuntimeError(
            "Batch norm got a batched tensor as input while the running_mean or running_var, which "
            "will be updated in place, were not batched.\nIf you are using a module and do not "
            "need eval mode, please set `track_running_stats` to be False.\nIf you are using a "
            "prebuilt module and do not need eval mode, please see the functorch website for "
            "resources on how to patch your module to work with vmap"
        )
    x = whole(size, x, marks[0])
    running = [
        None if r is None else merged(whole(size, r, m))
        for r, m in ((mean, marks[3]), (var, marks[4]))
    ]
    found = op(merged(x, 1), None, None, *running, training, momentum, eps)
    if training and mean is not None:
        for own, new in zip((mean, var), running, strict=True):
            own.copy_(split(new, size))
    out = _scaled(split(found[0], size, 1), weight, bias, marks[1:3], _channels(x.ndim))
    return out, *(split(r, size) for r in found[1:])
