"""Losses with margins, under their names in `nn.functional`, and the distances that some use."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ShapeError, require
from flambeau.core.registry import checked, function, op
from flambeau.ops._declare import require_tensors
from flambeau.ops.linalg_norms import vector_norm
from flambeau.ops.loss import (
    _bce_logits,
    _pointwise,
    _pointwise_samples,
    _reduced,
    _reduction,
    _same_dtype,
)
from flambeau.ops.masks import where
from flambeau.ops.values import tensor

# ---- margins ----


def _rows(name, input, target, per_class):
    """Scores and their target, a single score as a vector of one.

    Args:
        per_class: the target is of the scores' shape; otherwise it is a number for each row.

    Raises:
        RuntimeError: if the scores are no vector or rows, or the target does not go with them.
    """
    require_tensors(name, input=input, target=target)
    if input.ndim == 0:
        input = input.unsqueeze(0)
    if input.ndim > 2 or input.shape[-1] == 0:
        raise ShapeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    shape = input.shape if per_class else input.shape[:-1]
    if target.shape != shape and not (shape.numel() == target.numel() == 1):
        raise ShapeError(
            f"{name}: inconsistent target size: {list(target.shape)} for input of size: "
            f"{list(input.shape)}"
        )
    return input, target.reshape(shape)


@checked
def hinge_embedding_loss(
    input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"
):
    """The input where the target is 1, max(0, margin - input) where it is -1; see
    `nn.HingeEmbeddingLoss`.

    Args:
        input: distances, any shape.
        target: 1 or -1, of a shape that broadcasts with it.
        margin: the distance from which on a pair of target -1 does not count.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if there is no such reduction.

    Example:
        >>> x, y = flambeau.tensor([3., 0.25]), flambeau.tensor([1., -1.])
        >>> flambeau.nn.functional.hinge_embedding_loss(x, y, reduction="none")
        tensor([3.0000, 0.7500])
    """
    reduction = _reduction(size_average, reduce, reduction)
    require_tensors("hinge_embedding_loss", input=input, target=target)
    zero = _C.full((), 0, input.dtype)
    far = where(target == 1, zero, (margin - input).clamp(min=0))
    near = where(target == -1, zero, input)
    return _reduced(far + near, reduction)


@checked
def margin_ranking_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """max(0, -target (input1 - input2) + margin); see `nn.MarginRankingLoss`.

    Args:
        input1: scores, any shape.
        input2: the scores they are compared with.
        target: 1 where the first should be larger, -1 where the second should.
        margin: by how much.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or the losses of the elements.

    Raises:
        RuntimeError: if the numbers of axes differ.

    Example:
        >>> x1, x2 = flambeau.tensor([2., 2.]), flambeau.tensor([0., 5.])
        >>> target = flambeau.ones(2)
        >>> flambeau.nn.functional.margin_ranking_loss(x1, x2, target, reduction="none")
        tensor([0., 3.])
    """
    reduction = _reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return _reduced((-target * (input1 - input2) + float(margin)).clamp_min(0), reduction)


_soft_margin = _pointwise(
    "_soft_margin_loss",
    "soft_margin_loss",
    "SoftMarginLoss",
    _pointwise_samples(),
    lambda input, target: -target * (-target * input).sigmoid(),
    lambda input, target: -input * (-target * input).sigmoid(),
)


@checked
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target input)); see `nn.SoftMarginLoss`.

    Args:
        input: scores, any shape.
        target: 1 or -1, of a shape that broadcasts with it.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if there is no such reduction.

    Example:
        >>> x, y = flambeau.tensor([0., 50.]), flambeau.tensor([1., -1.])
        >>> flambeau.nn.functional.soft_margin_loss(x, y, reduction="none")
        tensor([ 0.6931, 50.0000])
    """
    reduction = _reduction(size_average, reduce, reduction)
    require_tensors("soft_margin_loss", input=input, target=target)
    shape = _C.broadcast_shapes(input.shape, target.shape)
    require(
        tuple(shape) == tuple(input.shape),
        "soft_margin_loss: the target must broadcast to the input",
        input=input,
        target=target,
    )
    input, target = _same_dtype(input, target.expand(shape))
    return _soft_margin(input, target, reduction)


