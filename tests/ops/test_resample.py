"""Resizing against closed forms and PyTorch."""

import itertools

import numpy as np
import pytest

import flambeau
from flambeau.nn import functional as F


def test_linear_of_a_ramp_is_a_ramp():
    x = flambeau.arange(5.0).reshape(1, 1, 5)
    out = F.interpolate(x, size=9, mode="linear", align_corners=True)
    np.testing.assert_allclose(out.numpy().ravel(), np.linspace(0, 4, 9), rtol=1e-6)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_constants_stay_constant(mode):
    x = flambeau.full((1, 2, 5, 7), 3.0)
    for size, antialias in (((11, 4), False), ((3, 9), True)):
        out = F.interpolate(x, size, mode=mode, antialias=antialias)
        np.testing.assert_allclose(out.numpy(), 3.0, rtol=1e-5)


def test_nearest_repeats():
    x = flambeau.arange(4.0).reshape(1, 1, 2, 2)
    expected = np.repeat(np.repeat(x.numpy(), 3, -1), 2, -2)
    np.testing.assert_array_equal(F.interpolate(x, scale_factor=(2, 3)).numpy(), expected)


def test_area_is_the_mean_of_boxes():
    x = flambeau.randn(2, 3, 4, 6, 8, dtype=flambeau.float64)
    out = F.interpolate(x, size=(2, 3, 4), mode="area")
    boxes = x.numpy().reshape(2, 3, 2, 2, 3, 2, 4, 2).mean((3, 5, 7))
    np.testing.assert_allclose(out.numpy(), boxes)


def test_infinities_stay_where_they_are():
    x = flambeau.zeros(1, 1, 8)
    x[0, 0, 0] = float("inf")
    out = F.interpolate(x, scale_factor=2)
    assert out[0, 0, 2:].abs().max() == 0
    g = flambeau.zeros(1, 1, 4)
    g[0, 0, 0] = float("inf")
    y = flambeau.ones(1, 1, 10, requires_grad=True)
    F.interpolate(y, size=4).backward(g)
    assert y.grad[0, 0].isinf().sum() == 1 and not y.grad.isnan().any()


def test_few_large_planes_are_split_among_threads():
    x = flambeau.randn(1, 1, 300, 400)
    out = F.interpolate(x, size=(400, 500), mode="bilinear")
    threads = flambeau.get_num_threads()
    flambeau.set_num_threads(1)
    try:
        assert F.interpolate(x, size=(400, 500), mode="bilinear").equal(out)
    finally:
        flambeau.set_num_threads(threads)


@pytest.mark.parametrize("name", ["upsample", "upsample_nearest", "upsample_bilinear"])
def test_former_names_warn(name):
    x = flambeau.randn(1, 1, 2, 2)
    with pytest.warns(UserWarning, match=f"`nn.functional.{name}` is deprecated"):
        out = getattr(F, name)(x, scale_factor=2)
    assert out.shape == (1, 1, 4, 4)


# ---- against PyTorch ----

SHAPES = {1: [(2, 3, 7), (1, 9, 4)], 2: [(2, 3, 5, 7), (1, 9, 6, 4)], 3: [(1, 2, 3, 4, 5)]}
TARGETS = {1: [11, 3, 1], 2: [(8, 3), (5, 14), (1, 1)], 3: [(5, 2, 7)]}
FACTORS = {1: [2.0, 1.3], 2: [(1.3, 0.6), (2.5, 1.0)], 3: [(1.7, 1.0, 2.0)]}
MODES = {
    1: ["nearest", "nearest-exact", "linear", "area"],
    2: ["nearest", "nearest-exact", "bilinear", "bicubic", "area"],
    3: ["nearest", "nearest-exact", "trilinear", "area"],
}


def cases():
    for axes, modes in MODES.items():
        sizes = [{"size": size} for size in TARGETS[axes]]
        factors = [
            {"scale_factor": f, "recompute_scale_factor": r}
            for f in FACTORS[axes]
            for r in (None, True)
        ]
        for mode, shape, how in itertools.product(modes, SHAPES[axes], sizes + factors):
            corners = (None, True) if "linear" in mode or mode == "bicubic" else (None,)
            for align in corners:
                yield shape, {"mode": mode, "align_corners": align, **how}
            if axes == 2 and mode in ("bilinear", "bicubic"):
                yield shape, {"mode": mode, "antialias": True, **how}
    yield (1, 2, 9, 6), {"mode": "lanczos", "antialias": True, "size": (4, 13)}


CASES = [pytest.param(*case, id=f"{case[0]} {case[1]}") for case in cases()]


def both(torch, shape, dtype, channels_last=False):
    values = np.random.default_rng(0).standard_normal(shape)
    if dtype == "uint8":
        values = np.random.default_rng(0).integers(0, 256, shape)
    pair = []
    for m in (flambeau, torch):
        x = m.tensor(values.tolist(), dtype=getattr(m, dtype))
        if channels_last:
            form = m.channels_last if len(shape) == 4 else m.channels_last_3d
            x = x.contiguous(memory_format=form)
        pair.append(x.requires_grad_() if x.is_floating_point() else x)
    return pair


