"""What programs name in `torch._C` and is not compiled here: `flambeau._C` looks it up here.

These are the names that PyTorch's own Python modules call, as found in excerpts of them.
"""

from flambeau import _C, __config__
from flambeau.backends import cudnn, mkl
from flambeau.core.registry import FUNCTIONS

_TensorBase = _C.TensorBase
_set_grad_enabled = _C.set_grad_enabled
_show_config = __config__.show
_parallel_info = __config__.parallel_info
has_cudnn = cudnn.is_available()
has_mkl = mkl.is_available()


class _VariableFunctionsClass:
    """The functions of the package by name."""

    def __getattr__(self, name):
        try:
            return FUNCTIONS[name]
        except KeyError:
            raise AttributeError(f"_VariableFunctions has no attribute '{name}'") from None


_VariableFunctions = _VariableFunctionsClass()


def _log_api_usage_once(event):
    """Takes the name of an event; nothing is counted here."""
