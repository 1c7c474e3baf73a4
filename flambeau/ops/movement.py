"""Views and rearranging copies: reshaping, permuting, slicing, expanding, repeating, flipping.

A view shares storage with its input and is written through; the rest are copies. Sizes and axes are
checked by the kernels.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import layout as _layout
from flambeau.core.errors import GradError, require
from flambeau.core.registry import checked, function, op
from flambeau.core.tensor import Size, Tensor
from flambeau.ops._declare import stored


def _sizes(arguments):
    """Sizes or axes given one by one or as one sequence."""
    if len(arguments) == 1 and not hasattr(arguments[0], "__index__"):
        return tuple(arguments[0])
    return arguments


def _axis(dim, ndim):
    """An axis in [0, ndim), counting negative ones from the end."""
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    return dim % n


def _into_zeros(g, shape, view):
    """Zeros of `shape` whose `view` holds g."""
    out = _C.full(shape, 0, g.dtype)
    _C.copy_into(view(out), g)
    return out


# ---- copies and layout ----


@op(methods=("clone",), out=False, samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor())])
def clone(input, *, memory_format=None):
    """A copy with its own storage; gradients flow back to the original.

    Args:
        memory_format: `preserve_format` (the default) keeps the order of the axes in memory.

    Example:
        >>> x = flambeau.ones(2)
        >>> x.clone().add_(1), x
        (tensor([2., 2.]), tensor([1., 1.]))
    """
    if memory_format is None or memory_format is _layout.preserve_format:
        return kernels(input).clone(input)
    if memory_format is _layout.contiguous_format:
        return kernels(input).clone_strided(input, _row_major(input.shape))
    return kernels(input).clone_strided(input, _layout.strides_in(input.shape, memory_format))


clone.vjp("input")(lambda g: g)


def _row_major(shape):
    strides = [1] * len(shape)
    for axis in range(len(shape) - 1, 0, -1):
        strides[axis - 1] = strides[axis] * max(shape[axis], 1)
    return strides


def contiguous(self, memory_format=_layout.contiguous_format):
    """This tensor, or a copy of it if its elements do not lie in memory in the wanted order."""
    if memory_format is _layout.contiguous_format:
        return self if self._is_contiguous() else self.clone(memory_format=memory_format)
    if self.is_contiguous(memory_format):
        return self
    if memory_format is _layout.preserve_format:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    return self.clone(memory_format=memory_format)


Tensor.contiguous = contiguous


@op(
    public=False,
    out=False,
    name="_to_copy",
    backward_name="ToCopy",
    samples=lambda s: [s(s.tensor(2, 3), _C.float64)],
    torch="",
)
def cast(input, dtype):
    """The elements converted to another dtype."""
    return kernels(input).cast(input, dtype)


cast.vjp("input")(lambda g: g)

# ---- other sizes, same elements ----


@op(
    methods=("view",),
    view=True,
    out=False,
    pack="size",
    public=False,
    synonyms={"dtype": "size"},
    samples=lambda s: [s(s.tensor(2, 6), (3, 4)), s(s.tensor(2, 3), (-1,))],
    layout_dependent=True,
    compiled=_C.view,
)
def view(input, size):
    """The same data under other sizes, without copying; one size may be -1.

    Args:
        size: the sizes; or a dtype, to read the bytes as another element type.

    Raises:
        RuntimeError: if the strides do not allow it.
    """
    return _C.view(input, size)


@view.vjp("input")
def _(g, size, input_shape):
    if isinstance(size, _C.dtype):
        raise GradError("view: gradients do not flow through a change of the element type")
    return g.reshape(input_shape)


@op(
    name="_alias",
    backward_name="Alias",
    view=True,
    out=False,
    public=False,
    torch="",
    samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor())],
)
def alias(input):
    """The same data again: what `x[...]` is."""
    return _C.view(input, input.shape)


alias.vjp("input")(lambda g: g)


@op(
    overloads={"input copied": "UnsafeViewBackward0", "input gapped": "ReshapeAliasBackward0"},
    methods=("reshape",),
    view=True,
    out=False,
    pack="shape",
    backward_name="View",
    samples=lambda s: [
        s(s.tensor(2, 6), (3, 4)),
        s(s.tensor(2, 3), (-1,)),
        s(s.tensor(2, 0), (0, 5)),
    ],
    compiled=_C.reshape,
)
def reshape(input, shape):
    """The same elements under other sizes: a view if the strides allow it, else a copy.

    Example:
        >>> flambeau.arange(4).reshape(2, -1)
        tensor([[0, 1],
                [2, 3]])
    """
    return _C.reshape(input, shape)


reshape.vjp("input")(lambda g, input_shape: g.reshape(input_shape))


@op(
    overloads={"input copied": "UnsafeViewBackward0", "input gapped": "ReshapeAliasBackward0"},
    methods=("flatten",),
    view=True,
    out=False,
    backward_name="View",
    samples=lambda s: [
        s(s.tensor(2, 3, 4), 1),
        s(s.tensor(2, 0, 3), 0, 1),
        s(s.tensor()),
        s(s.tensor(2)),
    ],
)
def flatten(input, start_dim=0, end_dim=-1):
    """The axes from start_dim to end_dim joined into one; the input itself if that is one axis.

    Example:
        >>> flambeau.zeros(2, 3, 4).flatten(1).shape
        torch.Size([2, 12])
    """
    joined = _C.flatten(input, start_dim, end_dim)
    return input if joined.ndim == input.ndim else joined


flatten.vjp("input")(lambda g, input_shape: g.reshape(input_shape))


@function(methods=("unflatten",))
def unflatten(input, dim, sizes):
    """Axis `dim` split into several; one of their sizes may be -1."""
    sizes = (sizes,) if hasattr(sizes, "__index__") else tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    if input.ndim == 0:
        raise RuntimeError("unflatten: Dimension specified as 0 but tensor has no dimensions")
    axis = _axis(dim, input.ndim)
    length = input.shape[axis]
    known = 1
    for size in sizes:
        known *= 1 if size == -1 else size
    fits = length % known == 0 if -1 in sizes and known else known == length
    if not fits:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {axis}"
            f" ({length}) in the input tensor"
        )
    return view(input, (*input.shape[:axis], *sizes, *input.shape[axis + 1 :]))


@function(methods=("ravel",))
def ravel(input):
    """All elements in one axis: a view if possible."""
    return view(input.contiguous(), (-1,))


def view_as(self, other):
    """A view with the sizes of `other`."""
    return view(self, other.shape)


def reshape_as(self, other):
    """`reshape` to the sizes of `other`."""
    return reshape(self, other.shape)


Tensor.view_as = checked(view_as)
Tensor.reshape_as = checked(reshape_as)


@op(
    view=True,
    out=False,
    public=False,
    name="_squeeze_all",
    backward_name="Squeeze",
    samples=lambda s: [s(s.tensor(1, 3, 1))],
    torch="squeeze",
)
def _squeeze_all(input):
    return _C.squeeze(input, None)


@op(
    view=True,
    out=False,
    public=False,
    name="_squeeze_dim",
    backward_name="SqueezeBackward1",
    samples=lambda s: [s(s.tensor(1, 3, 1), -1), s(s.tensor(2, 3), 0)],
    torch="squeeze",
)
def _squeeze_dim(input, dim):
    return _C.squeeze(input, dim)


@op(
    view=True,
    out=False,
    public=False,
    name="_squeeze_dims",
    backward_name="SqueezeBackward2",
    samples=lambda s: [s(s.tensor(1, 3, 1), (0, 2))],
    torch="squeeze",
)
def _squeeze_dims(input, dim):
    return _C.squeeze(input, dim)


for _variant in (_squeeze_all, _squeeze_dim, _squeeze_dims):
    _variant.vjp("input")(lambda g, input_shape: g.reshape(input_shape))


@function(methods=("squeeze",))
def squeeze(input, dim=None):
    """A view without axes of size one: all of them, or those of the named ones that have it."""
    if dim is None:
        return _squeeze_all(input)
    return (_squeeze_dims if isinstance(dim, (tuple, list)) else _squeeze_dim)(input, dim)


@op(
    methods=("unsqueeze",),
    view=True,
    out=False,
    samples=lambda s: [s(s.tensor(2, 3), 1), s(s.tensor(), -1)],
    compiled=_C.unsqueeze,
)
def unsqueeze(input, dim):
    """A view with a new axis of size one at `dim`."""
    return _C.unsqueeze(input, dim)


unsqueeze.vjp("input")(lambda g, dim: g.squeeze(dim))

# ---- the order of axes ----


@op(
    methods=("transpose", "swapaxes", "swapdims"),
    aliases=("swapaxes", "swapdims"),
    view=True,
    out=False,
    synonyms={"axis0": "dim0", "axis1": "dim1"},  # of swapaxes
    samples=lambda s: [s(s.tensor(2, 3, 4), 0, -1)],
    compiled=_C.transpose,
)
def transpose(input, dim0, dim1):
    """A view with two axes exchanged."""
    return _C.transpose(input, dim0, dim1)


transpose.vjp("input")(lambda g, dim0, dim1: g.transpose(dim0, dim1))


@op(
    methods=("permute",),
    view=True,
    out=False,
    pack="dims",
    samples=lambda s: [s(s.tensor(2, 3, 4), (2, 0, 1)), s(s.tensor(2, 3), (-1, 0))],
    compiled=_C.permute,
)
def permute(input, dims):
    """A view with the axes in another order.

    Example:
        >>> flambeau.zeros(2, 3, 4).permute(2, 0, 1).shape
        torch.Size([4, 2, 3])
    """
    return _C.permute(input, dims)


@permute.vjp("input")
def _(g, dims):
    n = g.ndim
    inverse = [0] * n
    for at, axis in enumerate(dims):
        inverse[axis % n] = at
    return g.permute(inverse)


@op(methods=("t",), view=True, out=False, samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor(3))])
def t(input):
    """The transpose of a matrix; vectors and numbers as they are."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return _C.transpose(input, 0, input.ndim - 1) if input.ndim else _C.alias(input)


