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
from flambeau.core.notices import warn
from flambeau.core.registry import checked, op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import require_tensors
from flambeau.ops.join import cat
from flambeau.ops.masks import where
from flambeau.ops.networks import embedding_renorm_
from flambeau.ops.values import tensor

# ---- gradients by frequency ----


@op(
    name="_by_frequency",
    backward_name="Embedding",
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


def _bag_samples(s):
    index, offsets = s.indices(6, high=5), tensor([0, 2, 2])
    for mode in ("sum", "mean", "max"):
        yield s(s.distinct(5, 4), index, offsets, None, mode)
        yield s(s.distinct(5, 4), index, offsets, None, mode, False, 1)
        yield s(s.distinct(5, 4), index, tensor([0, 2, 5]), None, mode, True)
    yield s(s.tensor(5, 4), index, offsets, s.tensor(6))
    yield s(s.tensor(5, 4), index, tensor([0, 2, 5]), s.tensor(6), "sum", True, 1)
    yield s(s.tensor(5, 4), index[:0], offsets[:0])


@op(
    name="_embedding_bag",
    backward_name="EmbeddingBag",
    public=False,
    out=False,
    outputs=("out", "of_index", "sizes", "chosen"),
    torch="",
    samples=_bag_samples,
)
def _embedding_bag(
    weight,
    index,
    offsets,
    factors=None,
    mode="sum",
    include_last_offset=False,
    padding_idx=-1,
    by_frequency=False,
):
    """The bags, the bag of each index, the size of each bag, the index of each maximum."""
    return kernels(weight).embedding_bag(
        weight, index, offsets, factors, mode, include_last_offset, padding_idx
    )


def _shares(index, of_index, sizes, factors, mode, padding_idx, by_frequency, dtype):
    """How much of its bag's gradient the row of each index gets; None for all of it."""
    shares = []
    if factors is not None:
        shares.append(factors[: len(index)])
    if mode == "mean":
        shares.append((1 / sizes.clamp(min=1).to(dtype))[of_index])
    if padding_idx >= 0:
        shares.append((index != padding_idx).to(dtype))
    if by_frequency:
        shares.append(1 / index.bincount()[index].to(dtype))
    return math.prod(shares[1:], start=shares[0]) if shares else None


def _of_maxima(g, chosen):
    """The rows that the maxima of the bags come from, and their gradients: none of empty bags."""
    return chosen.clamp(min=0), where(chosen >= 0, g, _C.full((), 0, g.dtype))


@_embedding_bag.vjp("weight")
def _(
    g,
    index,
    factors,
    mode,
    padding_idx,
    by_frequency,
    of_index,
    sizes,
    chosen,
    weight_shape,
):
    table = g.new_zeros(weight_shape)
    if mode == "max":
        return table.scatter_add(0, *_of_maxima(g, chosen))
    index = index[: len(of_index)].long()
    rows = g[of_index]
    shares = _shares(index, of_index, sizes, factors, mode, padding_idx, by_frequency, g.dtype)
    return table.index_add(0, index, rows if shares is None else rows * shares.unsqueeze(1))


@_embedding_bag.fast_vjp("weight")
def _(
    g,
    index,
    factors,
    mode,
    padding_idx,
    by_frequency,
    of_index,
    sizes,
    chosen,
    weight_shape,
):
    if mode == "max":
        return g.new_zeros(weight_shape).scatter_add_(0, *_of_maxima(g, chosen))
    index = index[: len(of_index)]
    shares = _shares(index, of_index, sizes, factors, mode, padding_idx, by_frequency, g.dtype)
    return kernels(g).embedding_bag_backward(g, index, of_index, shares, weight_shape[0])


@_embedding_bag.vjp("factors")
def _(g, weight, index, padding_idx, of_index, factors_shape):
    unused = factors_shape[0] - len(of_index)
    index = index[: len(of_index)]
    found = (g[of_index] * weight[index]).sum(1)
    if padding_idx >= 0:
        found = found * (index != padding_idx)
    return cat([found, found.new_zeros((unused,))]) if unused else found


def _check_bag(input, weight, offsets, mode, per_sample_weights):
    require_tensors("embedding_bag", input=input, weight=weight)
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
    if per_sample_weights is not None and mode != "sum":
        raise UnsupportedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        )


def bags(
    input,
    weight,
    offsets,
    max_norm,
    norm_type,
    scale_grad_by_freq,
    mode,
    per_sample_weights,
    include_last_offset,
    padding_idx,
):
    """`embedding_bag`, and the bag of each index, the size of each bag, the index of each maximum
    (-1 for none; nothing in other modes).
    """
    _check_bag(input, weight, offsets, mode, per_sample_weights)
    if mode == "max" and scale_grad_by_freq:
        raise ArgumentValueError("max mode does not support scaling the gradient by the frequency")
    if padding_idx is not None:
        size = weight.shape[0]
        if not -size <= padding_idx < size:
            raise RuntimeFailure(
                f"padding_idx must be within the number of embeddings, {-size} through {size - 1}, "
                f"but got {padding_idx}"
            )
        padding_idx %= size
    if input.ndim == 2:
        offsets, include_last_offset = _C.arange(0, input.shape[1], len(input), _C.int64), False
    index = input.reshape(-1)
    if max_norm is not None:
        embedding_renorm_(weight.detach(), index, max_norm, norm_type)
    return _embedding_bag(
        weight,
        index,
        offsets,
        None if per_sample_weights is None else per_sample_weights.reshape(-1),
        mode,
        include_last_offset,
        -1 if padding_idx is None else padding_idx,
        scale_grad_by_freq,
    )


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
        warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage "
            "`embedding_bag(weight, input, ...)` is deprecated, and should now be "
            "`embedding_bag(input, weight, ...)`.",
        )
        input, weight = weight, input
    if mode == "max" and sparse:
        raise ArgumentValueError("max mode does not support sparse weights")
    return bags(
        input,
        weight,
        offsets,
        max_norm,
        norm_type,
        scale_grad_by_freq,
        mode,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )[0]


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
