"""Which algorithm computes `scaled_dot_product_attention`.

On the CPU there is one, which never stores all weights of the attention and takes every argument.
The choice made here is checked and kept, as `backends.cuda.flash_sdp_enabled()` and so on show it;
results do not depend on it.
"""

from contextlib import contextmanager
from enum import Enum

from flambeau.backends import cuda

__all__ = ["WARN_FOR_UNFUSED_KERNELS", "SDPBackend", "sdpa_kernel"]

#: Kept for programs that set it: there are no kernels that could not be used.
WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(Enum):
    """The algorithms of attention that programs may name; see `sdpa_kernel`.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.attention import SDPBackend
        >>> SDPBackend.FLASH_ATTENTION.value, SDPBackend(0).name
        (1, 'MATH')
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __int__(self):
        return self.value

    __index__ = __int__


@contextmanager
def sdpa_kernel(backends, set_priority=False):
    """Allow only some algorithms of attention in a block, or in a function that it decorates.

    Args:
        backends: A `SDPBackend`, or a list of them.
        set_priority: Their order says which to prefer; accepted.

    Returns:
        A context manager, which decorates functions as well.

    Raises:
        AssertionError: If `backends` is neither.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.attention import SDPBackend, sdpa_kernel
        >>> q = torch.ones(1, 2, 3, 4)
        >>> with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        ...     torch.nn.functional.scaled_dot_product_attention(q, q, q).shape
        torch.Size([1, 2, 3, 4])
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    allowed = {backends} if isinstance(backends, SDPBackend) else set(backends)
    with cuda.sdp_kernel(
        enable_flash=SDPBackend.FLASH_ATTENTION in allowed,
        enable_math=SDPBackend.MATH in allowed,
        enable_mem_efficient=SDPBackend.EFFICIENT_ATTENTION in allowed,
        enable_cudnn=SDPBackend.CUDNN_ATTENTION in allowed,
    ):
        yield
