"""The constructors and types of early PyTorch, which programs still use: `FloatTensor`, `.type()`.

A tensor has one class, `Tensor`; what names its element type is its dtype. The legacy types stand
for a dtype: calling one makes a tensor, and `isinstance` asks for the dtype.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import on
from flambeau.core import device as _device
from flambeau.core import dtype as _dtypes
from flambeau.core import layout as _layout
from flambeau.core import settings as _settings
from flambeau.core.registry import FUNCTIONS, checked
from flambeau.core.tensor import Size, Tensor

_FORMS = (
    "new() received an invalid combination of arguments: expected sizes as integers or a"
    " torch.Size, a sequence of values, a tensor or a storage, with device="
)


def _constructed(arguments, keywords, dtype):
    """What `Tensor(...)` and `FloatTensor(...)` make of their arguments."""
    options = dict(keywords)
    place = on(_device.require_available(options.pop("device", None)))
    for name in ("size", "data", "other", "storage"):
        if name in options and not arguments:
            value = options.pop(name)
            arguments = (Size(value),) if name == "size" else (value,)
    if options:
        raise TypeError(f"{_FORMS}; got the keyword {next(iter(options))}")
    if not arguments:
        return place.empty((0,), dtype)
    if len(arguments) == 1 and not _is_index(arguments[0]):
        return _from_one(place, arguments[0], dtype)
    if any(isinstance(a, int) and a < 0 for a in arguments):
        worst = next(a for a in arguments if a < 0)
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {worst}: {list(arguments)}"
        )
    return _settings.filled_memory(place.new_empty("new", arguments, dtype))


def _is_index(value):
    return hasattr(value, "__index__") and not isinstance(value, Tensor) and not _C.is_numpy(value)


def _from_one(place, value, dtype):
    """A tensor from a tensor, sizes, a storage or a sequence of values."""
    if isinstance(value, Tensor):
        return _C.detach(value)
    if isinstance(value, Size):
        return _settings.filled_memory(place.new_empty("new", value, dtype))
    if hasattr(value, "untyped"):
        return place.empty((0,), dtype).set_(value)
    if not hasattr(value, "__len__"):
        raise TypeError(f"new(): data must be a sequence (got {type(value).__name__})")
    return place.tensor_from(value, dtype)


def legacy_tensor(cls: type, *arguments: object, **keywords: object) -> object:
    """`Tensor(2, 3)`, `Tensor([1, 2])`, and the same for subclasses."""
    made = _constructed(arguments, keywords, _C.get_default_dtype())
    return made if type(made) is cls else _C.as_class(made, cls, made.requires_grad)


def new(self, *arguments, **keywords):
    """The legacy constructor with this tensor's dtype; `new_tensor` and `new_empty` are clearer.

    Args:
        arguments: sizes, for uninitialised memory, or a sequence of values.
        keywords: `device`.

    Raises:
        TypeError: for arguments that are neither.

    Example:
        >>> flambeau.tensor([1, 2]).new([3.7, 4.2])
        tensor([3, 4])
    """
    return _constructed(arguments, keywords, self.dtype)


class tensortype(type):
    """The class of FloatTensor and its like: `isinstance` asks for the dtype."""

    dtype: _C.dtype
    is_cuda: bool
    is_sparse = False
    layout = _layout.strided

    def __instancecheck__(cls, value):
        return isinstance(value, Tensor) and value.dtype is cls.dtype and not cls.is_cuda

    def __call__(cls, *arguments, **keywords):
        if cls.is_cuda:
            keywords.setdefault("device", "cuda")
        given = arguments[0] if len(arguments) == 1 else None
        if isinstance(given, Tensor) and given.dtype is not cls.dtype:
            raise TypeError(f"{cls.__name__}: expected a tensor of {cls.dtype}, got {given.dtype}")
        return _constructed(arguments, keywords, cls.dtype)


tensortype.__module__ = "torch"

_NAMES = {
    "BoolTensor": _dtypes.bool,
    "ByteTensor": _dtypes.uint8,
    "CharTensor": _dtypes.int8,
    "ShortTensor": _dtypes.int16,
    "IntTensor": _dtypes.int32,
    "LongTensor": _dtypes.int64,
    "HalfTensor": _dtypes.float16,
    "BFloat16Tensor": _dtypes.bfloat16,
    "FloatTensor": _dtypes.float32,
    "DoubleTensor": _dtypes.float64,
}


def make_type(name: str, dtype: _C.dtype, is_cuda: bool = False) -> tensortype:
    """The legacy type of a dtype.

    Args:
        name: "FloatTensor" and the like.
        dtype: the dtype it stands for.
        is_cuda: whether it is the type of tensors on a GPU.
    """
    return tensortype(
        name,
        (),
        {
            "__module__": "torch.cuda" if is_cuda else "torch",
            "__doc__": f"The legacy type of {dtype} tensors on the {'GPU' if is_cuda else 'CPU'}.",
            "dtype": dtype,
            "is_cuda": is_cuda,
        },
    )


for _name, _of in _NAMES.items():
    FUNCTIONS[_name] = make_type(_name, _of)

_TYPE_NAMES = {dtype: name for name, dtype in _NAMES.items()} | {
    _dtypes.complex64: "ComplexFloatTensor",
    _dtypes.complex128: "ComplexDoubleTensor",
    _dtypes.uint16: "UInt16Tensor",
    _dtypes.uint32: "UInt32Tensor",
    _dtypes.uint64: "UInt64Tensor",
}
_BY_TYPE_NAME = {f"torch.{name}": dtype for dtype, name in _TYPE_NAMES.items()}


def type_(self, dtype=None, non_blocking=False):
    """The name of this tensor's legacy type, or the tensor converted to a dtype or legacy type.

    Args:
        dtype: a dtype, a legacy type or its name; None to ask.
        non_blocking: accepted; copies are done when the call returns.

    Raises:
        ValueError: if no type is called so.
        TypeError: for anything but a dtype, a legacy type or its name.

    Example:
        >>> flambeau.ones(1).type()
        'torch.FloatTensor'
    """
    if dtype is None:
        return "torch." + _TYPE_NAMES[self.dtype]
    wanted = dtype
    if isinstance(wanted, str):
        if wanted not in _BY_TYPE_NAME:
            raise ValueError(f"invalid type: '{dtype}'")
        wanted = _BY_TYPE_NAME[wanted]
    elif isinstance(wanted, tensortype):
        if wanted.is_cuda:
            return self.to("cuda")
        wanted = wanted.dtype
    elif wanted is Tensor:
        wanted = _C.get_default_dtype()
    elif not isinstance(wanted, _C.dtype):
        raise TypeError("dtype must be a type, str, or dtype object")
    return self.to(wanted)


# ---- element by element, in Python ----


Tensor.type = type_
Tensor.new = checked(new)
