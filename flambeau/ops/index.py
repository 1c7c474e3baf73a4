"""Indexing: `x[...]` and assignment, gather/scatter, masks, joining and splitting."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import checked, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import conj, stored
from flambeau.ops.movement import _axis, alias

_MODES = {"set": 0, "add": 1, "sum": 1, "multiply": 2, "prod": 2, "amax": 3, "amin": 4}


# ---- x[key] ----


def _index_samples(s):
    yield s(s.tensor(4, 3), [s.indices(5, high=4)])
    yield s(s.tensor(4, 3), [None, s.indices(2, 2, high=3)])
    yield s(s.tensor(4, 3, 5), [s.indices(2, high=4), None, s.indices(3, 1, high=5)])
    yield s(s.tensor(4, 3, 2), [s.mask(4, 3)])
    yield s(s.tensor(4, 3), [s.indices(0, high=1)])


@op(public=False, out=False, torch="", samples=_index_samples)
def index(input, indices):
    """The elements that index tensors pick, by NumPy's rules; None stands for a whole axis."""
    return kernels(input).index(input, indices)


@index.vjp("input")
def _(g, indices, input_shape):
    zeros = _zeros(g, input_shape)
    if any(_C.wrapped_of(t) is not None for t in (g, *indices)):  # under a function transform
        return index_put(zeros, list(indices), g, True)
    return zeros.index_put_(indices, g, accumulate=True)


def _index_put_samples(s):
    yield s(s.tensor(5, 3), [s.tensor(3, low=0, high=4, dtype=_C.int64)], s.tensor(3, 3), True)
    yield s(s.tensor(4, 3), [_C.arange(0, 1, 4, _C.int64), s.indices(4, high=3)], s.tensor(4))
    yield s(s.tensor(4, 3), [s.mask(4, 3)], s.tensor())


@op(methods=("index_put",), inplace=True, out=False, samples=_index_put_samples)
def index_put(input, indices, values, accumulate=False):
    """A copy of input with input[indices] = values (+= if `accumulate`, repeated indices
    counted).
    """
    out = kernels(input).clone(input)
    kernels(input).index_put(out, list(indices), _values_like(values, input), accumulate)
    return out


@index_put.vjp("input")
def _(g, indices, accumulate):
    return g if accumulate else g.index_put(indices, g.new_zeros(()))


index_put.vjp("values")(lambda g, indices: index(g, list(indices)))


def _values_like(values, input):
    given = values.dtype.is_complex if isinstance(values, Tensor) else isinstance(values, complex)
    if given and not input.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {input.dtype} without overflow")
    if not isinstance(values, Tensor):
        return _C.scalar_tensor(values, input.dtype)
    if values.dtype != input.dtype and values.ndim == 0:
        return values.to(input.dtype)
    return values


def _zeros(like, shape):
    return _C.full(shape, 0, like.dtype)


def _wrong_index(item):
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type(item).__name__})"
    )


def _consumes(item) -> int:
    """How many axes an item of the key uses up."""
    if item is None or item is Ellipsis or isinstance(item, bool):
        return 0
    if isinstance(item, Tensor) and item.dtype in (_C.bool, _C.uint8):
        return item.ndim
    return 1


def _items(key):
    if isinstance(key, tuple):
        return key
    # A list holding slices or the like is meant as a tuple of indices, as in old NumPy.
    if isinstance(key, list) and any(
        i is None or i is Ellipsis or isinstance(i, (slice, Tensor, list, tuple)) for i in key
    ):
        if any(isinstance(i, slice) or i is None or i is Ellipsis for i in key):
            return tuple(key)
        return (key,)
    return (key,)


def _as_index(item, device_like):
    """Lists, NumPy arrays and ranges as index tensors."""
    from flambeau.ops.creation import as_tensor

    tensor = as_tensor(item)
    if tensor._numel == 0 and tensor.dtype.is_floating_point:
        tensor = tensor.to(_C.int64)
    return tensor


