"""Discrete Fourier transforms.

Three operations compute and have gradients: complex to complex, real to complex, complex to real.
The functions of `flambeau.fft` bring their arguments to these.
"""

from __future__ import annotations

from functools import partial

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import checked, op
from flambeau.ops._declare import of
from flambeau.ops.creation import _into as write_into
from flambeau.ops.movement import roll
from flambeau.ops.pad import _constant_pad as constant_pad
from flambeau.ops.parts import narrow
from flambeau.ops.ranges import arange
from flambeau.ops.values import as_tensor
from flambeau.ops.views import cast

_NONE, _BY_ROOT, _BY_COUNT = range(3)  # how results are scaled: FftNorm in csrc/kernels/fft.h

# ---- the three transforms ----

# gradcheck takes no complex inputs, and of complex results it would need the parts one by one:
# tests/ops/test_fft.py does that.
_INNER = {"public": False, "out": False, "gradcheck": False}


def _complex_samples(s):
    for dim in ((0,), (1,), (0, 1)):
        yield s(s.tensor(3, 4, dtype=_C.complex128), dim, _BY_ROOT, True)
    yield s(s.tensor(2, 5, dtype=_C.complex64), (1,), _BY_COUNT, False)


@op(
    name="_fft_c2c",
    backward_name="FftC2C",
    samples=_complex_samples,
    torch="_fft_c2c",
    **_INNER,
)
def c2c(input, dim, normalization, forward):
    """Complex numbers to complex numbers over some axes."""
    return kernels(of(input)).fft_c2c(input, dim, normalization, forward)


@op(
    name="_fft_r2c",
    backward_name="FftR2C",
    samples=lambda s: [
        s(s.tensor(3, 5), (1,), _NONE, True),
        s(s.tensor(3, 4), (0, 1), _BY_ROOT, True),
        s(s.tensor(4, 3), (1, 0), _BY_COUNT, False),
    ],
    torch="_fft_r2c",
    **_INNER,
)
def r2c(input, dim, normalization, onesided):
    """Real numbers to complex ones; `onesided` drops what mirrors the rest of the last axis."""
    return kernels(of(input)).fft_r2c(input, dim, normalization, onesided)


@op(
    name="_fft_c2r",
    backward_name="FftC2R",
    samples=lambda s: [
        s(s.tensor(3, 3, dtype=_C.complex128), (1,), _BY_COUNT, 4),
        s(s.tensor(3, 3, dtype=_C.complex128), (0, 1), _BY_ROOT, 5),
        s(s.tensor(3, 2, dtype=_C.complex64), (1, 0), _NONE, 4),
    ],
    torch="_fft_c2r",
    **_INNER,
)
def c2r(input, dim, normalization, last_dim_size):
    """The inverse of the one-sided `r2c`."""
    return kernels(of(input)).fft_c2r(input, dim, normalization, last_dim_size)


c2c.vjp("input")(lambda g, dim, normalization, forward: c2c(g, dim, normalization, not forward))


@r2c.vjp("input")
def _(g, dim, normalization, onesided, input_shape):
    if onesided:  # what was dropped has no gradient
        g = _resized(g, (dim[-1],), (input_shape[dim[-1]],))
    return c2c(g, dim, normalization, False).real


