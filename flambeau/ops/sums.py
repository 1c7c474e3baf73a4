"""Sums, products, counts and truth over axes.

`dim` is an integer, a tuple or None for all axes; so is an empty tuple, but not for any and all.
Floating sums are added in blocks whose partial sums are double: the result has the same bits for
any number of threads.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.numeric import whole
from flambeau.core.registry import op
from flambeau.ops._declare import conj
from flambeau.ops.masks import where
from flambeau.ops.reduce_common import (
    all_but_one,
    has_zero,
    one_or_several_axes,
    unreduced,
    with_dims,
    with_dims_and_empty,
)

# ---- sums ----


@op(overloads={"dim given": "SumBackward1"}, methods=("sum",), samples=with_dims_and_empty)
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over axes; integers and bool add up in int64.

    Args:
        input: any dtype.
        dim: the axes to sum over; None for all.
        keepdim: keep them with size one.
        dtype: convert to this dtype first.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.sum(flambeau.tensor([[1., 2.], [3., 4.]]), dim=0)
        tensor([4., 6.])
    """
    return kernels(input).sum(input, dim, keepdim, dtype)


@sum.vjp("input")
def _(g, dim, keepdim, input_shape):
    return unreduced(g, dim, keepdim, input_shape).expand(input_shape)


@op(methods=("nansum",), samples=with_dims)
def nansum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum over axes, NaN counting as zero.

    Args:
        input: any dtype but complex; integers and bool add up in int64.
        dim: the axes; None for all.
        keepdim: keep them with size one.
        dtype: convert to this dtype first.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.nansum(flambeau.tensor([1.0, float("nan"), 4.0]))
        tensor(5.)
    """
    return kernels(input).nansum(input, dim, keepdim, dtype)


@nansum.vjp("input")
def _(g, input, dim, keepdim, input_shape):
    return unreduced(g, dim, keepdim, input_shape) * (input == input)


@op(methods=("count_nonzero",), samples=one_or_several_axes, gradcheck=False)
def count_nonzero(input, dim=None):
    """How many elements are not zero.

    Args:
        input: any dtype; NaN is not zero.
        dim: an axis or a tuple of them; None for all.

    Returns:
        int64.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.count_nonzero(flambeau.tensor([0., 1., 2.]))
        tensor(2)
    """
    return kernels(input).count_nonzero(input, dim)


# ---- logarithms of sums ----


def _logsumexp_samples(s):
    yield from one_or_several_axes(s)
    yield s(s.tensor(2, 300), 1, keepdim=True)


@op(methods=("logsumexp",), samples=_logsumexp_samples)
def logsumexp(input, dim, keepdim=False):
    """log(sum(exp(input))) over axes, without overflow.

    Args:
        input: any dtype; integers are converted to the default floating type.
        dim: an axis or a tuple of them.
        keepdim: keep them with size one.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.logsumexp(flambeau.tensor([1000., 1000.]), 0)
        tensor(1000.6932)
    """
    if input.dtype.is_complex:
        return _complex_logsumexp(input, dim, keepdim)
    return kernels(input).logsumexp(input, dim, keepdim)


def _complex_logsumexp(input, dim, keepdim):
    largest = input.real.amax(dim, keepdim=True)
    largest = where(largest.isfinite(), largest, _C.full((), 0, largest.dtype))
    total = (input - largest).exp().sum(dim, keepdim=keepdim).log()
    return total + largest.reshape(total.shape)


@logsumexp.vjp("input")
def _(g, input, dim, keepdim, out):
    shape = input.shape
    total = unreduced(out, dim, keepdim, shape)
    # Where all are -inf every element has the weight exp(-inf) = 0.
    total = where(total == float("-inf"), _C.full((), 0, total.dtype), total)
    return unreduced(g, dim, keepdim, shape) * conj((input - total).exp())


# ---- products ----


def _prod_samples(s):
    yield s(s.tensor(2, 3))
    yield s(s.tensor(2, 3, 4), 1)
    yield s(s.tensor(2, 3), -1, keepdim=True)
    yield s(s.tensor())
    x = s.tensor(2, 3)
    _C.fill(_C.select(_C.select(x, 0, 1), 0, 0), 0)
    yield s(x)
    yield s(x, 1)


@op(overloads={"dim given": "ProdBackward1"}, methods=("prod",), samples=_prod_samples)
def prod(input, dim=None, keepdim=False, *, dtype=None):
    """The product over all axes or along one; integers and bool multiply in int64.

    Args:
        input: any dtype.
        dim: the axis; None for all elements.
        keepdim: keep the axis with size one.
        dtype: convert to this dtype first.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.prod(flambeau.tensor([2., 3., 4.]))
        tensor(24.)
    """
    axis = whole(dim)
    if dim is not None and axis is None:
        raise TypeError(f"prod(): argument 'dim' must be int, not {type(dim).__name__}")
    return kernels(input).prod(input, axis, keepdim, dtype)


@prod.vjp("input")
def _(g, input, dim, keepdim, out):
    shape = input.shape
    g = unreduced(g, dim, keepdim, shape)
    if not has_zero(input):
        return g * conj(unreduced(out, dim, keepdim, shape) / input)
    if dim is None:
        return g * conj(_products_of_others(input.reshape(-1), 0).reshape(shape))
    return g * conj(_products_of_others(input, dim))


def _products_of_others(input, dim):
    """For each element the product of all others along `dim`; right where elements are zero."""
    return prod(all_but_one(input, dim), -1).transpose(dim, -1) if input.ndim else input * 0 + 1


# ---- truth ----


@op(methods=("any",), samples=with_dims_and_empty, gradcheck=False)
def any(input, dim=None, keepdim=False):
    """True where an element is not zero.

    Args:
        input: any dtype; NaN is not zero.
        dim: an axis or a tuple of them; None for all.
        keepdim: keep them with size one.

    Returns:
        bool (uint8 for uint8); False where there are no elements.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.any(flambeau.tensor([False, True]))
        tensor(True)
    """
    return kernels(input).any(input, dim, keepdim)


@op(methods=("all",), samples=with_dims_and_empty, gradcheck=False)
def all(input, dim=None, keepdim=False):
    """True where no element is zero.

    Args:
        input: any dtype; NaN is not zero.
        dim: an axis or a tuple of them; None for all.
        keepdim: keep them with size one.

    Returns:
        bool (uint8 for uint8); True where there are no elements.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.all(flambeau.tensor([False, True]))
        tensor(False)
    """
    return kernels(input).all(input, dim, keepdim)
