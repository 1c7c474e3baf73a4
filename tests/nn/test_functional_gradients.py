"""Every public function of `nn.functional`: its first and second derivatives, by differences.

A row is a function of float64 tensors and their shapes. A public function without a row fails.
"""

import pytest

import flambeau
import flambeau.nn.functional as F
from flambeau.autograd import gradcheck, gradgradcheck

integers = flambeau.tensor


def signs(*shape):
    return flambeau.ones(shape).cumsum(-1) % 2 * 2 - 1


def linear_cross_entropy(x, weight):
    return F.linear_cross_entropy(x, weight, integers([1, 0, 3]), label_smoothing=0.1)


def attention(query, key, value, in_weight, in_bias, out_weight):
    """One layer of two heads, with an extra key of zeros; outputs and weights."""
    return F.multi_head_attention_forward(
        query, key, value, 4, 2, in_weight, in_bias, None, None, True, 0.0, out_weight, None
    )


def unpooled(pool, unpool, size):
    def both(x):
        return unpool(*pool(x, size, return_indices=True), size)

    return both


def ctc(scores):
    return F.ctc_loss(scores.log_softmax(-1), integers([[1, 2], [2, 2]]), (5, 4), (2, 1))


def bag(weight, per_sample):
    return F.embedding_bag(
        integers([[1, 2], [4, 1]]), weight, mode="sum", per_sample_weights=per_sample
    )


def far(x, y):
    return (x - y).abs().sum(-1)


VECTORS, IMAGES = (2, 3, 7), (2, 2, 5, 6)
VOLUMES = (1, 2, 4, 5, 4)
PAIR = ((3, 4), (3, 4))

