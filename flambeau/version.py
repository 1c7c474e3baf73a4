"""The version, and what it was built for."""

from flambeau import __version__

cuda = None
hip = None
xpu = None
debug = False

__all__ = ["__version__", "cuda", "debug", "hip", "xpu"]
