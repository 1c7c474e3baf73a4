"""Results do not depend on the number of threads; kernels work after fork; the allocator is
shared.
"""

import gc
import multiprocessing
import os
import subprocess
import sys
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


def _bytes(n):
    return fl.empty(n, dtype=fl.uint8)


# Where blocks lie is known only in a process that has used no arena yet.
LAYOUT = """
import flambeau as fl
from flambeau import _C

size = 700 << 10

def block(n):
    return fl.empty(n, dtype=fl.uint8)

def figures():
    stats = _C.allocator_stats()
    return stats["allocated"], stats["cached"], stats["cache_hits"]
"""

NEIGHBOURS = """
a, b, above = block(size), block(size), block(size)
start, (allocated, cached, hits) = a.data_ptr(), figures()
assert b.data_ptr() - start == size + 64
del {first}
del {second}
assert figures() == (allocated - 2 * size, cached + 2 * (size + 64), hits)
both = block(2 * size + 64)
assert both.data_ptr() == start
assert figures() == (allocated + 64, cached, hits + 1)
"""

PARTS = """
size = 500 << 10
whole, above = block(3 * size - 64), block(size)
whole.fill_(1)
start, (allocated, cached, hits) = whole.data_ptr(), figures()
del whole
parts = [block(size - 64) for _ in range(3)]
assert [x.data_ptr() - start for x in parts] == [0, size, 2 * size]
assert figures() == (allocated - 128, cached, hits + 3)
"""

RELEASED = """
a, b, above = block(size), block(size).fill_(7), block(size)
del a
assert figures()[1] >= size
_C.empty_cache()
assert figures()[1] == 0
a = block(size)
assert (a == 0).all() and (b == 7).all()  # the system gives pages of zeros
"""


def caching():
    """Whether blocks are kept at all: they are not where the address sanitizer watches them."""
    _bytes(1000)
    return _C.allocator_stats()["cached"] > 0


@pytest.mark.skipif(not caching(), reason="the allocator keeps no blocks in this build")
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(NEIGHBOURS.format(first="a", second="b"), id="lower neighbour first"),
        pytest.param(NEIGHBOURS.format(first="b", second="a"), id="upper neighbour first"),
        pytest.param(PARTS, id="parts of a block"),
        pytest.param(RELEASED, id="emptying the cache between live blocks"),
    ],
)
def test_blocks_of_arenas(script):
    found = subprocess.run(
        [sys.executable, "-c", LAYOUT + script], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


def test_the_cache_limit_holds_for_every_size():
    _C.empty_cache()
    try:
        _C.set_cache_limit(1 << 20)
        for size in (1000, 300_000, 3 << 20):
            blocks = [_bytes(size) for _ in range(9)]
            del blocks
            assert _C.allocator_stats()["cached"] <= 1 << 20
    finally:
        _C.set_cache_limit(1 << 32)


def _fill_in_child(x):
    y = _bytes(400_000).fill_(9)
    os._exit(0 if (y == 9).all() and (x == 5).all() else 1)


def test_arenas_in_a_forked_child():
    x = _bytes(400_000).fill_(5)
    context = multiprocessing.get_context("fork")
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            _bytes(400_000)

    worker = threading.Thread(target=churn)
    worker.start()
    try:
        for _ in range(5):
            child = context.Process(target=_fill_in_child, args=(x,))
            child.start()
            child.join(60)
            assert child.exitcode == 0
    finally:
        stop.set()
        worker.join()
    assert (x == 5).all()


def test_a_request_beyond_memory_is_an_error():
    with pytest.raises(RuntimeError, match=r"(?i)memory"):
        fl.empty(1 << 55)
    with pytest.raises(RuntimeError, match="number of elements must fit"):
        fl.empty(1 << 40, 1 << 40)


def test_subnormal_numbers_are_flushed_in_all_threads_of_a_call(threads):
    threads(2)
    x = fl.full((1_000_000,), 3e-310, dtype=fl.float64)
    assert not (x * 0.5 == 0).any()
    try:
        if not fl.set_flush_denormal(True):
            pytest.skip("this processor keeps them")
        assert (x * 0.5 == 0).all()
    finally:
        fl.set_flush_denormal(False)
    assert not (x * 0.5 == 0).any()
    with pytest.raises(RuntimeError, match="expects a bool"):
        fl.set_flush_denormal(1)