t.vjp("input")(lambda g: g.t())


@function(methods=("movedim", "moveaxis"), aliases=("moveaxis",))
def movedim(input, source, destination):
    """A view with some axes moved to other places, the rest in their order."""
    source = (source,) if hasattr(source, "__index__") else tuple(source)
    destination = (destination,) if hasattr(destination, "__index__") else tuple(destination)
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should"
            f" contain the same number of dims as destination ({list(destination)} dims)"
        )
    from_axes = [_axis(d, input.ndim) for d in source]
    to_axes = [_axis(d, input.ndim) for d in destination]
    for name, given, axes in (("source", source, from_axes), ("destination", destination, to_axes)):
        if len(set(axes)) != len(axes):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    order = [None] * max(input.ndim, 1)
    for source_axis, axis in zip(from_axes, to_axes, strict=True):
        order[axis] = source_axis
    if not input.ndim:
        return view(input, ())
    rest = iter([d for d in range(input.ndim) if d not in from_axes])
    return permute(input, [next(rest) if axis is None else axis for axis in order])


def _reversed(self):
    """The axes in reverse order; on matrices the transpose."""
    if self.ndim != 2:
        import warnings

        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is"
            " deprecated and it will throw an error in a future release. Consider `x.mT` to"
            " transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to"
            " reverse the dimensions of a tensor.",
            stacklevel=2,
        )
    return permute(self, tuple(range(self.ndim - 1, -1, -1)))


