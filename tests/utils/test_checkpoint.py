"""Checkpointed parts give the gradients of plain ones, keep less, and say when they differ."""

import warnings

import pytest

import flambeau as fl
from flambeau.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def body(x, scale=1.0):
    return (x * scale).exp().sin() * x


@pytest.mark.parametrize("reentrant", [False, True])
def test_gradients_are_those_without(reentrant):
    x = fl.tensor([0.3, 0.7], dtype=fl.float64, requires_grad=True)
    body(x * 2).sum().backward()
    expected, x.grad = x.grad, None
    checkpoint(body, x * 2, use_reentrant=reentrant).sum().backward()
    assert x.grad.tolist() == expected.tolist()


def test_higher_derivatives_keywords_and_grad():
    x = fl.tensor(0.3, dtype=fl.float64, requires_grad=True)

    def second(y):
        (first,) = fl.autograd.grad(y, x, create_graph=True)
        return fl.autograd.grad(first, x)[0].item()

    plain = second(body(x, scale=2.0))
    assert second(checkpoint(body, x, use_reentrant=False, scale=2.0)) == pytest.approx(plain)


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("preserve", [False, True])
def test_random_numbers_are_drawn_again(reentrant, preserve):
    masks = []

    def noisy(x):
        masks.append(fl.rand(8))
        return (x * masks[-1]).exp()

    x = fl.ones(8, requires_grad=True)
    y = checkpoint(noisy, x, use_reentrant=reentrant, preserve_rng_state=preserve)
    after = fl.get_rng_state()
    fl.rand(3)
    fl.set_rng_state(after)
    y.sum().backward()
    assert (masks[0].tolist() == masks[1].tolist()) is preserve
    assert (fl.get_rng_state().tolist() == after.tolist()) is preserve


def test_it_keeps_less_and_runs_once_more_per_backward():
    runs = []

    def layer(x):
        runs.append(1)
        for _ in range(5):
            x = x.exp() * 0.1
        return x

    x = fl.ones(1 << 14, requires_grad=True)
    size = 4 * (1 << 14)
    before = fl._C.allocator_stats()["allocated"]
    y = checkpoint(layer, x, use_reentrant=False)
    assert fl._C.allocator_stats()["allocated"] - before <= 1.1 * size
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert len(runs) == 3
    del y
    assert fl._C.allocator_stats()["allocated"] - before <= 1.1 * size  # the gradient
    with pytest.raises(RuntimeError, match="second time"):
        z = checkpoint(layer, x, use_reentrant=False).sum()
        z.backward()
        z.backward()


@pytest.mark.parametrize("stop", [True, False])
def test_early_stop(stop):
    steps = []

    def function(x):
        y = x.exp()
        steps.append("needed")
        y = y * 2
        steps.append("linear")
        return y + 1

    x = fl.ones(2, requires_grad=True)
    with set_checkpoint_early_stop(stop):
        checkpoint(function, x, use_reentrant=False).sum().backward()
    assert steps == ["needed", "linear"] * (1 if stop else 2)


def test_nested_checkpoints_free_the_inner_inputs():
    counts = []

    def inner(x):
        counts.append("inner")
        return (x * x).exp()

    def outer(x):
        counts.append("outer")
        for _ in range(3):
            x = checkpoint(inner, x.sin(), use_reentrant=False)
        return x

    x = fl.linspace(0.1, 1, 1 << 12, dtype=fl.float64).requires_grad_()
    before = fl._C.allocator_stats()["allocated"]
    y = checkpoint(outer, x, use_reentrant=False)
    assert fl._C.allocator_stats()["allocated"] - before <= 2 * 8 * (1 << 12)  # y, random states
    y.sum().backward()
    other = x.detach().clone().requires_grad_()
    z = other
    for _ in range(3):
        z = inner(z.sin())
    z.sum().backward()
    assert fl.allclose(x.grad, other.grad, rtol=1e-12)
    assert counts.count("outer") == 2


def test_a_repetition_that_differs():
    runs = []

    def fewer(x):
        runs.append(1)
        return (x * x).exp() if len(runs) % 2 else x.exp()

    def other_shape(x):
        runs.append(1)
        return x[:, None].expand(2, len(runs)).exp().sum()

    x = fl.ones(2, requires_grad=True)
    with pytest.raises(CheckpointError, match="A different number of tensors was saved"):
        checkpoint(fewer, x, use_reentrant=False).sum().backward()
    with (
        set_checkpoint_debug_enabled(True),
        pytest.raises(CheckpointError, match="forward pass: mul, exp\nOperations of the recomp"),
    ):
        checkpoint(fewer, x, use_reentrant=False).sum().backward()
    runs.clear()
    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(other_shape, x, use_reentrant=False).backward()


def test_contexts():
    log = []

    class Noted:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            log.append(self.name)

        def __exit__(self, *exc):
            pass

    x = fl.ones(2, requires_grad=True)
    y = checkpoint(
        body, x, use_reentrant=False, context_fn=lambda: (Noted("forward"), Noted("again"))
    )
    y.sum().backward()
    assert log == ["forward", "again"]


def test_modules_and_parameters_get_gradients():
    model = fl.nn.Sequential(fl.nn.Linear(3, 4), fl.nn.Tanh(), fl.nn.Linear(4, 2), fl.nn.Tanh())
    x = fl.ones(5, 3)
    model(x).sum().backward()
    expected = [p.grad.tolist() for p in model.parameters()]
    for segments in (1, 2, 4):
        model.zero_grad()
        checkpoint_sequential(model, segments, x, use_reentrant=False).sum().backward()
        assert [p.grad.tolist() for p in model.parameters()] == expected


REFUSED = {
    "keyword": lambda c, x: c(lambda a, b: a, x, b=2, use_reentrant=True),
    "check": lambda c, x: c(lambda a: a, x, use_reentrant=False, determinism_check="foo"),
    "context": lambda c, x: c(lambda a: a, x, use_reentrant=True, context_fn=lambda: 1),
    "grad": lambda c, x: x.grad_of(c(lambda a: a * a, x.t, use_reentrant=True).sum(), x.t),
    "nothing": lambda c, x: c(lambda a: a.detach(), x.t, use_reentrant=True).sum().backward(),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_errors_are_torchs(call):
    from torch.utils.checkpoint import checkpoint as theirs

    errors = []
    for lib, function in ((fl, checkpoint), (torch, theirs)):

        class Given:
            t = lib.ones(2, requires_grad=True)
            grad_of = staticmethod(lib.autograd.grad)

        with pytest.raises((ValueError, RuntimeError)) as caught:
            call(function, Given)
        errors.append(caught.value)
    assert str(errors[0]) == str(errors[1])
    assert isinstance(errors[0], type(errors[1]))


def test_warnings():
    x = fl.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match="pass use_reentrant explicitly"):
        checkpoint(body, x)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(body, fl.ones(2), use_reentrant=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checkpoint(body, fl.ones(2), use_reentrant=False)
