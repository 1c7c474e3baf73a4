"""Constructor calls of layers, as text, with a shape that their input may have."""

import pytest

#: Every activation with its options.
ACTIVATIONS = [
    "ReLU()",
    "ReLU(True)",
    "ReLU6()",
    "ReLU6(True)",
    "SiLU()",
    "SiLU(inplace=True)",
    "Mish()",
    "Mish(True)",
    "SELU()",
    "SELU(True)",
    "Hardswish()",
    "Hardsigmoid()",
    "Threshold(0.1, 20)",
    "Threshold(0.1, 20, True)",
    "RReLU()",
    "Hardtanh()",
    "Hardtanh(-2, 0.5, True)",
    "ELU()",
    "ELU(0.5, True)",
    "CELU()",
    "CELU(0.5, True)",
    "LeakyReLU()",
    "LeakyReLU(0.3, True)",
    "PReLU()",
    "PReLU(3, init=0.1)",
    "GELU()",
    "GELU('tanh')",
    "Sigmoid()",
    "Tanh()",
    "LogSigmoid()",
    "Softsign()",
    "Tanhshrink()",
    "Softplus()",
    "Softplus(2.0, 10.0)",
    "Hardshrink()",
    "Softshrink(0.3)",
    "GLU(-1)",
    "Softmax(dim=1)",
    "LogSoftmax(dim=1)",
    "Softmin(dim=1)",
    "Softmax2d()",
]

#: Other layers: the call and the shape of an input.
LAYERS = [
    ("Identity(54, unused=1)", (2, 3)),
    ("Linear(3, 4)", (5, 3)),
    ("Linear(3, 4, bias=False)", (2, 5, 3)),
    ("Conv1d(4, 6, 3, stride=2, padding=1, groups=2)", (2, 4, 9)),
    ("Conv1d(4, 6, 3, padding='same', dilation=2)", (2, 4, 9)),
    ("Conv2d(3, 4, 3)", (2, 3, 7, 8)),
    ("Conv2d(4, 4, (3, 2), stride=(2, 1), padding=1, groups=4, bias=False)", (2, 4, 7, 8)),
    ("Conv2d(3, 4, 3, padding='same')", (2, 3, 7, 8)),
    ("Conv2d(3, 4, 2, padding='same')", (2, 3, 7, 8)),
    ("Conv2d(3, 4, 3, padding='valid', dilation=2)", (2, 3, 7, 8)),
    ("Conv2d(3, 4, 3, padding=1, padding_mode='reflect')", (2, 3, 7, 8)),
    ("Conv2d(3, 4, 3, padding=1, padding_mode='circular')", (2, 3, 7, 8)),
    ("MaxPool1d(2)", (2, 3, 9)),
    ("MaxPool2d(2)", (2, 3, 7, 8)),
    ("MaxPool2d((3, 2), stride=2, padding=(1, 0), ceil_mode=True)", (2, 3, 7, 8)),
    ("AvgPool1d(3, 2)", (2, 3, 9)),
    ("AvgPool2d(2)", (2, 3, 7, 8)),
    ("AvgPool2d(3, 2, padding=1, count_include_pad=False)", (2, 3, 7, 8)),
    ("AdaptiveAvgPool1d(4)", (2, 3, 9)),
    ("AdaptiveAvgPool2d((3, None))", (2, 3, 7, 8)),
    ("AdaptiveMaxPool2d(3)", (2, 3, 7, 8)),
    ("BatchNorm1d(3)", (5, 3)),
    ("BatchNorm1d(3, momentum=None)", (5, 3, 4)),
    ("BatchNorm2d(3)", (5, 3, 4, 4)),
    ("BatchNorm2d(3, affine=False)", (5, 3, 4, 4)),
    ("BatchNorm2d(3, bias=False)", (5, 3, 4, 4)),
    ("BatchNorm2d(3, track_running_stats=False)", (5, 3, 4, 4)),
    ("LayerNorm(4)", (2, 3, 4)),
    ("LayerNorm([3, 4], eps=1e-3, bias=False)", (2, 3, 4)),
    ("LayerNorm(4, elementwise_affine=False)", (2, 3, 4)),
    ("GroupNorm(2, 4)", (3, 4, 5)),
    ("GroupNorm(2, 4, affine=False)", (3, 4, 5)),
    ("RMSNorm(4)", (2, 3, 4)),
    ("RMSNorm([3, 4], eps=1e-4, elementwise_affine=False)", (2, 3, 4)),
    ("Flatten()", (2, 3, 4)),
    ("Flatten(0, 1)", (2, 3, 4)),
    ("Unflatten(1, (2, 3))", (4, 6)),
    ("Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Sequential(nn.Linear(4, 2)))", (5, 3)),
]

#: Layers whose input is not one floating-point tensor.
OTHER_LAYERS = [
    "Bilinear(3, 4, 5)",
    "Bilinear(3, 4, 5, bias=False)",
    "Embedding(7, 3)",
    "Embedding(7, 3, padding_idx=-1)",
    "Embedding(7, 3, max_norm=1.0, norm_type=1.0, scale_grad_by_freq=True, sparse=True)",
    "RNN(3, 4)",
    "RNN(3, 4, 2, 'relu', bidirectional=True)",
    "LSTM(3, 4, 2, bias=False, batch_first=True)",
    "LSTM(3, 4, num_layers=2, bidirectional=True, proj_size=2, dropout=0.1)",
    "GRU(3, 4, 3, dropout=0.5)",
    "RNNCell(3, 4)",
    "RNNCell(3, 4, nonlinearity='relu')",
    "LSTMCell(3, 4, bias=False)",
    "GRUCell(3, 4)",
    "MultiheadAttention(8, 2)",
    "MultiheadAttention(8, 2, bias=False, kdim=3, vdim=5)",
    "MultiheadAttention(8, 2, add_bias_kv=True)",
    "TransformerEncoderLayer(8, 2, 16, batch_first=True)",
    "TransformerDecoderLayer(8, 2, 16, bias=False)",
    "TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)",
    "Transformer(8, 2, 1, 2, 16, batch_first=True)",
    "Dropout()",
    "Dropout(0.3, True)",
    "Dropout1d(0.2)",
    "Dropout2d(0.1)",
    "AdaptiveMaxPool1d(3, return_indices=True)",
    "MSELoss()",
    "L1Loss(reduction='sum')",
    "SmoothL1Loss(beta=0.5)",
    "HuberLoss(delta=2.0)",
    "KLDivLoss(log_target=True)",
    "NLLLoss(ignore_index=1)",
    "BCELoss()",
    "BCEWithLogitsLoss()",
    "CrossEntropyLoss(label_smoothing=0.1)",
    "ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU()])",
    "ModuleDict({'a': nn.Linear(2, 2), 'b': nn.Sequential(nn.ReLU())})",
]

ALL = [*ACTIVATIONS, *(text for text, _ in LAYERS), *OTHER_LAYERS]


def make(text, module, seed=0):
    """The layer of `module` (flambeau or torch) that `text` makes, drawn with a seed."""
    module.manual_seed(seed)
    return eval(f"nn.{text}", {"nn": module.nn})


def copy_weights(source, target):
    """Give the torch layer `target` the values of the flambeau layer `source`."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    state = {name: torch.from_numpy(t.numpy().copy()) for name, t in source.state_dict().items()}
    target.load_state_dict(state)
