"""Determinants and their logarithms."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core import return_types
from flambeau.core.registry import op
from flambeau.ops._declare import conj
from flambeau.ops.linalg_common import identity_like, squares
from flambeau.ops.linalg_lu import _parts
from flambeau.ops.linalg_solve import _solve, inverse
from flambeau.ops.masks import where


def _precision(A):
    """The relative precision of A's elements."""
    return 2.0**-52 if A.element_size() // (2 if A.is_complex() else 1) == 8 else 2.0**-23


def _without_small_pivots(A, LU, pivots):
    """A, moved a little where it is singular, so that its inverse exists.

    Pivots that may be rounding errors become sqrt(precision) * |A|, by which the derivatives of the
    adjugate are then off.
    """
    sizes = LU.diagonal(0, -2, -1).abs()
    precision = _precision(A)
    largest = sizes.amax(-1, keepdim=True) if A.shape[-1] else sizes
    small = sizes <= A.shape[-1] * precision * largest
    if small.is_meta or not small.any():
        return A
    lower, _ = _parts(LU)
    steps = precision**0.5 * A.detach().abs().amax((-2, -1)).unsqueeze(-1) + precision
    moved = lower * (small * steps).unsqueeze(-2)
    exchanges = kernels(A).permutation_from_pivots(pivots, A.shape[-1], A.dtype, "det")
    return A + (exchanges @ moved).mT


@op(
    name="_linalg_det",
    backward_name="LinalgDet",
    public=False,
    out=False,
    torch="",
    outputs=("result", "LU", "pivots"),
    samples=squares,
)
def _det(A):
    """The determinant, and the factors of A's transpose."""
    return kernels(A).determinant(A, "linalg.det")


@_det.vjp("A")
def _(g, A, result, LU, pivots):
    near = _without_small_pivots(A, LU, pivots)
    if near is not A:
        result = _det(near)[0]
    # The transpose is what the determinant was computed of: from the same pivots, whose errors
    # cancel.
    return (g * conj(result))[..., None, None] * conj(inverse(near.mT))


@_det.fast_vjp("A")
def _(g, result, LU, pivots):
    # A zero pivot becomes a number so small that the product is the adjugate all the same.
    diagonal = LU.diagonal(0, -2, -1)
    zeros = diagonal == 0
    if not LU.is_meta and zeros.any():
        k = kernels(LU)
        step = _precision(LU) * (diagonal.abs().amax(-1, keepdim=True) + _precision(LU))
        LU = LU + (zeros * step).to(LU.dtype).diag_embed()
        odd = (pivots != k.arange(1, 1, LU.shape[-1], pivots.dtype)).sum(-1) % 2
        result = (1 - 2 * odd) * LU.diagonal(0, -2, -1).prod(-1)
    inverted = kernels(LU).lu_solve(LU, pivots, identity_like(LU), "N", "det")
    return (g * conj(result))[..., None, None] * conj(inverted)


@op(
    methods=("det",),
    backward_name="LinalgDet",
    synonyms={"input": "A"},
    samples=squares,
    exact_out=True,
)
def det(A):
    """The determinant of square matrices.

    Args:
        A: (..., n, n).

    Returns:
        (...).

    Raises:
        ShapeError: if they are not square.

    Example:
        >>> flambeau.linalg.det(flambeau.tensor([[3., 1.], [1., 2.]]))
        tensor(5.)
    """
    return _det(A)[0]


def _slogdet_scale(g, sign):
    """What multiplies A^-H, for gradients of the sign and of the logarithm."""
    g_sign, g_log = g[0], g[1]
    scale = g_log
    if sign.is_complex() and g_sign is not None:
        turn = -1j * (conj(g_sign) * sign).imag
        scale = turn if scale is None else scale + turn
    return None if scale is None else scale[..., None, None]


def _slogdet_gradient(g, A, sign):
    scale = _slogdet_scale(g, sign)
    if scale is None:
        return A.new_zeros(A.shape)
    return scale * _solve(A.mH, identity_like(A), False, "slogdet")[0]


@op(
    name="linalg.slogdet",
    public=False,
    torch="linalg.slogdet",
    outputs=("sign", "logabsdet"),
    grad_list=True,
    result_type=return_types.linalg_slogdet,
    samples=squares,
    exact_out=True,
)
def linalg_slogdet(A):
    """The sign of the determinant and the logarithm of its absolute value.

    Args:
        A: (..., n, n).

    Returns:
        (sign, logabsdet): of a singular matrix, 0 and -inf; for complex matrices the sign is a
        complex number of modulus one.

    Example:
        >>> flambeau.linalg.slogdet(flambeau.tensor([[0., 1.], [1., 0.]])).sign
        tensor(-1.)
    """
    return kernels(A).log_determinant(A, "linalg.slogdet")


@op(
    methods=("slogdet",),
    backward_name="LinalgSlogdet",
    outputs=("sign", "logabsdet"),
    grad_list=True,
    result_type=return_types.slogdet,
    samples=squares,
)
def slogdet(input):
    """The sign of the determinant and the logarithm of its absolute value: `linalg.slogdet`.

    Args:
        input: (..., n, n), floating or complex.

    Returns:
        A named tuple (sign, logabsdet), both (...); (0, -inf) for a singular matrix.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> sign, logabsdet = flambeau.slogdet(flambeau.tensor([[0.0, 1.0], [1.0, 0.0]]))
        >>> sign, logabsdet
        (tensor(-1.), tensor(0.))
    """
    return kernels(input).log_determinant(input, "linalg.slogdet")


linalg_slogdet.vjp("A")(lambda g, A, sign: _slogdet_gradient(g, A, sign))
slogdet.vjp("input")(lambda g, input, sign: _slogdet_gradient(g, input, sign))


@op(methods=("logdet",), samples=squares)
def logdet(input):
    """The logarithm of the determinant; NaN where that is negative.

    Args:
        input: (..., n, n), floating or complex.

    Returns:
        (...); -inf for a singular matrix.

    Raises:
        RuntimeError: if the matrices are not square.

    Example:
        >>> flambeau.logdet(flambeau.eye(3))
        tensor(0.)
    """
    sign, logarithm = slogdet(input)
    if input.is_complex():
        return logarithm + sign.log()
    return where(sign == -1, float("nan"), logarithm)
