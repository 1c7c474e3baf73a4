"""Sorting, selecting, searching and counting against NumPy and PyTorch."""

import numpy as np
import pytest
from oracle import check_parity, compare

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

rng = np.random.default_rng(11)
DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def some(dtype, *shape):
    """Values with many equal ones, and for floats the special ones."""
    x = rng.integers(-40 if dtype.startswith(("i", "f")) else 0, 40, shape).astype(dtype)
    if dtype.startswith("f") and x.size > 5:
        x.reshape(-1)[rng.integers(0, x.size, 5)] = [np.nan, np.inf, -np.inf, -0.0, 0.0]
    return x


def both(x):
    return flambeau.from_numpy(x.copy()), torch.from_numpy(x.copy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "shape, dim", [((1,), 0), ((60,), 0), ((700,), 0), ((9000,), 0), ((3, 70, 5), 1)]
)
def test_sort_is_stable(dtype, descending, shape, dim):
    x = some(dtype, *shape)
    mine, theirs = both(x)
    found = flambeau.sort(mine, dim, descending, stable=True)
    compare(found, torch.sort(theirs, dim=dim, descending=descending, stable=True), rtol=0, atol=0)
    assert found.values.shape == x.shape
    compare(flambeau.argsort(mine, dim, descending), found.indices)


@pytest.mark.parametrize("dtype", [*DTYPES, "bfloat16"])
def test_any_layout(dtype):
    generator = torch.Generator().manual_seed(7)
    theirs = torch.randint(-9, 9, (6, 40, 5), generator=generator).to(getattr(torch, dtype))
    mine = flambeau.tensor(theirs.tolist(), dtype=getattr(flambeau, dtype))
    for axes, part in (
        ((2, 0, 1), slice(None)),
        ((0, 2, 1), slice(1, None, 2)),
        ((1, 2, 0), slice(0)),
    ):
        a, b = mine.permute(axes)[:, part], theirs.permute(axes)[:, part]
        for dim in range(3):
            found = a.sort(dim, stable=True)
            expected = b.sort(dim=dim, stable=True)
            for x, y in zip(found, expected, strict=True):
                assert x.tolist() == y.tolist()
            if a.shape[dim] > 1:
                values, places = a.topk(2, dim)
                assert (
                    values.tolist()
                    == b.sort(dim=dim, descending=True)[0].narrow(dim, 0, 2).tolist()
                )
                assert a.gather(dim, places).tolist() == values.tolist()
                assert a.kthvalue(2, dim)[0].tolist() == expected[0].select(dim, 1).tolist()


