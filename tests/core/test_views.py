"""Views: what they share, their place in the graph, and writing through them."""

import numpy as np
import pytest

import flambeau
from flambeau.testing import gradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

VIEWS = """
x.view(6, 4)
x.reshape(-1)
x.transpose(0, 1).reshape(-1)
x.flatten(1)
x.unflatten(2, (2, -1))
x.narrow(1, 1, 2)
x.select(0, -1)
x[1]
x[:, 1:3]
x[None, ..., 0]
x[0].t()
x[0].T
x.mT
x.movedim((0, 1), (2, 0))
x.swapaxes(0, 2)
x.permute(2, 0, 1)
x.unsqueeze(1).squeeze(1)
x.unsqueeze(-1).expand(2, 3, 4, 5)
x.unfold(2, 2, 1)
x.diagonal(1, 1, 2)
x.as_strided((2, 3), (5, 1), 2)
x.view_as(torch.ones(4, 6))
torch.broadcast_to(x[0], (2, 3, 4))
torch.atleast_3d(x[0, 0])
x.ravel()
""".strip().splitlines()

COPIES = """
x.repeat(2, 1, 1)
torch.tile(x, (2,))
x.repeat_interleave(2)
x.repeat_interleave(2, 1)
x.repeat_interleave(torch.tensor([1, 0, 2]), 1)
torch.repeat_interleave(torch.tensor([1, 2, 0]))
x.flip(0, 2)
x.fliplr()
x.roll((1, -2), (0, 2))
x.roll(5)
x.rot90(1, (1, 2))
x.tril(1)
x[0, 0].diag(-1)
x[0].diag()
x.diag_embed(1, 0, 2)
torch.diagflat(x[0])
torch.select_scatter(x, x[0], 0, 1)
torch.slice_scatter(x, x[:, :1] * 2, 1, 2, 3)
torch.diagonal_scatter(x[0], x[0, 0, :3])
torch.as_strided_scatter(x, x[0, :2, :3] * 3, (2, 3), (5, 1), 2)
x.transpose(0, 2).contiguous()
x.clone(memory_format=torch.contiguous_format)
x.to(torch.int32)
x.double()
x.type(torch.float16)
torch.meshgrid(x[0, 0], x[0, :, 0], indexing="xy")[0]
torch.broadcast_tensors(x[0], x)[0]
torch.broadcast_shapes((3, 1), (4,), (2, 1, 1))
x.view(torch.int32)
x.view(torch.int16)
x.view(torch.float64)
""".strip().splitlines()

WRONG = """
x.view(5)
x.transpose(0, 1).view(-1)
x.flatten(2, 1)
x.unflatten(1, (2, 2))
x.unflatten(1, ())
x.narrow(0, 1, 2)
x.narrow(0, 0, -1)
x.select(0, 2)
x.select(3, 0)
x.t()
x[0, 0].mT
x.H
x.movedim((0, 1), (0,))
x.movedim((0, 0), (0, 1))
x.permute(0, 1)
x.permute(0, 0, 1)
x.squeeze(5)
x.expand(4)
x.expand(3, 3, 4)
x.unfold(0, 5, 1)
x.unfold(0, 1, 0)
x.diagonal(0, 1, 1)
x[0, 0].diagonal()
x.diag()
x.as_strided((100,), (1,))
x.as_strided((2,), (-1,))
x.as_strided((2, 2), (1,))
x.repeat(2)
x.repeat(-1, 1, 1)
x.repeat_interleave(-1)
x.repeat_interleave(torch.tensor([1, 2]), 0, output_size=5)
x.repeat_interleave(torch.tensor([1, 2, 3]), 0)
x.flip(0, 0)
x.flip(5)
x.roll(1, (0, 1))
x.rot90(1, (0, 0))
x[0, 0].tril()
x[0, 0].fliplr()
x.transpose(1, 2).view(torch.int8)
x[:, :, :3].view(torch.float64)
x[0, 0, 0].view(torch.uint8)
torch.view_as_real(x)
torch.view_as_complex(x)
x.imag
x.copy_(torch.ones(5))
x[0].copy_(x)
x.fill_("a")
x.fill_(torch.ones(2))
x.to(3)
x.to("nowhere")
x.type("nothing")
x.cuda()
torch.meshgrid(x, indexing="ij")
""".strip().splitlines()