def _matrix_transpose(self):
    """The last two axes exchanged."""
    if self.ndim < 2:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices."
            f" Got {self.ndim}-D tensor."
        )
    return transpose(self, -2, -1)


def _adjoint(self):
    """The conjugate transpose of a matrix."""
    if self.ndim != 2 and self.ndim != 0:
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor."
            + (" For batches of matrices, consider using tensor.mH" if self.ndim > 2 else "")
        )
    return (transpose(self, 0, 1) if self.ndim else self).conj()


def _matrix_adjoint(self, name="tensor.mH"):
    """The conjugate of the last two axes exchanged."""
    if self.ndim < 2:
        raise RuntimeError(
            f"{name} is only supported on matrices or batches of matrices."
            f" Got {self.ndim}-D tensor."
        )
    return transpose(self, -2, -1).conj()


Tensor.T = property(_reversed)
Tensor.mT = property(_matrix_transpose)
Tensor.H = property(_adjoint)
Tensor.mH = property(_matrix_adjoint)


@function(methods=("adjoint",))
def adjoint(input):
    """The conjugate of the last two axes exchanged, as a view."""
    return _matrix_adjoint(input, "tensor.adjoint()") if input.ndim else input.conj()


# ---- parts ----


@op(
    methods=("select",),
    view=True,
    out=False,
    samples=lambda s: [s(s.tensor(2, 3), 1, -1), s(s.tensor(4), 0, 2)],
    compiled=_C.select,
)
def select(input, dim, index):
    """A view of one slice along `dim`, without that axis."""
    return _C.select(input, dim, index)


