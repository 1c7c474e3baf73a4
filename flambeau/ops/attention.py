"""Attention: values averaged with weights that queries and keys give.

The formula is that of Vaswani et al., "Attention Is All You Need" (2017). The kernel works block by
block and keeps no matrix of weights (csrc/kernels/attention.h has the sources); the rules below are
the formula's own gradients, for gradients of gradients and for those of masks. `multihead.py` has
the form with projections.
"""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import DTypeError, RuntimeFailure, ShapeError
from flambeau.core.registry import checked, op
from flambeau.ops._declare import require_tensors
from flambeau.ops.dropout import dropout
from flambeau.ops.masks import where
from flambeau.ops.matmul import matmul
from flambeau.ops.softmax import softmax

_LOWEST = -math.inf

# ---- the formula ----


def _additive(mask, query):
    """What a mask adds to the scores: minus infinity where a bool mask is not set."""
    if mask.dtype == _C.bool:
        zero = _C.full((), 0, query.dtype)
        return where(mask, zero, _C.full((), _LOWEST, query.dtype))
    return mask.to(query.dtype)


def _softmax_of_masked(scores):
    """The softmax over the last axis; rows without a finite score get zeros and no gradient."""
    dead = (scores == _LOWEST).all(-1, keepdim=True)
    zero = _C.full((), 0, scores.dtype)
    return where(dead, zero, softmax(where(dead, zero, scores), -1))


def _weights(query, key, mask, causal, scale):
    """(..., L, S): what each value counts for each query, before dropout."""
    scores = matmul(query * scale, key.mT)
    if causal:
        below = _C.triangle(_C.full(tuple(scores.shape[-2:]), 1, _C.bool), 0, False)
        scores = scores + _additive(below, query)
    if mask is None:
        return softmax(scores, -1)
    return _softmax_of_masked(scores + _additive(mask, query))


def _shared_by(tensor, times):
    """Keys or values (..., H, S, E), each head repeated for the queries that share it."""
    return tensor if times == 1 else tensor.repeat_interleave(times, -3)


def _summed_over(grad, times):
    """The gradient of `tensor` in `_shared_by`, axis 1 being that of heads."""
    return grad if times == 1 else grad.unflatten(1, (-1, times)).sum(2)


# ---- the op ----


def _samples(s):
    q, k, v = s.tensor(2, 2, 3, 4), s.tensor(2, 2, 5, 4), s.tensor(2, 2, 5, 3)
    yield s(q, k, v, None, None, False, 0.5, 1.0)
    yield s(q, k, v, None, None, True, 0.5, 1.0)
    yield s(q, k, v, s.tensor(3, 5), None, False, 0.5, 1.0)
    yield s(q, k, v, s.tensor(2, 1, 1, 5), None, False, 0.5, 1.0)
    yield s(q, k, v, s.mask(1, 2, 3, 1), None, False, 0.5, 1.0)
    yield s(q, k, v, None, s.mask(2, 2, 3, 5), True, 0.5, 2.0)
    yield s(
        s.tensor(1, 4, 3, 2), s.tensor(1, 2, 3, 2), s.tensor(1, 2, 3, 2), None, None, True, 1, 1
    )
    yield s(q, s.tensor(2, 2, 0, 4), s.tensor(2, 2, 0, 3), None, None, False, 0.5, 1.0)
    yield s(s.tensor(2, 2, 0, 4), k, v, None, None, True, 0.5, 1.0)


@op(
    name="_attention",
    backward_name="ScaledDotProductFlashAttentionForCpu",
    # Where torch has no fused form, its last part is a product of matrices.
    overloads={"kept given": "UnsafeViewBackward0", "mask wanted": "UnsafeViewBackward0"},
    public=False,
    out=False,
    outputs=("out", "log_sums"),
    torch="",
    samples=_samples,
)
def _attention(query, key, value, mask, kept, causal, scale, kept_factor):
    """(B, H, L, E), (B, K, S, E), (B, K, S, F), a mask that broadcasts with (B, H, L, S), and which
    weights dropout keeps: (B, H, L, F), and the logarithms of the sums of exponentials."""
    return kernels(query).attention(
        query, key, value, mask, kept, causal, float(scale), float(kept_factor)
    )


