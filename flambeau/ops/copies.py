"""Further names of movements: views that are copied at once, and splits called unsafe.

PyTorch has a twin of every view that returns a copy, `permute_copy` for `permute`; they are made
here from one table.
"""

from __future__ import annotations

from flambeau.core.layout import contiguous_format
from flambeau.core.registry import FUNCTIONS, function
from flambeau.ops import axes, movement, parts, strided, views
from flambeau.ops._declare import named, stored
from flambeau.ops.complex import view_as_complex, view_as_real
from flambeau.ops.index import index_put
from flambeau.ops.join import _chunk_size, _pieces, _unsafe_split, split, unbind


@function(methods=("split_with_sizes",))
def split_with_sizes(input, split_sizes, dim=0):
    """Splits along `dim` into pieces of the sizes given, as a tuple of views.

    Args:
        input: any dtype and sizes.
        split_sizes: the lengths of the pieces.
        dim: the axis.

    Raises:
        RuntimeError: if the sizes do not add up to the length of the axis.

    Example:
        >>> flambeau.split_with_sizes(flambeau.tensor([1, 2, 3]), [1, 2])
        (tensor([1]), tensor([2, 3]))
    """
    return split(input, _listed("split_with_sizes", split_sizes), dim)


@function(methods=("unsafe_split",))
def unsafe_split(input, split_size, dim=0):
    """`split` into pieces of one size, which the graph does not take for views.

    Each piece may be changed in place by itself; nothing warns where gradients of others would be
    wrong then.

    Args:
        input: any dtype and sizes.
        split_size: the length of a piece; the last may be shorter.
        dim: the axis.

    Raises:
        RuntimeError: if the size is negative, or zero for an axis that is not empty.
        TypeError: if it is no integer.

    Example:
        >>> flambeau.unsafe_split(flambeau.tensor([1, 2, 3]), 2)
        (tensor([1, 2]), tensor([3]))
    """
    if not hasattr(split_size, "__index__"):
        raise TypeError(
            "unsafe_split(): argument 'split_size' must be int, not " + type(split_size).__name__
        )
    return _unsafe_split(input, *_pieces(input, split_size, dim))


@function(methods=("unsafe_split_with_sizes",))
def unsafe_split_with_sizes(input, split_sizes, dim=0):
    """`split_with_sizes` into pieces that the graph does not take for views; see `unsafe_split`.

    Args:
        input: any dtype and sizes.
        split_sizes: the lengths of the pieces.
        dim: the axis.

    Raises:
        RuntimeError: if the sizes do not add up to the length of the axis.

    Example:
        >>> x = flambeau.ones(3, requires_grad=True)
        >>> a, b = flambeau.unsafe_split_with_sizes(x * 2, [1, 2])
        >>> b.zero_().grad_fn is not None  # of views from `split`, none may be written to
        True
    """
    sizes = _listed("unsafe_split_with_sizes", split_sizes)
    return _unsafe_split(input, *_pieces(input, sizes, dim))


@function(methods=("unsafe_chunk",))
def unsafe_chunk(input, chunks, dim=0):
    """`chunk` into pieces that the graph does not take for views; see `unsafe_split`.

    Args:
        input: any dtype, at least one axis.
        chunks: how many at most.
        dim: the axis.

    Raises:
        RuntimeError: if chunks is not positive.

    Example:
        >>> flambeau.unsafe_chunk(flambeau.arange(3), 2)
        (tensor([0, 1]), tensor([2]))
    """
    return _unsafe_split(input, *_pieces(input, _chunk_size(input, chunks, dim), dim))


def _listed(name, sizes):
    if not isinstance(sizes, (tuple, list)):
        raise TypeError(
            f"{name}(): argument 'split_sizes' must be tuple of ints, not {type(sizes).__name__}"
        )
    return sizes


def _alias(input):
    return named("AliasBackward0", input.view_as(input))


@function
def detach(input):
    """The same data outside the graph: shares storage, never requires gradients.

    Args:
        input: a tensor.

    Example:
        >>> flambeau.detach(flambeau.ones(1, requires_grad=True)).requires_grad
        False
    """
    return input.detach()


@function
def detach_(input):
    """Takes the tensor itself out of the graph, and returns it.

    Args:
        input: a tensor that is no view.

    Raises:
        RuntimeError: if it is a view.

    Example:
        >>> y = flambeau.ones(2, requires_grad=True) * 2
        >>> flambeau.detach_(y).requires_grad
        False
    """
    return input.detach_()


