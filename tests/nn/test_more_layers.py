"""Losses, dropouts, distances, bags of embeddings and small functions against torch."""

import layers
import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def numbers(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def close(ours, theirs, **kwargs):
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=2e-5, atol=2e-6, **kwargs
    )


SIGNS = np.sign(numbers(6, seed=9))
RATES = np.abs(numbers(6, 4, seed=8)).round()
CLASSES = np.random.default_rng(3).integers(0, 4, 6)
LISTS = np.array(
    [[1, 2, -1, 0], [3, -1, 0, 0], [-1, 0, 1, 2], [0, 1, 2, 3], [2, 0, -1, -1], [1] * 4]
)

#: A loss, how many float inputs it has, and what else it takes.
LOSSES = [
    ("PoissonNLLLoss(", 1, [RATES]),
    ("PoissonNLLLoss(full=True, ", 1, [RATES]),
    ("GaussianNLLLoss(full=True, ", 2, [np.abs(numbers(6, 4, seed=5))]),
    ("HingeEmbeddingLoss(margin=0.5, ", 1, [np.sign(numbers(6, 4, seed=9))]),
    ("MultiLabelMarginLoss(", 1, [LISTS]),
    ("SoftMarginLoss(", 1, [np.sign(numbers(6, 4, seed=9))]),
    ("MultiLabelSoftMarginLoss(", 1, [(numbers(6, 4, seed=9) > 0).astype("float32")]),
    ("CosineEmbeddingLoss(margin=0.2, ", 2, [SIGNS]),
    ("MarginRankingLoss(margin=0.2, ", 2, [np.sign(numbers(6, 4, seed=9))]),
    ("MultiMarginLoss(p=2, margin=0.5, ", 1, [CLASSES]),
    ("TripletMarginLoss(swap=True, ", 3, []),
    ("TripletMarginLoss(p=1.0, margin=2.0, ", 3, []),
    ("TripletMarginWithDistanceLoss(", 3, []),
]


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize(("text", "inputs", "others"), LOSSES)
def test_losses(text, inputs, others, reduction):
    results = []
    for module in (flambeau, torch):
        loss = layers.make(f"{text}reduction='{reduction}')", module)
        xs = [module.tensor(numbers(6, 4, seed=s), requires_grad=True) for s in range(inputs)]
        out = loss(*xs, *(module.tensor(o) for o in others))
        (out * out).sum().backward()
        results.append([out, *(x.grad for x in xs)])
    for mine, other in zip(*results, strict=True):
        assert tuple(mine.shape) == tuple(other.shape)
        close(mine, other)


def test_weights_of_classes():
    weight = np.array([0.1, 2.0, 1.0, 0.5], dtype="float32")
    for name, target in (("MultiMarginLoss", CLASSES), ("MultiLabelSoftMarginLoss", RATES % 2)):
        ours, theirs = (
            getattr(module.nn, name)(weight=module.tensor(weight))(
                module.tensor(numbers(6, 4)), module.tensor(target)
            )
            for module in (flambeau, torch)
        )
        close(ours, theirs)


def test_loss_for_images_warns():
    with pytest.warns(FutureWarning, match="NLLLoss2d has been deprecated"):
        assert repr(flambeau.nn.NLLLoss2d()) == "NLLLoss2d()"


@pytest.mark.parametrize(
    "text",
    ["Dropout3d(0.4)", "AlphaDropout(0.4)", "FeatureAlphaDropout(0.4)", "Dropout3d(0.4, True)"],
)
def test_dropouts(text):
    results = []
    for module in (flambeau, torch):
        layer = layers.make(text, module)
        x = module.tensor(numbers(3, 4, 2, 2, 2), requires_grad=True)
        out = layer(x * 1)
        (out * out).sum().backward()
        results.append([out, x.grad, layer.eval()(x * 1)])
    for mine, other in zip(*results, strict=True):
        close(mine, other)


