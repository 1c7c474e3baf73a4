"""Of every loss: its derivative, its warnings, and the errors of arguments that do not fit."""

import numpy as np
import pytest

import flambeau
from flambeau.autograd import gradcheck
from flambeau.nn import functional as F

rng = np.random.default_rng(5)


def normal(*shape):
    return flambeau.tensor(rng.standard_normal(shape)).requires_grad_()


def unit(*shape):
    return flambeau.tensor(rng.uniform(0.1, 0.9, shape)).requires_grad_()


def signs(*shape):
    return flambeau.tensor(np.sign(rng.standard_normal(shape)))


LABELS = flambeau.tensor([0, 2, 1])
ROWS = flambeau.tensor([[2, 0, -1, 1], [0, 2, 1, 3], [-1, 2, 1, 0]])
SOME = flambeau.tensor([[1, 2], [3, 0], [2, 2]])
LOSSES = {
    "mse_loss": (lambda: (normal(3, 4), normal(3, 4)), {"weight": unit(3, 4).detach()}),
    "l1_loss": (lambda: (normal(3, 4), normal(3, 4)), {}),
    "smooth_l1_loss": (lambda: (normal(3, 4), normal(3, 4)), {"beta": 0.4}),
    "huber_loss": (lambda: (normal(3, 4), normal(3, 4)), {"delta": 0.4}),
    "soft_margin_loss": (lambda: (normal(3, 4), signs(3, 4)), {}),
    "binary_cross_entropy": (lambda: (unit(3, 4), unit(3, 4)), {"weight": unit(4).detach()}),
    "binary_cross_entropy_with_logits": (
        lambda: (normal(3, 4), unit(3, 4)),
        {"pos_weight": unit(4).detach()},
    ),
    "kl_div": (lambda: (normal(3, 4), unit(3, 4)), {}),
    "poisson_nll_loss": (lambda: (normal(3, 4), unit(3, 4)), {"full": True}),
    "gaussian_nll_loss": (lambda: (normal(3, 4), normal(3, 4), unit(3, 1)), {}),
    "hinge_embedding_loss": (lambda: (normal(3, 4), signs(3, 4)), {"margin": 0.6}),
    "margin_ranking_loss": (lambda: (normal(3), normal(3), signs(3)), {"margin": 0.1}),
    "nll_loss": (lambda: (normal(3, 4), LABELS), {"weight": unit(4).detach(), "ignore_index": 2}),
    "cross_entropy": (lambda: (normal(3, 4), LABELS), {"label_smoothing": 0.2}),
    "multi_margin_loss": (lambda: (normal(3, 4), LABELS), {"p": 2, "weight": unit(4).detach()}),
    "multilabel_margin_loss": (lambda: (normal(3, 4), ROWS), {}),
    "multilabel_soft_margin_loss": (lambda: (normal(3, 4), unit(3, 4).detach()), {}),
    "cosine_embedding_loss": (lambda: (normal(3, 4), normal(3, 4), signs(3)), {"margin": -0.3}),
    "triplet_margin_loss": (lambda: (normal(3, 4), normal(3, 4), normal(3, 4)), {"swap": True}),
    "triplet_margin_with_distance_loss": (
        lambda: (normal(3, 4), normal(3, 4), normal(3, 4)),
        {"distance_function": lambda a, b: (a - b).square().sum(-1)},
    ),
    "ctc_loss": (lambda: (normal(6, 3, 5), SOME, (6, 5, 6), (2, 2, 2)), {}),
    "linear_cross_entropy": (lambda: (normal(3, 2), normal(4, 2), LABELS), {}),
}


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", LOSSES)
def test_derivative(name, reduction):
    make, options = LOSSES[name]

    def loss(*arguments):
        if name == "ctc_loss":  # its gradient is that of the scores
            arguments = arguments[0].log_softmax(2), *arguments[1:]
        return getattr(F, name)(*arguments, **options, reduction=reduction)

    assert gradcheck(loss, make())


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("name", LOSSES)
def test_another_reduction_is_refused(name):
    make, options = LOSSES[name]
    with pytest.raises(ValueError, match="nonsense is not a valid value for reduction"):
        getattr(F, name)(*make(), **options, reduction="nonsense")


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_broadcasting_warns_with_both_shapes(name):
    text = r"a target size \(torch.Size\(\[4\]\)\) that is different to the input size \(torch.Siz"
    with pytest.warns(UserWarning, match=text):
        loss = getattr(F, name)(normal(3, 4), normal(4))
    assert loss.shape == ()