def _dropped(weights, kept, factor):
    return weights if kept is None else weights * kept * factor


@_attention.vjp("query", "key", "value")
def _(g, query, key, value, mask, kept, causal, scale, kept_factor):
    times = query.shape[1] // key.shape[1] if key.shape[1] else 1
    keys = _shared_by(key, times)
    weights = _weights(query, keys, mask, causal, scale)
    of_scores = _of_scores(g, value, weights, kept, kept_factor, times) * scale
    of_value = matmul(_dropped(weights, kept, kept_factor).mT, g)
    return (
        matmul(of_scores, keys),
        _summed_over(matmul(of_scores.mT, query), times),
        _summed_over(of_value, times),
    )


def _of_scores(g, value, weights, kept, kept_factor, times):
    """The gradient of scores, through the softmax that made the weights of them."""
    of_weights = _dropped(matmul(g, _shared_by(value, times).mT), kept, kept_factor)
    return weights * (of_weights - (of_weights * weights).sum(-1, True))


@_attention.vjp("mask")
def _(g, query, key, value, mask, kept, causal, scale, kept_factor):
    times = query.shape[1] // key.shape[1] if key.shape[1] else 1
    weights = _weights(query, _shared_by(key, times), mask, causal, scale)
    return _of_scores(g, value, weights, kept, kept_factor, times)


@_attention.fast_vjp("query", "key", "value")
def _(g, query, key, value, out, log_sums, mask, kept, causal, scale, kept_factor):
    return kernels(g).attention_backward(
        g, query, key, value, out, log_sums, mask, kept, causal, float(scale), float(kept_factor)
    )


# ---- the function ----


def _check_inputs(query, key, value, attn_mask, is_causal):
    require_tensors("scaled_dot_product_attention", query=query, key=key, value=value)
    if attn_mask is not None and is_causal:
        raise RuntimeFailure(
            "scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if not query.dtype == key.dtype == value.dtype:
        raise DTypeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype} key.dtype: {key.dtype} and value.dtype: {value.dtype} instead."
        )
    if not query.dtype.is_floating_point:
        raise DTypeError(
            f"scaled_dot_product_attention: expected floating-point tensors, got {query.dtype}"
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(
            "scaled_dot_product_attention: query and key must have rows of one length, key and "
            f"value as many rows: query is {tuple(query.shape)}, key is {tuple(key.shape)}, value "
            f"is {tuple(value.shape)}"
        )


def _check_mask(mask, query):
    require_tensors("scaled_dot_product_attention", attn_mask=mask)
    if mask.dtype not in (_C.bool, _C.float32, query.dtype):
        raise DTypeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {mask.dtype} and  query.dtype: {query.dtype} instead."
        )


def _check_groups(query, *shared):
    """Heads of keys and values divide those of queries."""
    if min(query.ndim, *(t.ndim for t in shared)) < 3:
        raise ShapeError("scaled_dot_product_attention: enable_gqa needs an axis of heads")
    for tensor in shared:
        heads, own = query.shape[-3], tensor.shape[-3]
        if not own or heads % own:
            raise ShapeError(
                "Number of heads in key and value must divide the number of heads in query, got "
                f"{own} and {heads}"
            )


def _has_groups(query, key, value):
    """Whether the kernel can share heads itself: four axes each, and as many keys as values."""
    return (
        query.ndim == key.ndim == value.ndim == 4
        and query.shape[0] == key.shape[0]
        and key.shape[:2] == value.shape[:2]
    )


def _batches(tensor, leading):
    """(..., n, m) as (B, H, n, m), where (..., n, m) broadcasts with (*leading, n, m)."""
    wanted = (*leading, *tensor.shape[-2:])
    if tuple(tensor.shape) != wanted:
        tensor = tensor.expand(wanted)
    if len(leading) > 2:
        return tensor.flatten(0, -4)
    return tensor if len(leading) == 2 else tensor[(None,) * (2 - len(leading))]


