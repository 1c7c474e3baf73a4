"""Elements seen otherwise: as mantissa and exponent, as absolute value and angle, as bits.

Also in-place forms that need more than a kernel: `fill_diagonal_`, `map_`, `apply_`.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.core import return_types
from flambeau.core.errors import GradError, RuntimeFailure, ShapeError, UnsupportedError
from flambeau.core.registry import FUNCTIONS, checked, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import named, stored
from flambeau.ops.elementwise import float_power, where

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


# ---- in place ----


def float_power_(self, exponent):
    """In-place form of `float_power`, for float64 and complex128 tensors."""
    made = float_power(self, exponent)
    if made.dtype != self.dtype:
        raise RuntimeFailure(
            f"the base given to float_power_ has dtype {self.dtype} but the operation's result"
            f" requires dtype {made.dtype}"
        )
    return self.copy_(made)


def fill_diagonal_(self, fill_value, wrap=False):
    """Writes a value on the main diagonal.

    Args:
        fill_value: a number.
        wrap: matrices higher than wide get the diagonal again below, after a free row.

    Raises:
        RuntimeError: for fewer than two axes, or more than two of different sizes.

    Example:
        >>> flambeau.zeros(2, 2).fill_diagonal_(1)
        tensor([[1., 0.],
                [0., 1.]])
    """
    if self.ndim < 2:
        raise RuntimeFailure("dimensions must larger than 1")
    if self.ndim > 2 and any(size != self.shape[0] for size in self.shape):
        raise ShapeError(
            f"all dimensions of input must be of equal length: input is {tuple(self.shape)}"
        )
    step = sum(self.stride())
    _filled_view(self, min(self.shape), step, 0, fill_value)
    rows, columns = self.shape[:2]
    if wrap and self.ndim == 2 and rows > columns + 1:
        period = self.stride(0) * (columns + 1)
        whole, rest = divmod(rows, columns + 1)
        for k in range(1, whole + bool(rest)):
            count = min(columns, rows - k * (columns + 1))
            _filled_view(self, count, step, k * period, fill_value)
    return self


def _filled_view(self, count, step, offset, value):
    if count:
        self.as_strided((count,), (step,), self.storage_offset() + offset).fill_(value)


def _elementwise(name, self, others, function):
    """Each element of self becomes function(it, those of the others in its place)."""
    if self.requires_grad:
        raise GradError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}()"
            " instead."
        )
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    for other in others:
        if other.dtype != self.dtype:
            raise TypeError(f"{name}: expected {self.type()} for 'other' (got {other.type()})")
    flat = [x.expand(self.shape).reshape(-1).tolist() for x in (self, *others)]
    values = [function(*row) for row in zip(*flat, strict=True)]
    for value in values:
        if not isinstance(value, (bool, int, float, complex)):
            raise TypeError(f"{name}: must be real number, not {type(value).__name__}")
    return self.copy_(FUNCTIONS["tensor"](values, dtype=self.dtype).reshape(self.shape))


def apply_(self, callable):
    """Each element x becomes callable(x); in Python, so only for tensors on the CPU, and slow.

    Example:
        >>> flambeau.tensor([1., 2.]).apply_(lambda x: x + 1)
        tensor([2., 3.])
    """
    return _elementwise("apply_", self, (), callable)


def map_(self, tensor, callable):
    """Each element a becomes callable(a, b) with b from the tensor, which broadcasts to self."""
    return _elementwise("map_", self, (tensor,), callable)


def map2_(self, x, y, callable):
    """Each element a becomes callable(a, b, c) with b and c from x and y."""
    return _elementwise("map2_", self, (x, y), callable)


for _method in (float_power_, fill_diagonal_, apply_, map_, map2_):
    setattr(Tensor, _method.__name__, checked(_method))
