"""Connectionist temporal classification: the loss of sequences whose alignment is not known."""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ArgumentValueError, RuntimeFailure, ShapeError, UnsupportedError
from flambeau.core.numeric import whole
from flambeau.core.registry import checked, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import require_tensors
from flambeau.ops.masks import where
from flambeau.ops.values import tensor


def _samples(s):
    for targets in (s.indices(2, 3, high=5), s.indices(4, high=5)):
        yield s(s.tensor(6, 2, 5), targets, (6, 5), (1, 3), 0, False)
    yield s(s.tensor(2, 1, 3), s.indices(1, 3, high=3), (2,), (3,), 1, True)
    yield s(s.tensor(3, 2, 3), s.indices(0, high=3), (3, 0), (0, 0), 2, True)


@op(
    public=False,
    out=False,
    backward_name="CtcLoss",
    outputs=("loss", "log_alpha"),
    torch="",
    # The gradient is that by the scores before log_softmax: tests/ops/test_ctc.py checks it.
    gradcheck=False,
    samples=_samples,
)
def _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, zero_infinity=False):
    return kernels(log_probs).ctc_loss(log_probs, targets, input_lengths, target_lengths, blank)


@_ctc_loss.vjp("log_probs")
def _(g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity, loss, log_alpha):
    return _ctc_loss_backward(
        g, log_probs, targets, input_lengths, target_lengths, loss, log_alpha, blank, zero_infinity
    )


def _backward_samples(s):
    for sample in _samples(s):
        log_probs, targets, *lengths, blank, zero_infinity = sample.args
        kernel = kernels(log_probs)
        found = kernel.ctc_loss(log_probs.detach(), targets, *lengths, blank)
        g = s.tensor(log_probs.shape[1])
        yield s(g, log_probs, targets, *lengths, *found, blank, zero_infinity)


@op(
    public=False,
    out=False,
    backward_name="CtcLossBackward",
    torch="",
    gradcheck=False,  # it has no derivative by log_probs, as in PyTorch
    samples=_backward_samples,
)
def _ctc_loss_backward(
    grad, log_probs, targets, input_lengths, target_lengths, loss, log_alpha, blank, zero_infinity
):
    """The gradient of _ctc_loss by the scores of which log_probs are the log-softmax."""
    return kernels(grad).ctc_loss_backward(
        grad,
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        loss,
        log_alpha,
        blank,
        zero_infinity,
    )


@_ctc_loss_backward.vjp("grad")
def _(g, log_probs, targets, input_lengths, target_lengths, loss, log_alpha, blank, zero_infinity):
    ones = loss.new_ones(loss.shape)
    slope = _ctc_loss_backward(
        ones,
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        loss,
        log_alpha,
        blank,
        zero_infinity,
    )
    return (g * slope).sum((0, 2))


@_ctc_loss_backward.vjp("log_probs")
def _(g):
    raise UnsupportedError("ctc_loss: derivative for aten::_ctc_loss_backward is not implemented")


# ---- public forms ----


def _lengths(value, name):
    """Lengths as a tuple of integers."""
    if isinstance(value, Tensor):
        if value.dtype.is_floating_point or value.dtype.is_complex:
            raise RuntimeFailure(f"ctc_loss: {name} must be integral")
        value = value.reshape(-1).tolist()
    lengths = tuple(map(whole, value)) if isinstance(value, (tuple, list)) else (None,)
    if None in lengths:
        raise TypeError(f"ctc_loss(): argument '{name}' must be Tensor or tuple of ints")
    return lengths


def _losses(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity):
    """The loss of each example, and the lengths of the targets; 0-dim without a batch."""
    require_tensors("ctc_loss", log_probs=log_probs, targets=targets)
    if log_probs.dtype not in (_C.float32, _C.float64):
        raise UnsupportedError(f"ctc_loss: not implemented for {log_probs.dtype}")
    if targets.dtype != _C.int64:
        targets = targets.long()
    input_lengths = _lengths(input_lengths, "input_lengths")
    target_lengths = _lengths(target_lengths, "target_lengths")
    batched = log_probs.ndim != 2
    if not batched:
        if targets.ndim == 0:
            raise ShapeError("ctc_loss: targets must have at least one dimension, got 0-dim")
        log_probs, targets = log_probs.unsqueeze(1), targets.unsqueeze(0)
    loss = _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)[0]
    if zero_infinity:
        loss = where(loss == math.inf, _C.full((), 0, loss.dtype), loss)
    return (loss if batched else loss.squeeze(0)), target_lengths


def _mean(loss, target_lengths):
    """The mean of the losses per label."""
    counts = tensor(target_lengths, dtype=loss.dtype).clamp(min=1)
    return (loss / (counts if loss.ndim else counts.squeeze(0))).mean()


@checked
def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction="mean",
    zero_infinity=False,
):
    """The negative log-probability that a sequence of distributions spells the target; see
    `nn.CTCLoss`.

    Args:
        log_probs: (T, N, C) or (T, C), logarithms of probabilities, as `log_softmax` gives them.
            The gradient is that of the scores before `log_softmax` (A. Graves et al., 2006).
        targets: (N, S), or (S) without a batch, or the labels of all examples one behind the other.
        input_lengths: how many of the T steps of each example count, a tensor or a tuple.
        target_lengths: how many labels each example has.
        blank: the class that stands for no label.
        reduction: "none", "sum", or "mean": of the losses divided by the target lengths.
        zero_infinity: losses of targets longer than the input can spell become 0, and so does
            their gradient.

    Returns:
        (N) or 0-dim.

    Raises:
        RuntimeError: if lengths or sizes do not fit.
        IndexError: if a label is no class.
        ValueError: for another reduction.

    Example:
        >>> scores = flambeau.zeros(2, 1, 2).log_softmax(2)
        >>> flambeau.nn.functional.ctc_loss(scores, flambeau.tensor([[1]]), (2,), (1,))
        tensor(0.2877)
    """
    if reduction not in ("none", "mean", "sum"):
        raise ArgumentValueError(f"{reduction} is not a valid value for reduction")
    loss, lengths = _losses(log_probs, targets, input_lengths, target_lengths, blank, zero_infinity)
    if reduction == "mean":
        return _mean(loss, lengths)
    return loss.sum() if reduction == "sum" else loss
