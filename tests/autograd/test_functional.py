"""autograd.functional and forward_ad against torch: values, structures and errors."""

import warnings

import numpy as np
import pytest

import flambeau
from flambeau.autograd import forward_ad, functional

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

X = np.random.default_rng(0).standard_normal((4, 3))
V = np.random.default_rng(1).standard_normal((4, 3))


def _parts(value):
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in _parts(part)]
    return [value]


def _shape(value):
    several = isinstance(value, (tuple, list))  # torch has a list in one place
    return tuple(map(_shape, value)) if several else tuple(value.shape)


def _calls(T, A):
    x, v = T.tensor(X), T.tensor(V)

    def cubes(a):
        return (a**3).sum()

    def two(a, b):
        return a @ b.T, (a * b).sum(), b[0]

    yield A.vjp(two, (x, v), (x @ x.T, x.sum(), x[0]))
    yield A.vjp(cubes, x)
    yield A.jvp(two, (x, v), (v, x))
    yield A.jvp(lambda a: a * 2, T.tensor(1.0))
    yield A.hvp(cubes, x, v)
    yield A.vhp(cubes, x, v)
    yield A.hvp(lambda a, b: (a**2 * b).sum(), (x, v), (v, x))
    yield A.vhp(lambda a, b: (a**2 * b).sum(), (x, v), (v, x))
    for vectorize in (False, True):
        yield A.jacobian(two, (x, v), vectorize=vectorize)
        yield A.jacobian(lambda a: a.exp(), x, vectorize=vectorize)
        yield A.jacobian(lambda a: T.zeros(2, dtype=T.float64), x, vectorize=vectorize)
        yield A.hessian(cubes, x, vectorize=vectorize)
        yield A.hessian(lambda a, b: (a**2 * b).sum(), (x, v), vectorize=vectorize)
        yield A.hessian(lambda a: T.ones((), dtype=T.float64), x, vectorize=vectorize)
    forward = {"vectorize": True, "strategy": "forward-mode"}
    yield A.jacobian(two, (x, v), **forward)
    yield A.hessian(cubes, x, vectorize=True, outer_jacobian_strategy="forward-mode")
    yield A.hessian(cubes, T.tensor([2.0]))
    w = x.clone().requires_grad_()
    for made in (
        A.jacobian(lambda a: a**3, w, create_graph=True),
        A.hessian(cubes, w, create_graph=True),
        A.hessian(cubes, w, create_graph=True, vectorize=True),
        A.vhp(cubes, w, v, create_graph=True)[1],
        A.hvp(cubes, w, v, create_graph=True)[1],
        A.jvp(lambda a: a**3, w, v, create_graph=True)[1],
        A.vjp(lambda a: a**3, w, v, create_graph=True)[1],
    ):
        yield T.autograd.grad(made.sum(), w)[0]
    with T.no_grad():
        yield A.jacobian(lambda a: a**2, x)
    y = (w**2).sum(1)
    unit = T.eye(4, dtype=T.float64)
    yield T.autograd.grad(y, w, unit, is_grads_batched=True, retain_graph=True)[0]
    yield T.vmap(lambda g: T.autograd.grad(y, w, g, retain_graph=True)[0])(unit)


def test_same_as_torch():
    ours = list(_calls(flambeau, functional))
    theirs = list(_calls(torch, torch.autograd.functional))
    for k, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert _shape(mine) == _shape(other), k
        for a, b in zip(_parts(mine), _parts(other), strict=True):
            assert not a.requires_grad, k
            np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-9, err_msg=str(k))


