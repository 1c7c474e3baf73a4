"""Further names of movements: views that are copied at once, and splits called unsafe.

PyTorch has a twin of every view that returns a copy, `permute_copy` for `permute`; they are made
here from one table.
"""

from __future__ import annotations

from flambeau.core.layout import contiguous_format
from flambeau.core.registry import FUNCTIONS, function
from flambeau.ops import movement, parts, views
from flambeau.ops._declare import named, stored
from flambeau.ops.complex import view_as_complex, view_as_real
from flambeau.ops.index import index_put
from flambeau.ops.join import _chunk_size, _pieces, _unsafe_split, split, unbind


@function(methods=("split_with_sizes",))
def split_with_sizes(input, split_sizes, dim=0):
    """Splits along `dim` into pieces of the sizes given, as a tuple of views.

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
        split_size: the length of a piece; the last may be shorter.
        dim: the axis.

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
    """`split_with_sizes` into pieces that the graph does not take for views; see `unsafe_split`."""
    sizes = _listed("unsafe_split_with_sizes", split_sizes)
    return _unsafe_split(input, *_pieces(input, sizes, dim))


@function(methods=("unsafe_chunk",))
def unsafe_chunk(input, chunks, dim=0):
    """`chunk` into pieces that the graph does not take for views; see `unsafe_split`."""
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

    Example:
        >>> flambeau.detach(flambeau.ones(1, requires_grad=True)).requires_grad
        False
    """
    return input.detach()


@function
def detach_(input):
    """Takes the tensor itself out of the graph, and returns it."""
    return input.detach_()


@function
def resize_as_(input, the_template, *, memory_format=None):
    """Gives this tensor the sizes of another; see `Tensor.resize_as_`."""
    return input.resize_as_(the_template, memory_format=memory_format)


#: What makes the views whose copies PyTorch names.
_VIEWS = {
    "alias": _alias,
    "as_strided": parts.as_strided,
    "detach": detach,
    "expand": movement.expand,
    "permute": views.permute,
    "select": parts.select,
    "slice": parts.slice,
    "split": split,
    "split_with_sizes": split_with_sizes,
    "squeeze": views.squeeze,
    "t": views.t,
    "transpose": views.transpose,
    "unbind": unbind,
    "unfold": parts.unfold,
    "unsqueeze": views.unsqueeze,
    "view": views.view,
    "view_as_complex": view_as_complex,
    "view_as_real": view_as_real,
}


def _copying(name, view):
    """The function that returns the view of that name with a storage of its own."""

    def copied(*args, out=None, **kwargs):
        made = view(*args, **kwargs)
        if isinstance(made, (tuple, list)):
            return stored(copied.__name__, tuple(_owned(part) for part in made), out, exact=True)
        return stored(copied.__name__, _owned(made), out, exact=True)

    copied.__name__ = copied.__qualname__ = f"{name}_copy"
    copied.__doc__ = f"`{name}` with a storage of its own; gradients flow through the copy."
    copied.__wrapped__ = getattr(view, "__wrapped__", view)
    return function(copied)


def _owned(part):
    copy = part.clone(memory_format=contiguous_format)
    return named(part.grad_fn.name() + "_copy", copy) if copy.requires_grad else copy


for _name, _view in _VIEWS.items():
    _copying(_name, _view)
FUNCTIONS["diagonal_copy"] = parts.diagonal_copy
FUNCTIONS["index_put_"] = index_put.inplace
