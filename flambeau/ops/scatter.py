"""Placing by tensors of indices: scatter, index_add, index_copy, index_fill, index_reduce, put."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.notices import warn_once
from flambeau.core.registry import checked, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import conj, named, stored
from flambeau.ops.gather import index_select, take
from flambeau.ops.index import _values_like
from flambeau.ops.views import _axis

_MODES = {"set": 0, "add": 1, "sum": 1, "multiply": 2, "prod": 2, "amax": 3, "amin": 4}


def _row_major_copy(input):
    """A copy to scatter into, which lies in memory as torch has it whatever the input's strides."""
    copy = kernels(input).clone if input._is_contiguous() else kernels(input).contiguous
    return copy(input)


def _with_axes(t):
    """A number counts as a vector of one element."""
    return t if t.ndim else _C.unsqueeze(t, 0)


# ---- slices ----


def _add_samples(s):
    yield s(s.tensor(4, 3), 0, s.indices(5, high=4), s.tensor(5, 3))
    yield s(s.tensor(2, 3, 4), 1, s.indices(2, high=3), s.tensor(2, 2, 4), alpha=2)


def _add_slices(out, dim, index, source, alpha=1):
    kernels(out).index_add(out, dim, index, source, alpha)


@op(methods=("index_add",), inplace=True, samples=_add_samples, exact_out=True)
def index_add(input, dim, index, source, *, alpha=1):
    """A copy of input with `alpha * source` added to some slices; those named twice get both.

    Args:
        input: any dtype and sizes.
        dim: the axis.
        index: (k), int32 or int64.
        source: input's sizes but k along `dim`, and input's dtype.
        alpha: a number.

    Raises:
        IndexError: if an index is out of range.
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> index = flambeau.tensor([0, 2, 0])
        >>> flambeau.zeros(3).index_add(0, index, flambeau.tensor([1.0, 2.0, 3.0]))
        tensor([4., 0., 2.])
    """
    out = _row_major_copy(input)
    _add_slices(out, dim, index, source, alpha)
    return out


index_add.writer(_add_slices)
index_add.vjp("input")(lambda g: g)


@index_add.vjp("source")
def _(g, dim, index, alpha):
    picked = index_select(g, dim, index)
    return picked if alpha == 1 else picked * alpha


def _copy_samples(s):
    yield s(s.tensor(4, 3), 0, _C.arange(3, -1, 3, _C.int64), s.tensor(3, 3))
    yield s(s.tensor(2, 3), -1, _C.arange(0, 2, 2, _C.int64), s.tensor(2, 2))
    yield s(s.tensor(), 0, _C.arange(0, 1, 1, _C.int64), s.tensor())


def _copy_slices(out, dim, index, source):
    if index.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index.ndim})")
    places = [None] * _axis(dim, out.ndim) + [index]
    kernels(out).index_put(_with_axes(out), places, _with_axes(source), False)


@op(methods=("index_copy",), inplace=True, samples=_copy_samples, exact_out=True)
def index_copy(input, dim, index, source):
    """A copy of input with some slices taken from source.

    Args:
        input: any dtype and sizes.
        dim: the axis.
        index: (k), int64; of a slice named twice the last one stays.
        source: input's sizes but k along `dim`.

    Raises:
        IndexError: if an index is out of range, or `index` has two axes.
        RuntimeError: if the sizes of source do not fit.

    Example:
        >>> flambeau.zeros(3).index_copy(0, flambeau.tensor([2, 0]), flambeau.tensor([1.0, 2.0]))
        tensor([2., 0., 1.])
    """
    out = _row_major_copy(input)
    _copy_slices(out, dim, index, source)
    return out


index_copy.writer(_copy_slices)


@index_copy.vjp("input")
def _(g, dim, index):
    return g.index_fill(dim, index, 0)


index_copy.vjp("source")(lambda g, dim, index: index_select(g, dim, index))


