"""Linear algebra: what the suite over the registry cannot say of it.

Vectors of decompositions are given up to signs and phases, so it is their products, and functions
that do not depend on those, that are compared and differentiated here.
"""

import warnings

import numpy as np
import pytest

import flambeau
import flambeau.linalg
import flambeau.return_types
from flambeau.core.registry import OPS
from flambeau.testing import gradcheck, gradgradcheck
from flambeau.testing.suite import _as_function, _with_grad, complex_samples, samples_of

DTYPES = ("float32", "float64", "complex64", "complex128")
SIZES = (1, 3, 16, 17, 70)  # plain loops and LAPACK
LARGE = 200  # blocks that threads share


def numbers(*shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        made = made + 1j * rng.standard_normal(shape)
    return made.astype(dtype)


def ours(array):
    return flambeau.from_numpy(np.ascontiguousarray(array))


def adjoint(array):
    return np.conj(np.swapaxes(array, -1, -2))


def wide(array):
    """The array in double precision."""
    return array.astype("complex128" if array.dtype.kind == "c" else "float64")


def close(found, wanted, dtype, factor=1):
    tolerance = factor * (1e-4 if dtype in ("float32", "complex64") else 1e-11)
    found = found.numpy() if isinstance(found, flambeau.Tensor) else found
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    wanted = np.broadcast_to(wanted, found.shape)  # one identity for a batch
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)


# ---- values: every dtype and every way a size is computed ----


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


@pytest.fixture(params=SIZES)
def n(request):
    return request.param


@pytest.fixture(params=[*SIZES, LARGE])
def up_to_large(request):
    return request.param


def test_cholesky_of_all_sizes(dtype, up_to_large):
    n = up_to_large
    a = numbers(2, n, n, dtype=dtype)
    a = a @ adjoint(a) / n + np.eye(n, dtype=dtype)
    lower = flambeau.linalg.cholesky(ours(a)).numpy()
    upper = flambeau.linalg.cholesky(ours(a), upper=True).numpy()
    close(lower @ adjoint(lower), a, dtype)
    close(upper, adjoint(lower), dtype)
    close(lower, np.linalg.cholesky(a), dtype)


@pytest.mark.parametrize("n", [5, 50, 250])
def test_only_one_triangle_is_read(dtype, n):
    a = numbers(n, n, dtype=dtype)
    a = a @ adjoint(a) / n + np.eye(n, dtype=dtype)
    spoiled = a + 100 * np.triu(np.ones((n, n)), 1).astype(dtype)
    close(flambeau.linalg.cholesky(ours(spoiled)), np.linalg.cholesky(a), dtype)
    close(
        flambeau.linalg.cholesky(ours(spoiled.T.copy().conj()), upper=True),
        adjoint(np.linalg.cholesky(a)),
        dtype,
    )
    close(flambeau.linalg.eigvalsh(ours(spoiled)), np.linalg.eigvalsh(a), dtype)


@pytest.mark.parametrize("shape", [(0, 0), (3, 1), (-5, 5), (5, -5)])
def test_lu_of_all_sizes(dtype, up_to_large, shape):
    n = up_to_large
    m, k = (max(n + d, 1) for d in shape)
    a = numbers(2, m, k, dtype=dtype)
    p, lower, upper = (t.numpy() for t in flambeau.linalg.lu(ours(a)))
    close(p @ lower @ upper, a, dtype)
    assert np.abs(lower).max() < 1.5  # rows were exchanged
    factors, pivots = flambeau.linalg.lu_factor(ours(a))
    assert pivots.dtype == flambeau.int32 and tuple(pivots.shape) == (2, min(m, k))
    close(np.tril(factors.numpy(), -1)[..., : min(m, k)], np.tril(lower, -1), dtype)


def test_solutions_of_all_sizes(dtype, up_to_large):
    n = up_to_large
    a, b = numbers(2, n, n, dtype=dtype) + n * np.eye(n, dtype=dtype), numbers(2, n, 3, dtype=dtype)
    close(a @ flambeau.linalg.solve(ours(a), ours(b)).numpy(), b, dtype)
    close(flambeau.linalg.inv(ours(a)), np.linalg.inv(a), dtype)
    factors = flambeau.linalg.lu_factor(ours(a))
    for keywords, product in (
        ({}, lambda x: a @ x),
        ({"adjoint": True}, lambda x: adjoint(a) @ x),
    ):
        found = flambeau.linalg.lu_solve(*factors, ours(b), **keywords).numpy()
        close(product(found), b, dtype)
    row = flambeau.linalg.lu_solve(*factors, ours(adjoint(b)), left=False).numpy()
    close(row @ a, adjoint(b), dtype)
    for upper in (False, True):
        t = np.triu(a) if upper else np.tril(a)
        found = flambeau.linalg.solve_triangular(ours(a), ours(b), upper=upper).numpy()
        close(t @ found, b, dtype)
        found = flambeau.linalg.solve_triangular(
            ours(a).mT.contiguous().mT, ours(adjoint(b)), upper=upper, left=False
        ).numpy()
        close(found @ t, adjoint(b), dtype)


