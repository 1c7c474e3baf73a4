"""Complex numbers and their parts: conj and neg views, and views of complex numbers as real ones.

`x.conj()` computes nothing: it is a view that says so of itself (`is_conj()`), and so is the
imaginary part of such a view (`is_neg()`). Kernels get the numbers themselves, see `Lazy` in
csrc/bind/pytensor.h.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import FUNCTIONS, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops import values
from flambeau.ops._declare import unary
from flambeau.ops.parts import select
from flambeau.ops.strided import as_strided, as_strided_scatter


@op(samples=lambda s: [s(s.tensor(2, 3), s.tensor(2, 3))], exact_out=True)
def complex(real, imag):
    """The complex numbers real + i * imag.

    Args:
        real: float32 or float64.
        imag: of the same dtype; both broadcast.

    Returns:
        A complex tensor of twice the bytes per element.

    Raises:
        RuntimeError: if the dtypes differ or are no such ones.

    Example:
        >>> flambeau.complex(flambeau.ones(1), flambeau.zeros(1))
        tensor([1.+0.j])
    """
    return kernels(real).make_complex(real, imag)


complex.vjp("real")(lambda g: g.real)
complex.vjp("imag")(lambda g: g.imag)

# ---- conjugates ----


def _complex_samples(s):
    return [s(s.tensor(2, 3, dtype=_C.complex128)), s(s.tensor(dtype=_C.complex128))]


@op(
    view=True,
    out=False,
    public=False,
    backward_name="Conj",
    compiled=_C.conj_view,
    samples=_complex_samples,
    torch="conj",
)
def _conj(input):
    """A view of the conjugates."""
    return _C.conj_view(input)


_conj.vjp("input")(lambda g: g.conj())


@op(
    view=True,
    out=False,
    backward_name="NegView",
    compiled=_C.neg_view,
    samples=lambda s: [s(s.tensor(2, 3)), s(s.tensor())],
    torch="_neg_view",
)
def _neg_view(input):
    """A view of the negatives."""
    return _C.neg_view(input)


_neg_view.vjp("input")(lambda g: -g)


@function(methods=("conj",))
def conj(input):
    """The complex conjugates, as a view; a real tensor itself.

    Args:
        input: any dtype; real ones are returned as they are.

    Returns:
        A view whose `is_conj()` is the opposite of the input's, or a real input itself.

    Example:
        >>> flambeau.tensor([1 + 2j]).conj()
        tensor([1.-2.j])
    """
    return _conj(input) if input.dtype.is_complex else input


conj_physical = unary(
    "conj_physical",
    "The complex conjugates, in new memory.",
    lambda g: g.conj(),
    reference=lambda np, input: np.conj(input),
    example=("[1 + 2j]", "tensor([1.-2.j])"),
    exact_out=True,
)
FUNCTIONS["conj_physical_"] = conj_physical.inplace


@function(methods=("resolve_conj",))
def resolve_conj(input):
    """The conjugates in memory of their own if the input is a conj view, else the input.

    Args:
        input: any dtype and sizes.

    Example:
        >>> flambeau.tensor([1 + 2j]).conj().resolve_conj().is_conj()
        False
    """
    return input.clone() if input.is_conj() else input


@function(methods=("resolve_neg",))
def resolve_neg(input):
    """The negatives in memory of their own if the input is a neg view, else the input.

    Args:
        input: any dtype and sizes.

    Example:
        >>> flambeau.tensor([1 + 2j]).conj().imag.resolve_neg()
        tensor([-2.])
    """
    return input.clone() if input.is_neg() else input


# ---- real and imaginary parts ----


@op(view=True, out=False, samples=_complex_samples)
def view_as_real(input):
    """A view of complex numbers as pairs of real ones, in a new last axis.

    Args:
        input: complex, any sizes, whose conjugate bit is not set (`resolve_conj`).

    Returns:
        (..., 2), of the real dtype.

    Raises:
        RuntimeError: if input is real, or a lazy conjugate.

    Example:
        >>> flambeau.view_as_real(flambeau.tensor([1 + 2j, 3 + 0j]))
        tensor([[1., 2.],
                [3., 0.]])
    """
    return _C.view_as_real(input)


@op(view=True, out=False, samples=lambda s: [s(s.tensor(3, 2))], layout_dependent=True)
def view_as_complex(input):
    """A view of pairs of real numbers, the last axis, as complex ones.

    Args:
        input: (..., 2), floating, pairs side by side in memory.

    Returns:
        The same sizes without the last axis.

    Raises:
        RuntimeError: if the last axis has another size, or strides do not allow the view.

    Example:
        >>> flambeau.view_as_complex(flambeau.tensor([[1.0, 2.0], [3.0, 0.0]]))
        tensor([1.+2.j, 3.+0.j])
    """
    return _C.view_as_complex(input)


view_as_real.vjp("input")(lambda g: view_as_complex(g.contiguous()))
view_as_complex.vjp("input")(lambda g: view_as_real(g.resolve_conj()))


@function()
def real(input):
    """The real parts: a view, or the tensor itself if it is real.

    Args:
        input: any dtype and sizes.

    Example:
        >>> x = flambeau.tensor([1 + 2j])
        >>> flambeau.real(x).zero_(), x
        (tensor([0.]), tensor([0.+2.j]))
    """
    if not input.dtype.is_complex:
        return input
    return select(view_as_real(_without_conj(input)), -1, 0)


@function()
def imag(input):
    """The imaginary parts, as a view.

    Args:
        input: complex, any sizes.

    Raises:
        RuntimeError: if the tensor is real.

    Example:
        >>> flambeau.imag(flambeau.tensor([1 + 2j, 3 - 4j]))
        tensor([ 2., -4.])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    parts = view_as_real(_without_conj(input))
    return select(_neg_view(parts) if input.is_conj() else parts, -1, 1)


def _set_real(self, value):
    real(self).copy_(values.as_tensor(value))


def _set_imag(self, value):
    imag(self).copy_(values.as_tensor(value))


Tensor.real = property(real, _set_real)
Tensor.imag = property(imag, _set_imag)

# ---- autograd: views that as_strided alone does not make ----


def _without_conj(t):
    """The view of the same storage that is no conj view."""
    return _conj(t) if t.is_conj() else t


def _raw(t):
    """What the storage holds, in recorded operations; complex numbers as pairs of real ones."""
    t = _without_conj(t)
    t = _neg_view(t) if t.is_neg() else t
    return view_as_real(t) if t.dtype.is_complex else t


def _as(raw, like):
    """The opposite of `_raw`: real numbers as `like` sees its storage."""
    t = view_as_complex(raw) if like.dtype.is_complex else raw
    t = _neg_view(t) if like.is_neg() else t
    return _conj(t) if like.is_conj() else t


def _raw_layout(view):
    """Sizes, strides and offset of `_raw(view)`."""
    size, stride, offset = tuple(view.shape), view.stride(), view.storage_offset()
    if not view.dtype.is_complex:
        return size, stride, offset
    return (*size, 2), (*(2 * s for s in stride), 1), 2 * offset


def _seen_again(base, view):
    """The part of the base that the view shows, from the base's present place in the graph."""
    return _as(as_strided(_raw(base), *_raw_layout(view)), view)


def _written_through(base, view):
    """The base with the view's value in its places."""
    return _as(as_strided_scatter(_raw(base), _raw(view), *_raw_layout(view)), base)


_C.set_engine_op("seen_again", _seen_again)
_C.set_engine_op("written_through", _written_through)
