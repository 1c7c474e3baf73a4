"""Gradients of convolutions as functions of their own."""

from flambeau.core.errors import ShapeError
from flambeau.core.registry import checked
from flambeau.ops.conv import _conv_transposed, _conv_weight, _pair

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
]


def _input(n, size, weight, grad, *window):
    size = tuple(size)
    if len(size) != n + 2:
        raise ShapeError(
            f"Expected {n + 2}-dimensional input for {n + 2}-dimensional weight "
            f"{list(weight.shape)}, but got {len(size)}-dimensional input of size {list(size)} "
            "instead"
        )
    return _conv_transposed(grad, weight, None, size, *_window(n, *window))


def _weight(n, input, size, grad, *window):
    if input.ndim != n + 2:
        raise ShapeError(
            f"Expected {n + 2}-dimensional input for {n + 2}-dimensional weight {list(size)}, but "
            f"got {input.ndim}-dimensional input of size {list(input.shape)} instead"
        )
    return _conv_weight(grad, input, tuple(size), *_window(n, *window))


def _window(n, stride, padding, dilation, groups):
    return (
        _pair(stride, "stride", n),
        _pair(padding, "padding", n),
        _pair(dilation, "dilation", n),
        groups,
    )


@checked
def conv1d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv1d with respect to its input.

    Args:
        input_size: Sizes of the input, (n, c, l).
        weight: (o, c / groups, k).
        grad_output: Gradient of the output, (n, o, l').
        stride, padding, dilation, groups: Those of the convolution; see conv2d_input.

    Returns:
        (n, c, l).

    Raises:
        ShapeError: If the sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> w, g = torch.tensor([[[1.0, 10.0]]]), torch.ones(1, 1, 2)
        >>> torch.nn.grad.conv1d_input((1, 1, 3), w, g)
        tensor([[[ 1., 11., 10.]]])
    """
    return _input(1, input_size, weight, grad_output, stride, padding, dilation, groups)


@checked
def conv1d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv1d with respect to its weight.

    Args:
        input: (n, c, l).
        weight_size: Sizes of the weight, (o, c / groups, k).
        grad_output: Gradient of the output, (n, o, l').
        stride, padding, dilation, groups: Those of the convolution; see conv2d_weight.

    Returns:
        (o, c / groups, k).

    Raises:
        ShapeError: If the sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> x, g = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.ones(1, 1, 2)
        >>> torch.nn.grad.conv1d_weight(x, (1, 1, 2), g)
        tensor([[[3., 5.]]])
    """
    return _weight(1, input, weight_size, grad_output, stride, padding, dilation, groups)


@checked
def conv2d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv2d with respect to its input.

    Args:
        input_size: Sizes of the input, (n, c, h, w).
        weight: (o, c / groups, kh, kw).
        grad_output: Gradient of the output, (n, o, h', w').
        stride: Step of the window.
        padding: Zeros on both sides of the input.
        dilation: Distance between the elements of the window.
        groups: Number of blocks that channels are connected within.

    Returns:
        (n, c, h, w).

    Raises:
        ShapeError: If the sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> w, g = torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
        >>> torch.nn.grad.conv2d_input((1, 1, 3, 3), w, g).sum()
        tensor(16.)
    """
    return _input(2, input_size, weight, grad_output, stride, padding, dilation, groups)


@checked
def conv2d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv2d with respect to its weight.

    Args:
        input: (n, c, h, w).
        weight_size: Sizes of the weight, (o, c / groups, kh, kw).
        grad_output: Gradient of the output, (n, o, h', w').
        stride: Step of the window.
        padding: Zeros on both sides of the input.
        dilation: Distance between the elements of the window.
        groups: Number of blocks that channels are connected within.

    Returns:
        (o, c / groups, kh, kw).

    Raises:
        ShapeError: If the sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> x, g = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2)
        >>> torch.nn.grad.conv2d_weight(x, (1, 1, 2, 2), g)
        tensor([[[[4., 4.],
                  [4., 4.]]]])
    """
    return _weight(2, input, weight_size, grad_output, stride, padding, dilation, groups)


@checked
def conv3d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv3d with respect to its input.

    Args:
        input_size: Sizes of the input, (n, c, d, h, w).
        weight: (o, c / groups, kd, kh, kw).
        grad_output: Gradient of the output, (n, o, d', h', w').
        stride, padding, dilation, groups: Those of the convolution; see conv2d_input.

    Returns:
        (n, c, d, h, w).

    Raises:
        ShapeError: If the sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> w, g = torch.full((1, 1, 1, 1, 1), 3.0), torch.ones(1, 1, 2, 2, 2)
        >>> torch.nn.grad.conv3d_input((1, 1, 2, 2, 2), w, g).sum()
        tensor(24.)
    """
    return _input(3, input_size, weight, grad_output, stride, padding, dilation, groups)


@checked
def conv3d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1):
    """The gradient of conv3d with respect to its weight.

    Args:
        input: (n, c, d, h, w).
        weight_size: Sizes of the weight, (o, c / groups, kd, kh, kw).
        grad_output: Gradient of the output, (n, o, d', h', w').
        stride, padding, dilation, groups: Those of the convolution; see conv2d_weight.

    Returns:
        (o, c / groups, kd, kh, kw).

    Raises:
        ShapeError: If the sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> x, g = torch.full((1, 1, 2, 2, 2), 3.0), torch.ones(1, 1, 2, 2, 2)
        >>> torch.nn.grad.conv3d_weight(x, (1, 1, 1, 1, 1), g).item()
        24.0
    """
    return _weight(3, input, weight_size, grad_output, stride, padding, dilation, groups)