def test_determinants_of_all_sizes(dtype, up_to_large):
    n = up_to_large
    a = numbers(3, n, n, dtype=dtype) / np.sqrt(n).astype(dtype)
    sign, logarithm = np.linalg.slogdet(wide(a))
    found = flambeau.linalg.slogdet(ours(a))
    close(found.sign, sign, dtype, 30)
    close(found.logabsdet, logarithm, dtype, 30)
    if n <= 17:
        close(flambeau.linalg.det(ours(a)), np.linalg.det(a), dtype)


@pytest.mark.parametrize("count", [4, 16, 37])
@pytest.mark.parametrize("rows", [1, 2, 5, 16, 31, 32, 33])
def test_many_small_matrices(dtype, rows, count):
    """They are worked on side by side; what one does must not show in another."""
    a, b = numbers(count, rows, rows, dtype=dtype), numbers(count, rows, 2, dtype=dtype)
    a[1] = 0  # no pivots, beside matrices that have some
    info = flambeau.linalg.inv_ex(ours(a)).info.tolist()
    assert [k for k, code in enumerate(info) if code] == [1] and info[1] == 1
    assert flambeau.linalg.lu_factor_ex(ours(a)).info.tolist() == info
    a[1] = np.eye(rows)[::-1]
    p, lower, upper = (t.numpy() for t in flambeau.linalg.lu(ours(a)))
    close(p @ lower @ upper, a, dtype)
    x = flambeau.linalg.solve(ours(a), ours(b)).numpy()
    alone = [flambeau.linalg.solve(ours(m), ours(v)).numpy() for m, v in zip(a, b, strict=True)]
    close(a @ x, b, dtype, np.abs(x).max())
    close(a @ np.stack(alone), b, dtype, np.abs(x).max())
    factors = flambeau.linalg.lu_factor(ours(a))
    close(a @ flambeau.linalg.lu_solve(*factors, ours(b)).numpy(), b, dtype, np.abs(x).max())
    inverse = flambeau.linalg.inv(ours(a)).numpy()
    close(inverse @ a, np.eye(rows), dtype, 10 * np.abs(inverse).max())
    s = a @ adjoint(a) + np.eye(rows, dtype=dtype)
    s[2] = -np.eye(rows)
    found = flambeau.linalg.cholesky_ex(ours(s))
    assert found.info.tolist() == [int(k == 2) for k in range(count)]
    s[2] = np.eye(rows)
    for upper_half in (False, True):
        factor = flambeau.linalg.cholesky(ours(s), upper=upper_half).numpy()
        product = adjoint(factor) @ factor if upper_half else factor @ adjoint(factor)
        close(product, s, dtype)


@pytest.mark.parametrize("columns", [1, 3, 5, 40])
@pytest.mark.parametrize("rows", [1, 5, 16, 32, 33])
def test_many_small_triangles(dtype, rows, columns):
    full = numbers(19, rows, rows, dtype=dtype) / rows + 2 * np.eye(rows, dtype=dtype)
    b = numbers(19, rows, columns, dtype=dtype)
    for upper in (False, True):
        other = np.tril(np.full((rows, rows), np.nan), -1).T
        spoiled = full + (other.T if upper else other)  # what is not read may be anything
        for unit in (False, True):
            triangle = np.triu(full) if upper else np.tril(full)
            if unit:
                triangle = triangle - triangle * np.eye(rows) + np.eye(rows)
            for given in (spoiled, np.swapaxes(spoiled.swapaxes(-1, -2).copy(), -1, -2)):
                options = {"upper": upper, "unitriangular": unit}
                a = flambeau.from_numpy(given.astype(dtype))
                x = flambeau.linalg.solve_triangular(a, ours(b), **options)
                close(triangle @ x.numpy(), b, dtype)
                right = flambeau.linalg.solve_triangular(a, ours(b).mT, left=False, **options)
                close(right.numpy() @ triangle, b.swapaxes(-1, -2), dtype)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("rows", [1, 2, 5, 17, 32, 33])
def test_eigenvalues_of_many_small_matrices(dtype, rows, scale):
    a = numbers(37, rows, rows, dtype=dtype)
    a = a + adjoint(a)
    a[1], a[2], a[3] = 0, np.eye(rows), np.ones((rows, rows))  # repeated eigenvalues
    a = (a * scale).astype(dtype)
    for uplo in ("L", "U"):
        values, vectors = (t.numpy() for t in flambeau.linalg.eigh(ours(a), uplo))
        close(values / scale, np.linalg.eigvalsh(a) / scale, dtype)
        close(a @ vectors / scale, vectors * values[..., None, :] / scale, dtype)
        close(adjoint(vectors) @ vectors, np.eye(rows), dtype)
        close(flambeau.linalg.eigvalsh(ours(a), uplo).numpy() / scale, values / scale, dtype)
    a[4] = np.nan
    values, vectors = (t.numpy() for t in flambeau.linalg.eigh(ours(a)))
    assert np.isnan(values[4]).all() and np.isnan(vectors[4]).all()
    assert np.isfinite(np.delete(values, 4, 0)).all()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("rows", [1, 2, 5, 17, 32, 33])
