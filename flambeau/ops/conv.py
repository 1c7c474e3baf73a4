"""Convolutions of one to three dimensions: one primitive, its two adjoints, the public forms."""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.errors import ShapeError
from flambeau.core.notices import warn_once
from flambeau.core.numeric import whole
from flambeau.core.registry import function, op
from flambeau.ops._declare import named

# ---- the primitives: batches only, and one value per spatial axis for every parameter ----


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
    """Cross-correlation of (n, c, ...) with (o, c / groups, ...), plus bias."""
    return kernels(input).convolution(input, weight, bias, stride, padding, dilation, groups)


@_convolution.vjp("input")
def _(g, weight, stride, padding, dilation, groups, input_shape):
    return _conv_transposed(g, weight.conj(), None, input_shape, stride, padding, dilation, groups)


@_convolution.vjp("weight")
def _(g, input, stride, padding, dilation, groups, weight_shape):
    return _conv_weight(g, input.conj(), weight_shape, stride, padding, dilation, groups)


_convolution.vjp("bias")(lambda g: _sum_per_channel(g))


def _transposed_samples(s):
    one, none = (1, 1), (0, 0)
    yield s(s.tensor(2, 3, 4, 4), s.tensor(3, 2, 3, 2), None, (2, 2, 4, 5), one, (1, 0), one, 1)
    yield s(s.tensor(1, 4, 3, 5), s.tensor(4, 2, 3, 3), None, (1, 4, 5, 5), (2, 1), one, one, 2)
    yield s(
        s.tensor(1, 2, 2, 3), s.tensor(2, 1, 2, 2), s.tensor(1), (1, 1, 3, 4), one, none, one, 1
    )
    yield s(s.tensor(2, 3, 4), s.tensor(3, 2, 2), s.tensor(2), (2, 2, 5), (1,), (0,), (1,), 1)
    yield s(
        s.tensor(1, 2, 2, 1, 2),
        s.tensor(2, 1, 2, 2, 2),
        s.tensor(2),
        (1, 2, 3, 2, 5),
        (1, 1, 2),
        (0, 0, 0),
        (1, 1, 2),
        2,
    )


@op(public=False, out=False, backward_name="Convolution", torch="", samples=_transposed_samples)
def _conv_transposed(input, weight, bias, shape, stride, padding, dilation, groups):
    """The transpose of `_convolution` as a map of its input, which has `shape`; plus bias."""
    return kernels(input).convolution_transposed(
        input, weight, bias, shape, stride, padding, dilation, groups
    )


@_conv_transposed.vjp("input")
def _(g, weight, stride, padding, dilation, groups):
    return _convolution(g, weight.conj(), None, stride, padding, dilation, groups)


@_conv_transposed.vjp("weight")
def _(g, input, stride, padding, dilation, groups, weight_shape):
    return _conv_weight(input.conj(), g, weight_shape, stride, padding, dilation, groups)


_conv_transposed.vjp("bias")(lambda g: _sum_per_channel(g))


#: All axes but that of the channels, by the number of axes.
_NOT_CHANNELS = {3: (0, 2), 4: (0, 2, 3), 5: (0, 2, 3, 4)}


def _sum_per_channel(g):
    return g.sum(_NOT_CHANNELS[g.ndim])


def _weight_samples(s):
    yield s(s.tensor(2, 3, 4, 4), s.tensor(2, 2, 4, 5), (3, 2, 3, 2), (1, 1), (1, 0), (1, 1), 1)
    yield s(s.tensor(2, 3, 4), s.tensor(2, 2, 5), (3, 2, 2), (1,), (0,), (1,), 1)
    yield s(
        s.tensor(1, 2, 2, 1, 2),
        s.tensor(1, 2, 3, 2, 5),
        (2, 1, 2, 2, 2),
        (1, 1, 2),
        (0, 0, 0),
        (1, 1, 2),
        2,
    )


@op(public=False, out=False, backward_name="Convolution", torch="", samples=_weight_samples)
def _conv_weight(grad, input, weight_shape, stride, padding, dilation, groups):
    """The transpose of `_convolution` as a map of its weight, which has `weight_shape`."""
    return kernels(grad).convolution_weight_grad(
        grad, input, weight_shape, stride, padding, dilation, groups
    )


@_conv_weight.vjp("grad")
def _(g, input, stride, padding, dilation, groups):
    return _convolution(input.conj(), g, None, stride, padding, dilation, groups)