def _split_key(input, key):
    """The view that the basic parts of the key make, and the index tensors by axis of that view."""
    items = _items(key)
    used = sum(_consumes(i) for i in items)
    if used > input.ndim:
        raise IndexError(f"too many indices for tensor of dimension {input.ndim}")
    view, axis, indices = input, 0, {}
    seen_ellipsis = False
    for item in items:
        if item is Ellipsis:
            if seen_ellipsis:
                raise IndexError("an index can only have a single ellipsis ('...')")
            seen_ellipsis = True
            axis += input.ndim - used
        elif item is None:
            view = view.unsqueeze(axis)
            axis += 1
        elif isinstance(item, bool):
            view = view.unsqueeze(axis)
            indices[axis] = _C.full((1,) if item else (0,), 0, _C.int64)
            axis += 1
        elif isinstance(item, slice):
            view = _slice(view, axis, item)
            axis += 1
        elif isinstance(item, Tensor):
            if item.ndim == 0 and _C.wrapped_of(item) is not None:  # a number of each example
                indices[axis] = item
                axis += 1
            elif item.ndim == 0 and item.dtype not in (_C.bool, _C.uint8):
                if item.dtype.is_floating_point or item.dtype.is_complex:
                    raise IndexError(
                        "tensors used as indices must be long, int, byte or bool tensors"
                    )
                view = view.select(axis, item.item())
            elif item.ndim == 0:
                view = view.unsqueeze(axis)
                indices[axis] = _C.full((1,) if item.item() else (0,), 0, _C.int64)
                axis += 1
            else:
                indices[axis] = item
                axis += max(_consumes(item), 1)
        elif hasattr(item, "__index__"):
            view = view.select(axis, item.__index__())
        elif isinstance(item, (list, tuple, range)) or hasattr(item, "__array__"):
            tensor = _as_index(item, input)
            indices[axis] = tensor
            axis += max(_consumes(tensor), 1)
        else:
            _wrong_index(item)
    return view, indices


def _slice(view, axis, item):
    from flambeau.ops.movement import slice as slice_op

    def number(value):
        if value is None:
            return None
        if hasattr(value, "__index__"):
            return value.__index__()
        raise TypeError(
            "slice indices must be integers or None or have an __index__ method, got "
            + type(value).__name__
        )

    start, stop, step = number(item.start), number(item.stop), number(item.step)
    if step is not None and step <= 0:
        raise ValueError("step must be greater than zero")
    if start is None and stop is None and (step is None or step == 1):
        return view
    return slice_op(view, axis, start, stop, 1 if step is None else step)


def _index_list(indices):
    listed, axis = [], 0
    for at in sorted(indices):
        listed.extend([None] * (at - axis))
        listed.append(indices[at])
        axis = at + max(_consumes(indices[at]), 1)
    return listed


def getitem(input, key):
    """`input[key]`: a view for integers, slices, None and Ellipsis; a copy for index tensors."""
    view, indices = _split_key(input, key)
    if indices:
        return index(view, _index_list(indices))
    return alias(view) if view is input else view


def setitem(input, key, value) -> None:
    """`input[key] = value`, in place."""
    view, indices = _split_key(input, key)
    if not indices:
        if isinstance(value, Tensor):
            shape = value.shape
            while value.ndim > view.ndim and shape[0] == 1:
                value = value.squeeze(0)
                shape = value.shape
            if value.ndim or value.dtype != view.dtype:
                view.copy_(value)
            else:
                view.fill_(value)
        elif isinstance(value, (bool, int, float, complex)):
            whole = view is input and input.requires_grad  # torch records the fill of a tensor
            view.fill_(_C.scalar_tensor(value, input.dtype) if whole else value)
        else:
            from flambeau.ops.creation import as_tensor

            view.copy_(as_tensor(value))
        return
    if not isinstance(value, Tensor):
        from flambeau.ops.creation import as_tensor

        value = as_tensor(value, dtype=input.dtype)
    elif value.dtype != input.dtype:
        value = value.to(input.dtype)
    view.index_put_(_index_list(indices), value)


