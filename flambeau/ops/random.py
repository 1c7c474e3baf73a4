"""New tensors of random numbers, and the functions of the default generator.

All draw from one stream, torch's (docs/random.md); `generator=None` is the default generator.
Random tensors are constants to autograd. `sampling.py` has the draws that tensors describe.
"""

from __future__ import annotations

import operator

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import generator as _generator
from flambeau.core.errors import RuntimeFailure
from flambeau.core.grad_mode import is_grad_enabled
from flambeau.core.registry import FUNCTIONS, function
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import _check_storage, _dtype, _place, _size_keywords, empty_like

for _name in (
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
):
    FUNCTIONS[_name] = getattr(_generator, _name)


def _unfilled(name, size, out, dtype, default_dtype, layout, device, pin_memory):
    """The tensor that a factory function fills: a new one, or `out` brought to size."""
    _check_storage(name, layout, pin_memory)
    if dtype is None:
        dtype = default_dtype if out is None else out.dtype
    made = _place(device).new_empty(name, size, _dtype(dtype, name))
    if out is None:
        return made
    _refuse_gradients(name, out)
    if out.dtype is not made.dtype:
        raise RuntimeFailure(
            f"dtype {made.dtype} does not match dtype of out parameter ({out.dtype})"
        )
    if out.shape != made.shape:
        out.resize_(made.shape)
    _C.bump_version(out)
    return out


def _refuse_gradients(name, *tensors):
    """The error for `out=` where a gradient would have to follow."""
    if is_grad_enabled() and any(isinstance(t, Tensor) and t.requires_grad for t in tensors):
        raise RuntimeFailure(
            f"{name}(): functions with out=... arguments don't support automatic differentiation,"
            " but one of the arguments requires grad."
        )


def _unfilled_like(input, dtype, layout, device, pin_memory, memory_format):
    return empty_like(
        input,
        dtype=dtype,
        layout=layout,
        device=device,
        pin_memory=pin_memory,
        memory_format=memory_format,
    )


def _tracked(tensor, requires_grad):
    if requires_grad:
        tensor.requires_grad = True
    return tensor


@function
def rand(
    *size,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    **sizes,
):
    """Numbers spread evenly over [0, 1).

    Args:
        size: the sizes, as integers or one sequence.
        generator: what to draw from.
        out: the tensor to fill.
        dtype: a floating point or complex dtype; by default the default one.
        layout, device, requires_grad, pin_memory: as of `tensor`.

    Returns:
        The tensor.

    Raises:
        NotImplementedError: for other dtypes.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> flambeau.rand(2, 2)
        tensor([[0.4963, 0.7682],
                [0.0885, 0.1320]])
    """
    if not size or sizes:
        size, _ = _size_keywords("rand", size, sizes)
    default = _C.get_default_dtype()
    result = _unfilled("rand", size, out, dtype, default, layout, device, pin_memory)
    kernels(result).uniform_(result, 0.0, 1.0, generator)
    return _tracked(result, requires_grad)


@function
def randn(
    *size,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    **sizes,
):
    """Numbers of the normal distribution with mean 0 and variance 1.

    Complex numbers have this variance in all, half of it in each part.

    Args:
        size: the sizes, as integers or one sequence.
        generator: what to draw from.
        out: the tensor to fill.
        dtype: a floating point or complex dtype; by default the default one.
        layout, device, requires_grad, pin_memory: as of `tensor`.

    Returns:
        The tensor.

    Raises:
        NotImplementedError: for other dtypes.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> flambeau.randn(3)
        tensor([ 1.5410, -0.2934, -2.1788])
    """
    if not size or sizes:
        size, _ = _size_keywords("randn", size, sizes)
    default = _C.get_default_dtype()
    result = _unfilled("randn", size, out, dtype, default, layout, device, pin_memory)
    kernels(result).normal_(result, 0.0, 1.0, generator)
    return _tracked(result, requires_grad)


