"""Resizing of sequences, images and volumes along their spatial axes."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    RuntimeFailure,
    ShapeError,
    UnsupportedError,
)
from flambeau.core.notices import warn
from flambeau.core.registry import checked, op
from flambeau.ops._declare import require_tensors
from flambeau.ops.pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

#: By mode and number of spatial axes, "a" for antialiased: the kernel's mode and the node's stem.
_KINDS = {
    "nearest 1": ("nearest", "UpsampleNearest1D"),
    "nearest 2": ("nearest", "UpsampleNearest2D"),
    "nearest 3": ("nearest", "UpsampleNearest3D"),
    "nearest-exact 1": ("nearest-exact", "UpsampleNearestExact1D"),
    "nearest-exact 2": ("nearest-exact", "UpsampleNearestExact2D"),
    "nearest-exact 3": ("nearest-exact", "UpsampleNearestExact3D"),
    "linear 1": ("linear", "UpsampleLinear1D"),
    "bilinear 2": ("linear", "UpsampleBilinear2D"),
    "trilinear 3": ("linear", "UpsampleTrilinear3D"),
    "bicubic 2": ("cubic", "UpsampleBicubic2D"),
    "bilinear 2a": ("linear_aa", "UpsampleBilinear2DAa"),
    "bicubic 2a": ("cubic_aa", "UpsampleBicubic2DAa"),
    "lanczos 2a": ("lanczos_aa", "UpsampleLanczos2DAa"),
}
_MODES = "nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact"
_CORNERED = ("linear", "bilinear", "bicubic", "trilinear")


# ---- the linear map and its adjoint ----


def _samples(s):
    yield s(s.tensor(2, 3, 4), (7,), "nearest 1")
    yield s(s.tensor(2, 1, 5), (3,), "linear 1")
    yield s(s.tensor(1, 2, 4, 5), (3, 8), "nearest 2")
    yield s(s.tensor(1, 2, 4, 5), (7, 4), "nearest-exact 2")
    yield s(s.tensor(2, 2, 4, 5), (8, 3), "bilinear 2")
    yield s(s.tensor(1, 2, 3, 3), (5, 6), "bilinear 2", True)
    yield s(s.tensor(1, 2, 3, 4), (7, 9), "bilinear 2", False, (2.4, 2.3))
    yield s(s.tensor(1, 2, 4, 5), (6, 3), "bicubic 2")
    yield s(s.tensor(1, 1, 7, 6), (3, 4), "bilinear 2a")
    yield s(s.tensor(1, 1, 7, 6), (3, 8), "bicubic 2a")
    yield s(s.tensor(1, 1, 7, 6), (3, 8), "lanczos 2a")
    yield s(s.tensor(1, 1, 2, 3, 4), (4, 2, 3), "trilinear 3")
    yield s(s.tensor(0, 1, 2, 3), (4, 2), "bilinear 2")


@op(
    public=False,
    out=False,
    backward_name="UpsampleNearest1D",
    overloads={f"kind = {kind}": f"{stem}Backward0" for kind, (_, stem) in _KINDS.items()},
    torch="",
    samples=_samples,
)
def _interpolate(input, size, kind, align_corners=False, scales=()):
    return kernels(input).interpolate(input, size, _KINDS[kind][0], align_corners, scales)


@_interpolate.vjp("input")
def _(g, kind, align_corners, scales, input_shape):
    return _interpolate_backward(g, tuple(input_shape[2:]), kind, align_corners, scales)


def _backward_samples(s):
    yield s(s.tensor(1, 2, 8, 3), (4, 5), "bilinear 2")
    yield s(s.tensor(1, 2, 8, 3), (4, 5), "bicubic 2", True)
    yield s(s.tensor(1, 2, 7), (4,), "nearest 1")
    yield s(s.tensor(1, 1, 3, 8), (7, 6), "bilinear 2a")


@op(public=False, out=False, backward_name="UpsampleBackward", torch="", samples=_backward_samples)
def _interpolate_backward(grad, size, kind, align_corners=False, scales=()):
    """The adjoint of _interpolate."""
    return kernels(grad).interpolate_backward(grad, size, _KINDS[kind][0], align_corners, scales)


@_interpolate_backward.vjp("grad")
def _(g, kind, align_corners, scales, grad_shape):
    return _interpolate(g, tuple(grad_shape[2:]), kind, align_corners, scales)


# ---- arguments ----


def _per_axis(value, name, types, input):
    """A number, or one for each spatial axis, as the latter."""
    axes = input.ndim - 2
    if not isinstance(value, (tuple, list)):
        value = (value,) * axes
    elif len(value) != axes:
        own = name == "size"
        what = f"output size of {value}" if own else f"scale_factor of shape {value}"
        letter = "o" if own else "s"
        raise ArgumentValueError(
            f"Input and {'output' if own else name} must have the same number of spatial "
            "dimensions, but got input with spatial dimensions of "
            f"{list(input.shape[2:])} and {what}. Please provide input tensor in "
            f"(N, C, d1, d2, ...,dK) format and {'output size' if own else name} in "
            f"({letter}1, {letter}2, ...,{letter}K) format."
        )
    value = tuple(map(_number_of, value))
    if not all(isinstance(v, types) and not isinstance(v, bool) for v in value):
        raise ArgumentTypeError(
            f"interpolate: expected {name} to be one of {types[0].__name__} or Tuple[int] or "
            f"Tuple[int, int] or Tuple[int, int, int], but got {name} with types "
            f"{[type(v) for v in value]}"
        )
    return value


def _number_of(value):
    """What stands in a tensor without axes, or in a number of NumPy's."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _scaled(input, factors):
    """The spatial sizes that the factors lead to."""
    try:
        return tuple(int(n * f) for n, f in zip(input.shape[2:], factors, strict=True))
    except (OverflowError, ValueError):
        raise RuntimeFailure(
            f"interpolate: scale_factor must be finite, got {list(factors)}"
        ) from None


