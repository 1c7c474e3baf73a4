"""Normalisation, pooling and losses beyond those of `norm_pool`, forward and backward."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ..harness import Step, row
from .inputs import classes, normal
from .norm_pool import layer_step

AT_MOST = 1.0

SIGNAL, IMAGE, VOLUME = (16, 64, 1024), (16, 64, 56, 56), (4, 32, 16, 32, 32)

#: A layer's call and the shape of its input.
LAYERS: dict[str, tuple[int, ...]] = {
    "MaxPool1d(2)": SIGNAL,
    "MaxPool2d(3, 2, 1)": IMAGE,
    "MaxPool2d(3, 1, 1)": IMAGE,
    "MaxPool3d(2)": VOLUME,
    "MaxPool3d(3, 2, 1)": VOLUME,
    "AvgPool1d(2)": SIGNAL,
    "AvgPool2d(2)": IMAGE,
    "AvgPool2d(3, 3)": IMAGE,
    "AvgPool2d(3, 1, 1)": IMAGE,
    "AvgPool3d(2)": VOLUME,
    "AdaptiveAvgPool1d(7)": SIGNAL,
    "AdaptiveAvgPool2d(1)": IMAGE,
    "AdaptiveAvgPool2d(7)": IMAGE,
    "AdaptiveAvgPool2d(9)": IMAGE,
    "AdaptiveAvgPool3d(4)": VOLUME,
    "AdaptiveMaxPool2d(7)": IMAGE,
    "AdaptiveMaxPool2d(9)": IMAGE,
    "AdaptiveMaxPool3d(4)": VOLUME,
    "LPPool2d(2, 2)": IMAGE,
    "ZeroPad2d(1)": IMAGE,
    "ReflectionPad2d(1)": IMAGE,
    "ReplicationPad3d(1)": VOLUME,
    "CircularPad2d(2)": IMAGE,
    "PixelShuffle(2)": IMAGE,
    "ChannelShuffle(4)": IMAGE,
    "BatchNorm1d(256)": (1024, 256),
    "BatchNorm3d(32)": VOLUME,
    "GroupNorm(8, 64)": IMAGE,
    "InstanceNorm1d(64)": SIGNAL,
    "InstanceNorm2d(64, affine=True)": IMAGE,
    "RMSNorm(768)": (16, 128, 768),
}

for text, shape in LAYERS.items():
    row(f"{text} forward+backward", AT_MOST)(
        lambda T, text=text, shape=shape: layer_step(T, eval(f"nn.{text}", {"nn": T.nn}), *shape)
    )

#: Layers at shapes where other things cost: classes in front of images, windows of whole images,
#: little work for each call.
SHAPES: list[tuple[str, tuple[int, ...]]] = [
    ("Softmax(1)", (8, 21, 64, 64)),
    ("LogSoftmax(1)", (8, 21, 64, 64)),
    ("AvgPool2d(7)", (8, 512, 7, 7)),
    ("AvgPool2d(2)", (2, 512, 7, 7)),
    ("MaxPool2d(7)", (2, 512, 7, 7)),
    ("AdaptiveMaxPool2d(1)", (2, 512, 7, 7)),
    ("MaxPool1d(2)", (8, 32, 100)),
    ("MaxPool1d(4)", (16, 64, 1000)),
]


def forward_step(T: ModuleType, layer, *shape: int) -> Step:
    """One forward pass without a graph."""
    x = normal(T, *shape)

    def step():
        with T.no_grad():
            return layer(x)

    return step


for text, shape in SHAPES:
    for kind, make in (("forward", forward_step), ("forward+backward", layer_step)):
        row(f"{text} {shape} {kind}", AT_MOST)(
            lambda T, text=text, shape=shape, make=make: make(
                T, eval(f"nn.{text}", {"nn": T.nn}), *shape
            )
        )


@row("FractionalMaxPool2d(2) forward+backward", AT_MOST)
def fractional(T: ModuleType) -> Step:
    """With the same regions every time."""
    samples = normal(T, 16, 64, 2).sigmoid()
    layer = T.nn.FractionalMaxPool2d(2, output_ratio=0.7, _random_samples=samples)
    return layer_step(T, layer, *IMAGE)


@row("MaxUnpool2d forward+backward", AT_MOST)
def unpool(T: ModuleType) -> Step:
    """Of what a pooling of windows of 2x2 found."""
    values, indices = T.nn.functional.max_pool2d(normal(T, *IMAGE), 2, return_indices=True)
    x = values.clone().requires_grad_()
    layer = T.nn.MaxUnpool2d(2)
    g = normal(T, *IMAGE, seed=1)

    def step():
        x.grad = None
        y = layer(x, indices)
        y.backward(g)
        return y, x.grad

    return step


def targets(T: ModuleType) -> dict[str, Any]:
    """Targets of each kind for scores (512, 1000)."""
    return {
        "class": classes(T, 512, 1000),
        "real": normal(T, 512, 1000, seed=1),
        "probability": normal(T, 512, 1000, seed=1).sigmoid(),
        "distribution": normal(T, 512, 1000, seed=1).softmax(1),
        "sign": normal(T, 512, 1000, seed=1).sign(),
    }


#: A loss, the kind of its target, and what its input is made into first.
LOSSES: dict[str, tuple[str, str]] = {
    "CrossEntropyLoss()": ("class", ""),
    "CrossEntropyLoss(label_smoothing=0.1)": ("class", ""),
    "NLLLoss()": ("class", ""),
    "MSELoss()": ("real", ""),
    "L1Loss()": ("real", ""),
    "SmoothL1Loss()": ("real", ""),
    "HuberLoss()": ("real", ""),
    "BCEWithLogitsLoss()": ("probability", ""),
    "BCELoss()": ("probability", "sigmoid"),
    "KLDivLoss(reduction='batchmean')": ("distribution", ""),
    "PoissonNLLLoss()": ("probability", ""),
    "SoftMarginLoss()": ("sign", ""),
    "HingeEmbeddingLoss()": ("sign", ""),
}


def loss_step(T: ModuleType, text: str) -> Step:
    """A loss of 512 rows of 1000 scores, and its gradient."""
    kind, form = LOSSES[text]
    loss = eval(f"nn.{text}", {"nn": T.nn})
    x = normal(T, 512, 1000)
    x = (x.sigmoid() if form else x).requires_grad_()
    target = targets(T)[kind]

    def step():
        x.grad = None
        value = loss(x, target)
        value.backward()
        return value, x.grad

    return step


for text in LOSSES:
    row(f"{text} forward+backward", AT_MOST)(lambda T, text=text: loss_step(T, text))


def pixels_step(T: ModuleType, number: int) -> Step:
    """The cross entropy of so many classes at each pixel of eight images of 128x128."""
    x, target = normal(T, 8, number, 128, 128, grad=True), classes(T, 8 * 128 * 128, number)
    target = target.reshape(8, 128, 128)

    def step():
        x.grad = None
        value = T.nn.functional.cross_entropy(x, target)
        value.backward()
        return value, x.grad

    return step


for number in (2, 3, 21):
    row(f"CrossEntropyLoss() {number} classes of pixels forward+backward", AT_MOST)(
        lambda T, number=number: pixels_step(T, number)
    )
