"""Functions of neural networks: what the layers compute, with their weights as arguments.

Most names are operations of `flambeau.ops`, under the names they have there. Those written here
take arguments that are no matter of an operation: in-place variants, modes, reductions.
"""

from flambeau.core.errors import AssertedError as _AssertedError
from flambeau.core.notices import warn as _warn
from flambeau.core.registry import checked as _checked
from flambeau.core.tensor import Tensor
from flambeau.ops import dropout as _dropout
from flambeau.ops.attention import scaled_dot_product_attention as scaled_dot_product_attention
from flambeau.ops.bag import by_frequency as _by_frequency
from flambeau.ops.bag import embedding_bag as embedding_bag
from flambeau.ops.bag import one_hot as one_hot
from flambeau.ops.class_loss import cross_entropy as cross_entropy
from flambeau.ops.class_loss import nll_loss as nll_loss
from flambeau.ops.conv import conv1d as conv1d
from flambeau.ops.conv import conv2d as conv2d
from flambeau.ops.conv import conv3d as conv3d
from flambeau.ops.conv import conv_tbc as conv_tbc
from flambeau.ops.conv import conv_transpose1d as conv_transpose1d
from flambeau.ops.conv import conv_transpose2d as conv_transpose2d
from flambeau.ops.conv import conv_transpose3d as conv_transpose3d
from flambeau.ops.creation import empty_like as _empty_like
from flambeau.ops.creation import zeros_like as _zeros_like
from flambeau.ops.ctc import ctc_loss as ctc_loss
from flambeau.ops.distance import pdist as pdist
from flambeau.ops.einsum import bilinear as bilinear
from flambeau.ops.fold import fold as fold
from flambeau.ops.fold import unfold as unfold
from flambeau.ops.gather import embedding as _embedding
from flambeau.ops.grid import affine_grid as affine_grid
from flambeau.ops.grid import grid_sample as grid_sample
from flambeau.ops.grouped import grouped_mm as grouped_mm
from flambeau.ops.hard_activation import hardshrink as hardshrink
from flambeau.ops.hard_activation import hardsigmoid as hardsigmoid
from flambeau.ops.hard_activation import hardswish as hardswish
from flambeau.ops.hard_activation import hardtanh as hardtanh
from flambeau.ops.hard_activation import hardtanh_ as hardtanh_
from flambeau.ops.hard_activation import relu6 as relu6
from flambeau.ops.hard_activation import softshrink as softshrink
from flambeau.ops.hard_activation import threshold as threshold
from flambeau.ops.hard_activation import threshold_ as threshold_
from flambeau.ops.likelihood_loss import gaussian_nll_loss as gaussian_nll_loss
from flambeau.ops.likelihood_loss import kl_div as kl_div
from flambeau.ops.likelihood_loss import poisson_nll_loss as poisson_nll_loss
from flambeau.ops.linear_loss import linear_cross_entropy as linear_cross_entropy
from flambeau.ops.loss import binary_cross_entropy as binary_cross_entropy
from flambeau.ops.loss import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from flambeau.ops.loss import huber_loss as huber_loss
from flambeau.ops.loss import l1_loss as l1_loss
from flambeau.ops.loss import mse_loss as mse_loss
from flambeau.ops.loss import smooth_l1_loss as smooth_l1_loss
from flambeau.ops.margin_loss import cosine_embedding_loss as cosine_embedding_loss
from flambeau.ops.margin_loss import cosine_similarity as cosine_similarity
from flambeau.ops.margin_loss import hinge_embedding_loss as hinge_embedding_loss
from flambeau.ops.margin_loss import margin_ranking_loss as margin_ranking_loss
from flambeau.ops.margin_loss import multi_margin_loss as multi_margin_loss
from flambeau.ops.margin_loss import multilabel_margin_loss as multilabel_margin_loss
from flambeau.ops.margin_loss import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from flambeau.ops.margin_loss import pairwise_distance as pairwise_distance
from flambeau.ops.margin_loss import soft_margin_loss as soft_margin_loss
from flambeau.ops.margin_loss import triplet_margin_loss as triplet_margin_loss
from flambeau.ops.margin_loss import (
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from flambeau.ops.matmul import linear as linear
from flambeau.ops.multihead import multi_head_attention_forward as multi_head_attention_forward
from flambeau.ops.networks import embedding_renorm_ as _renorm
from flambeau.ops.norm import batch_norm as batch_norm
from flambeau.ops.norm import group_norm as group_norm
from flambeau.ops.norm import instance_norm as instance_norm
from flambeau.ops.norm import layer_norm as layer_norm
from flambeau.ops.norm import local_response_norm as local_response_norm
from flambeau.ops.norm import normalize as normalize
from flambeau.ops.norm import rms_norm as rms_norm
from flambeau.ops.pad import pad as pad
from flambeau.ops.pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from flambeau.ops.pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from flambeau.ops.pool import adaptive_avg_pool3d as adaptive_avg_pool3d
from flambeau.ops.pool import adaptive_max_pool1d as adaptive_max_pool1d
from flambeau.ops.pool import adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices
from flambeau.ops.pool import adaptive_max_pool2d as adaptive_max_pool2d
from flambeau.ops.pool import adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices
from flambeau.ops.pool import adaptive_max_pool3d as adaptive_max_pool3d
from flambeau.ops.pool import adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices
from flambeau.ops.pool import avg_pool1d as avg_pool1d
from flambeau.ops.pool import avg_pool2d as avg_pool2d
from flambeau.ops.pool import avg_pool3d as avg_pool3d
from flambeau.ops.pool import fractional_max_pool2d as fractional_max_pool2d
from flambeau.ops.pool import (
    fractional_max_pool2d_with_indices as fractional_max_pool2d_with_indices,
)
from flambeau.ops.pool import fractional_max_pool3d as fractional_max_pool3d
from flambeau.ops.pool import (
    fractional_max_pool3d_with_indices as fractional_max_pool3d_with_indices,
)
from flambeau.ops.pool import lp_pool1d as lp_pool1d
from flambeau.ops.pool import lp_pool2d as lp_pool2d
from flambeau.ops.pool import lp_pool3d as lp_pool3d
from flambeau.ops.pool import max_pool1d as max_pool1d
from flambeau.ops.pool import max_pool1d_with_indices as max_pool1d_with_indices
from flambeau.ops.pool import max_pool2d as max_pool2d
from flambeau.ops.pool import max_pool2d_with_indices as max_pool2d_with_indices
from flambeau.ops.pool import max_pool3d as max_pool3d
from flambeau.ops.pool import max_pool3d_with_indices as max_pool3d_with_indices
from flambeau.ops.pool import max_unpool1d as max_unpool1d
from flambeau.ops.pool import max_unpool2d as max_unpool2d
from flambeau.ops.pool import max_unpool3d as max_unpool3d
from flambeau.ops.rectifiers import celu as celu
from flambeau.ops.rectifiers import celu_ as celu_
from flambeau.ops.rectifiers import elu as elu
from flambeau.ops.rectifiers import elu_ as elu_
from flambeau.ops.rectifiers import leaky_relu as leaky_relu
from flambeau.ops.rectifiers import leaky_relu_ as leaky_relu_
from flambeau.ops.rectifiers import prelu as prelu
from flambeau.ops.rectifiers import relu as relu
from flambeau.ops.rectifiers import relu_ as relu_
from flambeau.ops.rectifiers import rrelu as rrelu
from flambeau.ops.rectifiers import rrelu_ as rrelu_
from flambeau.ops.rectifiers import selu as selu
from flambeau.ops.rectifiers import selu_ as selu_
from flambeau.ops.resample import interpolate as interpolate
from flambeau.ops.resample import upsample as upsample
from flambeau.ops.resample import upsample_bilinear as upsample_bilinear
from flambeau.ops.resample import upsample_nearest as upsample_nearest
from flambeau.ops.shuffle import channel_shuffle as channel_shuffle
from flambeau.ops.shuffle import pixel_shuffle as pixel_shuffle
from flambeau.ops.shuffle import pixel_unshuffle as pixel_unshuffle
from flambeau.ops.smooth_activation import gelu as gelu
from flambeau.ops.smooth_activation import glu as glu
from flambeau.ops.smooth_activation import logsigmoid as logsigmoid
from flambeau.ops.smooth_activation import mish as mish
from flambeau.ops.smooth_activation import silu as silu
from flambeau.ops.smooth_activation import softplus as softplus
from flambeau.ops.smooth_activation import softsign as softsign
from flambeau.ops.smooth_activation import tanhshrink as tanhshrink
from flambeau.ops.softmax import log_softmax as _log_softmax
from flambeau.ops.softmax import softmax as _softmax
from flambeau.ops.unary import sigmoid as sigmoid
from flambeau.ops.unary import tanh as tanh

native_channel_shuffle = channel_shuffle


@_checked
def dropout(input, p=0.5, training=True, inplace=False):
    """Zeroes elements with probability `p` and divides the others by `1 - p`; see `nn.Dropout`.

    Args:
        input: any shape, floating.
        p: the probability.
        training: whether anything is done at all.
        inplace: write the result into the input.

    Returns:
        A tensor of the input's shape.

    Raises:
        ValueError: if `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> sorted(set(torch.nn.functional.dropout(torch.ones(100), 0.75).tolist()))
        [0.0, 4.0]
        >>> torch.nn.functional.dropout(torch.ones(2), 0.75, training=False)
        tensor([1., 1.])
    """
    _check_probability(p)
    return (
        _dropout.dropout_(input, p, training) if inplace else _dropout.dropout(input, p, training)
    )


@_checked
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zeroes channels of signals with probability `p`; see `nn.Dropout1d`.

    Args:
        input: (N, C, L) or (C, L), floating.
        p: the probability.
        training: whether anything is done at all.
        inplace: write the result into the input.

    Returns:
        A tensor of the input's shape.

    Raises:
        ValueError: if `p` is not between 0 and 1.
        RuntimeError: if the input has another number of axes.

    Example:
        >>> import flambeau as torch
        >>> dropped = torch.nn.functional.dropout1d(torch.ones(3, 10))
        >>> bool((dropped == dropped[:, :1]).all())  # a channel as a whole
        True
    """
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
            "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    if input.dim() == 2:
        return _drop_channels(input.unsqueeze(0), p, training, inplace).squeeze(0)
    return _drop_channels(input, p, training, inplace)


def _warn_of_sizes(name, input, spatial):
    """Warn of an input that has neither channels nor a batch of them."""
    if input.dim() not in (spatial + 1, spatial + 2):
        _warn(
            f"{name}: Received a {input.dim()}-D input to {name}, which is deprecated and will "
            "result in an error in a future release. To retain the behavior and silence this "
            "warning, please use dropout instead. Note that "
            f"{name} exists to provide channel-wise dropout on inputs with {spatial} spatial "
            "dimensions, a channel dimension, and an optional batch dimension (i.e. "
            f"{spatial + 1}D or {spatial + 2}D inputs).",
        )


@_checked
def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zeroes channels of images with probability `p`; see `nn.Dropout2d`.

    Args:
        input: (N, C, H, W), floating; (N, C, L) and other shapes warn.
        p: the probability.
        training: whether anything is done at all.
        inplace: write the result into the input.

    Returns:
        A tensor of the input's shape.

    Raises:
        ValueError: if `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> dropped = torch.nn.functional.dropout2d(torch.ones(2, 3, 4, 4))
        >>> bool((dropped == dropped[..., :1, :1]).all())  # a channel as a whole
        True
    """
    _check_probability(p)
    _warn_of_sizes("dropout2d", input, 2)
    if input.dim() == 3:
        _warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D "
            "dropout behavior is desired - input is interpreted as shape (N, C, L), where C is "
            "the channel dim. This behavior will change in a future release to interpret the "
            "input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
            "channel-wise dropout behavior, please switch to using dropout1d instead.",
        )
    return _drop_channels(input, p, training, inplace)


