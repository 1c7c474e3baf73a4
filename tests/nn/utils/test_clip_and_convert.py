"""Clipping gradients, and parameters as one vector."""

import numpy as np
import pytest

import flambeau
from flambeau.nn import utils

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def parameters(module):
    rng = np.random.default_rng(0)
    made = []
    for shape in ((3, 2), (4,), (1,)):
        parameter = module.nn.Parameter(module.tensor(rng.standard_normal(shape)))
        parameter.grad = module.tensor(rng.standard_normal(shape) * 3)
        made.append(parameter)
    made.append(module.nn.Parameter(module.ones(1)))
    return made


@pytest.mark.parametrize("norm_type", [1, 2.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.5, 100.0])
def test_clip_grad_norm(norm_type, max_norm):
    ours, theirs = parameters(flambeau), parameters(torch)
    total = utils.clip_grad_norm_(iter(ours), max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert float(total) == pytest.approx(float(expected), rel=1e-12)
    for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=1e-12)
    assert ours[-1].grad is None


def test_clip_grad_value():
    ours, theirs = parameters(flambeau), parameters(torch)
    utils.clip_grad_value_(ours, 0.7)
    torch.nn.utils.clip_grad_value_(theirs, 0.7)
    for mine, other in zip(ours[:-1], theirs[:-1], strict=True):
        np.testing.assert_array_equal(mine.grad.numpy(), other.grad.numpy())


def test_norm_that_is_not_finite():
    parameter = flambeau.nn.Parameter(flambeau.ones(1))
    parameter.grad = flambeau.tensor([float("nan")])
    with pytest.raises(RuntimeError, match=r"The total norm of order 2\.0 for gradients from"):
        utils.clip_grad_norm_(parameter, 1.0, error_if_nonfinite=True)


def test_no_gradients():
    assert float(utils.clip_grad_norm_([flambeau.nn.Parameter(flambeau.ones(1))], 1.0)) == 0
    with pytest.warns(UserWarning, match="empty generator"):
        utils.clip_grad_norm_(iter([]), 1.0)


def test_given_norms_must_be_tensors_where_there_are_gradients():
    utils.clip_grads_with_norm_([flambeau.nn.Parameter(flambeau.ones(1))], 1.0, 3.0)
    with pytest.raises(TypeError, match="total_norm"):
        utils.clip_grads_with_norm_(parameters(flambeau), 1.0, 3.0)


def test_parameters_as_a_vector():
    layer = flambeau.nn.Linear(2, 3)
    vector = utils.parameters_to_vector(layer.parameters())
    assert vector.shape == (9,)
    utils.vector_to_parameters(flambeau.arange(9.0), layer.parameters())
    np.testing.assert_array_equal(
        layer.weight.detach().numpy(), np.arange(6, dtype="float32").reshape(3, 2)
    )
    np.testing.assert_array_equal(layer.bias.detach().numpy(), [6, 7, 8])
    with pytest.raises(TypeError, match=r"expected torch\.Tensor"):
        utils.vector_to_parameters([1.0], layer.parameters())
