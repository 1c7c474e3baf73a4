"""Random numbers: new tensors, filling in place, sampling, dropout.

All draw from one stream, torch's (docs/random.md); `generator=None` is the default generator.
Random tensors are constants to autograd; writing random numbers over a tensor cuts its history.
"""

from __future__ import annotations

import operator

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core import dtype as _dtypes
from flambeau.core import generator as _generator
from flambeau.core.device import require_available
from flambeau.core.errors import RuntimeFailure
from flambeau.core.grad_mode import is_grad_enabled
from flambeau.core.registry import FUNCTIONS, op
from flambeau.core.tensor import Tensor

_ABSENT = object()

for _name in ("get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"):
    FUNCTIONS[_name] = getattr(_generator, _name)


def _function(function):
    """Puts the function into the `flambeau` namespace."""
    FUNCTIONS[function.__name__] = function
    return function


def _method(function):
    """Makes the function a method of Tensor."""
    setattr(Tensor, function.__name__, function)
    return function


def _sizes(name, size):
    """The sizes of a call: integers, or one sequence of them."""
    if not size:
        raise TypeError(f"{name}(): missing the argument 'size'")
    if len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    try:
        return tuple(map(operator.index, size))
    except TypeError:
        raise TypeError(
            f"{name}(): argument 'size' must be tuple of ints, but got {size!r}"
        ) from None


def _target(name, size, out, dtype, device):
    """The tensor that a factory function fills: a new one, or `out` brought to size."""
    require_available(device)
    if out is None:
        return _C.empty(size, dtype)
    if out.dtype != dtype:
        raise RuntimeFailure(
            f"{name}: out must have the dtype of the result: out is {out.dtype}, result is {dtype}"
        )
    if tuple(out.shape) != size:
        out.resize_(size)
    return out


def _floating(dtype, out):
    """The dtype of a factory function of floats."""
    if dtype is None:
        return _C.get_default_dtype() if out is None else out.dtype
    return _dtypes.from_python(dtype) or dtype


def _like(input, dtype, device, memory_format):
    """An unfilled tensor of the input's sizes."""
    require_available(device)
    dtype = input.dtype if dtype is None else _dtypes.from_python(dtype) or dtype
    if memory_format is None:
        return _C.empty_like(input, dtype)
    return _C.empty(tuple(input.shape), dtype).contiguous(memory_format=memory_format)


def _tracked(tensor, requires_grad):
    if requires_grad:
        tensor.requires_grad = True
    return tensor


# ---- new tensors ----


@_function
def rand(
    *size,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    **named,
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
    sizes = _sizes("rand", size or _only_size("rand", named))
    result = _target("rand", sizes, out, _floating(dtype, out), device)
    kernels(result).uniform_(result, 0.0, 1.0, generator)
    return _tracked(result, requires_grad)


@_function
def randn(
    *size,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    pin_memory=False,
    **named,
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
    sizes = _sizes("randn", size or _only_size("randn", named))
    result = _target("randn", sizes, out, _floating(dtype, out), device)
    kernels(result).normal_(result, 0.0, 1.0, generator)
    return _tracked(result, requires_grad)


def _only_size(name, named):
    """`size` given by name."""
    if named.keys() == {"size"}:
        return (named["size"],)
    unknown = ", ".join(sorted(named.keys() - {"size"}))
    raise TypeError(f"{name}(): got an unexpected keyword argument {unknown or 'size'}")


@_function
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
    if dtype is None:
        dtype = _C.int64 if out is None else out.dtype
    dtype = _dtypes.from_python(dtype) or dtype
    result = _target("randint", _sizes("randint", (size,)), out, dtype, device)
    bounds = _bound("randint", "low", low), _bound("randint", "high", high)
    kernels(result).random_between(result, *bounds, generator)
    return _tracked(result, requires_grad)


def _bound(name, argument, value):
    """A bound as a Python integer."""
    if isinstance(value, Tensor):
        value = value.item()
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name}(): argument '{argument}' must be int, not {type(value).__name__}"
        ) from None