# ---- along one axis ----


def _row_major_copy(input):
    """A copy to scatter into, which lies in memory as torch has it whatever the input's strides."""
    copy = kernels(input).clone if input._is_contiguous() else kernels(input).contiguous
    return copy(input)


def _select_samples(s):
    yield s(s.tensor(4, 3), 0, s.indices(5, high=4))
    yield s(s.tensor(2, 3, 4), -1, s.indices(2, high=4))
    yield s(s.tensor(4), 0, s.indices(0, high=1))


@op(methods=("index_select",), samples=_select_samples)
def index_select(input, dim, index):
    """The slices along `dim` that the vector `index` names."""
    return kernels(input).index_select(input, dim, index)


index_select.vjp("input")(
    lambda g, dim, index, input_shape: index_add(_zeros(g, input_shape), dim, index, g)
)


def _add_samples(s):
    yield s(s.tensor(4, 3), 0, s.indices(5, high=4), s.tensor(5, 3))
    yield s(s.tensor(2, 3, 4), 1, s.indices(2, high=3), s.tensor(2, 2, 4), alpha=2)


@op(methods=("index_add",), inplace=True, samples=_add_samples)
def index_add(input, dim, index, source, *, alpha=1):
    """A copy of input with alpha * source added to the slices that `index` names."""
    out = _row_major_copy(input)
    kernels(input).index_add(out, dim, index, source, alpha)
    return out


index_add.vjp("input")(lambda g: g)


@index_add.vjp("source")
def _(g, dim, index, alpha):
    picked = index_select(g, dim, index)
    return picked if alpha == 1 else picked * alpha


def _copy_samples(s):
    yield s(s.tensor(4, 3), 0, _C.arange(3, -1, 3, _C.int64), s.tensor(3, 3))
    yield s(s.tensor(2, 3), -1, _C.arange(0, 2, 2, _C.int64), s.tensor(2, 2))


@op(methods=("index_copy",), inplace=True, samples=_copy_samples)
def index_copy(input, dim, index, source):
    """A copy of input whose slices named by `index` come from source."""
    if index.ndim > 1:
        raise IndexError(f"index_copy_(): Index should have dimension 1 or 0 (got {index.ndim})")
    dim = _axis(dim, input.ndim)
    out = _row_major_copy(input)
    kernels(input).index_put(out, [None] * dim + [index], source, False)
    return out


@index_copy.vjp("input")
def _(g, dim, index):
    return g.index_fill(dim, index, 0)


index_copy.vjp("source")(lambda g, dim, index: index_select(g, dim, index))


@op(
    methods=("index_fill",),
    inplace=True,
    samples=lambda s: [
        s(s.tensor(4, 3), 0, s.indices(2, high=4), 1),
        s(s.tensor(2, 3), -1, s.indices(1, high=3), 0),
    ],
)
def index_fill(input, dim, index, value):
    """A copy of input with the slices named by `index` set to one value."""
    dim = _axis(dim, input.ndim)
    out = kernels(input).clone(input)
    value = value.detach() if isinstance(value, Tensor) else value
    axes = out if out.ndim else _C.unsqueeze(out, 0)  # a number counts as a vector of one element
    kernels(input).index_put(axes, [None] * dim + [index], _values_like(value, input), False)
    return out


index_fill.vjp("input")(lambda g, dim, index: g.index_fill(dim, index, 0))


def _gather_samples(s):
    yield s(s.tensor(3, 4), 0, s.indices(2, 4, high=3))
    yield s(s.tensor(2, 3, 4), -1, s.indices(2, 2, 5, high=4))
    yield s(s.tensor(3), 0, s.indices(0, high=1))


