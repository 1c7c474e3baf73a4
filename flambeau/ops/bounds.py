"""The larger and the smaller of two tensors; elements brought between bounds or made finite."""

from __future__ import annotations

from flambeau import _C
from flambeau.backends import kernels
from flambeau.core.registry import op
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import binary, fast, numpy, of, tensor_of
from flambeau.ops.comparison import eq, ge, gt, isfinite, isnan, le, logical_and, logical_or, lt
from flambeau.ops.masks import where

# ---- the larger and the smaller ----


def _extreme_rule(below):
    """The plain rule of maximum (`below` is lt) or minimum (gt): halves where both are equal."""

    def rule(g, input, other):
        shared = where(eq(input, other), g / 2, g)
        return where(below(input, other), 0.0, shared)

    return rule


def _flipped(rule):
    return lambda g, input, other: rule(g, other, input)


def _fused_extreme(target):
    kernel = f"{target.name}_backward"
    return fast(
        target,
        input=lambda g, input, other: kernels(g).ternary(kernel, g, input, other),
        other=lambda g, input, other: kernels(g).ternary(kernel, g, other, input),
    )


_maximum_rule = _extreme_rule(lambda a, b: lt(a, b))
_minimum_rule = _extreme_rule(lambda a, b: gt(a, b))
maximum = _fused_extreme(
    binary(
        "maximum",
        "The larger of both; NaN where either is NaN.",
        (_maximum_rule, _flipped(_maximum_rule)),
        inplace=False,
        reference=numpy("maximum"),
        example=("[1, 4]", "[3, 2]", "tensor([3, 4])"),
        takes="any dtype but complex",
    )
)
minimum = _fused_extreme(
    binary(
        "minimum",
        "The smaller of both; NaN where either is NaN.",
        (_minimum_rule, _flipped(_minimum_rule)),
        inplace=False,
        reference=numpy("minimum"),
        example=("[1, 4]", "[3, 2]", "tensor([1, 2])"),
        takes="any dtype but complex",
    )
)


def _first(compare, input, other):
    """Where fmax and fmin take their first operand."""
    return logical_or(compare(input, other), isnan(other))


fmax = binary(
    "fmax",
    "The larger of both; a NaN only where both are NaN.",
    (
        lambda g, input, other: where(_first(ge, input, tensor_of(other, g)), g, 0.0),
        lambda g, input, other: where(_first(ge, input, other), 0.0, g),
    ),
    inplace=False,
    reference=numpy("fmax"),
    example=("[1., 4.]", "[3., 2.]", "tensor([3., 4.])"),
    takes="any dtype but complex",
)
fmin = binary(
    "fmin",
    "The smaller of both; a NaN only where both are NaN.",
    (
        lambda g, input, other: where(_first(le, input, tensor_of(other, g)), g, 0.0),
        lambda g, input, other: where(_first(le, input, other), 0.0, g),
    ),
    inplace=False,
    reference=numpy("fmin"),
    example=("[1., 4.]", "[3., 2.]", "tensor([1., 2.])"),
    takes="any dtype but complex",
)


# ---- bounds ----


