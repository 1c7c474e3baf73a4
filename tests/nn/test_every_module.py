"""Every public module against torch: signature, printed form, state, values, gradients.

Rows are a constructor call and its inputs. A public module without a row fails a test.
"""

import importlib
import inspect
import io

import layers
import numpy as np
import pytest

import flambeau

#: What torch alone says about its own implementations.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{text}")
    for text in (
        "Using padding='same' with even kernel lengths",
        "enable_nested_tensor is True",
        "LSTM with projections is not supported with oneDNN",
    )
]

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

#: Rows beside those of `layers`; inputs are made by `r` (real), `i` (integers below the first
#: argument) and `s` (signs). None stands for modules that are not called.
ROWS = [
    ("AdaptiveAvgPool3d((2, None, 3))", "r(2, 3, 4, 5, 6)"),
    ("AdaptiveLogSoftmaxWithLoss(8, 10, [3, 6])", "r(5, 8), i(10, 5)"),
    ("AdaptiveMaxPool1d(3, return_indices=True)", "r(2, 3, 7)"),
    ("AdaptiveMaxPool3d(2)", "r(2, 3, 4, 5, 6)"),
    ("AlphaDropout(0.2)", "r(2, 3, 4)"),
    ("AvgPool3d(2, padding=1)", "r(2, 3, 4, 5, 6)"),
    ("BCELoss()", "r(6, 4).sigmoid(), r(6, 4).sigmoid()"),
    ("BCEWithLogitsLoss()", "r(6, 4), r(6, 4).sigmoid()"),
    ("Bilinear(3, 4, 5)", "r(6, 3), r(6, 4)"),
    ("Bilinear(3, 4, 5, bias=False)", "r(2, 6, 3), r(2, 6, 4)"),
    ("CTCLoss()", "r(12, 3, 5).log_softmax(-1), i(4, 3, 4) + 1, [12, 11, 12], [4, 2, 3]"),
    ("Conv3d(2, 4, (2, 3, 1), padding=1, groups=2)", "r(2, 2, 4, 5, 6)"),
    ("ConvTranspose1d(4, 6, 3, stride=2, output_padding=1)", "r(2, 4, 5)"),
    ("ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2)", "r(2, 4, 5, 6)"),
    ("ConvTranspose3d(2, 3, 2, bias=False)", "r(2, 2, 3, 4, 5)"),
    ("CosineEmbeddingLoss(margin=0.2)", "r(6, 4), r(6, 4), s(6)"),
    ("CosineSimilarity()", "r(6, 4), r(6, 4)"),
    ("CrossEntropyLoss(label_smoothing=0.1)", "r(6, 4), i(4, 6)"),
    ("CrossMapLRN2d(3)", None),
    ("DataParallel(nn.Linear(4, 2))", "r(3, 4)"),
    ("Dropout(0.3)", "r(2, 3, 4)"),
    ("Dropout1d(0.3)", "r(2, 3, 4)"),
    ("Dropout2d(0.3)", "r(2, 3, 4, 5)"),
    ("Dropout3d(0.3)", "r(2, 3, 4, 5, 2)"),
    ("Embedding(7, 3, padding_idx=-1)", "i(7, 2, 4)"),
    ("Embedding(7, 3, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True)", "i(7, 2, 4)"),
    ("EmbeddingBag(7, 3)", "i(7, 3, 4)"),
    ("EmbeddingBag(7, 3, 2.0, 1.0, False, 'sum', padding_idx=-1)", "i(7, 8), i(1, 1)"),
    ("FeatureAlphaDropout(0.2)", "r(2, 3, 4)"),
    ("FractionalMaxPool2d(2, output_ratio=0.5)", "r(2, 3, 6, 7)"),
    ("FractionalMaxPool3d(2, output_size=3)", "r(2, 3, 6, 7, 6)"),
    ("GRU(3, 4, 2, dropout=0.5)", "r(5, 2, 3)"),
    ("GRUCell(3, 4)", "r(2, 3)"),
    ("GaussianNLLLoss(full=True)", "r(6, 4), r(6, 4), r(6, 4).exp()"),
    ("HingeEmbeddingLoss()", "r(6, 4), s(6, 4)"),
    ("HuberLoss(delta=0.5)", "r(6, 4), r(6, 4)"),
    ("KLDivLoss(reduction='batchmean')", "r(6, 4).log_softmax(-1), r(6, 4).softmax(-1)"),
    ("L1Loss(reduction='sum')", "r(6, 4), r(6, 4)"),
    ("LPPool1d(2, 3)", "r(2, 3, 7)"),
    ("LPPool2d(1.5, 2)", "r(2, 3, 4, 5).abs()"),
    ("LPPool3d(2, 2)", "r(2, 3, 4, 5, 6)"),
    ("LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2)", "r(5, 2, 3)"),
    ("LSTMCell(3, 4, bias=False)", "r(2, 3)"),
    ("LazyBatchNorm1d()", "r(4, 3)"),
    ("LazyBatchNorm2d(momentum=None)", "r(4, 3, 2, 2)"),
    ("LazyBatchNorm3d(affine=False)", "r(4, 3, 2, 2, 2)"),
    ("LazyConv1d(4, 2)", "r(2, 3, 5)"),
    ("LazyConv2d(4, 2, groups=2)", "r(2, 2, 5, 4)"),
    ("LazyConv3d(4, 2)", "r(2, 3, 5, 4, 3)"),
    ("LazyConvTranspose1d(4, 2)", "r(2, 3, 5)"),
    ("LazyConvTranspose2d(4, 2, 2)", "r(2, 3, 5, 4)"),
    ("LazyConvTranspose3d(4, 2)", "r(2, 3, 5, 4, 3)"),
    ("LazyInstanceNorm1d()", "r(2, 3, 5)"),
    ("LazyInstanceNorm2d()", "r(2, 3, 5, 4)"),
    ("LazyInstanceNorm3d()", "r(2, 3, 5, 4, 3)"),
    ("LazyLinear(3)", "r(5, 4)"),
    ("LinearCrossEntropyLoss(4, 5)", "r(6, 4), i(5, 6)"),
    ("MSELoss()", "r(6, 4), r(6, 4)"),
    ("MarginRankingLoss(margin=0.2)", "r(6), r(6), s(6)"),
    ("MaxPool3d(2, return_indices=True)", "r(2, 3, 4, 5, 6)"),
    ("MaxUnpool1d(2)", "*F.max_pool1d(r(2, 3, 8), 2, return_indices=True)"),
    ("MaxUnpool2d(2)", "*F.max_pool2d(r(2, 3, 8, 6), 2, return_indices=True)"),
    ("MaxUnpool3d(2)", "*F.max_pool3d(r(2, 3, 8, 6, 4), 2, return_indices=True)"),
    ("ModuleDict({'a': nn.Linear(2, 2), 'b': nn.Sequential(nn.ReLU())})", None),
    ("ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])", None),
    ("MultiLabelMarginLoss()", "r(2, 4), i(4, 2, 4)"),
    ("MultiLabelSoftMarginLoss()", "r(6, 4), i(2, 6, 4).float()"),
    ("MultiMarginLoss(2)", "r(6, 4), i(4, 6)"),
    ("MultiheadAttention(8, 2)", "r(5, 2, 8), r(4, 2, 8), r(4, 2, 8)"),
    ("MultiheadAttention(8, 2, kdim=3, vdim=5)", "r(5, 2, 8), r(4, 2, 3), r(4, 2, 5)"),
    ("NLLLoss(ignore_index=1)", "r(6, 4).log_softmax(-1), i(4, 6)"),
    ("PairwiseDistance(1, keepdim=True)", "r(6, 4), r(6, 4)"),
    ("ParameterDict({'a': torch.ones(2), 'b': torch.zeros(2, 3)})", None),
    ("ParameterList([torch.ones(2), torch.zeros(2, 3)])", None),
    ("PoissonNLLLoss()", "r(6, 4), i(5, 6, 4).float()"),
    ("RNN(3, 4, 2, 'relu', bidirectional=True)", "r(5, 2, 3)"),
    ("RNNCell(3, 4)", "r(2, 3)"),
    ("SmoothL1Loss(beta=0.5)", "r(6, 4), r(6, 4)"),
    ("SoftMarginLoss()", "r(6, 4), s(6, 4)"),
    ("SyncBatchNorm(3)", "r(5, 3, 4)"),
    ("Transformer(8, 2, 1, 2, 16, dropout=0.0)", "r(5, 2, 8), r(4, 2, 8)"),
    (
        "TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, dropout=0.0), 2)",
        "r(5, 2, 8), r(4, 2, 8)",
    ),
    ("TransformerDecoderLayer(8, 2, 16, bias=False)", "r(5, 2, 8), r(4, 2, 8)"),
    (
        "TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)",
        "r(5, 2, 8)",
    ),
    ("TransformerEncoderLayer(8, 2, 16, norm_first=True)", "r(5, 2, 8)"),
    ("TripletMarginLoss(swap=True)", "r(6, 4), r(6, 4), r(6, 4)"),
    ("TripletMarginWithDistanceLoss()", "r(6, 4), r(6, 4), r(6, 4)"),
    ("Upsample(scale_factor=2, mode='bilinear', align_corners=True)", "r(2, 3, 4, 5)"),
    ("UpsamplingBilinear2d((6, 7))", "r(2, 3, 4, 5)"),
    ("UpsamplingNearest2d(scale_factor=2)", "r(2, 3, 4, 5)"),
]
ROWS += [(text, "r(2, 3, 4, 6)") for text in layers.ACTIVATIONS]
ROWS += [(text, f"r{shape}") for text, shape in layers.LAYERS]

