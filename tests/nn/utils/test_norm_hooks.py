"""Weight norm and spectral norm as hooks, against torch."""

import both
import pytest

PROGRAM = """
import copy, pickle
U = nn.utils

def lin():
    torch.manual_seed(0)
    return nn.Linear(3, 3)
"""

EXPRESSIONS = """
U.weight_norm(lin())
U.weight_norm(lin()).state_dict()
U.weight_norm(lin(), dim=None).state_dict()
U.weight_norm(lin(), dim=1).weight_g
U.weight_norm(lin(), 'nope')
U.weight_norm(U.weight_norm(lin()))
U.remove_weight_norm(U.weight_norm(lin())).state_dict()
U.remove_weight_norm(lin())
U.weight_norm(lin())(torch.ones(1, 3))
type(U.weight_norm(lin()).weight).__name__
[m := U.weight_norm(lin()), m(torch.ones(1, 3)).sum().backward(), m.weight_g.grad, m.weight_v.grad]
copy.deepcopy(U.remove_weight_norm(U.weight_norm(lin())))
copy.deepcopy(U.weight_norm(lin()))
pickle.loads(pickle.dumps(U.weight_norm(lin())))
[m := U.weight_norm(lin()), m.double().weight_g.dtype]
U.weight_norm(nn.LSTM(2, 3), 'weight_hh_l0').weight_hh_l0_g.shape
U.weight_norm(nn.LazyLinear(3))
U.weight_norm(lin(), 'bias').bias_g
list(U.weight_norm(lin())._forward_pre_hooks.values())[0].__class__.__name__
[n for n, _ in U.weight_norm(lin()).named_parameters()]
U.spectral_norm(lin())
U.spectral_norm(lin()).state_dict()
U.spectral_norm(lin()).state_dict()._metadata
U.spectral_norm(lin()).weight
type(U.spectral_norm(lin()).weight).__name__
U.spectral_norm(lin())(torch.ones(1, 3))
[m := U.spectral_norm(lin()), m(torch.ones(1, 3)), m.weight.detach(), m.weight_u]
[m := U.spectral_norm(lin()).eval(), m(torch.ones(1, 3)), m.weight.detach(), m.weight_u]
U.spectral_norm(U.spectral_norm(lin()))
U.spectral_norm(lin(), n_power_iterations=0)
U.spectral_norm(lin(), 'nope')
U.spectral_norm(lin(), dim=1).weight_u
U.spectral_norm(nn.Conv2d(2, 3, 2)).weight_v.shape
U.remove_spectral_norm(U.spectral_norm(lin())).state_dict()
U.remove_spectral_norm(lin())
[m := U.spectral_norm(lin()), m.load_state_dict(U.spectral_norm(lin()).state_dict())]
[m := U.spectral_norm(lin()), m(torch.ones(1, 3)).sum().backward(), m.weight_orig.grad]
[m := U.spectral_norm(lin()), d := m.state_dict(), d._metadata.clear(), m.load_state_dict(d)]
[m := U.spectral_norm(lin()), m.load_state_dict(lin().state_dict())]
U.spectral_norm(lin(), n_power_iterations=3)(torch.ones(1, 3))
U.spectral_norm(nn.LazyLinear(2))
pickle.loads(pickle.dumps(U.remove_spectral_norm(U.spectral_norm(lin()))))
list(U.spectral_norm(lin())._forward_pre_hooks.values())[0].__dict__
U.spectral_norm(lin(), 'bias')
copy.deepcopy(U.spectral_norm(lin()))
""".strip().splitlines()

EXPRESSIONS += [
    "[m := U.spectral_norm(lin()), d := m.state_dict(), d._metadata.clear(), "
    "d.pop('weight_v'), m.load_state_dict(d)]",
    "[m := U.spectral_norm(lin()), d := m.state_dict(), d._metadata.clear(), "
    "d.pop('weight_v'), d.update(weight=m.weight), m.load_state_dict(d), m.weight_v]",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


def test_removing_spectral_norm_removes_its_hooks():
    from flambeau import nn

    layer = nn.utils.remove_spectral_norm(nn.utils.spectral_norm(nn.Linear(2, 2)))
    for hooks in (layer._forward_pre_hooks, layer._state_dict_hooks):
        assert not hooks
    assert not layer._load_state_dict_pre_hooks