@op(
    backward_name="ClampBackward1",
    overloads={"min tensor": "ClampBackward0", "max tensor": "ClampBackward0"},
    methods=("clamp",),
    aliases=("clip",),
    inplace=True,
    native="clamp",
    native_arity=3,
    samples=lambda s: (
        s(s.tensor(2, 3), *bounds) for bounds in ((-1.0, 1.0), (None, 0.5), (-0.5,))
    ),
)
def clamp(input, min=None, max=None):
    """The elements brought into [min, max].

    Args:
        input: any dtype but complex; bounds that are tensors broadcast with it.
        min: a number, a tensor or None for no lower bound.
        max: a number, a tensor or None for no upper bound; it wins where it is below min.

    Returns:
        A new tensor; NaN where the element or a bound is NaN.

    Raises:
        RuntimeError: without any bound.

    Example:
        >>> flambeau.clamp(flambeau.tensor([-2., 0.5, 3.]), 0, 1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    k = kernels(of(input))
    if min is None:
        if max is None:
            raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
        return k.binary("minimum", input, max)
    if max is None:
        return k.binary("maximum", input, min)
    return k.ternary("clamp", input, min, max)


@clamp.vjp("input")
def _(g, input, min, max):
    if min is not None:
        g = where(ge(input, min), g, 0.0)
    return g if max is None else where(le(input, max), g, 0.0)


@clamp.fast_vjp("input")
def _(g, input, min, max):
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return clamp.info.rules[("input",)](g, input, min, max)
    low = float("-inf") if min is None else min
    high = float("inf") if max is None else max
    return kernels(g).binary("clamp_backward", g, input, low, high)


@clamp.vjp("min")
def _(g, input, min, max):
    below = lt(input, min)
    return where(below if max is None else logical_and(below, lt(min, max)), g, 0.0)


@clamp.vjp("max")
def _(g, input, min, max):
    above = gt(input, max)
    return where(above if min is None else logical_or(above, lt(max, min)), g, 0.0)


@op(
    overloads={"min tensor": "ClampMinBackward1"},
    methods=("clamp_min",),
    inplace=True,
    native="maximum",
    native_arity=2,
    domain=(-3.0, 3.0),
    arity=2,
    reference=numpy("maximum"),
)
def clamp_min(input, min):
    """The elements, at least `min`.

    Args:
        input: any dtype but complex; the two broadcast.
        min: a number or a tensor.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.clamp_min(flambeau.tensor([-2, 3]), 0)
        tensor([0, 3])
    """
    return kernels(of(input)).binary("maximum", input, min)


@op(
    overloads={"max tensor": "ClampMaxBackward1"},
    methods=("clamp_max",),
    inplace=True,
    native="minimum",
    native_arity=2,
    domain=(-3.0, 3.0),
    arity=2,
    reference=numpy("minimum"),
)
def clamp_max(input, max):
    """The elements, at most `max`.

    Args:
        input: any dtype but complex; the two broadcast.
        max: a number or a tensor.

    Returns:
        A new tensor.

    Example:
        >>> flambeau.clamp_max(flambeau.tensor([-2, 3]), 0)
        tensor([-2,  0])
    """
    return kernels(of(input)).binary("minimum", input, max)


clamp_min.vjp("input")(lambda g, input, min: where(ge(input, min), g, 0.0))
clamp_min.vjp("min")(lambda g, input, min: where(lt(input, min), g, 0.0))
clamp_max.vjp("input")(lambda g, input, max: where(le(input, max), g, 0.0))
clamp_max.vjp("max")(lambda g, input, max: where(gt(input, max), g, 0.0))

# ---- finite numbers ----


@op(
    methods=("nan_to_num",),
    inplace=True,
    domain=(-3.0, 3.0),
    reference=numpy("nan_to_num"),
    exact_out=True,
)
def nan_to_num(input, nan=None, posinf=None, neginf=None):
    """NaN and infinities replaced by numbers.

    Args:
        input: any dtype; of complex numbers each part.
        nan: what replaces NaN (default 0).
        posinf: what replaces +inf (default the largest number of the dtype).
        neginf: what replaces -inf (default the smallest).

    Returns:
        A new tensor.

    Example:
        >>> flambeau.nan_to_num(flambeau.tensor([float("nan"), 1.]), nan=5.0)
        tensor([5., 1.])
    """
    k = kernels(of(input))
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        return k.clone(input)
    largest = _LARGEST[input.dtype.to_real()]
    values = (
        0.0 if nan is None else nan,
        largest if posinf is None else posinf,
        -largest if neginf is None else neginf,
    )
    if input.dtype.is_complex:
        parts = k.unary("nan_to_num", _C.view_as_real(_C.resolved(input)), *values)
        return _C.view_as_complex(parts)
    return k.unary("nan_to_num", input, *values)


_LARGEST = {
    _C.float16: 65504.0,
    _C.bfloat16: float.fromhex("0x1.fep127"),
    _C.float32: float.fromhex("0x1.fffffep127"),
    _C.float64: float.fromhex("0x1.fffffffffffffp1023"),
}
nan_to_num.vjp("input")(lambda g, input: where(isfinite(input), g, 0.0))
