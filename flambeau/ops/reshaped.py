"""Views that a tensor becomes itself: `x.t_()` changes its sizes and strides, not its elements."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import ShapeError
from flambeau.core.registry import FUNCTIONS, checked
from flambeau.core.tensor import Tensor
from flambeau.ops import axes, strided, views
from flambeau.ops._declare import named


def _becoming(view, name, forms):
    """The method `<name>_`, which turns a tensor into its view `<name>`, which has so many forms.

    Nodes of the in-place forms are counted after those of the others: TBackward0, TBackward1.
    """

    def become(self, *args, **kwargs):
        made = view(self, *args, **kwargs)
        if made.grad_fn is not None:
            name = made.grad_fn.name()
            named(f"{name[:-1]}{int(name[-1]) + forms}", made)
        _C.become(self, made)
        return self

    become.__name__ = become.__qualname__ = name + "_"
    become.__doc__ = f"In-place form of `{name}`: the tensor itself gets the sizes and strides."
    return checked(become)


def _transposed(input):
    if input.ndim > 2:
        raise ShapeError(f"t_() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return axes.t(input)


for _name, _view, _forms in (
    ("t", _transposed, 1),
    ("transpose", axes.transpose, 1),
    ("swapaxes", axes.transpose, 1),
    ("swapdims", axes.transpose, 1),
    ("squeeze", Tensor.squeeze, 3),
    ("unsqueeze", views.unsqueeze, 1),
    ("as_strided", strided.as_strided, 1),
):
    setattr(Tensor, _name + "_", _becoming(_view, _name, _forms))

FUNCTIONS["as_strided_"] = Tensor.as_strided_
