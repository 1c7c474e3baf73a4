"""Sequences of several lengths, packed for recurrent layers or padded to one length."""

import itertools
from collections import namedtuple

from flambeau.core.dtype import int64
from flambeau.core.registry import explain_functions
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import empty_like
from flambeau.ops.join import cat
from flambeau.ops.ranges import arange
from flambeau.ops.values import tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]

_Fields = namedtuple(
    "PackedSequence", ("data", "batch_sizes", "sorted_indices", "unsorted_indices")
)


class PackedSequence(_Fields):
    """Sequences of several lengths: the rows of each step below those of the step before.

    Made by `pack_padded_sequence` or `pack_sequence`.

    Attributes:
        data: (the sum of all lengths, ...), the longest sequence first in each step.
        batch_sizes: the number of rows of each step, int64 on the CPU.
        sorted_indices: which sequence each of the first step's rows belongs to, None if in order.
        unsorted_indices: the way back.

    Raises:
        ValueError: if `batch_sizes` is not on the CPU.

    Example:
        >>> import flambeau as torch
        >>> words = [torch.tensor([1, 2, 3]), torch.tensor([10])]
        >>> packed = torch.nn.utils.rnn.pack_sequence(words)
        >>> packed.data, packed.batch_sizes
        (tensor([ 1, 10,  2,  3]), tensor([2, 1, 1]))
    """

    __slots__ = ()

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        if batch_sizes is None:  # the older form: one pair
            data, batch_sizes = data
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like pack_sequence "
                "and pack_padded_sequences in nn.utils.rnn."
            )
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """The sequences with another dtype or on another device; see `Tensor.to`."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (
            None if i is None else i.to(device=data.device)
            for i in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(data, self.batch_sizes, *indices)

    def pin_memory(self):
        """The sequences in page-locked memory."""
        indices = (
            None if i is None else i.pin_memory()
            for i in (self.sorted_indices, self.unsorted_indices)
        )
        return type(self)(self.data.pin_memory(), self.batch_sizes, *indices)

    def cuda(self, *args, **kwargs):
        """The sequences on the GPU."""
        return self.to(*args, device="cuda", **kwargs)

    def cpu(self, *args, **kwargs):
        """The sequences on the CPU."""
        return self.to(*args, device="cpu", **kwargs)

    @property
    def is_cuda(self):
        """Whether the data is on a GPU."""
        return self.data.is_cuda

    def is_pinned(self):
        """Whether the data is in page-locked memory."""
        return self.data.is_pinned()


def _cast(name):
    def cast(self):
        return self.to(dtype=getattr(self.data, name)().dtype)

    cast.__name__ = name
    cast.__doc__ = f"The sequences as `Tensor.{name}` casts them."
    return cast


for _name in ("double", "float", "half", "long", "int", "short", "char", "byte"):
    setattr(PackedSequence, _name, _cast(_name))


def invert_permutation(permutation):
    """The permutation that undoes another one; None for None.

    Args:
        permutation: (N), the numbers below N in any order, int64; or None.

    Returns:
        (N), where number i stands at the place that `permutation` moved i from.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    output = empty_like(permutation)
    output[permutation] = arange(permutation.numel(), device=permutation.device)
    return output


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Packs sequences that were padded to one length.

    Args:
        input: (T, B, ...), or (B, T, ...) with `batch_first`.
        lengths: the length of each sequence, a list or an int64 tensor on the CPU.
        batch_first: whether the batch is the first axis.
        enforce_sorted: require that the lengths do not increase; otherwise they are sorted.

    Returns:
        A `PackedSequence`.

    Raises:
        RuntimeError: if the lengths do not fit, are not positive or not in order.
        TypeError: if the input is not a tensor.
        ValueError: if the batch is empty.

    Example:
        >>> import flambeau as torch
        >>> rows = torch.tensor([[1, 2], [3, 0]])
        >>> torch.nn.utils.rnn.pack_padded_sequence(rows, [2, 1], batch_first=True).data
        tensor([1, 3, 2])
    """
    if not isinstance(input, Tensor):
        raise TypeError(
            "_pack_padded_sequence(): argument 'input' (position 1) must be Tensor, not "
            f"{type(input).__name__}"
        )
    lengths = lengths.to(int64) if isinstance(lengths, Tensor) else tensor(lengths, dtype=int64)
    sorted_indices = None
    if not enforce_sorted:
        lengths, sorted_indices = lengths.sort(descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
    if batch_first:
        input = input.transpose(0, 1)
    counts = lengths.tolist()
    _check_lengths(input, lengths, counts)
    sizes = _rows_of_steps(counts)
    places = _places(sizes, input.shape[1]).to(input.device)
    data = input.reshape(-1, *input.shape[2:]).index_select(0, places)
    return PackedSequence(data, tensor(sizes, dtype=int64), sorted_indices, None)


def _places(sizes, batch):
    """The places of the packed rows among the padded ones, all steps below each other."""
    return cat([arange(step * batch, step * batch + n) for step, n in enumerate(sizes)])


def _check_lengths(input, lengths, counts):
    if lengths.ndim != 1 or not lengths.numel():
        raise RuntimeError(
            "pack_padded_sequence: expected the lengths of the sequences, a vector that is not "
            f"empty, got one of size {tuple(lengths.shape)}"
        )
    if input.ndim < 2:
        raise RuntimeError("pack_padded_sequence: expected an input of at least two dimensions")
    if not input.numel():
        raise RuntimeError("Cannot pack empty tensors.")
    if lengths.numel() != input.shape[1]:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {lengths.numel()} "
            f"(batch_size={input.shape[1]})"
        )
    if any(a < b for a, b in itertools.pairwise(counts)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )
    if counts[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if counts[0] > input.shape[0]:
        raise RuntimeError(
            f"Expected sequence length to be at most the size of the input, {input.shape[0]}, but "
            f"got {counts[0]}"
        )


def _rows_of_steps(counts):
    """How many sequences have a step, for every step; the lengths do not increase."""
    sizes, rows = [], len(counts)
    for step in range(counts[0]):
        while counts[rows - 1] <= step:
            rows -= 1
        sizes.append(rows)
    return sizes


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """The sequences of a `PackedSequence`, padded to one length.

    Args:
        sequence: what to pad.
        batch_first: whether the batch becomes the first axis.
        padding_value: what to fill with.
        total_length: the length to pad to; that of the longest sequence if None.

    Returns:
        (T, B, ...), or (B, T, ...) with `batch_first`, and the lengths.

    Raises:
        ValueError: if `total_length` is too small.

    Example:
        >>> import flambeau as torch
        >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([10])])
        >>> torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1)
        (tensor([[ 1,  2,  3],
                [10, -1, -1]]), tensor([3, 1]))
    """
    sizes = sequence.batch_sizes.tolist()
    longest = len(sizes)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, "
            f"but got total_length={total_length} and max sequence length being {longest}"
        )
    data, batch, length = sequence.data, sizes[0], total_length or longest
    places = _places(sizes, batch).to(data.device)
    rows = data.new_full((length * batch, *data.shape[1:]), padding_value)
    rows = rows.index_copy(0, places, data)
    padded = rows.reshape(length, batch, *data.shape[1:])
    lengths = tensor([sum(n > row for n in sizes) for row in range(batch)], dtype=int64)
    if batch_first:
        padded = padded.transpose(0, 1)
    order = sequence.unsorted_indices
    if order is None:
        return padded, lengths
    return padded.index_select(0 if batch_first else 1, order), lengths[order.cpu()]


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Tensors of several lengths in one, padded to the length of the longest.

    Args:
        sequences: tensors (length, ...), of which only the lengths differ.
        batch_first: whether the batch becomes the first axis.
        padding_value: what to fill with.
        padding_side: "right" or "left".

    Returns:
        (T, B, ...), or (B, T, ...) with `batch_first`.

    Raises:
        RuntimeError: if the sequences do not fit together, are none, or the side has another name.
        TypeError: if one is not a tensor.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.rnn.pad_sequence([torch.ones(2), torch.ones(1)], batch_first=True)
        tensor([[1., 1.],
                [1., 0.]])
    """
    if isinstance(sequences, Tensor):
        sequences = sequences.unbind(0)
    if not hasattr(sequences, "__iter__"):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            "pad_sequence: Expected padding_side to be one of left or right, but got "
            f"{padding_side}."
        )
    for i, each in enumerate(sequences):
        if not isinstance(each, Tensor):
            raise TypeError(
                f"expected Tensor as element {i} in argument 0, but got {type(each).__name__}"
            )
    first = sequences[0]
    for other in sequences:
        if not other.ndim or other.shape[1:] != first.shape[1:]:
            raise RuntimeError(
                "pad_sequence: the sequences must be tensors whose sizes differ in the first axis "
                f"only: {first.shape} and {other.shape}"
            )
    longest = max(s.shape[0] for s in sequences)
    shape = (len(sequences), longest, *first.shape[1:])
    out = first.new_full(shape, padding_value)
    for row, sequence in enumerate(sequences):
        n = sequence.shape[0]
        out[row, longest - n if padding_side == "left" else 0 :][:n] = sequence
    return out if batch_first else out.transpose(0, 1).contiguous()


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The sequences that were padded to one length, as a list.

    Args:
        padded_sequences: (T, B, ...), or (B, T, ...) with `batch_first`.
        lengths: the length of each.
        batch_first: whether the batch is the first axis.

    Returns:
        A list of tensors (length, ...).

    Example:
        >>> import flambeau as torch
        >>> padded = torch.tensor([[1, 2, 3], [10, 0, 0]])
        >>> torch.nn.utils.rnn.unpad_sequence(padded, torch.tensor([3, 1]), batch_first=True)
        [tensor([1, 2, 3]), tensor([10])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(padded_sequences.unbind(0), lengths, strict=False)]


def pack_sequence(sequences, enforce_sorted=True):
    """Packs a list of sequences; see `pack_padded_sequence`.

    Args:
        sequences: tensors (length, ...), of which only the lengths differ.
        enforce_sorted: require that the lengths do not increase; otherwise they are sorted.

    Returns:
        A `PackedSequence`.

    Raises:
        RuntimeError: if the sequences do not fit together, or are not in order.

    Example:
        >>> import flambeau as torch
        >>> packed = torch.nn.utils.rnn.pack_sequence([torch.ones(2), torch.zeros(1)])
        >>> packed.batch_sizes
        tensor([2, 1])
    """
    lengths = tensor([s.shape[0] for s in sequences], dtype=int64)
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The sequences of a `PackedSequence`, as a list.

    Args:
        packed_sequences: What `pack_sequence` returned.

    Returns:
        A list of tensors (length, ...), in the order in which they were packed.

    Example:
        >>> import flambeau as torch
        >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([10])])
        >>> torch.nn.utils.rnn.unpack_sequence(packed)
        [tensor([1, 2, 3]), tensor([10])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


explain_functions(globals())
