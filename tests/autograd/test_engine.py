"""The engine: what flows where, what is kept, and what is refused."""

import gc
import weakref

import pytest

import flambeau as fl
from flambeau import autograd


def leaf(*values, dtype=None):
    return fl.tensor(list(values), dtype=dtype or fl.float64, requires_grad=True)


def test_gradients_accumulate():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_shared_subexpression_is_counted_for_each_use():
    x = leaf(2.0)
    y = x * x
    (y + y * y).backward()
    assert x.grad.item() == pytest.approx(2 * 2 + 4 * 8)


def test_scalar_output_needs_no_gradient_and_others_do():
    x = leaf(1.0, 2.0)
    with pytest.raises(
        RuntimeError, match="grad can be implicitly created only for scalar outputs"
    ):
        (x * 2).backward()
    (x * 2).backward(fl.tensor([1.0, 10.0], dtype=fl.float64))
    assert x.grad.tolist() == [2.0, 20.0]


def test_wrong_shape_of_the_start_is_refused():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match=r"Mismatch in shape: grad_output\[0\]"):
        (x * 2).backward(fl.ones(3, dtype=fl.float64))


def test_no_graph_is_an_error():
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        fl.ones(()).backward()


def test_second_backward_needs_retain_graph():
    x = leaf(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 12
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_a_graph_that_saved_nothing_runs_twice():
    x = leaf(3.0)
    y = x + x
    y.backward()
    y.backward()
    assert x.grad.item() == 4


def test_grad_does_not_touch_leaves_and_frees_the_graph():
    x = leaf(3.0)
    y = x * x
    (g,) = autograd.grad(y, x)
    assert g.item() == 6
    assert x.grad is None
    with pytest.raises(RuntimeError, match="second time"):
        autograd.grad(y, x)


def test_grad_of_intermediate_tensor():
    x = leaf(3.0)
    y = x * 2
    z = y * y
    assert autograd.grad(z, y)[0].item() == 12


def test_unused_inputs():
    x, y = leaf(1.0), leaf(1.0)
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        autograd.grad(x * 2, (x, y))
    assert autograd.grad(x * 2, (x, y), allow_unused=True)[1] is None
    assert autograd.grad(x * 2, (x, y), materialize_grads=True)[1].tolist() == [0.0]


def test_create_graph_gives_higher_orders():
    x = leaf(2.0)
    y = x * x * x * x
    orders = []
    for _ in range(4):
        (y,) = autograd.grad(y, x, create_graph=True)
        orders.append(y.item())
    assert orders == [32.0, 48.0, 48.0, 24.0]


def test_backward_with_inputs_accumulates_only_there():
    x, y = leaf(2.0), leaf(5.0)
    (x * y).backward(inputs=[x])
    assert x.grad.item() == 5
    assert y.grad is None


def test_broadcast_arguments_are_summed_back():
    x, y = (
        fl.ones(2, 3, dtype=fl.float64).requires_grad_(),
        fl.ones(3, 1, 1, dtype=fl.float64).requires_grad_(),
    )
    (x * y).backward(fl.ones(3, 2, 3, dtype=fl.float64))
    assert x.grad.tolist() == [[3.0] * 3] * 2
    assert y.grad.shape == (3, 1, 1)
    assert y.grad.flatten().tolist() == [6.0] * 3


def test_gradient_has_the_dtype_of_its_tensor():
    x = fl.ones(2, requires_grad=True)
    (x * fl.ones(2, dtype=fl.float64)).backward(fl.ones(2, dtype=fl.float64))
    assert x.grad.dtype == fl.float32


def test_modes():
    x = leaf(1.0)
    with fl.no_grad():
        assert not (x * 2).requires_grad
        with fl.enable_grad():
            assert (x * 2).requires_grad
    with fl.set_grad_enabled(False):
        assert not fl.is_grad_enabled()
    assert fl.is_grad_enabled()

    @fl.no_grad()
    def off():
        return fl.is_grad_enabled()

    @fl.no_grad()
    def generator():
        yield fl.is_grad_enabled()
        yield fl.is_grad_enabled()

    assert not off()
    states = generator()
    assert next(states) is False
    assert fl.is_grad_enabled()
    assert next(states) is False


def test_modes_belong_to_the_thread():
    import threading

    seen = []
    with fl.no_grad():
        thread = threading.Thread(target=lambda: seen.append(fl.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_inference_tensors_stay_out_of_graphs():
    x = leaf(1.0)
    with fl.inference_mode():
        y = x * 2
    assert y.is_inference()
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        x * y
    with pytest.raises(
        RuntimeError, match="Inplace update to inference tensor outside InferenceMode"
    ):
        y.add_(1)
    with pytest.raises(RuntimeError, match="do not track version counter"):
        _ = y._version


def test_leaf_rules():
    x = leaf(1.0)
    assert x.is_leaf
    assert x.grad_fn is None
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x[:1].add_(1)
    with fl.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0]
    y = x * 2
    with pytest.raises(
        RuntimeError, match="you can only change requires_grad flags of leaf variables"
    ):
        y.requires_grad = False
    with pytest.raises(RuntimeError, match="only Tensors of floating point and complex dtype"):
        fl.tensor([1], requires_grad=True)


def test_detach_shares_memory_and_leaves_the_graph():
    x = leaf(1.0, 2.0)
    y = (x * 2).detach()
    assert not y.requires_grad
    z = x.detach()
    with fl.no_grad():
        z[0] = 7
    assert x.tolist() == [7.0, 2.0]


def test_saved_output_changed_in_place_is_detected():
    x = leaf(1.0, 2.0)
    y = x.exp()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation") as error:
        y.backward(fl.ones(2, dtype=fl.float64))
    assert "ExpBackward0" in str(error.value)
    assert "test_engine.py" in str(error.value)


def test_saved_input_changed_through_a_view_is_detected():
    x = leaf(1.0, 2.0)
    w = fl.ones(2, dtype=fl.float64)
    y = x * w
    w[0] = 5
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_in_place_on_an_intermediate():
    x = leaf(1.0, 2.0)
    y = x * 1
    y.mul_(x)
    y += 1
    y.backward(fl.ones(2, dtype=fl.float64))
    assert x.grad.tolist() == [2.0, 4.0]


def test_in_place_on_a_view_reaches_the_base():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    y[1:].mul_(10)
    assert y.tolist() == [1.0, 20.0, 30.0]
    y.backward(fl.ones(3, dtype=fl.float64))
    assert x.grad.tolist() == [1.0, 10.0, 10.0]


def test_in_place_on_the_base_reaches_the_view():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    view = y[1:]
    y.mul_(10)
    view.sum().backward()
    assert x.grad.tolist() == [0.0, 10.0, 10.0]


def test_in_place_assignment_brings_gradients_into_a_constant():
    x = leaf(2.0)
    y = fl.zeros(3, dtype=fl.float64)
    y[1] = x[0] * 3
    assert y.requires_grad
    y.sum().backward()
    assert x.grad.item() == 3


def test_view_of_view():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = (x * 1).view(2, 2)
    y.t()[0].mul_(5)
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 1.0, 5.0, 1.0]


def test_views_made_without_grad_cannot_be_modified_with_it():
    x = leaf(1.0, 2.0)
    y = x * 1
    with fl.no_grad():
        view = y[:1]
    with pytest.raises(RuntimeError, match="A view was created in no_grad mode"):
        view.mul_(2)


def test_views_of_multi_output_functions_cannot_be_modified():
    x = leaf(1.0, 2.0)
    first, _ = (x * 1).unbind()
    with pytest.raises(RuntimeError, match=r"function that\s+returns multiple views"):
        first.mul_(2)


def test_hooks_and_retain_grad():
    x = leaf(2.0)
    y = x * 3
    seen = []
    y.retain_grad()
    handle = y.register_hook(lambda g: seen.append(g.item()))
    y.register_hook(lambda g: g * 2)
    x.register_hook(lambda g: seen.append(g.item()))
    (y * y).backward(retain_graph=True)
    assert seen == [12.0, 72.0]
    assert y.grad.item() == 24
    assert y.retains_grad
    assert x.grad.item() == 72
    handle.remove()
    (y * y).backward()
    assert seen == [12.0, 72.0, 72.0]


def test_post_accumulate_hook():
    x = leaf(2.0)
    x.register_post_accumulate_grad_hook(lambda t: setattr(t, "grad", None))
    (x * x).backward()
    assert x.grad is None


def test_hook_of_wrong_size_is_refused():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: g[:1])
    with pytest.raises(RuntimeError, match="has changed the size of value"):
        y.sum().backward()