@op(methods=("gather",), samples=_gather_samples)
def gather(input, dim, index, *, sparse_grad=False):
    """out[i][j] = input[index[i][j]][j] for dim = 0, and alike for other axes."""
    return kernels(input).gather(input, dim, index)


gather.vjp("input")(
    lambda g, dim, index, input_shape: _zeros(g, input_shape).scatter_add(dim, index, g)
)


def _distinct_rows(s, rows, columns):
    """Indices without repetition along axis 0, so that plain scatter is well defined."""
    start = _C.arange(0, 1, rows, _C.int64)
    return _C.contiguous(_C.expand(_C.unsqueeze(start, 1), (rows, columns)))


def _scatter_samples(s):
    yield s(s.tensor(4, 3), 0, _distinct_rows(s, 3, 3), s.tensor(3, 3))
    yield s(s.tensor(4, 3), 0, _distinct_rows(s, 2, 2), s.tensor(2, 2))


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
    kernels(input).scatter(out, dim, index, _values_like(src, input), 0)
    return out


_scatter.vjp("input")(lambda g, dim, index: g.scatter(dim, index, 0))
_scatter.vjp("src")(lambda g, dim, index: g.gather(dim, index))


def _scatter_add_samples(s):
    yield s(s.tensor(3, 4), 0, s.indices(5, 4, high=3), s.tensor(5, 4))
    yield s(s.tensor(2, 3, 4), -1, s.indices(2, 2, 5, high=4), s.tensor(2, 2, 5))


@op(methods=("scatter_add",), inplace=True, samples=_scatter_add_samples)
def scatter_add(input, dim, index, src):
    """A copy of input with src[i][j] added to input[index[i][j]][j] (dim = 0)."""
    out = _row_major_copy(input)
    kernels(input).scatter(out, dim, index, _values_like(src, input), 1)
    return out


scatter_add.vjp("input")(lambda g: g)
scatter_add.vjp("src")(lambda g, dim, index: g.gather(dim, index))


@function(methods=("scatter",))
def scatter(input, dim, index, src=None, value=None, *, reduce=None, out=None):
    """Writes src (or one value) to the places that index names along dim.

    Args:
        reduce: None, "add" or "multiply".
    """
    source = value if src is None else src
    if source is None:
        raise TypeError("scatter(): missing required argument 'src' or 'value'")
    if reduce is None:
        result = _scatter(input, dim, index, source)
    elif reduce == "add":
        result = scatter_add(input, dim, index, _spread(source, index, input))
    elif reduce == "multiply":
        result = _scatter_reduce(input, dim, index, _spread(source, index, input), "multiply")
    else:
        raise RuntimeError(f"reduce argument must be either add or multiply. (got {reduce})")
    return stored("scatter", result, out)


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
        # d(prod)/dx = prod / x; exact where no factor is zero.
        return (
            g * conj(out / input) if needs[0] else None,
            g.gather(dim, index) * conj(out.gather(dim, index) / src) if needs[1] else None,
        )
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


@function(methods=("scatter_reduce",))
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True, out=None):
    """Combines src into the places that index names: sum, prod, mean, amax or amin.

    Args:
        include_self: whether the values of input take part.
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
    return stored("scatter_reduce", result, out)


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
        dim: the axis.
        index: a vector with a place for each slice of source.
        source: of the sizes of input but along `dim`.
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the values of input take part.

    Raises:
        RuntimeError: if the sizes or dtypes do not fit, or the reduction is none of these.

    Example:
        >>> x, i = flambeau.tensor([1., 2.]), flambeau.tensor([0, 0])
        >>> flambeau.index_reduce(x, 0, i, flambeau.tensor([3., 4.]), "prod")
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
    shape = [1] * source.ndim
    if shape:
        shape[axis] = -1
    places = index.reshape(shape).expand(source.shape)
    result = scatter_reduce(input, axis, places, source, reduce, include_self=include_self)
    return stored("index_reduce", result, out)


Tensor.index_reduce_ = _method_inplace(index_reduce)
Tensor.scatter_ = _method_inplace(scatter)
Tensor.scatter_reduce_ = _method_inplace(scatter_reduce)


@op(methods=("take",), samples=lambda s: [s(s.tensor(3, 4), s.indices(2, 3, high=12))])
def take(input, index):
    """The elements of the flattened input that index names, in index's shape."""
    return input.reshape(-1)[index.contiguous()]


