"""The version, and what it was built for."""

from flambeau import __version__

#: The version of PyTorch whose public names, signatures and results flambeau follows.
torch = "2.13.0"
cuda = None
hip = None
rocm = None
xpu = None
debug = False

__all__ = ["__version__", "cuda", "debug", "hip", "rocm", "torch", "xpu"]
