"""Switches of cuDNN that programs set; without a GPU they have no effect."""

enabled = True
benchmark = False
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False: there is no GPU."""
    return False


def version() -> int | None:
    """None: cuDNN is not there."""
    return None
