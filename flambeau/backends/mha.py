"""The switch for fused attention in layers that are evaluated."""

_fastpath = True


def get_fastpath_enabled() -> bool:
    """What `set_fastpath_enabled` set."""
    return _fastpath


def set_fastpath_enabled(value: bool) -> None:
    """Records whether layers may take their fused paths when no gradient is wanted."""
    global _fastpath
    _fastpath = bool(value)
