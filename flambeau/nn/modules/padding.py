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

    Args:
        padding: How much, one number or (before, after); negative numbers trim.
        value: What to fill with.

    Shape:
        (..., L); the output is (..., before + L + after).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConstantPad1d((1, 0), 5.0)(torch.ones(1, 2))
        tensor([[5., 1., 1.]])
    """


class ConstantPad2d(_ConstantPad):
    """Widens the last two axes with a constant; see `nn.functional.pad`.

    Args:
        padding: How much, one number or (left, right, top, bottom); negative numbers trim.
        value: What to fill with.

    Shape:
        (..., H, W); the output is (..., top + H + bottom, left + W + right).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConstantPad2d((1, 0, 0, 1), 5.0)(torch.ones(1, 2))
        tensor([[5., 1., 1.],
                [5., 5., 5.]])
    """

    _axes = 2


class ConstantPad3d(_ConstantPad):
    """Widens the last three axes with a constant; see `nn.functional.pad`.

    Args:
        padding: How much, one number or (left, right, top, bottom, front, back); negative numbers
            trim.
        value: What to fill with.

    Shape:
        (..., D, H, W); the output is (..., front + D + back, top + H + bottom, left + W + right).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConstantPad3d((0, 0, 0, 0, 1, 1), 5.0)(torch.ones(1, 1, 2)).flatten(1)
        tensor([[5., 5.],
                [1., 1.],
                [5., 5.]])
    """

    _axes = 3


class _Zeros:
    """Fills with zeros."""

    def __init__(self, padding):
        super().__init__(padding, 0.0)

    def extra_repr(self):
        return f"{self.padding}"


class ZeroPad1d(_Zeros, ConstantPad1d):
    """Widens the last axis with zeros.

    Args:
        padding: How much, one number or (before, after); negative numbers trim.

    Shape:
        (..., L); the output is (..., before + L + after).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ZeroPad1d((1, 2))(torch.ones(1, 2))
        tensor([[0., 1., 1., 0., 0.]])
    """


class ZeroPad2d(_Zeros, ConstantPad2d):
    """Widens the last two axes with zeros.

    Args:
        padding: How much, one number or (left, right, top, bottom); negative numbers trim.

    Shape:
        (..., H, W); the output is (..., top + H + bottom, left + W + right).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ZeroPad2d((1, 0, 1, 0))(torch.ones(1, 2))
        tensor([[0., 0., 0.],
                [0., 1., 1.]])
    """


class ZeroPad3d(_Zeros, ConstantPad3d):
    """Widens the last three axes with zeros.

    Args:
        padding: How much, one number or (left, right, top, bottom, front, back); negative numbers
            trim.

    Shape:
        (..., D, H, W); the output is (..., front + D + back, top + H + bottom, left + W + right).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ZeroPad3d(1)(torch.ones(1, 2, 3, 4)).shape
        torch.Size([1, 4, 5, 6])
    """


#: Modes whose layers differ only in what they fill with: the name, the mode, what it means, and
#: what becomes of the row 1, 2, 3 padded by two.
_EDGES = (
    (
        "Reflection",
        "reflect",
        "its mirror image, the edge not repeated",
        "3., 2., 1., 2., 3., 2., 1.",
    ),
    ("Replication", "replicate", "its edge, repeated", "1., 1., 1., 2., 3., 3., 3."),
    ("Circular", "circular", "what stands at its other end", "2., 3., 1., 2., 3., 1., 2."),
)


def _edge_layer(name, mode, meaning, row, axes):
    which = ("last axis", "last two axes", "last three axes")[axes - 1]
    sizes = ", ".join("DHW"[3 - axes :]) if axes > 1 else "L"
    ones = ", ".join(["1"] * axes)
    padding = ", ".join(["2, 2"] + ["0, 0"] * (axes - 1))
    return type(
        f"{name}Pad{axes}d",
        (_Pad,),
        {
            "__doc__": f"""Widens the {which} of the input, each with {meaning}.

    Args:
        padding: How much, one number or (before, after) of the last axis, then of the one before
            it, and so on; negative numbers trim.

    Shape:
        (N, C, {sizes}) or (C, {sizes}); the padding is added to the last sizes.

    Raises:
        RuntimeError: When called, if there is not enough of the input to fill with.

    Example:
        >>> import flambeau as torch
        >>> row = torch.tensor([1.0, 2.0, 3.0]).reshape({ones}, 3)
        >>> torch.nn.{name}Pad{axes}d(({padding}))(row).flatten()
        tensor([{row}])
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