def _in_batches(query, key, value, grouped):
    """The operands with four axes each, and the leading axes that the result shall have."""
    if grouped:
        if _has_groups(query, key, value):
            return (query, key, value), tuple(query.shape[:2])
        key, value = (_shared_by(t, query.shape[-3] // t.shape[-3]) for t in (key, value))
    leading = tuple(query.shape[:-2])
    for other in (key, value):
        leading = tuple(_C.broadcast_shapes(leading, other.shape[:-2]))
    return [_batches(t, leading) for t in (query, key, value)], leading


def _mask_of_batches(mask, leading, scores):
    """The mask with four axes that broadcast with (B, H, L, S)."""
    wanted = (*leading, *scores)
    if tuple(_C.broadcast_shapes(wanted, tuple(mask.shape))) != wanted:
        raise ShapeError(
            "scaled_dot_product_attention: the mask must broadcast with the scores: attn_mask is "
            f"{tuple(mask.shape)}, the scores are {wanted}"
        )
    if len(leading) > 2:
        return mask.expand(wanted).flatten(0, -4)
    return mask[(None,) * (4 - mask.ndim)] if mask.ndim < 4 else mask


def _kept_by_dropout(query, key, probability):
    """Which weights dropout keeps, drawn as for a tensor of all of them, and their factor."""
    if not 0 <= probability <= 1:
        raise RuntimeFailure(
            f"dropout probability has to be between 0 and 1, but got {probability}"
        )
    if probability == 0:
        return None, 1.0
    kept = kernels(query).empty((*query.shape[:3], key.shape[2]), _C.bool)
    if probability == 1:
        return kept.zero_(), 1.0
    kernels(kept).bernoulli_(kept, 1 - probability, None)
    return kept, 1 / (1 - probability)


def _is_batch(*tensors):
    """Whether some may be batches of `vmap`, each example of which may draw its own numbers."""
    return any(t is not None and _C.wrapped_of(t) is not None for t in tensors)


@op(public=False, out=False, samples=lambda s: [s(s.tensor(2, 6), (3, 4))])
def _unsafe_view(input, shape):
    """A result of the op's own under other sizes, which nobody knows as a view."""
    return kernels(input).reshape(input, shape)


_unsafe_view.vjp("input")(lambda g, input_shape: g.reshape(input_shape))


@checked
def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
    enable_gqa=False,
):
    """softmax(query keyᵀ scale + mask) value, over the last two axes; the others broadcast.

    Args:
        query: (..., H, L, E), floating.
        key: (..., H, S, E).
        value: (..., H, S, F).
        attn_mask: broadcasts with (..., L, S): a bool mask of what takes part, or numbers that
            are added to the scores. A row in which nothing takes part gives zeros.
        dropout_p: the probability with which a weight is dropped, whatever the mode.
        is_causal: the i-th query sees the keys up to the i-th; not together with a mask.
        scale: of the scores; 1 / sqrt(E) if None.
        enable_gqa: key and value may have fewer heads (axis -3), each shared by several queries.

    Returns:
        (..., H, L, F).

    Raises:
        RuntimeError: if sizes or dtypes do not fit, or both a mask and `is_causal` are given.

    Example:
        >>> q = flambeau.ones(1, 2, 4)
        >>> flambeau.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True).shape
        torch.Size([1, 2, 4])
    """
    _check_inputs(query, key, value, attn_mask, is_causal)
    if attn_mask is not None:
        _check_mask(attn_mask, query)
    if enable_gqa:
        _check_groups(query, key, value)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    (query, key, value), leading = _in_batches(query, key, value, enable_gqa)
    if attn_mask is not None:
        attn_mask = _mask_of_batches(attn_mask, leading, (query.shape[2], key.shape[2]))
    if dropout_p and _is_batch(query, key, value, attn_mask):
        weights = dropout(_weights(query, key, attn_mask, is_causal, scale), dropout_p, True)
        out = matmul(weights, value)
    else:
        kept, factor = _kept_by_dropout(query, key, dropout_p)
        out = _attention(query, key, value, attn_mask, kept, is_causal, scale, factor)[0]
    return out if len(leading) == 2 else _unsafe_view(out, (*leading, *out.shape[2:]))
