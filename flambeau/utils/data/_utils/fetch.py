"""From indices to a batch, in the main process and in workers alike."""

import flambeau
from flambeau.utils.data._utils.collate import default_collate
from flambeau.utils.data.dataset import Subset, TensorDataset


class MapFetcher:
    """Batches of a dataset that is indexed.

    Args:
        dataset: The dataset.
        auto_collation: Whether an index is a list of indices, to be made one batch.
        collate_fn: Makes the batch of the samples.
        drop_last: Not used: the sampler has seen to it.
    """

    def __init__(self, dataset, auto_collation: bool, collate_fn, drop_last: bool):
        self._dataset = dataset
        self._auto_collation = auto_collation
        self._collate = collate_fn
        self._gathers = auto_collation and collate_fn is default_collate

    def fetch(self, index):
        """The batch for this index, or this list of indices."""
        if not self._auto_collation:
            return self._collate(self._dataset[index])
        if self._gathers:
            batch = gather(self._dataset, index)
            if batch is not None:
                return batch
        fetch_many = getattr(self._dataset, "__getitems__", None)
        if fetch_many:
            return self._collate(fetch_many(index))
        return self._collate([self._dataset[i] for i in index])


class IterableFetcher:
    """Batches of a dataset that is a stream.

    Args:
        dataset: The dataset.
        auto_collation: Whether to take as many samples as the index is long, to be one batch.
        collate_fn: Makes the batch of the samples.
        drop_last: Whether to leave out a last batch that is shorter.
    """

    def __init__(self, dataset, auto_collation: bool, collate_fn, drop_last: bool):
        self._stream = iter(dataset)
        self._auto_collation = auto_collation
        self._collate = collate_fn
        self._drop_last = drop_last
        self._ended = False

    def fetch(self, index):
        """The next batch. Raises StopIteration at the end of the stream."""
        if self._ended:
            raise StopIteration
        if not self._auto_collation:
            return self._collate(next(self._stream))
        samples = []
        for _ in index:
            try:
                samples.append(next(self._stream))
            except StopIteration:
                self._ended = True
                break
        if not samples or (self._drop_last and len(samples) < len(index)):
            raise StopIteration
        return self._collate(samples)


def gather(dataset, indices):
    """A whole batch of a `TensorDataset`, or of a `Subset` of one, at once.

    Gives what collating the single samples gives, for one indexing operation per tensor instead
    of one per sample.

    Returns:
        The batch, or None where this does not apply.
    """
    if type(indices) is not list or not all(type(i) is int for i in indices):
        return None
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not all(type(i) is int for i in indices):
        return None
    if not indices or any(type(tensor) is not flambeau.Tensor for tensor in dataset.tensors):
        return None
    rows = flambeau.tensor(indices)
    return [tensor[rows] for tensor in dataset.tensors]
