"""Look-ups in tables of vectors beyond a single row: bags of rows, frequencies, one-hot vectors."""

from __future__ import annotations

import math

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import (
    ArgumentValueError,
    DTypeError,
    RuntimeFailure,
    UnsupportedError,
)
from flambeau.core.registry import checked, op
from flambeau.core.tensor import Tensor
from flambeau.ops.gather import embedding
from flambeau.ops.join import cat
from flambeau.ops.masks import where
from flambeau.ops.networks import embedding_renorm_
from flambeau.ops.values import tensor

# ---- gradients by frequency ----


@op(
    name="_by_frequency",
    public=False,
    out=False,
    torch="",
    gradcheck=False,  # the value does not depend on the second argument, the gradient does
    samples=lambda s: [s(s.tensor(2, 3), s.tensor(2, 1))],
)
def _by_frequency(rows, share):
    return kernels(rows).alias(rows)


_by_frequency.vjp("rows")(lambda g, share: g * share)


def by_frequency(rows, index):
    """Looked-up rows whose gradients are divided by how often their index occurs.

    Args:
        rows: (*index.shape, length), the rows.
        index: their indices.
    """
    flat = index.reshape(-1)
    share = 1 / flat.bincount()[flat].to(rows.dtype)
    return _by_frequency(rows, share.reshape(*index.shape, 1))


# ---- bags ----


def _check_bag(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq, sparse):
    for name, value in (("input", input), ("weight", weight)):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"embedding_bag(): argument '{name}' must be Tensor, not {type(value).__name__}"
            )
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ArgumentValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then "
            f"it must have the same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ArgumentValueError(
            f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}"
        )
    if input.ndim == 2:
        if offsets is not None:
            kind = "<unknown>" if not isinstance(offsets, Tensor) else offsets.dtype
            raise ArgumentValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                f"of fixed length sequences. However, found offsets of type {kind}"
            )
    elif input.ndim == 1:
        if not isinstance(offsets, Tensor):
            raise ArgumentValueError(f"offsets has to be a 1D Tensor but got {offsets}")
        if offsets.ndim != 1:
            raise ArgumentValueError("offsets has to be a 1D Tensor")
    else:
        raise ArgumentValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    for name, value in (("input", input), ("offsets", offsets)):
        if value is not None and value.dtype not in (_C.int32, _C.int64):
            raise DTypeError(f"embedding_bag: {name} must be int32 or int64, got {value.dtype}")
    if mode not in ("sum", "mean", "max"):
        raise ArgumentValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ArgumentValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ArgumentValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise UnsupportedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        )


def _spans(offsets, count, include_last_offset):
    """Where each bag starts and ends among the indices."""
    starts = offsets.tolist()
    if include_last_offset and not starts:
        raise RuntimeFailure("include_last_offset: number of offset should be at least 1")
    if starts and starts[0] != 0:
        raise RuntimeFailure(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts[0]}"
        )
    ends = starts[1:] if include_last_offset else [*starts[1:], count]
    spans = list(zip(starts, ends, strict=False))
    if any(not 0 <= a <= b <= count for a, b in spans):
        raise RuntimeFailure(
            f"embedding_bag: offsets must ascend from 0 to at most {count}, got {starts}"
        )
    return spans


def _greatest(rows, spans, kept):
    """The greatest elements of each bag of rows; zeros for a bag of none."""
    longest = max((b - a for a, b in spans), default=0)
    # Places beyond the rows stand for "no row".
    places = tensor([[*range(a, b), *[len(rows)] * (longest - b + a)] for a, b in spans])
    lowest = _C.full((), -math.inf, rows.dtype)
    rows = where(kept.unsqueeze(1), rows, lowest)
    rows = cat([rows, rows.new_full((1, rows.shape[1]), -math.inf)])
    filled = rows[places.reshape(-1)].reshape(len(spans), longest, -1)
    found = filled.max(1).values
    return where(found == -math.inf, _C.full((), 0, rows.dtype), found)


def _summed(rows, spans, kept, weights, mean):
    """The sum or mean of each bag of rows."""
    bags = tensor([bag for bag, (a, b) in enumerate(spans) for _ in range(a, b)], dtype=_C.int64)
    factors = kept.to(rows.dtype)
    if weights is not None:
        factors = factors * weights
    out = rows.new_zeros((len(spans), rows.shape[1]))
    out = out.index_add(0, bags, rows * factors.unsqueeze(1))
    if not mean:
        return out
    counts = out.new_zeros((len(spans),)).index_add(0, bags, factors)
    return out / counts.clamp(min=1).unsqueeze(1)


