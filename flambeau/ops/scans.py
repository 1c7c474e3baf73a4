"""Running sums, products and extremes along one axis."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.registry import op
from flambeau.ops._declare import conj
from flambeau.ops.masks import where
from flambeau.ops.reduce_common import PICKED, all_but_one, along_one_axis, has_zero


def _scans(s):
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(2, 3), -1)
    yield s(s.tensor(), 0)
    yield s(s.tensor(2, 0), 1)


@op(methods=("cumsum",), inplace=True, samples=_scans)
def cumsum(input, dim, *, dtype=None):
    """Running sums along one axis.

    Args:
        input: any dtype; integers and bool add up in int64.
        dim: the axis.
        dtype: convert to this dtype first.

    Returns:
        A tensor of the same sizes.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.cumsum(flambeau.tensor([1, 2, 3]), 0)
        tensor([1, 3, 6])
    """
    return kernels(input).cumsum(input, dim, dtype, False)


@op(name="_cumsum_from_end", public=False, out=False, samples=_scans)
def _cumsum_from_end(input, dim):
    return kernels(input).cumsum(input, dim, None, True)


cumsum.vjp("input")(lambda g, dim: _cumsum_from_end(g, dim))
_cumsum_from_end.vjp("input")(lambda g, dim: cumsum(g, dim))


def _cumprod_samples(s):
    yield from _scans(s)
    x = s.tensor(2, 4)
    _C.fill(_C.select(_C.select(x, 0, 1), 0, 1), 0)
    yield s(x, 1)


@op(methods=("cumprod",), inplace=True, samples=_cumprod_samples)
def cumprod(input, dim, *, dtype=None):
    """Running products along one axis.

    Args:
        input: any dtype; integers and bool multiply in int64.
        dim: the axis.
        dtype: convert to this dtype first.

    Returns:
        A tensor of the same sizes.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.cumprod(flambeau.tensor([1, 2, 3]), 0)
        tensor([1, 2, 6])
    """
    return kernels(input).cumprod(input, dim, dtype)


@cumprod.vjp("input")
def _(g, input, dim, out):
    if input.ndim == 0:
        return g
    if not has_zero(input):
        return _cumsum_from_end(g * conj(out), dim) / conj(input)
    # products[..., i, j]: of the elements up to j without the i-th; none where j < i.
    products = cumprod(all_but_one(input, dim), -1)
    upper = _C.triangle(_C.full(products.shape[-2:], 1, products.dtype), 0, True)
    weights = g.transpose(dim, -1).unsqueeze(-2)
    return (conj(products) * upper * weights).sum(-1).transpose(dim, -1)


@op(
    methods=("cummax",),
    outputs=PICKED,
    result_type=return_types.cummax,
    samples=along_one_axis,
    exact_out=True,
)
def cummax(input, dim):
    """Running maxima along one axis and where they are; of equal ones the last.

    Args:
        input: any dtype but complex; from a NaN on all are NaN.
        dim: the axis.

    Returns:
        A named tuple (values, indices), both of the sizes of input.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> values, indices = flambeau.tensor([2, 1, 3, 3]).cummax(0)
        >>> values, indices
        (tensor([2, 2, 3, 3]), tensor([0, 0, 2, 3]))
    """
    return kernels(input).cummax(input, dim)


@op(
    methods=("cummin",),
    outputs=PICKED,
    result_type=return_types.cummin,
    samples=along_one_axis,
    exact_out=True,
)
def cummin(input, dim):
    """Running minima along one axis and where they are; of equal ones the last.

    Args:
        input: any dtype but complex; from a NaN on all are NaN.
        dim: the axis.

    Returns:
        A named tuple (values, indices), both of the sizes of input.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> values, indices = flambeau.tensor([2, 3, 1, 1]).cummin(0)
        >>> values, indices
        (tensor([2, 2, 1, 1]), tensor([0, 0, 2, 3]))
    """
    return kernels(input).cummin(input, dim)


def _to_running_places(g, dim, indices, input_shape):
    return g.new_zeros(input_shape).scatter_add(dim, indices, g)


cummax.vjp("input")(_to_running_places)
cummin.vjp("input")(_to_running_places)


@op(methods=("logcumsumexp",), samples=_scans, exact_out=True)
def logcumsumexp(input, dim):
    """Logarithms of the running sums of exp(input) along one axis, without overflow.

    Args:
        input: floating or complex.
        dim: the axis.

    Returns:
        A tensor of the same sizes.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.tensor([1000.0, 1000.0]).logcumsumexp(0)  # the second: 1000 + log(2)
        tensor([1000.0000, 1000.6932])
    """
    return kernels(input).logcumsumexp(input, dim, False)


@op(name="_logcumsumexp_from_end", public=False, out=False, samples=_scans)
def _logcumsumexp_from_end(input, dim):
    return kernels(input).logcumsumexp(input, dim, True)


def _through_logarithms(g, input, out, dim, accumulate):
    """conj(exp(input)) * (sums of g * conj(exp(-out))), summed as logarithms.

    Real g of either sign are summed on their own, since their logarithms are real.
    """
    one, absent = _C.full((), 1, g.dtype), _C.full((), float("-inf"), g.dtype)
    if g.dtype.is_complex:
        out = out.masked_fill(out.real == float("-inf"), 0)
        logarithm = where(g != 0, where(g != 0, conj(g), one).log() - out, absent)
        return conj((accumulate(logarithm, dim) + input).exp())
    out = out.masked_fill(out == float("-inf"), 0)  # nothing but -inf so far: exp(input) is 0 there
    total = None
    for part in (g, -g):
        # The logarithm is taken where there is one, so that its own derivative exists too.
        logarithm = where(part > 0, where(part > 0, part, one).log() - out, absent)
        weights = (accumulate(logarithm, dim) + input).exp()
        total = weights if total is None else total - weights
    return total


@logcumsumexp.vjp("input")
def _(g, input, dim, out):
    return _through_logarithms(g, input, out, dim, _logcumsumexp_from_end)


@_logcumsumexp_from_end.vjp("input")
def _(g, input, dim, out):
    return _through_logarithms(g, input, out, dim, logcumsumexp)
