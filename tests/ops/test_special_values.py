"""NaN, infinities, signed zeros, tiny and huge numbers, and reductions of nothing, against PyTorch.

Where the two differ on purpose, the table below says how.
"""

import warnings

import numpy as np
import pytest
from test_parity import oracle

import flambeau
from flambeau.core.registry import OPS

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

inf, nan = float("inf"), float("nan")
REAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, inf, -inf, nan, 1e30, -1e30]
PARTS = [0.0, -0.0, 1.5, -1.0, inf, -inf, nan]
COMPLEX = [complex(a, b) for a in PARTS for b in PARTS]

#: Ops of complex numbers that are compared where all parts are finite and not zero only. There
#: PyTorch's vector code lets NaN spread over both parts: its sum is a + 1 * b with a complex 1,
#: its quotients, roots and powers go through products and polar forms, and its negation makes 0
#: of -0. Ours treat the parts as IEEE 754 and Annex G of the C standard do.
LENIENT = {
    *("acos", "add", "div", "log1p", "logaddexp", "mul", "neg", "pow", "reciprocal", "rsqrt"),
    *("sigmoid", "sinc", "square", "sub", "float_power", "true_divide", "addcmul", "addcdiv"),
}
#: SciPy's functions, with their limits at infinity, where PyTorch's series give NaN.
SCIPYS = ("special.airy", "special.bessel", "special.modified", "special.i", "i0")
#: Of two zeros of different sign PyTorch takes the first and we the second.
ZERO_TIES = {"fmax", "fmin"}


def values(dtype):
    return COMPLEX if dtype == "complex128" else REAL


def same(found, expected, rtol, signs=True, atol=0):
    """Equal up to rounding, NaN equal to NaN, and zeros equal in sign."""
    if found.dtype.kind == "c":
        with np.errstate(all="ignore"):
            size = np.nan_to_num(np.abs(expected), posinf=0)
        parts = ((found.real, expected.real), (found.imag, expected.imag))
        return np.logical_and(*(same(a, b, rtol, signs, rtol * size) for a, b in parts))
    if found.dtype.kind != "f":
        return found == expected
    with np.errstate(all="ignore"):
        close = np.isclose(found, expected, rtol=rtol, atol=atol, equal_nan=True)
    zeros = (found == 0) & (expected == 0)
    return close & (~zeros | (np.signbit(found) == np.signbit(expected)) if signs else True)


def array(tensor):
    return np.array(tensor.tolist())


ELEMENTWISE = sorted(
    name
    for name, op in OPS.items()
    if op.info.domain is not None
    and op.info.arity in (1, 2)
    and oracle(op) is not None
    and not name.startswith(SCIPYS)
)


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name, dtype):
    op = OPS[name]
    own = values(dtype)
    operands = [own] if op.info.arity == 1 else [[a for a in own for _ in own], own * len(own)]
    try:
        theirs = oracle(op)(*(torch.tensor(x, dtype=getattr(torch, dtype)) for x in operands))
    except (RuntimeError, TypeError, NotImplementedError):
        pytest.skip(f"torch has no {name} of {dtype}")
    try:
        ours = op(*(flambeau.tensor(x, dtype=getattr(flambeau, dtype)) for x in operands))
    except NotImplementedError:
        pytest.skip(f"no {name} of {dtype}")
    found, expected = array(ours), array(theirs)
    right = same(found, expected, 1e-5 if dtype == "float32" else 1e-8, name not in ZERO_TIES)
    if dtype == "complex128" and name in LENIENT:
        parts = np.array([[abs(v.real), abs(v.imag)] for x in operands for v in x])
        plain = np.all((parts > 0) & (parts < inf), axis=1).reshape(len(operands), -1).all(0)
        right |= ~plain
    wrong = np.flatnonzero(~right)[:3]
    assert right.all(), [(tuple(x[k] for x in operands), found[k], expected[k]) for k in wrong]


