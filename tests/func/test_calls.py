"""func against torch.func, call by call: nesting, chunks, structures, modules, refusals."""

import math
import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

# torch's own forward mode compiles scripts, which it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def X(m, *shape):
    """Numbers of these sizes."""
    return (m.arange(1, 1 + math.prod(shape)).double() / 7).reshape(shape)


def h(x):
    return (x.sin() * x * x).sum()


def net(m):
    """Three layers, of which the last has the weight of the first."""
    first = m.nn.Linear(2, 2).double()
    made = m.nn.Sequential(first, m.nn.Tanh(), m.nn.Linear(2, 2).double())
    with m.no_grad():
        for k, p in enumerate(made.parameters()):
            p.copy_(X(m, *p.shape) * (k + 1))
    made[2].weight = first.weight
    return made


def ones(m):
    return m.ones(2, 2).double()


def call(m, values, *args, **options):
    """functional_call of the net, by default with one example."""
    return m.func.functional_call(net(m), values, *(args or ((X(m, 1, 2),),)), **options)


def one_tensor_twice(m):
    w = ones(m)
    return call(m, {"0.weight": w, "2.weight": w})


def stacked(m):
    nets = [net(m), net(m)]
    p, b = m.func.stack_module_state(nets)

    def one(p, b, x):
        return m.func.functional_call(nets[0], (p, b), (x,))

    return p, m.func.vmap(one, in_dims=(0, 0, None))(p, b, X(m, 1, 2))


def batched(m, **options):
    x, z = X(m, 3).requires_grad_(), X(m, 2).requires_grad_()
    return m.autograd.grad(x * x, [x, z], m.eye(3).double(), is_grads_batched=True, **options)


def batched_twice(m):
    x = X(m, 3).requires_grad_()
    y = x * x
    starts = [m.eye(3).double(), m.ones(3).double()]
    g = m.autograd.grad([y, y.sum()], x, starts, is_grads_batched=True, create_graph=True)[0]
    return g, m.autograd.grad(g.sum(), x)


def hook_on_a_leaf(m):
    x = X(m, 3).requires_grad_()
    got = []
    x.register_hook(lambda g: got.append(g.clone()))
    m.func.vmap(lambda a: a * a)(x).sum().backward()
    return got


def hook_inside(m):
    def function(x):
        y = x * 2
        y.register_hook(lambda g: g * 10)
        return (y * y).sum()

    return m.func.grad(function)(X(m, 2)), m.func.vmap(m.func.grad(function))(X(m, 3, 2))


def saved_hooks_around(m):
    x = X(m, 3, 2).requires_grad_()
    with m.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = m.func.vmap(lambda a: (a.sin() * a).sum())(x)
    return m.autograd.grad(y.sum(), x)


