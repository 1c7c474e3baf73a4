"""NumPy arrays, Python buffers and DLPack capsules over the same memory."""

import gc

import numpy as np
import pytest

import flambeau

NUMPY_DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


@pytest.mark.parametrize("name", NUMPY_DTYPES)
def test_numpy_round_trip(name):
    array = np.arange(6).reshape(2, 3).astype(name)
    t = flambeau.from_numpy(array)
    assert t.dtype == getattr(flambeau, name)
    assert t.tolist() == array.tolist()
    back = t.numpy()
    assert back.dtype == array.dtype
    assert np.shares_memory(back, array)
    assert np.from_dlpack(t).dtype == array.dtype
    assert np.shares_memory(np.from_dlpack(t), array)
    assert flambeau.from_dlpack(array).tolist() == array.tolist()


def test_numpy_is_writable_and_outlives_the_tensor():
    t = flambeau.zeros(2, 3).t()
    array = t.numpy()
    assert array.strides == (4, 12)
    array[0, 1] = 5
    assert t[0, 1].item() == 5
    del t
    gc.collect()
    assert array[0, 1] == 5


def test_numpy_of_special_shapes():
    assert flambeau.tensor(3.0).numpy().shape == ()
    assert flambeau.zeros(0, 3).numpy().shape == (0, 3)
    assert flambeau.ones(3).expand(2, 3).numpy().strides == (0, 4)


def test_numpy_of_a_parameter_where_nothing_is_recorded():
    t = flambeau.ones(2, requires_grad=True)
    with flambeau.no_grad():
        array = t.numpy()
        assert np.asarray(t * 2).tolist() == [2, 2]
    array[0] = 5
    assert t.tolist() == [5, 1]


def test_a_custom_function_may_compute_with_numpy():
    class Sine(flambeau.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return flambeau.from_numpy(np.sin(x.numpy()))

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0].cos()

    x = flambeau.tensor([0.5], requires_grad=True)
    Sine.apply(x).backward()
    assert x.grad.item() == pytest.approx(np.cos(0.5))


def test_numpy_refuses():
    with pytest.raises(RuntimeError, match="requires grad"):
        flambeau.ones(2, requires_grad=True).numpy()
    assert flambeau.ones(2, requires_grad=True).numpy(force=True).tolist() == [1, 1]
    with pytest.raises(TypeError, match="BFloat16"):
        flambeau.ones(2, dtype=flambeau.bfloat16).numpy()


def test_array_protocol():
    t = flambeau.tensor([1, 2])
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert np.array(t, dtype=np.float32).dtype == np.float32
    assert not np.shares_memory(np.array(t, copy=True), t.numpy())
    with pytest.raises(ValueError, match="copy"):
        np.asarray(t, dtype=np.float32, copy=False)


def test_numpy_functions_give_tensors():
    x = flambeau.tensor([1.0, 4.0])
    assert isinstance(np.sqrt(x), flambeau.Tensor)
    assert np.sqrt(x).tolist() == [1, 2]
    assert (np.float64(2) * x).tolist() == [2, 8]
    assert (x * np.array([2.0, 3.0])).tolist() == [2, 12]
    with pytest.raises(TypeError):
        np.array([2.0, 3.0]) * x


def test_frombuffer_shares():
    data = bytearray(8)
    t = flambeau.frombuffer(data, dtype=flambeau.int32)
    t[1] = 1
    assert data[4] == 1
    with pytest.raises(BufferError):
        data.append(0)  # exported
    del t
    gc.collect()
    data.append(0)


def test_dlpack_capsule_is_taken_once():
    x = flambeau.arange(3.0)
    capsule = flambeau.to_dlpack(x)
    y = flambeau.from_dlpack(capsule)
    y[0] = 9
    assert x[0].item() == 9
    with pytest.raises(RuntimeError, match="consumed only once"):
        flambeau.from_dlpack(capsule)
    with pytest.raises(RuntimeError, match="capsule"):
        flambeau.from_dlpack(3)


def test_dlpack_keeps_memory_alive():
    capsule = flambeau.ones(1000).__dlpack__()
    gc.collect()
    assert flambeau.from_dlpack(capsule).sum().item() == 1000
    flambeau.ones(10).__dlpack__()  # a capsule that nobody takes


def test_dlpack_options():
    x = flambeau.ones(2)
    assert x.__dlpack_device__() == (1, 0)
    assert "versioned" in repr(x.__dlpack__(max_version=(1, 0)))
    copied = flambeau.from_dlpack(x, copy=True)
    assert copied.data_ptr() != x.data_ptr()
    with pytest.raises(BufferError, match="gradient"):
        flambeau.ones(1, requires_grad=True).__dlpack__()
    with pytest.raises(BufferError, match="stream"):
        x.__dlpack__(stream=1)
    with pytest.raises(BufferError, match="device"):
        x.__dlpack__(dl_device=(2, 0))


def test_dlpack_with_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    theirs = torch.arange(6).reshape(2, 3).t()
    ours = flambeau.from_dlpack(theirs)
    assert ours.stride() == (1, 3)
    ours[0, 0] = 7
    assert theirs[0, 0].item() == 7
    assert torch.from_dlpack(flambeau.ones(2, dtype=flambeau.bfloat16)).tolist() == [1, 1]


def test_asarray():
    array = np.arange(3.0)
    assert np.shares_memory(flambeau.asarray(array).numpy(), array)
    assert not np.shares_memory(flambeau.asarray(array, copy=True).numpy(), array)
    x = flambeau.ones(2)
    assert flambeau.asarray(x) is x
    with pytest.raises(ValueError, match="alias"):
        flambeau.asarray(x, dtype=flambeau.int64, copy=False)