def compare(torch, shape, options, dtype, channels_last=False, tolerance=1e-5):
    x, y = both(torch, shape, dtype, channels_last)
    out, expected = F.interpolate(x, **options), torch.nn.functional.interpolate(y, **options)
    assert out.stride() == expected.stride()
    as_numpy = [t.detach().double().numpy() for t in (out, expected)]
    np.testing.assert_allclose(*as_numpy, rtol=tolerance, atol=tolerance)
    if not x.is_floating_point():
        return
    weights = np.random.default_rng(1).standard_normal(expected.shape)
    out.backward(flambeau.tensor(weights).to(x.dtype))
    expected.backward(torch.tensor(weights).to(y.dtype))
    grads = [t.grad.double().numpy() for t in (x, y)]
    np.testing.assert_allclose(*grads, rtol=tolerance, atol=8 * tolerance)
    name = type(out.grad_fn).__name__
    if options["mode"] != "area":
        assert name == type(expected.grad_fn).__name__


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


@pytest.mark.parametrize(("shape", "options"), CASES)
def test_against_torch(torch, shape, options):
    compare(torch, shape, options, "float64", tolerance=1e-12)


@pytest.mark.parametrize(("shape", "options"), CASES[1::3])
def test_float32_against_torch(torch, shape, options):
    compare(torch, shape, options, "float32")


@pytest.mark.parametrize(("shape", "options"), CASES[::4])
def test_channels_last_against_torch(torch, shape, options):
    if len(shape) > 3 and options["mode"] != "area":
        compare(torch, shape, options, "float32", channels_last=True)


@pytest.mark.parametrize(("shape", "options"), CASES[::4])
def test_other_dtypes_against_torch(torch, shape, options):
    if not options.get("antialias") and options["mode"] != "area":
        compare(torch, shape, options, "bfloat16", tolerance=2e-2)
    in_bytes = options["mode"] != "area" and (len(shape) == 4 or "nearest" in options["mode"])
    # PyTorch fails an assertion of its own for one pixel of three channels.
    if in_bytes and options.get("size") != (1, 1):
        compare(torch, shape, options, "uint8", tolerance=0)


def test_nearest_ties_fall_as_in_torch(torch):
    for n, m in itertools.product(range(1, 9), range(1, 60)):
        x = flambeau.arange(float(n)).reshape(1, 1, n)
        y = torch.arange(float(n)).reshape(1, 1, n)
        for mode in ("nearest", "nearest-exact"):
            found = F.interpolate(x, m, mode=mode).tolist()
            assert found == torch.nn.functional.interpolate(y, m, mode=mode).tolist(), (n, m, mode)


WRONG = [
    ((1, 2, 4, 5), {}),
    ((1, 2, 4, 5), {"size": 3, "scale_factor": 2}),
    ((1, 2, 4, 5), {"size": (3,)}),
    ((1, 2, 4, 5), {"scale_factor": (3,)}),
    ((1, 2, 4, 5), {"scale_factor": 2, "align_corners": False}),
    ((1, 2, 4, 5), {"size": 8, "recompute_scale_factor": True}),
    ((1, 2, 4, 5), {"size": 8, "mode": "linear"}),
    ((1, 2, 4), {"size": 8, "mode": "bilinear"}),
    ((1, 2, 4), {"size": 8, "mode": "bicubic"}),
    ((1, 2, 4), {"size": 8, "mode": "linear", "antialias": True}),
    ((1, 2, 4, 5), {"size": 8, "mode": "nonsense"}),
    ((1, 2, 4, 5), {"size": 8, "mode": "lanczos"}),
    ((2, 4), {"size": 8}),
    ((1, 0, 4, 4), {"size": 8}),
    ((1, 2, 0, 4), {"size": 8}),
    ((1, 2, 3, 4), {"size": (0, 2), "mode": "bilinear"}),
    ((1, 2, 0), {"size": 2, "mode": "linear"}),
    ((1, 2, 3, 4), {"scale_factor": 0.1}),
]


@pytest.mark.parametrize(("shape", "options"), WRONG)
def test_errors_are_torchs(torch, shape, options):
    with pytest.raises(Exception) as expected:
        torch.nn.functional.interpolate(torch.zeros(shape), **options)
    with pytest.raises(expected.type) as found:
        F.interpolate(flambeau.zeros(shape), **options)
    assert str(found.value) == str(expected.value)


def test_no_kernel_for_integers():
    for dtype in (flambeau.int64, flambeau.bool, flambeau.complex64):
        with pytest.raises(NotImplementedError):
            F.interpolate(flambeau.zeros(1, 1, 2, 2, dtype=dtype), size=3)
