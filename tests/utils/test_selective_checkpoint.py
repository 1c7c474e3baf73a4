"""Checkpoints that keep some results, random states of devices, groups of backward calls."""

from functools import partial

import pytest

import flambeau as fl
from flambeau.utils import checkpoint as ck
from flambeau.utils.checkpoint import CheckpointPolicy, checkpoint


def network(x, w):
    hidden = (x @ w).tanh()
    mean = hidden.var(0, keepdim=True)  # made of several operations
    return ((hidden / (mean + 1)) @ w).sin().sum()


def inputs():
    fl.manual_seed(0)
    return [fl.randn(4, 4, requires_grad=True) for _ in range(2)]


def gradients(function):
    own = inputs()
    function(*own).backward()
    return [t.grad.tolist() for t in own]


def kept(ops, function=network, **options):
    context = partial(ck.create_selective_checkpoint_contexts, ops)
    return lambda *args: checkpoint(
        function, *args, use_reentrant=False, context_fn=context, **options
    )


@pytest.mark.parametrize(
    "ops", ([fl.mm], ["mm", "tanh"], [fl.tanh, "div"], ["sin", "div", "add", "sum"], [])
)
@pytest.mark.parametrize("early_stop", (True, False))
def test_gradients_are_those_without(ops, early_stop):
    assert gradients(kept(ops, early_stop=early_stop)) == gradients(network)


def test_the_policy_is_asked_in_the_call_only():
    seen = []

    def policy(ctx, op, *args):
        assert not ctx.is_recompute
        seen.append((op.name, ctx.op_output.shape))
        assert all(a is None or a is not ctx.op_output for a in args)
        return CheckpointPolicy.MUST_SAVE if op.name == "mm" else CheckpointPolicy.MUST_RECOMPUTE

    assert gradients(kept(policy)) == gradients(network)
    assert seen.count(("mm", (4, 4))) == 2
    assert [name for name, _ in seen].count("tanh") == 1


@pytest.mark.parametrize("ops, same", ((["native_dropout"], True), ([], False)))
def test_what_is_kept_is_not_computed_again(ops, same):
    """A mask that is drawn anew, since no random state is kept, fits no forward."""
    masks = []

    def drop(x, w):
        dropped = fl.native_dropout(x, 0.5, True)[0]
        masks.append(dropped.detach().tolist())
        return (dropped * w).sin().sum()

    x, w = inputs()
    kept(ops, drop, preserve_rng_state=False, early_stop=False)(x, w).backward()
    assert len(masks) == 2
    assert (masks[0] == masks[1]) == same


def test_memory_is_that_of_what_is_kept():
    alive = []

    def policy(ctx, op, *args):
        if op.name == "exp":
            alive.append(ctx.op_output.untyped_storage())
            return True
        return False

    x, w = inputs()
    out = kept(policy, lambda x, w: (x.exp().sin() * w).sum())(x, w)
    assert len(alive) == 1
    out.backward()
    assert x.grad is not None


def test_a_second_backward_has_nothing_left():
    x, w = inputs()
    out = kept([fl.mm])(x, w)
    out.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="only allowed to backward once"):
        out.backward()


@pytest.mark.parametrize("allowed", (True, False))
def test_what_is_kept_must_not_change(allowed):
    results = []

    def function(x, w):
        product = x @ w
        results.append(product.detach())
        return product.sin().sum()

    x, w = inputs()
    context = partial(ck.create_selective_checkpoint_contexts, ["mm"], allowed)
    out = checkpoint(function, x, w, use_reentrant=False, context_fn=context)
    results[0].zero_()
    if allowed:
        out.backward()
        assert x.grad.tolist() == (fl.ones(4, 4) @ w.detach().T).tolist()  # cos(0)
    else:
        with pytest.raises(RuntimeError, match="has been mutated"):
            out.backward()


def test_wrong_policies():
    with pytest.raises(TypeError, match="policy_fn_or_list must be either"):
        ck.create_selective_checkpoint_contexts(3)
    for wrong in (fl.matmul, "no such operation", fl.argmax):
        with pytest.raises(ValueError, match="no single operation with a gradient"):
            ck.create_selective_checkpoint_contexts([wrong])


def test_a_group_repeats_once():
    calls = []

    def function(x):
        calls.append(1)
        return x.sin() * 2, x.exp()

    x = fl.ones(2, requires_grad=True)
    a, b = checkpoint(function, x, use_reentrant=False, early_stop=False)
    with ck.GraphExecGroup():
        a.sum().backward()
        b.sum().backward()
        with pytest.raises(RuntimeError, match="nested"), ck.GraphExecGroup():
            pass
    assert len(calls) == 2
    a, b = checkpoint(function, x, use_reentrant=False, early_stop=False)
    a.sum().backward()
    b.sum().backward()
    assert len(calls) == 5


def test_states_of_devices():
    assert ck.get_device_states(fl.ones(2), [3, {"a": fl.ones(1)}]) == ([], [])
    ck.set_device_states([], [])
    assert ck.DefaultDeviceType.get_device_type() == "cuda"
    ck.DefaultDeviceType.set_device_type("other")
    assert ck.DefaultDeviceType.get_device_type() == "other"
    ck.DefaultDeviceType.set_device_type()


def test_enumeration_is_torchs():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    theirs = torch.utils.checkpoint.CheckpointPolicy
    assert {p.name: p.value for p in theirs} == {p.name: p.value for p in CheckpointPolicy}
