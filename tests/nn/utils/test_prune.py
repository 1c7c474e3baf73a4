"""Pruning, against torch."""

import both
import pytest

import flambeau
from flambeau.nn.utils import prune

PROGRAM = """
import copy, pickle
from importlib import import_module
P = import_module(nn.__name__ + '.utils.prune')

def lin():
    torch.manual_seed(0)
    return nn.Linear(4, 3)

def conv():
    torch.manual_seed(0)
    return nn.Conv2d(3, 4, 2)

def two(): return nn.Sequential(lin(), nn.Linear(3, 2))

def st(module): return {key: value.tolist() for key, value in module.state_dict().items()}

class Half(P.BasePruningMethod):
    PRUNING_TYPE = 'unstructured'
    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask

class Bad(P.BasePruningMethod):
    PRUNING_TYPE = 'foo'
    def compute_mask(self, t, default_mask): return default_mask

def gl(module, *args, **kwargs):
    P.global_unstructured([(module[0], 'weight'), (module[1], 'weight')], *args, **kwargs)
    return st(module)
"""

EXPRESSIONS = """
P.random_unstructured(lin(), 'weight', 0.5)
st(P.random_unstructured(lin(), 'weight', 0.5))
st(P.random_unstructured(lin(), 'weight', 3))
st(P.l1_unstructured(lin(), 'weight', 0.5))
st(P.l1_unstructured(lin(), 'bias', 1))
st(P.l1_unstructured(lin(), 'weight', 0.3, importance_scores=torch.arange(12.).reshape(3, 4)))
st(P.ln_structured(lin(), 'weight', 0.5, n=2, dim=0))
st(P.ln_structured(lin(), 'weight', 1, n=1, dim=1))
st(P.ln_structured(conv(), 'weight', 2, n=float('inf'), dim=0))
st(P.ln_structured(lin(), 'weight', 0.5, n='nuc', dim=0))
st(P.random_structured(conv(), 'weight', 2, dim=1))
st(P.random_structured(lin(), 'weight', 0.5, dim=-1))
st(P.identity(lin(), 'bias'))
st(P.custom_from_mask(lin(), 'bias', torch.tensor([1, 0, 1])))
st(P.remove(P.l1_unstructured(lin(), 'weight', 0.5), 'weight'))
P.remove(lin(), 'weight')
[m := lin(), P.random_structured(m, 'weight', 1, 1), P.random_structured(m, 'weight', 1, 1), st(m)]
gl(two(), P.L1Unstructured, amount=5)
gl(two(), P.RandomUnstructured, amount=0.5)
gl(two(), P.LnStructured, amount=0.5)
gl(two(), P.L1Unstructured, amount=50)
P.global_unstructured(3, P.L1Unstructured, amount=1)
P.global_unstructured([(lin(), 'weight')], P.L1Unstructured, importance_scores=3, amount=1)
P.l1_unstructured(lin(), 'weight', 1.5)
P.l1_unstructured(lin(), 'weight', -1)
P.l1_unstructured(lin(), 'weight', 100)
P.l1_unstructured(lin(), 'weight', 'a')
P.l1_unstructured(lin(), 'nope', 1)
P.ln_structured(lin(), 'bias', 1, 2, 0)
P.ln_structured(lin(), 'weight', 1, 2, 5)
P.random_structured(lin(), 'bias', 1, 0)
P.random_structured(lin(), 'weight', 1, 5)
P.random_structured(lin(), 'weight', 1.0, 0)
st(P.l1_unstructured(lin(), 'weight', 0))['weight_mask']
P.custom_from_mask(lin(), 'bias', torch.tensor([1, 0]))
P.l1_unstructured(lin(), 'weight', 0.3, importance_scores=torch.ones(2))
P.L1Unstructured(0.5).prune(torch.tensor([1., -2, 3, -4]))
P.L1Unstructured(2).prune(torch.tensor([1., -2, 3, -4]), default_mask=torch.tensor([1., 1, 0, 1]))
P.RandomUnstructured(0.5).prune(torch.ones(4))
P.BasePruningMethod()
P.PruningContainer()
P.PruningContainer(P.L1Unstructured(1))
P.PruningContainer(3)
[c := P.PruningContainer(), c.add_pruning_method(Half())]
st(Half.apply(lin(), 'weight'))
[m := lin(), type(Half.apply(m, 'weight')).__name__, type(Half.apply(m, 'weight')).__name__, st(m)]
[m := lin(), type(Half.apply(m, 'weight')).__name__, P.l1_unstructured(m, 'weight', 2), st(m)]
[m := lin(), P.l1_unstructured(m, 'weight', 2), Bad.apply(m, 'weight')]
copy.deepcopy(P.l1_unstructured(lin(), 'weight', 0.5))
pickle.loads(pickle.dumps(P.l1_unstructured(lin(), 'weight', 0.5))).weight.detach()
[n for n, _ in P.l1_unstructured(lin(), 'weight', 0.5).named_parameters()]
[n for n, _ in P.l1_unstructured(lin(), 'weight', 0.5).named_buffers()]
P.l1_unstructured(lin(), 'weight', 0.5)(torch.ones(1, 4)).detach()
[m := P.l1_unstructured(lin(), 'weight', 0.5), m.load_state_dict(m.state_dict())]
st(P.l1_unstructured(nn.GRU(2, 2), 'weight_ih_l0', 0.5))['weight_ih_l0_mask']
P.ln_structured(lin(), 'weight', 10, 2, 0)
""".strip().splitlines()