WRONG = [
    ("nll_loss", [(), "i"], {}),
    ("multi_margin_loss", [(3, 4), "iii"], {"weight": (3,)}),
    ("multi_margin_loss", [(3, 4), "ii"], {}),
    ("multi_margin_loss", [(3, 4), "999"], {}),
    ("multi_margin_loss", [(3, 0), "iii"], {}),
    ("multi_margin_loss", [(2, 3, 4), "ii"], {}),
    ("multilabel_margin_loss", [(3,), "iii"], {"target": (4,)}),
    ("multilabel_margin_loss", [(3,), "999"], {}),
    ("cosine_embedding_loss", [(3, 4), (3, 4), (3, 1)], {}),
    ("cosine_embedding_loss", [(3, 4), (4,), (3,)], {}),
    ("cosine_embedding_loss", [(3, 4), (2, 4), (3,)], {}),
    ("triplet_margin_loss", [(3, 4), (4,), (3, 4)], {}),
    ("triplet_margin_loss", [(3, 4), (3, 4), (3, 4)], {"margin": -1.0}),
    ("triplet_margin_with_distance_loss", [(3, 4), (3, 4), (4,)], {}),
    ("mse_loss", [(3, 2), (1, 4)], {}),
    ("mse_loss", [(3, 4), (3, 4)], {"weight": (4,)}),
    ("binary_cross_entropy", [(3, 4), (4,)], {}),
    ("binary_cross_entropy", [(3, 4), (3, 4)], {"weight": (2, 3, 4)}),
    ("binary_cross_entropy_with_logits", [(3, 4), (3, 4)], {"weight": (2, 3, 4)}),
    ("binary_cross_entropy_with_logits", [(3, 4), (3, 4)], {"pos_weight": (2, 3, 4)}),
    ("cross_entropy", [(3, 4), (3, 4)], {"ignore_index": 1}),
    ("cross_entropy", [(3, 4), (3,)], {}),
    ("cross_entropy", [(3, 4), "iii"], {"label_smoothing": 1.5}),
    ("cross_entropy", [(3, 4), "iii"], {"weight": (3,)}),
    ("multilabel_soft_margin_loss", [(), ()], {}),
    ("gaussian_nll_loss", [(3, 4), (3, 4), (2, 4)], {}),
    ("margin_ranking_loss", [(3, 4), (3, 4), (3,)], {}),
]


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(("name", "arguments", "options"), WRONG)
def test_errors_are_torchs(name, arguments, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

    def made(m, value):
        if isinstance(value, str):
            numbers = [9 if c == "9" else 1 for c in value]
            return m.tensor(numbers if len(value) > 1 or name != "nll_loss" else numbers[0])
        return m.full(value, 0.5) if isinstance(value, tuple) else value

    def call(m):
        given = {k: made(m, v) for k, v in options.items() if k != "target"}
        values = [made(m, v) for v in arguments]
        if "target" in options:
            values[1] = m.zeros(options["target"], dtype=m.int64)
        return getattr(m.nn.functional, name)(*values, **given)

    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(expected.type):
        call(flambeau)


@pytest.mark.parametrize("name", ["nll_loss", "cross_entropy"])
def test_class_weights_have_no_gradient(name):
    with pytest.raises(RuntimeError, match="'nll_loss_forward' is not differentiable"):
        getattr(F, name)(normal(3, 4), LABELS, unit(4))


CALLS = [
    ("multi_margin_loss", lambda m: (m.tensor(0.3), m.tensor(0)), {}),
    ("multilabel_margin_loss", lambda m: (m.tensor(0.3), m.tensor(0)), {}),
    ("margin_ranking_loss", lambda m: [m.tensor([k, 3, -2]) for k in (1, 0, 2)], {}),
    ("margin_ranking_loss", lambda m: [m.tensor([k, 3]) for k in (1, 0, 2)], {"reduction": "sum"}),
    ("soft_margin_loss", lambda m: (m.tensor([2.0, -1.0]), m.tensor([1, 1])), {}),
    ("soft_margin_loss", lambda m: (m.ones(2, 3), m.tensor([1.0, -1.0, 1.0])), {}),
    (
        "binary_cross_entropy_with_logits",
        lambda m: (m.tensor([0.3, 2.0]), m.tensor([0.0, 1.0])),
        {"weight": [0.5, 2.0], "pos_weight": [3.0]},
    ),
]


@pytest.mark.parametrize(("name", "make", "options"), CALLS)
def test_results_are_torchs(name, make, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

    def call(m):
        given = {k: v if isinstance(v, str) else m.tensor(v).double() for k, v in options.items()}
        result = getattr(m.nn.functional, name)(*make(m), **given)
        return repr(result), str(result.dtype).split(".")[-1]

    assert call(flambeau) == call(torch)
