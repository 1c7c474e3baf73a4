"""Single steps of recurrent layers."""

from flambeau.nn.modules.module import Module
from flambeau.nn.modules.rnn import _draw
from flambeau.nn.parameter import Parameter
from flambeau.ops import recurrent
from flambeau.ops.creation import empty

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells have in common: the parameters of one step.

    Args:
        input_size: The features of the input.
        hidden_size: The features of the state.
        bias: Whether there are biases.
        num_chunks: How many gates there are; each has `hidden_size` rows in every parameter.
        device: Where the parameters live.
        dtype: Their type.

    Example:
        >>> import flambeau as torch
        >>> cell = torch.nn.RNNCellBase(3, 4, bias=True, num_chunks=2)
        >>> cell.weight_ih.shape, cell.weight_hh.shape, cell.bias_ih.shape
        (torch.Size([8, 3]), torch.Size([8, 4]), torch.Size([8]))
    """

    __constants__ = ["input_size", "hidden_size", "bias"]

    def __init__(self, input_size, hidden_size, bias, num_chunks, device=None, dtype=None):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        gates = num_chunks * hidden_size
        for name, shape in (
            ("weight_ih", (gates, input_size)),
            ("weight_hh", (gates, hidden_size)),
            ("bias_ih", (gates,)),
            ("bias_hh", (gates,)),
        ):
            wanted = bias or name.startswith("weight")
            parameter = Parameter(empty(shape, device=device, dtype=dtype)) if wanted else None
            self.register_parameter(name, parameter)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw all parameters uniformly from ±1/sqrt(hidden_size)."""
        _draw(self)

    def _parameters_of_step(self):
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def _batched(self, input, hx):
        """Input and state with a batch axis, the state zeros if it is None."""
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        if hx is not None and hx.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected hidden to be 1D or 2D, got {hx.dim()}D instead")
        batched = input.dim() == 2
        input = input if batched else input.unsqueeze(0)
        if hx is None:
            return input, input.new_zeros((input.size(0), self.hidden_size))
        return input, hx if batched else hx.unsqueeze(0)

    def extra_repr(self):
        text = f"{self.input_size}, {self.hidden_size}"
        if not self.bias:
            text += f", bias={self.bias}"
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            text += f", nonlinearity={self.nonlinearity}"
        return text


class RNNCell(RNNCellBase):
    """One step of `RNN`.

    Args:
        input_size: The features of the input.
        hidden_size: The features of the state.
        bias: Whether there are biases.
        nonlinearity: "tanh" or "relu".
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Input (N, input_size) or (input_size), state (N, hidden_size) or (hidden_size); the output
        is the next state.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RNNCell(3, 4)(torch.ones(2, 3)).shape
        torch.Size([2, 4])
    """

    __constants__ = ["input_size", "hidden_size", "bias", "nonlinearity"]

    def __init__(
        self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None
    ):
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input, hx=None):
        """The next state."""
        steps = {"tanh": recurrent.rnn_tanh_cell, "relu": recurrent.rnn_relu_cell}
        rows, state = self._batched(input, hx)
        if self.nonlinearity not in steps:
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        state = steps[self.nonlinearity](rows, state, *self._parameters_of_step())
        return state if input.dim() == 2 else state.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of `LSTM`.

    Args:
        input_size: The features of the input.
        hidden_size: The features of the state.
        bias: Whether there are biases.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Input (N, input_size) or (input_size), states (N, hidden_size) or (hidden_size), two of
        them; the output is the next two.

    Example:
        >>> import flambeau as torch
        >>> hidden, cell = torch.nn.LSTMCell(3, 4)(torch.ones(2, 3))
        >>> hidden.shape
        torch.Size([2, 4])
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input, hx=None):
        """The next state and the next state of the cell."""
        state = []
        for part in (None, None) if hx is None else hx:
            rows, part = self._batched(input, part)
            state.append(part)
        h, c = recurrent.lstm_cell(rows, tuple(state), *self._parameters_of_step())
        return (h, c) if input.dim() == 2 else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of `GRU`.

    Args:
        input_size: The features of the input.
        hidden_size: The features of the state.
        bias: Whether there are biases.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Input (N, input_size) or (input_size), state (N, hidden_size) or (hidden_size); the output
        is the next state.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GRUCell(3, 4)(torch.ones(2, 3)).shape
        torch.Size([2, 4])
    """

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input, hx=None):
        """The next state."""
        rows, state = self._batched(input, hx)
        state = recurrent.gru_cell(rows, state, *self._parameters_of_step())
        return state if input.dim() == 2 else state.squeeze(0)
