"""Arguments that make no sense end in an ordinary error with a text, whoever gets them."""

import bad_calls
import pytest

import flambeau


@pytest.mark.parametrize("namespace", bad_calls.NAMESPACES)
def test_wrong_calls_raise_ordinary_errors(namespace):
    assert bad_calls.report(namespace) == []


def test_every_function_is_called():
    assert {"add", "conv2d", "zeros", "relu_"} <= set(bad_calls.public("flambeau"))
    assert {"add_", "view", "backward", "set_"} <= set(bad_calls.public("Tensor"))
    assert {"cross_entropy", "dropout", "conv2d"} <= set(bad_calls.public("functional"))


@pytest.mark.parametrize(
    "call, text",
    [
        (
            lambda: flambeau.split("text", 1),
            r"split\(\): argument 'tensor' must be Tensor, not str",
        ),
        (
            lambda: flambeau.hstack([flambeau.ones(2), None]),
            r"hstack\(\): argument 'tensors' must be a sequence of Tensors, not NoneType",
        ),
        (
            lambda: flambeau.broadcast_tensors(flambeau.ones(2), 3),
            r"broadcast_tensors\(\): argument 'tensors' must be a sequence of Tensors, not int",
        ),
        (
            lambda: flambeau.nn.functional.mse_loss(flambeau.ones(2), target=3),
            r"mse_loss\(\): argument 'target' must be Tensor, not int",
        ),
        (
            lambda: flambeau.ones(2).view_as(None),
            r"view_as\(\): argument 'other' must be Tensor, not NoneType",
        ),
        (
            lambda: flambeau.ones(2, 3).clone(memory_format=flambeau.ones(1)),
            "argument 'memory_format' must be torch.memory_format, not Tensor",
        ),
    ],
)
def test_the_wrong_argument_is_named(call, text):
    with pytest.raises(TypeError, match=text):
        call()


def test_an_attribute_error_of_the_body_stays():
    def broken(x):
        return (x + 1).no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing"):
        flambeau.core.registry.checked(broken)(flambeau.ones(2))


@pytest.mark.parametrize(
    "call, error",
    [
        (lambda: flambeau.ones(4, 3).index_fill(2**62, flambeau.tensor([0]), 1), IndexError),
        (lambda: flambeau.chunk(flambeau.empty(0), 2**62), ValueError),
        (lambda: flambeau.tensor_split(flambeau.ones(2, 3), 2**62), ValueError),
        (lambda: flambeau.tensordot(flambeau.tensor(2.0), flambeau.ones(3), (0, 0)), IndexError),
    ],
)
def test_numbers_far_out_of_range(call, error):
    with pytest.raises(error):
        call()


def test_polygamma_of_an_order_beyond_float64():
    assert flambeau.polygamma(2**40 + 1, flambeau.tensor([0.5])).isinf().all()


def test_cross_entropy_of_no_classes():
    assert flambeau.nn.functional.cross_entropy(flambeau.empty(0), flambeau.empty(0)).isnan()
