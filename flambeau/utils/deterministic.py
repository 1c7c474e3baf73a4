"""`fill_uninitialized_memory`: whether deterministic mode fills memory that nothing was written to.

With `flambeau.use_deterministic_algorithms(True)`, `empty` and its like give NaN, the largest
integer or True, unless this is set to False. (A name of a module can be watched for assignments
only through a class of the module's own.)
"""

import sys
from types import ModuleType

from flambeau.core import settings


class _Module(ModuleType):
    @property
    def fill_uninitialized_memory(self) -> bool:
        """Whether deterministic mode fills memory that nothing was written to."""
        return settings._get_filling()

    @fill_uninitialized_memory.setter
    def fill_uninitialized_memory(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError(f"expected a bool, but got {type(value).__name__}")
        settings._set_filling(value)


sys.modules[__name__].__class__ = _Module
