"""Normalisations against PyTorch: values, gradients, running statistics, layouts, errors."""

import numpy as np
import pytest
from oracle import check_parity, compare

import flambeau
import flambeau.nn.functional as F
from flambeau.testing import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
T = torch.nn.functional

rng = np.random.default_rng(2)


def some(*shape):
    return rng.standard_normal(shape)


SHAPES = [(6, 4), (300, 40), (3, 4, 5), (2, 4, 3, 70), (2, 4, 2, 3, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_in_training(shape, affine):
    x, c = some(*shape), shape[1]
    weights = (some(c), some(c)) if affine else ()
    here = [flambeau.zeros(c, dtype=flambeau.float64), flambeau.ones(c, dtype=flambeau.float64)]
    there = [torch.zeros(c, dtype=torch.float64), torch.ones(c, dtype=torch.float64)]
    check_parity(
        torch,
        lambda x, *w: F.batch_norm(x, *here, *w, training=True, momentum=0.3),
        lambda x, *w: T.batch_norm(x, *there, *w, training=True, momentum=0.3),
        (x, *weights),
        wanting=(0, 1, 2) if affine else (0,),
        rtol=1e-8,
        atol=1e-9,
    )
    compare(here, there)


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_with_running_statistics(shape):
    c = shape[1]
    mean, var = some(c), rng.uniform(0.5, 2, c)
    check_parity(
        torch,
        lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b),
        lambda x, w, b, m, v: T.batch_norm(x, m, v, w, b),
        (some(*shape), some(c), some(c), mean, var),
        wanting=(0, 1, 2),
    )


@pytest.mark.parametrize("shape", [(0, 3, 5), (0, 3), (2, 3, 0)])
@pytest.mark.parametrize("tracked", [True, False])
def test_batch_norm_learns_nothing_from_an_empty_batch(shape, tracked):
    statistics = [flambeau.zeros(3), flambeau.ones(3)] if tracked else [None, None]
    x, weight = flambeau.zeros(shape, requires_grad=True), flambeau.ones(3, requires_grad=True)
    out = F.batch_norm(x, *statistics, weight, training=True)
    out.sum().backward()
    assert out.shape == x.grad.shape == shape
    assert weight.grad.tolist() == [0, 0, 0]
    if tracked:
        assert [s.tolist() for s in statistics] == [[0, 0, 0], [1, 1, 1]]


def test_second_derivatives_with_running_statistics():
    x, w, b = (flambeau.from_numpy(some(*s)).requires_grad_() for s in ((3, 2, 2), (2,), (2,)))
    mean, var = flambeau.from_numpy(some(2)), flambeau.from_numpy(rng.uniform(0.5, 2, 2))

    def norm(x, w, b):
        return F.batch_norm(x, mean, var, w, b)

    assert gradcheck(norm, (x, w, b))
    assert gradgradcheck(norm, (x, w, b))


def test_channels_last_keeps_its_layout():
    data, g = some(2, 5, 3, 4), some(2, 5, 3, 4)
    results = []
    for order in ((0, 1, 2, 3), (0, 2, 3, 1)):
        back = np.argsort(order).tolist()
        x = flambeau.from_numpy(data.transpose(order).copy()).permute(back).requires_grad_()
        out = F.batch_norm(x, None, None, training=True)
        assert out.stride() == x.stride()
        out.backward(flambeau.from_numpy(g))
        results.append((out.detach().numpy(), x.grad.numpy()))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    "shape, groups",
    [((3, 4, 5), 2), ((2, 6, 3, 3), 3), ((3, 4), 2), ((2, 4, 70), 1), ((2, 4, 9), 4)],
)
@pytest.mark.parametrize("affine", [True, False])
def test_group_norm(shape, groups, affine):
    weights = (some(shape[1]), some(shape[1])) if affine else ()
    check_parity(
        torch,
        lambda x, *w: F.group_norm(x, groups, *w),
        lambda x, *w: T.group_norm(x, groups, *w),
        (some(*shape), *weights),
        wanting=(0, 1, 2) if affine else (0,),
        rtol=1e-8,
        atol=1e-9,
    )


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 4, 6), (2, 3, 2, 3, 2)])
@pytest.mark.parametrize("own", [True, False])
def test_instance_norm(shape, own):
    c = shape[1]
    start = some(c), rng.uniform(0.5, 2, c)
    here, there = (
        [flambeau.from_numpy(s.copy()) for s in start],
        [torch.from_numpy(s.copy()) for s in start],
    )
    check_parity(
        torch,
        lambda x, w, b: F.instance_norm(x, *here, w, b, use_input_stats=own),
        lambda x, w, b: T.instance_norm(x, *there, w, b, use_input_stats=own),
        (some(*shape), some(c), some(c)),
        wanting=(0, 1, 2),
        rtol=1e-8,
        atol=1e-9,
    )
    compare(here, there, rtol=1e-8)


