"""Types, storages, sizes and dtypes answer as torch's do: the same expressions in both."""

import array
import math
import re
import warnings

import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

CONVERSIONS = "bool byte char short int long half bfloat16 float double complex_float"
FINFO = "bits eps max min tiny smallest_normal resolution dtype"

EXPRESSIONS = """
t.FloatTensor(2, 3).shape
t.FloatTensor([1, 2])
t.FloatTensor()
t.FloatTensor(t.Size([2])).shape
t.FloatTensor((2, 3))
t.FloatTensor(t.tensor([1., 2.]))
t.FloatTensor(t.tensor([1, 2]))
t.LongTensor([1.5, 2])
t.ByteTensor([1, 255])
t.BoolTensor([True, False])
t.HalfTensor([1])
t.BFloat16Tensor([1])
t.DoubleTensor([1])
t.CharTensor([1]), t.ShortTensor([1]), t.IntTensor([1])
t.Tensor(2, 3).shape
t.Tensor([1, 2])
t.Tensor(3).shape
t.Tensor(t.ones(2, dtype=t.float64))
t.Tensor(size=(2,)).shape
t.Tensor(device='cpu')
t.Tensor('a')
t.Tensor(2.5)
t.Tensor(5, dtype=t.float)
t.Tensor(-1)
t.Tensor(t.FloatStorage(3)).shape
[isinstance(x, k) for x in (t.ones(2), t.ones(2).double(), 3) for k in (t.FloatTensor, t.Tensor)]
isinstance(t.nn.Parameter(t.ones(2)), t.FloatTensor)
t.FloatTensor, type(t.FloatTensor), type(t.FloatTensor([1]))
t.FloatTensor.dtype, t.FloatTensor.layout, t.FloatTensor.is_cuda, t.FloatTensor.is_sparse
t.ones(2).type(), t.ones(2).long().type(), t.ones(2, dtype=t.complex64).type()
t.ones(2).type(t.LongTensor)
t.ones(2).type('torch.LongTensor')
t.ones(2).type(t.int8)
t.ones(2).type('foo')
t.ones(2).type(3)
t.ones(2).type_as(t.ones(1).int())
t.ones(2).new(3).shape, t.ones(2).long().new([1, 2]), t.ones(2).new()
t.typename(t.ones(2)), t.typename(3), t.typename(t.Tensor)
t.tensor([1., 2.]).apply_(lambda v: v * 2)
t.ones(2, requires_grad=True).apply_(lambda v: v)
t.tensor([1, 2]).map_(t.tensor([3, 4]), lambda a, b: a * b)
t.tensor([1, 2]).map2_(t.tensor(3), t.tensor([4, 5]), lambda a, b, c: a + b + c)
t.tensor([1, 2]).map_(t.ones(2), lambda a, b: a)
t.ones(2).storage()
t.ones(2).storage().type(), t.ones(2).storage_type(), type(t.ones(2).storage())
t.ones(2).untyped_storage()
t.ones(0).storage(), t.ones(0).untyped_storage()
t.FloatStorage, t.FloatStorage.dtype, t.FloatStorage(3).size(), t.FloatStorage([1, 2])
t.TypedStorage([1, 2], dtype=t.int32), t.TypedStorage(3, dtype=t.int32).size(), t.TypedStorage()
t.UntypedStorage([1, 2]), t.UntypedStorage(3).nbytes(), t.UntypedStorage(0).tolist()
t.UntypedStorage('a')
t.UntypedStorage(2.5)
t.UntypedStorage(-1)
[isinstance(t.ones(2).storage(), k) for k in (t.FloatStorage, t.LongStorage, t.TypedStorage)]
t.ones(2).storage()[0], t.ones(2).storage()[-1]
t.ones(2).storage()[0:1]
t.ones(2).storage()[5]
t.ones(2).storage().tolist(), list(t.ones(2).storage()), len(t.ones(2).storage())
[getattr(t.ones(2).storage(), name)() for name in CONVERSIONS.split()]
[getattr(t.UntypedStorage([0, 1, 200]), name)() for name in CONVERSIONS.split()]
t.ones(2).storage().element_size(), t.ones(2).storage().nbytes(), t.ones(2).storage().size()
t.ones(2).storage().is_cuda, t.ones(2).storage().is_hpu, t.ones(2).storage().is_sparse
t.ones(2).storage().device, t.ones(2).storage().get_device(), t.ones(2).storage().is_pinned()
t.ones(2).storage().is_shared(), t.ones(2).storage().share_memory_().is_shared()
t.ones(2).storage().pickle_storage_type(), t.ones(2).storage().resizable()
t.ones(2).storage().filename, t.ones(2).untyped_storage().filename
t.ones(2).storage().untyped(), t.ones(2).storage().clone(), t.ones(2).storage().cpu()
t.ones(2).storage().fill_(3), t.ones(2).storage().copy_(t.zeros(2).storage())
t.ones(2).storage().to(device='cpu')
t.ones(2).storage() == t.ones(2).storage(), t.ones(2).storage() == 3
t.ones(2).untyped_storage() == t.ones(2).untyped_storage()
t.ones(2).untyped_storage()[2], t.ones(2).untyped_storage()[2:5]
t.ones(2).untyped_storage()[::2]
t.ones(2).untyped_storage()[100]
t.ones(2).untyped_storage().type(), t.ones(2).untyped_storage().new()
t.ones(2).untyped_storage().is_sparse_csr, t.ones(2).untyped_storage().element_size()
t.ones(2).untyped_storage().byteswap(t.float32)
t.storage.TypedStorage, t.storage.UntypedStorage, t.Storage
t.is_storage(t.ones(2).storage()), t.is_storage(t.ones(2)), t.is_tensor(3)
t.set_default_tensor_type('torch.LongTensor')
t.set_default_tensor_type(t.LongTensor)
t.set_default_dtype(t.int32)
t.set_default_dtype('x')
t.get_default_dtype(), t.get_default_device()
[t.finfo(d) for d in (t.float32, t.float64, t.float16, t.bfloat16, t.complex64, t.complex128)]
t.finfo()
t.finfo('x')
t.finfo(t.int8)
[t.iinfo(d) for d in (t.int8, t.uint8, t.int16, t.int32, t.int64, t.uint16, t.uint32, t.uint64)]
t.iinfo(t.bool)
t.iinfo()
[getattr(t.finfo(d), k) for d in (t.float32, t.bfloat16, t.half, t.double) for k in FINFO.split()]
t.finfo(t.float32) == t.finfo(t.float32), t.finfo(t.float32) == t.finfo(t.float64)
t.result_type(t.tensor([1]), 1.0), t.result_type(1, 2), t.result_type(t.tensor(1), t.tensor(1.0))
t.promote_types(t.uint8, t.int8), t.promote_types(t.bfloat16, t.float16)
t.promote_types(t.uint16, t.int32)
t.promote_types(1, 2)
t.can_cast(t.double, t.float), t.can_cast(t.float, t.int), t.can_cast(t.uint8, t.int8)
t.can_cast(1, t.int)
t.float32.itemsize, t.float32.is_signed, t.complex64.to_real(), t.float64.to_complex()
t.int32.to_complex()
t.float32, t.strided, t.channels_last
t.Size([2, 3]).numel(), t.Size([2, 3])[0], t.Size([2, 3])[:1], t.Size(), t.Size([2, 3]).index(3)
t.Size([2, 3]) + (1,), (1,) + t.Size([2, 3]), t.Size([2]) + t.Size([1])
t.Size([2, 3]) * 2, 2 * t.Size([2, 3])
t.Size([2, 3]) + [1]
[1] + t.Size([2, 3])
t.Size([2]) * 1.5
t.Size([1.5])
t.Size('a')
t.Size(3)
t.Size([t.tensor(2), True])
t.Size((2,)) == (2,), hash(t.Size([2])) == hash((2,))
t.ones(2, 3).size(), t.ones(2, 3).size(0), t.ones(2, 3).size(dim=1), t.ones(2, 3).shape
t.ones(2).element_size(), t.ones(2).nbytes, t.ones(2).itemsize
t.ones(2).name, t.ones(2).volatile, t.ones(2).is_distributed(), t.ones(2).layout
[getattr(t.ones(2), 'is_' + k) for k in 'cpu cuda ipu maia meta mps mtia vulkan xla xpu'.split()]
[getattr(t.ones(2), 'is_' + k) for k in 'mkldnn nested quantized sparse sparse_csr leaf'.split()]
reversed(t.arange(6).reshape(2, 3)), reversed(t.tensor(3))
t.ones(2).module_load(t.zeros(2)), t.ones(2).module_load(t.zeros(3), assign=True)
t.is_nonzero(t.tensor(1)), t.is_complex(t.ones(1)), t.is_floating_point(t.ones(1))
t.is_nonzero(t.ones(2))
t.is_distributed(t.ones(2)), t.is_vulkan_available()
t.get_deterministic_debug_mode()
t.set_deterministic_debug_mode('loud')
t.set_deterministic_debug_mode(3)
t.set_deterministic_debug_mode(None)
t.asarray([1, 2]), t.asarray([1., 2.], dtype=t.int32), t.asarray(3), t.asarray(range(3))
t.asarray([1], copy=False)
t.asarray(t.ones(2), dtype=t.int32, copy=False)
t.asarray(t.ones(2, requires_grad=True)), t.asarray(t.ones(2, requires_grad=True) * 2)
t.asarray(t.ones(2, requires_grad=True), requires_grad=True)
t.asarray(array.array('f', [1, 2])), t.asarray(bytearray(b'abcdefgh'), dtype=t.int32)
t.as_tensor(array.array('f', [1, 2])), t.as_tensor(range(3)), t.as_tensor(t.ones(2), dtype=t.int64)
t.as_tensor([[1, 2], [3]])
t.as_tensor('a')
t.frombuffer(bytearray(8), dtype=t.float32, offset=4)
t.frombuffer(bytearray(8), dtype=t.float32, offset=2)
t.frombuffer(bytearray(8), dtype=t.float32, count=3)
t.frombuffer(bytearray(8), dtype=t.float32, count=0)
t.frombuffer(3, dtype=t.float32)
t.utils.dlpack.from_dlpack(t.utils.dlpack.to_dlpack(t.ones(2)))
t.device('cpu', 'cpu')
t.ones(2).type_as(3)
t.empty(2, 3).set_(t.arange(6.).storage(), 0, (2, 3)), t.ones(3).set_()
"""


