"""softmax and log_softmax: scores along one axis as probabilities and their logarithms."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.registry import op


def _samples(s):
    yield s(s.tensor(2, 3), 1)
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(3, 40), -1)
    yield s(s.tensor(), 0)
    yield s(s.tensor(0, 3), 1)


@op(methods=("softmax",), samples=_samples, exact_out=True)
def softmax(input, dim, dtype=None):
    """exp(input) / sum(exp(input)) along one axis: positive numbers that add up to one.

    Args:
        input: floating.
        dim: the axis.
        dtype: convert to this dtype first.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.softmax(flambeau.tensor([0., 0.]), dim=0)
        tensor([0.5000, 0.5000])
    """
    return kernels(input).softmax(input, dim, dtype, False)


@softmax.vjp("input")
def _(g, out, dim):
    weighted = g * out
    return weighted - out * weighted.sum(dim, True)


softmax.fast_vjp("input")(lambda g, out, dim: kernels(g).softmax_backward(g, out, dim, False))


@op(methods=("log_softmax",), samples=_samples, exact_out=True)
def log_softmax(input, dim, dtype=None):
    """log(softmax(input)) along one axis, computed without losing digits.

    Args:
        input: floating.
        dim: the axis.
        dtype: convert to this dtype first.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.log_softmax(flambeau.tensor([0., 0.]), dim=0)
        tensor([-0.6931, -0.6931])
    """
    return kernels(input).softmax(input, dim, dtype, True)


@log_softmax.vjp("input")
def _(g, out, dim):
    return g - out.exp() * g.sum(dim, True)


log_softmax.fast_vjp("input")(lambda g, out, dim: kernels(g).softmax_backward(g, out, dim, True))
