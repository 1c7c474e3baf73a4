"""Elementwise operations against NumPy and PyTorch: values, dtypes, special numbers, forms."""

import itertools
import math
import warnings

import numpy as np
import pytest

import flambeau
import flambeau.testing
from flambeau.core.registry import OPS


def words(text):
    return text.split()


DTYPES = words(
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
)
SPECIAL = [0.0, -0.0, 1, -1, 0.5, -0.5, 2, 3, math.inf, -math.inf, math.nan, 1e-30, 100, -100, -7.5]
UNARY = words(
    "abs acos acosh angle asin asinh atan atanh bitwise_not ceil cos cosh deg2rad digamma erf erfc"
    " erfinv exp exp2 expm1 floor frac isfinite isinf isnan isneginf isposinf lgamma log log10"
    " log1p log2 logical_not logit nan_to_num neg positive rad2deg reciprocal relu round rsqrt sgn"
    " sigmoid sign sin sinc sinh sqrt square tan tanh trunc"
)
BINARY = words(
    "add atan2 bitwise_and bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor div eq"
    " float_power floor_divide fmax fmin fmod gcd ge gt hypot isclose le logaddexp2 logical_and"
    " logical_or logical_xor lt maximum minimum mul ne nextafter pow remainder sub xlogy"
)
RTOL = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 3e-6, "float64": 1e-13}
RTOL |= {"complex64": 1e-5, "complex128": 1e-12}


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def values(dtype, seed=0, zeros=True, size=45):
    """Numbers of a dtype as a NumPy array (of float32 for bfloat16), special ones among them."""
    random = np.random.default_rng(seed)
    numbers = random.normal(size=size) * 3
    if "float" in dtype:
        numbers[: len(SPECIAL)] = random.permutation(SPECIAL)
    if dtype.startswith("complex"):
        numbers = numbers + 1j * random.normal(size=size)
    if dtype.startswith("u"):
        numbers = abs(numbers)
    with np.errstate(over="ignore"):
        array = numbers.astype("float32" if dtype == "bfloat16" else dtype)
    if not zeros:
        array[array == 0] = 1
    return array


def ours(array, dtype):
    return flambeau.from_numpy(array.copy()).to(getattr(flambeau, dtype))


def theirs(torch, array, dtype):
    return torch.from_numpy(array.copy()).to(getattr(torch, dtype))


def plain(tensor):
    """(values, dtype name) of a tensor of either library, or of a Python value."""
    if not hasattr(tensor, "dtype"):
        return np.asarray(tensor), type(tensor).__name__
    name = str(tensor.dtype).removeprefix("torch.")
    wide = tensor.float() if name == "bfloat16" else tensor
    return wide.numpy(), name


def check_same(found, expected, call, rtol=None):
    (a, a_dtype), (b, b_dtype) = plain(found), plain(expected)
    assert a_dtype == b_dtype, call
    assert a.shape == b.shape, call
    tolerance = rtol if rtol is not None else RTOL.get(a_dtype, 0)
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance / 30, err_msg=call)


