"""Eigenvectors and singular vectors of matrices at sizes around those of the blocks."""

import numpy as np
import pytest

import flambeau
from flambeau import _C

SIZES = [127, 128, 129, 160, 161, 225]
TOLERANCE = {"float32": 2e-5, "float64": 1e-13}


def matrix(n: int, dtype: str, scale: float = 1.0):
    return flambeau.randn(n, n, dtype=getattr(flambeau, dtype)) * scale / n**0.5


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("uplo", ["L", "U"])
@pytest.mark.parametrize("n", SIZES)
def test_eigenvectors(n, uplo, dtype):
    A = matrix(n, dtype)
    A = A + A.mT
    half = A.tril() if uplo == "L" else A.triu()
    values, vectors = flambeau.linalg.eigh(half, UPLO=uplo)
    assert (vectors * values @ vectors.mT).allclose(A, rtol=0, atol=10 * TOLERANCE[dtype])
    unit = flambeau.eye(n, dtype=A.dtype)
    assert (vectors.mT @ vectors).allclose(unit, rtol=0, atol=10 * TOLERANCE[dtype])
    expected = np.linalg.eigvalsh(A.double().numpy())
    assert np.allclose(values.numpy(), expected, rtol=0, atol=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("n", SIZES)
def test_singular_vectors(n, dtype):
    A = matrix(n, dtype)
    u, s, vh = flambeau.linalg.svd(A)
    assert (u * s @ vh).allclose(A, rtol=0, atol=10 * TOLERANCE[dtype])
    unit = flambeau.eye(n, dtype=A.dtype)
    for q in (u, vh):
        assert (q @ q.mT).allclose(unit, rtol=0, atol=10 * TOLERANCE[dtype])
    expected = np.linalg.svd(A.double().numpy(), compute_uv=False)
    assert np.allclose(s.numpy(), expected, rtol=0, atol=10 * TOLERANCE[dtype])


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30])
def test_sizes_that_must_be_scaled(scale):
    A = matrix(140, "float32", scale)
    u, s, vh = flambeau.linalg.svd(A)
    assert (u * s @ vh).allclose(A, rtol=0, atol=1e-4 * scale)
    values, vectors = flambeau.linalg.eigh(A + A.mT)
    assert (vectors * values @ vectors.mT).allclose(A + A.mT, rtol=0, atol=1e-4 * scale)


def test_nan_is_no_matrix_to_decompose():
    A = matrix(140, "float64")
    A[3, 3] = flambeau.nan
    assert bool(flambeau.linalg.eigh(A).eigenvalues.isnan().all())
    with pytest.raises(flambeau.linalg.LinAlgError):
        flambeau.linalg.svd(A)


def test_bits_do_not_depend_on_the_threads():
    A, before = matrix(200, "float32"), _C.get_num_threads()
    results = []
    for threads in (1, 2, 5):
        _C.set_num_threads(threads)
        results.append((*flambeau.linalg.svd(A), *flambeau.linalg.eigh(A)))
    _C.set_num_threads(before)
    for found in results[1:]:
        assert all(a.equal(b) for a, b in zip(found, results[0], strict=True))
