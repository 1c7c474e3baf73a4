"""DLPack exchange under the names that torch gives it."""

from flambeau.ops.convert import from_dlpack, to_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
