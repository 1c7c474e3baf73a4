"""Norms of vectors and matrices, the choice between them, and condition numbers."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import DTypeError, ShapeError, UnsupportedError
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import require_tensors
from flambeau.ops.linalg_common import check_matrix, regular
from flambeau.ops.linalg_singular import svdvals
from flambeau.ops.linalg_solve import inv_ex
from flambeau.ops.masks import where
from flambeau.ops.reduce_common import share_of_extreme, unreduced
from flambeau.ops.views import _axis

_INF = float("inf")

# ---- vectors ----


def _vector_norm_samples(s):
    for order in (2, 1, 3, 2.5, _INF, -_INF, -1):
        yield s(s.distinct(2, 3, 4), order)
        yield s(s.distinct(2, 3, 4), order, (0, -1), keepdim=True)
    yield s(s.distinct(3, 4), 0, 1)
    yield s(s.tensor(), 2)


@op(name="linalg.vector_norm", public=False, samples=_vector_norm_samples, exact_out=True)
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """The vector norm over axes: (sum |x|^ord)^(1/ord).

    Args:
        x: floating or complex.
        ord: any number; inf and -inf give the largest and smallest |x|, 0 the number of non-zero
            elements.
        dim: the axes; None for all.
        keepdim: keep them with size one.
        dtype: convert to this dtype first.

    Raises:
        RuntimeError: for other dtypes, or if an axis without elements has no norm of this order.

    Example:
        >>> x = flambeau.tensor([3.0, -4.0])
        >>> flambeau.linalg.vector_norm(x), flambeau.linalg.vector_norm(x, 1)
        (tensor(5.), tensor(7.))
    """
    return kernels(x).vector_norm(x, ord, dim, keepdim, dtype)


@vector_norm.vjp("x")
def _(g, x, ord, dim, keepdim, out):
    if ord == 0:
        return x.new_zeros(x.shape)
    shape = x.shape
    if ord in (_INF, -_INF):
        magnitude = x.abs()
        return share_of_extreme(g, magnitude, dim, keepdim, out) * x.sgn()
    g, out = (unreduced(t, dim, keepdim, shape) for t in (g, out))
    if ord == 1:
        return g * x.sgn()
    zero = _C.full((), 0, g.dtype)
    nothing = out == 0
    out = where(nothing, _C.full((), 1, out.dtype), out)  # keeps second derivatives finite
    if ord == 2:
        return x * where(nothing, zero, g / out)
    scale = where(nothing, zero, g / out ** (ord - 1))
    if ord > 2:
        return x * x.abs() ** (ord - 2) * scale
    return x.sgn() * where(x == 0, zero, x.abs() ** (ord - 1)) * scale


# ---- matrices ----


def _matrix_norm_samples(s):
    for order in ("fro", "nuc", 2, -2, 1, -1, _INF, -_INF):
        yield s(s.distinct(3, 4), order)
        yield s(s.distinct(2, 3, 4), order, (0, -1), True)
    yield s(s.tensor(2, 0, 3))
    yield s(s.tensor(2, 3, 4), dim=(1, 0))


def _two_axes(dim, ndim):
    if isinstance(dim, int) and not isinstance(dim, bool):
        dim = (dim,)
    if not isinstance(dim, (tuple, list)):
        raise TypeError(
            f"linalg_matrix_norm(): argument 'dim' must be tuple of ints, not {type(dim).__name__}"
        )
    if len(dim) != 2:
        raise ShapeError(
            f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(map(str, dim))}"
        )
    first, second = (_axis(d, ndim) for d in dim)
    if first == second:
        raise ShapeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    return first, second


def _converted(input, dtype, name):
    """The input in the dtype asked for, which must not lose anything."""
    if not (input.is_floating_point() or input.is_complex()):
        raise DTypeError(
            f"{name}: Expected a floating point or complex tensor as input. Got "
            f"{_C.type_name(input.dtype)}"
        )
    if dtype is None:
        return input
    if not (dtype.is_floating_point or dtype.is_complex):
        raise DTypeError(
            f"{name}: dtype should be floating point or complex, but got {_C.type_name(dtype)}"
        )
    if dtype.is_complex != input.is_complex():
        wanted = "complex" if input.is_complex() else "real"
        raise DTypeError(
            f"{name}: dtype should be {wanted} for {wanted} inputs, but got {_C.type_name(dtype)}"
        )
    if _C.promote(input.dtype, dtype) != dtype:
        raise DTypeError(
            f"{name}: the dtype of the input ({_C.type_name(input.dtype)}) should be convertible "
            f"without narrowing to the specified dtype ({_C.type_name(dtype)})"
        )
    return input.to(dtype)


def _keep(reduced, dims):
    """The reduced axes back, with size one."""
    for d in sorted(dims):
        reduced = reduced.unsqueeze(d)
    return reduced


def _extreme(values, dim, largest, keepdim=False):
    """The largest (0 of none) or smallest along an axis."""
    if values.shape[dim] == 0 and largest:
        return values.sum(dim, keepdim)
    return values.amax(dim, keepdim) if largest else values.amin(dim, keepdim)


@op(
    name="linalg.matrix_norm",
    backward_name="LinalgMatrixNorm",
    public=False,
    torch="linalg.matrix_norm",
    samples=_matrix_norm_samples,
    exact_out=True,
)
def matrix_norm(input, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """A norm of matrices.

    Args:
        input: matrices in two of its axes.
        ord: "fro": the root of the sum of squares; "nuc": the sum of the singular values; 2, -2:
            the largest, the smallest one; 1, -1: the largest, the smallest sum of absolute values
            of a column; inf, -inf: of a row.
        dim: the axes of rows and columns.
        keepdim: keep them with size one.
        dtype: convert to this dtype first.

    Raises:
        RuntimeError: for another order.
        ShapeError: if `dim` does not name two axes.

    Example:
        >>> flambeau.linalg.matrix_norm(flambeau.tensor([[3., 0.], [0., 4.]]), "nuc")
        tensor(7.)
    """
    name = "linalg.matrix_norm"
    check_matrix(name, input)
    dims = _two_axes(dim, input.ndim)
    _check_order(ord)
    A = _converted(input, dtype, name)
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim)
    if ord in ("nuc", 2, -2):
        values = svdvals(A.movedim(dims, (-2, -1)))
        found = values.sum(-1) if ord == "nuc" else _extreme(values, -1, ord > 0)
        return _keep(found, dims) if keepdim else found
    rows, columns = dims
    along, over = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = vector_norm(A, 1, (along,), keepdim)
    return _extreme(sums, over if keepdim else over - (along < over), ord > 0, keepdim)


def _check_order(ord):
    known = isinstance(ord, (str, int, float)) and ord in ("fro", "nuc", 1, -1, 2, -2, _INF, -_INF)
    if isinstance(ord, (Tensor, complex)) or not isinstance(ord, (str, int, float)):
        raise TypeError(
            "linalg_matrix_norm(): argument 'ord' must be a number or a str, not "
            f"{type(ord).__name__}"
        )
    if not known:
        text = ord if isinstance(ord, str) else f"{ord:g}"
        raise UnsupportedError(f"linalg.matrix_norm: Order {text} not supported.")


def _norm_samples(s):
    yield s(s.tensor(2, 3, 4))
    yield s(s.tensor(3, 4), keepdim=True)
    yield s(s.tensor(3), 3)
    yield s(s.tensor(3, 4), 2)
    yield s(s.tensor(2, 3, 4), "nuc", (0, 2))
    yield s(s.tensor(2, 3, 4), None, 1)
    yield s(s.tensor(2, 3, 4), 1, 1, True)
    yield s(s.tensor(2, 3, 4), _INF, (1, 2), True)
    yield s(s.tensor())


@op(
    name="linalg.norm",
    backward_name="LinalgVectorNorm",
    public=False,
    torch="linalg.norm",
    samples=_norm_samples,
    exact_out=True,
)
def linalg_norm(input, ord=None, dim=None, keepdim=False, *, dtype=None):
    """A norm of vectors or of matrices.

    Args:
        input: floating or complex.
        ord: None: the root of the sum of squares. Else with one axis as in `linalg.vector_norm`,
            with two as in `linalg.matrix_norm`.
        dim: one or two axes; None for all, which with `ord` must be one or two.
        keepdim: keep them with size one.
        dtype: convert to this dtype first.

    Raises:
        RuntimeError: for an order that the norm does not have.
        ShapeError: if there are too many axes.

    Example:
        >>> flambeau.linalg.norm(flambeau.tensor([3., 4.]))
        tensor(5.)
    """
    require_tensors("linalg_norm", input=input)
    dims = (dim,) if isinstance(dim, int) else dim
    if ord is None:
        return vector_norm(_converted(input, dtype, "linalg.vector_norm"), 2, dims, keepdim)
    if dims is None:
        if input.ndim not in (1, 2):
            raise ShapeError(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
                f"{input.ndim}D."
            )
        dims = tuple(range(input.ndim))
    elif len(dims) not in (1, 2):
        raise ShapeError(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
        )
    if len(dims) == 2 or isinstance(ord, str):
        return matrix_norm(input, ord, dims, keepdim, dtype=dtype)
    return vector_norm(_converted(input, dtype, "linalg.vector_norm"), ord, dims, keepdim)


def _cond_samples(s):
    for order in (None, 2, -2, 1, -1, _INF, -_INF, "fro", "nuc"):
        yield s(regular(s, 2, 3, 3), order)
    yield s(s.tensor(3, 4))
    yield s(s.tensor(2, 0, 0))


@op(name="linalg.cond", public=False, torch="linalg.cond", samples=_cond_samples)
def cond(input, p=None):
    """The condition number: the product of the norms of a matrix and of its inverse.

    Args:
        input: (..., n, n), or (..., m, n) for the 2-norm.
        p: the norm: None or 2, or as in `linalg.matrix_norm`.

    Returns:
        (...): inf for a singular matrix.

    Raises:
        RuntimeError: for another norm.

    Example:
        >>> flambeau.linalg.cond(flambeau.tensor([[4., 0.], [0., 2.]]))
        tensor(2.)
    """
    check_matrix("linalg.cond", input)
    try:
        _check_order(2 if p is None else p)
    except UnsupportedError:
        text = p if isinstance(p, str) else f"{p:g}"
        raise UnsupportedError(f"linalg.cond got an invalid norm type: {text}") from None
    if p in (None, 2, -2):
        if not input.numel():
            svdvals(input)  # checks the dtype
            return _C.full(input.shape[:-2], 0, input.dtype).abs()
        values = svdvals(input)
        first, last = values[..., 0], values[..., -1]
        return last / first if p == -2 else first / last
    m, n = input.shape[-2:]
    if m != n:
        raise ShapeError(
            f"linalg.cond(ord={p}): A must be batches of square matrices, but they are {m} by {n} "
            "matrices"
        )
    inverse, info = inv_ex(input)
    singular = info != 0
    inverse = inverse.masked_fill(singular[..., None, None], 0)  # infinite: no norm takes them all
    found = matrix_norm(input, p) * matrix_norm(inverse, p)
    return found.masked_fill(singular, _INF)


@op(
    name="nuclear_norm",
    torch="",  # torch's warn, here and below
    samples=lambda s: [
        s(s.tensor(3, 4)),
        s(s.tensor(2, 3, 4), (1, 2)),
        s(s.tensor(2, 3, 4), (0, 2), True),
    ],
)
def nuclear_norm(input, dim=None, keepdim=False):
    """The sum of the singular values of matrices.

    Args:
        input: matrices in two of its axes.
        dim: these axes; the last two unless given.
        keepdim: keep them with size one.

    Raises:
        RuntimeError: if there are fewer than two axes, or not two in `dim`.

    Example:
        >>> flambeau.nuclear_norm(flambeau.tensor([[3., 0.], [0., 4.]]))
        tensor(7.)
    """
    return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)


@op(
    name="frobenius_norm",
    torch="",
    samples=lambda s: [
        s(s.tensor(3, 4), (0, 1)),
        s(s.tensor(3, 4), 0),
        s(s.tensor(2, 3, 4), (0, 2), True),
    ],
)
def frobenius_norm(input, dim, keepdim=False):
    """The root of the sum of squares over one or two axes.

    Args:
        input: floating or complex.
        dim: the axes.
        keepdim: keep them with size one.

    Raises:
        RuntimeError: if there are more than two axes in `dim`.

    Example:
        >>> flambeau.frobenius_norm(flambeau.tensor([[3., 0.], [0., 4.]]), (0, 1))
        tensor(5.)
    """
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) > 2:
        raise ShapeError(f"Expected at most 2 dimensions, but got {len(dims)} dimensions instead.")
    return vector_norm(input, 2, dims, keepdim)


@function(methods=("norm",))
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """A norm over axes: of vectors for a number, of matrices for "nuc".

    Args:
        input: floating or complex.
        p: "fro" or None: the root of the sum of squares; "nuc": the sum of the singular values of
            matrices in two axes; a number as in `linalg.vector_norm`.
        dim: the axes; None for all.
        keepdim: keep them with size one.
        out: a tensor for the result.
        dtype: convert to this dtype first.

    Raises:
        RuntimeError: for another text as `p`.

    Example:
        >>> flambeau.norm(flambeau.tensor([3., 4.]))
        tensor(5.)
    """
    if isinstance(p, str) and p != "fro":
        dims = range(input.ndim) if dim is None else dim
        dims = dims if isinstance(dims, int) else tuple(dims)
        return matrix_norm(input, p, dims, keepdim, dtype=dtype, out=out)
    return vector_norm(input, 2 if p in (None, "fro") else p, dim, keepdim, dtype=dtype, out=out)
