"""Random shapes, strides, dtypes, indices: values as NumPy's, nothing written beside the target."""

import random

import numpy as np
import pytest

import flambeau as fl
from flambeau.core.registry import OPS

SENTINEL = 77
ROUNDS = 12
TOLERANCE = {fl.float64: 1e-9, fl.float32: 2e-5}


def draw_shape(source, most=4):
    """Sizes of up to `most` axes; the last may be long enough for loops over registers."""
    shape = [source.choice((0, 1, 1, 2, 3, 5)) for _ in range(source.randint(0, most))]
    if shape and source.random() < 0.4:
        shape[-1] = source.choice((7, 16, 33, 130))
    return shape


def place(source, values):
    """A tensor with the values of an array, in random order of axes, with gaps and an offset.

    Returns the tensor, and all of its storage as one vector.
    """
    order = source.sample(range(values.ndim), values.ndim)
    steps = [source.choice((1, 1, 1, 2, 3)) for _ in order]
    starts = [source.choice((0, 0, 1, 2)) for _ in order]
    ends = [source.choice((0, 0, 1)) for _ in order]
    shape = [values.shape[axis] for axis in order]
    whole = [a + n * k + b for a, n, k, b in zip(starts, shape, steps, ends, strict=True)]
    buffer = fl.full(whole, SENTINEL, dtype=fl.from_numpy(values.reshape(-1)).dtype)
    view = buffer
    for axis, (a, n, k) in enumerate(zip(starts, shape, steps, strict=True)):
        view = view.as_strided(
            (*view.shape[:axis], n, *view.shape[axis + 1 :]),
            (*view.stride()[:axis], view.stride(axis) * k, *view.stride()[axis + 1 :]),
            view.storage_offset() + (a * view.stride(axis) if view.numel() else 0),
        )
    view = view.permute([order.index(axis) for axis in range(values.ndim)])
    view.copy_(fl.from_numpy(values))
    return view, buffer.view(-1)


def draw(source, shape, dtype, low, high):
    """An array of numbers between low and high."""
    generator = np.random.default_rng(source.getrandbits(32))
    if np.issubdtype(dtype, np.integer):
        return generator.integers(int(low), int(high), shape, dtype=dtype, endpoint=True)
    return generator.uniform(low, high, shape).astype(dtype)


def untouched(view, everything):
    """How many elements of the storage hold the sentinel, less those that the view covers."""
    return (everything == SENTINEL).sum().item() - (view == SENTINEL).sum().item()


def compare(found, expected, tolerance):
    np.testing.assert_allclose(found.numpy(), expected, rtol=tolerance, atol=tolerance)


ELEMENTWISE = sorted(n for n, op in OPS.items() if op.info.domain and op.info.reference)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    op, source = OPS[name], random.Random(name)
    integers = name.startswith("bitwise_") or name in ("gcd", "lcm")
    low, high = op.info.domain
    for round_ in range(ROUNDS):
        dtype = np.int64 if integers else (np.float64, np.float32)[round_ % 2]
        shape = draw_shape(source)
        arrays = []
        for _ in range(op.info.arity):
            own = [1 if source.random() < 0.2 else n for n in shape]
            arrays.append(draw(source, own[source.randint(0, len(own)) :], dtype, low, high))
        placed = [place(source, a) for a in arrays]
        wide = [a.astype(np.float64) if not integers else a for a in arrays]
        with np.errstate(all="ignore"):
            expected = np.asarray(op.info.reference(np, *wide))
        found = op(*(t for t, _ in placed))
        tolerance = TOLERANCE.get(found.dtype, 0)
        compare(found, expected, tolerance)
        if op.info.out:
            blank = np.zeros(expected.shape, found.numpy().dtype)
            target, everything = place(source, blank)
            before = untouched(target, everything)
            op(*(t for t, _ in placed), out=target)
            compare(target, expected, tolerance)
            assert untouched(target, everything) == before, "wrote beside the target"