def outcome(expression, module):
    """What comes out, as text: the result or the kind of the exception."""
    names = {"t": module, "array": array, "CONVERSIONS": CONVERSIONS, "FINFO": FINFO}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's notes on deprecated storages
        try:
            text = repr(eval(expression, names))
        except Exception as error:
            return next(c.__name__ for c in type(error).__mro__ if c.__module__ == "builtins")
    return text.replace("flambeau", "torch")


@pytest.mark.parametrize("expression", [e for e in EXPRESSIONS.split("\n") if e])
def test_same(expression):
    assert outcome(expression, flambeau) == outcome(expression, torch)


def test_default_types():
    for module in (flambeau, torch):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            module.set_default_tensor_type(module.DoubleTensor)
            assert module.tensor(1.0).dtype is module.float64
            assert module.Tensor(2).dtype is module.float64
            assert module.tensor(1j).dtype is module.complex128
            module.set_default_tensor_type("torch.FloatTensor")
        assert module.tensor(1.0).dtype is module.float32


def test_debug_modes():
    for mode, number in (("warn", 1), ("error", 2), (1, 1), ("default", 0)):
        flambeau.set_deterministic_debug_mode(mode)
        assert flambeau.get_deterministic_debug_mode() == number
    assert not flambeau.are_deterministic_algorithms_enabled()


