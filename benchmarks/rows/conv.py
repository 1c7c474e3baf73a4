"""Convolutions of one to three dimensions: the common kernels, forward and with every gradient."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from ..harness import Step, row
from .inputs import normal


@dataclass(frozen=True)
class Convolution:
    """One convolution: its function, the sizes of input (N, C, ...) and weight, and its options."""

    function: str
    input: tuple[int, ...]
    weight: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    channels_last: bool = False

    def operands(self, T: ModuleType, grad: bool):
        """Input, weight and bias, and the function that convolves them."""
        transposed = "transpose" in self.function
        out = self.weight[1] if transposed else self.weight[0]
        leaves = normal(T, *self.input), normal(T, *self.weight), normal(T, out)
        if self.channels_last:
            x, weight, bias = leaves
            leaves = x.to(memory_format=T.channels_last), weight, bias
        leaves = tuple(leaf.requires_grad_(grad) for leaf in leaves)
        function = getattr(T.nn.functional, self.function)
        return leaves, lambda: function(*leaves, **self.options)


IMAGES = (16, 64, 56, 56)
CONVOLUTIONS = {
    "conv2d 3x3": Convolution("conv2d", IMAGES, (64, 64, 3, 3), {"padding": 1}),
    "conv2d 1x1": Convolution("conv2d", IMAGES, (64, 64, 1, 1)),
    "conv2d 5x5": Convolution("conv2d", (8, 64, 28, 28), (64, 64, 5, 5), {"padding": 2}),
    "conv2d 7x7 stride 2": Convolution(
        "conv2d", (8, 3, 224, 224), (64, 3, 7, 7), {"padding": 3, "stride": 2}
    ),
    "conv2d depthwise 3x3": Convolution(
        "conv2d", IMAGES, (64, 1, 3, 3), {"padding": 1, "groups": 64}
    ),
    "conv2d depthwise 3x3 stride 2": Convolution(
        "conv2d", (8, 64, 56, 56), (64, 1, 3, 3), {"padding": 1, "stride": 2, "groups": 64}
    ),
    "conv2d depthwise 5x5 stride 2": Convolution(
        "conv2d", (8, 672, 14, 14), (672, 1, 5, 5), {"padding": 2, "stride": 2, "groups": 672}
    ),
    "conv2d depthwise 7x7 of small images": Convolution(
        "conv2d", (8, 768, 7, 7), (768, 1, 7, 7), {"padding": 3, "groups": 768}
    ),
    "conv2d 3x3 channels-last": Convolution(
        "conv2d", IMAGES, (64, 64, 3, 3), {"padding": 1}, channels_last=True
    ),
    "conv2d 3x3 of few pixels": Convolution(
        "conv2d", (2, 512, 7, 7), (512, 512, 3, 3), {"padding": 1}
    ),
    "conv2d 3x3 of one small image": Convolution(
        "conv2d", (1, 256, 4, 4), (256, 256, 3, 3), {"padding": 1}
    ),
    "conv2d 1x1 of pixels": Convolution("conv2d", (32, 960, 1, 1), (1280, 960, 1, 1)),
    "conv2d 1x1 of few pixels": Convolution("conv2d", (2, 2048, 7, 7), (512, 2048, 1, 1)),
    "conv2d 1x1 stride 2": Convolution(
        "conv2d", (2, 1024, 14, 14), (2048, 1024, 1, 1), {"stride": 2}
    ),
    "conv1d": Convolution("conv1d", (32, 64, 256), (64, 64, 5), {"padding": 2}),
    "conv3d": Convolution("conv3d", (4, 16, 16, 32, 32), (32, 16, 3, 3, 3), {"padding": 1}),
    "conv_transpose1d": Convolution(
        "conv_transpose1d", (32, 64, 128), (64, 32, 4), {"padding": 1, "stride": 2}
    ),
    "conv_transpose2d": Convolution(
        "conv_transpose2d", (8, 64, 16, 16), (64, 32, 4, 4), {"padding": 1, "stride": 2}
    ),
    "conv_transpose2d of pixels": Convolution(
        "conv_transpose2d", (32, 100, 1, 1), (100, 256, 4, 4), {}
    ),
    "conv_transpose3d": Convolution(
        "conv_transpose3d", (2, 32, 8, 16, 16), (32, 16, 4, 4, 4), {"padding": 1, "stride": 2}
    ),
}


#: Rows of the convolution alone, no graph: the greatest ratio.
FORWARD = {
    "conv2d 3x3": 0.8,
    "conv2d 3x3 of few pixels": 1.05,
    "conv2d 3x3 of one small image": 1.05,
    "conv2d 1x1 of pixels": 1.05,
    "conv2d 1x1 stride 2": 1.05,
    "conv2d depthwise 3x3 stride 2": 1.05,
    "conv2d depthwise 5x5 stride 2": 1.05,
    "conv2d depthwise 7x7 of small images": 1.05,
    "conv_transpose2d of pixels": 1.05,
}
for name, at_most in FORWARD.items():
    row(f"{name} forward", at_most)(
        lambda T, name=name: CONVOLUTIONS[name].operands(T, grad=False)[1]
    )


def forward_backward(name: str, at_most: float) -> None:
    """A row for the convolution and the gradients of input, weight and bias."""

    @row(f"{name} forward+backward", at_most)
    def make(T: ModuleType) -> Step:
        leaves, convolve = CONVOLUTIONS[name].operands(T, grad=True)
        g = normal(T, *convolve().shape, seed=1)

        def step():
            for leaf in leaves:
                leaf.grad = None
            y = convolve()
            y.backward(g)
            return y, *(leaf.grad for leaf in leaves)

        return step


for name in CONVOLUTIONS:
    forward_backward(name, 0.9 if name == "conv2d 3x3" else 1.1)