@_conv_weight.vjp("input")
def _(g, grad, stride, padding, dilation, groups, input_shape):
    return _conv_transposed(grad.conj(), g, None, input_shape, stride, padding, dilation, groups)


# ---- arguments of the public forms ----


def _pair(value, name, n=2):
    """One number for all axes, or one per axis."""
    if isinstance(value, int):
        return (value,) * n
    if (number := whole(value)) is not None:
        return (number,) * n
    if isinstance(value, str):
        raise TypeError(f"argument '{name}' must be an integer or integers, not '{value}'")
    value = tuple(value)
    if len(value) == 1:
        return value * n
    if len(value) != n:
        raise ShapeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the "
            f"convolution dimensions, but got {name}={list(value)}"
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

    warn_once(
        "Using padding='same' with even kernel lengths and odd dilation may need a copy of the"
        " input with one zero more at the end"
    )
    widths = []
    for t in reversed(total):
        widths += [t // 2, t - t // 2]
    return pad(input, widths), (0,) * len(total)


def _named_padding(input, weight, stride, dilation, padding):
    if padding == "valid":
        return input, (0,) * (weight.ndim - 2)
    if padding == "same":
        return _same_padding(input, weight, stride, dilation)
    raise RuntimeError(f"Invalid padding string: '{padding}': it must be 'valid' or 'same'")


def _batched(function, n, input, weight, *rest):
    """The result of `function`, whose input may lack the axis of the batch."""
    name = function.__name__
    if weight.ndim != n + 2:
        raise ShapeError(
            f"{name}: expected a weight of {n + 2} dimensions, but got one of size "
            f"{list(weight.shape)}"
        )
    if input.ndim == n + 1:
        return function(input.unsqueeze(0), weight, *rest).squeeze(0)
    raise ShapeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input "
        f"of size: {list(input.shape)}"
    )


def _convolve(n, input, weight, bias, stride, padding, dilation, groups):
    stride, dilation = _pair(stride, "stride", n), _pair(dilation, "dilation", n)
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, stride, dilation, padding)
    else:
        padding = _pair(padding, "padding", n)
    return _as_torchs(_convolution(input, weight, bias, stride, padding, dilation, groups))


def _as_torchs(result):
    """The result; that of complex numbers has in torch the parts' sum for its node."""
    return named("AddBackward0", result) if result.dtype.is_complex else result


def _convolve_transposed(n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    stride, padding = _pair(stride, "stride", n), _pair(padding, "padding", n)
    dilation, extra = _pair(dilation, "dilation", n), _pair(output_padding, "output_padding", n)
    _check_output_padding(extra, stride, dilation)
    if any(e >= s for e, s in zip(extra, stride, strict=True)):
        # Whole steps of it are further inputs, which are zero.
        from flambeau.ops.pad import pad

        steps = [e // s for e, s in zip(extra, stride, strict=True)]
        input = pad(input, [width for step in reversed(steps) for width in (0, step)])
        extra = [e % s for e, s in zip(extra, stride, strict=True)]
    sizes = [
        (i - 1) * s - 2 * p + d * (k - 1) + e + 1
        for i, s, p, d, k, e in zip(
            input.shape[2:], stride, padding, dilation, weight.shape[2:], extra, strict=True
        )
    ]
    if any(size <= 0 for size in sizes):
        raise ShapeError(
            "Given input size per channel: "
            f"({_product(input.shape[2:])}). Calculated output size per channel: "
            f"({_product(sizes)}). Output size is too small"
        )
    shape = (input.shape[0], weight.shape[1] * groups, *sizes)
    return _as_torchs(
        _conv_transposed(input, weight, bias, shape, stride, padding, dilation, groups)
    )


def _product(sizes):
    return " x ".join(map(str, sizes))


def _check_output_padding(extra, stride, dilation):
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"non-positive stride is not supported: stride is {stride}")
    if any(e < 0 for e in extra):
        raise RuntimeError(f"negative output_padding is not supported: output_padding is {extra}")
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding {extra}, stride {stride} and dilation {dilation}"
        )


# ---- the public forms ----


