"""Recurrent networks: their cells, and whole stacks of layers over sequences.

A step takes what the input contributes to the gates (for all steps computed in one product), the
state, which is (h,) or (h, c), and the recurrent weights. Sequences of several lengths are packed:
the rows of all steps one below the other, the longest sequence first, and the number of rows of
each step. One kernel runs a whole layer; the steps written in operations are what gradients of
gradients, projections and the 16-bit floats go by.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import RuntimeFailure, ShapeError
from flambeau.core.registry import function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.dropout import dropout as _dropout
from flambeau.ops.join import cat, stack
from flambeau.ops.matmul import linear, mm

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


# Their gradients: of the input's contribution, of the recurrent product with its bias, and of the
# state before, from those of the state after (which has the gradient of the output in it).


def _tanh_gradient(gates, state, weight, bias, g):
    (h,) = _tanh_step(gates, state, weight, bias, None)
    grad = g[0] * (1 - h * h)
    return grad, grad, (mm(grad, weight),)


def _relu_gradient(gates, state, weight, bias, g):
    (h,) = _relu_step(gates, state, weight, bias, None)
    grad = g[0] * (h > 0)
    return grad, grad, (mm(grad, weight),)


def _lstm_gradient(gates, state, weight, bias, g):
    h, c = state
    enter, forget, new, leave = (gates + linear(h, weight, bias)).chunk(4, -1)
    enter, forget, new, leave = enter.sigmoid(), forget.sigmoid(), new.tanh(), leave.sigmoid()
    bent = (forget * c + enter * new).tanh()
    of_c = g[1] + g[0] * leave * (1 - bent * bent)
    grad = cat(
        [
            of_c * new * enter * (1 - enter),
            of_c * c * forget * (1 - forget),
            of_c * enter * (1 - new * new),
            g[0] * bent * leave * (1 - leave),
        ],
        -1,
    )
    return grad, grad, (mm(grad, weight), of_c * forget)


def _gru_gradient(gates, state, weight, bias, g):
    (h,), (of_h,) = state, g
    reset, keep, new = gates.chunk(3, -1)
    own_reset, own_keep, own_new = linear(h, weight, bias).chunk(3, -1)
    reset, keep = (reset + own_reset).sigmoid(), (keep + own_keep).sigmoid()
    new = (new + reset * own_new).tanh()
    of_new = of_h * (1 - keep) * (1 - new * new)
    of_reset = of_new * own_new * reset * (1 - reset)
    of_keep = of_h * (h - new) * keep * (1 - keep)
    of_product = cat([of_reset, of_keep, of_new * reset], -1)
    of_x = cat([of_reset, of_keep, of_new], -1)
    return of_x, of_product, (mm(of_product, weight) + of_h * keep,)


#: Each mode's step, its gradient, and how many gates it has, in the kernel's order.
STEPS = {
    "RNN_TANH": (_tanh_step, _tanh_gradient, 1),
    "RNN_RELU": (_relu_step, _relu_gradient, 1),
    "LSTM": (_lstm_step, _lstm_gradient, 4),
    "GRU": (_gru_step, _gru_gradient, 3),
}
_MODES = list(STEPS)


# ---- all steps ----


def _rows(state, first, count):
    return tuple(part.narrow(0, first, count) for part in state)


def _joined(states):
    return tuple(cat(parts) for parts in zip(*states, strict=True))


def _steps(input, sizes):
    return input.unbind(0) if sizes is None else input.split(sizes)


def _unroll(step, gates, first, weights, reverse):
    """The outputs of all steps, the states before them, and each sequence's state after its last.

    Packed sequences end on the way forward, and join on the way back."""
    order = range(len(gates))
    order = order[::-1] if reverse else order
    state, ended = _rows(first, 0, gates[order[0]].shape[0]), []
    outputs, before = [None] * len(gates), [None] * len(gates)
    for t in order:
        rows, have = gates[t].shape[0], state[0].shape[0]
        if rows < have:
            ended.append(_rows(state, rows, have - rows))
            state = _rows(state, 0, rows)
        elif rows > have:
            state = _joined([state, _rows(first, have, rows - have)])
        before[t] = state
        state = step(gates[t], state, *weights)
        outputs[t] = state[0]
    return outputs, before, _joined([state, *reversed(ended)]) if ended else state


# ---- one layer in one direction ----


def _layer_samples(s):
    for mode, gates in enumerate((1, 1, 4, 3)):
        cells = s.tensor(2, 3) if mode == 2 else None
        weight, bias = s.tensor(3 * gates, 3), s.tensor(3 * gates)
        x, packed = s.tensor(3, 2, 3 * gates), s.tensor(4, 3 * gates)
        yield s(mode, x, s.tensor(2, 3), cells, weight, bias, None, False)
        yield s(mode, packed, s.tensor(2, 3), cells, weight, None, [2, 1, 1], bool(mode % 2))
        yield s(mode, packed, s.tensor(2, 3), cells, weight, bias, [2, 2], True)


@op(
    name="_recurrent",
    public=False,
    out=False,
    torch="",
    outputs=("out", "last_h", "last_c", "kept", "c_before", "h_before"),
    grad_list=True,
    differentiable_outputs=0b111,
    samples=_layer_samples,
)
def _recurrent(mode, x, h, c, weight, bias, sizes, reverse):
    """The outputs and last states of a layer, `x` being what the input contributes to the gates:
    (T, N, gates * H), or rows with their numbers in `sizes`."""
    return kernels(x).recurrent(mode, x, h, c, weight, bias, sizes, reverse)


def _of_parameters(of_product, h_before, bias):
    """The gradients of weight and bias, from rows of those of all steps' products."""
    rows = of_product.flatten(0, -2)
    return mm(rows.mT, h_before), None if bias is None else rows.sum(0)


