"""Writing into tensors and converting them: copy_, fill_, to, NumPy and DLPack."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels, on
from flambeau.core import device as _device
from flambeau.core import dtype as _dtypes
from flambeau.core import layout as _layout
from flambeau.core.errors import DeviceError
from flambeau.core.notices import warn_once
from flambeau.core.registry import FUNCTIONS, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops import creation, values
from flambeau.ops._declare import named
from flambeau.ops.views import cast

_DType = _C.dtype

# ---- in place ----


def _source(src, like):
    """What copy_ takes: a tensor, or a number."""
    if isinstance(src, Tensor):
        return src
    if isinstance(src, (bool, int, float, complex)):
        return _C.scalar_tensor(src, like.dtype)
    raise TypeError(
        f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}"
    )


@op(
    inplace=True,
    public=False,
    out=False,
    mixes_devices=True,
    backward_name="torch::autograd::CopyBackwards",
    samples=lambda s: [s(s.tensor(2, 3), s.tensor(2, 3)), s(s.tensor(2, 3), s.tensor(3))],
    torch="",
)
def copy(input, src, non_blocking=False):
    """A tensor laid out like input with the values of src, which broadcasts and is converted."""
    out = kernels(input).empty_like(input, input.dtype)
    kernels(input).copy_into(out, _source(src, input))
    return out


@copy.writer
def _(input, src, non_blocking=False):
    source = _source(src, input)
    if source.dtype.is_complex and not (input.dtype.is_complex or input.dtype is _dtypes.bool):
        _warn_complex_to_real()
    kernels(input).copy_into(input, source)


copy.vjp("input")(lambda g: creation.zeros_like(g))
copy.vjp("src")(lambda g: g)


def _fill_value(value, dtype):
    """What fill_ takes: a number that fits, or a 0-dim tensor."""
    if not isinstance(value, Tensor):
        return creation.fitting(value, dtype)
    if value.ndim:
        raise RuntimeError(
            "fill_ only supports 0-dimension value tensor but got tensor with"
            f" {value.ndim} dimensions."
        )
    return _C.cast(value, dtype)


@op(
    overloads={"value tensor": "FillBackward3"},
    inplace=True,
    out=False,
    backward_name="FillBackward2",
    samples=lambda s: [s(s.tensor(2, 3), 2), s(s.tensor(2, 3), s.tensor())],
    torch="",
)
def fill(input, value):
    """A tensor like input whose elements all are one value.

    Args:
        input: any dtype and sizes.
        value: a number that fits in the dtype, or a 0-dim tensor.

    Raises:
        RuntimeError: if the value does not fit, or is a tensor of more axes.

    Example:
        >>> flambeau.fill(flambeau.tensor([1, 2]), 7)
        tensor([7, 7])
    """
    out = kernels(input).empty_like(input, input.dtype)
    kernels(input).fill(out, _fill_value(value, input.dtype))
    return out


@fill.writer
def _(input, value):
    kernels(input).fill(input, _fill_value(value, input.dtype))


fill.vjp("input")(lambda g: creation.zeros_like(g))
fill.vjp("value")(lambda g: g.sum())


@op(inplace=True, public=False, out=False, samples=lambda s: [s(s.tensor(2, 3))], torch="")
def zero(input):
    """A tensor like input of zeros."""
    return kernels(input).full(input.shape, 0, input.dtype)


@zero.writer
def _(input):
    kernels(input).fill(input, 0)


zero.vjp("input")(lambda g: creation.zeros_like(g))

FUNCTIONS["zero_"] = Tensor.zero_
FUNCTIONS["fill_"] = Tensor.fill_

# ---- dtype and device ----


def _warn_complex_to_real():
    warn_once("Casting complex values to real discards the imaginary part")


def _converted(self, dtype, copy=False, memory_format=None):
    """This tensor with another dtype; itself if nothing changes."""
    if self.dtype is not dtype:
        if self.dtype.is_complex and not dtype.is_complex and dtype is not _dtypes.bool:
            _warn_complex_to_real()
        self = cast(self, dtype)
    elif copy:
        return named("ToCopyBackward0", self.clone(memory_format=memory_format))
    elif memory_format is _layout.suggested(self):
        return self
    if memory_format is None or memory_format is _layout.preserve_format:
        return self
    moved = self.contiguous(memory_format)
    if moved is self:
        if memory_format is _layout.suggested(self):
            return self
        # In both formats at once, as one channel is: its strides are still to say which it is.
        moved = self.clone(memory_format=memory_format)
    return named("ToCopyBackward0", moved)


def to(self, *args, **kwargs):
    """This tensor with another dtype, on another device or in another memory format.

    Accepts `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`, each with `non_blocking`,
    `copy` and `memory_format`.

    Args:
        dtype: the dtype wanted.
        device: the device wanted, as a `device` or its name.
        other: a tensor that has the dtype and the device wanted.
        non_blocking: accepted; copies are done when the call returns.
        copy: a copy even if nothing changes.
        memory_format: `preserve_format` unless given.

    Returns:
        The tensor itself if it is already so and `copy` is false, else a copy.

    Raises:
        RuntimeError: if there is no such device.

    Example:
        >>> x = flambeau.tensor([1, 2])
        >>> x.to(flambeau.float64), x.to(flambeau.int64) is x
        (tensor([1., 2.], dtype=torch.float64), True)
    """
    if len(args) == 1 and not kwargs and type(args[0]) is _DType:
        return self if self.dtype is args[0] else _converted(self, args[0])
    dtype, device, copy, memory_format = _to_arguments(args, kwargs)
    if device is not None:
        where = _device.require_available(device)
        if where != self.device:
            self, copy = _carried(self, where), False
    return _converted(self, self.dtype if dtype is None else dtype, copy, memory_format)


@op(
    public=False,
    out=False,
    backward_name="ToCopy",
    samples=lambda s: [s(s.tensor(2, 3), _device.cpu)],
    torch="",
)
def _carry(input, device):
    """A copy on another device."""
    out = on(device).empty_like(input, input.dtype)
    _C.copy_into(out, input)
    return out


_carry.vjp("input")(lambda g, input: g.to(input.device))


def _carried(input, device):
    if input.is_meta:
        raise NotImplementedError("Cannot copy out of meta tensor; no data!")
    return _carry(input, device)


def _to_arguments(args, kwargs):
    """(dtype, device, copy, memory_format) of any form of `to`."""
    options = dict(kwargs)
    rest = list(args)
    dtype, device = options.pop("dtype", None), options.pop("device", None)
    other = options.pop("other", None)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
    elif rest and (type(rest[0]) is _DType or isinstance(rest[0], type)):
        dtype = rest.pop(0)
    elif rest:
        device = rest.pop(0)
        if rest and not isinstance(rest[0], bool):
            dtype = rest.pop(0)
    if other is not None:
        dtype, device = other.dtype, other.device
    for name in ("non_blocking", "copy"):
        if rest:
            options[name] = rest.pop(0)
    options.pop("non_blocking", None)
    copy, memory_format = options.pop("copy", False), options.pop("memory_format", None)
    if rest or options:
        raise TypeError(
            "to() received an invalid combination of arguments: expected to(dtype), to(device),"
            " to(device, dtype) or to(other), with non_blocking, copy and memory_format"
        )
    if dtype is not None and type(dtype) is not _DType:
        named = _dtypes.from_python(dtype)
        if named is None:
            raise TypeError(
                f"to(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}"
            )
        dtype = named
    return dtype, device, copy, memory_format


Tensor.to = to


def _conversion(name, dtype, example):
    def convert(self, memory_format=None):
        if self.dtype is dtype and memory_format is None:
            return self
        return _converted(self, dtype, memory_format=memory_format)

    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"""This tensor as {dtype}; itself if it is already.

    Args:
        memory_format: that of the copy; by default the order of the axes in memory stays.

    Example:
        >>> flambeau.tensor([0.5, -2.5]).{name}()
        {example}
    """
    setattr(Tensor, name, convert)


for _name, _dtype, _example in (
    ("bool", _dtypes.bool, "tensor([True, True])"),
    ("byte", _dtypes.uint8, "tensor([  0, 254], dtype=torch.uint8)"),
    ("char", _dtypes.int8, "tensor([ 0, -2], dtype=torch.int8)"),
    ("short", _dtypes.int16, "tensor([ 0, -2], dtype=torch.int16)"),
    ("int", _dtypes.int32, "tensor([ 0, -2], dtype=torch.int32)"),
    ("long", _dtypes.int64, "tensor([ 0, -2])"),
    ("half", _dtypes.float16, "tensor([ 0.5000, -2.5000], dtype=torch.float16)"),
    ("bfloat16", _dtypes.bfloat16, "tensor([ 0.5000, -2.5000], dtype=torch.bfloat16)"),
    ("float", _dtypes.float32, "tensor([ 0.5000, -2.5000])"),
    ("double", _dtypes.float64, "tensor([ 0.5000, -2.5000], dtype=torch.float64)"),
    ("cfloat", _dtypes.cfloat, "tensor([ 0.5000+0.j, -2.5000+0.j])"),
    ("cdouble", _dtypes.cdouble, "tensor([ 0.5000+0.j, -2.5000+0.j], dtype=torch.complex128)"),
):
    _conversion(_name, _dtype, _example)


def type_as(self, other):
    """This tensor with the dtype and device of `other`; itself if it has them.

    Args:
        other: a tensor.

    Raises:
        TypeError: if it is no tensor.

    Example:
        >>> flambeau.tensor([1.5]).type_as(flambeau.tensor(0))
        tensor([1])
    """
    if not isinstance(other, Tensor):
        raise TypeError(
            "type_as(): argument 'other' (position 1) must be Tensor, not"
            f" {other.__class__.__name__}"
        )
    return self.to(other)


def cpu(self, memory_format=None):
    """This tensor in the memory of the CPU; itself if it is there.

    Args:
        memory_format: that of the copy.

    Example:
        >>> x = flambeau.ones(2)
        >>> x.cpu() is x
        True
    """
    return self.to(_device.cpu, memory_format=memory_format)


def cuda(self, device=None, non_blocking=False, memory_format=None):
    """This tensor on a GPU.

    Args:
        device: which; the first unless given.
        non_blocking: accepted; copies are done when the call returns.
        memory_format: that of the copy.

    Raises:
        RuntimeError: if there is none.

    Example:
        >>> x = flambeau.ones(2)
        >>> x = x.cuda() if flambeau.cuda.is_available() else x
    """
    return self.to("cuda" if device is None else device)


def pin_memory(self, device=None):
    """This tensor in page-locked memory.

    Args:
        device: the kind of device that shall copy from there.

    Raises:
        RuntimeError: if there is no GPU.

    Example:
        >>> x = flambeau.ones(2)
        >>> x = x.pin_memory() if flambeau.cuda.is_available() else x
    """
    raise DeviceError("pin_memory: Cannot access accelerator device when none is available.")


def is_pinned(self, device=None):
    """Whether the tensor is in page-locked memory: never, without a GPU.

    Args:
        device: accepted and ignored.

    Example:
        >>> flambeau.ones(2).is_pinned()
        False
    """
    return False


def to_dense(self, dtype=None, *, masked_grad=None):
    """This tensor itself, or converted: there are no sparse ones.

    Args:
        dtype: the dtype wanted.
        masked_grad: accepted and ignored.

    Example:
        >>> flambeau.tensor([1, 2]).to_dense(dtype=flambeau.float32)
        tensor([1., 2.])
    """
    return self if dtype is None else self.to(dtype)


for _f in (type_as, cpu, cuda, pin_memory, is_pinned, to_dense):
    setattr(Tensor, _f.__name__, _f)

# ---- NumPy ----


def numpy(self, *, force=False):
    """A NumPy array over the same memory: writing to one changes the other.

    Args:
        force: take the tensor out of the graph first.

    Raises:
        RuntimeError: if the tensor requires gradients, these are recorded, and `force` is false.
        TypeError: for bfloat16, which NumPy does not have.

    Example:
        >>> flambeau.tensor([1, 2]).numpy()
        array([1, 2])
    """
    if self.requires_grad and _C.is_grad_enabled() and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    import numpy

    return numpy.asarray(_C.memory(self))


def __array__(self, dtype=None, copy=None):
    """This tensor for NumPy: an array over the same memory, or a converted copy."""
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        if copy is False:
            raise ValueError(
                f"Unable to avoid copy while creating an array of {dtype} from {self.dtype}"
            )
        return array.astype(dtype)
    return array.copy(order="K") if copy else array


def __array_wrap__(self, array, context=None, return_scalar=False):
    """The result of a NumPy function of this tensor, as a tensor."""
    import numpy

    return values.as_tensor(numpy.asarray(array))


Tensor.numpy = numpy
Tensor.__array__ = __array__
Tensor.__array_wrap__ = __array_wrap__

# ---- DLPack ----


def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
    """A DLPack capsule over this tensor's memory, for other array libraries.

    Raises:
        BufferError: if the tensor requires gradients, or the device is not the CPU.
    """
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if self.is_meta:
        raise BufferError("Cannot pack tensors on meta")
    if self.is_conj() or self.is_neg():
        bit = "conjugate" if self.is_conj() else "negative"
        raise BufferError(f"Can't export tensors with the {bit} bit set")
    if stream not in (None, -1):
        raise BufferError("stream should be None on cpu.")
    if dl_device is not None and tuple(dl_device) != (1, 0):
        raise BufferError(f"cannot export a tensor on {self.device} to device {tuple(dl_device)}")
    versioned = max_version is not None and max_version[0] >= 1
    return _C.to_dlpack(_C.clone(self) if copy else self, versioned)


def __dlpack_device__(self):
    """DLPack's (device type, device number)."""
    return (1, 0)