@pytest.mark.parametrize("dtype", ["uint8", "float32", "int64"])
def test_long_lines(dtype):
    x = rng.integers(0, 250, 300_000).astype(dtype)
    mine = flambeau.from_numpy(x)
    order = np.argsort(x, kind="stable")
    assert (mine.argsort().numpy() == order).all()
    backwards = len(x) - 1 - np.argsort(x[::-1], kind="stable")[::-1]
    assert (mine.argsort(descending=True).numpy() == backwards).all()
    for largest, expected in ((True, backwards), (False, order)):
        assert (mine.topk(30, largest=largest).indices.numpy() == expected[:30]).all()
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    found = mine.unique(return_inverse=True, return_counts=True)
    for a, b in zip(found, (values, inverse, counts), strict=True):
        assert (a.numpy() == b).all()
    assert mine.median().item() == np.sort(x)[(len(x) - 1) // 2]


def test_the_order_does_not_depend_on_threads():
    x = flambeau.from_numpy(rng.integers(0, 99, 300_000).astype("float32"))
    threads = flambeau.get_num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            flambeau.set_num_threads(count)
            found.append((x.argsort().numpy(), x.topk(50).indices.numpy()))
    finally:
        flambeau.set_num_threads(threads)
    for order, first in found[1:]:
        assert (order == found[0][0]).all()
        assert (first == found[0][1]).all()


def test_random_keys_of_all_bits():
    for dtype in ("int64", "int32", "uint8", "int16"):
        info = np.iinfo(dtype)
        x = rng.integers(info.min, info.max, 20000, dtype=dtype, endpoint=True)
        assert (flambeau.from_numpy(x).sort().values.numpy() == np.sort(x)).all()
    bits = rng.integers(0, 2**64, 20000, dtype=np.uint64).view(np.float64)
    bits = bits[~np.isnan(bits)]
    assert (flambeau.from_numpy(bits).sort().values.numpy() == np.sort(bits)).all()


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("n, k", [(5, 5), (50, 3), (5000, 1), (5000, 40), (5000, 2000)])
def test_topk(dtype, largest, n, k):
    x = rng.permutation(n).astype(dtype)
    mine, theirs = both(x)
    compare(mine.topk(k, largest=largest), theirs.topk(k, largest=largest))


def test_topk_of_special_values():
    x = flambeau.tensor([1.0, float("nan"), float("inf"), -1.0])
    assert x.topk(2).indices.tolist() == [1, 2]
    assert x.topk(2, largest=False).indices.tolist() == [3, 0]
    equal = flambeau.zeros(3000)
    assert equal.topk(3).indices.tolist() == [0, 1, 2]
    growing = flambeau.arange(20000, dtype=flambeau.float32)
    assert growing.topk(2).indices.tolist() == [19999, 19998]


@pytest.mark.parametrize("n", [1, 2, 63, 1000])
def test_kthvalue_and_median(n):
    x = rng.permutation(n * 4).astype("float32").reshape(4, n)
    mine, theirs = both(x)
    for k in {1, (n + 1) // 2, n}:
        compare(mine.kthvalue(k), theirs.kthvalue(k))
        compare(mine.kthvalue(k, 1, True), theirs.kthvalue(k, 1, True))
    compare(mine.median(), theirs.median())
    compare(mine.median(1), theirs.median(1))
    x[0, 0] = x[2, n // 2] = np.nan
    mine, theirs = both(x)
    compare(mine.median(1), theirs.median(1))
    if n > 1:
        compare(mine.nanmedian(1), theirs.nanmedian(1))
        compare(mine.nanmedian(), theirs.nanmedian())


def test_many_equal_elements_are_selected():
    x = flambeau.tensor([2.0] * 500 + [1.0] * 500)
    assert x.kthvalue(500).values.item() == 1.0
    assert x.kthvalue(501).indices.item() == 0


def test_mode():
    x = rng.integers(0, 5, (6, 40))
    mine, theirs = both(x)
    compare(mine.mode(1).values, theirs.mode(1).values)
    compare(mine.mode(0, True).values, theirs.mode(0, True).values)
    for row, value, place in zip(x, *(part.tolist() for part in mine.mode(1)), strict=True):
        assert place == np.flatnonzero(row == value)[-1]  # PyTorch gives any of the places


@pytest.mark.parametrize("dtype", ["bool", "int64", "float32"])
@pytest.mark.parametrize("consecutive", [False, True])
def test_unique(dtype, consecutive):
    name = "unique_consecutive" if consecutive else "unique"
    x = some(dtype, 6, 50)
    if dtype == "float32":
        x = np.where(np.isnan(x), 1, x)
    for arguments in (
        {},
        {"return_inverse": True},
        {"return_counts": True, "return_inverse": True},
    ):
        mine, theirs = both(x)
        compare(
            getattr(flambeau, name)(mine, **arguments), getattr(torch, name)(theirs, **arguments)
        )


@pytest.mark.parametrize("name", ["unique", "unique_consecutive"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_unique_slices(name, dim):
    x = rng.integers(0, 2, (12, 3, 2))
    mine, theirs = both(x)
    options = {"return_inverse": True, "return_counts": True, "dim": dim}
    compare(getattr(flambeau, name)(mine, **options), getattr(torch, name)(theirs, **options))


@pytest.mark.parametrize("name", ["unique", "unique_consecutive"])
def test_unique_slices_are_compared_in_memory_order(name):
    x = rng.integers(0, 2, (7, 2, 9)).astype(bool)
    x[:, :, 3] = x[:, :, 4]
    mine, theirs = both(x)
    options = {"return_inverse": True, "return_counts": True, "dim": 2}
    compare(getattr(flambeau, name)(mine, **options), getattr(torch, name)(theirs, **options))


def test_unique_counts_each_nan():
    values, counts = flambeau.unique(
        flambeau.tensor([float("nan"), 1.0, float("nan")]), return_counts=True
    )
    assert counts.tolist() == [1, 1, 1]
    assert values.shape == (3,)


@pytest.mark.parametrize("right", [False, True])
@pytest.mark.parametrize("dtype", ["int64", "float32", "float64"])
def test_searchsorted(right, dtype):
    rows = np.sort(rng.integers(0, 30, (4, 17)).astype(dtype), axis=1)
    values = rng.integers(-2, 33, (4, 50)).astype(dtype)
    for sequence, wanted in ((rows, values), (rows[0], values), (rows[0], values[0])):
        (s, ts), (v, tv) = both(sequence), both(wanted)
        compare(
            flambeau.searchsorted(s, v, right=right, out_int32=True),
            torch.searchsorted(ts, tv, right=right, out_int32=True),
        )
    (s, ts), (v, tv) = both(rows[0]), both(values)
    compare(flambeau.bucketize(v, s, right=right), torch.bucketize(tv, ts, right=right))


def test_searchsorted_of_special_values():
    nan, inf = float("nan"), float("inf")
    s, v = np.array([-inf, 1.0, inf, nan]), np.array([nan, inf, -inf, 0.0])
    for right in (False, True):
        assert (
            flambeau.searchsorted(
                flambeau.from_numpy(s), flambeau.from_numpy(v), right=right
            ).tolist()
            == np.searchsorted(s, v, "right" if right else "left").tolist()
        )
    sorter = flambeau.tensor([1, 2, 0])
    assert flambeau.searchsorted(flambeau.tensor([5, 1, 3]), 2, sorter=sorter).item() == 1
    assert flambeau.searchsorted(flambeau.tensor([]), flambeau.tensor([1.0])).tolist() == [0]


def test_numbers_among_boundaries_of_another_kind():
    whole = flambeau.tensor([1, 2, 3])
    assert flambeau.bucketize(2.5, whole).item() == 2
    assert flambeau.searchsorted(whole, 2.5).item() == 2
    assert flambeau.bucketize(2, flambeau.tensor([False, True])).item() == 2
    assert flambeau.isin(whole, 2.5).tolist() == [False, False, False]


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_quantile(name, interpolation):
    x = rng.standard_normal((4, 9))
    q = np.array([0.0, 0.21, 0.5, 1.0])
    if name == "nanquantile":
        x[1, 3] = x[2, 5] = np.nan
    for options in ({}, {"dim": 1}, {"dim": 0, "keepdim": True}):
        check_parity(
            torch,
            getattr(flambeau, name),
            getattr(torch, name),
            (x, q),
            {**options, "interpolation": interpolation},
            wanting=(0,) if name == "quantile" else (),
        )


def test_histc_and_bincount():
    x = rng.standard_normal(500).astype("float32")
    mine, theirs = both(x)
    compare(mine.histc(7), theirs.histc(7))
    compare(mine.histc(10, -1, 1), theirs.histc(10, -1, 1))
    compare(flambeau.ones(4).histc(3), torch.ones(4).histc(3))
    n = rng.integers(0, 9, 100)
    weights = rng.standard_normal(100)
    mine, theirs = both(n)
    compare(mine.bincount(), theirs.bincount())
    compare(mine.bincount(minlength=20), theirs.bincount(minlength=20))
    w, tw = both(weights)
    compare(mine.bincount(w), theirs.bincount(tw))


def test_isin():
    x, y = rng.integers(0, 9, (3, 5)), np.array([2, 7, 7])
    (a, ta), (b, tb) = both(x), both(y)
    compare(flambeau.isin(a, b), torch.isin(ta, tb))
    compare(flambeau.isin(a, b, invert=True), torch.isin(ta, tb, invert=True))
    assert not flambeau.isin(a, flambeau.tensor([], dtype=flambeau.int64)).any()


def wrong(function, *arguments, error=RuntimeError, match, **keywords):
    with pytest.raises(error, match=match):
        function(*arguments, **keywords)


def test_errors():
    x = flambeau.zeros(2, 3)
    wrong(x.sort, 2, error=IndexError, match="Dimension out of range")
    wrong(x.topk, 4, match="selected index k out of range")
    wrong(x.kthvalue, 0, match="selected number k out of range")
    wrong(flambeau.zeros(0, dtype=flambeau.int64).median, match="at least one element")
    wrong(flambeau.zeros(0).mode, error=IndexError, match="non-zero size")
    wrong(x.to(flambeau.complex64).sort, match="complex")
    wrong(flambeau.searchsorted, x, flambeau.zeros(3), match="first N-1 dimensions")
    wrong(flambeau.searchsorted, x, 1.0, match="can be a scalar only")
    wrong(flambeau.searchsorted, x[0], x, match="can only be 'left' or 'right'", side="x")
    wrong(
        flambeau.searchsorted,
        x[0],
        x,
        error=IndexError,
        match="sorter index out of range",
        sorter=flambeau.tensor([0, 1, 3]),
    )
    wrong(flambeau.bucketize, x, x, match="must be 1 dimension")
    wrong(flambeau.bincount, flambeau.tensor([-1]), match="non-negative")
    wrong(flambeau.bincount, flambeau.tensor([2**62]), match="must be below")
    wrong(flambeau.bincount, flambeau.tensor([1.0]), error=NotImplementedError, match="float32")
    wrong(flambeau.histc, x, 0, match="bins must be > 0")
    wrong(flambeau.histc, x, 3, 2, 1, match="max must be larger than min")
    wrong(flambeau.histc, flambeau.tensor([float("nan")]), match="is not finite")
    wrong(flambeau.quantile, x, 1.5, match="range")
    wrong(flambeau.quantile, x, 0.5, match="interpolation", interpolation="x")
    wrong(flambeau.unique, flambeau.zeros(0, 3), match="0 sized dimensions", dim=1)
