"""Elements seen otherwise: as mantissa and exponent, as absolute value and angle, as bits."""

from __future__ import annotations

from flambeau import _C
from flambeau.core import return_types
from flambeau.core.errors import RuntimeFailure, UnsupportedError
from flambeau.core.registry import FUNCTIONS, function, op
from flambeau.ops._declare import named, stored
from flambeau.ops.masks import where

_FLOATS = (_C.float16, _C.bfloat16, _C.float32, _C.float64)

# ---- mantissa and exponent ----

#: For float32 and float64: the integers of that width, bits of the fraction, bias, what lifts a
#: subnormal number among the normal ones.
_LAYOUTS = {
    _C.float32: (_C.int32, 23, 127, 2.0**24, 24),
    _C.float64: (_C.int64, 52, 1023, 2.0**54, 54),
}


def _frexp_samples(s):
    yield s(s.tensor(2, 3))
    yield s(s.tensor(0))


@op(
    methods=("frexp",),
    outputs=("mantissa", "exponent"),
    result_type=return_types.frexp,
    samples=_frexp_samples,
    reference=lambda np, x: np.frexp(x),
    exact_out=True,
)
def frexp(input):
    """The elements as mantissa * 2**exponent, the mantissa in [0.5, 1).

    Args:
        input: floating.

    Returns:
        (mantissa, exponent), the exponent as int32. Zero, infinite and NaN elements are their own
        mantissa, with exponent 0.

    Raises:
        RuntimeError: for dtypes that are not floating.

    Example:
        >>> flambeau.frexp(flambeau.tensor([9.])).exponent
        tensor([4], dtype=torch.int32)
    """
    if input.dtype not in _FLOATS:
        raise RuntimeFailure("torch.frexp() only supports floating-point dtypes")
    wide = input if input.dtype in _LAYOUTS else input.to(_C.float32)
    whole, bits, bias, lift, lifted = _LAYOUTS[wide.dtype]
    ordinary = (wide != 0) & (wide.abs() < float("inf"))
    small = ordinary & (wide.abs() < 2.0 ** (1 - bias))
    pattern = _C.view(where(small, wide * lift, wide), whole)
    field = (1 << (bias.bit_length() + 1)) - 1
    exponent = ((pattern >> bits) & field) - (bias - 1) - small.to(whole) * lifted
    halved = (pattern & ~(field << bits)) | ((bias - 1) << bits)
    mantissa = where(ordinary, _C.view(halved, wide.dtype), wide)
    return mantissa.to(input.dtype), (exponent * ordinary.to(whole)).to(_C.int32)


@frexp.vjp("input")
def _(g, exponent):
    return FUNCTIONS["ldexp"](g, -exponent)


# ---- complex numbers ----


def _polar_samples(s):
    yield s(s.tensor(2, 3, low=0.5), s.tensor(2, 3))
    yield s(s.tensor(2, 1, low=0.5), s.tensor(3))


@op(samples=_polar_samples, reference=lambda np, r, t: r * np.exp(1j * t), exact_out=True)
def polar(abs, angle):
    """The complex numbers abs * exp(i * angle).

    Args:
        abs: absolute values.
        angle: angles, of the same dtype.

    Raises:
        RuntimeError: if the dtypes differ, or are not half, float or double.

    Example:
        >>> flambeau.polar(flambeau.tensor([2.]), flambeau.tensor([0.]))
        tensor([2.+0.j])
    """
    if abs.dtype not in _FLOATS or angle.dtype not in _FLOATS:
        raise RuntimeFailure(
            f"Expected both inputs to be Half, Float or Double tensors but got {abs.dtype} and"
            f" {angle.dtype}"
        )
    if abs.dtype != angle.dtype:
        raise RuntimeFailure(
            f"Expected object of scalar type {abs.dtype} but got scalar type {angle.dtype} for"
            " second argument"
        )
    made = FUNCTIONS["complex"](abs * angle.cos(), abs * angle.sin())
    return named("PolarBackward0", made)


@function(methods=("isreal",))
def isreal(input):
    """True where an element has no imaginary part.

    Args:
        input: any dtype; real ones give True everywhere.

    Returns:
        A bool tensor.

    Example:
        >>> flambeau.isreal(flambeau.tensor([1., 2j]))
        tensor([ True, False])
    """
    if not input.dtype.is_complex:
        return _C.full(input.shape, True, _C.bool)
    return input.detach().imag == 0


# ---- bits ----


@function(methods=("hash_tensor",))
def hash_tensor(input, dim=(), *, keepdim=False, mode=0, out=None):
    """The bits of the elements, as float64 or int64 numbers, combined by exclusive or.

    Args:
        input: any dtype but complex.
        dim: the axes; none for all.
        keepdim: keep them with size one.
        mode: 0, the only one there is.
        out: a uint64 tensor for the result.

    Returns:
        A uint64 tensor.

    Raises:
        RuntimeError: for another mode, or an empty tensor without dim.

    Example:
        >>> flambeau.hash_tensor(flambeau.tensor([1, 2, 4])).item()
        7
    """
    if mode != 0:
        raise RuntimeFailure(f"Unknown hash_tensor mode: {mode}")
    if input.dtype.is_complex:
        raise UnsupportedError(f"hash_tensor: not implemented for {input.dtype.name}")
    axes = [dim] if isinstance(dim, int) else list(dim or ())
    if input.numel() == 0 and not axes:
        raise RuntimeFailure(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify"
            " the reduction dim with the 'dim' argument."
        )
    floating = input.dtype.is_floating_point
    whole = _C.cast(_C.contiguous(input.detach()), _C.float64 if floating else _C.int64)
    bits = _C.view(whole, _C.int64) if floating else whole
    for axis in sorted({d % max(bits.ndim, 1) for d in axes} if axes else range(bits.ndim)):
        if bits.ndim and bits.shape[axis] == 0:
            raise IndexError(f"hash_tensor: Expected reduction dim {axis} to have non-zero size.")
        bits = _folded(bits, axis) if bits.ndim else bits
    result = _C.view(_C.contiguous(bits), _C.uint64)
    if not keepdim and result.ndim:
        result = result.squeeze(tuple(axes) if axes else tuple(range(result.ndim)))
    return stored("hash_tensor", result, out, exact=True)


def _folded(bits, axis):
    """One axis combined by exclusive or, half onto half, down to one element."""
    while bits.shape[axis] > 1:
        half = bits.shape[axis] // 2
        folded = bits.narrow(axis, 0, half) ^ bits.narrow(axis, half, half)
        if bits.shape[axis] % 2:
            last = folded.narrow(axis, 0, 1)
            last ^= bits.narrow(axis, 2 * half, 1)
        bits = folded
    return bits