@pytest.mark.parametrize(
    "shape, normal", [((5, 3), (3,)), ((70, 4, 33), (33,)), ((2, 3, 4), (3, 4)), ((40,), (40,))]
)
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(shape, normal, affine):
    weights = (some(*normal), some(*normal)) if affine else ()
    check_parity(
        torch,
        lambda x, *w: F.layer_norm(x, normal, *w),
        lambda x, *w: T.layer_norm(x, normal, *w),
        (some(*shape), *weights),
        wanting=(0, 1, 2) if affine else (0,),
        rtol=1e-8,
        atol=1e-9,
    )


@pytest.mark.parametrize("shape, normal", [((5, 3), (3,)), ((2, 3, 4), (3, 4)), ((70, 40), (40,))])
@pytest.mark.parametrize("eps", [None, 1e-3])
def test_rms_norm(shape, normal, eps):
    check_parity(
        torch,
        lambda x, w: F.rms_norm(x, normal, w, eps),
        lambda x, w: T.rms_norm(x, normal, w, eps),
        (some(*shape), some(*normal)),
        wanting=(0, 1),
        rtol=1e-8,
        atol=1e-9,
    )


def test_a_large_mean_costs_no_digits():
    x = (some(8, 3, 50) + 1000).astype(np.float32)
    out = F.batch_norm(flambeau.from_numpy(x), None, None, training=True).numpy()
    wide = x.astype(np.float64)
    mean, std = wide.mean((0, 2), keepdims=True), wide.std((0, 2), keepdims=True)
    np.testing.assert_allclose(out, (wide - mean) / std, atol=2e-3)


def test_half_precision():
    x = flambeau.from_numpy(some(2, 3, 4).astype(np.float32)).to(flambeau.bfloat16).requires_grad_()
    out = F.layer_norm(x, (4,))
    assert out.dtype == flambeau.bfloat16
    out.sum().backward()
    assert x.grad.dtype == flambeau.bfloat16


def wrong(function, *arguments, error=RuntimeError, match, **keywords):
    with pytest.raises(error, match=match):
        function(*arguments, **keywords)


def test_errors():
    x, three = flambeau.zeros(2, 4, 3), flambeau.zeros(3)
    wrong(
        F.batch_norm,
        x[:1, :, :1],
        None,
        None,
        training=True,
        error=ValueError,
        match="more than 1 value per channel",
    )
    wrong(F.batch_norm, x, None, None, training=True, eps=0, error=ValueError, match="be positive")
    wrong(F.batch_norm, x, three, three, eps=-1, error=ValueError, match="be non-negative")
    wrong(F.batch_norm, x, three, three, match="running_mean should contain 4 elements not 3")
    wrong(
        F.batch_norm, x, None, None, three, training=True, match="weight should contain 4 elements"
    )
    wrong(F.batch_norm, x, None, None, match="Expected running_mean and running_var")
    wrong(F.batch_norm, x.to(flambeau.int64), None, None, training=True, match="floating point")
    wrong(F.layer_norm, x, (4,), match="Given normalized_shape=")
    wrong(F.layer_norm, x, (), match="at least 1-dimensional")
    wrong(F.layer_norm, x, (3,), flambeau.ones(4), match="same shape as normalized_shape")
    wrong(F.group_norm, x, 3, match="divisible by num_groups")
    wrong(F.group_norm, x, 0, match="num groups to be greater than 0")
    wrong(F.instance_norm, x[:, :, :1], error=ValueError, match="more than 1 spatial element")


