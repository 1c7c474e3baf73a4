"""Names for how elements lie in memory: `flambeau.strided`, `flambeau.channels_last`, ..."""

from __future__ import annotations

from flambeau import _C


class _Named:
    """An object that stands for its name: prints as `torch.<name>` and is copied as itself."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class layout(_Named):
    """Whether a tensor has strides or lists its non-zero elements.

    Example:
        >>> flambeau.ones(2).layout, isinstance(flambeau.strided, flambeau.layout)
        (torch.strided, True)
    """

    __slots__ = ()


class memory_format(_Named):
    """The order of the axes in memory.

    Example:
        >>> x = flambeau.ones(1, 2, 3, 4).contiguous(memory_format=flambeau.channels_last)
        >>> x.is_contiguous(memory_format=flambeau.channels_last), flambeau.channels_last
        (True, torch.channels_last)
    """

    __slots__ = ()


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")

contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")


legacy_contiguous_format = contiguous_format


def rank_of(wanted: memory_format) -> int:
    """The number of axes that a channels-last format is for.

    Raises:
        TypeError: if it is no format at all.
    """
    if not isinstance(wanted, memory_format):
        raise TypeError(
            f"argument 'memory_format' must be torch.memory_format, not {type(wanted).__name__}"
        )
    return 4 if wanted is channels_last else 5


def suggested(tensor: _C.TensorBase) -> memory_format:
    """The format in which operations on a tensor return their results; gaps do not matter."""
    if not _C.is_channels_last(tensor.shape, tensor._strides):
        return contiguous_format
    return channels_last if tensor.ndim == 4 else channels_last_3d


def strides_in(sizes: tuple[int, ...], wanted: memory_format) -> tuple[int, ...]:
    """The strides of a dense tensor of these sizes in a channels-last format.

    Raises:
        RuntimeError: if the number of axes is not the format's.
        TypeError: if it is no format at all.
    """
    rank = rank_of(wanted)
    if len(sizes) != rank:
        raise RuntimeError(f"required rank {rank} tensor to use {wanted._name} format")
    strides = [0] * rank
    step = 1
    for axis in (1, *range(rank - 1, 1, -1), 0):
        strides[axis] = step
        step *= max(sizes[axis], 1)
    return tuple(strides)


def order_of(tensor: _C.TensorBase) -> tuple[tuple[int, ...], bool]:
    """The axes from the outermost in memory to the innermost, and whether no other order fits.

    Expanded axes fit everywhere; they stay where they are.
    """
    sizes, strides = tensor.shape, tensor._strides
    empty = 0 in sizes
    expanded = 0 in strides and len(sizes) > 1 and not empty
    unique = 1 not in sizes and not expanded and len(set(strides)) == len(strides)
    order = list(range(len(sizes)))
    for start in range(1, 0 if empty or tensor._is_contiguous() else len(order)):
        at = start
        for before in reversed(range(start)):
            outer, inner = order[before], order[at]
            if 0 in (strides[outer], strides[inner]):
                continue
            if (strides[outer], sizes[outer]) >= (strides[inner], sizes[inner]):
                break
            order[before], order[at] = inner, outer
            at = before
    return tuple(order), unique
