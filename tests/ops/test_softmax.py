"""softmax and log_softmax: closed forms, long lines, other axes, special values."""

import math

import numpy as np
import pytest

import flambeau
import flambeau.autograd
import flambeau.nn.functional as F

rng = np.random.default_rng(8)


def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 5), (2, 17), (2, 16), (5, 3000), (2, 70, 130), (2, 3, 4, 5)]
)
def test_values_and_gradients(dtype, shape):
    x, g = (rng.standard_normal(shape) * 4 for _ in range(2))
    rtol, atol = (1e-5, 1e-6) if dtype == "float32" else (1e-12, 1e-13)
    for axis in range(len(shape)):
        p = softmax(x, axis)
        expected = {
            "softmax": (p, p * (g - (g * p).sum(axis, keepdims=True))),
            "log_softmax": (np.log(p), g - p * g.sum(axis, keepdims=True)),
        }
        for name, (value, gradient) in expected.items():
            t = flambeau.from_numpy(x.astype(dtype)).requires_grad_()
            out = getattr(t, name)(axis)
            np.testing.assert_allclose(out.detach().numpy(), value, rtol=rtol, atol=atol * 10)
            found = flambeau.autograd.grad(out, t, flambeau.from_numpy(g.astype(dtype)))[0]
            np.testing.assert_allclose(found.numpy(), gradient, rtol=rtol * 10, atol=atol * 100)


def test_special_values():
    inf, nan = float("inf"), float("nan")
    assert flambeau.tensor([-inf, 0.0]).softmax(0).tolist() == [0.0, 1.0]
    assert flambeau.tensor([1e30, -1e30]).softmax(0).tolist() == [1.0, 0.0]
    assert flambeau.tensor([-inf, 0.0]).log_softmax(0).tolist() == [-inf, 0.0]
    for values in ([-inf, -inf], [inf, 0.0], [nan, 0.0] + [0.0] * 40):
        for columns in (
            flambeau.tensor(values),
            flambeau.tensor(values).reshape(-1, 1).expand(-1, 3),
        ):
            assert all(math.isnan(v) for v in columns.softmax(0).reshape(-1).tolist())
            assert all(math.isnan(v) for v in columns.log_softmax(0).reshape(-1).tolist())


def test_dtype_and_axes():
    x = flambeau.zeros(2, 4, dtype=flambeau.float16)
    assert x.softmax(-1).dtype == flambeau.float16
    assert x.softmax(-1, dtype=flambeau.float32).tolist() == [[0.25] * 4] * 2
    assert flambeau.softmax(flambeau.tensor([1, 1]), 0, dtype=flambeau.float64).tolist() == [
        0.5,
        0.5,
    ]
    assert flambeau.tensor(3.0).softmax(0).item() == 1.0
    with pytest.raises(IndexError, match="Dimension out of range"):
        x.softmax(2)
    with pytest.raises(RuntimeError, match="not implemented for int64"):
        flambeau.tensor([1, 2]).softmax(0)


def test_functional_forms():
    x = flambeau.from_numpy(rng.standard_normal((2, 3)))
    assert F.softmin(x, 1).tolist() == F.softmax(-x, 1).tolist()
    for name in ("softmax", "log_softmax", "softmin"):
        with pytest.warns(
            UserWarning, match=f"Implicit dimension choice for {name} has been deprecated"
        ):
            assert getattr(F, name)(x).tolist() == getattr(F, name)(x, dim=1).tolist()
