"""The adaptive softmax and the losses of linear scores."""

import layers
import numpy as np
import pytest

import flambeau
from flambeau.nn import functional as F

TARGETS = [0, 3, 4, 9, 10, 19, 2]


def adaptive(m, **options):
    return layers.make(f"AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], 2.0, **{options})", m)


def test_the_loss_is_that_of_the_probabilities():
    layer = adaptive(flambeau)
    x, target = flambeau.randn(7, 8), flambeau.tensor(TARGETS)
    log_probs = layer.log_prob(x)
    np.testing.assert_allclose(log_probs.exp().sum(1).detach().numpy(), np.ones(7), rtol=1e-5)
    output, loss = layer(x, target)
    expected = log_probs.gather(1, target.unsqueeze(1)).squeeze(1)
    np.testing.assert_allclose(output.detach().numpy(), expected.detach().numpy(), rtol=1e-5)
    assert loss.item() == pytest.approx(-expected.mean().item())
    assert layer.predict(x).tolist() == log_probs.argmax(1).tolist()


@pytest.mark.parametrize("cutoffs", [[], [4, 4], [0, 4], [4, 20], [4.5], [10, 4], [-1, 4]], ids=str)
def test_cutoffs_must_ascend(cutoffs):
    with pytest.raises(ValueError, match="cutoffs should be a sequence"):
        flambeau.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)


def test_targets_must_fit():
    layer, x = adaptive(flambeau), flambeau.randn(2, 8)
    for target, text in (
        ([0, 20], r"Target values should be in \[0, 19\], but values in range \[0, 20\]"),
        ([0, -1], r"range \[-1, 0\]"),
        ([0], "same size in the batch dimension"),
        ([[0, 1]], "0D or 1D target tensor expected"),
    ):
        with pytest.raises(RuntimeError, match=text):
            layer(x, flambeau.tensor(target))


def test_linear_cross_entropy_is_that_of_the_scores():
    x, weight, bias = flambeau.randn(6, 5), flambeau.randn(7, 2, 3, 5), flambeau.randn(7, 2, 3)
    target = flambeau.randint(0, 7, (6, 2, 3))
    scores = flambeau.einsum("nf,cdef->ncde", x, weight) + bias
    for reduction in ("none", "mean", "sum"):
        found = F.linear_cross_entropy(x, weight, target, linear_bias=bias, reduction=reduction)
        expected = F.cross_entropy(scores, target, reduction=reduction)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-4)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("chunk", [1, 2, 4, 100])
def test_chunks_change_nothing(reduction, chunk):
    options = flambeau.nn.LinearCrossEntropyOptions(batch_chunk_size=chunk)
    target, factors = flambeau.tensor([0, 3, 2, 1, 3]), flambeau.rand(4)
    leaves = [flambeau.randn(*s, requires_grad=True) for s in ((5, 3), (4, 3), (4,))]
    found = []
    for given in (None, options):
        x, weight, bias = leaves
        loss = F.linear_cross_entropy(
            x,
            weight,
            target,
            linear_bias=bias,
            weight=factors,
            reduction=reduction,
            ignore_index=2,
            options=given,
        )
        assert loss.dtype == flambeau.float32
        found.append([loss, *flambeau.autograd.grad(loss.sum(), leaves)])
    for whole, chunked in zip(*found, strict=True):
        np.testing.assert_allclose(
            chunked.detach().numpy(), whole.detach().numpy(), rtol=1e-5, atol=1e-6
        )


def test_what_cannot_be_chunked_says_so():
    x, weight = flambeau.randn(3, 5), flambeau.randn(7, 5)
    options = flambeau.nn.LinearCrossEntropyOptions()
    with pytest.warns(UserWarning, match="``options`` ignored"):
        F.linear_cross_entropy(x, weight, flambeau.rand(3, 7), options=options)


@pytest.mark.parametrize(
    "wrong",
    [
        {"acc_policy": "x"},
        {"batch_chunk_size": 0},
        {"acc_dtype": flambeau.int32},
        {"chunking_method": "x"},
    ],
    ids=str,
)
def test_options_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        flambeau.nn.LinearCrossEntropyOptions(**wrong)


# ---- groups of products ----


