"""Padding: with a constant, or with what stands at the edges."""

from __future__ import annotations

from operator import index

from flambeau.backends import kernels
from flambeau.core.errors import RuntimeFailure
from flambeau.core.registry import checked, op


def _samples(s):
    yield s(s.tensor(2, 3), (1, 2), 0.5)
    yield s(s.tensor(2, 3, 4), (1, 0, -1, 2), 0)
    yield s(s.tensor(2, 0), (1, 1, 0, 1), 2)
    yield s(s.tensor(3, 2), (-1, -1, 1, 1))
    yield s(s.tensor(), ())


@op(backward_name="ConstantPadNd", samples=_samples, name="constant_pad_nd")
def _constant_pad(input, pad, value=0):
    """Widens the last axes by a constant.

    Args:
        input: any dtype and sizes.
        pad: (before, after) of the last axis, then of the one before it, and so on; negative
            numbers trim.
        value: what to fill with.

    Raises:
        RuntimeError: if the widths do not fit the input.

    Example:
        >>> flambeau.constant_pad_nd(flambeau.tensor([1, 2]), (1, 0))
        tensor([0, 1, 2])
    """
    return kernels(input).pad(input, pad, "constant", value)


_constant_pad.vjp("input")(lambda g, pad: _constant_pad(g, tuple(-p for p in pad), 0))


#: The stems of torch's nodes. Those of circular padding are its last step: an end is written.
_NODES = {
    "reflect": "ReflectionPad{}D",
    "replicate": "ReplicationPad{}D",
    "circular": "torch::autograd::CopySlices",
}
_KERNELS = {"reflect": "reflection_pad", "replicate": "replication_pad"}


def _declare_edges(mode, n):
    """The op that continues the last n axes as the mode says; its adjoint is one, too."""
    node = _NODES[mode].format(n)
    sizes, widths = (*(2, 1, 3, 4)[: 1 + n], 4), (1, 2, 2, 0, 0, 1)[: 2 * n]
    trimmed = (-1, 2, 1, -1, 0, 0)[: 2 * n]

    def samples(s):
        yield s(s.tensor(*sizes), widths)
        yield s(s.tensor(*sizes), trimmed)

    def adjoint_samples(s):
        for width in (widths, trimmed):
            pairs = zip(width[::2], width[1::2], strict=True)
            wide = [size + a + b for size, (a, b) in zip(reversed(sizes), pairs, strict=False)]
            yield s(s.tensor(*sizes[: len(sizes) - n], *reversed(wide)), width, sizes)

    @op(
        name=f"_{mode}_pad{n}d",
        backward_name=node,
        public=False,
        out=False,
        batch=lambda op, size, values, marks: op(*values),
        torch=f"_C._nn.{_KERNELS[mode]}{n}d" if mode in _KERNELS else "",
        samples=samples,
    )
    def widened(input, pad):
        """The input with its last axes continued."""
        return kernels(input).pad(input, pad, mode, 0)

    @op(
        name=f"_{mode}_pad{n}d_backward",
        backward_name=node if "::" in node else node + "Backward",
        public=False,
        out=False,
        batch=lambda op, size, values, marks: op(values[0], values[1], (size, *values[2])),
        torch="",
        samples=adjoint_samples,
    )
    def summed(grad, pad, size):
        """What stands in each place of the continued tensor, added up where it came from."""
        return kernels(grad).pad_backward(grad, pad, mode, size)

    widened.vjp("input")(lambda g, pad, input_shape: summed(g, pad, tuple(input_shape)))
    summed.vjp("grad")(lambda g, pad: widened(g, pad))
    return widened


_edges = {(mode, n): _declare_edges(mode, n) for mode in _NODES for n in (1, 2, 3)}


@checked
def pad(input, pad, mode="constant", value=None):
    """Widens (or, with negative numbers, trims) the last axes.

    Args:
        input: any tensor; for the other modes than "constant" one that has a channel, or a batch
            and a channel, before the axes that are padded.
        pad: (before, after) of the last axis, then of the one before it, and so on; three axes at
            most in the other modes than "constant".
        mode: "constant", "reflect", "replicate" or "circular".
        value: what to fill with, for "constant"; 0 by default.

    Returns:
        A tensor of the input's dtype, each axis larger by before + after.

    Raises:
        RuntimeError: if the widths do not fit the input or the mode.
        NotImplementedError: if there is no such mode, or not for so many axes.
        ValueError: if a value is given to another mode than "constant".

    Example:
        >>> flambeau.nn.functional.pad(flambeau.ones(2), (1, 0))
        tensor([0., 1., 1.])
        >>> flambeau.nn.functional.pad(flambeau.tensor([[1., 2., 3.]]), (2, 0), mode="reflect")
        tensor([[3., 2., 1., 2., 3.]])
    """
    pad = tuple(map(index, pad))
    if mode == "constant":
        return _constant_pad(input, pad, 0 if value is None else value)
    if mode not in _NODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if len(pad) % 2:
        raise RuntimeFailure(f"pad: Padding length must be divisible by 2, got {len(pad)}")
    edges = _edges.get((mode, len(pad) // 2))
    if edges is None or input.ndim - len(pad) // 2 not in (1, 2):
        raise NotImplementedError(
            f"pad: Padding size {len(pad)} is not supported for {input.ndim}D input tensor: "
            f"the mode {mode} pads one to three axes, before which one or two more stand; the mode "
            "constant pads any number"
        )
    return edges(input, pad)
