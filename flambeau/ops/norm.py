"""Normalisations: batch, instance, group, layer and root mean square.

Each `_native_` op also returns the statistics it used, which its gradient needs. Their second
derivatives come from the plain rules, which compute the statistics again from the input.
"""

from __future__ import annotations

from math import prod

from flambeau.backends import kernels
from flambeau.core.errors import ArgumentValueError, DTypeError, RuntimeFailure, ShapeError
from flambeau.core.registry import checked, function, op
from flambeau.ops._declare import named, stored
from flambeau.ops.pad import pad
from flambeau.ops.pool import avg_pool2d

# ---- for the rules ----


def _normal(x, dims, eps):
    """x with mean zero and variance one over `dims`, and the factor that was applied."""
    centered = x - x.mean(dims, True)
    rstd = 1 / ((centered * centered).mean(dims, True) + eps).sqrt()
    return centered * rstd, rstd


def _input_gradient(u, normal, rstd, dims):
    """The gradient of the input from `u`, that of the normalised values."""
    return (u - u.mean(dims, True) - normal * (u * normal).mean(dims, True)) * rstd


def _weight_gradients(g, normal, dims, shape, needs):
    return (
        (g * normal).sum(dims).reshape(shape) if needs[1] else None,
        g.sum(dims).reshape(shape) if needs[2] else None,
    )


def _all_but_channels(x):
    return [d for d in range(x.ndim) if d != 1]


def _per_channel(weight, x):
    """A vector of channels in the shape that broadcasts with x."""
    return weight.reshape([1, -1] + [1] * (x.ndim - 2))


# ---- batch and instance normalisation ----

_STATISTICS = ("out", "mean", "rstd")


def _batch_samples(s):
    weight, bias = s.tensor(3), s.tensor(3)
    yield s(s.tensor(4, 3, 5), weight, bias, None, None, True, 0.1, 1e-5)
    yield s(s.tensor(4, 3), weight, bias, None, None, True, 0.1, 1e-5)
    yield s(s.tensor(2, 3, 2, 2), None, None, None, None, True, 0.1, 1e-5)


@op(
    name="_native_batch_norm",
    backward_name="NativeBatchNorm",
    public=False,
    outputs=_STATISTICS,
    samples=_batch_samples,
    out=False,
)
def _native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """Batch normalisation and the statistics used: (result, means, reciprocal standard deviations).

    In training the running statistics are updated in place.
    """
    return kernels(input).batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )


@_native_batch_norm.vjp("input", "weight", "bias")
def _(g, input, weight, training, eps, mean, rstd, needs):
    dims = _all_but_channels(input)
    if training:
        normal, factor = _normal(input, dims, eps)
    else:
        factor = _per_channel(rstd, input)
        normal = (input - _per_channel(mean, input)) * factor
    u = g if weight is None else g * _per_channel(weight, input)
    of_input = None
    if needs[0]:
        of_input = _input_gradient(u, normal, factor, dims) if training else u * factor
    return of_input, *_weight_gradients(g, normal, dims, (input.shape[1],), needs)


@_native_batch_norm.fast_vjp("input", "weight", "bias")
def _(g, input, weight, training, mean, rstd):
    return kernels(g).batch_norm_backward(g, input, weight, mean, rstd, training)


def _require_several_values(shape):
    if shape[0] * prod(shape[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {shape}"
        )


@checked
def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """Normalises each channel (axis 1) over all other axes; see `nn.BatchNorm1d`.

    Args:
        input: (N, C, ...), floating.
        running_mean: (C), updated in training, used otherwise; may be None in training.
        running_var: likewise.
        weight: (C), a factor per channel, applied afterwards.
        bias: (C), a summand per channel.
        training: use the statistics of this batch.
        momentum: the share of this batch in the running statistics.
        eps: added to the variance.

    Returns:
        A tensor of the input's shape.

    Raises:
        ValueError: in training, if a channel has only one value, or if `eps` is not positive there,
            or is negative.

    Example:
        >>> x = flambeau.tensor([[10., 2.], [20., 4.]])
        >>> mean, variance = flambeau.tensor([10., 0.]), flambeau.tensor([100., 4.])
        >>> flambeau.nn.functional.batch_norm(x, mean, variance, eps=0.)
        tensor([[0., 1.],
                [1., 2.]])
    """
    if eps < 0 or (training and eps == 0):
        least = "positive during training" if training else "non-negative"
        raise ArgumentValueError(f"batch_norm eps must be {least}, but got {eps}")
    if training:
        _require_several_values(input.shape)
        if not input.numel():
            # An empty batch has no statistics: the running ones stay as they are.
            training = False
            if running_mean is None:
                channels = input.shape[1]
                running_mean, running_var = input.new_zeros(channels), input.new_ones(channels)
    return _native_batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )[0]


