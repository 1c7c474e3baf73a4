"""Connectionist temporal classification against the sum over all alignments, and PyTorch."""

import itertools
import math

import numpy as np
import pytest

import flambeau
from flambeau.autograd import gradcheck
from flambeau.nn import functional as F


def by_enumeration(log_probs, target, blank):
    """Minus the logarithm of the probability of all sequences that collapse to the target."""
    steps, classes = log_probs.shape
    total = 0.0
    for path in itertools.product(range(classes), repeat=steps):
        spelt = [c for c, _ in itertools.groupby(path) if c != blank]
        if spelt == list(target):
            total += math.exp(sum(log_probs[t, c] for t, c in enumerate(path)))
    return -math.log(total) if total else math.inf


def scores(*shape, seed=0):
    return flambeau.tensor(np.random.default_rng(seed).standard_normal(shape))


@pytest.mark.parametrize("blank", [0, 2])
@pytest.mark.parametrize("target", [[], [1], [1, 1], [1, 3], [3, 1, 3], [1, 1, 1]])
def test_sum_over_all_alignments(target, blank):
    log_probs = scores(5, 4).log_softmax(1)
    found = F.ctc_loss(
        log_probs,
        flambeau.tensor(target, dtype=flambeau.int64),
        (5,),
        (len(target),),
        blank,
        "none",
    )
    assert found.item() == pytest.approx(by_enumeration(log_probs.numpy(), target, blank))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("zero_infinity", [False, True])
def test_gradient_through_log_softmax(reduction, zero_infinity):
    targets = flambeau.tensor([[1, 2, 2], [3, 1, 0], [4, 4, 4]])

    def loss(x):
        log_probs = x.log_softmax(2)
        return F.ctc_loss(
            log_probs, targets, (6, 5, 4), (3, 2, 0), 0, reduction, zero_infinity=zero_infinity
        )

    assert gradcheck(loss, (scores(6, 3, 5).requires_grad_(),))


def test_what_cannot_be_spelt():
    x = scores(4, 1, 3).requires_grad_()
    arguments = x.log_softmax(2), flambeau.tensor([[1, 1, 1]]), (4,), (3,)
    assert F.ctc_loss(*arguments).item() == math.inf
    loss = F.ctc_loss(*arguments, zero_infinity=True)
    loss.backward()
    assert loss.item() == 0 and x.grad.abs().max() == 0


def test_concatenated_targets_are_padded_ones():
    log_probs = scores(6, 2, 5).log_softmax(2)
    padded = flambeau.tensor([[1, 2, 2], [3, 1, 0]])
    together = flambeau.tensor([1, 2, 2, 3, 1], dtype=flambeau.int32)
    lengths = flambeau.tensor([6, 5]), flambeau.tensor([3, 2])
    expected = F.ctc_loss(log_probs, padded, *lengths, reduction="none")
    assert F.ctc_loss(log_probs, together, *lengths, reduction="none").equal(expected)
    alone = F.ctc_loss(log_probs[:, 1], padded[1], (5,), (2,), reduction="none")
    assert alone.shape == () and alone.item() == expected[1].item()


def test_probabilities_of_zero_have_a_gradient():
    log_probs = scores(6, 1, 4).log_softmax(2)
    log_probs[:, :, 2] = -math.inf
    log_probs.requires_grad_()
    F.ctc_loss(log_probs, flambeau.tensor([[1, 3]]), (6,), (2,)).backward()
    assert log_probs.grad.isfinite().all()


def test_long_sequences_keep_their_digits():
    steps, classes = 2000, 5
    log_probs = flambeau.zeros(steps, 1, classes, dtype=flambeau.float64).log_softmax(2)
    # All alignments are equally likely: that of T steps with one label are T (T + 1) / 2.
    expected = steps * math.log(classes) - math.log(steps * (steps + 1) / 2)
    target = flambeau.tensor([[1]])
    found = F.ctc_loss(log_probs, target, (steps,), (1,))
    assert found.item() == pytest.approx(expected, rel=1e-12)
    in_float = F.ctc_loss(log_probs.float(), target, (steps,), (1,))
    assert in_float.item() == pytest.approx(expected, rel=1e-5)


def test_second_derivative_is_refused():
    x = scores(4, 1, 3).requires_grad_()
    loss = F.ctc_loss(x.log_softmax(2), flambeau.tensor([[1]]), (4,), (1,))
    (grad,) = flambeau.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="_ctc_loss_backward is not implemented"):
        grad.sum().backward()


# ---- against PyTorch ----


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("blank", [0, 7])
def test_against_torch(torch, dtype, reduction, blank):
    random = np.random.default_rng(3)
    values = random.standard_normal((40, 5, 9))
    labels = random.integers(0, 9, (5, 14))
    labels[labels == blank] = 3
    found = []
    for m in (flambeau, torch):
        x = m.tensor(values, dtype=getattr(m, dtype)).log_softmax(2).requires_grad_()
        lengths = m.tensor([40, 33, 40, 1, 25]), m.tensor([14, 10, 0, 1, 6])
        loss = m.nn.functional.ctc_loss(x, m.tensor(labels), *lengths, blank, reduction)
        loss.sum().backward()
        found.append([loss.detach().numpy(), x.grad.numpy()])
    tolerance = 1e-9 if dtype == "float64" else 2e-4
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("reduction", [0, 1, 2])
def test_the_function_at_the_top_level(torch, reduction):
    values = np.random.default_rng(3).standard_normal((6, 2, 5))
    found = [
        m.ctc_loss(
            m.tensor(values).log_softmax(2),
            m.tensor([[1, 2], [3, 3]]),
            (6, 5),
            (2, 1),
            reduction=reduction,
        ).numpy()
        for m in (flambeau, torch)
    ]
    np.testing.assert_allclose(*found)


WRONG = [
    {"reduction": "nonsense"},
    {"blank": 7},
    {"blank": -1},
    {"input_lengths": (7, 5)},
    {"target_lengths": (4, 2)},
    {"target_lengths": (3, -2)},
    {"input_lengths": (6,)},
    {"target_lengths": (3,)},
    {"targets": [[1, 2, 2]]},
    {"targets": [1, 2, 2, 3]},
    {"targets": [[[1, 2, 2], [3, 1, 4]]]},
    {"shape": (0, 2, 5), "input_lengths": (0, 0)},
    {"shape": (5,)},
    {"dtype": "float16"},
    {"input_lengths": [6.0, 5.0]},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_errors_are_torchs(torch, wrong):
    def call(m):
        given = {
            "targets": [[1, 2, 2], [3, 1, 4]],
            "input_lengths": (6, 5),
            "target_lengths": (3, 2),
            "shape": (6, 2, 5),
            "dtype": "float32",
            **wrong,
        }
        log_probs = m.zeros(given.pop("shape"), dtype=getattr(m, given.pop("dtype")))
        targets = m.tensor(given.pop("targets"))
        return m.nn.functional.ctc_loss(log_probs, targets, **given)

    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(expected.type):
        call(flambeau)


def test_labels_must_be_classes():
    log_probs = scores(4, 1, 3).log_softmax(2)
    for label in (3, -1, 2**40):
        with pytest.raises(IndexError, match="is not among the 3 classes"):
            F.ctc_loss(log_probs, flambeau.tensor([[label]]), (4,), (1,))
