"""Hooks of modules, against torch: the same program must log the same lines."""

import both
import pytest

import flambeau
from flambeau import nn

PROGRAM = """
log = []
m = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
with torch.no_grad():
    m[0].weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    m[0].bias.zero_()
x = torch.tensor([[1.0, 1.0]], requires_grad=True)

def note(name, result=None):
    def hook(module, *rest):
        log.append((name, type(module).__name__, rest))
        return result
    return hook

class Failing(nn.Module):
    def forward(self, x):
        raise ValueError("failed")

class Keyword(nn.Module):
    def forward(self, x, scale=1.0):
        return x * scale

def double(module, args): return args[0] * 2
def double_kwargs(module, args, kwargs): return args, {"scale": kwargs["scale"] * 2}
def failing(*args): raise KeyError("hook")

def run(f):
    try:
        f()
    except Exception as e:
        log.append(repr(e))
    return log
"""

CASES = {
    "pre": "m.register_forward_pre_hook(note('a')); m(x)",
    "pre_replaces": "m.register_forward_pre_hook(double); log.append(m(x))",
    "pre_kwargs": "k = Keyword(); k.register_forward_pre_hook(double_kwargs, with_kwargs=True);"
    " log.append(k(x, scale=3.0))",
    "pre_kwargs_wrong": "k = Keyword();"
    " k.register_forward_pre_hook(note('a', 3), with_kwargs=True); run(lambda: k(x))",
    "order": "m.register_forward_hook(note('a')); m.register_forward_hook(note('b'), prepend=True);"
    " m(x)",
    "replaces": "m.register_forward_hook(note('a', x)); log.append(m(x) is x)",
    "kwargs": "k = Keyword();"
    " k.register_forward_hook(note('a'), with_kwargs=True); k(x, scale=2.0)",
    "removed": "h = m.register_forward_hook(note('a')); h.remove(); h.remove(); m(x)",
    "with_block": "with m.register_forward_hook(note('a')): m(x)\nm(x)",
    "always": "f = Failing(); f.register_forward_hook(note('a'), always_call=True);"
    " f.register_forward_hook(note('b')); run(lambda: f(x))",
    "always_failing": "f = Failing(); f.register_forward_hook(failing, always_call=True);"
    " run(lambda: f(x))",
    "always_once": "m.register_forward_hook(note('a'), always_call=True);"
    " m.register_forward_hook(failing); run(lambda: m(x))",
    "cleared": "m.register_forward_hook(note('a')); m._forward_hooks.clear(); m(x)",
    "backward": "m[0].register_full_backward_hook(note('a')); m(x).sum().backward();"
    " log.append(x.grad)",
    "backward_replaces": "m[0].register_full_backward_hook(lambda m, gi, go: (gi[0] * 2,));"
    " m(x).sum().backward(); log.append(x.grad)",
    "backward_many": "m[0].register_full_backward_hook(lambda m, gi, go: (gi[0], gi[0]));"
    " run(lambda: m(x).sum().backward())",
    "backward_no_input_grad": "m[0].register_full_backward_hook(note('a'));"
    " m(x.detach()).sum().backward()",
    "backward_pre": "m[0].register_full_backward_pre_hook(note('a'));"
    " m[0].register_full_backward_hook(note('b')); m(x).sum().backward()",
    "backward_pre_replaces": "m[0].register_full_backward_pre_hook(lambda m, go: (go[0] * 3,));"
    " m(x).sum().backward(); log.append(x.grad)",
    "backward_no_grad": "m[0].register_full_backward_hook(note('a'))\n"
    "with torch.no_grad(): log.append(m(x).requires_grad)",
    "backward_mixed": "m.register_backward_hook(note('a'));"
    " run(lambda: m.register_full_backward_hook(note('b')))",
    "state_pre": "m.register_state_dict_pre_hook(lambda m, p, k: log.append((p, k)));"
    " m.state_dict()",
    "state_post": "m[0].register_state_dict_post_hook("
    "lambda m, s, p, l: s.__delitem__(p + 'bias')); log.append(list(m.state_dict()))",
    "state_post_returns": "m.register_state_dict_post_hook(lambda m, s, p, l: s);"
    " run(lambda: m.state_dict())",
    "state_private": "m._register_state_dict_hook(lambda m, s, p, l: {'k': 1});"
    " log.append(m.state_dict())",
    "load_pre": "m[0].register_load_state_dict_pre_hook(lambda m, s, *a: log.append((list(s), a)));"
    " m.load_state_dict(m.state_dict())",
    "load_post": "m.register_load_state_dict_post_hook(lambda m, k: k.missing_keys.clear());"
    " log.append(m.load_state_dict({}, strict=False))",
    "global_forward": "G = nn.modules.module\n"
    "with G.register_module_forward_pre_hook(note('a')),"
    " G.register_module_forward_hook(note('b')): m(x)\nm(x)",
    "global_forward_kwargs": "k = Keyword()\n"
    "with nn.modules.module.register_module_forward_hook(note('a'), with_kwargs=True):"
    " k(x, scale=2.0)",
    "global_always": "f = Failing()\n"
    "with nn.modules.module.register_module_forward_hook(note('a'), always_call=True):"
    " run(lambda: f(x))",
    "global_backward": "G = nn.modules.module\n"
    "with G.register_module_full_backward_hook(note('a')),"
    " G.register_module_full_backward_pre_hook(note('b')): m[0](x).sum().backward()",
    "global_registration": "G = nn.modules.module\n"
    "with G.register_module_parameter_registration_hook(lambda m, n, p: log.append(n)),"
    " G.register_module_buffer_registration_hook(lambda m, n, b: log.append(n)),"
    " G.register_module_module_registration_hook(lambda m, n, c: log.append(n)):"
    " nn.Sequential(nn.BatchNorm1d(2))",
}


@pytest.mark.parametrize("case", CASES)
def test_as_torch(case):
    both.check(f"{PROGRAM}\n{CASES[case]}", "log")


def test_tuple_and_none_inputs_of_backward_hooks():
    class Model(nn.Module):
        def forward(self, a, b, c):
            return a * 2, b * 3

    seen = []
    model = Model()
    model.register_full_backward_hook(lambda module, gi, go: seen.append((gi, go)))
    a, b = flambeau.ones(1, requires_grad=True), flambeau.ones(1)
    first, second = model(a, b, None)
    assert not second.requires_grad
    first.backward()
    (grad_in, grad_out) = seen[0]
    assert float(grad_in[0]) == 2 and float(grad_in[1]) == 0 and grad_in[2] is None
    assert float(grad_out[0]) == 1 and grad_out[1] is None


def test_load_post_hook_must_return_none():
    layer = nn.Linear(1, 1)
    layer.register_load_state_dict_post_hook(lambda module, keys: 3)
    with pytest.raises(AssertionError, match="are not expected to return new values"):
        layer.load_state_dict(layer.state_dict())


def test_a_module_whose_hooks_are_gone_is_called_directly():
    layer = nn.Linear(1, 1)
    x = flambeau.ones(1, 1)
    layer.register_forward_hook(lambda *args: None).remove()
    everywhere = nn.modules.module.register_module_forward_hook(lambda *args: None)
    layer(x)
    assert layer._hooked
    everywhere.remove()
    layer(x)
    assert not layer._hooked and not nn.ReLU()._hooked
