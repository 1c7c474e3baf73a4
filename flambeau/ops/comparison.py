"""Comparisons, predicates, logic, and whether tensors are equal or close."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.registry import function, op
from flambeau.ops._declare import BOOLS, binary, numpy, of, predicate, unary

# ---- comparisons ----


def _comparison(name, sign, numpy_name, printed):
    return binary(
        name,
        f"True where input {sign} other.",
        methods=(name, f"__{name}__"),
        aliases=() if numpy_name == "equal" else (numpy_name,),
        reference=numpy(numpy_name),
        example=("[1, 2, 3]", "2", f"tensor({printed})"),
        takes="any dtype" if name in ("eq", "ne") else "any dtype but complex",
        result=BOOLS,
    )


eq = _comparison("eq", "==", "equal", "[False,  True, False]")
ne = _comparison("ne", "!=", "not_equal", "[ True, False,  True]")
lt = _comparison("lt", "<", "less", "[ True, False, False]")
le = _comparison("le", "<=", "less_equal", "[ True,  True, False]")
gt = _comparison("gt", ">", "greater", "[False, False,  True]")
ge = _comparison("ge", ">=", "greater_equal", "[False,  True,  True]")

# ---- predicates and logic ----

_NOT_FINITE = "[-flambeau.inf, flambeau.inf, flambeau.nan]"

isnan = predicate(
    "isnan",
    "True where input is NaN.",
    reference=numpy("isnan"),
    example=(_NOT_FINITE, "tensor([False, False,  True])"),
)
isinf = predicate(
    "isinf",
    "True where input is infinite.",
    reference=numpy("isinf"),
    example=(_NOT_FINITE, "tensor([ True,  True, False])"),
)
isfinite = predicate(
    "isfinite",
    "True where input is neither infinite nor NaN.",
    reference=numpy("isfinite"),
    example=("[0., flambeau.inf, flambeau.nan]", "tensor([ True, False, False])"),
)
isposinf = predicate(
    "isposinf",
    "True where input is +inf.",
    reference=numpy("isposinf"),
    exact_out=True,
    example=(_NOT_FINITE, "tensor([False,  True, False])"),
    takes="any dtype but complex",
)
isneginf = predicate(
    "isneginf",
    "True where input is -inf.",
    reference=numpy("isneginf"),
    exact_out=True,
    example=(_NOT_FINITE, "tensor([ True, False, False])"),
    takes="any dtype but complex",
)
signbit = predicate(
    "signbit",
    "True where the sign bit is set.",
    reference=numpy("signbit"),
    exact_out=True,
    example=("[0., -0., -1.]", "tensor([False,  True,  True])"),
    takes="any dtype but complex",
)
logical_not = unary(
    "logical_not",
    "True where input is zero.",
    reference=numpy("logical_not"),
    example=("[0, 2]", "tensor([ True, False])"),
    result=BOOLS,
)
logical_and = binary(
    "logical_and",
    "True where both are non-zero.",
    reference=numpy("logical_and"),
    example=("[0, 0, 1, 1]", "[0, 2, 0, 2]", "tensor([False, False, False,  True])"),
    result=BOOLS,
)
logical_or = binary(
    "logical_or",
    "True where either is non-zero.",
    reference=numpy("logical_or"),
    example=("[0, 0, 1, 1]", "[0, 2, 0, 2]", "tensor([False,  True,  True,  True])"),
    result=BOOLS,
)
logical_xor = binary(
    "logical_xor",
    "True where one of both is non-zero.",
    reference=numpy("logical_xor"),
    example=("[0, 0, 1, 1]", "[0, 2, 0, 2]", "tensor([False,  True,  True, False])"),
    result=BOOLS,
)

# ---- closeness ----


@op(methods=("isclose",), out=False, domain=(-3.0, 3.0), arity=2, elementwise=True)
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """True where |input - other| <= atol + rtol * |other|.

    Args:
        input: any dtype.
        other: of the same dtype; the two broadcast.
        rtol: relative tolerance, not negative.
        atol: absolute tolerance, not negative.
        equal_nan: whether two NaNs are close.

    Returns:
        A tensor of bools.

    Raises:
        RuntimeError: for different dtypes or a negative tolerance.

    Example:
        >>> flambeau.isclose(flambeau.tensor([1., 2.]), flambeau.tensor([1.000001, 3.]))
        tensor([ True, False])
    """
    of(input), of(other)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(
            f"isclose: rtol and atol must be greater than or equal to zero, but got {rtol}, {atol}"
        )
    return kernels(input).binary("isclose", input, other, rtol, atol, equal_nan)


@function(methods=("allclose",))
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close; see `isclose`.

    Args:
        input: any dtype.
        other: of the same dtype; the two broadcast.
        rtol: relative tolerance, not negative.
        atol: absolute tolerance, not negative.
        equal_nan: whether two NaNs are close.

    Returns:
        A bool.

    Raises:
        RuntimeError: for different dtypes or a negative tolerance.

    Example:
        >>> flambeau.allclose(flambeau.tensor([1.]), flambeau.tensor([1.000001]))
        True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@function(methods=("equal",))
def equal(input, other):
    """Whether both tensors have the same sizes and elements.

    Args:
        input: any dtype.
        other: a tensor; nothing broadcasts, dtypes may differ, and NaN is not equal to itself.

    Returns:
        A bool.

    Example:
        >>> flambeau.equal(flambeau.tensor([1, 2]), flambeau.tensor([1, 2]))
        True
    """
    of(other)
    return kernels(of(input)).equal(input, other)