def test_singular_values_of_many_small_matrices(dtype, rows, scale):
    a = numbers(37, rows, rows, dtype=dtype)
    a[1], a[2], a[3] = 0, np.eye(rows), np.ones((rows, rows))  # of other ranks beside full ones
    a[4] = numbers(rows, 1, dtype=dtype) * numbers(1, rows, dtype=dtype)
    a = (a * scale).astype(dtype)
    u, s, vh = (t.numpy() for t in flambeau.linalg.svd(ours(a)))
    close(s / scale, np.linalg.svd(a, compute_uv=False) / scale, dtype)
    assert (np.diff(s, axis=-1) <= 0).all()
    close((u * s[..., None, :]) @ vh / scale, a / scale, dtype)
    close(adjoint(u) @ u, np.eye(rows), dtype)
    close(vh @ adjoint(vh), np.eye(rows), dtype)
    close(flambeau.linalg.svdvals(ours(a)).numpy() / scale, s / scale, dtype)


@pytest.mark.parametrize("hermitian", [False, True])
def test_ldl(dtype, n, hermitian):
    a = numbers(2, n, n, dtype=dtype)
    a = a + (adjoint(a) if hermitian else np.swapaxes(a, -1, -2))
    b = numbers(2, n, 2, dtype=dtype)
    factors = flambeau.linalg.ldl_factor(ours(a), hermitian=hermitian)
    x = flambeau.linalg.ldl_solve(*factors, ours(b), hermitian=hermitian).numpy()
    close(a @ x, b, dtype, 100)


@pytest.mark.parametrize("extra", [(0, 0), (4, 0), (0, 4)])
def test_orthogonal_factors_of_all_sizes(dtype, n, extra):
    a = numbers(2, n + extra[0], n + extra[1], dtype=dtype)
    for mode in ("reduced", "complete"):
        q, r = (t.numpy() for t in flambeau.linalg.qr(ours(a), mode))
        wanted_q, wanted_r = np.linalg.qr(a, mode)
        assert q.shape == wanted_q.shape and r.shape == wanted_r.shape
        close(q @ r, a, dtype)
        close(adjoint(q) @ q, np.eye(q.shape[-1]), dtype)
        close(np.tril(r, -1), 0 * r, dtype)
    only = flambeau.linalg.qr(ours(a), "r")
    assert tuple(only.Q.shape) == (0,)
    reduced = flambeau.linalg.qr(ours(a))
    close(only.R, reduced.R.numpy(), dtype)
    if extra[1] == 0:
        reflectors = flambeau.geqrf(ours(a))
        close(flambeau.linalg.householder_product(*reflectors), reduced.Q.numpy(), dtype)
        other = numbers(2, n + extra[0], 2, dtype=dtype)
        whole = flambeau.linalg.qr(ours(a), "complete").Q.numpy()
        close(flambeau.ormqr(*reflectors, ours(other)), whole @ other, dtype)


@pytest.mark.parametrize("extra", [(0, 0), (4, 0), (0, 4), (90, 0), (0, 90)])
def test_singular_values_of_all_sizes(dtype, n, extra):
    a = numbers(2, n + extra[0], n + extra[1], dtype=dtype)
    for full in (True, False):
        u, s, vh = (t.numpy() for t in flambeau.linalg.svd(ours(a), full))
        wanted = np.linalg.svd(a, full)
        assert u.shape == wanted[0].shape and vh.shape == wanted[2].shape
        close(s, wanted[1], dtype)
        close((u[..., :n] * s[..., None, :]) @ vh[..., :n, :], a, dtype)
        close(adjoint(u) @ u, np.eye(u.shape[-1]), dtype)
        close(vh @ adjoint(vh), np.eye(vh.shape[-2]), dtype)
    close(flambeau.linalg.svdvals(ours(a)), s, dtype)
    close(flambeau.linalg.pinv(ours(a)), np.linalg.pinv(a), dtype, 100)


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e150])
@pytest.mark.parametrize("shape", [(100, 20), (20, 100), (7, 12, 2)])
def test_singular_values_of_tall_and_wide_matrices(dtype, shape, scale):
    if dtype in ("float32", "complex64"):
        scale = min(scale, 1e30)
    a = numbers(*shape, dtype=dtype) * np.array(scale).astype(dtype)
    found = flambeau.linalg.svd(ours(a), False)
    u, s, vh = (t.numpy() for t in found)
    close((u * (s / scale)[..., None, :]) @ vh, a / scale, dtype, 10)
    close(adjoint(u) @ u, np.eye(min(shape[-2:])), dtype)
    for t in (found.U, found.Vh):  # laid out by columns
        assert t.mT.is_contiguous()
    a[..., -1, -1] = np.nan
    with pytest.raises(flambeau.linalg.LinAlgError, match="non-finite"):
        flambeau.linalg.svd(ours(a), False)


