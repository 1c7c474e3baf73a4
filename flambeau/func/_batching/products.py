"""Batching rules of matrix products, convolutions and pooling."""

from __future__ import annotations

from typing import Any

from flambeau.core.tensor import Tensor
from flambeau.func._batching import lead, merged, rule, split, whole
from flambeau.ops.conv import _conv_transposed, _conv_weight, _convolution
from flambeau.ops.matmul import linear, matmul

# ---- matrix products ----


def product(a: Tensor, a_batch: bool, b: Tensor, b_batch: bool) -> Tensor:
    """matmul of examples: vectors become matrices with one row or column for the while."""
    a_rank, b_rank = a.ndim - a_batch, b.ndim - b_batch
    row, column = a_rank == 1, b_rank == 1
    if row:
        if not b_batch and b_rank <= 2:  # the batch is the matrix
            return matmul(a, b)
        a = a.unsqueeze(-2)
    if column:
        b = b.unsqueeze(-1)
    rank = max(a.ndim - a_batch, b.ndim - b_batch)
    out = matmul(lead(a, rank) if a_batch else a, lead(b, rank) if b_batch else b)
    if row:
        out = out.squeeze(-2)
    return out.squeeze(-1) if column else out


@rule("mm", "bmm", "mv", "dot", "_matmul")
def _product(op, size, values, marks):
    a, b = values
    if marks[0] is True and marks[1] is True and a.ndim == 3 and b.ndim == 3:
        return a.bmm(b)
    if marks[0] is not True and b.ndim == 2:  # a vector of each example
        if a.ndim == 1:
            return b @ a
        if a.ndim == 2:
            return b @ a.mT
    return product(a, marks[0] is True, b, marks[1] is True)


@rule("addmm", "baddbmm")
def _added_product(op, size, values, marks):
    added, a, b, beta, alpha = values
    out = product(a, marks[1] is True, b, marks[2] is True)
    if marks[1] is not True and marks[2] is not True:
        out = out.unsqueeze(0)
    if alpha != 1:
        out = out * alpha
    if beta == 0:
        return out.expand((size, *out.shape[1:]))
    added = lead(added, out.ndim - 1) if marks[0] is True else added
    return out + (added if beta == 1 else added * beta)


@rule("linear")
def _linear(op, size, values, marks):
    x, weight, bias = values
    if marks[1] is not True and marks[2] is not True:
        return op(x, weight, bias)
    if marks[1] is not True:
        out, batch = linear(x, weight, None), marks[0] is True
    elif weight.ndim == 2:  # a single output feature without axis
        out, batch = product(x, marks[0] is True, weight, True), True
    else:
        out, batch = product(x, marks[0] is True, weight.mT, True), True
    if bias is None:
        return out
    return out + (lead(bias, out.ndim - batch) if marks[2] is True else bias)


@rule("_contract")
def _contract(op, size, values, marks):
    """The batch is one more label."""
    a, b, a_labels, b_labels, out_labels = values
    label = max((*a_labels, *b_labels), default=-1) + 1
    a_labels = (label, *a_labels) if marks[0] is True else a_labels
    b_labels = (label, *b_labels) if marks[1] is True else b_labels
    return op(a, b, tuple(a_labels), tuple(b_labels), (label, *out_labels))


# ---- convolutions: a batch of weights is one convolution of more groups ----


def _in_channels(x: Tensor, size: int, mark: Any) -> Tensor:
    """(n, c, ...) of each example as (n, size * c, ...)."""
    return merged(whole(size, x, mark), 1)


def _with_bias(out: Tensor, bias: Any, mark: Any) -> Tensor:
    """The results (size, n, c, ...) plus a bias, one for all or one each."""
    if bias is None:
        return out
    bias = bias if mark is True else bias.unsqueeze(0)
    return out + bias.reshape((bias.shape[0], 1, -1, *([1] * (out.ndim - 3))))


@rule("_convolution")
def _conv(op, size, values, marks):
    x, weight, bias, stride, padding, dilation, groups = values
    window = stride, padding, dilation
    if marks[1] is not True:
        own = None if marks[2] is True else bias
        folded = merged(whole(size, x, marks[0]))
        out = split(_convolution(folded, weight, own, *window, groups), size)
        return out if own is bias else _with_bias(out, bias, True)
    if marks[0] is not True and groups == 1:
        out = _convolution(x, merged(weight), None, *window, 1)
    else:
        x = _in_channels(x, size, marks[0])
        out = _convolution(x, merged(weight), None, *window, size * groups)
    return _with_bias(split(out, size, 1), bias, marks[2])


