"""Images and volumes sampled at positions that a grid names, and grids of affine maps."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import (
    ArgumentValueError,
    DTypeError,
    RuntimeFailure,
    ShapeError,
    UnsupportedError,
)
from flambeau.core.notices import warn
from flambeau.core.registry import checked, function, op
from flambeau.ops._declare import require_tensors
from flambeau.ops.join import stack
from flambeau.ops.masks import where
from flambeau.ops.ranges import linspace

_MODES = ("bilinear", "nearest", "bicubic")
_PADDINGS = ("zeros", "border", "reflection")
_LINEAR, _NEAREST, _CUBIC = range(3)
_ZEROS, _BORDER, _REFLECTION = range(3)


# ---- the inputs that a position reads, in differentiable operations ----


def _clipped(at, sign, size):
    """Coordinates brought into [0, size - 1], NaN to 0; at the edges nothing moves."""
    inside = (at > 0) & (at < size - 1)
    return where(at > 0, at, at.new_zeros(())).clamp(max=size - 1), sign * inside


def _reflected(at, sign, size, align_corners):
    """Coordinates mirrored at the edges until they are inside."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    if span <= 0:
        return at.new_zeros(at.shape), sign * 0
    distance = (at - low).abs()
    flips = (distance / span).floor()
    extra = distance - flips * span
    odd = flips % 2 != 0
    turned = odd != (at < low)
    return where(odd, span - extra, extra) + low, where(turned, -sign, sign)


def _padded(at, sign, size, padding, align_corners):
    if padding == _REFLECTION:
        at, sign = _reflected(at, sign, size, align_corners)
    return (at, sign) if padding == _ZEROS else _clipped(at, sign, size)


def _index(at, size):
    """Integral coordinates as indices, and whether they are inside."""
    inside = (at >= 0) & (at < size)
    return where(inside, at, at.new_zeros(())).to(_C.int64), inside


def _cubic(t):
    """Weights of the four neighbours (R. Keys, 1981, a = -0.75) and their derivatives by t."""
    a = -0.75

    def near(x):
        return ((a + 2) * x - (a + 3)) * x * x + 1, (3 * (a + 2) * x - 2 * (a + 3)) * x

    def far(x):
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a, (3 * a * x - 10 * a) * x + 8 * a

    left, right = (far(t + 1), near(t)), (near(1 - t), far(2 - t))
    return [*left, *((weight, -slope) for weight, slope in right)]


def _axis_taps(coordinate, size, mode, padding, align_corners):
    """Per tap of one axis: index, whether it is inside, weight, derivative by the coordinate."""
    factor = (size - 1 if align_corners else size) / 2
    place = (coordinate + 1) * factor - (0 if align_corners else 0.5)
    at, sign = place.detach(), place.new_ones(place.shape)
    if mode == _CUBIC:
        low = at.floor()
        corners = [
            _padded(low + k, sign, size, padding, align_corners)[0].detach() for k in range(-1, 3)
        ]
        return [
            (*_index(corner, size), weight, slope * factor)
            for corner, (weight, slope) in zip(corners, _cubic(place - low), strict=True)
        ]
    at, sign = _padded(at, sign, size, padding, align_corners)
    if mode == _NEAREST:
        return [(*_index(at.round(), size), sign * 0 + 1, sign * 0)]
    low = at.floor()
    t = at - low + sign * (place - place.detach())
    return [
        (*_index(low, size), 1 - t, -sign * factor),
        (*_index(low + 1, size), t, sign * factor),
    ]


def _taps(input, grid, mode, padding, align_corners):
    """Per tap: the place in a plane, the weight, its derivatives by the coordinates of the grid.

    Each is (n, positions), the places (n, 1, positions); what is outside weighs nothing.
    """
    sizes = input.shape[2:]
    flat = grid.reshape(grid.shape[0], -1, len(sizes))
    axes = [
        _axis_taps(flat[..., d], size, mode, padding, align_corners)
        for d, size in enumerate(reversed(sizes))
    ]
    found = [(0, True, 1, ())]
    for axis, size in zip(reversed(axes), sizes, strict=True):
        found = [
            (
                place * size + index,
                inside & valid,
                weight * w,
                (weight * slope, *(s * w for s in slopes)),
            )
            for place, valid, weight, slopes in found
            for index, inside, w, slope in axis
        ]
    return [
        (place.unsqueeze(1), weight * inside, [s * inside for s in slopes])
        for place, inside, weight, slopes in found
    ]


