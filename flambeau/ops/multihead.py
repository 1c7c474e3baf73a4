"""Attention by several heads, with the projections before and after.

What the arguments mean is described at `nn.MultiheadAttention`.
"""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.core.errors import RuntimeFailure, ShapeError, require
from flambeau.core.notices import warn
from flambeau.core.registry import checked
from flambeau.ops.attention import scaled_dot_product_attention
from flambeau.ops.dropout import dropout
from flambeau.ops.join import cat
from flambeau.ops.masks import where
from flambeau.ops.matmul import linear, matmul
from flambeau.ops.pad import pad
from flambeau.ops.softmax import softmax


class AttentionError(AssertionError, ShapeError):
    """An argument breaks a rule of the many-headed form, which PyTorch states as an assertion."""


def _require(condition, message):
    if not condition:
        raise AttentionError(message)


def _check_heads(query, key, value, key_padding_mask, attn_mask, num_heads):
    _require(
        query.ndim in (2, 3),
        "query should be unbatched 2D or batched 3D tensor but received "
        f"{query.ndim}-D query tensor",
    )
    batched = query.ndim == 3
    kind = "batched (3-D)" if batched else "unbatched (2-D)"
    _require(
        key.ndim == value.ndim == query.ndim,
        f"For {kind} `query`, expected `key` and `value` to be {query.ndim}-D but found "
        f"{key.ndim}-D and {value.ndim}-D tensors respectively",
    )
    if key_padding_mask is not None:
        _require(
            key_padding_mask.ndim == query.ndim - 1,
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or "
            f"{query.ndim - 1}-D but found {key_padding_mask.ndim}-D tensor instead",
        )
    if attn_mask is not None:
        _require(
            attn_mask.ndim in (2, 3),
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found "
            f"{attn_mask.ndim}-D tensor instead",
        )
        if not batched and attn_mask.ndim == 3:
            expected = (num_heads, query.shape[0], key.shape[0])
            _require(
                tuple(attn_mask.shape) == expected,
                f"Expected `attn_mask` shape to be {expected} but got {tuple(attn_mask.shape)}",
            )
    return batched


def canonical_mask(mask, name, other, other_name, dtype, check_other=True):
    """A mask as numbers to add: minus infinity where a bool mask is set. (In the masks of the
    many-headed form, True leaves a key out.)"""
    if mask is None:
        return None
    _require(
        mask.dtype == _C.bool or mask.dtype.is_floating_point,
        f"only bool and floating types of {name} are supported",
    )
    if check_other and other is not None and mask.dtype != other.dtype:
        warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for "
            "both instead.",
        )
    if mask.dtype != _C.bool:
        return mask
    return where(mask, _C.full((), -math.inf, dtype), _C.full((), 0, dtype))


def _projected(query, key, value, packed, separate, bias):
    """Queries, keys and values; `packed` holds the three matrices one below the other."""
    biases = bias.chunk(3) if bias is not None else (None, None, None)
    if separate is not None:
        return tuple(
            linear(x, w, b) for x, w, b in zip((query, key, value), separate, biases, strict=True)
        )
    if query is key is value:
        return linear(query, packed, bias).chunk(3, -1)
    rows = packed.shape[0] // 3
    if key is value:
        own_bias, other_bias = (None, None) if bias is None else bias.split([rows, 2 * rows])
        own, other = packed.split([rows, 2 * rows])
        return linear(query, own, own_bias), *linear(key, other, other_bias).chunk(2, -1)
    return tuple(
        linear(x, w, b)
        for x, w, b in zip((query, key, value), packed.chunk(3), biases, strict=True)
    )


def _sized_mask(mask, shape, batch, num_heads):
    """The mask of all heads, (1 or batch, 1 or heads, L, S)."""
    if mask.ndim == 2:
        if tuple(mask.shape) != shape:
            raise ShapeError(
                f"The shape of the 2D attn_mask is {mask.shape}, but should be {shape}."
            )
        return mask[None, None]
    expected = (batch * num_heads, *shape)
    if tuple(mask.shape) != expected:
        raise ShapeError(
            f"The shape of the 3D attn_mask is {mask.shape}, but should be {expected}."
        )
    return mask.reshape(batch, num_heads, *shape)