def test_eigenvalues_of_all_sizes(dtype, n):
    a = numbers(2, n, n, dtype=dtype)
    for h, keywords in ((a + adjoint(a), {}), (a + adjoint(a), {"UPLO": "U"})):
        values, vectors = (t.numpy() for t in flambeau.linalg.eigh(ours(h), **keywords))
        close(values, np.linalg.eigvalsh(h), dtype)
        close(h @ vectors, vectors * values[..., None, :], dtype)
        close(adjoint(vectors) @ vectors, np.eye(n), dtype)
        close(flambeau.linalg.eigvalsh(ours(h), **keywords), values, dtype)
    values, vectors = (t.numpy() for t in flambeau.linalg.eig(ours(a)))
    close(a @ vectors, vectors * values[..., None, :], dtype, 10)
    close(np.linalg.norm(vectors, axis=-2), np.ones((2, n)), dtype)
    others = flambeau.linalg.eigvals(ours(a)).numpy()
    close(np.sort(np.abs(others)), np.sort(np.abs(values)), dtype, 10)


@pytest.mark.parametrize("driver", ["gels", "gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (5, 5), (120, 70), (200, 3)])
def test_least_squares(dtype, driver, shape):
    a, b = numbers(2, *shape, dtype=dtype), numbers(2, shape[0], 3, dtype=dtype)
    found = flambeau.linalg.lstsq(ours(a), ours(b), driver=driver)
    wanted = np.linalg.pinv(a) @ b
    close(found.solution, wanted, dtype, 100)
    if shape[0] > shape[1] and driver != "gelsy":
        close(found.residuals, (np.abs(a @ wanted - b) ** 2).sum(-2), dtype, 10)
    else:
        assert found.residuals.numel() == 0
    if driver != "gels":
        assert found.rank.tolist() == [min(shape)] * 2
    if driver in ("gelsd", "gelss"):
        close(found.singular_values, np.linalg.svd(a, compute_uv=False), dtype)


@pytest.mark.parametrize("driver", ["gelsy", "gelsd", "gelss"])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_least_squares_without_full_rank(dtype, driver, scale):
    if scale != 1 and dtype in ("float32", "complex64"):
        scale **= 0.5
    a = numbers(80, 3, dtype=dtype) @ numbers(3, 70, dtype=dtype) * np.array(scale).astype(dtype)
    b = a @ numbers(70, 2, dtype=dtype)
    found = flambeau.linalg.lstsq(ours(a), ours(b), driver=driver)
    assert found.rank.item() == 3
    close(a @ found.solution.numpy() / scale, b / scale, dtype, 10)
    wanted = np.linalg.pinv(wide(a), rcond=1e-5) @ b
    close(found.solution, wanted.astype(dtype), dtype, 30)


def test_columns_that_depend_on_each_other_almost():
    """Rank is found where a triangle from plain QR has no small number on its diagonal."""
    n = 90
    a = np.eye(n) - np.triu(np.ones((n, n)), 1)  # Kahan's: condition about 2^n
    found = flambeau.linalg.lstsq(ours(a), ours(numbers(n, 1)))
    assert found.rank.item() < n


def test_rank():
    a = numbers(2, 30, 4) @ numbers(2, 4, 20)
    assert flambeau.linalg.matrix_rank(ours(a)).tolist() == [4, 4]
    assert flambeau.linalg.matrix_rank(ours(a), atol=1e9).tolist() == [0, 0]
    assert flambeau.linalg.matrix_rank(ours(a @ adjoint(a)), hermitian=True).tolist() == [4, 4]
    tolerance = flambeau.tensor([0.0, 1e9], dtype=flambeau.float64)
    assert flambeau.linalg.matrix_rank(ours(a), atol=tolerance).tolist() == [4, 0]


def test_matrix_exponential(dtype):
    linalg = pytest.importorskip("scipy.linalg")
    for scale in (1e-3, 0.1, 1, 4):
        a = scale * numbers(3, 5, 5, dtype=dtype)
        a[1] *= 3
        wanted = np.stack([linalg.expm(wide(x)) for x in a]).astype(dtype)
        found = flambeau.linalg.matrix_exp(ours(a.astype(dtype))).numpy()
        for f, w in zip(found, wanted, strict=True):
            close(f, w, dtype, 100)


def test_matrix_exponential_of_what_is_not_finite():
    a = flambeau.zeros(2, 2, 2)
    a[1, 0, 1] = float("nan")
    found = flambeau.linalg.matrix_exp(a)
    assert found[0].tolist() == [[1, 0], [0, 1]] and bool(found[1].isnan().any())


def test_products_are_made_in_the_cheapest_order():
    from flambeau.ops.linalg_products import _best_splits

    assert _best_splits((10, 1000, 5, 60))[0][2] == 1
    factors = [numbers(*shape) for shape in ((3, 7), (7, 2), (2, 9), (9, 4))]
    found = flambeau.linalg.multi_dot([ours(f) for f in factors])
    close(found, np.linalg.multi_dot(factors), "float64")
    with pytest.warns(UserWarning, match="multi_dot"):
        close(flambeau.chain_matmul(*map(ours, factors)), found.numpy(), "float64")


def test_low_rank_approximations():
    a = numbers(40, 5) @ numbers(5, 30)
    for shape in (a, adjoint(a)):
        u, s, v = (t.numpy() for t in flambeau.svd_lowrank(ours(shape), q=5))
        close((u * s) @ v.T, shape, "float64", 10)
    u, s, v = (t.numpy() for t in flambeau.pca_lowrank(ours(a + 3), q=5))
    close((u * s) @ v.T, a - a.mean(0), "float64", 10)


@pytest.mark.parametrize("method", ["ortho", "basic"])
@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("general", [False, True])
def test_lobpcg(largest, general, method):
    linalg = pytest.importorskip("scipy.linalg")
    a, b = numbers(2, 30, 30), numbers(30, 30, seed=1)
    a, b = a @ adjoint(a), b @ b.T + 30 * np.eye(30)
    values, vectors = flambeau.lobpcg(
        ours(a), k=3, B=ours(b) if general else None, largest=largest, tol=1e-9, method=method
    )
    for matrix, found in zip(a, values.numpy(), strict=True):
        wanted = linalg.eigh(matrix, b if general else None, eigvals_only=True)
        close(found, wanted[::-1][:3] if largest else wanted[:3], "float64", 1e4)
    assert tuple(vectors.shape) == (2, 30, 3)


def test_lobpcg_takes_the_steps_of_pytorch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    a = numbers(60, 60)
    a = a @ a.T
    start = numbers(60, 3, seed=1)
    runs = []
    for module in (flambeau, torch):
        seen = []
        module.lobpcg(
            module.from_numpy(a),
            X=module.from_numpy(start),
            largest=False,
            niter=40,
            tracker=lambda run, seen=seen: seen.append((run.ivars["istep"], run.E.tolist())),
        )
        runs.append(seen)
    for (step, values), (their_step, theirs) in zip(*runs, strict=True):
        assert step == their_step
        if step > 1:  # before, PyTorch's eigenvalues are zeros
            close(np.array(values), np.array(theirs), "float64", 10)


def test_lobpcg_tells_a_tracker_how_far_it_is_and_stops_for_it():
    a, seen = flambeau.diag(flambeau.arange(1.0, 100.0)), []

    def watch(run):
        seen.append((run.ivars["istep"], tuple(run.S.shape)))
        basis = run.S.mT @ run.S
        flambeau.testing.assert_close(basis, flambeau.eye(len(basis)), rtol=0, atol=1e-5)
        residual = a @ run.X - run.X * run.E
        flambeau.testing.assert_close(run.R, residual, rtol=1e-4, atol=1e-4)
        assert run.ivars["converged_count"] == 0 and (run.tvars["rerr"] > run.fparams["tol"]).all()
        run.bvars["force_stop"] = len(seen) == 3

    flambeau.lobpcg(a, k=2, tracker=watch)
    assert seen == [(1, (99, 2)), (2, (99, 4)), (3, (99, 6))]


@pytest.mark.parametrize(
    "options",
    [
        {"ortho_iparams": {"ortho_i_max": 1, "ortho_j_max": 2}},
        {"ortho_fparams": {"ortho_tol": 1e-5, "ortho_tol_drop": 1e-5, "ortho_tol_replace": 1e-5}},
        {"ortho_bparams": {"ortho_use_drop": False}},
    ],
)
def test_lobpcg_with_other_ways_to_make_directions_orthonormal(options):
    values, _ = flambeau.lobpcg(flambeau.diag(flambeau.arange(1.0, 100.0)), k=2, **options)
    close(values, np.array([99.0, 98.0]), "float32")


def test_lobpcg_refuses_what_it_cannot_use():
    a = flambeau.diag(flambeau.arange(1.0, 10.0))
    for options, error, message in (
        ({"ortho_iparams": {"i_max": 1}}, ValueError, "keys of ortho_iparams must be among"),
        ({"method": "other"}, ValueError, "expected method='basic' or 'ortho'"),
        ({"X": flambeau.ones(9, 2)}, ValueError, "columns of X must be independent"),
        ({"k": 4}, ValueError, "not applicable"),
    ):
        with pytest.raises(error, match=message):
            flambeau.lobpcg(a, **options)


def test_lobpcg_finds_pairs_without_a_limit_and_of_zeros():
    a = flambeau.diag(flambeau.arange(1.0, 10.0))
    close(flambeau.lobpcg(a, k=2, niter=-1)[0], np.array([9.0, 8.0]), "float32")
    assert flambeau.lobpcg(flambeau.zeros(9, 9), k=2)[0].tolist() == [0, 0]


def test_gradients_of_lobpcg_are_those_of_eigh():
    a, b = numbers(12, 12), numbers(12, 12, seed=1)
    a, weights = a + a.T, ours(numbers(12, 2, seed=2))
    b = ours(b @ b.T + 12 * np.eye(12)).requires_grad_()
    a = ours(a).requires_grad_()
    values, vectors = flambeau.lobpcg(a, k=2, B=b, tol=1e-12)
    found = flambeau.autograd.grad(values.sum() + (vectors**2 * weights).sum(), (a, b))
    inverse = flambeau.linalg.inv(flambeau.linalg.cholesky(b))
    every, basis = flambeau.linalg.eigh(inverse @ a @ inverse.mT)
    basis = (inverse.mT @ basis)[:, -2:].flip(-1)
    wanted = flambeau.autograd.grad(every[-2:].sum() + (basis**2 * weights).sum(), (a, b))
    for ours_, theirs in zip(found, wanted, strict=True):
        close(ours_ + ours_.mT, (theirs + theirs.mT).numpy(), "float64", 1e4)


# ---- results do not depend on threads; outputs; named tuples ----


@pytest.mark.parametrize("name", ["cholesky", "inv", "qr", "lu_factor", "svdvals", "det"])
def test_same_bits_for_any_number_of_threads(name):
    a = numbers(300, 300, dtype="float32")
    a = ours(a @ a.T + np.eye(300, dtype="float32"))
    before = flambeau.get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            flambeau.set_num_threads(threads)
            found = getattr(flambeau.linalg, name)(a)
            found = found if isinstance(found, tuple) else (found,)
            results.append([t.numpy().tobytes() for t in found])
    finally:
        flambeau.set_num_threads(before)
    assert results[0] == results[1]


def test_named_results():
    a = flambeau.eye(2)
    assert isinstance(flambeau.linalg.eigh(a), flambeau.return_types.linalg_eigh)
    assert repr(flambeau.linalg.slogdet(a)).startswith("torch.return_types.linalg_slogdet(\nsign=")
    assert flambeau.svd(a).V.tolist() == flambeau.linalg.svd(a).Vh.mH.tolist()
    out = (flambeau.empty(0), flambeau.empty(0))
    found = flambeau.linalg.qr(a, out=out)
    assert found.Q is out[0] and out[1].tolist() == found.R.tolist()
    out = flambeau.empty(2, 2)
    assert flambeau.linalg.inv(a, out=out) is out and out.tolist() == a.tolist()


def test_every_name_of_the_namespace_is_public():
    for name in flambeau.linalg.__all__:
        assert getattr(flambeau.linalg, name).__doc__


# ---- gradients ----


def composites():
    """The ops of linear algebra that have no rule of their own."""
    families = ("det", "legacy", "norms", "orthogonal", "products", "solve", "spectral")
    modules = {f"flambeau.ops.linalg_{family}" for family in families}
    vectors = {"svd", "linalg.eigvalsh", "linalg.eigvals", "geqrf", "linalg.matrix_rank"}
    return sorted(
        name
        for name, op in OPS.items()
        if op.__module__ in modules
        and not op.info.rules
        and name not in vectors
        and "ldl" not in name
    )


@pytest.mark.parametrize("name", composites())
def test_composites_have_gradients(name):
    op = OPS[name]
    for sample in [*samples_of(op), *complex_samples(op)]:
        prepared = _with_grad(sample, op)
        function, inputs = _as_function(op, prepared)
        outputs = [o for o in function(*inputs) if o.requires_grad] if inputs else []
        if not outputs or all(o.numel() == 0 for o in outputs):
            continue
        gradcheck(function, inputs, fast_mode=True)
        gradgradcheck(function, inputs, fast_mode=True)


def hermitian(a):
    return a + a.mH


INVARIANT = {
    "cholesky": lambda a: flambeau.linalg.cholesky(a @ a.mH + flambeau.eye(3, dtype=a.dtype)),
    "cholesky upper": lambda a: (
        flambeau.linalg.cholesky_ex(a @ a.mH + flambeau.eye(3, dtype=a.dtype), upper=True).L
    ),
    "eigh values": lambda a: flambeau.linalg.eigh(hermitian(a)).eigenvalues,
    "eigvalsh": lambda a: flambeau.linalg.eigvalsh(hermitian(a)),
    "eigh vectors": lambda a: flambeau.linalg.eigh(hermitian(a)).eigenvectors.abs(),
    "eigh product": lambda a: (
        lambda r: (r.eigenvectors * r.eigenvalues.exp().unsqueeze(-2)) @ r.eigenvectors.mH
    )(flambeau.linalg.eigh(hermitian(a))),
    "eig values": lambda a: flambeau.linalg.eig(a).eigenvalues.abs(),
    "eigvals": lambda a: flambeau.linalg.eigvals(a).abs(),
    "eig vectors": lambda a: flambeau.linalg.eig(a).eigenvectors.abs(),
    "svd values": lambda a: flambeau.linalg.svd(a).S,
    "svd vectors": lambda a: flambeau.linalg.svd(a, False).U.abs(),
    "svd right vectors": lambda a: flambeau.linalg.svd(a, False).Vh.abs(),
    "svd product": lambda a: (lambda u, s, vh: (u * s.exp().unsqueeze(-2)) @ vh)(
        *flambeau.linalg.svd(a, False)
    ),
    "pinv hermitian": lambda a: flambeau.linalg.pinv(hermitian(a), hermitian=True),
    "cond": lambda a: flambeau.linalg.cond(a, 1),
}
SHAPES = {"svd": [(3, 3), (4, 2), (2, 4), (2, 3, 2)]}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", INVARIANT)
def test_gradients_of_functions_that_are_unique(name, dtype):
    for shape in SHAPES.get(name.split()[0], [(3, 3), (2, 3, 3)]):
        a = ours(numbers(*shape, dtype=dtype, seed=3)).requires_grad_()
        gradcheck(INVARIANT[name], (a,), atol=1e-4)
        gradgradcheck(INVARIANT[name], (a,), fast_mode=True, atol=1e-4)


@pytest.mark.parametrize("rank", [2, 1, 0])
def test_gradient_of_the_determinant_of_a_singular_matrix(rank):
    a = numbers(3, rank) @ numbers(rank, 3, seed=1)
    a = ours(a).requires_grad_()
    found = flambeau.autograd.grad(flambeau.linalg.det(a), a, create_graph=True)[0]
    cofactors = np.array(
        [
            [
                (-1) ** (i + j)
                * np.linalg.det(np.delete(np.delete(a.detach().numpy(), i, 0), j, 1))
                for j in range(3)
            ]
            for i in range(3)
        ]
    )
    np.testing.assert_allclose(found.detach().numpy(), cofactors, atol=1e-6)
    weights = ours(numbers(3, 3, seed=2))
    second = flambeau.autograd.grad((found * weights).sum(), a)[0]
    step = 1e-5 * weights.numpy()
    slopes = []
    for sign in (1, -1):
        near = ours(a.detach().numpy() + sign * step).requires_grad_()
        slopes.append(flambeau.autograd.grad(flambeau.linalg.det(near), near)[0].numpy())
    np.testing.assert_allclose(second.numpy(), (slopes[0] - slopes[1]) / 2e-5, atol=1e-4)


def test_what_depends_on_a_phase_is_refused():
    a = ours(numbers(3, 3, dtype="complex128")).requires_grad_()
    with pytest.raises(RuntimeError, match="ill-defined"):
        flambeau.linalg.eigh(hermitian(a)).eigenvectors.real.sum().backward()
    with pytest.raises(RuntimeError, match="ill-defined"):
        flambeau.linalg.svd(a).U.real.sum().backward()


@pytest.mark.parametrize("mode, shape", [("r", (3, 3)), ("complete", (4, 2))])
def test_qr_without_a_gradient_says_so(mode, shape):
    a = ours(numbers(*shape)).requires_grad_()
    with pytest.raises(RuntimeError, match=f"mode='{mode}'"):
        flambeau.linalg.qr(a, mode).R.sum().backward()


# ---- errors ----


def _infinite():
    return flambeau.full((2, 2), float("inf"))


ERRORS = [
    (
        lambda: flambeau.linalg.cholesky(-flambeau.eye(2)),
        "linalg.cholesky: The factorization could not be completed because the input is not "
        "positive-definite (the leading minor of order 1 is not positive-definite).",
    ),
    (
        lambda: flambeau.linalg.cholesky(flambeau.stack([flambeau.eye(2), -flambeau.eye(2)])),
        "linalg.cholesky: (Batch element 1): The factorization could not be completed",
    ),
    (
        lambda: flambeau.linalg.inv(flambeau.zeros(2, 2)),
        "linalg.inv: The diagonal element 1 is zero, the inversion could not be completed because "
        "the input matrix is singular.",
    ),
    (
        lambda: flambeau.linalg.solve(flambeau.ones(2, 2), flambeau.ones(2)),
        "torch.linalg.solve: The solver failed because the input matrix is singular.",
    ),
    (
        lambda: flambeau.linalg.svd(_infinite()),
        "linalg.svd: The algorithm failed to converge because the input matrix contained "
        "non-finite values.",
    ),
    (
        lambda: flambeau.cholesky_inverse(flambeau.zeros(2, 2)),
        "cholesky_inverse: The diagonal element 1 is zero",
    ),
]


@pytest.mark.parametrize("call, text", ERRORS)
def test_matrices_without_a_decomposition(call, text):
    with pytest.raises(flambeau.linalg.LinAlgError) as caught:
        call()
    assert text in str(caught.value)
    assert isinstance(caught.value, RuntimeError)


@pytest.mark.parametrize("n", [5, 50, 250])
def test_which_minor_is_not_positive(dtype, n):
    for order in (1, n // 2, n):
        a = flambeau.eye(n, dtype=getattr(flambeau, dtype))
        a[order - 1, order - 1] = -1
        a[n - 1, n - 2] = 0.5 if order == n else 0
        assert flambeau.linalg.cholesky_ex(a).info.item() == order
        assert flambeau.linalg.cholesky_ex(a, upper=True).info.item() == order


def test_ex_forms_do_not_raise_unless_asked():
    singular = flambeau.zeros(2, 2)
    assert flambeau.linalg.inv_ex(singular).info.item() == 1
    assert flambeau.linalg.cholesky_ex(singular).info.item() == 1
    assert flambeau.linalg.lu_factor_ex(singular).info.item() == 1
    assert flambeau.linalg.solve_ex(singular, flambeau.ones(2)).info.item() == 1
    with pytest.raises(flambeau.linalg.LinAlgError):
        flambeau.linalg.inv_ex(singular, check_errors=True)


@pytest.mark.parametrize(
    "call, text",
    [
        (lambda: flambeau.eig(flambeau.eye(2)), "`torch.linalg.eig` returns complex tensors"),
        (lambda: flambeau.eye(2).symeig(), "The default behavior has changed"),
        (lambda: flambeau.solve(1, 2), "in favor of `torch.linalg.solve`"),
        (lambda: flambeau.lstsq(1, 2), "in favor of `torch.linalg.lstsq`"),
        (lambda: flambeau.matrix_rank(1), "is now removed."),
    ],
)
def test_removed_names(call, text):
    with pytest.raises(RuntimeError, match="deprecated since version") as caught:
        call()
    assert text in str(caught.value)


HOSTILE = [
    lambda a: flambeau.linalg.lu_solve(a, flambeau.tensor([1, 9]).int(), a),
    lambda a: flambeau.linalg.lu_solve(a, flambeau.tensor([0, 1]).int(), a),
    lambda a: flambeau.linalg.ldl_solve(a, flambeau.tensor([1, -2]).int(), a),
    lambda a: flambeau.linalg.ldl_solve(a, flambeau.tensor([-3, -3]).int(), a),
    lambda a: flambeau.linalg.ldl_solve(a, flambeau.tensor([-1, 1]).int(), a),
    lambda a: flambeau.lu_unpack(a, flambeau.tensor([1, 3]).int()),
    lambda a: flambeau.linalg.householder_product(a, flambeau.ones(3)),
    lambda a: flambeau.linalg.lstsq(a, flambeau.ones(2, 1), driver="gelsx"),
    lambda a: flambeau.linalg.lstsq(a * float("nan"), flambeau.ones(2, 1)),
    lambda a: flambeau.linalg.eig(a * float("nan")),
]


@pytest.mark.parametrize("call", HOSTILE)
def test_hostile_arguments_are_refused(call):
    with pytest.raises((RuntimeError, ValueError)):
        call(flambeau.eye(2))


def test_eigenvalues_of_nan_are_nan():
    values, vectors = flambeau.linalg.eigh(flambeau.full((3, 3), float("nan")))
    assert bool(values.isnan().all()) and bool(vectors.isnan().all())


# ---- against torch, where its own functions warn ----


@pytest.mark.parametrize(
    "call",
    [
        lambda T, a: T.qr(a),
        lambda T, a: T.qr(a, some=False),
        lambda T, a: T.svd(a).S,
        lambda T, a: T.svd(a, compute_uv=False),
        lambda T, a: T.lu_solve(a, *T.linalg.lu_factor(a)),
        lambda T, a: T.triangular_solve(a, a),
        lambda T, a: T.triangular_solve(a, a, False, True, True),
        lambda T, a: T.nuclear_norm(a),
        lambda T, a: T.frobenius_norm(a, (0, 1)),
        lambda T, a: T.norm(a, "nuc"),
        lambda T, a: T.norm(a.unsqueeze(0), "nuc", (1, 2), keepdim=True),
        lambda T, a: T.cross(a[:, :3], a[:, :3].flip(0)),
        lambda T, a: T.lu(a, get_infos=True),
        lambda T, a: T.chain_matmul(a, a, a),
        lambda T, a: T.cholesky(a @ a.mT, upper=True),
        lambda T, a: T.linalg.matrix_norm(a, -1, (1, 0)),
        lambda T, a: T.linalg.cond(a * 0, 1),
        lambda T, a: T.logdet(-T.eye(3)),
    ],
)
def test_older_names_against_torch(call):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    a = numbers(4, 4) + 4 * np.eye(4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted, found = call(torch, torch.from_numpy(a)), call(flambeau, ours(a))
    single = not isinstance(found, (tuple, list))
    pairs = [(found, wanted)] if single else list(zip(found, wanted, strict=True))
    for f, w in pairs:
        assert tuple(f.shape) == tuple(w.shape) and str(f.dtype) == str(w.dtype)
        np.testing.assert_allclose(np.array(f.tolist()), np.array(w.tolist()), atol=1e-9)


def test_solve_triangular_takes_the_dtype_of_the_matrix():
    A, B = flambeau.eye(2), flambeau.ones(2, 1, dtype=flambeau.float64, requires_grad=True)
    found = flambeau.linalg.solve_triangular(A, B, upper=True)
    assert found.dtype == flambeau.float32
    found.sum().backward()
    assert B.grad.dtype == flambeau.float64


def test_the_nuclear_condition_of_a_singular_matrix():
    assert flambeau.linalg.cond(flambeau.ones(3, 3), "nuc").isinf()
