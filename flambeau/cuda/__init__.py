"""CUDA as programs ask about it: this build computes on the CPU, so there are no devices.

Questions answer (no, 0, nothing); whatever would need a GPU raises.
"""

from flambeau import _C
from flambeau.core.errors import DeviceError
from flambeau.ops.legacy import make_type as _make_type


def is_available() -> bool:
    """False: there is no GPU.

    Example:
        >>> flambeau.cuda.is_available() == (flambeau.cuda.device_count() > 0)
        True
    """
    return False


def device_count() -> int:
    """0: there is no GPU.

    Example:
        >>> devices = [f"cuda:{k}" for k in range(flambeau.cuda.device_count())]
    """
    return 0


def is_initialized() -> bool:
    """False: there is no GPU.

    Example:
        >>> isinstance(flambeau.cuda.is_initialized(), bool)
        True
    """
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no GPU.

    Args:
        including_emulation: whether float32 in its place would count as well.

    Example:
        >>> dtype = flambeau.bfloat16 if flambeau.cuda.is_bf16_supported() else flambeau.float32
    """
    return False


def get_arch_list() -> list[str]:
    """Empty: nothing was compiled for GPUs.

    Example:
        >>> isinstance(flambeau.cuda.get_arch_list(), list)
        True
    """
    return []


def manual_seed(seed: int) -> None:
    """Does nothing: there are no generators on GPUs.

    Args:
        seed: an integer.

    Example:
        >>> flambeau.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Does nothing: there are no generators on GPUs.

    Args:
        seed: an integer.

    Example:
        >>> flambeau.cuda.manual_seed_all(0)
    """


def empty_cache() -> None:
    """Does nothing: no memory of GPUs is kept.

    Example:
        >>> flambeau.cuda.empty_cache()
    """


def reset_peak_memory_stats(device=None) -> None:
    """Does nothing: no memory of GPUs is used.

    Args:
        device: which GPU.

    Example:
        >>> flambeau.cuda.reset_peak_memory_stats()
    """


def _nothing(name):
    def amount(device=None) -> int:
        return 0

    amount.__name__ = amount.__qualname__ = name
    amount.__doc__ = f"""0: no memory of GPUs is used.

    Args:
        device: which GPU.

    Returns:
        Bytes.

    Example:
        >>> flambeau.cuda.{name}() >= 0
        True
    """
    return amount


memory_allocated = _nothing("memory_allocated")
max_memory_allocated = _nothing("max_memory_allocated")
memory_reserved = _nothing("memory_reserved")
max_memory_reserved = _nothing("max_memory_reserved")


def _needs_gpu(name, arguments=""):
    def refuse(*args, **kwargs):
        raise DeviceError(
            f"cuda.{name}: Torch not compiled with CUDA enabled: this build of flambeau computes on"
            " the CPU"
        )

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = f"""Raises DeviceError: there is no GPU.

    Args:
        args, kwargs: anything.

    Raises:
        DeviceError: always.

    Example:
        >>> if flambeau.cuda.is_available():
        ...     _ = flambeau.cuda.{name}({arguments})
    """
    return refuse


init = _needs_gpu("init")
current_device = _needs_gpu("current_device")
set_device = _needs_gpu("set_device", "0")
get_device_name = _needs_gpu("get_device_name")
get_device_capability = _needs_gpu("get_device_capability")
get_device_properties = _needs_gpu("get_device_properties", "0")
synchronize = _needs_gpu("synchronize")
current_stream = _needs_gpu("current_stream")
get_rng_state = _needs_gpu("get_rng_state")
set_rng_state = _needs_gpu("set_rng_state", "flambeau.cuda.get_rng_state()")
mem_get_info = _needs_gpu("mem_get_info")
Stream = _needs_gpu("Stream")
Event = _needs_gpu("Event")


def _legacy(name, dtype):
    return _make_type(name, dtype, is_cuda=True)


FloatTensor = _legacy("FloatTensor", _C.float32)
DoubleTensor = _legacy("DoubleTensor", _C.float64)
HalfTensor = _legacy("HalfTensor", _C.float16)
BFloat16Tensor = _legacy("BFloat16Tensor", _C.bfloat16)
LongTensor = _legacy("LongTensor", _C.int64)
IntTensor = _legacy("IntTensor", _C.int32)
ShortTensor = _legacy("ShortTensor", _C.int16)
CharTensor = _legacy("CharTensor", _C.int8)
ByteTensor = _legacy("ByteTensor", _C.uint8)
BoolTensor = _legacy("BoolTensor", _C.bool)
