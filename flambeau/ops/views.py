"""Views of all elements in other sizes; copies and casts.

A view shares storage with its input and is written through. Sizes and axes are checked by the
kernels.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import layout as _layout
from flambeau.core.errors import GradError
from flambeau.core.registry import checked, function, op
from flambeau.core.tensor import Tensor


def _axis(dim, ndim):
    """An axis in [0, ndim), counting negative ones from the end."""
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {dim})"
        )
    return dim % n


# ---- copies and layout ----


@op(methods=("clone",), out=False, samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor())])
def clone(input, *, memory_format=None):
    """A copy with its own storage; gradients flow back to the original.

    Args:
        input: any dtype and sizes.
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
    """This tensor, or a copy of it if its elements do not lie in memory in the wanted order.

    Args:
        memory_format: `contiguous_format` (the default), `channels_last` (4 axes) or
            `channels_last_3d` (5 axes).

    Raises:
        RuntimeError: if the format is `preserve_format`, or asks for another number of axes.

    Example:
        >>> x = flambeau.zeros(2, 3).t()
        >>> x.stride(), x.contiguous().stride()
        ((1, 3), (2, 1))
    """
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
    """The same data under other sizes, without copying.

    Args:
        input: any dtype; n elements.
        size: sizes whose product is n, as a tuple or one by one, of which one may be -1; or a
            dtype, to read the bytes as elements of another type.

    Raises:
        RuntimeError: if the product is not n, if the strides do not allow the view (`reshape`
            copies then), or if the bytes of the last axis make no whole elements of the dtype.

    Example:
        >>> x = flambeau.arange(4)
        >>> x.view(2, -1)
        tensor([[0, 1],
                [2, 3]])
        >>> flambeau.tensor([1.0]).view(flambeau.int32)  # the bits of a float
        tensor([1065353216], dtype=torch.int32)
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

    Args:
        input: any dtype; n elements.
        shape: sizes whose product is n, of which one may be -1.

    Raises:
        RuntimeError: if the product is not n.

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

    Args:
        input: any dtype and sizes; a number becomes a vector of one element.
        start_dim: the first axis that is joined.
        end_dim: the last one, included.

    Raises:
        IndexError: if there is no such axis.
        RuntimeError: if start_dim comes after end_dim.

    Example:
        >>> flambeau.zeros(2, 3, 4).flatten(1).shape
        torch.Size([2, 12])
    """
    joined = _C.flatten(input, start_dim, end_dim)
    return input if joined.ndim == input.ndim else joined


flatten.vjp("input")(lambda g, input_shape: g.reshape(input_shape))


@function(methods=("unflatten",))
def unflatten(input, dim, sizes):
    """Axis `dim` split into several, as a view: the inverse of `flatten`.

    Args:
        input: any dtype, at least one axis.
        dim: the axis.
        sizes: what it becomes; their product is its length, and one of them may be -1.

    Raises:
        RuntimeError: if the product is another.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.zeros(2, 12).unflatten(1, (3, -1)).shape
        torch.Size([2, 3, 4])
    """
    sizes = (sizes,) if hasattr(sizes, "__index__") else tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    axis = _axis(dim, input.ndim)
    if input.ndim == 0:
        raise RuntimeError("unflatten: Dimension specified as 0 but tensor has no dimensions")
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
    if known:  # other axes may be empty, where -1 alone would not say enough
        sizes = [length // known if size == -1 else size for size in sizes]
    return view(input, (*input.shape[:axis], *sizes, *input.shape[axis + 1 :]))


@function(methods=("ravel",))
def ravel(input):
    """All elements in one axis, in row-major order: a view if they lie so, else a copy.

    Args:
        input: any dtype and sizes.

    Returns:
        (n), of as many elements.

    Example:
        >>> flambeau.tensor([[1, 2], [3, 4]]).T.ravel()
        tensor([1, 3, 2, 4])
    """
    return view(input.contiguous(), (-1,))


def view_as(self, other):
    """A view with the sizes of `other`: `self.view(other.shape)`.

    Args:
        other: a tensor of as many elements; nothing but its sizes counts.

    Raises:
        RuntimeError: as of `view`.

    Example:
        >>> flambeau.arange(4).view_as(flambeau.zeros(2, 2))
        tensor([[0, 1],
                [2, 3]])
    """
    return view(self, other.shape)


def reshape_as(self, other):
    """`reshape` to the sizes of `other`: a view if the strides allow it, else a copy.

    Args:
        other: a tensor of as many elements; nothing but its sizes counts.

    Raises:
        RuntimeError: if the numbers of elements differ.

    Example:
        >>> flambeau.arange(4).reshape_as(flambeau.zeros(4, 1)).shape
        torch.Size([4, 1])
    """
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
    """A view without axes of size one: all of them, or those of the named ones that have it.

    Args:
        input: any dtype and sizes.
        dim: an axis or a tuple of axes; those longer than one stay.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> x = flambeau.zeros(1, 2, 1)
        >>> x.squeeze().shape, x.squeeze(0).shape, x.squeeze(1).shape
        (torch.Size([2]), torch.Size([2, 1]), torch.Size([1, 2, 1]))
    """
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
    """A view with a new axis of size one.

    Args:
        input: any dtype, n axes.
        dim: where the axis will be, from -n-1 to n.

    Raises:
        IndexError: if dim is beyond that.

    Example:
        >>> flambeau.tensor([1, 2]).unsqueeze(1)
        tensor([[1],
                [2]])
    """
    return _C.unsqueeze(input, dim)


unsqueeze.vjp("input")(lambda g, dim: g.squeeze(dim))

# ---- dimensions at least ----


def _at_least(n, name, raise_one, printed):
    def at_least(*tensors):
        if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
            return tuple(raise_one(x) for x in tensors[0])
        made = tuple(raise_one(x) for x in tensors)
        return made[0] if len(made) == 1 else made

    at_least.__name__ = at_least.__qualname__ = name
    at_least.__doc__ = f"""The tensors as views with at least {n} axes.

    Args:
        tensors: tensors of any dtypes, one by one or as a list.

    Returns:
        The view of a single tensor; a tuple of those of several, or of a list.

    Example:
        >>> flambeau.{name}(flambeau.tensor([5, 6])), flambeau.{name}(flambeau.tensor(7)).shape
        {printed}
    """
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


atleast_1d = _at_least(1, "atleast_1d", _one_axis, "(tensor([5, 6]), torch.Size([1]))")
atleast_2d = _at_least(2, "atleast_2d", _two_axes, "(tensor([[5, 6]]), torch.Size([1, 1]))")
atleast_3d = _at_least(
    3,
    "atleast_3d",
    _three_axes,
    "(tensor([[[5],\n                 [6]]]), torch.Size([1, 1, 1]))",
)


_C.set_engine_op("clone", clone)
_C.set_engine_op("cast_grad", cast)
