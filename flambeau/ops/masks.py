"""Choosing by conditions: where, masks, the places of what is not zero."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ShapeError
from flambeau.core.notices import warn_once
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import number_tensor, stored
from flambeau.ops.index import _values_like, _zeros
from flambeau.ops.join import cat


def _where_samples(s):
    yield s(s.mask(2, 3), s.tensor(2, 3), s.tensor(2, 3))
    yield s(s.mask(2, 1), s.tensor(3), s.tensor())


@op(name="where", public=False, samples=_where_samples, exact_out=True)
def _where(condition, input, other):
    return kernels(condition).where(condition, input, other)


_where.vjp("input")(lambda g, condition: _where(condition, g, g.new_zeros(())))
_where.vjp("other")(lambda g, condition: _where(condition, g.new_zeros(()), g))


@function
def where(condition, input=None, other=None, *, out=None):
    """Elements of input where a condition holds, of other elsewhere; without them, the indices.

    Args:
        condition: bool.
        input: a tensor or a number; the three broadcast, and dtypes are promoted.
        other: a tensor or a number.
        out: a tensor for the result.

    Returns:
        A new tensor; with a condition alone what `nonzero(condition, as_tuple=True)` returns.

    Raises:
        RuntimeError: if condition is not of bool, or the sizes do not broadcast.
        TypeError: if one of input and other is missing.

    Example:
        >>> x = flambeau.tensor([-1, 2])
        >>> flambeau.where(x > 0, x, 0)
        tensor([0, 2])
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise TypeError("where(): takes a condition alone, or with both input and other")
    if condition.dtype == _C.uint8:
        warn_once(
            "where received a uint8 condition tensor. This is deprecated and will be an error in a"
            " future release. Use a bool condition instead."
        )
    return _where(condition, _operand(input, other), _operand(other, input), out=out)


def _operand(value, partner):
    """A number becomes a 0-dim tensor of its own default dtype: it does not raise the result's."""
    if isinstance(value, Tensor):
        return value
    like = partner if isinstance(partner, Tensor) else number_tensor(partner)
    return _C.scalar_tensor(value, _C.result_type([like, value]))


def _where_method(self, condition, other=0):
    """The tensor where a condition holds, elsewhere `other`; see `flambeau.where`.

    Args:
        condition: bool; all broadcast.
        other: a tensor or a number.

    Raises:
        RuntimeError: if condition is not of bool, or the sizes do not broadcast.

    Example:
        >>> x = flambeau.tensor([-1, 2])
        >>> x.where(x > 0, 0)
        tensor([0, 2])
    """
    return where(condition, self, other)


Tensor.where = _where_method


def _fill_samples(s):
    yield s(s.tensor(2, 3), s.mask(2, 3), 0.5)
    yield s(s.tensor(2, 3), s.mask(3), s.tensor())


@op(
    overloads={"value tensor": "MaskedFillBackward1"},
    methods=("masked_fill",),
    inplace=True,
    samples=_fill_samples,
)
def masked_fill(input, mask, value):
    """A copy of input with one value where a mask holds.

    Args:
        input: any dtype and sizes.
        mask: bool; both broadcast.
        value: a number or a 0-dim tensor.

    Raises:
        RuntimeError: if the mask is not of bool, or does not broadcast.

    Example:
        >>> x = flambeau.tensor([1.0, -2.0])
        >>> x.masked_fill(x < 0, float("inf"))
        tensor([1., inf])
    """
    if mask.dtype != _C.bool:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    if isinstance(value, Tensor) and value.ndim:
        raise ShapeError(
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s)."
        )
    k = kernels(input)
    return k.contiguous(k.where(mask, _values_like(value, input), input))


masked_fill.vjp("input")(lambda g, mask: g.masked_fill(mask, 0))
masked_fill.vjp("value")(lambda g, mask: _where(mask, g, g.new_zeros(())))


@op(
    methods=("masked_select",),
    samples=lambda s: [s(s.tensor(3, 4), s.mask(3, 4)), s(s.tensor(3, 4), s.mask(4))],
    exact_out=True,
)
def masked_select(input, mask):
    """The elements where a mask holds, in row-major order, as a vector.

    Args:
        input: any dtype and sizes.
        mask: bool; both broadcast.

    Returns:
        (k) for a mask that holds k times.

    Raises:
        RuntimeError: if the mask is not of bool, or does not broadcast.

    Example:
        >>> x = flambeau.tensor([[1, 2], [3, 4]])
        >>> x.masked_select(x > 1)
        tensor([2, 3, 4])
    """
    return kernels(input).masked_select(input, mask)


