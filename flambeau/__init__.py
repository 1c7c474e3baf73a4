"""flambeau: a deep-learning framework with PyTorch's public API."""

from flambeau.core.device import device
from flambeau.core.dtype import *  # noqa: F403
from flambeau.core.dtype import get_default_dtype, set_default_dtype
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
    memory_format,
    preserve_format,
    sparse_coo,
    sparse_csr,
    strided,
)
from flambeau.core.tensor import Size, Tensor, is_tensor
from flambeau import ops, random
from flambeau.core.registry import FUNCTIONS as _functions

globals().update(_functions)

__version__ = "0.1.0"
