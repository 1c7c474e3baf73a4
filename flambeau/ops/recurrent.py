"""Recurrent networks: their cells, and whole stacks of layers over sequences.

A step takes what the input contributes to the gates (for all steps computed in one product), the
state, which is (h,) or (h, c), and the recurrent weights. Sequences of several lengths are packed:
the rows of all steps one below the other, the longest sequence first, and the number of rows of
each step.
"""

from __future__ import annotations

from flambeau.core.errors import RuntimeFailure, ShapeError
from flambeau.core.registry import function
from flambeau.core.tensor import Tensor
from flambeau.ops import random
from flambeau.ops.index import cat, stack
from flambeau.ops.matmul import linear

# ---- steps ----


def _tanh_step(gates, state, weight, bias, projection):
    return ((gates + linear(state[0], weight, bias)).tanh(),)


def _relu_step(gates, state, weight, bias, projection):
    return ((gates + linear(state[0], weight, bias)).relu(),)


def _lstm_step(gates, state, weight, bias, projection):
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000)."""
    h, c = state
    enter, forget, new, leave = (gates + linear(h, weight, bias)).chunk(4, -1)
    c = forget.sigmoid() * c + enter.sigmoid() * new.tanh()
    h = leave.sigmoid() * c.tanh()
    return (h if projection is None else linear(h, projection), c)


def _gru_step(gates, state, weight, bias, projection):
    """Cho et al. (2014), the reset gate behind the product as in cuDNN."""
    (h,) = state
    reset, keep, new = gates.chunk(3, -1)
    own_reset, own_keep, own_new = linear(h, weight, bias).chunk(3, -1)
    keep = (keep + own_keep).sigmoid()
    new = (new + (reset + own_reset).sigmoid() * own_new).tanh()
    return (new + keep * (h - new),)


#: Each mode's step, and how many gates it has.
STEPS = {
    "RNN_TANH": (_tanh_step, 1),
    "RNN_RELU": (_relu_step, 1),
    "LSTM": (_lstm_step, 4),
    "GRU": (_gru_step, 3),
}


# ---- layers ----


def _shortened(state, rows):
    return tuple(part.narrow(0, 0, rows) for part in state)


def _joined(states):
    return tuple(cat(parts) for parts in zip(*states, strict=True))


def _forward(step, gates, state, weights):
    """The outputs of all steps, and for each sequence the state after its last step."""
    outputs, ended = [], []
    for entering in gates:
        rows, before = entering.shape[0], state[0].shape[0]
        if rows < before:
            ended.append(tuple(part.narrow(0, rows, before - rows) for part in state))
            state = _shortened(state, rows)
        state = step(entering, state, *weights)
        outputs.append(state[0])
    return outputs, _joined([state, *reversed(ended)]) if ended else state


def _backward(step, gates, state, weights):
    """The same from the end: sequences join when their last step comes."""
    first, outputs = state, []
    state = _shortened(state, gates[-1].shape[0])
    for entering in reversed(gates):
        rows, before = entering.shape[0], state[0].shape[0]
        if rows > before:
            joining = tuple(part.narrow(0, before, rows - before) for part in first)
            state = _joined([state, joining])
        state = step(entering, state, *weights)
        outputs.append(state[0])
    outputs.reverse()
    return outputs, state


def _layer_weights(params, has_biases, projected):
    """The parameters of each layer and direction: (w_ih, w_hh, b_ih, b_hh, w_hr)."""
    count = 2 + 2 * bool(has_biases) + projected
    for at in range(0, len(params), count):
        w_ih, w_hh, *rest = params[at : at + count]
        b_ih, b_hh = rest[:2] if has_biases else (None, None)
        yield w_ih, w_hh, b_ih, b_hh, rest[-1] if projected else None


def run_layers(
    mode, input, sizes, state, params, has_biases, num_layers, dropout, train, bidirectional
):
    """A stack of recurrent layers.

    Args:
        mode: one of `STEPS`.
        input: (T, N, F), or packed rows if `sizes` is given.
        sizes: the number of rows of each step, a list, or None.
        state: the first states of all layers: (h,) or (h, c), each (layers * directions, N, H).
        params: the parameters of all layers and directions.
        has_biases: whether biases are among them.
        num_layers: how many layers.
        dropout: the probability of dropping an output of a layer that another one takes.
        train: whether outputs are dropped.
        bidirectional: whether a second network reads from the end.

    Returns:
        The outputs of the last layer, and the last states.
    """
    step = STEPS[mode][0]
    directions = 2 if bidirectional else 1
    projected = mode == "LSTM" and state[0].shape[-1] != state[1].shape[-1]
    weights = list(_layer_weights(params, has_biases, projected))
    if len(weights) != num_layers * directions or state[0].shape[0] != len(weights):
        raise RuntimeFailure(
            f"{mode}: {num_layers} layers in {directions} directions need as many sets of "
            f"parameters and first states, got {len(weights)} and {state[0].shape[0]}"
        )
    last = []
    for layer in range(num_layers):
        parts = []
        for direction in range(directions):
            at = layer * directions + direction
            w_ih, w_hh, b_ih, b_hh, w_hr = weights[at]
            gates = linear(input, w_ih, b_ih)
            gates = gates.unbind(0) if sizes is None else gates.split(sizes)
            run = _backward if direction else _forward
            outputs, end = run(step, gates, tuple(s[at] for s in state), (w_hh, b_hh, w_hr))
            parts.append(stack(outputs) if sizes is None else cat(outputs))
            last.append(end)
        input = parts[0] if directions == 1 else cat(parts, -1)
        if dropout and train and layer < num_layers - 1:
            input = random.dropout(input, dropout, True)
    return input, tuple(stack(list(states)) for states in zip(*last, strict=True))


# ---- the functions of torch's top level ----


def _is_list(value):
    return isinstance(value, (list, tuple)) and all(isinstance(v, Tensor) for v in value)


def _network(name, mode, arguments):
    """Reads (input, hx, params, ..., batch_first), or (data, batch_sizes, hx, params, ...)."""
    packed = _is_list(arguments[3])
    input, sizes = arguments[0], None
    if packed:
        _, sizes, hx, params, *rest = arguments
        batch_first = False
    else:
        _, hx, params, *rest, batch_first = arguments
    state = hx if mode == "LSTM" else (hx,)
    if not _is_list(state) or not _is_list(params) or len(state) != 1 + (mode == "LSTM"):
        raise TypeError(f"{name}(): expected (input, hx, params, ...) or packed rows before hx")
    if not isinstance(input, Tensor) or (packed and not isinstance(sizes, Tensor)):
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor")
    if input.ndim != 3 - packed or any(s.ndim != 3 for s in state):
        raise ShapeError(
            f"{name}: expected an input of {3 - packed} dimensions and states of 3, got "
            f"{input.ndim} and {[s.ndim for s in state]}"
        )
    if not input.shape[1 if batch_first else 0]:
        raise RuntimeFailure("Expected sequence length to be larger than 0 in RNN")
    sizes = sizes.tolist() if packed else None
    input = input.transpose(0, 1) if batch_first else input
    out, last = run_layers(mode, input, sizes, state, params, *rest)
    return (out.transpose(0, 1) if batch_first else out), *last


def _declare_network(name, mode, doc):
    def network(
        input=None,
        hx=None,
        params=None,
        has_biases=None,
        num_layers=None,
        dropout=None,
        train=None,
        bidirectional=None,
        batch_first=None,
        *,
        data=None,
        batch_sizes=None,
    ):
        options = (has_biases, num_layers, dropout, train, bidirectional)
        if batch_sizes is not None:
            rows = input if data is None else data
            return _network(name, mode, (rows, batch_sizes, hx, params, *options))
        return _network(name, mode, (input, hx, params, *options, batch_first))

    cells = ", and that of the cells" if mode == "LSTM" else ""
    network.__name__ = network.__qualname__ = name
    network.__doc__ = f"""{doc}: a stack of layers with their weights as arguments.

    For packed sequences the arguments are (data, batch_sizes, hx, params, has_biases, num_layers,
    dropout, train, bidirectional).

    Args:
        input: (T, N, F), or (N, T, F) with `batch_first`.
        hx: the first state, (layers * directions, N, H){cells}.
        params: the parameters of all layers and directions, as the module lists them.
        has_biases: whether biases are among them.
        num_layers: how many layers.
        dropout: the probability of dropping an output between two layers.
        train: whether outputs are dropped.
        bidirectional: whether a second network reads from the end.
        batch_first: whether the batch is the first axis.
        data: packed rows, if arguments are given by name.
        batch_sizes: their number at each step.

    Returns:
        The outputs of the last layer and the last states.

    Raises:
        RuntimeError: if sizes do not fit.
    """
    return function(network)


rnn_tanh = _declare_network("rnn_tanh", "RNN_TANH", "An Elman network with tanh")
rnn_relu = _declare_network("rnn_relu", "RNN_RELU", "An Elman network with relu")
lstm = _declare_network("lstm", "LSTM", "Long short-term memory")
gru = _declare_network("gru", "GRU", "Gated recurrent units")


def _check_cell(input, hidden, gates, w_ih, w_hh):
    if input.shape[-1] != w_ih.shape[1]:
        raise ShapeError(
            f"input has inconsistent input_size: got {input.shape[-1]} expected {w_ih.shape[1]}"
        )
    for index, h in enumerate(hidden):
        if input.shape[0] != h.shape[0]:
            raise ShapeError(
                f"Input batch size {input.shape[0]} doesn't match hidden{index} batch size "
                f"{h.shape[0]}"
            )
        if h.shape[-1] != w_ih.shape[0] // gates:
            raise ShapeError(
                f"hidden{index} has inconsistent hidden_size: got {h.shape[-1]}, expected "
                f"{w_ih.shape[0] // gates}"
            )


def _declare_cell(name, mode, doc):
    step, gates = STEPS[mode]
    several = mode == "LSTM"

    def cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
        state = hx if several else (hx,)
        if not _is_list(state) or len(state) != 1 + several:
            wanted = "a tuple of two Tensors" if several else "Tensor"
            raise TypeError(f"{name}(): argument 'hx' must be {wanted}, not {type(hx).__name__}")
        if input.ndim != 2 or any(s.ndim != 2 for s in state):
            raise ShapeError(f"{name}: expected matrices as input and state")
        _check_cell(input, state, gates, w_ih, w_hh)
        state = step(linear(input, w_ih, b_ih), state, w_hh, b_hh, None)
        return state if several else state[0]

    cell.__name__ = cell.__qualname__ = name
    cell.__doc__ = f"""{doc}.

    Args:
        input: (N, F).
        hx: the state, (N, H){", and that of the cell" * several}.
        w_ih: ({gates} * H, F).
        w_hh: ({gates} * H, H).
        b_ih: ({gates} * H), or None.
        b_hh: likewise.

    Returns:
        The next state.

    Raises:
        RuntimeError: if sizes do not fit.
    """
    return function(cell)


rnn_tanh_cell = _declare_cell("rnn_tanh_cell", "RNN_TANH", "One step of an Elman network with tanh")
rnn_relu_cell = _declare_cell("rnn_relu_cell", "RNN_RELU", "One step of an Elman network with relu")
lstm_cell = _declare_cell("lstm_cell", "LSTM", "One step of a long short-term memory")
gru_cell = _declare_cell("gru_cell", "GRU", "One step of gated recurrent units")
