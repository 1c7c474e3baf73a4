"""Guards against NaN say what made it, where, and in which module."""

import pytest

import flambeau as fl
from flambeau import autograd
from flambeau.autograd.guarding import NonFiniteError


class Root(fl.nn.Module):
    def forward(self, x):
        return (x * 0).sqrt()


class Net(fl.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = fl.nn.Sequential(fl.nn.Linear(2, 2), Root())

    def forward(self, x):
        return self.body(x)


def test_forward_names_operation_line_and_module():
    with (
        pytest.raises(NonFiniteError, match=r"sqrt made nan .* called at .*test_guarding.py:\d+"),
        autograd.nan_guard(),
    ):
        fl.tensor([-1.0, 4.0]).sqrt()
    model = fl.nn.Sequential(fl.nn.Linear(1, 1))
    with fl.no_grad():
        model[0].weight.fill_(3e38)
    with (
        pytest.raises(NonFiniteError, match=r"linear made inf .* in Sequential.0"),
        autograd.nan_guard(),
    ):
        model(fl.full((1, 1), 1e30))
    with pytest.raises(NonFiniteError, match="div_ made inf"), autograd.nan_guard():
        fl.ones(2).div_(0)


def test_backward_names_node_forward_line_and_module():
    with (
        pytest.raises(
            NonFiniteError,
            match=r"gradient of SqrtBackward0 became inf .*test_guarding.py:\d+ in forward, "
            r"in Net\.body\.1",
        ),
        autograd.nan_guard(),
    ):
        Net()(fl.ones(1, 2)).sum().backward()


def test_what_is_not_to_blame():
    mask = fl.tensor([True, False])
    with autograd.nan_guard():
        assert fl.ones(2).masked_fill(mask, float("-inf")).softmax(0).tolist() == [0, 1]
        fl.empty(1000).fill_(1)
    with autograd.nan_guard(inf=False):
        assert (fl.ones(1) / 0).item() == float("inf")
    assert (fl.zeros(1) / 0).isnan().all()  # off again


def test_as_a_decorator():
    @autograd.nan_guard()
    def divide(x):
        return x / x

    with pytest.raises(FloatingPointError):
        divide(fl.zeros(1))
    assert divide(fl.ones(1)).item() == 1


def test_anomaly_mode_tells_the_module_and_shares_with_the_guard():
    x = fl.ones(1, 2)
    with (
        pytest.raises(RuntimeError, match=r"returned nan values .* recorded in Net\.body\.1"),
        autograd.detect_anomaly(),
        autograd.nan_guard(inf=False),
    ):
        (Net()(x) * 0).sum().backward()
    assert not fl.is_anomaly_enabled()
    with autograd.set_detect_anomaly(True, check_nan=False):
        assert fl.is_anomaly_enabled()
        assert not fl.is_anomaly_check_nan_enabled()
    assert fl.is_anomaly_check_nan_enabled()
