"""Functions of neural networks: what the layers compute, with their weights as arguments.

Most names are operations of `flambeau.ops`, under the names they have there. Those written here
take arguments that are no matter of an operation: in-place variants, modes, reductions.
"""

from flambeau.core.grad_mode import no_grad
from flambeau.ops import random as _random
from flambeau.ops.conv import conv1d as conv1d
from flambeau.ops.conv import conv2d as conv2d
from flambeau.ops.conv import conv_transpose2d as conv_transpose2d
from flambeau.ops.elementwise import relu as _relu
from flambeau.ops.index import embedding as _embedding
from flambeau.ops.matmul import linear as linear
from flambeau.ops.norm import batch_norm as batch_norm
from flambeau.ops.norm import group_norm as group_norm
from flambeau.ops.norm import instance_norm as instance_norm
from flambeau.ops.norm import layer_norm as layer_norm
from flambeau.ops.norm import rms_norm as rms_norm
from flambeau.ops.pad import pad as pad
from flambeau.ops.pool import adaptive_avg_pool1d as adaptive_avg_pool1d
from flambeau.ops.pool import adaptive_avg_pool2d as adaptive_avg_pool2d
from flambeau.ops.pool import adaptive_max_pool1d as adaptive_max_pool1d
from flambeau.ops.pool import adaptive_max_pool2d as adaptive_max_pool2d
from flambeau.ops.pool import avg_pool1d as avg_pool1d
from flambeau.ops.pool import avg_pool2d as avg_pool2d
from flambeau.ops.pool import max_pool1d as max_pool1d
from flambeau.ops.pool import max_pool2d as max_pool2d
from flambeau.ops.random import alpha_dropout as alpha_dropout
from flambeau.ops.softmax import log_softmax as _log_softmax
from flambeau.ops.softmax import softmax as _softmax


def relu(input, inplace=False):
    """`max(0, x)`; see `nn.ReLU`."""
    return input.relu_() if inplace else _relu(input)


def dropout(input, p=0.5, training=True, inplace=False):
    """Zeroes elements with probability `p`; see `nn.Dropout`."""
    _check_probability(p)
    return _random.dropout_(input, p, training) if inplace else _random.dropout(input, p, training)


def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zeroes channels of `(C, L)` or `(N, C, L)` with probability `p`; see `nn.Dropout1d`."""
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input."
        )
    return _drop_channels(input, p, training, inplace, batched=input.dim() == 3)


def dropout2d(input, p=0.5, training=True, inplace=False):
    """Zeroes channels of `(N, C, H, W)` with probability `p`; see `nn.Dropout2d`."""
    _check_probability(p)
    return _drop_channels(input, p, training, inplace, batched=True)


def _check_probability(p):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _drop_channels(input, p, training, inplace, batched):
    drop = _random.feature_dropout_ if inplace else _random.feature_dropout
    if batched:
        return drop(input, p, training)
    return drop(input.unsqueeze(0), p, training).squeeze(0)


def embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    """The rows of `weight` with the indices `input`; see `nn.Embedding`."""
    if padding_idx is not None:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise ValueError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        _shorten_rows(weight, input, max_norm, norm_type)
    return _embedding(input, weight, padding_idx)


def _shorten_rows(weight, index, max_norm, norm_type):
    """Scale the rows that are looked up, in place, where they are longer than `max_norm`."""
    with no_grad():
        rows = index.reshape(-1).unique()
        chosen = weight[rows]
        norms = chosen.norm(norm_type, dim=1, keepdim=True)
        factors = (max_norm / (norms + 1e-7)).clamp(max=1.0)
        weight[rows] = chosen * factors


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Scores along `dim` as probabilities; see `nn.Softmax`."""
    return _softmax(input, _chosen_dim("softmax", input, dim, _stacklevel), dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """Logarithms of the probabilities along `dim`; see `nn.LogSoftmax`."""
    return _log_softmax(input, _chosen_dim("log_softmax", input, dim, _stacklevel), dtype)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """`softmax(-input)`: the smallest score gets the largest probability; see `nn.Softmin`."""
    return _softmax(-input, _chosen_dim("softmin", input, dim, _stacklevel), dtype)


def _chosen_dim(name, input, dim, stacklevel):
    if dim is not None:
        return dim
    import warnings

    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. "
        "Change the call to include dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if input.dim() in (0, 1, 3) else 1