def _sized_padding(padding, batch, keys):
    """What keys are left out, (batch, 1, 1, S)."""
    for at, expected in enumerate((batch, keys)):
        _require(
            padding.shape[at] == expected,
            f"Expected key_padded_mask.shape[{at}] to be {expected}, but got {padding.shape[at]}",
        )
    return padding[:, None, None]


def _given_heads(tensor, name, batch, num_heads, head_dim):
    """Keys or values that were given instead of projected, as (batch, heads, S, head)."""
    _require(
        tensor.shape[0] == batch * num_heads,
        f"expecting {name}.size(0) of {batch * num_heads}, but got {tensor.shape[0]}",
    )
    _require(
        tensor.shape[2] == head_dim,
        f"expecting {name}.size(2) of {head_dim}, but got {tensor.shape[2]}",
    )
    return tensor.reshape(batch, num_heads, -1, head_dim)


def _heads(tensor, num_heads):
    """(length, batch, embedding) as (batch, heads, length, head)."""
    return tensor.unflatten(2, (num_heads, -1)).permute(1, 2, 0, 3)


def _one_more_key(masks):
    """The masks, of which each gets a key that takes part."""
    return [None if mask is None else pad(mask, (0, 1)) for mask in masks]


def _with_learned_key(k, v, bias_k, bias_v, static_k, static_v):
    """Keys and values (S, batch, embedding) with one more that is the same for all."""
    _require(static_k is None, "bias cannot be added to static key.")
    _require(static_v is None, "bias cannot be added to static value.")
    return tuple(cat([t, bias.expand(1, *t.shape[1:])]) for t, bias in ((k, bias_k), (v, bias_v)))


def _with_zero_key(k, v):
    """Keys and values (batch, heads, S, head) with one more of zeros."""
    return tuple(cat([t, t.new_zeros((*t.shape[:2], 1, t.shape[3]))], 2) for t in (k, v))


def _attend(q, k, v, mask, dropout_p, causal, need_weights):
    """The averages of the values, and the weights if they are wanted."""
    if not need_weights:
        return scaled_dot_product_attention(q, k, v, mask, dropout_p, causal), None
    scores = matmul(q * math.sqrt(1.0 / q.shape[-1]), k.mT)
    weights = softmax(scores if mask is None else scores + mask, -1)
    if dropout_p > 0.0:
        weights = dropout(weights, dropout_p, True)
    return matmul(weights, v), weights


def _with_batch(query, key, value, padding):
    """A single sequence as a batch of one; what is one tensor stays one."""
    same_key, same_value = key is query, value is key
    query = query.unsqueeze(1)
    key = query if same_key else key.unsqueeze(1)
    value = key if same_value else value.unsqueeze(1)
    return query, key, value, None if padding is None else padding.unsqueeze(0)


