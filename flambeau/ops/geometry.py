"""Changing the sizes and strides of a tensor in place: `t_`, `transpose_`, `squeeze_`, ...

The tensor becomes the view that the function of that name makes of it. Its place in the graph moves
along: what comes out of it afterwards sees a tensor that was, say, transposed.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.core.registry import checked
from flambeau.core.tensor import Tensor
from flambeau.ops import movement

_VIEWS = {
    "as_strided_": movement.as_strided,
    "squeeze_": movement.squeeze,
    "swapaxes_": movement.transpose,
    "swapdims_": movement.transpose,
    "t_": movement.t,
    "transpose_": movement.transpose,
    "unsqueeze_": movement.unsqueeze,
}


def _becoming(name, view):
    """The method that makes a tensor the view of itself."""

    def become(self, *args, **kwargs):
        return _C.become_view(self, view(self, *args, **kwargs))

    become.__name__ = become.__qualname__ = name
    become.__doc__ = f"Makes this tensor what `{name[:-1]}` returns, and returns it."
    become.__wrapped__ = getattr(view, "__wrapped__", view)
    return checked(become)


for _name, _view in _VIEWS.items():
    setattr(Tensor, _name, _becoming(_name, _view))