def _check_sizes(input, size):
    """No axis that is resized may be empty, nor the channels."""
    names = "DHW"[-len(size) :]
    if min(size) <= 0 or min(input.shape[2:]) <= 0:
        before, after = (
            "(" + ", ".join(f"{n}: {v}" for n, v in zip(names, sizes, strict=True)) + ")"
            for sizes in (input.shape[2:], size)
        )
        raise ShapeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{before}{' and' if len(size) == 1 else ''} output {after}"
        )
    if input.shape[1] == 0:
        raise ShapeError(
            f"Non-empty {input.ndim}D data tensor expected but got a tensor with sizes "
            f"{list(input.shape)}"
        )


def _check_kind(input, mode, antialias):
    """The name of what to compute, if there is such a thing for this many axes and this dtype."""
    axes = input.ndim - 2
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and axes == 2):
        raise ArgumentValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            "a 4-D tensor as input"
        )
    if mode == "lanczos" and axes == 2 and not antialias:
        raise ArgumentValueError("Lanczos mode requires antialias=True")
    needed = {"linear": 1, "bilinear": 2, "trilinear": 3}.get(mode, axes)
    if 1 <= axes <= 3 and needed != axes:
        raise UnsupportedError(
            f"Got {input.ndim}D input, but {mode} mode needs {needed + 2}D input"
        )
    kind = f"{mode} {axes}{'a' if antialias else ''}"
    if not (kind in _KINDS or (mode == "area" and 1 <= axes <= 3)):
        raise UnsupportedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported "
            f"(got {input.ndim}D) for the modes: {_MODES} (got {mode})"
        )
    half = input.dtype in (_C.float16, _C.bfloat16)
    bytes_too = mode in ("nearest", "nearest-exact") or (axes == 2 and mode != "area")
    if not (
        (input.dtype.is_floating_point and not (half and antialias))
        or (input.dtype == _C.uint8 and bytes_too)
    ):
        raise UnsupportedError(f"interpolate: mode {mode} is not implemented for {input.dtype}")
    return kind


#: By the number of axes: the means of windows.
_AREA = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


# ---- public forms ----


