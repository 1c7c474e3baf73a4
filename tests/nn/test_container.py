"""Containers, against torch."""

import both
import pytest

import flambeau
from flambeau import nn

PROGRAM = """
from collections import OrderedDict
S = lambda: nn.Sequential(nn.ReLU(), nn.Tanh())
L = lambda: nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])
D = lambda: nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
P = lambda: nn.ParameterList([nn.Parameter(torch.ones(2)), torch.ones(3), 3, "s"])
Q = lambda: nn.ParameterDict({"a": nn.Parameter(torch.ones(2)), "b": torch.ones(3, 2), "c": 3})
"""

EXPRESSIONS = """
S()
S()[5]
S()[-3]
S()['a']
S() + S()
S() + 3
S() * 2
S() * 0
S() * 'a'
2 * S()
S().append(nn.GELU())
S().append(3)
S().insert(1, nn.GELU())
S().insert(9, nn.GELU())
S().extend(S())
S().extend([nn.ReLU()])
S().extend(3)
S().pop(0)
S().pop(7)
S()[0:1]
S()[-1]
[s := S(), s.__delitem__(0), s]
[s := S(), s.__delitem__(slice(0, 2)), s]
[s := S(), s.__setitem__(0, nn.GELU()), s]
S().__setitem__(0, 3)
S().__iadd__(S())
S().__iadd__(3)
S().__imul__(2)
nn.Sequential(3)
nn.Sequential([nn.ReLU()])
nn.Sequential()(3)
nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Tanh()))
nn.Sequential({'a': nn.ReLU()})
len(S()), [type(x).__name__ for x in S()]
[t := nn.ReLU(), nn.Sequential(t, t)[0:1]]
L()
nn.ModuleList([nn.Linear(1, 2), nn.Linear(1, 2), L(), L()])
L()[5]
L()[-1]
L()[:2]
L() + L()
L() + 3
L().append(3)
[l := L(), l.insert(0, nn.GELU()), l]
L().extend(3)
L().extend([3])
[l := L(), l.pop(0), l]
[l := L(), l.pop(-1), l]
L()(3)
nn.ModuleList(3)
nn.ModuleList()
L().__setitem__(0, 3)
L().__iadd__([nn.ReLU()])
D()
D()['z']
D()['a']
[d := D(), d.update([('c', nn.ReLU())]), d]
D().update(3)
D().update([('c', nn.ReLU(), 3)])
[d := D(), d.pop('a'), d]
D().pop('z')
D().keys(), D().items(), D().values()
list(D()), 'a' in D(), len(D())
[d := D(), d.clear(), d]
[d := D(), d.__delitem__('a'), d]
nn.ModuleDict({'type': nn.ReLU()})
nn.ModuleDict({'keys': nn.ReLU()})
D()(3)
P()
P()[1]
P()[2]
P()[1:3]
P()[-1]
P()[9]
P().append(3)
P().extend(3)
P().extend(torch.ones(2))
P().extend(P())
P().__iadd__(P())
P()(1)
len(P())
P().state_dict()
list(P().parameters())
nn.ParameterList()
[p := P(), p.__setitem__(0, torch.ones(5)), p]
P().__setitem__(0, 4)
list(P())
Q()
Q()['a'], Q()['c']
Q()['z']
[q := Q(), q.pop('a'), q]
Q().popitem()
Q().get('a'), Q().get('z', 3)
[q := Q(), q.setdefault('z'), q.setdefault('y', torch.ones(1)), q]
Q().fromkeys(['x', 'y'], torch.ones(1))
Q() | {'zz': torch.ones(1)}
{'zz': torch.ones(1)} | Q()
Q().__ior__({'zz': torch.ones(1)})
Q().copy()
list(Q().keys()), list(Q().values()), list(Q().items())
Q()(1)
Q().__setitem__(3, torch.ones(1))
[q := Q(), q.clear(), q]
list(reversed(Q())), 'a' in Q(), len(Q())
Q().state_dict()
nn.ParameterDict([['a', torch.ones(1)]])
nn.ParameterDict()
list(nn.ParameterDict({'b': torch.ones(1), 'a': torch.ones(2)}))
list(nn.ParameterDict(OrderedDict(b=torch.ones(1), a=torch.ones(2))).state_dict())
list(nn.ParameterDict([('b', torch.ones(1)), ('a', torch.ones(2))]).copy())
list(nn.ParameterDict(nn.ParameterDict([('b', torch.ones(1)), ('a', torch.ones(2))])))
[q := Q(), q.update({'z': torch.ones(1), 'y': torch.ones(2)}), list(q)]
list(Q() | OrderedDict(z=1, y=2)), list(Q() | dict(z=1, y=2))
Q().update(3)
Q().update([('a',)])
nn.ParameterDict({'a.b': torch.ones(1)})
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


def test_insert_wants_a_module():
    with pytest.raises(AssertionError, match="module should be of type"):
        nn.Sequential().insert(0, 3)


def test_elements_that_are_not_pairs():
    for make in (nn.ModuleDict, nn.ParameterDict):
        with pytest.raises(TypeError, match="update sequence element #0 should be Iterable; isint"):
            make([3])


def test_parameter_list_moves_with_its_module():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.list = nn.ParameterList(flambeau.ones(2) for _ in range(3))

    model = Model().double()
    assert {p.dtype for p in model.parameters()} == {flambeau.float64}
    assert list(model.state_dict()) == ["list.0", "list.1", "list.2"]
