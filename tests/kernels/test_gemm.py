"""Matrix products of the CPU kernels against NumPy."""

import numpy as np
import pytest

import flambeau
from flambeau import _C

pytestmark = pytest.mark.usefixtures("restore_threads")

REAL = {"float32": 2e-6, "float64": 1e-14, "float16": 2e-3, "int64": 0, "int8": 0, "uint8": 0}
COMPLEX = {"complex64": 2e-6, "complex128": 1e-14}
TOLERANCE = REAL | COMPLEX

# Every size around a tile (12 rows, 32 or 16 columns), around a slice of the inner dimension (320),
# vectors, and empty matrices.
SHAPES = [
    (1, 1, 1),
    (5, 7, 3),
    (13, 33, 17),
    (12, 32, 64),
    (1, 40, 50),
    (40, 1, 50),
    (41, 1, 2),
    (41, 1, 3),
    (41, 1, 4),
    (41, 1, 20),
    (1, 41, 3),
    (1, 1100, 9),
    (100, 70, 700),
    (37, 500, 330),
    (129, 129, 129),
    (0, 4, 3),
    (4, 0, 3),
    (4, 3, 0),
]


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def values(rng, dtype, *shape):
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, 100, shape).astype(dtype)
    real = rng.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        real = real + 1j * rng.standard_normal(shape)
    return real.astype(dtype)


def tensor(array):
    """A tensor with the strides of the array."""
    return flambeau.from_numpy(array)


def wide(array):
    """The array in a type whose products are exact enough to be the reference."""
    return array.astype({"i": "i8", "u": "i8", "f": "f8", "c": "c16"}[array.dtype.kind])


def check(result, expected, dtype):
    result = result.numpy()
    assert result.shape == expected.shape
    assert result.dtype == dtype
    if np.issubdtype(dtype, np.integer):
        np.testing.assert_array_equal(result, expected.astype(dtype))
    elif expected.size:
        scale = max(np.abs(expected).max(), 1.0)
        assert np.abs(result - expected).max() <= TOLERANCE[np.dtype(dtype).name] * scale


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_mm_of_plain_and_transposed_matrices(rng, dtype, shape):
    m, n, k = shape
    for a in (values(rng, dtype, m, k), values(rng, dtype, k, m).T):
        for b in (values(rng, dtype, k, n), values(rng, dtype, n, k).T):
            check(_C.mm(tensor(a), tensor(b)), wide(a) @ wide(b), dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int64", "float16"])
def test_mm_of_strided_matrices(rng, dtype):
    a = values(rng, dtype, 20, 60)[::2, ::3]
    b = values(rng, dtype, 40, 30)[::2, 5:21]
    check(_C.mm(tensor(a), tensor(b)), wide(a) @ wide(b), dtype)
    row = values(rng, dtype, 1, 20)
    repeated = tensor(row).expand(15, 20)
    check(_C.mm(repeated, tensor(b)), np.repeat(wide(row), 15, 0) @ wide(b), dtype)


def test_mm_of_bfloat16_rounds_once(rng):
    a, b = values(rng, "float32", 30, 200), values(rng, "float32", 200, 40)
    a16, b16 = (_C.cast(tensor(x), flambeau.bfloat16) for x in (a, b))
    exact = wide(_C.cast(a16, flambeau.float32).numpy()) @ wide(
        _C.cast(b16, flambeau.float32).numpy()
    )
    result = _C.mm(a16, b16)
    assert result.dtype == flambeau.bfloat16
    np.testing.assert_allclose(
        _C.cast(result, flambeau.float32).numpy(), exact, rtol=2**-8, atol=1e-3
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int64"])
def test_bmm(rng, dtype):
    a, b = values(rng, dtype, 5, 13, 9), values(rng, dtype, 5, 20, 9).transpose(0, 2, 1)
    check(_C.bmm(tensor(a), tensor(b)), np.matmul(wide(a), wide(b)), dtype)
    one = tensor(a[:1]).expand(5, 13, 9)
    check(_C.bmm(one, tensor(b)), np.matmul(wide(a[:1]), wide(b)), dtype)
    check(_C.bmm(tensor(a[:0]), tensor(b[:0])), np.zeros((0, 13, 20)), dtype)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((4,), (4,)),
        ((3, 4), (4,)),
        ((4,), (4, 3)),
        ((2, 3, 4), (4,)),
        ((4,), (2, 4, 3)),
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (5, 4, 6)),
        ((2, 5, 3, 4), (2, 5, 4, 6)),
        ((0, 3, 4), (4, 5)),
        ((2, 3, 0), (0, 5)),
    ],
    ids=str,
)
def test_matmul_broadcasts_as_numpy(rng, a, b):
    x, y = values(rng, "float64", *a), values(rng, "float64", *b)
    check(_C.matmul(tensor(x), tensor(y)), np.asarray(np.matmul(x, y)), "float64")


