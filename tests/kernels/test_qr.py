"""Reflectors in blocks, at sizes around those of the blocks."""

import pytest

import flambeau
from flambeau import _C

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

SHAPES = [
    (1, 1), (1, 5), (5, 1), (4, 4), (16, 16), (33, 7), (7, 33), (31, 32), (32, 31), (33, 33),
    (64, 64), (65, 97), (97, 65), (200, 33), (33, 200), (129, 160), (300, 64), (3, 20, 9),
]  # fmt: skip
DTYPES = {"float32": 2e-5, "float64": 1e-13, "complex64": 2e-5, "complex128": 1e-13}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_factors_are_those_of_lapack(shape, dtype):
    torch.manual_seed(0)
    theirs = torch.randn(shape, dtype=getattr(torch, dtype))
    ours = flambeau.tensor(theirs.numpy())
    tolerance = DTYPES[dtype] * max(shape)
    for mode in ("reduced", "complete", "r"):
        for a, b in zip(flambeau.linalg.qr(ours, mode), torch.linalg.qr(theirs, mode), strict=True):
            assert a.shape == b.shape
            if ours.is_complex() and shape[-1] > shape[-2]:
                continue  # the phase of the last row is free, and libraries differ
            assert torch.allclose(torch.from_numpy(a.numpy()), b, rtol=0, atol=tolerance)
    q, r = flambeau.linalg.qr(ours)
    unit = flambeau.eye(q.shape[-1], dtype=q.dtype).expand(*q.shape[:-2], -1, -1)
    assert (q.mH @ q).allclose(unit, rtol=0, atol=tolerance)
    assert (q @ r).allclose(ours, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e-200, 1e200])
def test_numbers_of_any_size(dtype, scale):
    if dtype == "float32" and not 1e-37 < scale < 1e37:
        scale = 1e-38 if scale < 1 else 1e36
    A = flambeau.randn(70, 50, dtype=flambeau.float64)
    q, r = flambeau.linalg.qr((A * scale).to(getattr(flambeau, dtype)))
    tolerance = 1e-3 if dtype == "float32" else 1e-12
    assert (q.double() @ (r.double() / scale)).allclose(A, rtol=0, atol=tolerance)


@pytest.mark.parametrize("n", [5, 80])
def test_dependent_and_zero_columns(n):
    A = flambeau.randn(n, n)
    A[:, 1] = 0
    A[:, 3] = A[:, 2]
    q, r = flambeau.linalg.qr(A)
    assert (q @ r).allclose(A, atol=1e-5)
    assert (q.mT @ q).allclose(flambeau.eye(n), atol=1e-5)
    assert flambeau.linalg.qr(flambeau.zeros(n, n)).R.count_nonzero() == 0


@pytest.mark.parametrize("m, n, columns", [(40, 40, 1), (100, 60, 3), (100, 60, 70), (260, 256, 2)])
@pytest.mark.parametrize("dtype", ["float32", "complex64", "float64"])
def test_least_squares_against_the_normal_equations(m, n, columns, dtype):
    dtype = getattr(flambeau, dtype)
    A = flambeau.randn(m, n, dtype=dtype) + 20 * flambeau.eye(m, n, dtype=dtype)
    B = flambeau.randn(m, columns, dtype=dtype)
    found = flambeau.linalg.lstsq(A, B)
    assert int(found.rank) == n
    residual = A.mH @ (A @ found.solution - B)
    assert residual.abs().max() < 1e-5 * float(A.norm()) * float(B.norm())


def test_rank_of_nearly_dependent_columns():
    A = flambeau.randn(100, 40, dtype=flambeau.float64)
    A[:, 7] = A[:, 8] + 1e-17
    assert int(flambeau.linalg.lstsq(A, flambeau.randn(100, 1, dtype=flambeau.float64)).rank) == 39


def test_bits_do_not_depend_on_the_threads():
    A, before = flambeau.randn(300, 260), _C.get_num_threads()
    results = []
    for threads in (1, 2, 5):
        _C.set_num_threads(threads)
        results.append(flambeau.linalg.qr(A))
    _C.set_num_threads(before)
    for q, r in results[1:]:
        assert q.equal(results[0].Q) and r.equal(results[0].R)
