"""Pooling over the last axes of (n, c, ...) or (c, ...) tensors."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.errors import ShapeError
from flambeau.core.registry import checked, function, op
from flambeau.ops.conv import _pair


def _max_samples(s):
    yield s(s.distinct(2, 2, 4, 6), (2, 2), (2, 2), (0, 0), (1, 1), False)
    yield s(s.distinct(1, 2, 5, 5), (3, 2), (1, 2), (1, 0), (1, 2), True)
    yield s(s.distinct(2, 4, 4), (2, 2), (1, 1), (0, 0), (1, 1), False)


@op(
    public=False,
    out=False,
    outputs=("values", "indices"),
    backward_name="MaxPool2DWithIndices",
    torch="_C._nn.max_pool2d_with_indices",
    samples=_max_samples,
)
def _max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode):
    """Maxima of windows, and their places in the plane."""
    return kernels(input).max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


_max_pool2d.vjp("input")(lambda g, indices, input_shape: _place(g, indices, input_shape))


def _place_samples(s):
    yield s(s.tensor(1, 2, 2, 2), s.indices(1, 2, 2, 2, high=9), (1, 2, 3, 3))


@op(public=False, out=False, backward_name="MaxUnpool2D", torch="", samples=_place_samples)
def _place(grad, indices, size):
    """Zeros of `size` with grad added at the places of each plane that indices name."""
    return kernels(grad).max_pool2d_backward(grad, indices, size)


@_place.vjp("grad")
def _(g, indices):
    return g.flatten(-2).gather(-1, indices.flatten(-2)).reshape(indices.shape)


def _average_samples(s):
    yield s(s.tensor(2, 2, 4, 6), (2, 2), (2, 2), (0, 0), False, True, None)
    yield s(s.tensor(1, 2, 5, 5), (3, 2), (1, 2), (1, 0), True, False, None)
    yield s(s.tensor(2, 4, 4), (2, 2), (1, 1), (1, 1), False, True, 3)


@op(
    public=False,
    out=False,
    backward_name="AvgPool2D",
    torch="nn.functional.avg_pool2d",
    samples=_average_samples,
)
def _avg_pool2d(
    input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    return kernels(input).avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override or 0
    )


@_avg_pool2d.vjp("input")
def _(g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, input_shape):
    return _spread(
        g, input_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _spread_samples(s):
    yield s(s.tensor(1, 2, 2, 2), (1, 2, 4, 4), (2, 2), (2, 2), (0, 0), False, True, None)


@op(public=False, out=False, backward_name="AvgPool2DBackward", torch="", samples=_spread_samples)
def _spread(
    grad, size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    """The adjoint of _avg_pool2d."""
    return kernels(grad).avg_pool2d_backward(
        grad,
        size,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override or 0,
    )


@_spread.vjp("grad")
def _(g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
    return _avg_pool2d(
        g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _adaptive_samples(s):
    yield s(s.tensor(2, 2, 4, 5), (2, 3))
    yield s(s.tensor(2, 5, 3), (1, 1))


@op(
    public=False,
    out=False,
    backward_name="AdaptiveAvgPool2D",
    overloads={"output_size = (1, 1)": "MeanBackward1"},
    torch="nn.functional.adaptive_avg_pool2d",
    samples=_adaptive_samples,
)
def _adaptive_avg_pool2d(input, output_size):
    return kernels(input).adaptive_avg_pool2d(input, output_size)


_adaptive_avg_pool2d.vjp("input")(lambda g, input_shape: _adaptive_spread(g, input_shape))


@op(
    public=False,
    out=False,
    backward_name="AdaptiveAvgPool2DBackward",
    torch="",
    samples=lambda s: [s(s.tensor(1, 2, 2, 3), (1, 2, 4, 5))],
)
def _adaptive_spread(grad, size):
    """The adjoint of _adaptive_avg_pool2d."""
    return kernels(grad).adaptive_avg_pool2d_backward(grad, size)


_adaptive_spread.vjp("grad")(lambda g, grad_shape: _adaptive_avg_pool2d(g, grad_shape[-2:]))


def _adaptive_max_samples(s):
    yield s(s.distinct(2, 2, 4, 5), (2, 3))


@op(
    public=False,
    out=False,
    outputs=("values", "indices"),
    backward_name="AdaptiveMaxPool2D",
    torch="_C._nn.adaptive_max_pool2d",
    samples=_adaptive_max_samples,
)
def _adaptive_max_pool2d(input, output_size):
    return kernels(input).adaptive_max_pool2d(input, output_size)


_adaptive_max_pool2d.vjp("input")(lambda g, indices, input_shape: _place(g, indices, input_shape))

# ---- public forms ----


def _window(kernel_size, stride, padding, n):
    kernel_size = _pair(kernel_size, "kernel_size", n)
    stride = (
        kernel_size
        if stride is None or stride == () or stride == []
        else _pair(stride, "stride", n)
    )
    padding = _pair(padding, "padding", n)
    if any(k <= 0 for k in kernel_size) or any(s <= 0 for s in stride):
        raise RuntimeError(
            "pooling: kernel size and stride must be greater than zero, got "
            f"kernel_size={kernel_size}, stride={stride}"
        )
    if any(2 * p > k for p, k in zip(padding, kernel_size, strict=True)):
        raise RuntimeError(
            f"pad should be at most half of effective kernel size, but got pad={max(padding)}, "
            f"kernel_size={max(kernel_size)}"
        )
    return kernel_size, stride, padding


def _need(input, dims, name):
    if input.ndim not in dims:
        raise ShapeError(
            f"{name}: Expected {' or '.join(f'{d}D' for d in dims)} input, but got input of size "
            f"{list(input.shape)}"
        )


@function
def max_pool2d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """Maxima of windows over the last two axes.

    Args:
        input: (n, c, h, w) or (c, h, w).
        kernel_size: size of the window, one number or one per axis.
        stride: step between windows; the window's size by default.
        padding: how far windows may reach over the edge (counted as minus infinity).
        dilation: distance between the elements of a window.
        ceil_mode: round the output size up.
        return_indices: also give the places of the maxima in the plane.

    Raises:
        RuntimeError: if the window does not fit.

    Example:
        >>> flambeau.max_pool2d(flambeau.arange(4.).reshape(1, 1, 2, 2), 2)
        tensor([[[[3.]]]])
    """
    _need(input, (3, 4), "max_pool2d")
    kernel_size, stride, padding = _window(kernel_size, stride, padding, 2)
    values, indices = _max_pool2d(
        input, kernel_size, stride, padding, _pair(dilation, "dilation"), ceil_mode
    )
    return (values, indices) if return_indices else values


@function
def max_pool1d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """Maxima of windows over the last axis; see max_pool2d."""
    _need(input, (2, 3), "max_pool1d")
    kernel_size, stride, padding = _window(kernel_size, stride, padding, 1)
    values, indices = _max_pool2d(
        input.unsqueeze(-2),
        (1, *kernel_size),
        (1, *stride),
        (0, *padding),
        (1, *_pair(dilation, "dilation", 1)),
        ceil_mode,
    )
    values, indices = values.squeeze(-2), indices.squeeze(-2)
    return (values, indices) if return_indices else values


@function
def avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """Means of windows over the last two axes.

    Args:
        count_include_pad: whether padding counts in the mean.
        divisor_override: divide by this instead of the size of the window.

    The other arguments are those of max_pool2d.
    """
    _need(input, (3, 4), "avg_pool2d")
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    kernel_size, stride, padding = _window(kernel_size, stride, padding, 2)
    return _avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@function
def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Means of windows over the last axis; see avg_pool2d."""
    _need(input, (2, 3), "avg_pool1d")
    kernel_size, stride, padding = _window(kernel_size, stride, padding, 1)
    return _avg_pool2d(
        input.unsqueeze(-2),
        (1, *kernel_size),
        (1, *stride),
        (0, *padding),
        ceil_mode,
        count_include_pad,
        None,
    ).squeeze(-2)


