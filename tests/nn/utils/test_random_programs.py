"""Random programs of parametrizations, norms of weights and pruning must go as in torch.

They log what they see; an error is logged by its class, and the program goes on after it, but for
pruning, which leaves a module as it was where torch may leave it half pruned.
"""

import random
import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
pytest.importorskip("torch.nn.utils.prune", reason="it is loaded by hand")

SETUP = """
import copy, math
Z, S, P = nn.utils.parametrize, nn.utils.parametrizations, nn.utils.prune
log = []

class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT
    def right_inverse(self, a):
        return a.triu()

class Double(nn.Module):
    def forward(self, x):
        return x * 2

class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.k = nn.Parameter(torch.ones(1))
    def forward(self, x):
        log.append("scaled")
        return x.tanh() * self.k
    def right_inverse(self, a):
        return a / (a.abs().max() + 1)

class Product(nn.Module):
    def forward(self, a, b):
        return a @ b
    def right_inverse(self, w):
        return w[:, :1].clone(), w[:1, :].clone()

class ToSum(nn.Module):
    def forward(self, x):
        return x.sum()

class ToDouble(nn.Module):
    def forward(self, x):
        return x.double()

class Shifted(nn.Module):
    def forward(self, x):
        return x + 1
    def right_inverse(self, x):
        raise NotImplementedError("no inverse")

class EverySecond(P.BasePruningMethod):
    PRUNING_TYPE = "unstructured"
    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.c = nn.Conv2d(3, 2, 2)
        self.d = nn.Linear(3, 2, bias=False)
        self.t = nn.ConvTranspose1d(3, 2, 2)

INPUTS = {"a": (2, 3), "d": (2, 3), "c": (1, 3, 4, 4), "t": (1, 3, 4)}

def show(v):
    if isinstance(v, torch.Tensor):
        return str(v.dtype).split(".")[-1], v.requires_grad, list(v.shape), v.detach()
    if isinstance(v, dict):
        return [(k, show(x)) for k, x in v.items()]
    if isinstance(v, (list, tuple)):
        return [show(x) for x in v]
    return v if v is None or isinstance(v, (int, float, str, bool)) else type(v).__name__

def note(*seen):
    log.append(show(seen))

def run():
    for name, shape in INPUTS.items():
        x = torch.linspace(-1, 1, math.prod(shape)).reshape(shape)
        attempt(f"note(m.{name}(x))", x=x)

def gradients():
    m.zero_grad()
    m.a(torch.ones(1, 3)).pow(2).sum().backward()
    note([(name, p.grad) for name, p in m.named_parameters()])

def attempt(line, **names):
    try:
        exec(line, globals() | names, globals())
    except Exception as error:
        kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
        log.append((line, kinds[0].replace("NotImplemented", "Runtime")))
        return False
    return True

m = Net()
"""

