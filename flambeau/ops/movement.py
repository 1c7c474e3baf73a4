"""Rearranging elements: expanding, repeating, flipping, rolling, triangles, grids."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import layout as _layout
from flambeau.core.errors import UnsupportedError, require
from flambeau.core.notices import warn_once
from flambeau.core.registry import checked, function, op
from flambeau.core.tensor import Size, Tensor
from flambeau.ops.views import _axis, flatten


def _sizes(arguments):
    """Sizes or axes given one by one or as one sequence."""
    if len(arguments) == 1 and not hasattr(arguments[0], "__index__"):
        return tuple(arguments[0])
    return arguments


# ---- repeating ----


@op(
    methods=("expand",),
    view=True,
    out=False,
    pack="size",
    public=False,
    samples=lambda s: [s(s.tensor(2, 1), (2, 3)), s(s.tensor(3), (2, -1))],
)
def expand(input, size, *, implicit=False):
    """A view that repeats axes of size one without copying, and may have new ones in front.

    Args:
        input: any dtype and sizes.
        size: the sizes, as a tuple or one by one; -1 keeps one.
        implicit: accepted and ignored.

    Raises:
        RuntimeError: if an axis that is not of size one would change, or axes would be fewer.

    Example:
        >>> x = flambeau.tensor([[1], [2]]).expand(2, 3)
        >>> x, x.stride()
        (tensor([[1, 1, 1],
                [2, 2, 2]]), (1, 0))
    """
    return _C.expand(input, size)


expand.vjp("input")(lambda g, input_shape: sum_to_size(g, input_shape))


def expand_as(self, other):
    """`expand` to the sizes of `other`.

    Args:
        other: a tensor; nothing but its sizes counts.

    Raises:
        RuntimeError: if an axis that is not of size one would change.

    Example:
        >>> flambeau.tensor([1, 2]).expand_as(flambeau.zeros(2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(self, other.shape)


Tensor.expand_as = checked(expand_as)


@function(methods=("broadcast_to",))
def broadcast_to(input, size):
    """A view of input repeated to some sizes by the rules of broadcasting.

    Args:
        input: any dtype and sizes.
        size: the sizes.

    Raises:
        RuntimeError: if input does not broadcast to them.

    Example:
        >>> flambeau.tensor([1, 2]).broadcast_to((2, 2))
        tensor([[1, 2],
                [1, 2]])
    """
    return expand(input, size)


@function()
def broadcast_shapes(*shapes):
    """The sizes that tensors of these shapes broadcast to.

    Args:
        shapes: tuples of sizes, or numbers.

    Raises:
        RuntimeError: if they do not broadcast.

    Example:
        >>> flambeau.broadcast_shapes((3, 1), (4,))
        torch.Size([3, 4])
    """
    found = ()
    for shape in shapes:
        found = _C.broadcast_shapes(found, shape)
    return Size(found)


@function()
def broadcast_tensors(*tensors):
    """Views of the tensors, all with the sizes that they broadcast to together.

    Args:
        tensors: tensors of any dtypes, one by one or as a list.

    Returns:
        A tuple of as many.

    Raises:
        RuntimeError: if the sizes do not broadcast.

    Example:
        >>> a, b = flambeau.broadcast_tensors(flambeau.zeros(3, 1), flambeau.zeros(2))
        >>> a.shape, b.shape
        (torch.Size([3, 2]), torch.Size([3, 2]))
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    shape = broadcast_shapes(*(x.shape for x in tensors))
    return tuple(expand(x, shape) for x in tensors)


@op(
    backward_name="SumBackward1",
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(2, 3), (1, 3)), s(s.tensor(4, 2, 3), (3,))],
)
def sum_to_size(input, size):
    """Sums over the axes that broadcasting added or stretched, down to `size`.

    Args:
        input: a tensor of sizes that `size` broadcasts to.
        size: the sizes of the result, as a tuple or one by one.

    Raises:
        RuntimeError: if `size` does not broadcast to the sizes of input.

    Example:
        >>> flambeau.ones(2, 3).sum_to_size(2, 1)
        tensor([[3.],
                [3.]])
    """
    lead = input.ndim - len(size)
    dims = [
        d for d in range(input.ndim) if d < lead or (size[d - lead] == 1 and input.shape[d] != 1)
    ]
    out = kernels(input).sum(input, dims, True) if dims else input
    return _C.reshape(out, size)


sum_to_size.vjp("input")(lambda g, input_shape: g.expand(input_shape))


def _sum_to_size_method(self, *sizes, size=None):
    """The sum over the axes that broadcasting `size` to this tensor's sizes adds or stretches.

    Args:
        size: the sizes of the result, as a tuple or one by one.

    Raises:
        RuntimeError: if they do not broadcast to the sizes of the tensor.

    Example:
        >>> flambeau.ones(2, 3).sum_to_size(2, 1)
        tensor([[3.],
                [3.]])
    """
    size = _sizes(sizes) if size is None else size
    require(
        len(size) <= self.ndim
        and all(a in (1, b) for a, b in zip(reversed(size), reversed(self.shape), strict=False)),
        "sum_to_size: size must broadcast to the tensor's sizes",
        size=tuple(size),
        tensor=self,
    )
    if tuple(size) == tuple(self.shape) and size:
        return self
    return sum_to_size(self, size) if len(size) else self.sum()


Tensor.sum_to_size = checked(_sum_to_size_method)


@op(
    methods=("repeat",),
    out=False,
    pack="repeats",
    public=False,
    samples=lambda s: [s(s.tensor(2, 3), (2, 1)), s(s.tensor(2), (3, 2))],
)
def repeat(input, repeats):
    """A copy of input repeated along each axis.

    Args:
        input: any dtype and sizes.
        repeats: how often, for every axis; where there are more of them than axes, the first ones
            make new axes.

    Raises:
        RuntimeError: if there are fewer than axes, or one is negative.

    Example:
        >>> flambeau.tensor([1, 2]).repeat(2, 2)
        tensor([[1, 2, 1, 2],
                [1, 2, 1, 2]])
    """
    return kernels(input).repeat(input, repeats)


@repeat.vjp("input")
def _(g, repeats, input_shape):
    lead = len(repeats) - len(input_shape)
    pairs = []
    for axis, times in enumerate(repeats):
        pairs += (times, 1 if axis < lead else input_shape[axis - lead])
    summed = g.reshape(pairs).sum(tuple(range(0, len(pairs), 2)))
    return summed.reshape(input_shape)


@function()
def tile(input, dims):
    """A copy of input repeated along its last axes.

    Args:
        input: any dtype and sizes.
        dims: how often, for the last axes, or with more of them also for new ones in front.

    Example:
        >>> flambeau.tensor([[1], [2]]).tile((2,))
        tensor([[1, 1],
                [2, 2]])
    """
    return repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


def _tile_method(self, *sizes, dims=None):
    """A copy repeated along its last axes; see `flambeau.tile`.

    Args:
        dims: how often, for the last axes, as a tuple or one by one; with more of them than axes
            also for new ones in front.

    Example:
        >>> flambeau.tensor([[1], [2]]).tile(2)
        tensor([[1, 1],
                [2, 2]])
    """
    return tile(self, _sizes(sizes) if dims is None else dims)


Tensor.tile = checked(_tile_method)


@function(methods=("repeat_interleave",))
def repeat_interleave(input=None, repeats=None, dim=None, *, output_size=None):
    """Each element, or each slice along `dim`, repeated in place.

    Args:
        input: any dtype and sizes.
        repeats: how often: one number, or one per slice. `repeat_interleave(repeats)` gives the
            numbers of the slices themselves.
        dim: the axis; without it the flattened input is used.
        output_size: the resulting size of the axis, if known.

    Raises:
        RuntimeError: if there are neither one number nor as many as slices, or one is negative.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.repeat_interleave(flambeau.tensor([1, 2]), 2)
        tensor([1, 1, 2, 2])
    """
    if input is None or repeats is None:
        counts = repeats if input is None else input
        return kernels(counts).repeat_indices(counts).to(counts.dtype)
    if dim is None:
        input, dim = flatten(input), 0
    axis = _axis(dim, input.ndim)
    if isinstance(repeats, Tensor) and repeats.dtype not in (_C.int32, _C.int64):
        raise UnsupportedError(f"repeat_interleave: not implemented for repeats of {repeats.dtype}")
    if isinstance(repeats, Tensor) and repeats.numel() == 1:
        repeats = repeats.item()
    if not isinstance(repeats, Tensor):
        if not hasattr(repeats, "__index__"):
            raise TypeError(
                "repeat_interleave(): argument 'repeats' must be int or Tensor, not "
                + type(repeats).__name__
            )
        return _repeat_each(input, repeats, axis)
    length = input.shape[axis] if input.ndim else 1
    if repeats.ndim != 1 or repeats.shape[0] != length:
        raise RuntimeError(
            "repeats must have the same size as input along dim, but got repeats.size(0) ="
            f" {repeats.numel()} and input.size({axis}) = {length}"
        )
    indices = kernels(repeats).repeat_indices(repeats)
    if output_size is not None and indices.shape[0] != output_size:
        raise RuntimeError(
            f"repeat_interleave: output_size must be the sum of repeats: it is {output_size},"
            f" the sum is {indices.shape[0]}"
        )
    return input.index_select(axis, indices)


def _repeat_each(input, times, axis):
    if times < 0:
        raise RuntimeError("Repeats must be non-negative")
    if not input.ndim:
        input = input.reshape(1)
    shape = input.shape
    spread = input.unsqueeze(axis + 1).expand((*shape[: axis + 1], times, *shape[axis + 1 :]))
    return spread.clone(memory_format=_layout.contiguous_format).view(
        (*shape[:axis], shape[axis] * times, *shape[axis + 1 :])
    )


# ---- rearranging ----


@op(
    methods=("flip",),
    out=False,
    pack="dims",
    samples=lambda s: [s(s.tensor(2, 3), (0,)), s(s.tensor(2, 3), (0, -1))],
)
def flip(input, dims):
    """A copy with the order reversed along some axes.

    Args:
        input: any dtype and sizes.
        dims: the axes, as a tuple or one by one.

    Raises:
        RuntimeError: if an axis is named twice.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.tensor([[1, 2], [3, 4]]).flip(0, 1)
        tensor([[4, 3],
                [2, 1]])
    """
    return kernels(input).flip(input, dims)


flip.vjp("input")(lambda g, dims: g.flip(dims))


@function(methods=("fliplr",))
def fliplr(input):
    """A copy with the second axis reversed: matrices mirrored left to right.

    Args:
        input: at least two axes, any dtype.

    Raises:
        RuntimeError: if it has fewer axes.

    Example:
        >>> flambeau.fliplr(flambeau.tensor([[1, 2], [3, 4]]))
        tensor([[2, 1],
                [4, 3]])
    """
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, (1,))


@function(methods=("flipud",))
def flipud(input):
    """A copy with the first axis reversed: matrices turned upside down.

    Args:
        input: at least one axis, any dtype.

    Raises:
        RuntimeError: if it is a number.

    Example:
        >>> flambeau.flipud(flambeau.tensor([[1, 2], [3, 4]]))
        tensor([[3, 4],
                [1, 2]])
    """
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, (0,))


@op(
    methods=("roll",),
    out=False,
    samples=lambda s: [s(s.tensor(2, 3), 1), s(s.tensor(2, 3), (1, -2), (0, 1))],
)
def roll(input, shifts, dims=()):
    """A copy with the elements moved along axes; what leaves at one end comes in at the other.

    Args:
        input: any dtype and sizes.
        shifts: by how many places, forwards; a number or one for each axis of `dims`.
        dims: an axis or a tuple of them; none for all elements in row-major order.

    Raises:
        RuntimeError: if there are not as many shifts as axes.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.arange(4).roll(1)
        tensor([3, 0, 1, 2])
    """
    if not input.ndim and dims not in ((), []):
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return kernels(input).roll(input, shifts, dims)


@roll.vjp("input")
def _(g, shifts, dims):
    back = [-s for s in shifts] if isinstance(shifts, (tuple, list)) else -shifts
    return g.roll(back, dims)


@op(methods=("rot90",), out=False, samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor(2, 3), 3)])
def rot90(input, k=1, dims=(0, 1)):
    """A copy turned by 90 degrees in a plane, from its first axis to the second.

    Args:
        input: at least two axes, any dtype.
        k: how many times; negative turns the other way.
        dims: the two axes of the plane.

    Raises:
        RuntimeError: if dims are not two different axes.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.rot90(flambeau.tensor([[1, 2], [3, 4]]))
        tensor([[2, 4],
                [1, 3]])
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    first, second = _axis(dims[0], input.ndim), _axis(dims[1], input.ndim)
    if first == second:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}"
        )
    backend, turns = kernels(input), k % 4
    if turns == 0:
        return backend.clone(backend.contiguous(input))
    if turns == 2:
        return backend.flip(input, (first, second))
    return _C.transpose(backend.flip(input, (second if turns == 1 else first,)), first, second)


