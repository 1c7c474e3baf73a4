"""`x[key]` and assignment to it, by NumPy's rules."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.notices import warn
from flambeau.core.registry import op
from flambeau.core.tensor import Tensor
from flambeau.ops.parts import slice as slice_op
from flambeau.ops.views import alias


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


def _put(out, indices, values, accumulate=False):
    kernels(out).index_put(out, list(indices), _values_like(values, out), accumulate)


@op(methods=("index_put",), inplace=True, out=False, samples=_index_put_samples)
def index_put(input, indices, values, accumulate=False):
    """A copy of input with `input[indices] = values`.

    Args:
        input: any dtype and sizes.
        indices: a tuple of tensors of integers or bools, which broadcast, one for each axis from
            the first on.
        values: what broadcasts to the places.
        accumulate: add instead; what an index names twice then gets both.

    Raises:
        IndexError: if an index is out of range.
        RuntimeError: if the values do not broadcast to the places.

    Example:
        >>> places = (flambeau.tensor([0, 0, 1]),)
        >>> flambeau.zeros(2).index_put(places, flambeau.tensor(1.0), accumulate=True)
        tensor([2., 1.])
    """
    out = kernels(input).clone(input)
    _put(out, indices, values, accumulate)
    return out


index_put.writer(_put)


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
    """The parts of a key, one for each axis or several; sequences among them as index tensors."""
    if isinstance(key, list) and any(
        i is None or i is Ellipsis or isinstance(i, (slice, Tensor, list, tuple)) or _is_array(i)
        for i in key
    ):
        _warn_of_list()
        key = tuple(key)
    parts = key if isinstance(key, tuple) else (key,)
    return [_as_index(i) if isinstance(i, _SEQUENCES) or _is_array(i) else i for i in parts]


_SEQUENCES = (list, tuple, range)


def _is_array(item):
    """Whether it is a NumPy array or the like, and no scalar."""
    return hasattr(item, "__array__") and hasattr(item, "__len__") and not isinstance(item, Tensor)


def _warn_of_list():
    warn(
        "Using a non-tuple sequence for multidimensional indexing is deprecated: write"
        " x[tuple(seq)] instead of x[seq], or x[torch.tensor(seq)] for one index tensor",
        UserWarning,
    )


def _as_index(item):
    """Lists, NumPy arrays and ranges as index tensors: masks, or whole numbers."""
    from flambeau.ops.values import as_tensor

    tensor = as_tensor(item)
    return tensor if tensor.dtype in (_C.bool, _C.uint8) else tensor.to(_C.int64)


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
            view = _slice(view, axis, item, item is key)
            axis += 1
        elif isinstance(item, Tensor):
            if item.dtype == _C.uint8:
                warn("indexing with dtype torch.uint8 is now deprecated, use a mask of torch.bool")
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
        else:
            _wrong_index(item)
    return view, indices


def _slice(view, axis, item, lone):
    """A range of an axis; one that is the whole axis makes no view, unless it is all of the key."""

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
    if not lone and start in (None, 0) and stop in (None, view.shape[axis]) and step in (None, 1):
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
            from flambeau.ops.values import as_tensor

            view.copy_(as_tensor(value))
        return
    if not isinstance(value, Tensor):
        from flambeau.ops.values import as_tensor

        value = as_tensor(value, dtype=input.dtype)
    elif value.dtype != input.dtype:
        value = value.to(input.dtype)
    view.index_put_(_index_list(indices), value)


_C.set_engine_op("getitem", getitem)
_C.set_engine_op("setitem", setitem)