@pytest.mark.parametrize(
    "text", ["CosineSimilarity()", "CosineSimilarity(-1, 1e-4)", "PairwiseDistance(3, 0.1, True)"]
)
def test_distances(text):
    results = []
    for module in (flambeau, torch):
        xs = [module.tensor(numbers(3, 4, 5, seed=s), requires_grad=True) for s in (1, 2)]
        out = layers.make(text, module)(*xs)
        (out * out).sum().backward()
        results.append([out, *(x.grad for x in xs)])
    for mine, other in zip(*results, strict=True):
        assert tuple(mine.shape) == tuple(other.shape)
        close(mine, other)


def test_channels_of_one_volume():
    ours, theirs = (
        layers.make("Dropout3d(0.4)", module)(module.tensor(numbers(5, 2, 2, 3)))
        for module in (flambeau, torch)
    )
    close(ours, theirs)
    with pytest.warns(UserWarning, match="Received a 3-D input to dropout3d"):
        flambeau.nn.functional.dropout3d(flambeau.ones(2, 3, 4))


INDEX = np.array([1, 2, 4, 5, 4, 3, 2, 6])
BAGS = [
    ("", {"offsets": [0, 4]}),
    ("", {"offsets": [0, 3, 3, 8]}),
    (", include_last_offset=True", {"offsets": [0, 3, 3, 8]}),
    (", padding_idx=4", {"offsets": [0, 2, 3]}),
    (", max_norm=1.0", {"offsets": [0, 4]}),
    ("", {}),
    (", padding_idx=4", {}),
]


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize(("options", "arguments"), BAGS)
def test_bags(mode, options, arguments):
    results = []
    for module in (flambeau, torch):
        layer = layers.make(f"EmbeddingBag(7, 3, mode='{mode}'{options})", module)
        index = INDEX if arguments else INDEX.reshape(4, 2)
        out = layer(module.tensor(index), *(module.tensor(v) for v in arguments.values()))
        (out * out).sum().backward()
        results.append([out, layer.weight.grad, layer.weight])
    for mine, other in zip(*results, strict=True):
        assert tuple(mine.shape) == tuple(other.shape)
        close(mine, other)


def test_weights_of_samples():
    results = []
    for module in (flambeau, torch):
        layer = layers.make("EmbeddingBag(7, 3, mode='sum')", module)
        factors = module.tensor(numbers(8), requires_grad=True)
        out = layer(module.tensor(INDEX), module.tensor([0, 3]), factors)
        (out * out).sum().backward()
        results.append([out, layer.weight.grad, factors.grad])
    for mine, other in zip(*results, strict=True):
        close(mine, other)


def test_bag_gradient_by_frequency():
    # torch divides by the frequencies of other indices here; what its documentation says is tested.
    layer = layers.make("EmbeddingBag(7, 3, mode='sum', scale_grad_by_freq=True)", flambeau)
    layer(flambeau.tensor(INDEX), flambeau.tensor([0, 3])).sum().backward()
    expected = (np.bincount(INDEX, minlength=7) > 0).astype("float32")
    np.testing.assert_array_equal(layer.weight.grad.numpy(), np.tile(expected[:, None], (1, 3)))


def test_norm_of_older_models():
    # torch's running sum over the channels keeps the first one; ours is the plain formula.
    x = flambeau.tensor(numbers(2, 5, 3, 3))
    nn = flambeau.nn
    close(nn.CrossMapLRN2d(3, 0.5)(x), nn.LocalResponseNorm(3, 0.5)(x))


def test_embedding_gradient_by_frequency():
    grads = []
    for module in (flambeau, torch):
        layer = layers.make("Embedding(7, 3, scale_grad_by_freq=True, padding_idx=2)", module)
        (layer(module.tensor(INDEX.reshape(2, 4))) ** 2).sum().backward()
        grads.append(layer.weight.grad)
    close(*grads)


