"""Resizing, sampling at grids, and the loss of unaligned sequences, forward and backward."""

from __future__ import annotations

from types import ModuleType

from ..harness import Step, row
from .inputs import normal


def step_of(call, *leaves) -> Step:
    """One forward and backward pass of `call`, which takes no arguments."""
    # The gradient of the sum of squares is the output, so that no other tensor is read.
    g = call().detach()

    def step():
        for leaf in leaves:
            leaf.grad = None
        y = call()
        y.backward(g)
        return y, *(leaf.grad for leaf in leaves)

    return step


def resize_step(T: ModuleType, shape: tuple[int, ...], **options) -> Step:
    """Resizing of an input of the given shape."""
    x = normal(T, *shape, grad=True)
    return step_of(lambda: T.nn.functional.interpolate(x, **options), x)


@row("interpolate bilinear forward+backward", 1.0)
def bilinear(T: ModuleType) -> Step:
    """64x64 to 128x128."""
    return resize_step(T, (8, 32, 64, 64), size=(128, 128), mode="bilinear")


@row("interpolate nearest forward+backward", 1.1)
def nearest(T: ModuleType) -> Step:
    """64x64 to 128x128."""
    return resize_step(T, (8, 32, 64, 64), size=(128, 128))


@row("interpolate bicubic forward+backward", 1.1)
def bicubic(T: ModuleType) -> Step:
    """64x64 to 128x128."""
    return resize_step(T, (8, 32, 64, 64), size=(128, 128), mode="bicubic")


@row("interpolate trilinear forward+backward", 1.1)
def trilinear(T: ModuleType) -> Step:
    """16x32x32 to twice that."""
    return resize_step(T, (2, 16, 16, 32, 32), scale_factor=2, mode="trilinear")


@row("interpolate antialiased forward+backward", 1.1)
def antialiased(T: ModuleType) -> Step:
    """128x128 to 48x48, bilinear."""
    return resize_step(T, (8, 32, 128, 128), size=(48, 48), mode="bilinear", antialias=True)


@row("grid_sample bilinear forward+backward", 1.1)
def grid_sample(T: ModuleType) -> Step:
    """64x64 images at as many places."""
    x, grid = normal(T, 8, 32, 64, 64, grad=True), normal(T, 8, 64, 64, 2, seed=1)
    grid = (grid * 0.5).requires_grad_()
    return step_of(lambda: T.nn.functional.grid_sample(x, grid, align_corners=False), x, grid)


def sampling_step(T: ModuleType, mode: str) -> Step:
    """Sampling of images of one channel, as optical flow and registration warp them."""
    x, grid = normal(T, 8, 1, 128, 128), normal(T, 8, 128, 128, 2, seed=1) * 0.5
    return lambda: T.nn.functional.grid_sample(x, grid, mode, align_corners=False)


@row("grid_sample bilinear one channel", 1.0)
def grid_sample_plane(T: ModuleType) -> Step:
    """128x128 images at as many places, forward."""
    return sampling_step(T, "bilinear")


@row("grid_sample nearest one channel", 1.0)
def grid_sample_plane_nearest(T: ModuleType) -> Step:
    """128x128 images at as many places, forward."""
    return sampling_step(T, "nearest")


@row("affine_grid forward+backward", 1.1)
def affine_grid(T: ModuleType) -> Step:
    """Of eight maps of 64x64 images."""
    theta = normal(T, 8, 2, 3, grad=True)
    size = (8, 3, 64, 64)
    return step_of(lambda: T.nn.functional.affine_grid(theta, size, align_corners=False), theta)


@row("ctc_loss forward+backward", 1.0)
def ctc_loss(T: ModuleType) -> Step:
    """Of 16 sequences of 50 steps and 20 classes."""
    log_probs = normal(T, 50, 16, 20).log_softmax(2).requires_grad_()
    targets = T.arange(16 * 30).reshape(16, 30) % 19 + 1
    lengths = T.full((16,), 50), T.arange(16) + 10
    return step_of(lambda: T.nn.functional.ctc_loss(log_probs, targets, *lengths), log_probs)