WORDS = {
    "m": "m.a|m.a|m.d|m.c|m.t",
    "name": "'weight'|'weight'|'weight'|'bias'|'nothing'",
    "kind": "Symmetric()|Double()|Scaled()|Product()|ToSum()|ToDouble()|Shifted()|nn.Tanh()",
    "unsafe": "||, unsafe=True",
    "bool": "True|False",
    "dim": "|, dim=0|, dim=1|, dim=None",
    "powers": "1|2|0|n_power_iterations=3",
    "map": "|, 'matrix_exp'|, 'cayley'|, 'householder'|, 'x'|, use_trivialization=False"
    "|, 'householder', use_trivialization=False",
    "new": "torch.eye(3)|torch.arange(9.).reshape(3, 3)|nn.Parameter(torch.ones(3, 3))|None",
    "amount": "0.5|0.3|1|2|0|1.0|7|-1|1.5|20",
    "order": "1|2|float('inf')",
    "axis": "0|1|-1|5",
    "mask": "torch.ones(3, 3).tril()|torch.zeros(3, 3)|torch.eye(3).bool()",
    "method": "L1Unstructured|RandomUnstructured",
}
PARAMETRIZATIONS = """
Z.register_parametrization(<m>, <name>, <kind><unsafe>)
Z.register_parametrization(<m>, <name>, <kind><unsafe>)
Z.remove_parametrizations(<m>, <name>, leave_parametrized=<bool>)
note(Z.is_parametrized(<m>), Z.is_parametrized(<m>, <name>), type(<m>).__name__)
note(Z.type_before_parametrizations(<m>).__name__)
with Z.cached(): note(<m>.weight is <m>.weight); run()
<m>.weight = <new>
Z.transfer_parametrizations_and_params(m.a, m.d)
note(list(<m>.parametrizations), len(<m>.parametrizations.weight))
del <m>.weight
""".strip().splitlines()
NORMS = """
nn.utils.weight_norm(<m>, <name><dim>)
S.weight_norm(<m>, <name><dim>)
nn.utils.remove_weight_norm(<m>)
nn.utils.spectral_norm(<m>, 'weight', <powers><dim>)
S.spectral_norm(<m>, <name>, <powers><dim>)
nn.utils.remove_spectral_norm(<m>)
S.orthogonal(<m>, <name><map>)
S.orthogonal(<m>, 'weight'<map>)
Z.remove_parametrizations(<m>, <name>, leave_parametrized=<bool>)
m.eval(); run(); m.train()
""".strip().splitlines()
PRUNING = """
P.l1_unstructured(<m>, <name>, <amount>)
P.random_unstructured(<m>, <name>, <amount>)
P.identity(<m>, <name>)
P.l1_unstructured(m.a, 'weight', <amount>, importance_scores=-torch.arange(9.).reshape(3, 3))
P.ln_structured(<m>, <name>, <amount>, n=<order>, dim=<axis>)
P.random_structured(<m>, <name>, <amount>, dim=<axis>)
P.custom_from_mask(m.a, 'weight', mask=<mask>)
P.remove(<m>, <name>)
note(P.is_pruned(<m>), P.is_pruned(m))
P.global_unstructured([(<m>, 'weight'), (m.d, 'weight')], P.<method>, amount=<amount>)
EverySecond.apply(<m>, <name>)
note(P.<method>(<amount>).prune(torch.arange(9.).reshape(3, 3), default_mask=torch.eye(3)))
note([type(hook).__name__ for hook in <m>._forward_pre_hooks.values()])
""".strip().splitlines()
USES = """
m = copy.deepcopy(m)
note(repr(m), [(n, q) for n, q in m.named_modules()])
note(m.state_dict(), list(m.named_parameters()))
note(repr(m.load_state_dict({k: v.clone() for k, v in m.state_dict().items()})))
note(repr(m.load_state_dict(Net().state_dict())))
m = m.double(); m = m.float(); run()
gradients()
run()
""".strip().splitlines()
LAST = ["note(repr(m), m.state_dict(), list(m.named_parameters()))", "run()", "gradients()"]


def program(seed):
    """The lines of a program."""
    draw = random.Random(seed)
    family = draw.choice([PARAMETRIZATIONS, NORMS, PRUNING])
    lines = []
    for _ in range(draw.randint(2, 8)):
        line = draw.choice(family if draw.random() < 0.75 else USES)
        for word, choices in WORDS.items():
            while f"<{word}>" in line:
                line = line.replace(f"<{word}>", draw.choice(choices.split("|")), 1)
        lines.append(line)
    return lines + LAST


def log_of(module, lines):
    """What a program logs, and the texts of its warnings."""
    names = {"torch": module, "nn": module.nn}
    module.manual_seed(0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(SETUP, names)
        for line in lines:
            if not names["attempt"](line) and ("P." in line or "apply" in line):
                break
    return names["log"], [neutral(str(each.message)) for each in caught]


def neutral(text):
    """`text` without the name of a package."""
    return text.replace("flambeau", "torch")


def require_same(ours, theirs):
    """Logs are the same up to the last digits of tensors."""
    if isinstance(theirs, torch.Tensor):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-4)
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), (ours, theirs)
        for mine, other in zip(ours, theirs, strict=True):
            require_same(mine, other)
    elif isinstance(theirs, str):
        assert neutral(ours) == neutral(theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize("seed", range(150))
def test_as_torch(seed):
    lines = program(seed)
    (ours, warned), (theirs, expected) = (log_of(m, lines) for m in (flambeau, torch))
    require_same(ours, theirs)
    assert warned == expected