# Elements that share a place cannot be written.
WRITABLE = [
    text for text in VIEWS if not any(word in text for word in ("expand", "broadcast", "unfold"))
]


def numbers(module):
    return module.arange(24.0).reshape(2, 3, 4) / 10


def evaluate(text, module, x):
    return eval(text, {"torch": module, "x": x})


@pytest.mark.parametrize("text", VIEWS + COPIES)
def test_values_and_strides(text):
    ours = evaluate(text, flambeau, numbers(flambeau))
    theirs = evaluate(text, torch, numbers(torch))
    assert repr(ours) == repr(theirs)
    if isinstance(ours, flambeau.Tensor):
        assert ours.stride() == theirs.stride()
        assert ours.storage_offset() == theirs.storage_offset()


@pytest.mark.parametrize("text", WRITABLE)
def test_writing_through_views(text):
    results = []
    for module in (flambeau, torch):
        x = numbers(module)
        evaluate(text, module, x).mul_(3)
        results.append(x.tolist())
    assert results[0] == results[1]


# PyTorch's gradient of as_strided_scatter leaves out the offset; ours has gradcheck as its judge.
WITH_GRADIENTS = [
    text
    for text in VIEWS + COPIES
    if not any(word in text for word in ("int", "shapes", "view(torch", "as_strided_scatter"))
]


@pytest.mark.parametrize("text", WITH_GRADIENTS)
def test_gradients(text):
    found = []
    for module in (flambeau, torch):
        leaf = numbers(module).double().requires_grad_()
        out = evaluate(text, module, leaf * 2)
        if not out.requires_grad:
            return
        weights = module.arange(float(out.numel()), dtype=module.float64).reshape(out.shape) + 1
        (out.double() * weights).sum().backward()
        found.append(leaf.grad.tolist())
    assert found[0] == found[1]


@pytest.mark.parametrize("text", [v for v in WRITABLE if "reshape(-1)" not in v])
def test_writing_to_views_in_the_graph(text):
    found = []
    for module in (flambeau, torch):
        leaf = numbers(module).double().requires_grad_()
        base = leaf * 1
        view = evaluate(text, module, base)
        view.mul_(leaf.reshape(-1)[: view.numel()].reshape(view.shape))
        (base * base).sum().backward()
        found.append(np.array(leaf.grad.tolist()))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_copies_into_views_in_the_graph():
    found = []
    for module in (flambeau, torch):
        source = module.ones(3, dtype=module.float32).requires_grad_()
        base = module.zeros(2, 3, dtype=module.float64)
        base[1] = source * 2
        base[0, 1:].fill_(5)
        view = base[1]
        assert base.requires_grad and view.grad_fn is not None
        (view * module.arange(3.0)).sum().backward()
        found.append(source.grad.tolist())
    assert found[0] == found[1] == [0, 2, 4]


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls_raise_as_in_torch(text):
    with pytest.raises(Exception) as theirs:
        evaluate(text, torch, numbers(torch))
    builtin = next(cls for cls in theirs.type.__mro__ if cls.__module__ == "builtins")
    accepted = (builtin, RuntimeError) if builtin is AssertionError else builtin
    with pytest.raises(accepted) as ours:
        evaluate(text, flambeau, numbers(flambeau))
    assert str(ours.value)


