"""flambeau: a deep-learning framework with PyTorch's public API.

Importing loads tensors and operations; `flambeau.nn`, `flambeau.optim` and the other packages load
when they are first named.
"""

from flambeau import _C as _C
from flambeau import ops
from flambeau.core.device import device
from flambeau.core.dtype import (
    bfloat16,
    bool,
    cdouble,
    cfloat,
    complex64,
    complex128,
    double,
    dtype,
    float,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    int,
    int8,
    int16,
    int32,
    int64,
    long,
    set_default_dtype,
    short,
    uint8,
    uint16,
    uint32,
    uint64,
)
from flambeau.core.generator import Generator, default_generator
from flambeau.core.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from flambeau.core.layout import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    legacy_contiguous_format,
    memory_format,
    preserve_format,
    sparse_coo,
    sparse_csr,
    strided,
)
from flambeau.core.registry import FUNCTIONS as _functions
from flambeau.core.tensor import Size, Tensor, is_tensor
from flambeau.core.version import VERSION as __version__

inf = 1e400
nan = inf - inf
pi = 3.141592653589793
e = 2.718281828459045
newaxis = None

globals().update(_functions)

_LATER = {
    "flambeau.autograd.anomaly": (
        "is_anomaly_check_nan_enabled",
        "is_anomaly_enabled",
        "set_anomaly_enabled",
    ),
    "flambeau.core.numeric": ("finfo", "iinfo"),
    "flambeau.core.printing": ("set_printoptions",),
    "flambeau.core.settings": (
        "are_deterministic_algorithms_enabled",
        "get_default_device",
        "get_deterministic_debug_mode",
        "get_float32_matmul_precision",
        "get_num_interop_threads",
        "get_num_threads",
        "is_deterministic_algorithms_warn_only_enabled",
        "is_warn_always_enabled",
        "set_default_device",
        "set_default_tensor_type",
        "set_deterministic_debug_mode",
        "set_float32_matmul_precision",
        "set_flush_denormal",
        "set_num_interop_threads",
        "set_num_threads",
        "set_warn_always",
        "use_deterministic_algorithms",
    ),
    "flambeau.core.storage": (
        "BFloat16Storage",
        "BoolStorage",
        "ByteStorage",
        "CharStorage",
        "ComplexDoubleStorage",
        "ComplexFloatStorage",
        "DoubleStorage",
        "FloatStorage",
        "HalfStorage",
        "IntStorage",
        "LongStorage",
        "ShortStorage",
        "Storage",
        "TypedStorage",
        "UntypedStorage",
        "is_storage",
    ),
    "flambeau.func": ("vmap",),
    "flambeau.serialization": ("load", "save"),
}
_HOME = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name):
    """Loads what is not loaded yet: names with a home elsewhere, and submodules."""
    from importlib import import_module

    home = _HOME.get(name)
    if home is not None:
        value = getattr(import_module(home), name)
        globals()[name] = value
        return value
    if not name.startswith("_") or name in ("__config__", "__future__"):
        full_name = f"flambeau.{name}"
        try:
            return import_module(full_name)
        except ModuleNotFoundError as error:
            if error.name != full_name:
                raise
    raise AttributeError(f"module 'flambeau' has no attribute '{name}'")


def __dir__():
    return sorted({*globals(), *_HOME})


def _named_in_extension(name):
    """Names of `torch._C` that are written in Python here."""
    from flambeau import _extension

    try:
        return vars(_extension)[name]
    except KeyError:
        raise AttributeError(f"module 'flambeau._C' has no attribute '{name}'") from None


_C.__getattr__ = _named_in_extension
