"""Recurrent layers, their cells and packed sequences against torch."""

import layers
import numpy as np
import pytest

import flambeau
from flambeau.nn.utils import rnn as ours_rnn

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")

NETWORKS = [
    "RNN(3, 4)",
    "RNN(3, 4, 2, 'relu', bidirectional=True)",
    "LSTM(3, 4)",
    "LSTM(3, 4, 2, bias=False, bidirectional=True)",
    "LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)",
    "LSTM(3, 4, num_layers=3, dropout=0.5)",
    "GRU(3, 4)",
    "GRU(3, 4, 2, bidirectional=True, dropout=0.3)",
]


def numbers(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def states(text, batch, module, **options):
    """A first state for a network, as the module takes it."""
    net = layers.make(text, module)
    rows = net.num_layers * (2 if net.bidirectional else 1)
    sizes = [net.proj_size or net.hidden_size, net.hidden_size][: 2 if net.mode == "LSTM" else 1]
    made = tuple(
        module.tensor(numbers(rows, *batch, n, seed=i), **options) for i, n in enumerate(sizes, 5)
    )
    return made if net.mode == "LSTM" else made[0]


def flat(nested):
    return [t for part in nested for t in (part if isinstance(part, tuple) else (part,))]


def close(ours, theirs):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def check(text, shape, batch_first=False, with_state=False, state_batch=None, training=True):
    if batch_first:
        text = text[:-1] + ", batch_first=True)"
    results = []
    for module in (flambeau, torch):
        net = layers.make(text, module).train(training)
        x = module.tensor(numbers(*shape), requires_grad=True)
        given = ()
        if with_state:
            given = (states(text, state_batch, module, requires_grad=True),)
        module.manual_seed(7)  # for the dropout
        outputs = flat(net(x, *given))
        # Every output counts, each with another weight.
        sum(((k + 1) * out * out).sum() for k, out in enumerate(outputs)).backward()
        grads = [p.grad for p in (x, *flat([given[0]] if given else []), *net.parameters())]
        results.append(outputs + grads)
    assert len(results[0]) == len(results[1])
    for mine, other in zip(*results, strict=True):
        assert tuple(mine.shape) == tuple(other.shape)
        close(mine, other)


@pytest.mark.parametrize("text", NETWORKS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_sequences(text, batch_first):
    check(text, (5, 2, 3), batch_first)


@pytest.mark.parametrize("text", NETWORKS)
def test_first_state(text):
    check(text, (5, 2, 3), with_state=True, state_batch=(2,))


@pytest.mark.parametrize("text", NETWORKS)
def test_single_sequence(text):
    check(text, (5, 3), with_state=True, state_batch=(), training=False)


@pytest.mark.parametrize("text", NETWORKS)
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("lengths", [[5, 5, 2, 1], [2, 5, 1, 4]])
def test_packed_sequences(text, lengths, with_state):
    results = []
    for module in (flambeau, torch):
        net = layers.make(text, module)
        x = module.tensor(numbers(4, 5, 3), requires_grad=True)
        rnn = module.nn.utils.rnn
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        given = (states(text, (4,), module),) if with_state else ()
        module.manual_seed(7)
        out, last = net(packed, *given)
        padded, sizes = rnn.pad_packed_sequence(out, batch_first=True)
        outputs = [padded, *flat([last])]
        sum(((k + 1) * out * out).sum() for k, out in enumerate(outputs)).backward()
        assert sizes.tolist() == lengths
        results.append([*outputs, x.grad, *(p.grad for p in net.parameters())])
    for mine, other in zip(*results, strict=True):
        close(mine, other)


@pytest.mark.parametrize(
    "text",
    [
        "RNNCell(3, 4)",
        "RNNCell(3, 4, nonlinearity='relu')",
        "LSTMCell(3, 4)",
        "GRUCell(3, 4, False)",
    ],
)
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("with_state", [False, True])
def test_cells(text, batch, with_state):
    results = []
    for module in (flambeau, torch):
        cell = layers.make(text, module)
        x = module.tensor(numbers(*batch, 3), requires_grad=True)
        state = ()
        if with_state:
            first, second = (module.tensor(numbers(*batch, 4, seed=s)) for s in (2, 3))
            state = ((first, second),) if "LSTM" in text else (first,)
        outputs = cell(x, *state)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        sum((out * out).sum() for out in outputs).backward()
        results.append([*outputs, x.grad, *(p.grad for p in cell.parameters())])
    for mine, other in zip(*results, strict=True):
        close(mine, other)


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_packed_rows_by_name(name):
    kinds = {"lstm": "LSTM(3, 4)", "gru": "GRU(3, 4)", "rnn_tanh": "RNN(3, 4)"}
    net = layers.make(kinds.get(name, "RNN(3, 4, nonlinearity='relu')"), flambeau)
    state = flambeau.zeros(1, 2, 4)
    hx = (state, state) if name == "lstm" else state
    options = {"has_biases": True, "num_layers": 1, "dropout": 0.0, "train": False}
    given = {"hx": hx, "params": list(net.parameters()), "bidirectional": False, **options}
    x = flambeau.tensor(numbers(6, 3))
    rows = getattr(flambeau, name)(data=x, batch_sizes=flambeau.tensor([2] * 3), **given)
    close(rows[0].reshape(3, 2, 4), net(x.reshape(3, 2, 3))[0])


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn_tanh", "rnn_relu"])
def test_functions_of_the_top_level(name):
    kind = {"lstm": "LSTM", "gru": "GRU"}.get(name, "RNN")
    for packed in (False, True):
        results = []
        for module in (flambeau, torch):
            net = layers.make(f"{kind}(3, 4, 2)", module)
            state = [module.tensor(numbers(2, 2, 4, seed=s)) for s in (2, 3)]
            hx = tuple(state) if name == "lstm" else state[0]
            x = module.tensor(numbers(5, 2, 3))
            args = (hx, list(net.parameters()), True, 2, 0.0, False, False)
            if packed:
                args = (x.reshape(10, 3), module.tensor([2] * 5), *args)
            else:
                args = (x, *args, False)
            results.append(getattr(module, name)(*args))
        for mine, other in zip(*results, strict=True):
            close(mine, other)


ERRORS = [
    "LSTM(3, 4)(ones(5, 3, 2))",
    "LSTM(3, 4)(ones(5))",
    "LSTM(3, 4)(ones(5, 2, 3), (ones(1, 2, 5), ones(1, 2, 4)))",
    "LSTM(3, 4)(ones(5, 3), (ones(1, 2, 4), ones(1, 2, 4)))",
    "LSTM(3, 4)(ones(0, 2, 3))",
    "GRU(3, 4)(ones(5, 2, 3), ones(2, 2, 4))",
    "GRU(3, 4)(ones(5, 3), ones(1, 2, 4))",
    "LSTM(3, 4, dropout=2)",
    "LSTM(3, 4, dropout=True)",
    "LSTM(3, 4, proj_size=4)",
    "LSTM(3, 4, proj_size=-1)",
    "GRU(3, 4, proj_size=2)",
    "LSTM(3, 0)",
    "LSTM(3, 4, 0)",
    "LSTM(3, 'a')",
    "GRU(0, 3)",
    "GRU(2.0, 3)",
    "GRU(2, 3, bias=1)",
    "GRU(2, 3, batch_first='yes')",
    "RNN(3, 4, nonlinearity='x')",
    "RNNBase('X', 3, 4)",
    "LSTMCell(3, 4)(ones(2, 2))",
    "LSTMCell(3, 4)(ones(2, 3), (ones(3, 4), ones(3, 4)))",
    "LSTMCell(3, 4)(ones(2, 3, 3))",
    "RNNCell(3, 4, nonlinearity='x')(ones(2, 3))",
    "utils.rnn.pad_sequence([])",
    "utils.rnn.pad_sequence(3)",
    "utils.rnn.pad_sequence([1, 2])",
    "utils.rnn.pack_padded_sequence(ones(3, 2), [1, 2])",
    "utils.rnn.pack_padded_sequence(ones(3, 2), [2, 0])",
]


@pytest.mark.parametrize("text", ERRORS)
def test_error_text(text):
    with pytest.raises(Exception) as theirs:
        eval(f"nn.{text}", {"nn": torch.nn, "ones": torch.ones})
    with pytest.raises(theirs.type) as ours:
        eval(f"nn.{text}", {"nn": flambeau.nn, "ones": flambeau.ones})
    assert str(ours.value) == str(theirs.value)


def test_useless_dropout_warns():
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        flambeau.nn.GRU(3, 4, dropout=0.5)


@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_packing_with_lengths_of_any_dtype(enforce_sorted):
    lengths = flambeau.tensor([3.0, 1.0])
    packed = ours_rnn.pack_padded_sequence(
        flambeau.arange(6.0).reshape(3, 2), lengths, enforce_sorted=enforce_sorted
    )
    assert packed.data.tolist() == [0.0, 1.0, 2.0, 4.0]
    assert packed.batch_sizes.tolist() == [2, 1, 1]


@pytest.mark.parametrize("enforce_sorted", [False, True])
def test_packing_by_hand(enforce_sorted):
    rows = [[1.0, 2, 3], [4.0, 5], [6.0]]
    if not enforce_sorted:
        rows = [rows[1], rows[2], rows[0]]
    made = []
    for module in (flambeau, torch):
        rnn = module.nn.utils.rnn
        packed = rnn.pack_sequence([module.tensor(r) for r in rows], enforce_sorted)
        made.append(packed)
        for tensor, row in zip(rnn.unpack_sequence(packed), rows, strict=True):
            assert tensor.tolist() == row
    for mine, other in zip(*made, strict=True):
        assert (mine is None and other is None) or mine.tolist() == other.tolist()
    assert made[0].double().data.dtype == flambeau.float64
    assert made[0].to(flambeau.float32) is made[0]


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_pad_sequence(side, batch_first):
    rows = [numbers(n, 2) for n in (3, 1, 4)]
    ours, theirs = (
        module.nn.utils.rnn.pad_sequence(
            [module.tensor(r) for r in rows], batch_first, -1.0, padding_side=side
        )
        for module in (flambeau, torch)
    )
    assert ours.tolist() == theirs.tolist()
    back = ours_rnn.unpad_sequence(ours, flambeau.tensor([3, 1, 4]), batch_first)
    if side == "right":
        assert [b.tolist() for b in back] == [r.tolist() for r in rows]


def test_total_length():
    packed = ours_rnn.pack_padded_sequence(flambeau.ones(2, 1), [2])
    padded, lengths = ours_rnn.pad_packed_sequence(packed, total_length=4)
    assert padded.tolist() == [[1.0], [1.0], [0.0], [0.0]]
    assert lengths.tolist() == [2]
    with pytest.raises(ValueError, match="total_length to be at least"):
        ours_rnn.pad_packed_sequence(packed, total_length=1)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize(
    "state",
    [
        *(lambda h: h, lambda h: (h,), lambda h: [], lambda h: (h, h, h) if h.ndim == 3 else 3),
        *(lambda h: 3, lambda h: "state", lambda h: [h, 3], lambda h: ((h, h),)[:1]),
    ],
)
def test_a_state_that_is_no_pair(axes, state):
    """The classes that torch's errors happen to have, and a text that says what is expected."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    raised = []
    for m in (torch, flambeau):
        hidden, input = m.zeros(*(1, 2, 4)[: axes - 1], 4), m.ones(*(5, 2)[: axes - 1], 3)
        with pytest.raises((LookupError, TypeError, AttributeError, RuntimeError)) as error:
            m.nn.LSTM(3, 4)(input, state(hidden))
        raised.append(error)
    if raised[0].type is not AttributeError or not issubclass(raised[1].type, TypeError):
        assert issubclass(raised[1].type, raised[0].type)
