"""The tensor library: dtypes and layouts, casts, indexing, movement, sorting, scans, random."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..harness import row
from .inputs import normal

AT_MOST = 1.1


def rows(inputs: Callable[[ModuleType], tuple[Any, ...]], calls: dict[str, Callable]) -> None:
    """A row for each call ``f(T, *inputs(T))`` by its name."""
    for name, call in calls.items():

        @row(name, AT_MOST)
        def make(T: ModuleType, call: Callable = call):
            given = inputs(T)

            def step():
                out = call(T, *given)
                # Named tuples differ between the libraries.
                return tuple(out) if isinstance(out, tuple) else out

            return step


def integers(T: ModuleType, high: int, *shape: int, seed: int = 0):
    """Numbers below ``high``, the same in both libraries."""
    T.manual_seed(seed)
    return T.randint(0, high, shape)


def matrices(T: ModuleType):
    """Two matrices, a row, a column, and a mask."""
    x = normal(T, 1000, 1000)
    return x, normal(T, 1000, 1000, seed=1), x[0].clone(), x[:, :1].clone(), x > 0


rows(
    matrices,
    {
        "add a row 1000x1000": lambda T, x, y, r, c, m: x + r,
        "add a column 1000x1000": lambda T, x, y, r, c, m: x + c,
        "outer sum 1000x1000": lambda T, x, y, r, c, m: r + c,
        "add a transposed matrix": lambda T, x, y, r, c, m: x + y.T,
        "mul every other column": lambda T, x, y, r, c, m: x[:, ::2] * y[:, ::2],
        "add in place 1e6": lambda T, x, y, r, c, m: y.add_(x, alpha=1e-9),
        "clamp 1e6": lambda T, x, y, r, c, m: x.clamp(-1, 1),
        "where 1e6": lambda T, x, y, r, c, m: T.where(m, x, y),
        "compare 1e6": lambda T, x, y, r, c, m: x < y,
        "pow 1e6": lambda T, x, y, r, c, m: x.abs() ** 1.7,
        "log 1e6": lambda T, x, y, r, c, m: T.log(x.abs()),
        "sin 1e6": lambda T, x, y, r, c, m: T.sin(x),
        "erf 1e6": lambda T, x, y, r, c, m: T.erf(x),
        "sum over first dim": lambda T, x, y, r, c, m: x.sum(0),
        "max over first dim": lambda T, x, y, r, c, m: x.max(0),
        "var over last dim": lambda T, x, y, r, c, m: x.var(-1),
        "std over first dim": lambda T, x, y, r, c, m: x.std(0),
        "argmax over last dim": lambda T, x, y, r, c, m: x.argmax(-1),
        "norm 1e6": lambda T, x, y, r, c, m: x.norm(),
        "prod over last dim": lambda T, x, y, r, c, m: x.prod(-1),
        "logsumexp over last dim": lambda T, x, y, r, c, m: x.logsumexp(-1),
        "any over last dim": lambda T, x, y, r, c, m: m.any(-1),
        "count_nonzero 1e6": lambda T, x, y, r, c, m: m.count_nonzero(),
        "sum of a transposed matrix over last dim": lambda T, x, y, r, c, m: x.T.sum(-1),
        "cast float32 to float64 1e6": lambda T, x, y, r, c, m: x.double(),
        "cast float32 to int64 1e6": lambda T, x, y, r, c, m: x.long(),
        "cast float32 to bfloat16 1e6": lambda T, x, y, r, c, m: x.bfloat16(),
        "cast float32 to float16 1e6": lambda T, x, y, r, c, m: x.half(),
        "cast bool to float32 1e6": lambda T, x, y, r, c, m: m.float(),
        "masked_fill 1e6": lambda T, x, y, r, c, m: x.masked_fill(m, 0.0),
        "x[mask] 1e6": lambda T, x, y, r, c, m: x[m],
        "nonzero 1e6": lambda T, x, y, r, c, m: m.nonzero(),
        "cat 2 of 1e6": lambda T, x, y, r, c, m: T.cat((x, y)),
        "cat along columns": lambda T, x, y, r, c, m: T.cat((x, y), 1),
        "stack along last dim": lambda T, x, y, r, c, m: T.stack((x, y), -1),
        "transpose and copy 1000x1000": lambda T, x, y, r, c, m: x.T.contiguous(),
        "flip 1000x1000": lambda T, x, y, r, c, m: x.flip(1),
        "roll 1000x1000": lambda T, x, y, r, c, m: x.roll(3, 1),
        "repeat 1000x1000 twice": lambda T, x, y, r, c, m: x.repeat(2, 1),
        "tril 1000x1000": lambda T, x, y, r, c, m: x.tril(),
        "cumsum over last dim": lambda T, x, y, r, c, m: x.cumsum(-1),
        "cumsum over first dim": lambda T, x, y, r, c, m: x.cumsum(0),
        "cumprod over last dim": lambda T, x, y, r, c, m: x.cumprod(-1),
        "cummax over last dim": lambda T, x, y, r, c, m: x.cummax(-1),
        "sort rows of 1000": lambda T, x, y, r, c, m: x.sort(stable=True),
        "topk 10 of rows of 1000": lambda T, x, y, r, c, m: x.topk(10, -1),
        "median of rows of 1000": lambda T, x, y, r, c, m: x.median(-1),
        "kthvalue of rows of 1000": lambda T, x, y, r, c, m: x.kthvalue(10, -1),
    },
)


def sixteen_bits(T: ModuleType):
    """bfloat16 and float16 vectors of a million."""
    x, y = normal(T, 1_000_000), normal(T, 1_000_000, seed=1)
    return x.bfloat16(), y.bfloat16(), x.half(), y.half()


rows(
    sixteen_bits,
    {
        "add bfloat16 1e6": lambda T, a, b, c, d: a + b,
        "mul float16 1e6": lambda T, a, b, c, d: c * d,
        "exp bfloat16 1e6": lambda T, a, b, c, d: a.exp(),
        "sum bfloat16 1e6": lambda T, a, b, c, d: a.abs().sum(),
    },
)


def whole_numbers(T: ModuleType):
    """int64 and uint8 numbers, a million each, and floats in double precision."""
    i, j = integers(T, 1000, 1_000_000), integers(T, 1000, 1_000_000, seed=1)
    return i, j, i.to(T.uint8), normal(T, 1_000_000).double()


rows(
    whole_numbers,
    {
        "add int64 1e6": lambda T, i, j, u, d: i + j,
        "floor divide int64 1e6": lambda T, i, j, u, d: i // (j + 1),
        "remainder int64 1e6": lambda T, i, j, u, d: i % (j + 1),
        "mul uint8 1e6": lambda T, i, j, u, d: u * u,
        "sum int64 1e6": lambda T, i, j, u, d: i.sum(),
        "amax int64 1e6": lambda T, i, j, u, d: i.amax(),
        "add float64 1e6": lambda T, i, j, u, d: d + d,
        "exp float64 1e6": lambda T, i, j, u, d: d.exp(),
        "sum float64 1e6": lambda T, i, j, u, d: d.abs().sum(),
        "int64 + float32 1e6": lambda T, i, j, u, d: i + 0.5,
        "unique 1e6": lambda T, i, j, u, d: i.unique(),
        "bincount 1e6": lambda T, i, j, u, d: i.bincount(minlength=1000),
        "sort int64 1e6": lambda T, i, j, u, d: i.sort(stable=True),
        "isin 1e6": lambda T, i, j, u, d: T.isin(i, j[:100]),
    },
)


def vectors(T: ModuleType):
    """A million floats, sorted borders, indices into a million."""
    x = normal(T, 1_000_000)
    return x, T.linspace(-3, 3, 1000), integers(T, 1_000_000, 100_000)


rows(
    vectors,
    {
        "sort 1e6": lambda T, x, b, i: x.sort(stable=True),
        "argsort 1e6": lambda T, x, b, i: x.argsort(stable=True),
        "topk 100 of 1e6": lambda T, x, b, i: x.topk(100),
        "unique float32 1e6": lambda T, x, b, i: x.unique(),
        "searchsorted 1e6": lambda T, x, b, i: T.searchsorted(b, x),
        "histc 1e6": lambda T, x, b, i: x.histc(100, -3, 3),
        "quantile 1e6": lambda T, x, b, i: x.quantile(0.3),
        "cumsum 1e6": lambda T, x, b, i: x.cumsum(0),
        "take 1e5 of 1e6": lambda T, x, b, i: x.take(i),
        "x[index] 1e5 of 1e6": lambda T, x, b, i: x[i],
        "index_put 1e5 accumulated": lambda T, x, b, i: T.zeros_like(x).index_put(
            (i,), x[:100_000], accumulate=True
        ),
        "dot 1e6": lambda T, x, b, i: x.dot(x),
    },
)


def table(T: ModuleType):
    """A table of 50,000 rows, indices of rows, and an index per element."""
    x = normal(T, 50_000, 64)
    rows_of = integers(T, 50_000, 10_000)
    return x, rows_of, rows_of[:, None].expand(-1, 64).contiguous(), normal(T, 10_000, 64, seed=2)


rows(
    table,
    {
        "index_select 10,000 rows of 64": lambda T, x, i, e, v: x.index_select(0, i),
        "x[rows] 10,000 rows of 64": lambda T, x, i, e, v: x[i],
        "gather 10,000x64": lambda T, x, i, e, v: x.gather(0, e),
        "scatter_add 10,000x64": lambda T, x, i, e, v: x.scatter_add(0, e, v),
        "scatter 10,000x64": lambda T, x, i, e, v: x.scatter(0, e, 1.0),
        "index_add 10,000 rows of 64": lambda T, x, i, e, v: x.index_add(0, i, v),
        "x[rows] = v, 10,000 rows of 64": lambda T, x, i, e, v: x.clone().index_put((i,), v * 0),
        "embedding-like x[rows][:, 3]": lambda T, x, i, e, v: x[i, 3],
        "x[rows] = v, 8 rows of 50,000 in place": lambda T, x, i, e, v: x.index_put_(
            (i[:8],), v[:8]
        ),
        "scatter_ of 8 rows of 50,000 in place": lambda T, x, i, e, v: x.scatter_(0, e[:8], v[:8]),
        "index_fill_ of 8 rows of 50,000 in place": lambda T, x, i, e, v: x.index_fill_(
            0, i[:8], 1.0
        ),
    },
)


def images(T: ModuleType):
    """A batch of images."""
    return (normal(T, 32, 64, 56, 56),)


rows(
    images,
    {
        "permute to channels last and copy": lambda T, x: x.permute(0, 2, 3, 1).contiguous(),
        "mean over two last dims": lambda T, x: x.mean((2, 3)),
        "sum over batch and space": lambda T, x: x.sum((0, 2, 3)),
        "pad by reshape, flatten": lambda T, x: x.flatten(1).clone(),
    },
)


def batches(T: ModuleType):
    """Batches of matrices, small and middling."""
    return normal(T, 64, 64, 64), normal(T, 1000, 8, 8), normal(T, 512, 512), normal(T, 512)


rows(
    batches,
    {
        "bmm 64x64x64": lambda T, a, b, m, v: a.bmm(a),
        "bmm 1000x8x8": lambda T, a, b, m, v: b.bmm(b),
        "mv 512": lambda T, a, b, m, v: m.mv(v),
        "addmm 512": lambda T, a, b, m, v: T.addmm(v, m, m),
        "m @ m.T 512": lambda T, a, b, m, v: m @ m.T,
    },
)


def nothing(T: ModuleType):
    """No inputs: the generators start from the same seed, so that results can be compared."""
    return ()


def seeded(call: Callable) -> Callable:
    """The call after seeding."""

    def seeded_call(T: ModuleType):
        T.manual_seed(0)
        return call(T)

    return seeded_call


rows(
    nothing,
    {
        "rand 1e6": seeded(lambda T: T.rand(1_000_000)),
        "randn 1e6": seeded(lambda T: T.randn(1_000_000)),
        "randint 1e6": seeded(lambda T: T.randint(0, 1000, (1_000_000,))),
        "randperm 1e6": seeded(lambda T: T.randperm(1_000_000)),
        "bernoulli 1e6": seeded(lambda T: T.empty(1_000_000).bernoulli_(0.3)),
        "exponential 1e6": seeded(lambda T: T.empty(1_000_000).exponential_()),
        "multinomial 1e5 of 1000": seeded(
            lambda T: T.ones(1000).multinomial(100_000, replacement=True)
        ),
        "arange 1e6": lambda T: T.arange(1_000_000),
        "linspace 1e6": lambda T: T.linspace(0, 1, 1_000_000),
        "zeros 1e6": lambda T: T.zeros(1_000_000),
    },
)


def arrays(T: ModuleType):
    """A list of NumPy arrays, of which PyTorch warns that it takes them number by number."""
    return (list(normal(T, 100, 1000).numpy()),)


rows(arrays, {"tensor of a list of 100 arrays": lambda T, listed: T.tensor(listed)})
