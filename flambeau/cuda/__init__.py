"""CUDA as programs ask about it: this build computes on the CPU, so there are no devices.

Questions answer (no, 0, nothing); whatever would need a GPU raises.
"""

from flambeau import _C
from flambeau.core.errors import DeviceError
from flambeau.ops.legacy import make_type as _make_type


def is_available() -> bool:
    """False: there is no GPU."""
    return False


def device_count() -> int:
    """0: there is no GPU."""
    return 0


def is_initialized() -> bool:
    """False: there is no GPU."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no GPU."""
    return False


def get_arch_list() -> list[str]:
    """Empty: nothing was compiled for GPUs."""
    return []


def manual_seed(seed: int) -> None:
    """Does nothing: there are no generators on GPUs."""


def manual_seed_all(seed: int) -> None:
    """Does nothing: there are no generators on GPUs."""


def empty_cache() -> None:
    """Does nothing: no memory of GPUs is kept."""


def reset_peak_memory_stats(device=None) -> None:
    """Does nothing: no memory of GPUs is used."""


def _nothing(name):
    def amount(device=None) -> int:
        return 0

    amount.__name__ = amount.__qualname__ = name
    amount.__doc__ = "0: no memory of GPUs is used."
    return amount


memory_allocated = _nothing("memory_allocated")
max_memory_allocated = _nothing("max_memory_allocated")
memory_reserved = _nothing("memory_reserved")
max_memory_reserved = _nothing("max_memory_reserved")


def _needs_gpu(name):
    def refuse(*args, **kwargs):
        raise DeviceError(
            f"cuda.{name}: Torch not compiled with CUDA enabled: this build of flambeau computes on"
            " the CPU"
        )

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = "Raises DeviceError: there is no GPU."
    return refuse


init = _needs_gpu("init")
current_device = _needs_gpu("current_device")
set_device = _needs_gpu("set_device")
get_device_name = _needs_gpu("get_device_name")
get_device_capability = _needs_gpu("get_device_capability")
get_device_properties = _needs_gpu("get_device_properties")
synchronize = _needs_gpu("synchronize")
current_stream = _needs_gpu("current_stream")
get_rng_state = _needs_gpu("get_rng_state")
set_rng_state = _needs_gpu("set_rng_state")
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