@_function
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
        >>> flambeau.randperm(5)
        tensor([4, 1, 2, 0, 3])
    """
    if dtype is None:
        dtype = _C.int64 if out is None else out.dtype
    result = _target("randperm", (operator.index(n),), out, dtype, device)
    kernels(result).randperm_(result, generator)
    return _tracked(result, requires_grad)


@_function
def rand_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    generator=None,
):
    """`rand` with the sizes and dtype of another tensor."""
    result = _like(input, dtype, device, memory_format)
    kernels(result).uniform_(result, 0.0, 1.0, generator)
    return _tracked(result, requires_grad)


@_function
def randn_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
    memory_format=None,
    generator=None,
):
    """`randn` with the sizes and dtype of another tensor."""
    result = _like(input, dtype, device, memory_format)
    kernels(result).normal_(result, 0.0, 1.0, generator)
    return _tracked(result, requires_grad)


@_function
def randint_like(
    input,
    *args,
    low=0,
    high=None,
    dtype=None,
    layout=None,
    device=None,
    requires_grad=False,
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
    result = _like(input, dtype, device, memory_format)
    bounds = _bound("randint_like", "low", low), _bound("randint_like", "high", high)
    kernels(result).random_between(result, *bounds, generator)
    return _tracked(result, requires_grad)


@_function
def normal(mean=0.0, std=1.0, size=None, *, generator=None, out=None, dtype=None, device=None):
    """Numbers of normal distributions, one for each element of `mean` and `std`.

    Args:
        mean: a tensor, or a number.
        std: a tensor that broadcasts with `mean`, or a number.
        size: the sizes, if mean and std are numbers.
        generator: what to draw from.
        out: the tensor to fill.

    Returns:
        The tensor.

    Raises:
        RuntimeError: if a standard deviation is negative, or sizes do not fit.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> flambeau.normal(flambeau.zeros(3), 1.0)
        tensor([ 1.5410, -0.2934, -2.1788])
    """
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        if size is None:
            raise TypeError("normal(): numbers for mean and std need the argument 'size'")
        sizes = _sizes("normal", (size,))
        result = _target("normal", sizes, out, _floating(dtype, out), device)
        kernels(result).normal_(result, float(mean), float(std), generator)
        return result
    shape = _C.broadcast_shapes(*(tuple(getattr(v, "shape", ())) for v in (mean, std)))
    own = mean if isinstance(mean, Tensor) else std
    scale = 1.0 if isinstance(std, Tensor) else float(std)
    if isinstance(std, Tensor):
        _check_std(std)
    result = _target("normal", tuple(shape), out, own.dtype, device)
    kernels(result).normal_(result, 0.0, scale, generator)
    if isinstance(std, Tensor):
        result.mul_(std.detach())
    return result.add_(mean.detach() if isinstance(mean, Tensor) else mean)


def _check_std(std):
    if std.dtype.is_complex:
        raise RuntimeFailure("normal expects standard deviation to be non-complex")
    if not bool((std >= 0).all()):
        raise RuntimeFailure("normal expects all elements of std >= 0.0")


# ---- filling in place ----


@op(public=False, out=False, inplace=True, name="_overwrite", gradcheck=False)
def _overwrite(input):
    """The input as it is, but without its history: random numbers are about to replace it."""
    return input


_overwrite.vjp("input")(lambda g: kernels(g).full(g.shape, 0, g.dtype))


def _fill(tensor, kernel, *args):
    """Runs a kernel that replaces the values of `tensor`, under autograd's rules for that."""
    if tensor._is_inference or (tensor.requires_grad and is_grad_enabled()):
        _overwrite.inplace(tensor)
    else:
        _C.bump_version(tensor)
    getattr(kernels(tensor), kernel)(tensor, *args)
    return tensor


@_method
def uniform_(self, from_=0.0, to=1.0, *, generator=None):
    """Fills the tensor with numbers spread evenly over [from, to).

    Raises:
        RuntimeError: if the bounds are not in order, or too far apart for the dtype.
    """
    return _fill(self, "uniform_", from_, to, generator)


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
def random_(self, from_=_ABSENT, to=_ABSENT, *, generator=None):
    """Fills the tensor with integers: `random_()`, `random_(to)` or `random_(from, to)`.

    They are spread evenly over [from, to); `from` is 0 if left out. Without `to`, or with None for
    it, they go up to the largest integer below which the dtype holds every other.

    Raises:
        RuntimeError: if there is no integer in the range, or the dtype does not hold it.
    """
    if to is _ABSENT:
        if from_ is _ABSENT:
            return _fill(self, "random_", generator)
        from_, to = 0, from_
    lowest = 0 if from_ is _ABSENT else operator.index(from_)
    return _fill(
        self, "random_between", lowest, None if to is None else operator.index(to), generator
    )


# ---- sampling ----


@_method
@_function
def bernoulli(input, p=None, *, generator=None, out=None):
    """Zeros and ones; the elements of `input` are the probabilities of a one.

    Args:
        input: probabilities, or with `p` only the sizes and dtype.
        p: one probability for all.
        generator: what to draw from.
        out: the tensor to fill.

    Returns:
        A tensor like `input`.

    Raises:
        RuntimeError: if a probability is not in [0, 1].

    Example:
        >>> flambeau.bernoulli(flambeau.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    if out is None:
        result = _C.empty_like(input, input.dtype)
    else:
        result = _target("bernoulli", tuple(input.shape), out, out.dtype, None)
    kernels(result).bernoulli_(result, input if p is None else p, generator)
    return result


@_method
@_function
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Indices drawn from each row with probabilities in proportion to its weights.

    Args:
        input: non-negative weights, a vector or a matrix.
        num_samples: how many indices per row.
        replacement: whether an index may come more than once.
        generator: what to draw from.
        out: the tensor to fill.

    Returns:
        An int64 tensor of `num_samples` columns.

    Raises:
        RuntimeError: if weights are negative, not finite or all zero, or too few for the samples.

    Example:
        >>> flambeau.multinomial(flambeau.tensor([0.0, 3.0]), 2, replacement=True)
        tensor([1, 1])
    """
    return _stored(kernels(input).multinomial(input, num_samples, replacement, generator), out)