#: Bases of other modules, and a class that warns when it is made.
NOT_MADE = {"Container", "Module", "NLLLoss2d", "RNNBase", "RNNCellBase"}


def public_modules():
    """The names of all public modules of flambeau."""
    return [
        name
        for name, kind in sorted(vars(flambeau.nn).items())
        if isinstance(kind, type) and issubclass(kind, flambeau.nn.Module)
    ]


def there(row):
    """Whether flambeau has the module of a row."""
    return hasattr(flambeau.nn, row[0].partition("(")[0])


def test_every_public_module_has_a_row():
    made = {text.partition("(")[0] for text, _ in ROWS}
    assert set(public_modules()) <= made | NOT_MADE


def parameters_of(kind):
    """The parameters of a constructor: names, kinds and defaults."""
    return [
        (p.name, p.kind, getattr(p.default, "__name__", p.default))
        for p in inspect.signature(kind).parameters.values()
    ]


@pytest.mark.parametrize("name", sorted(set(public_modules()) - {"NLLLoss2d"}))
def test_signature(name):
    ours, theirs = getattr(flambeau.nn, name), getattr(torch.nn, name)
    assert parameters_of(ours) == parameters_of(theirs)


@pytest.mark.parametrize("name", public_modules())
def test_attributes_and_methods(name):
    other_devices = {"ipu", "mtia", "xpu"}
    of_several_gpus = {"gather", "parallel_apply", "replicate", "scatter"}
    absent = {*other_devices, "T_destination"} | (
        of_several_gpus if name == "DataParallel" else set()
    )
    theirs = {key for key in dir(getattr(torch.nn, name)) if not key.startswith("_")}
    assert theirs - absent <= set(dir(getattr(flambeau.nn, name)))


