"""DataLoader: batches of a dataset, made here or by worker processes."""

import functools
import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import GenericAlias
from typing import Any

from flambeau.core.notices import warn
from flambeau.utils.data import sampler as _samplers
from flambeau.utils.data._utils.collate import default_collate, default_convert
from flambeau.utils.data._utils.fetch import IterableFetcher, MapFetcher
from flambeau.utils.data._utils.pin_memory import can_pin, pin_memory
from flambeau.utils.data._utils.worker_info import WorkerInfo, WorkerPlan, get_worker_info
from flambeau.utils.data.dataset import IterableDataset
from flambeau.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "WorkerInfo", "default_collate", "default_convert", "get_worker_info"]

_DEFAULT_PREFETCH = 2
_LOCKED = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)


class _DatasetKind:
    Map = 0
    Iterable = 1


class _InfiniteConstantSampler(Sampler):
    """None for ever: a stream has no indices, but is asked as often as there are batches."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader:
    """An iterable over the batches of a dataset.

    Args:
        dataset: What to load from: anything with `__getitem__` and `__len__`, or an
            `IterableDataset`.
        batch_size: Samples per batch; None gives single samples, not collated.
        shuffle: Whether to load in a new random order in each pass.
        sampler: An iterable of indices, instead of `shuffle`.
        batch_sampler: An iterable of lists of indices, instead of `batch_size`, `shuffle`,
            `sampler` and `drop_last`.
        num_workers: How many processes load batches; 0 loads them in this one.
        collate_fn: Makes a batch of a list of samples.
        pin_memory: Whether to put batches in page-locked memory, if there is an accelerator.
        drop_last: Whether to leave out a last batch that is not full.
        timeout: How many seconds to wait for a batch of the workers; 0 is no limit.
        worker_init_fn: Called in each worker with its number, before it loads anything.
        multiprocessing_context: How workers are started: the name of a start method or a
            `multiprocessing` context.
        generator: Where the order and the seeds of the workers come from; the default generator
            if left out.
        prefetch_factor: How many batches per worker are under way; 2 if left out.
        persistent_workers: Whether workers stay from one pass to the next.
        pin_memory_device: Accepted and not used: there is one kind of page-locked memory.
        in_order: Whether batches come in the order of the sampler; if not, in the order in which
            workers finish them.

    Raises:
        ValueError: If arguments exclude each other, or a number is out of range.
        TypeError: If `multiprocessing_context` is neither a name nor a context.

    Example:
        >>> loader = DataLoader([1, 2, 3, 4, 5], batch_size=2)
        >>> len(loader), list(loader)
        (3, [tensor([1, 2]), tensor([3, 4]), tensor([5])])
    """

    dataset: Any
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Sampler | Iterable
    pin_memory_device: str
    prefetch_factor: int | None
    _iterator: "_BaseDataLoaderIter | None" = None
    __initialized = False

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(
        self,
        dataset,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if num_workers > 0 and prefetch_factor is None:
            prefetch_factor = _DEFAULT_PREFETCH
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        streaming = isinstance(dataset, IterableDataset)
        self._dataset_kind = _DatasetKind.Iterable if streaming else _DatasetKind.Map
        if streaming:
            _check_streaming(shuffle, sampler, batch_sampler)
        _check_sampling(batch_size, shuffle, sampler, batch_sampler, drop_last)

        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            if streaming:
                sampler = _InfiniteConstantSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.__initialized = True
        self._IterableDataset_len_called: int | None = None
        self._iterator = None
        self.check_worker_number_rationality()

    @property
    def multiprocessing_context(self):
        """How workers are started: a `multiprocessing` context, or None for the usual way."""
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context) -> None:
        self.__multiprocessing_context = _as_context(context, self.num_workers)

    def __setattr__(self, name: str, value) -> None:
        if self.__initialized and name in _LOCKED:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def __iter__(self) -> "_BaseDataLoaderIter":
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None or not self._iterator._reset(self):
            self._iterator = self._get_iterator()
        return self._iterator

    def _get_iterator(self) -> "_BaseDataLoaderIter":
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self):
        """The sampler whose items are the questions: lists of indices when collating."""
        return self.batch_sampler if self._auto_collation else self.sampler

    def __len__(self) -> int:
        if self._dataset_kind != _DatasetKind.Iterable:
            return len(self._index_sampler)
        # What the dataset says of itself; remembered to warn when it gives more than that.
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        full, rest = divmod(length, self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def check_worker_number_rationality(self) -> None:
        """Warns if there are more workers than processors for this process."""
        if not self.num_workers:
            return
        if hasattr(os, "sched_getaffinity"):
            processors = len(os.sched_getaffinity(0))
        else:
            processors = os.cpu_count() or 1
        if self.num_workers > processors:
            warn(
                f"This DataLoader will create {self.num_workers} worker processes in total. Our "
                f"suggested max number of worker in current system is {processors}, which is "
                "smaller than what this DataLoader is going to create. Please be aware that "
                "excessive worker creation might get DataLoader running slow or even freeze, lower "
                "the worker number to avoid potential slowness/freeze if necessary."
            )


def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; "
            "use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_streaming(shuffle, sampler, batch_sampler) -> None:
    given = {"sampler": sampler, "batch_sampler": batch_sampler}
    if shuffle not in (None, False):
        given = {"shuffle": shuffle, **given}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, "
                f"but got {name}={value}"
            )


def _check_sampling(batch_size, shuffle, sampler, batch_sampler, drop_last) -> None:
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ValueError(
            "batch_sampler option is mutually exclusive with "
            "batch_size, shuffle, sampler, and drop_last"
        )
    if batch_sampler is None and batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


def _as_context(context, num_workers: int):
    if context is None:
        return None
    if num_workers == 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading "
            f"(num_workers > 0), but got num_workers={num_workers}"
        )
    import multiprocessing
    from multiprocessing.context import BaseContext

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    return context


class _BaseDataLoaderIter:
    """One pass over the batches of a loader."""

    def __init__(self, loader: DataLoader):
        self._loader_num_workers = loader.num_workers
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._index_sampler = loader._index_sampler
        self._pin_memory = can_pin(loader.pin_memory)
        self._base_seed = _samplers._draw_seed(loader.generator)
        kind = MapFetcher if self._dataset_kind == _DatasetKind.Map else IterableFetcher
        self._make_fetcher = functools.partial(
            kind, loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last
        )
        self._start_pass(loader)

    def _start_pass(self, loader: DataLoader) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._promised = loader._IterableDataset_len_called

    def __iter__(self) -> "_BaseDataLoaderIter":
        return self

    def __next__(self):
        data = self._next_data()
        if self._pin_memory:
            data = pin_memory(data)
        self._num_yielded += 1
        if self._promised is not None and self._num_yielded > self._promised:
            self._warn_of_length()
        return data

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self):
        raise NotImplementedError(f"{type(self).__name__} cannot be pickled")

    def _next_data(self):
        raise NotImplementedError

    def _warn_of_length(self) -> None:
        message = (
            f"Length of IterableDataset {self._dataset} was reported to be {self._promised}"
            f"(when accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
        )
        if self._loader_num_workers > 0:
            message += (
                "For multiprocessing data-loading, this could be caused by not properly "
                "configuring the IterableDataset replica at each worker: each worker has a copy "
                "of the whole dataset and must give its own share (see get_worker_info)."
            )
        warn(message)


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader: DataLoader):
        super().__init__(loader)
        self._fetcher = self._make_fetcher()

    def _next_data(self):
        return self._fetcher.fetch(next(self._sampler_iter))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Keeps `prefetch_factor` questions per worker under way, dealt to the workers in turn.

    Question n goes to worker n modulo their number, so that what a worker computes does not depend
    on which of them is faster.
    """

    def __init__(self, loader: DataLoader):
        from flambeau.utils.data._utils.pool import WorkerPool

        if not loader.prefetch_factor:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        super().__init__(loader)
        self._timeout = loader.timeout
        self._in_order = loader.in_order
        self._persistent = loader.persistent_workers
        self._capacity = loader.prefetch_factor * loader.num_workers
        self._error: str | None = None
        self._asked = 0
        self._pool = WorkerPool(
            [
                WorkerPlan(
                    worker,
                    loader.num_workers,
                    self._base_seed,
                    loader.dataset,
                    self._make_fetcher,
                    loader.worker_init_fn,
                )
                for worker in range(loader.num_workers)
            ],
            loader.multiprocessing_context,
        )
        self._finalizer = weakref.finalize(self, self._pool.close)
        self._start_asking()

    def _start_asking(self) -> None:
        self._turn = 0
        self._ended: set[int] = set()  # workers whose stream has come to its end
        self._questions: dict[int, Any] = {}  # number of a question, and the worker it went to
        self._answers: dict[int, tuple] = {}
        self._supervised(self._fill)

    def _reset(self, loader: DataLoader) -> bool:
        """Starts another pass with the same workers; False if they are gone."""
        if self._pool.closed:
            return False
        self._start_pass(loader)
        self._supervised(self._restart_workers)
        self._start_asking()
        return True

    def _restart_workers(self) -> None:
        for worker in self._pool.workers:
            worker.reset(self._asked)

    def _fill(self) -> None:
        for _ in range(self._capacity):
            self._ask()

    def _next_data(self):
        answer = self._supervised(self._next_answer)
        if answer is None:
            if not self._persistent:
                self._pool.close()
            raise StopIteration
        kind, content = answer
        data = content.load()
        if kind == "failed":
            data.reraise()
        return data

    def _supervised(self, action):
        """Does something with the workers; if they fail in it, they are of no further use."""
        from flambeau.utils.data._utils.pool import WorkerError, WorkerTimeout

        self._pool.require_owner()
        if self._error is not None:
            raise RuntimeError(self._error)
        deadline = time.monotonic() + self._timeout if self._timeout > 0 else float("inf")
        for worker in self._pool.workers:
            worker.deadline = deadline
        try:
            return action()
        except WorkerTimeout:
            slow = self._questions[next(iter(self._questions))]
            error = slow.stall(self._timeout)
        except WorkerError as death:
            error = death
        except Exception:
            raise  # of the sampler: the workers are all right
        except BaseException:
            # Ctrl-C may have come in the middle of a message.
            self._give_up("DataLoader: the iteration was interrupted")
            raise
        self._give_up(str(error))
        raise error

    def _give_up(self, reason: str) -> None:
        self._error = reason
        self._pool.close(grace=0)

    def _next_answer(self) -> tuple | None:
        """Kind and content of the answer that is due; None at the end."""
        while self._questions:
            number = self._due()
            if number is None:
                self._receive()
                continue
            worker = self._questions.pop(number)
            answer = self._answers.pop(number)
            # Noted in the order of the questions, so that it does not depend on timing which
            # worker is asked next.
            if answer[0] == "ended":
                self._ended.add(worker.id)
            self._ask()
            if answer[0] != "ended":
                return answer
        return None

    def _due(self) -> int | None:
        """The question whose answer comes next, if it is here."""
        if self._in_order:
            first = next(iter(self._questions))
            return first if first in self._answers else None
        return next((number for number in self._questions if number in self._answers), None)

    def _receive(self) -> None:
        from flambeau.utils.data._utils.pool import wait_for

        busy = [worker for worker in self._pool.workers if worker.questions]
        for worker in wait_for(busy, busy[0].deadline):
            kind, number, content = worker.answer()
            if number in self._questions:  # else of a pass that was given up
                self._answers[number] = (kind, content)

    def _ask(self) -> None:
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        worker = self._next_worker()
        if worker is None:
            return
        self._questions[self._asked] = worker
        worker.ask(self._asked, index)
        self._asked += 1

    def _next_worker(self):
        """The worker whose turn it is, or None if all streams have ended."""
        workers = self._pool.workers
        room = self._capacity // len(workers)
        for _ in workers:
            worker = workers[self._turn % len(workers)]
            self._turn += 1
            if worker.id in self._ended:
                continue
            if self._in_order or len(worker.questions) < room:
                return worker
        return None
