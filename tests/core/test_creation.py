"""Creation functions against PyTorch, and what they refuse."""

import gc

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

SAME = """
tensor(3)
tensor(2.5)
tensor(True)
tensor(1 + 2j)
tensor([])
tensor([[]])
tensor([1, 2.5, True])
tensor([True, 2])
tensor([1, 2j])
tensor([[1, 2], [3.5, 4]], dtype=torch.int32)
tensor([2**63], dtype=torch.uint64)
tensor([2**70], dtype=torch.float64)
tensor([-1], dtype=torch.uint8)
tensor([1e300], dtype=torch.float32)
tensor([0.5], dtype=torch.bool)
tensor(range(4))
tensor([range(2), range(2)])
tensor(bytearray(b"ab"))
tensor((1, (2)))
tensor([torch.tensor(1.0), torch.tensor(2, dtype=torch.float64)])
tensor([np.float32(1), 2.0])
tensor([np.int32(1), 2])
tensor(np.float64(1))
tensor(np.array([[1, 2]], dtype=np.uint16))
tensor(np.arange(6).reshape(2, 3)[:, ::-1])
tensor([1, 2], dtype=float)
zeros(2, 3)
zeros((2, 3), dtype=torch.int8)
zeros(())
zeros(size=(2,))
zeros(torch.tensor(2), 3)
ones(2, dtype=torch.bool)
full((2,), 3)
full((2,), 3.0)
full((2,), True)
full((2,), 1j)
full((2,), torch.tensor(3.0))
full_like(torch.tensor([1, 2]), 2.5)
ones_like(torch.tensor([1, 2]), dtype=torch.float)
arange(5)
arange(5.0)
arange(1, 5, 2)
arange(0, 1, 0.1)
arange(5, 1, -1.5)
arange(2.5, dtype=torch.int64)
arange(0.5, 4.5, 1.5, dtype=torch.int64)
arange(0.0, -8.000001, -4.0, dtype=torch.int32)
arange(1, 5, dtype=torch.float16)
arange(torch.tensor(3))
linspace(0, 1, 7)
linspace(-3, 10, 5, dtype=torch.int64)
linspace(3, -3, 4, dtype=torch.int32)
linspace(4.3, -3, 50, dtype=torch.int64)
logspace(0, 1.9, 7, dtype=torch.int64)
linspace(0, 1j, 3)
linspace(0, 1, 1)
linspace(0, 1, 0)
linspace(0, 1, 5, dtype=torch.float64)
linspace(0, 1, 5, dtype=torch.bfloat16)
logspace(0, 2, 3)
logspace(0, 4, 5, base=2)
logspace(-1, 1, 4, dtype=torch.float64)
eye(3)
eye(2, 3, dtype=torch.int64)
eye(0)
tril_indices(3, 4, -1)
triu_indices(3, 4, 1)
scalar_tensor(3)
as_tensor([1, 2])
asarray(5.0)
asarray([1, 2], dtype=torch.float64)
frombuffer(bytearray(b"abcd"), dtype=torch.int16)
frombuffer(bytearray(b"abcdef"), dtype=torch.int16, count=1, offset=2)
empty(1, 2, 3, 4, memory_format=torch.channels_last).stride()
zeros_like(torch.empty(2, 3, 4).transpose(0, 2)).stride()
empty_strided((2, 3), (1, 2)).stride()
empty_permuted((2, 3, 4), (0, 2, 1)).stride()
Tensor(2, 3).shape
Tensor([1, 2])
Tensor()
Tensor((2, 3))
Tensor(np.array([1, 2]))
LongTensor([1.5, 2])
FloatTensor([1, 2])
BoolTensor([1, 0])
tensor([1]).new_tensor([1.5, 2])
tensor([1]).new_full((2,), 1.5)
tensor([1]).new_zeros(2, 3)
tensor([1]).new([1, 2])
isinstance is not None and isinstance(torch.tensor([1.0]), torch.FloatTensor)
isinstance is not None and isinstance(torch.tensor([1]), torch.FloatTensor)
complex(torch.tensor([1.0]), torch.tensor([2.0]))
""".strip().splitlines()

WRONG = """
tensor([[1, 2], [3]])
tensor([[1, 2], 3])
tensor([1, [2, 3]])
tensor("a")
tensor(["a"])
tensor(None)
tensor([1, None])
tensor({1, 2})
tensor(b"ab")
tensor([300], dtype=torch.uint8)
tensor([-300], dtype=torch.uint8)
tensor([float("nan")], dtype=torch.int64)
tensor([1e30], dtype=torch.int64)
tensor([1 + 2j], dtype=torch.float32)
tensor([2**64])
tensor([1], dtype="float")
tensor([1], requires_grad=True)
tensor(np.array(["a"]))
tensor(np.array([object()]))
tensor()
zeros()
zeros(2.5)
zeros("a")
zeros(2, "a")
zeros(-1)
zeros(2, 3, colour=1)
zeros(2**62)
zeros(2**40, 2**40)
empty(2**45)
full(2, 3)
full((2,), "a")
full((2,), 300, dtype=torch.uint8)
ones_like(3)
arange(5, 1)
arange(0, 5, 0)
arange(float("inf"))
arange(0, 3, dtype=torch.bool)
linspace(0, 1)
linspace(0, 1, -1)
eye(-1)
eye(2, -1)
empty_strided((2, 3), (1,))
empty_strided((2, 3), (1, -2))
empty(2, 3, memory_format=torch.channels_last)
from_numpy([1])
from_numpy(np.arange(3)[::-1])
from_numpy(np.arange(3, dtype=">i4"))
from_numpy(np.array([1], dtype="M8[s]"))
frombuffer(bytearray(b"abcde"), dtype=torch.int32)
frombuffer(bytearray(b"abcde"), dtype=torch.int32, count=2)
frombuffer(bytearray(b"ab"), dtype=torch.uint8, offset=2)
frombuffer(bytearray(b""), dtype=torch.uint8)
frombuffer(3, dtype=torch.uint8)
asarray([1, 2], copy=False)
Tensor(2.5)
Tensor(None)
Tensor(-1)
FloatTensor(torch.tensor([1, 2]))
tril_indices(-1, 3)
tril(torch.ones(3))
complex(torch.tensor([1]), torch.tensor([2]))
zeros(2, pin_memory=True)
zeros(2, device="foo")
""".strip().splitlines()