def _output_size(input, output_size, n):
    if isinstance(output_size, int) or output_size is None:
        output_size = (output_size,) * n
    return tuple(
        have if wanted is None else wanted
        for wanted, have in zip(output_size, input.shape[-n:], strict=True)
    )


@function
def adaptive_avg_pool2d(input, output_size):
    """Means of windows chosen so that the output has the size asked for (None keeps an axis)."""
    _need(input, (3, 4), "adaptive_avg_pool2d")
    return _adaptive_avg_pool2d(input, _output_size(input, output_size, 2))


@function
def adaptive_avg_pool1d(input, output_size):
    """adaptive_avg_pool2d over the last axis alone."""
    _need(input, (2, 3), "adaptive_avg_pool1d")
    size = _output_size(input, output_size, 1)
    return _adaptive_avg_pool2d(input.unsqueeze(-2), (1, *size)).squeeze(-2)


@function
def adaptive_max_pool2d(input, output_size, return_indices=False):
    """Maxima of windows chosen so that the output has the size asked for."""
    _need(input, (3, 4), "adaptive_max_pool2d")
    values, indices = _adaptive_max_pool2d(input, _output_size(input, output_size, 2))
    return (values, indices) if return_indices else values


@checked
def adaptive_max_pool1d(input, output_size, return_indices=False):
    """adaptive_max_pool2d over the last axis alone."""
    _need(input, (2, 3), "adaptive_max_pool1d")
    size = _output_size(input, output_size, 1)
    values, indices = _adaptive_max_pool2d(input.unsqueeze(-2), (1, *size))
    values, indices = values.squeeze(-2), indices.squeeze(-2)
    return (values, indices) if return_indices else values
