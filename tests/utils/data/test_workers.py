import gc
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
from parity import assert_same, both

import flambeau
from flambeau.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    get_worker_info,
)
from flambeau.utils.data._utils import transport

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Numbers(Dataset):
    """0, 1, 2, ...; `act` is called with each index first."""

    def __init__(self, count=8, act=None):
        self.count = count
        self.act = act

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.act is not None:
            self.act(index)
        return index


class Shared(IterableDataset):
    """Worker i gives i, i + n, i + 2n, ... of those below its limit."""

    def __init__(self, limits):
        self.limits = limits

    def __iter__(self):
        info = get_worker_info()
        return iter(range(info.id, self.limits[info.id], info.num_workers))


class Unfriendly(Exception):
    """Cannot be made of a message alone."""

    def __init__(self, a, b):
        super().__init__(a, b)


def on(index, action):
    """Does something when the dataset is asked for one index."""

    def act(asked):
        if asked == index:
            action()

    return act


def fail(error):
    raise error


def batches(loader):
    return [batch.tolist() for batch in loader]


def open_files():
    return len(os.listdir("/proc/self/fd"))


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


# ---- order ----


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_order_is_that_of_one_process(num_workers):
    expected = batches(DataLoader(Numbers(), 3))
    for _ in range(2):
        assert batches(DataLoader(Numbers(), 3, num_workers=num_workers)) == expected


def test_order_does_not_depend_on_who_is_faster():
    slow = on(0, lambda: time.sleep(0.2))
    assert batches(DataLoader(Numbers(6, slow), num_workers=2)) == [[i] for i in range(6)]


def test_in_order_false_gives_what_is_ready(tmp_path):
    arrived = tmp_path / "the first value has arrived"
    slow = on(0, lambda: wait_until(arrived.exists))
    iterator = iter(DataLoader(Numbers(6, slow), num_workers=2, in_order=False))
    values = [next(iterator).item()]
    assert values[0] != 0
    arrived.touch()
    values += [batch.item() for batch in iterator]
    assert sorted(values) == list(range(6))


@pytest.mark.parametrize("persistent", [False, True])
def test_random_order_and_seeds_are_torchs(persistent):
    def program(torch, data):
        class Draws(data.Dataset):
            def __len__(self):
                return 5

            def __getitem__(self, index):
                info = data.get_worker_info()
                draws = (random.random(), np.random.rand(), torch.rand(1).item())
                return index, info.id, info.seed, info.num_workers, torch.initial_seed(), draws

        loader = data.DataLoader(
            Draws(), None, shuffle=True, num_workers=2, persistent_workers=persistent
        )
        return [list(loader), list(loader)], torch.rand(1).item()

    assert_same(program)


@pytest.mark.parametrize("limits", [(10, 10), (2, 11), (11, 2), (0, 7), (3, 9, 5)], ids=str)
@pytest.mark.parametrize("keywords", [{}, {"batch_size": 2}, {"batch_size": 2, "drop_last": True}])
def test_streams_are_dealt_as_in_torch(limits, keywords):
    def program(torch, data):
        class Stream(data.IterableDataset):
            def __iter__(self):
                info = data.get_worker_info()
                return iter(range(info.id, limits[info.id], info.num_workers))

        loader = data.DataLoader(Stream(), num_workers=len(limits), **keywords)
        return batches(loader)

    assert_same(program)


def test_streams_that_end_early_leave_a_fixed_order():
    loader = DataLoader(Shared((2, 11)), num_workers=2)
    assert len({str(batches(loader)) for _ in range(3)}) == 1


def test_a_stream_longer_than_it_said():
    class Liar(IterableDataset):
        def __iter__(self):
            return iter(range(3))

        def __len__(self):
            return 2

    loader = DataLoader(Liar(), num_workers=1)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="reported to be 2.*but 3 samples.*each worker"):
        assert batches(loader) == [[0], [1], [2]]


