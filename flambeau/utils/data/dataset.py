"""Datasets: things with samples to be had by index, or one after another."""

import bisect
import itertools
import math
from abc import ABCMeta, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from types import GenericAlias

import flambeau
from flambeau.core.notices import warn


class Dataset:
    """Base class of datasets whose samples are had by index.

    Subclasses define `__getitem__`, and `__len__` for the samplers. A subclass that can fetch many
    samples cheaper than one by one defines `__getitems__(indices)` too, giving a list of samples.

    Example:
        >>> class Squares(Dataset):
        ...     def __len__(self):
        ...         return 4
        ...     def __getitem__(self, i):
        ...         return i * i
        >>> both = Squares() + Squares()
        >>> len(both), both[7]
        (8, 9)
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __getitem__(self, index):
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: "Dataset") -> "ConcatDataset":
        return ConcatDataset([self, other])


class IterableDataset(Dataset, metaclass=ABCMeta):
    """Base class of datasets that are streams: subclasses define `__iter__`.

    In a DataLoader with workers each worker has a copy of the dataset, so that `__iter__` must give
    each its own share, by what `get_worker_info()` says.

    Example:
        >>> class Count(IterableDataset):
        ...     def __iter__(self):
        ...         return iter(range(3))
        >>> list(Count() + Count())
        [0, 1, 2, 0, 1, 2]
    """

    @abstractmethod
    def __iter__(self) -> Iterator:
        """The samples, one after another."""

    def __add__(self, other: Dataset) -> "ChainDataset":
        return ChainDataset([self, other])


class TensorDataset(Dataset):
    """Samples are the rows of tensors that are equally long.

    Args:
        *tensors: Tensors of the same first size.

    Raises:
        AssertionError: If the first sizes differ.

    Example:
        >>> import flambeau as torch
        >>> data = TensorDataset(torch.arange(3), torch.tensor([0.5, 1.5, 2.5]))
        >>> data[1]
        (tensor(1), tensor(1.5000))
    """

    tensors: tuple

    def __init__(self, *tensors):
        lengths = [tensor.size(0) for tensor in tensors]
        if any(length != lengths[0] for length in lengths):
            raise AssertionError(f"Size mismatch between tensors: the first sizes are {lengths}")
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class StackDataset(Dataset):
    """Samples of several datasets side by side, as a tuple or as a dict.

    Args:
        *args: Datasets of equal length; a sample is a tuple.
        **kwargs: Datasets of equal length by name; a sample is a dict.

    Raises:
        ValueError: If there are no datasets, both kinds are given, or lengths differ.

    Example:
        >>> StackDataset(x=[1, 2], y=["a", "b"])[1]
        {'x': 2, 'y': 'b'}
    """

    datasets: tuple | dict

    def __init__(self, *args, **kwargs):
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like "
                "input/output, but both types are given."
            )
        self.datasets = args or kwargs
        if not self.datasets:
            raise ValueError("At least one dataset should be passed")
        lengths = [len(dataset) for dataset in args or kwargs.values()]
        if any(length != lengths[0] for length in lengths):
            raise ValueError(f"Size mismatch between datasets: the lengths are {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list) -> list:
        if isinstance(self.datasets, dict):
            columns = [_fetch_all(dataset, indices) for dataset in self.datasets.values()]
            return [
                dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)
            ]
        columns = [_fetch_all(dataset, indices) for dataset in self.datasets]
        return list(zip(*columns, strict=True))

    def __len__(self) -> int:
        return self._length


def _fetch_all(dataset, indices: list) -> list:
    """The samples at these indices, by `__getitems__` where the dataset has it."""
    fetch_many = getattr(dataset, "__getitems__", None)
    if not callable(fetch_many):
        return [dataset[index] for index in indices]
    samples = fetch_many(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(samples)}"
        )
    return samples


class ConcatDataset(Dataset):
    """Datasets one after another as one dataset.

    Args:
        datasets: The datasets.

    Raises:
        AssertionError: If there are none, or one of them is an IterableDataset.

    Example:
        >>> both = ConcatDataset(["ab", "cde"])
        >>> len(both), both[2], both[-1]
        (5, 'c', 'e')
    """

    datasets: list
    cumulative_sizes: list[int]

    @staticmethod
    def cumsum(sequence: Iterable) -> list[int]:
        """Where each dataset ends."""
        return list(itertools.accumulate(len(dataset) for dataset in sequence))

    def __init__(self, datasets: Iterable):
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index):
        length = len(self)
        if index < 0:
            if -index > length:
                raise ValueError("absolute value of index should not exceed dataset length")
            index += length
        if index >= length:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {length} samples")
        which = bisect.bisect_right(self.cumulative_sizes, index)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - start]

    @property
    def cummulative_sizes(self) -> list[int]:
        """An old spelling of `cumulative_sizes`."""
        warn("`cummulative_sizes` attribute is renamed to `cumulative_sizes`", FutureWarning)
        return self.cumulative_sizes


class ChainDataset(IterableDataset):
    """Streams one after another as one stream.

    Args:
        datasets: IterableDatasets.

    Raises:
        AssertionError: While iterating, if one of them is not an IterableDataset.

    Example:
        >>> class Count(IterableDataset):
        ...     def __iter__(self):
        ...         return iter(range(2))
        >>> list(ChainDataset([Count(), Count()]))
        [0, 1, 0, 1]
    """

    def __init__(self, datasets: Iterable):
        super().__init__()
        self.datasets = datasets

    def __iter__(self) -> Iterator:
        for dataset in self._streams():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._streams())

    def _streams(self) -> Iterator:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield dataset


class Subset(Dataset):
    """Some of the samples of a dataset.

    Args:
        dataset: The dataset.
        indices: Which of its samples, in which order.

    Example:
        >>> Subset("abcdef", [5, 0])[0]
        'f'
    """

    dataset: Dataset
    indices: Sequence

    def __init__(self, dataset, indices: Sequence):
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index):
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list) -> list:
        inner = [self.indices[index] for index in indices]
        fetch_many = getattr(self.dataset, "__getitems__", None)
        return fetch_many(inner) if callable(fetch_many) else [self.dataset[i] for i in inner]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(dataset, lengths: Sequence, generator=None) -> list[Subset]:
    """Cuts a dataset at random into parts that share no sample.

    Args:
        dataset: The dataset.
        lengths: The length of each part, or fractions that sum to one; samples that rounding
            leaves over go to the parts in turn.
        generator: Where the random numbers come from; the default generator if left out.

    Returns:
        One `Subset` for each length.

    Raises:
        ValueError: If the lengths do not sum to the length of the dataset, or a fraction is not
            between 0 and 1.

    Example:
        >>> [len(part) for part in random_split(range(10), [0.75, 0.25])]
        [8, 2]
    """
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _lengths_of_fractions(lengths, total)
    if sum(lengths) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"The lengths are {list(lengths)}, the dataset has {total} samples"
        )
    order = flambeau.randperm(total, generator=generator).tolist()
    ends = itertools.accumulate(lengths)
    return [
        Subset(dataset, order[end - length : end])
        for length, end in zip(lengths, ends, strict=True)
    ]


def _lengths_of_fractions(fractions: Sequence[float], total: int) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1")
    lengths = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if length == 0:
            warn(f"Length of split at index {i} is 0. This might result in an empty dataset.")
    return lengths
