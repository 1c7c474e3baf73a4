"""Random programs of hooks, registrations, moves and states of modules must log as in torch.

An error is logged, and the program goes on after it.
"""

import random

import both
import pytest

SETUP = """
import copy
from collections import OrderedDict

G = nn.modules.module
log = []
handles = []
x = torch.tensor([1.0, 2.0], requires_grad=True)

class Leaf(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        self.w = nn.Parameter(torch.arange(float(n)))
        self.register_buffer("b", torch.ones(n))
        self.register_buffer("t", torch.ones(n), persistent=False)
    def forward(self, x, k=1):
        log.append("forward")
        return x * self.w.sum() * k + self.b.sum()

class Extra(Leaf):
    def get_extra_state(self):
        return {"e": 3}
    def set_extra_state(self, state):
        log.append(state)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = Leaf()
        self.two = nn.Sequential(Leaf(3), nn.ReLU())
    def forward(self, x, k=1):
        return self.two(self.one(x, k=k))
    def extra_repr(self):
        return "net"

class Failing(nn.Module):
    def forward(self, x, k=1):
        raise ValueError("inside")

def show(v):
    if isinstance(v, torch.Tensor):
        return type(v).__name__, str(v.dtype).split(".")[-1], v.requires_grad, v.tolist()
    if isinstance(v, dict):
        return [(k, show(x)) for k, x in v.items()], getattr(v, "_metadata", None)
    if isinstance(v, (list, tuple)):
        return type(v).__name__, [show(x) for x in v]
    return v if v is None or isinstance(v, (int, float, str, bool)) else type(v).__name__

def note(*seen):
    log.append(show(seen))

def attempt(line):
    try:
        exec(line, globals())
    except RecursionError:
        raise
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        text = str(error).replace("flambeau", "torch")
        log.append((line, kinds[0], text.replace("_forward_unimplemented()", "Module.forward()")))

m = Net()
"""