CASES = {
    "one tensor twice": one_tensor_twice,
    "stacked": stacked,
    "hook on a leaf": hook_on_a_leaf,
    "hook inside": hook_inside,
    "hooks on saved tensors around vmap": saved_hooks_around,
    "batched": batched_twice,
    "batched, unused": lambda m: batched(m, allow_unused=True),
    "batched, materialized": lambda m: batched(m, materialize_grads=True),
    "batched, refused": batched,
    "in_dims a list": lambda m: m.func.vmap(lambda a, b: a + b, in_dims=[0, None])(
        X(m, 3), X(m, 3)
    ),
    **{
        f"chunk {c}": lambda m, c=c: m.func.vmap(lambda x: x * 2, chunk_size=c)(X(m, 5, 2))
        for c in (1, 2, 3, 5, 0, -1, None)
    },
    **{
        f"jacrev chunk {c}": lambda m, c=c: m.func.jacrev(lambda x: x * x, chunk_size=c)(X(m, 4))
        for c in (1, 2, None, 0)
    },
    "vmap grad vmap": lambda m: m.func.vmap(
        m.func.grad(lambda x: m.func.vmap(lambda a: a.sin() * a)(x).sum())
    )(X(m, 2, 3)),
    "jacfwd jacrev": lambda m: m.func.jacfwd(m.func.jacrev(h))(X(m, 3)),
    "jacrev jacfwd": lambda m: m.func.jacrev(m.func.jacfwd(lambda x: x.sin() * x))(X(m, 3)),
    "vmap jacrev": lambda m: m.func.vmap(m.func.jacrev(lambda x: x.cumsum(0) * x))(X(m, 2, 3)),
    "vmap hessian": lambda m: m.func.vmap(m.func.hessian(h))(X(m, 2, 3)),
    "grad jvp": lambda m: m.func.grad(lambda x: m.func.jvp(h, (x,), (x.cos(),))[1])(X(m, 3)),
    "jvp grad": lambda m: m.func.jvp(m.func.grad(h), (X(m, 3),), (X(m, 3),)),
    "jvp jvp": lambda m: m.func.jvp(
        lambda x: m.func.jvp(h, (x,), (x * 2,))[1], (X(m, 3),), (X(m, 3),)
    ),
    "vjp vmap": lambda m: m.func.vjp(m.func.vmap(lambda x: x.sin().sum()), X(m, 2, 3))[1](X(m, 2)),
    "vmap vjp": lambda m: m.func.vmap(lambda x, c: m.func.vjp(lambda x: x * x, x)[1](c))(
        X(m, 2, 3), X(m, 2, 3)
    ),
    "triple grad": lambda m: m.func.grad(m.func.grad(m.func.grad(lambda x: x**4)))(
        X(
            m,
        )
    ),
    "vmap vmap vmap grad": lambda m: m.func.vmap(
        m.func.vmap(m.func.vmap(m.func.grad(lambda x: x.exp())))
    )(X(m, 2, 2, 2)),
    "linearize": lambda m: m.func.linearize(h, X(m, 3))[1](X(m, 3)),
    "chunk randomness": lambda m: m.func.vmap(
        lambda x: x * 2, chunk_size=2, randomness="same", in_dims=1, out_dims=-1
    )(X(m, 2, 5)),
    "dict in": lambda m: m.func.vmap(
        lambda d: {"s": d["a"] + d["b"], "t": (d["a"],)},
        in_dims=({"a": 0, "b": None},),
        out_dims={"s": 1, "t": (0,)},
    )({"a": X(m, 3, 2), "b": X(m, 2)}),
    "nested tuple": lambda m: m.func.vmap(
        lambda a, bc: (a * bc[0], [bc[1][0]]), in_dims=(0, (None, [1])), out_dims=(0, [1])
    )(X(m, 3), (X(m, 2), [X(m, 2, 3)])),
    "in_dims bad": lambda m: m.func.vmap(lambda a, b: a, in_dims=(0,))(X(m, 3), X(m, 3)),
    "in_dims bad2": lambda m: m.func.vmap(lambda a: a, in_dims=5)(X(m, 3)),
    "in_dims none": lambda m: m.func.vmap(lambda a: a, in_dims=None)(X(m, 3)),
    "in_dims none2": lambda m: m.func.vmap(lambda a, b: a, in_dims=(None, None))(X(m, 3), X(m, 3)),
    "sizes": lambda m: m.func.vmap(lambda a, b: a)(X(m, 3), X(m, 2)),
    "out none": lambda m: m.func.vmap(lambda a: a, out_dims=None)(X(m, 3)),
    "out const": lambda m: m.func.vmap(lambda a: X(m, 2))(X(m, 3)),
    "out number": lambda m: m.func.vmap(lambda a: 3)(X(m, 3)),
    "out dims mismatch": lambda m: m.func.vmap(lambda a: (a, a), out_dims=(0, 0, 0))(X(m, 3)),
    "item": lambda m: m.func.vmap(lambda a: a.item())(X(m, 3)),
    "if": lambda m: m.func.vmap(lambda a: a if a > 0 else -a)(X(m, 3)),
    "no args": lambda m: m.func.vmap(lambda: 1)(),
    "nontensor": lambda m: m.func.vmap(lambda a, b: a)(X(m, 3), 4),
    "kwargs": lambda m: m.func.vmap(lambda a, b=None: a + b)(X(m, 3), b=X(m, 3)),
    "randomness bad": lambda m: m.func.vmap(lambda a: a, randomness="x")(X(m, 3)),
    "rand error": lambda m: m.func.vmap(lambda a: a + m.rand(1))(X(m, 3)),
    "inplace batched": lambda m: m.func.vmap(lambda a: a.clone().add_(m.ones(2).double()))(
        X(m, 3, 2)
    ),
    "inplace input": lambda m: (lambda x: (m.func.vmap(lambda a: a.add_(1))(x), x))(X(m, 3, 2)),
    "argnums": lambda m: m.func.grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(X(m, 3), X(m, 3)),
    "argnums -1": lambda m: m.func.grad(lambda a, b: (a * b * b).sum(), argnums=-1)(
        X(m, 3), X(m, 3)
    ),
    "argnums bad": lambda m: m.func.grad(lambda a, b: (a * b).sum(), argnums=2)(X(m, 3), X(m, 3)),
    "argnums dup": lambda m: m.func.grad(lambda a, b: (a * b).sum(), argnums=(0, 0))(
        X(m, 3), X(m, 3)
    ),
    "aux": lambda m: m.func.grad(lambda a: ((a * a).sum(), {"x": a}), has_aux=True)(X(m, 3)),
    "aux bad": lambda m: m.func.grad(lambda a: (a * a).sum(), has_aux=True)(X(m, 3)),
    "nonscalar": lambda m: m.func.grad(lambda a: a * a)(X(m, 3)),
    "int": lambda m: m.func.grad(lambda a: a.sum())(m.arange(3)),
    "pytree": lambda m: m.func.grad(lambda d: (d["a"] * d["b"][0]).sum())(
        {"a": X(m, 3), "b": [X(m, 3)]}
    ),
    "jac pytree": lambda m: m.func.jacrev(lambda d: {"o": d["a"] * 2})({"a": X(m, 2)}),
    "jacfwd pytree": lambda m: m.func.jacfwd(lambda a, b: (a * b, b), argnums=(0, 1))(
        X(m, 2), X(m, 2)
    ),
    "jacfwd rand": lambda m: m.func.jacfwd(lambda a: a * a, randomness="different", chunk_size=1)(
        X(m, 2)
    ),
    "jacfwd aux": lambda m: m.func.jacfwd(lambda a: (a * a, a), has_aux=True)(X(m, 2)),
    "jvp strict": lambda m: m.func.jvp(lambda a: X(m, 2), (X(m, 2),), (X(m, 2),)),
    "jvp strict2": lambda m: m.func.jvp(lambda a: X(m, 2), (X(m, 2),), (X(m, 2),), strict=True),
    "jvp aux": lambda m: m.func.jvp(lambda a: (a * a, a), (X(m, 2),), (X(m, 2),), has_aux=True),
    "jvp nontuple": lambda m: m.func.jvp(lambda a: a, X(m, 2), X(m, 2)),
    "jvp mismatch": lambda m: m.func.jvp(lambda a: a, (X(m, 2),), (X(m, 3),)),
    "vjp aux": lambda m: m.func.vjp(lambda a: (a * a, a), X(m, 2), has_aux=True)[1](X(m, 2)),
    "batched bad": lambda m: (
        lambda x: m.autograd.grad(x * x, x, m.ones(3).double(), is_grads_batched=True)
    )(X(m, 3).requires_grad_()),
    "fc tied": lambda m: call(m, {"0.weight": ones(m)}),
    "fc untied": lambda m: call(m, {"0.weight": ones(m)}, tie_weights=False),
    "fc both": lambda m: call(
        m,
        {"0.weight": ones(m), "2.weight": m.zeros(2, 2).double()},
        (X(m, 1, 2),),
    ),
    "fc strict": lambda m: call(m, {"0.weight": ones(m)}, strict=True),
    "fc strict unknown": lambda m: call(m, {"zz": ones(m)}, strict=True),
    "fc unknown": lambda m: call(m, {"zz": ones(m)}),
    "fc list": lambda m: call(
        m, [{"0.weight": ones(m)}, {"0.bias": m.ones(2).double()}], X(m, 1, 2)
    ),
    "fc dup": lambda m: call(
        m, [{"0.weight": ones(m)}, {"0.weight": m.ones(2).double()}], X(m, 1, 2)
    ),
    "fc kw": lambda m: call(m, {}, None, {"input": X(m, 1, 2)}),
    "stack empty": lambda m: m.func.stack_module_state([]),
    "stack differ": lambda m: m.func.stack_module_state([m.nn.Linear(1, 2), m.nn.Linear(2, 1)]),
    "stack differ2": lambda m: m.func.stack_module_state([m.nn.Linear(1, 2), m.nn.Tanh()]),
    "stack train": lambda m: m.func.stack_module_state(
        [m.nn.Linear(1, 2), m.nn.Linear(1, 2).eval()]
    ),
}