Tensor.__dlpack__ = __dlpack__
Tensor.__dlpack_device__ = __dlpack_device__


@function()
def to_dlpack(tensor):
    """A DLPack capsule over a tensor's memory; it can be taken once.

    Args:
        tensor: a tensor that does not require gradients.

    Raises:
        BufferError: if it requires gradients.

    Example:
        >>> x = flambeau.zeros(2)
        >>> flambeau.from_dlpack(flambeau.to_dlpack(x)).fill_(1), x  # one memory
        (tensor([1., 1.]), tensor([1., 1.]))
    """
    return tensor.__dlpack__()


@function()
def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor over the memory of another library's array.

    Args:
        ext_tensor: an object with `__dlpack__`, or a capsule.
        device: where the tensor shall be.
        copy: True for a copy, None or False to share memory.

    Raises:
        RuntimeError: for a capsule that was taken already, or memory that is not the CPU's.

    Example:
        >>> import numpy
        >>> array = numpy.zeros(2)
        >>> flambeau.from_dlpack(array).fill_(1), array
        (tensor([1., 1.], dtype=torch.float64), array([1., 1.]))
    """
    if device is not None:
        _device.require_available(device)
    if not hasattr(ext_tensor, "__dlpack__"):
        capsule = ext_tensor
    else:
        where = ext_tensor.__dlpack_device__()
        if where[0] != 1:
            raise DeviceError(f"from_dlpack: cannot import memory of device type {int(where[0])}")
        try:
            capsule = ext_tensor.__dlpack__(max_version=(1, 0))
        except TypeError:  # a producer that knows only the first version of the protocol
            capsule = ext_tensor.__dlpack__()
    if _C.dlpack_read_only(capsule):
        values._warn_read_only("The given array")
    made = _C.from_dlpack(capsule)
    return made.clone() if copy else made
