"""Who a worker is and what it is started with."""

from collections.abc import Callable
from typing import Any, NamedTuple


class WorkerInfo(NamedTuple):
    """What a worker process can know of itself (see `get_worker_info`)."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


class WorkerPlan(NamedTuple):
    """What a worker is started with."""

    id: int
    num_workers: int
    base_seed: int
    dataset: Any
    make_fetcher: Callable[[], Any]
    init_fn: Callable[[int], Any] | None


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Tells a dataset which worker it runs in.

    Returns:
        In a worker process, an object with `id`, `num_workers`, `seed` and `dataset` (the copy of
        this worker); None in the main process.

    Example:
        >>> get_worker_info() is None
        True
    """
    return _info


def set_worker_info(info: WorkerInfo) -> None:
    """Makes this process a worker, once and for all."""
    global _info
    _info = info
