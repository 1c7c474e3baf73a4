"""In-place forms that need more than a kernel, and those that are functions too."""

from __future__ import annotations

from flambeau.core.errors import GradError, RuntimeFailure, ShapeError
from flambeau.core.registry import FUNCTIONS, checked
from flambeau.core.tensor import Tensor
from flambeau.ops import bounds, integers, unary  # noqa: F401 (for the methods named below)
from flambeau.ops.binary import float_power

# ---- methods ----


def float_power_(self, exponent):
    """In-place form of `float_power`, for float64 and complex128 tensors."""
    made = float_power(self, exponent)
    if made.dtype != self.dtype:
        raise RuntimeFailure(
            f"the base given to float_power_ has dtype {self.dtype} but the operation's result"
            f" requires dtype {made.dtype}"
        )
    return self.copy_(made)


def fill_diagonal_(self, fill_value, wrap=False):
    """Writes a value on the main diagonal.

    Args:
        fill_value: a number.
        wrap: matrices higher than wide get the diagonal again below, after a free row.

    Raises:
        RuntimeError: for fewer than two axes, or more than two of different sizes.

    Example:
        >>> flambeau.zeros(2, 2).fill_diagonal_(1)
        tensor([[1., 0.],
                [0., 1.]])
    """
    if self.ndim < 2:
        raise RuntimeFailure("dimensions must larger than 1")
    if self.ndim > 2 and any(size != self.shape[0] for size in self.shape):
        raise ShapeError(
            f"all dimensions of input must be of equal length: input is {tuple(self.shape)}"
        )
    step = sum(self.stride())
    _filled_view(self, min(self.shape), step, 0, fill_value)
    rows, columns = self.shape[:2]
    if wrap and self.ndim == 2 and rows > columns + 1:
        period = self.stride(0) * (columns + 1)
        whole, rest = divmod(rows, columns + 1)
        for k in range(1, whole + bool(rest)):
            count = min(columns, rows - k * (columns + 1))
            _filled_view(self, count, step, k * period, fill_value)
    return self


def _filled_view(self, count, step, offset, value):
    if count:
        self.as_strided((count,), (step,), self.storage_offset() + offset).fill_(value)


def _elementwise(name, self, others, function):
    """Each element of self becomes function(it, those of the others in its place)."""
    if self.requires_grad:
        raise GradError(
            f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}()"
            " instead."
        )
    if not callable(function):
        raise TypeError(f"'{type(function).__name__}' object is not callable")
    for other in others:
        if other.dtype != self.dtype:
            raise TypeError(f"{name}: expected {self.type()} for 'other' (got {other.type()})")
    flat = [x.expand(self.shape).reshape(-1).tolist() for x in (self, *others)]
    values = [function(*row) for row in zip(*flat, strict=True)]
    for value in values:
        if not isinstance(value, (bool, int, float, complex)):
            raise TypeError(f"{name}: must be real number, not {type(value).__name__}")
    return self.copy_(FUNCTIONS["tensor"](values, dtype=self.dtype).reshape(self.shape))


def apply_(self, callable):
    """Each element x becomes callable(x); in Python, so only for tensors on the CPU, and slow.

    Example:
        >>> flambeau.tensor([1., 2.]).apply_(lambda x: x + 1)
        tensor([2., 3.])
    """
    return _elementwise("apply_", self, (), callable)


def map_(self, tensor, callable):
    """Replaces each element a by callable(a, b), with b from another tensor.

    Args:
        tensor: of the same dtype; broadcasts to the sizes of this one.
        callable: a function of two Python numbers; slow.

    Returns:
        The tensor itself.

    Raises:
        RuntimeError: if the tensor requires gradients, or sizes or dtypes do not fit.

    Example:
        >>> flambeau.tensor([1, 2]).map_(flambeau.tensor([10, 20]), lambda a, b: a + b)
        tensor([11, 22])
    """
    return _elementwise("map_", self, (tensor,), callable)


def map2_(self, x, y, callable):
    """Replaces each element a by callable(a, b, c), with b and c from other tensors.

    Args:
        x: of the same dtype; broadcasts to the sizes of this tensor.
        y: likewise.
        callable: a function of three Python numbers; slow.

    Returns:
        The tensor itself.

    Raises:
        RuntimeError: if the tensor requires gradients, or sizes or dtypes do not fit.

    Example:
        >>> x = flambeau.tensor([1, 2])
        >>> x.map2_(x, x, lambda a, b, c: a + b * c)
        tensor([2, 6])
    """
    return _elementwise("map2_", self, (x, y), callable)


for _method in (float_power_, fill_diagonal_, apply_, map_, map2_):
    setattr(Tensor, _method.__name__, checked(_method))

# ---- functions ----

# fmt: off
_INPLACE_FUNCTIONS = (
    "abs", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh",
    "asin", "asinh", "atan", "atanh", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "cos",
    "cosh", "deg2rad", "erf", "erfc", "exp", "exp2", "expm1", "fix", "floor", "frac", "gcd",
    "lcm", "ldexp", "log", "log10", "log1p", "log2", "logit", "nan_to_num", "neg", "negative",
    "rad2deg", "reciprocal", "round", "rsqrt", "sigmoid", "sin", "sinc", "sinh", "sqrt",
    "square", "tan", "tanh", "trunc", "xlogy",
)
# fmt: on
for _name in _INPLACE_FUNCTIONS:
    FUNCTIONS[_name + "_"] = getattr(Tensor, _name + "_")