def test_vector_products(rng):
    a, x = values(rng, "float32", 70, 33), values(rng, "float32", 66)[::2]
    check(_C.mv(tensor(a), tensor(x)), wide(a) @ wide(x), "float32")
    check(_C.mv(tensor(a.T), tensor(a[:, 0])), wide(a).T @ wide(a[:, 0]), "float32")
    check(_C.dot(tensor(x), tensor(a[0])), np.asarray(wide(x) @ wide(a[0])), "float32")
    assert _C.dot(tensor(x[:0]), tensor(x[:0])).numpy() == 0


def test_long_float32_dot_is_accurate(rng):
    x, y = rng.random(1_000_003, dtype=np.float32), rng.random(1_000_003, dtype=np.float32)
    exact = wide(x) @ wide(y)
    assert abs(_C.dot(tensor(x), tensor(y)).numpy() - exact) <= 2e-7 * exact


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int64"])
def test_addmm_scales_and_broadcasts(rng, dtype):
    a, b, bias = values(rng, dtype, 30, 40), values(rng, dtype, 40, 35), values(rng, dtype, 35)
    product = wide(a) @ wide(b)
    check(_C.addmm(tensor(bias), tensor(a), tensor(b), 1, 1), product + wide(bias), dtype)
    check(_C.addmm(tensor(bias), tensor(a), tensor(b), 3, 2), 2 * product + 3 * wide(bias), dtype)
    check(_C.addmm(tensor(bias), tensor(a), tensor(b), 3, 0), 3 * wide(bias) + 0 * product, dtype)
    stacked = _C.baddbmm(tensor(bias), tensor(a[None]), tensor(b[None]), 1, 1)
    check(stacked, (product + wide(bias))[None], dtype)


def test_beta_zero_does_not_read_the_input(rng):
    a, b = values(rng, "float32", 3, 4), values(rng, "float32", 4, 5)
    nothing = np.full((3, 5), np.nan, np.float32)
    check(_C.addmm(tensor(nothing), tensor(a), tensor(b), 0, 1), wide(a) @ wide(b), "float32")


def test_no_inner_dimension_gives_beta_times_input(rng):
    bias = values(rng, "float32", 3, 5)
    empty = _C.addmm(
        tensor(bias), _C.empty([3, 0], flambeau.float32), _C.empty([0, 5], flambeau.float32), 2, 1
    )
    check(empty, 2 * wide(bias), "float32")


def test_linear(rng):
    x, w, bias = (values(rng, "float32", *s) for s in ((4, 6, 50), (20, 50), (20,)))
    check(
        _C.linear(tensor(x), tensor(w), tensor(bias)), wide(x) @ wide(w).T + wide(bias), "float32"
    )
    check(
        _C.linear(tensor(x[0]), tensor(w), tensor(bias)),
        wide(x[0]) @ wide(w).T + wide(bias),
        "float32",
    )
    check(_C.linear(tensor(x[0, 0]), tensor(w), None), wide(w) @ wide(x[0, 0]), "float32")