@c2r.vjp("input")
def _(g, dim, normalization, last_dim_size):
    last = dim[-1]
    spectrum = r2c(g, dim, normalization, True)
    # Every element but the first, and the last of an even number, stands for its mirror image too.
    weights = [1.0] + [2.0] * ((last_dim_size - 1) // 2) + [1.0] * (last_dim_size % 2 == 0)
    weights = as_tensor(weights, dtype=g.dtype)
    return spectrum * weights.view([-1] + [1] * (spectrum.ndim - 1 - last % spectrum.ndim))


# ---- arguments ----

_NORMS = {  # forward, inverse
    None: (_NONE, _BY_COUNT),
    "backward": (_NONE, _BY_COUNT),
    "ortho": (_BY_ROOT, _BY_ROOT),
    "forward": (_BY_COUNT, _NONE),
}


def _norm(norm, forward):
    try:
        return _NORMS[norm][not forward]
    except (KeyError, TypeError):
        raise RuntimeError(f'Invalid normalization mode: "{norm}"') from None


def _float_dtype(name, dtype):
    """The dtype of the real numbers that the transform works with."""
    if dtype in (_C.float16, _C.bfloat16):
        raise RuntimeError(f"{name}: Unsupported dtype {dtype}; use float32 or float64")
    return dtype if dtype.is_floating_point else _C.get_default_dtype()


def _as_complex(name, input):
    dtype = input.dtype
    return input if dtype.is_complex else cast(input, _float_dtype(name, dtype).to_complex())


def _as_real(name, input):
    dtype = input.dtype
    if dtype is _C.float32 or dtype is _C.float64:
        return input
    if dtype.is_complex:
        raise RuntimeError(f"{name} expects a real input tensor, but got {dtype}")
    return cast(input, _float_dtype(name, dtype))


def _integer(name, argument, value):
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name}(): argument '{argument}' must be int, not {type(value).__name__}")
    return value.__index__()


def _axis(name, dim, ndim):
    """One axis, counted from the front."""
    if type(dim) is not int:
        dim = _integer(name, "dim", dim)
    if ndim == 0:
        raise IndexError(f"{name}: Dimension specified as {dim} but tensor has no dimensions")
    if not -ndim <= dim < ndim:
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}],"
            f" but got {dim})"
        )
    return dim % ndim


def _length(name, n):
    if n is None:
        return None
    n = _integer(name, "n", n)
    if n < 1:
        raise RuntimeError(f"{name}: Invalid number of data points ({n}) specified")
    return n


def _resized(input, axes, sizes):
    """The input cut off or filled up with zeros at the end of axes; None leaves one as it is."""
    if not any(sizes):
        return input
    widths = [0] * (2 * input.ndim)
    for axis, size in zip(axes, sizes, strict=True):
        have = input.shape[axis]
        if size is None:
            continue
        if size < have:
            input = narrow(input, axis, 0, size)
        elif size > have:
            widths[2 * (input.ndim - 1 - axis % input.ndim) + 1] = size - have
    return constant_pad(input, tuple(widths), 0) if any(widths) else input


def _sequence(name, argument, value):
    """A list of integers; one integer stands for a list of one."""
    if not isinstance(value, (tuple, list)):
        value = (value,)
    return [_integer(name, argument, v) for v in value]


def _axes(name, input, s, dim):
    """The axes of a transform over several, and their sizes before it (None: as they are)."""
    ndim = input.ndim
    if dim is not None:
        axes = [_axis(name, d, ndim) for d in _sequence(name, "dim", dim)]
        if len(set(axes)) < len(axes):
            raise RuntimeError(f"{name}: FFT dims must be unique, got {tuple(axes)}")
    if s is None:
        axes = list(range(ndim)) if dim is None else axes
        return axes, [None] * len(axes)
    sizes = [None if size == -1 else size for size in _sequence(name, "s", s)]
    if dim is None:
        if len(sizes) > ndim:
            raise RuntimeError(
                f"{name}: Got shape with {len(sizes)} values but input tensor only has {ndim}"
                " dimensions."
            )
        axes = list(range(ndim - len(sizes), ndim))
    elif len(sizes) != len(axes):
        raise RuntimeError(
            f"{name}: When given, dim and shape arguments must have the same length: s is"
            f" {tuple(sizes)}, dim is {tuple(axes)}"
        )
    return axes, [_length(name, size) for size in sizes]


# ---- transforms over some axes, which all others are made of ----


