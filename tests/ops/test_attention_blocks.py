"""scaled_dot_product_attention against the formula: sizes beyond a block, masks, heads, memory."""

import numpy as np
import pytest

import flambeau
from flambeau import _C
from flambeau.autograd import gradcheck, gradgradcheck
from flambeau.nn.functional import scaled_dot_product_attention as attention


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def inputs(*shapes, dtype=flambeau.float64):
    return [
        flambeau.tensor(numbers(*shape, seed=k), dtype=dtype, requires_grad=True)
        for k, shape in enumerate(shapes)
    ]


def formula(q, k, v, mask=None, causal=False, scale=None):
    """The definition, by differentiable operations."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    scores = q @ k.mT * scale
    if causal:
        mask = flambeau.ones(scores.shape[-2:], dtype=flambeau.bool).tril()
    if mask is not None and mask.dtype == flambeau.bool:
        scores = scores.masked_fill(~mask, -float("inf"))
    elif mask is not None:
        scores = scores + mask
    dead = (scores == -float("inf")).all(-1, True)
    weights = scores.masked_fill(dead, 0.0).softmax(-1).masked_fill(dead, 0.0)
    return weights @ v


def compare(q, k, v, tolerance=1e-11, **options):
    """Values and gradients of the op and of the formula."""
    grads = []
    causal, mask = options.get("is_causal", False), options.get("attn_mask")
    for out in (
        attention(q, k, v, **options),
        formula(q, k, v, mask, causal, options.get("scale")),
    ):
        weights = flambeau.tensor(numbers(*out.shape, seed=9), dtype=out.dtype)
        wanted = [t for t in (q, k, v, mask) if t is not None and t.requires_grad]
        grads.append([out, *flambeau.autograd.grad((out * weights).sum(), wanted)])
    for mine, other in zip(*grads, strict=True):
        np.testing.assert_allclose(
            mine.detach().numpy(), other.detach().numpy(), rtol=tolerance, atol=tolerance
        )


SIZES = [
    (1, 1, 1, 1),
    (7, 5, 3, 4),
    (60, 256, 16, 16),
    (61, 257, 17, 15),
    (241, 300, 33, 20),
    (300, 70, 8, 40),
    (520, 530, 4, 4),
]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("length", "keys", "width", "values"), SIZES)
def test_sizes(length, keys, width, values, causal):
    q, k, v = inputs((2, 2, length, width), (2, 2, keys, width), (2, 2, keys, values))
    compare(q, k, v, is_causal=causal)
    compare(q, k, v, is_causal=causal, scale=-0.3)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_dtypes(dtype):
    q, k, v = inputs(*[(2, 3, 70, 24)] * 3, dtype=getattr(flambeau, dtype))
    out = attention(q, k, v, is_causal=True)
    assert out.dtype == q.dtype
    exact = formula(q.double(), k.double(), v.double(), causal=True)
    tolerance = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}[dtype]
    np.testing.assert_allclose(
        out.detach().double().numpy(), exact.detach().numpy(), rtol=tolerance, atol=tolerance
    )
    out.float().sum().backward()
    assert q.grad.dtype == q.dtype


@pytest.mark.parametrize("shape", [(70, 300), (2, 1, 70, 300), (2, 3, 1, 300), (3, 70, 1), (300,)])
@pytest.mark.parametrize("kind", ["bool", "float", "gradient"])
def test_masks(shape, kind):
    q, k, v = inputs((2, 3, 70, 12), (2, 3, 300, 12), (2, 3, 300, 12))
    mask = flambeau.tensor(numbers(*shape, seed=5))
    if kind == "bool":
        mask = mask > 0
    compare(q, k, v, attn_mask=mask.requires_grad_(kind == "gradient"))


def test_rows_without_a_key_give_zeros():
    q, k, v = inputs(*[(1, 1, 5, 4)] * 3)
    mask = flambeau.ones(5, 5, dtype=flambeau.bool)
    mask[2] = False
    out = attention(q, k, v, mask)
    assert not out[0, 0, 2].any()
    compare(q, k, v, attn_mask=mask)
    compare(q, k, v, attn_mask=flambeau.full((5, 5), -float("inf"), dtype=flambeau.float64))


def test_a_block_of_keys_left_out_before_the_first_that_counts():
    q, k, v = inputs((1, 1, 5, 4), (1, 1, 600, 4), (1, 1, 600, 4))
    mask = flambeau.zeros(5, 600, dtype=flambeau.bool)
    mask[:, 580:] = True
    compare(q, k, v, attn_mask=mask)


def test_large_scores_do_not_overflow():
    q, k, v = inputs((1, 1, 5, 4), (1, 1, 600, 4), (1, 1, 600, 4))
    compare(q, k, v, tolerance=1e-9, scale=1000.0)


def test_nan_stays_in_its_row():
    q, k, v = (t.detach() for t in inputs(*[(1, 1, 5, 4)] * 3))
    q[0, 0, 1, 0] = float("nan")
    out = attention(q, k, v)
    assert out[0, 0].isnan().any(-1).tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(
    "shapes",
    [
        [(3, 4), (5, 4), (5, 6)],
        [(2, 3, 4), (2, 5, 4), (2, 5, 6)],
        [(2, 3, 4), (5, 4), (1, 5, 6)],
        [(2, 2, 2, 3, 4), (2, 1, 5, 4), (2, 2, 2, 5, 6)],
        [(2, 1, 3, 4), (1, 3, 5, 4), (1, 1, 5, 6)],
        [(2, 3, 0, 4), (2, 3, 5, 4), (2, 3, 5, 6)],
        [(2, 3, 4, 4), (2, 3, 0, 4), (2, 3, 0, 6)],
        [(0, 3, 4, 4), (0, 3, 5, 4), (0, 3, 5, 6)],
        [(2, 3, 4, 0), (2, 3, 5, 0), (2, 3, 5, 6)],
    ],
)
def test_leading_axes_and_empty_ones(shapes):
    compare(*inputs(*shapes), scale=0.5)


@pytest.mark.parametrize(
    "shapes",
    [
        [(2, 6, 4, 8), (2, 2, 70, 8), (2, 2, 70, 8)],
        [(2, 6, 4, 8), (1, 3, 5, 8), (1, 3, 5, 8)],
        [(2, 6, 4, 8), (2, 3, 5, 8), (2, 2, 5, 8)],
        [(6, 4, 8), (3, 5, 8), (3, 5, 8)],
    ],
)
def test_groups_of_heads(shapes):
    q, k, v = inputs(*shapes)
    repeated = [t.repeat_interleave(q.shape[-3] // t.shape[-3], -3) for t in (k, v)]
    out, expected = attention(q, k, v, enable_gqa=True), formula(q, *repeated)
    for mine, other in zip(
        [out, *flambeau.autograd.grad(out.square().sum(), (q, k, v))],
        [expected, *flambeau.autograd.grad(expected.square().sum(), (q, k, v))],
        strict=True,
    ):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-10)


def test_heads_that_are_slices_of_one_tensor():
    packed = flambeau.tensor(numbers(2, 70, 3 * 3 * 8), requires_grad=True)
    q, k, v = (t.unflatten(2, (3, 8)).transpose(1, 2) for t in packed.chunk(3, -1))
    compare(q, k, v, is_causal=True)
    assert attention(q, k, v).transpose(1, 2).is_contiguous()


def test_second_gradients():
    q, k, v = inputs((2, 2, 3, 2), (2, 1, 4, 2), (2, 1, 4, 3))
    mask = flambeau.tensor(numbers(3, 4, seed=8), requires_grad=True)

    def attend(q, k, v, mask):
        return attention(q, k, v, mask, enable_gqa=True)

    assert gradcheck(attend, (q, k, v, mask))
    assert gradgradcheck(attend, (q, k, v, mask))


def test_dropout_keeps_the_mean_and_is_the_same_backward():
    q, k, v = inputs((1, 1, 300, 4), (1, 1, 300, 4), (1, 1, 300, 300))
    with flambeau.no_grad():
        v.copy_(flambeau.eye(300))  # the result is the matrix of weights
    flambeau.manual_seed(1)
    weights = attention(q, k, v, dropout_p=0.25)
    plain = attention(q, k, v)
    kept = weights != 0
    assert 0.74 < kept.double().mean() < 0.76
    np.testing.assert_allclose(
        weights[kept].detach().numpy(), (plain[kept] / 0.75).detach().numpy(), rtol=1e-12
    )
    (of_value,) = flambeau.autograd.grad(weights.sum(), v)
    np.testing.assert_allclose(of_value[0, 0, :, 0].numpy(), weights[0, 0].sum(0).detach().numpy())


def test_bits_do_not_depend_on_the_number_of_threads():
    q, k, v = inputs(*[(2, 3, 500, 20)] * 3, dtype=flambeau.float32)
    found = []
    threads = flambeau.get_num_threads()
    try:
        for count in (1, 2):
            flambeau.set_num_threads(count)
            out = attention(q, k, v, is_causal=True)
            found.append([out, *flambeau.autograd.grad(out.square().sum(), (q, k, v))])
    finally:
        flambeau.set_num_threads(threads)
    assert all((a == b).all() for a, b in zip(*found, strict=True))


def test_memory_is_linear_in_the_length():
    length = 4096
    q, k, v = (flambeau.randn(1, 1, length, 32, requires_grad=True) for _ in range(3))
    before = _C.allocator_stats()["allocated"]
    _C.reset_peak_stats()
    attention(q, k, v, is_causal=True).sum().backward()
    grown = _C.allocator_stats()["peak_allocated"] - before
    assert grown < length * length  # bytes: a quarter of a matrix of scores
