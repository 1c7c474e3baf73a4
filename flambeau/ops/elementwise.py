"""Elementwise operations: arithmetic, comparisons, functions of one variable.

One declaration each. The kernel is found by name (csrc/kernels/elementwise.h); a rule sees whole
tensors, and what broadcasting spread out is summed back by the engine.
"""

from __future__ import annotations

from flambeau.backends import kernels
from flambeau.core.registry import op
from flambeau.core.tensor import Tensor


def _of(*values):
    """The first tensor among the operands: it decides the device."""
    for value in values:
        if isinstance(value, Tensor):
            return value
    return values[0]


def unary(name, doc, vjp=None, *, domain=(-3.0, 3.0), methods=None, kernel=None, **info):
    """Declares an op of one tensor whose kernel has the same name."""
    kernel = kernel or name

    def forward(input):
        return kernels(_tensor(input, name)).unary(kernel, input)

    forward.__name__ = name
    forward.__doc__ = doc
    target = op(
        forward,
        methods=(name,) if methods is None else methods,
        inplace=info.pop("inplace", True),
        native=kernel,
        native_arity=1,
        domain=domain,
        elementwise=True,
        **info,
    )
    if vjp is not None:
        target.vjp("input")(vjp)
    return target


def binary(name, doc, vjp=None, *, domain=(-3.0, 3.0), methods=None, kernel=None, **info):
    """Declares an op of two operands, each a tensor or a number; `vjp` is the pair of rules."""
    kernel = kernel or name

    def forward(input, other):
        return kernels(_of(input, other)).binary(kernel, input, other)

    forward.__name__ = name
    forward.__doc__ = doc
    target = op(
        forward,
        methods=(name,) if methods is None else methods,
        inplace=info.pop("inplace", True),
        native=kernel,
        native_arity=2,
        domain=domain,
        elementwise=True,
        **info,
    )
    if vjp is not None:
        for argument, rule in zip(("input", "other"), vjp, strict=True):
            target.vjp(argument)(rule)
    return target


def _tensor(value, name):
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(value).__name__}"
        )
    return value


# ---- arithmetic ----


@op(
    methods=("add", "__add__", "__radd__", "__iadd__"),
    inplace=True,
    native="add",
    native_arity=2,
    domain=(-3.0, 3.0),
    elementwise=True,
)
def add(input, other, *, alpha=1):
    """input + alpha * other, broadcasting.

    Args:
        input: tensor or number.
        other: tensor or number.
        alpha: factor of `other`.

    Example:
        >>> flambeau.add(flambeau.tensor([1, 2]), 10)
        tensor([11, 12])
    """
    return kernels(_of(input, other)).binary("add", input, mul(other, alpha) if alpha != 1 else other)


add.vjp("input")(lambda g: g)
add.vjp("other")(lambda g, alpha: g if alpha == 1 else g * alpha)


@op(
    methods=("sub", "__sub__", "__rsub__", "__isub__"),
    aliases=("subtract",),
    inplace=True,
    native="sub",
    native_arity=2,
    domain=(-3.0, 3.0),
    elementwise=True,
)
def sub(input, other, *, alpha=1):
    """input - alpha * other, broadcasting.

    Example:
        >>> flambeau.sub(flambeau.tensor([1, 2]), 1)
        tensor([0, 1])
    """
    return kernels(_of(input, other)).binary("sub", input, mul(other, alpha) if alpha != 1 else other)


sub.vjp("input")(lambda g: g)
sub.vjp("other")(lambda g, alpha: -g if alpha == 1 else g * -alpha)

mul = binary(
    "mul",
    """input * other, broadcasting.

    Example:
        >>> flambeau.mul(flambeau.tensor([1, 2]), 3)
        tensor([3, 6])
    """,
    (lambda g, other: g * _conj(other), lambda g, input: g * _conj(input)),
    methods=("mul", "__mul__", "__rmul__", "__imul__"),
    aliases=("multiply",),
)


def _conj(value):
    """The conjugate, for gradients of holomorphic functions; real values as they are."""
    if isinstance(value, Tensor):
        return value.conj() if value.dtype.is_complex else value
    return value.conjugate() if isinstance(value, complex) else value


@op(
    methods=("div", "__truediv__", "__rtruediv__", "__itruediv__"),
    aliases=("divide", "true_divide"),
    inplace=True,
    native="div",
    native_arity=2,
    domain=(0.5, 3.0),
    elementwise=True,
)
def div(input, other, *, rounding_mode=None):
    """input / other, broadcasting; integers give floats unless a rounding mode is named.

    Args:
        rounding_mode: None, "trunc" (towards zero) or "floor".

    Example:
        >>> flambeau.div(flambeau.tensor([4., 9.]), 2)
        tensor([2.0000, 4.5000])
    """
    return kernels(_of(input, other)).binary("div", input, other)


div.vjp("input")(lambda g, other: g / _conj(other))
div.vjp("other")(lambda g, other, out: -g * _conj(out / other))

# ---- comparisons ----

eq = binary("eq", "True where input == other.", methods=("eq", "__eq__"))
ne = binary("ne", "True where input != other.", methods=("ne", "__ne__"), aliases=("not_equal",))
lt = binary("lt", "True where input < other.", methods=("lt", "__lt__"), aliases=("less",))
le = binary("le", "True where input <= other.", methods=("le", "__le__"), aliases=("less_equal",))
gt = binary("gt", "True where input > other.", methods=("gt", "__gt__"), aliases=("greater",))
ge = binary("ge", "True where input >= other.", methods=("ge", "__ge__"), aliases=("greater_equal",))

# ---- functions of one variable ----

neg = unary("neg", "-input.", lambda g: -g, methods=("neg", "__neg__"), aliases=("negative",))
exp = unary("exp", "e to the power of input.", lambda g, out: g * _conj(out))
sqrt = unary("sqrt", "The square root.", lambda g, out: g / (2 * _conj(out)), domain=(0.2, 3.0))
relu = unary("relu", "max(input, 0).", lambda g, out: g * (out > 0))
