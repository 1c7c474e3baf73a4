"""Random numbers: PyTorch's stream bit for bit, seeds, layouts, errors, dropout."""

import functools

import pytest

import flambeau as fl

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
#: Around the sizes where something changes: pairs, blocks of 16, blocks of the generator, threads.
SIZES = (0, 1, 2, 15, 16, 17, 32, 624, 1025, 20011)

# ---- recorded: what PyTorch 2.13 prints on x86-64 ----

RECORDED = {
    "rand": (
        lambda: fl.rand(5),
        [0.4962565899, 0.7682217956, 0.08847743273, 0.1320304871, 0.3074228168],
    ),
    "rand of float64": (lambda: fl.rand(2, dtype=fl.float64), [0.9700530018, 0.7078198644]),
    "randn": (lambda: fl.randn(4), [1.540996075, -0.2934288979, -2.178789377, 0.5684312582]),
    "randn in blocks": (
        lambda: fl.randn(16)[:4],
        [-1.125839829, -1.152360201, -0.2505785823, -0.4338788092],
    ),
    "randint": (lambda: fl.randint(0, 10, (8,)), [4, 9, 3, 0, 3, 9, 7, 3]),
    "randint of 64 bits": (lambda: fl.randint(2**40, (2,)), [741280623151, 506137267392]),
    "randperm": (lambda: fl.randperm(8), [4, 0, 7, 3, 2, 5, 1, 6]),
    "bernoulli": (lambda: fl.bernoulli(fl.full((6,), 0.5)), [1, 0, 1, 1, 1, 0]),
    "exponential_": (lambda: fl.empty(3).exponential_(), [3.508326292, 1.230384707, 0.615044117]),
    "poisson": (lambda: fl.poisson(fl.full((6,), 5.0)), [8, 4, 6, 4, 7, 7]),
    "multinomial": (lambda: fl.multinomial(fl.tensor([1.0, 2, 3, 4]), 4), [2, 1, 3, 0]),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded(name):
    call, expected = RECORDED[name]
    fl.manual_seed(0)
    assert call().tolist() == pytest.approx(expected, rel=1e-9, abs=0)


def test_printed_in_the_specification():
    fl.manual_seed(0)
    scaled = 10 * fl.rand([5])
    assert [round(v, 4) for v in scaled.tolist()] == [4.9626, 7.6822, 0.8848, 1.3203, 3.0742]
    fl.manual_seed(0)
    table = (10 * fl.rand([5, 5])).tolist()
    assert [[int(v) for v in row] for row in table] == [
        [4, 7, 0, 1, 3],
        [6, 4, 8, 4, 6],
        [3, 4, 0, 1, 2],
        [5, 6, 8, 1, 2],
        [6, 9, 3, 8, 4],
    ]
    fl.random.manual_seed(3)
    assert [round(fl.rand(1).item(), 4), round(fl.rand(1).item(), 4)] == [0.0043, 0.1056]


# ---- against PyTorch: the same call of both modules ----


def both(call, seed=0):
    """Runs `call(module)` in flambeau and torch: equal values, and equal states afterwards."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    results = []
    for module in (torch, fl):
        module.manual_seed(seed)
        results.append(call(module))
    theirs, ours = results
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype)
    assert torch.equal(torch.tensor(ours.tolist(), dtype=theirs.dtype), theirs)
    assert fl.get_rng_state().tolist() == torch.get_rng_state().tolist()


@functools.cache
def torch_draws_from_mkl():
    """On Intel processors PyTorch has another stream for some distributions (docs/random.md)."""
    import torch

    torch.manual_seed(0)
    torch.empty(1000).exponential_()
    after = torch.get_rng_state()
    torch.manual_seed(0)
    torch.rand(1000, dtype=torch.float64)
    return not torch.equal(after, torch.get_rng_state())


def skip_for_mkl(name):
    """Skips a test of a function that PyTorch may take from MKL."""
    pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    of_mkl = ("bernoulli_", "exponential_", "dropout", "multinomial")
    if any(part in name for part in of_mkl) and torch_draws_from_mkl():
        pytest.skip("on this processor PyTorch draws these numbers from MKL's generator")


def dtype(module, name):
    return getattr(module, name)


FACTORIES = {
    "rand": lambda m, n, d: m.rand(n, dtype=d),
    "randn": lambda m, n, d: m.randn(n, dtype=d),
    "uniform_": lambda m, n, d: m.empty(n, dtype=d).uniform_(-0.3, 1.7),
    "uniform_ narrow": lambda m, n, d: m.empty(n, dtype=d).uniform_(1.0, 1.001),
    "normal_": lambda m, n, d: m.empty(n, dtype=d).normal_(0.7, 1.3),
    "log_normal_": lambda m, n, d: m.empty(n, dtype=d).log_normal_(0.3, 0.8),
    "exponential_": lambda m, n, d: m.empty(n, dtype=d).exponential_(1.7),
    "cauchy_": lambda m, n, d: m.empty(n, dtype=d).cauchy_(0.3, 1.7),
    "geometric_": lambda m, n, d: m.empty(n, dtype=d).geometric_(0.1),
    "bernoulli_": lambda m, n, d: m.empty(n, dtype=d).bernoulli_(0.3),
    "random_": lambda m, n, d: m.empty(n, dtype=d).random_(),
    "random_ to": lambda m, n, d: m.empty(n, dtype=d).random_(100),
    "random_ from to": lambda m, n, d: m.empty(n, dtype=d).random_(3, 120),
    "bernoulli": lambda m, n, d: m.bernoulli(m.rand(n, dtype=d)),
    "poisson": lambda m, n, d: m.poisson(m.rand(n, dtype=d) * 30),
    "dropout": lambda m, n, d: m.dropout(m.rand(n, dtype=d), 0.37, True),
    "alpha_dropout": lambda m, n, d: m.alpha_dropout(m.rand(n, dtype=d), 0.37, True),
}
INTEGER_FACTORIES = ("geometric_", "bernoulli_", "random_", "random_ to", "random_ from to")
#: PyTorch rounds the steps of a sum in half precision in its own way.
HALF_DIFFERS = ("alpha_dropout",)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("d", FLOATS)
@pytest.mark.parametrize("name", FACTORIES)
def test_floats_equal_torch(name, d, n):
    if name in HALF_DIFFERS and "16" in d:
        pytest.skip("the arithmetic after the draw is not part of the stream")
    skip_for_mkl(name)
    both(lambda m: FACTORIES[name](m, n, dtype(m, d)))


@pytest.mark.parametrize("n", (1, 17, 2049))
@pytest.mark.parametrize("d", INTEGERS)
@pytest.mark.parametrize("name", INTEGER_FACTORIES)
def test_integers_equal_torch(name, d, n):
    skip_for_mkl(name)
    both(lambda m: FACTORIES[name](m, n, dtype(m, d)))


@pytest.mark.parametrize("n", (3, 16, 45))
@pytest.mark.parametrize("d", ("complex64", "complex128"))
def test_complex_equal_torch(d, n):
    both(lambda m: m.rand(n, dtype=dtype(m, d)))
    both(lambda m: m.randn(n, dtype=dtype(m, d)))


BOUNDS = (
    (0, 2),
    (-5, 2**28 - 6),
    (-5, 2**28 - 5),
    (0, 2**28),
    (0, 2**32 - 1),
    (-(2**40), 2**62),
    (-(2**63), 2**63 - 1),
    (-(2**63), None),
    (0, None),
    (17, None),
)


@pytest.mark.parametrize("bounds", BOUNDS)
def test_ranges_equal_torch(bounds):
    both(lambda m: m.empty(1000, dtype=m.int64).random_(*bounds))


@pytest.mark.parametrize(
    "bounds", ((0, 2**24), (-5, 2**28 - 5), (0, 2**31 - 1), (-3, None), (9, None))
)
@pytest.mark.parametrize("d", ("float32", "float64", "bfloat16"))
@pytest.mark.filterwarnings("ignore:to - 1 is out of bounds")
def test_float_ranges_equal_torch(bounds, d):
    both(lambda m: m.empty(100, dtype=dtype(m, d)).random_(*bounds))


@pytest.mark.parametrize("d", (*FLOATS, *INTEGERS))
@pytest.mark.parametrize("n", (0, 1, 2, 100, 127))
def test_randperm_equals_torch(n, d):
    both(lambda m: m.randperm(n, dtype=dtype(m, d)))


def test_large_randperm_equals_torch():
    both(lambda m: m.randperm(100_003))


LAYOUTS = {
    "transposed": lambda t: t[:120].view(12, 10).transpose(0, 1),
    "permuted": lambda t: t[:120].view(4, 5, 6).permute(1, 2, 0),
    "with gaps": lambda t: t.view(-1, 4)[::2, 1:3],
    "column": lambda t: t.view(-1, 4)[:, 0],
    "one element": lambda t: t[7],
}


@pytest.mark.parametrize("fill", ("uniform_", "normal_", "exponential_", "bernoulli_", "random_"))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_equal_torch(layout, fill):
    skip_for_mkl(fill)

    def call(m):
        whole = m.zeros(480)
        getattr(LAYOUTS[layout](whole), fill)()
        return whole

    both(call)


def test_channels_last_equals_torch():
    both(lambda m: m.empty(2, 3, 4, 5, memory_format=m.channels_last).uniform_())
    both(lambda m: m.randn_like(m.empty(2, 3, 4, 5, memory_format=m.channels_last)))


@pytest.mark.parametrize("p_dtype", FLOATS)
def test_bernoulli_with_tensors_equals_torch(p_dtype):
    def call(m):
        p = m.linspace(0, 1, 40, dtype=m.float64).to(dtype(m, p_dtype))
        return m.empty(30, 40, dtype=m.int64).bernoulli_(p)

    both(call)


NORMALS = {
    "tensors": lambda m: m.normal(m.arange(20.0), m.arange(20.0) / 7),
    "broadcast": lambda m: m.normal(m.arange(4.0).view(4, 1), m.arange(5.0) / 7),
    "mean": lambda m: m.normal(m.arange(20.0), 2.3),
    "std": lambda m: m.normal(0.7, m.arange(20.0) / 7),
    "numbers": lambda m: m.normal(0.7, 1.3, (20,)),
    "mixed": lambda m: m.normal(m.zeros(20), m.ones(20, dtype=m.float64)),
}


@pytest.mark.parametrize("name", NORMALS)
def test_normal_equals_torch(name):
    both(NORMALS[name])


@pytest.mark.parametrize("d", ("float32", "float64"))
@pytest.mark.parametrize("count, replacement", ((1, False), (1, True), (7, False), (200, True)))
def test_multinomial_equals_torch(count, replacement, d):
    if not replacement or count == 1:
        skip_for_mkl("multinomial")
    both(lambda m: m.multinomial(m.rand(5, 40, dtype=dtype(m, d)), count, replacement))
    both(lambda m: m.multinomial(m.rand(40, dtype=dtype(m, d)), count, replacement))
    both(
        lambda m: m.multinomial(
            m.rand(40, 9, dtype=dtype(m, d)).transpose(0, 1), min(count, 40), replacement
        )
    )


@pytest.mark.parametrize("d", ("float16", "bfloat16"))
def test_multinomial_of_halves_equals_torch(d):
    both(lambda m: m.multinomial(m.rand(5, 40).to(dtype(m, d)), 200, True))


def test_feature_dropout_equals_torch():
    skip_for_mkl("dropout")
    both(lambda m: m.feature_dropout(m.ones(5, 7, 2), 0.4, True))
    both(lambda m: m.feature_alpha_dropout(m.ones(5, 7, 2), 0.4, True))


def test_dropout_in_place_equals_torch():
    skip_for_mkl("dropout")
    both(lambda m: m.dropout_(m.rand(50), 0.4, True))
    both(lambda m: m.alpha_dropout_(m.rand(50), 0.4, True))
    both(lambda m: m.feature_dropout_(m.rand(5, 7, 2), 0.4, True))
    both(lambda m: m.feature_alpha_dropout_(m.rand(5, 7, 2), 0.4, True))
    both(lambda m: m.dropout_(m.rand(50), 1.0, True))


SEEDS = (1, 2**32 + 7, 2**63, 2**64 - 1, -1, -(2**63))


@pytest.mark.parametrize("seed", SEEDS)
def test_seeds_equal_torch(seed):
    both(lambda m: m.rand(700), seed)
    both(lambda m: m.tensor(m.initial_seed() % 2**62), seed)


def test_calls_mix():
    """A normal number left over from one call is used by the next, whatever was drawn between."""

    def call(m):
        parts = [m.randn(1), m.rand(3), m.randn(20), m.randn(2), m.randint(9, (5,)).float()]
        return m.cat([*parts, m.empty(3).log_normal_()])

    both(call)


# ---- distributions ----


@pytest.mark.parametrize(
    "name, call, mean, variance",
    (
        ("rand", lambda n: fl.rand(n), 1 / 2, 1 / 12),
        ("randn", lambda n: fl.randn(n), 0, 1),
        ("exponential", lambda n: fl.empty(n).exponential_(2), 1 / 2, 1 / 4),
        ("geometric", lambda n: fl.empty(n).geometric_(0.25), 4, 12),
        ("bernoulli", lambda n: fl.empty(n).bernoulli_(0.3), 0.3, 0.21),
        ("poisson", lambda n: fl.poisson(fl.full((n,), 3.0)), 3, 3),
        ("large poisson", lambda n: fl.poisson(fl.full((n,), 300.0)), 300, 300),
        ("randint", lambda n: fl.randint(0, 6, (n,)), 2.5, 35 / 12),
    ),
)
def test_moments(name, call, mean, variance):
    fl.manual_seed(12)
    n = 20_000
    values = call(n).tolist()
    found = sum(values) / n
    spread = sum((v - found) ** 2 for v in values) / n
    assert abs(found - mean) < 5 * (variance / n) ** 0.5
    assert spread == pytest.approx(variance, rel=0.1)


def test_multinomial_frequencies():
    fl.manual_seed(0)
    drawn = fl.multinomial(fl.tensor([1.0, 0.0, 3.0, 4.0]), 20_000, replacement=True).tolist()
    shares = [drawn.count(k) / 20_000 for k in range(4)]
    assert shares == pytest.approx([1 / 8, 0, 3 / 8, 1 / 2], abs=0.02)
    for row in fl.multinomial(fl.ones(50, 8), 8).tolist():
        assert sorted(row) == list(range(8))


# ---- gradients ----


def test_leaves_are_protected():
    leaf = fl.zeros(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        leaf.uniform_()
    with fl.no_grad():
        version = leaf._version
        leaf.uniform_()
    assert leaf._version > version


def test_filling_cuts_history():
    leaf = fl.ones(3, requires_grad=True)
    value = leaf * 2
    value.normal_()
    (value * leaf).sum().backward()
    assert leaf.grad.tolist() == value.tolist()


def test_dropout_gradient():
    x = fl.rand(1000, requires_grad=True)
    y = fl.dropout(x, 0.4, True)
    y.sum().backward()
    kept = y != 0
    assert x.grad.tolist() == pytest.approx([k / 0.6 for k in kept.tolist()], rel=1e-6)
    assert fl.dropout(x, 0.4, False) is x
    assert fl.dropout(x, 1.0, True).tolist() == [0.0] * 1000


# ---- wrong calls ----

ERRORS = (
    (
        lambda: fl.rand(3, dtype=fl.int64),
        NotImplementedError,
        "uniform_: not implemented for int64",
    ),
    (lambda: fl.randn(3, dtype=fl.bool), NotImplementedError, "normal_: not implemented for bool"),
    (lambda: fl.rand(-3), RuntimeError, "must be non-negative"),
    (lambda: fl.rand("a"), TypeError, "size"),
    (lambda: fl.rand(), TypeError, "size"),
    (lambda: fl.randint(3), TypeError, "expected"),
    (lambda: fl.randint(3.5, (2,)), TypeError, "must be int"),
    (lambda: fl.randint(5, 5, (2,)), RuntimeError, "from=5 >= to=5"),
    (
        lambda: fl.randint(300, (2,), dtype=fl.uint8),
        RuntimeError,
        "to - 1 is out of bounds for uint8",
    ),
    (
        lambda: fl.randint(-1, 3, (2,), dtype=fl.uint8),
        RuntimeError,
        "from is out of bounds for uint8",
    ),
    (lambda: fl.randperm(-1), RuntimeError, "must be non-negative"),
    (lambda: fl.randperm(300, dtype=fl.uint8), RuntimeError, "n cannot be greater than 256"),
    (
        lambda: fl.empty(3).uniform_(1, 0),
        RuntimeError,
        r"\[from, to\) range, but found from=1 > to=0",
    ),
    (
        lambda: fl.empty(3).uniform_(0, float("inf")),
        RuntimeError,
        "to is out of bounds for float32",
    ),
    (lambda: fl.empty(3).uniform_(-3e38, 3e38), RuntimeError, "expects to-from <="),
    (
        lambda: fl.empty(3).normal_(0, -1),
        RuntimeError,
        "normal expects std >= 0.0, but found std -1",
    ),
    (lambda: fl.empty(3).exponential_(0), RuntimeError, "expects lambda > 0.0"),
    (lambda: fl.empty(3, dtype=fl.int64).exponential_(), RuntimeError, "continuous probability"),
    (lambda: fl.empty(3).geometric_(1), RuntimeError, r"expects p to be in \(0, 1\), but got p=1"),
    (lambda: fl.empty(3).cauchy_(0, -1), RuntimeError, "expects sigma > 0.0"),
    (lambda: fl.empty(3).log_normal_(0, 0), RuntimeError, "expects std > 0.0"),
    (
        lambda: fl.empty(3).bernoulli_(1.1),
        RuntimeError,
        r"expects p to be in \[0, 1\], but got p=1.1",
    ),
    (lambda: fl.bernoulli(fl.full((3,), 1.1)), RuntimeError, "Expected p_in >= 0 && p_in <= 1"),
    (lambda: fl.bernoulli(fl.ones(3, dtype=fl.int64)), NotImplementedError, "floating point"),
    (lambda: fl.empty(3, 4).bernoulli_(fl.ones(3)), RuntimeError, "size"),
    (lambda: fl.empty(3).random_(5, 5), RuntimeError, "'from' to be less than 'to'"),
    (lambda: fl.empty(3).expand(2, 3).uniform_(), RuntimeError, "single memory location"),
    (lambda: fl.poisson(fl.full((2,), -1.0)), RuntimeError, "invalid Poisson rate"),
    (lambda: fl.multinomial(fl.tensor([1.0, -1.0]), 1), RuntimeError, "element < 0"),
    (lambda: fl.multinomial(fl.zeros(3), 1), RuntimeError, "sum of probabilities <= 0"),
    (lambda: fl.multinomial(fl.ones(3), 4), RuntimeError, "without replacement"),
    (lambda: fl.multinomial(fl.ones(3), 0), RuntimeError, "n_sample <= 0"),
    (lambda: fl.multinomial(fl.ones(3, 3, 3), 1), RuntimeError, "1 or 2 dim"),
    (lambda: fl.multinomial(fl.ones(3, dtype=fl.int64), 1), RuntimeError, "floating-point"),
    (lambda: fl.dropout(fl.ones(3), 1.5, True), RuntimeError, "between 0 and 1, but got 1.5"),
    (lambda: fl.normal(fl.zeros(3), -fl.ones(3)), RuntimeError, "all elements of std >= 0.0"),
    (lambda: fl.normal(0.0, 1.0), TypeError, "size"),
)


@pytest.mark.parametrize("call, error, text", ERRORS)
def test_wrong_calls(call, error, text):
    with pytest.raises(error, match=text):
        call()