@pytest.mark.parametrize("name", public_modules())
def test_a_module_is_where_pytorch_has_it(name):
    kind = getattr(flambeau.nn, name)
    assert kind.__module__ == getattr(torch.nn, name).__module__.replace("torch", "flambeau", 1)
    assert getattr(importlib.import_module(kind.__module__), name) is kind


class Inputs:
    """Makes the inputs of a row, the same ones for flambeau and for torch."""

    def __init__(self, module):
        self.module = module
        self.rng = np.random.default_rng(1)
        self.leaves = []

    def real(self, *shape):
        values = self.rng.standard_normal(shape).astype("float32")
        self.leaves.append(self.module.tensor(values, requires_grad=True))
        # Multiplied by one, so that a layer that works in place gets no leaf.
        return self.leaves[-1] * 1

    def integers(self, high, *shape):
        return self.module.tensor(self.rng.integers(0, high, shape))

    def signs(self, *shape):
        return self.module.tensor(np.sign(self.rng.standard_normal(shape)).astype("float32"))

    def make(self, text):
        names = {"r": self.real, "i": self.integers, "s": self.signs}
        names["F"] = self.module.nn.functional
        return eval(f"({text},)", names)


def make(text, module):
    """The module that `text` makes, drawn with a seed."""
    module.manual_seed(0)
    return eval(f"nn.{text}", {"nn": module.nn, "torch": module})