def test_nodes_know_their_neighbours():
    x = leaf(1.0)
    y = (x * 2).exp()
    assert y.grad_fn.name() == "ExpBackward0"
    (inner, number), *_ = y.grad_fn._edges
    assert inner.name() == "MulBackward0"
    assert number == 0


def test_graph_is_freed_at_once_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = (x * x).exp()
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
        del y
        assert node() is None
    finally:
        gc.enable()


def test_graph_that_is_never_run_is_freed_too():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0)
        y = ((x * x).exp() + x).sqrt()
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_a_hundred_thousand_nodes():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    del y
    assert x.grad.item() == 1


def test_error_in_a_rule_names_the_forward_line():
    class Fails(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ZeroDivisionError("on purpose")

    y = Fails.apply(leaf(1.0))
    with pytest.raises(ZeroDivisionError) as error:
        y.backward()
    assert any("FailsBackward" in note for note in error.value.__notes__)


def test_anomaly_mode_names_the_function():
    x = leaf(0.0)
    with autograd.detect_anomaly():
        y = (x * 0).sqrt()
        with pytest.raises(RuntimeError, match=r"SqrtBackward0.*returned nan values"):
            (y * 0).backward()


def test_backward_from_two_threads():
    import threading

    x = leaf(1.0)
    outputs = [x * k for k in range(8)]
    threads = [threading.Thread(target=o.backward) for o in outputs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.item() == sum(range(8))


def test_next_functions():
    x = leaf(1.0)
    y = (x * 2).exp()
    ((multiply, number),) = y.grad_fn.next_functions
    assert (multiply.name(), number) == ("MulBackward0", 0)
    (first, second) = multiply.next_functions
    assert first[0].name() == "torch::autograd::AccumulateGrad"
    assert first[0].variable is x
    assert second == (None, 0)


def test_hooks_of_nodes():
    x = leaf(1.0)
    y = x * 2
    z = y * 3
    seen = []
    y.grad_fn.register_prehook(lambda grads: seen.append(grads[0].item()))
    handle = y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 10, *inputs[1:]))
    z.backward(retain_graph=True)
    assert seen == [3.0]
    assert x.grad.item() == 60
    handle.remove()
    z.backward()
    assert x.grad.item() == 66


