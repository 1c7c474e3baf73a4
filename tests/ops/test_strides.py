"""How results lie in memory: the strides of PyTorch's, whatever those of the arguments.

The strides of axes with one element are no one's, and are not compared.
"""

import random

import layout_calls
import numpy as np
import pytest
from test_parity import oracle, outputs

import flambeau
from flambeau.core.registry import OPS
from flambeau.testing import samples_of
from flambeau.testing.suite import strided, transposed

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

#: Ops whose results lie elsewhere than PyTorch's, and why.
EXCEPTIONS = {
    "conj_physical": "of real numbers: a copy without gaps; PyTorch returns the very argument",
    "logsigmoid": "has the layout of its argument, as every other activation",
    **dict.fromkeys(
        ("cholesky", "linalg.cholesky", "linalg.cholesky_ex"),
        "by rows: the lower factor is the upper one of the transpose, without a copy",
    ),
    **dict.fromkeys(
        [name for name in OPS if "fft" in name],
        "row-major from row-major arguments: PyTorch moves the transformed axes to the end, which"
        " costs as much as the transform",
    ),
}
#: Calls beyond the samples that differ too: `angle` of complex numbers has the layout of its
#: argument, as every other function of elements; `einsum` writes the order that is asked for, where
#: PyTorch returns a view of the order in which it computed; `batch_norm` keeps sequences whose
#: channels lie next to each other so, as it does images. `test_differences` holds them to that.
LAPACK_CODES = ("linalg.ldl_solve", "lu_solve", "linalg.lu_solve")  # PyTorch crashes on wrong ones


def swapped(t):
    """The same values with the first two axes exchanged in memory."""
    return t if t.ndim < 2 else t.transpose(0, 1).contiguous().transpose(0, 1)


def channels_last(t):
    """Images and volumes with the channels last in memory."""
    formats = {4: flambeau.channels_last, 5: flambeau.channels_last_3d}
    return t.contiguous(memory_format=formats[t.ndim]) if t.ndim in formats else t


def expanded(t):
    """The first slice for all of them, in one place."""
    return t[:1].expand(t.shape) if t.ndim and t.shape[0] > 1 else t


LAYOUTS = (flambeau.clone, strided, transposed, swapped, channels_last, expanded)


def mirrored(value):
    """A copy for PyTorch in the same layout."""
    if isinstance(value, flambeau.Tensor):
        if not value.numel():
            return torch.empty(value.shape, dtype=getattr(torch, value.dtype.name))
        place = value.storage_offset()
        reach = place + sum((n - 1) * k for n, k in zip(value.shape, value.stride(), strict=True))
        whole = value.as_strided((reach + 1,), (1,), 0)
        return torch.from_numpy(np.array(whole)).as_strided(value.shape, value.stride(), place)
    if isinstance(value, (list, tuple)):
        return type(value)(mirrored(v) for v in value)
    return getattr(torch, value.name) if isinstance(value, flambeau.dtype) else value


def strides(t):
    """The strides of the axes that have some."""
    if t.numel() == 0:
        return ()
    return tuple(stride for size, stride in zip(t.shape, t.stride(), strict=True) if size != 1)


def only_first(sample, layout):
    """The call with a layout for its first tensor alone."""
    given = [layout, *[flambeau.clone] * len(sample.tensors())]
    return sample.map(lambda t: given.pop(0)(t))


@pytest.mark.parametrize("name", sorted(set(OPS) - set(EXCEPTIONS)))
def test_ops(name):
    op = OPS[name]
    function = oracle(op)
    if function is None:
        pytest.skip(f"torch has no {name}")
    layouts = [f for f in LAYOUTS if not (f is expanded and name in LAPACK_CODES)]
    for sample in samples_of(op):
        calls = [only_first(sample, layout) for layout in layouts]
        if len(sample.tensors()) > 1:
            calls += [sample.map(layout) for layout in layouts]
        for call in calls:
            arguments = [mirrored(a) for a in call.args]
            keywords = {k: mirrored(v) for k, v in call.kwargs.items()}
            try:
                theirs = function(*arguments, **keywords)
            except (RuntimeError, ValueError):
                continue  # not of these values: a singular matrix
            ours = op(*call.args, **call.kwargs)
            given = [t.stride() for t in call.tensors()]
            for found, expected in zip(outputs(ours), outputs(theirs), strict=True):
                assert strides(found) == strides(expected), f"{name}{call} of strides {given}"


