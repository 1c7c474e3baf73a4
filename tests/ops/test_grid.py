"""Sampling at grids, and grids of affine maps."""

import itertools
import math

import numpy as np
import pytest

import flambeau
from flambeau.nn import functional as F

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


def grids(*shape, reach=1.0, seed=0):
    return np.random.default_rng(seed).uniform(-reach, reach, shape)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("align_corners", [False, True])
def test_the_grid_of_the_identity_gives_the_image(mode, align_corners):
    x = flambeau.randn(2, 3, 5, 7, dtype=flambeau.float64)
    theta = flambeau.tensor([[[1.0, 0, 0], [0, 1, 0]]] * 2, dtype=flambeau.float64)
    grid = F.affine_grid(theta, x.shape, align_corners=align_corners)
    out = F.grid_sample(x, grid, mode, align_corners=align_corners)
    np.testing.assert_allclose(out.numpy(), x.numpy(), atol=1e-12)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_under_the_identity_the_slopes_are_those_of_torch(dtype, align_corners):
    """Where a spatial transformer starts: on the pixels, where the last bit chooses the slope."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    pixels = np.random.default_rng(0).random((1, 1, 28, 7)).astype(dtype)
    slopes = []
    for module in (flambeau, torch):
        theta = module.eye(2, 3, dtype=getattr(module, dtype)).unsqueeze(0).requires_grad_()
        grid = module.nn.functional.affine_grid(theta, pixels.shape, align_corners=align_corners)
        out = module.nn.functional.grid_sample(
            module.from_numpy(pixels), grid, align_corners=align_corners
        )
        out.square().sum().backward()
        slopes.append(theta.grad.numpy())
    np.testing.assert_allclose(*slopes, rtol=1e-4, atol=1e-3)


def test_outside_is_zero_the_edge_or_the_mirror_image():
    x = flambeau.tensor([[[[1.0, 2.0, 3.0, 4.0]]]])
    grid = flambeau.tensor([[[[1.0 + 0.75, 0.0]]]])  # one and a half elements beyond the edge
    found = [F.grid_sample(x, grid, "nearest", p, align_corners=False).item() for p in PADDINGS]
    assert found == [0.0, 4.0, 3.0]


def test_no_position_crashes():
    x = flambeau.randn(1, 2, 3, 4, requires_grad=True)
    wild = [math.nan, math.inf, -math.inf, 1e30, -1e30, 3e9, 2.0**31, -(2.0**31), 1e7]
    grid = flambeau.tensor([[list(pair) for pair in itertools.product(wild, wild)]])
    for mode, padding, corners in itertools.product(MODES, PADDINGS, (False, True)):
        places = grid.unsqueeze(0).clone().requires_grad_()
        F.grid_sample(x, places, mode, padding, corners).sum().backward()
        out = F.grid_sample(x, places, "nearest", padding, corners)
        assert out.isfinite().all()


def test_bits_do_not_depend_on_threads():
    x, grid = flambeau.randn(1, 5, 40, 40), flambeau.tensor(grids(1, 50, 60, 2)).float()
    threads, found = flambeau.get_num_threads(), []
    for n in (1, 2):
        flambeau.set_num_threads(n)
        a, b = x.clone().requires_grad_(), grid.clone().requires_grad_()
        F.grid_sample(a, b, align_corners=False).square().sum().backward()
        found.append((a.grad, b.grad))
    flambeau.set_num_threads(threads)
    assert all(a.equal(b) for a, b in zip(*found, strict=True))


def test_align_corners_should_be_given():
    x, theta = flambeau.ones(1, 1, 2, 2), flambeau.ones(1, 2, 3)
    with pytest.warns(UserWarning, match="Default grid_sample and affine_grid behavior"):
        grid = F.affine_grid(theta, (1, 1, 2, 2))
    with pytest.warns(UserWarning, match="Default grid_sample and affine_grid behavior"):
        F.grid_sample(x, grid)
    with pytest.warns(UserWarning, match="unit-size grids"):
        F.affine_grid(theta, (1, 1, 1, 1), align_corners=True)


# ---- against PyTorch ----


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


SIZES = [((2, 3, 5, 7), (4, 6)), ((1, 9, 1, 3), (13, 11)), ((2, 2, 3, 4, 2), (2, 3, 5))]
CASES = list(itertools.product(SIZES, MODES, PADDINGS, (False, True)))


@pytest.mark.parametrize(("sizes", "mode", "padding", "corners"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_against_torch(torch, sizes, mode, padding, corners, dtype):
    shape, out = sizes
    if len(shape) == 5 and mode == "bicubic":
        return
    values = np.random.default_rng(1).standard_normal(shape)
    places = grids(shape[0], *out, len(out), reach=2.5)
    found = []
    for m in (flambeau, torch):
        x = m.tensor(values, dtype=getattr(m, dtype)).requires_grad_()
        grid = m.tensor(places, dtype=getattr(m, dtype)).requires_grad_()
        y = m.nn.functional.grid_sample(x, grid, mode, padding, corners)
        (y * y).sum().backward()
        found.append([t.detach().numpy() for t in (y, x.grad, grid.grad)])
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1, 3, 4), (1, 2, 4, 1), (1, 1, 1, 1)])
def test_no_position_is_too_far(torch, shape, dtype):
    """Reflections of such float32 coordinates have no digits left, hence the other paddings."""
    wild = [math.nan, math.inf, -math.inf, 1e30, -1e30, 3e9, -(2.0**31), 2.0**22, -(2.0**23), 1, -1]
    places = np.array([[list(itertools.product(wild, wild))]], dtype)
    values = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    for mode, padding, corners in itertools.product(MODES, PADDINGS[:2], (False, True)):
        ours, theirs = (
            m.nn.functional.grid_sample(m.tensor(values), m.tensor(places), mode, padding, corners)
            for m in (flambeau, torch)
        )
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("mode", "padding"), list(itertools.product(MODES[::2], PADDINGS)))
def test_second_gradients_against_torch(torch, mode, padding):
    values, places = np.random.default_rng(1).standard_normal((1, 2, 4, 5)), grids(1, 3, 3, 2)
    found = []
    for m in (flambeau, torch):
        x = m.tensor(values).requires_grad_()
        grid = m.tensor(places).requires_grad_()
        y = m.nn.functional.grid_sample(x, grid, mode, padding, False)
        by_x, by_grid = m.autograd.grad(y.square().sum(), (x, grid), create_graph=True)
        (by_x.square().sum() + by_grid.square().sum()).backward()
        found.append([x.grad.numpy(), grid.grad.numpy()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_is_computed_in_float32(dtype):
    x = flambeau.randn(1, 2, 4, 4).to(getattr(flambeau, dtype))
    grid = flambeau.tensor(grids(1, 3, 3, 2)).to(x.dtype)
    out = F.grid_sample(x, grid, align_corners=True)
    expected = F.grid_sample(x.float(), grid.float(), align_corners=True).to(x.dtype)
    assert out.equal(expected)


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (2, 1, 2, 3, 4), (1, 1, 7, 2)])
def test_affine_grid_against_torch(torch, size, corners):
    axes = len(size) - 2
    values = np.random.default_rng(0).standard_normal((size[0], axes, axes + 1))
    found = []
    for m in (flambeau, torch):
        theta = m.tensor(values).requires_grad_()
        grid = m.nn.functional.affine_grid(theta, size, align_corners=corners)
        grid.square().sum().backward()
        found.append([grid.detach().numpy(), theta.grad.numpy()])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


IMAGE, GRID = (1, 2, 4, 5), (1, 3, 3, 2)
WRONG = [
    (IMAGE, GRID, {"mode": "nonsense"}),
    (IMAGE, GRID, {"padding_mode": "nonsense"}),
    ((1, 2, 3, 4, 5), (1, 3, 3, 2, 3), {"mode": "bicubic"}),
    ((1, 2, 3, 4, 5), GRID, {}),
    (IMAGE, (1, 3, 3, 2, 3), {}),
    ((2, 4, 5), GRID, {}),
    (IMAGE, (1, 3, 3, 1), {}),
    (IMAGE, (2, 3, 3, 2), {}),
    ((1, 2, 0, 5), GRID, {}),
]


@pytest.mark.parametrize(("shape", "grid", "options"), WRONG)
def test_errors_are_torchs(torch, shape, grid, options):
    with pytest.raises(Exception) as expected:
        torch.nn.functional.grid_sample(
            torch.zeros(shape), torch.zeros(grid), **options, align_corners=False
        )
    with pytest.raises(expected.type) as found:
        F.grid_sample(flambeau.zeros(shape), flambeau.zeros(grid), **options, align_corners=False)
    assert str(found.value) == str(expected.value)


AFFINE = [
    ((2, 2, 3), (2, 3, 4)),
    ((2, 2, 3), (2, 3, 4, 5, 6)),
    ((2, 3, 4), (2, 3, 4, 5)),
    ((2, 3), (2, 3, 4, 5)),
    ((2, 2, 3), (2, 3, 0, 5)),
    ((2, 2, 3), (2, 3, -1, 5)),
]


@pytest.mark.parametrize(("theta", "size"), AFFINE)
def test_errors_of_affine_grid_are_torchs(torch, theta, size):
    with pytest.raises(Exception) as expected:
        torch.nn.functional.affine_grid(torch.zeros(theta), size, align_corners=False)
    with pytest.raises(expected.type) as found:
        F.affine_grid(flambeau.zeros(theta), size, align_corners=False)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (2, 1), (3, 5)])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_neighbours_that_are_not_read_do_not_show(sizes, padding):
    """Infinities and NaN beside the inputs of a position, and in the planes before and after."""
    image = np.full((1, 3, *sizes), np.nan, "float32")
    image[0, 1] = np.arange(sizes[0] * sizes[1]).reshape(sizes)
    image[0, 1, -1, 0] = np.inf
    grid = np.random.default_rng(0).uniform(-2, 2, (1, 9, 11, 2)).astype("float32")

    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

    def sampled(m):
        images, places = m.tensor(image), m.tensor(grid)
        sample = m.nn.functional.grid_sample
        return sample(images, places, padding_mode=padding, align_corners=False)[0, 1].numpy()

    np.testing.assert_allclose(sampled(flambeau), sampled(torch), rtol=1e-5, atol=1e-5)
