"""Activations made of bounds and thresholds, with the signatures of torch.nn.functional.

The op under each of them takes numbers as parameters of its kernel and has a fused backward; the
function around it chooses the in-place form.
"""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.registry import checked, function, op
from flambeau.ops._declare import ACTIVATION_SHAPES, activation, activation_calls, inplace_form, of
from flambeau.ops.masks import where


@activation("hardtanh", parameters=((-2.0, 0.5),))
def _hardtanh(input, min_val=-1.0, max_val=1.0):
    """input brought into [min_val, max_val]."""
    return kernels(of(input)).unary("hardtanh", input, min_val, max_val)


@_hardtanh.vjp("input")
def _(g, input, min_val, max_val):
    return where((input <= min_val) | (input >= max_val), 0.0, g)


@_hardtanh.fast_vjp("input")
def _(g, input, min_val, max_val):
    return kernels(g).binary("hardtanh_backward", g, input, min_val, max_val)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """input brought into [min_val, max_val].

    Args:
        input: any dtype but bool and complex, any sizes.
        min_val: the lower bound.
        max_val: the upper bound.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Raises:
        ValueError: if min_val is above max_val.

    Example:
        >>> flambeau.nn.functional.hardtanh(flambeau.tensor([-3., 0.5, 3.]))
        tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError("hardtanh: min_val cannot be greater than max_val")
    of(input)
    if not input.dtype.is_signed and min_val < 0:
        raise RuntimeError("hardtanh: cannot do hardtanh on an unsigned type with negative limits")
    form = _hardtanh.inplace if inplace else _hardtanh
    return form(input, min_val, max_val)


def relu6(input, inplace=False):
    """min(max(input, 0), 6).

    Args:
        input: any dtype but bool and complex, any sizes.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.relu6(flambeau.tensor([-1., 2., 9.]))
        tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


@activation("hardsigmoid")
def _hardsigmoid(input):
    """relu6(input + 3) / 6."""
    return kernels(of(input)).unary("hardsigmoid", input)


_hardsigmoid.vjp("input")(lambda g, input: where((input > -3) & (input < 3), g / 6, 0.0))
_hardsigmoid.fast_vjp("input")(lambda g, input: kernels(g).binary("hardsigmoid_backward", g, input))


def hardsigmoid(input, inplace=False):
    """relu6(input + 3) / 6: a piecewise linear sigmoid.

    Args:
        input: floating, any sizes.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.hardsigmoid(flambeau.tensor([-4., 0., 3.]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return _hardsigmoid.inplace(input) if inplace else _hardsigmoid(input)


@activation("hardswish")
def _hardswish(input):
    """input * relu6(input + 3) / 6."""
    return kernels(of(input)).unary("hardswish", input)


@_hardswish.vjp("input")
def _(g, input):
    inside = g * (input / 3 + 0.5)
    return where(input <= -3, 0.0, where(input < 3, inside, g))


_hardswish.fast_vjp("input")(lambda g, input: kernels(g).binary("hardswish_backward", g, input))


def hardswish(input, inplace=False):
    """input * relu6(input + 3) / 6: a silu without exponentials.

    Args:
        input: floating, any sizes.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.hardswish(flambeau.tensor([-4., 1., 4.]))
        tensor([-0.0000, 0.6667, 4.0000])
    """
    return _hardswish.inplace(input) if inplace else _hardswish(input)


def _threshold_samples(s):
    for shape in ACTIVATION_SHAPES:
        yield s(s.tensor(*shape), 0.3, 7.0)


@activation("threshold", samples=_threshold_samples, public=True)
def _threshold(input, threshold, value):
    """input where it is above a threshold, a value elsewhere.

    Args:
        input: any dtype but bool and complex.
        threshold: a number that elements must exceed to stay.
        value: the number that replaces the others.

    Example:
        >>> flambeau.threshold(flambeau.tensor([1, 2, 3]), 2, 0)
        tensor([0, 0, 3])
    """
    return kernels(of(input)).unary("threshold", input, threshold, value)


_threshold.vjp("input")(lambda g, input, threshold: where(input <= threshold, 0.0, g))
_threshold.fast_vjp("input")(
    lambda g, input, threshold: kernels(g).binary("threshold_backward", g, input, threshold)
)


def threshold(input, threshold, value, inplace=False):
    """input where it is above threshold, value elsewhere.

    Args:
        input: any dtype but bool and complex, any sizes.
        threshold: what elements must exceed to stay.
        value: what replaces the others.
        inplace: overwrite the input.

    Returns:
        The result; of the in-place form the input.

    Example:
        >>> flambeau.nn.functional.threshold(flambeau.tensor([0.5, 2.]), 1., 0.)
        tensor([0., 2.])
    """
    form = _threshold.inplace if inplace else _threshold
    return form(input, threshold, value)


@op(
    name="softshrink",
    public=False,
    native="softshrink",
    native_arity=1,
    samples=activation_calls((1.5,)),
)
def _softshrink(input, lambd=0.5):
    """input moved by lambd towards zero, and zero within lambd of it."""
    return kernels(of(input)).unary("softshrink", input, lambd)


def softshrink(input, lambd=0.5, *, out=None):
    """input moved by lambd towards zero, and zero within lambd of it.

    Args:
        input: floating, any sizes.
        lambd: how far, not negative.
        out: where to write the result.

    Returns:
        A new tensor, or `out`.

    Raises:
        RuntimeError: if lambd is negative.

    Example:
        >>> flambeau.nn.functional.softshrink(flambeau.tensor([-2., 0.3, 1.]))
        tensor([-1.5000,  0.0000,  0.5000])
    """
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must be greater or equal to 0, but found {lambd}")
    return _softshrink(input, lambd, out=out)


@op(methods=("hardshrink",), native="hardshrink", native_arity=1, samples=activation_calls((1.5,)))
def hardshrink(input, lambd=0.5):
    """input, and zero within lambd of zero.

    Args:
        input: floating, any sizes.
        lambd: the half-width of the interval that becomes zero.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.nn.functional.hardshrink(flambeau.tensor([-2., 0.3, 1.]))
        tensor([-2.,  0.,  1.])
    """
    return kernels(of(input)).unary("hardshrink", input, lambd)


for _shrink in (_softshrink, hardshrink):
    _shrink.vjp("input")(
        lambda g, input, lambd: where((input >= -lambd) & (input <= lambd), 0.0, g)
    )
    _shrink.fast_vjp("input")(
        lambda g, input, lambd: kernels(g).binary("shrink_backward", g, input, lambd)
    )


hardtanh_ = checked(inplace_form(hardtanh))
threshold_ = function(inplace_form(threshold))
