"""Linear algebra against torch where samples do not show it: layouts, factors, triangles, nodes."""

import warnings

import numpy as np
import pytest

import flambeau
from flambeau.testing import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

RNG = np.random.default_rng(7)
SQUARE = RNG.standard_normal((2, 4, 4))
POSITIVE = SQUARE @ np.swapaxes(SQUARE, -1, -2) + 4 * np.eye(4)
VECTORS = SQUARE[..., 0].copy()


def both(call, *arrays):
    """What torch gives for the call, and what flambeau gives; torch may warn."""
    with warnings.catch_warnings(action="ignore"):
        wanted = call(torch, *(torch.from_numpy(a.copy()) for a in arrays))
    return wanted, call(flambeau, *(flambeau.from_numpy(a.copy()) for a in arrays))


def tensors(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


LAYOUTS = {
    "cholesky": lambda T, A: T.linalg.cholesky(A),
    "upper cholesky": lambda T, A: T.linalg.cholesky(A, upper=True),
    "cholesky_ex": lambda T, A: T.linalg.cholesky_ex(A),
    "cholesky_inverse": lambda T, A: T.cholesky_inverse(A),
    "householder_product": lambda T, A: T.linalg.householder_product(A, A[..., 0]),
    "triangular_solve": lambda T, A: T.triangular_solve(A, A),
    "geqrf": lambda T, A: T.geqrf(A),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", LAYOUTS)
def test_results_lie_by_columns_where_torch_has_them_so(name):
    wanted, found = both(LAYOUTS[name], POSITIVE)
    assert [t.stride() for t in tensors(found)] == [t.stride() for t in tensors(wanted)]


@pytest.mark.parametrize(
    "call",
    [
        lambda T, A, out: T.linalg.inv(A, out=out),
        lambda T, A, out: T.linalg.cholesky(A, out=out),
        lambda T, A, out: T.linalg.solve(A, A[..., 0], out=out),
        lambda T, A, out: T.add(A.mT, 1, out=out),
    ],
)
def test_an_output_that_is_resized_takes_the_layout_of_the_result(call):
    def layout(T, A):
        out = T.empty(0, dtype=T.float64)
        call(T, A, out)
        return out.stride()

    wanted, found = both(layout, POSITIVE)
    assert found == wanted


# ---- factors ----


def test_factors_of_zero_keep_what_is_not_finite_in_addr():
    wanted, found = both(
        lambda T, A, v: T.addr(A[0], v[0] * float("inf"), v[1], beta=0.0, alpha=0.0),
        SQUARE,
        VECTORS,
    )
    assert wanted.isnan().all() and found.isnan().all()


def test_a_product_that_does_not_count_need_not_be_finite():
    A, v = flambeau.full((2, 2), flambeau.inf), flambeau.ones(2)
    for found in (
        flambeau.addmv(v, A, v, alpha=0),
        flambeau.addmm(v, A, A, alpha=0),
        flambeau.addbmm(v, A[None], A[None], alpha=0),
        flambeau.baddbmm(v, A[None], A[None], alpha=0),
    ):
        assert (found == 1).all()


@pytest.mark.parametrize("name", ["mm", "bmm", "mv", "dot", "matmul"])
def test_products_of_bool_are_not_implemented(name):
    shapes = {"bmm": (1, 2, 2), "dot": (2,), "matmul": (3, 2, 2)}
    A = flambeau.ones(shapes.get(name, (2, 2)), dtype=flambeau.bool)
    with pytest.raises(NotImplementedError, match="bool"):
        getattr(flambeau, name)(A, A[0] if name == "mv" else A)


@pytest.mark.parametrize("name", ["addmm", "baddbmm", "addbmm", "addmv", "addr"])
def test_complex_factors_of_real_values_are_refused(name):
    A, v = flambeau.ones(2, 2), flambeau.ones(2)
    arguments = {
        "addmm": (A, A, A),
        "baddbmm": (A[None], A[None], A[None]),
        "addbmm": (A, A[None], A[None]),
        "addmv": (v, A, v),
        "addr": (A, v, v),
    }[name]
    for factor in ("alpha", "beta"):
        with pytest.raises(RuntimeError, match="complex"):
            getattr(flambeau, name)(*arguments, **{factor: 1j})


@pytest.mark.parametrize(
    "dtype, factor, text",
    [
        (flambeau.int64, 0.5, "must not be a floating point number"),
        (flambeau.float32, True, "only supported for Boolean results"),
    ],
)
def test_addr_refuses_factors_of_another_kind(dtype, factor, text):
    v = flambeau.ones(2, dtype=dtype)
    for name in ("alpha", "beta"):
        with pytest.raises(RuntimeError, match=f"{name} .*{text}|argument {name} {text}"):
            flambeau.addr(flambeau.ones(2, 2, dtype=dtype), v, v, **{name: factor})


# ---- matrices of which one triangle is read ----


def leaves_of(array):
    return torch.from_numpy(array.copy()).requires_grad_(), flambeau.from_numpy(
        array.copy()
    ).requires_grad_()


def gradients(T, value, leaf):
    """The gradient for uneven weights, and the gradient of that."""
    weights = T.arange(value.numel(), dtype=T.float64).reshape(value.shape).cos().to(value.dtype)
    first = T.autograd.grad(value, leaf, weights, create_graph=True)[0]
    second = weights.mT.to(first.dtype)
    return first, T.autograd.grad(first, leaf, second)[0]


TRIANGLES = {
    "eigenvalues": lambda T, A: T.linalg.eigvalsh(A, UPLO="U").unsqueeze(-1) * A.detach(),
    "absolute eigenvectors": lambda T, A: T.linalg.eigh(A).eigenvectors.abs(),
    "cholesky_solve": lambda T, A: T.cholesky_solve(A, A.tril()),
    "cholesky_inverse": lambda T, A: T.cholesky_inverse(A.triu(), upper=True),
}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", TRIANGLES)
def test_gradients_of_matrices_of_which_a_triangle_is_read(name, dtype):
    array = SQUARE + 3 * np.eye(4)
    if dtype == "complex128":  # a factor's diagonal is real
        array = array + 1j * SQUARE[::-1] * (1 - np.eye(4))
    theirs, ours = leaves_of(array)
    wanted = gradients(torch, TRIANGLES[name](torch, theirs), theirs)
    found = gradients(flambeau, TRIANGLES[name](flambeau, ours), ours)
    for w, f in zip(wanted, found, strict=True):
        np.testing.assert_allclose(f.detach().numpy(), w.detach().numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("upper", [False, True])
def test_derivatives_of_factors(upper):
    A = flambeau.from_numpy(SQUARE + 3 * np.eye(4)).requires_grad_()
    B = flambeau.from_numpy(VECTORS[..., None].copy()).requires_grad_()

    def call(A, B):
        factor = A.triu() if upper else A.tril()
        solution = flambeau.cholesky_solve(B, factor, upper)
        return solution, flambeau.cholesky_inverse(factor, upper)

    assert gradcheck(call, (A, B)) and gradgradcheck(call, (A, B))


def test_the_gradient_of_a_factor_reaches_its_other_triangle():
    factor = np.tril(SQUARE + 3 * np.eye(4))
    theirs, ours = leaves_of(factor)
    torch.cholesky_solve(torch.ones(2, 4, 1, dtype=torch.float64), theirs).sum().backward()
    flambeau.cholesky_solve(flambeau.ones(2, 4, 1, dtype=flambeau.float64), ours).sum().backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy())
    assert ours.grad.triu(1).abs().sum() > 0
    ours.detach()[..., 0, 1:] = 5.0  # is not read, for the gradient neither
    found = flambeau.autograd.grad(
        flambeau.cholesky_solve(flambeau.ones(2, 4, 1, dtype=flambeau.float64), ours).sum(), ours
    )[0]
    np.testing.assert_allclose(found.tril().numpy(), theirs.grad.tril().numpy())


def test_the_power_zero_has_a_gradient_of_zeros():
    wanted, found = leaves_of(SQUARE)
    for T, A in ((torch, wanted), (flambeau, found)):
        T.linalg.matrix_power(A, 0).sum().backward()
        assert A.grad.tolist() == np.zeros((2, 4, 4)).tolist()


# ---- integers ----


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool"])
@pytest.mark.parametrize("equation", ["ij,k->ik", "ij,k,l->il", "ij,j->ij", "ij->i"])
def test_integers_summed_beside_others_become_int64(equation, dtype):
    terms = equation.split("->")[0].split(",")

    def call(T):
        operands = [T.ones([2 + "ijkl".index(x) * (x != "j") for x in t]) for t in terms]
        operands = [x.to(getattr(T, dtype)) for x in operands]
        return T.einsum(equation, *operands)

    wanted, found = call(torch), call(flambeau)
    assert str(found.dtype) == str(wanted.dtype) and found.tolist() == wanted.tolist()


def test_tensordot_sums_an_axis_beside_one_element_in_its_dtype():
    def call(T):
        a, b = T.full((1, 1, 1), 200), T.full((2, 1, 2), 100)
        return T.tensordot(a.to(T.uint8), b.to(T.uint8), dims=[[0, 1], [2, 0]])

    wanted, found = call(torch), call(flambeau)
    assert str(found.dtype) == str(wanted.dtype) and found.tolist() == wanted.tolist()


# ---- what is computed in another way where gradients are wanted ----

WEIGHTS = np.cos(np.arange(16.0)).reshape(4, 4)

PARTS = {
    "lu_factor": lambda T, A: T.linalg.lu_factor(A)[0],
    "L of lu": lambda T, A: T.linalg.lu(A)[1],
    "U of lu": lambda T, A: T.linalg.lu(A)[2],
    "lu_unpack": lambda T, A: sum(T.lu_unpack(*T.linalg.lu_factor(A))[1:]),
    "lu_solve": lambda T, A: T.linalg.lu_solve(*T.linalg.lu_factor(A), A @ A),
    "lu_solve, adjoint": lambda T, A: T.linalg.lu_solve(
        *T.linalg.lu_factor(A), A @ A, adjoint=True
    ),
    "svdvals": lambda T, A: T.linalg.svdvals(A).unsqueeze(-1),
    "eigvals": lambda T, A: T.linalg.eigvals(A).abs().sort()[0].unsqueeze(-1),
    "eigvalsh": lambda T, A: T.linalg.eigvalsh(A + A.mH).unsqueeze(-1),
    "nuclear norm": lambda T, A: T.linalg.matrix_norm(A, "nuc")[..., None, None],
    "cond": lambda T, A: T.linalg.cond(A)[..., None, None],
    "householder_product": lambda T, A: T.linalg.householder_product(A, A[..., 0] / 9),
    "eigenvectors": lambda T, A: T.linalg.eig(A)[1].abs().sum(-1, True),
}


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("name", PARTS)
def test_every_mode_derives_the_parts_of_decompositions(name, kind):
    array = (
        SQUARE + 3 * np.diag(np.arange(1.0, 5.0)) + (0.2j * SQUARE[::-1] if kind is complex else 0)
    )
    tangent = SQUARE[::-1].astype(array.dtype).copy()

    def derivatives(T, A, V):
        weights = T.from_numpy(WEIGHTS.copy())

        def value(A):
            part = PARTS[name](T, A)
            return ((part.real + 2 * part.imag if part.is_complex() else part) * weights).sum()

        gradient = T.func.grad(value)
        return (
            T.func.jvp(value, (A,), (V,))[1],
            gradient(A),
            T.func.vmap(gradient)(A),
            T.func.jvp(lambda A: gradient(A).abs().sum(), (A,), (V,))[1],
            T.func.vmap(lambda A, V: T.func.jvp(value, (A,), (V,))[1])(A, V),
        )

    wanted, found = both(derivatives, array, tangent)
    for w, f in zip(wanted, found, strict=True):
        np.testing.assert_allclose(f.numpy(), w.numpy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    "call",
    [
        lambda T, A: T.linalg.lu(A)[1],
        lambda T, A: T.lu_unpack(*T.linalg.lu_factor(A))[2],
        lambda T, A: T.linalg.lu_solve(*T.linalg.lu_factor(A), A),
        lambda T, A: T.cholesky_solve(A, A),
        lambda T, A: T.cholesky_inverse(A),
        lambda T, A: T.linalg.matrix_norm(A, 1),
        lambda T, A: T.linalg.norm(A, -float("inf"), (0, 2), True),
    ],
)
def test_names_of_nodes(call):
    theirs, ours = leaves_of(SQUARE + 3 * np.eye(4))
    assert call(flambeau, ours).grad_fn.name() == call(torch, theirs).grad_fn.name()
