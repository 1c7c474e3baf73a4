"""The version, and what it was built for."""

from flambeau.core.version import PACKAGE, TORCH, VERSION

__version__ = VERSION
#: The package's own version, as installers know it.
flambeau = PACKAGE
#: The release of PyTorch whose public names, signatures and results flambeau follows.
torch = TORCH
cuda = None
hip = None
rocm = None
xpu = None
debug = False

__all__ = ["__version__", "cuda", "debug", "flambeau", "hip", "rocm", "torch", "xpu"]