@op(
    public=False,
    out=False,
    backward_name="SelectBackwardBackward0",
    samples=lambda s: [s(s.tensor(2), (2, 3), 1, 2)],
    torch="",
)
def select_backward(g, input_shape, dim, index):
    """Zeros with g in the place of one slice."""
    return _into_zeros(g, input_shape, lambda out: _C.select(out, dim, index))


select.vjp("input")(lambda g, dim, index, input_shape: select_backward(g, input_shape, dim, index))
select_backward.vjp("g")(lambda g, dim, index: g.select(dim, index))


@op(
    methods=(),
    view=True,
    out=False,
    public=False,
    samples=lambda s: [s(s.tensor(2, 5), 1, 1, 5, 2), s(s.tensor(4), 0, -2)],
    torch="",
    compiled=_C.slice,
)
def slice(input, dim=0, start=None, end=None, step=1):
    """A view of a range along one axis."""
    return _C.slice(input, dim, start, end, step)


@op(
    public=False,
    out=False,
    backward_name="SliceBackwardBackward0",
    samples=lambda s: [s(s.tensor(2, 2), (2, 5), 1, 1, 5, 2)],
    torch="",
)
def slice_backward(g, input_shape, dim, start, end, step):
    """Zeros with g in the place of a range."""
    return _into_zeros(g, input_shape, lambda out: _C.slice(out, dim, start, end, step))


@slice.vjp("input")
def _(g, input_shape, dim, start, end, step):
    return slice_backward(g, input_shape, dim, start, end, step)


slice_backward.vjp("g")(lambda g, dim, start, end, step: slice(g, dim, start, end, step))


@function(methods=("narrow",))
def narrow(input, dim, start, length):
    """A view of `length` slices from `start` on along `dim`."""
    axis = _axis(dim, input.ndim)
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    start = int(start)
    size = input.shape[axis]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(
            f"start out of range (expected to be in range of [{-size}, {size}], but got {start})"
        )
    start += size if start < 0 else 0
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return slice(input, axis, start, start + length)


@function(methods=("narrow_copy",))
def narrow_copy(input, dim, start, length, *, out=None):
    """`narrow` with a storage of its own."""
    return stored("narrow_copy", narrow(input, dim, start, length).clone(), out)


@op(
    methods=("diagonal",),
    view=True,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4)), s(s.tensor(2, 3, 4), 1, 0, 2)],
)
def diagonal(input, offset=0, dim1=0, dim2=1):
    """A view of a diagonal of the matrices in axes dim1 and dim2; it becomes the last axis."""
    return _C.diagonal(input, offset, dim1, dim2)


