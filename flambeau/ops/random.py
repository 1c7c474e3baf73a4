"""Random numbers: new tensors, filling in place, dropout. `sampling.py` has the rest.

All draw from one stream, torch's (docs/random.md); `generator=None` is the default generator.
Random tensors are constants to autograd; writing random numbers over a tensor cuts its history.
"""

from __future__ import annotations

import operator

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import generator as _generator
from flambeau.core.errors import RuntimeFailure
from flambeau.core.grad_mode import is_grad_enabled
from flambeau.core.registry import FUNCTIONS, function, op
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import (
    _check_storage,
    _dtype,
    _method,
    _place,
    _require_tensor,
    _size_keywords,
    empty_like,
)

_ABSENT = object()

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


# ---- new tensors ----


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
        low: the lowest integer (0).
        high: one more than the highest.
        size: the sizes, a sequence.
        generator: what to draw from.
        out: the tensor to fill.
        dtype: int64 unless given.

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
    """`rand` with the sizes and dtype of another tensor."""
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
    """`randn` with the sizes and dtype of another tensor."""
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
    """`randint` with the sizes and dtype of another tensor.

    The bounds are given as in `randint`: `(input, high)` or `(input, low, high)`.
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


# ---- filling in place ----


@op(
    public=False,
    out=False,
    inplace=True,
    gradcheck=False,
    samples=lambda s: [s(s.tensor(2, 3), "normal_")],
    backward_name="RandomBackward0",
    overloads={
        "filler = normal_": "NormalBackward0",
        "filler = uniform_": "UniformBackward0",
        "filler = bernoulli_": "BernoulliBackward2",
        "filler = exponential_": "ExponentialBackward0",
        "filler = log_normal_": "LogNormalBackward0",
        "filler = cauchy_": "CauchyBackward0",
        "filler = geometric_": "GeometricBackward0",
    },
)
def _overwrite(input, filler):
    """The input as it is, but without its history: random numbers are about to replace it.

    Args:
        filler: the method that does so, after which torch names the node.
    """
    _require_tensor(input, "_overwrite")
    return kernels(input).alias(input)


_overwrite.vjp("input")(lambda g: kernels(g).full(g.shape, 0, g.dtype))


def _fill(tensor, kernel, *args):
    """Runs a kernel that replaces the values of `tensor`, under autograd's rules for that."""
    if tensor._is_inference or (tensor.requires_grad and is_grad_enabled()):
        _overwrite.inplace(tensor, kernel)
    else:
        _C.bump_version(tensor)
    getattr(kernels(tensor), kernel)(tensor, *args)
    return tensor


def _lower(name, from_, named):
    """The bound `from`, which Python takes by name only among the other keywords."""
    if "from" in named and from_ is _ABSENT:
        from_ = named.pop("from")
    for keyword in named:
        raise TypeError(f"{name}() got an unexpected keyword argument '{keyword}'")
    return from_


@_method
def uniform_(self, from_=_ABSENT, /, to=1.0, *, generator=None, **named):
    """Fills the tensor with numbers spread evenly over [from, to).

    Args:
        from_: the lowest number (0); its name is `from`.
        to: the bound above (1).
        generator: what to draw from.

    Raises:
        RuntimeError: if the bounds are not in order, or too far apart for the dtype.
    """
    from_ = _lower("uniform_", from_, named) if named else from_
    return _fill(self, "uniform_", 0.0 if from_ is _ABSENT else from_, to, generator)


@_method
def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fills the tensor with numbers of a normal distribution.

    Raises:
        RuntimeError: if `std` is negative.
    """
    return _fill(self, "normal_", mean, std, generator)


@_method
def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Fills the tensor with numbers whose logarithm has a normal distribution.

    Raises:
        RuntimeError: if `std` is not positive.
    """
    return _fill(self, "log_normal_", mean, std, generator)


