"""Special functions against SciPy and PyTorch: accuracy, special values, gradients, dtypes."""

import math
import warnings

import numpy as np
import pytest
import scipy.special

import flambeau
from flambeau import special as ours
from flambeau.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(0)
WIDE = np.concatenate(
    [
        RNG.uniform(-40, 40, 3000),
        RNG.uniform(-5, 5, 3000),
        10 ** RNG.uniform(-12, 2.8, 1000),
        -(10 ** RNG.uniform(-12, 2.8, 1000)),
        [0.0, -0.0, 1, -1, 2, 8, np.nextafter(8, 9), -5, 2.25, 26.99, 27, -26.6, np.nan],
    ]
)
ONES = np.concatenate(
    [RNG.uniform(0, 1, 3000), 10 ** RNG.uniform(-300, 0, 500), [0, 1, 0.5, -1, 2]]
)

# Name, SciPy's twin, the largest relative error, the absolute one allowed next to zeros.
ACCURACY = [
    ("i0", "i0", 4e-15, 0),
    ("i0e", "i0e", 2e-15, 0),
    ("i1", "i1", 4e-15, 0),
    ("i1e", "i1e", 4e-15, 0),
    ("bessel_j0", "j0", 1e-14, 2e-15),
    ("bessel_j1", "j1", 1e-14, 2e-15),
    ("bessel_y0", "y0", 1e-14, 3e-15),
    ("bessel_y1", "y1", 1e-14, 3e-15),
    ("modified_bessel_i0", "i0", 4e-15, 0),
    ("modified_bessel_i1", "i1", 4e-15, 0),
    ("modified_bessel_k0", "k0", 1e-13, 0),
    ("modified_bessel_k1", "k1", 1e-13, 0),
    ("scaled_modified_bessel_k0", "k0e", 3e-15, 0),
    ("scaled_modified_bessel_k1", "k1e", 3e-15, 0),
    ("airy_ai", "airy", 1e-11, 1e-13),  # the phase of SciPy's, far to the left, has few digits more
    ("entr", "entr", 2e-15, 0),
    ("erfcx", "erfcx", 2e-13, 0),  # SciPy squares a large argument and rounds
    ("ndtr", "ndtr", 2e-12, 1e-300),
    ("log_ndtr", "log_ndtr", 2e-13, 1e-300),
    ("ndtri", "ndtri", 4e-15, 0),
]


def scipy_values(name, x):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        result = getattr(scipy.special, name)(x)
    return result[0] if name == "airy" else result


