"""Losses of scores of classes: cross entropy and the negative log-likelihood."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ArgumentValueError, GradError
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


#: Nodes by the number of the scores' axes: torch has a function for two and one for four, whose
#: result it views where there are more or fewer.
_NAMES = {
    "input vector": "NllLossBackward0",
    "input matrix": "NllLossBackward0",
    "reduction = none and input image": "NllLoss2DBackward0",
    "reduction = none": "ViewBackward0",
}


@op(
    name="_cross_entropy",
    backward_name="NllLoss2D",
    overloads={"label_smoothing given": "AddBackward0", **_NAMES},
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
    backward_name="NllLoss2D",
    overloads=_NAMES,
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


# ---- probabilities as target ----


def _by_class(weight, input):
    """Class weights in a shape that broadcasts with the scores."""
    axis = _class_axis(input)
    return weight.reshape([-1 if d == axis else 1 for d in range(input.ndim)])


def _soft_shares(input, target, weight, smoothing):
    """How much each class of each position counts, in the shape of the scores."""
    if smoothing:
        target = target * (1 - smoothing) + smoothing / input.shape[_class_axis(input)]
    return target if weight is None else target * _by_class(weight, input)


def _soft_position_share(g, input, reduction):
    """The gradient that reaches each position's loss, so that it broadcasts with the scores."""
    axis = _class_axis(input)
    return _position_share(g, reduction, _positions(input), axis)


def _positions(input):
    return input._numel / max(input.shape[_class_axis(input)], 1)


def _soft_samples(s):
    for shape in ((4, 3), (2, 3, 5), (3,)):
        for reduction in ("mean", "sum", "none"):
            yield s(s.tensor(*shape), s.tensor(*shape, low=0, high=1), reduction=reduction)
    for smoothing in (0.0, 0.3):
        probabilities, weight = s.tensor(2, 3, 2, low=0, high=1), s.tensor(3, low=0.5, high=2)
        yield s(s.tensor(2, 3, 2), probabilities, weight, label_smoothing=smoothing)


@op(
    backward_name="Neg",
    overloads={"reduction = mean": "DivBackward1"},
    public=False,
    out=False,
    outputs=("out", "log_probabilities"),
    samples=_soft_samples,
)
def _soft_cross_entropy(input, target, weight=None, reduction="mean", label_smoothing=0.0):
    axis = _class_axis(input)
    log_probabilities = kernels(input).softmax(input, axis, None, True)
    terms = log_probabilities * _soft_shares(input, target, weight, label_smoothing)
    if reduction == "mean":
        return -terms.sum() / _positions(input), log_probabilities
    return _reduced(-terms.sum(axis), reduction), log_probabilities


@_soft_cross_entropy.vjp("input")
def _(g, input, target, weight, reduction, label_smoothing):
    axis = _class_axis(input)
    shares = _soft_shares(input, target, weight, label_smoothing)
    slope = shares.sum(axis, True) * input.softmax(axis) - shares
    return slope * _soft_position_share(g, input, reduction)


@_soft_cross_entropy.fast_vjp("input")
def _(g, input, target, weight, reduction, label_smoothing, log_probabilities):
    shares = _soft_shares(input, target, weight, label_smoothing)
    slope = log_probabilities.exp().mul_(shares.sum(_class_axis(input), True)).sub_(shares)
    return slope.mul_(_soft_position_share(g, input, reduction))


@_soft_cross_entropy.vjp("target")
def _(g, input, weight, reduction, label_smoothing):
    slope = log_softmax(input, _class_axis(input)) * (label_smoothing - 1)
    if weight is not None:
        slope = slope * _by_class(weight, input)
    return slope * _soft_position_share(g, input, reduction)


@_soft_cross_entropy.vjp("weight")
def _(g, input, target, reduction, label_smoothing):
    axis = _class_axis(input)
    terms = log_softmax(input, axis) * _soft_shares(input, target, None, label_smoothing)
    by_position = -terms * _soft_position_share(g, input, reduction)
    return by_position.movedim(axis, 0).reshape(input.shape[axis], -1).sum(1)


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
        size_average, reduce: older forms of `reduction`.
        ignore_index: positions with this class number do not count.
        reduction: "none", "mean" or "sum".
        label_smoothing: how much of the target to spread evenly over all classes.

    Returns:
        A number, or losses of the shape of the class numbers.

    Raises:
        IndexError: if a class number is not below C.

    Example:
        >>> flambeau.nn.functional.cross_entropy(flambeau.zeros(1, 4), flambeau.tensor([2]))
        tensor(1.3863)
    """
    reduction = _reduction(size_average, reduce, reduction)
    if input.shape == target.shape:
        _check_probabilities(input, target, weight, ignore_index)
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)[0]
    _check_weight(weight)
    target = _target_of_one(input, target)
    if label_smoothing:
        return _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)[0]
    return _cross_entropy(input, target, weight, ignore_index, reduction)[0]


def _target_of_one(input, target):
    """The target of scores without a batch, which may be a vector of one."""
    if input.ndim != 1 or target.ndim != 1:
        return target
    if target.shape[0] != 1:
        raise ArgumentValueError(
            f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}"
        )
    return target[0]


def _check_weight(weight):
    """The gradient of class weights is not there.

    Raises:
        RuntimeError: if one is wanted.
    """
    if weight is not None and weight.requires_grad and _C.is_grad_enabled():
        raise GradError(
            "The function 'nll_loss_forward' is not differentiable with respect to argument "
            "'weight'. This input cannot have requires_grad True."
        )


def _check_probabilities(input, target, weight, ignore_index):
    """Arguments of the cross entropy with probabilities as target.

    Raises:
        RuntimeError: if they are not what it takes.
    """
    if not target.is_floating_point():
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    classes = input.shape[_class_axis(input)]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise RuntimeError(
            f"cross_entropy: weight tensor should be defined either for all {classes} classes "
            f"or no classes but got weight tensor of shape: {list(weight.shape)}"
        )


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
        size_average, reduce: older forms of `reduction`.
        ignore_index: positions with this class number do not count.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or losses of the target's shape.

    Raises:
        IndexError: if a class number is not below C.

    Example:
        >>> x = flambeau.tensor([[-1., -2.], [-5., -6.]])
        >>> flambeau.nn.functional.nll_loss(x, flambeau.tensor([1, 0]), reduction="none")
        tensor([2., 5.])
    """
    reduction = _reduction(size_average, reduce, reduction)
    if input.ndim == 0:
        raise ArgumentValueError("nll_loss: Expected 1 or more dimensions (got 0)")
    _check_weight(weight)
    target = _target_of_one(input, target)
    return _nll_loss(input, target, weight, ignore_index, reduction)[0]