def _gradients(g, input, grid, mode, padding, align_corners, needs):
    """The gradients of input and grid as functions that have gradients themselves."""
    planes, g = input.flatten(2), g.flatten(2)
    by_input, products = planes.new_zeros(planes.shape), []
    taps = _taps(input, grid, mode, padding, align_corners)
    for place, weight, _ in taps:
        place = place.expand(g.shape)
        if needs[0]:
            by_input = by_input.scatter_add(2, place, g * weight.unsqueeze(1))
        if needs[1]:
            products.append((planes.gather(2, place) * g).sum(1))
    by_grid = None
    if needs[1]:
        by_axis = [
            sum(product * slopes[d] for product, (_, _, slopes) in zip(products, taps, strict=True))
            for d in range(grid.shape[-1])
        ]
        by_grid = stack(by_axis, -1).reshape(grid.shape)
    return by_input.reshape(input.shape) if needs[0] else None, by_grid


# ---- sampling ----


def _check(input, grid, axes):
    """What the kernels do not check: dtypes for which there are none."""
    for name, value in (("input", input), ("grid", grid)):
        if not value.dtype.is_floating_point:
            raise UnsupportedError(
                f"grid_sampler(): {name} must have a floating point dtype, got {value.dtype}"
            )
    if input.dtype != grid.dtype:
        raise DTypeError(
            f"grid_sampler(): expected input and grid of one dtype, got {input.dtype} and "
            f"{grid.dtype}"
        )
    if axes and not input.ndim == grid.ndim == axes + 2:
        raise ShapeError(
            f"grid_sampler(): expected {axes + 2}D input and grid with same number of dimensions, "
            f"but got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )


def _samples(*sizes):
    def samples(s):
        axes, out = len(sizes), (3, 2, 4)[: len(sizes)]
        for mode in range(3 if axes == 2 else 2):
            for padding in range(3):
                grid = s.tensor(2, *out, axes, low=-1.3, high=1.3)
                yield s(s.tensor(2, 2, *sizes), grid, mode, padding, padding == 1)
        yield s(s.tensor(0, 2, *sizes), s.tensor(0, *out, axes), 0, 0, False)
        yield s(s.tensor(1, 0, *sizes), s.tensor(1, *out, axes), 0, 0, False)

    return samples


def _sampler(name, node, what, sizes):
    """Declares the sampling of images or volumes."""
    axes = len(sizes)

    def forward(input, grid, interpolation_mode, padding_mode, align_corners):
        _check(input, grid, axes)
        return kernels(input).grid_sample(
            input, grid, interpolation_mode, padding_mode, align_corners
        )

    inner = "h, w" if axes == 2 else "d, h, w"
    image = "[" * (axes + 1) + "1.0, 3.0" + "]" * (axes + 1)
    forward.__doc__ = f"""`grid_sample` of {what}, with numbers for its modes.

    Args:
        input: (n, c, {inner}), floating.
        grid: (n, *points, {axes}), of input's dtype: places between -1 and 1, the last axis first.
        interpolation_mode: 0 bilinear, 1 nearest, 2 bicubic (of images only).
        padding_mode: what lies outside: 0 zeros, 1 the border, 2 the reflection.
        align_corners: whether -1 and 1 are the centres of the outermost elements, not their edges.

    Returns:
        (n, c, *points).

    Raises:
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> x = flambeau.tensor([{image}])
        >>> middle = flambeau.zeros({"1, " * (axes + 1)}{axes})
        >>> flambeau.{name}(x, middle, 0, 0, True).item()
        2.0
    """
    sampler = op(
        forward,
        name=name,
        backward_name=node,
        out=False,
        samples=_samples(*sizes),
        # PyTorch computes bfloat16 in bfloat16; tests/ops/test_grid.py compares the others.
        torch="",
    )

    @sampler.vjp("input", "grid")
    def _(g, input, grid, interpolation_mode, padding_mode, align_corners, needs):
        return _gradients(g, input, grid, interpolation_mode, padding_mode, align_corners, needs)

    @sampler.fast_vjp("input", "grid")
    def _(g, input, grid, interpolation_mode, padding_mode, align_corners, needs):
        found = kernels(g).grid_sample_backward(
            g, input, grid, interpolation_mode, padding_mode, align_corners, *map(bool, needs)
        )
        return tuple(x if need else None for x, need in zip(found, needs, strict=True))

    return sampler


grid_sampler_2d = _sampler("grid_sampler_2d", "GridSampler2D", "images", (4, 5))
grid_sampler_3d = _sampler("grid_sampler_3d", "GridSampler3D", "volumes", (2, 3, 4))


@function
def grid_sampler(input, grid, interpolation_mode, padding_mode, align_corners):
    """`grid_sample` with numbers for its modes.

    Args:
        input: (n, c, h, w) or (n, c, d, h, w), floating.
        grid: (n, *points, axes), places between -1 and 1.
        interpolation_mode: 0 bilinear, 1 nearest, 2 bicubic (of four axes only).
        padding_mode: what lies outside: 0 zeros, 1 the border, 2 the reflection.
        align_corners: whether -1 and 1 are the centres of the outermost elements, not their edges.

    Returns:
        (n, c, *points).

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> x = flambeau.tensor([[[[1.0, 3.0]]]])
        >>> middle = flambeau.zeros(1, 1, 1, 2)
        >>> flambeau.grid_sampler(x, middle, 0, 0, True)
        tensor([[[[2.]]]])
    """
    sampler = grid_sampler_3d if input.ndim == 5 else grid_sampler_2d
    if input.shape[:1] != grid.shape[:1]:
        raise ShapeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with "
            f"sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.ndim > 2 and grid.ndim and grid.shape[-1] != input.ndim - 2:
        raise ShapeError(
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but "
            f"got grid with sizes {list(grid.shape)}"
        )
    return sampler(input, grid, interpolation_mode, padding_mode, align_corners)


def _corners(align_corners):
    if align_corners is None:
        warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
            "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
            "documentation of grid_sample for details.",
        )
    return bool(align_corners)