@function
def resize_as_(input, the_template, *, memory_format=None):
    """Gives this tensor the sizes of another; see `Tensor.resize_as_`.

    Args:
        input: a tensor.
        the_template: a tensor of any dtype.
        memory_format: `contiguous_format` unless given.

    Raises:
        RuntimeError: as of `Tensor.resize_`.

    Example:
        >>> flambeau.resize_as_(flambeau.tensor([1, 2, 3, 4]), flambeau.zeros(2, 2))
        tensor([[1, 2],
                [3, 4]])
    """
    return input.resize_as_(the_template, memory_format=memory_format)


#: What makes the views whose copies PyTorch names; arguments to show, and what is printed for them.
_VIEWS = {
    "alias": (_alias, "flambeau.tensor([1, 2])", "tensor([1, 2])"),
    "as_strided": (strided.as_strided, "flambeau.arange(4), (2,), (3,)", "tensor([0, 3])"),
    "detach": (detach, "flambeau.ones(1, requires_grad=True)", "tensor([1.])"),
    "expand": (movement.expand, "flambeau.tensor([1]), (3,)", "tensor([1, 1, 1])"),
    "permute": (axes.permute, "flambeau.tensor([[1], [2]]), (1, 0)", "tensor([[1, 2]])"),
    "select": (parts.select, "flambeau.tensor([[1, 2], [3, 4]]), 0, 1", "tensor([3, 4])"),
    "slice": (parts.slice, "flambeau.arange(5), 0, 1, 5, 2", "tensor([1, 3])"),
    "split": (split, "flambeau.arange(3), 2", "(tensor([0, 1]), tensor([2]))"),
    "split_with_sizes": (
        split_with_sizes,
        "flambeau.arange(3), [1, 2]",
        "(tensor([0]), tensor([1, 2]))",
    ),
    "squeeze": (views.squeeze, "flambeau.tensor([[1, 2]])", "tensor([1, 2])"),
    "t": (axes.t, "flambeau.tensor([[1], [2]])", "tensor([[1, 2]])"),
    "transpose": (axes.transpose, "flambeau.tensor([[1], [2]]), 0, 1", "tensor([[1, 2]])"),
    "unbind": (unbind, "flambeau.tensor([1, 2])", "(tensor(1), tensor(2))"),
    "unfold": (parts.unfold, "flambeau.arange(2), 0, 2, 1", "tensor([[0, 1]])"),
    "unsqueeze": (views.unsqueeze, "flambeau.tensor([1, 2]), 0", "tensor([[1, 2]])"),
    "view": (views.view, "flambeau.arange(2), (1, 2)", "tensor([[0, 1]])"),
    "view_as_complex": (view_as_complex, "flambeau.tensor([1.0, 2.0])", "tensor(1.+2.j)"),
    "view_as_real": (view_as_real, "flambeau.tensor(1 + 2j)", "tensor([1., 2.])"),
}


def _copying(name, view, example, printed):
    """The function that returns the view of that name with a storage of its own."""

    def copied(*args, out=None, **kwargs):
        made = view(*args, **kwargs)
        if isinstance(made, (tuple, list)):
            return stored(copied.__name__, tuple(_owned(part) for part in made), out, exact=True)
        return stored(copied.__name__, _owned(made), out, exact=True)

    copied.__name__ = copied.__qualname__ = f"{name}_copy"
    copied.__doc__ = f"""`{name}` with a storage of its own; gradients flow through the copy.

    Args:
        args, kwargs: what `{name}` takes.
        out: a tensor, or a tuple of them, of the same dtype for the result.

    Raises:
        RuntimeError: where `{name}` does, or if `out` has another dtype or requires gradients.

    Example:
        >>> flambeau.{name}_copy({example})
        {printed}
    """
    copied.__wrapped__ = getattr(view, "__wrapped__", view)
    return function(copied)


def _owned(part):
    copy = part.clone(memory_format=contiguous_format)
    return named(part.grad_fn.name() + "_copy", copy) if copy.requires_grad else copy


for _name, _row in _VIEWS.items():
    _copying(_name, *_row)
FUNCTIONS["diagonal_copy"] = parts.diagonal_copy
FUNCTIONS["index_put_"] = index_put.inplace
