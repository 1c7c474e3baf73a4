"""Functions made of others: values, gradients, dtypes and errors against PyTorch."""

import math

import numpy as np
import pytest
from oracle import check_parity, compare, flat, mirror, ours

import flambeau
from flambeau.testing import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

pytestmark = pytest.mark.filterwarnings("ignore:index_reduce.. is in beta")

rng = np.random.default_rng(3)


def some(*shape):
    return rng.standard_normal(shape)


def up(*shape):
    """Ascending along the last axis, at uneven distances."""
    return np.cumsum(rng.uniform(0.2, 1, shape), -1)


X, Y, Z = some(4, 5), some(5), some(2, 3, 4)

#: name, arguments, keywords: called in both, with gradients of the floating arguments.
CALLS = [
    ("trapezoid", (X,), {}),
    ("trapezoid", (X, up(5)), {}),
    ("trapezoid", (X, up(4)), {"dim": 0}),
    ("trapezoid", (Z, up(3, 4)), {}),
    ("trapezoid", (Z, up(2, 3, 4)), {"dim": 1}),
    ("trapezoid", (X,), {"dx": 0.5, "dim": 0}),
    ("trapezoid", (some(3, 1),), {}),
    ("trapz", (X, up(5)), {}),
    ("cumulative_trapezoid", (X,), {}),
    ("cumulative_trapezoid", (X, up(5)), {}),
    ("cumulative_trapezoid", (X,), {"dx": 2, "dim": 0}),
    ("cumulative_trapezoid", (some(3, 1),), {}),
    ("gradient", (X,), {}),
    ("gradient", (X,), {"dim": 1, "edge_order": 2}),
    ("gradient", (X,), {"spacing": 0.5}),
    ("gradient", (X,), {"spacing": [2.0, 3.0]}),
    ("gradient", (X,), {"spacing": [2.0, 3.0], "dim": (1, 0), "edge_order": 2}),
    ("gradient", (some(2),), {}),
    ("cov", (X,), {}),
    ("cov", (Y,), {"correction": 0}),
    ("cov", (X,), {"fweights": np.array([1, 2, 0, 3, 1])}),
    ("cov", (X,), {"aweights": np.array([0.5, 2, 0.1, 3, 1])}),
    ("cov", (X,), {"fweights": np.array([1, 2, 0, 3, 1]), "aweights": abs(Y), "correction": 2}),
    ("cov", (some(),), {"correction": 0}),
    ("corrcoef", (X,), {}),
    ("corrcoef", (Y,), {}),
    ("cdist", (some(3, 4), some(5, 4)), {}),
    ("cdist", (some(3, 4), some(5, 4)), {"p": 1}),
    ("cdist", (some(3, 4), some(5, 4)), {"p": 0.5}),
    ("cdist", (some(3, 4), some(5, 4)), {"p": math.inf}),
    ("cdist", (some(2, 1, 3, 4), some(5, 2, 4)), {"p": 3}),
    ("cdist", (some(30, 4), some(5, 4)), {}),
    ("cdist", (some(3, 4), some(5, 4)), {"compute_mode": "use_mm_for_euclid_dist"}),
    ("cdist", (some(30, 4), some(5, 4)), {"compute_mode": "donot_use_mm_for_euclid_dist"}),
    ("cdist", (some(2, 0), some(3, 0)), {}),
    ("pdist", (X,), {}),
    ("pdist", (X,), {"p": 1}),
    ("pdist", (X,), {"p": 3.5}),
    ("pdist", (X,), {"p": math.inf}),
    ("block_diag", (X, Y, some(), some(2, 0)), {}),
    ("block_diag", (X,), {}),
    ("cartesian_prod", (Y, some(2), some(3)), {}),
    ("cartesian_prod", (Y,), {}),
    ("combinations", (Y,), {}),
    ("combinations", (Y,), {"r": 3}),
    ("combinations", (Y,), {"r": 3, "with_replacement": True}),
    ("combinations", (Y,), {"r": 1}),
    ("combinations", (Y,), {"r": 6}),
    ("combinations", (some(0),), {}),
    ("bilinear", (some(3, 4), some(3, 5), some(2, 4, 5), some(2)), {}),
    ("bilinear", (some(2, 3, 4), some(2, 3, 5), some(2, 4, 5)), {}),
    ("row_stack", ((X, Y),), {}),
    ("polar", (abs(X), X), {}),
    ("segment_reduce", (X, "sum"), {"lengths": np.array([1, 3])}),
    ("segment_reduce", (X, "mean"), {"lengths": np.array([1, 3])}),
    ("segment_reduce", (X, "max"), {"lengths": np.array([0, 4]), "initial": 0.5}),
    ("segment_reduce", (X, "min"), {"lengths": np.array([0, 4])}),
    ("segment_reduce", (abs(X), "prod"), {"lengths": np.array([2, 2])}),
    ("segment_reduce", (X, "sum"), {"offsets": np.array([0, 1, 4])}),
    ("segment_reduce", (X, "max"), {"lengths": np.array([[1, 4]] * 4), "axis": 1}),
    ("index_reduce", (X, 0, np.array([0, 2, 0]), abs(some(3, 5)), "prod"), {}),
    ("index_reduce", (X, 1, np.array([0, 2, 0]), some(4, 3), "amax"), {}),
    ("index_reduce", (X, 1, np.array([0, 2, 0]), some(4, 3), "amin"), {"include_self": False}),
    ("index_reduce", (X, -1, np.array([0, 2, 0]), some(4, 3), "mean"), {}),
    ("unsafe_chunk", (X, 2), {}),
    ("unsafe_split", (X, 3), {}),
    ("unsafe_split_with_sizes", (X, (1, 3)), {}),
    ("split_with_sizes", (X, (2, 3), 1), {}),
    ("alias_copy", (X,), {}),
    ("as_strided_copy", (X, (2, 2), (1, 2), 1), {}),
    ("detach_copy", (X,), {}),
    ("expand_copy", (Y, (2, 5)), {}),
    ("permute_copy", (Z, (2, 0, 1)), {}),
    ("select_copy", (X, 0, 1), {}),
    ("slice_copy", (X, 1, 1, 5, 2), {}),
    ("split_copy", (X, 2), {}),
    ("split_with_sizes_copy", (X, (1, 3)), {}),
    ("squeeze_copy", (some(1, 3, 1),), {}),
    ("squeeze_copy", (some(1, 3, 1), 0), {}),
    ("t_copy", (X,), {}),
    ("transpose_copy", (Z, 0, 2), {}),
    ("unbind_copy", (X, 1), {}),
    ("unfold_copy", (X, 1, 2, 1), {}),
    ("unsqueeze_copy", (X, 1), {}),
    ("view_copy", (X, (2, 10)), {}),
    ("view_as_real_copy", (X + 1j * X,), {}),
    ("view_as_complex_copy", (some(3, 2),), {}),
    ("narrow_copy", (X, 1, 1, 2), {}),
    ("diagonal_copy", (X,), {}),
]
#: Places of the arguments that torch has no gradient of.
CONSTANT = {"detach_copy", "view_as_real_copy", "view_as_complex_copy"}


