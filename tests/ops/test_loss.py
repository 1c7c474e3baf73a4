"""Losses against PyTorch: every option, values and gradients; the texts of errors and warnings."""

import math

import numpy as np
import pytest
from oracle import check_parity

import flambeau
import flambeau.nn.functional as F
from flambeau.testing import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

rng = np.random.default_rng(5)
X, Y = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
P, Q = rng.uniform(0.05, 0.95, (4, 3)), rng.uniform(0.05, 0.95, (4, 3))
SIGNS = np.where(rng.random((4, 3)) < 0.5, -1.0, 1.0)
LABELS = np.array([0, 2, 1, 2])
WEIGHT = np.array([0.5, 2.0, 1.5])

POINTWISE = [
    ("mse_loss", (X, Y), {}),
    ("mse_loss", (X, Y), {"weight": P}),
    ("l1_loss", (X, Y), {}),
    ("l1_loss", (X, Y), {"weight": P}),
    ("smooth_l1_loss", (X, Y), {}),
    ("smooth_l1_loss", (X, Y), {"beta": 0.3}),
    ("smooth_l1_loss", (X, Y), {"beta": 0.0}),
    ("huber_loss", (X, Y), {"delta": 0.4}),
    ("huber_loss", (X, Y), {"delta": 0.4, "weight": P}),
    ("binary_cross_entropy", (P, Q), {}),
    ("binary_cross_entropy", (P, Q), {"weight": WEIGHT}),
    ("binary_cross_entropy_with_logits", (X, P), {}),
    ("binary_cross_entropy_with_logits", (X * 200, P), {}),
    ("binary_cross_entropy_with_logits", (X, P), {"weight": WEIGHT}),
    ("binary_cross_entropy_with_logits", (X, P), {"pos_weight": WEIGHT}),
    ("poisson_nll_loss", (X, P * 3), {}),
    ("poisson_nll_loss", (P, P * 3), {"log_input": False, "full": True}),
    ("gaussian_nll_loss", (X, Y, P), {"full": True}),
    ("gaussian_nll_loss", (X, Y, P[:, :1]), {}),
    ("hinge_embedding_loss", (X, SIGNS), {"margin": 0.7}),
    ("margin_ranking_loss", (X, Y, SIGNS), {"margin": 0.2}),
    ("soft_margin_loss", (X, SIGNS), {}),
    ("multilabel_soft_margin_loss", (X, (SIGNS + 1) / 2), {}),
    ("multilabel_soft_margin_loss", (X, (SIGNS + 1) / 2), {"weight": WEIGHT}),
    ("cosine_embedding_loss", (X, Y, SIGNS[:, 0]), {"margin": 0.1}),
    ("triplet_margin_loss", (X, Y, P), {}),
    ("triplet_margin_loss", (X, Y, P), {"swap": True, "p": 1, "margin": 2.0}),
    ("triplet_margin_with_distance_loss", (X, Y, P), {}),
    ("multi_margin_loss", (X, LABELS), {}),
    ("multi_margin_loss", (X, LABELS), {"p": 2, "margin": 0.5, "weight": WEIGHT}),
    ("multilabel_margin_loss", (X, np.array([[0, 2, -1], [1, -1, 0], [2, 1, 0], [-1, 0, 1]])), {}),
]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name, arguments, keywords", POINTWISE)
def test_pointwise(name, arguments, keywords, reduction):
    check_parity(
        torch,
        getattr(F, name),
        getattr(torch.nn.functional, name),
        arguments,
        {**keywords, "reduction": reduction},
        wanting=(0,),
        atol=1e-9,
    )


@pytest.mark.parametrize(
    "name", ["mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy_with_logits"]
)
def test_gradient_of_the_target(name):
    check_parity(torch, getattr(F, name), getattr(torch.nn.functional, name), (X, Y), wanting=(1,))


@pytest.mark.parametrize("log_target", [False, True])
@pytest.mark.parametrize("reduction", ["none", "sum", "batchmean"])
def test_kl_div(reduction, log_target):
    target = np.log(Q) if log_target else Q
    check_parity(
        torch,
        F.kl_div,
        torch.nn.functional.kl_div,
        (np.log(P), target),
        {"reduction": reduction, "log_target": log_target},
        wanting=(0, 1),
    )


def test_kl_div_of_zero_probability():
    x, y = flambeau.zeros(3), flambeau.tensor([0.0, 0.5, 0.5])
    found = F.kl_div(x, y, reduction="sum").item()
    assert found == pytest.approx(math.log(0.5))


SHAPES = [
    ((4, 3), (4,)),
    ((2, 3, 5), (2, 5)),
    ((2, 3, 4, 70), (2, 4, 70)),
    ((3,), ()),
    ((6, 300), (6,)),
    ((600, 3), (600,)),
]


@pytest.mark.parametrize("loss", [F.cross_entropy, F.nll_loss])
def test_images_without_classes(loss):
    """What is ignored would need no class, but torch refuses it too."""
    with pytest.raises(RuntimeError, match="there must be classes"):
        loss(flambeau.zeros(2, 0, 3), flambeau.full((2, 3), -100))
    assert loss(flambeau.zeros(2, 0), flambeau.full((2,), -100), reduction="sum").item() == 0.0


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scores, target", SHAPES)
def test_cross_entropy(scores, target, weighted, smoothing, reduction):
    x = rng.standard_normal(scores) * 3
    classes = scores[1] if len(scores) > 1 else scores[0]
    y = rng.integers(0, classes, target)
    options = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": 1}
    if weighted:
        options["weight"] = rng.uniform(0.5, 2, classes)
    if not target:
        y = np.array(2)
    check_parity(
        torch, F.cross_entropy, torch.nn.functional.cross_entropy, (x, y), options, wanting=(0,)
    )


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("scores, target", SHAPES)
def test_nll_loss(scores, target, weighted, reduction):
    classes = scores[1] if len(scores) > 1 else scores[0]
    options = {"reduction": reduction, "ignore_index": 0}
    if weighted:
        options["weight"] = rng.uniform(0.5, 2, classes)
    y = np.asarray(rng.integers(1, classes, target))
    x = rng.standard_normal(scores)
    check_parity(torch, F.nll_loss, torch.nn.functional.nll_loss, (x, y), options, wanting=(0,))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("options", [{}, {"weight": WEIGHT}, {"label_smoothing": 0.2}])
