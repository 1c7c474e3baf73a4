"""The cross entropy of linear scores, which may be treated a few examples at a time."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ArgumentTypeError, RuntimeFailure, ShapeError
from flambeau.core.notices import warn
from flambeau.core.registry import checked, op
from flambeau.ops._declare import require_tensors
from flambeau.ops.class_loss import _position_share, _target_shares, cross_entropy
from flambeau.ops.join import cat
from flambeau.ops.matmul import linear


def _samples(s):
    for reduction in ("mean", "sum", "none"):
        weight, bias = s.tensor(4, 3), s.tensor(4)
        yield s(s.tensor(5, 3), weight, s.indices(5, high=4), bias, None, 2, reduction, 2)


@op(
    public=False,
    out=False,
    backward_name="GeneratedBackwardFor_torch_nn__linear_cross_entropy_batch_chunked_defaultBackward",
    outputs=("out", "total_weight"),
    torch="",
    samples=_samples,
)
def _chunked_linear_cross_entropy(
    input,
    weight,
    target,
    bias=None,
    class_weight=None,
    ignore_index=-100,
    reduction="mean",
    chunk=1,
):
    """The loss and the sum of the class weights, from `chunk` examples at a time."""
    losses, totals = [], []
    per_chunk = "none" if reduction == "none" else "sum"
    for begin in range(0, input.shape[0], chunk):
        scores = kernels(input).linear(input[begin : begin + chunk], weight, bias)
        own = target[begin : begin + chunk]
        loss, _, total = kernels(input).cross_entropy(
            scores, own, class_weight, ignore_index, 0.0, per_chunk
        )
        losses.append(loss.reshape(-1))
        totals.append(total.reshape(1))
    losses = cat(losses) if losses else input.new_zeros((0,))
    total = cat(totals).sum() if totals else input.new_zeros(())
    if reduction == "none":
        return losses, total
    loss = losses.sum()
    return ((loss / total).to(loss.dtype) if reduction == "mean" else loss), total


@_chunked_linear_cross_entropy.vjp("input", "weight", "bias")
def _(
    g,
    input,
    weight,
    target,
    bias,
    class_weight,
    ignore_index,
    reduction,
    total_weight,
    needs,
):
    scores = linear(input, weight, bias)
    shares = _target_shares(scores, target, class_weight, ignore_index)
    slope = shares.sum(1, True) * scores.softmax(1) - shares
    slope = slope * _position_share(g, reduction, total_weight, 1)
    return (
        slope @ weight if needs[0] else None,
        slope.mT @ input if needs[1] else None,
        slope.sum(0) if needs[2] else None,
    )


@_chunked_linear_cross_entropy.fast_vjp("input", "weight", "bias")
def _(
    g,
    input,
    weight,
    target,
    bias,
    class_weight,
    ignore_index,
    reduction,
    chunk,
    total_weight,
    needs,
):
    kernel = kernels(g)
    by_input, by_weight, by_bias = [], None, None
    # The sum of the class weights is that of all examples: "mean" is "sum" of a smaller gradient.
    per_chunk = "none" if reduction == "none" else "sum"
    share = g / total_weight if reduction == "mean" else g
    for begin in range(0, input.shape[0], chunk):
        x, own = input[begin : begin + chunk], target[begin : begin + chunk]
        scores = kernel.linear(x, weight, bias)
        _, lse, total = kernel.cross_entropy(
            scores, own, class_weight, ignore_index, 0.0, per_chunk
        )
        slope = kernel.cross_entropy_backward(
            share[begin : begin + chunk] if reduction == "none" else share,
            scores,
            own,
            class_weight,
            lse,
            total,
            ignore_index,
            0.0,
            per_chunk,
        )
        if needs[0]:
            by_input.append(slope @ weight)
        if needs[1]:
            part = slope.mT @ x
            by_weight = part if by_weight is None else by_weight.add_(part)
        if needs[2]:
            part = slope.sum(0)
            by_bias = part if by_bias is None else by_bias.add_(part)
    if not input.shape[0]:
        by_input, by_weight = [input.new_zeros(input.shape)], weight.new_zeros(weight.shape)
        by_bias = None if bias is None else bias.new_zeros(bias.shape)
    return cat(by_input) if needs[0] else None, by_weight, by_bias


def _check(input, linear_weight, target, linear_bias, ignore_index):
    require_tensors("linear_cross_entropy", input=input, linear_weight=linear_weight, target=target)
    if input.ndim not in (1, 2):
        raise ShapeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if linear_weight.ndim < 2:
        raise ShapeError(
            f"expected linear_weight with dimensionality at least 2, got {linear_weight.ndim}"
        )
    features = input.shape[-1], linear_weight.shape[-1]
    if features[0] != features[1]:
        raise ShapeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{features[0]} and {features[1]}, respectively"
        )
    if linear_weight.ndim > 2 and input.ndim == 1:
        raise ShapeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} "
            f"requires batched input, (N, {features[0]}), got unbatched input with shape "
            f"{tuple(input.shape)}"
        )
    if linear_bias is not None and linear_bias.shape != linear_weight.shape[:-1]:
        raise ShapeError(
            f"expected linear_bias shape {tuple(linear_weight.shape[:-1])}, got "
            f"{tuple(linear_bias.shape)}"
        )
    if ignore_index is not None and target.dtype.is_floating_point:
        raise RuntimeFailure("ignore_index cannot be specified when target contains probabilities")


@checked
def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    Args:
        input: (N, in_features) or (in_features).
        linear_weight: (C, in_features), or (C, d1, ..., dK, in_features) for K further axes.
        target: class numbers (N, d1, ..., dK) or probabilities (N, C, d1, ..., dK).
        linear_bias: of the weight's shape without its last axis.
        weight: a factor for each class.
        reduction: "none", "mean" or "sum".
        ignore_index: positions with this class number do not count; -100 if not given.
        label_smoothing: how much of the target to spread evenly over all classes.
        options: `nn.LinearCrossEntropyOptions`: treat a few examples at a time, so that the scores
            of all of them are never in memory at once.

    Returns:
        0-dim, or the loss of each position.

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> x, weight = flambeau.ones(2, 3), flambeau.zeros(4, 3)
        >>> flambeau.nn.functional.linear_cross_entropy(x, weight, flambeau.tensor([0, 3]))
        tensor(1.3863)
    """
    _check(input, linear_weight, target, linear_bias, ignore_index)
    ignore_index = -100 if ignore_index is None else ignore_index
    if options is not None and _can_be_chunked(
        input, linear_weight, target, linear_bias, reduction, label_smoothing
    ):
        if not hasattr(options, "chunk"):
            raise ArgumentTypeError(
                "linear_cross_entropy(): argument 'options' must be LinearCrossEntropyOptions, not "
                f"{type(options).__name__}"
            )
        chunk = options.chunk(input.shape[0], input.shape[1], linear_weight.shape[0])
        return _chunked_linear_cross_entropy(
            input, linear_weight, target, linear_bias, weight, ignore_index, reduction, chunk
        )[0]
    shape = linear_weight.shape[:-1]
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias)
    return cross_entropy(
        scores.reshape(*input.shape[:-1], *shape),
        target,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def _can_be_chunked(input, linear_weight, target, linear_bias, reduction, label_smoothing):
    """Whether the batch can be treated in parts; warns if it cannot."""
    if (
        reduction in ("mean", "sum", "none")
        and label_smoothing == 0
        and target.dtype == _C.int64
        and linear_weight.ndim == 2
    ):
        return input.ndim == 2
    bias = None if linear_bias is None else tuple(linear_bias.shape)
    warn(
        "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in "
        "{'mean','sum','none'}, label_smoothing == 0, target.dtype == int64, out_features == (). "
        f"Got reduction={reduction!r}, label_smoothing={label_smoothing}, "
        f"target.dtype={target.dtype}, out_features={tuple(linear_weight.shape[1:-1])}, "
        f"tracing=False, linear_bias.shape={bias}.",
    )
    return False