@checked
def embedding_bag(
    input,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2,
    scale_grad_by_freq=False,
    mode="mean",
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """The sum, mean or maximum of bags of rows of a table; see `nn.EmbeddingBag`.

    Args:
        input: indices, (B, N) for bags of one length, or (N) with `offsets`.
        weight: the table, (V, D).
        offsets: where each bag starts in `input`.
        max_norm: rows longer than this are shortened to it, in place.
        norm_type: the p of that length.
        scale_grad_by_freq: divide gradients by how often an index occurs.
        mode: "sum", "mean" or "max".
        sparse: accepted; gradients are dense.
        per_sample_weights: factors of the rows, of the input's size, for "sum".
        include_last_offset: the last offset is where the last bag ends.
        padding_idx: an index that does not count.

    Returns:
        (B, D).

    Raises:
        ValueError: if the sizes or the mode do not fit.
        RuntimeError: if indices or offsets are out of range.

    Example:
        >>> table = flambeau.tensor([[1., 2.], [3., 4.]])
        >>> flambeau.nn.functional.embedding_bag(flambeau.tensor([[0, 1]]), table)
        tensor([[2., 3.]])
    """
    if weight.dtype == _C.int64 and input.is_floating_point():
        import warnings

        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage "
            "`embedding_bag(weight, input, ...)` is deprecated, and should now be "
            "`embedding_bag(input, weight, ...)`.",
            stacklevel=3,
        )
        input, weight = weight, input
    _check_bag(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq, sparse)
    count, size = input.numel(), weight.shape[0]
    if input.ndim == 2:
        each = input.shape[1]
        spans = [(row * each, (row + 1) * each) for row in range(input.shape[0])]
    else:
        spans = _spans(offsets, count, include_last_offset)
    if padding_idx is not None:
        if not -size <= padding_idx < size:
            raise ArgumentValueError("padding_idx must be within the number of embeddings")
        padding_idx %= size
    index = input.reshape(-1).long()[: spans[-1][1] if spans else 0]
    if index.numel() and not (int(index.min()) >= 0 and int(index.max()) < size):
        raise RuntimeFailure(f"embedding_bag: an index is not in the valid range [0, {size})")
    if max_norm is not None:
        embedding_renorm_(weight.detach(), index, max_norm, norm_type)
    rows = embedding(index, weight, None)
    if scale_grad_by_freq:
        rows = by_frequency(rows, index)
    kept = index != (-1 if padding_idx is None else padding_idx)
    if not spans or not index.numel():
        return rows.sum(0) * rows.new_zeros((len(spans), weight.shape[1]))
    if mode == "max":
        return _greatest(rows, spans, kept)
    factors = None if per_sample_weights is None else per_sample_weights.reshape(-1)[: len(rows)]
    return _summed(rows, spans, kept, factors, mode == "mean")


def bags_of(weight, indices, offsets, greatest, include_last_offset, padding_idx):
    """The bag of each index, the size of each bag, and which index gave each maximum (or 0)."""
    spans = _spans(offsets, indices.numel(), include_last_offset)
    bags = tensor([bag for bag, (a, b) in enumerate(spans) for _ in range(a, b)], dtype=_C.int64)
    index = indices[: bags.numel()].long()
    kept = index != (-1 if padding_idx is None else padding_idx % weight.shape[0])
    sizes = bags[kept].bincount(minlength=len(spans))
    # The first row of each bag that has the maximum.
    found = (weight[index] == greatest[bags]) & kept.unsqueeze(1)
    count = index.numel()
    rows = where(found, tensor(range(count), dtype=_C.int64).unsqueeze(1), count)
    first = rows.new_full(greatest.shape, count)
    first = first.scatter_reduce(0, bags.unsqueeze(1).expand(rows.shape), rows, "amin")
    places = cat([index, index.new_zeros((1,))])[first]
    return tuple(t.to(indices.dtype) for t in (bags, sizes, places))


# ---- one-hot vectors ----


@checked
def one_hot(tensor, num_classes=-1):
    """Vectors of zeros with a one at each index.

    Args:
        tensor: indices, int64.
        num_classes: the length of the vectors; one more than the greatest index if -1.

    Returns:
        (*tensor.shape, num_classes), int64.

    Raises:
        RuntimeError: if the indices are no int64, negative, or too great.

    Example:
        >>> flambeau.nn.functional.one_hot(flambeau.tensor([0, 2]))
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    if tensor.dtype != _C.int64:
        raise DTypeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not tensor.numel():
        if num_classes <= 0:
            raise RuntimeFailure("Can not infer total number of classes from empty tensor.")
        return _C.full((*tensor.shape, num_classes), 0, _C.int64)
    if int(tensor.min()) < 0:
        raise RuntimeFailure("Class values must be non-negative.")
    greatest = int(tensor.max())
    if num_classes == -1:
        num_classes = greatest + 1
    elif num_classes < 1:
        raise RuntimeFailure("num_classes should be positive")
    elif greatest >= num_classes:
        raise RuntimeFailure("Class values must be smaller than num_classes.")
    out = _C.full((*tensor.shape, num_classes), 0, _C.int64)
    return out.scatter_(-1, tensor.unsqueeze(-1), 1)
