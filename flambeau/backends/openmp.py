"""OpenMP as programs ask about it: flambeau has threads of its own."""


def is_available() -> bool:
    """False: kernels share their work among the threads of flambeau's own pool."""
    return False
