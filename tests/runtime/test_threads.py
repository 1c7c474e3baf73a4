"""Results do not depend on the number of threads; kernels work after fork; the allocator is
shared.
"""

import gc
import multiprocessing
import os
import threading

import pytest

import flambeau as fl
from flambeau import _C


@pytest.fixture
def threads():
    before = fl.get_num_threads()
    yield fl.set_num_threads
    fl.set_num_threads(before)


def programs():
    fl.manual_seed(0)
    x = fl.randn(513, 300)
    image, weight = fl.randn(4, 16, 30, 30), fl.randn(24, 16, 3, 3)
    return {
        "exp": lambda: x.exp(),
        "sum": lambda: x.sum(),
        "sum over rows": lambda: x.sum(0),
        "matmul": lambda: x @ x.t(),
        "convolution": lambda: fl.conv2d(image, weight, padding=1),
        "pooling": lambda: fl.max_pool2d(image, 2),
        "index_add": lambda: fl.zeros(40, 300).index_add(0, fl.arange(513) % 40, x),
        "rand": lambda: (fl.manual_seed(3), fl.rand(200_000))[1],
        "randn": lambda: (fl.manual_seed(3), fl.randn(200_000))[1],
    }


@pytest.mark.parametrize("name", programs())
def test_same_bits_for_any_number_of_threads(name, threads):
    program = programs()[name]
    threads(1)
    expected = program()
    for n in (2, 3, 5):
        threads(n)
        assert _C.binary("eq", program(), expected).all(), f"{name} with {n} threads"


def test_number_of_threads_is_checked():
    with pytest.raises(RuntimeError, match="expects a positive integer"):
        fl.set_num_threads(0)


def _in_child(queue, x, expected):
    queue.put((float((x @ x).sum()), float(x.exp().sum()), fl.get_num_threads()))
    queue.close()
    queue.join_thread()
    os._exit(0)


def test_kernels_work_in_a_forked_child(threads):
    threads(2)
    fl.manual_seed(0)
    x = fl.randn(400, 400)
    expected = float((x @ x).sum()), float(x.exp().sum())  # the parent's pool has run
    context = multiprocessing.get_context("fork")
    for _ in range(3):
        queue = context.Queue()
        child = context.Process(target=_in_child, args=(queue, x, expected))
        child.start()
        found = queue.get(timeout=60)
        child.join(60)
        assert child.exitcode == 0
        assert found[:2] == expected
    assert float((x @ x).sum()) == expected[0]  # and the parent goes on


def test_kernels_called_from_several_python_threads(threads):
    threads(2)
    fl.manual_seed(0)
    x = fl.randn(300, 300)
    expected = (x @ x).exp().sum().item()
    found = []

    def work():
        for _ in range(10):
            found.append((x @ x).exp().sum().item())

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert found == [expected] * 40


def test_allocator_under_threads():
    errors = []

    def work(seed):
        try:
            for k in range(200):
                n = (seed * 7919 + k * 104729) % 70_000
                x = fl.full((n,), float(seed))
                y = x + 1
                del x
                if n and not (y == seed + 1).all():
                    errors.append((seed, k))
        except Exception as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(s,)) for s in range(6)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not errors


def test_statistics_and_emptying_the_cache():
    gc.collect()
    before = _C.allocator_stats()["allocated"]
    x = fl.empty(1_000_003)
    assert _C.allocator_stats()["allocated"] - before >= 4_000_012
    del x
    assert _C.allocator_stats()["allocated"] == before
    _C.empty_cache()
    assert _C.allocator_stats()["cached"] == 0


def test_a_request_beyond_memory_is_an_error():
    with pytest.raises(RuntimeError, match=r"(?i)memory"):
        fl.empty(1 << 55)
    with pytest.raises(RuntimeError, match="number of elements must fit"):
        fl.empty(1 << 40, 1 << 40)