@checked
def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """Normalises each channel of each example; see `nn.InstanceNorm1d`.

    Args:
        input: (N, C, ...), floating.
        running_mean: (C), updated if `use_input_stats`, used otherwise.
        running_var: likewise.
        weight: (C), a factor per channel, applied afterwards.
        bias: (C), a summand per channel.
        use_input_stats: use the statistics of the input.
        momentum: the share of this input in the running statistics.
        eps: added to the variance.

    Returns:
        A tensor of the input's shape.

    Raises:
        ValueError: if the statistics are the input's and a channel has only one value.

    Example:
        >>> x = flambeau.tensor([[[1., 3.], [10., 30.]]])
        >>> flambeau.nn.functional.instance_norm(x).round()
        tensor([[[-1.,  1.],
                 [-1.,  1.]]])
    """
    _check_running(running_mean, running_var, input, use_input_stats)
    if not use_input_stats:
        out = batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        return named("ViewBackward0", out)
    count = prod(input.shape[2:])
    if count == 1:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {input.shape}"
        )
    groups = input.shape[1] or 1
    out, mean, rstd = _native_group_norm(input.contiguous(), groups, weight, bias, eps)
    if running_mean is not None:
        _update_running(running_mean, mean, momentum)
        biased = 1 / (rstd * rstd) - eps
        _update_running(running_var, biased * (count / (count - 1)), momentum)
    return named("ViewBackward0", out)


