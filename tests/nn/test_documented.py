"""What documents say of modules, beside what they print, against torch."""

import re

import both
import pytest

PROGRAM = """
F = nn.functional
def L(*sizes):
    torch.manual_seed(1)
    return nn.Linear(*sizes)
def hooked(register, result):
    l, x = L(1, 1), torch.ones(1, 1, requires_grad=True)
    getattr(l, f"register_full_backward_{register}")(lambda m, *gradients: result)
    l(x).sum().backward()
    return x.grad
def attend(query=(2, 1, 4), key=(2, 1, 4), value=(2, 1, 4), embed=4, heads=2, packed=True, **k):
    sizes = (torch.ones(*size) for size in (query, key, value))
    packed = torch.ones(12, 4) if packed else None
    more = (None, None, False, 0.0, torch.ones(4, 4), torch.ones(4))
    return F.multi_head_attention_forward(
        *sizes, embed, heads, packed, torch.ones(12), *more, **k)
def mask(*size): return torch.ones(*size)
def converted(overwrite):
    future, l = torch.__future__, L(1, 1)
    future.set_overwrite_module_params_on_conversion(overwrite)
    try:
        w, w.grad = l.weight, torch.ones(1, 1)
        l.double()
        return l.weight is w, l.weight, l.weight.grad, l.bias.grad, w.dtype, list(l.parameters())
    finally:
        future.set_overwrite_module_params_on_conversion(False)
"""

EXPRESSIONS = """
hooked("hook", torch.ones(1, 1) * 7)
hooked("hook", (torch.ones(1, 1) * 7,))
hooked("hook", [torch.ones(1, 1) * 7])
hooked("hook", (torch.ones(2, 1),))
hooked("hook", 3)
hooked("hook", (1,))
hooked("hook", (None, None))
hooked("pre_hook", torch.ones(1, 1) * 7)
hooked("pre_hook", (torch.ones(1, 1) * 7,))
hooked("pre_hook", (3,))
converted(False)
converted(True)
attend(embed=5)
attend(heads=3)
attend(value=(3, 1, 4))
attend(key=(2, 4))
attend(query=(2,))
attend(attn_mask=mask(3))
attend(attn_mask=mask(3, 3))
attend(key_padding_mask=mask(3, 3))
attend(key_padding_mask=mask(2))
attend(packed=False, use_separate_proj_weight=True)
attend(static_k=mask(3, 3, 3))
nn.MultiheadAttention(4, 2)(mask(2, 1, 4), mask(2, 1, 4), mask(2, 2, 4))
F.dropout3d(torch.ones(2, 3, 4))
F.dropout2d(torch.ones(2, 3))
F.dropout2d(torch.ones(2, 3, 2, 2))
optim.lr_scheduler.StepLR(optim.SGD(L(1, 1).parameters()), 3)
__import__("importlib").import_module(nn.__name__ + "._reduction").legacy_get_string(None, False)
__import__("importlib").import_module(nn.__name__ + "._reduction").legacy_get_enum(False, None)
__import__("importlib").import_module(nn.__name__ + "._reduction").get_enum("x")
nn.MSELoss(size_average=False).reduction
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


@pytest.mark.parametrize(
    "expression",
    [
        "nn.LazyLinear(3).to_empty(device='cpu')",
        "nn.LazyBatchNorm1d().to_empty(device='cpu')",
        "nn.LazyLinear(3).to_empty(device='meta')",
    ],
)
def test_a_lazy_module_has_no_size_to_be_empty_in(expression):
    import flambeau

    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    found = [both.outcome(PROGRAM, expression, module)[0] for module in (flambeau, torch)]
    for text in found:
        assert re.match("ValueError: Attempted to use an uninitialized parameter in ", text)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("(torch.ones(1, requires_grad=True) * 2).grad", "is not a leaf"),
        ("torch.chain_matmul(torch.eye(2), torch.eye(2))", "chain_matmul is deprecated"),
        ("torch.eye(2).lu()", "linalg.lu_factor"),
        ("torch.set_default_tensor_type('torch.FloatTensor')", "is deprecated"),
    ],
)
def test_deprecated_and_mistaken_calls_warn(expression, text):
    import flambeau

    warned = both.outcome(PROGRAM, expression, flambeau)[1]
    assert len(warned) == 1
    assert text in warned[0]


def test_gradients_of_retained_and_of_leaf_tensors_are_read_without_a_warning():
    import flambeau

    x = flambeau.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    assert x.grad is None
    assert y.grad is None
    y.sum().backward()
    assert y.grad.tolist() == [1.0, 1.0]
