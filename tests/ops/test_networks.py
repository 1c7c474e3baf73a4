"""Functions of networks as torch's top level has them, against PyTorch."""

import numpy as np
import pytest
from oracle import compare

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

X = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.5]]
T = [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
CALLS = [
    lambda m, x, t: m.binary_cross_entropy_with_logits(x, t),
    lambda m, x, t: m.binary_cross_entropy_with_logits(x, t, None, None, 2),
    lambda m, x, t: m.cosine_embedding_loss(x, t, m.tensor([1, -1]), 0.1, 0),
    lambda m, x, t: m.hinge_embedding_loss(x, 2 * t - 1, margin=0.5, reduction=2),
    lambda m, x, t: m.kl_div(x, t, 1),
    lambda m, x, t: m.margin_ranking_loss(x, t, 2 * t - 1),
    lambda m, x, t: m.kl_div(x, t, 0, log_target=True),
    lambda m, x, t: m.margin_ranking_loss(x, t, 2 * t - 1, 0.2, 1),
    lambda m, x, t: m.poisson_nll_loss(x, t, True, False, 1e-8, 1),
    lambda m, x, t: m.triplet_margin_loss(x, t, x + 1, 1.0, 2.0, 1e-6, True, 2),
    lambda m, x, t: m.batch_norm(x, None, None, m.zeros(3), m.ones(3), True, 0.1, 1e-5, False),
    lambda m, x, t: m.batch_norm(x, m.ones(3), None, m.zeros(3), m.ones(3), False, 0.1, 1e-5, True),
    lambda m, x, t: m.batch_norm(x, None, None, m.zeros(3), m.ones(3), True, 0.1, 0.0, False),
    lambda m, x, t: m.batch_norm(x[:1], None, None, None, None, True, 0.1, 0.5, False),
    lambda m, x, t: m.batch_norm(x[:0], None, None, None, None, True, 0.1, 0.5, False),
    lambda m, x, t: m.instance_norm(
        x.reshape(1, 2, 3), None, None, None, None, True, 0.1, 1e-5, False
    ),
    lambda m, x, t: m.group_norm(x, 3, None, None, 0.5, False),
    lambda m, x, t: m.layer_norm(x, (3,), None, None, 1e-5, False),
    lambda m, x, t: m.norm_except_dim(x, 2, 1),
    lambda m, x, t: m.norm_except_dim(x, 1, -1),
    lambda m, x, t: m.norm_except_dim(x, 2, -2),
    lambda m, x, t: m.embedding(x, m.tensor([1, 0, 1])),
    lambda m, x, t: m.embedding(x, m.tensor([[1, 0]]), 1),
    lambda m, x, t: m.embedding_renorm_(x.clone(), m.tensor([1, 1]), 0.5, 2.0),
    lambda m, x, t: m.native_layer_norm(x, (3,), None, None, 0.5),
    lambda m, x, t: m.native_group_norm(x, None, m.ones(3), 2, 3, 1, 3, 0.5),
    lambda m, x, t: m.native_batch_norm(x, None, None, None, None, True, 0.1, 0.5),
    lambda m, x, t: m.native_batch_norm(x, None, None, m.zeros(3), m.ones(3), False, 0.1, 0.5),
    lambda m, x, t: m.embedding_bag(x, m.tensor([1, 0, 1]), m.tensor([0, 2])),
    lambda m, x, t: m.embedding_bag(x, m.tensor([1, 0, 1]), m.tensor([0, 2, 2]), False, 1),
    lambda m, x, t: m.embedding_bag(x, m.tensor([1, 0, 1]), m.tensor([0, 0, 2]), mode=2),
    lambda m, x, t: m.embedding_bag(
        x, m.tensor([1, 0, 1]), m.tensor([0, 2, 3]), False, 2, False, None, True, 1
    ),
    lambda m, x, t: m.embedding_bag(
        x, m.tensor([1, 0, 1]), m.tensor([0, 2]), False, 0, False, None, False, 0
    ),
    lambda m, x, t: m.max_pool1d_with_indices(x, 2),
    lambda m, x, t: m.adaptive_max_pool1d(x, 2),
]


@pytest.mark.parametrize("call", CALLS)
def test_values(call):
    found = call(flambeau, flambeau.tensor(X), flambeau.tensor(T))
    compare(found, call(torch, torch.tensor(X), torch.tensor(T)), rtol=1e-5, atol=1e-6)


def test_gradient_of_a_row_that_pads():
    weight = flambeau.ones(3, 2, requires_grad=True)
    flambeau.embedding(weight, flambeau.tensor([0, 1, 1]), 1).sum().backward()
    assert weight.grad.tolist() == [[1, 1], [0, 0], [0, 0]]


def test_gradient_of_rows_by_frequency():
    weight = flambeau.ones(3, 1, requires_grad=True)
    flambeau.embedding(weight, flambeau.tensor([0, 1, 1]), -1, True).sum().backward()
    assert weight.grad.tolist() == [[1], [1], [0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda: flambeau.kl_div(flambeau.ones(2), flambeau.ones(2), reduction="mean"),
        lambda: flambeau.kl_div(flambeau.ones(2), flambeau.ones(2), reduction=7),
        lambda: flambeau.hinge_embedding_loss(flambeau.ones(2), flambeau.ones(2), input=3),
        lambda: flambeau.hinge_embedding_loss(flambeau.ones(2), flambeau.ones(2), what=3),
        lambda: flambeau.hinge_embedding_loss(*[flambeau.ones(2)] * 5),
        lambda: flambeau.cond(True, 3, 4),
        lambda: flambeau.cond(flambeau.ones(2), abs, abs, (flambeau.ones(1),)),
        lambda: flambeau.cond(True, abs, abs, 3),
        lambda: flambeau.while_loop(3, abs, ()),
        lambda: flambeau.while_loop(lambda x: True, lambda x: (x, x), (flambeau.ones(1),)),
        lambda: flambeau.norm_except_dim(flambeau.ones(2, 2), 2, 5),
    ],
)
def test_errors(call):
    with pytest.raises((TypeError, ValueError, IndexError, RuntimeError)):
        call()


def test_control_flow():
    x = flambeau.tensor(3.0, requires_grad=True)
    made = flambeau.cond(x > 1, lambda t: t * t, lambda t: t, (x,))
    made.backward()
    assert x.grad.item() == 6
    assert flambeau.cond(False, lambda: 1, lambda: 2) == 2
    (n,) = flambeau.while_loop(lambda n: n < 100, lambda n: n * 3, (flambeau.tensor(1),))
    assert n.item() == 243
    np.testing.assert_equal(flambeau.while_loop(lambda: False, lambda: (), ()), ())


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(("shape", "widths"), [((3,), (1, 1, 1, 1)), ((1, 2, 3), (-4, -4))])
def test_padding_that_does_not_fit(mode, shape, widths):
    with pytest.raises(RuntimeError, match=r"dimension|Padding size"):
        flambeau.nn.functional.pad(flambeau.ones(shape), widths, mode=mode)
