"""The largest and the smallest elements, over axes or along one, and where they are."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.bounds import maximum, minimum
from flambeau.ops.reduce_common import PICKED, along_one_axis, distinct_with_dims, share_of_extreme


@op(methods=("amax",), samples=distinct_with_dims, exact_out=True)
def amax(input, dim=(), keepdim=False):
    """The largest element over axes; NaN if there is one. Equal ones share the gradient.

    Args:
        input: any dtype but complex; NaN counts as the largest.
        dim: an axis or a tuple of them; none for all.
        keepdim: keep them with size one.

    Raises:
        IndexError: if an axis that is named has no elements, or there is no such axis.
        RuntimeError: if all elements are meant and there are none.

    Example:
        >>> flambeau.amax(flambeau.tensor([[1, 5], [7, 2]]), dim=1)
        tensor([5, 7])
    """
    return kernels(input).amax(input, dim, keepdim, "amax")


@op(methods=("amin",), samples=distinct_with_dims, exact_out=True)
def amin(input, dim=(), keepdim=False):
    """The smallest element over axes; NaN if there is one. Equal ones share the gradient.

    Args:
        input: any dtype but complex; a NaN is the result.
        dim: an axis or a tuple of them; none for all.
        keepdim: keep them with size one.

    Raises:
        IndexError: if an axis that is named has no elements, or there is no such axis.
        RuntimeError: if all elements are meant and there are none.

    Example:
        >>> flambeau.amin(flambeau.tensor([[1, 5], [7, 2]]), dim=1)
        tensor([1, 2])
    """
    return kernels(input).amin(input, dim, keepdim, "amin")


amax.vjp("input")(share_of_extreme)
amin.vjp("input")(share_of_extreme)


def _all_distinct(s):
    yield s(s.distinct(2, 3))
    yield s(s.distinct())


@op(name="_max_all", backward_name="MaxBackward1", public=False, samples=_all_distinct, torch="max")
def _max_all(input):
    return kernels(input).amax(input, None, False, "max")


@op(name="_min_all", backward_name="MinBackward1", public=False, samples=_all_distinct, torch="min")
def _min_all(input):
    return kernels(input).amin(input, None, False, "min")


_max_all.vjp("input")(lambda g, input, out: share_of_extreme(g, input, None, False, out))
_min_all.vjp("input")(lambda g, input, out: share_of_extreme(g, input, None, False, out))


def _to_places(g, dim, keepdim, indices, input_shape):
    """The gradient of values picked along `dim`: put to where they were."""
    if input_shape and not keepdim:
        g, indices = g.unsqueeze(dim), indices.unsqueeze(dim)
    return g.new_zeros(input_shape).scatter(dim, indices, g)


@op(
    name="_max_along",
    backward_name="Max",
    public=False,
    outputs=PICKED,
    result_type=return_types.max,
    samples=along_one_axis,
    torch="max",
    exact_out=True,
)
def _max_along(input, dim, keepdim=False):
    return kernels(input).max_along(input, dim, keepdim)


@op(
    name="_min_along",
    backward_name="Min",
    public=False,
    outputs=PICKED,
    result_type=return_types.min,
    samples=along_one_axis,
    torch="min",
    exact_out=True,
)
def _min_along(input, dim, keepdim=False):
    return kernels(input).min_along(input, dim, keepdim)


_max_along.vjp("input")(_to_places)
_min_along.vjp("input")(_to_places)


def _extreme(all_elements, along, elementwise):
    """The three functions that torch calls max (or min), told apart by the second argument."""

    def extreme(input, dim=None, keepdim=False, *, other=None, out=None):
        if other is None and not isinstance(dim, Tensor):
            if dim is None:
                return all_elements(input, out=out)
            return along(input, dim, keepdim, out=out)
        return elementwise(input, dim if other is None else other, out=out)

    return extreme


max = _extreme(_max_all, _max_along, maximum)
max.__name__ = "max"
max.__doc__ = """The largest element, or the largest along one axis and where it is.

`max(input)` is the largest of all; `max(input, dim, keepdim=False)` returns (values, indices), the
first index where several are equal; `max(input, other)` compares elementwise.