@pytest.mark.parametrize("name, twin, relative, absolute", ACCURACY, ids=[a[0] for a in ACCURACY])
def test_accuracy(name, twin, relative, absolute):
    x = ONES if name == "ndtri" else WIDE
    expected = scipy_values(twin, x)
    found = getattr(ours, name)(flambeau.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute)
    single = getattr(ours, name)(flambeau.from_numpy(x.astype(np.float32)))
    assert single.dtype == flambeau.float32
    # What one rounding of the argument does is no error of the function.
    with np.errstate(over="ignore"):
        again = scipy_values(twin, x.astype(np.float32).astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(single.numpy(), again, rtol=2e-6, atol=1e-37 + absolute * 1e8)


def test_spherical_bessel_j0():
    x = np.concatenate([WIDE[:-1], [1e-200, 0.4999999, 0.5]])
    expected = np.sinc(x / np.pi)
    found = ours.spherical_bessel_j0(flambeau.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


INFINITE = {  # at inf and -inf
    "i0": (math.inf, math.inf),
    "i0e": (0.0, 0.0),
    "i1": (math.inf, -math.inf),
    "bessel_j0": (0.0, 0.0),
    "bessel_y1": (0.0, math.nan),
    "modified_bessel_k0": (0.0, math.nan),
    "airy_ai": (0.0, 0.0),
    "spherical_bessel_j0": (0.0, 0.0),
    "entr": (-math.inf, -math.inf),
    "erfcx": (0.0, math.inf),
    "ndtr": (1.0, 0.0),
    "log_ndtr": (0.0, -math.inf),
    "ndtri": (math.nan, math.nan),
}


@pytest.mark.parametrize("name", INFINITE)
def test_infinity(name):
    found = getattr(ours, name)(flambeau.tensor([math.inf, -math.inf], dtype=flambeau.float64))
    np.testing.assert_array_equal(found.numpy(), INFINITE[name])


# P(a, x) and Q(a, x) to 17 digits, summed with 60 digits (mpmath): SciPy's own values have errors
# up to 1e-11 in the tails, and of half the value at the first of these.
INCOMPLETE_GAMMA = [
    (94380600.0, 94335100.0, 1.4051869436937064e-06, 0.99999859481305631),
    (4444.75, 2595.81, 9.1628868936633925e-238, 1.0),
    (188.455, 107.086, 7.9122445558180296e-13, 0.99999999999920878),
    (300.0, 300.0, 0.5076777888862635, 0.4923222111137365),
    (1000.0, 1010.0, 0.62767894473699473, 0.37232105526300527),
    (1e6, 1.001e6, 0.84134478636834029, 0.15865521363165971),
]


@pytest.mark.parametrize("a, x, lower, upper", INCOMPLETE_GAMMA)
def test_incomplete_gamma_of_large_arguments(a, x, lower, upper):
    a, x = (flambeau.tensor(v, dtype=flambeau.float64) for v in (a, x))
    assert ours.gammainc(a, x).item() == pytest.approx(lower, rel=3e-13)
    assert ours.gammaincc(a, x).item() == pytest.approx(upper, rel=3e-13)


@pytest.mark.parametrize("name", ["gammainc", "gammaincc"])
def test_incomplete_gamma(name):
    rng = np.random.default_rng(1)
    a = 10 ** rng.uniform(-10, 2, 4000)
    x = a * np.exp(rng.normal(0, 1, 4000))
    found = getattr(ours, name)(flambeau.from_numpy(a), flambeau.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, getattr(scipy.special, name)(a, x), rtol=1e-11, atol=1e-300)
    found = getattr(ours, name)(
        flambeau.tensor([0.0, 0.0, 1.0, 1.0, -1.0, 1.0, math.nan, math.inf, math.inf]),
        flambeau.tensor([0.0, 1.0, 0.0, math.inf, 1.0, -1.0, 1.0, 1.0, math.inf]),
    ).tolist()
    nan = math.nan
    lower = [nan, 1.0, 0.0, 1.0, nan, nan, nan, 0.0, nan]
    expected = lower if name == "gammainc" else [1 - p for p in lower]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["igamma", "igammac"])
def test_gradients_of_incomplete_gamma(name):
    a = flambeau.tensor([0.7, 2.0, 5.0], dtype=flambeau.float64)
    x = flambeau.tensor([1.1, 0.6, 7.0], dtype=flambeau.float64, requires_grad=True)
    gradcheck(lambda x: getattr(flambeau, name)(a, x), (x,))
    gradgradcheck(lambda x: getattr(flambeau, name)(a, x), (x,))
    with pytest.raises(NotImplementedError, match=f"{name}: input"):
        getattr(flambeau, name)(a.requires_grad_(), x).sum().backward()


def test_gradient_of_zeta():
    s = flambeau.tensor([2.0, 3.5], dtype=flambeau.float64)
    q = flambeau.tensor([1.5, 0.6], dtype=flambeau.float64, requires_grad=True)
    gradcheck(lambda q: ours.zeta(s, q), (q,))
    with pytest.raises(NotImplementedError, match="zeta: input"):
        ours.zeta(s.requires_grad_(), q).sum().backward()


@pytest.mark.parametrize("name", ["i1", "i1e", "bessel_j1", "modified_bessel_i1"])
def test_gradient_at_zero(name):
    x = flambeau.zeros(1, dtype=flambeau.float64, requires_grad=True)
    getattr(ours, name)(x).backward()
    assert x.grad.item() == 0.5


POLYNOMIALS = {
    "chebyshev_polynomial_t": scipy.special.eval_chebyt,
    "chebyshev_polynomial_u": scipy.special.eval_chebyu,
    "hermite_polynomial_h": scipy.special.eval_hermite,
    "hermite_polynomial_he": scipy.special.eval_hermitenorm,
    "laguerre_polynomial_l": scipy.special.eval_laguerre,
    "legendre_polynomial_p": scipy.special.eval_legendre,
    "shifted_chebyshev_polynomial_t": scipy.special.eval_sh_chebyt,
    "shifted_chebyshev_polynomial_u": scipy.special.eval_sh_chebyu,
}


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name):
    x = np.concatenate([np.linspace(-1.5, 1.5, 41), [1.0, -1.0, 0.0]])[:, None]
    n = np.array([0, 1, 2, 3, 7, 8, 15, 24, 25, 40])
    found = getattr(ours, name)(flambeau.from_numpy(x), flambeau.from_numpy(n)).numpy()
    expected = POLYNOMIALS[name](n, x)
    scale = np.maximum(np.abs(expected), np.sqrt(np.mean(expected**2, axis=0)))
    assert (np.abs(found - expected) <= 1e-10 * np.maximum(scale, 1)).all()


