"""Layers against torch: printed form, state, first values, forward and backward."""

import layers
import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


@pytest.mark.parametrize("text", layers.ALL)
def test_repr(text):
    assert repr(layers.make(text, flambeau)) == repr(layers.make(text, torch))


@pytest.mark.parametrize("text", layers.ALL)
def test_first_values(text):
    state = layers.make(text, flambeau).state_dict()
    expected = layers.make(text, torch).state_dict()
    assert list(state) == list(expected)
    assert state._metadata == expected._metadata
    for name, tensor in state.items():
        assert str(tensor.dtype) == str(expected[name].dtype)
        np.testing.assert_array_equal(tensor.numpy(), expected[name].numpy(), err_msg=name)


def check_against_torch(text, shape, training=True):
    ours = layers.make(text, flambeau).train(training)
    theirs = layers.make(text, torch).train(training)
    layers.copy_weights(ours, theirs)
    values = np.random.default_rng(1).standard_normal(shape).astype("float32")
    x = flambeau.tensor(values, requires_grad=True)
    y = torch.tensor(values, requires_grad=True)
    # Multiplied by one, so that a layer that works in place gets no leaf.
    out, expected = ours(x * 1), theirs(y * 1)
    np.testing.assert_allclose(
        out.detach().numpy(), expected.detach().numpy(), rtol=2e-5, atol=2e-6
    )
    weights = np.random.default_rng(2).standard_normal(expected.shape).astype("float32")
    (out * flambeau.tensor(weights)).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=2e-4, atol=2e-5)
    for (name, parameter), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(
            parameter.grad.numpy(), other.grad.numpy(), rtol=2e-4, atol=2e-5, err_msg=name
        )
    for (name, buffer), other in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(buffer.numpy(), other.numpy(), rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("text", [text for text in layers.ACTIVATIONS if "RReLU" not in text])
def test_activation_against_torch(text):
    check_against_torch(text, (2, 3, 4, 6))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("text", "shape"), layers.LAYERS)
def test_layer_against_torch(text, shape):
    check_against_torch(text, shape)


@pytest.mark.parametrize("text", ["BatchNorm1d(3)", "BatchNorm1d(3, track_running_stats=False)"])
def test_batch_norm_in_evaluation_mode(text):
    check_against_torch(text, (5, 3), training=False)


def test_bilinear_against_torch():
    ours, theirs = (layers.make("Bilinear(3, 4, 5)", module) for module in (flambeau, torch))
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((2, 6, 3)), rng.standard_normal((2, 6, 4))
    left, right = left.astype("float32"), right.astype("float32")
    np.testing.assert_allclose(
        ours(flambeau.tensor(left), flambeau.tensor(right)).detach().numpy(),
        theirs(torch.tensor(left), torch.tensor(right)).detach().numpy(),
        rtol=1e-5,
        atol=1e-6,
    )


def test_embedding_against_torch():
    ours, theirs = (layers.make("Embedding(7, 3, 2)", module) for module in (flambeau, torch))
    index = np.array([[1, 2, 6], [0, 1, 2]])
    out, expected = ours(flambeau.tensor(index)), theirs(torch.tensor(index))
    np.testing.assert_array_equal(out.detach().numpy(), expected.detach().numpy())
    out.sum().backward()
    expected.sum().backward()
    np.testing.assert_array_equal(ours.weight.grad.numpy(), theirs.weight.grad.numpy())


def test_embedding_from_table():
    table = flambeau.ones(3, 2)
    layer = flambeau.nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad
    assert layer.weight.data_ptr() == table.data_ptr()


@pytest.mark.parametrize("text", ["Dropout(0.4)", "Dropout1d(0.4)", "Dropout2d(0.4)"])
def test_dropout(text):
    shape = (4, 3, 5, 5) if "2d" in text else (4, 3, 5)
    layer = layers.make(text, flambeau)
    out = layer(flambeau.ones(shape)).numpy()
    assert set(np.unique(out.round(4))) <= {0.0, np.float32(1 / 0.6).round(4)}
    assert (out == 0).any()
    if "1d" in text or "2d" in text:
        channels = out.reshape(4, 3, -1)
        assert (channels == channels[:, :, :1]).all()
    assert (layer.eval()(flambeau.ones(shape)).numpy() == 1).all()


@pytest.mark.parametrize("text", ["Dropout(0.4)", "Dropout1d(0.4)", "Dropout2d(0.4)"])
def test_dropout_draws_as_torch(text):
    shape = (4, 3, 5, 5) if "2d" in text else (4, 3, 5)
    ours = layers.make(text, flambeau)(flambeau.ones(shape))
    theirs = layers.make(text, torch)(torch.ones(shape))
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_max_pool_returns_indices():
    values = np.random.default_rng(1).standard_normal((2, 3, 6, 6)).astype("float32")
    for text in ("MaxPool2d(2, return_indices=True)", "AdaptiveMaxPool2d(2, return_indices=True)"):
        ours = layers.make(text, flambeau)(flambeau.tensor(values))
        theirs = layers.make(text, torch)(torch.tensor(values))
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(mine.numpy(), other.numpy())


