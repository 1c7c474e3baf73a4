"""Switches of cuDNN that programs set; without a GPU they have no effect."""

from flambeau.backends._switches import set_for_block

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False: there is no GPU."""
    return False


def version() -> int | None:
    """None: cuDNN is not there."""
    return None


def is_acceptable(tensor: object) -> bool:
    """False: cuDNN computes on no tensor."""
    return False


def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
):
    """The switches of this module for a block.

    Example:
        >>> with flambeau.backends.cudnn.flags(enabled=True, deterministic=True):
        ...     flambeau.backends.cudnn.deterministic
        True
    """
    return set_for_block(
        __name__,
        enabled=enabled,
        benchmark=benchmark,
        benchmark_limit=benchmark_limit,
        deterministic=deterministic,
        allow_tf32=allow_tf32,
    )