@checked
def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """The mean over classes of the logistic losses; see `nn.MultiLabelSoftMarginLoss`.

    Args:
        input: scores (N, C) or (C).
        target: a 0 or 1 for each of them.
        weight: a factor for each class.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or (N) losses.

    Raises:
        ValueError: if there is no such reduction.

    Example:
        >>> x, y = flambeau.tensor([[50., 50.]]), flambeau.tensor([[1., 0.]])
        >>> flambeau.nn.functional.multilabel_soft_margin_loss(x, y)  # one class costs 50
        tensor(25.)
    """
    reduction = _reduction(size_average, reduce, reduction)
    require_tensors("multilabel_soft_margin_loss", input=input, target=target)
    shape = _C.broadcast_shapes(input.shape, target.shape)
    input, target = _same_dtype(input.expand(shape), target.expand(shape))
    loss = _bce_logits(input, target, "none")
    if weight is not None:
        loss = loss * weight
    return _reduced(loss.sum(-1) / input.size(-1), reduction)


def _row_share(g, input, reduction):
    """The gradient that reaches each row's loss, over the number of classes."""
    rows = input.shape[0] if input.ndim > 1 and reduction == "mean" else 1
    return (g / (input.shape[-1] * max(rows, 1))).unsqueeze(-1)


def _each_row(g, rows, reduction):
    """The gradient that reaches each row's loss, as a vector."""
    share = (g / len(rows) if reduction == "mean" and len(rows) else g).reshape(-1)
    return share if reduction == "none" else share.expand(len(rows))


def _as_rows(input, target):
    """Scores of one or several rows as a matrix, and the classes of the rows."""
    return input.reshape(-1, input.shape[-1]), target.reshape(-1)


def _multi_margin_samples(s):
    for p, reduction in ((1, "none"), (2, "none"), (2, "sum"), (1, "mean")):
        yield s(s.tensor(3, 4), s.indices(3, high=4), p, 0.7, s.tensor(4), reduction)
    yield s(s.tensor(4), s.indices(high=4))
    yield s(s.tensor(0, 4), s.indices(0, high=4), 2)


@op(
    name="_multi_margin_loss",
    backward_name="MultiMarginLoss",
    public=False,
    out=False,
    samples=_multi_margin_samples,
)
def _multi_margin(input, target, p=1, margin=1.0, weight=None, reduction="mean"):
    """Scores (rows, classes) or (classes); the number of the class of each row."""
    loss = kernels(input).multi_margin(*_as_rows(input, target), p, margin, weight)
    return _reduced(loss.reshape(target.shape), reduction)


@_multi_margin.vjp("input")
def _(g, input, target, p, margin, weight, reduction):
    numbers = target.unsqueeze(-1)
    gaps = margin - input.gather(-1, numbers) + input
    slope = (gaps > 0).to(input.dtype) if p == 1 else 2 * gaps.clamp(min=0)
    if weight is not None:
        slope = slope * weight[numbers]
    others = slope.scatter(-1, numbers, 0)
    return others.scatter_add(-1, numbers, -others.sum(-1, True)) * _row_share(g, input, reduction)


@_multi_margin.fast_vjp("input")
def _(g, input, target, p, margin, weight, reduction):
    rows, numbers = _as_rows(input, target)
    share = _each_row(g, rows, reduction)
    slope = kernels(g).multi_margin_backward(share, rows, numbers, p, margin, weight)
    return slope.reshape(input.shape)


@_multi_margin.vjp("weight")
def _(g, input, target, p, margin, reduction, weight_shape):
    each = _multi_margin(input, target, p, margin, None, "none") * input.shape[-1]
    share = (each * _row_share(g, input, reduction).squeeze(-1)).reshape(-1)
    return share.new_zeros(weight_shape).index_add(0, target.reshape(-1), share)