@op(
    public=False,
    out=False,
    backward_name="DiagonalBackwardBackward0",
    samples=lambda s: [s(s.tensor(3), (3, 4), 0, 0, 1)],
    torch="",
)
def diagonal_backward(g, input_shape, offset, dim1, dim2):
    """Zeros with g on a diagonal."""
    return _into_zeros(g, input_shape, lambda out: _C.diagonal(out, offset, dim1, dim2))


@diagonal.vjp("input")
def _(g, input_shape, offset, dim1, dim2):
    return diagonal_backward(g, input_shape, offset, dim1, dim2)


diagonal_backward.vjp("g")(lambda g, offset, dim1, dim2: g.diagonal(offset, dim1, dim2))


@op(
    public=False,
    out=False,
    backward_name="DiagonalBackward0_copy",
    samples=lambda s: [s(s.tensor(3, 4))],
)
def diagonal_copy(input, offset=0, dim1=0, dim2=1):
    """`diagonal` with a storage of its own."""
    return kernels(input).clone(_C.diagonal(input, offset, dim1, dim2))


@diagonal_copy.vjp("input")
def _(g, input_shape, offset, dim1, dim2):
    return diagonal_backward(g, input_shape, offset, dim1, dim2)


@op(methods=("diag_embed",), out=False, samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor(3), 1)])
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices, in axes dim1 and dim2, whose diagonals are the last axis of input."""
    n = input.ndim + 1
    first, second = _axis(dim1, n), _axis(dim2, n)
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if not input.ndim:
        raise IndexError("diag_embed: input must have at least 1 dimension")
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for axis in sorted((first, second)):
        shape.insert(axis, size)
    return _into_zeros(input, shape, lambda out: _C.diagonal(out, offset, first, second))


diag_embed.vjp("input")(lambda g, offset, dim1, dim2: g.diagonal(offset, dim1, dim2))


@function(methods=("diag",))
def diag(input, diagonal=0, *, out=None):
    """The matrix with a vector on a diagonal, or the diagonal of a matrix."""
    if input.ndim not in (1, 2):
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    made = diag_embed(input, diagonal) if input.ndim == 1 else diagonal_copy(input, diagonal)
    return made if out is None else out.resize_(made.shape).copy_(made)


@function(methods=("diagflat",))
def diagflat(input, offset=0):
    """The matrix with all elements of input on a diagonal."""
    return diag_embed(reshape(input, (-1,)), offset)


@op(
    methods=("unfold",),
    view=True,
    out=False,
    public=False,
    samples=lambda s: [s(s.tensor(7), 0, 3, 2), s(s.tensor(2, 5), -1, 2, 1)],
    torch="Tensor.unfold",
)
def unfold(input, dimension, size, step):
    """A view of all windows of `size` at distances of `step` along an axis.

    What is within a window becomes the last axis.
    """
    return _C.unfold(input, dimension, size, step)


@op(
    public=False,
    out=False,
    backward_name="UnfoldBackwardBackward0",
    samples=lambda s: [s(s.tensor(3, 3), (7,), 0, 3, 2)],
    torch="",
)
def unfold_backward(g, input_shape, dimension, size, step):
    """The sum of overlapping windows, each added in its place."""
    whole = (input_shape, _row_major(input_shape), 0)
    windows = _C.unfold(_C.empty(input_shape, g.dtype), dimension, size, step)
    return kernels(g).strided_scatter_add(g, whole, (windows.shape, windows.stride(), 0))


@unfold.vjp("input")
def _(g, input_shape, dimension, size, step):
    return unfold_backward(g, input_shape, dimension, size, step)


unfold_backward.vjp("g")(lambda g, dimension, size, step: g.unfold(dimension, size, step))

# ---- any strides ----


def _part(layout, size, stride, storage_offset):
    """The geometry of an as_strided view; without an offset it starts where its input does."""
    return size, stride, layout[2] if storage_offset is None else storage_offset


@op(
    methods=("as_strided",),
    view=True,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), (2, 2), (4, 2), 1), s(s.tensor(6), (2, 3), (1, 1))],
    layout_dependent=True,
    compiled=_C.as_strided,
)
def as_strided(input, size, stride, storage_offset=None):
    """A view of the storage with any sizes and strides.

    Raises:
        RuntimeError: if it would leave the storage.
    """
    return _C.as_strided(input, size, stride, storage_offset)


@op(
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), ((3, 4), (4, 1), 0), ((2, 2), (4, 2), 1))],
    torch="",
    layout_dependent=True,
)
def strided_gather(input, layout, part):
    """What an as_strided view `part` shows of a tensor that lies as `layout`."""
    return kernels(input).strided_gather(input, layout, part)


@op(
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(2, 2), ((3, 4), (4, 1), 0), ((2, 2), (4, 2), 1))],
    torch="",
    layout_dependent=True,
)
def strided_scatter_add(input, layout, part):
    """The transpose of strided_gather: elements of the view added up in their places."""
    return kernels(input).strided_scatter_add(input, layout, part)


@op(
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), ((3, 4), (4, 1), 0), ((2, 2), (4, 2), 1))],
    torch="",
    layout_dependent=True,
)
def strided_clear(input, layout, part):
    """A copy of a tensor that lies as `layout`, with zeros where the view `part` looks."""
    return kernels(input).strided_clear(input, layout, part)


strided_gather.vjp("input")(lambda g, layout, part: strided_scatter_add(g, layout, part))
strided_scatter_add.vjp("input")(lambda g, layout, part: strided_gather(g, layout, part))
strided_clear.vjp("input")(lambda g, layout, part: strided_clear(g, layout, part))


@as_strided.vjp("input")
def _(g, input_layout, size, stride, storage_offset):
    return strided_scatter_add(g, input_layout, _part(input_layout, size, stride, storage_offset))


@op(
    methods=("as_strided_scatter",),
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), s.tensor(2, 2), (2, 2), (4, 2), 1)],
    layout_dependent=True,
    torch="",  # torch 2.13's own gradient of it fails its gradcheck
)
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of input in which an as_strided view holds src."""
    out = kernels(input).clone_strided(input, input.stride())
    offset = 0 if storage_offset is None else storage_offset - input.storage_offset()
    target = _C.as_strided(out, size, stride, offset)
    require(
        target.shape == src.shape,
        "as_strided_scatter: src must have the sizes of the view",
        size=tuple(size),
        src=src,
    )
    _C.copy_into(target, src)
    return out


