"""Dropout, of elements and of whole channels."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import RuntimeFailure
from flambeau.core.registry import function, op
from flambeau.ops.creation import _require_tensor


def _dropout_samples(s):
    """Calls whose result does not depend on the draws."""
    yield s(s.tensor(3, 4), 0.0, True)
    yield s(s.tensor(3, 4), 1.0, True)
    yield s(s.tensor(3, 4), 0.5, False)


@op(backward_name="Mul", out=False, outputs=("output", "mask"), samples=_dropout_samples)
def native_dropout(input, p, train):
    """Dropout and its mask: the elements that were kept, each divided by 1 - p.

    Args:
        input: floating point tensor.
        p: the probability of a zero.
        train: if False, everything is kept.

    Returns:
        The result, and the bool mask of what was kept.

    Raises:
        RuntimeError: if `p` is not in [0, 1].

    Example:
        >>> kept, mask = flambeau.native_dropout(flambeau.ones(4), 0.5, True)
        >>> flambeau.equal(kept, 2 * mask)
        True
    """
    _require_tensor(input, "native_dropout")
    k = kernels(input)
    if train is False:
        mask = _C.empty_like(input, _C.bool)
        k.fill(mask, True)
        return k.clone(input), mask
    return k.dropout(input, p, None)


@native_dropout.vjp("input")
def _(g, mask, p, train):
    return g if train is False else _dropout_backward(g, mask, p)


@op(
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), s.mask(3, 4), 0.5), s(s.tensor(3), s.mask(3), 1.0)],
)
def _dropout_backward(grad_output, mask, p):
    """grad_output where the mask is set, divided by 1 - p; zero elsewhere."""
    _require_tensor(grad_output, "_dropout_backward")
    return kernels(grad_output).dropout_backward(grad_output, mask, p)


_dropout_backward.vjp("grad_output")(lambda g, mask, p: _dropout_backward(g, mask, p))


def _inactive(input, p, train):
    """Whether a dropout leaves its input as it is; checks what it would not look at then."""
    _require_tensor(input, "dropout")
    if not 0 <= p <= 1:
        raise RuntimeFailure(f"dropout probability has to be between 0 and 1, but got {p}")
    return p == 0 or not train or input.numel() == 0


def _kept(input, p, by_feature):
    """Ones with probability 1 - p, and zeros: for each element, or each channel of each sample."""
    if not by_feature:
        keep = kernels(input).empty_like(input, input.dtype)
    elif input.ndim < 2:
        raise RuntimeFailure("Feature dropout requires at least 2 dimensions in the input")
    else:
        keep = kernels(input).empty((*input.shape[:2], *([1] * (input.ndim - 2))), input.dtype)
    if p == 1:
        return keep.zero_()
    kernels(keep).bernoulli_(keep, 1 - p, None)
    return keep


def _noise(input, p, by_feature):
    """The factors of a dropout: 0 and 1 / (1 - p)."""
    keep = _kept(input, p, by_feature)
    return keep.div_(1 - p) if p < 1 else keep


#: Minus the limit of SELU for large negative arguments.
_SELU_LIMIT = 1.7580993408473766


def _alpha_noise(input, p, by_feature):
    """Factor and summand that replace dropped elements by the limit and keep mean and variance."""
    keep = _kept(input, p, by_feature)
    if p == 1:
        return keep, 0
    scale = 1 / ((_SELU_LIMIT**2 * p + 1) * (1 - p)) ** 0.5
    shift = (keep - 1).mul_(_SELU_LIMIT * scale).add_(_SELU_LIMIT * scale * p)
    return keep.mul_(scale), shift


@function
def dropout(input, p, train):
    """Zeroes each element with probability `p` and divides the rest by 1 - p, when training.

    Args:
        input: floating point tensor.
        p: the probability of a zero.
        train: if False, the input is returned as it is.

    Returns:
        The tensor.

    Raises:
        RuntimeError: if `p` is not in [0, 1].

    Example:
        >>> flambeau.dropout(flambeau.ones(3), 0.5, False)
        tensor([1., 1., 1.])
    """
    return input if _inactive(input, p, train) else native_dropout(input, p, True)[0]


@function
def dropout_(input, p, train):
    """In-place form of `dropout`."""
    return input if _inactive(input, p, train) else input.mul_(_noise(input, p, False))


@function
def feature_dropout(input, p, train):
    """Dropout of whole channels: axes 0 and 1 are samples and channels.

    Args:
        input: (N, C, ...), floating.
        p: the probability of a channel of zeros.
        train: if False, the input is returned as it is.

    Returns:
        The tensor; what is kept is divided by 1 - p.

    Raises:
        RuntimeError: if `p` is not in [0, 1], or the input has fewer than two axes.

    Example:
        >>> dropped = flambeau.feature_dropout(flambeau.ones(2, 3, 4), 0.5, True)
        >>> flambeau.equal(dropped.amax(2), dropped.amin(2))  # a channel as a whole
        True
    """
    return input if _inactive(input, p, train) else input * _noise(input, p, True)


@function
def feature_dropout_(input, p, train):
    """In-place form of `feature_dropout`."""
    return input if _inactive(input, p, train) else input.mul_(_noise(input, p, True))


def _alpha_dropout(input, p, train, by_feature):
    if _inactive(input, p, train):
        return input
    factor, shift = _alpha_noise(input, p, by_feature)
    return input * factor if p == 1 else input * factor + shift


def _alpha_dropout_(input, p, train, by_feature):
    if _inactive(input, p, train):
        return input
    factor, shift = _alpha_noise(input, p, by_feature)
    return input.mul_(factor).add_(shift)


@function
def alpha_dropout(input, p, train):
    """Dropout to the negative limit of SELU, which keeps mean and variance of its results.

    Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks" (2017).

    Args:
        input: floating.
        p: the probability of being dropped.
        train: if False, the input is returned as it is.

    Returns:
        The tensor.

    Raises:
        RuntimeError: if `p` is not in [0, 1].

    Example:
        >>> x = flambeau.ones(3)
        >>> flambeau.equal(flambeau.alpha_dropout(x, 0.5, False), x)
        True
    """
    return _alpha_dropout(input, p, train, False)


@function
def alpha_dropout_(input, p, train):
    """In-place form of `alpha_dropout`."""
    return _alpha_dropout_(input, p, train, False)


@function
def feature_alpha_dropout(input, p, train):
    """`alpha_dropout` of whole channels.

    Args:
        input: (N, C, ...), floating.
        p: the probability of a channel being dropped.
        train: if False, the input is returned as it is.

    Returns:
        The tensor.

    Raises:
        RuntimeError: if `p` is not in [0, 1], or the input has fewer than two axes.

    Example:
        >>> dropped = flambeau.feature_alpha_dropout(flambeau.ones(2, 3, 4), 0.5, True)
        >>> flambeau.equal(dropped.amax(2), dropped.amin(2))  # a channel as a whole
        True
    """
    return _alpha_dropout(input, p, train, True)


@function
def feature_alpha_dropout_(input, p, train):
    """In-place form of `feature_alpha_dropout`."""
    return _alpha_dropout_(input, p, train, True)