Args:
    input: any dtype but complex; NaN counts as the largest.
    dim: the axis; None for all elements.
    keepdim: keep the axis with size one.
    other: a tensor to compare with; both broadcast.
    out: a tensor for the result, or with `dim` a tuple of two.

Raises:
    RuntimeError: for a tensor without elements.
    IndexError: if the axis has no elements.

Example:
    >>> flambeau.max(flambeau.tensor([[1., 5.], [7., 2.]]), dim=1).indices
    tensor([1, 0])
"""
min = _extreme(_min_all, _min_along, minimum)
min.__name__ = "min"
min.__doc__ = """The smallest element, or the smallest along one axis and where it is.

`min(input)` is the smallest of all; `min(input, dim, keepdim=False)` returns (values, indices), the
first index where several are equal; `min(input, other)` compares elementwise.

Args:
    input: any dtype but complex; NaN counts as the smallest.
    dim: the axis; None for all elements.
    keepdim: keep the axis with size one.
    other: a tensor to compare with; both broadcast.
    out: a tensor for the result, or with `dim` a tuple of two.

Raises:
    RuntimeError: for a tensor without elements.
    IndexError: if the axis has no elements.

Example:
    >>> flambeau.min(flambeau.tensor([[1., 5.], [7., 2.]]), dim=1).values
    tensor([1., 2.])
"""
function(max, methods=("max",))
function(min, methods=("min",))


@op(methods=("argmax",), samples=along_one_axis, gradcheck=False, exact_out=True)
def argmax(input, dim=None, keepdim=False):
    """The place of the (first) largest element: in row-major order, or along one axis.

    Args:
        input: any dtype but bool and complex; NaN counts as the largest.
        dim: the axis; None to count in row-major order.
        keepdim: keep the axis with size one.

    Returns:
        int64.

    Raises:
        IndexError: if there is no such axis, or it has no elements.

    Example:
        >>> flambeau.argmax(flambeau.tensor([1., 9., 3.]))
        tensor(1)
    """
    return kernels(input).argmax(input, dim, keepdim)


@op(methods=("argmin",), samples=along_one_axis, gradcheck=False, exact_out=True)
def argmin(input, dim=None, keepdim=False):
    """The place of the (first) smallest element: in row-major order, or along one axis.

    Args:
        input: any dtype but bool and complex; NaN counts as the smallest.
        dim: the axis; None to count in row-major order.
        keepdim: keep the axis with size one.

    Returns:
        int64.

    Raises:
        IndexError: if there is no such axis, or it has no elements.

    Example:
        >>> flambeau.argmin(flambeau.tensor([[4, 3], [2, 9]]))
        tensor(2)
        >>> flambeau.argmin(flambeau.tensor([[4, 3], [2, 9]]), dim=1)
        tensor([1, 0])
    """
    return kernels(input).argmin(input, dim, keepdim)


def _aminmax_samples(s):
    yield s(s.distinct(2, 3))
    yield s(s.distinct(2, 3), dim=1)
    yield s(s.distinct(2, 3), dim=0, keepdim=True)


@op(
    methods=("aminmax",),
    outputs=("min", "max"),
    grad_list=True,
    result_type=return_types.aminmax,
    samples=_aminmax_samples,
    exact_out=True,
)
def aminmax(input, *, dim=None, keepdim=False):
    """The smallest and the largest element, over all or along one axis, as (min, max).

    Args:
        input: any dtype but complex; a NaN is both.
        dim: the axis; None for all elements.
        keepdim: keep the axis with size one.

    Returns:
        A named tuple.

    Raises:
        RuntimeError: if there are no elements.

    Example:
        >>> flambeau.aminmax(flambeau.tensor([3, 1, 2])).max
        tensor(3)
    """
    kernel = kernels(input)
    if input._numel == 0 and dim is None:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
            "identity."
        )
    return kernel.amin(input, dim, keepdim, "aminmax"), kernel.amax(input, dim, keepdim, "aminmax")


@aminmax.vjp("input")
def _(g, input, dim, keepdim, min, max):
    parts = [
        share_of_extreme(part, input, dim, keepdim, reached)
        for part, reached in zip(g, (min, max), strict=True)
        if part is not None
    ]
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]
