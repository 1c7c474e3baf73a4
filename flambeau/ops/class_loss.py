"""Losses of scores of classes: cross entropy and the negative log-likelihood."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ArgumentValueError
from flambeau.core.registry import checked, op
from flambeau.ops.loss import _reduced, _reduction
from flambeau.ops.masks import where
from flambeau.ops.softmax import log_softmax


def _class_axis(input):
    return 1 if input.ndim > 1 else 0


def _target_shares(input, target, weight, ignore_index, smoothing=0.0):
    """How much each class of each position counts as target, in the shape of the scores."""
    axis = _class_axis(input)
    classes = input.shape[axis]
    counts = (target != ignore_index).unsqueeze(axis)
    numbers = where(counts, target.unsqueeze(axis), _C.full((), 0, target.dtype)).to(_C.int64)
    weights = _C.full((classes,), 1, input.dtype) if weight is None else weight.detach()
    chosen = (weights[numbers] * counts * (1 - smoothing)).to(input.dtype)
    shares = _C.full(input.shape, 0, input.dtype).scatter(axis, numbers, chosen)
    if smoothing:
        by_class = weights.reshape([-1 if d == axis else 1 for d in range(input.ndim)])
        shares = shares + (smoothing / classes) * by_class * counts
    return shares


def _position_share(g, reduction, total_weight, axis):
    """The gradient that reaches each position's loss, so that it broadcasts with the scores."""
    if reduction == "none":
        return g.unsqueeze(axis)
    return g / total_weight if reduction == "mean" else g


def _class_samples(smoothing=True):
    def samples(s):
        extra = ({}, {"label_smoothing": 0.2}) if smoothing else ({},)
        for more in extra:
            for reduction in ("mean", "sum", "none"):
                yield s(s.tensor(4, 3), s.indices(4, high=3), reduction=reduction, **more)
            yield s(s.tensor(2, 3, 5), s.indices(2, 5, high=3), **more)
            yield s(s.tensor(3), s.indices(high=3), **more)
            yield s(s.tensor(4, 3), s.indices(4, high=3), ignore_index=1, **more)

    return samples


@op(
    name="_cross_entropy",
    backward_name="NllLoss",
    public=False,
    out=False,
    outputs=("out", "lse", "total_weight"),
    samples=_class_samples(),
)
def _cross_entropy(
    input, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0
):
    return kernels(input).cross_entropy(
        input, target, weight, ignore_index, label_smoothing, reduction
    )


@_cross_entropy.vjp("input")
def _(g, input, target, weight, ignore_index, reduction, label_smoothing, total_weight):
    axis = _class_axis(input)
    shares = _target_shares(input, target, weight, ignore_index, label_smoothing)
    slope = shares.sum(axis, True) * input.softmax(axis) - shares
    return slope * _position_share(g, reduction, total_weight, axis)


@_cross_entropy.fast_vjp("input")
def _(g, input, target, weight, ignore_index, reduction, label_smoothing, lse, total_weight):
    return kernels(g).cross_entropy_backward(
        g, input, target, weight, lse, total_weight, ignore_index, label_smoothing, reduction
    )


@op(
    name="_nll_loss",
    backward_name="NllLoss",
    public=False,
    out=False,
    outputs=("out", "total_weight"),
    samples=_class_samples(smoothing=False),
)
def _nll_loss(input, target, weight=None, ignore_index=-100, reduction="mean"):
    return kernels(input).nll_loss(input, target, weight, ignore_index, reduction)


@_nll_loss.vjp("input")
def _(g, input, target, weight, ignore_index, reduction, total_weight):
    share = _position_share(g, reduction, total_weight, _class_axis(input))
    return -_target_shares(input, target, weight, ignore_index) * share


@_nll_loss.fast_vjp("input")
def _(g, input, target, weight, ignore_index, reduction, total_weight):
    return kernels(g).nll_loss_backward(
        g, input, target, weight, total_weight, ignore_index, reduction
    )


@checked
def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """The negative log-probability that softmax of the scores gives the target; see
    `nn.CrossEntropyLoss`.

    Args:
        input: scores (N, C), (N, C, d1, ...) or (C).
        target: class numbers in the input's shape without C, or probabilities in its whole shape.
        weight: a factor for each class; the mean is then divided by the sum of those that occur.
        ignore_index: positions with this class number do not count.
        label_smoothing: how much of the target to spread evenly over all classes.

    Raises:
        IndexError: if a class number is not below C.

    Example:
        >>> flambeau.nn.functional.cross_entropy(flambeau.zeros(1, 4), flambeau.tensor([2]))
        tensor(1.3863)
    """
    reduction = _reduction(size_average, reduce, reduction)
    if input.shape == target.shape:
        return _soft_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    target = _target_of_one(input, target)
    return _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)[0]


def _target_of_one(input, target):
    """The target of scores without a batch, which may be a vector of one."""
    if input.ndim != 1 or target.ndim != 1:
        return target
    if target.shape[0] != 1:
        raise ArgumentValueError(
            f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}"
        )
    return target[0]


def _soft_cross_entropy(input, target, weight, ignore_index, reduction, smoothing):
    """Cross entropy with probabilities as target."""
    if not target.is_floating_point():
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    axis = _class_axis(input)
    classes = input.shape[axis]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    terms = log_softmax(input, axis) * target
    if weight is not None:
        if tuple(weight.shape) != (classes,):
            raise RuntimeError(
                f"cross_entropy: weight tensor should be defined either for all {classes} classes "
                f"or no classes but got weight tensor of shape: {list(weight.shape)}"
            )
        terms = terms * weight.reshape([-1 if d == axis else 1 for d in range(input.ndim)])
    if reduction == "mean":
        return -terms.sum() / (input._numel / max(classes, 1))
    return _reduced(-terms.sum(axis), reduction)


@checked
def nll_loss(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
):
    """The negative of the input at the target class, input being log-probabilities; see
    `nn.NLLLoss`.

    Args:
        input: log-probabilities (N, C), (N, C, d1, ...) or (C).
        target: class numbers in the input's shape without C.
        weight: a factor for each class; the mean is then divided by the sum of those that occur.
        ignore_index: positions with this class number do not count.

    Raises:
        IndexError: if a class number is not below C.
    """
    reduction = _reduction(size_average, reduce, reduction)
    if input.ndim == 0:
        raise ArgumentValueError("nll_loss: Expected 1 or more dimensions (got 0)")
    target = _target_of_one(input, target)
    return _nll_loss(input, target, weight, ignore_index, reduction)[0]