@function(methods=("take_along_dim",))
def take_along_dim(input, indices, dim=None, *, out=None):
    """Like gather, but input and indices broadcast against each other."""
    if dim is None:
        result = gather(input.reshape(-1), 0, indices.reshape(-1))
    else:
        dim = dim + input.ndim if dim < 0 else dim
        shape = list(_C.broadcast_shapes(_without(input.shape, dim), _without(indices.shape, dim)))
        result = gather(
            input.expand(_with(shape, dim, input.shape[dim])),
            dim,
            indices.expand(_with(shape, dim, indices.shape[dim])),
        )
    return stored("take_along_dim", result, out)


def _without(shape, dim):
    return [1 if d == dim else s for d, s in enumerate(shape)]


def _with(shape, dim, size):
    return [size if d == dim else s for d, s in enumerate(shape)]


def _put_samples(s):
    yield s(s.tensor(3, 4), _C.arange(1, 3, 3, _C.int64), s.tensor(3))
    yield s(s.tensor(3, 4), s.indices(2, 3, high=12), s.tensor(2, 3), True)
    yield s(s.tensor(4), s.indices(0, high=1), s.tensor(0))


@op(methods=("put",), inplace=True, samples=_put_samples)
def put(input, index, source, accumulate=False):
    """A copy whose elements that index names, counted in row-major order, come from source.

    Args:
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
    if index.dtype != _C.int64:
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {index.dtype}")
    if source.dtype != input.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype ="
            f" {input.dtype} and source.dtype = {source.dtype}"
        )
    if source._numel != index._numel:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got"
            f" source.numel() = {source._numel}, index.numel() = {index._numel}"
        )
    out = _row_major_copy(input)
    if index._numel:
        places, values = _C.reshape(index, (-1,)), _C.reshape(source, (-1,))
        kernels(input).index_put(_C.reshape(out, (-1,)), [places], values, accumulate)
    if input._is_contiguous():
        return out
    dense = _C.empty_like(input, input.dtype)
    _C.copy_into(dense, out)
    return dense


@put.vjp("input")
def _(g, index, accumulate, source_shape):
    return g if accumulate else put(g, index, g.new_zeros(source_shape))


put.vjp("source")(lambda g, index, source_shape: take(g, index).reshape(source_shape))

# ---- masks ----


def _where_samples(s):
    yield s(s.mask(2, 3), s.tensor(2, 3), s.tensor(2, 3))
    yield s(s.mask(2, 1), s.tensor(3), s.tensor())


@op(name="where", public=False, samples=_where_samples)
def _where(condition, input, other):
    return kernels(condition).where(condition, input, other)


_where.vjp("input")(lambda g, condition: _where(condition, g, g.new_zeros(())))
_where.vjp("other")(lambda g, condition: _where(condition, g.new_zeros(()), g))


@function
def where(condition, input=None, other=None, *, out=None):
    """Elements of input where condition holds, of other elsewhere; without them, the indices.

    Raises:
        RuntimeError: if condition is not a bool tensor.
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    return _where(condition, _operand(input, other), _operand(other, input), out=out)


def _operand(value, partner):
    """A number becomes a 0-dim tensor of its own default dtype: it does not raise the result's."""
    if isinstance(value, Tensor):
        return value
    like = partner if isinstance(partner, Tensor) else _C.scalar_tensor(partner, _kind(partner))
    return _C.scalar_tensor(value, _C.result_type([like, value]))


