"""Reductions and scans: any axes of any layout against NumPy, special values, errors, exactness."""

import itertools
import math

import numpy as np
import pytest

import flambeau
from flambeau import _C

rng = np.random.default_rng(3)
SHAPES = [
    (),
    (7,),
    (0,),
    (4, 3),
    (0, 3),
    (3, 0, 2),
    (7, 1, 5, 3),
    (200, 3),
    (3, 2500),
    (70000,),
    (40, 30, 20),
]
DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]


def layouts(x):
    """Arrays with their tensors: as it is, transposed, with gaps, repeated."""
    t = flambeau.from_numpy(x.copy())
    yield x, t
    if x.ndim > 1:
        yield x.swapaxes(0, -1), t.transpose(0, -1)
        yield x[:, ::2], t[:, ::2]
    if x.ndim and x.shape[0]:
        yield np.broadcast_to(x, (3, *x.shape)), t.expand(3, *x.shape)


def axes_of(x):
    for count in range(x.ndim + 1):
        yield from itertools.combinations(range(x.ndim), count)


def numbers(dtype, shape):
    return np.asarray(
        rng.integers(0, 3, shape) if dtype == "bool" else rng.standard_normal(shape) * 3
    ).astype(dtype)


def check(found, wanted, rtol=2e-6, atol=2e-6):
    assert tuple(found.shape) == np.shape(wanted)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=rtol, atol=atol)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_sum_of_any_axes_of_any_layout(dtype, shape):
    wide = np.int64 if dtype[0] in "bui" else np.float64
    for x, t in layouts(numbers(dtype, shape)):
        for dims in axes_of(x):
            wanted = x.sum(axis=dims or None, dtype=wide)
            found = flambeau.sum(t, dims)
            scale = np.abs(x.astype(wide)).sum() if x.size else 0
            check(found, wanted, atol=2e-6 + 1e-8 * scale)
            keep = x.sum(axis=dims or None, dtype=wide, keepdims=True)
            assert flambeau.sum(t, dims, True).shape == keep.shape


CASES = [
    ("mean", np.mean, "float64"),
    ("prod", np.prod, "float64"),
    ("amax", np.max, "float32"),
    ("amin", np.min, "int32"),
    ("any", np.any, "bool"),
    ("all", np.all, "bool"),
    ("all", np.all, "float32"),
    ("std", lambda x, **k: np.std(x, ddof=1, **k), "float64"),
    ("logsumexp", lambda x, **k: np.log(np.exp(x).sum(**k)), "float64"),
]