def is_real(value):
    return value.is_floating_point()


def tensors_in(value):
    """The tensors of a result, in order."""
    if isinstance(value, (tuple, list)):
        return [tensor for part in value for tensor in tensors_in(part)]
    return [] if value is None else [value]


def run(text, inputs, module, training):
    """All tensors that come of a call and of its backward pass, by name."""
    layer = make(text, module).train(training)
    maker = Inputs(module)
    arguments = maker.make(inputs)
    module.manual_seed(3)
    found = dict(enumerate(tensors_in(layer(*arguments))))
    loss = sum((out * out.cos()).sum() for out in found.values() if out.requires_grad)
    if not isinstance(loss, int):
        loss.backward()
    for k, leaf in enumerate(maker.leaves):
        found[f"gradient of input {k}"] = leaf.grad
    for name, parameter in layer.named_parameters():
        found[f"gradient of {name}"] = parameter.grad
    found.update(layer.state_dict())
    return repr(layer), found


CALLED = [row for row in ROWS if row[1] is not None]


@pytest.mark.parametrize("row", [*filter(there, ROWS)], ids=lambda row: row[0])
def test_state(row):
    ours, theirs = make(row[0], flambeau), make(row[0], torch)
    assert repr(ours) == repr(theirs)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert list(state) == list(expected)
    assert state._metadata == expected._metadata
    for name, tensor in state.items():
        if "Uninitialized" not in repr(tensor):
            assert str(tensor.dtype) == str(expected[name].dtype)
            np.testing.assert_array_equal(tensor.numpy(), expected[name].numpy(), err_msg=name)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("row", [*filter(there, CALLED)], ids=lambda row: row[0])
def test_call_and_gradients(row, training):
    form, ours = run(*row, flambeau, training)
    expected_form, theirs = run(*row, torch, training)
    assert form == expected_form
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        other = theirs[name]
        assert (tensor is None) == (other is None), name
        if tensor is not None:
            assert str(tensor.dtype) == str(other.dtype), name
            np.testing.assert_allclose(
                tensor.detach().numpy(),
                other.detach().numpy(),
                rtol=2e-4,
                atol=2e-5,
                err_msg=str(name),
            )


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.parametrize("saved_by", ["flambeau", "torch"])
@pytest.mark.parametrize("row", [*filter(there, CALLED)], ids=lambda row: row[0])
def test_a_saved_module_is_loaded_with_its_class(row, saved_by):
    source = {"flambeau": flambeau, "torch": torch}[saved_by]
    module = make(row[0], source).eval()
    file = io.BytesIO()
    source.save(module, file)
    file.seek(0)
    other = flambeau.load(file, weights_only=False)
    assert repr(other) == repr(module)
    results = []
    for package, layer in ((source, module), (flambeau, other)):
        package.manual_seed(3)
        results.append(tensors_in(layer(*Inputs(package).make(row[1]))))
    for wanted, tensor in zip(*results, strict=True):
        np.testing.assert_allclose(
            tensor.detach().numpy(), wanted.detach().numpy(), rtol=2e-4, atol=2e-5
        )
