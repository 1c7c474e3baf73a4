"""Layers and the batch normalisation after them as one layer, for evaluation."""

import copy

from flambeau.nn.parameter import Parameter
from flambeau.ops.creation import ones_like, zeros_like

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _scale_and_shift(bias, mean, variance, eps, weight, shift):
    """By what the outputs of a layer are multiplied, and its bias afterwards."""
    bias = zeros_like(mean) if bias is None else bias
    weight = ones_like(mean) if weight is None else weight
    shift = zeros_like(mean) if shift is None else shift
    scale = weight * (variance + eps).rsqrt()
    return scale, (bias - mean) * scale + shift


def _fused(layer_weight, layer_bias, scale, bias, shape):
    weight_dtype = layer_weight.dtype
    bias_dtype = weight_dtype if layer_bias is None else layer_bias.dtype
    weight = (layer_weight * scale.reshape(shape)).to(weight_dtype)
    bias_needs = layer_weight.requires_grad if layer_bias is None else layer_bias.requires_grad
    return (
        Parameter(weight.detach(), layer_weight.requires_grad),
        Parameter(bias.to(bias_dtype).detach(), bias_needs),
    )


def fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False):
    """Weight and bias of a convolution that does what it and a normalisation did.

    The weight is multiplied by s = bn_w / sqrt(bn_rv + bn_eps) for each output channel, and the
    bias becomes (conv_b - bn_rm) s + bn_b.

    Args:
        conv_w: The weight of the convolution, (O, I, ...), or (I, O, ...) of a transposed one.
        conv_b: Its bias (O), or None.
        bn_rm: The running mean of the normalisation, (O).
        bn_rv: Its running variance, (O).
        bn_eps: What is added to the variance.
        bn_w: Its scale (O), or None.
        bn_b: Its shift (O), or None.
        transpose: Whether the convolution is a transposed one.

    Returns:
        The two parameters.

    Example:
        >>> import flambeau as torch
        >>> mean, variance = torch.tensor([1.0]), torch.tensor([4.0])
        >>> weight, bias = torch.nn.utils.fuse_conv_bn_weights(
        ...     torch.ones(1, 1, 1), None, mean, variance, 0.0, torch.tensor([6.0]), None
        ... )
        >>> weight.detach().flatten(), bias.detach()
        (tensor([3.]), tensor([-3.]))
    """
    scale, bias = _scale_and_shift(conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    shape = [1] * conv_w.dim()
    shape[1 if transpose else 0] = -1
    return _fused(conv_w, conv_b, scale, bias, shape)


def fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b):
    """Weight and bias of a linear layer that does what it and a normalisation did.

    The weight is multiplied by s = bn_w / sqrt(bn_rv + bn_eps) for each output, and the bias
    becomes (linear_b - bn_rm) s + bn_b.

    Args:
        linear_w: The weight of the layer, (O, I).
        linear_b: Its bias (O), or None.
        bn_rm: The running mean of the normalisation, (O).
        bn_rv: Its running variance, (O).
        bn_eps: What is added to the variance.
        bn_w: Its scale, (O).
        bn_b: Its shift, (O).

    Returns:
        The two parameters.

    Example:
        >>> import flambeau as torch
        >>> mean, variance, six = torch.tensor([1.0]), torch.tensor([4.0]), torch.tensor([6.0])
        >>> weight, bias = torch.nn.utils.fuse_linear_bn_weights(
        ...     torch.ones(1, 2), None, mean, variance, 0.0, six, torch.tensor([0.5])
        ... )
        >>> weight.detach(), bias.detach()
        (tensor([[3., 3.]]), tensor([-2.5000]))
    """
    scale, bias = _scale_and_shift(linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    return _fused(linear_w, linear_b, scale, bias, (-1, 1))


def _require(condition, message):
    if not condition:
        raise AssertionError(message)


def _checked_copy(layer, bn):
    _require(not layer.training and not bn.training, "Fusion only for eval!")
    return copy.deepcopy(layer)


def _statistics(bn):
    """What the normalisation does, as the functions of weights take it."""
    _require(
        bn.running_mean is not None and bn.running_var is not None,
        "bn.running_mean and bn.running_var must not be None",
    )
    return bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias


def fuse_conv_bn_eval(conv, bn, transpose=False):
    """A convolution that does what `conv` and the normalisation `bn` after it do.

    Args:
        conv: The convolution.
        bn: The batch normalisation.
        transpose: Whether `conv` is a transposed one.

    Returns:
        A new convolution.

    Raises:
        AssertionError: If one is in training mode, or there are no running statistics.

    Example:
        >>> import flambeau as torch
        >>> conv, bn = torch.nn.Conv2d(2, 3, 1).eval(), torch.nn.BatchNorm2d(3).eval()
        >>> fused = torch.nn.utils.fuse_conv_bn_eval(conv, bn)
        >>> x = torch.ones(1, 2, 4, 4)
        >>> torch.allclose(fused(x), bn(conv(x)), atol=1e-6)
        True
    """
    fused = _checked_copy(conv, bn)
    statistics = _statistics(bn)
    fused.weight, fused.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *statistics, transpose)
    return fused


def fuse_linear_bn_eval(linear, bn):
    """A linear layer that does what `linear` and the normalisation `bn` after it do.

    Args:
        linear: The layer.
        bn: The batch normalisation.

    Returns:
        A new layer.

    Raises:
        AssertionError: If one is in training mode, there are no running statistics, or the numbers
            of features do not fit together.

    Example:
        >>> import flambeau as torch
        >>> linear, bn = torch.nn.Linear(2, 3).eval(), torch.nn.BatchNorm1d(3).eval()
        >>> bn.running_mean.fill_(7.0)
        tensor([7., 7., 7.])
        >>> fused = torch.nn.utils.fuse_linear_bn_eval(linear, bn)
        >>> x = torch.ones(4, 2)
        >>> torch.allclose(fused(x), bn(linear(x)), atol=1e-5)
        True
    """
    fused = _checked_copy(linear, bn)
    _require(
        linear.out_features == bn.num_features or bn.num_features == 1,
        "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
        f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}",
    )
    statistics = _statistics(bn)
    fused.weight, fused.bias = fuse_linear_bn_weights(linear.weight, linear.bias, *statistics)
    return fused