@_checked
def dropout3d(input, p=0.5, training=True, inplace=False):
    """Zeroes channels of volumes with probability `p`; see `nn.Dropout3d`.

    Args:
        input: (N, C, D, H, W) or (C, D, H, W), floating; other shapes warn.
        p: the probability.
        training: whether anything is done at all.
        inplace: write the result into the input.

    Returns:
        A tensor of the input's shape.

    Raises:
        ValueError: if `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> dropped = torch.nn.functional.dropout3d(torch.ones(3, 2, 2, 2))
        >>> bool((dropped == dropped[:, :1, :1, :1]).all())  # a channel as a whole
        True
    """
    _check_probability(p)
    _warn_of_sizes("dropout3d", input, 3)
    if input.dim() != 5:
        return _drop_channels(input.unsqueeze(0), p, training, inplace).squeeze(0)
    return _drop_channels(input, p, training, inplace)


@_checked
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Sets elements to the negative limit of SELU with probability `p`; see `nn.AlphaDropout`.

    All are scaled and shifted afterwards so that mean 0 and variance 1 stay.

    Args:
        input: any shape, floating.
        p: the probability.
        training: whether anything is done at all.
        inplace: write the result into the input.

    Returns:
        A tensor of the input's shape.

    Raises:
        ValueError: if `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> noise = torch.randn(100000, generator=torch.Generator().manual_seed(0))
        >>> dropped = torch.nn.functional.alpha_dropout(noise, 0.5, training=True)
        >>> abs(float(dropped.mean())) < 0.1, abs(float(dropped.std()) - 1) < 0.1
        (True, True)
    """
    _check_probability(p)
    drop = _dropout.alpha_dropout_ if inplace else _dropout.alpha_dropout
    return drop(input, p, training)


@_checked
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels; see `nn.FeatureAlphaDropout`.

    Args:
        input: (N, C, ...), floating.
        p: the probability.
        training: whether anything is done at all.
        inplace: write the result into the input.

    Returns:
        A tensor of the input's shape.

    Raises:
        ValueError: if `p` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> x = torch.ones(2, 3, 4)
        >>> dropped = torch.nn.functional.feature_alpha_dropout(x, 0.5, training=True)
        >>> bool((dropped == dropped[..., :1]).all())  # a channel as a whole
        True
    """
    _check_probability(p)
    drop = _dropout.feature_alpha_dropout_ if inplace else _dropout.feature_alpha_dropout
    return drop(input, p, training)


def _check_probability(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _drop_channels(input, p, training, inplace):
    if inplace:
        return _dropout.feature_dropout_(input, p, training)
    return _dropout.feature_dropout(input, p, training)


@_checked
def embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    """The rows of `weight` with the indices `input`; see `nn.Embedding`.

    Args:
        input: integers, any shape.
        weight: (rows, features).
        padding_idx: a row that gets no gradient; negative ones count from the end.
        max_norm: rows that are used and have a larger norm are scaled down to it, in place.
        norm_type: the power of that norm.
        scale_grad_by_freq: divide the gradient of a row by how often it is used.
        sparse: accepted; gradients are dense.

    Returns:
        (*input, features).

    Raises:
        IndexError: if there is no such row.
        ValueError: if `padding_idx` is no row.

    Example:
        >>> import flambeau as torch
        >>> weight = torch.tensor([[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]])
        >>> torch.nn.functional.embedding(torch.tensor([2, 0]), weight)
        tensor([[2.0000, 2.5000],
                [0.0000, 0.5000]])
    """
    if padding_idx is not None:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise _AssertedError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        if not isinstance(weight, Tensor):
            raise TypeError(
                f"embedding(): argument 'weight' must be Tensor, not {type(weight).__name__}"
            )
        _renorm(weight.detach(), input, max_norm, norm_type)
    rows = _embedding(input, weight, padding_idx)
    return _by_frequency(rows, input) if scale_grad_by_freq else rows


@_checked
def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Scores along `dim` as probabilities: `exp(x)` over its sum; see `nn.Softmax`.

    Args:
        input: any shape, floating unless `dtype` is given.
        dim: the axis; left out, it is guessed with a warning.
        dtype: what to convert the input to first.

    Returns:
        A tensor of the input's shape, whose sums along `dim` are one.

    Raises:
        IndexError: if the axis is not there.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.softmax(torch.tensor([1.0, 3.0]).log(), dim=0)
        tensor([0.2500, 0.7500])
    """
    return _softmax(input, _chosen_dim("softmax", input, dim), dtype)


@_checked
def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Logarithms of the probabilities along `dim`; see `nn.LogSoftmax`.

    Args:
        input: any shape, floating unless `dtype` is given.
        dim: the axis; left out, it is guessed with a warning.
        dtype: what to convert the input to first.

    Returns:
        A tensor of the input's shape.

    Raises:
        IndexError: if the axis is not there.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.log_softmax(torch.tensor([0.0, 1000.0]), dim=0)
        tensor([-1000.,     0.])
    """
    return _log_softmax(input, _chosen_dim("log_softmax", input, dim), dtype)


@_checked
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """`softmax(-input)`: the smallest score gets the largest probability; see `nn.Softmin`.

    Args:
        input: any shape, floating unless `dtype` is given.
        dim: the axis; left out, it is guessed with a warning.
        dtype: what to convert the input to first.

    Returns:
        A tensor of the input's shape, whose sums along `dim` are one.

    Raises:
        IndexError: if the axis is not there.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.functional.softmin(torch.tensor([1.0, 3.0]).log(), dim=0)
        tensor([0.7500, 0.2500])
    """
    return _softmax(-input, _chosen_dim("softmin", input, dim), dtype)


@_checked
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """A draw from the relaxed categorical distribution (Jang et al., 2017).

    Args:
        logits: unnormalised log-probabilities.
        tau: the temperature.
        hard: return one-hot vectors, with the gradient of the relaxed draw.
        eps: not used.
        dim: the axis of the classes.

    Returns:
        A tensor of the size of `logits`, whose vectors sum to one.

    Example:
        >>> import flambeau
        >>> flambeau.nn.functional.gumbel_softmax(flambeau.zeros(2, 3), hard=True).sum(1)
        tensor([1., 1.])
    """
    if eps != 1e-10:
        _warn("`eps` parameter is deprecated and has no effect.")
    noise = -_empty_like(logits).exponential_().log()
    soft = _softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    chosen = _zeros_like(logits).scatter_(dim, index, 1.0)
    return chosen - soft.detach() + soft


def _chosen_dim(name, input, dim):
    if dim is not None:
        return dim
    _warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
    )
    return 0 if input.dim() in (0, 1, 3) else 1