@checked
def multi_margin_loss(
    input,
    target,
    p=1,
    margin=1.0,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """The mean over the other classes of max(0, margin - x[target] + x[i])^p; see
    `nn.MultiMarginLoss`.

    Args:
        input: scores (N, C) or (C).
        target: the numbers of the classes that are meant, (N) or ().
        p: 1 or 2.
        margin: by how much they should be ahead.
        weight: a factor for each class.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or (N) losses: sums over the other classes, divided by C.

    Raises:
        ValueError: for another p or a weight that is not a vector.
        RuntimeError: if the sizes do not fit or a target is no class.

    Example:
        >>> x = flambeau.tensor([[1., 2., 0.5, -9.]])
        >>> flambeau.nn.functional.multi_margin_loss(x, flambeau.tensor([0]))  # (2 + 0.5) / 4
        tensor(0.6250)
    """
    reduction = _reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    input, target = _rows("multi_margin_loss", input, target, per_class=False)
    if weight is not None and weight.shape[0] != input.shape[-1]:
        raise ShapeError(
            f"multi_margin_loss: inconsistent weight size, expected {input.shape[-1]} but got "
            f"{list(weight.shape)}"
        )
    return _multi_margin(input, target, p, margin, weight, reduction)


def _multilabel_samples(s):
    rows = tensor([[3, 0, -1, 1], [0, 2, 1, 3], [-1, 2, 1, 0]])
    for reduction in ("none", "sum", "mean"):
        yield s(s.tensor(3, 4), rows, reduction)
    yield s(s.tensor(4), rows[0])
    yield s(s.tensor(0, 4), rows[:0])


@op(
    name="_multilabel_margin_loss",
    backward_name="MultilabelMarginLoss",
    public=False,
    out=False,
    samples=_multilabel_samples,
)
def _multilabel_margin(input, target, reduction="mean"):
    """Scores (rows, classes) or (classes); the classes of each row up to the first -1."""
    shape = -1, input.shape[-1]
    loss = kernels(input).multilabel_margin(input.reshape(shape), target.reshape(shape))
    return _reduced(loss.reshape(input.shape[:-1]), reduction)


@_multilabel_margin.vjp("input")
def _(g, input, target, reduction):
    # Almost everywhere constant: -1 at the target class and +1 at the other of each pair in use.
    counts = (target >= 0).to(_C.int64).cumprod(-1)
    numbers = target * counts
    gaps = 1 - input.gather(-1, numbers).unsqueeze(-1) + input.unsqueeze(-2)
    is_target = _C.full(input.shape, 0, _C.int64).scatter_add(-1, numbers, counts) > 0
    used = counts.unsqueeze(-1) * (is_target == 0).unsqueeze(-2) * (gaps > 0)
    used = used.to(g.dtype)
    slope = used.sum(-2).scatter_add(-1, numbers, -used.sum(-1))
    return slope * _row_share(g, input, reduction)


@_multilabel_margin.fast_vjp("input")
def _(g, input, target, reduction):
    shape = -1, input.shape[-1]
    rows = input.reshape(shape)
    share = _each_row(g, rows, reduction)
    slope = kernels(g).multilabel_margin_backward(share, rows, target.reshape(shape))
    return slope.reshape(input.shape)


@checked
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """The mean over pairs of a target class and another of max(0, 1 - x[target] + x[i]); see
    `nn.MultiLabelMarginLoss`.

    Args:
        input: scores (N, C) or (C).
        target: class numbers of the same shape, up to the first -1 of each row.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or (N) losses: sums over the pairs, divided by C.

    Raises:
        RuntimeError: if the sizes do not fit or a target is no class.

    Example:
        >>> x = flambeau.tensor([0.5, 0.25, 2., -9.])
        >>> target = flambeau.tensor([2, 0, -1, -1])
        >>> flambeau.nn.functional.multilabel_margin_loss(x, target)  # (1 - 0.5 + 0.25) / 4
        tensor(0.1875)
    """
    reduction = _reduction(size_average, reduce, reduction)
    input, target = _rows("multilabel_margin_loss", input, target, per_class=True)
    return _multilabel_margin(input, target, reduction)


# ---- distances ----


@op(
    name="_row_norm",
    backward_name="NormBackward1",
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(2, 3), 2.0, -1, True), s(s.tensor(3), 1.0, -1, False)],
)
def _row_norm(x, ord, dim, keepdim):
    """`vector_norm`, whose node torch calls otherwise here."""
    return kernels(x).vector_norm(x, ord, dim, keepdim, None)


_row_norm.vjp("x")(vector_norm.info.rules[("x",)])


