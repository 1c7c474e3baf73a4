"""Ops written out in terms of others, which have rules: bodies that see single examples."""

from __future__ import annotations

from typing import Any

from flambeau.func._batching import COMPOSED
from flambeau.ops.calculus import _shrinking
from flambeau.ops.linalg_norms import vector_norm


def _composed(function: Any) -> Any:
    COMPOSED[function.__name__] = function
    return function


@_composed
def addbmm(input, batch1, batch2, beta, alpha):
    product = batch1.bmm(batch2).sum(0) * alpha
    return product if beta == 0 else product + input * beta


@_composed
def addmv(input, mat, vec, beta, alpha):
    product = mat.mv(vec) * alpha
    return product if beta == 0 else product + input * beta


@_composed
def addr(input, vec1, vec2, beta, alpha):
    product = vec1.unsqueeze(1) * vec2 * alpha
    return product if beta == 0 else product + input * beta


@_composed
def vdot(input, other):
    return input.conj().dot(other)


@_composed
def put(input, index, source, accumulate):
    flat = input.reshape(-1).index_put([index.reshape(-1)], source.reshape(-1), accumulate)
    return flat.reshape(input.shape)


@_composed
def renorm(input, p, dim, maxnorm):
    others = [d for d in range(input.ndim) if d != dim % input.ndim]
    return input * _shrinking(vector_norm(input, p, others, True), maxnorm)


@_composed
def _cdist(x1, x2, p):
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)
