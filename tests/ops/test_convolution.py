"""Functional convolutions of one to three dimensions against PyTorch."""

import itertools

import numpy as np
import pytest

import flambeau
from flambeau.autograd import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

OPTIONS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (3,), "dilation": 2},
    {"dilation": 2, "groups": 2, "padding": 2},
]
TRANSPOSED = [*OPTIONS, {"stride": 2, "output_padding": 1}, {"dilation": 3, "output_padding": 2}]
TRANSPOSED.append({"stride": 2, "dilation": 4, "output_padding": (3,), "padding": 3})


def arrays(n, transposed, groups, dtype="float64"):
    rng = np.random.default_rng(n)
    sizes = (2, 4, *[7, 6, 5][:n]), (4 if transposed else 6, 4 // groups, *[3, 2, 3][:n])
    outputs = sizes[1][1] * groups if transposed else 6

    def draw(shape):
        if dtype.startswith("complex"):
            return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)
        if dtype.startswith(("int", "uint")):
            return rng.integers(0, 100, shape).astype(dtype)
        return rng.standard_normal(shape).astype(dtype)

    return [draw(sizes[0]), draw(sizes[1]), draw((outputs,))]


def run(module, name, given, options, gradients=True):
    """The result and the gradients of all operands, as arrays."""
    leaves = [module.from_numpy(a.copy()) for a in given]
    if gradients:
        leaves = [leaf.requires_grad_() for leaf in leaves]
    y = getattr(module.nn.functional, name)(*leaves, **options)
    if not gradients:
        return [y.numpy()]
    (y * y).abs().sum().backward()
    return [t.detach().resolve_conj().numpy() for t in (y, *(leaf.grad for leaf in leaves))]


def compare(name, given, options, rtol=1e-9, gradients=True):
    found, expected = (run(module, name, given, options, gradients) for module in (flambeau, torch))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * abs(theirs).max())


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_convolution(n, options, batched):
    given = arrays(n, False, options.get("groups", 1))
    given[0] = given[0] if batched else given[0][0]
    compare(f"conv{n}d", given, options)


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
def test_transposed(n, options, batched):
    given = arrays(n, True, options.get("groups", 1))
    given[0] = given[0] if batched else given[0][0]
    compare(f"conv_transpose{n}d", given, options)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # torch's
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_named_padding(n, padding):
    given = arrays(n, False, 1)
    compare(f"conv{n}d", given, {"padding": padding, "dilation": 2 if n == 1 else 1})


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_complex(n, dtype):
    rtol = 1e-4 if dtype == "complex64" else 1e-9
    for options in ({}, {"stride": 2, "groups": 2, "padding": 1}):
        for kind, transposed in (("conv", False), ("conv_transpose", True)):
            given = arrays(n, transposed, options.get("groups", 1), dtype)
            compare(f"{kind}{n}d", given, options, rtol)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_integers_wrap_around(n, dtype):
    for options in ({}, {"stride": 2, "groups": 2, "padding": 1}):
        given = arrays(n, False, options.get("groups", 1), dtype)
        compare(f"conv{n}d", given, options, 0, gradients=False)
    given = arrays(n, True, 2, dtype)
    options = {"stride": 2, "groups": 2, "padding": 1, "dilation": 2}
    (found,) = run(flambeau, f"conv_transpose{n}d", given, options, gradients=False)
    wide = [a.astype("int64") for a in given]
    (expected,) = run(torch, f"conv_transpose{n}d", wide, options, gradients=False)
    np.testing.assert_array_equal(found, expected.astype(dtype))


