"""Functions of neural networks as torch's top level has them: what `nn.functional` calls below.

They are those of `nn.functional` with other arguments: a reduction is a number (0 none, 1 mean,
2 sum), the weights come before the statistics, nothing has a default that a layer would choose.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import ArgumentValueError, RuntimeFailure, ShapeError
from flambeau.core.grad_mode import no_grad
from flambeau.core.registry import function
from flambeau.ops import bag, ctc, gather, likelihood_loss, loss, margin_loss, norm, pool
from flambeau.ops._declare import stored
from flambeau.ops.linalg_norms import vector_norm

_REDUCTIONS = ("none", "mean", "sum")

#: Losses, their parameters before the last one, `reduction`, a call and what it prints.
_LOSSES = {
    loss.binary_cross_entropy_with_logits: (
        ("input", "target", "weight", "pos_weight"),
        "flambeau.zeros(2), flambeau.ones(2)",
        "tensor([0.6931, 0.6931])",
    ),
    margin_loss.cosine_embedding_loss: (
        ("input1", "input2", "target", "margin"),
        "flambeau.eye(2)[:1], flambeau.eye(2)[1:], flambeau.ones(1)",
        "tensor([1.])",
    ),
    margin_loss.hinge_embedding_loss: (
        ("input", "target", "margin"),
        "flambeau.tensor([3.0, 0.25]), flambeau.tensor([1, -1])",
        "tensor([3.0000, 0.7500])",
    ),
    likelihood_loss.kl_div: (
        ("input", "target"),
        "flambeau.tensor([-1.0, -2.0]), flambeau.ones(2), reduction=2",
        "tensor(3.)",
    ),
    margin_loss.margin_ranking_loss: (
        ("input1", "input2", "target", "margin"),
        "flambeau.ones(2), flambeau.tensor([3.0, 0.0]), flambeau.ones(2), 0.5",
        "tensor([2.5000, 0.0000])",
    ),
    likelihood_loss.poisson_nll_loss: (
        ("input", "target", "log_input", "full", "eps"),
        "flambeau.zeros(2), flambeau.ones(2), True, False, 1e-8, 2",
        "tensor(2.)",
    ),
    margin_loss.triplet_margin_loss: (
        ("anchor", "positive", "negative", "margin", "p", "eps", "swap"),
        "*flambeau.tensor([[[0.0]], [[1.0]], [[3.0]]]), 4.0",
        "tensor([2.])",
    ),
}


def _numbered(below, parameters, example, printed):
    """The loss whose reduction is a number."""
    name, parameters = below.__name__, (*parameters, "reduction")

    def numbered(*args, **kwargs):
        if len(args) > len(parameters):
            raise TypeError(
                f"{name}(): takes {len(parameters)} positional arguments but {len(args)} were given"
            )
        given = dict(zip(parameters, args, strict=False))
        for key, value in kwargs.items():
            if key in given:
                raise TypeError(f"{name}(): got multiple values for argument '{key}'")
            if key not in parameters and not (name == "kl_div" and key == "log_target"):
                raise TypeError(f"{name}(): got an unexpected keyword argument '{key}'")
            given[key] = value
        number = given.pop("reduction", 0)
        if number not in (0, 1, 2):
            raise ArgumentValueError(f"{name}(): reduction must be 0, 1 or 2, got {number!r}")
        if name == "kl_div" and number == 1:  # nn.functional warns of this mean
            return below(**given, reduction="none").mean()
        return below(**given, reduction=_REDUCTIONS[number])

    numbered.__name__ = numbered.__qualname__ = name
    numbered.__doc__ = f"""`nn.functional.{name}`, whose reduction is a number here.

    Args:
        args, kwargs: {", ".join(parameters)}, in this order, as `nn.functional.{name}` takes
            them; reduction is 0 (the default) for none, 1 for the mean, 2 for the sum.

    Raises:
        ValueError: if the reduction is another number.
        RuntimeError: if the sizes do not broadcast.

    Example:
        >>> flambeau.{name}({example})
        {printed}
    """
    return function(numbered)


for _loss, _row in _LOSSES.items():
    _numbered(_loss, *_row)


@function
def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction=0,
    zero_infinity=False,
):
    """`nn.functional.ctc_loss`, whose reduction is a number here.

    Args:
        log_probs: (T, N, C) or (T, C): logarithms of probabilities.
        targets: (N, S), (S), or all sequences one behind the other.
        input_lengths: (N) integers: how many steps count.
        target_lengths: (N) integers.
        blank: the class that stands for nothing.
        reduction: 0 none, 1 the mean (of losses divided by the lengths of the targets), 2 the sum.
        zero_infinity: take infinite losses, of targets longer than the input, for zero.

    Raises:
        ValueError: if the reduction is another.
        RuntimeError: if sizes or lengths do not fit.

    Example:
        >>> log_probs = flambeau.tensor([[[-0.1, -2.0]]])  # a step: blank, class 1
        >>> one = flambeau.tensor([1])
        >>> flambeau.ctc_loss(log_probs, one[None], one, one)
        tensor([2.])
    """
    if reduction not in (0, 1, 2):
        raise ArgumentValueError(f"ctc_loss(): reduction must be 0, 1 or 2, got {reduction!r}")
    return ctc.ctc_loss(
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        blank,
        _REDUCTIONS[reduction],
        zero_infinity,
    )


# ---- normalisation ----


@function
def batch_norm(
    input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled
):
    """`nn.functional.batch_norm` with all arguments given.

    Args:
        input: (N, C) or (N, C, ...).
        weight: (C), the scale, or None.
        bias: (C), or None.
        running_mean: (C) or None; used without `training`, else brought up to date.
        running_var: likewise.
        training: normalise by the statistics of the batch.
        momentum: the share of the batch in the running statistics.
        eps: added to the variance.
        cudnn_enabled: does not matter here.

    Raises:
        RuntimeError: if sizes do not fit, or running statistics are needed and missing.

    Example:
        >>> x, means, variances = flambeau.ones(2, 1), flambeau.zeros(1), flambeau.tensor([4.0])
        >>> flambeau.batch_norm(x, None, None, means, variances, False, 0.1, 0.0, False)
        tensor([[0.5000],
                [0.5000]])
    """
    if training and not input.numel():  # an empty batch has no statistics
        return norm.batch_norm(
            input, running_mean, running_var, weight, bias, training, momentum, eps
        )
    return norm._native_batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )[0]


@function
def instance_norm(
    input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled
):
    """`nn.functional.instance_norm` with all arguments given.

    Args:
        input: (N, C, ...).
        weight: (C), the scale, or None.
        bias: (C), or None.
        running_mean: (C) or None.
        running_var: likewise.
        use_input_stats: normalise each channel of each example by its own statistics.
        momentum: the share of the batch in the running statistics.
        eps: added to the variance.
        cudnn_enabled: does not matter here.

    Raises:
        RuntimeError: if sizes do not fit, or running statistics are needed and missing.
        ValueError: if a channel has one element only.

    Example:
        >>> x = flambeau.tensor([[[1.0, 3.0], [0.0, 10.0]]])
        >>> flambeau.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
        tensor([[[-1.,  1.],
                 [-1.,  1.]]])
    """
    return norm.instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps
    )


@function
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    """`nn.functional.group_norm`.

    Args:
        input: (N, C, ...).
        num_groups: into how many groups the channels are taken together; divides C.
        weight: (C), the scale, or None.
        bias: (C), or None.
        eps: added to the variance.
        cudnn_enabled: does not matter here.

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> flambeau.group_norm(flambeau.tensor([[1.0, 3.0, 0.0, 10.0]]), 2, eps=0.0)
        tensor([[-1.,  1., -1.,  1.]])
    """
    return norm.group_norm(input, num_groups, weight, bias, eps)


def _with_statistics(found, input, weight):
    """The results of a primitive, whose statistics get the dtype of the weight, or the input's."""
    out, mean, rstd = found
    dtype = (input if weight is None else weight).dtype
    return out, mean.to(dtype), rstd.to(dtype)


