"""Batching rules of ops that draw random numbers: what the innermost vmap says about them."""

from __future__ import annotations

from typing import Any

from flambeau.core import generator
from flambeau.func._batching import align, rule, whole
from flambeau.ops.join import stack


def _randomness() -> str:
    """ "same" or "different".

    Raises:
        RandomnessError: if the vmap does not say.
    """
    from flambeau.func._vmap import RandomnessError, innermost

    randomness = innermost().randomness
    if randomness == "error":
        raise RandomnessError()
    return randomness


@rule("native_dropout")
def _dropout(op, size, values, marks):
    x, p, train = values
    if train is False or p in (0, 1) or _randomness() == "different":
        return op(x, p, train)
    kept = op(x.new_empty(x.shape[1:]), p, train)[1]
    return x * kept / (1 - p), kept.expand(x.shape)


@rule("_standard_gamma", "_sample_dirichlet")
def _drawn(op, size, values, marks):
    x, source = values
    if _randomness() == "different":
        return op(x, source)
    state, results = generator.get_rng_state(), []
    for example in x:
        generator.set_rng_state(state)
        results.append(op(example, source))
    return stack(results)


@rule(
    "_bernoulli_draw",
    "_binomial_draw",
    "_poisson_draw",
    "_normal_draw_of_mean",
    "_normal_draw_of_std",
    "_normal_draw_of_both",
)
def _as_drawn(op: Any, size: int, values: Any, marks: Any) -> Any:
    """The first argument as it is, tied to the parameters that it was drawn for."""
    drawn, *parameters = values
    return op(*align(size, (whole(size, drawn, marks[0]), *parameters), (True, *marks[1:])))