@_method
def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Fills the tensor with numbers of a Cauchy distribution.

    Raises:
        RuntimeError: if `sigma` is not positive, or the dtype is not floating point.
    """
    return _fill(self, "cauchy_", median, sigma, generator)


@_method
def exponential_(self, lambd=1.0, *, generator=None):
    """Fills the tensor with numbers of the exponential distribution of rate `lambd`.

    Raises:
        RuntimeError: if `lambd` is not positive, or the dtype is not floating point.
    """
    return _fill(self, "exponential_", lambd, generator)


@_method
def geometric_(self, p, *, generator=None):
    """Fills the tensor with numbers of trials up to the first success, each of probability `p`.

    Raises:
        RuntimeError: if `p` is not in (0, 1).
    """
    return _fill(self, "geometric_", p, generator)


@_method
def bernoulli_(self, p=0.5, *, generator=None):
    """Fills the tensor with ones, each with probability `p`, and zeros.

    Args:
        p: a number, or a tensor of probabilities that broadcasts to this one.

    Raises:
        RuntimeError: if a probability is not in [0, 1].
    """
    return _fill(self, "bernoulli_", p, generator)


@_method
def random_(self, from_=_ABSENT, /, to=_ABSENT, *, generator=None, **named):
    """Fills the tensor with integers: `random_()`, `random_(to)` or `random_(from, to)`.

    They are spread evenly over [from, to); `from` is 0 if left out. Without `to`, or with None for
    it, they go up to the largest integer below which the dtype holds every other.

    Raises:
        RuntimeError: if there is no integer in the range, or the dtype does not hold it.
    """
    from_ = _lower("random_", from_, named) if named else from_
    if to is _ABSENT:
        if from_ is _ABSENT:
            return _fill(self, "random_", generator)
        from_, to = 0, from_
    lowest = 0 if from_ is _ABSENT else operator.index(from_)
    return _fill(
        self, "random_between", lowest, None if to is None else operator.index(to), generator
    )


# ---- dropout ----


def _dropout_samples(s):
    """Calls whose result does not depend on the draws."""
    yield s(s.tensor(3, 4), 0.0, True)
    yield s(s.tensor(3, 4), 1.0, True)
    yield s(s.tensor(3, 4), 0.5, False)


@op(backward_name="Mul", out=False, outputs=("output", "mask"), samples=_dropout_samples)
def native_dropout(input, p, train):
    """Dropout and its mask: the elements that were kept, each divided by 1 - p.

    Args:
        input: floating point tensor.
        p: the probability of a zero.
        train: if False, everything is kept.

    Returns:
        The result, and the bool mask of what was kept.

    Raises:
        RuntimeError: if `p` is not in [0, 1].
    """
    _require_tensor(input, "native_dropout")
    k = kernels(input)
    if train is False:
        mask = _C.empty_like(input, _C.bool)
        k.fill(mask, True)
        return k.clone(input), mask
    return k.dropout(input, p, None)


@native_dropout.vjp("input")
def _(g, mask, p, train):
    return g if train is False else _dropout_backward(g, mask, p)


@op(
    public=False,
    out=False,
    samples=lambda s: [s(s.tensor(3, 4), s.mask(3, 4), 0.5), s(s.tensor(3), s.mask(3), 1.0)],
)
def _dropout_backward(grad_output, mask, p):
    """grad_output where the mask is set, divided by 1 - p; zero elsewhere."""
    _require_tensor(grad_output, "_dropout_backward")
    return kernels(grad_output).dropout_backward(grad_output, mask, p)


_dropout_backward.vjp("grad_output")(lambda g, mask, p: _dropout_backward(g, mask, p))


def _inactive(input, p, train):
    """Whether a dropout leaves its input as it is; checks what it would not look at then."""
    _require_tensor(input, "dropout")
    if not 0 <= p <= 1:
        raise RuntimeFailure(f"dropout probability has to be between 0 and 1, but got {p}")
    return p == 0 or not train or input.numel() == 0


def _kept(input, p, by_feature):
    """Ones with probability 1 - p, and zeros: for each element, or each channel of each sample."""
    if not by_feature:
        keep = kernels(input).empty_like(input, input.dtype)
    elif input.ndim < 2:
        raise RuntimeFailure("Feature dropout requires at least 2 dimensions in the input")
    else:
        keep = kernels(input).empty((*input.shape[:2], *([1] * (input.ndim - 2))), input.dtype)
    if p == 1:
        return keep.zero_()
    kernels(keep).bernoulli_(keep, 1 - p, None)
    return keep


def _noise(input, p, by_feature):
    """The factors of a dropout: 0 and 1 / (1 - p)."""
    keep = _kept(input, p, by_feature)
    return keep.div_(1 - p) if p < 1 else keep


#: Minus the limit of SELU for large negative arguments.
_SELU_LIMIT = 1.7580993408473766


def _alpha_noise(input, p, by_feature):
    """Factor and summand that replace dropped elements by the limit and keep mean and variance."""
    keep = _kept(input, p, by_feature)
    if p == 1:
        return keep, 0
    scale = 1 / ((_SELU_LIMIT**2 * p + 1) * (1 - p)) ** 0.5
    shift = (keep - 1).mul_(_SELU_LIMIT * scale).add_(_SELU_LIMIT * scale * p)
    return keep.mul_(scale), shift


@function
def dropout(input, p, train):
    """Zeroes each element with probability `p` and divides the rest by 1 - p, when training.

    Args:
        input: floating point tensor.
        p: the probability of a zero.
        train: if False, the input is returned as it is.

    Returns:
        The tensor.

    Raises:
        RuntimeError: if `p` is not in [0, 1].

    Example:
        >>> flambeau.dropout(flambeau.ones(3), 0.5, False)
        tensor([1., 1., 1.])
    """
    return input if _inactive(input, p, train) else native_dropout(input, p, True)[0]


@function
def dropout_(input, p, train):
    """In-place form of `dropout`."""
    return input if _inactive(input, p, train) else input.mul_(_noise(input, p, False))


@function
def feature_dropout(input, p, train):
    """Dropout of whole channels: axes 0 and 1 are samples and channels.

    Raises:
        RuntimeError: if `p` is not in [0, 1], or the input has fewer than two axes.
    """
    return input if _inactive(input, p, train) else input * _noise(input, p, True)


@function
def feature_dropout_(input, p, train):
    """In-place form of `feature_dropout`."""
    return input if _inactive(input, p, train) else input.mul_(_noise(input, p, True))


def _alpha_dropout(input, p, train, by_feature):
    if _inactive(input, p, train):
        return input
    factor, shift = _alpha_noise(input, p, by_feature)
    return input * factor if p == 1 else input * factor + shift


def _alpha_dropout_(input, p, train, by_feature):
    if _inactive(input, p, train):
        return input
    factor, shift = _alpha_noise(input, p, by_feature)
    return input.mul_(factor).add_(shift)


@function
def alpha_dropout(input, p, train):
    """Dropout to the negative limit of SELU, which keeps mean and variance of its results.

    Raises:
        RuntimeError: if `p` is not in [0, 1].
    """
    return _alpha_dropout(input, p, train, False)


@function
def alpha_dropout_(input, p, train):
    """In-place form of `alpha_dropout`."""
    return _alpha_dropout_(input, p, train, False)


@function
def feature_alpha_dropout(input, p, train):
    """`alpha_dropout` of whole channels.

    Raises:
        RuntimeError: if `p` is not in [0, 1], or the input has fewer than two axes.
    """
    return _alpha_dropout(input, p, train, True)


@function
def feature_alpha_dropout_(input, p, train):
    """In-place form of `feature_alpha_dropout`."""
    return _alpha_dropout_(input, p, train, True)