def test_weight_gradients_of_integers():
    x, w, _ = arrays(2, False, 2, "int64")
    g = np.arange(2 * 6 * 5 * 5).reshape(2, 6, 5, 5)
    found, expected = (
        module.nn.grad.conv2d_weight(
            *(module.from_numpy(a) if isinstance(a, np.ndarray) else a for a in (x, w.shape, g)),
            groups=2,
        )
        for module, (x, g) in ((flambeau, (x, g)), (torch, (x * 1.0, g * 1.0)))
    )
    np.testing.assert_array_equal(found.numpy(), expected.numpy().astype("int64"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sixteen_bit_floats(dtype):
    for name in ("conv1d", "conv3d", "conv_transpose1d", "conv_transpose3d"):
        given = arrays(int(name[-2]), "transpose" in name, 1, "float32")
        found, expected = (
            getattr(module.nn.functional, name)(
                *(module.from_numpy(a).to(getattr(module, dtype)) for a in given), stride=2
            )
            for module in (flambeau, torch)
        )
        assert str(found.dtype) == str(expected.dtype)
        rtol = {"float16": 2e-3, "bfloat16": 2e-2}[dtype]
        np.testing.assert_allclose(
            found.float().numpy(), expected.float().numpy(), rtol=rtol, atol=10 * rtol
        )


@pytest.mark.parametrize("n", [1, 2, 3])
def test_second_gradients(n):
    """With every option at once, so that no parameter is lost on the way."""
    sizes = [4, 3, 3][:n]
    rng = np.random.default_rng(0)
    leaves = [
        flambeau.from_numpy(rng.standard_normal(s)).requires_grad_()
        for s in ((1, 2, *sizes), (2, 1, *[2] * n), (2,))
    ]
    for kind in ("conv", "conv_transpose"):
        function = getattr(flambeau, f"{kind}{n}d")
        options = {"stride": 2, "padding": 1, "dilation": (1, 2, 1)[:n], "groups": 2}
        for check in (gradcheck, gradgradcheck):
            check(lambda *t, f=function, o=options: f(*t, **o), leaves)


def test_second_gradients_of_complex_numbers():
    rng = np.random.default_rng(0)
    leaves = [
        flambeau.from_numpy(rng.standard_normal(s) + 1j * rng.standard_normal(s)).requires_grad_()
        for s in ((1, 2, 4), (2, 1, 2), (2,))
    ]
    for function in (flambeau.conv1d, flambeau.conv_transpose1d):
        for check in (gradcheck, gradgradcheck):
            check(lambda *t, f=function: f(*t, stride=2, groups=2), leaves)


@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_transforms(n, kind):
    """vmap over every choice of operands, and forward mode, against one call for each example."""
    given = arrays(n, kind != "conv", 2)
    one = [flambeau.from_numpy(a) for a in given]
    many = [flambeau.stack([t, t * 2, t - 1]) for t in one]
    base = getattr(flambeau, f"{kind}{n}d")

    def function(*t):
        return base(*t, stride=2, groups=2)

    for batched in itertools.product([False, True], repeat=3):
        if not any(batched):
            continue
        operands = [m if b else t for b, m, t in zip(batched, many, one, strict=True)]
        dims = tuple(0 if b else None for b in batched)
        found = flambeau.func.vmap(function, dims)(*operands)
        for i in range(3):
            example = [o[i] if b else o for b, o in zip(batched, operands, strict=True)]
            assert flambeau.allclose(found[i], function(*example))
    out, tangent = flambeau.func.jvp(function, tuple(one), tuple(t + 1 for t in one))
    step = 1e-6
    ahead = function(*(t + step * (t + 1) for t in one))
    assert flambeau.allclose(tangent, (ahead - out) / step, rtol=1e-3, atol=1e-3)


def test_meta():
    for name in ("conv3d", "conv_transpose3d"):
        given = arrays(3, "transpose" in name, 2)
        x, w, _ = (flambeau.empty(a.shape, device="meta") for a in given)
        y = getattr(flambeau, name)(x, w, groups=2, stride=(1, 1, 1), padding=1)
        real = getattr(flambeau, name)(*map(flambeau.from_numpy, given), groups=2, padding=1)
        assert y.device.type == "meta"
        assert y.shape == real.shape
    x, w = flambeau.empty(2, 4, 9, device="meta"), flambeau.empty(4, 1, 3, device="meta")
    assert flambeau.conv1d(x, w, groups=4).shape == (2, 4, 7)


@pytest.mark.parametrize("pad", [0, 2])
def test_time_batch_channel(pad):
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(s) for s in ((7, 2, 3), (3, 3, 4), (4,))]
    found = []
    for module in (flambeau, torch):
        leaves = [module.from_numpy(a.copy()).requires_grad_() for a in given]
        y = module.conv_tbc(*leaves, pad)
        (y * y).sum().backward()
        found.append([t.detach().numpy() for t in (y, *(leaf.grad for leaf in leaves))])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_convolution_by_its_general_name(n, transposed):
    x, w, bias = arrays(n, transposed, 2)
    for window in (([1], [0], [1]), ([2] * n, [1] * n, [2] * n)):
        for b in (None, bias):
            found, expected = (
                module.convolution(
                    module.from_numpy(x),
                    module.from_numpy(w),
                    None if b is None else module.from_numpy(b),
                    *window,
                    transposed,
                    [0] * n,
                    2,
                )
                for module in (flambeau, torch)
            )
            np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-10, atol=1e-12)


