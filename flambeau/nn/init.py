"""Filling tensors with initial values, in place.

Every function draws from the random stream in a fixed order, so that a seed gives the same
initial values everywhere. None of them is recorded for gradients.
"""

import math
from functools import wraps

from flambeau.core.grad_mode import no_grad
from flambeau.core.notices import warn
from flambeau.core.registry import explain_functions

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR_NAMES = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
)


def calculate_gain(nonlinearity, param=None):
    """The factor that keeps the variance of activations steady through `nonlinearity`.

    Args:
        nonlinearity: The name of a function in `nn.functional`.
        param: The negative slope, for "leaky_relu".

    Returns:
        The gain.

    Raises:
        ValueError: If the name or the parameter is not supported.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.calculate_gain("tanh")
        1.6666666666666667
    """
    if nonlinearity in _LINEAR_NAMES:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + _negative_slope(param) ** 2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


def _negative_slope(param):
    if param is None:
        return 0.01
    if isinstance(param, bool) or not isinstance(param, (int, float)):
        raise ValueError(f"negative_slope {param} not a valid number")
    return param


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Fill with numbers drawn uniformly from [a, b).

    Args:
        tensor: A floating tensor of any shape.
        a: The lower bound.
        b: The upper bound.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        RuntimeError: If the bounds are not in order.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.nn.init.uniform_(torch.empty(100), 2.0, 3.0)
        >>> bool(((weight >= 2.0) & (weight < 3.0)).all())
        True
    """
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Fill with numbers drawn from a normal distribution.

    Args:
        tensor: A floating tensor of any shape.
        mean: The mean.
        std: The standard deviation.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        RuntimeError: If the standard deviation is negative.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.normal_(torch.empty(2), mean=5.0, std=0.0)
        tensor([5., 5.])
    """
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Fill with numbers drawn from a normal distribution that is cut off outside [a, b].

    Args:
        tensor: A floating tensor of any shape.
        mean: The mean of the whole distribution.
        std: Its standard deviation.
        a: The lower bound.
        b: The upper bound.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: If the mean is not finite, or the deviation NaN.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.nn.init.trunc_normal_(torch.empty(1000), a=-1.0, b=0.5)
        >>> bool(((weight >= -1.0) & (weight <= 0.5)).all())
        True
    """
    if not math.isfinite(mean) or math.isnan(std):
        # Nothing that is drawn would ever be kept.
        raise ValueError(
            f"trunc_normal_: mean and std must be finite: mean is {mean}, std is {std}"
        )
    if mean < a - 2 * std or mean > b + 2 * std:
        warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
        )
    low, high = (a - mean) / std, (b - mean) / std
    inside = (math.erf(high / math.sqrt(2.0)) - math.erf(low / math.sqrt(2.0))) / 2.0
    if tensor.is_meta:
        return tensor
    with no_grad():
        if inside >= _ENOUGH_INSIDE:
            _reject_normal(tensor, mean, std, a, b, generator)
        else:
            _reject_uniform(tensor, mean, std, a, b, generator)
    return tensor


#: The share of the normal distribution within the bounds above which drawing from it and
#: rejecting what is outside is the quicker way.
_ENOUGH_INSIDE = 0.3


def _reject_normal(tensor, mean, std, a, b, generator):
    """Draw from the normal distribution until all is within the bounds.

    Every round draws as many numbers as there are elements, which keeps the random stream simple.
    """
    tensor.normal_(mean, std, generator=generator)
    outside = (tensor < a) | (tensor > b)
    while bool(outside.any()):
        again = tensor.new_empty(tensor.shape).normal_(mean, std, generator=generator)
        tensor.copy_(again.where(outside, tensor))
        outside = (tensor < a) | (tensor > b)


def _reject_uniform(tensor, mean, std, a, b, generator):
    """Draw uniformly within the bounds, and keep a number as often as its density says."""
    # The largest density within the bounds is nearest to the mean.
    nearest = min(max(0.0, (a - mean) / std), (b - mean) / std)
    missing = tensor.new_ones(tensor.shape).bool()
    while bool(missing.any()):
        drawn = tensor.new_empty(tensor.shape).uniform_(a, b, generator=generator)
        chance = tensor.new_empty(tensor.shape).uniform_(generator=generator)
        distance = (drawn - mean) / std
        kept = missing & (chance <= ((nearest * nearest - distance * distance) / 2).exp())
        tensor.copy_(drawn.where(kept, tensor))
        missing = missing & ~kept


def constant_(tensor, val):
    """Fill with the value `val`.

    Args:
        tensor: A tensor of any shape.
        val: A number.

    Returns:
        The tensor.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.constant_(torch.empty(3), 0.5)
        tensor([0.5000, 0.5000, 0.5000])
    """
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor):
    """Fill with ones.

    Args:
        tensor: A tensor of any shape.

    Returns:
        The tensor.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> torch.nn.init.ones_(layer.bias).tolist()
        [1.0]
    """
    return constant_(tensor, 1.0)


def zeros_(tensor):
    """Fill with zeros.

    Args:
        tensor: A tensor of any shape.

    Returns:
        The tensor.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> torch.nn.init.zeros_(layer.weight) is layer.weight, layer.weight.tolist()
        (True, [[0.0, 0.0]])
    """
    return constant_(tensor, 0.0)


def eye_(tensor):
    """Fill a matrix with the identity, as far as it goes.

    Args:
        tensor: A matrix.

    Returns:
        The tensor.

    Raises:
        ValueError: If the tensor has not two dimensions.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.eye_(torch.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with no_grad():
        tensor.zero_()
        tensor.diagonal().fill_(1)
    return tensor


def dirac_(tensor, groups=1):
    """Fill a convolution's weight so that it passes on as many channels as it can unchanged.

    Args:
        tensor: A weight of 3, 4 or 5 dimensions.
        groups: The number of groups of the convolution.

    Returns:
        The tensor.

    Raises:
        ValueError: If the shape does not fit.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.nn.init.dirac_(torch.empty(2, 2, 3))
        >>> x = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
        >>> torch.equal(torch.nn.functional.conv1d(x, weight, padding=1), x)
        True
    """
    dimensions = tensor.ndimension()
    if dimensions not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = tensor.size()
    if sizes[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = sizes[0] // groups
    centre = tuple(size // 2 for size in sizes[2:])
    with no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, sizes[1])):
                tensor[(group * per_group + channel, channel, *centre)] = 1
    return tensor


def _calculate_fan_in_and_fan_out(tensor):
    """How many inputs feed an output, and how many outputs an input feeds."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    shape = tensor.shape
    receptive_field = math.prod(shape[2:])
    return shape[1] * receptive_field, shape[0] * receptive_field


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Fill uniformly, with the variance of Glorot & Bengio (2010).

    The bounds are ±gain sqrt(6 / (fan_in + fan_out)), where an output is fed by fan_in inputs and
    an input feeds fan_out outputs.

    Args:
        tensor: The weight, of at least two dimensions: outputs, inputs, positions.
        gain: A factor, see `calculate_gain`.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: If the tensor has fewer than two dimensions.

    Example:
        >>> import flambeau as torch
        >>> w = torch.nn.init.xavier_uniform_(torch.empty(3, 5))
        >>> bool((w.abs() <= (6 / 8) ** 0.5).all())
        True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Fill normally, with the variance of Glorot & Bengio (2010), gain² 2 / (fan_in + fan_out).

    Args:
        tensor: The weight, of at least two dimensions: outputs, inputs, positions.
        gain: A factor, see `calculate_gain`.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: If the tensor has fewer than two dimensions.

    Example:
        >>> import flambeau as torch
        >>> w = torch.nn.init.xavier_normal_(torch.empty(150, 50))
        >>> abs(float(w.std()) - 0.1) < 0.01  # sqrt(2 / 200)
        True
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    return normal_(tensor, 0.0, std, generator)


def _calculate_correct_fan(tensor, mode):
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


def _kaiming_std(tensor, a, mode, nonlinearity):
    """The standard deviation of He et al. (2015); None where there is nothing to fill."""
    if 0 in tensor.shape:
        warn("Initializing zero-element tensors is a no-op")
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill uniformly, with the variance of He et al. (2015).

    The bounds are ±gain sqrt(3 / fan), with the gain of the rectifier, sqrt(2 / (1 + a²)).

    Args:
        tensor: The weight, of at least two dimensions: outputs, inputs, positions.
        a: The negative slope of the rectifier that follows.
        mode: Keep the variance in the forward ("fan_in") or backward ("fan_out") pass.
        nonlinearity: The function that follows, see `calculate_gain`.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: If the tensor has fewer than two dimensions, or the mode or function is unknown.

    Example:
        >>> import flambeau as torch
        >>> w = torch.nn.init.kaiming_uniform_(torch.empty(50, 6), nonlinearity="relu")
        >>> bool((w.abs() <= 1.0).all())  # sqrt(2) sqrt(3 / 6)
        True
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill normally, with the variance of He et al. (2015), gain² / fan; see `kaiming_uniform_`.

    Args:
        tensor: The weight, of at least two dimensions: outputs, inputs, positions.
        a: The negative slope of the rectifier that follows.
        mode: Keep the variance in the forward ("fan_in") or backward ("fan_out") pass.
        nonlinearity: The function that follows, see `calculate_gain`.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: If the tensor has fewer than two dimensions, or the mode or function is unknown.

    Example:
        >>> import flambeau as torch
        >>> w = torch.nn.init.kaiming_normal_(torch.empty(200, 50), mode="fan_out")
        >>> abs(float(w.std()) - 0.1) < 0.01  # sqrt(2 / 200)
        True
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor, gain=1, generator=None):
    """Fill with a matrix of orthonormal rows or columns, as in Saxe et al. (2013).

    Args:
        tensor: A tensor of at least two dimensions; those after the first are flattened.
        gain: A factor.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: If the tensor has fewer than two dimensions.

    Example:
        >>> import flambeau as torch
        >>> rows = torch.nn.init.orthogonal_(torch.empty(2, 5), gain=3.0)
        >>> torch.allclose(rows @ rows.T, 9.0 * torch.eye(2), atol=1e-4)
        True
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    from flambeau.ops.linalg_orthogonal import linalg_qr

    rows = tensor.size(0)
    columns = tensor.numel() // rows
    with no_grad():
        flattened = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
        if rows < columns:
            flattened = flattened.t()
        q, r = linalg_qr(flattened)
        # The factorisation is unique, and the result uniform, only with a positive diagonal.
        q *= r.diagonal().sign()
        if rows < columns:
            q = q.t()
        tensor.view_as(q).copy_(q)
        tensor.mul_(gain)
    return tensor


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Fill a matrix normally, then set a fraction of every column to zero (Martens, 2010).

    Args:
        tensor: A matrix.
        sparsity: The fraction of zeros in a column, rounded up to whole elements.
        std: The standard deviation of the others.
        generator: The source of random numbers.

    Returns:
        The tensor.

    Raises:
        ValueError: If the tensor has not two dimensions.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.nn.init.sparse_(torch.empty(10, 3), sparsity=0.25)
        >>> (weight == 0).sum(0)
        tensor([3, 3, 3])
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    from flambeau.ops.random import randperm

    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[randperm(rows)[:zeros], column] = 0
    return tensor


explain_functions(globals())


def _deprecated(function):
    """The name without the underscore at its end that programs of old still use."""
    old_name = function.__name__[:-1]

    @wraps(function)
    def renamed(*args, **kwargs):
        warn(
            f"`nn.init.{old_name}` is now deprecated in favor of `nn.init.{function.__name__}`.",
            FutureWarning,
        )
        return function(*args, **kwargs)

    renamed.__name__ = old_name
    return renamed


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
