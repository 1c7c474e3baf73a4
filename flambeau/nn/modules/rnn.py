"""Recurrent layers; `rnn_cell` has their single steps."""

import math
import numbers

from flambeau.core.errors import MissingStateError, NotATensorError, RuntimeFailure
from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor
from flambeau.nn import init
from flambeau.nn.modules._memory import require_room
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.rnn import PackedSequence
from flambeau.ops import recurrent
from flambeau.ops.creation import empty

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]


def _draw(module):
    """First values: uniform within ±1/sqrt(hidden_size)."""
    bound = 1.0 / math.sqrt(module.hidden_size) if module.hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """What `RNN`, `LSTM` and `GRU` have in common: the parameters and the handling of batches.

    Args:
        mode: "RNN_TANH", "RNN_RELU", "LSTM" or "GRU".
        input_size: The features of the input.
        hidden_size: The features of the hidden state.
        num_layers: How many layers stand on top of each other.
        bias: Whether there are biases.
        batch_first: The batch is the first axis of input and output, not the second.
        dropout: The probability of dropping an output between two layers.
        bidirectional: Whether a second network reads from the end.
        proj_size: The size that the hidden state of an LSTM is projected to, 0 for none.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Input (T, N, input_size), with `batch_first` (N, T, input_size), or (T, input_size), or a
        `PackedSequence`.

    Raises:
        ValueError: If an argument is out of its range.
        RuntimeError: When called, if input and state do not fit the layer or each other.
        TypeError: If `hidden_size` is no integer.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.RNNBase("GRU", 3, 4)
        >>> list(layer.state_dict())
        ['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0']
        >>> layer.weight_ih_l0.shape  # three gates of 4 rows
        torch.Size([12, 3])
    """

    __constants__ = [
        "mode",
        "input_size",
        "hidden_size",
        "num_layers",
        "bias",
        "batch_first",
        "dropout",
        "bidirectional",
        "proj_size",
    ]

    def __init__(
        self,
        mode,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
    ):
        super().__init__()
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(flag, bool):
                raise TypeError(f"{name} should be of type bool, got: {type(flag).__name__}")
        _check_sizes(mode, input_size, hidden_size, num_layers, dropout, proj_size)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights = []
        require_room(
            type(self).__name__, num_layers, (4 if bias else 2) * (1 + bool(bidirectional))
        )
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                self._add_parameters(layer, suffix, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def _add_parameters(self, layer, suffix, factory):
        """The parameters of one layer in one direction."""
        gates = recurrent.STEPS[self.mode][-1] * self.hidden_size
        directions = 2 if self.bidirectional else 1
        output = self.proj_size or self.hidden_size
        shapes = {
            "weight_ih": (gates, output * directions if layer else self.input_size),
            "weight_hh": (gates, output),
        }
        if self.bias:
            shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = []
        for stem, shape in shapes.items():
            names.append(f"{stem}_l{layer}{suffix}")
            self.register_parameter(names[-1], Parameter(empty(shape, **factory)))
        self._all_weights.append(names)

    @property
    def all_weights(self):
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights_names(self):
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self):
        return [getattr(self, name) for name in self._flat_weights_names]

    def flatten_parameters(self):
        """Does nothing: the layers read the parameters where they are."""

    def reset_parameters(self):
        """Draw all parameters uniformly from ±1/sqrt(hidden_size)."""
        _draw(self)

    def check_input(self, input, batch_sizes):
        """Refuses an input that does not fit; packed if `batch_sizes` is given."""
        own = getattr(self, self._all_weights[0][0]).dtype
        if input.dtype != own:
            raise ValueError(
                f"RNN input dtype ({input.dtype}) does not match weight dtype ({own}). Convert "
                f"input: input.to({own}), or convert model: model.to({input.dtype})"
            )
        expected = 2 if batch_sizes is not None else 3
        if input.dim() != expected:
            raise RuntimeError(f"input must have {expected} dimensions, got {input.dim()}")
        if self.input_size != input.size(-1):
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {input.size(-1)}"
            )

    def get_expected_hidden_size(self, input, batch_sizes):
        """The size of the first state for an input."""
        if batch_sizes is not None:
            batch = int(batch_sizes[0])
        else:
            batch = input.size(0 if self.batch_first else 1)
        layers = self.num_layers * (2 if self.bidirectional else 1)
        return layers, batch, self.proj_size or self.hidden_size

    def check_hidden_size(self, hx, expected_hidden_size, msg="Expected hidden size {}, got {}"):
        """Refuses a state of another size."""
        if tuple(hx.shape) != tuple(expected_hidden_size):
            raise RuntimeError(msg.format(tuple(expected_hidden_size), list(hx.shape)))

    def check_forward_args(self, input, hidden, batch_sizes):
        """Refuses an input or a first state that does not fit."""
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx, permutation):
        """The state with its sequences in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    def _state_parts(self, hx):
        """A state as a tuple of tensors."""
        return (hx,)

    def _state_sizes(self, expected):
        """The sizes of the parts of a state."""
        return (expected,)

    def _state_of(self, parts):
        """The state that `forward` returns."""
        return parts[0]

    def forward(self, input, hx=None):
        """Read the sequences.

        Args:
            input: (T, N, F), (N, T, F) with `batch_first`, (T, F), or a `PackedSequence`.
            hx: The first state, zeros if None.

        Returns:
            The outputs of the last layer at all steps, and the last state of every layer.
        """
        if isinstance(input, PackedSequence):
            data, sizes, order, back = input
            output, state = self._run(data, sizes, hx, order)
            state = self._state_of([self.permute_hidden(part, back) for part in state])
            return PackedSequence(output, sizes, order, back), state
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, got {input.dim()}D instead"
            )
        if input.dim() == 3:
            self._check_state_dims(hx, 3)
            output, state = self._run(input, None, hx, None)
            return output, self._state_of(state)
        self._check_state_dims(hx, 2)
        batch = 0 if self.batch_first else 1
        if hx is not None:
            hx = self._state_of([part.unsqueeze(1) for part in self._state_parts(hx)])
        output, state = self._run(input.unsqueeze(batch), None, hx, None)
        return output.squeeze(batch), self._state_of([part.squeeze(1) for part in state])

    def _check_state_dims(self, hx, dims):
        if hx is None or all(part.dim() == dims for part in self._state_parts(hx)):
            return
        kind = "batched 3-D" if dims == 3 else "unbatched 2-D"
        found = [f"{part.dim()}-D" for part in self._state_parts(hx)]
        if len(found) == 1:
            text = f"hx should also be {dims}-D but got {found[0]} tensor"
        else:
            text = f"hx and cx should also be {dims}-D but got ({', '.join(found)}) tensors"
        raise RuntimeError(f"For {kind} input, {text}")

    def _run(self, input, batch_sizes, hx, order):
        """The outputs and the parts of the last state; the batch has its axis, or is packed."""
        if hx is None:
            self.check_input(input, batch_sizes)
            expected = self.get_expected_hidden_size(input, batch_sizes)
            state = [input.new_zeros(size) for size in self._state_sizes(expected)]
        else:
            state = [self.permute_hidden(part, order) for part in self._state_parts(hx)]
            self.check_forward_args(input, self._state_of(state), batch_sizes)
        first = self.batch_first and batch_sizes is None
        input = input.transpose(0, 1) if first else input
        if not input.size(0):
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        output, state = recurrent.run_layers(
            self.mode,
            input,
            None if batch_sizes is None else batch_sizes.tolist(),
            state,
            self._flat_weights,
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
        )
        return (output.transpose(0, 1) if first else output), state

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size:
            text += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            text += f", num_layers={self.num_layers}"
        for name, default in (
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ):
            value = getattr(self, name)
            if value != default:
                text += f", {name}={value}"
        return text


def _check_sizes(mode, input_size, hidden_size, num_layers, dropout, proj_size):
    number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout <= 1:
        raise ValueError(
            "dropout should be a number in range [0, 1] representing the probability of an element "
            "being zeroed"
        )
    if dropout > 0 and num_layers == 1:
        warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and "
            f"num_layers={num_layers}",
        )
    sizes = {"input_size": input_size, "hidden_size": hidden_size}
    for name, size in sizes.items():
        if not isinstance(size, int):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
    for name, size in sizes.items():
        if size <= 0:
            raise ValueError(f"{name} must be greater than zero")
    for name, size in (("num_layers", num_layers), ("proj_size", proj_size)):
        if not hasattr(size, "__index__"):
            raise TypeError(f"{name} should be of type int, got: {type(size).__name__}")
    if num_layers <= 0:
        raise ValueError("num_layers must be greater than zero")
    if proj_size < 0:
        raise ValueError("proj_size should be a positive integer or zero to disable projections")
    if proj_size >= hidden_size:
        raise ValueError("proj_size has to be smaller than hidden_size")
    if mode not in recurrent.STEPS:
        raise ValueError(f"Unrecognized RNN mode: {mode}")


def _refuse_projection(args, kwargs):
    # proj_size is the eighth argument of a layer.
    if "proj_size" in kwargs or len(args) > 7:
        raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")


class RNN(RNNBase):
    """An Elman network (1990): h' = tanh(W_ih x + b_ih + W_hh h + b_hh) at every step.

    Args:
        input_size: The features of the input.
        hidden_size: The features of the hidden state.
        num_layers: How many layers stand on top of each other.
        nonlinearity: "tanh" or "relu".
        bias: Whether there are biases.
        batch_first: The batch is the first axis of input and output, not the second.
        dropout: The probability of dropping an output between two layers.
        bidirectional: Whether a second network reads from the end.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Input (T, N, input_size), with `batch_first` (N, T, input_size), or (T, input_size), or a
        `PackedSequence`; state (layers, N, hidden_size), where both directions of a layer count.
        The output is (T, N, hidden_size), twice as wide with `bidirectional`, and the last state.

    Raises:
        ValueError: If an argument is out of its range.
        RuntimeError: When called, if input and state do not fit the layer or each other.

    Example:
        >>> import flambeau as torch
        >>> output, hidden = torch.nn.RNN(3, 4, num_layers=2)(torch.ones(5, 2, 3))
        >>> output.shape, hidden.shape
        (torch.Size([5, 2, 4]), torch.Size([2, 2, 4]))
    """

    def __init__(self, *args, **kwargs):
        _refuse_projection((), kwargs)
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = (*args[:3], *args[4:])
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        modes = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}
        if not isinstance(self.nonlinearity, str) or self.nonlinearity not in modes:
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(modes[self.nonlinearity], *args, **kwargs)


class LSTM(RNNBase):
    """Long short-term memory: a state of two parts, whose change gates control.

    Of a step's input x and state (h, c), the next state is (h', c'), with the quarters i, f, g, o
    of W_ih x + b_ih + W_hh h + b_hh (Hochreiter & Schmidhuber, 1997; Gers et al., 1999, for f):

        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')

    Args:
        input_size: The features of the input.
        hidden_size: The features of the hidden state.
        num_layers: How many layers stand on top of each other.
        bias: Whether there are biases.
        batch_first: The batch is the first axis of input and output, not the second.
        dropout: The probability of dropping an output between two layers.
        bidirectional: Whether a second network reads from the end.
        proj_size: The size that the hidden state is projected to, 0 for none.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Input (T, N, input_size), with `batch_first` (N, T, input_size), or (T, input_size), or a
        `PackedSequence`; state (layers, N, hidden_size) twice, where both directions of a layer
        count. The output is (T, N, hidden_size), twice as wide with `bidirectional`, and the last
        state.

    Raises:
        ValueError: If an argument is out of its range.
        RuntimeError: When called, if input and state do not fit the layer or each other.

    Example:
        >>> import flambeau as torch
        >>> output, (hidden, cell) = torch.nn.LSTM(3, 4)(torch.ones(5, 2, 3))
        >>> output.shape, cell.shape
        (torch.Size([5, 2, 4]), torch.Size([1, 2, 4]))
    """

    def __init__(self, *args, **kwargs):
        super().__init__("LSTM", *args, **kwargs)

    def get_expected_cell_size(self, input, batch_sizes):
        """The size of the first state of the cells for an input."""
        layers, batch, _ = self.get_expected_hidden_size(input, batch_sizes)
        return layers, batch, self.hidden_size

    def check_forward_args(self, input, hidden, batch_sizes):
        """Refuses an input or a first state that does not fit."""
        self.check_input(input, batch_sizes)
        for index, size in enumerate(
            (
                self.get_expected_hidden_size(input, batch_sizes),
                self.get_expected_cell_size(input, batch_sizes),
            )
        ):
            message = f"Expected hidden[{index}] size {{}}, got {{}}"
            self.check_hidden_size(hidden[index], size, message)

    def _state_parts(self, hx):
        if isinstance(hx, (tuple, list)) and len(hx) == 2:
            return tuple(hx)
        text = (
            "LSTM: expected the first state as a tuple (h_0, c_0): lstm expects two hidden states"
        )
        if isinstance(hx, Tensor):
            raise MissingStateError(f"{text}, got one tensor")
        if not isinstance(hx, (tuple, list)):
            raise NotATensorError(f"{text}, got {type(hx).__name__}")
        kind = MissingStateError if len(hx) < 2 else RuntimeFailure
        raise kind(f"{text}, got {len(hx)}")

    def _state_sizes(self, expected):
        return expected, (*expected[:2], self.hidden_size)

    def _state_of(self, parts):
        return tuple(parts)

    def permute_hidden(self, hx, permutation):
        """The state, or a part of it, with its sequences in another order."""
        if isinstance(hx, (tuple, list)):
            return tuple(super(LSTM, self).permute_hidden(part, permutation) for part in hx)
        return super().permute_hidden(hx, permutation)


class GRU(RNNBase):
    """Gated recurrent units: gates decide how much of the state is kept and used.

    Of a step's input x and state h, the next state is h', with the thirds r, z, n of
    W_ih x + b_ih and R, Z, N of W_hh h + b_hh (Cho et al., 2014):

        h' = (1 - k) tanh(n + sigmoid(r + R) N) + k h, where k = sigmoid(z + Z)

    Args:
        input_size: The features of the input.
        hidden_size: The features of the hidden state.
        num_layers: How many layers stand on top of each other.
        bias: Whether there are biases.
        batch_first: The batch is the first axis of input and output, not the second.
        dropout: The probability of dropping an output between two layers.
        bidirectional: Whether a second network reads from the end.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Input (T, N, input_size), with `batch_first` (N, T, input_size), or (T, input_size), or a
        `PackedSequence`; state (layers, N, hidden_size), where both directions of a layer count.
        The output is (T, N, hidden_size), twice as wide with `bidirectional`, and the last state.

    Raises:
        ValueError: If an argument is out of its range.
        RuntimeError: When called, if input and state do not fit the layer or each other.

    Example:
        >>> import flambeau as torch
        >>> output, hidden = torch.nn.GRU(3, 4, bidirectional=True)(torch.ones(5, 2, 3))
        >>> output.shape
        torch.Size([5, 2, 8])
    """

    def __init__(self, *args, **kwargs):
        _refuse_projection(args, kwargs)
        super().__init__("GRU", *args, **kwargs)