def test_persistent_workers_stay():
    class Pid(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return os.getpid()

    loader = DataLoader(Pid(), None, num_workers=2, persistent_workers=True)
    assert len(set(loader) | set(loader)) == 2
    assert iter(loader) is iter(loader)


def test_persistent_workers_start_over_in_the_middle():
    loader = DataLoader(Numbers(20), num_workers=2, persistent_workers=True)
    for _ in range(3):
        iterator = iter(loader)
        assert [next(iterator).item() for _ in range(3)] == [0, 1, 2]
    assert batches(loader) == [[i] for i in range(20)]


def test_persistent_streams_start_over():
    loader = DataLoader(Shared((4, 4)), num_workers=2, persistent_workers=True)
    assert batches(loader) == batches(loader) == [[0], [1], [2], [3]]


def test_two_iterators_at_a_time():
    loader = DataLoader(Numbers(4), num_workers=1)
    pairs = [(a.item(), b.item()) for a, b in zip(loader, loader, strict=True)]
    assert pairs == [(i, i) for i in range(4)]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_start_methods(method):
    loader = DataLoader(Numbers(5), 2, num_workers=1, multiprocessing_context=method)
    assert batches(loader) == [[0, 1], [2, 3], [4]]


# ---- inside a worker ----


def test_worker_info():
    def look(number):
        info = get_worker_info()
        assert info.id == number and info.num_workers == 2
        assert isinstance(info.dataset, Numbers)
        with pytest.raises(AttributeError):
            info.id = 5
        info.dataset.count = 100 + number

    class Report(Numbers):
        def __getitem__(self, index):
            return self.count

    assert batches(DataLoader(Report(2), num_workers=2, worker_init_fn=look)) == [[100], [101]]
    assert get_worker_info() is None


def test_workers_compute_with_one_thread():
    class Threads(Numbers):
        def __getitem__(self, index):
            flambeau.ones(1000, 100).sum()  # kernels work after the fork
            return flambeau.get_num_threads()

    flambeau.ones(1000, 100).sum()
    assert batches(DataLoader(Threads(2), num_workers=2)) == [[1], [1]]


# ---- what crosses ----


def crossed(*samples):
    """The samples after a trip through a worker."""
    return list(DataLoader(list(samples), None, num_workers=1, collate_fn=lambda sample: sample))


def test_tensors_cross_as_they_are():
    base = flambeau.arange(24.0).reshape(2, 3, 4)
    parameter = flambeau.nn.Parameter(flambeau.ones(2))
    originals = [
        base,
        base.permute(2, 0, 1),
        base[:, 1:, ::2],
        flambeau.ones(1).expand(3, 4),
        flambeau.tensor(3),
        flambeau.zeros(0, 3),
        flambeau.tensor([True, False]),
        flambeau.ones(2, dtype=flambeau.bfloat16),
        flambeau.ones(2, dtype=flambeau.complex64),
        flambeau.ones(2, requires_grad=True),
        parameter,
    ]
    for ours, original in zip(crossed(*originals), originals, strict=True):
        assert type(ours) is type(original)
        assert ours.dtype == original.dtype
        assert ours.shape == original.shape
        assert ours.tolist() == original.tolist()
        assert ours.requires_grad == original.requires_grad
    (dense,) = crossed(base.permute(2, 0, 1))
    assert dense.stride() == base.permute(2, 0, 1).stride()


@pytest.mark.parametrize("elements", [10, transport.INLINE_BYTES])
def test_tensors_and_arrays_cross_in_containers(elements):
    tensor = flambeau.arange(elements)
    array = np.arange(elements, dtype=np.float64)
    (sample,) = crossed({"t": [tensor, tensor], "a": (array, "text", None), "b": b"bytes"})
    assert sample["t"][0] is sample["t"][1]
    assert (sample["t"][0] == tensor).all()
    np.testing.assert_array_equal(sample["a"][0], array)
    assert sample["a"][1:] == ("text", None)
    sample["t"][0].add_(1)
    sample["a"][0][:] = 0
    assert tensor[0] == 0 and array[1] == 1


def test_what_cannot_cross_is_an_error():
    weight = flambeau.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"detach\(\) it first"):
        next(iter(DataLoader(Numbers(), num_workers=1, collate_fn=lambda _: weight * 2)))
    with pytest.raises(AttributeError, match=r"worker process 0(.|\n)*Can't pickle"):
        next(iter(DataLoader(Numbers(), num_workers=1, collate_fn=lambda _: lambda: 0)))


def large(index):
    return flambeau.full((transport.INLINE_BYTES,), index, dtype=flambeau.float32)


class Large(Numbers):
    def __getitem__(self, index):
        return large(index)


def test_batches_that_are_kept_stay_as_they_are():
    count = 3 * transport.MAX_HELD
    kept = list(DataLoader(Large(count), None, num_workers=2))
    assert all((batch == i).all() for i, batch in enumerate(kept))