LOSSES = [
    ("MSELoss", "real"),
    ("L1Loss", "real"),
    ("SmoothL1Loss", "real"),
    ("HuberLoss", "real"),
    ("KLDivLoss", "distribution"),
    ("BCELoss", "probability"),
    ("BCEWithLogitsLoss", "probability"),
    ("NLLLoss", "class"),
    ("CrossEntropyLoss", "class"),
    ("CrossEntropyLoss", "distribution"),
]


def loss_input(name, target):
    rng = np.random.default_rng(3)
    values = rng.standard_normal((6, 4)).astype("float32")
    if name == "BCELoss":
        values = 1 / (1 + np.exp(-values))
    targets = {
        "real": rng.standard_normal((6, 4)).astype("float32"),
        "probability": rng.random((6, 4)).astype("float32"),
        "distribution": rng.dirichlet(np.ones(4), 6).astype("float32"),
        "class": rng.integers(0, 4, 6),
    }
    return values, targets[target]


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize(("name", "target"), LOSSES)
def test_loss_against_torch(name, target, reduction):
    values, targets = loss_input(name, target)
    results = []
    for module in (flambeau, torch):
        x = module.tensor(values, requires_grad=True)
        loss = getattr(module.nn, name)(reduction=reduction)
        if name == "KLDivLoss" and reduction == "mean":
            loss.reduction = "batchmean"
        out = loss(x, module.tensor(targets))
        out.sum().backward()
        results.append((out.detach().numpy(), x.grad.numpy()))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["NLLLoss", "CrossEntropyLoss"])
def test_weighted_loss_against_torch(name):
    values, targets = loss_input(name, "class")
    weight = np.array([0.1, 2.0, 1.0, 0.5], dtype="float32")
    ours, theirs = (
        getattr(module.nn, name)(weight=module.tensor(weight), ignore_index=2)(
            module.tensor(values), module.tensor(targets)
        )
        for module in (flambeau, torch)
    )
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


def test_deprecated_reduction():
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert flambeau.nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert flambeau.nn.MSELoss(reduce=False).reduction == "none"


ERRORS = [
    "Conv2d(3, 4, 3, groups=2)",
    "Conv2d(4, 3, 3, groups=2)",
    "Conv2d(4, 3, 3, groups=0)",
    "Conv2d(4, 3, 3, padding='same', stride=2)",
    "Conv3d(4, 3, 3, groups=2)",
    "Conv3d(4, 3, 3, padding='same', stride=(1, 2, 1))",
    "ConvTranspose2d(4, 6, 3, groups=4)",
    "ConvTranspose1d(4, 6, 3, padding_mode='circular')",
    "ConvTranspose2d(4, 6, 3, stride=2)(ones(1, 4, 5, 5), output_size=(13, 12))",
    "ConvTranspose2d(4, 6, 3, stride=2)(ones(2, 4, 5, 5), [10, 12])",
    "ConvTranspose3d(4, 6, 3, stride=2)(ones(1, 4, 5, 5, 5), output_size=[11, 12])",
    "ConvTranspose1d(4, 6, 3)(ones(1, 4, 5), output_size=())",
    "Bilinear(0, 1, 2)",
    "Dropout(1.5)",
    "Dropout2d(-1)",
    "GroupNorm(4, 6)",
    "Unflatten(1, 3)",
    "Unflatten(1, (2, 'a'))",
    "BatchNorm1d(3)(ones(2, 3, 4, 5))",
    "BatchNorm2d(3)(ones(2, 3))",
    "BatchNorm1d(3)(ones(1, 3))",
    "Softmax2d()(ones(2))",
    "MSELoss(reduction='x')(ones(2), ones(2))",
    "Sigmoid(3)",
]


@pytest.mark.parametrize("text", ERRORS)
def test_error_text(text):
    with pytest.raises(Exception) as theirs:
        eval(f"nn.{text}", {"nn": torch.nn, "ones": torch.ones})
    with pytest.raises(theirs.type) as ours:
        eval(f"nn.{text}", {"nn": flambeau.nn, "ones": flambeau.ones})
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Conv2d(4, 3, 3, padding='foo')", "Invalid padding string 'foo', should be one of"),
        ("Conv2d(4, 3, 3, padding_mode='x')", "padding_mode must be one of"),
        ("Embedding(3, 4, padding_idx=5)", "Padding_idx must be within num_embeddings"),
        ("Embedding(3, 4, _weight=ones(2, 2))", "Shape of weight does not match"),
        ("Embedding.from_pretrained(ones(3))", "expected to be 2-dimensional"),
        ("Hardtanh(2, 1)", "max_val .1. must be greater than min_val .2."),
    ],
)
def test_error_of_our_own(text, message):
    with pytest.raises(ValueError, match=message):
        eval(f"nn.{text}", {"nn": flambeau.nn, "ones": flambeau.ones})
