"""Tensors that become their own views, against torch."""

import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

CALLS = (
    ("t_", ()),
    ("transpose_", (0, 1)),
    ("swapaxes_", (0, -1)),
    ("swapdims_", (1, 0)),
    ("squeeze_", ()),
    ("squeeze_", (0,)),
    ("unsqueeze_", (-1,)),
    ("as_strided_", ((2, 2), (1, 2))),
    ("as_strided_", ((2,), (3,), 1)),
)


def state(t):
    return t.tolist(), tuple(t.shape), t.stride(), t.storage_offset(), t._version


@pytest.mark.parametrize("shape", [(2, 3), (1, 3), (3, 1), (2, 2)])
@pytest.mark.parametrize("name, arguments", CALLS)
def test_values_and_gradients(name, arguments, shape):
    found = []
    for module in (flambeau, torch):
        leaf = module.arange(float(shape[0] * shape[1])).reshape(shape).requires_grad_()
        if leaf.numel() < 5 and name == "as_strided_":
            return
        plain = leaf.detach().clone()
        assert getattr(plain, name)(*arguments) is plain
        x = leaf * 2
        assert getattr(x, name)(*arguments) is x
        (x * x).sum().backward()
        found.append((state(plain), state(x), leaf.grad.tolist()))
    assert found[0] == found[1]


def through_a_view(module):
    leaf = module.arange(6.0).reshape(2, 3).requires_grad_()
    x = leaf * 1
    view = x[0]
    view.unsqueeze_(0)
    view.mul_(2)
    x.t_()
    x.reshape(-1).sum().backward()
    return leaf.grad.tolist(), tuple(view.shape), x.tolist()


def a_view_written_after(module):
    leaf = module.arange(6.0).reshape(2, 3).requires_grad_()
    x = leaf * 1
    flat = x.view(-1)
    x.t_()
    flat.mul_(3)
    x.sum().backward()
    return leaf.grad.tolist(), tuple(x.shape), x.tolist()


def without_recording(module):
    x = module.ones(2, 3, requires_grad=True)
    with module.no_grad():
        x.t_()
    return tuple(x.shape), x.requires_grad, x.is_leaf


@pytest.mark.parametrize("program", [through_a_view, a_view_written_after, without_recording])
def test_views_of_it(program):
    assert program(flambeau) == program(torch)


@pytest.mark.parametrize("name", ["sin", "exp"])  # save the input, and the output
def test_saved_values_are_guarded(name):
    for module in (flambeau, torch):
        x = module.ones(2, 3, requires_grad=True) * 1
        y = getattr(x, name)()
        (x if name == "sin" else y).t_()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()


def test_refuses():
    with pytest.raises(RuntimeError, match="leaf Variable"):
        flambeau.ones(2, 3, requires_grad=True).t_()
    with pytest.raises(RuntimeError, match="3D"):
        flambeau.ones(2, 3, 4).t_()
    with pytest.raises(RuntimeError, match="out of bounds"):
        flambeau.ones(2).as_strided_((3,), (1,))
    with pytest.raises(IndexError):
        flambeau.ones(2, 3).transpose_(0, 2)


def test_functions():
    x = flambeau.ones(2, 2)
    assert flambeau.as_strided_(x, (4,), (1,)) is x and x.shape == (4,)
    assert flambeau.resize_as_(flambeau.ones(1), x).shape == (4,)
    leaf = flambeau.ones(1, requires_grad=True)
    assert not flambeau.detach(leaf).requires_grad
    y = leaf * 1
    assert flambeau.detach_(y) is y and y.is_leaf
