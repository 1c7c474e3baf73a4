"""What picks elements - masks, places, largest, counts - at sizes around those of its pieces."""

import numpy as np
import pytest

import flambeau
from flambeau import _C

SIZES = [0, 1, 7, 8, 9, 63, 1000, 32768, 32769, 100_003]


@pytest.fixture(autouse=True, params=[1, 3])
def threads(request):
    before = _C.get_num_threads()
    _C.set_num_threads(request.param)
    yield request.param
    _C.set_num_threads(before)


def random_mask(n: int, density: float) -> np.ndarray:
    return np.random.default_rng(n).random(n) < density


@pytest.mark.parametrize("density", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("n", SIZES)
def test_masks_of_any_length_and_density(n, density):
    mask = random_mask(n, density)
    given = flambeau.tensor(mask)
    assert np.array_equal(given.nonzero().numpy(), np.argwhere(mask))
    for dtype in (np.uint8, np.int16, np.float32, np.int64, np.complex128):
        x = np.arange(n).astype(dtype)
        assert np.array_equal(flambeau.tensor(x)[given].numpy(), x[mask])
        assert np.array_equal(flambeau.tensor(x).masked_select(given).numpy(), x[mask])


@pytest.mark.parametrize("shape", [(3, 5), (300, 401), (2, 3, 7000), (70_000, 1), (5, 1, 6, 1)])
def test_masks_of_several_axes(shape):
    mask = random_mask(int(np.prod(shape)), 0.3).reshape(shape)
    x = np.arange(mask.size, dtype=np.float64).reshape(shape)
    given, values = flambeau.tensor(mask), flambeau.tensor(x)
    assert np.array_equal(given.nonzero().numpy(), np.argwhere(mask))
    assert np.array_equal(values[given].numpy(), x[mask])
    assert np.array_equal(values.mT[given.mT].numpy(), x.swapaxes(-1, -2)[mask.swapaxes(-1, -2)])


def test_bytes_of_foreign_masks_may_be_any_number():
    mask = np.array([0, 2, 255, 0, 128, 1, 64, 0, 3], dtype=np.uint8)
    given = flambeau.from_numpy(mask.view(np.bool_))
    assert given.nonzero().flatten().tolist() == [1, 2, 4, 5, 6, 8]


def lines(kind: str, n: int, dtype) -> np.ndarray:
    random = np.random.default_rng(n)
    if kind == "equal":
        return np.zeros((5, n), dtype)
    x = random.integers(0, 100, (5, n)) if kind == "ties" else random.standard_normal((5, n)) * 1000
    return (np.sort(x, 1) if kind == "ascending" else x).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("kind", ["random", "ascending", "ties", "equal"])
@pytest.mark.parametrize("n, k", [(40, 1), (1000, 3), (1000, 31), (1000, 200), (9000, 10)])
def test_topk_is_the_head_of_a_stable_sort(n, k, kind, dtype):
    x = lines(kind, n, dtype)
    given = flambeau.tensor(x)
    for largest in (True, False):
        values, indices = given.topk(k, largest=largest)
        expected, places = given.sort(stable=True, descending=largest)
        assert values.equal(expected[:, :k]) and indices.equal(places[:, :k])


@pytest.mark.parametrize("dtype", [flambeau.float32, flambeau.float64])
@pytest.mark.parametrize("nans", [1, 5, 700])
def test_topk_takes_nan_for_the_largest(nans, dtype):
    x = flambeau.randn(3, 700, dtype=dtype)
    x[:, flambeau.randperm(700)[:nans]] = flambeau.nan
    x[:, 13] = -0.0
    for largest in (True, False):
        values, indices = x.topk(9, largest=largest)
        expected, places = x.sort(stable=True, descending=largest)
        assert values.allclose(expected[:, :9], equal_nan=True)
        assert indices.equal(places[:, :9])


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("high", [1, 10, 20_000])
def test_bincount_of_any_length(n, high):
    x = np.random.default_rng(n).integers(0, high, n)
    assert np.array_equal(
        flambeau.tensor(x).bincount(minlength=5).numpy(), np.bincount(x, minlength=5)
    )


@pytest.mark.parametrize("width", [1, 3, 16, 40, 65])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.complex64])
@pytest.mark.parametrize("alpha", [1, 2])
def test_index_add_of_rows(width, dtype, alpha):
    random = np.random.default_rng(width)
    table, rows = (random.integers(-9, 9, (n, width)).astype(dtype) for n in (50, 2000))
    index = random.integers(0, 50, 2000)
    result = flambeau.tensor(table).index_add(
        0, flambeau.tensor(index), flambeau.tensor(rows), alpha=alpha
    )
    np.add.at(table, index, alpha * rows)
    assert np.array_equal(result.numpy(), table)


@pytest.mark.parametrize(
    "shape, dim", [((200, 65), 0), ((3, 100, 33), 1), ((60, 7, 1), 0), ((9, 500), 1)]
)
def test_gather_and_scatter_along_any_axis(shape, dim):
    random = np.random.default_rng(0)
    x = random.integers(-9, 9, shape).astype(np.float32)
    index = random.integers(0, shape[dim], shape)
    given, places = flambeau.tensor(x), flambeau.tensor(index)
    assert np.array_equal(given.gather(dim, places).numpy(), np.take_along_axis(x, index, dim))
    added = x.copy()
    where = list(np.indices(shape))
    where[dim] = index
    np.add.at(added, tuple(where), x)
    assert np.array_equal(given.scatter_add(dim, places, given).numpy(), added)