def _wrong_calls(T, A):
    x, y, square, twice = T.tensor(X[0]), T.tensor(V[0]), lambda a: a**2, lambda a: (a * 2).sum()
    w = x.clone().requires_grad_()
    return {
        "v missing": lambda: A.vjp(square, x),
        "v of a wrong shape": lambda: A.vjp(square, x, y[:2]),
        "v of a wrong length": lambda: A.vjp(square, x, (x, x)),
        "no tensor": lambda: A.vjp(square, 3),
        "no tensor in a tuple": lambda: A.vjp(square, (x, 3)),
        "output no tensor": lambda: A.vjp(lambda a: 3, x),
        "output list": lambda: A.vjp(lambda a: [a], x, (y,)),
        "vjp strict constant": lambda: A.vjp(lambda a: y, x, y, strict=True),
        "vjp strict unused": lambda: A.vjp(lambda a, b: a**2, (x, y), y, strict=True),
        "vjp strict linear": lambda: A.vjp(lambda a: a * 2, w, y, strict=True, create_graph=True),
        "jacobian strict constant": lambda: A.jacobian(lambda a: y, x, strict=True),
        "jacobian strict unused": lambda: A.jacobian(lambda a, b: a**2, (x, y), strict=True),
        "strict and vectorize": lambda: A.jacobian(square, x, strict=True, vectorize=True),
        "strategy": lambda: A.jacobian(square, x, strategy="sideways"),
        "forward and graph": lambda: A.jacobian(
            square, x, strategy="forward-mode", vectorize=True, create_graph=True
        ),
        "forward and strict": lambda: A.jacobian(
            square, x, strategy="forward-mode", vectorize=True, strict=True
        ),
        "hessian of a vector": lambda: A.hessian(square, x),
        "hessian of two": lambda: A.hessian(lambda a: (a.sum(), a.sum()), x),
        "hessian of no tensor": lambda: A.hessian(lambda a: 3, x),
        "hessian strict": lambda: A.hessian(twice, x, strict=True),
        "hessian strict constant": lambda: A.hessian(lambda a: y.sum(), x, strict=True),
        "hessian strategy": lambda: A.hessian(twice, x, outer_jacobian_strategy="sideways"),
        "hvp without v": lambda: A.hvp(twice, x),
        "hvp strict": lambda: A.hvp(twice, x, y, strict=True),
        "vhp strict": lambda: A.vhp(twice, x, y, strict=True),
        "vhp of a vector": lambda: A.vhp(square, x, y),
        "jvp strict": lambda: A.jvp(lambda a: y, x, y, strict=True),
        "jvp strict unused": lambda: A.jvp(lambda a, b: a * 2, (x, y), (x, y), strict=True),
        "jvp without v": lambda: A.jvp(square, x),
        "integers": lambda: A.jacobian(lambda a: a * 2.0, T.arange(2)),
        "batch of a wrong shape": lambda: T.autograd.grad(
            w**2, w, T.zeros(3, 2, dtype=T.float64), is_grads_batched=True
        ),
    }


@pytest.mark.parametrize("name", sorted(_wrong_calls(flambeau, functional)))
def test_errors(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as theirs:
            _wrong_calls(torch, torch.autograd.functional)[name]()
    with pytest.raises(theirs.type) as ours:
        _wrong_calls(flambeau, functional)[name]()
    if name not in ("integers", "batch of a wrong shape"):
        assert str(ours.value) == str(theirs.value)


class TestForwardMode:
    def test_values(self):
        x, v = flambeau.tensor(X), flambeau.tensor(V)
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, v)
            out = (dual.sin() * dual).sum(0)
            primal, tangent = forward_ad.unpack_dual(out)
        np.testing.assert_allclose(primal.numpy(), (np.sin(X) * X).sum(0))
        np.testing.assert_allclose(tangent.numpy(), ((np.cos(X) * X + np.sin(X)) * V).sum(0))

    def test_in_place(self):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(flambeau.tensor([1.0, 2.0]), flambeau.ones(2))
            out = flambeau.zeros(3)
            out[:2] = dual * 3
            out[2:] = 5
            out.mul_(2)
            assert forward_ad.unpack_dual(out).tangent.tolist() == [6, 6, 0]

    def test_gradient_of_a_tangent(self):
        x = flambeau.tensor([1.0, 2.0], requires_grad=True)
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, flambeau.tensor([1.0, -1.0]))
            tangent = forward_ad.unpack_dual((dual**3).sum()).tangent
            assert flambeau.autograd.grad(tangent, x)[0].tolist() == [6, -12]

    def test_tangent_of_a_gradient(self):
        x = flambeau.tensor([1.0, 2.0], requires_grad=True)
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, flambeau.tensor([1.0, -1.0]))
            (g,) = flambeau.autograd.grad((dual**3).sum(), dual, create_graph=True)
            primal, tangent = forward_ad.unpack_dual(g)
        assert primal.tolist() == [3, 12]
        assert tangent.tolist() == [6, -12]

    def test_backward_of_a_dual(self):
        x = flambeau.tensor([1.0, 2.0], requires_grad=True)
        with forward_ad.dual_level():
            forward_ad.make_dual(x, flambeau.ones(2)).square().sum().backward()
        assert x.grad.tolist() == [2, 4]

    def test_after_the_level(self):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(flambeau.tensor(2.0), flambeau.tensor(1.0))
        assert forward_ad.unpack_dual(dual).tangent is None
        assert (dual * 3).item() == 6

    def test_printed(self):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(flambeau.tensor(2.0), flambeau.tensor(1.0))
            assert repr(dual) == "tensor(2.,\n       tangent=tensor(1.))"

    def test_errors(self):
        x = flambeau.ones(2)
        with pytest.raises(RuntimeError, match="no level exists"):
            forward_ad.make_dual(x, x)
        with pytest.raises(RuntimeError, match="must be a positive number"):
            forward_ad.exit_dual_level()
        with forward_ad.dual_level():
            with pytest.raises(ValueError, match="floating point or complex"):
                forward_ad.make_dual(flambeau.arange(2), x)
            with pytest.raises(RuntimeError, match="different size"):
                forward_ad.make_dual(x, flambeau.ones(3))
            with pytest.raises(RuntimeError, match="Nested forward mode"):
                forward_ad.enter_dual_level()
            dual = forward_ad.make_dual(x, x)
            with pytest.raises(RuntimeError, match="already has a forward gradient"):
                forward_ad.make_dual(dual, x)
