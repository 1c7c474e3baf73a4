"""Blocks of images as columns, and back: what a convolution multiplies with its kernel."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.errors import DTypeError, RuntimeFailure, ShapeError
from flambeau.core.numeric import whole
from flambeau.core.registry import checked, op
from flambeau.ops._declare import require_tensors


def _geometry(kernel, dilation, padding, stride, size):
    """Of each axis: the number of blocks along it."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for k, d, p, s, n in zip(kernel, dilation, padding, stride, size, strict=True)
    )


def _element(image, i, j, dilation, stride, blocks):
    """A view: element (i, j) of every block of a padded image."""
    for axis, at, d, s, n in zip((2, 3), (i, j), dilation, stride, blocks, strict=True):
        image = _C.slice(image, axis, at * d, at * d + s * (n - 1) + 1, s)
    return image


def _padded(shape, padding):
    return (*shape[:2], *(n + 2 * p for n, p in zip(shape[2:], padding, strict=True)))


def _inside(image, shape, padding):
    """A view: the image without its padding."""
    for axis, p in zip((2, 3), padding, strict=True):
        image = _C.slice(image, axis, p, p + shape[axis], 1)
    return image


def _unfold_samples(s):
    yield s(s.tensor(2, 3, 4, 5), (2, 3), (1, 1), (0, 0), (1, 1))
    yield s(s.tensor(1, 2, 5, 4), (2, 2), (2, 1), (1, 0), (2, 1))
    yield s(s.tensor(0, 2, 3, 3), (2, 2), (1, 1), (0, 0), (1, 1))


def _fold_samples(s):
    yield s(s.tensor(2, 18, 9), (4, 5), (2, 3), (1, 1), (0, 0), (1, 1))
    yield s(s.tensor(1, 8, 9), (5, 4), (2, 2), (2, 1), (1, 0), (2, 1))
    yield s(s.tensor(0, 8, 4), (3, 3), (2, 2), (1, 1), (0, 0), (1, 1))


@op(name="im2col", public=False, out=False, torch="", dtypes="all", samples=_unfold_samples)
def _im2col(input, kernel_size, dilation, padding, stride):
    """(N, C, H, W) as (N, C kh kw, blocks)."""
    batch, channels = input.shape[:2]
    blocks = _geometry(kernel_size, dilation, padding, stride, input.shape[2:])
    image = input
    if any(padding):
        image = _C.full(_padded(input.shape, padding), 0, input.dtype)
        _C.copy_into(_inside(image, input.shape, padding), input)
    out = _C.full((batch, channels, *kernel_size, *blocks), 0, input.dtype)
    for i in range(kernel_size[0]):
        for j in range(kernel_size[1]):
            place = _C.select(_C.select(out, 2, i), 2, j)
            _C.copy_into(place, _element(image, i, j, dilation, stride, blocks))
    columns = channels * kernel_size[0] * kernel_size[1]
    return _C.reshape(out, (batch, columns, blocks[0] * blocks[1]))


@op(name="col2im", public=False, out=False, torch="", samples=_fold_samples)
def _col2im(input, output_size, kernel_size, dilation, padding, stride):
    """(N, C kh kw, blocks) summed up to (N, C, H, W): the adjoint of im2col."""
    batch, columns = input.shape[:2]
    channels = columns // (kernel_size[0] * kernel_size[1])
    blocks = _geometry(kernel_size, dilation, padding, stride, output_size)
    shape = (batch, channels, *output_size)
    image = _C.full(_padded(shape, padding), 0, input.dtype)
    split = _C.reshape(input, (batch, channels, *kernel_size, *blocks))
    for i in range(kernel_size[0]):
        for j in range(kernel_size[1]):
            part = _C.select(_C.select(split, 2, i), 2, j)
            _element(image, i, j, dilation, stride, blocks).add_(part)
    return image if not any(padding) else _inside(image, shape, padding).contiguous()


@_im2col.vjp("input")
def _(g, kernel_size, dilation, padding, stride, input_shape):
    return _col2im(g, tuple(input_shape[2:]), kernel_size, dilation, padding, stride)


@_col2im.vjp("input")
def _(g, kernel_size, dilation, padding, stride):
    return _im2col(g, kernel_size, dilation, padding, stride)