@_recurrent.vjp("x", "h", "c", "weight", "bias")
def _(g, mode, x, h, c, weight, bias, sizes, reverse):
    step, gradient, _ = STEPS[_MODES[mode]]
    of_out, *grads = g[: 2 if c is None else 3]
    first = (h,) if c is None else (h, c)
    grads = tuple(
        s.new_zeros(s.shape) if of is None else of for of, s in zip(grads, first, strict=True)
    )
    gates = _steps(x, sizes)
    _, before, _ = _unroll(step, gates, first, (weight, bias, None), reverse)
    of_out = [None] * len(gates) if of_out is None else _steps(of_out, sizes)
    of_x, of_product = [None] * len(gates), [None] * len(gates)
    for t in range(len(gates)) if reverse else reversed(range(len(gates))):
        rows = gates[t].shape[0]
        active, rest = _rows(grads, 0, rows), _rows(grads, rows, h.shape[0] - rows)
        if of_out[t] is not None:
            active = (active[0] + of_out[t], *active[1:])
        of_x[t], of_product[t], active = gradient(gates[t], before[t], weight, bias, active)
        grads = _joined([active, rest])
    h_before = cat([state[0] for state in before])
    of_weight, of_bias = _of_parameters(cat(of_product), h_before, bias)
    return cat(of_x).reshape(x.shape), *grads, *[None] * (c is None), of_weight, of_bias


@_recurrent.fast_vjp("x", "h", "c", "weight", "bias")
def _(g, mode, x, h, c, weight, bias, sizes, reverse, out, kept, c_before, h_before):
    of_x, of_h, of_c, of_product = kernels(x).recurrent_backward(
        *g[:2], None if c is None else g[2],
        mode, x, h, c, weight, bias, sizes, reverse, out, kept, c_before, h_before,
    )  # fmt: skip
    return of_x, of_h, None if c is None else of_c, *_of_parameters(of_product, h_before, bias)


