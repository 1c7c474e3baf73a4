"""Warnings name the user's line, however deep in the package they are given."""

import inspect
import warnings

import pytest

import flambeau as fl
from flambeau import nn


def softmax_in_a_container():
    nn.Sequential(nn.Softmax())(fl.ones(2, 3))


CALLS = {
    "a function": lambda: nn.functional.mse_loss(fl.ones(4, 1), fl.ones(4)),
    "a module": lambda: nn.MSELoss()(fl.ones(4, 1), fl.ones(4)),
    "modules in modules": softmax_in_a_container,
    "a constructor": lambda: nn.LSTM(2, 2, dropout=0.5),
    "an operation": lambda: fl.range(0, 1),
    "a data set": lambda: fl.utils.data.random_split([1, 2], [1.0, 0.0]),
    "an optimizer": lambda: fl.optim.SGD([fl.ones(1)] * 2, lr=0.1).add_param_group(
        {"params": [w := fl.zeros(1), w]}
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_warnings_name_the_line_of_the_user(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert caught
    lines, first = inspect.getsourcelines(call)
    for warning in caught:
        assert warning.filename == __file__
        assert first <= warning.lineno < first + len(lines)
