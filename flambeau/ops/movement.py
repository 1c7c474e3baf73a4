"""Views and copies: reshaping, permuting, expanding, and the layout of memory."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import op


@op(methods=("clone",), out=False)
def clone(input, *, memory_format=None):
    """A copy with its own storage; gradients flow back to the original."""
    return kernels(input).clone(input)


clone.vjp("input")(lambda g: g)


@op(methods=("view",), view=True, out=False, pack="size", public=False)
def view(input, size):
    """The same data under other sizes, without copying; one size may be -1.

    Raises:
        RuntimeError: if the strides do not allow it.
    """
    if isinstance(size, _C.dtype):
        return _C.view_dtype(input, size)
    return _C.view(input, size)


view.vjp("input")(lambda g, input_shape: g.reshape(input_shape))


@op(methods=("reshape",), view=True, out=False, pack="shape", backward_name="View")
def reshape(input, shape):
    """The same elements under other sizes: a view if the strides allow it, else a copy."""
    return _C.reshape(input, shape)


reshape.vjp("input")(lambda g, input_shape: g.reshape(input_shape))


@op(methods=("transpose", "swapaxes", "swapdims"), aliases=("swapaxes", "swapdims"), view=True, out=False)
def transpose(input, dim0, dim1):
    """A view with two axes exchanged."""
    return _C.transpose(input, dim0, dim1)


transpose.vjp("input")(lambda g, dim0, dim1: g.transpose(dim0, dim1))


@op(methods=("permute",), view=True, out=False, pack="dims")
def permute(input, dims):
    """A view with the axes in another order."""
    return _C.permute(input, dims)


@permute.vjp("input")
def _(g, dims):
    n = g.ndim
    inverse = [0] * n
    for at, axis in enumerate(dims):
        inverse[axis % n] = at
    return g.permute(inverse)


@op(methods=("expand",), view=True, out=False, pack="size", public=False)
def expand(input, size, *, implicit=False):
    """A view that repeats axes of size one without copying; -1 keeps a size."""
    return _C.expand(input, size)


expand.vjp("input")(lambda g, input_shape: sum_to_size(g, input_shape))


@op(methods=("select",), view=True, out=False)
def select(input, dim, index):
    """A view of one slice along `dim`, without that axis."""
    return _C.select(input, dim, index)


@op(methods=(), view=True, out=False, public=False)
def slice(input, dim=0, start=None, end=None, step=1):
    """A view of a range along one axis."""
    return _C.slice(input, dim, start, end, step)


@op(methods=("squeeze",), view=True, out=False)
def squeeze(input, dim=None):
    """A view without axes of size one (all of them, or those named)."""
    return _C.squeeze(input, dim)


squeeze.vjp("input")(lambda g, input_shape: g.reshape(input_shape))


@op(methods=("unsqueeze",), view=True, out=False)
def unsqueeze(input, dim):
    """A view with a new axis of size one at `dim`."""
    return _C.unsqueeze(input, dim)


unsqueeze.vjp("input")(lambda g, dim: g.squeeze(dim))


@op(methods=("as_strided",), view=True, out=False)
def as_strided(input, size, stride, storage_offset=None):
    """A view of the storage with any sizes and strides."""
    return _C.as_strided(input, size, stride, storage_offset)


@op(public=False, out=False)
def sum_to_size(input, size):
    """Sums over the axes that broadcasting added or stretched, down to `size`."""
    lead = input.ndim - len(size)
    dims = [d for d in range(input.ndim) if d < lead or (size[d - lead] == 1 and input.shape[d] != 1)]
    out = kernels(input).sum(input, dims, True) if dims else input
    return _C.reshape(out, size)


sum_to_size.vjp("input")(lambda g, input_shape: g.expand(input_shape))


@op(public=False, out=False, name="_to_copy", backward_name="ToCopy")
def cast(input, dtype):
    """The elements converted to another dtype."""
    return kernels(input).cast(input, dtype)


cast.vjp("input")(lambda g: g)


_C.set_engine_op("clone", clone)
_C.set_engine_op("sum_to_size", sum_to_size)
_C.set_engine_op("cast_grad", cast)
_C.set_engine_op("as_strided", as_strided)