ROWS = [
    *([1.0, 2.0, 3.0], [nan, 1.0, 2.0], [inf, 1.0, 2.0], [-inf, 1.0, 2.0], [inf, -inf, 1.0]),
    *([-0.0, -0.0, -0.0], [nan, inf, -inf], [-inf] * 3, [inf] * 3, [1.0] * 3),
]
REDUCTIONS = {
    **{
        name: ()
        for name in (
            *("sum", "nansum", "mean", "nanmean", "prod", "amax", "amin", "max", "min", "argmax"),
            *("argmin", "std", "var", "median", "nanmedian", "all", "any", "norm", "sort"),
            *("argsort", "count_nonzero", "std_mean", "var_mean", "aminmax"),
        )
    },
    **{
        name: (1,)
        for name in (
            *("logsumexp", "cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "softmax"),
            "log_softmax",
        )
    },
}


def compare(call):
    """Both libraries' results, or both their kinds of failure."""
    answers = []
    for library in (flambeau, torch):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = call(library)
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            answers.append(error)
            continue
        answers.append(result if isinstance(result, tuple) else (result,))
    ours, theirs = answers
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        assert isinstance(theirs, Exception) and isinstance(ours, Exception), (ours, theirs)
        kinds = (IndexError, NotImplementedError, ValueError, TypeError, RuntimeError)
        kind = next(k for k in kinds if isinstance(theirs, k))
        if kind is not NotImplementedError:  # which of the two is said of a dtype may vary
            assert isinstance(ours, kind), (ours, theirs)
        return
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype)
        right = same(array(a), array(b), 1e-6, not a.is_complex())
        assert np.all(right), (a, b)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name, dtype):
    further = {"dim": 1} if name == "aminmax" else {}

    def rows(library):
        return library.tensor(ROWS, dtype=getattr(library, dtype))

    compare(lambda library: getattr(library, name)(rows(library), *REDUCTIONS[name], **further))
    if not REDUCTIONS[name]:
        for k in range(len(ROWS)):
            compare(lambda library, k=k: getattr(library, name)(rows(library)[k]))
        if not further:
            compare(lambda library: getattr(library, name)(rows(library), 1))


@pytest.mark.parametrize("dtype", ["float64", "int64", "bool"])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_of_nothing(name, shape, dtype):
    if "median" in name and dtype != "float64":
        pytest.skip("the median of no integers is the least of them in torch, an error here")

    def nothing(library):
        return library.ones(shape, dtype=getattr(library, dtype))

    for dim in range(len(shape)):
        if name == "aminmax":
            compare(lambda library, dim=dim: library.aminmax(nothing(library), dim=dim))
        else:
            compare(lambda library, dim=dim: getattr(library, name)(nothing(library), dim))
    if not REDUCTIONS[name]:
        compare(lambda library: getattr(library, name)(nothing(library)))


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "cumsum", "cumprod", "var", "std"])
def test_complex_reductions(name):
    values = [[1 + 2j, -0.5 + 1j, 3 - 1j], [0j, 2j, 1 + 0j], [1 - 1j, 1j, 2 + 0j]]

    def call(library, *arguments):
        return getattr(library, name)(library.tensor(values, dtype=library.complex128), *arguments)

    compare(lambda library: call(library, 1))
    compare(lambda library: call(library, 0))
    if not name.startswith("cum"):
        compare(call)


@pytest.mark.parametrize("f", ["abs", "angle", "sgn", "sqrt", "conj"])
def test_gradients_at_complex_zero(f):
    gradients = []
    for library in (flambeau, torch):
        x = library.tensor([0j, -0j, 1 + 0j, -2 + 0j], dtype=library.complex128)
        x.requires_grad_()
        out = getattr(x, f)()
        out.backward(library.ones_like(out))
        gradients.append(array(x.grad))
    assert np.all(same(*gradients, 1e-12, signs=False)), gradients