@pytest.mark.parametrize("name, arguments, keywords", CALLS)
def test_values_and_gradients(name, arguments, keywords):
    def places(values):
        return [
            k for k, v in enumerate(values) if isinstance(v, np.ndarray) and v.dtype == np.float64
        ]

    if name in ("row_stack",):
        compare(
            getattr(flambeau, name)([ours(x) for x in arguments[0]]),
            getattr(torch, name)([mirror(torch, x) for x in arguments[0]]),
        )
        return
    wanting = [] if name in CONSTANT else places(arguments)
    if name == "polar":
        _check_polar(*arguments)
        return
    check_parity(torch, getattr(flambeau, name), getattr(torch, name), arguments, keywords, wanting)


def _check_polar(radius, angle):
    mine, theirs = [ours(radius), ours(angle)], [mirror(torch, radius), mirror(torch, angle)]
    for x, y in zip(mine, theirs, strict=True):
        x.requires_grad = True
        y.requires_grad_(True)
    found, expected = flambeau.polar(*mine), torch.polar(*theirs)
    compare(found.detach(), expected.detach())
    (found.real * 2 + found.imag).sum().backward()
    (expected.real * 2 + expected.imag).sum().backward()
    for x, y in zip(mine, theirs, strict=True):
        compare(x.grad, y.grad)


