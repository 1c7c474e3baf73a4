"""autograd.Function under vmap, grad and jvp, against torch."""

import numpy as np
import pytest

import flambeau
from flambeau import func
from flambeau.autograd import forward_ad

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

X = np.random.default_rng(0).standard_normal((4, 3))
V = np.random.default_rng(1).standard_normal((4, 3))


def _functions(T):
    class Cube(T.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x):
            return x**3, 3 * x**2

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(inputs[0], output[1])
            ctx.save_for_forward(inputs[0], output[1])

        @staticmethod
        def backward(ctx, g, of_slope):
            x, slope = ctx.saved_tensors
            return g * slope + of_slope * 6 * x

        @staticmethod
        def jvp(ctx, t):
            x, slope = ctx.saved_tensors
            return t * slope, 6 * t * x

    class Product(T.autograd.Function):
        @staticmethod
        def forward(x, y):
            return x * y

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, g):
            x, y = ctx.saved_tensors
            return Product.apply(g, y), Product.apply(g, x)

        @staticmethod
        def vmap(info, in_dims, x, y):
            x, y = (
                v.unsqueeze(0) if d is None else v.movedim(d, 0)
                for v, d in zip((x, y), in_dims, strict=True)
            )
            return Product.apply(x, y), 0

    class Old(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.save_for_forward(x)
            return x.sin()

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0].cos()

        @staticmethod
        def jvp(ctx, t):
            return t * ctx.saved_tensors[0].cos()

    return Cube, Product, Old


def _calls(T, F, FA):
    cube, product, old = _functions(T)
    x, v = T.tensor(X), T.tensor(V)

    def f(a):
        return cube.apply(a)[0].sum()

    def m(a, b):
        return product.apply(a, b).sum()

    yield F.grad(f)(x)
    yield F.vmap(F.grad(f))(x)
    yield F.hessian(f)(x[0])
    yield F.vmap(F.hessian(f))(x)
    yield F.jvp(f, (x,), (v,))[1]
    yield F.grad(lambda a: F.vmap(f)(a).sin().sum())(x)
    yield F.vmap(m)(x, v)
    yield F.vmap(F.grad(m), (0, None))(x, v[0])
    yield F.grad(lambda a: F.vmap(m, (0, None))(a, v[0]).exp().sum())(x)
    yield F.jacrev(F.grad(lambda a: (product.apply(a, a) * a).sum()))(x[0])
    with FA.dual_level():
        yield FA.unpack_dual(old.apply(FA.make_dual(x, v))).tangent


def test_same_as_torch():
    ours = list(_calls(flambeau, func, forward_ad))
    theirs = list(_calls(torch, torch.func, torch.autograd.forward_ad))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10)


@pytest.mark.parametrize("kind", [1, 2])
def test_errors(kind):
    def wrong(T, F):
        function = _functions(T)[kind]
        x = T.tensor(X)
        if kind == 1:
            return F.jvp(lambda a: function.apply(a, a), (x,), (x,))
        return F.vmap(F.grad(lambda a: function.apply(a).sum()))(x)

    with pytest.raises(Exception) as theirs:
        wrong(torch, torch.func)
    with pytest.raises((theirs.type, NotImplementedError)):
        wrong(flambeau, func)
