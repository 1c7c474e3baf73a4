"""The primitives of pooling, declared once per number of pooled axes; `pool.py` has what is public.

`max_pool[n]`, `avg_pool[n]` and so on are the ops for n = 1, 2 and 3 axes.
"""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import op


def _node(n, stem):
    """The name of a graph node. torch makes poolings of signals of those of images of height 1."""
    return "SqueezeBackward1" if n == 1 else stem.format(n)


def _sample(s, n, tensor, sizes, *windows):
    """(tensor of the leading and the last n of three sizes, the last n values of each option)."""
    lead, plane = sizes
    return [tensor(*lead, *plane[3 - n :]), *(values[3 - n :] for values in windows)]


# ---- maxima ----


def _declare_max(n):
    def samples(s):
        ones, pairs = (1, 1, 1), (2, 2, 2)
        image = _sample(s, n, s.distinct, ((2, 2), (2, 4, 6)), pairs, pairs, (0, 0, 0), ones)
        yield s(*image, False)
        shifted = (2, 3, 2), (2, 1, 2), (1, 1, 0), (1, 1, 2)
        yield s(*_sample(s, n, s.distinct, ((1, 2), (3, 5, 5)), *shifted), True)
        overlapping = (1, 2, 2), ones, (0, 0, 0), ones
        yield s(*_sample(s, n, s.distinct, ((2,), (2, 4, 4)), *overlapping), False)

    @op(
        name=f"_max_pool{n}d",
        public=False,
        out=False,
        outputs=("values", "indices"),
        backward_name=_node(n, "MaxPool{}DWithIndicesBackward0"),
        torch=f"_C._nn.max_pool{n}d_with_indices" if n > 1 else "max_pool1d_with_indices",
        samples=samples,
    )
    def pool(input, kernel_size, stride, padding, dilation, ceil_mode):
        """Maxima of windows, and their places in the plane."""
        return kernels(input).max_pool(input, kernel_size, stride, padding, dilation, ceil_mode)

    pool.vjp("input")(lambda g, indices, input_shape: max_place[n](g, indices, input_shape))
    return pool


def _declare_adaptive_max(n):
    @op(
        name=f"_adaptive_max_pool{n}d",
        public=False,
        out=False,
        outputs=("values", "indices"),
        backward_name=_node(n, "AdaptiveMaxPool{}DBackward0"),
        torch=f"_C._nn.adaptive_max_pool{n}d" if n > 1 else "adaptive_max_pool1d",
        samples=lambda s: [s(*_sample(s, n, s.distinct, ((2, 2), (3, 4, 5)), (2, 2, 3)))],
    )
    def pool(input, output_size):
        """Maxima of the windows that cover everything, and their places in the plane."""
        return kernels(input).adaptive_max_pool(input, output_size)

    pool.vjp("input")(lambda g, indices, input_shape: max_place[n](g, indices, input_shape))
    return pool


def _declare_fractional_max(n):
    def samples(s):
        numbers = s.tensor(2, 3, n, low=0.0, high=1.0)
        windows = _sample(s, n, s.distinct, ((2, 3), (3, 5, 6)), (1, 2, 2), (2, 3, 3))
        yield s(*windows, numbers.detach())

    @op(
        name=f"_fractional_max_pool{n}d",
        public=False,
        out=False,
        outputs=("values", "indices"),
        backward_name=_node(n, "FractionalMaxPool{}DBackward0"),
        torch="",  # which refuses random samples that require gradients
        samples=samples,
    )
    def pool(input, kernel_size, output_size, random_samples):
        """Maxima of windows at pseudo-random places, and their own places in the plane."""
        return kernels(input).fractional_max_pool(input, kernel_size, output_size, random_samples)

    pool.vjp("input")(lambda g, indices, input_shape: max_place[n](g, indices, input_shape))
    return pool


def _declare_max_place(n):
    def samples(s):
        (grad,) = _sample(s, n, s.tensor, ((1, 2), (2, 2, 2)))
        yield s(grad, s.indices(*grad.shape, high=3**n), (1, 2, *[3] * n))

    @op(
        name=f"_max_place{n}d",
        public=False,
        out=False,
        backward_name=_node(n, "MaxPool{}DWithIndicesBackwardBackward0"),
        torch="",
        samples=samples,
    )
    def place(grad, indices, size):
        """Zeros of `size` with grad added at the places of each plane that indices name."""
        return kernels(grad).max_pool_backward(grad, indices, size, n)

    place.vjp("grad")(lambda g, indices: picked(g, indices, n))
    return place


def _declare_max_unpool(n):
    def samples(s):
        x, kernel = _sample(s, n, s.distinct, ((1, 2), (2, 4, 6)), (2, 2, 2))
        values, indices = _C.max_pool(x, kernel, kernel, (0,) * n, (1,) * n, False)
        yield s(values, indices, tuple(x.shape[2:]))

    @op(
        name=f"_max_unpool{n}d",
        public=False,
        out=False,
        backward_name=_node(n, "MaxUnpool{}DBackward0"),
        torch="_C._nn.max_unpool2d" if n == 2 else "",
        samples=samples,
    )
    def unpool(input, indices, output_size):
        """Zeros with the elements of input at the places of each plane that indices name."""
        return kernels(input).max_unpool(input, indices, output_size)

    unpool.vjp("input")(lambda g, indices: picked(g, indices, n))
    return unpool


