"""Version numbers under the name that torch gives them."""

from flambeau.core.version import TorchVersion

__all__ = ["TorchVersion"]