@masked_select.vjp("input")
def _(g, mask, input_shape):
    shape = _C.broadcast_shapes(input_shape, mask.shape)
    return _zeros(g, shape).masked_scatter(mask, g)


@op(
    methods=("masked_scatter",),
    inplace=True,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), s.mask(3, 4), s.tensor(12))],
)
def masked_scatter(input, mask, source):
    """A copy of input with the first elements of source, in order, where a mask holds.

    Args:
        input: any dtype and sizes.
        mask: bool; both broadcast.
        source: of input's dtype, at least as many elements as the mask holds.

    Raises:
        RuntimeError: if there are fewer, dtypes differ, or the mask is not of bool.

    Example:
        >>> mask = flambeau.tensor([False, True, True])
        >>> flambeau.zeros(3).masked_scatter(mask, flambeau.tensor([1.0, 2.0, 3.0]))
        tensor([0., 1., 2.])
    """
    if mask.dtype != _C.bool:
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    shape = _C.broadcast_shapes(input.shape, mask.shape)
    full_mask = _C.contiguous(_C.expand(mask, shape))
    places = kernels(input).nonzero(_C.reshape(full_mask, (-1,)))
    count = places.shape[0]
    if source._numel < count:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes and enough elements: "
            f"mask holds at {count} places, source has {source._numel} elements"
        )
    out = _C.reshape(_C.clone(_C.contiguous(_C.expand(input, shape))), (-1,))
    values = _C.slice(_C.reshape(source, (-1,)), 0, 0, count, 1)
    kernels(input).index_put(out, [_C.reshape(places, (-1,))], values, False)
    return _C.reshape(out, shape)


masked_scatter.vjp("input")(lambda g, mask: g.masked_fill(mask, 0))


@masked_scatter.vjp("source")
def _(g, mask, source_shape):
    picked = masked_select(g, mask)
    n = 1
    for s in source_shape:
        n *= s
    rest = _zeros(g, (n - picked.shape[0],))
    return cat([picked, rest]).reshape(source_shape)


@function(methods=("nonzero",))
def nonzero(input, *, out=None, as_tuple=False):
    """The indices of the elements that are not zero, in row-major order.

    Args:
        input: any dtype, n axes.
        out: an int64 tensor for the result.
        as_tuple: a vector for each axis, which may index, instead of a matrix.

    Returns:
        (k, n) int64, or a tuple of n vectors (k).

    Example:
        >>> x = flambeau.tensor([[0, 5], [7, 0]])
        >>> flambeau.nonzero(x)
        tensor([[0, 1],
                [1, 0]])
        >>> x[flambeau.nonzero(x, as_tuple=True)]
        tensor([5, 7])
    """
    found = kernels(input).nonzero(input.unsqueeze(0) if as_tuple and input.ndim == 0 else input)
    if as_tuple:
        return tuple(found.select(1, d) for d in range(found.shape[1]))
    return stored("nonzero", found, out, exact=True)


@function(methods=("nonzero_static",))
def nonzero_static(input, *, size, fill_value=-1, out=None):
    """The indices of the first `size` elements that are not zero, one row each.

    Args:
        input: any dtype, n axes.
        size: the number of rows.
        fill_value: what fills the rows that are left over.
        out: an int64 tensor for the result.

    Returns:
        (size, n) int64.

    Example:
        >>> flambeau.nonzero_static(flambeau.tensor([0, 3, 0, 4]), size=3)
        tensor([[ 1],
                [ 3],
                [-1]])
    """
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = kernels(input).nonzero(input)
    result = _C.full((size, input.ndim), fill_value, _C.int64)
    count = min(size, found.shape[0])
    if count:
        _C.copy_into(_C.slice(result, 0, 0, count, 1), _C.slice(found, 0, 0, count, 1))
    return stored("nonzero_static", result, out)


@function(methods=("argwhere",))
def argwhere(input):
    """The indices of the elements that are not zero, one row each.

    Args:
        input: any dtype, n axes.

    Returns:
        (k, n) int64.

    Example:
        >>> flambeau.argwhere(flambeau.tensor([False, True, True]))
        tensor([[1],
                [2]])
    """
    return kernels(input).nonzero(input)