def _fill_slices(out, dim, index, value):
    value = value.detach() if isinstance(value, Tensor) else value
    places = [None] * _axis(dim, out.ndim) + [index]
    kernels(out).index_put(_with_axes(out), places, _values_like(value, out), False)


@op(
    overloads={"value tensor": "IndexFillBackward1"},
    methods=("index_fill",),
    inplace=True,
    samples=lambda s: [
        s(s.tensor(4, 3), 0, s.indices(2, high=4), 1),
        s(s.tensor(2, 3), -1, s.indices(1, high=3), 0),
        s(s.tensor(4, 3), 0, _C.arange(0, 2, 2, _C.int64), s.tensor()),
        s(s.tensor(4, 3), 0, _C.full((3,), 1, _C.int64), s.tensor()),
        s(s.tensor(), 0, s.indices(1, high=1), s.tensor()),
    ],
)
def index_fill(input, dim, index, value):
    """A copy of input with some slices set to one value.

    Args:
        input: any dtype and sizes.
        dim: the axis.
        index: (k), int64.
        value: a number or a 0-dim tensor.

    Raises:
        IndexError: if an index is out of range.

    Example:
        >>> flambeau.zeros(2, 3).index_fill(1, flambeau.tensor([0, 2]), 7)
        tensor([[7., 0., 7.],
                [7., 0., 7.]])
    """
    out = kernels(input).clone(input)
    _fill_slices(out, dim, index, value)
    return out


index_fill.writer(_fill_slices)
index_fill.vjp("input")(lambda g, dim, index: g.index_fill(dim, index, 0))
# A place that is named twice is filled once.
index_fill.vjp("value")(lambda g, dim, index: (g - g.index_fill(dim, index, 0)).sum())


# ---- elements along an axis ----


def _distinct_rows(s, rows, columns):
    """Indices without repetition along axis 0, so that plain scatter is well defined."""
    start = _C.arange(0, 1, rows, _C.int64)
    return _C.contiguous(_C.expand(_C.unsqueeze(start, 1), (rows, columns)))


def _scatter_samples(s):
    yield s(s.tensor(4, 3), 0, _distinct_rows(s, 3, 3), s.tensor(3, 3))
    yield s(s.tensor(4, 3), 0, _distinct_rows(s, 2, 2), s.tensor(2, 2))


def _set_elements(out, dim, index, src):
    kernels(out).scatter(out, dim, index, _values_like(src, out), 0)


@op(
    overloads={"src number": "ScatterBackward1"},
    inplace=True,
    backward_name="Scatter",
    public=False,
    out=False,
    torch="scatter",
    samples=_scatter_samples,
)
def _scatter(input, dim, index, src):
    """A copy of input with input[index[i][j]][j] = src[i][j] (dim = 0)."""
    out = _row_major_copy(input)
    _set_elements(out, dim, index, src)
    return out


_scatter.writer(_set_elements)
_scatter.vjp("input")(lambda g, dim, index: g.scatter(dim, index, 0))
_scatter.vjp("src")(lambda g, dim, index: g.gather(dim, index))


def _scatter_add_samples(s):
    yield s(s.tensor(3, 4), 0, s.indices(5, 4, high=3), s.tensor(5, 4))
    yield s(s.tensor(2, 3, 4), -1, s.indices(2, 2, 5, high=4), s.tensor(2, 2, 5))


def _add_elements(out, dim, index, src):
    kernels(out).scatter(out, dim, index, _values_like(src, out), 1)


@op(methods=("scatter_add",), inplace=True, samples=_scatter_add_samples, exact_out=True)
def scatter_add(input, dim, index, src):
    """A copy of input with every element of src added where an index says.

    `out[index[i][j]][j] += src[i][j]` for dim = 0, and alike for other axes: the adjoint of
    `gather`.

    Args:
        input: any dtype and sizes.
        dim: the axis along which `index` counts.
        index: int64, as many axes, nowhere longer than src, nor than input but along `dim`.
        src: of input's dtype.

    Raises:
        IndexError: if an index is out of range.
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> index = flambeau.tensor([0, 2, 0])
        >>> flambeau.zeros(3).scatter_add(0, index, flambeau.tensor([1.0, 2.0, 3.0]))
        tensor([4., 0., 2.])
    """
    out = _row_major_copy(input)
    _add_elements(out, dim, index, src)
    return out


