"""Joining tensors and splitting them."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.numeric import whole
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.index import _zeros
from flambeau.ops.parts import slice as slice_op


def _cat_samples(s):
    yield s([s.tensor(2, 3), s.tensor(1, 3)])
    yield s([s.tensor(2, 3), s.tensor(2, 1), s.tensor(2, 0)], dim=-1)
    yield s([s.tensor(0), s.tensor(2, 3)], dim=1)  # a vector without elements fits anything


@op(tensors="tensors", aliases=("concat", "concatenate"), samples=_cat_samples)
def cat(tensors, dim=0):
    """Joins tensors along an axis that they have.

    Args:
        tensors: a list or tuple of tensors, whose sizes agree but along `dim`; dtypes are promoted.
            Vectors of no elements are passed over.
        dim: the axis.

    Raises:
        RuntimeError: if sizes differ in another axis.
        ValueError: if there are no tensors.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.cat([flambeau.tensor([[1, 2]]), flambeau.tensor([[3, 4], [5, 6]])])
        tensor([[1, 2],
                [3, 4],
                [5, 6]])
    """
    return _kernels_of(tensors).cat(tensors, dim)


@cat.vjp("tensors")
def _(g, tensors_shape, dim):
    parts, at = [], 0
    for shape in tensors_shape:
        if tuple(shape) == (0,):
            parts.append(_zeros(g, shape))
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

    Args:
        tensors: a list or tuple of n tensors; dtypes are promoted.
        dim: where the new axis, of length n, will be.

    Raises:
        RuntimeError: if the shapes differ, or there are no tensors.
        IndexError: if dim is beyond the axes of the result.

    Example:
        >>> flambeau.stack([flambeau.tensor([1, 2]), flambeau.tensor([3, 4])], dim=1)
        tensor([[1, 3],
                [2, 4]])
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
    dim %= n
    if dim < n - 1:  # joined at an axis that is there, so that the layout of the parts is kept
        joined = _kernels_of(tensors).cat(list(tensors), dim)
        return _C.reshape(joined, (*first[:dim], len(tensors), *first[dim:]))
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
    """The slices along an axis, without that axis, as a tuple of views.

    Args:
        input: any dtype, at least one axis.
        dim: the axis.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.tensor([[1, 2], [3, 4]]).unbind(1)
        (tensor([1, 3]), tensor([2, 4]))
    """
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
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


#: The same with pieces that the graph does not take for views: each may be written by itself.
_unsafe_split = op(
    _split_sizes.__wrapped__,
    name="_unsafe_split",
    multi_output=True,
    grad_list=True,
    out=False,
    public=False,
    backward_name="UnsafeSplitWithSizes",
    overloads={"even given": "UnsafeSplitBackward0"},
    torch="",
    samples=_split_sizes.info.samples,
)


def _joined(g, sizes, dim, input_shape):
    known = next(p for p in g if p is not None)
    parts = []
    for part, length in zip(g, sizes, strict=True):
        if part is None:
            shape = list(input_shape)
            shape[dim] = length
            part = _zeros(known, shape)
        parts.append(part)
    return cat(parts, dim)


_split_sizes.vjp("input")(_joined)
_unsafe_split.vjp("input")(_joined)


@function
def split(tensor, split_size_or_sections, dim=0):
    """Splits along an axis into pieces of one size (the last may be smaller) or of the sizes given.

    Args:
        tensor: any dtype and sizes.
        split_size_or_sections: the length of each piece, or a list of lengths.
        dim: the axis.

    Returns:
        A tuple of views.

    Raises:
        RuntimeError: if the sizes do not add up to the length of the axis, or one is negative.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.split(flambeau.arange(5), 2)
        (tensor([0, 1]), tensor([2, 3]), tensor([4]))
        >>> flambeau.split(flambeau.arange(5), [1, 4])
        (tensor([0]), tensor([1, 2, 3, 4]))
    """
    return _split_sizes(tensor, *_pieces(tensor, split_size_or_sections, dim))


def _pieces(tensor, split_size_or_sections, dim):
    """The sizes of the pieces, the axis counted from the front, and whether one size was given."""
    n = tensor.size(dim)
    dim = dim + tensor.ndim if dim < 0 else dim
    even = hasattr(split_size_or_sections, "__index__")
    if even:
        size = split_size_or_sections.__index__()
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
            return (0,), dim, True
        sizes = [min(size, n - at) for at in range(0, n, size)] or [0]
    else:
        sizes = [int(s) for s in split_size_or_sections]
        if sum(sizes) != n or any(s < 0 for s in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's "
                "size at "
                f"dimension {dim}), but got split_sizes={sizes}"
            )
    return tuple(sizes), dim, even


def _split(self, split_size, dim=0):
    """`flambeau.split` of this tensor: pieces of one size, or of the sizes given, along an axis.

    Args:
        split_size: the length of each piece, or a list of lengths.
        dim: the axis.

    Returns:
        A tuple of views.

    Raises:
        RuntimeError: if the sizes do not add up to the length of the axis.

    Example:
        >>> flambeau.arange(3).split(2)
        (tensor([0, 1]), tensor([2]))
    """
    return split(self, split_size, dim)


Tensor.split = _split

#: More views than this are a mistake, and would fill the memory before they are all made.
_MOST_PIECES = 1 << 20


def _countable(name, pieces):
    if pieces > _MOST_PIECES:
        raise ValueError(f"{name}: there can be at most {_MOST_PIECES} pieces, got {pieces}")
    return pieces


@function(methods=("chunk",))
def chunk(input, chunks, dim=0):
    """Splits into at most `chunks` pieces of equal size (the last may be smaller), along an axis.

    Args:
        input: any dtype, at least one axis.
        chunks: how many; there are fewer where as many equal ones would not be needed.
        dim: the axis.

    Returns:
        A tuple of views.

    Raises:
        RuntimeError: if chunks is not positive.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.arange(5).chunk(2)
        (tensor([0, 1, 2]), tensor([3, 4]))
        >>> len(flambeau.arange(5).chunk(4))  # pieces of two
        3
    """
    return split(input, _chunk_size(input, chunks, dim), dim)


def _chunk_size(input, chunks, dim):
    """What to split into: the size of a chunk, or the sizes of all where there is nothing."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.size(dim)
    if n == 0:
        return [0] * _countable("chunk", chunks)
    return max(1, -(-n // chunks))


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
        input: any dtype, at least one axis.
        indices_or_sections: the number of pieces, or the places where they begin but the first; a
            tensor or one of the names below does as well.
        dim: the axis.
        sections: a number of pieces.
        indices: places.
        tensor_indices_or_sections: a tensor of either.

    Raises:
        RuntimeError: if the number of pieces is not positive, or input is a number.
        IndexError: if there is no such axis.

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
    sections = whole(indices_or_sections)
    if sections is not None:
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        base, longer = divmod(n, _countable("tensor_split", sections))
        borders = [k * base + min(k, longer) for k in range(sections + 1)]
    else:
        borders = [0, *indices_or_sections, n]
    return tuple(slice_op(input, dim, borders[k], borders[k + 1]) for k in range(len(borders) - 1))


def _split_at(name, axis, least, example, printed):
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
        if whole(indices_or_sections) is not None:
            n = input.shape[dim]
            if indices_or_sections <= 0 or n % indices_or_sections:
                raise RuntimeError(
                    f"torch.{name} attempted to split along dimension {dim}, but the size of the "
                    f"dimension {n} is not divisible by the split_size {indices_or_sections}!"
                )
        return tensor_split(input, indices_or_sections, dim)

    split_along.__name__ = name
    split_along.__doc__ = f"""`tensor_split` along axis {axis}; a number of pieces must divide it.

    Args:
        input: any dtype, {least} or more axes; if there is one only, that is split.
        indices_or_sections: the number of pieces, or a list of the places where they begin but
            the first; one of the names below does as well.
        sections: a number of pieces.
        indices: places.

    Returns:
        A tuple of views.

    Raises:
        RuntimeError: if input has fewer axes, or the number does not divide the axis.

    Example:
        >>> flambeau.{name}({example})
        {printed}
    """
    return function(split_along, methods=(name,))


hsplit = _split_at(
    "hsplit", 1, 1, "flambeau.tensor([[1, 2, 3]]), [1]", "(tensor([[1]]), tensor([[2, 3]]))"
)
vsplit = _split_at(
    "vsplit", 0, 2, "flambeau.tensor([[1], [2]]), 2", "(tensor([[1]]), tensor([[2]]))"
)
dsplit = _split_at(
    "dsplit", 2, 3, "flambeau.tensor([[[1, 2]]]), 2", "(tensor([[[1]]]), tensor([[[2]]]))"
)


def _check_some(name, tensors):
    if not isinstance(tensors, Tensor) and not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")


@function
def hstack(tensors, *, out=None):
    """Joins side by side: along the second axis, vectors and numbers along the first.

    Args:
        tensors: a list or tuple, whose sizes agree in the other axes; dtypes are promoted.
        out: a tensor for the result.

    Raises:
        RuntimeError: if there are none, or the other sizes differ.

    Example:
        >>> flambeau.hstack([flambeau.tensor([[1], [2]]), flambeau.tensor([[3], [4]])])
        tensor([[1, 3],
                [2, 4]])
    """
    _check_some("hstack", tensors)
    tensors = [t.reshape(1) if t.ndim == 0 else t for t in tensors]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1, out=out)


@function
def vstack(tensors, *, out=None):
    """Joins on top of each other, along the first axis; vectors count as rows.

    Args:
        tensors: a list or tuple, whose sizes agree in the other axes; dtypes are promoted.
        out: a tensor for the result.

    Raises:
        RuntimeError: if there are none, or the other sizes differ.

    Example:
        >>> flambeau.vstack([flambeau.tensor([1, 2]), flambeau.tensor([3, 4])])
        tensor([[1, 2],
                [3, 4]])
    """
    _check_some("vstack", tensors)
    return cat([_row(t) for t in tensors], 0, out=out)


def _row(t):
    return t.reshape(1, -1) if t.ndim < 2 else t


@function
def dstack(tensors, *, out=None):
    """Joins along the third axis; what has fewer axes gets that one, vectors count as rows.

    Args:
        tensors: a list or tuple, whose sizes agree in the other axes; dtypes are promoted.
        out: a tensor for the result.

    Raises:
        RuntimeError: if there are none, or the other sizes differ.

    Example:
        >>> flambeau.dstack([flambeau.tensor([1, 2]), flambeau.tensor([3, 4])])
        tensor([[[1, 3],
                 [2, 4]]])
    """
    _check_some("dstack", tensors)
    deep = [_row(t) if t.ndim < 2 else t for t in tensors]
    return cat([t.unsqueeze(2) if t.ndim == 2 else t for t in deep], 2, out=out)


@function
def column_stack(tensors, *, out=None):
    """Joins vectors as the columns of a matrix; what has more axes is joined as by `hstack`.

    Args:
        tensors: a list or tuple, of one length; dtypes are promoted.
        out: a tensor for the result.

    Raises:
        RuntimeError: if there are none, or the lengths differ.

    Example:
        >>> flambeau.column_stack([flambeau.tensor([1, 2]), flambeau.tensor([3, 4])])
        tensor([[1, 3],
                [2, 4]])
    """
    _check_some("column_stack", tensors)
    return hstack([t.reshape(-1, 1) if t.ndim < 2 else t for t in tensors], out=out)