def attempt(call):
    """The result, or the class of the exception that torch's counterpart also derives from."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call(), None
        except (RuntimeError, TypeError) as error:
            return None, TypeError if isinstance(error, TypeError) else RuntimeError


def check_call(mine, reference, call):
    expected, wanted_error = attempt(reference)
    found, error = attempt(mine)
    assert error == wanted_error, call
    if error is None:
        check_same(found, expected, call)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", UNARY)
def test_one_operand(torch, name, dtype):
    array = values(dtype)
    check_call(
        lambda: getattr(flambeau, name)(ours(array, dtype)),
        lambda: getattr(torch, name)(theirs(torch, array, dtype)),
        f"{name} of {dtype}",
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_two_operands_of_one_dtype(torch, name, dtype):
    divides = name in ("floor_divide", "remainder", "fmod")
    a, b = values(dtype), values(dtype, seed=1, zeros="int" not in dtype or not divides)
    check_call(
        lambda: getattr(flambeau, name)(ours(a, dtype), ours(b, dtype)),
        lambda: getattr(torch, name)(theirs(torch, a, dtype), theirs(torch, b, dtype)),
        f"{name} of {dtype}",
    )


@pytest.mark.parametrize("other", ["int32", "float32", "bfloat16", "complex64"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["mul", "div", "maximum", "lt"])
def test_promotion(torch, name, dtype, other):
    if {dtype, other} == {"float16", "complex64"}:
        pytest.skip("complex32 does not exist here")
    a, b = values(dtype, zeros=False), values(other, seed=1, zeros=False)
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[finite], b[finite]
    for pick in (slice(None), 3):  # a tensor with axes, and a 0-dim one
        check_call(
            lambda pick=pick: getattr(flambeau, name)(ours(a, dtype), ours(b, other)[pick]),
            lambda pick=pick: getattr(torch, name)(
                theirs(torch, a, dtype), theirs(torch, b, other)[pick]
            ),
            f"{name} of {dtype} and {other}[{pick}]",
        )


@pytest.mark.parametrize("number", [2, -3, 0.5, True, 2j])
@pytest.mark.parametrize("dtype", DTYPES)
def test_python_numbers(torch, dtype, number):
    if number == 2j and dtype in ("float16", "bfloat16"):
        pytest.skip(
            "complex32 does not exist here, and torch divides by way of a rounded reciprocal"
        )
    array = values(dtype, zeros=False)
    array = array[np.isfinite(array)]
    x, t = ours(array, dtype), theirs(torch, array, dtype)
    for call in (
        lambda v: v + number,
        lambda v: number - v,
        lambda v: v * number,
        lambda v: number / v,
        lambda v: v // number,
        lambda v: number % v,
        lambda v: v == number,
        lambda v: v & number,
    ):
        check_call(lambda call=call: call(x), lambda call=call: call(t), f"{dtype} and {number}")


# ---- special functions ----


def test_erfinv_next_to_one():
    special = pytest.importorskip("scipy.special")
    p = np.concatenate([np.linspace(-1, 1, 4001), 1 - 2.0 ** -np.arange(1, 54)])
    found = flambeau.erfinv(flambeau.from_numpy(p)).numpy()
    np.testing.assert_allclose(found, special.erfinv(p), rtol=4e-15)
    assert math.isnan(flambeau.erfinv(flambeau.tensor([1.5])).item())


def test_polygamma_of_negative_numbers():
    special = pytest.importorskip("scipy.special")
    x = np.array([-0.5, -1.5, -7.25, -100.75, 0.25, 3.0, 50.0])
    for order in (1, 2, 5):
        found = flambeau.polygamma(order, flambeau.from_numpy(x)).numpy()
        reflected = (-1) ** order * special.polygamma(order, 1 - x)
        reflected -= _cotangent_derivative(order, x)
        expected = np.where(x < 0, reflected, special.polygamma(order, abs(x)))
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    far = flambeau.tensor([-1e9 - 0.5], dtype=flambeau.float64)
    np.testing.assert_allclose(flambeau.polygamma(1, far).numpy(), [np.pi**2], rtol=1e-6)


def _cotangent_derivative(order, x):
    """The order-th derivative of c = pi cot(pi x), a polynomial of c since c' = -(pi^2 + c^2)."""
    polynomial = np.polynomial.Polynomial([0, 1])
    for _ in range(order):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([-(np.pi**2), 0, -1])
    return polynomial(np.pi / np.tan(np.pi * x))


# ---- bounds ----