def test_differences():
    numbers = flambeau.ones(3, 2, dtype=flambeau.complex64).t()
    assert numbers.angle().stride() == numbers.stride()
    a, b = flambeau.ones(2, 3, 4), flambeau.ones(2, 4, 5)
    assert flambeau.einsum("bij,bjk->kbi", a, b).is_contiguous()
    assert flambeau.einsum("abc,cd->adb", a, b[0]).is_contiguous()
    sequences = flambeau.ones(2, 4, 3).transpose(1, 2)
    weight = flambeau.ones(3)
    normal = flambeau.nn.functional.batch_norm(sequences, weight, weight)
    assert normal.stride() == sequences.stride()


# fmt: off
SHAPES = (
    (), (3,), (1,), (2, 3), (3, 1), (1, 4), (2, 3, 4), (2, 1, 4), (1, 3, 1), (3, 4, 2),
    (2, 3, 4, 5), (2, 1, 4, 5), (2, 3, 4, 1), (2, 3, 2, 2, 3), (1, 3, 2, 4, 2),
)
# fmt: on
ROUNDS = 25


def draw_strides(source, shape):
    """Strides of any order of axes, with gaps or overlaps."""
    n = len(shape)
    order = source.sample(range(n), n) if source.random() < 0.6 else list(range(n))
    if n > 3 and source.random() < 0.3:
        order = [0, *range(2, n), 1]
    found, step, gaps = [0] * n, 1, source.random() < 0.3
    for axis in reversed(order):
        found[axis] = step
        step *= shape[axis]
        if gaps:
            step += source.choice((0, 0, 1, step))
    if source.random() < 0.2:
        found = [0 if source.random() < 0.4 else stride for stride in found]
    return found


def draw_shape(source, shape):
    """One that broadcasts to a shape."""
    own = [1 if source.random() < 0.25 else size for size in shape]
    return tuple(own[source.randint(0, len(own)) :]) if source.random() < 0.3 else tuple(own)


def make(module, shape, given):
    """Numbers of any size in a tensor of these strides."""
    reach = 1 + sum((n - 1) * k for n, k in zip(shape, given, strict=True))
    values = np.random.default_rng(reach).permutation(reach).astype(np.float32)
    return module.from_numpy(values).as_strided(shape, given)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of single elements and unsorted layouts
@pytest.mark.parametrize("name", layout_calls.ROWS)
def test_calls(name):
    row = layout_calls.ROWS[name]
    pool = row.shapes or [s for s in SHAPES if row.least <= len(s) <= row.most]
    for round_ in range(ROUNDS):
        source = random.Random(f"{name} {round_}")
        shape, layouts = source.choice(pool), []
        for _ in range(row.tensors):
            own = draw_shape(source, shape) if row.broadcast else shape
            layouts.append((own, draw_strides(source, own)))
        if name in ROW_MAJOR_APART:
            layouts = [(s, k) for s, k in layouts if not make(flambeau, s, k).is_contiguous()]
            if not layouts:
                continue
        results = []
        for module in (flambeau, torch):
            tensors = [make(module, *layout) for layout in layouts]
            results.append(outputs(row.call(module, *tensors, random.Random(round_))))
        for found, expected in zip(*results, strict=True):
            assert tuple(found.shape) == tuple(expected.shape)
            assert strides(found) == strides(expected), f"{name} of {layouts}"


ROW_MAJOR_APART = ("fft", "fft2")  # see EXCEPTIONS