@as_strided_scatter.vjp("input")
def _(g, input_layout, size, stride, storage_offset):
    return strided_clear(g, input_layout, _part(input_layout, size, stride, storage_offset))


@as_strided_scatter.vjp("src")
def _(g, input_layout, size, stride, storage_offset):
    return strided_gather(g, input_layout, _part(input_layout, size, stride, storage_offset))


#: The same under the name of what the engine records for a base when a view of it was written.
copy_slices = op(
    as_strided_scatter.__wrapped__,
    name="copy_slices",
    backward_name="torch::autograd::CopySlices",
    public=False,
    out=False,
    samples=as_strided_scatter.info.samples,
    layout_dependent=True,
    torch="",
)
for _arguments, _rule in as_strided_scatter.info.rules.items():
    copy_slices.vjp(*_arguments)(_rule)


def _copy_with_strides(input):
    """A copy with the very strides of input, gaps and all, where no element lies on another."""
    if any(
        stride == 0 and size > 1 for stride, size in zip(input._strides, input.shape, strict=True)
    ):
        return kernels(input).clone(input)
    out = _C.empty_strided(input.shape, input._strides, input.dtype)
    _C.copy_into(out, input)
    return out


def _scattered(input, src, view, name):
    out = _copy_with_strides(input)
    target = view(out)
    require(
        target.shape == src.shape,
        f"{name}: src must have the sizes of the part it replaces",
        part=target,
        src=src,
    )
    _C.copy_into(target, src)
    return out


