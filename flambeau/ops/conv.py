"""Convolutions. One primitive, its two adjoints, and the public forms in terms of them."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.errors import ShapeError
from flambeau.core.registry import function, op


def _samples(s):
    yield s(s.tensor(2, 2, 4, 5), s.tensor(3, 2, 3, 2), s.tensor(3), (1, 1), (1, 0), (1, 1), 1)
    yield s(s.tensor(1, 4, 5, 5), s.tensor(4, 2, 3, 3), None, (2, 1), (1, 1), (1, 1), 2)
    yield s(s.tensor(1, 2, 4, 4), s.tensor(2, 1, 2, 2), s.tensor(2), (1, 1), (0, 0), (2, 1), 2)


@op(
    public=False,
    out=False,
    backward_name="Convolution",
    torch="nn.functional.conv2d",
    samples=_samples,
)
def _convolution(input, weight, bias, stride, padding, dilation, groups):
    """Cross-correlation of (n, c, h, w) with (o, c / groups, kh, kw), or both without height."""
    if input.ndim == 3:
        flat = _convolution.forward(
            _C.unsqueeze(input, 2),
            _C.unsqueeze(weight, 2),
            bias,
            *_flat(stride, padding, dilation),
            groups,
        )
        return _C.squeeze(flat, (2,))
    return kernels(input).conv2d(input, weight, bias, stride, padding, dilation, groups)


def _flat(stride, padding, dilation):
    """The parameters of a one-dimensional convolution for images of height one."""
    return (1, *stride), (0, *padding), (1, *dilation)


@_convolution.vjp("input")
def _(g, weight, stride, padding, dilation, groups, input_shape):
    return _conv_input(g, weight, input_shape, stride, padding, dilation, groups)


@_convolution.vjp("weight")
def _(g, input, stride, padding, dilation, groups, weight_shape):
    return _conv_weight(g, input, weight_shape, stride, padding, dilation, groups)


_convolution.vjp("bias")(lambda g: _conv_bias(g))


def _adjoint_samples(s):
    yield s(s.tensor(2, 3, 4, 4), s.tensor(3, 2, 3, 2), (2, 2, 4, 5), (1, 1), (1, 0), (1, 1), 1)
    yield s(s.tensor(1, 4, 3, 5), s.tensor(4, 2, 3, 3), (1, 4, 5, 5), (2, 1), (1, 1), (1, 1), 2)
    yield s(s.tensor(2, 3, 4), s.tensor(3, 2, 2), (2, 2, 5), (1,), (0,), (1,), 1)


@op(public=False, out=False, backward_name="Convolution", torch="", samples=_adjoint_samples)
def _conv_input(grad, weight, input_shape, stride, padding, dilation, groups):
    """The adjoint of _convolution in its input: also the transposed convolution."""
    if grad.ndim == 3:
        shape = (*input_shape[:2], 1, *input_shape[2:])
        flat = _conv_input.forward(
            _C.unsqueeze(grad, 2),
            _C.unsqueeze(weight, 2),
            shape,
            *_flat(stride, padding, dilation),
            groups,
        )
        return _C.squeeze(flat, (2,))
    return kernels(grad).conv2d_backward_input(
        grad, weight, input_shape, stride, padding, dilation, groups
    )


@_conv_input.vjp("grad")
def _(g, weight, stride, padding, dilation, groups):
    return _convolution(g, weight, None, stride, padding, dilation, groups)


@_conv_input.vjp("weight")
def _(g, grad, stride, padding, dilation, groups, weight_shape):
    return _conv_weight(grad, g, weight_shape, stride, padding, dilation, groups)


def _weight_samples(s):
    yield s(s.tensor(2, 3, 4, 4), s.tensor(2, 2, 4, 5), (3, 2, 3, 2), (1, 1), (1, 0), (1, 1), 1)
    yield s(s.tensor(2, 3, 4), s.tensor(2, 2, 5), (3, 2, 2), (1,), (0,), (1,), 1)


@op(public=False, out=False, backward_name="Convolution", torch="", samples=_weight_samples)
def _conv_weight(grad, input, weight_shape, stride, padding, dilation, groups):
    """The adjoint of _convolution in its weight."""
    if grad.ndim == 3:
        shape = (*weight_shape[:2], 1, *weight_shape[2:])
        flat = _conv_weight.forward(
            _C.unsqueeze(grad, 2),
            _C.unsqueeze(input, 2),
            shape,
            *_flat(stride, padding, dilation),
            groups,
        )
        return _C.squeeze(flat, (2,))
    return kernels(grad).conv2d_backward_weight(
        grad, input, weight_shape, stride, padding, dilation, groups
    )


@_conv_weight.vjp("grad")
def _(g, input, stride, padding, dilation, groups):
    return _convolution(input, g, None, stride, padding, dilation, groups)


@_conv_weight.vjp("input")
def _(g, grad, stride, padding, dilation, groups, input_shape):
    return _conv_input(grad, g, input_shape, stride, padding, dilation, groups)


@op(public=False, out=False, torch="", samples=lambda s: [s(s.tensor(2, 3, 4, 4))])
def _conv_bias(grad):
    """Sum over everything but the channels."""
    return kernels(grad).conv2d_backward_bias(_C.unsqueeze(grad, 2) if grad.ndim == 3 else grad)


@_conv_bias.vjp("grad")
def _(g, grad_shape):
    return g.reshape(1, -1, *(1 for _ in grad_shape[2:])).expand(grad_shape)


def _pair(value, name, n=2):
    """One number for all axes, or one per axis."""
    if isinstance(value, int):
        return (value,) * n
    value = tuple(value)
    if len(value) == 1:
        return value * n
    if len(value) != n:
        raise ShapeError(
            f"expected {name} to be a single integer value or a list of {n} values, but got "
            f"{name}={list(value)}"
        )
    return value


def _same_padding(input, weight, stride, dilation):
    """Zeros around the input so that the output keeps its size; the odd one goes to the end."""
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if all(t % 2 == 0 for t in total):
        return input, tuple(t // 2 for t in total)
    from flambeau.ops.pad import pad

    widths = []
    for t in reversed(total):
        widths += [t // 2, t - t // 2]
    return pad(input, widths), (0,) * len(total)


def _checked(input, weight, name, n):
    if weight.ndim != n + 2:
        raise ShapeError(
            f"{name}: expected a weight of {n + 2} dimensions, but got one of size "
            f"{list(weight.shape)}"
        )
    if input.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input "
            f"of size: {list(input.shape)}"
        )


@function
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Two-dimensional convolution (cross-correlation).

    Args:
        input: (n, c, h, w) or (c, h, w).
        weight: (o, c / groups, kh, kw).
        bias: (o) or nothing.
        stride: step, one number or one per axis.
        padding: zeros on both sides, or "valid" or "same".
        dilation: distance between the elements of the kernel.
        groups: blocks of channels convolved apart from each other.

    Returns:
        (n, o, h', w') with h' = (h + 2 * padding - dilation * (kh - 1) - 1) // stride + 1.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> flambeau.conv2d(flambeau.ones(1, 1, 3, 3), flambeau.ones(1, 1, 3, 3))
        tensor([[[[9.]]]])
    """
    _checked(input, weight, "conv2d", 2)
    if input.ndim == 3:
        return conv2d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(
            0
        )
    stride, dilation = _pair(stride, "stride"), _pair(dilation, "dilation")
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, stride, dilation, padding)
    return _convolution(input, weight, bias, stride, _pair(padding, "padding"), dilation, groups)


