"""func against torch.func: values and structures of nested transforms, errors, random numbers."""

import gc
import warnings

import numpy as np
import pytest

import flambeau
from flambeau import func
from flambeau.testing import assert_close

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

# torch's own forward mode compiles scripts, which it has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def _array(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


X, Y, W, B = _array(4, 3), _array(4, 3, seed=1), _array(3, 3, seed=2), _array(2, 4, 3, seed=3)


def _leaves(value):
    if isinstance(value, dict):
        return [leaf for key in value for leaf in _leaves(value[key])]
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value.detach().numpy()]


def _structure(value):
    if isinstance(value, dict):
        return {key: _structure(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value).__name__, [_structure(part) for part in value]
    return tuple(value.shape)


def _bowl(T):
    w = T.tensor(W)
    return lambda x: ((x @ w).tanh() * x.exp()).sum()


def _field(T):
    w = T.tensor(W)
    return lambda x: (x @ w).tanh() * x.exp()


def _written(T):
    """A function that fills its result in place."""

    def function(x):
        out = T.zeros(3, dtype=T.float64)
        out[1:] = x[:2] * x[1:]
        out[0] = x[2].sin()
        out.mul_(x)
        return out

    return function


def _pair(T):
    return lambda x, y: {"product": x * y, "rest": (x.sin(), [y.sum()])}


def _dims(T, F):
    x, b = T.tensor(X), T.tensor(B)
    yield F.vmap(lambda a, b: a + b, in_dims=(1, None), out_dims=1)(x, x[:, 0])
    yield F.vmap(lambda d: {"a": d["x"] * 2, "b": [d["y"]]}, in_dims=({"x": 0, "y": None},))(
        {"x": x, "y": x[0]}
    )
    yield F.vmap(F.vmap(lambda a: a.cumsum(0)), in_dims=1, out_dims=-1)(b)
    yield F.vmap(F.vmap(T.dot, (None, 0)), (0, None))(x, x)
    yield F.vmap(lambda a: a[1:], in_dims=-1)(b)
    yield F.vmap(lambda a, i: a[i], in_dims=(0, 0))(x, T.tensor([0, 2, 1, 1]))
    yield F.vmap(lambda a: (a, x), out_dims=(0, None))(x)
    yield F.vmap(lambda a: a.sum(), chunk_size=3)(x)
    yield F.vmap(lambda a: T.stack([a, a * 2]).reshape(-1).sort().values)(x)
    yield F.vmap(lambda a: T.where(a > 0, a, 0.5 * a))(x)
    yield F.vmap(lambda a: T.nn.functional.softmax(a, 0).max(0))(x)[0]


def _reverse(T, F):
    x, y, f, g = T.tensor(X), T.tensor(Y), _bowl(T), _field(T)
    yield F.grad(f)(x)
    yield F.grad_and_value(lambda x: (f(x), {"aux": x * 2}), has_aux=True)(x)
    yield F.grad(lambda x, y: (x * y).sum(), argnums=(1, 0))(x, y)
    yield F.grad(lambda p: (p["a"] * p["b"][0]).sum())({"a": x, "b": [y]})
    out, pull = F.vjp(_pair(T), x, y)
    yield out
    yield pull({"product": y, "rest": (x, [x.sum()])})
    yield F.jacrev(g)(x[0])
    yield F.jacrev(g, chunk_size=1)(x)
    yield F.jacrev(g, chunk_size=5)(x)
    yield F.jacrev(_pair(T), argnums=(0, 1))(x[0], y[0])
    yield F.jacrev(_written(T))(x[0])
    yield F.linearize(g, x)[1](y)
    yield F.grad(F.grad(lambda a: a.sin() * a**3))(x[0, 0])


def _forward(T, F):
    x, y, g = T.tensor(X), T.tensor(Y), _field(T)
    yield F.jvp(g, (x,), (y,))
    yield F.jvp(_pair(T), (x, y), (y, x))
    yield F.jvp(lambda x: (g(x), x * 2), (x,), (y,), has_aux=True)
    yield F.jacfwd(g)(x[0])
    yield F.jacfwd(_pair(T), argnums=(1,))(x[0], y[0])
    yield F.jacfwd(_written(T))(x[0])
    yield F.jvp(lambda x: F.jvp(T.sin, (x,), (x,))[1], (x,), (y,))


def _nested(T, F):
    x, f = T.tensor(X), _bowl(T)
    yield F.vmap(F.grad(f))(x)
    yield F.grad(lambda a: F.vmap(F.grad(f))(a).sin().sum())(x)
    yield F.hessian(f)(x[0])
    yield F.vmap(F.hessian(f))(x)
    yield F.jacrev(F.jacfwd(f))(x[0])
    yield F.jacfwd(F.jacfwd(f))(x[0])
    yield F.jacrev(F.jacrev(f))(x[0])
    yield F.jvp(F.vmap(F.grad(f)), (x,), (x,))
    yield F.hessian(lambda p: (p["w"] @ p["b"]).exp())({"w": x[0], "b": x[1]})
    yield F.vmap(F.vmap(F.grad(lambda a: a**3)))(x)
    yield F.hessian(lambda a: _written(T)(a).sin().sum())(x[0])
    weights = x[0].clone().requires_grad_()
    value = F.vmap(F.grad(lambda a: (a * weights).sin().sum()))(x)
    yield T.autograd.grad(value.sum(), weights)[0]


def _networks(T, F):
    n = T.nn
    T.manual_seed(0)
    net = n.Sequential(n.Linear(3, 5), n.Tanh(), n.Linear(5, 1)).double()
    own = {key: value.detach() for key, value in net.named_parameters()}
    x = T.tensor(X)

    def loss(p, a):
        return F.functional_call(net, p, (a,)).sum()

    yield F.vmap(F.grad(loss), (None, 0))(own, x)
    yield F.hessian(loss)(own, x[0])
    yield F.jvp(lambda p: F.functional_call(net, p, x), (own,), (own,))
    models = [n.Linear(3, 2).double() for _ in range(3)]
    parameters, buffers = F.stack_module_state(models)
    yield parameters
    yield F.vmap(lambda p, b, a: F.functional_call(models[0], (p, b), (a,)), (0, 0, None))(
        parameters, buffers, x
    )
    layers = [n.Conv2d(2, 3, 3, padding=1), n.BatchNorm2d(3, track_running_stats=False)]
    conv = n.Sequential(*layers, n.ReLU(), n.MaxPool2d(2), n.Flatten(), n.Linear(12, 4)).double()
    own = {key: value.detach() for key, value in conv.named_parameters()}
    images = T.tensor(_array(5, 2, 2, 4, 4))
    labels = T.tensor([[0, 1], [3, 2], [1, 1], [0, 3], [2, 2]])

    def entropy(p, a, y):
        return n.functional.cross_entropy(F.functional_call(conv, p, (a,)), y)

    yield F.vmap(F.grad(entropy), (None, 0, 0))(own, images, labels)


@pytest.mark.parametrize("calls", [_dims, _reverse, _forward, _nested, _networks])
def test_same_as_torch(calls):
    ours = list(calls(flambeau, func))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = list(calls(torch, torch.func))
    for k, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert _structure(mine) == _structure(other), k
        for a, b in zip(_leaves(mine), _leaves(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11, err_msg=str(k))


def _wrong_calls(T, F):
    """By name, calls that torch refuses."""
    x, y, square = T.tensor(X[0]), T.tensor(Y[0]), lambda a: a**2
    v = F.vmap
    return {
        "grad of a vector": lambda: F.grad(square)(x),
        "grad of no tensor": lambda: F.grad(lambda a: 3)(x),
        "grad without aux": lambda: F.grad(lambda a: a.sum(), has_aux=True)(x),
        "argnums too large": lambda: F.grad(lambda a: a.sum(), argnums=2)(x),
        "argnums of a wrong type": lambda: F.grad(lambda a: a.sum(), argnums="a")(x),
        "argnums twice": lambda: F.grad(lambda a, b: (a * b).sum(), argnums=(0, 0))(x, y),
        "no argnums": lambda: F.grad(lambda a: a.sum(), argnums=())(x),
        "grad by integers": lambda: F.grad(lambda a: a.sum())(T.arange(3)),
        "grad by a number": lambda: F.grad(square)(3.0),
        "vjp of no tensor": lambda: F.vjp(lambda a: 3, x),
        "cotangents of a wrong shape": lambda: F.vjp(square, x)[1](T.zeros(4, dtype=T.float64)),
        "jvp without a tuple": lambda: F.jvp(square, x, (y,)),
        "tangents of a wrong shape": lambda: F.jvp(square, (x,), (y[:2],)),
        "jvp of no tensor": lambda: F.jvp(lambda a: 3, (x,), (y,)),
        "jvp of a number": lambda: F.jvp(square, (3.0,), (y,)),
        "jvp strict": lambda: F.jvp(lambda a: y, (x,), (y,), strict=True),
        "jacrev chunk": lambda: F.jacrev(square, chunk_size=0),
        "vmap without arguments": lambda: v(square)(),
        "in_dims of a wrong type": lambda: v(square, in_dims="a")(x),
        "in_dims no number": lambda: v(square, in_dims=(0.5,))(x),
        "vmap over a number": lambda: v(square)(3),
        "in_dims out of range": lambda: v(square, in_dims=2)(x),
        "batches of two sizes": lambda: v(lambda a, b: a + b)(x, y[:2]),
        "vmap over nothing": lambda: v(square, in_dims=None)(x),
        "vmap of no tensor": lambda: v(lambda a: 3)(x),
        "out_dims of a wrong type": lambda: v(square, out_dims="a")(x),
        "out_dims None": lambda: v(square, out_dims=None)(x),
        "out_dims out of range": lambda: v(square, out_dims=3)(x),
        "randomness": lambda: v(square, randomness="some"),
        "chunk_size": lambda: v(square, chunk_size=0),
        "item": lambda: v(lambda a: a.item())(x),
        "branch": lambda: v(lambda a: a if a > 0 else -a)(x),
        "random": lambda: v(lambda a: a + T.rand(()))(x),
        "requires_grad_": lambda: v(lambda a: a.requires_grad_())(x),
        "data": lambda: v(lambda a: a.data)(x),
        "numpy": lambda: v(lambda a: a.numpy())(x),
        "backward": lambda: v(lambda a: a.sum().backward())(x),
        "linearize shape": lambda: F.linearize(square, x)[1](y[:2]),
    }


@pytest.mark.parametrize("name", sorted(_wrong_calls(flambeau, func)))
def test_errors(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as theirs:
            _wrong_calls(torch, torch.func)[name]()
    with pytest.raises(theirs.type) as ours:
        _wrong_calls(flambeau, func)[name]()
    assert str(ours.value) == str(theirs.value)


def test_auxiliary_results_keep_the_graph_outside_of_the_transform():
    x = flambeau.tensor([1.0, 2.0], requires_grad=True)
    w = flambeau.tensor(3.0, requires_grad=True)

    def loss(x, y):
        scaled = w * x
        return (scaled + y).sum(), (x, scaled, y + 1)

    arguments = x, flambeau.ones(2)
    _, auxiliary = func.grad(loss, has_aux=True)(*arguments)
    _, (_, same) = func.grad_and_value(loss, has_aux=True)(*arguments)
    for given, scaled, rest in (auxiliary, same):
        assert given is x and scaled.requires_grad and not rest.requires_grad
        gradients = flambeau.autograd.grad(scaled.sum(), (x, w))
        assert [g.tolist() for g in gradients] == [[3.0, 3.0], 3.0]
    with flambeau.no_grad():
        _, (_, scaled, _) = func.grad(loss, has_aux=True)(*arguments)
    assert not scaled.requires_grad


def test_dynamic_shapes_are_refused():
    with pytest.raises(RuntimeError, match="dynamic shape"):
        func.vmap(lambda a: a.nonzero())(flambeau.ones(2, 3))


def test_tensor_of_an_ended_vmap():
    kept = []
    func.vmap(lambda a: (kept.append(a), a)[1])(flambeau.ones(2, 3))
    with pytest.raises(RuntimeError, match="a vmap that has returned"):
        kept[0] + 1


def test_no_wrapper_stays_alive():
    from flambeau import _C

    func.hessian(lambda a: (a**3).sum())(flambeau.ones(3))
    func.vmap(func.grad(lambda a: a.sin().sum()))(flambeau.ones(2, 3))
    gc.collect()
    assert not _C.has_wrappers()


def test_loop_for_an_op_without_rule():
    x = flambeau.rand(2, 7)
    with pytest.warns(UserWarning, match="performance drop"):
        found = func.vmap(lambda a: flambeau.histc(a, 4, 0, 1))(x)
    assert_close(found, flambeau.stack([flambeau.histc(a, 4, 0, 1) for a in x]))


class TestRandomness:
    def draw(self, randomness, function):
        flambeau.manual_seed(0)
        return func.vmap(function, randomness=randomness)(flambeau.zeros(3, 50))

    @pytest.mark.parametrize(
        "function",
        [
            lambda a: a + flambeau.rand(50),
            lambda a: flambeau.rand_like(a),
            lambda a: flambeau.nn.functional.dropout(a + 1, 0.5),
            lambda a: flambeau.bernoulli(a + 0.5),
            lambda a: (a + 1).uniform_(),
            lambda a: flambeau.dropout(flambeau.ones(50), 0.5, True) + a,
        ],
    )
    def test_same_or_different(self, function):
        rows = self.draw("same", function)
        assert_close(rows[0], rows[1])
        rows = self.draw("different", function)
        assert not flambeau.equal(rows[0], rows[1])
        with pytest.raises(RuntimeError, match="randomness error mode"):
            self.draw("error", function)

    def test_idle_dropout_draws_nothing(self):
        found = self.draw("error", lambda a: flambeau.nn.functional.dropout(a, 0.5, False))
        assert_close(found, flambeau.zeros(3, 50))


class TestGradModes:
    """As torch documents for func.grad: the modes inside the function count, not those around."""

    def test_outer_no_grad_is_ignored(self):
        with flambeau.no_grad():
            found = func.grad(lambda x: x**2)(flambeau.tensor(3.0))
        assert found.item() == 6
        assert not found.requires_grad

    def test_inner_no_grad_counts(self):
        def function(x):
            with flambeau.no_grad():
                shift = x**2
            return x**2 - shift

        assert func.grad(function)(flambeau.tensor(3.0)).item() == 6

    def test_result_follows_captured_parameters(self):
        w = flambeau.tensor(2.0, requires_grad=True)
        found = func.grad(lambda x: w * x**2)(flambeau.tensor(3.0))
        found.backward()
        assert w.grad.item() == 6

    def test_result_without_history(self):
        assert not func.grad(lambda x: x**2)(flambeau.tensor(3.0)).requires_grad


class TestFunctionalCall:
    def test_puts_back(self):
        layer = flambeau.nn.Linear(2, 2)
        own = layer.weight
        with pytest.raises(RuntimeError):
            func.functional_call(layer, {"weight": flambeau.ones(3, 3)}, flambeau.ones(1, 2))
        assert layer.weight is own

    def test_ties(self):
        net = flambeau.nn.Sequential(flambeau.nn.Linear(2, 2), flambeau.nn.Linear(2, 2))
        net[1].weight = net[0].weight
        given = {"0.weight": flambeau.zeros(2, 2)}
        tied = func.functional_call(net, given, flambeau.ones(2))
        assert_close(tied, net[1].bias.detach() + 0)
        untied = func.functional_call(net, given, flambeau.ones(2), tie_weights=False)
        assert not flambeau.equal(tied, untied)

    def test_errors(self):
        layer = flambeau.nn.Linear(2, 2)
        one = {"weight": flambeau.ones(2, 2)}
        with pytest.raises(ValueError, match="multiple dictionaries"):
            func.functional_call(layer, (one, one), flambeau.ones(2))
        with pytest.raises(RuntimeError, match="Missing key"):
            func.functional_call(layer, one, flambeau.ones(2), strict=True)

    def test_buffers_are_written_to_the_dict(self):
        norm = flambeau.nn.BatchNorm1d(2)
        state = {key: value.clone() for key, value in norm.named_buffers()}
        func.functional_call(norm, state, flambeau.rand(4, 2))
        assert state["num_batches_tracked"].item() == 1
        assert norm.num_batches_tracked.item() == 0


def test_per_sample_gradients_of_linear_layers_equal_a_loop():
    net = flambeau.nn.Sequential(flambeau.nn.Linear(3, 4), flambeau.nn.ReLU())
    own = {key: value.detach() for key, value in net.named_parameters()}
    x = flambeau.rand(6, 3)

    def loss(p, a):
        return (func.functional_call(net, p, a) ** 2).sum()

    found = func.vmap(func.grad(loss), (None, 0))(own, x)
    for k in range(6):
        one = func.grad(loss)(own, x[k])
        for key, value in one.items():
            assert_close(found[key][k], value)


def test_batch_norm_without_running_statistics():
    net = flambeau.nn.Sequential(flambeau.nn.BatchNorm1d(3))
    x = flambeau.rand(2, 4, 3)
    with pytest.raises(RuntimeError, match="running_mean or running_var"):
        func.vmap(net)(x)
    func.replace_all_batch_norm_modules_(net)
    assert_close(func.vmap(net)(x), flambeau.stack([net(a) for a in x]))


def test_batch_norm_with_parameters_of_each_example():
    norm = flambeau.nn.BatchNorm1d(3)
    x, weights = flambeau.rand(4, 3), flambeau.rand(2, 3)
    found = func.vmap(lambda w: func.functional_call(norm, {"weight": w}, (x,)))(weights)
    assert norm.num_batches_tracked == 1  # all examples share the batch, and its statistics
    assert_close(norm.running_mean, 0.1 * x.mean(0))
    for one, w in zip(found, weights, strict=True):
        assert_close(one, func.functional_call(norm, {"weight": w}, (x,)))


def test_a_rule_that_reads_elements_runs_for_each_example():
    x = flambeau.rand(3, 2, 2).double() + flambeau.eye(2)
    found = func.vmap(func.jacrev(flambeau.linalg.det))(x)
    assert_close(found, flambeau.stack([func.jacrev(flambeau.linalg.det)(a) for a in x]))


def test_kernels_refuse_wrappers():
    from flambeau import _C

    def function(a):
        with pytest.raises(TypeError):
            _C.clone(a)
        with pytest.raises(TypeError):
            _C.binary("add", a, 1)
        return a

    func.vmap(function)(flambeau.ones(2, 3))


@pytest.mark.parametrize("name", ["data_ptr", "untyped_storage"])
def test_a_batch_shows_no_memory(name):
    with pytest.raises(RuntimeError, match="doesn't have storage"):
        func.vmap(lambda a: getattr(a, name)())(flambeau.ones(2, 3))


def test_memory_is_not_changed_inside():
    with pytest.raises(RuntimeError, match="not supported inside"):
        func.vmap(lambda a: a.resize_(5))(flambeau.ones(2, 3))
