"""Activation functions without corners, which have no in-place forms, as modules."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module

__all__ = [
    "GELU",
    "GLU",
    "LogSigmoid",
    "LogSoftmax",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class GELU(Module):
    """`x Φ(x)`, with Φ the normal distribution function (Hendrycks & Gimpel, 2016).

    Args:
        approximate: "none", or "tanh" for the faster formula of the first BERT.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        RuntimeError: When called, if `approximate` is neither.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GELU()(torch.tensor([-1.0, 0.0, 1.0]))
        tensor([-0.1587,  0.0000,  0.8413])
    """

    __constants__ = ["approximate"]

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        """Apply the function."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class Sigmoid(Module):
    """`1 / (1 + exp(-x))`.

    Shape:
        Any; the output has the shape of the input, and its dtype if that is floating or complex.

    Example:
        >>> import flambeau as torch
        >>> odds = torch.tensor([1.0, 3.0])
        >>> torch.nn.Sigmoid()(odds.log())
        tensor([0.5000, 0.7500])
    """

    def forward(self, input):
        """Apply the function."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent, `(exp(x) - exp(-x)) / (exp(x) + exp(-x))`.

    Shape:
        Any; the output has the shape of the input, and its dtype if that is floating or complex.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Tanh()(torch.tensor([-100.0, 0.0, 100.0]))
        tensor([-1.,  0.,  1.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.tanh(input)


class LogSigmoid(Module):
    """`log(sigmoid(x))`, computed so that it is `x`, not minus infinity, far below zero.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LogSigmoid()(torch.tensor([-1000.0, 0.0]))
        tensor([-1.0000e+03, -6.9315e-01])
    """

    def forward(self, input):
        """Apply the function."""
        return F.logsigmoid(input)


class Softsign(Module):
    """`x / (1 + |x|)`.

    Shape:
        Any; the output has the shape of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softsign()(torch.tensor([-3.0, 0.0, 1.0]))
        tensor([-0.7500,  0.0000,  0.5000])
    """

    def forward(self, input):
        """Apply the function."""
        return F.softsign(input)


class Tanhshrink(Module):
    """`x - tanh(x)`.

    Shape:
        Any; the output has the shape of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Tanhshrink()(torch.tensor([0.0, 100.0]))
        tensor([ 0., 99.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.tanhshrink(input)


class Softplus(Module):
    """`log(1 + exp(beta x)) / beta`, which is `x` itself above `threshold / beta`.

    Args:
        beta: The sharpness.
        threshold: The bound above which the function is the identity.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softplus()(torch.tensor([-200.0, 0.0, 50.0]))
        tensor([ 0.0000,  0.6931, 50.0000])
    """

    __constants__ = ["beta", "threshold"]

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input):
        """Apply the function."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self):
        return f"beta={self.beta}, threshold={self.threshold}"


class GLU(Module):
    """The first half of `x` times the sigmoid of the second (Dauphin et al., 2016).

    Args:
        dim: The dimension that is halved.

    Shape:
        Any with an even size along `dim`, of which the output has half.

    Raises:
        RuntimeError: When called, if the size is odd.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GLU()(torch.tensor([[3.0, 4.0, 100.0, 0.0]]))
        tensor([[3., 2.]])
    """

    __constants__ = ["dim"]

    def __init__(self, dim=-1):
        super().__init__()
        self.dim = dim

    def forward(self, input):
        """Apply the function."""
        return F.glu(input, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class _AlongDim(Module):
    """An activation that normalises along a dimension.

    Args:
        dim: The dimension.
    """

    __constants__ = ["dim"]

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def __setstate__(self, state):
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def extra_repr(self):
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """`exp(x)`, divided by its sum along `dim`.

    Args:
        dim: The dimension.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        IndexError: When called, if the dimension is not there.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softmax(dim=0)(torch.zeros(4))
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def forward(self, input):
        """Apply the function."""
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """The logarithm of `Softmax`, without its underflow: `x - log(sum(exp(x)))` along `dim`.

    Args:
        dim: The dimension; left out, it is guessed with a warning.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        IndexError: When called, if the dimension is not there.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LogSoftmax(dim=0)(torch.tensor([0.0, 1000.0]))
        tensor([-1000.,     0.])
    """

    def forward(self, input):
        """Apply the function."""
        return F.log_softmax(input, self.dim)


class Softmin(_AlongDim):
    """`Softmax` of `-x`: the smallest value gets the largest share.

    Args:
        dim: The dimension; left out, it is guessed with a warning.

    Shape:
        Any, of a floating dtype; the output has the shape and dtype of the input.

    Raises:
        IndexError: When called, if the dimension is not there.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softmin(dim=0)(torch.tensor([1.0, 1.0, 1000.0]))
        tensor([0.5000, 0.5000, 0.0000])
    """

    def forward(self, input):
        """Apply the function."""
        return F.softmin(input, self.dim)


class Softmax2d(Module):
    """`Softmax` over the channels of images, at every pixel.

    Shape:
        (N, C, H, W) or (C, H, W); the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has another number of dimensions.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softmax2d()(torch.zeros(4, 1, 2)).flatten(1)
        tensor([[0.2500, 0.2500],
                [0.2500, 0.2500],
                [0.2500, 0.2500],
                [0.2500, 0.2500]])
    """

    def forward(self, input):
        """Apply the function.

        Raises:
            ValueError: If the input has neither 3 nor 4 dimensions.
        """
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3)