@pytest.mark.parametrize("name, reference, dtype", CASES, ids=lambda c: getattr(c, "__name__", c))
@pytest.mark.parametrize("shape", [s for s in SHAPES if s and 0 not in s])
def test_other_reductions(name, reference, dtype, shape):
    for x, t in layouts(numbers(dtype, shape)):
        for dims in axes_of(x):
            if name in ("std", "prod") and (not dims or np.prod([x.shape[d] for d in dims]) < 2):
                continue
            if name == "prod":
                x, t = np.sign(x) + 0.5, flambeau.from_numpy(np.sign(x) + 0.5)
            dims = dims or tuple(range(x.ndim))
            if name == "prod":
                if len(dims) > 1:
                    continue
                check(t.prod(dims[0]), x.prod(axis=dims[0]), rtol=1e-9)
                continue
            check(getattr(t, name)(dims), reference(x, axis=dims), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
@pytest.mark.parametrize("shape", [(5,), (4, 3), (70000,), (300, 40), (6, 500), (5, 7, 9)])
def test_places_of_extremes(dtype, shape):
    for x, t in layouts(rng.integers(0, 50, shape).astype(dtype)):
        assert t.argmax().item() == x.argmax()
        assert t.argmin().item() == x.argmin()
        for d in range(x.ndim):
            check(t.argmax(d), x.argmax(d))
            check(t.argmin(d), x.argmin(d))
            check(t.max(d).values, x.max(d))
            check(t.min(d, keepdim=True).indices, x.argmin(d, keepdims=True))


def test_float32_sums_keep_their_digits():
    x = rng.random(1_000_003, dtype=np.float32)
    exact = math.fsum(x.tolist())
    assert flambeau.from_numpy(x).sum().item() == pytest.approx(exact, rel=1e-7)
    columns = x[: 1000 * 1000].reshape(1000, 1000)
    for axis in (0, 1):
        wanted = columns.astype(np.float64).sum(axis)
        np.testing.assert_allclose(
            flambeau.from_numpy(columns).sum(axis).numpy(), wanted, rtol=2e-7
        )


def test_variance_of_a_large_mean():
    x = (rng.standard_normal((50, 3000)) + 1e4).astype(np.float32)
    for t, axis in ((x, 1), (x.T.copy(), 0)):
        found = flambeau.from_numpy(t).var(axis).numpy()
        np.testing.assert_allclose(found, t.astype(np.float64).var(axis, ddof=1), rtol=1e-4)


def test_same_bits_for_any_number_of_threads():
    x = flambeau.from_numpy(rng.standard_normal((700, 900)).astype(np.float32))
    before = _C.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            results.append(
                [
                    f(x, d).tolist()
                    for f in (flambeau.sum, flambeau.std, flambeau.logsumexp)
                    for d in ((0, 1), 0, 1)
                ]
            )
    finally:
        _C.set_num_threads(before)
    assert results[0] == results[1] == results[2]


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("n", [4, 40, 3000])
def test_nan_wins(n):
    x = np.zeros((n, 3), np.float32)
    x[n // 2, 1] = x[n - 1, 1] = NAN
    for t in (flambeau.from_numpy(x), flambeau.from_numpy(x.T.copy()).t()):
        for extreme in (t.amax(0), t.amin(0), t.max(0).values, t.min(0).values, t.logsumexp(0)):
            assert [math.isnan(v) for v in extreme.tolist()] == [False, True, False]
        assert t.max(0).indices.tolist() == [0, n // 2, 0]
        assert math.isnan(t.max().item())
        assert t.argmin().item() == n // 2 * 3 + 1
        assert t.nansum(0).tolist() == [0, 0, 0]
        assert t.nanmean(0).tolist() == [0, 0, 0]
        assert t.cummax(0).indices[-1].tolist() == [n - 1, n - 1, n - 1]


def test_infinities():
    assert flambeau.tensor([-INF, -INF]).logsumexp(0).item() == -INF
    assert flambeau.tensor([INF, 800.0, -900.0]).logsumexp(0).item() == INF
    assert flambeau.tensor([800.0] * 2000 + [INF]).logsumexp(0).item() == INF
    assert flambeau.tensor([1000.0, 1000.0]).logsumexp(0).item() == pytest.approx(
        1000.6931, rel=1e-6
    )
    assert flambeau.tensor([-INF, 3.0]).logcumsumexp(0).tolist() == [-INF, 3.0]
    assert flambeau.tensor([INF, -INF]).amax().item() == INF


def test_reductions_of_nothing():
    x, rows = flambeau.zeros(0), flambeau.zeros(0, 3)
    assert x.sum().item() == 0 and x.prod().item() == 1
    assert not x.any() and x.all()
    assert math.isnan(x.mean().item())
    assert rows.sum(0).tolist() == [0, 0, 0] and rows.sum(1).shape == (0,)
    assert rows.max(1).values.shape == (0,) and rows.argmax(1).shape == (0,)
    assert rows.logsumexp(0).tolist() == [-INF] * 3


def test_dtypes():
    x = flambeau.tensor([[1, 2], [3, 4]], dtype=flambeau.int32)
    assert x.sum().dtype == x.prod().dtype == x.cumsum(0).dtype == flambeau.int64
    assert (x > 1).sum().item() == 3
    assert x.sum(dtype=flambeau.float32).dtype == flambeau.float32
    assert x.mean(dtype=flambeau.float64).item() == 2.5
    assert x.amax().dtype == flambeau.int32
    assert flambeau.tensor([1, 0], dtype=flambeau.uint8).any().dtype == flambeau.uint8
    half = flambeau.ones(3000, dtype=flambeau.float16)
    assert half.sum().item() == 3000 and half.sum().dtype == flambeau.float16
    z = flambeau.tensor([3 + 4j, 0j])
    assert z.sum().item() == 3 + 4j and flambeau.norm(z).item() == 5
    assert flambeau.tensor([1 + 1j, -1 - 1j]).var().item() == pytest.approx(4)


def test_any_and_all_over_no_axes():
    x = flambeau.tensor([[0.0, 2.0]])
    assert x.any(()).tolist() == x.all(()).tolist() == [[False, True]]
    assert x.sum(()).item() == 2


def test_named_results():
    x = flambeau.tensor([[1.0, 5.0], [7.0, 2.0]])
    found = x.max(1)
    values, indices = found
    assert values is found.values and indices is found[1]
    assert repr(found).startswith("torch.return_types.max(\nvalues=tensor([5., 7.]),\nindices=")
    assert type(x.aminmax()).__name__ == "aminmax"
    assert x.aminmax().min.item() == 1.0


def test_three_meanings_of_max():
    a, b = flambeau.tensor([1.0, 5.0]), flambeau.tensor([3.0, 4.0])
    assert flambeau.max(a).item() == 5.0
    assert flambeau.max(a, 0).indices.item() == 1
    assert flambeau.max(a, b).tolist() == a.max(other=b).tolist() == [3.0, 5.0]
    assert a.min(b).tolist() == [1.0, 4.0]


def test_equal_extremes_share_the_gradient():
    x = flambeau.tensor([2.0, 1.0, 2.0], requires_grad=True)
    x.max().backward()
    assert x.grad.tolist() == [0.5, 0.0, 0.5]


def test_gradient_of_a_product_with_zeros():
    for values, wanted in (([2.0, 0.0, 3.0], [0, 6, 0]), ([0.0, 0.0, 3.0], [0, 0, 0])):
        x = flambeau.tensor(values, requires_grad=True)
        x.prod().backward()
        assert x.grad.tolist() == wanted


def test_spread_arguments():
    x = flambeau.tensor([1.0, 2.0, 3.0, 6.0])
    biased = pytest.approx(3.5)
    assert (
        x.var(unbiased=False).item() == x.var(False).item() == x.var(correction=0).item() == biased
    )
    assert x.var(0, False, True).shape == (1,)
    assert flambeau.var_mean(x)[1].item() == 3
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
        assert math.isnan(flambeau.tensor(3.0).var().item())


def test_scans():
    x = rng.standard_normal((30, 5, 70))
    t = flambeau.from_numpy(x)
    for d in range(3):
        check(t.cumsum(d), x.cumsum(d), rtol=1e-12, atol=1e-12)
        check(t.cumprod(d), x.cumprod(d), rtol=1e-9, atol=1e-12)
        check(t.cummax(d).values, np.maximum.accumulate(x, d))
        check(t.transpose(0, 2).cummin(d).values, np.minimum.accumulate(x.swapaxes(0, 2), d))
        check(t.logcumsumexp(d), np.logaddexp.accumulate(x, d), rtol=1e-9, atol=1e-12)
    assert flambeau.tensor([1, 3, 3, 2]).cummax(0).indices.tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, 3, INF, -INF, -2])
def test_norms(order):
    x = rng.standard_normal((6, 700))
    t = flambeau.from_numpy(x)
    for axis in (0, 1):
        check(flambeau.norm(t, order, axis), np.linalg.norm(x, order, axis), rtol=1e-9)


def wrong(function, *arguments, error=RuntimeError, match, **keywords):
    with pytest.raises(error, match=match):
        function(*arguments, **keywords)


def test_errors():
    x, empty = flambeau.zeros(2, 3), flambeau.zeros(0, 3)
    wrong(x.sum, 2, error=IndexError, match=r"expected to be in range of \[-2, 1\], but got 2")
    wrong(x.sum, (0, 0), match="appears multiple times in the list of dims")
    wrong(flambeau.tensor([1]).mean, match="could not infer output dtype")
    wrong(flambeau.tensor([1]).std, match="std and var only support floating point and complex")
    wrong(flambeau.zeros(0).max, match="Expected reduction dim to be specified")
    wrong(empty.amax, 0, error=IndexError, match="Expected reduction dim 0 to have non-zero size")
    wrong(empty.argmax, 0, error=IndexError, match="Expected reduction dim 0 to have non-zero size")
    wrong(flambeau.zeros(0).argmin, error=IndexError, match="argmin")
    wrong(flambeau.tensor([True]).argmax, match="bool")
    wrong(flambeau.tensor([1j]).amax, match="complex")
    wrong(flambeau.zeros(0).aminmax, match="no identity")
    wrong(flambeau.norm, flambeau.tensor([1]), match="Expected a floating point or complex tensor")
    wrong(flambeau.norm, flambeau.zeros(0), INF, match="does not have an identity")
    wrong(x.cumsum, 5, error=IndexError, match="Dimension out of range")
    wrong(x.prod, (0, 1), error=TypeError, match="must be int")
    wrong(x.var, unbiased=3, error=TypeError, match="unbiased")
    wrong(flambeau.sum, "text", error=TypeError, match="Tensor")
