"""Placing in place; gradients of placing and joining where products vanish."""

import pytest

import flambeau


@pytest.mark.filterwarnings("ignore:index_reduce.. is in beta")
@pytest.mark.filterwarnings("ignore:The reduce argument of torch.scatter")
def test_products_with_zero_factors():
    """A factor's gradient is the product of the others, here with none, one and two zeros."""
    x = flambeau.tensor([2.0, 0.0, 3.0, 0.0], requires_grad=True)
    y = flambeau.tensor([5.0, 7.0, 0.0, 0.0], requires_grad=True)
    places = flambeau.arange(4)
    for made in (
        flambeau.scatter_reduce(x, 0, places, y, "prod"),
        flambeau.index_reduce(x, 0, places, y, "prod"),
        flambeau.scatter(x, 0, places, y, reduce="multiply"),
    ):
        dx, dy = flambeau.autograd.grad(made.sum(), (x, y))
        assert dx.tolist() == [5.0, 7.0, 0.0, 0.0]
        assert dy.tolist() == [2.0, 0.0, 3.0, 0.0]


def test_the_value_that_fills_has_a_gradient():
    x, value = flambeau.zeros(4, 3), flambeau.tensor(2.0, requires_grad=True)
    filled = x.index_fill(0, flambeau.tensor([0, 2]), value)
    assert filled.grad_fn.name() == "IndexFillBackward1"
    filled.sum().backward()
    assert value.grad.item() == 6.0


def test_vectors_without_elements_have_gradients():
    empty = flambeau.zeros(0, requires_grad=True)
    rows = flambeau.ones(2, 3, requires_grad=True)
    flambeau.cat([empty, rows], 1).sum().backward()
    assert empty.grad.shape == (0,)
    assert rows.grad.tolist() == [[1.0] * 3] * 2


def test_a_number_takes_a_slice_like_a_vector():
    number = flambeau.tensor(1.0)
    assert flambeau.index_copy(number, 0, flambeau.tensor([0]), flambeau.tensor(5.0)).item() == 5
    number.index_copy_(0, flambeau.tensor(0), flambeau.tensor([7.0]))
    assert number.item() == 7


@pytest.mark.parametrize(
    "how",
    [{"spacing": [0.1]}, {"spacing": [0.1], "dim": [1, 0]}, {"spacing": [0.1, 0.2], "dim": 0}],
)
def test_every_axis_has_its_spacing(how):
    with pytest.raises(RuntimeError, match=r"torch.gradient expected spacing to be unspecified"):
        flambeau.gradient(flambeau.ones(3, 3), **how)


def test_spacing_may_be_a_tensor_without_axes():
    (slope,) = flambeau.gradient(flambeau.tensor([1.0, 2.0, 4.0]), spacing=flambeau.tensor(0.5))
    assert slope.tolist() == [2.0, 3.0, 4.0]


@pytest.mark.parametrize("dtype", ["float32", "bool", "int64"])
def test_an_empty_index_may_have_any_dtype(dtype):
    """`tensor([])` is of floats."""
    nothing = flambeau.empty(0, dtype=getattr(flambeau, dtype))
    x = flambeau.arange(3.0).requires_grad_()
    picked = x.gather(0, nothing)
    placed = x.scatter(0, nothing, 7.0) + x.scatter_reduce(0, nothing, flambeau.ones(0), "prod")
    assert picked.shape == (0,)
    assert placed.tolist() == [0.0, 2.0, 4.0]
    (picked.sum() + placed.sum()).backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


#: In-place forms, each called with a tensor, indices of its rows or elements, and values.
PLACERS = {
    "index_add_": lambda x, i, v: x.index_add_(0, i, v),
    "index_copy_": lambda x, i, v: x.index_copy_(0, i, v),
    "index_fill_": lambda x, i, v: x.index_fill_(0, i, 5),
    "index_put_": lambda x, i, v: x.index_put_((i,), v),
    "scatter_": lambda x, i, v: x.scatter_(0, i.unsqueeze(1).expand_as(v), v),
    "scatter_add_": lambda x, i, v: x.scatter_add_(0, i.unsqueeze(1).expand_as(v), v),
    "put_": lambda x, i, v: x.put_(i, v[:, 0]),
}


@pytest.mark.parametrize("name", PLACERS)
def test_in_place_writes_what_the_copy_has(name):
    """Of whole tensors and of views, whose other elements stay; refused indices change nothing."""
    place = PLACERS[name]
    rows, values = flambeau.tensor([2, 0]), flambeau.tensor([[10.0, 20.0], [30.0, 40.0]])
    start = flambeau.arange(12.0).reshape(3, 4)
    for view in (lambda t: t, lambda t: t[:, 1:3], lambda t: t[:, ::2], lambda t: t.t()[:3]):
        base = start.clone()
        target = view(base)
        v = values if target.shape[1] == 2 else flambeau.arange(2.0 * target.shape[1]).view(2, -1)
        expected = place(view(start).clone(), rows, v)
        assert place(target, rows, v) is target
        assert target.tolist() == expected.tolist()
        view(base).copy_(view(start))
        assert base.tolist() == start.tolist()
        with pytest.raises(IndexError):
            place(target, flambeau.tensor([0, 99]), v)
        assert base.tolist() == start.tolist()


@pytest.mark.parametrize("name", PLACERS)
def test_in_place_reads_its_own_elements_as_they_were(name):
    """The indices and values may lie in the tensor that is written."""
    x = flambeau.tensor([[1, 0], [0, 1], [2, 2]])
    expected = PLACERS[name](x.clone(), x[0].clone(), x[1:].clone())
    assert PLACERS[name](x, x[0], x[1:]).tolist() == expected.tolist()