WRONG = """
F.conv_transpose1d(o(9), o(4, 6, 3)) | F.conv_transpose1d(o(2, 5, 9), o(4, 6, 3))
F.conv_transpose1d(o(2, 4, 9), o(4, 6, 3), stride=2, output_padding=2)
F.conv_transpose2d(o(2, 4, 1, 1), o(4, 6, 1, 1), padding=1)
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3), padding=-1)
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3), output_padding=-1)
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3), stride=0)
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3), groups=3)
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3), groups=0)
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3), bias=o(5))
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3)) | F.conv_transpose2d(o(3), o(4, 6, 3, 3))
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3), stride=(1, 1, 1))
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3).double())
F.conv_transpose2d(o(2, 4, 3, 3), o(4, 6, 3, 3), padding='same')
F.conv3d(o(5, 5, 5), o(6, 4, 3, 3, 3)) | F.conv3d(o(2, 5, 5, 5, 5), o(6, 4, 3, 3, 3))
F.conv3d(o(2, 4, 2, 5, 5), o(6, 4, 3, 3, 3)) | F.conv3d(o(2, 4, 5, 5, 5), o(6, 4, 3, 3))
F.conv3d(o(2, 4, 5, 5, 5), o(6, 4, 3, 3, 3), padding='same', stride=2)
F.conv3d(o(2, 4, 5, 5, 5), o(6, 4, 3, 3, 3), padding='sam')
F.conv3d(o(2, 4, 5, 5, 5), o(6, 4, 3, 3, 3), padding=(1, 1))
F.conv1d(o(2, 4, 5), o(6, 4, 3), padding=-1) | F.conv1d(o(2, 4, 5), o(6, 4, 3), stride=0)
F.conv1d(o(2, 4, 5), o(6, 4, 3), dilation=0) | F.conv1d(o(2, 4, 5), o(6, 4, 3), groups=-1)
F.conv1d(o(2, 4, 5), o(6, 2, 3), groups=4) | F.conv2d(o(2, 4, 3, 3), o(0, 4, 3, 3))
F.conv2d(o(2, 4, 5, 5), o(6, 4, 3, 3), o(6).double()) | F.conv2d(o(2, 4, 5, 5), [1])
F.conv2d(o(2, 4, 5, 5), o(6, 4, 3, 3), stride=())
F.conv2d(o(2, 4, 5, 5), o(6, 4, 3, 3), stride='a')
F.conv2d(o(2, 4, 5, 5), o(6, 4, 3, 3), stride=1.5)
F.conv2d(o(2, 4, 5, 5), o(6, 4, 3, 3), groups=1.0)
F.conv2d(o(2, 4, 5, 5).to(t.complex64), o(6, 4, 3, 3))
F.conv2d(o(2, 4, 5, 5).bool(), o(6, 4, 3, 3).bool())
t.conv_tbc(o(5, 2, 3), o(3, 2, 4), o(4)) | t.conv_tbc(o(5, 2), o(3, 3, 4), o(4))
t.conv_tbc(o(5, 2, 3), o(3, 3, 4), o(5)) | t.conv_tbc(o(1, 2, 3), o(3, 3, 4), o(4))
t.conv_tbc(o(5, 2, 3), o(3, 3, 4), None)
t.convolution(o(4, 5), o(4, 6, 3), None, [2], [0], [1], True, [1], 1)
t.convolution(o(2, 4, 5, 5), o(6, 4, 3, 3), None, 2, [0], [1], False, [1], 1)
t.convolution(o(2, 4, 5, 5), o(6, 4, 3, 3), None, [2, 2, 2], [0], [1], False, [1], 1)
t.convolution(o(2, 4), o(6, 4), None, [1], [0], [1], False, [0], 1)
"""


@pytest.mark.parametrize(
    "text", [e.strip() for e in WRONG.replace("\n", "|").split("|") if e.strip()]
)
def test_errors(text):
    kinds = []
    for module in (torch, flambeau):
        with pytest.raises(Exception) as error:
            eval(text, {"t": module, "F": module.nn.functional, "o": module.ones})
        kinds.append(error)
    assert kinds[1].type.__module__.startswith(("flambeau", "builtins"))
    assert issubclass(kinds[1].type, kinds[0].type), (kinds[0], kinds[1])