scatter_add.writer(_add_elements)
scatter_add.vjp("input")(lambda g: g)
scatter_add.vjp("src")(lambda g, dim, index: g.gather(dim, index))


@function(methods=("scatter",))
def scatter(input, dim, index, src=None, value=None, *, reduce=None, out=None):
    """A copy of input with every element of src (or one value) written where an index says.

    `out[index[i][j]][j] = src[i][j]` for dim = 0, and alike for other axes.

    Args:
        input: any dtype and sizes.
        dim: the axis along which `index` counts.
        index: int64, as many axes, nowhere longer than src, nor than input but along `dim`.
        src: of input's dtype; or a number.
        value: a number, instead of src.
        reduce: None, or "add" or "multiply" to combine with what is there.
        out: a tensor for the result.

    Raises:
        IndexError: if an index is out of range.
        RuntimeError: if sizes or dtypes do not fit, or `reduce` is something else.
        TypeError: if there is neither src nor value.

    Example:
        >>> flambeau.zeros(2, 3).scatter(1, flambeau.tensor([[0], [2]]), 1.0)  # one-hot
        tensor([[1., 0., 0.],
                [0., 0., 1.]])
    """
    source = value if src is None else src
    if source is None:
        raise TypeError("scatter(): missing required argument 'src' or 'value'")
    if reduce is not None and isinstance(source, Tensor):
        warn_once(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed"
            " in a future release. Use torch.scatter_reduce instead, which has more reductions."
        )
    if reduce is None:
        result = _scatter(input, dim, index, source)
    elif reduce == "add":
        result = scatter_add(input, dim, index, _spread(source, index, input))
    elif reduce == "multiply":
        result = _scatter_reduce(input, dim, index, _spread(source, index, input), "multiply")
    else:
        raise RuntimeError(f"reduce argument must be either add or multiply. (got {reduce})")
    return stored("scatter", result, out, exact=True)


def _spread(source, index, input):
    return _values_like(source, input) if not isinstance(source, Tensor) else source


def _reduce_samples(s):
    for mode in ("prod", "amax", "amin"):
        yield s(s.distinct(3, 4), 0, s.indices(5, 4, high=3), s.tensor(5, 4), mode)


@op(
    public=False,
    out=False,
    torch="scatter_reduce",
    backward_name="ScatterReduce",
    samples=_reduce_samples,
)
def _scatter_reduce(input, dim, index, src, mode):
    out = _row_major_copy(input)
    kernels(input).scatter(out, dim, index, src, _MODES[mode])
    return out


@_scatter_reduce.vjp("input", "src")
def _(g, input, dim, index, src, mode, out, needs):
    if mode == "multiply" or mode == "prod":
        return _share_of_product(g, input, dim, index, src, needs)
    # amax / amin: shared evenly among those that reach the extremum.
    reached = out.gather(dim, index)
    from_input = (input == out).to(g.dtype)
    from_source = (src == reached).to(g.dtype)
    count = from_input.scatter_add(dim, index, from_source)
    share = g / count
    return (
        share * from_input if needs[0] else None,
        share.gather(dim, index) * from_source if needs[1] else None,
    )


