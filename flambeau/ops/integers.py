"""Operations of integers: common divisors and multiples, bits."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.tensor import Tensor
from flambeau.ops._declare import binary, integers, numpy, operators, unary

# ---- divisors ----

gcd = binary(
    "gcd",
    "The greatest common divisor.",
    samples=integers(),
    reference=numpy("gcd"),
    example=("[4, 6]", "[6, 9]", "tensor([2, 3])"),
    takes="integers",
)
lcm = binary(
    "lcm",
    "The least common multiple.",
    samples=integers(),
    reference=numpy("lcm"),
    example=("[4, 6]", "[6, 9]", "tensor([12, 18])"),
    takes="integers",
)

# ---- bits ----


def _whole_samples(s):
    for shape in ((5,), (2, 3), (), (0,)):
        yield s(s.tensor(*shape, low=-8, high=8, dtype=_C.int64))
    yield s(s.mask(4))


bitwise_not = unary(
    "bitwise_not",
    "Every bit flipped; for bool the opposite.",
    samples=_whole_samples,
    reference=numpy("invert"),
    example=("[0, 5]", "tensor([-1, -6])"),
    exact_out=True,
    takes="bool or integers",
)


def _invert(self):
    """`~x`: every bit flipped; for bool the opposite."""
    if self.dtype.is_floating_point or self.dtype.is_complex:
        raise TypeError("~ (operator.invert) is only implemented on integer and bool tensors")
    return bitwise_not(self)


Tensor.__invert__ = _invert

bitwise_and = binary(
    "bitwise_and",
    "The bits that both have.",
    methods=("bitwise_and", *operators("and")),
    samples=integers(),
    reference=numpy("bitwise_and"),
    example=("[6]", "[3]", "tensor([2])"),
    takes="bool or integers",
)
bitwise_or = binary(
    "bitwise_or",
    "The bits that either has.",
    methods=("bitwise_or", *operators("or")),
    samples=integers(),
    reference=numpy("bitwise_or"),
    example=("[6]", "[3]", "tensor([7])"),
    takes="bool or integers",
)
bitwise_xor = binary(
    "bitwise_xor",
    "The bits that one of both has.",
    methods=("bitwise_xor", *operators("xor")),
    samples=integers(),
    reference=numpy("bitwise_xor"),
    example=("[6]", "[3]", "tensor([5])"),
    takes="bool or integers",
)
bitwise_left_shift = binary(
    "bitwise_left_shift",
    "The bits moved to the left; all of them leave where other is negative or too large.",
    methods=("bitwise_left_shift", *operators("lshift")),
    samples=integers(0, 8),
    reference=numpy("left_shift"),
    example=("[1, 3]", "2", "tensor([ 4, 12])"),
    takes="integers",
)
bitwise_right_shift = binary(
    "bitwise_right_shift",
    "The bits moved to the right, the sign kept; all of them leave where other is too large.",
    methods=("bitwise_right_shift", *operators("rshift")),
    samples=integers(0, 8),
    reference=numpy("right_shift"),
    example=("[4, 12]", "2", "tensor([1, 3])"),
    takes="integers",
)
