"""Public forms of pooling against torch: options, random regions, unpooling, errors, transforms."""

import math

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
F, T = flambeau.nn.functional, torch.nn.functional

SIZES = {1: (2, 3, 11), 2: (2, 3, 9, 11), 3: (2, 3, 5, 7, 6)}
AXES = [1, 2, 3]


def numbers(*sizes, seed=0):
    return np.random.default_rng(seed).standard_normal(sizes)


def outputs(result):
    return list(result) if isinstance(result, tuple) else [result]


def check(name, axes, *args, sizes=None, **options):
    """Values, places and gradients of one function of both libraries."""
    x = numbers(*(sizes or SIZES[axes]))
    ours, theirs = flambeau.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    found = outputs(getattr(F, name.format(axes))(ours, *args, **options))
    expected = outputs(getattr(T, name.format(axes))(theirs, *args, **options))
    for mine, other in zip(found, expected, strict=True):
        assert str(mine.dtype) == str(other.dtype)
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-12)
    weights = numbers(*expected[0].shape, seed=1)
    found[0].backward(flambeau.tensor(weights))
    expected[0].backward(torch.tensor(weights))
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("axes", AXES)
def test_windows(axes):
    check("max_pool{}d", axes, 2)
    check("max_pool{}d", axes, (3,), stride=[])
    check("max_pool{}d", axes, 3, 2, 1, 2, True, True)
    check("max_pool{}d_with_indices", axes, 2, 1, return_indices=False)
    check("avg_pool{}d", axes, 3, 2, 1, True, False)
    check("avg_pool{}d", axes, [2], stride=())
    check("adaptive_max_pool{}d", axes, 3, True)
    check("adaptive_max_pool{}d_with_indices", axes, 2)
    check("adaptive_avg_pool{}d", axes, (4,) * axes)
    if axes > 1:
        check("adaptive_avg_pool{}d", axes, [None] * (axes - 1) + [2])
        check("avg_pool{}d", axes, 2, divisor_override=-3)
    plane = SIZES[axes][2:]
    for options in ({}, {"stride": 1}, {"ceil_mode": True}, {"count_include_pad": False}):
        check("avg_pool{}d", axes, plane, **options)
    for options in ({}, {"stride": 1}, {"return_indices": True}):
        check("max_pool{}d", axes, plane, **options)
    check("adaptive_max_pool{}d", axes, 1, True)
    for name in ("max_pool{}d", "avg_pool{}d", "adaptive_avg_pool{}d", "adaptive_max_pool{}d"):
        check(name, axes, 2, sizes=SIZES[axes][1:])
        check(name, axes, 2, sizes=(0, *SIZES[axes][1:]))


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("length", [7, 40, 133])
def test_windows_of_signals(length, stride):
    """Windows apart, side by side and overlapping, with padding and spacing, in short lines."""
    for kernel, padding, dilation in ((2, 0, 1), (4, 2, 1), (3, 1, 2), (5, 2, 1)):
        options = {"padding": padding, "dilation": dilation, "return_indices": True}
        check("max_pool{}d", 1, kernel, stride, sizes=(2, 3, length), **options)
        check("avg_pool{}d", 1, kernel, stride, padding, sizes=(2, 3, length))


def test_the_greatest_of_special_values():
    """The first of equal ones, the last NaN, and a place also where everything is -inf."""
    inf, nan = math.inf, math.nan
    rows = [[-inf] * 37, [1.0] * 37, [nan, 2.0, nan, 5.0] + [0.0] * 33, [0.0] * 36 + [inf]]
    for dtype in ("float32", "float64", "float16"):
        x = np.array(rows).reshape(4, 1, 37)
        ours = flambeau.tensor(x).to(getattr(flambeau, dtype))
        theirs = torch.tensor(x).to(getattr(torch, dtype))
        for kernel, stride, padding in ((37, 37, 0), (37, 1, 0), (4, 4, 0), (4, 4, 2), (3, 2, 1)):
            found = F.max_pool1d(ours, kernel, stride, padding, return_indices=True)
            expected = T.max_pool1d(theirs, kernel, stride, padding, return_indices=True)
            for mine, other in zip(found, expected, strict=True):
                np.testing.assert_array_equal(mine.numpy(), other.numpy())


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("power", [1, 2, 4.0, math.inf, -math.inf])
def test_lp_pool(axes, power):
    check("lp_pool{}d", axes, power, 2)
    check("lp_pool{}d", axes, power, 3, 2, True)