def _masks(padding, mask, dtype, is_causal, need_weights):
    """Both masks as numbers, and whether the kernel's own causal mask takes the second's place."""
    padding = canonical_mask(padding, "key_padding_mask", mask, "attn_mask", dtype)
    if is_causal and mask is None:
        raise RuntimeFailure(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    causal = is_causal and padding is None and not need_weights
    if causal:
        return padding, None, True
    return padding, canonical_mask(mask, "attn_mask", None, "", dtype, False), False


def _check_projections(key, value, packed, separate):
    """Keys and values fit each other, and the matrices are there."""
    if separate is None:
        _require(
            key.shape == value.shape,
            f"key shape {key.shape} does not match value shape {value.shape}",
        )
        _require(packed is not None, "use_separate_proj_weight is False but in_proj_weight is None")
        return
    _require(
        key.shape[:2] == value.shape[:2],
        f"key's sequence and batch dims {key.shape[:2]} do not match value's {value.shape[:2]}",
    )
    for name, weight in zip("qkv", separate, strict=True):
        _require(
            weight is not None,
            f"use_separate_proj_weight is True but {name}_proj_weight is None",
        )


@checked
def multi_head_attention_forward(
    query,
    key,
    value,
    embed_dim_to_check,
    num_heads,
    in_proj_weight,
    in_proj_bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_proj_weight,
    out_proj_bias,
    training=True,
    key_padding_mask=None,
    need_weights=True,
    attn_mask=None,
    use_separate_proj_weight=False,
    q_proj_weight=None,
    k_proj_weight=None,
    v_proj_weight=None,
    static_k=None,
    static_v=None,
    average_attn_weights=True,
    is_causal=False,
):
    """What `nn.MultiheadAttention` computes, with its weights as arguments.

    Args:
        query: (L, N, E) or (L, E).
        key: (S, N, Ek) or (S, Ek).
        value: (S, N, Ev) or (S, Ev).
        embed_dim_to_check: E.
        num_heads: how many heads E is divided into.
        in_proj_weight: the projections of query, key and value, one below the other.
        in_proj_bias: theirs.
        bias_k: a key that is added to all, or None.
        bias_v: its value.
        add_zero_attn: add a key and a value of zeros.
        dropout_p: the probability of dropping a weight, when training.
        out_proj_weight: the projection of the result.
        out_proj_bias: its bias.
        training: whether weights are dropped.
        key_padding_mask: (N, S), the keys that are left out (or numbers to add to their scores).
        need_weights: return the weights too.
        attn_mask: (L, S) or (N * heads, L, S), which keys a query leaves out, or numbers to add.
        use_separate_proj_weight: take the three projections from the next three arguments.
        q_proj_weight, k_proj_weight, v_proj_weight: (E, E), (E, Ek) and (E, Ev).
        static_k: (N * heads, S, head), keys instead of projected ones.
        static_v: values likewise.
        average_attn_weights: the mean of the weights over the heads.
        is_causal: `attn_mask` is the causal one.

    Returns:
        (L, N, E), and the weights (N, L, S) or None.

    Raises:
        AssertionError: if sizes do not fit.
        RuntimeError: if the mask's size does not fit, or is missing with `is_causal`.

    Example:
        >>> x, one = flambeau.tensor([[2.], [4.]]), flambeau.ones(1, 1)
        >>> out, weights = flambeau.nn.functional.multi_head_attention_forward(
        ...     x, x, x, 1, 1, flambeau.zeros(3, 1), flambeau.tensor([0., 0., 5.]),
        ...     None, None, False, 0., one, None
        ... )
        >>> out.flatten(), weights  # every value is the bias 5, every key gets half of the weight
        (tensor([5., 5.]), tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]]))
    """
    batched = _check_heads(query, key, value, key_padding_mask, attn_mask, num_heads)
    padding = key_padding_mask
    if not batched:
        query, key, value, padding = _with_batch(query, key, value, padding)
    length, batch, embed = query.shape
    padding, mask, causal = _masks(padding, attn_mask, query.dtype, is_causal, need_weights)
    _require(
        embed == embed_dim_to_check,
        f"was expecting embedding dimension of {embed_dim_to_check}, but got {embed}",
    )
    _require(embed % num_heads == 0, f"embed_dim {embed} not divisible by num_heads {num_heads}")
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    _check_projections(key, value, in_proj_weight, separate)
    require(
        key.shape[1] == batch or static_k is not None,
        "multi_head_attention_forward: query and key must have as many sequences in the batch",
        query=query,
        key=key,
    )
    q, k, v = _projected(query, key, value, in_proj_weight, separate, in_proj_bias)
    if mask is not None:
        mask = _sized_mask(mask, (length, key.shape[0]), batch, num_heads)
    if bias_k is not None and bias_v is not None:
        k, v = _with_learned_key(k, v, bias_k, bias_v, static_k, static_v)
        mask, padding = _one_more_key((mask, padding))
    q = _heads(q, num_heads)
    k, v = (
        _heads(projected, num_heads)
        if given is None
        else _given_heads(given, name, batch, num_heads, embed // num_heads)
        for projected, given, name in ((k, static_k, "static_k"), (v, static_v, "static_v"))
    )
    if add_zero_attn:
        k, v = _with_zero_key(k, v)
        mask, padding = _one_more_key((mask, padding))
    if padding is not None:
        padding = _sized_padding(padding, batch, k.shape[2])
        mask = padding if mask is None else mask + padding
    out, weights = _attend(q, k, v, mask, dropout_p if training else 0.0, causal, need_weights)
    out = linear(out.permute(2, 0, 1, 3).flatten(2), out_proj_weight, out_proj_bias)
    if weights is not None and average_attn_weights:
        weights = weights.mean(1)
    if batched:
        return out, weights
    return out.squeeze(1), None if weights is None else weights.squeeze(0)
