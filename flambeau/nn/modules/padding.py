"""Padding layers: a class for each mode and number of axes."""

from flambeau.nn import functional as F
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.utils import _ntuple


class _Pad(Module):
    """Widens the last axes of the input.

    Args:
        padding: How much, one number or (before, after) of the last axis, then of the one before
            it, and so on; negative numbers trim.
    """

    __constants__ = ["padding"]
    _axes = 1
    _mode = "constant"

    def __init__(self, padding):
        super().__init__()
        self.padding = _ntuple(2 * self._axes)(padding)

    def forward(self, input):
        """Apply the layer."""
        axes = self._axes
        if self._mode == "circular" and input.ndim not in (axes + 1, axes + 2):
            raise ValueError(f"expected {axes + 1}D or {axes + 2}D input (got {input.ndim}D input)")
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self):
        return f"{self.padding}"


class _ConstantPad(_Pad):
    """Widens the last axes of the input with a constant.

    Args:
        padding: How much, one number or (before, after) of the last axis, then of the one before
            it, and so on; negative numbers trim.
        value: What to fill with.
    """

    __constants__ = ["padding", "value"]

    def __init__(self, padding, value):
        super().__init__(padding)
        self.value = value

    def forward(self, input):
        """Apply the layer."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self):
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Widens the last axis with a constant; see `nn.functional.pad`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConstantPad1d((1, 0), 5.0)(torch.ones(1, 2))
        tensor([[5., 1., 1.]])
    """


class ConstantPad2d(_ConstantPad):
    """Widens the last two axes with a constant; see `nn.functional.pad`."""

    _axes = 2


class ConstantPad3d(_ConstantPad):
    """Widens the last three axes with a constant; see `nn.functional.pad`."""

    _axes = 3


class _Zeros:
    """Fills with zeros."""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad1d(_Zeros, ConstantPad1d):
    """Widens the last axis with zeros."""


class ZeroPad2d(_Zeros, ConstantPad2d):
    """Widens the last two axes with zeros."""


class ZeroPad3d(_Zeros, ConstantPad3d):
    """Widens the last three axes with zeros."""


#: Modes whose layers differ only in what they fill with: the name, the mode, what it means.
_EDGES = (
    ("Reflection", "reflect", "its mirror image, the edge not repeated"),
    ("Replication", "replicate", "its edge, repeated"),
    ("Circular", "circular", "what stands at its other end"),
)


def _edge_layer(name, mode, meaning, axes):
    which = ("last axis", "last two axes", "last three axes")[axes - 1]
    return type(
        f"{name}Pad{axes}d",
        (_Pad,),
        {
            "__doc__": f"""Widens the {which} of the input, each with {meaning}.

    Args:
        padding: How much, one number or (before, after) of the last axis, then of the one before
            it, and so on; negative numbers trim.
    """,
            "__module__": __name__,
            "_axes": axes,
            "_mode": mode,
        },
    )


_layers = {
    layer.__name__: layer
    for layer in (_edge_layer(*edge, axes) for edge in _EDGES for axes in (1, 2, 3))
}
globals().update(_layers)

__all__ = [
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    *_layers,
]
