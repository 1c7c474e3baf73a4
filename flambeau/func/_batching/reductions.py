"""Batching rules of reductions, scans, sorting and softmax: ops along axes of one tensor."""

from __future__ import annotations

from typing import Any

from flambeau.core.tensor import Tensor
from flambeau.func._batching import RULES, rule, shift, shifts

_SEVERAL_AXES = [
    "_std",
    "_row_norm",
    "_std_mean",
    "_var",
    "_var_mean",
    "all",
    "amax",
    "amin",
    "any",
    "count_nonzero",
    "linalg.vector_norm",
    "logsumexp",
    "mean",
    "nansum",
    "sum",
]
_ONE_AXIS = [
    "_cumsum_from_end",
    "_logcumsumexp_from_end",
    "_max_along",
    "_median_along",
    "_min_along",
    "_nanmedian_along",
    "aminmax",
    "argmax",
    "argmin",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "kthvalue",
    "log_softmax",
    "logcumsumexp",
    "mode",
    "prod",
    "softmax",
    "sort",
    "topk",
]


def _map(function: Any, result: Any) -> Any:
    if isinstance(result, Tensor):
        return function(result)
    return type(result)(tuple(function(r) for r in result))


def _along(op: Any, size: int, values: Any, marks: Any) -> Any:
    """The op along the axes `dim` of the examples; without `dim`, over all of them."""
    values = list(values)
    x, place = values[0], op.params.index("dim")
    dim, ndim = values[place], x.ndim - 1
    if ndim == 0:
        values[0] = x.unsqueeze(1)
        if dim is not None:
            shifts(dim, 0)
        values[place] = 1
        return _map(lambda r: r.reshape(size), op(*values))
    if dim is not None and dim != ():
        several = isinstance(dim, (tuple, list))
        values[place] = shifts(dim, ndim) if several else shift(dim, ndim)
        return op(*values)
    if op.name in _SEVERAL_AXES:
        values[place] = tuple(range(1, ndim + 1))
        return op(*values)
    values[0], values[place] = x.flatten(1), 1
    keeps = "keepdim" in op.params and values[op.params.index("keepdim")]
    result = op(*values)
    return _map(lambda r: r.reshape((size, *([1] * ndim))), result) if keeps else result


for _name in (*_SEVERAL_AXES, *_ONE_AXIS):
    RULES[_name] = _along


@rule("_max_all", "_min_all")
def _extreme(op: Any, size: int, values: Any, marks: Any) -> Any:
    x = values[0].reshape(size, -1)
    return x.amax(1) if op.name == "_max_all" else x.amin(1)


@rule("_median_all", "_nanmedian_all")
def _median(op: Any, size: int, values: Any, marks: Any) -> Any:
    x = values[0].reshape(size, -1)
    return (x.median(1) if op.name == "_median_all" else x.nanmedian(1))[0]


@rule("_conv_bias")
def _channels(op: Any, size: int, values: Any, marks: Any) -> Any:
    return values[0].sum((1, 3, 4))