@op(
    methods=("select_scatter",), out=False, samples=lambda s: [s(s.tensor(2, 3), s.tensor(2), 1, 2)]
)
def select_scatter(input, src, dim, index):
    """A copy of input in which one slice along `dim` is src."""
    return _scattered(input, src, lambda out: _C.select(out, dim, index), "select_scatter")


@select_scatter.vjp("input")
def _(g, dim, index, src_shape):
    return select_scatter(g, g.new_zeros(src_shape), dim, index)


select_scatter.vjp("src")(lambda g, dim, index: g.select(dim, index))


@op(
    methods=("slice_scatter",),
    out=False,
    samples=lambda s: [s(s.tensor(2, 5), s.tensor(2, 2), 1, 1, 5, 2)],
)
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy of input in which a range along `dim` is src."""
    return _scattered(input, src, lambda out: _C.slice(out, dim, start, end, step), "slice_scatter")


@slice_scatter.vjp("input")
def _(g, dim, start, end, step, src_shape):
    return slice_scatter(g, g.new_zeros(src_shape), dim, start, end, step)


slice_scatter.vjp("src")(lambda g, dim, start, end, step: slice(g, dim, start, end, step))


@op(methods=("diagonal_scatter",), out=False, samples=lambda s: [s(s.tensor(3, 4), s.tensor(3))])
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy of input in which a diagonal is src."""
    return _scattered(
        input, src, lambda out: _C.diagonal(out, offset, dim1, dim2), "diagonal_scatter"
    )


@diagonal_scatter.vjp("input")
def _(g, offset, dim1, dim2, src_shape):
    return diagonal_scatter(g, g.new_zeros(src_shape), offset, dim1, dim2)


diagonal_scatter.vjp("src")(lambda g, offset, dim1, dim2: g.diagonal(offset, dim1, dim2))

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
    """A view that repeats axes of size one without copying; -1 keeps a size."""
    return _C.expand(input, size)


expand.vjp("input")(lambda g, input_shape: sum_to_size(g, input_shape))


def expand_as(self, other):
    """`expand` to the sizes of `other`."""
    return expand(self, other.shape)


Tensor.expand_as = checked(expand_as)


@function(methods=("broadcast_to",))
def broadcast_to(input, size):
    """A view of input repeated to `size` by the rules of broadcasting."""
    return expand(input, size)


@function()
def broadcast_shapes(*shapes):
    """The sizes that tensors of these shapes broadcast to.

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
    """Views of the tensors, all with the sizes that they broadcast to."""
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
    """Sums over the axes that broadcasting added or stretched, down to `size`."""
    lead = input.ndim - len(size)
    dims = [
        d for d in range(input.ndim) if d < lead or (size[d - lead] == 1 and input.shape[d] != 1)
    ]
    out = kernels(input).sum(input, dims, True) if dims else input
    return _C.reshape(out, size)


sum_to_size.vjp("input")(lambda g, input_shape: g.expand(input_shape))


def _sum_to_size_method(self, *sizes, size=None):
    """The sum over the axes that broadcasting to this tensor's sizes would have repeated."""
    size = _sizes(sizes) if size is None else size
    require(
        len(size) <= self.ndim
        and all(a in (1, b) for a, b in zip(reversed(size), reversed(self.shape), strict=False)),
        "sum_to_size: size must broadcast to the tensor's sizes",
        size=tuple(size),
        tensor=self,
    )
    return sum_to_size(self, size)


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
    """A copy of input repeated `dims` times along its last axes."""
    return repeat(input, (1,) * (input.ndim - len(dims)) + tuple(dims))


def _tile_method(self, *sizes, dims=None):
    """`repeat` that adds missing leading ones to `dims`."""
    return tile(self, _sizes(sizes) if dims is None else dims)


Tensor.tile = checked(_tile_method)


