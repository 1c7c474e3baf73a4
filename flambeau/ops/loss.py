"""Losses, under their names in `nn.functional`; `class_loss` and `margin_loss` have more.

Each takes `reduction`: "none" for a loss per element (or position), "mean" or "sum". The older
`size_average` and `reduce` say the same and warn.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ShapeError
from flambeau.core.notices import warn
from flambeau.core.registry import checked, op
from flambeau.ops.masks import where
from flambeau.ops.smooth_activation import logsigmoid

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
    chosen = "none" if reduce is False else "sum" if size_average is False else "mean"
    warn(
        "size_average and reduce args will be deprecated, please use "
        f"reduction='{chosen}' instead.",
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


def _factor(name, parameter, weight, input):
    """A weight that broadcasts to the input, in its dtype; or None.

    Raises:
        RuntimeError: if it does not broadcast.
    """
    if weight is None:
        return None
    shape = _C.broadcast_shapes(input.shape, weight.shape)
    if shape != input.shape:
        raise ShapeError(
            f"{name}: {parameter} must broadcast to the input: output with shape "
            f"{list(input.shape)} doesn't match the broadcast shape {list(shape)}"
        )
    return weight.to(input.dtype)


def _same_dtype(input, target):
    if input.dtype == target.dtype:
        return input, target
    common = _C.promote(input.dtype, target.dtype)
    return input.to(common), target.to(common)


def _paired(input, target):
    """Input and target of one shape and dtype; warns where the shapes differ."""
    if input.shape != target.shape:
        warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
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
        input: any shape.
        target: the same shape; another one is broadcast, with a warning.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".
        weight: a factor for each element; the mean is then divided by the sum of the weights.

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if there is no such reduction, or the weights have another shape.

    Example:
        >>> x, y = flambeau.tensor([1., 2.]), flambeau.tensor([0., 0.])
        >>> flambeau.nn.functional.mse_loss(x, y)
        tensor(2.5000)
        >>> flambeau.nn.functional.mse_loss(x, y, weight=flambeau.tensor([3., 1.]))
        tensor(1.7500)
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
        input: any shape.
        target: the same shape; another one is broadcast, with a warning.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".
        weight: a factor for each element; the mean is then divided by the sum of the weights.

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if there is no such reduction, or the weights have another shape.

    Example:
        >>> x, y = flambeau.tensor([1., 5.]), flambeau.tensor([2., 2.])
        >>> flambeau.nn.functional.l1_loss(x, y, reduction="none")
        tensor([1., 3.])
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

    Args:
        input: any shape.
        target: the same shape; another one is broadcast, with a warning.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".
        beta: where the two meet; not negative.

    Returns:
        A number, or the losses of the elements.

    Raises:
        RuntimeError: if beta is negative.
        ValueError: if there is no such reduction.

    Example:
        >>> x, y = flambeau.tensor([1., 4.]), flambeau.zeros(2)
        >>> flambeau.nn.functional.smooth_l1_loss(x, y, reduction="none", beta=2.)
        tensor([0.2500, 3.0000])
    """
    reduction = _reduction(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    input, target = _paired(input, target)
    if beta == 0:
        return _l1(input, target, reduction)
    return _smooth_l1(input, target, reduction, beta)


@checked
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Square up to `delta`, absolute value times delta from there; see `nn.HuberLoss`.

    Args:
        input: any shape.
        target: the same shape; another one is broadcast, with a warning.
        reduction: "none", "mean" or "sum".
        delta: where the two meet; positive.
        weight: a factor for each element.

    Returns:
        A number, or the losses of the elements.

    Raises:
        RuntimeError: if delta is not positive.
        ValueError: if there is no such reduction, or the weights have another shape.

    Example:
        >>> x, y = flambeau.tensor([1., 4.]), flambeau.zeros(2)
        >>> flambeau.nn.functional.huber_loss(x, y, reduction="none", delta=2.)
        tensor([0.5000, 6.0000])
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


def _weighted_samples(low, high, *names):
    """Calls without and with weights, which broadcast to the input."""

    def samples(s):
        yield from _pointwise_samples(low, high)(s)
        for reduction in ("none", "mean"):
            for shape in ((2, 3), (3,), (1,)):
                x, y = (s.tensor(2, 3, low=low, high=high) for _ in range(2))
                weights = {name: s.tensor(*shape, low=0.5, high=2.0) for name in names}
                yield s(x, y, reduction=reduction, **weights)

    return samples


def _weighted_share(g, input, reduction, weight):
    """The gradient that reaches each element's loss before its weight."""
    share = _share(g, input, reduction)
    return share if weight is None else share * weight


@op(
    name="_binary_cross_entropy",
    backward_name="BinaryCrossEntropy",
    public=False,
    out=False,
    samples=_weighted_samples(0.1, 0.9, "weight"),
)
def _bce(input, target, reduction="mean", weight=None):
    """The weight broadcasts to the input."""
    plain = "none" if weight is not None else reduction
    loss = kernels(input).pointwise_loss("binary_cross_entropy", input, target, 0.0, plain)
    return loss if weight is None else _reduced(loss.mul_(weight), reduction)


@_bce.vjp("input")
def _(g, input, target, reduction, weight):
    slope = (input - target) / ((1 - input) * input).clamp(min=1e-12)
    return slope * _weighted_share(g, input, reduction, weight)


@_bce.vjp("target")
def _(g, input, target, reduction, weight):
    slope = (1 - input).log().clamp(min=-100) - input.log().clamp(min=-100)
    return slope * _weighted_share(g, input, reduction, weight)


@op(
    name="_binary_cross_entropy_with_logits",
    backward_name="BinaryCrossEntropyWithLogits",
    public=False,
    out=False,
    samples=_weighted_samples(-2.0, 2.0, "weight", "pos_weight"),
)
def _bce_logits(input, target, reduction="mean", weight=None, pos_weight=None):
    """The weights broadcast to the input."""
    kernel = kernels(input)
    if pos_weight is None:
        name = "binary_cross_entropy_with_logits"
        plain = "none" if weight is not None else reduction
        loss = kernel.pointwise_loss(name, input, target, 0.0, plain)
        if weight is None:
            return loss
    else:
        loss = kernel.unary("logsigmoid", input).mul_(-_positive_share(target, pos_weight))
        loss.add_((1 - target) * input)
    return _reduced(loss if weight is None else loss.mul_(weight), reduction)


def _positive_share(target, pos_weight):
    """The factor of -log(sigmoid(input)) when that of the input is 1 - target."""
    return (pos_weight - 1) * target + 1


@_bce_logits.vjp("input")
def _(g, input, target, reduction, weight, pos_weight):
    if pos_weight is None:
        slope = input.sigmoid() - target
    else:
        slope = 1 - target - _positive_share(target, pos_weight) * (-input).sigmoid()
    return slope * _weighted_share(g, input, reduction, weight)


@_bce_logits.vjp("target")
def _(g, input, reduction, weight, pos_weight):
    slope = -input
    if pos_weight is not None:
        slope = slope - (pos_weight - 1) * logsigmoid(input)
    return slope * _weighted_share(g, input, reduction, weight)


@_bce.vjp("weight")
def _(g, input, target, reduction):
    return _bce(input, target, "none") * _share(g, input, reduction)


@_bce_logits.vjp("weight")
def _(g, input, target, reduction, pos_weight):
    return _bce_logits(input, target, "none", None, pos_weight) * _share(g, input, reduction)


@_bce_logits.vjp("pos_weight")
def _(g, input, target, reduction, weight):
    return -target * logsigmoid(input) * _weighted_share(g, input, reduction, weight)


def _fused_slope(kernel, g, input, target, reduction, weight):
    """The gradient of the input by the loss's kernel."""
    if weight is not None:
        g = _weighted_share(g, input, reduction, weight).expand(input.shape)
        reduction = "none"
    return kernels(g).pointwise_loss_backward(kernel, g, input, target, 0.0, reduction)


@_bce.fast_vjp("input")
def _(g, input, target, reduction, weight):
    return _fused_slope("binary_cross_entropy", g, input, target, reduction, weight)


@_bce_logits.fast_vjp("input")
def _(g, input, target, reduction, weight, pos_weight):
    if pos_weight is not None:
        return _bce_logits.info.rules[("input",)](g, input, target, reduction, weight, pos_weight)
    kernel = "binary_cross_entropy_with_logits"
    return _fused_slope(kernel, g, input, target, reduction, weight)


@checked
def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-(target log(input) + (1 - target) log(1 - input)); see `nn.BCELoss`.

    Args:
        input: probabilities, any shape.
        target: the same shape, from 0 to 1.
        weight: a factor for each element, broadcast to the target.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if the sizes differ.
        RuntimeError: if an input is outside [0, 1].

    Example:
        >>> x, y = flambeau.tensor([0.5, 0.5]), flambeau.tensor([0., 1.])
        >>> flambeau.nn.functional.binary_cross_entropy(x, y)  # log 2
        tensor(0.6931)
    """
    reduction = _reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    if weight is None:
        return _bce(input, target, reduction)
    return _bce(input, target, reduction, _factor("binary_cross_entropy", "weight", weight, input))


@checked
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """`binary_cross_entropy(sigmoid(input), target)` without losing digits; see
    `nn.BCEWithLogitsLoss`.

    Args:
        input: logits, any shape.
        target: the same shape, from 0 to 1.
        weight: a factor for each element, broadcast to the target.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean" or "sum".
        pos_weight: a factor for the positive part, broadcast to the target.

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if the sizes differ.

    Example:
        >>> x, y = flambeau.tensor([-1000., 1000.]), flambeau.tensor([1., 1.])
        >>> flambeau.nn.functional.binary_cross_entropy_with_logits(x, y, reduction="none")
        tensor([1000.,    0.])
    """
    reduction = _reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    input, target = _same_dtype(input, target)
    if weight is None and pos_weight is None:
        return _bce_logits(input, target, reduction)
    name = "binary_cross_entropy_with_logits"
    weight = _factor(name, "weight", weight, input)
    pos_weight = _factor(name, "pos_weight", pos_weight, input)
    return _bce_logits(input, target, reduction, weight, pos_weight)
