"""Losses, under their names in `nn.functional`, and the distances that some of them use.

Each takes `reduction`: "none" for a loss per element (or position), "mean" or "sum". The older
`size_average` and `reduce` say the same and warn.
"""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ArgumentValueError, RuntimeFailure, ShapeError
from flambeau.core.registry import checked, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.activation import logsigmoid
from flambeau.ops.creation import tensor
from flambeau.ops.index import where
from flambeau.ops.reduce import vector_norm
from flambeau.ops.softmax import log_softmax

# ---- arguments that losses share ----


_REDUCTIONS = ("none", "mean", "sum")


def _reduction(size_average, reduce, reduction, valid=_REDUCTIONS):
    """The reduction, from the older arguments if they are given.

    Raises:
        ValueError: if there is no such reduction.
    """
    if size_average is None and reduce is None:
        if reduction not in valid:
            raise ValueError(f"{reduction} is not a valid value for reduction")
        return reduction
    import warnings

    chosen = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        "size_average and reduce args will be deprecated, please use "
        f"reduction='{chosen}' instead.",
        stacklevel=3,
    )
    return chosen


def _reduced(loss, reduction):
    """A loss per element, as the reduction says."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")


def _require_tensors(name, **arguments):
    for parameter, value in arguments.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name}(): argument '{parameter}' must be Tensor, not {type(value).__name__}"
            )


def _same_dtype(input, target):
    if input.dtype == target.dtype:
        return input, target
    common = _C.promote(input.dtype, target.dtype)
    return input.to(common), target.to(common)


def _paired(input, target):
    """Input and target of one shape and dtype; warns where the shapes differ."""
    if input.shape != target.shape:
        import warnings

        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )
        shape = _C.broadcast_shapes(input.shape, target.shape)
        input, target = input.expand(shape), target.expand(shape)
    return _same_dtype(input, target)


def _weighted_mean(loss, weight, reduction):
    """A loss per element with weights: their mean is divided by the sum of the weights."""
    if weight.shape != loss.shape:
        raise ValueError("Weights and input must have the same size.")
    if reduction == "mean":
        return (loss * weight).sum() / weight.sum()
    return _reduced(loss * weight, reduction)


# ---- element by element: one kernel for value, reduction and gradient ----


def _share(g, input, reduction):
    """The gradient that reaches each element's loss."""
    return g / (input._numel or 1) if reduction == "mean" else g


def _pointwise_samples(low=-2.0, high=2.0, **keywords):
    def samples(s):
        for shape in ((2, 3), (40,), ()):
            for reduction in ("none", "sum"):
                x = s.tensor(*shape, low=low, high=high)
                y = s.tensor(*shape, low=low, high=high)
                yield s(x, y, reduction=reduction, **keywords)

    return samples


def _pointwise(name, kernel, backward_name, samples, by_input, by_target, **info):
    """Declares a loss of two tensors; the rules take (input, target) to the two derivatives."""

    def forward(input, target, reduction="mean"):
        return kernels(input).pointwise_loss(kernel, input, target, 0.0, reduction)

    loss = op(
        forward,
        name=name,
        backward_name=backward_name,
        public=False,
        out=False,
        samples=samples,
        **info,
    )
    loss.vjp("input")(
        lambda g, input, target, reduction: by_input(input, target) * _share(g, input, reduction)
    )
    loss.vjp("target")(
        lambda g, input, target, reduction: by_target(input, target) * _share(g, input, reduction)
    )
    loss.fast_vjp("input")(
        lambda g, input, target, reduction: kernels(g).pointwise_loss_backward(
            kernel, g, input, target, 0.0, reduction
        )
    )
    return loss


def _with_bend(name, kernel, parameter_sample, derivative):
    """Declares a loss with the parameter `bend`, where it passes from square to absolute value."""

    def samples(s):
        for sample in _pointwise_samples()(s):
            yield s(*sample.args, bend=parameter_sample, **sample.kwargs)

    @op(
        name=name,
        backward_name=kernel.title().replace("_", ""),
        public=False,
        out=False,
        samples=samples,
    )
    def loss(input, target, reduction="mean", bend=1.0):
        return kernels(input).pointwise_loss(kernel, input, target, bend, reduction)

    loss.vjp("input")(
        lambda g, input, target, reduction, bend: (
            derivative(input - target, bend) * _share(g, input, reduction)
        )
    )
    loss.vjp("target")(
        lambda g, input, target, reduction, bend: (
            -derivative(input - target, bend) * _share(g, input, reduction)
        )
    )
    loss.fast_vjp("input")(
        lambda g, input, target, reduction, bend: kernels(g).pointwise_loss_backward(
            kernel, g, input, target, bend, reduction
        )
    )
    return loss


