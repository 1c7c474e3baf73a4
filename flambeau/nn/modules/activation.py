"""Activation functions as modules."""

from flambeau.core.errors import AssertedError
from flambeau.core.notices import warn
from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.ops.creation import full

__all__ = [
    "CELU",
    "ELU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Softshrink",
    "Threshold",
]


class _Inplace(Module):
    """An activation whose only option is to overwrite its input.

    Args:
        inplace: Write the result into the input.
    """

    __constants__ = ["inplace"]

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""

    def _with_inplace(self, text):
        """`text`, followed by the in-place option where it is on."""
        return f"{text}, inplace=True" if self.inplace else text


class ReLU(_Inplace):
    """`max(0, x)`.

    Args:
        inplace: Write the result into the input.

    Shape:
        Any, of a real dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.relu(input, self.inplace)


class SiLU(_Inplace):
    """`x sigmoid(x)`, also called swish (Ramachandran et al., 2017).

    Args:
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.SiLU()(torch.tensor([-200.0, 0.0, 200.0]))
        tensor([ -0.,   0., 200.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.silu(input, self.inplace)


class Mish(_Inplace):
    """`x tanh(softplus(x))` (Misra, 2019).

    Args:
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Mish()(torch.tensor([0.0, 20.0]))
        tensor([ 0., 20.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.mish(input, self.inplace)


class SELU(_Inplace):
    """The scaled exponential linear unit of self-normalising networks (Klambauer et al., 2017).

    `s x` above zero, `s a (exp(x) - 1)` below, with s = 1.0507 and a = 1.6733: the factors for
    which inputs of mean zero and variance one have outputs of the same.

    Args:
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.SELU()(torch.tensor([-100.0, 0.0, 1.0]))
        tensor([-1.7581,  0.0000,  1.0507])
    """

    def forward(self, input):
        """Apply the function."""
        return F.selu(input, self.inplace)


class Hardswish(_Inplace):
    """`x relu6(x + 3) / 6`, SiLU made of straight pieces (Howard et al., 2019).

    Args:
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Hardswish()(torch.tensor([-4.0, 0.0, 3.0, 4.0]))
        tensor([-0., 0., 3., 4.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.hardswish(input, self.inplace)

    def extra_repr(self):
        return ""


class Hardsigmoid(_Inplace):
    """`relu6(x + 3) / 6`, the sigmoid made of straight pieces (Howard et al., 2019).

    Args:
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Hardsigmoid()(torch.tensor([-3.0, 0.0, 1.5, 3.0]))
        tensor([0.0000, 0.5000, 0.7500, 1.0000])
    """

    def forward(self, input):
        """Apply the function."""
        return F.hardsigmoid(input, self.inplace)

    def extra_repr(self):
        return ""


class Threshold(_Inplace):
    """`x` where it is above `threshold`, and `value` elsewhere.

    Args:
        threshold: The bound.
        value: What replaces values not above it.
        inplace: Write the result into the input.

    Shape:
        Any, of a real dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Threshold(1.0, -9.0)(torch.tensor([0.5, 1.0, 1.5]))
        tensor([-9.0000, -9.0000,  1.5000])
    """

    __constants__ = ["threshold", "value", "inplace"]

    def __init__(self, threshold, value, inplace=False):
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input):
        """Apply the function."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self):
        return self._with_inplace(f"threshold={self.threshold}, value={self.value}")


class RReLU(_Inplace):
    """A leaky rectifier whose slopes are drawn anew for every call in training (Xu et al., 2015).

    In evaluation mode the slope is the mean of the two bounds.

    Args:
        lower: The smallest slope.
        upper: The largest slope.
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        RuntimeError: When called, if the bounds are not in order.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RReLU(0.1, 0.3).eval()(torch.tensor([-10.0, 10.0]))
        tensor([-2., 10.])
    """

    __constants__ = ["lower", "upper", "inplace"]

    def __init__(self, lower=1.0 / 8, upper=1.0 / 3, inplace=False):
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input):
        """Apply the function."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self):
        return self._with_inplace(f"lower={self.lower}, upper={self.upper}")


class Hardtanh(_Inplace):
    """`x`, kept between two bounds.

    Args:
        min_val: The lower bound.
        max_val: The upper bound.
        inplace: Write the result into the input.
        min_value: The former name of `min_val`.
        max_value: The former name of `max_val`.

    Shape:
        Any, of a real dtype; the output has the shape and dtype of the input.

    Raises:
        ValueError: If the bounds are not in order.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Hardtanh(-2.0, 2.0)(torch.tensor([-3.0, 0.5, 3.0]))
        tensor([-2.0000,  0.5000,  2.0000])
    """

    __constants__ = ["min_val", "max_val", "inplace"]

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None):
        super().__init__(inplace)
        self.min_val = _renamed("min_value", min_value, "min_val", min_val)
        self.max_val = _renamed("max_value", max_value, "max_val", max_val)
        if self.max_val <= self.min_val:
            raise AssertedError(
                f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})"
            )

    def forward(self, input):
        """Apply the function."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self):
        return self._with_inplace(f"min_val={self.min_val}, max_val={self.max_val}")


def _renamed(old_name, old_value, name, value):
    """The value of an argument that may still be given under its former name."""
    if old_value is None:
        return value
    warn(f"keyword argument `{old_name}` is deprecated and renamed to `{name}`", FutureWarning)
    return old_value


class ReLU6(Hardtanh):
    """`min(max(0, x), 6)`.

    Args:
        inplace: Write the result into the input.

    Shape:
        Any, of a real dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReLU6()(torch.tensor([-1.0, 5.0, 7.0]))
        tensor([0., 5., 6.])
    """

    def __init__(self, inplace=False):
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self):
        return "inplace=True" if self.inplace else ""


class ELU(_Inplace):
    """`x` above zero, `alpha (exp(x) - 1)` below (Clevert et al., 2015).

    Args:
        alpha: The scale of the negative part.
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ELU(alpha=2.0)(torch.tensor([-100.0, 0.0, 3.0]))
        tensor([-2.,  0.,  3.])
    """

    __constants__ = ["alpha", "inplace"]

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input):
        """Apply the function."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self):
        return self._with_inplace(f"alpha={self.alpha}")


