"""Two-dimensional convolutions: the common kernels, forward and with every gradient."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from ..harness import Step, row
from .inputs import normal


@dataclass(frozen=True)
class Shape:
    """One convolution: input (N, C, H, W), output channels, and its geometry."""

    input: tuple[int, int, int, int]
    out: int
    kernel: int
    stride: int = 1
    groups: int = 1


SHAPES = {
    "3x3": Shape((16, 64, 56, 56), 64, 3),
    "1x1": Shape((16, 64, 56, 56), 64, 1),
    "5x5": Shape((8, 64, 28, 28), 64, 5),
    "7x7 stride 2": Shape((8, 3, 224, 224), 64, 7, stride=2),
    "depthwise 3x3": Shape((16, 64, 56, 56), 64, 3, groups=64),
}


def operands(T: ModuleType, s: Shape, grad: bool):
    """Input, weight and bias, and the function that convolves them with ``same`` padding."""
    x = normal(T, *s.input, grad=grad)
    weight = normal(T, s.out, s.input[1] // s.groups, s.kernel, s.kernel, grad=grad)
    bias = normal(T, s.out, grad=grad)

    def convolve():
        return T.nn.functional.conv2d(
            x, weight, bias, stride=s.stride, padding=s.kernel // 2, groups=s.groups
        )

    return (x, weight, bias), convolve


@row("conv2d 3x3 forward", 0.8)
def forward(T: ModuleType) -> Step:
    """The convolution alone, no graph."""
    return operands(T, SHAPES["3x3"], grad=False)[1]


def forward_backward(name: str, at_most: float) -> None:
    """A row for the convolution and the gradients of input, weight and bias."""

    @row(f"conv2d {name} forward+backward", at_most)
    def make(T: ModuleType) -> Step:
        leaves, convolve = operands(T, SHAPES[name], grad=True)
        g = normal(T, *convolve().shape, seed=1)

        def step():
            for leaf in leaves:
                leaf.grad = None
            y = convolve()
            y.backward(g)
            return y, *(leaf.grad for leaf in leaves)

        return step


for name in SHAPES:
    forward_backward(name, 0.9 if name == "3x3" else 1.1)