_mse = _pointwise(
    "mse_loss",
    "mse_loss",
    "MseLoss",
    _pointwise_samples(),
    lambda input, target: 2 * (input - target),
    lambda input, target: -2 * (input - target),
)
_l1 = _pointwise(
    "_l1_loss",
    "l1_loss",
    "Mean",
    _pointwise_samples(),
    lambda input, target: (input - target).sgn(),
    lambda input, target: -(input - target).sgn(),
    overloads={"reduction = sum": "SumBackward0", "reduction = none": "AbsBackward0"},
)
_smooth_l1 = _with_bend(
    "_smooth_l1_loss",
    "smooth_l1_loss",
    0.7,
    lambda d, beta: where(d.abs() < beta, d / beta, d.sgn()) if beta else d.sgn(),
)
_huber = _with_bend(
    "_huber_loss", "huber_loss", 0.7, lambda d, delta: where(d.abs() <= delta, d, delta * d.sgn())
)


@checked
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)^2; see `nn.MSELoss`.

    Args:
        weight: a factor for each element; the mean is then divided by the sum of the weights.

    Example:
        >>> flambeau.nn.functional.mse_loss(flambeau.tensor([1., 2.]), flambeau.tensor([0., 0.]))
        tensor(2.5000)
    """
    reduction = _reduction(size_average, reduce, reduction)
    input, target = _paired(input, target)
    if weight is None:
        return _mse(input, target, reduction)
    return _weighted_mean(_mse(input, target, "none"), weight, reduction)


@checked
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|; see `nn.L1Loss`.

    Args:
        weight: a factor for each element; the mean is then divided by the sum of the weights.
    """
    reduction = _reduction(size_average, reduce, reduction)
    input, target = _paired(input, target)
    if not input.is_floating_point():
        return _reduced((input - target).abs(), reduction)
    if weight is None:
        return _l1(input, target, reduction)
    return _weighted_mean(_l1(input, target, "none"), weight, reduction)


@checked
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Square up to `beta`, absolute value from there; see `nn.SmoothL1Loss`.

    Raises:
        RuntimeError: if beta is negative.
    """
    reduction = _reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    input, target = _paired(input, target)
    return _smooth_l1(input, target, reduction, beta)


@checked
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Square up to `delta`, absolute value times delta from there; see `nn.HuberLoss`.

    Args:
        weight: a factor for each element.

    Raises:
        RuntimeError: if delta is not positive.
    """
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    input, target = _paired(input, target)
    if weight is None:
        return _huber(input, target, reduction, delta)
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    return _reduced(_huber(input, target, "none", delta) * weight, reduction)


# ---- two classes ----

_bce = _pointwise(
    "_binary_cross_entropy",
    "binary_cross_entropy",
    "BinaryCrossEntropy",
    _pointwise_samples(0.1, 0.9),
    lambda input, target: (input - target) / ((1 - input) * input).clamp(min=1e-12),
    lambda input, target: (1 - input).log().clamp(min=-100) - input.log().clamp(min=-100),
)
_bce_logits = _pointwise(
    "_binary_cross_entropy_with_logits",
    "binary_cross_entropy_with_logits",
    "BinaryCrossEntropyWithLogits",
    _pointwise_samples(),
    lambda input, target: input.sigmoid() - target,
    lambda input, target: -input,
)