def _c2c(name, input, axes, sizes, norm, forward):
    if forward and len(axes) == 1 and not input.dtype.is_complex:
        return _r2c(name, input, axes, sizes, norm, True, onesided=False)
    input = _as_complex(name, input)
    input = _resized(input, axes, sizes)
    norm = _norm(norm, forward)
    return c2c(input, axes, norm, forward) if axes else input.clone()


def _r2c(name, input, axes, sizes, norm, forward, onesided=True):
    """Always the forward transform; the norm may be that of an inverse one."""
    input = _as_real(name, input)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    input = _resized(input, axes, sizes)
    return r2c(input, axes, _norm(norm, forward), onesided)


def _c2r(name, input, axes, sizes, norm, forward):
    """Always the inverse transform; the norm may be that of a forward one."""
    input = _as_complex(name, input)
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    *outer, last = sizes
    if last is None:
        last = _length(name, 2 * (input.shape[axes[-1]] - 1))
    input = _resized(input, axes, [*outer, last // 2 + 1])
    return c2r(input, axes, _norm(norm, forward), last)


def _hermitian_to_real(name, input, axes, sizes, norm):
    """Forward over all axes of a spectrum-like signal, whose half is given along the last."""
    input = _as_complex(name, input)
    if len(axes) > 1:
        input = _c2c(name, input, axes[:-1], sizes[:-1], norm, True)
    return _c2r(name, input.conj(), axes[-1:], sizes[-1:], norm, True)


def _real_to_hermitian(name, input, axes, sizes, norm):
    """The inverse of the above."""
    if not axes:
        raise RuntimeError(f"{name} must transform at least one axis")
    input = _as_real(name, input)
    input = _resized(input, axes, sizes)
    half = _r2c(name, input, axes[-1:], [None], norm, False).conj()
    if len(axes) == 1:
        return half
    return _c2c(name, half, axes[:-1], [None] * (len(axes) - 1), norm, False)


# ---- the public functions ----

# For each kind: what computes it from (name, input, axes, sizes, norm), what it is, what `n` means,
# and its result for [1., 2., 3.].
_KINDS = {
    "fft": (
        partial(_c2c, forward=True),
        "The discrete Fourier transform{}: sums of input[j] exp(-2 pi i j k / n) over j.",
        "the length, to which the input is cut or filled up with zeros before the transform",
        "tensor([ 6.0000+0.0000j, -1.5000+0.8660j, -1.5000-0.8660j])",
    ),
    "ifft": (
        partial(_c2c, forward=False),
        "The inverse of the Fourier transform{}.",
        "the length, to which the input is cut or filled up with zeros before the transform",
        "tensor([ 2.0000+0.0000j, -0.5000-0.2887j, -0.5000+0.2887j])",
    ),
    "rfft": (
        partial(_r2c, forward=True),
        "The Fourier transform{} of real numbers, without the elements that mirror others.",
        "the length, to which the input is cut or filled up with zeros before the transform",
        "tensor([ 6.0000+0.0000j, -1.5000+0.8660j])",
    ),
    "irfft": (
        partial(_c2r, forward=False),
        "The real numbers{} whose `rfft` is the input.",
        "the length of the result (default 2 * (input size - 1))",
        "tensor([ 2.0000, -0.5000,  0.0000, -0.5000])",
    ),
    "hfft": (
        _hermitian_to_real,
        "The real Fourier transform{} of a signal that mirrors its conjugate; half of it is given.",
        "the length of the result (default 2 * (input size - 1))",
        "tensor([ 8., -2.,  0., -2.])",
    ),
    "ihfft": (
        _real_to_hermitian,
        "Half of a signal{} that mirrors its conjugate, from its real Fourier transform.",
        "the length, to which the input is cut or filled up with zeros before the transform",
        "tensor([ 2.0000-0.0000j, -0.5000-0.2887j])",
    ),
}


def _declare(forward, name, summary, arguments, example, settings):
    """Registers one of the transforms, with its docstring and samples."""
    lines = [summary, "", "    Args:"]
    lines.append("        input: a tensor; integers become floats.")
    lines += [f"        {line}" for line in arguments]
    lines.append(
        '        norm: where to divide by the number of elements n: "backward" (the default)'
    )
    lines.append('            in the inverse transform, "forward" in the forward one, "ortho" by')
    lines.append("            sqrt(n) in both.")
    lines += ["", "    Returns:", "        A new tensor.", "", "    Raises:"]
    lines.append("        RuntimeError: for sizes below one, an unknown norm or 16-bit floats.")
    lines.append("        IndexError: for an axis that is not there.")
    lines += ["", "    Example:", *(f"        {line}" for line in example), "    "]
    forward.__doc__ = "\n".join(lines)
    forward.__name__ = name

    def samples(s):
        for shape, keywords in settings:
            yield s(s.tensor(*shape), **keywords)
            if name.rstrip("2n") not in ("rfft", "ihfft"):
                yield s(s.tensor(*shape, dtype=_C.complex128), **keywords)

    return op(
        forward,
        name=f"fft.{name}",
        public=False,
        torch=f"fft.{name}",
        samples=samples,
        gradcheck=False,  # as for the three transforms above
    )


def _along_one_axis(kind):
    transform, summary, n_means, printed = _KINDS[kind]
    name = f"fft_{kind}"

    def forward(input, n=None, dim=-1, norm=None):
        axis = _axis(name, dim, of(input).ndim)
        return transform(name, input, (axis,), (_length(name, n),), norm)

    arguments = (f"n: {n_means}.", "dim: the axis.")
    example = (f">>> flambeau.fft.{kind}(flambeau.tensor([1., 2., 3.]))", printed)
    settings = (
        ((5,), {}),
        ((3, 4), {"n": 6, "norm": "ortho"}),
        ((3, 4), {"n": 3, "dim": 0, "norm": "forward"}),
        ((4, 3), {"n": 2, "dim": -2, "norm": "backward"}),
    )
    summary = summary.format(" along one axis")
    return _declare(forward, kind, summary, arguments, example, settings)


def _along_several_axes(kind):
    transform, summary, n_means, _ = _KINDS[kind]
    several, two = f"fft_{kind}n", f"fft_{kind}2"

    def forward_several(input, s=None, dim=None, norm=None):
        axes, sizes = _axes(several, of(input), s, dim)
        return transform(several, input, axes, sizes, norm)

    def forward_two(input, s=None, dim=(-2, -1), norm=None):
        axes, sizes = _axes(two, of(input), s, dim)
        return transform(two, input, axes, sizes, norm)

    sizes = f"s: the sizes, -1 to leave one as it is. The last: {n_means}."
    settings = (
        ((2, 3, 4), {}),
        ((3, 4), {"s": (4, 3), "norm": "ortho"}),
        ((3, 4, 2), {"s": (-1, 6), "dim": (2, 0), "norm": "forward"}),
    )
    for forward, name, where, which in (
        (forward_two, f"{kind}2", " over two axes", "default: the last two"),
        (forward_several, f"{kind}n", " over several axes", "default: all, or the last len(s)"),
    ):
        example = (f">>> flambeau.fft.{name}(flambeau.ones(2, 2)).shape", "torch.Size([2, 2])")
        arguments = (sizes, f"dim: the axes ({which}).")
        yield _declare(forward, name, summary.format(where), arguments, example, settings)


fft = _along_one_axis("fft")
ifft = _along_one_axis("ifft")
rfft = _along_one_axis("rfft")
irfft = _along_one_axis("irfft")
hfft = _along_one_axis("hfft")
ihfft = _along_one_axis("ihfft")
fft2, fftn = _along_several_axes("fft")
ifft2, ifftn = _along_several_axes("ifft")
rfft2, rfftn = _along_several_axes("rfft")
irfft2, irfftn = _along_several_axes("irfft")
hfft2, hfftn = _along_several_axes("hfft")
ihfft2, ihfftn = _along_several_axes("ihfft")

# ---- frequencies and the order of a spectrum ----


def _frequencies(name, doc, half, printed):
    """Declares `fftfreq`, or with `half` `rfftfreq`."""

    def frequencies(
        n,
        d=1.0,
        *,
        out=None,
        dtype=None,
        layout=None,
        device=None,
        pin_memory=False,
        requires_grad=False,
    ):
        n = _integer(name, "n", n)
        if not isinstance(d, (int, float)):
            raise TypeError(f"{name}(): argument 'd' must be float, not {type(d).__name__}")
        if dtype is None:
            dtype = _C.get_default_dtype() if out is None else out.dtype
        if not (dtype.is_floating_point or dtype.is_complex):
            raise RuntimeError(f"{name} requires a floating point or complex dtype, got {dtype}")
        if n < 0:
            raise RuntimeError(f"{name}: the number of samples must not be negative, got {n}")
        count = n // 2 + 1 if half else n
        made = arange(count, dtype=dtype, layout=layout, device=device, pin_memory=pin_memory)
        if not half:
            made[(n + 1) // 2 :] -= n
        made *= 1.0 / (n * d) if n * d else float("inf")
        if out is not None:
            return write_into(out, made, dtype)
        return made.requires_grad_() if requires_grad else made

    frequencies.__name__ = name
    frequencies.__doc__ = f"""{doc}

    Args:
        n: how many samples.
        d: the time between two of them.
        out: a tensor for the result.
        dtype: the default floating type unless given.
        layout, device, pin_memory, requires_grad: as of `tensor`.

    Returns:
        A tensor of {"n // 2 + 1" if half else "n"} frequencies.

    Raises:
        RuntimeError: for a negative n or a dtype of integers.

    Example:
        >>> flambeau.fft.{name}(5)
        {printed}
    """
    return checked(frequencies)


fftfreq = _frequencies(
    "fftfreq",
    "The frequencies that belong to the elements of `fft`: [0, 1, ..., -2, -1] / (n d).",
    False,
    "tensor([ 0.0000,  0.2000,  0.4000, -0.4000, -0.2000])",
)
rfftfreq = _frequencies(
    "rfftfreq",
    "The frequencies that belong to the elements of `rfft`: [0, 1, ..., n // 2] / (n d).",
    True,
    "tensor([0.0000, 0.2000, 0.4000])",
)


def _shift_samples(s):
    yield s(s.tensor(5))
    yield s(s.tensor(3, 4))
    yield s(s.tensor(3, 4), dim=1)
    yield s(s.tensor(3, 4, 2), dim=(0, -1))
    yield s(s.tensor(0, 3))


def _shift(name, doc, halves, printed):
    def forward(input, dim=None):
        ndim = of(input).ndim
        axes = list(range(ndim)) if dim is None else _sequence(name, "dim", dim)
        axes = [_axis(name, axis, ndim) for axis in axes]
        if not axes:
            raise RuntimeError(f"{name}: there must be an axis to shift along")
        return roll(input, [halves(input.shape[axis]) for axis in axes], axes)

    forward.__doc__ = f"""{doc}

    Args:
        input: any dtype and sizes.
        dim: the axes (default all).

    Returns:
        A new tensor.

    Example:
        >>> flambeau.fft.{name}(flambeau.arange(5))
        {printed}
    """
    forward.__name__ = name
    return op(
        forward,
        name=f"fft.{name}",
        public=False,
        out=False,
        torch=f"fft.{name}",
        samples=_shift_samples,
    )


fftshift = _shift(
    "fftshift",
    "A spectrum with its zero frequency moved from the front to the middle.",
    lambda size: size // 2,
    "tensor([3, 4, 0, 1, 2])",
)
ifftshift = _shift(
    "ifftshift",
    "Undoes `fftshift`: the zero frequency goes back to the front.",
    lambda size: (size + 1) // 2,
    "tensor([2, 3, 4, 0, 1])",
)
