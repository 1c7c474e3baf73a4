"""Views of any strides, their gradients, and copies in which such a view is other."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import require
from flambeau.core.registry import op


def _part(layout, size, stride, storage_offset):
    """The geometry of an as_strided view; without an offset it starts where its input does."""
    return size, stride, layout[2] if storage_offset is None else storage_offset


@op(
    methods=("as_strided",),
    view=True,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), (2, 2), (4, 2), 1), s(s.tensor(6), (2, 3), (1, 1))],
    layout_dependent=True,
    compiled=_C.as_strided,
)
def as_strided(input, size, stride, storage_offset=None):
    """A view of the storage with any sizes and strides; elements may appear several times.

    Args:
        input: any dtype; only its storage and its offset count.
        size: the sizes.
        stride: as many distances in memory, counted in elements.
        storage_offset: the first element, by default input's own.

    Raises:
        RuntimeError: if it would leave the storage.

    Example:
        >>> flambeau.arange(4).as_strided((2, 3), (1, 1))
        tensor([[0, 1, 2],
                [1, 2, 3]])
    """
    return _C.as_strided(input, size, stride, storage_offset)


@op(
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), ((3, 4), (4, 1), 0), ((2, 2), (4, 2), 1))],
    torch="",
    layout_dependent=True,
)
def strided_gather(input, layout, part):
    """What an as_strided view `part` shows of a tensor that lies as `layout`."""
    return kernels(input).strided_gather(input, layout, part)


@op(
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(2, 2), ((3, 4), (4, 1), 0), ((2, 2), (4, 2), 1))],
    torch="",
    layout_dependent=True,
)
def strided_scatter_add(input, layout, part):
    """The transpose of strided_gather: elements of the view added up in their places."""
    return kernels(input).strided_scatter_add(input, layout, part)


@op(
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), ((3, 4), (4, 1), 0), ((2, 2), (4, 2), 1))],
    torch="",
    layout_dependent=True,
)
def strided_clear(input, layout, part):
    """A copy of a tensor that lies as `layout`, with zeros where the view `part` looks."""
    return kernels(input).strided_clear(input, layout, part)


strided_gather.vjp("input")(lambda g, layout, part: strided_scatter_add(g, layout, part))
strided_scatter_add.vjp("input")(lambda g, layout, part: strided_gather(g, layout, part))
strided_clear.vjp("input")(lambda g, layout, part: strided_clear(g, layout, part))


@as_strided.vjp("input")
def _(g, input_layout, size, stride, storage_offset):
    return strided_scatter_add(g, input_layout, _part(input_layout, size, stride, storage_offset))


@op(
    methods=("as_strided_scatter",),
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), s.tensor(2, 2), (2, 2), (4, 2), 1)],
    layout_dependent=True,
    torch="",  # torch 2.13's own gradient of it fails its gradcheck
)
def as_strided_scatter(input, src, size, stride, storage_offset=None):
    """A copy of input in which an as_strided view holds src.

    Args:
        input: any dtype.
        src: (*size), of input's dtype.
        size: the sizes of the view.
        stride: its strides, counted in elements.
        storage_offset: its first element, by default input's own.

    Raises:
        RuntimeError: if src has other sizes, or the view would leave the storage.

    Example:
        >>> flambeau.zeros(4).as_strided_scatter(flambeau.ones(2), (2,), (3,))
        tensor([1., 0., 0., 1.])
    """
    out = kernels(input).clone_strided(input, input.stride())
    offset = 0 if storage_offset is None else storage_offset - input.storage_offset()
    target = _C.as_strided(out, size, stride, offset)
    require(
        target.shape == src.shape,
        "as_strided_scatter: src must have the sizes of the view",
        size=tuple(size),
        src=src,
    )
    _C.copy_into(target, src)
    return out


@as_strided_scatter.vjp("input")
def _(g, input_layout, size, stride, storage_offset):
    return strided_clear(g, input_layout, _part(input_layout, size, stride, storage_offset))


@as_strided_scatter.vjp("src")
def _(g, input_layout, size, stride, storage_offset):
    return strided_gather(g, input_layout, _part(input_layout, size, stride, storage_offset))


#: The same under the name of what the engine records for a base when a view of it was written.
copy_slices = op(
    as_strided_scatter.__wrapped__,
    name="copy_slices",
    backward_name="torch::autograd::CopySlices",
    public=False,
    out=False,
    samples=as_strided_scatter.info.samples,
    layout_dependent=True,
    torch="",
)
for _arguments, _rule in as_strided_scatter.info.rules.items():
    copy_slices.vjp(*_arguments)(_rule)

_C.set_engine_op("as_strided", as_strided)
_C.set_engine_op("as_strided_scatter", copy_slices)
