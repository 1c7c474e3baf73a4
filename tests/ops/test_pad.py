"""Padding in all modes against torch: values, layouts, names of nodes, gradients, refusals."""

import pytest

import flambeau
from flambeau.core.errors import RuntimeFailure

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

MODES = ["constant", "reflect", "replicate", "circular"]
#: (sizes, widths): trimmed, empty, of one to three axes, with and without a batch.
SHAPES = [
    ((2, 3, 4), (1, 2)),
    ((2, 3, 4), (0, 0)),
    ((2, 4), (-1, 2)),
    ((2, 3, 4), (2, -1, 1, -1)),
    ((1, 3, 4, 4), (-1, 1, -2, 1)),
    ((1, 5), (-2, 3)),
    ((1, 5), (2, -3)),
    ((2, 3, 4, 5), (2, 1, 0, 2)),
    ((2, 2, 3, 4, 5), (2, 1, 0, 2, 1, 1)),
    ((0, 3, 4), (1, 1)),
    ((2, 3, 4), (-2, -1)),
]


def padded(m, mode, sizes, widths, dtype, channels_last=False):
    """The result of a function of a range, and the gradient of the range."""
    count = 1
    for size in sizes:
        count *= size
    leaf = m.arange(count, dtype=m.float64).reshape(sizes).to(getattr(m, dtype)).requires_grad_()
    x = leaf
    if channels_last:
        x = x.to(memory_format=m.channels_last)
    out = m.nn.functional.pad(x, widths, mode=mode)
    weights = (m.arange(out.numel()) % 4).reshape(tuple(out.shape)).to(out.dtype)
    (gradient,) = m.autograd.grad(out, leaf, weights)
    return out, gradient


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "complex64"])
@pytest.mark.parametrize("sizes, widths", SHAPES)
@pytest.mark.parametrize("mode", MODES)
def test_values_and_gradients(mode, sizes, widths, dtype):
    ours, gradient = padded(flambeau, mode, sizes, widths, dtype)
    theirs, expected = padded(torch, mode, sizes, widths, dtype)
    assert ours.tolist() == theirs.tolist()
    assert gradient.tolist() == expected.tolist()
    assert ours.grad_fn.name() == theirs.grad_fn.name()


@pytest.mark.parametrize("widths", [(1, 2), (1, 0, -1, 2), (2, 1, 1, 0, 0, 0)])
@pytest.mark.parametrize("mode", MODES)
def test_channels_last_stays(mode, widths):
    if mode != "constant" and len(widths) != 4:
        widths = (1, 2, 2, 0)
    ours, gradient = padded(flambeau, mode, (2, 3, 4, 5), widths, "float32", True)
    theirs, expected = padded(torch, mode, (2, 3, 4, 5), widths, "float32", True)
    assert ours.stride() == theirs.stride()
    assert ours.tolist() == theirs.tolist()
    assert gradient.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float16"])
def test_any_dtype_and_layout(dtype):
    def outcome(m):
        x = (m.arange(24).reshape(2, 3, 4) % 5).to(getattr(m, dtype)).transpose(1, 2)
        return m.nn.functional.pad(x, (1, 1), value=1).tolist()

    assert outcome(flambeau) == outcome(torch)


def test_many_threads_give_the_same():
    x = flambeau.randn(3, 40, 50, 60)
    wide = flambeau.nn.functional.pad(x, (3, 2, 1, 4), mode="reflect")
    rows = flambeau.tensor([1, *range(50), 48, 47, 46, 45])
    columns = flambeau.tensor([3, 2, 1, *range(60), 58, 57])
    assert flambeau.equal(wide, x[:, :, rows][..., columns])


@pytest.mark.parametrize(
    "mode, sizes, widths",
    [
        ("reflect", (2, 3, 4), (1,)),
        ("reflect", (2, 3, 4), (4, 0)),
        ("reflect", (2, 3, 4), (-2, -2)),
        ("reflect", (2, 3, 0), (1, 1)),
        ("replicate", (2, 3, 4), (-3, -3)),
        ("replicate", (2, 3, 0), (1, 1)),
        ("circular", (2, 3, 4), (5, 0)),
        ("circular", (2, 3, 4), (-3, -3)),
        ("circular", (2, 3, 4), (-4, 1)),
        ("constant", (2, 3), (1, 1, 1)),
        ("constant", (2, 3), (1,) * 6),
        ("constant", (2, 3), (-2, -2)),
        ("constant", (2, 3), (2**62, 2**62)),
    ],
)
def test_what_does_not_fit_is_refused(mode, sizes, widths):
    with pytest.raises(RuntimeFailure, match="pad"):
        flambeau.nn.functional.pad(flambeau.ones(sizes), widths, mode=mode)


def test_axes_that_cannot_be_continued():
    with pytest.raises(NotImplementedError, match="Padding size 8 is not supported"):
        flambeau.nn.functional.pad(flambeau.ones(1, 1, 2, 2, 2), (1,) * 8, mode="reflect")


def test_absurd_widths_are_refused():
    with pytest.raises(RuntimeError, match="the widths are too large"):
        flambeau.nn.functional.pad(flambeau.ones(3), (-(2**63), 0))
