"""Every kernel with layouts, overlaps and arguments that no program would give it.

The registry's samples, the optimizers and a few calls more are run once, and what they ask of each
kernel is kept. These calls are then made again: with the same numbers in other layouts, where the
results must be the same, and with some of the arguments exchanged for hostile ones, where an
ordinary error is as good. Never may anything be written beside a tensor.

`NOT_KERNELS` has the functions of the compiled module that compute nothing; any other one that is
not driven fails here.
"""

import itertools
import random
from collections import Counter, defaultdict

import fuzz_calls
import numpy as np
import pytest

import flambeau
from flambeau import _C
from flambeau.backends import cpu
from flambeau.core.registry import OPS
from flambeau.testing import samples_of

KEPT = 12  # calls of one kernel, or of each operation of one that has several
ROUNDS = 40  # hostile calls of one kernel
ALLOWED = (TypeError, ValueError, IndexError, RuntimeError, MemoryError, OverflowError, BufferError)
KERNELS = sorted(
    name
    for name, value in vars(_C).items()
    if type(value).__name__ == "nb_func" and name not in fuzz_calls.NOT_KERNELS
)


def _copied(value):
    """An argument as it was when the kernel was called."""
    if isinstance(value, flambeau.Tensor):
        return _C.clone(value) if value.numel() else value
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    return value


class Recorder:
    """Stands for a kernel and keeps the first calls that differ in the kinds of their arguments."""

    def __init__(self, name, kernel, calls):
        self.name, self.kernel, self.calls = name, kernel, calls
        self.seen, self.kept = set(), Counter()

    def __call__(self, *args, **kwargs):
        kind = repr([_kind(a) for a in (*args, *kwargs.values())])
        operation = args[0] if args and isinstance(args[0], str) else ""
        if kind not in self.seen and self.kept[operation] < KEPT:
            self.seen.add(kind)
            self.kept[operation] += 1
            self.calls.append((_copied(args), {k: _copied(v) for k, v in kwargs.items()}))
        return self.kernel(*args, **kwargs)


def _kind(value):
    if isinstance(value, flambeau.Tensor):
        return value.dtype, value.ndim, value.numel() == 0
    if isinstance(value, (list, tuple)):
        return [_kind(v) for v in value][:3]
    return value if isinstance(value, (str, bool)) else type(value)


def _run_everything():
    for op in OPS.values():
        for dtype in (None, flambeau.int64, flambeau.complex64):
            try:
                samples = samples_of(op, dtype)
            except ALLOWED:
                continue
            for sample in samples:
                _run(op, sample)
    fuzz_calls.run()


def _run(op, sample):
    def leaf(t):
        copy = t.clone()
        return copy.requires_grad_() if t.is_floating_point() or t.is_complex() else copy

    call = sample.map(leaf)
    try:
        result = op(*call.args, **call.kwargs)
        results = [result] if isinstance(result, flambeau.Tensor) else list(result)
        results = [r for r in results if isinstance(r, flambeau.Tensor) and r.requires_grad]
        if results:
            flambeau.autograd.backward(results, [flambeau.ones_like(r) for r in results])
    except ALLOWED:
        pass  # a dtype that the op does not take


@pytest.fixture(scope="module")
def calls():
    """For each kernel, the arguments it was called with."""
    found = defaultdict(list)
    with pytest.MonkeyPatch.context() as patch, flambeau.random.fork_rng():
        for name in KERNELS:
            recorder = Recorder(name, getattr(_C, name), found[name])
            patch.setattr(_C, name, recorder)
            if getattr(cpu, name, None) is recorder.kernel:
                patch.setattr(cpu, name, recorder)
        _run_everything()
    return found


def test_every_kernel_is_driven(calls):
    assert [name for name in KERNELS if not calls[name]] == []
    assert set(fuzz_calls.NOT_KERNELS) <= set(dir(_C))


SENTINELS = {flambeau.bool: True}


def _placed(source, t, buffers):
    """The same numbers in a random layout inside a larger buffer."""
    order = source.sample(range(t.ndim), t.ndim)
    steps = [source.choice((1, 1, 2)) for _ in order]
    before = source.choice((0, 0, 1, 3))
    strides, step = [0] * t.ndim, 1
    for axis, gap in zip(reversed(order), steps, strict=True):
        strides[axis] = step * gap
        step *= max(t.shape[axis], 1) * gap
    buffer = _C.full((before + step + 2,), SENTINELS.get(t.dtype, 77), t.dtype)
    view = _C.as_strided(buffer, t.shape, strides, before)
    _C.copy_into(view, t)
    buffers.append((view, buffer))
    return view


def _beside(view, buffer):
    """What lies in the buffer around and between the elements of the view."""
    rest = _C.clone(buffer)
    if view.numel():
        _C.fill(_C.as_strided(rest, view.shape, view.stride(), view.storage_offset()), 0)
    return rest.tolist()


def _mapped(value, function):
    if isinstance(value, flambeau.Tensor):
        return function(value)
    if type(value) in (list, tuple):
        return type(value)(_mapped(v, function) for v in value)
    return value