def test_clamp():
    x = flambeau.tensor([-2.0, 0.5, 3.0, math.nan])
    np.testing.assert_array_equal(x.clamp(0, 1).numpy(), [0, 0.5, 1, np.nan])
    np.testing.assert_array_equal(x.clamp(max=1).numpy(), [-2, 0.5, 1, np.nan])
    np.testing.assert_array_equal(x.clip(2, 1).numpy(), [1, 1, 1, np.nan])
    np.testing.assert_array_equal(x.clamp_min(0).numpy(), [0, 0.5, 3, np.nan])
    low = flambeau.tensor([[0.0], [1.0]])
    assert x[:3].clamp(low).tolist() == [[0, 0.5, 3], [1, 1, 3]]
    assert flambeau.clamp(flambeau.tensor([1]), 1.5).tolist() == [1.5]
    assert flambeau.tensor([-3, 5]).clamp_(0, 4).tolist() == [0, 4]
    with pytest.raises(RuntimeError, match="At least one of 'min' or 'max' must not be None"):
        x.clamp()


def test_gradient_of_clamp_reaches_the_bounds():
    x = flambeau.tensor([-1.0, 0.0, 0.5, 1.0, 2.0], requires_grad=True)
    low = flambeau.tensor(0.0, requires_grad=True)
    high = flambeau.tensor(1.0, requires_grad=True)
    x.clamp(low, high).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    assert (low.grad.item(), high.grad.item()) == (1, 1)
    y = flambeau.tensor([-1.0, 0.0, 0.5, 1.0, 2.0], requires_grad=True)
    y.clamp(0, 1).sum().backward()
    assert y.grad.tolist() == [0, 1, 1, 1, 0]


# ---- closeness ----


def test_equal_and_close():
    a = flambeau.tensor([1.0, math.nan])
    assert not flambeau.equal(a, a)
    assert flambeau.equal(flambeau.tensor([1.0]), flambeau.tensor([1]))
    assert not flambeau.equal(flambeau.tensor([1.0]), flambeau.tensor([[1.0]]))
    long = flambeau.arange(100_000)
    other = long.clone()
    assert flambeau.equal(long, other)
    other[99_999] = 0
    assert not flambeau.equal(long, other)
    assert flambeau.allclose(a, a, equal_nan=True)
    assert not flambeau.allclose(a, a)
    assert flambeau.isclose(flambeau.tensor([100]), flambeau.tensor([101]), rtol=0.1).tolist() == [
        True
    ]
    assert flambeau.isclose(flambeau.tensor([math.inf]), flambeau.tensor([1.0])).tolist() == [False]
    with pytest.raises(RuntimeError, match="did not match"):
        flambeau.isclose(flambeau.tensor([1.0]), flambeau.tensor([1]))


# ---- layouts and places ----


def layouts(array):
    """The same numbers contiguous, with gaps, and transposed."""
    yield flambeau.from_numpy(array.copy())
    wide = np.zeros((array.shape[0] * 2, array.shape[1] * 3), array.dtype)
    wide[::2, ::3] = array
    yield flambeau.from_numpy(wide)[::2, ::3]
    yield flambeau.from_numpy(np.ascontiguousarray(array.T)).t()


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int32"])
def test_strided_operands(dtype):
    random = np.random.default_rng(0)
    a = (random.normal(size=(37, 1030)) * 4).astype(dtype)
    b = (random.normal(size=(37, 1030)) * 4).astype(dtype)
    for x in layouts(a):
        for y in layouts(b):
            np.testing.assert_array_equal((x + y).numpy(), a + b)
            np.testing.assert_array_equal((x > y).numpy(), a > b)
        np.testing.assert_array_equal((x - y[:1]).numpy(), a - b[:1])
        np.testing.assert_array_equal((x * y[:, :1]).numpy(), a * b[:, :1])
        np.testing.assert_array_equal((-x).numpy(), -a)


def test_strided_results():
    a = np.random.default_rng(0).normal(size=(20, 600)).astype("float32")
    for x in layouts(a):
        target = x.clone()
        result = x.add_(target)
        assert result is x
        np.testing.assert_array_equal(x.numpy(), a + a)
    spread = flambeau.zeros(20, 1200)
    flambeau.exp(flambeau.from_numpy(a), out=spread[:, ::2])
    np.testing.assert_allclose(spread.numpy()[:, ::2], np.exp(a), rtol=1e-6)
    assert (spread[:, 1::2] == 0).all()


