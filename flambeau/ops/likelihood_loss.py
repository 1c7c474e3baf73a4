"""Losses that are likelihoods of distributions, or the divergence of two."""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.core.notices import warn
from flambeau.core.registry import checked
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import require_tensors
from flambeau.ops.loss import (
    _REDUCTIONS,
    _pointwise,
    _pointwise_samples,
    _reduced,
    _reduction,
    _same_dtype,
)
from flambeau.ops.masks import where

# ---- divergence ----


def _log_or_zero(y):
    """The derivative of y log y, where 0 log 0 is 0 and stays it; NaN below."""
    return where(y == 0, _C.full((), 0, y.dtype), y.log() + 1)


_kl = _pointwise(
    "_kl_div",
    "kl_div",
    "Mean",
    _pointwise_samples(0.1, 0.9),
    lambda input, target: -target,
    lambda input, target: _log_or_zero(target) - input * (target != 0),
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
        input: log-probabilities, any shape.
        target: probabilities, of a shape that broadcasts with it.
        size_average, reduce: older forms of `reduction`.
        reduction: "none", "mean", "sum" or "batchmean": the sum over the number of rows, which is
            the mathematical one.
        log_target: the target too is given as logarithms.

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if there is no such reduction.

    Example:
        >>> x = flambeau.tensor([[0.25, 0.75]]).log()
        >>> y = flambeau.tensor([[1., 0.]])
        >>> flambeau.nn.functional.kl_div(x, y, reduction="batchmean")  # log 4
        tensor(1.3863)
    """
    reduction = _reduction(size_average, reduce, reduction, (*_REDUCTIONS, "batchmean"))
    if reduction == "mean":
        warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
        )
    shape = _C.broadcast_shapes(input.shape, target.shape)
    input, target = _same_dtype(input.expand(shape), target.expand(shape))
    loss = _kl_log if log_target else _kl
    if reduction == "batchmean":
        return loss(input, target, "sum") / (input.shape[0] if input.ndim else 1)
    return loss(input, target, reduction)


# ---- distributions ----


@checked
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """The negative log-likelihood of a normal distribution; see `nn.GaussianNLLLoss`.

    Args:
        input: the expectation.
        target: the values observed, of the same shape.
        var: the variance, a number or a tensor of the input's shape (the last axis may be missing
            or one).
        full: add the constant term.
        eps: the smallest variance.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if a variance is negative or its size does not fit.

    Example:
        >>> mean, target = flambeau.zeros(2), flambeau.tensor([1., 3.])
        >>> flambeau.nn.functional.gaussian_nll_loss(mean, target, 1., reduction="none")
        tensor([0.5000, 4.5000])
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
        input: rates or their logarithms, any shape.
        target: counts, of the same shape.
        log_input: the input is the logarithm of the rate.
        full: add Stirling's approximation of log(target!).
        size_average, reduce: older forms of `reduction`.
        eps: added to the rate before its logarithm.
        reduction: "none", "mean" or "sum".

    Returns:
        A number, or the losses of the elements.

    Raises:
        ValueError: if there is no such reduction.

    Example:
        >>> rate, count = flambeau.tensor([1., 4.]), flambeau.tensor([7., 0.])
        >>> flambeau.nn.functional.poisson_nll_loss(rate, count, log_input=False, reduction="none")
        tensor([1., 4.])
    """
    reduction = _reduction(size_average, reduce, reduction)
    require_tensors("poisson_nll_loss", input=input, target=target)
    log_rate = input if log_input else (input + eps).log()
    loss = (input.exp() if log_input else input) - target * log_rate
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + where(target > 1, stirling, _C.full((), 0, stirling.dtype))
    return _reduced(loss, reduction)