NAMES = """
x.view(2, 2)
x.t()
x.T
x.mT
x.flatten()
x.squeeze()
x.squeeze(0)
x.squeeze((0,))
x.unsqueeze(0)
x.expand(3, 2, 2)
x.repeat(2, 1)
x.flip(0)
x.roll(1)
x.rot90()
x.tril()
x.diag()
x.diagonal()
x.unfold(0, 1, 1)
x[0]
x[:1]
x[None]
x.as_strided((2,), (1,))
x.to(torch.float64)
x.clone()
x.clone().fill_(1)
x.clone().zero_()
torch.ones(2, 2).copy_(x)
torch.complex(x, x)
torch.complex(x, x).real
torch.complex(x, x).conj()
""".strip().splitlines()


@pytest.mark.parametrize("text", NAMES)
def test_names_of_graph_nodes(text):
    shown = [
        repr(evaluate(text, module, module.ones(2, 2, requires_grad=True)))
        for module in (flambeau, torch)
    ]
    assert shown[0] == shown[1]
    assert "grad_fn=<" in shown[0]


def test_a_tensor_without_elements_is_contiguous_whatever_its_strides():
    x = flambeau.empty(3, 0, 2).permute(2, 1, 0)
    assert x.is_contiguous() and x.contiguous() is x and x.stride() == (1, 2, 2)
    assert x.view(-1).shape == (0,) and x.clone().stride() == x.stride()


def test_complex_parts():
    a = flambeau.tensor([1.0, 2.0], dtype=flambeau.float64, requires_grad=True)
    b = flambeau.tensor([3.0, -1.0], dtype=flambeau.float64, requires_grad=True)
    gradcheck(lambda x, y: flambeau.view_as_real(flambeau.complex(x, y)), (a, b))
    gradcheck(lambda x, y: flambeau.complex(x, y).conj().imag * x, (a, b))
    pairs = flambeau.ones(2, 2, dtype=flambeau.float64, requires_grad=True)
    gradcheck(lambda p: flambeau.view_as_real(flambeau.view_as_complex(p * 2)), (pairs,))
    z = flambeau.tensor([1 + 2j])
    z.real = 5
    z.imag.mul_(2)
    assert z.tolist() == [5 + 4j]


def test_as_strided_of_an_expanded_tensor():
    found = []
    for module in (flambeau, torch):
        leaf = module.ones(3, dtype=module.float64).requires_grad_()
        leaf.expand(4, 3).as_strided((3,), (1,)).sum().backward()
        found.append(leaf.grad.tolist())
    assert found[0] == found[1]


def test_in_place_results_keep_their_identity():
    x = flambeau.ones(2)
    assert x.contiguous() is x
    assert x.to(flambeau.float32) is x
    assert x.float() is x and x.cpu() is x
    assert x.to(flambeau.float32, copy=True) is not x
    assert x.copy_(flambeau.zeros(2)) is x
    assert x.real is x


def test_memory_formats():
    for text in (
        "torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)",
        "torch.ones(2, 3, 4, 5).to(memory_format=torch.channels_last)",
        "torch.ones(2, 3, 4, 5).clone(memory_format=torch.channels_last)",
        "torch.ones(2, 3, 4, 5, 6).contiguous(memory_format=torch.channels_last_3d)",
        "torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last) + 1",
        "torch.ones_like(torch.ones(2, 3, 4, 5).permute(0, 2, 3, 1))",
    ):
        ours, theirs = (eval(text, {"torch": m}) for m in (flambeau, torch))
        assert ours.stride() == theirs.stride(), text
        for name in ("contiguous_format", "channels_last"):
            assert ours.is_contiguous(
                memory_format=getattr(flambeau, name)
            ) == theirs.is_contiguous(memory_format=getattr(torch, name)), text


def test_overlapping_copy():
    found = []
    for module in (flambeau, torch):
        x = module.arange(6)
        x[1:].copy_(x[:-1].clone())
        y = module.arange(4).reshape(2, 2)
        y.copy_(y.t().clone())
        found.append((x.tolist(), y.tolist()))
    assert found[0] == found[1]
