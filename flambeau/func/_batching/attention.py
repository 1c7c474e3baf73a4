"""The batching rule of attention: examples are further batches of heads."""

from __future__ import annotations

from flambeau.func._batching import lead, merged, rule, split, whole


@rule("_attention")
def _attention(op, size, values, marks):
    query, key, value, mask, kept, *options = values
    query, key, value, kept = (
        None if t is None else merged(whole(size, t, mark))
        for t, mark in ((query, marks[0]), (key, marks[1]), (value, marks[2]), (kept, marks[4]))
    )
    if mask is not None and (marks[3] is True or (mask.ndim == 4 and mask.shape[0] > 1)):
        mask = lead(whole(size, mask, marks[3]), 4)
        mask = merged(mask.expand(size, query.shape[0] // size, *mask.shape[2:]))
    return [split(out, size) for out in op(query, key, value, mask, kept, *options)]
