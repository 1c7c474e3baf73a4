"""Samplers: the order in which a DataLoader asks its dataset for samples."""

import itertools
from collections.abc import Iterable, Iterator, Sequence, Sized
from types import GenericAlias

import flambeau

# Indices drawn at a time when sampling with replacement. Part of the random stream: another
# number would give other indices for the same seed.
_DRAWS = 32


def _require_positive_int(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{name} should be a positive integer value, but got {name}={value}")


class Sampler:
    """Base class of samplers: an iterable of indices, or of lists of indices.

    Subclasses define `__iter__`, and `__len__` where the number of indices is known.

    Example:
        >>> class Backwards(Sampler):
        ...     def __init__(self, data):
        ...         self.data = data
        ...     def __iter__(self):
        ...         return iter(range(len(self.data) - 1, -1, -1))
        >>> list(Backwards("abc"))
        [2, 1, 0]
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __iter__(self) -> Iterator:
        raise NotImplementedError


class SequentialSampler(Sampler):
    """The indices of a dataset in their own order.

    Args:
        data_source: The dataset.

    Example:
        >>> list(SequentialSampler("abc"))
        [0, 1, 2]
    """

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """The indices of a dataset in random order, or drawn with replacement.

    Args:
        data_source: The dataset.
        replacement: Draw each index independently of the others.
        num_samples: How many indices to give; the length of the dataset if left out. More than
            that means several orders one after another.
        generator: Where the random numbers come from. Without it each pass makes a generator of
            its own, seeded from the default one.

    Raises:
        TypeError: If `replacement` is not a bool.
        ValueError: If `num_samples` is not a positive integer.

    Example:
        >>> sorted(RandomSampler("abcd"))
        [0, 1, 2, 3]
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator=None,
    ):
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            raise ValueError(
                "num_samples should be a positive integer value, "
                f"but got num_samples={self.num_samples}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices one pass gives."""
        # Asked each time: a dataset may grow between two passes.
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        n = len(self.data_source)
        generator = self.generator
        if generator is None:
            generator = flambeau.Generator()
            generator.manual_seed(_draw_seed(None))
        if self.replacement:
            full, rest = divmod(self.num_samples, _DRAWS)
            for count in itertools.chain(itertools.repeat(_DRAWS, full), (rest,)):
                yield from flambeau.randint(
                    high=n, size=(count,), dtype=flambeau.int64, generator=generator
                ).tolist()
        else:
            for _ in range(self.num_samples // n):
                yield from flambeau.randperm(n, generator=generator).tolist()
            # Drawn even where nothing is left to give: the stream moves on by one permutation.
            last = flambeau.randperm(n, generator=generator).tolist()
            yield from last[: self.num_samples % n]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler):
    """Given indices in random order, without replacement.

    Args:
        indices: The indices.
        generator: Where the random numbers come from; the default generator if left out.

    Example:
        >>> sorted(SubsetRandomSampler([3, 5, 7]))
        [3, 5, 7]
    """

    def __init__(self, indices: Sequence[int], generator=None):
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        order = flambeau.randperm(len(self.indices), generator=self.generator)
        for position in order.tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """The indices 0 to len(weights) - 1, drawn with given probabilities.

    Args:
        weights: One weight for each sample; they need not sum to one.
        num_samples: How many indices to draw.
        replacement: Draw with replacement; without it an index comes once at most.
        generator: Where the random numbers come from; the default generator if left out.

    Raises:
        ValueError: If `num_samples` is not a positive integer, `replacement` not a bool, or the
            weights are not one-dimensional.

    Example:
        >>> set(WeightedRandomSampler([0.0, 1.0], num_samples=5))
        {1}
    """

    def __init__(
        self, weights: Sequence[float], num_samples: int, replacement: bool = True, generator=None
    ):
        _require_positive_int("num_samples", num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        weights = flambeau.as_tensor(weights, dtype=flambeau.float64)
        if weights.dim() != 1:
            raise ValueError(
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(weights.shape)}"
            )
        self.weights = weights
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = flambeau.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from drawn.tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler):
    """Lists of `batch_size` indices taken from another sampler.

    Args:
        sampler: The sampler, or any iterable of indices.
        batch_size: How many indices a list holds.
        drop_last: Leave out the last list if it is shorter.

    Raises:
        ValueError: If `batch_size` is not a positive integer or `drop_last` not a bool.

    Example:
        >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        _require_positive_int("batch_size", batch_size)
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(itertools.islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        full, rest = divmod(len(self.sampler), self.batch_size)  # type: ignore[arg-type]
        return full + (rest > 0 and not self.drop_last)


def _draw_seed(generator) -> int:
    """One 63-bit integer from the generator (the default one for None)."""
    return int(flambeau.empty((), dtype=flambeau.int64).random_(generator=generator).item())