def _named_padding(input, weight, stride, dilation, padding):
    if padding == "valid":
        return input, (0,) * (weight.ndim - 2)
    if padding == "same":
        return _same_padding(input, weight, stride, dilation)
    raise RuntimeError(f"Invalid padding string: '{padding}': it must be 'valid' or 'same'")


@function
def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """One-dimensional convolution: (n, c, l) with (o, c / groups, k); see conv2d."""
    _checked(input, weight, "conv1d", 1)
    if input.ndim == 2:
        return conv1d(input.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(
            0
        )
    stride, dilation = _pair(stride, "stride", 1), _pair(dilation, "dilation", 1)
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, stride, dilation, padding)
    padding = _pair(padding, "padding", 1)
    return _convolution(input, weight, bias, stride, padding, dilation, groups)


@function
def conv_transpose2d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The adjoint of conv2d: (n, c, h, w) with (c, o / groups, kh, kw) gives (n, o, h', w').

    Args:
        output_padding: extra rows and columns at the end of the output.
    """
    _checked(input, weight, "conv_transpose2d", 2)
    if input.ndim == 3:
        return conv_transpose2d(
            input.unsqueeze(0), weight, bias, stride, padding, output_padding, groups, dilation
        ).squeeze(0)
    stride, padding = _pair(stride, "stride"), _pair(padding, "padding")
    dilation, extra = _pair(dilation, "dilation"), _pair(output_padding, "output_padding")
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding {extra}, "
            f"stride {stride} and dilation {dilation}"
        )
    sizes = [
        (i - 1) * s - 2 * p + d * (k - 1) + e + 1
        for i, s, p, d, k, e in zip(
            input.shape[2:], stride, padding, dilation, weight.shape[2:], extra, strict=True
        )
    ]
    shape = (input.shape[0], weight.shape[1] * groups, *sizes)
    out = _conv_input(input, weight, shape, stride, padding, dilation, groups)
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)
