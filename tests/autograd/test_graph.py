"""Hooks, saved values, edges and pictures of graphs, against torch where it has the same."""

import gc
import shutil
import threading
import weakref

import pytest

import flambeau as fl
from flambeau import autograd
from flambeau.autograd import graph

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


@pytest.fixture(params=[fl, torch], ids=["flambeau", "torch"])
def lib(request):
    """Either library: what holds for torch must hold for flambeau."""
    return request.param


def leaf(lib, *values):
    return lib.tensor(list(values), dtype=lib.float64, requires_grad=True)


# ---- order of hooks ----


def test_hooks_run_in_torchs_order(lib):
    log = []
    a = leaf(lib, 1.0, 1.0)
    b = a * 2
    node = b.grad_fn
    accumulate = node.next_functions[0][0]
    node.register_prehook(lambda grads: log.append(("pre", len(grads))))
    b.register_hook(lambda g: log.append("first"))
    b.retain_grad()
    b.register_hook(lambda g: log.append(("second", b.grad is None)))
    node.register_hook(lambda i, o: log.append(("post", i[0].tolist(), i[1], len(o))))
    a.register_hook(lambda g: log.append("leaf"))
    a.register_post_accumulate_grad_hook(lambda t: log.append(("after", t.grad.tolist())))
    accumulate.register_prehook(lambda grads: log.append(("leaf pre", len(grads), a.grad)))
    accumulate.register_hook(lambda i, o: log.append(("leaf post", i, o[0].tolist())))
    b.sum().backward()
    assert log == [
        "first",
        ("second", True),
        ("pre", 1),
        ("post", [2.0, 2.0], None, 1),
        "leaf",
        ("leaf pre", 1, None),
        ("after", [2.0, 2.0]),
        ("leaf post", (), [2.0, 2.0]),
    ]


def test_a_captured_gradient_is_seen_by_tensor_hooks_and_not_by_node_hooks(lib):
    log = []
    a = leaf(lib, 1.0)
    b = a * 2
    c = b * 3
    b.register_hook(lambda g: log.append("tensor") or g * 10)
    b.grad_fn.register_prehook(lambda grads: log.append("node") or (grads[0] * 100,))
    assert lib.autograd.grad(c, b, retain_graph=True)[0].item() == 30
    assert lib.autograd.grad(c, a)[0].item() == 6000
    assert log == ["tensor", "tensor", "node"]


def test_after_an_in_place_change_hooks_stay_and_retaining_moves_on(lib):
    log = []
    a = leaf(lib, 1.0)
    b = a * 2
    b.register_hook(lambda g: log.append("old"))
    b.retain_grad()
    b.mul_(3)
    b.register_hook(lambda g: log.append("new"))
    b.sum().backward()
    assert log == ["new", "old"]
    assert b.retains_grad
    assert b.grad.item() == 1


WRONG = {
    "tensor, number": lambda lib, y: y.register_hook(lambda g: 3),
    "tensor, shape": lambda lib, y: y.register_hook(lambda g: lib.ones(3, dtype=lib.float64)),
    "tensor, dtype": lambda lib, y: y.register_hook(lambda g: g.float()),
    "before, count": lambda lib, y: y.grad_fn.register_prehook(lambda g: (g[0], g[0])),
    "before, number": lambda lib, y: y.grad_fn.register_prehook(lambda g: 3),
    "before, tensor": lambda lib, y: y.grad_fn.register_prehook(lambda g: g[0]),
    "after, None": lambda lib, y: y.grad_fn.register_hook(lambda i, o: (o[0], o[0])),
    "after, count": lambda lib, y: y.grad_fn.register_hook(lambda i, o: (o[0],)),
}