@function
def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """One-dimensional convolution (cross-correlation).

    Args:
        input: (n, c, l) or (c, l), of any dtype but bool.
        weight: (o, c / groups, k), of the same dtype.
        bias: (o) or nothing.
        stride: step.
        padding: zeros on both sides, or "valid" or "same".
        dilation: distance between the elements of the kernel.
        groups: blocks of channels convolved apart from each other.

    Returns:
        (n, o, l') with l' = (l + 2 * padding - dilation * (k - 1) - 1) // stride + 1.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> x = flambeau.tensor([[[1., 2., 4., 8.]]])
        >>> flambeau.conv1d(x, flambeau.tensor([[[-1., 1.]]]))
        tensor([[[1., 2., 4.]]])
    """
    if input.ndim == weight.ndim == 3:
        return _convolve(1, input, weight, bias, stride, padding, dilation, groups)
    return _batched(conv1d, 1, input, weight, bias, stride, padding, dilation, groups)


@function
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Two-dimensional convolution (cross-correlation).

    Args:
        input: (n, c, h, w) or (c, h, w), of any dtype but bool.
        weight: (o, c / groups, kh, kw), of the same dtype.
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
    if input.ndim == weight.ndim == 4:
        return _convolve(2, input, weight, bias, stride, padding, dilation, groups)
    return _batched(conv2d, 2, input, weight, bias, stride, padding, dilation, groups)