def test_groups_of_rows_columns_and_inner_axes():
    a, b = flambeau.randn(6, 8), flambeau.randn(2, 8, 4)
    offs = flambeau.tensor([2, 5], dtype=flambeau.int32)
    rows = F.grouped_mm(a, b, offs=offs)
    np.testing.assert_allclose(rows[:2].numpy(), (a[:2] @ b[0]).numpy(), rtol=1e-5)
    np.testing.assert_allclose(rows[2:5].numpy(), (a[2:5] @ b[1]).numpy(), rtol=1e-5)
    assert not rows[5].any()
    columns = F.grouped_mm(b.mT, a.mT, offs=offs)
    np.testing.assert_allclose(columns.numpy(), rows.mT.numpy(), rtol=1e-4, atol=1e-5)
    inner = F.grouped_mm(a.mT, a, offs=offs)
    np.testing.assert_allclose(inner[1].numpy(), (a[2:5].mT @ a[2:5]).numpy(), rtol=1e-4, atol=1e-5)
    batches = F.grouped_mm(b.mT, b)
    np.testing.assert_allclose(batches.numpy(), (b.mT @ b).numpy(), rtol=1e-5, atol=1e-6)


# ---- against PyTorch ----


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def test_adaptive_against_torch(torch):
    ours, theirs = adaptive(flambeau, head_bias=True), adaptive(torch, head_bias=True)
    layers.copy_weights(ours, theirs)
    values = np.random.default_rng(0).standard_normal((7, 8)).astype("float32")
    found = []
    for m, layer in ((flambeau, ours), (torch, theirs)):
        x = m.tensor(values, requires_grad=True)
        output, loss = layer(x, m.tensor(TARGETS))
        loss.backward()
        single = layer(x[1], m.tensor(5))
        found.append(
            [
                output.detach().numpy(),
                x.grad.numpy(),
                *(p.grad.numpy() for p in layer.parameters()),
                layer.log_prob(x).detach().numpy(),
                layer.predict(x).numpy(),
                single.output.detach().numpy(),
            ]
        )
        assert repr(single).startswith("_ASMoutput(output=tensor(")
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


WRONG = [
    {"target": "p", "ignore_index": 2},
    {"x": (5,), "weight": (7, 2, 3, 5), "target": (2, 3)},
    {"weight": (5,)},
    {"weight": (7, 4)},
    {"x": (1, 4, 5)},
    {"bias": (3,)},
    {"reduction": "nonsense"},
    {"factors": (3,)},
    {"target": (2,)},
    {"label_smoothing": 2.0},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_errors_of_linear_cross_entropy_are_torchs(torch, wrong):
    def call(m):
        given = {"x": (4, 5), "weight": (7, 5), "target": (4,), **wrong}
        target = given.pop("target")
        target = m.rand(4, 7) if target == "p" else m.zeros(target, dtype=m.int64)
        options = {
            name: m.zeros(given.pop(short))
            for short, name in (("bias", "linear_bias"), ("factors", "weight"))
            if short in given and short != "weight"
        }
        x, weight = m.zeros(given.pop("x")), m.zeros(given.pop("weight"))
        return m.nn.functional.linear_cross_entropy(x, weight, target, **given, **options)

    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(expected.type):
        call(flambeau)


def test_grouped_mm_against_torch(torch):
    a, b = np.random.default_rng(0).standard_normal((2, 8, 8)).astype("float32")
    found = []
    for m in (flambeau, torch):
        x, w = m.tensor(a).requires_grad_(), m.tensor(np.stack([b, a])).requires_grad_()
        offs = m.tensor([3, 8], dtype=m.int32)
        out = m.nn.functional.grouped_mm(x, w, offs=offs)
        out.square().sum().backward()
        both = m.nn.functional.grouped_mm(x, w[0], offs=offs)
        found.append([t.detach().numpy() for t in (out, x.grad, w.grad, both)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


GROUPS = [
    {"offs": None},
    {"offs": [2, 4, 6]},
    {"dtype": "float64"},
    {"b": (2, 7, 4)},
    {"bias": 1},
    {"out_dtype": "bfloat16"},
    {"offsets": "int64"},
]


@pytest.mark.parametrize("wrong", GROUPS, ids=str)
def test_errors_of_grouped_mm_are_torchs(torch, wrong):
    def call(m):
        dtype = getattr(m, wrong.get("dtype", "float32"))
        a, b = m.zeros(6, 8, dtype=dtype), m.zeros(wrong.get("b", (2, 8, 4)), dtype=dtype)
        offs = wrong.get("offs", [2, 6])
        if offs is not None:
            offs = m.tensor(offs, dtype=getattr(m, wrong.get("offsets", "int32")))
        options = {"bias": m.zeros(2, 4)} if "bias" in wrong else {}
        if "out_dtype" in wrong:
            options["out_dtype"] = m.bfloat16
        return m.nn.functional.grouped_mm(a, b, offs=offs, **options)

    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(expected.type):
        call(flambeau)
