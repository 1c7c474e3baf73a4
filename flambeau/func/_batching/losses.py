"""Batching rules of losses: the loss of each element or position, then reduced per example."""

from __future__ import annotations

from typing import Any

from flambeau.core.tensor import Tensor
from flambeau.func._batching import lead, merged, rule, split, whole


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    flat = loss.reshape(loss.shape[0], -1)
    return flat.mean(1) if reduction == "mean" else flat.sum(1)


@rule(
    "mse_loss",
    "_l1_loss",
    "_smooth_l1_loss",
    "_huber_loss",
    "_binary_cross_entropy",
    "_binary_cross_entropy_with_logits",
    "_kl_div",
    "_kl_div_log_target",
    "_soft_margin_loss",
)
def _pointwise(op, size, values, marks):
    x, target, reduction, *rest = values
    ndim = max(v.ndim - int(m is True) for v, m in ((x, marks[0]), (target, marks[1])))
    x, target = (lead(v, ndim) if m is True else v for v, m in ((x, marks[0]), (target, marks[1])))
    x, target = whole(size, x, marks[0]), whole(size, target, marks[1])
    rest = [lead(v, ndim) if m is True else v for v, m in zip(rest, marks[3:], strict=True)]
    return _reduced(op(x, target, "none", *rest), reduction)


def _positions(x: Tensor) -> Any:
    """(size, n, c, ...) or (size, c) as scores (rows, c, ...), and the shape of the losses."""
    if x.ndim == 2:
        return x, x.shape[:1]
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:])), (*x.shape[:2], *x.shape[3:])


@rule("_cross_entropy", "_nll_loss")
def _classes(op, size, values, marks):
    x, target, weight, ignore_index, reduction, *smoothing = values
    x, target = whole(size, x, marks[0]), whole(size, target, marks[1])
    scores, shape = _positions(x)
    flat = target.reshape((scores.shape[0], *scores.shape[2:]))
    if marks[2] is True:
        return _one_by_one(op, size, values, marks)
    loss, *rest = op(scores, flat, weight, ignore_index, "none", *smoothing)
    loss = loss.reshape(shape)
    kept = (flat != ignore_index).reshape(size, -1)
    if weight is not None:
        index = flat.clamp(min=0).reshape(-1)
        total = (weight[index].reshape(size, -1) * kept).sum(1)
    else:
        total = kept.sum(1).to(x.dtype)
    if reduction == "mean":
        loss = loss.reshape(size, -1).sum(1) / total
    elif reduction == "sum":
        loss = loss.reshape(size, -1).sum(1)
    if len(rest) == 2:  # the logarithms of the sums of exponentials
        return loss, rest[0].reshape(shape), total
    return loss, total


@rule("_soft_cross_entropy")
def _probabilities(op, size, values, marks):
    x, target, weight, reduction, smoothing = values
    if marks[2] is True:
        return _one_by_one(op, size, values, marks)
    x, target = whole(size, x, marks[0]), whole(size, target, marks[1])
    scores, shape = _positions(x)
    loss, log_probabilities = op(scores, target.reshape(scores.shape), weight, "none", smoothing)
    return _reduced(loss.reshape(shape), reduction), log_probabilities.reshape(x.shape)


@rule("_ctc_loss", "_ctc_loss_backward")
def _ctc(op, size, values, marks):
    """The examples of all batches are one batch."""
    given = dict(zip(op.params, values, strict=True))
    marks = dict(zip(op.params, marks, strict=True))
    for name, axis in (
        ("log_probs", 1),
        ("targets", 0),
        ("grad", 0),
        ("loss", 0),
        ("log_alpha", 0),
    ):
        if name in given:
            given[name] = merged(whole(size, given[name], marks[name]), axis)
    for name in ("input_lengths", "target_lengths"):
        given[name] = tuple(given[name]) * size
    out = op(*given.values())
    if op.name == "_ctc_loss":
        return tuple(split(o, size) for o in out)
    return split(out, size, 1)


@rule("_multi_margin_loss", "_multilabel_margin_loss")
def _margins(op, size, values, marks):
    """Rows of all batches are rows."""
    x, target, *rest, reduction = values
    if True in marks[2:]:
        return _one_by_one(op, size, values, marks)
    x, target = whole(size, x, marks[0]), whole(size, target, marks[1])
    labels = target.reshape((-1, *target.shape[2:]) if x.ndim == 3 else target.shape)
    loss = op(x.reshape(-1, x.shape[-1]), labels, *rest, "none")
    return _reduced(loss.reshape(x.shape[:-1]), reduction)


@rule("_chunked_linear_cross_entropy", "_embedding_bag")
def _one_by_one(op, size, values, marks):
    """One call per example of the batch."""
    from flambeau.ops.join import stack

    found = [
        op(*(v[k] if m is True else v for v, m in zip(values, marks, strict=True)))
        for k in range(size)
    ]
    if isinstance(found[0], Tensor):
        return stack(found)
    return tuple(stack(list(column)) for column in zip(*found, strict=True))