@checked
def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """The input at the positions of a grid.

    Args:
        input: (N, C, H, W) or (N, C, D, H, W).
        grid: (N, h, w, 2) or (N, d, h, w, 3): positions, x first, from -1 at one edge of the input
            to 1 at the other.
        mode: "bilinear" (of volumes trilinear), "nearest", or for images "bicubic" (cubic
            convolution, R. Keys, 1981, with a = -0.75).
        padding_mode: what lies outside: "zeros", the "border", or the "reflection" of the inside.
        align_corners: whether -1 and 1 are the centres of the first and last elements, rather than
            their outer edges (False, which is assumed with a warning).

    Returns:
        (N, C, h, w) or (N, C, d, h, w).

    Raises:
        ValueError: for an unknown mode.
        RuntimeError: if sizes or dtypes do not fit.

    Example:
        >>> x = flambeau.tensor([[[[1., 2.], [3., 4.]]]])
        >>> centre = flambeau.zeros(1, 1, 1, 2)
        >>> flambeau.nn.functional.grid_sample(x, centre, align_corners=False)
        tensor([[[[2.5000]]]])
    """
    if mode not in _MODES:
        raise ArgumentValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', "
            f"but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ArgumentValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or "
            f"'reflection', but got: '{padding_mode}'"
        )
    require_tensors("grid_sample", input=input, grid=grid)
    corners = _corners(align_corners)
    return grid_sampler(input, grid, _MODES.index(mode), _PADDINGS.index(padding_mode), corners)


# ---- grids of affine maps ----


def _line(n, like, align_corners):
    """Coordinates of n elements from -1 to 1.

    In the order of PyTorch's operations: under the identity the points lie on the pixels' centres,
    where the slope of a sample jumps, so that the last bit decides which slope a network sees.
    """
    if n == 1:
        return like.new_zeros((1,))
    line = linspace(-1, 1, n, dtype=like.dtype)
    return line if align_corners else line * (n - 1) / n


def _base(theta, sizes, align_corners):
    """Homogeneous coordinates of all positions, x first: (positions, axes + 1)."""
    axes = len(sizes)
    columns = [
        _line(n, theta, align_corners).reshape([-1 if d == k else 1 for d in range(axes)])
        for k, n in enumerate(sizes)
    ]
    ones = theta.new_ones(sizes)
    return stack([*(c.expand(sizes) for c in reversed(columns)), ones], -1).reshape(-1, axes + 1)


