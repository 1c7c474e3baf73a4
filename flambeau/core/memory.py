"""Memory that nothing was written to: in deterministic mode it gets a value that is noticed."""

from __future__ import annotations

from flambeau import _C
from flambeau.core import numeric
from flambeau.core import settings as _settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from flambeau.core.tensor import Tensor


def filled_memory(made: Tensor) -> Tensor:
    """A new tensor, filled with NaN or the largest integer if deterministic mode wants that."""
    if _settings.fills_memory and not made.is_meta:
        dtype = made.dtype
        if dtype.is_floating_point or dtype.is_complex:
            value: float = float("nan")
        else:
            value = True if dtype is _C.bool else numeric.iinfo(dtype).max
        _C.fill(made, value)
    return made