def test_metadata_is_the_users():
    y = leaf(1.0) * 2
    y.grad_fn.metadata["note"] = 1
    assert y.grad_fn.metadata == {"note": 1}


@pytest.mark.parametrize("dtype", [fl.float32, fl.float16, fl.int64, fl.bool])
def test_the_start_takes_the_type_of_the_output(dtype):
    x = leaf(1.0, 2.0)
    start = fl.ones(2, dtype=dtype)
    for output in (x * x, x, x @ fl.eye(2, dtype=fl.float64)):
        (gradient,) = autograd.grad(output, x, start)
        assert gradient.dtype == fl.float64
    (x * x).backward(start)
    assert x.grad.tolist() == [2.0, 4.0]


def test_a_start_of_another_type_can_be_differentiated():
    x, start = leaf(3.0), fl.ones(1, requires_grad=True)
    (gradient,) = autograd.grad(x * x, x, start, create_graph=True)
    assert autograd.grad(gradient, start)[0].tolist() == [6.0]


def test_leaves_frozen_after_the_forward_get_no_gradient():
    x, y, seen = leaf(1.0), leaf(2.0), []
    x.register_hook(lambda g: seen.append(g.item()))
    product = x * y
    x.requires_grad = False
    product.backward(retain_graph=True)
    assert (x.grad, y.grad.item(), seen) == (None, 1.0, [2.0])
    x.requires_grad = True
    product.backward()
    assert x.grad.item() == 2.0