@function
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The norm of x1 - x2 + eps over the last axis; see `nn.PairwiseDistance`.

    Args:
        x1: (..., D).
        x2: (..., D), of a shape that broadcasts with it.
        p: the power of the norm.
        eps: added to the differences.
        keepdim: keep the last axis, with the size 1.

    Returns:
        (...), or (..., 1) with `keepdim`.

    Raises:
        ShapeError: if the shapes do not broadcast.

    Example:
        >>> x1, x2 = flambeau.zeros(2, 2), flambeau.tensor([3., 4.])
        >>> flambeau.pairwise_distance(x1, x2)
        tensor([5.0000, 5.0000])
    """
    return _row_norm(x1 - x2 + eps, p, -1, keepdim)


@function
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between x1 and x2 along one axis; see `nn.CosineSimilarity`.

    Args:
        x1: floating.
        x2: of a shape that broadcasts with it.
        dim: the axis of the vectors.
        eps: the smallest norm that is divided by.

    Returns:
        The common shape without `dim`.

    Raises:
        IndexError: if the axis is not there.

    Example:
        >>> a, b = flambeau.tensor([[1., 0.]]), flambeau.tensor([[1., 1.]])
        >>> flambeau.cosine_similarity(a, b)
        tensor([0.7071])
    """
    shape = _C.broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = _same_dtype(x1.expand(shape), x2.expand(shape))
    first = vector_norm(x1, 2, dim, True).clamp(min=eps)
    second = vector_norm(x2, 2, dim, True).clamp(min=eps)
    return (x1 / first * (x2 / second)).sum(dim)


@checked
def cosine_embedding_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1; see
    `nn.CosineEmbeddingLoss`.

    Args:
        input1: (N, D) or (D).
        input2: the same.
        target: 1 or -1, (N) or ().
        margin: the cosine below which a pair of target -1 does not count.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or (N) losses.

    Raises:
        RuntimeError: if the numbers of axes do not fit.

    Example:
        >>> x1, x2 = flambeau.tensor([[1., 0.]]), flambeau.tensor([[0., 2.]])
        >>> flambeau.nn.functional.cosine_embedding_loss(x1, x2, flambeau.tensor([1]))
        tensor(1.)
    """
    reduction = _reduction(size_average, reduce, reduction)
    require_tensors("cosine_embedding_loss", input1=input1, input2=input2, target=target)
    if target.ndim > 1:
        raise ShapeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    small = 1e-12
    squares = ((x * x).sum(-1) + small for x in (input1, input2))
    first, second = squares
    cosine = (input1 * input2).sum(-1) / (first * second).sqrt()
    zero = _C.full((), 0, cosine.dtype)
    loss = where(target == 1, 1 - cosine, zero) + where(
        target == -1, (cosine - margin).clamp(min=0), zero
    )
    return _reduced(loss, reduction)


@checked
def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin); see `nn.TripletMarginLoss`.

    Args:
        anchor: (N, D) or (D).
        positive: what should be near, the same.
        negative: what should be far, the same.
        margin: by how much farther; positive.
        p: of the norm that measures distances.
        eps: added to differences.
        swap: use the distance from positive to negative if that is smaller.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or (N) losses.

    Raises:
        ValueError: if margin is not positive.
        RuntimeError: if the numbers of axes differ.

    Example:
        >>> anchor, near, far = (flambeau.tensor([x]) for x in (0., 4., 4.5))
        >>> flambeau.nn.functional.triplet_margin_loss(anchor, near, far)
        tensor(0.5000)
        >>> flambeau.nn.functional.triplet_margin_loss(anchor, near, far, swap=True)
        tensor(4.5000)
    """
    reduction = _reduction(size_average, reduce, reduction)
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


@checked
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """The triplet loss with a distance of one's own; see `nn.TripletMarginWithDistanceLoss`.

    Args:
        anchor: what the distance takes.
        positive: what should be near.
        negative: what should be far.
        distance_function: a function of two tensors; `pairwise_distance` if None.
        margin: by how much farther; positive.
        swap: use the distance from positive to negative if that is smaller.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or what the distance returns.

    Raises:
        ValueError: if margin is not positive.
        RuntimeError: if the numbers of axes differ.

    Example:
        >>> anchor, near, far = (flambeau.tensor([[x, 0.]]) for x in (0., 4., 4.5))
        >>> flambeau.nn.functional.triplet_margin_with_distance_loss(
        ...     anchor, near, far, distance_function=lambda a, b: (a - b).abs().sum(1), margin=2.
        ... )
        tensor(1.5000)
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    require_tensors("triplet_margin_loss", anchor=anchor, positive=positive, negative=negative)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = where(far < (other := distance(positive, negative)), far, other)
    return _reduced((near - far + margin).clamp_min(0), reduction)