@pytest.mark.parametrize("register", WRONG.values(), ids=WRONG)
def test_what_hooks_must_not_return(register):
    errors = []
    for lib in (fl, torch):
        y = leaf(lib, 1.0, 2.0) * 2
        register(lib, y)
        with pytest.raises((RuntimeError, TypeError)) as caught:
            y.sum().backward()
        errors.append(caught.value)
    ours, theirs = errors
    assert isinstance(ours, type(theirs))
    assert str(ours).startswith(str(theirs).split(" (was")[0])


def test_a_hook_can_be_removed(lib):
    a = leaf(lib, 1.0)
    with a.register_hook(lambda g: g * 5):
        (a * 1).backward()
    (a * 1).backward()
    assert a.grad.item() == 6


# ---- several gradients ----


@pytest.mark.parametrize("mode", ["all", "any"])
def test_multi_grad_hook(lib, mode):
    log = []

    def note(grads):
        log.append([None if g is None else g.tolist() for g in grads] if mode == "all" else 1)

    a, b = leaf(lib, 2.0), leaf(lib, 3.0)
    c, d = a * b, a + b
    handle = lib.autograd.graph.register_multi_grad_hook((a, b, c, d), note, mode=mode)
    c.sum().backward(retain_graph=True)
    (c + d).sum().backward(retain_graph=True)
    handle.remove()
    c.sum().backward()
    if mode == "any":
        assert log == [1, 1]
    else:
        assert log == [[[3.0], [2.0], [1.0], None], [[4.0], [3.0], [1.0], [1.0]]]


def test_multi_grad_hook_of_another_mode():
    with pytest.raises(ValueError, match=r"\('all', 'any'\) but got most"):
        graph.register_multi_grad_hook((leaf(fl, 1.0),), print, mode="most")


# ---- edges, versions, nodes ----


def test_edges_stand_for_tensors(lib):
    x = leaf(lib, 1.0, 2.0)
    y = x * x
    edge = lib.autograd.graph.get_gradient_edge(y.sum())
    assert lib.autograd.grad(edge, x, retain_graph=True)[0].tolist() == [2, 4]
    inside = lib.autograd.graph.get_gradient_edge(y)
    assert lib.autograd.grad((y * 3).sum(), inside, retain_graph=True)[0].tolist() == [3, 3]
    own = lib.autograd.graph.get_gradient_edge(x)
    assert lib.autograd.grad(y.sum(), own, retain_graph=True)[0].tolist() == [2, 4]
    lib.autograd.backward([inside], [lib.ones(2, dtype=lib.float64)])
    assert x.grad.tolist() == [2, 4]


def test_edges_need_a_tensor_with_gradients():
    with pytest.raises(RuntimeError, match="not possible to get the gradient edge"):
        graph.get_gradient_edge(fl.ones(1))
    edge = graph.get_gradient_edge(leaf(fl, 1.0, 2.0) * 2)
    with pytest.raises(RuntimeError, match="only for scalar"):
        autograd.backward([edge])
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        autograd.backward([edge], [fl.ones(3)])
    with pytest.raises(RuntimeError, match="MulBackward0 has no output 5"):
        autograd.grad(graph.GradientEdge(edge.node, 5), leaf(fl, 1.0), fl.ones(2))
    with pytest.raises(RuntimeError, match="must be a node"):
        autograd.grad(leaf(fl, 1.0) * 1, graph.GradientEdge(edge.node, 5))


def test_unused_edges():
    x, other = leaf(fl, 1.0), leaf(fl, 2.0, 3.0)
    edge = graph.get_gradient_edge(other * 2)
    assert autograd.grad(x * 1, edge, allow_unused=True) == (None,)
    assert fl.autograd.grad(x * 1, edge, materialize_grads=True)[0].tolist() == [0, 0]


def test_increment_version(lib):
    t = lib.ones(2)
    lib.autograd.graph.increment_version(t)
    lib.autograd.graph.increment_version([t, t])
    assert t._version == 3