@op(
    out=False,
    samples=lambda s: [
        s(s.tensor(2, 2, 3), (2, 3, 4, 5), False),
        s(s.tensor(1, 2, 3), (1, 1, 1, 4), True),
        s(s.tensor(2, 3, 4), (2, 1, 2, 3, 2), True),
    ],
)
def affine_grid_generator(theta, size, align_corners):
    """`affine_grid` without its checks and warnings: the places that affine maps send pixels to.

    Args:
        theta: (n, 2, 3) or (n, 3, 4), floating: the maps.
        size: (n, c, h, w) or (n, c, d, h, w), of the image that will be sampled for.
        align_corners: whether -1 and 1 are the centres of the outermost pixels, not their edges.

    Returns:
        (n, h, w, 2) or (n, d, h, w, 3), for `grid_sample`.

    Raises:
        RuntimeError: if the sizes do not fit.

    Example:
        >>> identity = flambeau.eye(2, 3).unsqueeze(0)
        >>> flambeau.affine_grid_generator(identity, (1, 1, 1, 3), True)
        tensor([[[[-1.,  0.],
                  [ 0.,  0.],
                  [ 1.,  0.]]]])
    """
    if not theta.dtype.is_floating_point:
        raise UnsupportedError(f"affine_grid_generator: not implemented for {theta.dtype}")
    axes = len(size) - 2
    if axes not in (2, 3):
        raise RuntimeFailure("AffineGridGenerator needs 4d (spatial) or 5d (volumetric) inputs.")
    if tuple(theta.shape) != (size[0], axes, axes + 1):
        raise ShapeError(
            f"affine_grid_generator: theta must be {(size[0], axes, axes + 1)} for the size "
            f"{tuple(size)}, got {tuple(theta.shape)}"
        )
    base = _base(theta, tuple(size[2:]), align_corners)
    points = kernels(theta).bmm(base.expand(size[0], *base.shape), theta.mT)
    return points.reshape(size[0], *size[2:], axes)


@affine_grid_generator.vjp("theta")
def _(g, size, align_corners):
    base = _base(g, tuple(size[2:]), align_corners)
    return g.reshape(size[0], -1, g.shape[-1]).mT.matmul(base)


@checked
def affine_grid(theta, size, align_corners=None):
    """The grid at which `grid_sample` carries out affine maps.

    Args:
        theta: matrices (N, 2, 3) or (N, 3, 4) that take positions of the output to those of the
            input.
        size: of the output: (N, C, H, W) or (N, C, D, H, W).
        align_corners: as in `grid_sample`.

    Returns:
        (N, H, W, 2) or (N, D, H, W, 3).

    Raises:
        ValueError: if theta is no batch of such matrices, or a size is not positive.
        NotImplementedError: for other numbers of axes.

    Example:
        >>> identity = flambeau.tensor([[[1., 0., 0.], [0., 1., 0.]]])
        >>> flambeau.nn.functional.affine_grid(identity, (1, 1, 1, 2), align_corners=False)
        tensor([[[[-0.5000,  0.0000],
                  [ 0.5000,  0.0000]]]])
    """
    corners = _corners(align_corners)
    if not theta.is_floating_point():
        raise ArgumentValueError(
            f"Expected theta to have floating point type, but got {theta.dtype}"
        )
    size = tuple(size)
    if len(size) not in (4, 5):
        raise UnsupportedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {size}."
        )
    axes = len(size) - 2
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (axes, axes + 1):
        raise ArgumentValueError(
            f"Expected a batch of {axes}D affine matrices of shape Nx{axes}x{axes + 1} for size "
            f"{size}. Got {theta.shape}."
        )
    if align_corners and min(size[2:]) == 1:
        warn(
            "Since version 1.3.0, affine_grid behavior has changed for unit-size grids when "
            "align_corners=True. This is not an intended use case of affine_grid. See the "
            "documentation of affine_grid for details.",
        )
    elif min(size) <= 0:
        raise ArgumentValueError(f"Expected non-zero, positive output size. Got {size}")
    return affine_grid_generator(theta, size, corners)
