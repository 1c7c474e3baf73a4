"""Graphs die with their last reference, whatever made them, and may be large."""

import gc
import threading
import weakref

import pytest

import flambeau as fl
from flambeau import autograd, func
from flambeau.autograd import forward_ad, functional, graph
from flambeau.utils.checkpoint import checkpoint, create_selective_checkpoint_contexts


def leaf(*values):
    return fl.tensor(values or (0.5, 1.0, 1.5), dtype=fl.float64, requires_grad=True)


class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x**3
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, g):
        return 3 * g * ctx.saved_tensors[0] ** 2


class Dirty(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, g):
        return g * 2


def plain(x):
    return (x * x).exp().sum()


def views(x):
    y = x * 2
    y[0].mul_(3)
    y[1:].neg_()
    view = y.view(-1)
    y.add_(view.detach())
    return (view * y).sum()


def overwritten(x):
    y = x * x
    y *= x
    y += y
    return y.sin_().sum()


def hooks(x):
    y = x * x
    y.register_hook(lambda g: g * 2)
    y.retain_grad()
    y.grad_fn.register_hook(lambda new, old: None)
    y.grad_fn.register_prehook(lambda g: None)
    graph.register_multi_grad_hook([x, y], lambda gradients: None)
    return y.exp().sum()


def packed(x):
    with graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t), graph.save_on_cpu():
        return (x.exp() * x).sum()


def mutated(x):
    with graph.allow_mutation_on_saved_tensors():
        y = x * 1
        z = (y * y).sum()
        y.zero_()
        return z


def double_backward(x):
    gradient = autograd.grad(plain(x), x, create_graph=True)[0]
    return autograd.grad((gradient * gradient).sum(), x, create_graph=True)[0].sum()


def checkpointed(x):
    keep = lambda: create_selective_checkpoint_contexts(["exp"])  # noqa: E731
    y = checkpoint(lambda t: checkpoint(plain, t, use_reentrant=False) * t, x, use_reentrant=False)
    return y.sum() + checkpoint(plain, x, use_reentrant=False, context_fn=keep)


def reentrant(x):
    return checkpoint(plain, x, use_reentrant=True)


def transformed(x):
    mapped = func.vmap(func.grad(lambda t: (t.sin() * t).sum()))(fl.stack([x, x]))
    pushed = func.jvp(lambda t: t.exp() * t, (x,), (x * 2,))[1]
    return mapped.sum() + pushed.sum() + func.hessian(plain)(x).sum()


def pulled(x):
    _, pull = func.vjp(lambda t: t.cumsum(0) * t, x)
    return pull(x.cos())[0].sum() + func.linearize(plain, x)[1](x)


def dual(x):
    with forward_ad.dual_level():
        out = forward_ad.make_dual(x, x.detach() * 2).exp()
        value, tangent = forward_ad.unpack_dual(out)
        return (value * tangent).sum()


def jacobians(x):
    whole = functional.hessian(plain, x, create_graph=True)
    return whole.sum() + functional.jacobian(lambda t: t.exp(), x, create_graph=True).sum()


def checked(x):
    batched = {"check_batched_grad": True, "check_batched_forward_grad": True}
    autograd.gradcheck(lambda t: t.exp() * t, (x,), check_forward_ad=True, **batched)
    return plain(x)


def anomalous(x):
    with autograd.detect_anomaly():
        return (x * x).exp().sum()


def edges(x):
    y = x * x
    edge = graph.get_gradient_edge(y)
    del y
    return autograd.grad(edge, x, fl.ones(3, dtype=fl.float64))[0].sum() + plain(x)


def joined(x):
    parts = fl.cat([x, x]).split(2)
    return fl.stack([p.sum() for p in parts]).prod() + fl.einsum("i,i->", x, x)


PROGRAMS = (
    plain,
    views,
    overwritten,
    hooks,
    packed,
    mutated,
    double_backward,
    checkpointed,
    reentrant,
    transformed,
    pulled,
    dual,
    jacobians,
    checked,
    anomalous,
    edges,
    joined,
    lambda x: Cube.apply(x).sum(),
    lambda x: Dirty.apply(x * 1).exp().sum(),
    lambda x: autograd.grad(Cube.apply(x).sum(), x, create_graph=True)[0].sum(),
)


def name_of(program):
    return program.__name__


@pytest.fixture
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("used", (True, False), ids=("used", "dropped"))
@pytest.mark.parametrize("program", PROGRAMS, ids=name_of)
def test_nothing_waits_for_the_collector(program, used, without_collector):
    x = leaf()
    for _ in range(2):
        gc.collect()  # the first time modules load, and fill their tables
        out = program(x)
        node = weakref.ref(out.grad_fn)
        if used and program is not mutated:
            out.backward()
        del out
        assert node() is None
    assert gc.collect() == 0


def allocated():
    return fl._C.allocator_stats()["allocated"]


@pytest.mark.parametrize("program", (plain, overwritten, joined, checkpointed, hooks), ids=name_of)
def test_saved_memory_is_given_back_while_the_output_lives(program, without_collector):
    size = 1 << 15
    x = fl.ones(size, requires_grad=True)
    before = allocated()
    out = program(x / size)
    out.backward()
    assert out.grad_fn is not None
    assert allocated() - before < 1.1 * 4 * size  # the gradient
    x.grad = None
    assert allocated() - before < 1000


# ---- large ones ----

MANY = 100_000


def deep(x):
    for _ in range(MANY):
        x = x * 1
    return x


def deep_in_place(x):
    y = x * 1
    view = y[:1]
    for _ in range(MANY // 20):
        y.mul_(1)
        view.mul_(1)
    return y.sum()


def wide(x):
    return fl.cat([x * 2] * 10 + [x * k for k in range(MANY // 2)]).sum() / MANY


@pytest.mark.parametrize("make", (deep, deep_in_place, wide), ids=name_of)
def test_a_hundred_thousand_nodes(make):
    x = leaf(1.0)
    make(x)  # made and dropped
    out = make(x)
    gradient = autograd.grad(out.sum(), x, create_graph=True)[0]
    assert gradient.isfinite().all()
    if gradient.requires_grad:
        gradient.sum().backward()  # a graph through the backward of a graph
    del out, gradient


def test_backward_of_one_graph_from_several_threads():
    x = leaf()
    y = (x.exp() * x).sum()
    found = []

    def run():
        for _ in range(50):
            found.append(autograd.grad(y, x, retain_graph=True)[0].tolist())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 200
    assert all(g == found[0] for g in found)


def test_each_thread_may_switch_threads_off():
    with autograd.set_multithreading_enabled(False):
        test_backward_of_one_graph_from_several_threads()
    assert autograd.is_multithreading_enabled()