def test_nodes(lib):
    x = leaf(lib, 1.0)
    node = (x * x).grad_fn
    assert isinstance(node, lib.autograd.graph.Node)
    assert isinstance(node.next_functions[0][0], lib.autograd.graph.Node)
    assert not isinstance(x, lib.autograd.graph.Node)
    node.metadata["mine"] = 1
    assert node.metadata == {"mine": 1}
    assert (x * x).grad_fn._sequence_nr() > node._sequence_nr()


SAVED = {
    "mul": lambda x: (x * x, ("self", "other")),
    "exp": lambda x: (x.exp(), ("result",)),
    "pow": lambda x: (x**2, ("self", "exponent")),
    "sum": lambda x: (x.sum(0), ("self_sym_sizes",)),
    "matmul": lambda x: (x[None] @ x[:, None], ("self", "mat2")),
    "sigmoid": lambda x: (x.sigmoid(), ("result",)),
}


@pytest.mark.parametrize("call", SAVED.values(), ids=SAVED)
def test_saved_attributes_have_torchs_names(call):
    found = []
    for lib in (fl, torch):
        y, names = call(leaf(lib, 1.0, 2.0))
        values = [getattr(y.grad_fn, f"_saved_{n}") for n in names]
        found.append(
            [v.numpy(force=True).round(12).tolist() if hasattr(v, "numpy") else v for v in values]
        )
    assert found[0] == found[1]


def test_saved_attributes_of_freed_graphs_and_other_names():
    y = leaf(fl, 2.0).exp()
    node = y.grad_fn
    assert node._saved_result.grad_fn is node
    assert "_saved_result" in dir(node)
    y.backward()
    with pytest.raises(RuntimeError, match="second time"):
        _ = node._saved_result
    with pytest.raises(AttributeError, match="has no attribute '_saved_other'"):
        _ = node._saved_other


def test_a_node_of_a_function_has_the_fields_of_its_context(lib):
    class Double(lib.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.factor = 2
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor

    node = Double.apply(leaf(lib, 3.0)).grad_fn
    assert node.factor == 2
    assert node.saved_tensors[0].item() == 3
    assert node.needs_input_grad == (True,)


# ---- hooks on saved tensors ----


def test_saved_tensors_hooks_see_what_torchs_see(lib):
    log = []

    def pack(t):
        log.append(("pack", t is x, t.requires_grad, lib.is_grad_enabled()))
        return t

    def unpack(t):
        log.append("unpack")
        return t

    x = leaf(lib, 0.5, 1.0)
    with lib.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = x * x
        z = (y * 3).exp()
        _ = lib.ones(2) * 2
    (first,) = lib.autograd.grad(z.sum(), x, create_graph=True)
    assert log[:2] == [("pack", True, True, False)] * 2
    assert len(log) == 6
    (second,) = lib.autograd.grad(first.sum(), x)
    value = lib.tensor([0.5, 1.0], dtype=lib.float64)
    assert lib.allclose(first.detach(), 6 * value * (3 * value**2).exp())
    assert lib.allclose(second, (6 + 36 * value**2) * (3 * value**2).exp())


def test_higher_derivatives_through_copies(lib):
    x = leaf(lib, 2.0)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        y = (x * x) * (x + 0)
    (first,) = lib.autograd.grad(y, x, create_graph=True)
    (second,) = lib.autograd.grad(first, x)
    assert (first.item(), second.item()) == (12, 12)


def test_hooks_pack_results_of_in_place_operations(lib):
    x = leaf(lib, 1.0)
    with lib.autograd.graph.saved_tensors_hooks(lambda t: t.item(), lambda v: lib.tensor([v])):
        y = (x * 1).float().exp_()
    y.sum().backward()
    assert x.grad.item() == pytest.approx(2.718281828, rel=1e-6)


def test_hooks_pack_lists_and_functions():
    kept = []

    class Square(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x, None)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(fl, 3.0)
    with graph.saved_tensors_hooks(
        lambda t: kept.append(t.item()) or len(kept) - 1,
        lambda k: fl.tensor([kept[k]], dtype=fl.float64),
    ):
        y = Square.apply(x)
    y.backward()
    assert kept == [3.0]
    assert x.grad.item() == 6


@pytest.mark.parametrize(
    ("pack", "unpack", "error"),
    [
        (lambda t: t, lambda t: 3, (TypeError, "unpack_hook expected to be a Tensor but got")),
        (lambda t: t.mul_(2), lambda t: t, (RuntimeError, "modifying its input in place")),
    ],
)
def test_wrong_hooks_on_saved_tensors(lib, pack, unpack, error):
    x = leaf(lib, 1.0).clone()
    with (
        pytest.raises(error[0], match=error[1]),
        lib.autograd.graph.saved_tensors_hooks(pack, unpack),
    ):
        (x * x).backward()


def test_hooks_can_be_disabled(lib):
    hooks = lib.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t)
    disable = lib.autograd.graph.disable_saved_tensors_hooks
    with disable("not here"), pytest.raises(RuntimeError, match="not here"), hooks:
        pass
    with hooks, pytest.raises(RuntimeError, match="not here"), disable("not here"):
        pass
    with hooks:
        pass


