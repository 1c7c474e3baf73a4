"""Pooling over the last one, two or three axes of (n, c, ...) or (c, ...) tensors: public forms.

Each form is made for the numbers of axes that it has, by a function of that number.
"""

from __future__ import annotations

from math import inf, prod

from flambeau.core.errors import ArgumentTypeError, ArgumentValueError, ShapeError
from flambeau.core.numeric import whole
from flambeau.core.registry import checked, function
from flambeau.ops import pool_primitives as primitives
from flambeau.ops._declare import stored
from flambeau.ops.conv import _pair
from flambeau.ops.random import rand
from flambeau.ops.rectifiers import relu

#: What torch has at its top level too.
_TOP_LEVEL = (
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool3d",
    "avg_pool1d",
    "adaptive_avg_pool1d",
)


def _named(plain, name):
    """The function under its name, with the number of axes in its text."""
    n = int(name.split("d_with")[0].rstrip("d")[-1])
    plain.__name__ = plain.__qualname__ = name
    plain.__doc__ = plain.__doc__.format(
        n=n,
        name=name,
        axes=("axis", "two axes", "three axes")[n - 1],
        sizes=", ".join("dhw"[3 - n :]) if n > 1 else "l",
        # For examples: a plane of two elements per axis, counted from 0.
        twos=", ".join(["1", *["2"] * n]),
        ramp=2**n,
        last=2**n - 1,
        mean=(2**n - 1) / 2,
        total=2**n * (2**n - 1) / 2,
    )
    return function(plain) if name in _TOP_LEVEL else checked(plain)


def _need(input, n, name):
    if input.ndim not in (n + 1, n + 2):
        raise ShapeError(
            f"{name}: Expected {n + 1}D or {n + 2}D input, but got input of size "
            f"{list(input.shape)}"
        )


def _step(kernel_size, stride, n):
    if stride is None or (isinstance(stride, (tuple, list)) and not stride):
        return kernel_size
    return _pair(stride, "stride", n)


# ---- maxima ----


def _make_max(n):
    primitive = primitives.max_pool[n]

    def both(
        input,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode=False,
        return_indices=False,
    ):
        """Maxima of windows over the last {axes} and their places.

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            kernel_size, stride, padding, dilation, ceil_mode: see max_pool{n}d.
            return_indices: accepted.

        Returns:
            (values, indices), whatever `return_indices` says; indices are int64, within a plane.

        Raises:
            RuntimeError: if the window does not fit.

        Example:
            >>> x = flambeau.arange({ramp}.).reshape({twos})
            >>> values, indices = flambeau.nn.functional.{name}(x, 2)
            >>> values.item(), indices.item()
            ({last}.0, {last})
        """
        _need(input, n, f"max_pool{n}d")
        kernel_size = _pair(kernel_size, "kernel_size", n)
        return tuple(
            primitive(
                input,
                kernel_size,
                _step(kernel_size, stride, n),
                _pair(padding, "padding", n),
                _pair(dilation, "dilation", n),
                ceil_mode,
            )
        )

    def pool(
        input,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode=False,
        return_indices=False,
    ):
        """Maxima of windows over the last {axes}.

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            kernel_size: size of the window, one number or one per axis.
            stride: step between windows; the window's size by default.
            padding: how far windows may reach over the edge (counted as minus infinity).
            dilation: distance between the elements of a window.
            ceil_mode: round the output size up.
            return_indices: also give the places of the maxima in the plane.

        Returns:
            The maxima, or (maxima, places).

        Raises:
            RuntimeError: if the window does not fit.

        Example:
            >>> x = flambeau.arange({ramp}.).reshape({twos})
            >>> flambeau.nn.functional.{name}(x, 2).item()
            {last}.0
        """
        values, indices = both(input, kernel_size, stride, padding, dilation, ceil_mode)
        return (values, indices) if return_indices else values

    return _named(pool, f"max_pool{n}d"), _named(both, f"max_pool{n}d_with_indices")


max_pool1d, max_pool1d_with_indices = _make_max(1)
max_pool2d, max_pool2d_with_indices = _make_max(2)
max_pool3d, max_pool3d_with_indices = _make_max(3)


