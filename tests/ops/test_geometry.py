"""Sizes and strides changed in place: what becomes of the tensor, its graph, views and version."""

import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

CHANGES = [
    ("t_", ()),
    ("transpose_", (0, 1)),
    ("swapaxes_", (0, 1)),
    ("swapdims_", (-1, 0)),
    ("unsqueeze_", (1,)),
    ("squeeze_", ()),
    ("squeeze_", (0,)),
    ("squeeze_", ((0,),)),
    ("as_strided_", ((2, 2), (1, 2), 1)),
]


def shape_of(name):
    return (1, 6) if name == "squeeze_" else (2, 3)


@pytest.mark.parametrize("name, arguments", CHANGES)
def test_the_tensor_changes_itself(name, arguments):
    shape = shape_of(name)
    mine, theirs = (m.arange(6.0).reshape(shape) for m in (flambeau, torch))
    address = mine.data_ptr()
    assert getattr(mine, name)(*arguments) is mine
    getattr(theirs, name)(*arguments)
    assert mine.tolist() == theirs.tolist()
    assert mine.stride() == theirs.stride()
    assert mine.storage_offset() == theirs.storage_offset()
    assert mine._version == theirs._version == 1
    assert mine.data_ptr() - address == 4 * mine.storage_offset()


@pytest.mark.parametrize("name, arguments", CHANGES)
def test_gradients_flow_through_the_change(name, arguments):
    def gradients(m):
        x = m.arange(6.0).reshape(shape_of(name)).requires_grad_()
        y = x * 2
        getattr(y, name)(*arguments)
        weights = m.arange(float(y.numel())).reshape(tuple(y.shape))
        (y * weights).sum().backward()
        return x.grad.tolist(), type(y.grad_fn).__name__

    found, expected = gradients(flambeau), gradients(torch)
    assert found[0] == expected[0]


def test_a_view_that_changes_stays_a_view():
    def outcome(m):
        x = m.arange(6.0).reshape(2, 3).requires_grad_()
        y = x * 1
        row = y[0]
        row.unsqueeze_(0)
        row.mul_(3)
        y.add_(1)
        (row * row).sum().backward()
        return row.tolist(), y.tolist(), x.grad.tolist()

    assert outcome(flambeau) == outcome(torch)


def test_leaves_do_not_change():
    x = flambeau.ones(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.t_()
    with pytest.raises(RuntimeError, match="a view of a leaf Variable"):
        x[0].unsqueeze_(0)
    with flambeau.no_grad():
        assert x.t_().shape == (3, 2)
    assert x.requires_grad
    assert x.is_leaf


def test_what_the_graph_saved_is_guarded():
    x = flambeau.ones(2, 3, requires_grad=True)
    y = x * 2
    z = y * y
    y.t_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.ones(2, 2, 2).t_(),
        lambda m: m.ones(2).transpose_(0, 3),
        lambda m: m.ones(2).unsqueeze_(5),
        lambda m: m.ones(2).squeeze_(5),
        lambda m: m.ones(2).as_strided_((5,), (1,)),
        lambda m: m.ones(2).transpose_(),
    ],
)
def test_errors(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(theirs.type):
        call(flambeau)
