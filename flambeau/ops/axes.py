"""Views with the axes in another order."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.notices import warn_once
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.views import _axis, view


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
    """A view with two axes exchanged.

    Args:
        input: any dtype and sizes.
        dim0: an axis.
        dim1: the axis that changes places with it.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.zeros(2, 3, 4).transpose(0, -1).shape
        torch.Size([4, 3, 2])
    """
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

    Args:
        input: any dtype, n axes.
        dims: each axis once, as a tuple or one by one: the k-th axis of the result is dims[k].

    Raises:
        RuntimeError: if dims has another length than n, or an axis twice.
        IndexError: if there is no such axis.

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
    """The transpose of a matrix as a view; vectors and numbers as they are.

    Args:
        input: at most two axes, any dtype.

    Raises:
        RuntimeError: if it has more axes.

    Example:
        >>> flambeau.tensor([[1, 2]]).t()
        tensor([[1],
                [2]])
    """
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return _C.transpose(input, 0, input.ndim - 1) if input.ndim else _C.alias(input)


t.vjp("input")(lambda g: g.t())


@function(methods=("movedim", "moveaxis"), aliases=("moveaxis",))
def movedim(input, source, destination):
    """A view with some axes moved to other places, the rest in their order.

    Args:
        input: any dtype and sizes.
        source: an axis or a tuple of axes.
        destination: as many: where they come to stand.

    Raises:
        RuntimeError: if there are not as many, or one is repeated.
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.zeros(2, 3, 4).movedim(0, -1).shape
        torch.Size([3, 4, 2])
    """
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
    if self.ndim == 0:
        warn_once("Tensor.T is deprecated on 0-D tensors, which it returns as they are.")
    elif self.ndim != 2:
        warn_once(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is"
            " deprecated and it will throw an error in a future release. Consider `x.mT` to"
            " transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to"
            " reverse the dimensions of a tensor.",
        )
    return permute(self, tuple(range(self.ndim - 1, -1, -1)))


def _matrix_transpose(self):
    """The last two axes exchanged."""
    if self.ndim == 0:
        return self
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
    if self.ndim == 0:
        warn_once("Tensor.H is deprecated on 0-D tensors: x.conj() is the same there.")
        return self.conj()
    return transpose(self, 0, 1).conj()


def _matrix_adjoint(self, name="tensor.mH"):
    """The conjugate of the last two axes exchanged."""
    if self.ndim == 0:
        return self.conj()
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
    """The conjugate transpose of matrices, as a view.

    Args:
        input: (..., n, m); also a number.

    Returns:
        (..., m, n).

    Raises:
        RuntimeError: if it is a vector.

    Example:
        >>> flambeau.tensor([[1, 2j]]).adjoint()
        tensor([[1.-0.j],
                [0.-2.j]])
    """
    return _matrix_adjoint(input, "tensor.adjoint()") if input.ndim else input.conj()