def test_hooks_of_one_saved_tensor(lib):
    x = leaf(lib, 3.0)
    y = x * x
    raw = y.grad_fn._raw_saved_self
    raw.register_hooks(lambda t: t, lambda t: t * 10)
    with pytest.raises(RuntimeError, match="hooks have already been set"):
        raw.register_hooks(lambda t: t, lambda t: t)
    y.backward()
    assert x.grad.item() == 33


def test_hooks_belong_to_the_thread():
    seen = []
    x = leaf(fl, 2.0)
    with graph.saved_tensors_hooks(lambda t: seen.append(1) or t, lambda t: t):
        thread = threading.Thread(target=lambda: x * x)
        thread.start()
        thread.join()
    assert seen == []


def test_save_on_cpu(lib):
    x = leaf(lib, 2.0)
    with lib.autograd.graph.save_on_cpu():
        y = (x * x).exp()
    y.backward()
    assert x.grad.item() == pytest.approx(4 * 2.718281828459045**4)


def test_mutation_of_saved_tensors(lib):
    a = leaf(lib, 1.0, 1.0)
    with lib.autograd.graph.allow_mutation_on_saved_tensors():
        b = a.clone()
        out = (b**2).sum()
        b.sin_()
        out.backward()
        assert a.grad.tolist() == [2, 2]
        late = (b * b).sum()
        with (
            pytest.raises(RuntimeError, match="cannot be nested"),
            lib.autograd.graph.allow_mutation_on_saved_tensors(),
        ):
            pass
    with pytest.raises(AssertionError, match="outside of the"):
        late.backward()


# ---- the life of graphs ----