def test_lp_pool_of_zeros_and_integers():
    for module in (flambeau, torch):
        x = module.zeros(1, 1, 4, requires_grad=True)
        module.nn.functional.lp_pool1d(x, 2, 2).sum().backward()
        assert x.grad.tolist() == [[[0, 0, 0, 0]]]
    x = torch.arange(16).reshape(1, 4, 4)
    found = F.lp_pool2d(flambeau.arange(16).reshape(1, 4, 4), 2, 2)
    np.testing.assert_allclose(found.numpy(), T.lp_pool2d(x, 2, 2).numpy(), rtol=1e-6)
    with pytest.raises(ZeroDivisionError):
        F.lp_pool1d(flambeau.ones(1, 1, 4), 0, 2)


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("batched", [True, False])
def test_fractional_regions_are_those_of_torch(axes, batched):
    sizes = SIZES[axes] if batched else SIZES[axes][1:]
    for options in ({"output_size": 3}, {"output_ratio": (0.5,) * axes}):
        flambeau.manual_seed(5)
        torch.manual_seed(5)
        check("fractional_max_pool{}d", axes, 2, sizes=sizes, return_indices=True, **options)
        check("fractional_max_pool{}d_with_indices", axes, (2,) * axes, sizes=sizes, **options)
        assert flambeau.rand(()).item() == torch.rand(()).item()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_fractional_regions_in_other_dtypes(dtype):
    places = []
    for module in (flambeau, torch):
        module.manual_seed(1)
        x = -module.arange(400.0).reshape(1, 1, 20, 20).to(getattr(module, dtype))
        found = module.nn.functional.fractional_max_pool2d_with_indices(x, 3, (9, 11))
        places.append(found[1].tolist())
    assert places[0] == places[1]


@pytest.mark.parametrize("axes", [2, 3])
def test_fractional_random_samples(axes):
    x = numbers(*SIZES[axes])
    samples = np.random.default_rng(2).random((2, 3, axes))
    layers = [
        getattr(module.nn, f"FractionalMaxPool{axes}d")(
            2, 3, return_indices=True, _random_samples=module.tensor(samples)
        )
        for module in (flambeau, torch)
    ]
    assert list(layers[0].state_dict()) == list(layers[1].state_dict()) == ["_random_samples"]
    for mine, other in zip(layers[0](flambeau.tensor(x)), layers[1](torch.tensor(x)), strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())
    x = flambeau.tensor(x, requires_grad=True)
    samples = flambeau.tensor(samples)
    pool = getattr(F, f"fractional_max_pool{axes}d")
    call = lambda t: pool(t, 2, 3, _random_samples=samples)  # noqa: E731
    assert flambeau.autograd.gradcheck(call, x)
    assert flambeau.autograd.gradgradcheck(call, x)


@pytest.mark.parametrize("axes", AXES)
def test_unpool(axes):
    for kernel, stride, padding, size in (
        (2, None, 0, None),
        (3, 2, 1, SIZES[axes]),
        (2, 3, 0, None),
    ):
        x = numbers(*SIZES[axes])
        found = []
        for module in (flambeau, torch):
            functional = module.nn.functional
            t = module.tensor(x, requires_grad=True)
            pool = getattr(functional, f"max_pool{axes}d")
            values, indices = pool(t, kernel, stride, padding, return_indices=True)
            if size is None:  # the smallest input that has these places
                size = SIZES[axes]
            unpool = getattr(module.nn, f"MaxUnpool{axes}d")(kernel, stride, padding)
            back = unpool(values, indices, size[2:])
            back.square().sum().backward()
            found.append((back.detach().numpy(), t.grad.numpy()))
        for mine, other in zip(*found, strict=True):
            np.testing.assert_allclose(mine, other)


def unpooled(axes, **options):
    values, indices = F.max_pool2d(flambeau.arange(36.0).reshape(1, 6, 6), 2, return_indices=True)
    return F.max_unpool2d(values, indices, 2, **options)


def test_unpool_sizes():
    assert unpooled(2).shape == (1, 6, 6)
    assert unpooled(2, output_size=(7, 6)).shape == (1, 7, 6)
    assert unpooled(2, output_size=(5, 5, 7, 7)).shape == (1, 7, 7)
    with pytest.raises(ValueError, match="should be a sequence containing 2 or 4 elements"):
        unpooled(2, output_size=(7, 7, 7))
    with pytest.raises(ValueError, match=r"\(dim 1 must be between 4 and 8\)"):
        unpooled(2, output_size=(7, 8))
    with pytest.raises(RuntimeError, match="Found an invalid max index: 31"):
        unpooled(2, output_size=(5, 5))
    with pytest.raises(TypeError, match="sequence"):
        unpooled(2, output_size=7)


def test_unpool_errors():
    values, indices = flambeau.ones(1, 2, 3), flambeau.zeros(1, 2, 3, dtype=flambeau.int64)
    with pytest.raises(RuntimeError, match="indices should be type int64"):
        F.max_unpool1d(values, indices.int(), 2)
    with pytest.raises(RuntimeError, match="shape of indices"):
        F.max_unpool1d(values, indices[..., :1], 2)
    with pytest.raises(RuntimeError, match="2D or 3D"):
        F.max_unpool1d(values[0, 0], indices[0, 0], 2)
    assert F.max_unpool1d(values, indices, 2).tolist() == [[[1, 0, 0, 0, 0, 0]] * 2]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: F.max_pool2d(x, 0), "kernel_size must be at least 1"),
        (lambda x: F.avg_pool2d(x, 2, 0), "stride must be at least 1"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "divisor must be not zero"),
        (lambda x: F.max_pool2d(x, (2, 2, 2)), "kernel_size"),
        (lambda x: F.max_pool3d(x[0], 2), "4D or 5D"),
        (lambda x: F.max_pool1d(x, 2), "2D or 3D"),
        (lambda x: F.adaptive_avg_pool2d(x, (2, 2, 2)), "output_size must be 2"),
        (lambda x: F.fractional_max_pool2d(x, 5, 2), "too large relative to input"),
        (lambda x: F.fractional_max_pool2d(x, 2, 2, _random_samples=x), "_random_samples"),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call(flambeau.ones(1, 2, 4, 4))