#: Calls whose outcome is an integer, a bool or not differentiable; also in other dtypes.
PLAIN = [
    lambda m: m.diff(m.tensor([True, False, True])),
    lambda m: m.diff(m.tensor([1, 4, 9]), n=2, prepend=m.tensor([0]), append=m.tensor([1])),
    lambda m: m.vander(m.tensor([1, 2, 3], dtype=m.int32)),
    lambda m: m.vander(m.tensor([True, False])),
    lambda m: m.trapezoid(m.tensor([1, 2, 4])),
    lambda m: m.cumulative_trapezoid(m.tensor([1, 2, 4])),
    lambda m: m.trapezoid(m.tensor([1, 2, 4]), m.tensor([0, 1, 3])),
    lambda m: m.gradient(m.tensor([1, 4, 9, 11])),
    lambda m: m.gradient(
        m.arange(8.0).reshape(2, 4), spacing=[m.tensor([0.0, 2.0]), m.arange(4.0) ** 2]
    ),
    lambda m: m.gradient(m.arange(5.0) ** 2, spacing=[m.tensor([0, 2.0, 3, 7, 8])], edge_order=2),
    lambda m: m.cov(m.tensor([[1, 2, 3], [5, 0, 4]])),
    lambda m: m.cov(m.tensor([[1 + 2j, 2, 3], [5, 1j, 4]])),
    lambda m: m.corrcoef(m.tensor([[1 + 2j, 2, 3], [5, 1j, 4]])),
    lambda m: m.block_diag(m.tensor([1, 2]), m.tensor([[0.5]])),
    lambda m: m.block_diag(),
    lambda m: m.combinations(m.tensor([1, 2, 3]), r=0),
    lambda m: m.unravel_index(m.tensor([1, 5, 0]), (2, 3)),
    lambda m: m.unravel_index(m.tensor(5), 7),
    lambda m: m.unravel_index(m.tensor([6, 7, -1]), (2, 3)),
    lambda m: m.unravel_index(m.tensor([[1, 11]], dtype=m.int32), (3, 2, 2)),
    lambda m: m.nonzero_static(m.tensor([[0, 1], [2, 0]]), size=3),
    lambda m: m.nonzero_static(m.tensor([0, 1, 2, 0]), size=1, fill_value=9),
    lambda m: m.nonzero_static(m.tensor(3.0), size=2),
    lambda m: m.isreal(m.tensor([1, 1j])),
    lambda m: m.isreal(m.tensor([1, 2])),
    lambda m: m.index_reduce(m.tensor([7, 8]), 0, m.tensor([0, 0]), m.tensor([2, 4]), "mean"),
    lambda m: m.index_reduce(m.tensor([-7, 8]), 0, m.tensor([0, 0]), m.tensor([2, 0]), "mean"),
    lambda m: m.index_reduce(
        m.tensor([7, 8]), 0, m.tensor([0]), m.tensor([4]), "amin", include_self=False
    ),
    lambda m: m.put(m.arange(4), m.tensor([-1, 0]), m.tensor([9, 8])),
    lambda m: m.frexp(m.tensor([0.0, -0.0, math.inf, -math.inf, 1e-42, -3.0, 1.0, 2.0**-126])),
    lambda m: m.frexp(m.tensor([0.0, 5e-324, 1e308, -0.75], dtype=m.float64)),
    lambda m: m.frexp(m.tensor([0.0, 6e-8, 1000.0], dtype=m.float16)),
    lambda m: m.frexp(m.tensor([0.0, 1e-40, 1e30], dtype=m.bfloat16)),
    lambda m: m.frexp(m.tensor([math.nan])).exponent,
    lambda m: m.histogram(m.tensor([1.0, 2.0, 1.0, 5.0]), 4),
    lambda m: m.histogram(m.tensor([1.0, 1.0]), 4),
    lambda m: m.histogram(m.empty(0), 4),
    lambda m: m.histogram(m.arange(10.0) / 3, m.tensor([0.0, 1.0, 1.5, 2.0])),
    lambda m: m.histogram(m.arange(10.0), 3, range=(2.0, 7.0), density=True),
    lambda m: m.histogram(m.arange(4.0).reshape(2, 2), 3, weight=m.tensor([[1.0, 2], [3, 4]])),
    lambda m: m.histogram(m.arange(10.0, dtype=m.float64) / 7, 13),
    lambda m: m.histogramdd(m.arange(12.0).reshape(6, 2), [3, 2]),
    lambda m: m.histogramdd(m.arange(12.0).reshape(6, 2), 2, density=True),
    lambda m: m.histogramdd(m.arange(12.0).reshape(2, 3, 2), bins=[2, 2], range=[0.0, 6, 1, 9]),
    lambda m: m.histogramdd(
        m.arange(12.0).reshape(6, 2), [m.tensor([0.0, 3, 9]), m.tensor([0.0, 4])], weight=m.ones(6)
    ),
    lambda m: m.hash_tensor(m.tensor([1.0, 2.0, -3.5])).view(m.int64),
    lambda m: m.hash_tensor(m.arange(24).reshape(2, 3, 4), dim=(0, 2)).view(m.int64),
    lambda m: m.hash_tensor(m.arange(6, dtype=m.int8).reshape(2, 3), dim=1, keepdim=True).view(
        m.int64
    ),
    lambda m: m.hash_tensor(m.tensor(3.0)).view(m.int64),
    lambda m: m.zeros(7, 3).fill_diagonal_(5, wrap=True),
    lambda m: m.zeros(8, 3).fill_diagonal_(5, wrap=True),
    lambda m: m.zeros(3, 7).fill_diagonal_(5),
    lambda m: m.zeros(3, 3, 3).fill_diagonal_(2),
    lambda m: m.ones(2, 2).t().fill_diagonal_(2),
    lambda m: m.arange(3.0).apply_(lambda x: x * 2),
    lambda m: m.arange(3).apply_(lambda x: x + 1),
    lambda m: m.arange(6.0).reshape(2, 3).map_(m.arange(3.0), lambda a, b: a * b),
    lambda m: m.arange(3.0).map2_(m.ones(3), m.ones(1), lambda a, b, c: a + b - c),
    lambda m: m.ones(3, dtype=m.float64).float_power_(2),
    lambda m: m.addr(m.zeros(2, 2, dtype=m.bool), m.tensor([True, False]), m.tensor([True, True])),
    lambda m: m.addmv(m.full((2,), math.nan), m.ones(2, 2), m.ones(2), beta=0),
    lambda m: m.addbmm(m.full((2, 2), math.nan), m.ones(3, 2, 2), m.ones(3, 2, 2), beta=0),
    lambda m: m.vdot(m.tensor([1 + 2j, 3]), m.tensor([1j, 2 - 1j])),
    lambda m: m.kron(m.tensor([1, 2]), m.tensor([0.5])),
    lambda m: m.trapezoid(m.empty(3, 0)),
    lambda m: m.pdist(m.empty(1, 3)),
    lambda m: m.segment_reduce(m.empty(0), "mean", lengths=m.tensor([0, 0])),
]