@function
def native_batch_norm(
    input, weight, bias, running_mean, running_var, training, momentum, eps, *, out=None
):
    """`batch_norm` with the means and reciprocal standard deviations of the batch.

    Args:
        input: (N, C) or (N, C, ...).
        weight: (C), the scale, or None.
        bias: (C), or None.
        running_mean: (C) or None; used without `training`, else brought up to date.
        running_var: likewise.
        training: normalise by the statistics of the batch.
        momentum: the share of the batch in the running statistics.
        eps: added to the variance.
        out: the three tensors to fill.

    Returns:
        (result, means, reciprocals); without `training` the last two are empty.

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> x = flambeau.tensor([[1.0], [5.0]])
        >>> flambeau.native_batch_norm(x, None, None, None, None, True, 0.1, 0.0)[1:]
        (tensor([3.]), tensor([0.5000]))
    """
    found = norm._native_batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )
    result, mean, rstd = _with_statistics(found, input, weight)
    if not training:
        mean, rstd = mean.new_empty((0,)), rstd.new_empty((0,))
    return stored("native_batch_norm", (result, mean, rstd), out)


@function
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """`group_norm` with the means and reciprocal standard deviations of the groups.

    Args:
        input: (N, C, ...).
        weight: (C), the scale, or None.
        bias: (C), or None.
        N, C, HxW: sizes of the input: examples, channels, elements of a channel.
        group: the number of groups; divides C.
        eps: added to the variance.

    Returns:
        (result, means, reciprocals), the last two (N, group).

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> x = flambeau.tensor([[[1.0, 5.0]]])
        >>> flambeau.native_group_norm(x, None, None, 1, 1, 2, 1, 0.0)
        (tensor([[[-1.,  1.]]]), tensor([[3.]]), tensor([[0.5000]]))
    """
    if tuple(input.shape[:2]) != (N, C) or N * C * HxW != input.numel():
        raise ShapeError(
            f"native_group_norm: the input must have {N} x {C} x {HxW} elements, got "
            f"{tuple(input.shape)}"
        )
    if group < 1 or C % group:
        raise RuntimeFailure(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(input.shape)} and num_groups={group}"
        )
    return _with_statistics(norm._native_group_norm(input, group, weight, bias, eps), input, weight)


