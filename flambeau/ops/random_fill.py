"""Tensors filled with random numbers in place.

All draw from one stream, torch's (docs/random.md); `generator=None` is the default generator.
Writing random numbers over a tensor cuts its history.
"""

from __future__ import annotations

import operator

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.grad_mode import is_grad_enabled
from flambeau.core.registry import op
from flambeau.ops.creation import _method, _require_tensor

_ABSENT = object()


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

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> x = flambeau.empty(100).uniform_(2, 3)
        >>> bool(((x >= 2) & (x < 3)).all())
        True
    """
    from_ = _lower("uniform_", from_, named) if named else from_
    return _fill(self, "uniform_", 0.0 if from_ is _ABSENT else from_, to, generator)


@_method
def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Fills the tensor with numbers of a normal distribution.

    Args:
        mean: a number.
        std: the standard deviation, not negative.
        generator: what to draw from.

    Raises:
        RuntimeError: if `std` is negative.

    Example:
        >>> flambeau.empty(2).normal_(5.0, 0.0)  # without any spread
        tensor([5., 5.])
    """
    return _fill(self, "normal_", mean, std, generator)


@_method
def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Fills the tensor with numbers whose logarithm has a normal distribution.

    Args:
        mean: that of the logarithm.
        std: the standard deviation of the logarithm, positive.
        generator: what to draw from.

    Raises:
        RuntimeError: if `std` is not positive.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> bool((flambeau.empty(100).log_normal_() > 0).all())
        True
    """
    return _fill(self, "log_normal_", mean, std, generator)


@_method
def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Fills the tensor with numbers of a Cauchy distribution.

    Args:
        median: the middle.
        sigma: half of the distance of the quartiles, positive.
        generator: what to draw from.

    Raises:
        RuntimeError: if `sigma` is not positive, or the dtype is not floating point.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> x = flambeau.empty(10001).cauchy_(3.0)  # has no mean
        >>> round(x.median().item())
        3
    """
    return _fill(self, "cauchy_", median, sigma, generator)


@_method
def exponential_(self, lambd=1.0, *, generator=None):
    """Fills the tensor with numbers of the exponential distribution, whose density is l exp(-l x).

    Args:
        lambd: the rate l, positive; the mean is 1 / l.
        generator: what to draw from.

    Raises:
        RuntimeError: if `lambd` is not positive, or the dtype is not floating point.

    Example:
        >>> _ = flambeau.manual_seed(0)
        >>> bool((flambeau.empty(100).exponential_(2.0) > 0).all())
        True
    """
    return _fill(self, "exponential_", lambd, generator)


@_method
def geometric_(self, p, *, generator=None):
    """Fills the tensor with numbers of trials up to the first success.

    Args:
        p: the probability of success, in (0, 1).
        generator: what to draw from.

    Raises:
        RuntimeError: if `p` is not in (0, 1).

    Example:
        >>> flambeau.empty(3).geometric_(0.9999999)  # the first trial succeeds
        tensor([1., 1., 1.])
    """
    return _fill(self, "geometric_", p, generator)


@_method
def bernoulli_(self, p=0.5, *, generator=None):
    """Fills the tensor with ones, each with probability `p`, and zeros.

    Args:
        p: a number, or a tensor of probabilities that broadcasts to this one.
        generator: what to draw from.

    Raises:
        RuntimeError: if a probability is not in [0, 1].

    Example:
        >>> flambeau.empty(3).bernoulli_(flambeau.tensor([0.0, 1.0, 1.0]))
        tensor([0., 1., 1.])
    """
    return _fill(self, "bernoulli_", p, generator)


@_method
def random_(self, from_=_ABSENT, /, to=_ABSENT, *, generator=None, **named):
    """Fills the tensor with integers: `random_()`, `random_(to)` or `random_(from, to)`.

    They are spread evenly over [from, to); `from` is 0 if left out. Without `to`, or with None for
    it, they go up to the largest integer below which the dtype holds every other.

    Args:
        from_: the lowest integer; its name is `from`.
        to: one more than the highest.
        generator: what to draw from.

    Raises:
        RuntimeError: if there is no integer in the range, or the dtype does not hold it.

    Example:
        >>> flambeau.empty(3).random_(7, 8)  # 7 alone is in the range
        tensor([7., 7., 7.])
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
