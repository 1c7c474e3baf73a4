"""Switches of the package opt_einsum, which flambeau does not use."""

enabled = False
strategy = None


def is_available() -> bool:
    """False: the package is not used."""
    return False
