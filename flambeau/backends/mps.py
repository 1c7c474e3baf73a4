"""Apple GPUs as programs ask about them: there are none."""


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False
