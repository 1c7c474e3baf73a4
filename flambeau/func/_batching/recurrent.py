"""The batching rule of recurrent layers: examples are further sequences of the batch."""

from __future__ import annotations

from flambeau.func._batching import merged, rule, split, whole
from flambeau.ops.join import stack


def _one_by_one(op, size, values, marks):
    """Each example has weights, or numbers of rows, of its own."""
    results = [
        op(*(v[k] if mark is True else v for v, mark in zip(values, marks, strict=True)))
        for k in range(size)
    ]
    return [stack(parts) for parts in zip(*results, strict=True)]


def _rows(value, size, steps):
    """Rows of all steps, of all sequences of all examples, as those of each example."""
    if not value.shape[0]:
        return value.expand((size, *value.shape))
    apart = value.reshape((steps, size, -1, value.shape[1]))
    return apart.movedim(1, 0).flatten(1, 2)


@rule("_recurrent")
def _recurrent(op, size, values, marks):
    mode, x, h, c, weight, bias, sizes, reverse = values
    if marks[4] is True or marks[5] is True or sizes is not None:
        return _one_by_one(op, size, values, marks)
    x = merged(whole(size, x, marks[1]), 1)
    h, c = (
        None if t is None else merged(whole(size, t, mark))
        for t, mark in ((h, marks[2]), (c, marks[3]))
    )
    out, last_h, last_c, *kept = op(mode, x, h, c, weight, bias, sizes, reverse)
    kept = [_rows(k, size, len(x)) for k in kept]
    last_c = last_c.expand((size, *last_c.shape)) if c is None else split(last_c, size)
    return [split(out, size, 1), split(last_h, size), last_c, *kept]