@checked
def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-(target log(input) + (1 - target) log(1 - input)); see `nn.BCELoss`.

    Args:
        weight: a factor for each element, broadcast to the target.

    Raises:
        ValueError: if the sizes differ.
        RuntimeError: if an input is outside [0, 1].
    """
    reduction = _reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    if weight is None:
        return _bce(input, target, reduction)
    return _reduced(_bce(input, target, "none") * weight, reduction)


@checked
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """`binary_cross_entropy(sigmoid(input), target)` without losing digits; see
    `nn.BCEWithLogitsLoss`.

    Args:
        weight: a factor for each element, broadcast to the target.
        pos_weight: a factor for the positive part, broadcast to the target.

    Raises:
        ValueError: if the sizes differ.
    """
    reduction = _reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    input, target = _same_dtype(input, target)
    if weight is None and pos_weight is None:
        return _bce_logits(input, target, reduction)
    if pos_weight is None:
        loss = _bce_logits(input, target, "none")
    else:
        positive = (pos_weight - 1) * target + 1
        loss = (1 - target) * input - positive * logsigmoid(input)
    return _reduced(loss if weight is None else loss * weight, reduction)


# ---- divergence ----


def _log_or_zero(y):
    return where(y > 0, y.log() + 1, _C.full((), 0, y.dtype))


_kl = _pointwise(
    "_kl_div",
    "kl_div",
    "Mean",
    _pointwise_samples(0.1, 0.9),
    lambda input, target: -target,
    lambda input, target: _log_or_zero(target) - input * (target > 0),
    overloads={"reduction = sum": "SumBackward0", "reduction = none": "SubBackward0"},
)
_kl_log = _pointwise(
    "_kl_div_log_target",
    "kl_div_log_target",
    "Mean",
    _pointwise_samples(),
    lambda input, target: -target.exp(),
    lambda input, target: target.exp() * (target - input + 1),
    overloads={"reduction = sum": "SumBackward0", "reduction = none": "MulBackward0"},
)


@checked
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target (log(target) - input), input being log-probabilities; see `nn.KLDivLoss`.

    Args:
        reduction: also "batchmean": the sum over the number of rows, which is the mathematical one.
        log_target: the target too is given as logarithms.
    """
    reduction = _reduction(size_average, reduce, reduction, (*_REDUCTIONS, "batchmean"))
    if reduction == "mean":
        import warnings

        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
            stacklevel=2,
        )
    shape = _C.broadcast_shapes(input.shape, target.shape)
    input, target = _same_dtype(input.expand(shape), target.expand(shape))
    loss = _kl_log if log_target else _kl
    if reduction == "batchmean":
        return loss(input, target, "sum") / (input.shape[0] if input.ndim else 1)
    return loss(input, target, reduction)


# ---- classes ----


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
    return _cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)[0]


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
    return _nll_loss(input, target, weight, ignore_index, reduction)[0]


# ---- distributions ----


@checked
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """The negative log-likelihood of a normal distribution; see `nn.GaussianNLLLoss`.

    Args:
        input: the expectation.
        var: the variance, a number or a tensor of the input's shape (the last axis may be missing
            or one).
        full: add the constant term.
        eps: the smallest variance.

    Raises:
        ValueError: if a variance is negative or its size does not fit.
    """
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.new_full((1,) * input.ndim, var).expand(input.shape)
    elif var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif not (
            input.ndim == var.ndim
            and all(a == b or b == 1 for a, b in zip(input.shape, var.shape, strict=True))
        ):
            raise ValueError("var is of incorrect size")
    if bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    # The floor does not take part in the gradient.
    var = var + (var.detach().clamp(min=eps) - var.detach())
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return _reduced(loss, reduction)


@checked
def poisson_nll_loss(
    input,
    target,
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
):
    """The negative log-likelihood of a Poisson distribution; see `nn.PoissonNLLLoss`.

    Args:
        log_input: the input is the logarithm of the rate.
        full: add Stirling's approximation of log(target!).
        eps: added to the rate before its logarithm.
    """
    reduction = _reduction(size_average, reduce, reduction)
    _require_tensors("poisson_nll_loss", input=input, target=target)
    log_rate = input if log_input else (input + eps).log()
    loss = (input.exp() if log_input else input) - target * log_rate
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + where(target > 1, stirling, _C.full((), 0, stirling.dtype))
    return _reduced(loss, reduction)


# ---- margins ----


def _check_rows(name, input, target, target_shape):
    """Scores must be a vector or rows, and the target of the shape that goes with them.

    Raises:
        RuntimeError: otherwise.
    """
    _require_tensors(name, input=input, target=target)
    if input.ndim not in (1, 2) or input.shape[-1] == 0:
        raise ShapeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    if target.shape != target_shape and not (target_shape.numel() == target.numel() == 1):
        raise ShapeError(
            f"{name}: inconsistent target size: {list(target.shape)} for input of size: "
            f"{list(input.shape)}"
        )


def _chosen(name, input, numbers):
    """The scores of the classes with these numbers.

    Raises:
        RuntimeError: if there is no such class.
    """
    try:
        return input.gather(-1, numbers)
    except IndexError:
        raise RuntimeFailure(
            f"{name}: argument #2 'target' is out of range: input is {tuple(input.shape)}"
        ) from None


@checked
def hinge_embedding_loss(
    input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"
):
    """The input where the target is 1, max(0, margin - input) where it is -1; see
    `nn.HingeEmbeddingLoss`."""
    reduction = _reduction(size_average, reduce, reduction)
    zero = _C.full((), 0, input.dtype)
    far = where(target == 1, zero, (margin - input).clamp(min=0))
    near = where(target == -1, zero, input)
    return _reduced(far + near, reduction)


@checked
def margin_ranking_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """max(0, -target (input1 - input2) + margin); see `nn.MarginRankingLoss`.

    Raises:
        RuntimeError: if the numbers of axes differ.
    """
    reduction = _reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return _reduced((-target * (input1 - input2) + margin).clamp(min=0), reduction)