@checked
def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """The input at another resolution, along all axes behind the channels.

    Args:
        input: (N, C, d1), (N, C, d1, d2) or (N, C, d1, d2, d3).
        size: the new spatial sizes, one number or one per axis.
        scale_factor: instead of `size`: how much larger to become, one number or one per axis.
        mode: "nearest" (rounding positions down), "nearest-exact" (the nearest centre), "linear",
            "bilinear", "trilinear" for one, two, three axes, "bicubic" (cubic convolution,
            R. Keys, 1981, with a = -0.75), "lanczos" (with antialias only), "area" (means of
            windows).
        align_corners: whether the centres of the first and last elements stay where they are,
            rather than their outer edges; for the linear and cubic modes.
        recompute_scale_factor: take the scale from the rounded sizes, not from `scale_factor`.
        antialias: stretch the interpolating kernel when the image shrinks, as Pillow does; for
            "bilinear", "bicubic" and "lanczos".

    Returns:
        (N, C, *sizes), of the input's dtype and memory format.

    Raises:
        ValueError: if not exactly one of size and scale_factor is given, or the options do not fit
            each other.
        NotImplementedError: if there is no such mode for this number of axes or dtype.
        RuntimeError: if a size is not positive.

    Example:
        >>> x = flambeau.tensor([[[1., 2., 4.]]])
        >>> flambeau.nn.functional.interpolate(x, scale_factor=2, mode="linear")
        tensor([[[1.0000, 1.2500, 1.7500, 2.5000, 3.5000, 4.0000]]])
    """
    require_tensors("interpolate", input=input)
    if align_corners is not None and mode in ("nearest", "area", "nearest-exact"):
        raise ArgumentValueError(
            "align_corners option can only be set with the interpolating modes: "
            + " | ".join(_CORNERED)
        )
    if size is not None and scale_factor is not None:
        raise ArgumentValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ArgumentValueError("either size or scale_factor should be defined")
    if size is not None and recompute_scale_factor:
        raise ArgumentValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if not isinstance(mode, str) or not 3 <= input.ndim <= 5:
        raise UnsupportedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported "
            f"(got {input.ndim}D) for the modes: {_MODES} (got {mode})"
        )
    scales = ()
    if size is not None:
        size = _per_axis(size, "size", (int,), input)
    else:
        factors = _per_axis(scale_factor, "scale_factor", (float, int), input)
        size = _scaled(input, factors)
        if not recompute_scale_factor:
            scales = tuple(map(float, factors))
    kind = _check_kind(input, mode, antialias)
    if mode == "area":
        return _AREA[len(size)](input, size)
    _check_sizes(input, size)
    return _interpolate(input, size, kind, bool(align_corners), scales)


def _deprecated(name):
    warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
    )


@checked
def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """The former name of `interpolate`; warns.

    Args:
        input: (N, C, d1), (N, C, d1, d2) or (N, C, d1, d2, d3).
        size: the new spatial sizes, one number or one per axis.
        scale_factor: instead of `size`: how much larger to become.
        mode: see `interpolate`.
        align_corners: see `interpolate`.

    Returns:
        (N, C, *sizes).

    Raises:
        ValueError: if not exactly one of size and scale_factor is given.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     flambeau.nn.functional.upsample(flambeau.tensor([[[1., 2.]]]), scale_factor=2)
        tensor([[[1., 1., 2., 2.]]])
    """
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


@checked
def upsample_nearest(input, size=None, scale_factor=None):
    """The former name of `interpolate(mode="nearest")`; warns.

    Args:
        input: (N, C, d1), (N, C, d1, d2) or (N, C, d1, d2, d3).
        size: the new spatial sizes, one number or one per axis.
        scale_factor: instead of `size`: how much larger to become.

    Returns:
        (N, C, *sizes).

    Raises:
        ValueError: if not exactly one of size and scale_factor is given.

    Example:
        >>> import warnings
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     flambeau.nn.functional.upsample_nearest(flambeau.tensor([[[1., 2.]]]), size=3)
        tensor([[[1., 1., 2.]]])
    """
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@checked
def upsample_bilinear(input, size=None, scale_factor=None):
    """The former name of `interpolate(mode="bilinear", align_corners=True)`; warns.

    Args:
        input: (N, C, H, W).
        size: the new height and width.
        scale_factor: instead of `size`: how much larger to become.

    Returns:
        (N, C, *sizes).

    Raises:
        ValueError: if not exactly one of size and scale_factor is given.

    Example:
        >>> import warnings
        >>> image = flambeau.tensor([[[[1., 2.]]]])
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     flambeau.nn.functional.upsample_bilinear(image, size=(1, 3))
        tensor([[[[1.0000, 1.5000, 2.0000]]]])
    """
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