def test_operands_that_partly_lie_in_the_target_are_refused():
    """As in torch; indexed writes, and tensors with gaps, are read before they are written."""
    x = flambeau.arange(6.0)
    for write in (
        lambda: x[1:].add_(x[:-1]),
        lambda: x.div_(x[1]),
        lambda: x[1:].copy_(x[:-1]),
        lambda: flambeau.sin(x[1:], out=x[:-1]),
    ):
        with pytest.raises(RuntimeError, match="some elements of the input tensor"):
            write()
    assert x.tolist() == [0, 1, 2, 3, 4, 5]
    x[::2].add_(x[:3])
    assert x.tolist() == [0, 1, 3, 3, 6, 5]
    with pytest.raises(RuntimeError, match="single memory location"):
        flambeau.zeros(1).expand(3).add_(1)


def test_complex_products_and_quotients_of_infinities_are_those_of_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    parts = (0.0, -0.0, 1.0, -2.5, math.inf, -math.inf, math.nan)
    values = [complex(a, b) for a in parts for b in parts]
    first, second = zip(*itertools.product(values, values), strict=True)

    def results(module):
        a = module.tensor(first, dtype=module.complex128)
        b = module.tensor(second, dtype=module.complex128)
        pairs = module.stack([a, b], -1)
        yield from (a * b, a / b, a.reciprocal(), a / 2, a.square(), a.rsqrt())
        yield from (pairs.prod(-1), pairs.cumprod(-1))

    for ours, theirs in zip(results(flambeau), results(torch), strict=True):
        ours, theirs = ours.numpy(), theirs.numpy()
        np.testing.assert_allclose(ours.real, theirs.real, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(ours.imag, theirs.imag, rtol=1e-12, atol=1e-15)


def test_heaviside_takes_tensors_of_one_real_dtype():
    x = flambeau.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    assert not flambeau.heaviside(x, flambeau.tensor([0.5], requires_grad=True)).requires_grad
    with pytest.raises(RuntimeError, match="different dtypes"):
        flambeau.heaviside(x, flambeau.tensor(1))
    with pytest.raises(RuntimeError, match="complex"):
        flambeau.heaviside(x, flambeau.tensor([1j]))
    with pytest.raises(TypeError, match="must be Tensor"):
        flambeau.heaviside(x, 0.5)


def test_in_place_results_keep_the_dtype():
    x = flambeau.tensor([1, 2])
    with pytest.raises(RuntimeError, match="can't be cast"):
        x.add_(1.5)
    assert x.add_(flambeau.tensor([1, 1], dtype=flambeau.int8)).dtype == flambeau.int64
    y = flambeau.zeros(2, dtype=flambeau.float64)
    assert flambeau.add(x, 1, out=y) is y
    assert y.tolist() == [3, 4]
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        flambeau.zeros(1).add_(flambeau.zeros(3))


def test_sixteen_bit_scalars_are_not_rounded_first():
    """As in torch, a number keeps the precision of float32; a comparison is among halves."""
    x = flambeau.tensor([1000.0], dtype=flambeau.bfloat16)
    assert (x * 1.001).item() == flambeau.tensor(1000 * 1.001).to(flambeau.bfloat16).item()
    assert (flambeau.tensor([0.1], dtype=flambeau.float16) == 0.1).item()


def test_shapes_that_do_not_broadcast():
    with pytest.raises(RuntimeError, match=r"add: .*\(2, 3\).*\(4, 5\)"):
        flambeau.zeros(2, 3) + flambeau.zeros(4, 5)


def test_wrong_operands():
    for call in (
        lambda: flambeau.exp(1.0),
        lambda: flambeau.add(flambeau.zeros(1), "text"),
        lambda: flambeau.zeros(1) + "text",
        lambda: flambeau.maximum(flambeau.zeros(1), None),
    ):
        with pytest.raises(TypeError):
            call()
    assert (flambeau.zeros(1) == None) is False  # noqa: E711


# ---- gradients at special points ----


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: x.abs(),
        lambda m, x: x.pow(2),
        lambda m, x: x.pow(0),
        lambda m, x: m.pow(x.abs(), 0.5),
        lambda m, x: m.pow(0.0, x),
        lambda m, x: m.pow(2.0, x),
        lambda m, x: m.maximum(x, m.zeros(7)),
        lambda m, x: m.minimum(x, m.zeros(7)),
        lambda m, x: m.fmax(x, m.zeros(7)),
        lambda m, x: m.fmin(x, m.zeros(7)),
        lambda m, x: x.clamp(-1, 1),
        lambda m, x: x.relu(),
        lambda m, x: m.sinc(x),
        lambda m, x: m.xlogy(x, m.zeros(7)),
        lambda m, x: m.copysign(x, m.zeros(7)),
        lambda m, x: x.sign() + x.floor() + x.frac(),
        lambda m, x: m.nan_to_num(x),
        lambda m, x: m.logit(x, 0.1),
        lambda m, x: m.div(x, 2, rounding_mode="floor") + x % 2 + m.fmod(x, 2),
        lambda m, x: m.add(x, x, alpha=3) - m.sub(x, x, alpha=0.5),
        lambda m, x: m.where(x > 0, x, -x),
        lambda m, x: x.reciprocal(),
    ],
)
def test_gradients_where_rules_are_conventions(torch, call):
    numbers = [0.0, -1.0, 1.0, 0.5, math.nan, math.inf, -0.05]
    grads = []
    for module in (flambeau, torch):
        x = module.tensor(numbers, requires_grad=True)
        call(module, x).sum().backward()
        grads.append(x.grad.numpy())
    np.testing.assert_allclose(*grads, rtol=1e-6)