def picked(input, indices, n):
    """The elements of the planes of the last n axes that indices name."""
    return input.flatten(-n).gather(-1, indices.flatten(-n)).reshape(indices.shape)


# ---- averages: of windows, and the adjoint ----


def _declare_avg(n):
    def samples(s):
        pairs, ones, nothing = (2, 2, 2), (1, 1, 1), (0, 0, 0)
        yield s(*_sample(s, n, s.tensor, ((2, 2), (2, 4, 6)), pairs, pairs, nothing), False, True)
        shifted = (3, 3, 2), (1, 1, 3), (1, 1, 0)
        yield s(*_sample(s, n, s.tensor, ((1, 2), (3, 5, 5)), *shifted), True, False)
        if n > 1:
            yield s(*_sample(s, n, s.tensor, ((2,), (2, 4, 4)), pairs, ones, ones), False, True, 3)

    @op(
        name=f"_avg_pool{n}d",
        public=False,
        out=False,
        backward_name=_node(n, "AvgPool{}DBackward0"),
        torch=f"nn.functional.avg_pool{n}d",
        samples=samples,
    )
    def pool(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None
    ):
        """Means of windows."""
        return kernels(input).avg_pool(
            input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override or 0
        )

    @pool.vjp("input")
    def _(
        g,
        input_shape,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    ):
        options = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        return avg_spread[n](g, input_shape, *options)

    return pool


def _declare_avg_spread(n):
    def samples(s):
        pairs = (2, 2, 2)
        grad, *windows = _sample(s, n, s.tensor, ((1, 2), pairs), pairs, pairs, (0, 0, 0))
        yield s(grad, (1, 2, *(4, 4, 4)[3 - n :]), *windows, False, True, None)

    @op(
        name=f"_avg_spread{n}d",
        public=False,
        out=False,
        backward_name=_node(n, "AvgPool{}DBackwardBackward0"),
        torch="",
        samples=samples,
    )
    def spread(
        grad, size, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        """The adjoint of the means of windows."""
        windows = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override or 0
        return kernels(grad).avg_pool_backward(grad, size, *windows)

    @spread.vjp("grad")
    def _(g, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override):
        options = kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        return avg_pool[n](g, *options)

    return spread


def _declare_adaptive_avg(n):
    def samples(s):
        yield s(*_sample(s, n, s.tensor, ((2, 2), (3, 4, 5)), (2, 2, 3)))
        yield s(*_sample(s, n, s.tensor, ((2,), (2, 5, 3)), (1, 1, 1)))

    ones = (1,) * n

    @op(
        name=f"_adaptive_avg_pool{n}d",
        public=False,
        out=False,
        backward_name=_node(n, "AdaptiveAvgPool{}DBackward0"),
        overloads={f"output_size = {ones}": "MeanBackward1"} if n > 1 else None,
        torch=f"nn.functional.adaptive_avg_pool{n}d",
        samples=samples,
    )
    def pool(input, output_size):
        """Means of the windows that cover everything."""
        return kernels(input).adaptive_avg_pool(input, output_size)

    pool.vjp("input")(lambda g, input_shape: adaptive_spread[n](g, input_shape))
    return pool


def _declare_adaptive_spread(n):
    @op(
        name=f"_adaptive_spread{n}d",
        public=False,
        out=False,
        backward_name=_node(n, "AdaptiveAvgPool{}DBackwardBackward0"),
        torch="",
        samples=lambda s: [s(s.tensor(1, 2, *(2, 2, 3)[3 - n :]), (1, 2, *(3, 4, 5)[3 - n :]))],
    )
    def spread(grad, size):
        """The adjoint of the means of the windows that cover everything."""
        return kernels(grad).adaptive_avg_pool_backward(grad, size, n)

    spread.vjp("grad")(lambda g, grad_shape: adaptive_avg_pool[n](g, tuple(grad_shape[-n:])))
    return spread


def _by_axes(declare, *numbers):
    return {n: declare(n) for n in numbers}


max_pool = _by_axes(_declare_max, 1, 2, 3)
adaptive_max_pool = _by_axes(_declare_adaptive_max, 1, 2, 3)
fractional_max_pool = _by_axes(_declare_fractional_max, 2, 3)
max_place = _by_axes(_declare_max_place, 1, 2, 3)
max_unpool = _by_axes(_declare_max_unpool, 1, 2, 3)
avg_pool = _by_axes(_declare_avg, 1, 2, 3)
avg_spread = _by_axes(_declare_avg_spread, 1, 2, 3)
adaptive_avg_pool = _by_axes(_declare_adaptive_avg, 1, 2, 3)
adaptive_spread = _by_axes(_declare_adaptive_spread, 1, 2, 3)