def _fresh(value):
    return _mapped(value, lambda t: _C.clone(t) if t.numel() else t)


def _tensors(value):
    if isinstance(value, flambeau.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in _tensors(v)]
    return []


def _numbers(results):
    return [np.array(t.tolist()) for t in _tensors(results)]


@pytest.mark.parametrize("name", [n for n in KERNELS if n not in fuzz_calls.OF_LAYOUT])
def test_layouts(name, calls):
    kernel, source = getattr(_C, name), random.Random(name)
    for args, kwargs in calls[name]:
        plain = _fresh(args)
        flambeau.manual_seed(0)
        try:
            expected = kernel(*plain, **kwargs)
        except ALLOWED:
            continue
        for _ in range(2):
            buffers = []
            placed = _mapped(args, lambda t: _placed(source, t, buffers))  # noqa: B023
            before = [_beside(*pair) for pair in buffers]
            flambeau.manual_seed(0)
            try:
                found = kernel(*placed, **kwargs)
            except ALLOWED:
                continue  # wants its arguments contiguous, and says so
            assert [_beside(*pair) for pair in buffers] == before, f"{name} wrote beside a tensor"
            for a, b in zip(_numbers((found, placed)), _numbers((expected, plain)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6, equal_nan=True)


def _hostile(source, value, others):
    """Something else in place of an argument."""
    if isinstance(value, flambeau.Tensor):
        return source.choice(_HOSTILE_TENSORS)(source, value, others)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return source.choice((-(2**63), -7, -1, 0, 1, 2, 99, 2**62))
    if isinstance(value, float):
        return source.choice((float("nan"), float("inf"), -1.0, 0.0, 1e300))
    if isinstance(value, str):
        return source.choice(("", "no_such"))
    if isinstance(value, flambeau.dtype):
        return source.choice(fuzz_calls.DTYPES)
    if isinstance(value, (list, tuple)):
        kept = list(value)
        if kept and source.random() < 0.7:
            place = source.randrange(len(kept))
            kept[place] = _hostile(source, kept[place], others)
            return type(value)(kept) if type(value) in (list, tuple) else kept
        return source.choice(([], kept + kept[-1:], kept[:-1], [None], [2**62, 2**62]))
    return source.choice((None, 3, "text"))


def _other_shape(source, t, others):
    shape = [source.choice((0, 1, 2, 3, 5)) for _ in range(source.randint(0, 5))]
    return _C.full(shape, 1, t.dtype)


def _other_dtype(source, t, others):
    return _C.cast(t, source.choice(fuzz_calls.DTYPES))


def _far(source, t, others):
    """The same tensor with an element that is no index, no probability, no size."""
    copy = _C.contiguous(_C.clone(t))
    if copy.numel():
        far = (
            (-(2**62), 2**62, -1)
            if not t.dtype.is_floating_point
            else (float("nan"), float("inf"), -1e30, -1.0)
        )
        flat = _C.view(copy, (-1,))
        if t.dtype.itemsize == 8 or t.dtype.is_floating_point:
            _C.fill(_C.select(flat, 0, source.randrange(copy.numel())), source.choice(far))
    return copy


def _overlapping(source, t, others):
    """All along one axis in one place, or with strides that cross."""
    if not t.ndim:
        return t
    reach = max(t.numel(), 1)
    buffer = _C.full((reach,), 1, t.dtype)
    strides = [source.choice((0, 1)) for _ in t.shape]
    if sum((n - 1) * k for n, k in zip(t.shape, strides, strict=True)) >= reach:
        strides = [0] * t.ndim
    return _C.as_strided(buffer, t.shape, strides, 0)


def _another(source, t, others):
    """Another argument of the call: reading and writing the same storage."""
    return source.choice(others)


_HOSTILE_TENSORS = (_other_shape, _other_dtype, _far, _overlapping, _another)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of too few elements
@pytest.mark.parametrize("name", KERNELS)
def test_hostile_arguments(name, calls):
    kernel, source = getattr(_C, name), random.Random(name)
    rounds = range(max(ROUNDS, len(calls[name])))
    for _, (args, kwargs) in zip(rounds, itertools.cycle(calls[name]), strict=False):
        buffers = []
        placed = list(_mapped(args, lambda t: _placed(source, t, buffers)))  # noqa: B023
        named = dict(_mapped(tuple(kwargs.items()), lambda t: _placed(source, t, buffers)))  # noqa: B023
        others = _tensors(placed) + _tensors(list(named.values())) or [_C.full((3,), 1, _C.float32)]
        for _ in range(source.choice((1, 1, 2))):
            place = source.randrange(len(placed) + len(named)) if placed or named else 0
            if place < len(placed):
                placed[place] = _hostile(source, placed[place], others)
            elif named:
                key = list(named)[place - len(placed)]
                named[key] = _hostile(source, named[key], others)
        before = [_beside(*pair) for pair in buffers]
        try:
            kernel(*placed, **named)
        except ALLOWED as error:
            assert str(error).strip(), f"{name}: an error without a text"
        if name not in fuzz_calls.OF_STORAGE:
            assert [_beside(*pair) for pair in buffers] == before, f"{name} wrote beside a tensor"
