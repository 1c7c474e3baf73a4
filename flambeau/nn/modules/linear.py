"""Linear layers."""

import math

from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.lazy import LazyModuleMixin
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter, UninitializedParameter
from flambeau.ops.creation import empty

__all__ = ["Bilinear", "Identity", "LazyLinear", "Linear"]


class Identity(Module):
    """Returns its input; takes any arguments when made, so that it can stand in for any layer.

    Args:
        *args: Ignored.
        **kwargs: Ignored.

    Shape:
        Any; the output is the input itself.

    Example:
        >>> import flambeau as torch
        >>> x = torch.ones(2)
        >>> torch.nn.Identity(54, unused=True)(x) is x
        True
    """

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        """`input`, as it is."""
        return input


class Linear(Module):
    """`y = x Aᵀ + b` over the last dimension.

    Args:
        in_features: The size of the last dimension of the input.
        out_features: The size of the last dimension of the output.
        bias: Whether `b` is there.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (..., in_features); the output is (..., out_features).

    Raises:
        RuntimeError: When called, if the last dimension of the input is not `in_features`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Linear(20, 30)(torch.ones(128, 20)).shape
        torch.Size([128, 30])
    """

    __constants__ = ["in_features", "out_features"]

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw weight and bias uniformly from ±1/sqrt(in_features)."""
        # a = sqrt(5) makes the bound of kaiming_uniform_ exactly 1/sqrt(in_features).
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        """Apply the layer."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear` under the name that saved attention layers refer to."""


class Bilinear(Module):
    """`y = x₁ᵀ A x₂ + b` over the last dimensions of two inputs.

    Args:
        in1_features: The size of the last dimension of the first input.
        in2_features: The size of the last dimension of the second input.
        out_features: The size of the last dimension of the output.
        bias: Whether `b` is there.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (..., in1_features) and (..., in2_features), the axes before alike; the output is
        (..., out_features).

    Raises:
        ValueError: If `in1_features` is not positive.
        RuntimeError: When called, if the inputs have other sizes.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Bilinear(2, 3, 4)
        >>> layer(torch.ones(5, 2), torch.ones(5, 3)).shape
        torch.Size([5, 4])
    """

    __constants__ = ["in1_features", "in2_features", "out_features"]

    def __init__(
        self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None
    ):
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got ({in1_features=})")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw weight and bias uniformly from ±1/sqrt(in1_features)."""
        bound = 1 / math.sqrt(self.weight.size(1))
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1, input2):
        """Apply the layer."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self):
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` whose `in_features` is the size of the last dimension of the first input.

    Args:
        out_features: The size of the last dimension of the output.
        bias: Whether a bias is added.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        (..., in_features); the output is (..., out_features).

    Raises:
        RuntimeError: When called again, if the last dimension of the input is another one.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.LazyLinear(3)
        >>> layer.weight
        <UninitializedParameter>
        >>> layer(torch.ones(2, 5)).shape, layer.weight.shape
        (torch.Size([2, 3]), torch.Size([3, 5]))
    """

    cls_to_become = Linear

    def __init__(self, out_features, bias=True, device=None, dtype=None):
        super().__init__(0, 0, False, device, dtype)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        """Draw weight and bias once they have sizes."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        """Make the weight fit the features of `input`, and draw first values."""
        if self.has_uninitialized_params():
            self.in_features = input.shape[-1]
            self.weight.materialize((self.out_features, self.in_features))
            if self.bias is not None:
                self.bias.materialize((self.out_features,))
            self.reset_parameters()
        else:
            # The weight came from a state dict.
            self.in_features = self.weight.shape[-1]