@pytest.mark.parametrize("call", PLAIN)
def test_plain_values(call):
    found, expected = call(flambeau), call(torch)
    assert [str(x.dtype) for x in flat(found)] == [str(x.dtype) for x in flat(expected)]
    compare(found, expected, rtol=1e-6, atol=1e-6)


WRONG = [
    lambda m: m.diff(m.tensor(1.0)),
    lambda m: m.diff(m.ones(3), n=-1),
    lambda m: m.diff(m.ones(3), prepend=m.ones(1, 1)),
    lambda m: m.gradient(m.ones(3), edge_order=3),
    lambda m: m.gradient(m.ones(1)),
    lambda m: m.gradient(m.ones(3, 3), spacing=[1.0, 2.0, 3.0]),
    lambda m: m.gradient(m.ones(3, 3), dim=5),
    lambda m: m.gradient(m.ones(3, 3), dim=(0, 0)),
    lambda m: m.trapezoid(m.ones(3), m.ones(2)),
    lambda m: m.cov(m.ones(2, 2, 2)),
    lambda m: m.cov(m.ones(3), fweights=m.ones(3)),
    lambda m: m.cov(m.ones(3), aweights=m.tensor([1, 2, 3])),
    lambda m: m.cov(m.ones(3), aweights=m.tensor([1.0, -2, 3])),
    lambda m: m.cov(m.ones(3), fweights=m.tensor([1, 1])),
    lambda m: m.corrcoef(m.ones(2, 2, 2)),
    lambda m: m.vander(m.ones(2, 2)),
    lambda m: m.vander(m.ones(2), -1),
    lambda m: m.renorm(m.ones(3), 2, 0, 1),
    lambda m: m.renorm(m.ones(3, 3), -1, 0, 1),
    lambda m: m.renorm(m.ones(3, 3), 2, 0, -1),
    lambda m: m.renorm(m.ones(3, 3), 2, 3, 1),
    lambda m: m.cdist(m.ones(3), m.ones(2, 3)),
    lambda m: m.cdist(m.ones(2, 2), m.ones(2, 3)),
    lambda m: m.cdist(m.ones(2, 2), m.ones(2, 2), p=-1),
    lambda m: m.cdist(m.ones(2, 2), m.ones(2, 2), compute_mode="x"),
    lambda m: m.cdist(m.ones(2, 2, dtype=m.int64), m.ones(2, 2, dtype=m.int64)),
    lambda m: m.pdist(m.ones(2)),
    lambda m: m.pdist(m.ones(2, 2), -1),
    lambda m: m.block_diag(m.ones(2, 2, 2)),
    lambda m: m.cartesian_prod(m.ones(2, 2)),
    lambda m: m.combinations(m.ones(2, 2)),
    lambda m: m.combinations(m.ones(2), r=-1),
    lambda m: m.unravel_index(m.tensor([1.0]), (2, 3)),
    lambda m: m.unravel_index(m.tensor([1]), (2, -3)),
    lambda m: m.unravel_index(m.tensor([1]), 2.5),
    lambda m: m.histogram(m.tensor([1, 2]), 4),
    lambda m: m.histogram(m.tensor([math.nan]), 4),
    lambda m: m.histogram(m.ones(2), 0),
    lambda m: m.histogram(m.ones(2), 2, range=(3.0, 1.0)),
    lambda m: m.histogram(m.ones(2), 2, weight=m.ones(3)),
    lambda m: m.histogramdd(m.ones(2), 2),
    lambda m: m.histogramdd(m.ones(2, 2), [2, 2, 2]),
    lambda m: m.histogramdd(m.ones(2, 2), 2, range=[0.0, 1.0]),
    lambda m: m.hash_tensor(m.ones(2), mode=1),
    lambda m: m.hash_tensor(m.empty(0)),
    lambda m: m.hash_tensor(m.empty(0, 2), dim=0),
    lambda m: m.zeros(3).fill_diagonal_(1),
    lambda m: m.zeros(2, 3, 4).fill_diagonal_(1),
    lambda m: m.ones(3).apply_(3),
    lambda m: m.ones(3, requires_grad=True).apply_(lambda x: x),
    lambda m: m.ones(3).map_(m.ones(3, dtype=m.float64), lambda a, b: a),
    lambda m: m.ones(3).float_power_(2),
    lambda m: m.frexp(m.tensor([1])),
    lambda m: m.polar(m.ones(2), m.ones(2, dtype=m.float64)),
    lambda m: m.polar(m.tensor([1]), m.tensor([1])),
    lambda m: m.put(m.ones(3), m.tensor([0]), m.ones(2)),
    lambda m: m.put(m.ones(3), m.tensor([5]), m.ones(1)),
    lambda m: m.put(m.ones(3), m.tensor([0]), m.tensor([1])),
    lambda m: m.index_reduce(m.ones(3), 0, m.tensor([0]), m.ones(1), "sum"),
    lambda m: m.index_reduce(m.ones(3), 0, m.tensor([0, 1]), m.ones(1), "prod"),
    lambda m: m.index_reduce(m.ones(3), 0, m.tensor([5]), m.ones(1), "prod"),
    lambda m: m.segment_reduce(m.ones(3), "sum"),
    lambda m: m.segment_reduce(m.ones(3), "sum", lengths=m.tensor([1])),
    lambda m: m.segment_reduce(m.ones(3), "sum", lengths=m.tensor([-1, 4])),
    lambda m: m.nonzero_static(m.ones(3), size=-1),
    lambda m: m.addmv(m.ones(5), m.ones(2, 3), m.ones(3)),
    lambda m: m.addr(m.ones(5), m.ones(2), m.ones(3)),
    lambda m: m.addbmm(m.ones(2, 2), m.ones(2, 2, 3), m.ones(3, 3, 2)),
    lambda m: m.vdot(m.ones(2), m.ones(3)),
    lambda m: m.tensordot(m.ones(2, 3), m.ones(2, 3), 1),
    lambda m: m.tensordot(m.ones(2, 3), m.ones(2, 3), ([0], [0, 1])),
    lambda m: m.tensordot(m.ones(2, 2), m.ones(2, 2), ([0, 0], [0, 1])),
    lambda m: m.split_with_sizes(m.ones(3), [1, 1]),
    lambda m: m.constant_pad_nd(m.ones(3), (1,)),
    lambda m: m.constant_pad_nd(m.ones(3), (1, 1, 1, 1)),
]


