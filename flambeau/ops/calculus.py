"""Differences, slopes and areas of sampled functions; covariances of sampled variables."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import RuntimeFailure, ShapeError
from flambeau.core.notices import warn
from flambeau.core.registry import FUNCTIONS, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import conj, named
from flambeau.ops.join import cat
from flambeau.ops.parts import narrow
from flambeau.ops.views import _axis

# ---- differences ----


def _diff_samples(s):
    yield s(s.tensor(5))
    yield s(s.tensor(3, 4), 2)
    yield s(s.tensor(3, 4), 1, 0, s.tensor(1, 4), s.tensor(2, 4))
    yield s(s.tensor(3, 2), n=5)
    yield s(s.tensor(3, 4), n=0)
    yield s(s.tensor(0, 4), dim=0)


@op(methods=("diff",), samples=_diff_samples)
def diff(input, n=1, dim=-1, prepend=None, append=None):
    """The n-th differences of neighbours along an axis; of truth values, where they change.

    Args:
        input: a tensor of at least one axis.
        n: how often to take differences.
        dim: the axis.
        prepend: values before those of input.
        append: values after them.

    Returns:
        A tensor whose axis is n shorter, but not below zero.

    Raises:
        RuntimeError: if input has no axes, or n is negative.

    Example:
        >>> flambeau.diff(flambeau.tensor([1, 3, 6]))
        tensor([2, 3])
    """
    if input.ndim == 0:
        raise RuntimeFailure("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeFailure(f"order must be non-negative but got {n}")
    if n == 0:  # not even joined with what stands before and after
        return input.clone()
    axis = _axis(dim, input.ndim)
    for name, extra in (("prepend", prepend), ("append", append)):
        if extra is not None and extra.ndim != input.ndim:
            raise ShapeError(
                f"diff expects prepend or append to be the same dimension as input: {name} is"
                f" {tuple(extra.shape)}, input is {tuple(input.shape)}"
            )
    parts = [x for x in (prepend, input, append) if x is not None]
    values = cat(parts, axis) if len(parts) > 1 else input
    whole = (slice(None),) * axis
    later, earlier = (*whole, slice(1, None)), (*whole, slice(None, -1))
    for _ in range(min(n, values.shape[axis])):
        after, before = values[later], values[earlier]
        values = after ^ before if values.dtype == _C.bool else after - before
    return values


# ---- slopes ----


def _spacings(spacing, dim, ndim):
    """The axes to derive along, and for each the distance of its samples or their coordinates."""
    if dim is None:
        several = isinstance(spacing, (tuple, list))
        if several and len(spacing) != ndim:
            raise RuntimeFailure(
                "torch.gradient expected spacing to be unspecified, a scalar, or a list of length"
                f" equal to 'self.dim() = {ndim}', since dim argument was not given, but got a list"
                f" of length {len(spacing)}"
            )
        axes = list(range(ndim))
    else:
        axes = [_axis(d, ndim) for d in ([dim] if isinstance(dim, int) else dim)]
        if len(set(axes)) != len(axes):
            raise RuntimeFailure(f"dim {axes[0]} appears multiple times in the list of dims")
    if isinstance(spacing, Tensor) and not spacing.ndim:
        spacing = spacing.item()
    if isinstance(spacing, Tensor):
        raise RuntimeFailure(
            "torch.gradient: spacing must be a number, or a list of numbers or vectors"
        )
    if not isinstance(spacing, (tuple, list)):
        return axes, [1 if spacing is None else spacing] * len(axes)
    if len(spacing) != len(axes):
        raise RuntimeFailure(
            "torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim"
            f" arguments to have the same length, but got a spacing argument of length"
            f" {len(spacing)} and a dim argument of length {len(axes)}."
        )
    return axes, spacing


def _check_gradient(input, axes, spacing, edge_order):
    if input.dtype in (_C.bool, _C.uint8):
        raise RuntimeFailure(f"torch.gradient: the input must be signed, got {input.dtype}")
    if edge_order not in (1, 2):
        raise RuntimeFailure(
            f"torch.gradient only supports edge_order=1 and edge_order=2, got {edge_order}"
        )
    for axis, step in zip(axes, spacing, strict=True):
        if input.shape[axis] < edge_order + 1:
            raise RuntimeFailure(
                "torch.gradient expected each dimension size to be at least edge_order+1"
            )
        if isinstance(step, Tensor) and tuple(step.shape) != (input.shape[axis],):
            raise RuntimeFailure(
                "torch.gradient expected each tensor to be one-dimensional, as long as its axis:"
                f" got {tuple(step.shape)} for an axis of {input.shape[axis]}"
            )


def _steps(coordinates, ndim, axis):
    """The distances of neighbours, along one axis of a tensor of ndim axes."""
    shape = [1] * ndim
    shape[axis] = -1
    return diff(coordinates).reshape(shape)


def _inner_slope(x, axis, step, n):
    """Second order central differences, for distances that may differ (weighted by each other)."""
    before, here, after = (x.narrow(axis, k, n - 2) for k in range(3))
    if not isinstance(step, Tensor):
        return (after - before) / (2 * step)
    h = _steps(step, x.ndim, axis)
    left, right = h.narrow(axis, 0, n - 2), h.narrow(axis, 1, n - 2)
    return (left * left * after + (right * right - left * left) * here - right * right * before) / (
        left * right * (left + right)
    )


def _edge_slope(x, axis, step, n, edge_order, last):
    """One-sided differences of first or second order at an end of the axis."""
    places = [n - 1, n - 2, n - 3] if last else [0, 1, 2]
    first, second = x.narrow(axis, places[0], 1), x.narrow(axis, places[1], 1)
    sign = -1 if last else 1
    third = x.narrow(axis, places[2], 1) if edge_order == 2 else None
    rise = first - second if last else second - first
    if not isinstance(step, Tensor):
        if edge_order == 1:
            return rise / step
        return (4 * second - 3 * first - third) * sign / (2 * step)
    h = _steps(step, x.ndim, axis)
    near = h.narrow(axis, n - 2 if last else 0, 1)
    if edge_order == 1:
        return rise / near
    far = h.narrow(axis, n - 3 if last else 1, 1)
    both = near + far
    return sign * (
        -(2 * near + far) / (near * both) * first
        + both / (near * far) * second
        - near / (far * both) * third
    )


@function
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """The slopes of a sampled function along its axes, by second order central differences.

    Args:
        input: the values, with an axis for each variable.
        spacing: the distance of the samples; or a list with a number, or a vector of coordinates,
            for each axis.
        dim: the axis or axes; None for all.
        edge_order: 1 or 2, the order of the one-sided differences at the ends.

    Returns:
        A tuple of tensors with the sizes of input, one for each axis.

    Raises:
        RuntimeError: if an axis is shorter than edge_order + 1, or spacing does not fit.

    Source: Fornberg, Generation of Finite Difference Formulas on Arbitrarily Spaced Grids (1988).

    Example:
        >>> flambeau.gradient(flambeau.tensor([1., 4., 9., 16.]))
        (tensor([3., 4., 6., 7.]),)
    """
    axes, steps = _spacings(spacing, dim, input.ndim)
    _check_gradient(input, axes, steps, edge_order)
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        input = input.to(_C.get_default_dtype())
    slopes = []
    for axis, step in zip(axes, steps, strict=True):
        n = input.shape[axis]
        parts = [
            _edge_slope(input, axis, step, n, edge_order, False),
            *([_inner_slope(input, axis, step, n)] if n > 2 else []),
            _edge_slope(input, axis, step, n, edge_order, True),
        ]
        slopes.append(cat(parts, axis))
    return tuple(slopes)


# ---- areas ----


def _panels(name, y, x, dx, dim):
    """Twice the areas between neighbouring samples."""
    axis = _axis(dim, y.ndim)
    n = y.shape[axis] if y.ndim else 0
    if n == 0:
        return y.narrow(axis, 0, 0) if y.ndim else y.reshape(1).narrow(0, 0, 0)
    pairs = narrow(y, axis, 0, n - 1) + narrow(y, axis, 1, n - 1)
    if x is None:
        return pairs * (1 if dx is None else dx)
    if dx is not None:
        raise TypeError(f"{name}(): give x or dx, not both")
    if x.ndim == 0:
        raise ShapeError(f"{name}(): x must have the coordinates along an axis, got no axes")
    if x.ndim == 1:
        if x.shape[0] != n:
            raise ShapeError(
                f"{name}: There must be one `x` value for each sample point: x is"
                f" {tuple(x.shape)}, y is {tuple(y.shape)}"
            )
        shape = [1] * y.ndim
        shape[axis] = -1
        x = x.reshape(shape)
    elif x.ndim < y.ndim:
        x = x.reshape([1] * (y.ndim - x.ndim) + list(x.shape))
    steps = narrow(x, dim, 1, x.shape[dim] - 1) - narrow(x, dim, 0, x.shape[dim] - 1)
    return pairs * steps


@function(aliases=("trapz",))
def trapezoid(y, x=None, *, dx=None, dim=-1):
    """The area under sampled values along an axis, by the trapezoidal rule.

    Args:
        y: the values.
        x: where they were taken: a vector, or a tensor that broadcasts against y.
        dx: the distance of the samples, where there is no x; 1 by default.
        dim: the axis.

    Raises:
        TypeError: if there are both x and dx.
        RuntimeError: if the sizes do not fit.

    Example:
        >>> flambeau.trapezoid(flambeau.tensor([1., 2., 3.]))
        tensor(4.)
    """
    if x is None and y.ndim and y.shape[dim]:
        ends = narrow(y, dim, 0, 1) + narrow(y, dim, -1, 1)
        area = (y.sum(dim) - ends.squeeze(dim) * 0.5) * (1 if dx is None else dx)
        return named("MulBackward1", area)
    return named("DivBackward1", _panels("trapezoid", y, x, dx, dim).sum(dim) / 2.0)


@function
def cumulative_trapezoid(y, x=None, *, dx=None, dim=-1):
    """The areas under sampled values up to each sample but the first; see `trapezoid`.

    Args:
        y: the samples along an axis of length n.
        x: where they were taken, (n) or what broadcasts to y.
        dx: the distance of neighbours instead, 1 unless given.
        dim: the axis.

    Returns:
        The sizes of y with n - 1 along `dim`.

    Raises:
        TypeError: if there are both x and dx.
        RuntimeError: if the sizes do not fit.

    Example:
        >>> flambeau.cumulative_trapezoid(flambeau.tensor([1., 2., 3.]))
        tensor([1.5000, 4.0000])
    """
    panels = _panels("cumulative_trapezoid", y, x, dx, dim)
    if x is None:
        return (panels / 2.0).cumsum(dim)
    return named("DivBackward1", panels.cumsum(dim) / 2.0)


# ---- covariances ----


def _weights(name, weights, count, integral):
    if weights is None:
        return None
    if weights.ndim > 1 or weights.numel() != count:
        raise RuntimeFailure(
            f"cov(): expected {name} to have one weight for each of the {count} observations, got"
            f" {tuple(weights.shape)}"
        )
    if integral is (weights.dtype.is_floating_point or weights.dtype.is_complex):
        kind = "integral" if integral else "floating point"
        raise RuntimeFailure(
            f"cov(): expected {name} to have {kind} dtype but got {name} with {weights.dtype}"
        )
    if count and bool((weights < 0).any()):
        raise RuntimeFailure(f"cov(): {name} cannot be negative")
    return weights.reshape(-1)


@function(methods=("cov",))
def cov(input, *, correction=1, fweights=None, aweights=None):
    """The covariances of variables, of which each row of a matrix has the observations.

    Args:
        input: (variables, observations), or the observations of one variable.
        correction: the sum of products is divided by the number of observations less this.
        fweights: how often each observation counts, whole numbers.
        aweights: how much each observation counts.

    Returns:
        (variables, variables), or a number for one variable.

    Raises:
        RuntimeError: for more than two axes, or weights that do not fit.

    Example:
        >>> flambeau.cov(flambeau.tensor([[0., 1., 2.], [2., 1., 0.]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if input.ndim > 2:
        raise RuntimeFailure(
            "cov(): expected input to have two or fewer dimensions but got an input with"
            f" {input.ndim} dimensions"
        )
    if input.dtype == _C.bool:
        raise RuntimeFailure("cov(): bool dtype is not supported for input")
    rows = input if input.ndim == 2 else input.reshape(1, -1)
    count = rows.shape[1]
    often = _weights("fweights", fweights, count, True)
    much = _weights("aweights", aweights, count, False)
    weights = often if much is None else much if often is None else often * much
    total = count if weights is None else weights.sum()
    if weights is not None and count and not bool(total != 0):
        raise RuntimeFailure("cov(): weights sum to zero, can't be normalized")
    if weights is None:
        mean = rows.sum(1, True) / count if count else rows.sum(1, True) * float("nan")
        freedom = count - correction
    else:
        mean = (rows * weights).sum(1, True) / total
        bias = total if much is None else (weights * much).sum()
        freedom = total - correction * (bias / total)
    if bool(freedom <= 0):
        warn(
            "cov(): degrees of freedom is <= 0. Correction should be strictly less than the number"
            " of observations.",
        )
        freedom = freedom * 0
    centered = rows - mean
    weighted = centered if weights is None else centered * weights
    return (weighted @ conj(centered).mT / freedom).squeeze()


@function(methods=("corrcoef",))
def corrcoef(input):
    """The correlations of variables, of which each row of a matrix has the observations.

    Args:
        input: (variables, observations), or the observations of one variable.

    Returns:
        (variables, variables), with numbers in [-1, 1]; a number for one variable.

    Raises:
        RuntimeError: for more than two axes.

    Example:
        >>> flambeau.corrcoef(flambeau.tensor([[0., 1., 2.], [2., 1., 0.]]))
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    if input.ndim > 2:
        raise RuntimeFailure(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with"
            f" {input.ndim} dimensions"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c  # 1, or NaN where nothing varies
    spread = (c.diagonal().real if c.dtype.is_complex else c.diagonal()).sqrt()
    c = c / spread.unsqueeze(1) / spread.unsqueeze(0)
    if not c.dtype.is_complex:
        return c.clamp(-1, 1)
    return FUNCTIONS["complex"](c.real.clamp(-1, 1), c.imag.clamp(-1, 1))


# ---- powers ----


def _vander_samples(s):
    yield s(s.tensor(3))
    yield s(s.tensor(3), 2)
    yield s(s.tensor(3), 4, True)
    yield s(s.tensor(3), 0)


@op(samples=_vander_samples, out=False)
def vander(x, N=None, increasing=False):
    """The Vandermonde matrix: the powers of every element of a vector, in a row.

    Args:
        x: a vector.
        N: how many powers, from 0 on; by default as many as there are elements.
        increasing: the powers grow from left to right instead of falling.

    Raises:
        RuntimeError: if x is not a vector, or N is negative.

    Example:
        >>> flambeau.vander(flambeau.tensor([2, 3]), 3)
        tensor([[4, 2, 1],
                [9, 3, 1]])
    """
    if x.ndim != 1:
        raise RuntimeFailure(f"x must be a one-dimensional tensor: x is {tuple(x.shape)}")
    count = x.shape[0] if N is None else N
    if count < 0:
        raise RuntimeFailure(f"N must be non-negative: N is {count}")
    dtype = x.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        dtype = _C.int64
    ones = _C.full((x.shape[0], min(count, 1)), 1, dtype)
    factors = x.to(dtype).unsqueeze(1).expand((x.shape[0], max(count - 1, 0)))
    powers = cat([ones, factors], 1).cumprod(1)
    return powers if increasing else powers.flip(1)


def _renorm_samples(s):
    yield s(s.tensor(3, 4), 2, 0, 1.5)
    yield s(s.tensor(2, 3, 4), 1, -1, 2)
    yield s(s.tensor(3, 4), float("inf"), 1, 0.5)
    yield s(s.tensor(3, 0), 2, 0, 1.0)


def _norms(input, p, dim):
    """The p-norm of every slice along `dim`, beside its own axes of size one."""
    others = [d for d in range(input.ndim) if d != dim]
    return kernels(input).vector_norm(input, p, others, True, None)


@op(methods=("renorm",), inplace=True, samples=_renorm_samples, exact_out=True)
def renorm(input, p, dim, maxnorm):
    """The slices along an axis, scaled down to the norm `maxnorm` where they have a larger one.

    Args:
        input: a tensor of at least two axes.
        p: the power of the norm, positive.
        dim: the axis.
        maxnorm: the largest norm, not negative.

    Raises:
        RuntimeError: for fewer axes, or numbers out of range.

    Example:
        >>> flambeau.renorm(flambeau.tensor([[3., 4.], [0.3, 0.4]]), 2, 0, 1)
        tensor([[0.6000, 0.8000],
                [0.3000, 0.4000]])
    """
    axis = _checked_renorm(input, p, dim, maxnorm)
    return _C.contiguous(input * _shrinking(_norms(input, p, axis), maxnorm))


def _checked_renorm(input, p, dim, maxnorm):
    if p <= 0:
        raise RuntimeFailure("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeFailure(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeFailure(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    return _axis(dim, input.ndim)


_SMALL = 1e-7  # keeps the quotient finite


def _shrinking(norms, maxnorm):
    over = (norms > maxnorm).to(norms.dtype)
    return over * (maxnorm / (norms + _SMALL)) + (1 - over)


@renorm.vjp("input")
def _(g, input, p, dim, maxnorm):
    from flambeau.ops.linalg_norms import vector_norm

    axis = dim % input.ndim
    others = [d for d in range(input.ndim) if d != axis]
    norms = vector_norm(input, p, others, True)
    over = (norms > maxnorm).to(norms.dtype)
    along = (g * conj(input)).sum(others, True)
    along = along.real if along.dtype.is_complex else along
    # Of x f(n) with f(n) = maxnorm / (n + small): g f(n) + <g, x> f'(n) dn/dx.
    falling = over * along * maxnorm / (norms + _SMALL) ** 2
    return g * _shrinking(norms, maxnorm) - falling * _norm_slope(input, norms, p)


def _norm_slope(x, norms, p):
    """The derivative of the p-norms by the elements."""
    if p == float("inf"):
        largest = (x.abs() == norms).to(norms.dtype)
        axes = [d for d in range(x.ndim) if norms.shape[d] == 1 and x.shape[d] != 1]
        return x.sgn() * largest / (largest.sum(axes, True) if axes else largest)
    size = x.abs()
    tiny = (size == 0).to(size.dtype)
    return x.sgn() * (size + tiny) ** (p - 1) * (1 - tiny) / (norms + (norms == 0)) ** (p - 1)