def _kind(number):
    if isinstance(number, bool):
        return _C.bool
    if isinstance(number, int):
        return _C.int64
    return _C.get_default_dtype() if isinstance(number, float) else _C.complex64


Tensor.where = lambda self, condition, other=0: where(condition, self, other)


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
    """A copy of input with one value where mask holds."""
    if mask.dtype != _C.bool:
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype}"
        )
    k = kernels(input)
    return k.contiguous(k.where(mask, _values_like(value, input), input))


masked_fill.vjp("input")(lambda g, mask: g.masked_fill(mask, 0))
masked_fill.vjp("value")(lambda g, mask: _where(mask, g, g.new_zeros(())))


@op(
    methods=("masked_select",),
    samples=lambda s: [s(s.tensor(3, 4), s.mask(3, 4)), s(s.tensor(3, 4), s.mask(4))],
)
def masked_select(input, mask):
    """The elements where mask holds, in order, as a vector."""
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
    """A copy of input with the first elements of source, in order, where mask holds."""
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
    """The indices of the elements that are not zero: one row each, or a tuple of columns."""
    found = kernels(input).nonzero(input.unsqueeze(0) if as_tuple and input.ndim == 0 else input)
    if as_tuple:
        return tuple(found.select(1, d) for d in range(found.shape[1]))
    return found if out is None else out.resize_(found.shape).copy_(found)