def _pairs(name, positive, **arguments):
    """Each argument as one number per axis."""
    pairs = []
    for argument, value in arguments.items():
        number = whole(value)
        pair = tuple(map(whole, value)) if number is None else (number,)
        if len(pair) == 1:
            pair *= 2
        if len(pair) != 2 or None in pair:
            raise TypeError(f"{name}(): argument '{argument}' must be one or two ints")
        if min(pair) < (1 if argument in positive else 0):
            least = "greater than zero" if argument in positive else "non-negative"
            raise RuntimeFailure(f"{name}: {argument} should be {least}, but got {pair}")
        pairs.append(pair)
    return pairs


def _check_image(name, input, dims):
    require_tensors(name, input=input)
    if input.ndim not in dims:
        raise ShapeError(
            f"{name}: expected an input of {dims[0]} dimensions, or {dims[1]} with a batch, got "
            f"{tuple(input.shape)}"
        )
    if not (input.dtype.is_floating_point or input.dtype.is_complex or input.dtype == _C.bool):
        raise DTypeError(f"{name}: not implemented for {input.dtype}")


@checked
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The blocks of an image that a kernel slides over, as columns; see `nn.Unfold`.

    Args:
        input: (N, C, H, W) or (C, H, W).
        kernel_size: the size of a block, one number or two.
        dilation: the distance between its elements.
        padding: zeros on both sides of the image.
        stride: the distance between blocks.

    Returns:
        (N, C kh kw, blocks).

    Raises:
        RuntimeError: if no block fits into the image.

    Example:
        >>> flambeau.nn.functional.unfold(flambeau.ones(1, 1, 3, 3), 2).shape
        torch.Size([1, 4, 4])
    """
    _check_image("unfold", input, (3, 4))
    kernel, dilation, padding, stride = _pairs(
        "unfold",
        ("kernel_size", "dilation", "stride"),
        kernel_size=kernel_size,
        dilation=dilation,
        padding=padding,
        stride=stride,
    )
    size = tuple(input.shape[-2:])
    blocks = _geometry(kernel, dilation, padding, stride, size)
    if min(blocks) < 1:
        raise ShapeError(
            f"Given input with spatial size {size}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, calculated shape of the array of sliding blocks as {blocks}, but "
            "its components must be at least one."
        )
    if input.ndim == 3:
        return _im2col(input.unsqueeze(0), kernel, dilation, padding, stride).squeeze(0)
    return _im2col(input, kernel, dilation, padding, stride)


@checked
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """The sum of blocks, which are columns, at their places in an image; see `nn.Fold`.

    Args:
        input: (N, C kh kw, blocks) or (C kh kw, blocks).
        output_size: the size of the image, one number or two.
        kernel_size: the size of a block.
        dilation: the distance between its elements.
        padding: what is cut off on both sides of the image.
        stride: the distance between blocks.

    Returns:
        (N, C, H, W).

    Raises:
        RuntimeError: if the columns do not fit the image.

    Example:
        >>> flambeau.nn.functional.fold(flambeau.ones(1, 4, 4), (3, 3), 2)
        tensor([[[[1., 2., 1.],
                  [2., 4., 2.],
                  [1., 2., 1.]]]])
    """
    _check_image("fold", input, (2, 3))
    size, kernel, dilation, padding, stride = _pairs(
        "fold",
        ("output_size", "kernel_size", "dilation", "stride"),
        output_size=output_size,
        kernel_size=kernel_size,
        dilation=dilation,
        padding=padding,
        stride=stride,
    )
    rows, columns = input.shape[-2:]
    if rows % (kernel[0] * kernel[1]):
        raise ShapeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={rows} and kernel_size={kernel}."
        )
    high, wide = _geometry(kernel, dilation, padding, stride, size)
    if min(high, wide) < 1 or columns != high * wide:
        raise ShapeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, stride={stride}, expected size of input's dimension 2 to match "
            f"the calculated number of sliding blocks {high} * {wide} = {high * wide}, but got "
            f"input.size(2)={columns}."
        )
    if input.ndim == 2:
        return _col2im(input.unsqueeze(0), size, kernel, dilation, padding, stride).squeeze(0)
    return _col2im(input, size, kernel, dilation, padding, stride)