@pytest.mark.parametrize("call", WRONG)
def test_errors(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type):
        call(flambeau)


@pytest.mark.parametrize(
    "call, outputs",
    [
        (lambda m, **k: m.kron(m.ones(2), m.ones(3), **k), 1),
        (lambda m, **k: m.vdot(m.ones(2), m.ones(2), **k), 1),
        (lambda m, **k: m.histogram(m.ones(2), 3, **k), 2),
        (lambda m, **k: m.permute_copy(m.ones(2, 3), (1, 0), **k), 1),
        (lambda m, **k: m.split_copy(m.ones(4), 2, **k), 2),
        (lambda m, **k: m.index_reduce(m.ones(2), 0, m.tensor([0]), m.ones(1), "prod", **k), 1),
        (lambda m, **k: m.nonzero_static(m.ones(2), size=3, **k), 1),
        (lambda m, **k: m.tensordot(m.ones(2), m.ones(2), 1, **k), 1),
    ],
)
def test_out(call, outputs):
    expected = flat(call(flambeau))
    targets = tuple(flambeau.empty(0, dtype=x.dtype) for x in expected)
    call(flambeau, out=targets[0] if outputs == 1 else targets)
    for target, value in zip(targets, expected, strict=True):
        assert flambeau.equal(target, value)
    grows = flambeau.empty(0, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"out=|requires"):
        call(flambeau, out=grows if outputs == 1 else (grows,) * outputs)