def _output_size(input, output_size, n, name):
    if n > 1 and isinstance(output_size, (tuple, list)) and len(output_size) >= input.ndim:
        raise ArgumentValueError(
            f"{name}: Input dimension should be at least {len(output_size) + 1}, got "
            f"{list(input.shape)}"
        )
    _need(input, n, name)
    if output_size is None or whole(output_size) is not None:
        output_size = (output_size,) * n
    output_size = tuple(output_size)
    if len(output_size) != n:
        raise ShapeError(f"{name}: output_size must be {n} values, got {list(output_size)}")
    return tuple(
        have if wanted is None else wanted
        for wanted, have in zip(output_size, input.shape[-n:], strict=True)
    )


def _make_adaptive_max(n):
    primitive = primitives.adaptive_max_pool[n]

    def both(input, output_size, return_indices=False):
        """Maxima of windows chosen so that the output has the size asked for, and their places.

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            output_size: one number or one per axis; None keeps the input's.
            return_indices: accepted.

        Returns:
            (values, indices), whatever `return_indices` says; indices are int64, within a plane.

        Raises:
            RuntimeError: if the input has another number of axes.
            ValueError: if it has too few of them for the sizes given.

        Example:
            >>> x = 1 - flambeau.arange({ramp}.).reshape({twos})
            >>> values, indices = flambeau.nn.functional.{name}(x, 1)
            >>> values.item(), indices.item()
            (1.0, 0)
        """
        return tuple(
            primitive(input, _output_size(input, output_size, n, f"adaptive_max_pool{n}d"))
        )

    def pool(input, output_size, return_indices=False):
        """Maxima of windows over the last {axes}, chosen so that the output has a given size.

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            output_size: one number or one per axis; None keeps the input's.
            return_indices: also give the places of the maxima in the plane.

        Returns:
            The maxima, or (maxima, places).

        Raises:
            RuntimeError: if the input has another number of axes.
            ValueError: if it has too few of them for the sizes given.

        Example:
            >>> x = flambeau.arange({ramp}.).reshape({twos})
            >>> flambeau.nn.functional.{name}(x, 1).item()
            {last}.0
        """
        values, indices = both(input, output_size)
        return (values, indices) if return_indices else values

    stem = f"adaptive_max_pool{n}d"
    return _named(pool, stem), _named(both, f"{stem}_with_indices")


adaptive_max_pool1d, adaptive_max_pool1d_with_indices = _make_adaptive_max(1)
adaptive_max_pool2d, adaptive_max_pool2d_with_indices = _make_adaptive_max(2)
adaptive_max_pool3d, adaptive_max_pool3d_with_indices = _make_adaptive_max(3)


def _make_fractional(n):
    primitive, name = primitives.fractional_max_pool[n], f"fractional_max_pool{n}d"

    def size_of(input, output_size, output_ratio):
        if output_size is not None:
            return _pair(output_size, "output_size", n)
        if output_ratio is None:
            raise ArgumentValueError(
                f"{name} requires specifying either an output_size or an output_ratio"
            )
        ratios = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * n
        if len(ratios) != n:
            raise ArgumentValueError(f"{name}: output_ratio must be {n} numbers, got {ratios}")
        return tuple(int(s * r) for s, r in zip(input.shape[-n:], ratios, strict=True))

    def both(
        input,
        kernel_size,
        output_size=None,
        output_ratio=None,
        return_indices=False,
        _random_samples=None,
    ):
        """Maxima of windows at pseudo-random places, and their places.

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            kernel_size, output_size, output_ratio, _random_samples: see fractional_max_pool{n}d.
            return_indices: accepted.

        Returns:
            (values, indices), whatever `return_indices` says; indices are int64, within a plane.

        Raises:
            ValueError: if neither output_size nor output_ratio is given.

        Example:
            >>> x = flambeau.arange({ramp}.).reshape({twos})
            >>> values, indices = flambeau.nn.functional.{name}(x, 2, 1)
            >>> values.item(), indices.item()
            ({last}.0, {last})
        """
        _need(input, n, name)
        kernel_size = _pair(kernel_size, "kernel_size", n)
        output_size = size_of(input, output_size, output_ratio)
        if _random_samples is None:
            lead = tuple(input.shape[:-n]) if input.ndim == n + 2 else (1, input.shape[0])
            _random_samples = rand(*lead, n, dtype=input.dtype, device=input.device)
        return tuple(primitive(input, kernel_size, output_size, _random_samples))

    def pool(
        input,
        kernel_size,
        output_size=None,
        output_ratio=None,
        return_indices=False,
        _random_samples=None,
    ):
        """Maxima of windows that lie about `input size / output size` apart, at random.

        The method is that of Graham, Fractional Max-Pooling, 2015 (arXiv:1412.6071).

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            kernel_size: size of the window, one number or one per axis.
            output_size: number of windows, one number or one per axis.
            output_ratio: instead of it, the output's size as a fraction of the input's.
            return_indices: also give the places of the maxima in the plane.
            _random_samples: the random numbers to use, (n, c, {n}) in [0, 1).

        Returns:
            The maxima, or (maxima, places).

        Raises:
            ValueError: if neither output_size nor output_ratio is given.

        Example:
            >>> x = flambeau.arange({ramp}.).reshape({twos})
            >>> flambeau.nn.functional.{name}(x, 2, 1).item()
            {last}.0
        """
        values, indices = both(
            input, kernel_size, output_size, output_ratio, False, _random_samples
        )
        return (values, indices) if return_indices else values

    return _named(pool, name), _named(both, f"{name}_with_indices")