def _run_layer(mode, input, sizes, state, weights, reverse):
    """The outputs of one layer in one direction, and its last states."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    gates = linear(input, w_ih, b_ih)
    tensors = (gates, *state, w_hh) if b_hh is None else (gates, *state, w_hh, b_hh)
    if (
        w_hr is None
        and gates.dtype in (_C.float32, _C.float64)
        and all(t.dtype == gates.dtype for t in tensors)
    ):
        c = state[1] if len(state) == 2 else None
        out, *last = _recurrent(_MODES.index(mode), gates, state[0], c, w_hh, b_hh, sizes, reverse)[
            : 1 + len(state)
        ]
        return out, last
    outputs, _, last = _unroll(
        STEPS[mode][0], _steps(gates, sizes), state, (w_hh, b_hh, w_hr), reverse
    )
    return stack(outputs) if sizes is None else cat(outputs), last


# ---- stacks of layers ----


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
            own = tuple(s[at] for s in state)
            out, end = _run_layer(mode, input, sizes, own, weights[at], bool(direction))
            parts.append(out)
            last.append(end)
        input = parts[0] if directions == 1 else cat(parts, -1)
        if dropout and train and layer < num_layers - 1:
            input = _dropout(input, dropout, True)
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


def _declare_network(name, mode, doc, printed):
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
    state = "[x[:1] * 0] * 2" if mode == "LSTM" else "x[:1] * 0"
    network.__name__ = network.__qualname__ = name
    network.__doc__ = f"""{doc}.

    A stack of layers with their weights as arguments. For packed sequences the arguments are (data,
    batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional).

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

    Example:
        >>> x, params = flambeau.ones(3, 1, 1), [flambeau.ones({STEPS[mode][2]}, 1)] * 2
        >>> found = flambeau.{name}(x, {state}, params, False, 1, 0.0, False, False, False)
        >>> found[0].flatten()
        {printed}
    """
    return function(network)


rnn_tanh = _declare_network(
    "rnn_tanh", "RNN_TANH", "An Elman network with tanh", "tensor([0.7616, 0.9427, 0.9597])"
)
rnn_relu = _declare_network(
    "rnn_relu", "RNN_RELU", "An Elman network with relu", "tensor([1., 2., 3.])"
)
lstm = _declare_network(
    "lstm",
    "LSTM",
    "Long short-term memory (Hochreiter and Schmidhuber, 1997)",
    "tensor([0.3696, 0.6505, 0.7888])",
)
gru = _declare_network(
    "gru", "GRU", "Gated recurrent units (Cho et al., 2014)", "tensor([0.2048, 0.3468, 0.4517])"
)


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


def _declare_cell(name, mode, doc, printed):
    step, _, gates = STEPS[mode]
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
        The next state, as hx.

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> x, w = flambeau.ones(1, 1), flambeau.ones({gates}, 1)
        >>> flambeau.{name}(x, {"(x, x)" if several else "x"}, w, w)
        {printed}
    """
    return function(cell)


rnn_tanh_cell = _declare_cell(
    "rnn_tanh_cell",
    "RNN_TANH",
    "One step of an Elman network: tanh(x w_ih^T + b_ih + h w_hh^T + b_hh)",
    "tensor([[0.9640]])",
)
rnn_relu_cell = _declare_cell(
    "rnn_relu_cell",
    "RNN_RELU",
    "One step of an Elman network: relu(x w_ih^T + b_ih + h w_hh^T + b_hh)",
    "tensor([[2.]])",
)
lstm_cell = _declare_cell(
    "lstm_cell",
    "LSTM",
    "One step of a long short-term memory (Hochreiter and Schmidhuber, 1997)",
    "(tensor([[0.8271]]), tensor([[1.7299]]))",
)
gru_cell = _declare_cell(
    "gru_cell",
    "GRU",
    "One step of gated recurrent units (Cho et al., 2014)",
    "tensor([[0.9946]])",
)