def test_few_observations_warn():
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
        assert flambeau.cov(flambeau.tensor([[1.0], [2.0]])).isnan().all()


def test_histograms_of_many_values():
    x = rng.standard_normal(200_000)
    weight = rng.uniform(size=200_000)
    for m in (13, 100):
        mine = flambeau.histogram(ours(x), m, weight=ours(weight))
        expected = np.histogram(x, m, weights=weight)
        np.testing.assert_allclose(mine.hist.numpy(), expected[0], rtol=1e-9)
        np.testing.assert_allclose(mine.bin_edges.numpy(), expected[1], rtol=1e-9)
    edges = np.sort(rng.standard_normal(40))
    expected = np.histogram(x, edges)[0]
    assert flambeau.histogram(ours(x), ours(edges)).hist.tolist() == expected.tolist()
    before = flambeau.get_num_threads()
    try:
        flambeau.set_num_threads(1)
        alone = flambeau.histogram(ours(x), 50, weight=ours(weight)).hist
        flambeau.set_num_threads(2)
        assert flambeau.equal(flambeau.histogram(ours(x), 50, weight=ours(weight)).hist, alone)
    finally:
        flambeau.set_num_threads(before)


def test_no_gradient_at_equal_rows():
    for p in (1.0, 1.5, 2.0, math.inf):
        x = flambeau.ones(30, 2, requires_grad=True)
        flambeau.cdist(x, x.detach(), p).sum().backward()
        assert x.grad.tolist() == [[0, 0]] * 30