def test_files(tmp_path):
    path = tmp_path / "numbers"
    for module in (flambeau, torch):
        path.write_bytes(b"")
        x = module.from_file(str(path), shared=True, size=3, dtype=module.int32)
        x.copy_(module.tensor([1, 2, 3]))
        del x
        assert path.stat().st_size == 12
        private = module.from_file(str(path), size=2, dtype=module.int32)
        private += 1
        assert private.tolist() == [2, 3]
        assert module.IntStorage.from_file(str(path), False, 3).tolist() == [1, 2, 3]
        storage = module.UntypedStorage.from_file(str(path), True, 8)
        assert storage.filename == str(path)
        assert storage.nbytes() == 8
        with pytest.raises(RuntimeError):
            module.from_file(str(path), size=30, dtype=module.int32)
        with pytest.raises(RuntimeError):
            module.from_file(str(tmp_path / "absent"), size=1)


def test_storage_slices_are_assigned():
    for module in (flambeau, torch):
        storage = module.zeros(4).untyped_storage()
        storage[1:3] = 7
        storage[0] = 1
        assert storage.tolist()[:4] == [1, 7, 7, 0]
    ours = flambeau.zeros(4).storage()
    ours[1:3] = [5, 6]
    assert ours.tolist() == [0, 5, 6, 0]
    bytes_ = flambeau.tensor([1], dtype=flambeau.int32).untyped_storage()
    bytes_.byteswap(flambeau.int32)
    assert bytes_.tolist() == [0, 0, 0, 1]


def test_threads_between_operations():
    """In a process of its own: the number can be set once."""
    import subprocess
    import sys

    program = (
        "import flambeau as t\n"
        "assert t.get_num_interop_threads() == t.get_num_threads()\n"
        "t.set_num_interop_threads(3)\n"
        "assert t.get_num_interop_threads() == 3\n"
        "try: t.set_num_interop_threads(2)\n"
        "except RuntimeError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert re.search("refused", done.stdout), done.stderr
    assert math.isfinite(torch.get_num_interop_threads())
