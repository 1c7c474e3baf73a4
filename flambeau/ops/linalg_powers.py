"""Powers of matrices, and their exponential."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import DTypeError
from flambeau.core.layout import contiguous_format
from flambeau.core.numeric import whole
from flambeau.core.registry import op
from flambeau.ops.join import cat
from flambeau.ops.linalg_common import check_square, identity_like, regular
from flambeau.ops.linalg_solve import inverse


def _power_samples(s):
    for n in (0, 1, 2, 3, 5, -1, -2):
        yield s(regular(s, 2, 3, 3), n)
    yield s(s.tensor(0, 0), 3)


def _integer(n, name):
    if isinstance(n, bool) or whole(n) is None:
        raise TypeError(f"{name}(): argument 'n' (position 2) must be int, not {type(n).__name__}")
    return whole(n)


@op(methods=("matrix_power",), samples=_power_samples)
def matrix_power(input, n):
    """The n-th power of square matrices, by repeated squaring; of the inverse for negative n.

    Args:
        input: (..., m, m).
        n: an integer.

    Raises:
        LinAlgError: if n is negative and a matrix has no inverse.

    Example:
        >>> flambeau.matrix_power(flambeau.tensor([[1., 1.], [0., 1.]]), 3)
        tensor([[1., 3.],
                [0., 1.]])
    """
    check_square("linalg.matrix_power", input)
    n = _integer(n, "matrix_power")
    if n == -1:
        return inverse(input)
    if n < 0:
        input, n = inverse(input), -n
    if n == 0:
        return input.clone(memory_format=contiguous_format).copy_(identity_like(input))
    if n == 1:
        return input.clone(memory_format=contiguous_format)
    result = None
    while True:
        if n & 1:
            result = input if result is None else result @ input
        n >>= 1
        if not n:
            return result
        input = input @ input


# Numerators of the Pade approximants of exp and the norms up to which each is exact to the
# precision of float64: N. Higham, "The scaling and squaring method for the matrix exponential
# revisited" (2005), table 2.3.
_PADE = (
    (1.495585217958292e-2, (120.0, 60.0, 12.0, 1.0)),
    (2.539398330063230e-1, (30240.0, 15120.0, 3360.0, 420.0, 30.0, 1.0)),
    (
        9.504178996162932e-1,
        (17297280.0, 8648640.0, 1995840.0, 277200.0, 25200.0, 1512.0, 56.0, 1.0),
    ),
    (
        2.097847961257068,
        (
            *(17643225600.0, 8821612800.0, 2075673600.0, 302702400.0, 30270240.0, 2162160.0),
            *(110880.0, 3960.0, 90.0, 1.0),
        ),
    ),
    (
        5.371920351148152,
        (
            *(64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0),
            *(129060195264000.0, 10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0),
            *(40840800.0, 960960.0, 16380.0, 182.0, 1.0),
        ),
    ),
)


def _pade(A, coefficients):
    """exp(A) from its Pade approximant: (V - U)^-1 (V + U) with U odd and V even in A."""
    b, one = coefficients, identity_like(A)
    square = A @ A
    if len(b) == 14:
        A4 = square @ square
        A6 = A4 @ square
        odd = A6 @ (b[13] * A6 + b[11] * A4 + b[9] * square)
        odd = odd + b[7] * A6 + b[5] * A4 + b[3] * square + b[1] * one
        even = A6 @ (b[12] * A6 + b[10] * A4 + b[8] * square)
        even = even + b[6] * A6 + b[4] * A4 + b[2] * square + b[0] * one
    else:
        odd, even, power = b[1] * one, b[0] * one, square
        for k in range(2, len(b), 2):
            even = even + b[k] * power
            odd = odd + b[k + 1] * power
            if k + 2 < len(b):
                power = power @ square
    U = A @ odd
    return kernels(A).solve(even - U, even + U, False, "matrix_exp")[0]


def _exponential(A):
    """Scaling, approximation and squaring; each matrix of a batch is scaled for itself."""
    if A.is_meta:
        return _pade(A, _PADE[0][1]).contiguous()
    size = A.abs().sum(-2).amax(-1)
    size = size.masked_fill(~size.isfinite(), 0)  # the result is NaN, however scaled
    largest = size.max().item()
    for bound, coefficients in _PADE:
        if largest <= bound:
            return _pade(A, coefficients).contiguous()
    bound, coefficients = _PADE[-1]
    squarings = (size / bound).log2().ceil().clamp(min=0)
    scaled = A * (2.0**-squarings)[..., None, None]
    result = _pade(scaled, coefficients)
    for k in range(int(squarings.max().item())):
        again = (squarings > k)[..., None, None]
        result = _C.where(again, result @ result, result)
    return result


def _exponential_samples(s):
    if s.dtype == _C.bfloat16:
        raise TypeError("torch's exponential in this dtype has infinities where ours has none")
    yield s(s.tensor(3, 3))
    yield s(s.tensor(2, 2, 3, 3, low=-0.3, high=0.3))
    yield s(s.tensor(2, 2, low=-0.02, high=0.02))
    yield s(-2 * regular(s, 2, 4, 4))  # a norm that needs scaling
    yield s(s.tensor(1, 1))
    yield s(s.tensor(0, 0))
    yield s(s.tensor(0, 2, 2))


@op(methods=("matrix_exp",), backward_name="LinalgMatrixExp", samples=_exponential_samples)
def matrix_exp(input):
    """The matrix exponential, the sum of A^k / k!.

    Args:
        input: (..., n, n).

    Raises:
        ShapeError: if the matrices are not square.

    Example:
        >>> flambeau.linalg.matrix_exp(flambeau.zeros(2, 2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    check_square("linalg.matrix_exp", input)
    dtype = input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        raise DTypeError(
            "linalg.matrix_exp: Expected a floating point or complex tensor as input. Got "
            f"{_C.type_name(dtype)}"
        )
    if not input.numel():
        return input.clone()
    if dtype in (_C.float16, _C.bfloat16):
        return _exponential(input.to(_C.float32)).to(dtype)
    return _exponential(input)


@matrix_exp.vjp("input")
def _(g, input):
    # The derivative in the direction G is a corner of exp([[A, G], [0, A]]): C. Van Loan,
    # "Computing integrals involving the matrix exponential" (1978).
    A, n = input.mH, input.shape[-1]
    upper = cat((A, g), -1)
    lower = cat((A.new_zeros(A.shape), A), -1)
    return matrix_exp(cat((upper, lower), -2))[..., :n, n:]