def test_distances_in_blocks():
    x, y = flambeau.from_numpy(some(700, 6)), flambeau.from_numpy(some(200, 6))
    for p in (1.0, 3.0):
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        c, d = (torch.from_numpy(t.numpy()).clone().requires_grad_() for t in (x, y))
        flambeau.cdist(a, b, p).square().sum().backward()
        torch.cdist(c, d, p).square().sum().backward()
        compare(a.grad, c.grad, rtol=1e-8, atol=1e-8)
        compare(b.grad, d.grad, rtol=1e-8, atol=1e-8)


def test_second_derivatives_of_distances():
    x = flambeau.from_numpy(some(3, 4)).requires_grad_()
    y = flambeau.from_numpy(some(2, 4)).requires_grad_()
    for p in (1.5, 2.0, 3.0):
        assert gradgradcheck(lambda a, b, p=p: flambeau.cdist(a, b, p), (x, y))
    assert gradgradcheck(
        lambda a, b: flambeau.cdist(a, b, compute_mode="use_mm_for_euclid_dist"), (x, y)
    )


def test_in_place_forms_record():
    def outcome(m, name, *arguments):
        x = m.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        y = x * 1
        getattr(y, name)(*arguments)
        (y * y).sum().backward()
        return x.grad.tolist()

    for name, arguments in (
        ("addr_", lambda m: (m.ones(2), m.ones(2))),
        ("addbmm_", lambda m: (m.ones(2, 2, 2), m.ones(2, 2, 2))),
        ("renorm_", lambda m: (2, 0, 1.5)),
        ("put_", lambda m: (m.tensor([1]), m.tensor([7.0]))),
        ("index_reduce_", lambda m: (0, m.tensor([0]), m.ones(1, 2), "amax")),
        ("fill_diagonal_", lambda m: (3.0,)),
        ("t_", lambda m: ()),
    ):
        found = outcome(flambeau, name, *arguments(flambeau))
        np.testing.assert_allclose(
            found, outcome(torch, name, *arguments(torch)), rtol=1e-6, atol=1e-6
        )


def test_frexp_derivative():
    x = flambeau.tensor([0.3, -5.0, 17.0], dtype=flambeau.float64, requires_grad=True)
    assert gradcheck(lambda t: flambeau.frexp(t)[0], (x,))