rot90.vjp("input")(lambda g, k, dims: g.rot90(-k, dims))


@op(
    methods=("tril",),
    inplace=True,
    samples=lambda s: [s(s.tensor(3, 4)), s(s.tensor(2, 3, 3), 1)],
    exact_out=True,
)
def tril(input, diagonal=0):
    """The lower triangles of matrices, zeros above.

    Args:
        input: (..., n, m), any dtype.
        diagonal: the highest diagonal that is kept, counted upwards from the main one.

    Raises:
        RuntimeError: if it has fewer than two axes.

    Example:
        >>> flambeau.ones(2, 2).tril()
        tensor([[1., 0.],
                [1., 1.]])
    """
    return kernels(input).triangle(input, diagonal, False)


@op(
    methods=("triu",),
    inplace=True,
    samples=lambda s: [s(s.tensor(3, 4)), s(s.tensor(2, 3, 3), -1)],
    exact_out=True,
)
def triu(input, diagonal=0):
    """The upper triangles of matrices, zeros below.

    Args:
        input: (..., n, m), any dtype.
        diagonal: the lowest diagonal that is kept, counted upwards from the main one.

    Raises:
        RuntimeError: if it has fewer than two axes.

    Example:
        >>> flambeau.ones(3, 3).triu(1)
        tensor([[0., 1., 1.],
                [0., 0., 1.],
                [0., 0., 0.]])
    """
    return kernels(input).triangle(input, diagonal, True)


