"""Parametrizations, against torch."""

import both
import pytest

PROGRAM = """
import copy, pickle
P, N = nn.utils.parametrize, nn.utils.parametrizations

class Sym(nn.Module):
    def forward(self, X): return X.triu() + X.triu(1).T
    def right_inverse(self, A): return A.triu()

class NoInv(nn.Module):
    def forward(self, X): return X * 2

class Two(nn.Module):
    def forward(self, x, y): return x + y
    def right_inverse(self, Z): return Z / 2, Z / 2

class Bad(nn.Module):
    def __init__(self, f, inverse=None):
        super().__init__()
        self.f = f
        if inverse:
            self.right_inverse = inverse
    def forward(self, *X): return self.f(*X)

def lin():
    torch.manual_seed(0)
    return nn.Linear(3, 3)

def reg(*parametrizations, name='weight', **options):
    module = lin()
    for one in parametrizations:
        P.register_parametrization(module, name, one, **options)
    return module
"""

EXPRESSIONS = """
reg(Sym())
reg(Sym()).weight
reg(Sym()).state_dict()
reg(Sym(), NoInv())
reg(Sym(), NoInv()).weight
list(reg(Sym(), NoInv()).state_dict())
reg(Two()).state_dict()
reg(Two()).weight
reg(Sym()).parametrizations.weight.original
setattr(reg(NoInv()), 'weight', torch.ones(3, 3))
setattr(reg(Sym()), 'weight', nn.Parameter(torch.ones(3, 3)))
reg(Sym(), name='nope')
reg(Sym(), name='in_features')
copy.deepcopy(reg(Sym())).weight
pickle.dumps(reg(Sym()))
P.is_parametrized(reg(Sym())), P.is_parametrized(lin()), P.is_parametrized(reg(Sym()), 'bias')
P.remove_parametrizations(reg(Sym()), 'weight').weight
P.remove_parametrizations(reg(Sym()), 'weight', leave_parametrized=False).weight
P.remove_parametrizations(reg(Two()), 'weight').weight
P.remove_parametrizations(reg(Two()), 'weight', False)
P.remove_parametrizations(lin(), 'weight')
type(P.remove_parametrizations(reg(Sym()), 'weight')).__name__
P.type_before_parametrizations(reg(Sym())).__name__
type(reg(Sym())).__name__
reg(Bad(lambda x: 3))
reg(Bad(lambda x: x.double()))
reg(Bad(lambda x: x[0]))
reg(Bad(lambda x: x.double()), unsafe=True).weight.dtype
reg(Bad(lambda x: x, lambda x: 3))
reg(Bad(lambda x: x, lambda x: x.double()))
reg(Bad(lambda x: x, lambda x: [3]))
reg(Bad(lambda x: x, lambda x: x[0]))
reg(Sym(), Bad(lambda x: 3))
reg(Sym(), Bad(lambda x: x.double()))
reg(Sym(), Bad(lambda x: x[0]))
reg(Sym(), Bad(lambda x: x, lambda x: 3))
reg(Sym(), Bad(lambda x: x, lambda x: x.double()))
reg(Sym(), Bad(lambda x: x, lambda x: x[0]))
reg(Sym(), Bad(lambda x: x, lambda x: (x, x)))
P.ParametrizationList([], torch.ones(1))
P.ParametrizationList([Sym()], torch.ones(2, 2))
P.transfer_parametrizations_and_params(reg(Sym()), lin())
P.transfer_parametrizations_and_params(reg(Sym()), nn.Linear(3, 3)).weight
P.transfer_parametrizations_and_params(reg(Two()), nn.Linear(3, 3)).weight
P.transfer_parametrizations_and_params(lin(), nn.Linear(3, 3))
P.transfer_parametrizations_and_params(reg(Two()), nn.Module())
P.transfer_parametrizations_and_params(reg(Two()), nn.Linear(3, 3), 'weight')
P.transfer_parametrizations_and_params(reg(Two()), nn.Linear(3, 3), 'bias')
[m := reg(Sym()), m.eval(), m.parametrizations.weight[0].training]
[m := reg(Sym()), m.load_state_dict(m.state_dict())]
lin().load_state_dict(reg(Sym()).state_dict())
[n for n, _ in reg(Two()).named_parameters()]
reg(Sym())(torch.ones(1, 3))
[m := reg(Sym()), m(torch.ones(1, 3)).sum().backward(), m.parametrizations.weight.original.grad]
[m := reg(Sym()), m.double().weight.dtype]
[m := reg(Sym()), delattr(m, 'weight')]
reg(Sym()).parametrizations.weight.unsafe, reg(Sym(), unsafe=True).parametrizations.weight.unsafe
'weight' in dir(reg(Sym()))
reg(Sym()).requires_grad_(False).weight.requires_grad
nn.Sequential(reg(Sym()))
""".strip().splitlines()

