"""A call with an argument of a wrong type says which one, what it must be and what it is."""

import re

import pytest

import flambeau
from flambeau.core.blame import explain
from flambeau.core.errors import ArgumentTypeError
from flambeau.core.registry import checked

F = flambeau.nn.functional
x = flambeau.ones(3, 4)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: x.sum("a"), "sum(): argument 'dim' (position 2) must be tuple of ints, not str"),
        (lambda: x.sort(dim="a"), "sort(): argument 'dim' must be int, not str"),
        (lambda: x.mean(dtype="a"), "mean(): argument 'dtype' must be torch.dtype, not str"),
        (lambda: x.sum(0, keepdim="a"), "sum(): argument 'keepdim' must be bool, not str"),
        (
            lambda: flambeau.softmax(x, 1.5),
            "softmax(): argument 'dim' (position 2) must be int, not float",
        ),
        (
            lambda: x.flip([0, 0.5]),
            "flip(): argument 'dims' (position 2) must be tuple of ints, but found element of type"
            " float at pos 1",
        ),
        (
            lambda: x.view(2.0, 6),
            "view(): argument 'size' must be tuple of ints, but found element of type float at"
            " pos 0",
        ),
        (
            lambda: flambeau.gather(x, 0, [1]),
            "gather(): argument 'index' (position 3) must be Tensor, not list",
        ),
        (
            lambda: flambeau.add(x, None),
            "add(): argument 'other' (position 2) must be Tensor or Number, not NoneType",
        ),
        (
            lambda: flambeau.cat(x),
            "cat(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor",
        ),
        (lambda: x.size("a"), "size(): argument 'dim' (position 1) must be int, not str"),
        (
            lambda: F.max_pool2d(x[None], 2.5),
            "max_pool2d(): argument 'kernel_size' (position 2) cannot be of type float: 'float'"
            " object is not iterable",
        ),
        (
            lambda: F.dropout(x, "a"),
            "dropout(): argument 'p' (position 2) cannot be of type str: '<' not supported between"
            " instances of 'str' and 'float'",
        ),
    ],
)
def test_the_argument_is_named(call, text):
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        call()


@pytest.mark.parametrize("call", [lambda: x.sum(2**70), lambda: x.as_strided((1,), (2**70,))])
def test_integers_beyond_64_bits(call):
    with pytest.raises(ValueError, match=r"argument '\w+' \(position \d\) is out of range: "):
        call()


def test_too_many_axes():
    with pytest.raises(RuntimeError, match=r"^reshape\(\): a tensor has at most 64 axes, .* 65$"):
        flambeau.ones(1).reshape((1,) * 65)


def test_a_long_list_of_tensors_is_no_list_of_sizes():
    with pytest.raises(TypeError, match=r"^cat\(\): argument 'dim' .* must be int, not str$"):
        flambeau.cat([x] * 100, "a")


def test_a_function_speaks_of_its_own_argument():
    @checked
    def scaled(values, axis):
        return values / values.sum(axis)

    with pytest.raises(TypeError, match=r"^scaled\(\): argument 'axis' \(position 2\) must be"):
        scaled(x, "a")
    with pytest.raises(TypeError, match=r"^scaled\(\): argument 'axis' must be"):
        scaled(x, axis="a")


def test_arguments_that_nothing_tells_apart_are_listed():
    error = TypeError("can't multiply sequence by non-int of type 'float'")
    made = explain("scaled", ("x", "y"), None, (1.5, 2.5), {}, error)
    assert type(made) is ArgumentTypeError
    assert str(made) == f"scaled(): {error}: x is float, y is float"


def test_errors_of_what_a_caller_hands_over_stay():
    def callback(value):
        return value + "a"

    with pytest.raises(TypeError) as caught:
        x.clone().apply_(callback)
    assert str(caught.value) == "unsupported operand type(s) for +: 'float' and 'str'"


def test_missing_and_unknown_arguments_stay_as_python_says_it():
    with pytest.raises(TypeError, match=r"^full\(\) missing 1 required positional argument"):
        flambeau.full((2, 2))
    with pytest.raises(TypeError, match=r"^zeros\(\) got an unexpected keyword argument 'dtyp'$"):
        flambeau.zeros(2, dtyp=1)


def test_nothing_hints_at_the_inside():
    with pytest.raises(TypeError) as caught:
        x.sum("a")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