@function(methods=("repeat_interleave",))
def repeat_interleave(input=None, repeats=None, dim=None, *, output_size=None):
    """Each element, or each slice along `dim`, repeated in place.

    Args:
        repeats: how often: one number, or one per slice. `repeat_interleave(repeats)` gives the
            numbers of the slices themselves.
        dim: the axis; without it the flattened input is used.
        output_size: the resulting size of the axis, if known.

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
    if isinstance(repeats, Tensor) and repeats.numel() == 1:
        repeats = repeats.item()
    if not isinstance(repeats, Tensor):
        return _repeat_each(input, int(repeats), axis)
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
    """A copy with the order reversed along the named axes."""
    return kernels(input).flip(input, dims)


flip.vjp("input")(lambda g, dims: g.flip(dims))


@function(methods=("fliplr",))
def fliplr(input):
    """A copy with the second axis reversed."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, (1,))


@function(methods=("flipud",))
def flipud(input):
    """A copy with the first axis reversed."""
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

    Example:
        >>> flambeau.arange(4).roll(1)
        tensor([3, 0, 1, 2])
    """
    return kernels(input).roll(input, shifts, dims)


@roll.vjp("input")
def _(g, shifts, dims):
    back = [-s for s in shifts] if isinstance(shifts, (tuple, list)) else -shifts
    return g.roll(back, dims)


@op(methods=("rot90",), out=False, samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor(2, 3), 3)])
def rot90(input, k=1, dims=(0, 1)):
    """A copy turned k times by 90 degrees in a plane, from its first axis to the second."""
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


@op(methods=("tril",), inplace=True, samples=lambda s: [s(s.tensor(3, 4)), s(s.tensor(2, 3, 3), 1)])
def tril(input, diagonal=0):
    """The lower triangles of the matrices in the last two axes, zeros above.

    Example:
        >>> flambeau.ones(2, 2).tril()
        tensor([[1., 0.],
                [1., 1.]])
    """
    return kernels(input).triangle(input, diagonal, False)


@op(
    methods=("triu",), inplace=True, samples=lambda s: [s(s.tensor(3, 4)), s(s.tensor(2, 3, 3), -1)]
)
def triu(input, diagonal=0):
    """The upper triangles of the matrices in the last two axes, zeros below."""
    return kernels(input).triangle(input, diagonal, True)


tril.vjp("input")(lambda g, diagonal: g.tril(diagonal))
triu.vjp("input")(lambda g, diagonal: g.triu(diagonal))

# ---- dimensions at least, grids ----


def _at_least(n, name, raise_one):
    def at_least(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            return tuple(raise_one(x) for x in tensors[0])
        made = tuple(raise_one(x) for x in tensors)
        return made[0] if len(made) == 1 else made

    at_least.__name__ = at_least.__qualname__ = name
    at_least.__doc__ = f"The tensors as views with at least {n} axes."
    return function(at_least)


def _one_axis(x):
    return x.reshape(1) if x.ndim == 0 else x


def _two_axes(x):
    return x.reshape(1, 1) if x.ndim == 0 else x.unsqueeze(0) if x.ndim == 1 else x


def _three_axes(x):
    if x.ndim == 0:
        return x.reshape(1, 1, 1)
    if x.ndim == 1:
        return x.unsqueeze(0).unsqueeze(-1)
    return x.unsqueeze(-1) if x.ndim == 2 else x


atleast_1d = _at_least(1, "atleast_1d", _one_axis)
atleast_2d = _at_least(2, "atleast_2d", _two_axes)
atleast_3d = _at_least(3, "atleast_3d", _three_axes)


@function()
def meshgrid(*tensors, indexing=None):
    """Grids of coordinates from vectors: the k-th result varies along the k-th axis.

    Args:
        indexing: "ij" (the default), or "xy" to exchange the first two axes.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        import warnings

        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing"
            " argument.",
            stacklevel=2,
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


_C.set_engine_op("clone", clone)
_C.set_engine_op("sum_to_size", sum_to_size)
_C.set_engine_op("cast_grad", cast)
_C.set_engine_op("as_strided", as_strided)
_C.set_engine_op("as_strided_scatter", copy_slices)
