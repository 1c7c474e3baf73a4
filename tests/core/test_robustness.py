"""Extreme sizes, strides and indices raise errors; nothing reads outside a storage."""

import random

import pytest

import flambeau

EXTREMES = (0, 1, -1, 2, 3, 5, -7, 1000, 2**45, 2**62, -(2**63), 2**63 - 1)
EXPECTED = (RuntimeError, IndexError, ValueError, TypeError, OverflowError, MemoryError)


def calls(x, n):
    """Calls whose arguments are drawn by `n`."""
    torch = flambeau
    return [
        lambda: x.as_strided((n(), n()), (n(), n()), n()),
        lambda: x.narrow(n(), n(), n()),
        lambda: x.select(n(), n()),
        lambda: x.unfold(n(), n(), n()),
        lambda: x.diagonal(n(), n(), n()),
        lambda: x[0].diag(n()),
        lambda: x[0].tril(n()),
        lambda: x.roll(n(), n()),
        lambda: x.flip(n()),
        lambda: x[0, 0].repeat(n()),
        lambda: x.repeat_interleave(n(), n()),
        lambda: x.view(n(), n()),
        lambda: x.expand(n(), 2, 3, 4),
        lambda: x.flatten(n(), n()),
        lambda: x.unflatten(n(), (n(), n())),
        lambda: x.movedim(n(), n()),
        lambda: x.clone().resize_(n()),
        lambda: x.clone().untyped_storage().resize_(n()),
        lambda: x.storage()[n()],
        lambda: x.size(n()),
        lambda: torch.empty(0).set_(x.untyped_storage(), n(), (n(),), (n(),)),
        lambda: torch.as_strided_scatter(x, x[0, 0, :2], (2,), (n(),), n()),
        lambda: torch.slice_scatter(x, x, n(), n(), n(), n()),
        lambda: torch.zeros(n(), n()),
        lambda: torch.Tensor(n(), n()),
        lambda: torch.empty_strided((n(),), (n(),)),
        lambda: torch.frombuffer(bytearray(16), dtype=torch.int32, count=n(), offset=n()),
        lambda: torch.tril_indices(min(n(), 50), min(n(), 50), n()),
        lambda: torch.eye(min(n(), 50), min(n(), 50)),
        lambda: torch.linspace(0, 1, min(n(), 1000)),
        lambda: torch.broadcast_shapes((n(),), (n(),)),
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore")
def test_extreme_arguments(seed):
    source = random.Random(seed)
    x = flambeau.arange(24.0).reshape(2, 3, 4)
    available = calls(x, lambda: source.choice(EXTREMES))
    for _ in range(1000):
        call = source.choice(available)
        try:
            made = call()
        except EXPECTED as error:
            assert str(error)
        else:
            if isinstance(made, flambeau.Tensor) and made.numel() < 10**6:
                made.sum()  # reads every element


def test_empty_tensors_of_huge_sizes():
    for shape in ((0, 2**62), (2**62, 0), (2**31, 2**31, 0), (2**63 - 1, 0)):
        x = flambeau.zeros(shape)
        assert x.numel() == 0
        assert x.sum().item() == 0
        assert x.prod().item() == 1
        assert repr(x) == f"tensor([], size={shape})"


def test_strides_that_overflow():
    for size, stride in ((2, 2**63 - 1), (3, 2**62), (2**40, 2**40)):
        with pytest.raises(RuntimeError, match=r"overflow|memory"):
            flambeau.empty_strided((size,), (stride,))
        with pytest.raises(RuntimeError, match=r"overflow|out of bounds"):
            flambeau.ones(4).as_strided((size,), (stride,))
