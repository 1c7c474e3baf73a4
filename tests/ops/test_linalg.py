"""Linear algebra: what the suite over the registry cannot say of it.

Vectors of decompositions are given up to signs and phases, so it is their products, and functions
that do not depend on those, that are compared and differentiated here.
"""

import warnings

import numpy as np
import pytest
from matrices import DTYPES, numbers, ours

import flambeau
import flambeau.linalg
import flambeau.return_types
from flambeau.core.registry import OPS
from flambeau.testing import gradcheck, gradgradcheck
from flambeau.testing.suite import _as_function, _with_grad, complex_samples, samples_of

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


@pytest.mark.parametrize("dtype", DTYPES)
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
