"""Distances: of two tensors, and between all pairs of rows."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ArgumentValueError, DTypeError, RuntimeFailure, ShapeError
from flambeau.core.registry import function, op
from flambeau.ops._declare import named
from flambeau.ops.arithmetic import sub
from flambeau.ops.join import cat
from flambeau.ops.masks import where
from flambeau.ops.matmul import matmul
from flambeau.ops.scatter import index_copy

_INF = float("inf")
_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)
#: Powers whose norms have a kernel of their own.
_DIRECT = (0, 1, 2, _INF)
#: Rows from which Euclidean distances come out of a matrix product.
_MANY_ROWS = 25
#: Differences of elements that are held at a time.
_BLOCK = 1 << 18


def _row_blocks(x1, x2):
    """Ranges of rows of x1 whose differences to all rows of x2 fit into a block."""
    rows, step = x1.shape[-2], max(_BLOCK // x2._numel, 1)
    return [(at, min(step, rows - at)) for at in range(0, rows, step)]


def _roots_of_products(x1, x2):
    """One product: (-2 a, |a|^2, 1) . (b, 1, |b|^2)."""
    sides = []
    for x in (x1, x2):
        square = (x * x).sum(-1, True)
        sides.append((square, _C.full(square.shape, 1, x.dtype)))
    (a2, a1), (b2, b1) = sides
    squares = matmul(cat([x1 * -2, a2, a1], -1), cat([x2, b1, b2], -1).mT)
    return squares.clamp_(min=0).sqrt_()


def _norms(differences, p):
    """The p-norms over the last axis."""
    if p in _DIRECT:
        return kernels(differences).vector_norm(differences, p, [-1], False, None)
    return (differences.abs() ** p).sum(-1) ** (1 / p)


def _pair_samples(s):
    for p in (2.0, 1.0, 0.0, 1.5, 3.0, _INF):
        yield s(s.distinct(3, 4), s.tensor(2, 4), p)
    yield s(s.tensor(2, 3, 2), s.tensor(2, 4, 2), 2.0)
    yield s(s.tensor(0, 3), s.tensor(2, 3), 2.0)
    yield s(s.tensor(2, 0), s.tensor(3, 0), 2.0)


@op(
    name="_cdist",
    backward_name="Cdist",
    public=False,
    out=False,
    torch="cdist",
    samples=_pair_samples,
)
def _cdist(x1, x2, p, by_product=False):
    """The p-norms of the differences of all rows of two batches of matrices.

    `by_product`: Euclidean distances as roots of |a|^2 + |b|^2 - 2 a.b, in which rows that are
    close lose digits.
    """
    for x in (x1, x2):
        if not x.dtype.is_floating_point:
            raise DTypeError(f"cdist only supports floating-point dtypes, got {x.dtype}")
    if 0 in (x1._numel, x2._numel):
        return _C.full((*x1.shape[:-1], x2.shape[-2]), 0, x1.dtype)
    if by_product:
        return _roots_of_products(x1, x2)
    if p in _DIRECT and x1.dtype in (_C.float32, _C.float64):
        return kernels(x1).distances(x1, x2, p)
    others = x2.unsqueeze(-3)
    parts = [
        _norms(x1.narrow(-2, at, n).unsqueeze(-2) - others, p) for at, n in _row_blocks(x1, x2)
    ]
    return parts[0] if len(parts) == 1 else cat(parts, -2)


def _pulled(g, x1, x2, p, out):
    """The gradients of all differences x1[i] - x2[j]: (..., i, j, element)."""
    difference = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    g, out = g.unsqueeze(-1), out.unsqueeze(-1)
    if p == 1:
        return g * difference.sgn()
    size = difference.abs()
    if p == _INF:
        return g * difference.sgn() * (size == out)
    zero = _C.full((), 0, g.dtype)
    one = _C.full((), 1, g.dtype)
    scale = where(out == 0, zero, g / where(out == 0, one, out) ** (p - 1))
    powers = where(size == 0, zero, where(size == 0, one, size) ** (p - 1))
    return difference.sgn() * powers * scale


@_cdist.vjp("x1", "x2")
def _(g, x1, x2, p, out, needs):
    if p == 0 or 0 in (x1._numel, x2._numel):
        return x1.new_zeros(x1.shape), x2.new_zeros(x2.shape)
    if p == 2:
        zero = _C.full((), 0, g.dtype)
        w = where(out == 0, zero, g / where(out == 0, _C.full((), 1, g.dtype), out))
        # Only differences count, and those of small numbers lose fewer digits.
        middle = x2.detach().mean(-2, True)
        x1, x2 = x1 - middle, x2 - middle
        return (
            w.sum(-1, True) * x1 - matmul(w, x2) if needs[0] else None,
            w.sum(-2).unsqueeze(-1) * x2 - matmul(w.mT, x1) if needs[1] else None,
        )
    pulled = _pulled(g, x1, x2, p, out)
    return pulled.sum(-2) if needs[0] else None, -pulled.sum(-3) if needs[1] else None


@_cdist.fast_vjp("x1", "x2")
def _(g, x1, x2, p, out, needs):
    """The same a block of rows at a time."""
    if p in (0, 2) or 0 in (x1._numel, x2._numel):
        return _cdist.info.rules["x1", "x2"](g, x1, x2, p, out, needs)
    firsts, second = [], None
    for at, n in _row_blocks(x1, x2):
        rows = [t.narrow(-2, at, n) for t in (g, x1, out)]
        pulled = _pulled(rows[0], rows[1], x2, p, rows[2])
        firsts.append(pulled.sum(-2))
        part = pulled.sum(-3)
        second = part if second is None else second + part
    return cat(firsts, -2), -second


def _check_pair(x1, x2, p, compute_mode):
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.dtype.is_floating_point:
            raise DTypeError(f"cdist only supports floating-point dtypes, {name} got: {x.dtype}")
        if x.ndim < 2:
            raise ShapeError(f"cdist only supports at least 2D tensors, {name} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if x1.dtype != x2.dtype:
        raise DTypeError(f"cdist: expected scalar type {x1.dtype} but found {x2.dtype}")
    if not p >= 0:
        raise RuntimeFailure("cdist only supports non-negative p values")
    if compute_mode not in _MODES:
        raise ArgumentValueError(f"{compute_mode} is not a valid value for compute_mode")


@function
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """The p-norm distances of every row of one matrix to every row of another.

    Args:
        x1: (..., P, M), floating.
        x2: (..., R, M), of the same dtype; leading axes broadcast.
        p: the power of the norm, from 0 to infinity.
        compute_mode: whether Euclidean distances come out of a matrix product, which is faster and
            less precise: "use_mm_for_euclid_dist_if_necessary" (beyond 25 rows),
            "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist".

    Returns:
        (..., P, R).

    Raises:
        RuntimeError: if the sizes or dtypes do not fit, or p is negative.
        ValueError: for another compute_mode.

    Example:
        >>> flambeau.cdist(flambeau.zeros(1, 2), flambeau.tensor([[3., 4.]]))
        tensor([[5.]])
    """
    _check_pair(x1, x2, p, compute_mode)
    if x1.shape[:-2] != x2.shape[:-2]:
        batch = _C.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
        x1 = x1.expand((*batch, *x1.shape[-2:]))
        x2 = x2.expand((*batch, *x2.shape[-2:]))
    rows = max(x1.shape[-2], x2.shape[-2])
    many = compute_mode == _MODES[0] and rows > _MANY_ROWS
    by_product = p == 2 and (many or compute_mode == _MODES[1])
    return _cdist(x1, x2, float(p), by_product)


def _pdist_samples(s):
    for p in (2.0, 1.0, 0.0, 1.5, _INF):
        yield s(s.tensor(4, 3), p)
    yield s(s.tensor(1, 3), 2.0)
    yield s(s.tensor(3, 0), 2.0)


def _below(n):
    """The places, in an (n, n) matrix, of the columns behind the diagonal."""
    above = _C.triangle(_C.full((n, n), 1, _C.bool), 1, True)
    return _C.reshape(kernels(above).nonzero(_C.reshape(above, (-1,))), (-1,))


@op(
    name="_pdist",
    backward_name="Pdist",
    public=False,
    out=False,
    torch="pdist",
    samples=_pdist_samples,
)
def _pdist(input, p):
    """The p-norms of the differences of all rows of a matrix."""
    if not input.dtype.is_floating_point:
        raise DTypeError("pdist only supports floating-point dtypes")
    if p in _DIRECT and input.dtype in (_C.float32, _C.float64):
        return kernels(input).distances_below(input, p)
    n = input.shape[0]
    return _cdist(input, input, p).reshape(-1)[_below(n)] if n > 1 else input.new_empty((0,))


@_pdist.vjp("input")
def _(g, input, p, out):
    n = input.shape[0]
    if n < 2:
        return input.new_zeros(input.shape)
    square = [index_copy(t.new_zeros((n * n,)), 0, _below(n), t).reshape(n, n) for t in (g, out)]
    g, out = (t + t.mT for t in square)
    return _cdist.info.rules["x1", "x2"](g, input, input, p, out, (True, False))[0]


@function
def pdist(input, p=2.0):
    """The p-norm distances of every row of a matrix to those below it, in one vector.

    Args:
        input: (N, M), floating.
        p: the power of the norm, from 0 to infinity.

    Returns:
        (N * (N - 1) / 2): rows 0 and 1, 0 and 2, ..., 1 and 2, ...

    Raises:
        RuntimeError: if input is no matrix of floating numbers, or p is negative.

    Example:
        >>> flambeau.pdist(flambeau.tensor([[0.], [1.], [3.]]))
        tensor([1., 3., 2.])
    """
    if input.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not p >= 0:
        raise RuntimeFailure("pdist only supports non-negative p values")
    return _pdist(input, float(p))


@function(methods=("dist",))
def dist(input, other, p=2):
    """The p-norm of input - other, over all elements.

    Args:
        input: floating or complex.
        other: of the same kind; the two broadcast.
        p: any number; see `linalg.vector_norm`.

    Returns:
        A 0-dim tensor.

    Raises:
        RuntimeError: if the sizes do not broadcast.

    Example:
        >>> flambeau.dist(flambeau.tensor([1., 2.]), flambeau.tensor([4., 6.]))
        tensor(5.)
    """
    return named("DistBackward0", sub(input, other).norm(p))