class CELU(ELU):
    """`x` above zero, `alpha (exp(x / alpha) - 1)` below (Barron, 2017).

    The slope at zero is one from both sides for every `alpha`, which that of `ELU` is not.

    Args:
        alpha: The scale of the negative part.
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        RuntimeError: When called, if `alpha` is zero.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor(-1e-4, requires_grad=True)
        >>> torch.nn.CELU(alpha=5.0)(x).backward()
        >>> x.grad
        tensor(1.0000)
    """

    def forward(self, input):
        """Apply the function."""
        return F.celu(input, self.alpha, self.inplace)


class LeakyReLU(_Inplace):
    """`x` above zero, `negative_slope x` below (Maas et al., 2013).

    Args:
        negative_slope: The slope of the negative part.
        inplace: Write the result into the input.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LeakyReLU(0.5)(torch.tensor([-4.0, 4.0]))
        tensor([-2.,  4.])
    """

    __constants__ = ["inplace", "negative_slope"]

    def __init__(self, negative_slope=1e-2, inplace=False):
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input):
        """Apply the function."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self):
        return self._with_inplace(f"negative_slope={self.negative_slope}")


class PReLU(Module):
    """A leaky rectifier whose slope is learned (He et al., 2015).

    Args:
        num_parameters: 1, or the number of channels (dimension 1 of the input).
        init: The first value of the slope.
        device: Where the parameter lives.
        dtype: Its type.

    Shape:
        Any; (N, C, ...) with one slope for each channel. The output has the shape of the input.

    Raises:
        RuntimeError: When called, if there are neither one slope nor as many as channels.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.PReLU()
        >>> layer(torch.tensor([-4.0, 4.0])).tolist()
        [-1.0, 4.0]
    """

    __constants__ = ["num_parameters"]

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(full((num_parameters,), float(init), device=device, dtype=dtype))

    def reset_parameters(self):
        """Set the slopes to their first value again."""
        from flambeau.nn.init import constant_

        constant_(self.weight, self.init)

    def forward(self, input):
        """Apply the function."""
        return F.prelu(input, self.weight)

    def extra_repr(self):
        return f"num_parameters={self.num_parameters}"


class _Shrink(Module):
    __constants__ = ["lambd"]

    def __init__(self, lambd=0.5):
        super().__init__()
        self.lambd = lambd

    def extra_repr(self):
        return str(self.lambd)


class Hardshrink(_Shrink):
    """`x` outside ±lambd, zero inside.

    Args:
        lambd: The bound.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Hardshrink(1.0)(torch.tensor([-2.0, 0.5, 1.0, 2.0]))
        tensor([-2.,  0.,  0.,  2.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.hardshrink(input, self.lambd)


class Softshrink(_Shrink):
    """`x` drawn towards zero by `lambd`, and zero inside ±lambd.

    Args:
        lambd: By how much; not negative.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        RuntimeError: When called, if `lambd` is negative.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softshrink(1.0)(torch.tensor([-2.0, 0.5, 3.0]))
        tensor([-1.,  0.,  2.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.softshrink(input, self.lambd)