REDUCTIONS = {
    "sum": np.sum,
    "prod": np.prod,
    "mean": np.mean,
    "amax": np.max,
    "amin": np.min,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "std": lambda a, axis, keepdims: np.std(a, axis=axis, ddof=1, keepdims=keepdims),
    "var": lambda a, axis, keepdims: np.var(a, axis=axis, ddof=1, keepdims=keepdims),
    "logsumexp": lambda a, axis, keepdims: np.log(np.sum(np.exp(a), axis=axis, keepdims=keepdims)),
    "count_nonzero": lambda a, axis, keepdims: np.count_nonzero(a, axis=axis),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    source, one_axis = random.Random(name), name in ("prod", "argmax", "argmin")
    for round_ in range(4 * ROUNDS):
        shape = [max(n, 2) for n in draw_shape(source)] or [3]
        values = draw(source, shape, (np.float64, np.float32)[round_ % 2], -2, 2)
        tensor, _ = place(source, values)
        count = 1 if one_axis else source.randint(1, len(shape))
        axes = tuple(source.sample(range(len(shape)), count))
        keywords = {} if name == "count_nonzero" else {"keepdim": source.random() < 0.5}
        found = getattr(fl, name)(tensor, axes[0] if one_axis else axes, **keywords)
        expected = REDUCTIONS[name](
            values.astype(np.float64),
            axis=axes[0] if one_axis else axes,
            keepdims=keywords.get("keepdim", False),
        )
        compare(found, expected, TOLERANCE.get(found.dtype, 0))


SCANS = {
    "cumsum": (fl.cumsum, np.cumsum),
    "cumprod": (fl.cumprod, np.cumprod),
    "sort": (fl.sort, np.sort),
    "flip": (fl.flip, np.flip),
    "cummax": (fl.cummax, np.maximum.accumulate),
    "roll": (lambda t, dim: fl.roll(t, 2, dim), lambda a, axis: np.roll(a, 2, axis)),
}


@pytest.mark.parametrize("name", SCANS)
def test_scans_along_an_axis(name):
    source = random.Random(name)
    ours, theirs = SCANS[name]
    for round_ in range(3 * ROUNDS):
        shape = [max(n, 1) for n in draw_shape(source)] or [3]
        values = draw(source, shape, (np.float64, np.float32, np.int64)[round_ % 3], -2, 2)
        tensor, _ = place(source, values)
        axis = source.randrange(len(shape))
        found = ours(tensor, axis)
        found = found[0] if isinstance(found, tuple) else found
        compare(found, theirs(values, axis=axis), TOLERANCE.get(found.dtype, 0))


def draw_index(source, shape, size):
    """Indices below `size`; in one case of four, one of them is far out of range."""
    index = draw(source, shape, np.int64, 0, size - 1)
    hostile = index.size and source.random() < 0.25
    if hostile:
        bad = (size, -size - 1, 2**62, -(2**63))
        index.reshape(-1)[source.randrange(index.size)] = source.choice(bad)
    return index, hostile


INDEXED = {
    "gather": (lambda t, i: t.gather(0, i), lambda a, i: np.take_along_axis(a, i, 0)),
    "index_select": (
        lambda t, i: t.index_select(0, i.reshape(-1)),
        lambda a, i: a[i.reshape(-1)],
    ),
    "take": (lambda t, i: t.take(i), lambda a, i: a.reshape(-1)[i]),
    "getitem": (lambda t, i: t[i], lambda a, i: a[i]),
    "scatter": (
        lambda t, i: t.scatter(0, i, -1.0),
        lambda a, i: np.put_along_axis(a, i, -1.0, 0) or a,
    ),
    "index_fill": (
        lambda t, i: t.index_fill(0, i.reshape(-1), -1.0),
        lambda a, i: a.__setitem__(i.reshape(-1), -1.0) or a,
    ),
    "embedding": (
        lambda t, i: fl.nn.functional.embedding(i, t.reshape(t.shape[0], -1)),
        lambda a, i: a.reshape(a.shape[0], -1)[i],
    ),
}


@pytest.mark.parametrize("name", INDEXED)
def test_indices(name):
    source = random.Random(name)
    ours, theirs = INDEXED[name]
    for _ in range(6 * ROUNDS):
        shape = [max(n, 1) for n in draw_shape(source, 3)] or [4]
        values = draw(source, shape, np.float64, -2, 2)
        size = values.size if name == "take" else shape[0]
        index, hostile = draw_index(source, [source.randint(1, 4), *shape[1:]], size)
        tensor, _ = place(source, values)
        places, _ = place(source, index)
        if hostile:
            with pytest.raises((IndexError, RuntimeError)):
                ours(tensor, places)
        else:
            compare(ours(tensor, places), theirs(values.copy(), index), 0)


def test_overlapping_copies_and_sums_stay_inside():
    """Source and target in one storage: any values or an error, and nothing written outside."""
    source = random.Random(0)
    for _ in range(300):
        whole = fl.full((200,), SENTINEL, dtype=fl.float32)
        inner = whole[50:150]
        n = source.randint(1, 50)
        steps = [source.randint(0, 2) for _ in range(2)]
        offsets = [50 + source.randint(0, 99 - (n - 1) * k) for k in steps if (n - 1) * k < 100]
        if len(offsets) < 2:
            continue
        a, b = (inner.as_strided((n,), (k,), o) for k, o in zip(steps, offsets, strict=True))
        for call in (a.copy_, a.add_, a.mul_, a.sub_):
            try:
                call(b)
            except RuntimeError as error:
                assert str(error)
        assert (whole[:50] == SENTINEL).all() and (whole[150:] == SENTINEL).all()