@function
def randint(
    *args,
    low=0,
    high=None,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """Integers spread evenly over [low, high): `randint(high, size)` or `randint(low, high, size)`.

    Args:
        args: the bounds and the size, by position.
        low: the lowest integer (0).
        high: one more than the highest.
        size: the sizes, a sequence.
        generator: what to draw from.
        out: the tensor to fill.
        dtype: int64 unless given.
        layout, device, requires_grad, pin_memory: as of `tensor`.

    Returns:
        The tensor.

    Raises:
        RuntimeError: if there is no integer in the range, or the dtype does not hold it.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> flambeau.randint(10, (4,))
        tensor([4, 9, 3, 0])
    """
    args = list(args)
    if size is None and args and not isinstance(args[-1], int):
        size = args.pop()
    if high is None and args:
        high = args.pop()
    if args:
        low = args.pop()
    if size is None or high is None or args:
        raise TypeError("randint(): expected (high, size) or (low, high, size)")
    result = _unfilled("randint", size, out, dtype, _C.int64, layout, device, pin_memory)
    bounds = _bound("randint", "low", low), _bound("randint", "high", high)
    kernels(result).random_between(result, *bounds, generator)
    return _tracked(result, requires_grad)


def _bound(name, argument, value):
    """A bound as a Python integer."""
    if isinstance(value, Tensor):
        value = value.item()
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name}(): argument '{argument}' must be int, not {type(value).__name__}"
        ) from None


@function
def randperm(
    n,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
):
    """The integers from 0 to n - 1 in random order.

    Args:
        n: how many.
        generator: what to draw from.
        out: the tensor to fill.
        dtype: int64 unless given.
        layout, device, requires_grad, pin_memory: as of `tensor`.

    Returns:
        The tensor.

    Raises:
        RuntimeError: if the dtype does not hold n - 1, or n is negative.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> flambeau.randperm(8)
        tensor([4, 0, 7, 3, 2, 5, 1, 6])
    """
    result = _unfilled("randperm", (n,), out, dtype, _C.int64, layout, device, pin_memory)
    kernels(result).randperm_(result, generator)
    return _tracked(result, requires_grad)


@function
def rand_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    memory_format=None,
    generator=None,
):
    """`rand` with the sizes, dtype and device of another tensor.

    Args:
        input: floating or complex, unless there is a `dtype`.
        dtype, layout, device: instead of input's own.
        requires_grad, pin_memory, memory_format: as of `empty_like`.
        generator: what to draw from.

    Raises:
        NotImplementedError: for other dtypes.

    Example:
        >>> x = flambeau.rand_like(flambeau.zeros(2, 3))
        >>> x.shape, bool(((x >= 0) & (x < 1)).all())
        (torch.Size([2, 3]), True)
    """
    result = _unfilled_like(input, dtype, layout, device, pin_memory, memory_format)
    kernels(result).uniform_(result, 0.0, 1.0, generator)
    return _tracked(result, requires_grad)


@function
def randn_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    memory_format=None,
    generator=None,
):
    """`randn` with the sizes, dtype and device of another tensor.

    Args:
        input: floating or complex, unless there is a `dtype`.
        dtype, layout, device: instead of input's own.
        requires_grad, pin_memory, memory_format: as of `empty_like`.
        generator: what to draw from.

    Raises:
        NotImplementedError: for other dtypes.

    Example:
        >>> flambeau.randn_like(flambeau.zeros(2, 3), dtype=flambeau.float64).dtype
        torch.float64
    """
    result = _unfilled_like(input, dtype, layout, device, pin_memory, memory_format)
    kernels(result).normal_(result, 0.0, 1.0, generator)
    return _tracked(result, requires_grad)


@function
def randint_like(
    input,
    *args,
    low=0,
    high=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    memory_format=None,
    generator=None,
):
    """`randint` with the sizes, dtype and device of another tensor.

    The bounds are given as in `randint`: `(input, high)` or `(input, low, high)`.

    Args:
        input: any dtype but complex that holds the bounds.
        args: the bounds, by position.
        low: the lowest integer, 0 unless given.
        high: one more than the highest.
        dtype, layout, device: instead of input's own.
        requires_grad, pin_memory, memory_format: as of `empty_like`.
        generator: what to draw from.

    Raises:
        RuntimeError: if there is no integer in the range, or the dtype does not hold it.

    Example:
        >>> flambeau.randint_like(flambeau.zeros(2), 7, 8)  # 7 alone is in the range
        tensor([7., 7.])
    """
    args = list(args)
    if high is None and args:
        high = args.pop()
    if args:
        low = args.pop()
    if high is None or args:
        raise TypeError("randint_like(): expected (input, high) or (input, low, high)")
    result = _unfilled_like(input, dtype, layout, device, pin_memory, memory_format)
    bounds = _bound("randint_like", "low", low), _bound("randint_like", "high", high)
    kernels(result).random_between(result, *bounds, generator)
    return _tracked(result, requires_grad)