@_function
def poisson(input, generator=None):
    """Counts of the Poisson distribution, of the rate that each element gives.

    Args:
        input: non-negative rates.
        generator: what to draw from.

    Returns:
        A tensor like `input`.

    Raises:
        RuntimeError: if a rate is negative.

    Example:
        >>> flambeau.poisson(flambeau.zeros(2))
        tensor([0., 0.])
    """
    return kernels(input).poisson(input, generator)


def _stored(value, out):
    """The value, moved into `out` if there is one."""
    if out is None:
        return value
    result = _target("multinomial", tuple(value.shape), out, value.dtype, None)
    return result.copy_(value)


# ---- dropout ----


@op(
    out=False,
    outputs=("output", "mask"),
    gradcheck=False,
    nondifferentiable_reason="the mask is drawn anew in each call",
)
def native_dropout(input, p, train):
    """Dropout and its mask: the elements that were kept, each divided by 1 - p.

    Args:
        input: floating point tensor.
        p: the probability of a zero.
        train: if not True (or None), everything is kept.

    Returns:
        The result, and the bool mask of what was kept.

    Raises:
        RuntimeError: if `p` is not in [0, 1].
    """
    k = kernels(input)
    if train is False:
        return k.clone(input), k.full(input.shape, True, _C.bool)
    return k.dropout(input, p, None)


@native_dropout.vjp("input")
def _(g, mask, p, train):
    return g if train is False else native_dropout_backward(g, mask, p)


@op(public=False, out=False, gradcheck=False)
def native_dropout_backward(grad_output, mask, p):
    """grad_output where the mask is set, divided by 1 - p; zero elsewhere."""
    return kernels(grad_output).dropout_backward(grad_output, mask, p)


native_dropout_backward.vjp("grad_output")(
    lambda g, mask, p: native_dropout_backward(g, mask, p),
)


def _check_probability(name, p):
    if not 0 <= p <= 1:
        raise RuntimeFailure(f"{name} probability has to be between 0 and 1, but got {p}")


@_function
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
    _check_probability("dropout", p)
    if p == 0 or not train or input.numel() == 0:
        return input
    return native_dropout(input, p, True)[0]


@_function
def dropout_(input, p, train):
    """In-place form of `dropout`."""
    _check_probability("dropout", p)
    if p == 0 or not train or input.numel() == 0:
        return input
    return input.mul_(_noise(input, p, False))


def _noise(input, p, by_feature):
    """The factors 0 and 1 / (1 - p), one for each element or for each channel of each sample."""
    keep = _kept(input, p, by_feature)
    return keep.div_(1 - p) if p < 1 else keep


def _kept(input, p, by_feature):
    """Ones with probability 1 - p, and zeros."""
    if not by_feature:
        keep = _C.empty_like(input, input.dtype)
    else:
        if input.ndim < 2:
            raise RuntimeFailure("Feature dropout requires at least 2 dimensions in the input")
        keep = _C.empty((*input.shape[:2], *([1] * (input.ndim - 2))), input.dtype)
    if p == 1:
        return keep.zero_()
    kernels(keep).bernoulli_(keep, 1 - p, None)
    return keep


@_function
def feature_dropout(input, p, train):
    """Dropout of whole channels: axes 0 and 1 are samples and channels.

    Raises:
        RuntimeError: if `p` is not in [0, 1], or the input has fewer than two axes.
    """
    _check_probability("dropout", p)
    if p == 0 or not train or input.numel() == 0:
        return input
    return input * _noise(input, p, True)


#: Minus the limit that SELU tends to for large negative arguments.
_SELU_LIMIT = 1.7580993408473766


def _alpha_dropout(input, p, train, by_feature):
    _check_probability("dropout", p)
    if p == 0 or not train or input.numel() == 0:
        return input
    if p == 1:
        return input * _kept(input, p, by_feature)
    keep = _kept(input, p, by_feature)
    scale = 1 / ((_SELU_LIMIT**2 * p + 1) * (1 - p)) ** 0.5
    shift = (keep - 1).mul_(_SELU_LIMIT * scale).add_(_SELU_LIMIT * scale * p)
    return (input * keep.mul_(scale)).add_(shift)


@_function
def alpha_dropout(input, p, train):
    """Dropout to the negative limit of SELU, which keeps mean and variance of its results.

    Raises:
        RuntimeError: if `p` is not in [0, 1].
    """
    return _alpha_dropout(input, p, train, False)


@_function
def feature_alpha_dropout(input, p, train):
    """`alpha_dropout` of whole channels.

    Raises:
        RuntimeError: if `p` is not in [0, 1], or the input has fewer than two axes.
    """
    return _alpha_dropout(input, p, train, True)