#: What may stand for a word in braces.
WORDS = {
    "m": "m|m.one|m.two|m.two[0]",
    "name": "one|two|w|b|t|p|new|a.b||training|forward|0|x",
    "place": "new|one|two|w|b|t|p|x",
    "path": "|one|one.w|two.0|two.0.b|w|two.9|one.w.x|forward|new",
    "value": "nn.Parameter(torch.ones(2))|torch.ones(2)|None|nn.ReLU()|Leaf()|Extra()|Failing()|3"
    "|nn.Parameter(torch.ones(2), requires_grad=False)|m.one.w|nn.Buffer(torch.zeros(2))"
    "|torch.ones(2, requires_grad=True) * 2|nn.ParameterList([nn.Parameter(torch.ones(1))])"
    "|nn.ModuleDict({'k': Leaf()})",
    "prepend": "|, prepend=True",
    "always": "|, always_call=True",
    "bool": "True|False",
    "index": "0|-1|5",
    "slice": "0|-1|5|0:1|1:",
    "kept": "|prefix='p.'|keep_vars=True|destination=OrderedDict(a=1)",
    "load": "|, strict=False|, assign=True",
    "move": "double|half|float|bfloat16|eval|train|zero_grad|cpu",
    "to": "torch.float64|torch.int32|dtype=torch.float16|torch.ones(1, dtype=torch.float64)|'cpu'"
    "|memory_format=torch.channels_last|non_blocking=True",
    "state": "{}|{'w': torch.ones(2)}|{'one.w': torch.ones(3), 'zz': torch.ones(1)}|3|{3: 4}",
}
HOOKS = """
<m>.register_forward_pre_hook(lambda m, a: note('pre', <n>, a)<prepend>)
<m>.register_forward_pre_hook(lambda m, a: (note('pre', <n>, a), (a[0] * 2,))[1]<prepend>)
<m>.register_forward_pre_hook(lambda m, a, k: note('pre', <n>, a, k)<prepend>, with_kwargs=True)
<m>.register_forward_pre_hook(lambda m, a, k: ((a[0] * 2,), k), with_kwargs=True)
<m>.register_forward_hook(lambda m, a, o: note('post', <n>, a, o)<prepend><always>)
<m>.register_forward_hook(lambda m, a, o: (note('post', <n>), o * 2)[1]<prepend>)
<m>.register_forward_hook(lambda m, a, k, o: note(<n>, k, o), with_kwargs=True<always>)
<m>.register_full_backward_pre_hook(lambda m, g: note('back', <n>, g)<prepend>)
<m>.register_full_backward_pre_hook(lambda m, g: (g[0] * 2,)<prepend>)
<m>.register_full_backward_hook(lambda m, i, o: note('backward', <n>, i, o)<prepend>)
<m>.register_full_backward_hook(lambda m, i, o: (i[0] * 2,))
<m>.register_state_dict_post_hook(lambda m, s, p, l: note(<n>, list(s), p, l))
<m>._register_state_dict_hook(lambda m, s, p, l: OrderedDict(list(s.items())[1:]))
<m>.register_state_dict_pre_hook(lambda m, p, kept: note(<n>, p, kept))
<m>.register_load_state_dict_pre_hook(lambda m, s, p, l, *a: note(<n>, list(s), p, l, *a))
<m>.register_load_state_dict_post_hook(lambda m, k: note(k.missing_keys, k.unexpected_keys))
<m>.register_load_state_dict_post_hook(lambda m, k: k.missing_keys.clear())
G.register_module_forward_pre_hook(lambda m, a: note('all pre', type(m).__name__, a))
G.register_module_forward_hook(lambda m, a, o: note('all', type(m).__name__, o))
G.register_module_full_backward_hook(lambda m, i, o: note('all back', type(m).__name__, o))
""".strip().splitlines()
CHANGES = """
<m>.<place> = <value>
<m>.<place> = <value>
del <m>.<place>
<m>.register_parameter('<name>', <value>)
<m>.register_buffer('<name>', <value>, persistent=<bool>)
<m>.add_module('<name>', <value>)
<m>.register_module('<name>', <value>)
m.two.append(<value>)
m.two.insert(<index>, 3)
del m.two[<slice>]
m.two[<index>] = <value>
note(repr(m.two.pop(<index>)))
note(m.get_submodule('<path>'), m.get_parameter('<path>'))
note(m.get_buffer('<path>'))
m.set_submodule('<path>', <value>, strict=<bool>)
note(hasattr(<m>, '<name>'), <m>.<place>)
<m>.requires_grad_(<bool>)
<m>.train(<bool>)
handles.pop(<index>).remove()
handles.pop(0).remove()
""".strip().splitlines()
USES = """
note(m(x))
note(m(x, k=2))
y = m(x); y.sum().backward(); note(y, x.grad, [p.grad for p in m.parameters()])
note(<m>.state_dict(<kept>))
note(repr(<m>.load_state_dict(<m>.state_dict()<load>)))
note(repr(<m>.load_state_dict(<state><load>)))
note(repr(m.load_state_dict({**m.state_dict(), **<state>}<load>)))
<m>.<move>(); note(m.state_dict(keep_vars=True))
<m>.to(<to>); note([p for p in m.parameters()], [b for b in m.buffers()])
<m>.type(torch.float64); note(m.state_dict())
<m>.apply(lambda q: note('apply', q))
m = copy.deepcopy(m)
note([(n, v) for n, v in <m>.named_modules(prefix='p', remove_duplicate=<bool>)])
note([(n, v) for n, v in <m>.named_parameters('p', <bool>, <bool>)])
note([(n, v) for n, v in <m>.named_buffers('p', <bool>, <bool>)])
note([n for n, _ in <m>.named_children()], len(m.two), repr(m.two[<slice>]))
note([q.training for q in m.modules()], repr(m))
note(<m>._parameters, <m>._buffers, list(<m>._modules), sorted(<m>._non_persistent_buffers_set))
""".strip().splitlines()
LAST = ["note(repr(m), m.state_dict())", "note(m(x))", "m(x).sum().backward(); note(x.grad)"]
LAST.append("for handle in handles: handle.remove()")


def fill(pattern, number, draw):
    """A line of a program: `pattern` with words of the lists in place of their names."""
    line = pattern.replace("<n>", str(number))
    for word, choices in WORDS.items():
        while f"<{word}>" in line:
            line = line.replace(f"<{word}>", draw.choice(choices.split("|")), 1)
    return line


def program(seed):
    """The lines of a program."""
    draw = random.Random(seed)
    lines = []
    for number in range(draw.randint(5, 14)):
        (kind,) = draw.choices((HOOKS, CHANGES, USES), (3, 3, 4))
        line = fill(draw.choice(kind), number, draw)
        lines.append(f"handles.append({line})" if kind is HOOKS else line)
    return lines + LAST


@pytest.mark.parametrize("seed", range(120))
def test_as_torch(seed):
    both.check(SETUP, f"[attempt(line) for line in {program(seed)!r}], log")