@function(methods=("nonzero_static",))
def nonzero_static(input, *, size, fill_value=-1, out=None):
    """The indices of the first `size` elements that are not zero, one row each.

    Args:
        size: the number of rows.
        fill_value: what fills the rows that are left over.

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
    """The indices of the elements that are not zero, one row each."""
    return kernels(input).nonzero(input)


# ---- joining and splitting ----


def _cat_samples(s):
    yield s([s.tensor(2, 3), s.tensor(1, 3)])
    yield s([s.tensor(2, 3), s.tensor(2, 1), s.tensor(2, 0)], dim=-1)


@op(tensors="tensors", aliases=("concat", "concatenate"), samples=_cat_samples)
def cat(tensors, dim=0):
    """Joins tensors along an existing axis.

    Raises:
        RuntimeError: if sizes differ in another axis.
    """
    return _kernels_of(tensors).cat(tensors, dim)


@cat.vjp("tensors")
def _(g, tensors_shape, dim):
    parts, at = [], 0
    for shape in tensors_shape:
        if tuple(shape) == (0,):
            parts.append(None)
            continue
        length = shape[dim]
        parts.append(g.narrow(dim, at, length))
        at += length
    return parts


def _kernels_of(tensors):
    for t in tensors:
        if isinstance(t, Tensor):
            return kernels(t)
    from flambeau.backends import cpu

    return cpu


@op(
    tensors="tensors",
    samples=lambda s: [s([s.tensor(2, 3), s.tensor(2, 3)]), s([s.tensor(2), s.tensor(2)], dim=-1)],
)
def stack(tensors, dim=0):
    """Joins tensors of one shape along a new axis.

    Raises:
        RuntimeError: if the shapes differ.
    """
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    first = tensors[0].shape
    for k, t in enumerate(tensors):
        if t.shape != first:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and "
                f"{list(t.shape)} at entry {k}"
            )
    n = len(first) + 1
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    return _kernels_of(tensors).cat([_C.unsqueeze(t, dim) for t in tensors], dim)


stack.vjp("tensors")(lambda g, dim: g.unbind(dim))


@op(
    methods=("unbind",),
    view=True,
    multi_output=True,
    grad_list=True,
    out=False,
    samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor(2, 3), dim=-1)],
)
def unbind(input, dim=0):
    """The slices along `dim`, without that axis, as a tuple of views."""
    if input.ndim == 0:
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    return tuple(_C.select(input, dim, k) for k in range(input.size(dim)))


@unbind.vjp("input")
def _(g, dim, input_shape):
    return stack([_filled(part, g, input_shape, dim) for part in g], dim)


def _filled(part, parts, input_shape, dim):
    """The gradient of one slice; zeros where none arrived."""
    if part is not None:
        return part
    known = next(p for p in parts if p is not None)
    return _zeros(known, known.shape)


@op(
    view=True,
    multi_output=True,
    grad_list=True,
    out=False,
    public=False,
    backward_name="SplitWithSizes",
    overloads={"even given": "SplitBackward0"},
    torch="split",
    samples=lambda s: [s(s.tensor(5, 3), (2, 3), 0), s(s.tensor(2, 4), (1, 0, 3), 1)],
)
def _split_sizes(input, sizes, dim, even=False):
    at, parts = 0, []
    for length in sizes:
        parts.append(_C.slice(input, dim, at, at + length, 1))
        at += length
    return tuple(parts)


@_split_sizes.vjp("input")
def _(g, sizes, dim, input_shape):
    known = next(p for p in g if p is not None)
    parts = []
    for part, length in zip(g, sizes, strict=True):
        if part is None:
            shape = list(input_shape)
            shape[dim] = length
            part = _zeros(known, shape)
        parts.append(part)
    return cat(parts, dim)


@function(methods=("split",))
def split(tensor, split_size_or_sections, dim=0):
    """Splits along `dim` into pieces of one size (the last may be smaller) or of the sizes given.

    Raises:
        RuntimeError: if the sizes do not add up to the length of the axis.
    """
    n = tensor.size(dim)
    dim = dim + tensor.ndim if dim < 0 else dim
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
            )
        if size == 0:
            if n != 0:
                raise RuntimeError(
                    "split_size can only be 0 if dimension size is 0, but got dimension size of "
                    f"{n}"
                )
            return _split_sizes(tensor, (0,), dim, True)
        sizes = [min(size, n - at) for at in range(0, n, size)] or [0]
    else:
        sizes = [int(s) for s in split_size_or_sections]
        if sum(sizes) != n or any(s < 0 for s in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's "
                "size at "
                f"dimension {dim}), but got split_sizes={sizes}"
            )
    return _split_sizes(tensor, tuple(sizes), dim, isinstance(split_size_or_sections, int))


#: More views than this are a mistake, and would fill the memory before they are all made.
_MOST_PIECES = 1 << 20


def _countable(name, pieces):
    if pieces > _MOST_PIECES:
        raise ValueError(f"{name}: there can be at most {_MOST_PIECES} pieces, got {pieces}")
    return pieces


@function(methods=("chunk",))
def chunk(input, chunks, dim=0):
    """Splits into at most `chunks` pieces of equal size (the last may be smaller)."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.size(dim)
    if n == 0:
        return split(input, [0] * _countable("chunk", chunks), dim)
    return split(input, max(1, -(-n // chunks)), dim)


def _one_of(name, *values):
    """How to split, which torch takes under several names."""
    given = [value for value in values if value is not None]
    if len(given) != 1:
        raise TypeError(f"{name}(): give either indices or a number of sections")
    return given[0]


@function(methods=("tensor_split",))
def tensor_split(
    input,
    indices_or_sections=None,
    dim=0,
    *,
    sections=None,
    indices=None,
    tensor_indices_or_sections=None,
):
    """Splits into a number of pieces as equal as possible, or at the indices given.

    Args:
        indices_or_sections: the number of pieces, or the places where they begin but the first; a
            tensor or one of the names below does as well.
        dim: the axis.
        sections: a number of pieces.
        indices: places.
        tensor_indices_or_sections: a tensor of either.

    Example:
        >>> flambeau.tensor_split(flambeau.tensor([1, 2, 3]), 2)
        (tensor([1, 2]), tensor([3]))
    """
    indices_or_sections = _one_of(
        "tensor_split", indices_or_sections, sections, indices, tensor_indices_or_sections
    )
    if input.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    n = input.size(dim)
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        sections = indices_or_sections
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        base, longer = divmod(n, _countable("tensor_split", sections))
        borders = [k * base + min(k, longer) for k in range(sections + 1)]
    else:
        borders = [0, *indices_or_sections, n]
    from flambeau.ops.movement import slice as slice_op

    return tuple(slice_op(input, dim, borders[k], borders[k + 1]) for k in range(len(borders) - 1))


def _split_at(name, axis, least):
    def split_along(input, indices_or_sections=None, *, sections=None, indices=None):
        indices_or_sections = _one_of(name, indices_or_sections, sections, indices)
        dim = axis
        if name == "hsplit" and input.ndim == 1:
            dim = 0
        if input.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
                f"with {input.ndim} dimensions!"
            )
        if isinstance(indices_or_sections, int):
            n = input.shape[dim]
            if indices_or_sections <= 0 or n % indices_or_sections:
                raise RuntimeError(
                    f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                    f"dimension {n} is not divisible by the split_size {indices_or_sections}!"
                )
        return tensor_split(input, indices_or_sections, dim)

    split_along.__name__ = name
    split_along.__doc__ = f"tensor_split along axis {axis}."
    return function(split_along, methods=(name,))


hsplit = _split_at("hsplit", 1, 1)
vsplit = _split_at("vsplit", 0, 2)
dsplit = _split_at("dsplit", 2, 3)


@function
def hstack(tensors, *, out=None):
    """Joins side by side: along axis 1, vectors along axis 0."""
    tensors = [t.reshape(1) if t.ndim == 0 else t for t in tensors]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1, out=out)


@function
def vstack(tensors, *, out=None):
    """Joins on top of each other; vectors count as rows."""
    return cat([_row(t) for t in tensors], 0, out=out)


def _row(t):
    return t.reshape(1, -1) if t.ndim < 2 else t


@function
def dstack(tensors, *, out=None):
    """Joins along axis 2; matrices get that axis."""
    deep = [_row(t) if t.ndim < 2 else t for t in tensors]
    return cat([t.unsqueeze(2) if t.ndim == 2 else t for t in deep], 2, out=out)


@function
def column_stack(tensors, *, out=None):
    """Joins vectors as columns."""
    return hstack([t.reshape(-1, 1) if t.ndim < 2 else t for t in tensors], out=out)


# ---- look-up tables ----


def _embedding_samples(s):
    yield s(s.indices(2, 3, high=5), s.tensor(5, 4), None)
    yield s(s.indices(6, high=4), s.tensor(5, 2), 4)  # a row that is not looked up


@op(
    public=False,
    out=False,
    backward_name="Embedding",
    torch="nn.functional.embedding",
    samples=_embedding_samples,
)
def embedding(input, weight, padding_idx):
    """Rows of `weight` named by `input`."""
    rows = kernels(weight).index_select(weight, 0, _C.reshape(input, (-1,)))
    return _C.reshape(rows, (*input.shape, *weight.shape[1:]))


def _looked_up(g, input, padding_idx, weight_shape):
    """Indices and the gradients of their rows."""
    flat = input.reshape(-1)
    rows = g.reshape(flat.shape[0], *weight_shape[1:])
    if padding_idx is not None:
        rows = rows * (flat != padding_idx).to(rows.dtype).unsqueeze(1)
    return flat, rows


@embedding.vjp("weight")
def _(g, input, padding_idx, weight_shape):
    return index_add(_zeros(g, weight_shape), 0, *_looked_up(g, input, padding_idx, weight_shape))


@embedding.fast_vjp("weight")
def _(g, input, padding_idx, weight_shape):
    grad = _zeros(g, weight_shape)  # as large as the table: there is no second one
    kernels(g).index_add(grad, 0, *_looked_up(g, input, padding_idx, weight_shape), 1)
    return grad


_C.set_engine_op("getitem", getitem)
_C.set_engine_op("setitem", setitem)