@pytest.mark.parametrize("weighted", ["none", "float32", "bfloat16"])
def test_the_statistics_have_the_dtype_of_the_weight(weighted):
    def dtypes(m):
        x = m.arange(24.0).reshape(2, 4, 3).to(m.bfloat16)
        four, three = (
            None if weighted == "none" else m.ones(n, dtype=getattr(m, weighted)) for n in (4, 3)
        )
        results = (
            *m.native_batch_norm(x, four, four, None, None, True, 0.1, 1e-5),
            *m.native_group_norm(x, four, four, 2, 4, 3, 2, 1e-5),
            *m.native_layer_norm(x, (3,), three, three, 1e-5),
        )
        return [str(r.dtype).split(".")[-1] for r in results]

    assert dtypes(flambeau) == dtypes(torch)


def test_batch_norm_fills_tensors():
    def filled(m):
        x, out = m.arange(12.0).reshape(2, 3, 2), tuple(m.empty(0) for _ in range(3))
        m.native_batch_norm(x, None, None, None, None, True, 0.1, 0.5, out=out)
        return [t.tolist() for t in out]

    for ours, theirs in zip(filled(flambeau), filled(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_group_norm_of_nothing_has_gradients():
    x = flambeau.zeros(0, 2, requires_grad=True)
    weight = flambeau.ones(2, requires_grad=True)
    out = F.group_norm(x, 1, weight, weight)
    (found,) = flambeau.autograd.grad(out.sum(), weight, create_graph=True)
    assert found.tolist() == [0, 0]


def test_instance_norm_of_no_channels():
    assert F.instance_norm(flambeau.ones(2, 0, 3)).shape == (2, 0, 3)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        F.instance_norm(flambeau.ones(3))


def test_rms_norm_of_complex_numbers():
    x = torch.randn(2, 3, 4, dtype=torch.complex128, requires_grad=True)
    w = torch.randn(4, dtype=torch.complex128)
    mine = flambeau.tensor(x.detach().numpy()).requires_grad_()
    theirs = torch.nn.functional.rms_norm(x, (4,), w, 1e-3)
    ours = F.rms_norm(mine, (4,), flambeau.tensor(w.numpy()), 1e-3)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy())
    ours.real.sum().backward()
    theirs.real.sum().backward()
    np.testing.assert_allclose(mine.grad.numpy(), x.grad.numpy())
    with pytest.raises(RuntimeError, match="last axes must have the sizes"):
        F.rms_norm(mine, (3,))


@pytest.mark.parametrize(
    "mean, var, options",
    [
        *(((3,), None, {}), (None, (3,), {}), ((0, 3), (3,), {}), ((4,), (4,), {})),
        *(((3,), (1, 3), {}), ((3,), None, {"use_input_stats": False})),
        (None, None, {"use_input_stats": False}),
    ],
)
def test_instance_norm_refuses_running_statistics_that_do_not_fit(mean, var, options):
    def call(m):
        given = [None if size is None else m.ones(size) for size in (mean, var)]
        m.nn.functional.instance_norm(m.ones(2, 3, 4), *given, **options)

    with pytest.raises((ValueError, RuntimeError)) as expected:
        call(torch)
    with pytest.raises(expected.type, match=r"running_(mean|var)"):
        call(flambeau)