def _check_running(mean, var, input, use_input_stats):
    """Refuses running statistics of which one is missing, or that have no value per channel."""
    if not use_input_stats and (mean is None or var is None):
        raise RuntimeFailure(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    if (mean is None) is not (var is None):
        raise ArgumentValueError(
            "running_mean and running_var must either both be None or neither be None"
        )
    for name, running in (("running_mean", mean), ("running_var", var)):
        if running is not None and tuple(running.shape) != tuple(input.shape[1:2]):
            raise ShapeError(
                f"instance_norm: {name} should contain {input.shape[1]} elements: {name} is"
                f" {tuple(running.shape)}, input is {tuple(input.shape)}"
            )


def _update_running(running, by_example, momentum):
    from flambeau.core.grad_mode import no_grad

    with no_grad():
        running.mul_(1 - momentum).add_(by_example.mean(0), alpha=momentum)


# ---- group normalisation ----


def _group_samples(s):
    yield s(s.tensor(2, 4, 3), 2, s.tensor(4), s.tensor(4), 1e-5)
    yield s(s.tensor(2, 4), 2, s.tensor(4), s.tensor(4), 1e-5)
    yield s(s.tensor(2, 6, 2, 2), 3, None, None, 1e-5)
    yield s(s.tensor(0, 2), 1, s.tensor(2), s.tensor(2), 1e-5)
    yield s(s.tensor(2, 2, 0), 2, s.tensor(2), s.tensor(2), 1e-5)


@op(
    name="_native_group_norm",
    backward_name="NativeGroupNorm",
    public=False,
    outputs=_STATISTICS,
    samples=_group_samples,
    out=False,
)
def _native_group_norm(input, groups, weight, bias, eps):
    """The result, and the mean and reciprocal standard deviation of each group."""
    return kernels(input).group_norm(input, groups, weight, bias, eps)


@_native_group_norm.vjp("input", "weight", "bias")
def _(g, input, groups, weight, eps, needs):
    shape = input.shape
    rows = (shape[0], groups, prod(shape[1:]) // groups)
    normal, factor = _normal(input.reshape(rows), -1, eps)
    u = g if weight is None else g * _per_channel(weight, input)
    of_input = _input_gradient(u.reshape(rows), normal, factor, -1).reshape(shape)
    dims = _all_but_channels(input)
    return of_input, *_weight_gradients(g, normal.reshape(shape), dims, (shape[1],), needs)


@_native_group_norm.fast_vjp("input", "weight", "bias")
def _(g, input, groups, weight, mean, rstd):
    return kernels(g).group_norm_backward(g, input, groups, weight, mean, rstd)


@checked
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Normalises groups of channels (axis 1) of each example; see `nn.GroupNorm`.

    Args:
        input: (N, C, ...), floating.
        num_groups: how many groups the channels are divided into.
        weight: (C), a factor per channel, applied afterwards.
        bias: (C), a summand per channel.
        eps: added to the variance.

    Returns:
        A tensor of the input's shape.

    Raises:
        RuntimeError: if the channels cannot be divided by the number of groups.
        ValueError: if there is one example, and its groups have one value each.

    Example:
        >>> x = flambeau.tensor([[1., 3., 10., 30.]])
        >>> flambeau.nn.functional.group_norm(x, 2).round()
        tensor([[-1.,  1., -1.,  1.]])
        >>> flambeau.nn.functional.group_norm(x, 2, bias=flambeau.tensor([0., 0., 5., 5.])).round()
        tensor([[-1.,  1.,  4.,  6.]])
    """
    if input.ndim >= 2 and num_groups and input.shape[1] % num_groups == 0:
        shape = input.shape
        _require_several_values((shape[0] * shape[1] // num_groups, num_groups, *shape[2:]))
    return _native_group_norm(input, num_groups, weight, bias, eps)[0]


# ---- layer normalisation ----


def _layer_samples(s):
    yield s(s.tensor(2, 3, 4), (4,), s.tensor(4), s.tensor(4), 1e-5)
    yield s(s.tensor(2, 3, 4), (3, 4), s.tensor(3, 4), s.tensor(3, 4), 1e-5)
    yield s(s.tensor(3, 40), (40,), None, None, 1e-5)


@op(
    name="_native_layer_norm",
    backward_name="NativeLayerNorm",
    public=False,
    outputs=_STATISTICS,
    samples=_layer_samples,
    out=False,
)
def _native_layer_norm(input, normalized_shape, weight, bias, eps):
    """The result, and the mean and reciprocal standard deviation of each row."""
    return kernels(input).layer_norm(input, normalized_shape, weight, bias, eps)


def _last_and_first(input, normalized_shape):
    """The normalised axes and those before them."""
    lead = input.ndim - len(normalized_shape)
    return list(range(lead, input.ndim)), list(range(lead))


@_native_layer_norm.vjp("input", "weight", "bias")
def _(g, input, normalized_shape, weight, eps, needs):
    last, first = _last_and_first(input, normalized_shape)
    normal, factor = _normal(input, last, eps)
    u = g if weight is None else g * weight
    of_input = _input_gradient(u, normal, factor, last)
    if not first:
        return of_input, g * normal if needs[1] else None, g if needs[2] else None
    return of_input, *_weight_gradients(g, normal, first, normalized_shape, needs)


@_native_layer_norm.fast_vjp("input", "weight", "bias")
def _(g, input, normalized_shape, weight, mean, rstd):
    return kernels(g).layer_norm_backward(g, input, normalized_shape, weight, mean, rstd)


@function
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True):
    """Normalises over the last axes, whose sizes are `normalized_shape`; see `nn.LayerNorm`.

    Args:
        input: (..., *normalized_shape), floating.
        normalized_shape: the sizes of the last axes.
        weight: factors of that shape, applied afterwards.
        bias: summands of that shape.
        eps: added to the variance.
        cudnn_enable: accepted.

    Returns:
        A tensor of the input's shape.

    Raises:
        RuntimeError: if the input's last axes have other sizes.

    Example:
        >>> x = flambeau.tensor([[1., 3.], [10., 30.]])
        >>> flambeau.layer_norm(x, (2,)).round()
        tensor([[-1.,  1.],
                [-1.,  1.]])
    """
    return _native_layer_norm(input, normalized_shape, weight, bias, eps)[0]


# ---- root mean square ----


def _rms_samples(s):
    yield s(s.tensor(2, 3, 4), (4,), s.tensor(4), 1e-5)
    yield s(s.tensor(2, 3, 4), (3, 4), s.tensor(3, 4), 1e-5)
    yield s(s.tensor(3, 40), (40,), None, 1e-5)


@op(
    name="_fused_rms_norm",
    backward_name="Mul",
    public=False,
    outputs=("out", "rstd"),
    samples=_rms_samples,
    out=False,
)
def _native_rms_norm(input, normalized_shape, weight, eps):
    return kernels(input).rms_norm(input, normalized_shape, weight, eps)


@_native_rms_norm.vjp("input", "weight")
def _(g, input, normalized_shape, weight, eps, needs):
    last, first = _last_and_first(input, normalized_shape)
    rstd = 1 / ((input * input).mean(last, True) + eps).sqrt()
    normal = input * rstd
    u = g if weight is None else g * weight
    of_input = (u - normal * (u * normal).mean(last, True)) * rstd
    of_weight = None
    if needs[1]:
        of_weight = (g * normal).sum(first) if first else g * normal
    return of_input, of_weight


@_native_rms_norm.fast_vjp("input", "weight")
def _(g, input, normalized_shape, weight, rstd):
    return kernels(g).rms_norm_backward(g, input, normalized_shape, weight, rstd)


@function
def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Divides by the root mean square over the last axes; see `nn.RMSNorm`.

    Args:
        input: (..., *normalized_shape), floating or complex.
        normalized_shape: the sizes of the last axes.
        weight: factors of that shape, applied afterwards.
        eps: added to the mean square; None: the smallest step of the dtype at one.

    Returns:
        A tensor of the input's shape.

    Raises:
        RuntimeError: if the input's last axes have other sizes.

    Example:
        >>> x, weight = flambeau.tensor([[5., -5.]]), flambeau.tensor([1., 3.])
        >>> flambeau.rms_norm(x, (2,), weight)
        tensor([[ 1., -3.]])
    """
    dtype = input.dtype
    if not (dtype.is_floating_point or dtype.is_complex):
        raise DTypeError(f"rms_norm: expected a floating point input, got {dtype.name}")
    if eps is None:
        from flambeau import finfo

        eps = finfo(input.dtype).eps
    if dtype.is_complex:
        return _complex_rms_norm(input, normalized_shape, weight, eps)
    return _native_rms_norm(input, normalized_shape, weight, eps)[0]


def _complex_rms_norm(input, normalized_shape, weight, eps):
    """The same of complex numbers, as torch has it: with the mean of squares, not of magnitudes."""
    last, _ = _last_and_first(input, normalized_shape)
    if tuple(input.shape[last[0] :] if last else ()) != tuple(normalized_shape):
        raise ShapeError(
            f"rms_norm: the input's last axes must have the sizes {list(normalized_shape)}, but "
            f"it is {tuple(input.shape)}"
        )
    normal = input * (input.square().mean(last, True) + eps).rsqrt()
    return normal if weight is None else normal * weight


# ---- norms of vectors, and over neighbouring channels ----


@checked
def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """Vectors divided by their norms.

    Args:
        input: floating.
        p: the power of the norm.
        dim: the axis of the vectors, or several.
        eps: the smallest norm that is divided by.
        out: the tensor to fill.

    Returns:
        A tensor of the input's size.

    Raises:
        IndexError: if the axis is not there.

    Example:
        >>> flambeau.nn.functional.normalize(flambeau.tensor([[3., 4.]]))
        tensor([[0.6000, 0.8000]])
    """
    result = input / input.norm(p, dim, True).clamp(min=eps)
    return stored("normalize", result, out)


@checked
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + alpha m)^beta, m the mean square of the neighbouring channels.

    Args:
        input: (N, C, ...), at least three axes.
        size: how many channels are neighbours; zeros stand beyond the first and the last.
        alpha: the factor of the mean.
        beta: the power.
        k: what is added to the mean.

    Returns:
        A tensor of the input's size.

    Raises:
        ValueError: if the input has fewer than three axes.

    Example:
        >>> x = flambeau.ones(1, 2, 1)
        >>> flambeau.nn.functional.local_response_norm(x, 2, 1.0, 1.0).flatten()
        tensor([0.6667, 0.5000])
    """
    if input.ndim < 3:
        raise ArgumentValueError(
            "Expected 3D or higher dimensionality                          input (got "
            f"{input.ndim} dimensions)"
        )
    if not input.numel():
        return input
    batch, channels = input.shape[:2]
    squares = (input * input).reshape(batch, 1, channels, -1)
    squares = pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = avg_pool2d(squares, (size, 1), 1).reshape(input.shape)
    return input / (means * alpha + k) ** beta