def test_memory_is_used_again():
    before = open_files()
    most = 0
    loader = DataLoader(Large(60), None, num_workers=1)
    for i, batch in enumerate(loader):
        assert (batch == i).all()
        most = max(most, open_files())
    assert most - before < 12
    del batch
    wait_until(lambda: open_files() <= before)


def test_a_batch_outlives_its_loader():
    iterator = iter(DataLoader(Large(3), None, num_workers=1))
    batch = next(iterator)
    del iterator
    gc.collect()
    assert (batch == 0).all()


def test_nothing_is_left_in_shared_memory():
    before = set(os.listdir("/dev/shm"))
    iterator = iter(DataLoader(Large(4), None, num_workers=2))
    next(iterator)
    assert set(os.listdir("/dev/shm")) <= before
    del iterator


# ---- errors ----


@pytest.mark.parametrize(
    "error, kind",
    [
        (ValueError("sour"), ValueError),
        (KeyError("sour"), KeyError),
        (Unfriendly(1, 2), RuntimeError),
        (UnicodeDecodeError("ascii", b"a", 0, 1, "sour"), RuntimeError),
        (SystemExit(3), SystemExit),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=repr,
)
def test_errors_are_raised_here(error, kind):
    loader = DataLoader(Numbers(8, on(5, lambda: fail(error))), 4, num_workers=2)
    iterator = iter(loader)
    next(iterator)
    with pytest.raises(kind) as caught:
        next(iterator)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text.startswith(
        f"Caught {type(error).__name__} in DataLoader worker process 1.\n"
        "Original Traceback (most recent call last):\n"
    )
    assert "in __getitem__" in text
    assert text.endswith("(while loading sample(s) [4, 5, 6, 7])")


def test_an_error_does_not_end_the_iteration():
    iterator = iter(DataLoader(Numbers(4, on(1, lambda: fail(ValueError()))), num_workers=2))
    assert next(iterator).item() == 0
    with pytest.raises(ValueError):
        next(iterator)
    assert [batch.item() for batch in iterator] == [2, 3]


def test_a_class_that_cannot_be_sent():
    class Local(Exception):
        pass

    with pytest.raises(RuntimeError, match="Caught Local in DataLoader worker process 0"):
        list(DataLoader(Numbers(2, on(0, lambda: fail(Local("x")))), num_workers=1))


def test_an_error_of_worker_init_fn():
    loader = DataLoader(Numbers(), num_workers=2, worker_init_fn=lambda i: fail(OSError("no")))
    with pytest.raises(OSError, match="Caught OSError in DataLoader worker process 0"):
        next(iter(loader))


def test_an_error_of_a_stream():
    class Broken(IterableDataset):
        def __iter__(self):
            yield 1
            raise ValueError("broken")

    iterator = iter(DataLoader(Broken(), num_workers=1))
    with pytest.raises(ValueError, match="worker process 0"):
        next(iterator), next(iterator)


def test_an_error_of_the_sampler():
    def sampler():
        yield 0
        raise ValueError("of the sampler")

    with pytest.raises(ValueError, match=r"^of the sampler$"):
        list(DataLoader(Numbers(), sampler=sampler(), num_workers=1))


def test_prefetch_factor_0():
    with pytest.raises(AssertionError, match="prefetch_factor must be greater than 0"):
        iter(DataLoader(Numbers(), num_workers=1, prefetch_factor=0))


@pytest.mark.parametrize(
    "end, how",
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by signal SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "was killed by signal SIGTERM"),
        (lambda: os._exit(3), "ended with exit code 3"),
    ],
)
@pytest.mark.parametrize("timeout", [0, 20])
def test_a_worker_that_dies(end, how, timeout):
    iterator = iter(DataLoader(Numbers(8, on(3, end)), num_workers=2, timeout=timeout))
    text = rf"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly: worker 1 {how}.*\[3\]"
    for _ in range(2):  # it stays an error
        with pytest.raises(RuntimeError, match=text):
            for _ in range(8):
                next(iterator)


def test_a_worker_that_dies_in_the_middle_of_an_answer(monkeypatch):
    original = transport.Channel._write

    def half(self, data, fd=None):
        if len(data) > 10_000:
            original(self, memoryview(data)[:5000])
            os._exit(1)
        original(self, data, fd)

    monkeypatch.setattr(transport.Channel, "_write", half)
    loader = DataLoader([flambeau.ones(5000)], num_workers=1, timeout=20)
    with pytest.raises(RuntimeError, match="worker 0 ended with exit code 1"):
        next(iter(loader))