@checked
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target input)); see `nn.SoftMarginLoss`."""
    reduction = _reduction(size_average, reduce, reduction)
    _require_tensors("soft_margin_loss", input=input, target=target)
    return _reduced((-target * input).exp().log1p(), reduction)


@checked
def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """The mean over classes of the logistic losses; see `nn.MultiLabelSoftMarginLoss`.

    Args:
        weight: a factor for each class.
    """
    reduction = _reduction(size_average, reduce, reduction)
    _require_tensors("multilabel_soft_margin_loss", input=input, target=target)
    shape = _C.broadcast_shapes(input.shape, target.shape)
    loss = _bce_logits(*_same_dtype(input.expand(shape), target.expand(shape)), "none")
    if weight is not None:
        loss = loss * weight
    return _reduced(loss.mean(-1), reduction)


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
        p: 1 or 2.
        weight: a factor for each class.

    Raises:
        ValueError: for another p or a weight that is not a vector.
    """
    reduction = _reduction(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    _check_rows("multi_margin_loss", input, target, input.shape[:-1])
    if weight is not None and weight.shape[0] != input.shape[-1]:
        raise ShapeError(
            f"multi_margin_loss: inconsistent weight size, expected {input.shape[-1]} but got "
            f"{list(weight.shape)}"
        )
    numbers = target.reshape(input.shape[:-1]).unsqueeze(-1)
    terms = (margin - _chosen("multi_margin_loss", input, numbers) + input).clamp(min=0)
    if p == 2:
        terms = terms * terms
    if weight is not None:
        terms = terms * weight[numbers]
    others = terms.scatter(-1, numbers, 0)
    return _reduced(others.sum(-1) / input.shape[-1], reduction)


def _multilabel_samples(s):
    yield s(s.tensor(3, 4), tensor([[3, 0, -1, 1], [0, 2, 1, 3], [-1, 2, 1, 0]]))
    yield s(s.tensor(0, 4), tensor([[0]], dtype=_C.int64).expand(1, 4)[:0])


@op(
    name="_multilabel_margin",
    backward_name="MultilabelMarginLoss",
    public=False,
    out=False,
    torch="",
    samples=_multilabel_samples,
)
def _multilabel_margin(input, target):
    return kernels(input).multilabel_margin(input, target)


@_multilabel_margin.vjp("input")
def _(g, input, target):
    # Almost everywhere constant: -1 at the target class and +1 at the other of each pair in use.
    counts = (target >= 0).to(_C.int64).cumprod(-1)
    numbers = target * counts
    gaps = 1 - input.gather(-1, numbers).unsqueeze(-1) + input.unsqueeze(-2)
    is_target = _C.full(input.shape, 0, _C.int64).scatter_add(-1, numbers, counts) > 0
    used = counts.unsqueeze(-1) * (is_target == 0).unsqueeze(-2) * (gaps > 0)
    used = used.to(g.dtype)
    slope = used.sum(-2).scatter_add(-1, numbers, -used.sum(-1))
    return slope * (g / input.shape[-1]).unsqueeze(-1)


@_multilabel_margin.fast_vjp("input")
def _(g, input, target):
    return kernels(g).multilabel_margin_backward(g, input, target)


@checked
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """The mean over pairs of a target class and another of max(0, 1 - x[target] + x[i]); see
    `nn.MultiLabelMarginLoss`.

    Args:
        target: class numbers, up to the first -1 of each row.
    """
    reduction = _reduction(size_average, reduce, reduction)
    _check_rows("multilabel_margin_loss", input, target, input.shape)
    rows = input.reshape(-1, input.shape[-1]), target.reshape(-1, input.shape[-1])
    loss = _multilabel_margin(*rows).reshape(input.shape[:-1])
    return _reduced(loss, reduction)


# ---- distances ----


@function
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The norm of x1 - x2 + eps over the last axis; see `nn.PairwiseDistance`."""
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)


@function
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """The cosine of the angle between x1 and x2 along one axis; see `nn.CosineSimilarity`.

    Args:
        eps: the smallest norm that is divided by.

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
    `nn.CosineEmbeddingLoss`."""
    reduction = _reduction(size_average, reduce, reduction)
    _require_tensors("cosine_embedding_loss", input1=input1, input2=input2, target=target)
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
        p: of the norm that measures distances.
        swap: use the distance from positive to negative if that is smaller.
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

    Raises:
        ValueError: if margin is not positive.
    """
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _require_tensors("triplet_margin_loss", anchor=anchor, positive=positive, negative=negative)
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
    return _reduced((near - far + margin).clamp(min=0), reduction)