def _share_of_product(g, input, dim, index, src, needs):
    """Each factor's gradient, the product of the others, also where some are zero."""
    empty, missing = input == 0, src == 0
    zeros = empty.to(g.dtype).scatter_add(dim, index, missing.to(g.dtype))
    factors, more = input.masked_fill(empty, 1), src.masked_fill(missing, 1)
    product = _scatter_reduce(factors, dim, index, more, "prod")

    def share(g, product, zeros, factor, is_zero):
        others_are_not = zeros == is_zero.to(zeros.dtype)
        return (g * conj(product / factor)).masked_fill(~others_are_not, 0)

    return (
        share(g, product, zeros, factors, empty) if needs[0] else None,
        share(*(x.gather(dim, index) for x in (g, product, zeros)), more, missing)
        if needs[1]
        else None,
    )


@function(methods=("scatter_reduce",))
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True, out=None):
    """A copy of input whose elements are combined with those of src that an index sends there.

    Args:
        input: any dtype and sizes.
        dim: the axis along which `index` counts.
        index: int64, as many axes, nowhere longer than src, nor than input but along `dim`.
        src: of input's dtype.
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the values of input take part where src sends something.
        out: a tensor for the result.

    Raises:
        IndexError: if an index is out of range.
        RuntimeError: if sizes or dtypes do not fit, or `reduce` is something else.

    Example:
        >>> x, src = flambeau.tensor([9, 0]), flambeau.tensor([3, 5, 1])
        >>> index = flambeau.tensor([0, 0, 1])
        >>> x.scatter_reduce(0, index, src, "amax")
        tensor([9, 1])
        >>> x.scatter_reduce(0, index, src, "amax", include_self=False)
        tensor([5, 1])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    start = input
    if not include_self:
        neutral = {"sum": 0, "mean": 0, "prod": 1}.get(reduce)
        if neutral is None:
            lowest = float("-inf") if reduce == "amax" else float("inf")
            if input.dtype == _C.bool:
                lowest = reduce == "amin"
            elif not input.dtype.is_floating_point:
                from flambeau import iinfo

                lowest = iinfo(input.dtype).min if reduce == "amax" else iinfo(input.dtype).max
            neutral = lowest
        start = _scatter(input, dim, index, neutral)
    if reduce in ("sum", "mean"):
        result = scatter_add(start, dim, index, src)
    else:
        result = _scatter_reduce(start, dim, index, src, reduce)
    if reduce == "mean":
        ones = src.detach().clone().fill_(1)
        start_count = input.detach().clone().fill_(1)
        if not include_self:
            start_count = _scatter(start_count, dim, index, 0)
        count = scatter_add(start_count, dim, index, ones)
        count = count.masked_fill(count == 0, 1)
        exact = not (result.dtype.is_floating_point or result.dtype.is_complex)
        result = result // count if exact else result / count
    return stored("scatter_reduce", named("ScatterReduceBackward0", result), out, exact=True)


def _method_inplace(function):
    def method(self, *args, **kwargs):
        # What the graph saves must not be what is about to be overwritten.
        before = self.clone() if self.requires_grad and _C.is_grad_enabled() else self
        return self.copy_(function(before, *args, **kwargs))

    method.__name__ = function.__name__ + "_"
    method.__doc__ = f"In-place form of `{function.__name__}`."
    method.__wrapped__ = function.__wrapped__
    return checked(method)


@function(methods=("index_reduce",))
def index_reduce(input, dim, index, source, reduce, *, include_self=True, out=None):
    """Combines slices of source with those of input that index names: prod, mean, amax or amin.

    Args:
        input: any dtype but bool and complex.
        dim: the axis.
        index: (k), int32 or int64.
        source: input's sizes but k along `dim`, and input's dtype.
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the values of input take part.
        out: a tensor for the result.

    Raises:
        RuntimeError: if the sizes or dtypes do not fit, or the reduction is none of these.

    Example:
        >>> x, i = flambeau.tensor([1., 2.]), flambeau.tensor([0, 0])
        >>> import warnings
        >>> with warnings.catch_warnings(action="ignore"):
        ...     flambeau.index_reduce(x, 0, i, flambeau.tensor([3., 4.]), "prod")
        tensor([12.,  2.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got"
            f" {reduce}."
        )
    if index.ndim > 1:
        raise RuntimeError(f"index_reduce(): Index should have dimension 1 or 0 (got {index.ndim})")
    if source.dtype != input.dtype:
        raise RuntimeError(
            f"index_reduce(): self ({input.dtype}) and source ({source.dtype}) must have the same"
            " scalar type"
        )
    axis = _axis(dim, input.ndim)
    fits = source.ndim == input.ndim and all(
        d == axis or a == b for d, (a, b) in enumerate(zip(input.shape, source.shape, strict=True))
    )
    length = source.shape[axis] if source.ndim and fits else 1
    if not fits or length != index._numel:
        raise RuntimeError(
            "index_reduce(): source must have the sizes of self but along dim, where it has one"
            f" slice for each index: self is {tuple(input.shape)}, source is"
            f" {tuple(source.shape)}, index is {tuple(index.shape)}"
        )
    warn_once("index_reduce() is in beta and the API may change at any time.")
    shape = [1] * source.ndim
    if shape:
        shape[axis] = -1
    places = index.reshape(shape).expand(source.shape)
    result = scatter_reduce(input, axis, places, source, reduce, include_self=include_self)
    return stored("index_reduce", named("IndexReduceBackward0", result), out, exact=True)


def _scatter_method(self, dim, index, src=None, value=None, *, reduce=None):
    """In-place form of `scatter`."""
    source = value if src is None else src
    if reduce is None and source is not None:
        return _scatter.inplace(self, dim, index, source)
    return _scatter_copied(self, dim, index, src, value, reduce=reduce)


_scatter_method.__name__ = "scatter_"
_scatter_copied = _method_inplace(scatter)
Tensor.index_reduce_ = _method_inplace(index_reduce)
Tensor.scatter_ = checked(_scatter_method)
Tensor.scatter_reduce_ = _method_inplace(scatter_reduce)


# ---- elements by number ----


def _put_samples(s):
    yield s(s.tensor(3, 4), _C.arange(1, 3, 3, _C.int64), s.tensor(3))
    yield s(s.tensor(3, 4), s.indices(2, 3, high=12), s.tensor(2, 3), True)
    yield s(s.tensor(4), s.indices(0, high=1), s.tensor(0))


def _put_elements(out, index, source, accumulate=False):
    if index.dtype != _C.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype}")
    if source.dtype != out.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype ="
            f" {out.dtype} and source.dtype = {source.dtype}"
        )
    if source._numel != index._numel:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got"
            f" source.numel() = {source._numel}, index.numel() = {index._numel}"
        )
    if not index._numel:
        return
    line = _C.reshape(out, (-1,))
    places, values = _C.reshape(index, (-1,)), _C.reshape(source, (-1,))
    kernels(out).index_put(line, [places], values, accumulate)
    if not out._is_contiguous():  # then `line` is a copy, unless its elements are a view
        _C.copy_into(out, _C.reshape(line, out.shape))


@op(methods=("put",), inplace=True, samples=_put_samples)
def put(input, index, source, accumulate=False):
    """A copy whose elements that index names, counted in row-major order, come from source.

    Args:
        input: any dtype and sizes; n elements.
        index: int64, places in [-n, n).
        source: as many elements, of the dtype of input.
        accumulate: add them instead, repeated places counted.

    Raises:
        RuntimeError: if the dtypes do not fit.
        IndexError: if a place is out of range, or source has another number of elements.

    Example:
        >>> flambeau.put(flambeau.zeros(2, 2), flambeau.tensor([1, 2]), flambeau.ones(2))
        tensor([[0., 1.],
                [1., 0.]])
    """
    out = kernels(input).clone(input)
    _put_elements(out, index, source, accumulate)
    return out


put.writer(_put_elements)


@put.vjp("input")
def _(g, index, accumulate, source_shape):
    return g if accumulate else put(g, index, g.new_zeros(source_shape))


put.vjp("source")(lambda g, index, source_shape: take(g, index).reshape(source_shape))