EXPRESSIONS += [
    "st(P.ln_structured(conv(), 'weight', 1, 2, 0, "
    "importance_scores=torch.arange(48.).reshape(4, 3, 2, 2)))",
    "P.is_pruned(lin()), P.is_pruned(P.identity(lin(), 'bias')), "
    "P.is_pruned(nn.Sequential(P.identity(lin(), 'bias')))",
    "[m := lin(), P.l1_unstructured(m, 'weight', 0.3), P.random_unstructured(m, 'weight', "
    "0.5), st(m), [type(h).__name__ for h in m._forward_pre_hooks.values()], "
    "len(list(m._forward_pre_hooks.values())[0])]",
    "[m := lin(), P.l1_unstructured(m, 'weight', 0.3), P.ln_structured(m, 'weight', 1, 2, "
    "0), st(m), list(m._forward_pre_hooks.values())[0][1].__class__.__name__, "
    "[type(x).__name__ for x in list(m._forward_pre_hooks.values())[0]]]",
    "[m := lin(), P.ln_structured(m, 'weight', 1, 2, 0), P.ln_structured(m, 'weight', 1, 2, "
    "0), P.l1_unstructured(m, 'weight', 2), st(m)]",
    "[m := lin(), P.l1_unstructured(m, 'weight', 0.3), P.global_unstructured([(m, "
    "'weight')], P.L1Unstructured, amount=3), st(m)]",
    "[m := two(), P.global_unstructured([(m[0], 'weight'), (m[1], 'weight')], "
    "P.L1Unstructured, importance_scores={(m[0], 'weight'):torch.arange(12.).reshape(3, 4)}, "
    "amount=4), st(m)]",
    "P.L1Unstructured(2).prune(torch.tensor([1., -2, 3, -4]), "
    "importance_scores=torch.tensor([4., 3, 2, 1]))",
    "[c := P.PruningContainer(), setattr(c, '_tensor_name', 'weight'), setattr(h := Half(), "
    "'_tensor_name', 'bias'), c.add_pruning_method(h)]",
    "[h := Half(), setattr(h, '_tensor_name', 'w'), c := P.PruningContainer(h), len(c), "
    "list(c)==[h], c[0] is h]",
    "[m := P.l1_unstructured(lin(), 'weight', 0.5), m(torch.ones(1, 4)).sum().backward(), "
    "m.weight_orig.grad, type(m.weight).__name__]",
    "[m := P.l1_unstructured(lin(), 'weight', 0.5), setattr(m, 'weight_mask', torch.ones(3, "
    "4)), m(torch.ones(1, 4)).shape]",
    "[(k, getattr(P, k).PRUNING_TYPE) for k in ('Identity', 'RandomUnstructured', "
    "'L1Unstructured', 'RandomStructured', 'LnStructured', 'CustomFromMask', "
    "'PruningContainer')]",
    "[m := lin(), P.l1_unstructured(m, 'weight', 0.5), P.l1_unstructured(m, 'bias', 1), "
    "P.remove(m, 'weight'), st(m), P.is_pruned(m)]",
    "[m := lin(), P.custom_from_mask(m, 'weight', torch.zeros(3, 4)), P.ln_structured(m, "
    "'weight', 1, 2, 0), st(m)]",
    "[m := conv(), P.random_structured(m, 'weight', 1, 0), P.ln_structured(m, 'weight', 1, "
    "2, 1), P.l1_unstructured(m, 'weight', 0.5), st(m)]",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


def test_a_method_that_fails_changes_nothing():
    from flambeau import nn
    from flambeau.nn.utils import prune

    layer = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="smaller than the number of parameters"):
        prune.l1_unstructured(layer, "weight", 9)
    assert list(layer.state_dict()) == ["weight", "bias"]
    prune.l1_unstructured(layer, "weight", 1)
    prune.l1_unstructured(layer, "weight", 1)
    with pytest.raises(ValueError, match="smaller than the number of parameters"):
        prune.l1_unstructured(layer, "weight", 9)
    (hook,) = layer._forward_pre_hooks.values()
    assert len(hook) == 2 and layer.weight_mask.sum() == 2


def test_a_norm_for_matrices_is_taken_of_slices_of_any_size():
    from flambeau import nn
    from flambeau.nn.utils import prune

    layer = prune.ln_structured(nn.Conv2d(3, 4, 2), "weight", 2, n="fro", dim=0)
    assert layer.weight_mask.sum() == 24


@pytest.mark.parametrize("name", ["bias", "kept"])
def test_only_parameters_are_pruned(name):
    layer = flambeau.nn.Linear(2, 2, bias=False)
    layer.register_buffer("kept", flambeau.ones(2))
    with pytest.raises(TypeError):
        prune.l1_unstructured(layer, name, 1)
    assert list(layer.state_dict()) == ["weight", "kept"]