tril.vjp("input")(lambda g, diagonal: g.tril(diagonal))
triu.vjp("input")(lambda g, diagonal: g.triu(diagonal))


@function()
def meshgrid(*tensors, indexing=None):
    """Grids of coordinates from vectors: the k-th result varies along the k-th axis.

    Args:
        tensors: vectors (or numbers) of one dtype, one by one or as a list.
        indexing: "ij" (the default, with a warning), or "xy" to exchange the first two axes.

    Returns:
        A tuple of views, all of sizes (n_1, n_2, ...) with "ij".

    Raises:
        RuntimeError: if there are none, one has more axes, dtypes differ, or `indexing` is
            something else.

    Example:
        >>> i, j = flambeau.meshgrid(flambeau.arange(2), flambeau.arange(3), indexing="ij")
        >>> 10 * i + j
        tensor([[ 0,  1,  2],
                [10, 11, 12]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        warn_once(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing"
            " argument.",
        )
        indexing = "ij"
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    for x in tensors:
        if x.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {x}"
            )
        if x.dtype is not tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = tuple(x.numel() for x in tensors)
    grids = []
    for axis, x in enumerate(tensors):
        sizes = [1] * len(shape)
        sizes[axis] = shape[axis]
        grids.append(x.view(sizes).expand(shape))
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


_C.set_engine_op("sum_to_size", sum_to_size)
