"""Weight norm, spectral norm and orthogonal matrices as parametrizations, against torch."""

import both
import pytest

PROGRAM = """
P, N = nn.utils.parametrize, nn.utils.parametrizations

def lin():
    torch.manual_seed(0)
    return nn.Linear(3, 3)
"""

EXPRESSIONS = """
N.weight_norm(lin())
N.weight_norm(lin()).weight.detach()
N.weight_norm(lin(), dim=None).state_dict()
N.weight_norm(lin(), dim=1).state_dict()
[m := N.weight_norm(lin()), setattr(m, 'weight', torch.ones(3, 3)), m.weight.detach()]
N.weight_norm(lin(), 'bias').bias.detach()
N.weight_norm(lin(), 'nope')
N.spectral_norm(lin())
N.spectral_norm(lin()).state_dict()
N.spectral_norm(lin()).weight.detach()
N.spectral_norm(lin(), 'bias').state_dict()
N.spectral_norm(lin(), 'bias').bias.detach()
N.spectral_norm(lin(), n_power_iterations=0)
N.spectral_norm(lin(), dim=2)
N.spectral_norm(lin(), dim=1, n_power_iterations=3).state_dict()
N.spectral_norm(nn.Conv2d(2, 3, 2)).state_dict()
N.spectral_norm(lin().eval()).weight.detach()
N.spectral_norm(lin(), 'nope')
[m := N.spectral_norm(lin()), setattr(m, 'weight', torch.ones(3, 3)), m.weight.detach()]
N.orthogonal(lin())
N.orthogonal(nn.Linear(3, 3), orthogonal_map=None, use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(3, 3), orthogonal_map=None, use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(3, 3), orthogonal_map=None, use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(3, 3), orthogonal_map=None, use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='matrix_exp', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='matrix_exp', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='matrix_exp', use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='matrix_exp', use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='cayley', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='cayley', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='cayley', use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='cayley', use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='householder', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='householder', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(3, 3), orthogonal_map='householder', use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(2, 4), orthogonal_map=None, use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(2, 4), orthogonal_map=None, use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(2, 4), orthogonal_map=None, use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(2, 4), orthogonal_map=None, use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='matrix_exp', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='matrix_exp', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='matrix_exp', use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='matrix_exp', use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='cayley', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='cayley', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='cayley', use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='cayley', use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='householder', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='householder', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(2, 4), orthogonal_map='householder', use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(4, 2), orthogonal_map=None, use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(4, 2), orthogonal_map=None, use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(4, 2), orthogonal_map=None, use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(4, 2), orthogonal_map=None, use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='matrix_exp', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='matrix_exp', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='matrix_exp', use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='matrix_exp', use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='cayley', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='cayley', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='cayley', use_trivialization=False).weight.detach()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='cayley', use_trivialization=False).state_dict()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='householder', use_trivialization=True).weight.detach()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='householder', use_trivialization=True).state_dict()
N.orthogonal(nn.Linear(4, 2), orthogonal_map='householder', use_trivialization=False).state_dict()
N.orthogonal(lin(), 'bias')
N.orthogonal(lin(), 'nope')
N.orthogonal(lin(), orthogonal_map='x')
N.orthogonal(nn.Linear(2, 2, dtype=torch.complex64), orthogonal_map='householder')
N.orthogonal(nn.Linear(2, 2, dtype=torch.complex64)).weight.detach()
setattr(N.orthogonal(lin(), use_trivialization=False), 'weight', torch.eye(3))
[m := N.orthogonal(lin()), setattr(m, 'weight', torch.eye(3)), m.weight.detach()]
setattr(N.orthogonal(lin()), 'weight', torch.eye(2))
[m := N.orthogonal(nn.Linear(2, 4)), setattr(m, 'weight', torch.ones(4, 2)), m.weight.detach()]
""".strip().splitlines()

EXPRESSIONS += [
    "[m := N.weight_norm(lin()), m.load_state_dict({'weight_g':torch.ones(3, 1), "
    "'weight_v':torch.ones(3, 3), 'bias':torch.ones(3)}), m.weight.detach()]",
    "N.orthogonal(nn.Linear(3, 3), orthogonal_map='householder', "
    "use_trivialization=False).weight.detach()",
    "N.orthogonal(nn.Linear(2, 4), orthogonal_map='householder', "
    "use_trivialization=False).weight.detach()",
    "N.orthogonal(nn.Linear(4, 2), orthogonal_map='householder', "
    "use_trivialization=False).weight.detach()",
    "[m := N.orthogonal(nn.Linear(2, 4), use_trivialization=False), setattr(m, 'weight', "
    "torch.eye(4)[:, :2]), m.weight.abs().detach()]",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)