@rule("_conv_transposed")
def _conv_transposed_rule(op, size, values, marks):
    x, weight, bias, shape, stride, padding, dilation, groups = values
    n, channels, *plane = shape
    window = stride, padding, dilation
    if marks[1] is not True:
        own = None if marks[2] is True else bias
        folded = merged(whole(size, x, marks[0]))
        whole_shape = (size * n, channels, *plane)
        out = split(_conv_transposed(folded, weight, own, whole_shape, *window, groups), size)
        return out if own is bias else _with_bias(out, bias, True)
    x = _in_channels(x, size, marks[0])
    whole_shape = (n, size * channels, *plane)
    out = _conv_transposed(x, merged(weight), None, whole_shape, *window, size * groups)
    return _with_bias(split(out, size, 1), bias, marks[2])


@rule("_conv_weight")
def _conv_weight_rule(op, size, values, marks):
    g, x, shape, stride, padding, dilation, groups = values
    out = _conv_weight(
        _in_channels(g, size, marks[0]),
        _in_channels(x, size, marks[1]),
        (size * shape[0], *shape[1:]),
        stride,
        padding,
        dilation,
        size * groups,
    )
    return split(out, size)


# ---- pooling: planes are independent ----


def _for_axes(*kinds: str) -> list[str]:
    return [f"_{kind}{n}d" for kind in kinds for n in (1, 2, 3)]


def _pooled(op: Any) -> int:
    """How many axes the op pools: _max_pool2d."""
    return int(op.name[-2])


def _folded(results: Any, size: int) -> Any:
    if isinstance(results, Tensor):
        return split(results, size)
    return tuple(split(result, size) for result in results)


@rule(*_for_axes("max_pool", "avg_pool", "adaptive_avg_pool", "adaptive_max_pool"))
def _pool(op, size, values, marks):
    x, *rest = values
    if x.ndim == _pooled(op) + 2:  # examples without a batch of their own
        return op(x, *rest)
    return _folded(op(merged(x), *rest), size)


@rule(*_for_axes("fractional_max_pool"))
def _fractional_pool(op, size, values, marks):
    """Random numbers of several examples: those of their planes, one after the other."""
    x, kernel, output, numbers = values
    x, numbers = whole(size, x, marks[0]), whole(size, numbers, marks[3])
    single = x.ndim == _pooled(op) + 2
    numbers = numbers[:, : 1 if single else x.shape[1]]
    if single:
        return op(x, kernel, output, merged(numbers))
    return _folded(op(merged(x), kernel, output, merged(numbers)), size)


@rule(*_for_axes("max_unpool"))
def _unpool(op, size, values, marks):
    x, indices, output = values
    x, indices = whole(size, x, marks[0]), whole(size, indices, marks[1])
    if x.ndim == _pooled(op) + 2:
        return op(x, indices, output)
    return split(op(merged(x), merged(indices), output), size)


@rule(*_for_axes("max_place", "avg_spread", "adaptive_spread"))
def _pool_adjoint(op, size, values, marks):
    arguments = dict(zip(op.params, values, strict=True))
    shape = tuple(arguments["size"])
    fold = len(shape) == _pooled(op) + 2
    arguments["size"] = (size * shape[0], *shape[1:]) if fold else (size, *shape)
    for name, mark in zip(("grad", "indices"), marks, strict=False):
        if name in arguments:
            batch = whole(size, arguments[name], mark)
            arguments[name] = merged(batch) if fold else batch
    out = op(*arguments.values())
    return split(out, size) if fold else out


@rule("_interpolate", "_interpolate_backward")
def _resized(op, size, values, marks):
    x, *rest = values
    return split(op(merged(x), *rest), size)


@rule("grid_sampler_2d", "grid_sampler_3d")
def _sampled(op, size, values, marks):
    x, grid, *rest = values
    x, grid = whole(size, x, marks[0]), whole(size, grid, marks[1])
    return split(op(merged(x), merged(grid), *rest), size)


@rule("affine_grid_generator")
def _affine_grid(op, size, values, marks):
    theta, shape, align_corners = values
    return split(op(merged(theta), (size * shape[0], *shape[1:]), align_corners), size)


# ---- others ----


@rule("_prelu_kernel", "_dropout_backward")
def _together(op, size, values, marks):
    """Ops whose tensors must all be batches."""
    return op(*(whole(size, v, m) for v, m in zip(values, marks, strict=True)))
