"""What backward needs must not change: which changes are refused, and what the errors say."""

import re
import sys

import pytest

import flambeau as fl

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def line_above():
    """`file:line` of the line before the call."""
    return f"{__file__}:{sys._getframe(1).f_lineno - 1} in"


def overwritten(x, w):
    y = x * w
    made = line_above()
    w.add_(1)
    return y, made, line_above()


def through_a_view(x, w):
    y = x * w
    made = line_above()
    w[0] = 5
    return y, made, line_above()


def through_a_view_of_a_view(x, w):
    y = x * w
    made = line_above()
    w[1:][:1].zero_()
    return y, made, line_above()


def through_the_base(x, w):
    y = x[:2] * w[:2]
    made = line_above()
    w.mul_(2)
    return y, made, line_above()


def own_result(x, w):
    y = x.exp()
    made = line_above()
    y += 1
    return y, made, line_above()


def in_a_function(x, w):
    y = Product.apply(x, w)
    made = line_above()
    w.mul_(2)
    return y, made, line_above()


def in_a_list(x, w):
    y = fl.einsum("i,i->", x, w)
    made = line_above()
    w.mul_(2)
    return y, made, line_above()


class Product(fl.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g * w, g * x


@pytest.mark.parametrize(
    "program",
    (
        overwritten,
        through_a_view,
        through_a_view_of_a_view,
        through_the_base,
        own_result,
        in_a_function,
        in_a_list,
    ),
)
def test_the_error_names_who_saved_and_who_wrote(program):
    x, w = fl.ones(3, requires_grad=True), fl.ones(3)
    y, made, wrote = program(x, w)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as error:
        y.sum().backward()
    text = str(error.value)
    assert re.search(r"\w+Backward\w* saved it in the forward call at", text)
    assert f"forward call at {made}" in text
    assert f"It was overwritten at {wrote}" in text
    assert "[torch.FloatTensor [" in text


@pytest.mark.parametrize("fused", (True, False))
def test_an_optimizers_step_is_a_line_of_the_user(fused):
    layer = fl.nn.Linear(2, 2)
    optimizer = fl.optim.SGD(layer.parameters(), lr=0.1, foreach=fused)
    loss = layer(layer(fl.ones(1, 2))).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    wrote = line_above()
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as error:
        loss.backward()
    assert f"It was overwritten at {wrote}" in str(error.value)


# ---- the same programs in both libraries ----


def leaf_view(m):
    return m.zeros(4)[1:].requires_grad_()


def written_view(m):
    base = m.ones(3, 2, requires_grad=True) * 1
    view = base[0]
    with m.no_grad():
        view.mul_(2)
    out = view * 3
    return m.autograd.grad(out.sum(), view)[0].tolist()


def left_behind(made, m, grad=True):
    """A view of a tensor that is written afterwards."""
    base = m.ones(3, 2, requires_grad=True) * 1
    view = made(m, base)
    base.mul_(2)
    return view


def without_grad(m, base):
    with m.no_grad():
        return base[0]


def inference(m, base):
    with m.inference_mode():
        return base[0]


def detached(m):
    x = m.ones(3, requires_grad=True)
    y = x * 2
    z = y * y
    y.detach_()
    return m.autograd.grad(z.sum(), x)


def second_derivative_through_an_overwritten_value(m):
    x = m.tensor([1.0, 2.0], requires_grad=True)
    w = m.tensor([3.0, 4.0], requires_grad=True)
    y = x * x
    y *= w  # its gradient needs the square, which is gone
    g = m.autograd.grad(y.sum(), w, create_graph=True)[0]
    return m.autograd.grad(g.sum(), x)[0].tolist()


def list_is_not_kept(m):
    x = m.ones(2, requires_grad=True)
    y = x * 2
    z = m.cat([y, y])
    y.zero_()
    return m.autograd.grad(z.sum(), x)[0].tolist()


def quotient_may_change(m):
    x = m.ones(2, requires_grad=True)
    y = 3 / x
    y += 1
    return m.autograd.grad(y.sum(), x)[0].tolist()


CASES = {
    "leaf that is a view": lambda m: leaf_view(m).add_(1),
    "view of a leaf that is a view": lambda m: leaf_view(m)[:1].add_(1),
    "index_put of it": lambda m: leaf_view(m).index_put_((m.tensor([0]),), m.ones(1)),
    "writes without recording": written_view,
    "view of split": lambda m: left_behind(lambda m, b: b.split(1)[1], m).grad_fn,
    "view of unbind": lambda m: left_behind(lambda m, b: b.unbind()[2], m) * 2,
    "view of a view of unbind": lambda m: left_behind(lambda m, b: b.unbind()[2][:1], m) * 2,
    "view without grad": lambda m: left_behind(without_grad, m) * 2,
    "view in inference mode": lambda m: left_behind(inference, m).grad_fn,
    "its printed form": lambda m: repr(left_behind(lambda m, b: b.unbind()[0], m)),
    "other views follow": lambda m: repr(left_behind(lambda m, b: b[1], m)),
    "part of unbind": lambda m: (m.ones(3, 2, requires_grad=True) * 1).unbind()[1].mul_(2),
    "part of chunk of a constant": lambda m: (
        m.ones(2, 2).chunk(2)[1].mul_(m.ones(1, 2, requires_grad=True))
    ),
    "detached in place": detached,
    "second derivative": second_derivative_through_an_overwritten_value,
    "cat keeps sizes only": list_is_not_kept,
    "a quotient may change": quotient_may_change,
}


def outcome(case, module):
    try:
        return case(module)
    except RuntimeError as error:
        return str(error)


@pytest.mark.parametrize("name", CASES)
def test_same_as_torch(name):
    assert outcome(CASES[name], fl) == outcome(CASES[name], torch)