def test_gradients_of_complex_functions(torch):
    numbers = np.array([0.3 + 0.4j, -1.2 + 0.1j, 0.7 - 2j])
    for name in ("abs", "sgn", "angle", "exp", "sqrt", "tanh", "sigmoid", "reciprocal", "log1p"):
        grads = []
        for module in (flambeau, torch):
            x = module.from_numpy(numbers.copy()).requires_grad_()
            result = getattr(module, name)(x)
            (result.real if result.is_complex() else result).sum().backward()
            grads.append(x.grad.numpy())
        np.testing.assert_allclose(*grads, rtol=1e-10, err_msg=name)


def gradient_beside(op, x, other, place):
    """The gradient of x beside another operand; None where the op takes or derives no such."""
    try:
        value = op(x, other) if place == 0 else op(other, x)
        return flambeau.autograd.grad(value.sum(), x)[0]
    except (TypeError, RuntimeError, NotImplementedError):
        return None


@pytest.mark.parametrize("name", sorted(n for n in OPS if OPS[n].info.arity == 2))
def test_a_number_beside_a_tensor_has_the_gradient_of_a_tensor(name):
    op = OPS[name]
    low, high = op.info.domain or (0.5, 2.0)
    number = low + 0.6 * (high - low)
    alike = flambeau.full((5,), number, dtype=flambeau.float64)
    for place in (0, 1):
        x = flambeau.linspace(low + 0.1, high - 0.1, 5, dtype=flambeau.float64, requires_grad=True)
        wanted = gradient_beside(op, x, alike, place)
        try:
            op(x, number) if place == 0 else op(number, x)
        except (TypeError, RuntimeError):  # takes no numbers there
            continue
        found = gradient_beside(op, x, number, place)
        assert (found is None) == (wanted is None)
        if wanted is not None:
            flambeau.testing.assert_close(found, wanted)


def test_the_second_derivative_of_copysign_at_zero_is_a_number():
    x = flambeau.tensor([0.0, -0.0, 2.0], requires_grad=True)
    weights = flambeau.ones(3, requires_grad=True)
    first = flambeau.autograd.grad(x.copysign(-1.0), x, weights, create_graph=True)[0]
    assert first.tolist() == [0.0, 0.0, -1.0]
    second = flambeau.autograd.grad(first.sum(), (x, weights))
    assert [t.tolist() for t in second] == [[0.0, 0.0, 0.0], [0.0, 0.0, -1.0]]