ROWS = {
    "adaptive_avg_pool1d": [(lambda x: F.adaptive_avg_pool1d(x, 3), VECTORS)],
    "adaptive_avg_pool2d": [(lambda x: F.adaptive_avg_pool2d(x, (3, None)), IMAGES)],
    "adaptive_avg_pool3d": [(lambda x: F.adaptive_avg_pool3d(x, 3), VOLUMES)],
    "adaptive_max_pool1d": [(lambda x: F.adaptive_max_pool1d(x, 3), VECTORS)],
    "adaptive_max_pool1d_with_indices": [
        (lambda x: F.adaptive_max_pool1d_with_indices(x, 2)[0], VECTORS)
    ],
    "adaptive_max_pool2d": [(lambda x: F.adaptive_max_pool2d(x, 3), IMAGES)],
    "adaptive_max_pool2d_with_indices": [
        (lambda x: F.adaptive_max_pool2d_with_indices(x, 2)[0], IMAGES)
    ],
    "adaptive_max_pool3d": [(lambda x: F.adaptive_max_pool3d(x, (2, 3, 1)), VOLUMES)],
    "adaptive_max_pool3d_with_indices": [
        (lambda x: F.adaptive_max_pool3d_with_indices(x, 2)[0], VOLUMES)
    ],
    "affine_grid": [
        (lambda t: F.affine_grid(t, (2, 1, 3, 4), align_corners=False), (2, 2, 3)),
        (lambda t: F.affine_grid(t, (1, 1, 2, 3, 2), align_corners=True), (1, 3, 4)),
    ],
    "alpha_dropout": [(lambda x: F.alpha_dropout(x, 0.3, training=True), (4, 5))],
    "avg_pool1d": [(lambda x: F.avg_pool1d(x, 3, 2, 1, count_include_pad=False), VECTORS)],
    "avg_pool2d": [(lambda x: F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=3), IMAGES)],
    "avg_pool3d": [(lambda x: F.avg_pool3d(x, 2, padding=1), VOLUMES)],
    "batch_norm": [
        (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), (4, 3, 2), (3,), (3,)),
        (lambda x: F.batch_norm(x, flambeau.zeros(3).double(), signs(3).double() + 2), (4, 3)),
    ],
    "bilinear": [(F.bilinear, (3, 2), (3, 4), (5, 2, 4), (5,))],
    "binary_cross_entropy": [
        (lambda x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid()), *PAIR),
        (lambda x, y, w: F.binary_cross_entropy(x.sigmoid(), y.sigmoid(), w), *PAIR, (4,)),
    ],
    "binary_cross_entropy_with_logits": [
        (lambda x, y, p: F.binary_cross_entropy_with_logits(x, y, pos_weight=p), *PAIR, (4,))
    ],
    "celu": [(lambda x: F.celu(x, 1.3), (3, 4))],
    "channel_shuffle": [(lambda x: F.channel_shuffle(x, 2), (2, 4, 3))],
    "conv1d": [(lambda x, w, b: F.conv1d(x, w, b, 2, 1, 2), (2, 3, 7), (4, 3, 2), (4,))],
    "conv2d": [
        (lambda x, w, b: F.conv2d(x, w, b, padding="same"), (1, 2, 4, 5), (3, 2, 3, 2), (3,)),
        (lambda x, w: F.conv2d(x, w, stride=2, groups=2), (2, 4, 4, 5), (4, 2, 2, 2)),
    ],
    "conv3d": [(lambda x, w: F.conv3d(x, w, padding=1), (1, 2, 2, 3, 2), (2, 2, 2, 2, 1))],
    "conv_tbc": [(F.conv_tbc, (5, 2, 3), (2, 3, 4), (4,))],
    "conv_transpose1d": [
        (lambda x, w: F.conv_transpose1d(x, w, stride=2, output_padding=1), (2, 3, 4), (3, 2, 3))
    ],
    "conv_transpose2d": [
        (
            lambda x, w, b: F.conv_transpose2d(x, w, b, padding=1, groups=2),
            *((1, 4, 3, 3), (4, 1, 2, 3), (2,)),
        )
    ],
    "conv_transpose3d": [
        (lambda x, w: F.conv_transpose3d(x, w, dilation=2), (1, 2, 2, 2, 2), (2, 1, 2, 1, 2))
    ],
    "cosine_embedding_loss": [
        (lambda x, y: F.cosine_embedding_loss(x, y, signs(3), margin=0.1), *PAIR)
    ],
    "cosine_similarity": [(lambda x, y: F.cosine_similarity(x, y, dim=0), (3, 4), (3, 1))],
    "cross_entropy": [
        (
            lambda x: F.cross_entropy(
                x, integers([1, 3, 0]), signs(4).double() + 2, ignore_index=3, label_smoothing=0.1
            ),
            (3, 4),
        ),
        (lambda x, y: F.cross_entropy(x, y.softmax(1)), (2, 3, 4), (2, 3, 4)),
    ],
    "ctc_loss": [(ctc, (5, 2, 4))],
    "dropout": [(lambda x: F.dropout(x, 0.3), (4, 5))],
    "dropout1d": [(lambda x: F.dropout1d(x, 0.3), (2, 4, 3))],
    "dropout2d": [(lambda x: F.dropout2d(x, 0.3), (2, 4, 3, 2))],
    "dropout3d": [(lambda x: F.dropout3d(x, 0.3), (2, 4, 3, 2, 1))],
    "elu": [(lambda x: F.elu(x, 0.7), (3, 4))],
    "embedding": [
        (lambda w: F.embedding(integers([[1, 2], [4, 1]]), w, scale_grad_by_freq=False), (5, 3)),
    ],
    "embedding_bag": [
        (bag, (5, 3), (2, 2)),
        (lambda w: F.embedding_bag(integers([1, 2, 4]), w, integers([0, 1]), mode="max"), (5, 3)),
    ],
    "feature_alpha_dropout": [(lambda x: F.feature_alpha_dropout(x, 0.3, True), (2, 4, 3))],
    "fold": [(lambda x: F.fold(x, (4, 5), (2, 3), padding=1, stride=2), (1, 12, 9))],
    "fractional_max_pool2d": [(lambda x: F.fractional_max_pool2d(x, 2, 3), IMAGES)],
    "fractional_max_pool2d_with_indices": [
        (lambda x: F.fractional_max_pool2d_with_indices(x, 2, 3)[0], IMAGES)
    ],
    "fractional_max_pool3d": [(lambda x: F.fractional_max_pool3d(x, 2, 2), VOLUMES)],
    "fractional_max_pool3d_with_indices": [
        (lambda x: F.fractional_max_pool3d_with_indices(x, 2, 2)[0], VOLUMES)
    ],
    "gaussian_nll_loss": [
        (lambda x, y, v: F.gaussian_nll_loss(x, y, v.exp(), full=True), *PAIR, (3, 4)),
    ],
    "gelu": [(F.gelu, (3, 4)), (lambda x: F.gelu(x, approximate="tanh"), (3, 4))],
    "glu": [(lambda x: F.glu(x, 0), (4, 3))],
    "grid_sample": [
        (
            lambda x, g, mode=mode, padding=padding: F.grid_sample(
                x, g, mode, padding, align_corners=False
            ),
            *((1, 2, 4, 5), (1, 3, 2, 2)),
        )
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
    ]
    + [(lambda x, g: F.grid_sample(x, g, align_corners=True), (1, 2, 3, 2, 3), (1, 2, 1, 2, 3))],
    "group_norm": [(lambda x, w, b: F.group_norm(x, 2, w, b), (2, 4, 3), (4,), (4,))],
    "gumbel_softmax": [(F.gumbel_softmax, (3, 4)), (lambda x: F.gumbel_softmax(x, 2.0), (2, 5))],
    "hardshrink": [(F.hardshrink, (3, 4))],
    "hardsigmoid": [(lambda x: F.hardsigmoid(3 * x), (3, 4))],
    "hardswish": [(lambda x: F.hardswish(3 * x), (3, 4))],
    "hardtanh": [(lambda x: F.hardtanh(x, -0.4, 0.9), (3, 4))],
    "hinge_embedding_loss": [(lambda x: F.hinge_embedding_loss(x, signs(3, 4)), (3, 4))],
    "huber_loss": [(lambda x, y: F.huber_loss(x, y, delta=0.6), *PAIR)],
    "instance_norm": [
        (lambda x, w, b: F.instance_norm(x, weight=w, bias=b), (2, 3, 4), (3,), (3,))
    ],
    "interpolate": [
        (lambda x: F.interpolate(x, 5), (1, 2, 3)),
        (lambda x: F.interpolate(x, scale_factor=1.7, mode="linear"), (1, 2, 4)),
        *(
            (
                lambda x, mode=mode, antialias=antialias: F.interpolate(
                    x, (3, 7), mode=mode, align_corners=False, antialias=antialias
                ),
                IMAGES,
            )
            for mode in ("bilinear", "bicubic")
            for antialias in (False, True)
        ),
        (lambda x: F.interpolate(x, (3, 7), mode="area"), IMAGES),
        (lambda x: F.interpolate(x, (3, 7), mode="nearest-exact"), IMAGES),
        (lambda x: F.interpolate(x, 3, mode="trilinear", align_corners=True), VOLUMES),
    ],
    "kl_div": [
        (lambda x, y: F.kl_div(x, y.exp(), reduction="batchmean"), *PAIR),
        (lambda x, y: F.kl_div(x, y, log_target=True, reduction="sum"), *PAIR),
    ],
    "l1_loss": [(F.l1_loss, *PAIR), (lambda x, y: F.l1_loss(x, y, reduction="none"), *PAIR)],
    "layer_norm": [(lambda x, w, b: F.layer_norm(x, (3, 4), w, b), (2, 3, 4), (3, 4), (3, 4))],
    "leaky_relu": [(lambda x: F.leaky_relu(x, 0.2), (3, 4))],
    "linear": [(F.linear, (2, 3, 4), (5, 4), (5,)), (F.linear, (4,), (4,))],
    "linear_cross_entropy": [(linear_cross_entropy, (3, 4), (5, 4))],
    "local_response_norm": [(lambda x: F.local_response_norm(x, 3, 0.5), IMAGES)],
    "log_softmax": [(lambda x: F.log_softmax(x, 1), (2, 3, 4))],
    "logsigmoid": [(F.logsigmoid, (3, 4))],
    "lp_pool1d": [(lambda x: F.lp_pool1d(x.exp(), 3, 2), VECTORS)],
    "lp_pool2d": [(lambda x: F.lp_pool2d(x, 2, 2), IMAGES)],
    "lp_pool3d": [(lambda x: F.lp_pool3d(x, 2, 2), VOLUMES)],
    "margin_ranking_loss": [
        (lambda x, y: F.margin_ranking_loss(x, y, signs(3, 4), margin=0.3), *PAIR)
    ],
    "max_pool1d": [(lambda x: F.max_pool1d(x, 3, 2, 1, ceil_mode=True), VECTORS)],
    "max_pool1d_with_indices": [(lambda x: F.max_pool1d_with_indices(x, 2)[0], VECTORS)],
    "max_pool2d": [(lambda x: F.max_pool2d(x, 2, 1, dilation=2), IMAGES)],
    "max_pool2d_with_indices": [(lambda x: F.max_pool2d_with_indices(x, 2)[0], IMAGES)],
    "max_pool3d": [(lambda x: F.max_pool3d(x, 2), VOLUMES)],
    "max_pool3d_with_indices": [(lambda x: F.max_pool3d_with_indices(x, 2)[0], VOLUMES)],
    "max_unpool1d": [(unpooled(F.max_pool1d, F.max_unpool1d, 2), VECTORS)],
    "max_unpool2d": [(unpooled(F.max_pool2d, F.max_unpool2d, 2), IMAGES)],
    "max_unpool3d": [(unpooled(F.max_pool3d, F.max_unpool3d, 2), (1, 2, 4, 2, 4))],
    "mish": [(F.mish, (3, 4))],
    "mse_loss": [
        (F.mse_loss, *PAIR),
        (lambda x, y, w: F.mse_loss(x, y, weight=w.exp()), *PAIR, (3, 4)),
    ],
    "multi_head_attention_forward": [
        (attention, (2, 1, 4), (3, 1, 4), (3, 1, 4), (12, 4), (12,), (4, 4))
    ],
    "multi_margin_loss": [
        (lambda x, p=p: F.multi_margin_loss(x, integers([1, 0, 3]), p=p), (3, 4)) for p in (1, 2)
    ],
    "multilabel_margin_loss": [
        (lambda x: F.multilabel_margin_loss(x, integers([[2, 0, -1, 1], [1, -1, 0, 0]])), (2, 4))
    ],
    "multilabel_soft_margin_loss": [
        (lambda x, y: F.multilabel_soft_margin_loss(x, y.sigmoid()), *PAIR)
    ],
    "native_channel_shuffle": [(lambda x: F.native_channel_shuffle(x, 2), (2, 4, 3))],
    "nll_loss": [
        (lambda x: F.nll_loss(x, integers([1, 0, 3]), ignore_index=0), (3, 4)),
        (lambda x: F.nll_loss(x, integers([[1, 0], [2, 2]]), reduction="none"), (2, 3, 2)),
    ],
    "normalize": [(lambda x: F.normalize(x, p=3.0, dim=0), (3, 4))],
    "pad": [
        (lambda x, mode=mode: F.pad(x, (2, 1, 0, 2), mode), IMAGES)
        for mode in ("constant", "reflect", "replicate", "circular")
    ],
    "pairwise_distance": [(lambda x, y: F.pairwise_distance(x, y, 3.0), *PAIR)],
    "pdist": [(F.pdist, (4, 3)), (lambda x: F.pdist(x, 1.5), (4, 3))],
    "pixel_shuffle": [(lambda x: F.pixel_shuffle(x, 2), (1, 4, 2, 3))],
    "pixel_unshuffle": [(lambda x: F.pixel_unshuffle(x, 2), (1, 1, 4, 6))],
    "poisson_nll_loss": [
        (lambda x, y: F.poisson_nll_loss(x, y.exp()), *PAIR),
        (lambda x, y: F.poisson_nll_loss(x.exp(), y.exp(), log_input=False, full=True), *PAIR),
    ],
    "prelu": [(F.prelu, (2, 3, 4), (3,)), (F.prelu, (2, 3), (1,))],
    "relu": [(F.relu, (3, 4))],
    "relu6": [(lambda x: F.relu6(4 * x), (3, 4))],
    "rms_norm": [(lambda x, w: F.rms_norm(x, (4,), w), (2, 3, 4), (4,))],
    "rrelu": [(F.rrelu, (3, 4)), (lambda x: F.rrelu(x, training=True), (3, 4))],
    "scaled_dot_product_attention": [
        (lambda *qkv: F.scaled_dot_product_attention(*qkv, is_causal=True), *[(1, 2, 4, 3)] * 3),
        (F.scaled_dot_product_attention, *[(2, 3, 4)] * 3, (3, 3)),
        (
            lambda *qkv: F.scaled_dot_product_attention(*qkv, dropout_p=0.3, enable_gqa=True),
            *((1, 4, 3, 2), (1, 2, 3, 2), (1, 2, 3, 2)),
        ),
    ],
    "selu": [(F.selu, (3, 4))],
    "sigmoid": [(F.sigmoid, (3, 4))],
    "silu": [(F.silu, (3, 4))],
    "smooth_l1_loss": [(lambda x, y: F.smooth_l1_loss(x, y, beta=0.6), *PAIR)],
    "soft_margin_loss": [(lambda x: F.soft_margin_loss(x, signs(3, 4)), (3, 4))],
    "softmax": [(lambda x: F.softmax(x, 1), (2, 3, 4))],
    "softmin": [(lambda x: F.softmin(x, 1), (2, 3, 4))],
    "softplus": [(lambda x: F.softplus(x, 2.0, 1.5), (3, 4))],
    "softshrink": [(F.softshrink, (3, 4))],
    "softsign": [(F.softsign, (3, 4))],
    "tanh": [(F.tanh, (3, 4))],
    "tanhshrink": [(F.tanhshrink, (3, 4))],
    "threshold": [(lambda x: F.threshold(x, 0.1, 20), (3, 4))],
    "triplet_margin_loss": [
        (lambda a, p, n: F.triplet_margin_loss(a, p, n, swap=True), *PAIR, (3, 4))
    ],
    "triplet_margin_with_distance_loss": [
        (
            lambda a, p, n: F.triplet_margin_with_distance_loss(a, p, n, distance_function=far),
            *(*PAIR, (3, 4)),
        )
    ],
    "unfold": [(lambda x: F.unfold(x, (2, 3), padding=1, stride=2), (1, 2, 4, 5))],
    "upsample": [(lambda x: F.upsample(x, scale_factor=2, mode="bilinear"), (1, 1, 2, 3))],
    "upsample_bilinear": [(lambda x: F.upsample_bilinear(x, (3, 5)), (1, 1, 2, 3))],
    "upsample_nearest": [(lambda x: F.upsample_nearest(x, (3, 5)), (1, 1, 2, 3))],
}
#: A function of integers, and one that is not for float64: test_adaptive has its gradient.
WITHOUT = {"one_hot", "grouped_mm"}
FIRST_ONLY = {"ctc_loss"}  # as in PyTorch


def offered():
    """The public functions, but for those in place: they are the others' with another result."""
    return {
        name
        for name in dir(F)
        if name[0] not in "_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        and not name.endswith("_")
        and callable(getattr(F, name))
    }


def test_every_function_has_a_row():
    assert offered() ^ set(ROWS) == WITHOUT


@pytest.mark.filterwarnings("ignore:.*deprecated", "ignore:Using padding=.same. with even kernel")
@pytest.mark.parametrize(
    ("name", "row"),
    [(name, row) for name, rows in ROWS.items() for row in rows],
    ids=[f"{name}-{k}" for name, rows in ROWS.items() for k in range(len(rows))],
)
def test_derivatives(name, row):
    function, *shapes = row

    def same_numbers(*inputs):
        flambeau.manual_seed(5)  # the random functions draw the same at each call
        return function(*inputs)

    flambeau.manual_seed(len(name))
    inputs = [flambeau.randn(shape, dtype=flambeau.float64, requires_grad=True) for shape in shapes]
    assert gradcheck(same_numbers, inputs)
    if name not in FIRST_ONLY:
        assert gradgradcheck(same_numbers, inputs)