@function
def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Three-dimensional convolution (cross-correlation).

    Args:
        input: (n, c, d, h, w) or (c, d, h, w), of any dtype but bool.
        weight: (o, c / groups, kd, kh, kw), of the same dtype.
        bias: (o) or nothing.
        stride: step, one number or one per axis.
        padding: zeros on both sides, or "valid" or "same".
        dilation: distance between the elements of the kernel.
        groups: blocks of channels convolved apart from each other.

    Returns:
        (n, o, d', h', w'), the sizes as of `conv2d`.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> flambeau.conv3d(flambeau.ones(1, 2, 2, 3, 3), flambeau.ones(1, 2, 2, 3, 3))
        tensor([[[[[36.]]]]])
    """
    if input.ndim == weight.ndim == 5:
        return _convolve(3, input, weight, bias, stride, padding, dilation, groups)
    return _batched(conv3d, 3, input, weight, bias, stride, padding, dilation, groups)


@function
def conv_transpose1d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The adjoint of conv1d as a map of its input, plus a bias.

    Args:
        input: (n, c, l) or (c, l), of any dtype but bool.
        weight: (c, o / groups, k), of the same dtype.
        bias: (o) or nothing.
        stride: distance of the places that neighbouring inputs are added to.
        padding: elements that are cut off at both ends.
        output_padding: further elements at the end; less than stride or dilation.
        groups: blocks of channels convolved apart from each other.
        dilation: distance between the elements of the kernel.

    Returns:
        (n, o, l') with l' = (l - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding +
        1.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> x, w = flambeau.tensor([[[1., 10.]]]), flambeau.tensor([[[1., 2.]]])
        >>> flambeau.conv_transpose1d(x, w)
        tensor([[[ 1., 12., 20.]]])
        >>> flambeau.conv_transpose1d(x, w, stride=2)
        tensor([[[ 1.,  2., 10., 20.]]])
    """
    rest = bias, stride, padding, output_padding, groups, dilation
    if input.ndim == weight.ndim == 3:
        return _convolve_transposed(1, input, weight, *rest)
    return _batched(conv_transpose1d, 1, input, weight, *rest)


@function
def conv_transpose2d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The adjoint of conv2d as a map of its input, plus a bias.

    Args:
        input: (n, c, h, w) or (c, h, w), of any dtype but bool.
        weight: (c, o / groups, kh, kw), of the same dtype.
        bias: (o) or nothing.
        stride: distance of the places that neighbouring inputs are added to.
        padding: rows and columns that are cut off on both sides.
        output_padding: further rows and columns at the end; less than stride or dilation.
        groups: blocks of channels convolved apart from each other.
        dilation: distance between the elements of the kernel.

    Returns:
        (n, o, h', w') with
        h' = (h - 1) * stride - 2 * padding + dilation * (kh - 1) + output_padding + 1.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> x, w = flambeau.ones(1, 1, 2, 2), flambeau.ones(1, 1, 2, 2)
        >>> flambeau.conv_transpose2d(x, w)
        tensor([[[[1., 2., 1.],
                  [2., 4., 2.],
                  [1., 2., 1.]]]])
    """
    rest = bias, stride, padding, output_padding, groups, dilation
    if input.ndim == weight.ndim == 4:
        return _convolve_transposed(2, input, weight, *rest)
    return _batched(conv_transpose2d, 2, input, weight, *rest)


@function
def conv_transpose3d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """The adjoint of conv3d as a map of its input, plus a bias.

    Args:
        input: (n, c, d, h, w) or (c, d, h, w), of any dtype but bool.
        weight: (c, o / groups, kd, kh, kw), of the same dtype.
        bias: (o) or nothing.
        stride: distance of the places that neighbouring inputs are added to.
        padding: planes, rows and columns that are cut off on both sides.
        output_padding: further ones at the end; less than stride or dilation.
        groups: blocks of channels convolved apart from each other.
        dilation: distance between the elements of the kernel.

    Returns:
        (n, o, d', h', w'), the sizes as of `conv_transpose2d`.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> x, w = flambeau.ones(1, 1, 2, 3, 3), flambeau.ones(1, 4, 2, 2, 2)
        >>> flambeau.conv_transpose3d(x, w, stride=2).shape
        torch.Size([1, 4, 4, 6, 6])
    """
    rest = bias, stride, padding, output_padding, groups, dilation
    if input.ndim == weight.ndim == 5:
        return _convolve_transposed(3, input, weight, *rest)
    return _batched(conv_transpose3d, 3, input, weight, *rest)


@function
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """A convolution, or a transposed one, of as many dimensions as the weight has.

    Args:
        input: (n, c, ...), with one to three further axes.
        weight: (o, c / groups, ...), or (c, o / groups, ...) if transposed.
        bias: (o) or None.
        stride, padding, dilation, output_padding: lists of one number, or of one per axis.
        transposed: whether it is the transposed convolution.
        groups: blocks of channels convolved apart from each other.

    Returns:
        What conv1d to conv3d, or conv_transpose1d to conv_transpose3d, give.

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> x, w = flambeau.ones(1, 1, 4), flambeau.ones(1, 1, 2)
        >>> flambeau.convolution(x, w, None, [2], [0], [1], False, [0], 1)
        tensor([[[2., 2.]]])
    """
    n = weight.ndim - 2
    if n not in (1, 2, 3):
        raise ShapeError(
            "convolution: weight should have three, four or five dimensions, but has size "
            f"{list(weight.shape)}"
        )
    if input.ndim != weight.ndim:
        raise ShapeError(
            f"Expected {n + 2}-dimensional input for {n + 2}-dimensional weight "
            f"{list(weight.shape)}, but got {input.ndim}-dimensional input of size "
            f"{list(input.shape)} instead"
        )
    names = ("stride", "padding", "dilation", "output_padding")
    for name, value in zip(names, (stride, padding, dilation, output_padding), strict=True):
        if isinstance(value, int):
            raise TypeError(f"convolution(): argument '{name}' must be tuple of ints, not int")
    if transposed:
        return _convolve_transposed(
            n, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _convolve(n, input, weight, bias, stride, tuple(padding), dilation, groups)


@function
def conv_tbc(input, weight, bias, pad=0):
    """One-dimensional convolution of sequences (time, batch, channel).

    Args:
        input: (t, n, c).
        weight: (k, c, o).
        bias: (o), converted to the dtype of the input.
        pad: zeros on both ends of the time.

    Returns:
        (t + 2 * pad - k + 1, n, o).

    Raises:
        ShapeError: if the sizes do not fit.

    Example:
        >>> x, w = flambeau.ones(3, 1, 2), flambeau.ones(2, 2, 1)
        >>> flambeau.conv_tbc(x, w, flambeau.zeros(1)).flatten()
        tensor([4., 4.])
    """
    if input.ndim != 3 or weight.ndim != 3:
        raise ShapeError(
            "conv_tbc: Input must have 3 dims: time, batch, in_channel, and weight: kernel, "
            f"in_channel, out_channel: input is {list(input.shape)}, weight is "
            f"{list(weight.shape)}"
        )
    if bias.ndim != 1:
        raise ShapeError(f"conv_tbc: Bias must be 1-D: bias is {list(bias.shape)}")
    out = _convolution(
        input.permute(1, 2, 0),
        weight.permute(2, 1, 0),
        bias.to(input.dtype),
        (1,),
        (pad,),
        (1,),
        1,
    )
    return out.permute(2, 0, 1)