fractional_max_pool2d, fractional_max_pool2d_with_indices = _make_fractional(2)
fractional_max_pool3d, fractional_max_pool3d_with_indices = _make_fractional(3)


def _make_unpool(n):
    primitive, name = primitives.max_unpool[n], f"max_unpool{n}d"

    def size_of(pooled, kernel_size, stride, padding, output_size):
        least = [
            (size - 1) * s - 2 * p + k
            for size, k, s, p in zip(pooled, kernel_size, stride, padding, strict=True)
        ]
        if output_size is None:
            return tuple(least)
        try:
            wanted = tuple(output_size)
        except TypeError:
            raise ArgumentTypeError(f"{name}: output_size must be a sequence") from None
        if len(wanted) == n + 2:
            wanted = wanted[2:]
        if len(wanted) != n:
            raise ArgumentValueError(
                f"{name}: output_size should be a sequence containing {n} or {n + 2} elements, but "
                f"it has a length of '{len(wanted)}'"
            )
        for axis, (size, default, s) in enumerate(zip(wanted, least, stride, strict=True)):
            if not default - s < size < default + s:
                raise ArgumentValueError(
                    f'{name}: invalid output_size "{wanted}" (dim {axis} must be between '
                    f"{default - s} and {default + s})"
                )
        return wanted

    def unpool(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        """Zeros, with maxima at the places that max_pool{n}d found for them.

        Args:
            input: maxima, (n, c, {sizes}) or (c, {sizes}).
            indices: their places in the planes of the result, int64.
            kernel_size, stride, padding: those of the pooling.
            output_size: size of the result, with or without its first two axes, where the pooling
                may have had inputs of several sizes; by default the smallest of them.

        Returns:
            A tensor like the input of the pooling.

        Raises:
            ValueError: if output_size is none that the pooling could have had.
            RuntimeError: if indices are no places of a plane.

        Example:
            >>> x = flambeau.arange(16.0).reshape(1, 16, *[1] * {n})
            >>> values, indices = flambeau.nn.functional.max_pool{n}d(x, 1, return_indices=True)
            >>> flambeau.equal(flambeau.nn.functional.max_unpool{n}d(values, indices, 1), x)
            True
        """
        _need(input, n, name)
        kernel_size = _pair(kernel_size, "kernel_size", n)
        stride, padding = _step(kernel_size, stride, n), _pair(padding, "padding", n)
        size = size_of(input.shape[-n:], kernel_size, stride, padding, output_size)
        return primitive(input, indices, size)

    return _named(unpool, name)


max_unpool1d, max_unpool2d, max_unpool3d = (_make_unpool(n) for n in (1, 2, 3))


# ---- means ----


def _make_avg(n):
    primitive, name = primitives.avg_pool[n], f"avg_pool{n}d"

    def means(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor=None):
        _need(input, n, name)
        if divisor == 0:
            raise RuntimeError(f"{name}: divisor must be not zero")
        kernel_size = _pair(kernel_size, "kernel_size", n)
        stride, padding = _step(kernel_size, stride, n), _pair(padding, "padding", n)
        return primitive(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor)

    def signals(
        input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True
    ):
        """Means of windows over the last axis.

        Args:
            input: (n, c, l) or (c, l).
            kernel_size: length of the window.
            stride: step between windows; the window's length by default.
            padding: how far windows may reach over the ends (counted as zero).
            ceil_mode: round the output length up.
            count_include_pad: whether padding counts in the mean.

        Returns:
            A tensor of the input's number of axes.

        Raises:
            RuntimeError: if the window does not fit.

        Example:
            >>> flambeau.avg_pool1d(flambeau.tensor([[1., 3., 5., 9.]]), 2)
            tensor([[2., 7.]])
        """
        return means(input, kernel_size, stride, padding, ceil_mode, count_include_pad)

    def pool(
        input,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
        *,
        out=None,
    ):
        """Means of windows over the last {axes}.

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            kernel_size: size of the window, one number or one per axis.
            stride: step between windows; the window's size by default.
            padding: how far windows may reach over the edge (counted as zero).
            ceil_mode: round the output size up.
            count_include_pad: whether padding counts in the mean.
            divisor_override: divide by this instead of the size of the window.
            out: the tensor to fill.

        Returns:
            A tensor of the input's number of axes.

        Raises:
            RuntimeError: if the window does not fit, or divisor_override is 0.

        Example:
            >>> x = flambeau.arange({ramp}.).reshape({twos})
            >>> flambeau.nn.functional.{name}(x, 2).item()
            {mean}
        """
        options = stride, padding, ceil_mode, count_include_pad, divisor_override
        result = means(input, kernel_size, *options)
        return result if out is None else stored(name, result, out)

    return _named(signals if n == 1 else pool, name)


avg_pool1d, avg_pool2d, avg_pool3d = (_make_avg(n) for n in (1, 2, 3))


def _make_adaptive_avg(n):
    primitive, name = primitives.adaptive_avg_pool[n], f"adaptive_avg_pool{n}d"

    def pool(input, output_size):
        """Means of windows over the last {axes}, chosen so that the output has a given size.

        Window i of n, over an axis of the size l, is from floor(i l / n) to ceil((i + 1) l / n).

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            output_size: one number or one per axis; None keeps the input's.

        Returns:
            A tensor of the input's number of axes.

        Raises:
            RuntimeError: if the input has another number of axes.
            ValueError: if it has too few of them for the sizes given.

        Example:
            >>> x = flambeau.arange({ramp}.).reshape({twos})
            >>> flambeau.nn.functional.{name}(x, 1).item()
            {mean}
        """
        return primitive(input, _output_size(input, output_size, n, name))

    return _named(pool, name)


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (
    _make_adaptive_avg(n) for n in (1, 2, 3)
)


def _make_lp(n):
    name = f"lp_pool{n}d"
    maxima = (max_pool1d, max_pool2d, max_pool3d)[n - 1]
    means = (avg_pool1d, avg_pool2d, avg_pool3d)[n - 1]

    def pool(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        """The p-norms of windows over the last {axes}: the root of the sum of the p-th powers.

        Powers are those of the elements as they are, not of their magnitudes: of negative sums of
        odd powers there is no root.

        Args:
            input: (n, c, {sizes}) or (c, {sizes}).
            norm_type: the power p; infinity means the largest magnitude, -infinity the smallest.
            kernel_size: size of the window, one number or one per axis.
            stride: step between windows; the window's size by default.
            ceil_mode: round the output size up; sums of windows over the edge are scaled up.

        Returns:
            A tensor of the input's number of axes.

        Raises:
            ZeroDivisionError: if norm_type is 0.

        Example:
            >>> x = flambeau.arange({ramp}.).reshape({twos})
            >>> flambeau.nn.functional.{name}(x, 1, 2).item()
            {total}
        """
        if norm_type == inf:
            return maxima(input.abs(), kernel_size, stride, 0, 1, ceil_mode)
        if norm_type == -inf:
            return -maxima(-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
        size = prod(_pair(kernel_size, "kernel_size", n))
        mean = means(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
        # The mean itself, but with a gradient of zero where the window is.
        return (mean.sign() * relu(mean.abs())).mul(size).pow(1.0 / norm_type)

    return _named(pool, name)


lp_pool1d, lp_pool2d, lp_pool3d = (_make_lp(n) for n in (1, 2, 3))