@function
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """`layer_norm` with the means and reciprocal standard deviations of the rows.

    Args:
        input: (..., *normalized_shape).
        normalized_shape: the last sizes, as a list.
        weight: (*normalized_shape), the scale, or None.
        bias: likewise.
        eps: added to the variance.

    Returns:
        (result, means, reciprocals), the last two with ones in place of the normalised sizes.

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> flambeau.native_layer_norm(flambeau.tensor([[1.0, 5.0]]), [2], None, None, 0.0)
        (tensor([[-1.,  1.]]), tensor([[3.]]), tensor([[0.5000]]))
    """
    found = norm._native_layer_norm(input, tuple(normalized_shape), weight, bias, eps)
    return _with_statistics(found, input, weight)


@function
def norm_except_dim(v, pow=2, dim=0):
    """The norms of the slices along an axis, beside the other axes of size one.

    Args:
        v: a tensor.
        pow: the power of the norm.
        dim: the axis; -1 for the norm of the whole.

    Raises:
        IndexError: if there is no such axis.

    Example:
        >>> flambeau.norm_except_dim(flambeau.tensor([[3., 4.], [0., 2.]]))
        tensor([[5.],
                [2.]])
    """
    if dim == -1:
        return vector_norm(v, pow)
    if not -v.ndim <= dim < v.ndim:
        raise IndexError(
            f"norm_except_dim: Dimension out of range (expected to be in range of [{-v.ndim}, "
            f"{v.ndim - 1}], but got {dim})"
        )
    others = [d for d in range(v.ndim) if d != dim % v.ndim]
    return vector_norm(v, pow, others, True) if others else v.abs()


# ---- look-up tables ----


@function
def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """The rows of `weight` that `indices` names; see `nn.functional.embedding`.

    Args:
        weight: (V, D), a row for each word.
        indices: integers from 0 to V - 1, any sizes.
        padding_idx: the row that gets no gradient; negative for none.
        scale_grad_by_freq: divide gradients of a row by how often the indices name it.
        sparse: accepted; gradients are dense.

    Returns:
        (*indices.shape, D).

    Raises:
        IndexError: if an index is out of range.
        RuntimeError: if weight is no matrix.

    Example:
        >>> weight = flambeau.tensor([[0.0, 0.0], [1.0, 2.0]])
        >>> flambeau.embedding(weight, flambeau.tensor([1, 0]))
        tensor([[1., 2.],
                [0., 0.]])
    """
    rows = gather.embedding(indices, weight, padding_idx if padding_idx >= 0 else None)
    return bag.by_frequency(rows, indices) if scale_grad_by_freq else rows


@function
def embedding_renorm_(input, indices, max_norm, norm_type):
    """Shortens some rows of a matrix that are longer than a bound, in place.

    Args:
        input: (V, D).
        indices: integers from 0 to V - 1, any sizes: which rows.
        max_norm: the bound.
        norm_type: of which norm.

    Returns:
        The matrix.

    Raises:
        IndexError: if an index is out of range.

    Example:
        >>> weight = flambeau.tensor([[3.0, 4.0], [6.0, 8.0]])
        >>> flambeau.embedding_renorm_(weight, flambeau.tensor([1]), 5.0, 2.0)
        tensor([[3., 4.],
                [3., 4.]])
    """
    with no_grad():
        rows = indices.reshape(-1).unique()
        chosen = input.index_select(0, rows)
        norms = vector_norm(chosen, norm_type, 1, True)
        return input.index_copy_(0, rows, chosen * (max_norm / (norms + 1e-7)).clamp(max=1.0))


