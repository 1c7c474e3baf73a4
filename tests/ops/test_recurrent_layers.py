"""The kernel of a recurrent layer against the same steps written in operations."""

import numpy as np
import pytest

import flambeau
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.ops import recurrent

MODES = list(recurrent.STEPS)


def numbers(*shape, seed=0):
    values = np.random.default_rng(seed).standard_normal(shape)
    return flambeau.tensor(values).requires_grad_()


def operands(mode, rows, units, steps=None, batch=None):
    """What a layer takes: inputs (packed if `steps` is None), states, weight, bias."""
    gates = recurrent.STEPS[mode][-1] * units
    x = numbers(rows, gates) if steps is None else numbers(steps, batch, gates)
    states = [numbers(batch, units, seed=k) for k in range(2 if mode == "LSTM" else 1)]
    return x, states, numbers(gates, units, seed=5) * 0.2, numbers(gates, seed=6)


def by_kernel(mode, x, states, weight, bias, sizes, reverse):
    h, c = states[0], states[1] if len(states) == 2 else None
    found = recurrent._recurrent(MODES.index(mode), x, h, c, weight, bias, sizes, reverse)
    return found[: 1 + len(states)]


def by_steps(mode, x, states, weight, bias, sizes, reverse):
    gates = x.unbind(0) if sizes is None else x.split(sizes)
    outputs, _, last = recurrent._unroll(
        recurrent.STEPS[mode][0], gates, tuple(states), (weight, bias, None), reverse
    )
    return flambeau.stack(outputs) if sizes is None else flambeau.cat(outputs), *last


def compare(mode, x, states, weight, bias, sizes=None, reverse=False):
    results = []
    for run in (by_kernel, by_steps):
        outputs = run(mode, x, states, weight, bias, sizes, reverse)
        loss = sum((o * (k + 1)).square().sum() for k, o in enumerate(outputs))
        wanted = [t for t in (x, *states, weight, bias) if t is not None]
        results.append([*outputs, *flambeau.autograd.grad(loss, wanted)])
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(
            mine.detach().numpy(), other.detach().numpy(), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("steps", "batch", "units"), [(1, 1, 1), (3, 13, 33), (4, 25, 70), (2, 5, 64), (2, 0, 3)]
)
def test_sizes(mode, reverse, steps, batch, units):
    x, states, weight, bias = operands(mode, 0, units, steps, batch)
    compare(mode, x, states, weight, bias, reverse=reverse)
    compare(mode, x, states, weight, None, reverse=reverse)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reverse", [False, True])
def test_packed_sequences(mode, reverse):
    sizes = [5, 5, 3, 2, 2, 1]
    x, states, weight, bias = operands(mode, sum(sizes), 19, batch=5)
    compare(mode, x, states, weight, bias, sizes, reverse)


@pytest.mark.parametrize("mode", MODES)
def test_a_single_result_s_gradient(mode):
    x, states, weight, bias = operands(mode, 0, 5, 3, 2)
    for k in range(1 + len(states)):
        mine, other = (
            flambeau.autograd.grad(
                run(mode, x, states, weight, bias, None, False)[k].square().sum(), (x, weight)
            )
            for run in (by_kernel, by_steps)
        )
        for a, b in zip(mine, other, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("make", ["RNN(2, 3)", "LSTM(2, 3, bidirectional=True)", "GRU(2, 3)"])
def test_second_gradients_of_a_network(make):
    flambeau.manual_seed(0)
    net = eval(f"flambeau.nn.{make}").double()
    x = numbers(3, 2, 2)

    def run(x):
        return net(x)[0]

    assert gradcheck(run, (x,))
    assert gradgradcheck(run, (x,))


def test_bits_do_not_depend_on_the_number_of_threads():
    flambeau.manual_seed(0)
    net = flambeau.nn.LSTM(32, 100, 2)
    x = flambeau.randn(6, 20, 32)
    found, threads = [], flambeau.get_num_threads()
    try:
        for count in (1, 2):
            flambeau.set_num_threads(count)
            net.zero_grad()
            out = net(x)[0]
            out.square().sum().backward()
            found.append([out, *(p.grad for p in net.parameters())])
    finally:
        flambeau.set_num_threads(threads)
    assert all((a == b).all() for a, b in zip(*found, strict=True))


def test_sizes_that_do_not_fit():
    x, states, weight, bias = operands("GRU", 0, 3, 2, 4)
    with pytest.raises(RuntimeError, match="sizes must agree"):
        by_kernel("GRU", x, states, weight[:, :2], bias, None, False)
    with pytest.raises(RuntimeError, match="must not grow"):
        by_kernel("GRU", x.flatten(0, 1), states, weight, bias, [3, 5], False)
    with pytest.raises(RuntimeError, match="the steps have 6 rows, the input has 8"):
        by_kernel("GRU", x.flatten(0, 1), states, weight, bias, [4, 2], False)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_many_sequences_of_several_lengths_are_as_each_alone(kind):
    """Enough rows and steps for threads to take rows of their own, in both directions."""
    flambeau.manual_seed(0)
    layer = getattr(flambeau.nn, kind)(3, 5, bidirectional=True, dtype=flambeau.float64)
    lengths = [9, 9, 8, 7, 7, 5, 4, 4, 2, 1]
    batch = [flambeau.randn(n, 3, dtype=flambeau.float64, requires_grad=True) for n in lengths]
    packed = flambeau.nn.utils.rnn.pack_sequence(batch)
    together, state = layer(packed)
    last = state[0] if kind == "LSTM" else state
    found, _ = flambeau.nn.utils.rnn.pad_packed_sequence(together)
    (found.square().sum() + last.square().sum()).backward()
    gradients = [x.grad for x in batch], [p.grad for p in layer.parameters()]
    layer.zero_grad()
    for k, x in enumerate(batch):
        alone = x.detach().requires_grad_()
        out, state = layer(alone)
        end = state[0] if kind == "LSTM" else state
        (out.square().sum() + end.square().sum()).backward()
        np.testing.assert_allclose(found[: lengths[k], k].detach(), out.detach(), rtol=1e-12)
        np.testing.assert_allclose(last[:, k].detach(), end.detach(), rtol=1e-12)
        np.testing.assert_allclose(gradients[0][k], alone.grad, rtol=1e-11, atol=1e-13)
    for of_all, parameter in zip(gradients[1], layer.parameters(), strict=True):
        np.testing.assert_allclose(of_all, parameter.grad, rtol=1e-11, atol=1e-13)
