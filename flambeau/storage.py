"""Storages under the names that torch gives them."""

from flambeau.core.storage import TypedStorage, UntypedStorage

__all__ = ["TypedStorage", "UntypedStorage"]