@pytest.mark.parametrize("special", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(5, 7, 3), (40, 70, 50), (1, 70, 50)], ids=str)
def test_special_values_propagate_and_stay_in_their_row(rng, special, shape):
    m, n, k = shape
    a, b = values(rng, "float32", m, k), np.abs(values(rng, "float32", k, n)) + 1
    a[m - 1, k - 1] = special
    result = _C.mm(tensor(a), tensor(b)).numpy()
    assert np.isfinite(result[: m - 1]).all()
    np.testing.assert_array_equal(result[m - 1], np.full(n, special, np.float32))


def test_zero_times_infinity_is_not_skipped():
    a, b = np.zeros((20, 3), np.float32), np.full((3, 40), np.inf, np.float32)
    assert np.isnan(_C.mm(tensor(a), tensor(b)).numpy()).all()


@pytest.mark.parametrize(
    "shape", [(64, 64, 64), (300, 200, 400), (1, 3000, 500), (3000, 1, 500), (90000, 1, 3)], ids=str
)
def test_bits_do_not_depend_on_the_number_of_threads(rng, shape):
    m, n, k = shape
    a, b = tensor(values(rng, "float32", m, k)), tensor(values(rng, "float32", n, k).T)
    results = []
    for threads in (1, 2, 3, 7):
        _C.set_num_threads(threads)
        results.append(_C.mm(a, b).numpy())
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda f, d: _C.mm(f(2, 3), f(4, 5)), "shapes cannot be multiplied (2x3 and 4x5)"),
        (lambda f, d: _C.mm(f(2, 3), f(3)), "mm: expected two matrices: a is (2, 3), b is (3,)"),
        (lambda f, d: _C.mm(f(2, 3), d(3, 2)), "same dtype: a is float32, b is float64"),
        (lambda f, d: _C.bmm(f(2, 3, 4), f(3, 4, 5)), "bmm: batches and inner sizes must agree"),
        (lambda f, d: _C.bmm(f(3, 4), f(3, 4)), "bmm: batch1 must be a 3D tensor"),
        (lambda f, d: _C.mv(f(2, 3), f(4)), "mv: size mismatch, got input (2x3), vec (4)"),
        (lambda f, d: _C.dot(f(2), f(3)), "dot: inconsistent tensor size"),
        (lambda f, d: _C.dot(f(2, 2), f(2)), "dot: 1D tensors expected"),
        (lambda f, d: _C.matmul(f(2, 3, 4), f(2, 3, 4)), "matmul: inner sizes must agree"),
        (lambda f, d: _C.matmul(f(2, 3, 4), f(3, 4, 5)), "matmul"),
        (lambda f, d: _C.matmul(f(), f(3)), "both arguments to matmul need to be at least 1D"),
        (lambda f, d: _C.addmm(f(7), f(2, 3), f(3, 4), 1, 1), "addmm"),
        (lambda f, d: _C.linear(f(2, 3), f(5, 4), None), "(2x3 and 4x5)"),
    ],
)
def test_errors(call, text):
    def float32(*sizes):
        return _C.empty(list(sizes), flambeau.float32)

    def float64(*sizes):
        return _C.empty(list(sizes), flambeau.float64)

    with pytest.raises(RuntimeError) as error:
        call(float32, float64)
    assert text in str(error.value)


def test_bool_is_refused():
    a = _C.empty([2, 2], flambeau.bool)
    with pytest.raises(RuntimeError, match="not implemented for bool"):
        _C.mm(a, a)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "m, k", [(64, 64), (65, 100), (97, 64), (100, 1000), (193, 70), (300, 257)]
)
def test_a_matrix_times_its_own_transpose(m, k, dtype):
    x = flambeau.randn(m, k, dtype=getattr(flambeau, dtype))
    for given in (x, x.T.contiguous().T, flambeau.randn(m, 2 * k, dtype=x.dtype)[:, ::2]):
        product = given @ given.T
        assert product.equal(product.T)
        assert product.allclose(given @ given.T.clone(), rtol=1e-4, atol=1e-4)