@pytest.mark.parametrize(
    "call",
    [
        "normalize(x)",
        "normalize(x, p=1, dim=-1)",
        "normalize(x, dim=(0, 2))",
        "normalize(x * 0)",
        "pixel_unshuffle(x[..., :2], 2)",
        "pdist(x[0])",
        "local_response_norm(x, 2, 0.5)",
    ],
)
def test_functions(call):
    results = []
    for module in (flambeau, torch):
        x = module.tensor(numbers(2, 4, 3), requires_grad=True)
        out = eval(f"F.{call}", {"F": module.nn.functional, "x": x})
        (out * out).sum().backward()
        results.append([out, x.grad])
    for mine, other in zip(*results, strict=True):
        close(mine, other)


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax(hard):
    results = []
    for module in (flambeau, torch):
        x = module.tensor(numbers(5, 4), requires_grad=True)
        module.manual_seed(0)
        out = module.nn.functional.gumbel_softmax(x, 0.7, hard)
        (out * module.tensor(numbers(5, 4, seed=2))).sum().backward()
        results.append([out, x.grad])
    for mine, other in zip(*results, strict=True):
        close(mine, other)


@pytest.mark.parametrize(("index", "classes"), [([0, 2, 1], -1), ([[0], [2]], 5), (1, 3)])
def test_one_hot(index, classes):
    ours, theirs = (
        module.nn.functional.one_hot(module.tensor(index), classes) for module in (flambeau, torch)
    )
    assert ours.tolist() == theirs.tolist()


ERRORS = [
    "PixelShuffle(2)(ones(3, 4, 4))",
    "PixelShuffle(2)(ones(4, 4))",
    "PixelShuffle(0)(ones(1, 4, 4))",
    "PixelUnshuffle(3)(ones(1, 4, 4))",
    "ChannelShuffle(2)(ones(1, 3, 4, 4))",
    "ChannelShuffle(2)(ones(3))",
    "ChannelShuffle(0)(ones(1, 2, 3))",
    "InstanceNorm2d(3)(ones(2, 3))",
    "InstanceNorm1d(3, affine=True)(ones(2, 4, 5))",
    "BatchNorm3d(3)(ones(2, 3, 4, 4))",
    "functional.local_response_norm(ones(3, 3), 2)",
    "functional.one_hot(ones(3))",
    "functional.one_hot(-ones(3).long())",
    "functional.one_hot(ones(3).long(), 1)",
    "functional.one_hot(ones(0).long())",
    "functional.fold(ones(1, 5, 4), (3, 3), 2)",
    "functional.fold(ones(1, 4, 3), (3, 3), 2)",
    "functional.unfold(ones(1, 1, 3, 3), 5)",
    "functional.alpha_dropout(ones(2), 1.5)",
    "functional.embedding_bag(ones(2).long(), ones(3, 2))",
    "functional.embedding_bag(ones(2).long(), ones(3, 2), ones(1).long() * 0, mode='x')",
    "functional.embedding_bag(ones(1, 1, 1).long(), ones(3, 2))",
    "MultiMarginLoss(p=3)",
    "MultiMarginLoss(weight=ones(2, 2))",
    "TripletMarginLoss(margin=0)",
    "TripletMarginWithDistanceLoss(margin=-1)",
]


@pytest.mark.parametrize("text", ERRORS)
def test_error_text(text):
    with pytest.raises(Exception) as theirs:
        eval(f"nn.{text}", {"nn": torch.nn, "ones": torch.ones})
    with pytest.raises(theirs.type) as ours:
        eval(f"nn.{text}", {"nn": flambeau.nn, "ones": flambeau.ones})
    assert str(ours.value) == str(theirs.value)


def test_number_of_features_that_does_not_matter():
    with pytest.warns(UserWarning, match="does not match num_features"):
        flambeau.nn.InstanceNorm1d(3)(flambeau.ones(2, 4, 5))


def test_shuffle_by_its_other_name():
    x = numbers(2, 4, 3)
    ours, theirs = (
        module.nn.functional.native_channel_shuffle(module.tensor(x), 2)
        for module in (flambeau, torch)
    )
    close(ours, theirs)