def plain(value):
    """Tensors as numbers and sizes, in the structure they come in."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *map(plain, value)]
    if hasattr(value, "shape"):
        numbers = value.detach().double()
        return [tuple(value.shape), np.round(np.array(numbers.tolist()), 9).tolist()]
    return value


def outcome(case, module):
    module.manual_seed(0)
    try:
        return plain(case(module))
    except Exception as error:
        builtin = next(c for c in type(error).__mro__ if c.__module__ == "builtins")
        return f"{builtin.__name__}: {error}"


@pytest.mark.parametrize("name", CASES)
def test_same_as_torch(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = outcome(CASES[name], torch)
    assert not str(theirs).startswith(("NameError", "RecursionError", "AttributeError"))
    assert outcome(CASES[name], flambeau) == theirs


# ---- what torch does not do ----


def test_hooks_on_saved_tensors_inside():
    shapes = []

    def function(x):
        def pack(t):
            shapes.append(tuple(t.shape))
            return t * 2

        with flambeau.autograd.graph.saved_tensors_hooks(pack, lambda t: t / 2):
            return (x.sin() * x).sum()

    x = X(flambeau, 3, 2)
    wanted = x.cos() * x + x.sin()
    assert flambeau.allclose(flambeau.func.vmap(flambeau.func.grad(function))(x), wanted)
    assert shapes == [(2,)] * 3
    assert flambeau.allclose(flambeau.func.grad(function)(x), wanted)


def test_linearize_of_each_example():
    def push(x):
        return flambeau.func.linearize(h, x)[1](x)

    x = X(flambeau, 2, 3)
    found = flambeau.func.vmap(push)(x)
    assert flambeau.allclose(found, flambeau.stack([push(a) for a in x]))