def test_deep_graphs_neither_overflow_nor_collide():
    class Same(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf(fl, 1.0)
    for step in (lambda y: y + 1, Same.apply):
        y = x
        for _ in range(100_000):
            y = step(y)
        y.backward()
        for _ in range(100_000):
            y = step(y)
        del y  # a graph that is dropped unused
    assert x.grad.item() == 2


def test_a_view_renewed_while_its_reader_is_recorded(lib):
    x = lib.ones(4, requires_grad=True)
    base = x * 1
    view = base[:2]
    base[:1].mul_(2)
    (view * 2 + view * 3).sum().backward()
    assert x.grad.tolist() == [10, 5, 0, 0]


def test_a_graph_recorded_by_two_threads():
    x = leaf(fl, 1.0)
    for _ in range(50):
        y = x * 5
    squares = []
    thread = threading.Thread(target=lambda: squares.append(y * y))
    thread.start()
    thread.join()
    (squares[0] + y).backward()
    assert x.grad.item() == 55


@pytest.mark.parametrize("hooked", [False, True])
def test_what_a_graph_holds_is_freed_at_once(hooked):
    gc.collect()
    gc.disable()
    try:
        x = leaf(fl, 1.0, 2.0)
        y = x.exp()
        if hooked:
            y.register_hook(lambda g: g * 2)
            with graph.saved_tensors_hooks(lambda t: t, lambda t: t):
                y = y.exp()
        z = y * y
        node = weakref.ref(z.grad_fn)
        held = weakref.ref(z.grad_fn._saved_self)
        assert held() is y
        z.sum().backward()
        del y
        assert held() is None
        del z
        assert node() is None
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_functions_and_checkpoints_leave_no_cycles():
    from flambeau.utils.checkpoint import checkpoint

    class Square(autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * x
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            return 2 * g * ctx.saved_tensors[0]

    x = leaf(fl, 1.0, 2.0)
    for run in (Square.apply, lambda t: checkpoint(Square.apply, t, use_reentrant=False)):
        gc.collect()
        gc.disable()
        try:
            y = run(x)
            node = weakref.ref(y.grad_fn)
            y.sum().backward()
            del y
            assert node() is None
            run(x)
            assert gc.collect() == 0
        finally:
            gc.enable()


def test_memory_after_backward():
    x = fl.ones(1 << 16, requires_grad=True)
    before = fl._C.allocator_stats()["allocated"]
    y = x
    for _ in range(10):
        y = y.exp() * 0.1
    total = y.sum()
    del y
    assert fl._C.allocator_stats()["allocated"] - before > 10 * 4 * (1 << 16)
    total.backward()
    assert fl._C.allocator_stats()["allocated"] - before < 1.1 * 4 * (1 << 16)


# ---- pictures ----


def test_draw_names_shapes_and_what_is_kept(tmp_path):
    model = fl.nn.Linear(3, 4)
    out = model(fl.ones(2, 3)).exp()
    text = graph.draw(out, params=dict(model.named_parameters()))
    assert text.startswith("digraph")
    for part in (
        "ExpBackward0\\nkeeps result (2, 4) float32, 32 bytes",
        "weight\\n(4, 3) float32",
        '[label="(2, 4)"]',
    ):
        assert part in text
    graph.draw([out], str(tmp_path / "picture.svg"))
    suffix = "svg" if shutil.which("dot") else "dot"
    assert (tmp_path / f"picture.{suffix}").stat().st_size > 100
    out.sum().backward()
    assert "keeps result" not in graph.draw(out)


# ---- threads ----


def test_multithreading_flag(lib):
    before = fl.autograd.is_multithreading_enabled()
    with lib.autograd.set_multithreading_enabled(False):
        assert lib is torch or not fl.autograd.is_multithreading_enabled()
    assert fl.autograd.is_multithreading_enabled() is before


# ---- what nodes and saved values tell ----


def test_metadata_of_what_nodes_get(lib):
    x = lib.ones(2, 3, requires_grad=True)
    values, _ = (x * 2).double().max(0)
    node = values.grad_fn
    found = [(tuple(m.shape), str(m.dtype), str(m.device)) for m in node._input_metadata[:1]]
    assert found == [((3,), "torch.float64", "cpu")]
    first = node._input_metadata[0]
    assert not first.is_nested_tensor
    assert not first.is_cpp_nested_tensor
    assert node.requires_grad
    leaf_node = graph.get_gradient_edge(x).node if lib is fl else x.view_as(x).grad_fn
    if lib is fl:
        assert tuple(leaf_node._input_metadata[0].shape) == (2, 3)
        assert leaf_node._sequence_nr() == 2**64 - 1
        assert leaf_node.requires_grad


def test_a_saved_value_by_itself(lib):
    x = lib.ones(2, requires_grad=True)
    raw = (x * x).grad_fn._raw_saved_self
    assert isinstance(raw, lib.autograd.SavedTensor)
    assert raw.unpack() is x
    assert raw.unpack_hook is None
    raw.register_hooks(lambda t: t + 1, lambda t: t - 1)
    assert raw.data.tolist() == [2, 2]
    assert raw.unpack().tolist() == [1, 1]
    assert raw.unpack_hook(raw.data).tolist() == [1, 1]


def layouts(lib):
    """Strides of first gradients, and whether memory is taken over or copied."""
    x = lib.ones(2, 3, requires_grad=True)
    (x.t() * 2).sum().backward()
    yield x.grad.stride()
    x = lib.ones(2, 3).t().requires_grad_()
    x.sum().backward()
    yield x.grad.stride()
    x = lib.ones(2, 3, 4).permute(2, 0, 1).requires_grad_()
    given = lib.ones(4, 2, 3)
    (x * 1).backward(given)
    yield x.grad.stride()
    images = lib.ones(2, 3, 2, 2).contiguous(memory_format=lib.channels_last).requires_grad_()
    (images * lib.ones(2, 3, 2, 2)).sum().backward()
    yield images.grad.stride()
    x = lib.ones(4).as_strided((2, 2), (1, 1)).requires_grad_()
    (x * 2).sum().backward()
    yield x.grad.stride()
    x = lib.ones(2, requires_grad=True)
    given = lib.ones(2)
    x.backward(given)
    yield x.grad.data_ptr() == given.data_ptr()
    before = x.grad
    (x * 2).sum().backward()
    yield x.grad is before
    with lib.autograd.enforce_grad_layout_policy(False):
        x = lib.ones(2, 3, requires_grad=True)
        (x.t() * 2).sum().backward()
        yield x.grad.stride()


def test_gradients_lie_in_memory_as_their_leaves():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    assert list(layouts(fl)) == list(layouts(torch))


def test_names_of_switches(lib):
    before = lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()
    lib.set_anomaly_enabled(True, check_nan=False)
    assert (lib.is_anomaly_enabled(), lib.is_anomaly_check_nan_enabled()) == (True, False)
    lib.set_anomaly_enabled(*before)
    assert lib.autograd.anomaly_mode.detect_anomaly is lib.autograd.detect_anomaly
    assert lib.autograd.variable.Variable is lib.autograd.Variable


def test_variables_of_older_programs(lib):
    Variable, data = lib.autograd.Variable, lib.ones(2)
    x = Variable(data, requires_grad=True)
    (x * x).sum().backward()
    assert x.grad.tolist() == [2, 2]
    assert (type(x), x.data_ptr()) == (lib.Tensor, data.data_ptr())
    assert not data.requires_grad and not Variable(x).requires_grad
    assert Variable(x * 2, True).is_leaf
    assert Variable().shape == (0,)
    assert isinstance(data, Variable) and isinstance(lib.nn.Parameter(data), Variable)
    assert not isinstance(2.0, Variable)
    with pytest.raises(TypeError, match="Variable data has to be a tensor, but got list"):
        Variable([1.0])
    with pytest.raises(RuntimeError, match="can require gradients"):
        Variable(data.long(), requires_grad=True)
    with pytest.warns(UserWarning, match="volatile was removed"):
        assert Variable(data, volatile=True).tolist() == [1, 1]


@pytest.mark.parametrize("remove", ("mutations", "mutations_and_views"))
def test_functionalize_keeps_results_and_changes(lib, remove):
    def function(x):
        y = x.clone().view(-1)
        y.add_(1)
        x.mul_(3)
        return y.view_as(x)

    x = lib.ones(2, 2)
    assert lib.func.functionalize(function, remove=remove)(x).tolist() == [[2, 2], [2, 2]]
    assert x.tolist() == [[3, 3], [3, 3]]
    gradient = lib.func.functionalize(lib.func.grad(lambda x: (x.clone().mul_(x)).sum()))
    assert gradient(x).tolist() == [[6, 6], [6, 6]]
    with pytest.raises(RuntimeError, match="received invalid argument for remove=views"):
        lib.func.functionalize(function, remove="views")(x)