EXPRESSIONS += [
    "[m := reg(Sym()), setattr(m, 'weight', torch.ones(3, 3)), m.weight, "
    "m.parametrizations.weight.original]",
    "[m := reg(Two()), setattr(m, 'weight', torch.ones(3, 3)), m.weight, "
    "m.parametrizations.weight.original0]",
    "[m := lin().eval(), P.register_parametrization(m, 'weight', "
    "Sym()).parametrizations.weight[0].training]",
    "[m := lin(), w := m.weight, P.register_parametrization(m, 'weight', Sym()), "
    "m.parametrizations.weight.original is w, P.remove_parametrizations(m, 'weight').weight "
    "is w]",
    "[b := nn.BatchNorm1d(2), P.register_parametrization(b, 'running_mean', NoInv()), "
    "list(b.state_dict()), b.running_mean, P.remove_parametrizations(b, 'running_mean'), "
    "list(b._buffers)]",
    "[m := reg(Sym()), setattr(m.parametrizations.weight[0], 'right_inverse', lambda x: 3), "
    "setattr(m, 'weight', torch.ones(3, 3))]",
    "[m := reg(Sym()), setattr(m.parametrizations.weight[0], 'right_inverse', lambda x: "
    "x.double()), setattr(m, 'weight', torch.ones(3, 3))]",
    "[m := reg(Two()), setattr(m.parametrizations.weight[0], 'right_inverse', lambda x: 3), "
    "setattr(m, 'weight', torch.ones(3, 3))]",
    "[m := reg(Two()), setattr(m.parametrizations.weight[0], 'right_inverse', lambda x: (x, "
    ")), setattr(m, 'weight', torch.ones(3, 3))]",
    "[m := reg(Two()), setattr(m.parametrizations.weight[0], 'right_inverse', lambda x: (x, "
    "x.double())), setattr(m, 'weight', torch.ones(3, 3))]",
    "[m := reg(Two()), setattr(m.parametrizations.weight[0], 'right_inverse', lambda x: x), "
    "setattr(m, 'weight', torch.ones(3, 3))]",
    "[m := reg(Sym()), P.register_parametrization(m, 'bias', NoInv()), "
    "P.remove_parametrizations(m, 'weight'), m.bias, P.remove_parametrizations(m, 'bias')]",
    "[m := reg(Sym()), c := copy.deepcopy(m), setattr(c, 'weight', torch.ones(3, 3)), "
    "m.weight, type(c) is type(m)]",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


def test_a_parametrized_tensor_is_computed_once_while_cached():
    import flambeau
    from flambeau.nn.utils import parametrizations, parametrize

    layer = parametrizations.weight_norm(flambeau.nn.Linear(2, 2))
    assert layer.weight is not layer.weight
    with parametrize.cached():
        with parametrize.cached():
            weight = layer.weight
        assert layer.weight is weight
    assert layer.weight is not weight