def test_cross_entropy_of_probabilities(options, reduction):
    target = Q / Q.sum(1, keepdims=True)
    check_parity(
        torch,
        F.cross_entropy,
        torch.nn.functional.cross_entropy,
        (X, target),
        {**options, "reduction": reduction},
        wanting=(0, 1),
    )


def test_large_scores_do_not_overflow():
    x = flambeau.tensor([[1e4, 0.0, -1e4]])
    assert F.cross_entropy(x, flambeau.tensor([0])).item() == 0.0
    assert F.cross_entropy(x, flambeau.tensor([2])).item() == 2e4


def test_all_ignored():
    x, y = flambeau.zeros(2, 3), flambeau.tensor([-100, -100])
    assert math.isnan(F.cross_entropy(x, y).item())
    assert F.cross_entropy(x, y, reduction="sum").item() == 0.0


def test_weighted_second_derivatives():
    x = flambeau.from_numpy(X.copy()).requires_grad_()
    y, w = flambeau.from_numpy(LABELS), flambeau.from_numpy(WEIGHT)

    def loss(x):
        return F.cross_entropy(x, y, w, label_smoothing=0.1)

    assert gradcheck(loss, (x,))
    assert gradgradcheck(loss, (x,))


def wrong(function, *arguments, error=RuntimeError, match=None, **keywords):
    tensors = [flambeau.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arguments]
    with pytest.raises(error, match=match):
        function(*tensors, **keywords)


def test_errors():
    wrong(F.cross_entropy, X, LABELS + 5, error=IndexError, match=r"Target 5 is out of bounds\.")
    wrong(F.nll_loss, X, LABELS - 1, error=IndexError, match=r"Target -1 is out of bounds\.")
    wrong(F.cross_entropy, X, LABELS[:2], error=ValueError, match="batch_size")
    wrong(F.cross_entropy, X, LABELS * 1.0, match="expected target dtype to be Long or Byte")
    wrong(F.cross_entropy, X, LABELS, error=ValueError, match="not a valid value", reduction="x")
    wrong(F.cross_entropy, X, LABELS, flambeau.ones(2), match="weight tensor should be defined")
    wrong(F.cross_entropy, X, LABELS, match="label_smoothing", label_smoothing=1.5)
    wrong(F.nll_loss, X[0], LABELS, error=ValueError, match="1D target must have size 1")
    wrong(F.nll_loss, X, LABELS[:, None], match="multi-target not supported")
    with pytest.warns(UserWarning, match="target size"):
        wrong(F.mse_loss, X, X[:, :2].copy(), match="must match the size of tensor b")
    wrong(F.binary_cross_entropy, X * 9, P, match="between 0 and 1")
    wrong(F.binary_cross_entropy, P, P[:2], error=ValueError, match="same size")
    wrong(F.binary_cross_entropy_with_logits, X, P[:2], error=ValueError, match="Target size")
    wrong(F.huber_loss, X, Y, match="non-positive", delta=0)
    wrong(F.smooth_l1_loss, X, Y, match="negative values for beta", beta=-1)
    wrong(F.gaussian_nll_loss, X, Y, -P, error=ValueError, match="negative entry")
    wrong(F.margin_ranking_loss, X, Y, SIGNS[:, 0], match="same dimension")


def test_warnings():
    x = flambeau.from_numpy(X)
    with pytest.warns(UserWarning, match=r"Using a target size \(torch.Size\(\[3\]\)\)"):
        F.mse_loss(x, flambeau.zeros(3, dtype=flambeau.float64))
    with pytest.warns(UserWarning, match="reduction='sum'"):
        F.mse_loss(x, x, size_average=False)
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(x, x, log_target=True)


def test_mixed_dtypes_promote():
    x, y = flambeau.ones(2, dtype=flambeau.float32), flambeau.ones(2, dtype=flambeau.float64)
    assert F.mse_loss(x, y).dtype == flambeau.float64


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits"])
def test_weights_of_binary_losses_do_not_change_the_dtype(name):
    x = flambeau.from_numpy(P.astype(np.float32))
    found = getattr(F, name)(x, x, weight=flambeau.from_numpy(Q))
    assert found.dtype == flambeau.float32


def test_half_precision():
    x = flambeau.from_numpy(X).to(flambeau.bfloat16)
    found = F.cross_entropy(x, flambeau.from_numpy(LABELS))
    assert found.dtype == flambeau.bfloat16


def test_kl_div_of_targets_that_are_no_probabilities():
    """Nothing flows to a target of 0; below it the loss and its gradient are NaN."""
    target = flambeau.tensor([0.0, -0.5, 0.25], requires_grad=True)
    loss = flambeau.nn.functional.kl_div(flambeau.zeros(3), target, reduction="sum")
    loss.backward()
    assert loss.isnan()
    expected = [0.0, np.nan, np.log(0.25) + 1]
    np.testing.assert_allclose(target.grad.numpy(), expected, rtol=1e-6)
