"""Views that a tensor becomes itself: `x.t_()` changes its sizes and strides, not its elements."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import ShapeError
from flambeau.core.registry import FUNCTIONS, checked
from flambeau.core.tensor import Tensor
from flambeau.ops import parts, views


def _becoming(view, name):
    """The method `<name>_`, which turns a tensor into its view `<name>`."""

    def become(self, *args, **kwargs):
        _C.become(self, view(self, *args, **kwargs))
        return self

    become.__name__ = become.__qualname__ = name + "_"
    become.__doc__ = f"In-place form of `{name}`: the tensor itself gets the sizes and strides."
    return checked(become)


def _transposed(input):
    if input.ndim > 2:
        raise ShapeError(f"t_() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return views.t(input)


for _name, _view in (
    ("t", _transposed),
    ("transpose", views.transpose),
    ("swapaxes", views.transpose),
    ("swapdims", views.transpose),
    ("squeeze", Tensor.squeeze),
    ("unsqueeze", views.unsqueeze),
    ("as_strided", parts.as_strided),
):
    setattr(Tensor, _name + "_", _becoming(_view, _name))

FUNCTIONS["as_strided_"] = Tensor.as_strided_
