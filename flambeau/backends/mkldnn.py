"""Switches of oneDNN that programs set; flambeau's convolutions are its own, without oneDNN."""

from flambeau.backends._switches import set_for_block
from flambeau.backends._switches import verbose as verbose

VERBOSE_OFF = 0
VERBOSE_ON = 1
VERBOSE_ON_CREATION = 2

enabled = True
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """False: oneDNN is not used."""
    return False


def flags(enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True):
    """The switches of this module for a block."""
    return set_for_block(
        __name__, enabled=enabled, deterministic=deterministic, allow_tf32=allow_tf32
    )