@function
def embedding_bag(
    weight,
    indices,
    offsets,
    scale_grad_by_freq=False,
    mode=0,
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """`nn.functional.embedding_bag` and how it came about; the mode is a number.

    Args:
        weight: the table, (V, D).
        indices: (N).
        offsets: where each bag starts.
        scale_grad_by_freq: divide gradients of a row by how often the indices name it.
        mode: 0 for the sum, 1 for the mean, 2 for the maximum.
        sparse: accepted; gradients are dense.
        per_sample_weights: (N), a factor for each index, with mode 0.
        include_last_offset: whether the last offset is where the last bag ends.
        padding_idx: a row that counts nowhere.

    Returns:
        (bags, the bag of each index, the size of each bag, the index of each maximum); the last
        three are empty or zeros where the mode has no use for them.

    Raises:
        RuntimeError: if the mode is another, sizes do not fit, or an index is out of range.

    Example:
        >>> weight, indices = flambeau.tensor([[1.0], [2.0], [4.0]]), flambeau.tensor([0, 1, 2])
        >>> flambeau.embedding_bag(weight, indices, flambeau.tensor([0, 2]))[0]
        tensor([[3.],
                [4.]])
    """
    if mode not in (0, 1, 2):
        raise RuntimeFailure("`mode` must be sum, mean, or max.")
    name = ("sum", "mean", "max")[mode]
    out, *more = bag.bags(
        indices,
        weight,
        offsets,
        None,
        2,
        scale_grad_by_freq,
        name,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )
    none = offsets.new_zeros(offsets.shape)
    if mode == 0 and padding_idx is None:
        return out, offsets.new_empty((0,)), none, none
    of_index, sizes, chosen = (t.to(indices.dtype) for t in more)
    if mode == 0:
        return out, of_index, none, none
    return out, of_index, sizes, chosen.clamp(min=0) if mode == 2 else sizes


# ---- pooling with the places of the maxima ----


@function
def adaptive_max_pool1d(input, output_size):
    """`nn.functional.adaptive_max_pool1d` with the places of the maxima.

    Args:
        input: (N, C, L) or (C, L).
        output_size: the length of the result, for which the axis is cut into as many windows.

    Returns:
        (values, indices): both (..., output_size); int64 places along the axis.

    Raises:
        RuntimeError: if sizes do not fit.

    Example:
        >>> flambeau.adaptive_max_pool1d(flambeau.tensor([[3.0, 1.0, 2.0, 5.0]]), 2)
        (tensor([[3., 5.]]), tensor([[0, 3]]))
    """
    return pool.adaptive_max_pool1d(input, output_size, True)


# ---- control flow ----


@function
def cond(pred, true_fn, false_fn, operands=()):
    """true_fn(*operands) if pred holds, else false_fn(*operands).

    Args:
        pred: a truth value, or a tensor of one.
        true_fn: a function of the operands.
        false_fn: another.
        operands: a tuple of tensors.

    Raises:
        RuntimeError: if a function cannot be called, or pred has several elements.

    Example:
        >>> x = flambeau.tensor(2.)
        >>> flambeau.cond(x > 1, lambda t: t + 1, lambda t: t - 1, (x,))
        tensor(3.)
    """
    for name, branch in (("true_fn", true_fn), ("false_fn", false_fn)):
        if not callable(branch):
            raise RuntimeFailure(f"cond: expect {name} to be callable, got {type(branch).__name__}")
    if not isinstance(operands, (tuple, list)):
        raise RuntimeFailure(f"cond: expect operands to be a tuple, got {type(operands).__name__}")
    if isinstance(pred, _C.TensorBase) and pred.numel() != 1:
        raise RuntimeFailure(f"cond: expect pred to have one element, got {tuple(pred.shape)}")
    return true_fn(*operands) if bool(pred) else false_fn(*operands)


@function
def while_loop(cond_fn, body_fn, carried_inputs):
    """Replaces the carried inputs by body_fn(*carried) as long as cond_fn(*carried) holds.

    Args:
        cond_fn: a function of the carried values that returns a truth value.
        body_fn: a function of them that returns as many.
        carried_inputs: the values to start from, a tuple or a list.

    Returns:
        The last carried values, as a tuple.

    Raises:
        RuntimeError: if a function cannot be called, or body_fn returns another number of values.

    Example:
        >>> flambeau.while_loop(lambda n: n < 5, lambda n: (n * 2,), (flambeau.tensor(1),))
        (tensor(8),)
    """
    for name, given in (("cond_fn", cond_fn), ("body_fn", body_fn)):
        if not callable(given):
            raise RuntimeFailure(
                f"while_loop: expect {name} to be callable, got {type(given).__name__}"
            )
    if not isinstance(carried_inputs, (tuple, list)):
        raise RuntimeFailure(
            "while_loop: expect carried_inputs to be a tuple, got " + type(carried_inputs).__name__
        )
    carried = tuple(carried_inputs)
    while bool(cond_fn(*carried)):
        made = body_fn(*carried)
        carried = tuple(made) if isinstance(made, (tuple, list)) else (made,)
        if len(carried) != len(carried_inputs):
            raise RuntimeFailure(
                f"while_loop: body_fn must return {len(carried_inputs)} values, got {len(carried)}"
            )
    return carried
