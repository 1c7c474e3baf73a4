"""Type promotion for every pair of dtypes, and of tensors, 0-dim tensors and numbers.

Two differences are wanted: half and a complex number give complex64, torch's complex32 not being
here; and the wider unsigned integers promote with bool, unsigned and complex types, where torch has
no rule at all.
"""

import itertools

import pytest

import flambeau
from flambeau.core.dtype import by_name

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

NUMBERS = (True, 3, 2.5, 1j)


def outcome(function, *arguments):
    try:
        return str(function(*arguments)).replace("complex32", "complex64")
    except RuntimeError:
        return "RuntimeError"


def check(ours, theirs, call):
    """Equal, or torch refuses where ours has a rule."""
    assert ours == theirs or (theirs == "RuntimeError" and wider(call)), (call, ours, theirs)


def wider(call):
    """Whether unsigned integers of more than eight bits are there, none of them with a sign."""
    signed = any(str(name).startswith("int") for name in call)
    return not signed and any(name in ("uint16", "uint32", "uint64") for name in call)


@pytest.mark.parametrize("first", sorted(by_name))
def test_pairs_of_dtypes(first):
    for second in by_name:
        ours = [getattr(flambeau, name) for name in (first, second)]
        theirs = [getattr(torch, name) for name in (first, second)]
        for name in ("promote_types", "can_cast"):
            expected = outcome(getattr(torch, name), *theirs)
            check(outcome(getattr(flambeau, name), *ours), expected, (first, second))


def operands(module, name):
    """A tensor and a 0-dim tensor of a dtype."""
    dtype = getattr(module, name)
    return module.ones(2, dtype=dtype), module.ones((), dtype=dtype)


@pytest.mark.parametrize("first", sorted(by_name))
def test_result_type(first):
    for second in by_name:
        ours = itertools.product(operands(flambeau, first), operands(flambeau, second))
        theirs = itertools.product(operands(torch, first), operands(torch, second))
        for a, b in zip(ours, theirs, strict=True):
            expected = outcome(torch.result_type, *b)
            check(outcome(flambeau.result_type, *a), expected, (first, second))
    for number in NUMBERS:
        for a, b in zip(operands(flambeau, first), operands(torch, first), strict=True):
            assert outcome(flambeau.result_type, a, number) == outcome(torch.result_type, b, number)
            assert outcome(flambeau.result_type, number, a) == outcome(torch.result_type, number, b)


def test_numbers_alone_and_the_default_dtype():
    for a, b in itertools.product(NUMBERS, NUMBERS):
        assert str(flambeau.result_type(a, b)) == str(torch.result_type(a, b))
    for module in (flambeau, torch):
        module.set_default_dtype(module.float64)
    try:
        for number in NUMBERS:
            ours = flambeau.result_type(flambeau.ones(1, dtype=flambeau.int8), number)
            theirs = torch.result_type(torch.ones(1, dtype=torch.int8), number)
            assert str(ours) == str(theirs)
    finally:
        for module in (flambeau, torch):
            module.set_default_dtype(module.float32)


def type_of_result(operation):
    return lambda x, y: getattr(x, operation)(y).dtype


@pytest.mark.parametrize("operation", ["__add__", "__mul__", "__sub__", "__eq__"])
def test_operators_use_it(operation):
    names = ("uint8", "int32", "float16", "bfloat16", "float32", "complex64")
    call = type_of_result(operation)
    for first, second in itertools.product(names, names):
        if "float16" in (first, second) and "complex64" in (first, second):
            continue  # torch warns that its complex32 is experimental
        ours = itertools.product(operands(flambeau, first), operands(flambeau, second))
        theirs = itertools.product(operands(torch, first), operands(torch, second))
        for a, b in zip(ours, theirs, strict=True):
            assert outcome(call, *a) == outcome(call, *b), (first, second)