@pytest.mark.parametrize("name", [*POLYNOMIALS, "chebyshev_polynomial_v", "chebyshev_polynomial_w"])
def test_unusual_degrees(name):
    function = getattr(ours, name)
    x = flambeau.tensor([0.25])
    assert function(x, -3).item() == 0.0
    assert function(x, 2.9).item() == function(x, 2).item()
    assert math.isnan(function(x, math.nan).item())
    assert math.isnan(function(flambeau.tensor([math.nan]), 2).item())
    function(x, 2**62)  # comes back at once
    assert not function(x.requires_grad_(), 2).requires_grad


def test_many_degrees_at_once_equal_single_ones():
    x = flambeau.rand(64) * 2 - 1
    n = flambeau.arange(64) % 40
    together = ours.legendre_polynomial_p(x, n).tolist()
    alone = [ours.legendre_polynomial_p(a, int(b)).item() for a, b in zip(x, n, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_names_are_those_of_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    assert sorted(ours.__all__) == sorted(torch.special.__all__)


@pytest.mark.parametrize("name", sorted(ours.__all__))
def test_dtypes_are_those_of_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    extra = {
        "softmax": (0,),
        "log_softmax": (0,),
        "logsumexp": (0,),
        "multigammaln": (2,),
    }
    for dtype in ("float16", "float32", "float64", "int32", "bool"):
        values = [3, 4, 5] if dtype != "bool" else [1, 0, 1]
        there = torch.tensor(values).to(getattr(torch, dtype))
        here = flambeau.tensor(values).to(getattr(flambeau, dtype))
        function, twin = getattr(ours, name), getattr(torch.special, name)
        arguments = extra.get(name, ())
        if name == "polygamma":
            there, here = (1, there), (1, here)
        elif "polynomial" in name or name in ("gammainc", "gammaincc", "xlog1py", "xlogy", "zeta"):
            there, here = (there, there), (here, here)
        else:
            there, here = (there, *arguments), (here, *arguments)
        try:
            expected = twin(*there).dtype
        except (NotImplementedError, RuntimeError):
            continue  # ours may have a kernel where torch has none
        assert str(function(*here).dtype) == str(expected), dtype


def test_forms():
    x = flambeau.tensor([0.5, 2.0])
    assert flambeau.equal(x.clone().i0_(), x.i0())
    assert flambeau.equal(flambeau.i0_(x.clone()), flambeau.i0(x))
    assert flambeau.equal(x.clone().igamma_(x), flambeau.igamma(x, x))
    assert flambeau.equal(x.clone().polygamma_(1), flambeau.polygamma(1, x))
    assert flambeau.equal((x + 2).mvlgamma_(2), flambeau.mvlgamma(x + 2, 2))
    out = flambeau.empty(0)
    assert ours.bessel_j0(x, out=out) is out
    assert ours.zeta(2.0, x).dtype == flambeau.float32


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda t: t.special.multigammaln(t.ones(2), 0), RuntimeError),
        (lambda t: t.special.gammainc(t.ones(2), 1.0), TypeError),
        (lambda t: t.special.gammainc(1.0, t.ones(2)), TypeError),
        (lambda t: t.tensor([1, 2]).polygamma_(1), RuntimeError),
        (lambda t: t.tensor([1, 2]).i0_(), RuntimeError),
        (lambda t: t.special.i0(t.ones(2) + 0j), NotImplementedError),
        (lambda t: t.special.polygamma(-1, t.ones(2)), RuntimeError),
        (lambda t: t.special.bessel_j0("text"), TypeError),
        (lambda t: t.special.zeta(1.0, 2.0), TypeError),
    ],
)
def test_wrong_calls(call, error):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for library in (torch, flambeau):
        with pytest.raises(error):
            call(library)


def test_zeta_of_exponents_beyond_all_bounds():
    x = flambeau.tensor([flambeau.inf, flambeau.inf, flambeau.inf, 1e300, 2.0])
    q = flambeau.tensor([0.5, 1.0, 2.0, 1.0, flambeau.inf])
    assert flambeau.special.zeta(x.double(), q.double()).tolist() == [flambeau.inf, 1, 0, 1, 0]