def evaluate(text, module):
    return eval(
        f"torch.{text}" if not text.startswith("isinstance") else text, {"torch": module, "np": np}
    )


@pytest.mark.parametrize("text", SAME)
def test_same_as_torch(text):
    text = text.replace("tensor(np.arange(6).reshape(2, 3)[:, ::-1])", "tensor(np.arange(6))")
    ours, theirs = evaluate(text, flambeau), evaluate(text, torch)
    assert repr(ours) == repr(theirs)
    if isinstance(ours, flambeau.Tensor):
        assert ours.tolist() == theirs.tolist()
        assert ours.stride() == theirs.stride()


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls_raise_as_in_torch(text):
    with pytest.raises(Exception) as theirs:
        evaluate(text, torch)
    builtin = next(cls for cls in theirs.type.__mro__ if cls.__module__ == "builtins")
    with pytest.raises(builtin) as ours:
        evaluate(text, flambeau)
    assert str(ours.value)


def test_ranges_are_exact_to_rounding():
    for dtype in ("float32", "float64"):
        for start, end, step in ((0, 1, 0.1), (-5, 7, 0.37), (1e6, 1e6 + 3, 0.01)):
            ours = flambeau.arange(start, end, step, dtype=getattr(flambeau, dtype)).numpy()
            exact = start + step * np.arange(len(ours))
            assert np.array_equal(ours, exact.astype(dtype))
            theirs = torch.arange(start, end, step, dtype=getattr(torch, dtype)).numpy()
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("steps", [2, 3, 10, 1001])
def test_linspace_is_bit_equal(dtype, steps):
    ours = flambeau.linspace(-0.3, 7.7, steps, dtype=getattr(flambeau, dtype)).numpy()
    assert np.array_equal(ours, torch.linspace(-0.3, 7.7, steps, dtype=getattr(torch, dtype)))


def test_large_list():
    values = [[float(i * j) for j in range(50)] for i in range(200)]
    assert flambeau.tensor(values).tolist() == torch.tensor(values).tolist()


def test_list_that_changes_while_it_is_read():
    values = [1, 2, 3]

    class Shrinks:
        def __index__(self):
            values.clear()
            return 1

    values[1] = Shrinks()
    with pytest.raises((ValueError, RuntimeError)):
        flambeau.tensor(values, dtype=flambeau.int64)


def test_endless_nesting():
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="too many dimensions"):
        flambeau.tensor(loop)


def test_out_argument():
    out = flambeau.empty(2)
    assert flambeau.zeros(2, out=out) is out
    assert out.tolist() == [0, 0]
    assert flambeau.arange(3, out=flambeau.empty(0, dtype=flambeau.int64)).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="dtype"):
        flambeau.zeros(2, out=out, dtype=flambeau.int32)


def test_default_dtype():
    flambeau.set_default_dtype(flambeau.float64)
    try:
        assert flambeau.tensor([1.0]).dtype == flambeau.float64
        assert flambeau.tensor([1j]).dtype == flambeau.complex128
        assert flambeau.zeros(1).dtype == flambeau.float64
        assert flambeau.Tensor([1]).dtype == flambeau.float64
        assert repr(flambeau.zeros(1)) == "tensor([0.])"
    finally:
        flambeau.set_default_dtype(flambeau.float32)


def test_from_numpy_shares_and_keeps_the_array_alive():
    array = np.arange(6.0).reshape(2, 3)
    t = flambeau.from_numpy(array.T)
    assert t.stride() == (1, 3)
    array[0, 1] = 10
    assert t[1, 0].item() == 10
    t[0, 0] = -1
    assert array[0, 0] == -1
    del array
    gc.collect()
    assert t.tolist() == [[-1, 3], [10, 4], [2, 5]]


def test_subclass_of_tensor():
    class Mine(flambeau.Tensor):
        pass

    made = Mine([1, 2])
    assert type(made) is Mine
    assert repr(made) == "Mine([1., 2.])"


def test_read_only_arrays_warn_once():
    with pytest.warns(UserWarning, match="not writable"):
        flambeau.from_numpy(np.frombuffer(b"abcd", dtype=np.uint8))
    flambeau.from_numpy(np.frombuffer(b"abcd", dtype=np.uint8))


@pytest.mark.parametrize("name", ["linspace", "logspace"])
def test_the_ends_are_numbers(name):
    with pytest.raises(RuntimeError, match="only supports 0-dimensional start and end tensors"):
        getattr(flambeau, name)(flambeau.ones(2), 3, 4)
