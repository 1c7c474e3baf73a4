"""Generators of random numbers: their states, seeds, copies, and threads that share one."""

import copy
import threading

import pytest

import flambeau as fl

# ---- states ----


def test_states_are_exchanged_with_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    torch.manual_seed(7)
    torch.rand(1000)
    torch.randn(1)
    fl.set_rng_state(fl.tensor(torch.get_rng_state().tolist(), dtype=fl.uint8))
    assert fl.get_rng_state().tolist() == torch.get_rng_state().tolist()
    assert fl.randn(40).tolist() == torch.randn(40).tolist()
    fl.randn(3)
    torch.set_rng_state(torch.tensor(fl.get_rng_state().tolist(), dtype=torch.uint8))
    assert fl.randn(3).tolist() == torch.randn(3).tolist()


@pytest.mark.parametrize("skip", (0, 1, 623, 624, 700))
def test_state_returns_to_its_place(skip):
    g = fl.Generator().manual_seed(5)
    fl.rand(skip, generator=g)
    fl.randn(1, generator=g)
    state = g.get_state()
    assert state.dtype == fl.uint8 and tuple(state.shape) == (5056,)
    first = fl.randn(7, generator=g).tolist()
    other = fl.Generator()
    other.set_state(state)
    assert fl.randn(7, generator=other).tolist() == first
    assert other.initial_seed() == 5


def damaged(position, value):
    state = fl.Generator().get_state().tolist()
    state[position] = value
    return fl.tensor(state, dtype=fl.uint8)


@pytest.mark.parametrize(
    "state, error, text",
    (
        (lambda: None, TypeError, "expected a torch.ByteTensor"),
        (lambda: fl.zeros(5056), TypeError, "RNG state must be a torch.ByteTensor"),
        (lambda: fl.zeros(10, dtype=fl.uint8), RuntimeError, "of size 5056"),
        (lambda: fl.zeros(5056, dtype=fl.uint8), RuntimeError, "Invalid mt19937 state"),
        (lambda: damaged(9, 200), RuntimeError, "Invalid mt19937 state"),
        (lambda: damaged(12, 0), RuntimeError, "Invalid mt19937 state"),
        (lambda: damaged(18, 9), RuntimeError, "Invalid mt19937 state"),
    ),
)
def test_wrong_states(state, error, text):
    with pytest.raises(error, match=text):
        fl.set_rng_state(state())


def test_copies_go_on_from_the_same_place():
    g = fl.Generator().manual_seed(3)
    fl.rand(10, generator=g)
    copies = [g.clone_state(), copy.copy(g), copy.deepcopy(g)]
    expected = fl.rand(5, generator=g).tolist()
    assert all(fl.rand(5, generator=c).tolist() == expected for c in copies)


def test_fork_rng():
    fl.manual_seed(1)
    before = fl.get_rng_state().tolist()
    with fl.random.fork_rng():
        fl.rand(10)
    assert fl.get_rng_state().tolist() == before
    with fl.random.fork_rng(enabled=False):
        fl.rand(10)
    assert fl.get_rng_state().tolist() != before


def test_fork_rng_decorates():
    @fl.random.fork_rng()
    def draw():
        return fl.rand(3).tolist()

    assert draw() == draw()


@pytest.mark.parametrize(
    "keywords, error",
    (
        ({"devices": [0]}, RuntimeError),
        ({"devices": ["cuda:0"]}, RuntimeError),
        ({"devices": 3}, TypeError),
        ({"device_type": "nonsense"}, RuntimeError),
        ({"device_type": "nonsense", "enabled": False}, RuntimeError),
    ),
)
def test_wrong_forks(keywords, error):
    with pytest.raises(error):
        fl.random.fork_rng(**keywords)


def test_forks_that_need_no_device():
    with fl.random.fork_rng(devices=[], device_type="cuda"), fl.random.fork_rng([0], False):
        assert fl.random.thread_safe_generator() is None


# ---- generators ----


def test_default_generator():
    assert fl.manual_seed(11) is fl.default_generator
    assert fl.initial_seed() == fl.default_generator.initial_seed() == 11
    assert isinstance(fl.default_generator, fl.Generator)
    assert fl.default_generator.device == fl.device("cpu")
    assert fl.Generator().initial_seed() == 67280421310721
    first, second = fl.seed(), fl.default_generator.seed()
    assert first != second == fl.initial_seed()


def test_generators_are_independent():
    g = fl.Generator().manual_seed(0)
    fl.manual_seed(0)
    expected = fl.rand(5).tolist()
    before = fl.get_rng_state().tolist()
    assert fl.rand(5, generator=g).tolist() == expected
    assert fl.get_rng_state().tolist() == before


@pytest.mark.parametrize(
    "seed, error", ((1.5, RuntimeError), ("a", RuntimeError), (2**64, ValueError))
)
def test_wrong_seeds(seed, error):
    with pytest.raises(error):
        fl.Generator().manual_seed(seed)


def test_wrong_device():
    with pytest.raises(RuntimeError, match="CUDA"):
        fl.Generator("cuda")


def test_threads_share_a_generator():
    """Every call's numbers are consecutive: together the threads draw the whole stream once."""
    n, size = 8, 30_000
    fl.manual_seed(2)
    expected = fl.rand(n, size).tolist()
    fl.manual_seed(2)
    rows = []
    threads = [
        threading.Thread(target=lambda: rows.append(fl.rand(size).tolist())) for _ in range(n)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(rows) == sorted(expected)


def test_numbers_do_not_depend_on_threads():
    from flambeau import _C

    threads = _C.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            _C.set_num_threads(count)
            fl.manual_seed(0)
            drawn = [
                fl.randn(300_001),
                fl.empty(200_000).exponential_(),
                fl.dropout(fl.ones(99_999), 0.3, True),
            ]
            results.append([d.tolist() for d in drawn])
        assert results[0] == results[1] == results[2]
    finally:
        _C.set_num_threads(threads)