def test_errors_of_options():
    with pytest.raises(ValueError, match="either an output_size or an output_ratio"):
        F.fractional_max_pool2d(flambeau.ones(1, 2, 4, 4), 2)
    for options in ({}, {"output_size": 2, "output_ratio": 0.5}, {"output_ratio": 1.5}):
        messages = []
        for module in (flambeau, torch):
            with pytest.raises(ValueError) as error:
                module.nn.FractionalMaxPool3d(2, **options)
            messages.append(str(error.value))
        assert messages[0] == messages[1]


def test_top_level():
    x = flambeau.ones(1, 1, 4, 4, 4)
    assert flambeau.max_pool3d(x, 2).shape == (1, 1, 2, 2, 2)
    values, indices = flambeau.max_pool1d_with_indices(x[0, 0, 0], 2)
    assert values.shape == indices.shape == (4, 2)


@pytest.mark.parametrize("axes", [2, 3])
def test_memory_formats_are_those_of_torch(axes):
    def strides(module):
        last = module.channels_last if axes == 2 else module.channels_last_3d
        x = module.ones(2, 3, *[6] * axes).to(memory_format=last)
        functional = module.nn.functional
        get = lambda name: getattr(functional, name.format(axes))  # noqa: E731
        values, indices = get("max_pool{}d")(x, 2, return_indices=True)
        module.manual_seed(0)
        return [
            t.stride()
            for t in (
                values,
                indices,
                get("avg_pool{}d")(x, 2),
                get("adaptive_avg_pool{}d")(x, 3),
                get("adaptive_avg_pool{}d")(x, 4),
                *get("adaptive_max_pool{}d")(x, 3, True),
                get("max_unpool{}d")(values, indices, 2),
                *get("fractional_max_pool{}d")(x, 2, 3, return_indices=True),
            )
        ]

    assert strides(flambeau) == strides(torch)


@pytest.mark.parametrize("axes", AXES)
def test_transforms(axes):
    """vmap is a loop; forward mode agrees with reverse mode."""
    x = flambeau.tensor(numbers(4, *SIZES[axes]))
    get = lambda name: getattr(F, name.format(axes))  # noqa: E731
    samples = flambeau.rand(2, 3, axes, dtype=flambeau.float64)

    def unpool(t):
        values, indices = get("max_pool{}d")(t, 2, return_indices=True)
        return get("max_unpool{}d")(values, indices, 2, output_size=SIZES[axes][2:])

    calls = [
        lambda t: get("max_pool{}d")(t, 2),
        lambda t: get("adaptive_max_pool{}d")(t, 2),
        lambda t: get("avg_pool{}d")(t, 2, 1),
        lambda t: get("adaptive_avg_pool{}d")(t, 2),
        lambda t: get("lp_pool{}d")(t, 2, 2),
        unpool,
    ]
    if axes > 1:
        calls.append(lambda t: get("fractional_max_pool{}d")(t, 2, 2, _random_samples=samples))
    for call in calls:
        for batch in (x, x[:, 0]):
            expected = flambeau.stack([call(one) for one in batch])
            found = flambeau.func.vmap(call)(batch)
            np.testing.assert_allclose(found.numpy(), expected.numpy())
        direction = flambeau.tensor(numbers(*SIZES[axes], seed=3))
        out, tangent = flambeau.func.jvp(call, (x[0],), (direction,))
        weights = flambeau.tensor(numbers(*out.shape, seed=4))
        gradient = flambeau.func.vjp(call, x[0])[1](weights)[0]
        assert (tangent * weights).sum().item() == pytest.approx(
            (gradient * direction).sum().item()
        )


def test_meta():
    x = flambeau.ones(2, 3, 8, 9, device="meta")
    assert F.fractional_max_pool2d(x, 2, 3).shape == (2, 3, 3, 3)
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    assert values.device == indices.device == flambeau.device("meta")
    assert F.max_unpool2d(values, indices, 2).shape == (2, 3, 8, 8)


def test_means_fill_a_tensor():
    for get, shape in ((F.avg_pool2d, (1, 2, 4, 4)), (F.avg_pool3d, (1, 2, 4, 4, 4))):
        x, out = flambeau.rand(shape), flambeau.empty(0)
        assert get(x, 2, out=out) is out
        assert flambeau.equal(out, get(x, 2))


def test_a_list_of_sizes_needs_as_many_axes():
    for pool in (F.adaptive_avg_pool2d, F.adaptive_max_pool3d):
        with pytest.raises(ValueError, match="Input dimension should be at least 3"):
            pool(flambeau.ones(2, 2), (2, 2))