@pytest.mark.parametrize(
    "stall", [lambda: time.sleep(60), lambda: os.kill(os.getpid(), signal.SIGSTOP)]
)
def test_a_worker_that_stalls(stall):
    iterator = iter(DataLoader(Numbers(8, on(3, stall)), num_workers=2, timeout=2))
    with pytest.raises(RuntimeError, match=r"timed out after 2 seconds: worker 1 .*\[3\]"):
        for _ in range(8):
            next(iterator)


def test_persistent_workers_are_replaced_after_a_death(tmp_path):
    flag = tmp_path / "died"

    def die_once():
        if not flag.exists():
            flag.touch()
            os._exit(1)

    loader = DataLoader(Numbers(4, on(2, die_once)), num_workers=1, persistent_workers=True)
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(loader)
    assert batches(loader) == [[0], [1], [2], [3]]


# ---- the end ----


def workers_of(iterator):
    return [worker.process.pid for worker in iterator._pool.workers]


def test_workers_end_with_the_pass():
    iterator = iter(DataLoader(Numbers(4), num_workers=2))
    pids = workers_of(iterator)
    for _ in iterator:
        pass
    wait_until(lambda: not any(map(is_running, pids)))
    with pytest.raises(StopIteration):
        next(iterator)


def test_workers_end_with_an_abandoned_iterator():
    before = open_files()
    iterator = iter(DataLoader(Large(50), num_workers=2))
    pids = workers_of(iterator)
    next(iterator)
    del iterator
    gc.collect()
    wait_until(lambda: not any(map(is_running, pids)))
    assert open_files() <= before


def test_a_fork_of_the_process_does_not_keep_or_end_workers():
    iterator = iter(DataLoader(Numbers(20), num_workers=2))
    assert next(iterator).item() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            next(iterator)
        except RuntimeError as error:
            os._exit(0 if "process that made it" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [batch.item() for batch in iterator] == list(range(1, 20))


@pytest.fixture
def run_script():
    """Starts a program; none outlives its test."""
    processes = []

    def run(script, **keywords):
        header = "import os, signal, sys, time, flambeau\nfrom flambeau.utils.data import *\n"
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", header + textwrap.dedent(script)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **keywords,
            )
        )
        return processes[-1]

    yield run
    for process in processes:
        with process:
            process.kill()


@pytest.mark.parametrize("how", ["pass", "sys.exit(0)", "raise SystemExit(0)"])
def test_a_program_ends_with_workers_at_work(run_script, how):
    process = run_script(f"""
        iterator = iter(DataLoader(list(range(100)), num_workers=2))
        print(next(iterator).item())
        {how}
    """)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, "0\n", "")


def test_workers_end_when_their_parent_is_killed(run_script):
    process = run_script("""
        class Slow(Dataset):
            def __len__(self):
                return 4
            def __getitem__(self, index):
                if index:
                    time.sleep(60)
                return os.getpid()
        iterator = iter(DataLoader(Slow(), None, num_workers=2))
        print(*[worker.process.pid for worker in iterator._pool.workers], flush=True)
        next(iterator)
        next(iterator)
    """)
    pids = [int(pid) for pid in process.stdout.readline().split()]
    time.sleep(0.2)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(map(is_running, pids)))


def test_ctrl_c(run_script):
    process = run_script(
        """
        # Shells start what runs in the background with the signal ignored, the tests among it.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        class Slow(Dataset):
            def __len__(self):
                return 4
            def __getitem__(self, index):
                if index:
                    time.sleep(60)
                return index
        iterator = iter(DataLoader(Slow(), num_workers=2))
        next(iterator)
        try:
            print("ready", flush=True)
            next(iterator)
        except KeyboardInterrupt:
            print("interrupted")
        """,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert (out, err) == ("interrupted\n", "")


def test_collation_in_workers_is_that_of_one_process():
    dataset = TensorDataset(flambeau.arange(10.0).reshape(5, 2), flambeau.arange(5))
    for (x, y), (a, b) in zip(
        DataLoader(dataset, 2), DataLoader(dataset, 2, num_workers=1), strict=True
    ):
        assert x.tolist() == a.tolist()
        assert y.tolist() == b.tolist()


def test_messages_say_what_torch_says():
    def program(torch, data):
        class Sour(data.Dataset):
            def __len__(self):
                return 2

            def __getitem__(self, index):
                raise ValueError("sour")

        list(data.DataLoader(Sour(), num_workers=1))

    (ours, _), (theirs, _) = both(program)
    assert ours.splitlines()[:2] == theirs.splitlines()[:2]
