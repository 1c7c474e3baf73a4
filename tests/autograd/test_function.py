"""Custom Functions."""

import re

import pytest

import flambeau as fl
from flambeau import autograd
from flambeau.autograd import Function


def leaf(*values):
    return fl.tensor(list(values), dtype=fl.float64, requires_grad=True)


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class Scale(Function):
    @staticmethod
    def forward(x, factor):
        return x * factor

    @staticmethod
    def setup_context(ctx, inputs, output):
        _, ctx.factor = inputs

    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor, None


def test_values_and_higher_orders():
    x = leaf(0.5)
    y = Exp.apply(x)
    assert y.grad_fn.name() == "ExpBackward"
    (g,) = autograd.grad(y, x, create_graph=True)
    (h,) = autograd.grad(g, x)
    assert h.item() == pytest.approx(y.item())


def test_setup_context():
    x = leaf(1.0, 2.0)
    Scale.apply(x, 3.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_needs_input_grad():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, a, b, c):
            seen.append(ctx.needs_input_grad)
            return a * b

        @staticmethod
        def backward(ctx, g):
            return g, g, None

    Two.apply(leaf(1.0), fl.ones(1), "text")
    assert seen == [(True, False, False)]


def test_wrong_number_of_gradients():
    class Bad(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 2, got 1\)"):
        Bad.apply(leaf(1.0), leaf(1.0)).backward()


def test_saved_tensors_are_freed():
    y = Exp.apply(leaf(1.0))
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_saved_tensor_changed_in_place():
    class Keep(Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(w)
            return x * w

        @staticmethod
        def backward(ctx, g):
            (w,) = ctx.saved_tensors
            return g * w, None

    w = fl.ones(1, dtype=fl.float64)
    y = Keep.apply(leaf(1.0), w)
    w.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_several_outputs_and_missing_gradients():
    class Split(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            return a * 2 + b * 3

    x = leaf(1.0)
    first, _ = Split.apply(x)
    first.backward()
    assert x.grad.item() == 2

    class Unmaterialised(Split):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            assert b is None
            return a * 2

    Unmaterialised.apply(x)[0].backward()
    assert x.grad.item() == 4


def test_non_differentiable_output():
    class Arg(Function):
        @staticmethod
        def forward(ctx, x):
            index = x * 0
            ctx.mark_non_differentiable(index)
            return x * 2, index

        @staticmethod
        def backward(ctx, g, _):
            return g * 2

    value, index = Arg.apply(leaf(1.0))
    assert value.requires_grad
    assert not index.requires_grad


def test_dirty_input():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(1.0)
    y = x * 2
    z = AddOne.apply(y)
    assert z is y
    z.backward()
    assert x.grad.item() == 2
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        AddOne.apply(leaf(1.0))


def test_input_handed_through_is_a_new_tensor():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = leaf(1.0)
    y = Same.apply(x)
    assert y is not x
    y.backward()
    assert x.grad.item() == 5


def test_once_differentiable():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @autograd.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = leaf(3.0)
    (g,) = autograd.grad(Once.apply(x), x, leaf(1.0), create_graph=True)
    assert g.item() == 6
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_the_node_prints_as_the_class_beside_function():
    assert re.fullmatch(
        r"<flambeau\.autograd\.function\.ExpBackward object at 0x\w+>",
        repr(Exp.apply(leaf(1.0)).grad_fn),
    )


def test_older_base_with_class_methods():
    class Rounds(autograd.function.InplaceFunction):
        @classmethod
        def forward(cls, ctx, x):
            ctx.mark_dirty(x)
            return x.round_()

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(1.4, 2.6)
    y = Rounds.apply(x * 1)
    y.sum().backward()
    assert (y.tolist(), x.grad.tolist()) == ([1.0, 3.0], [1.0, 1.0])


def test_misuse():
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        Exp()

    class Empty(Function):
        pass

    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        Empty.apply(leaf(1.0))
    with pytest.raises(TypeError, match="save_for_backward can only save variables"):

        class SavesText(Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward("text")
                return x

        SavesText.apply(leaf(1.0))


def test_no_leak_through_saved_outputs():
    import gc
    import weakref

    gc.collect()
    gc.disable()
    try:
        y = Exp.apply(leaf(1.0))
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()
