"""Lazy layers and tensors without sizes, against torch."""

import both
import pytest

import flambeau

PROGRAM = """
import copy, pickle
U, B = nn.UninitializedParameter, nn.UninitializedBuffer
ones = torch.ones
Mixin = nn.modules.lazy.LazyModuleMixin

def called(layer, *sizes):
    out = layer(ones(*sizes))
    hooks = layer._forward_pre_hooks
    return out.shape, layer, type(layer).__name__, list(layer.state_dict()), len(hooks)

def loaded(layer, other):
    layer.load_state_dict(other.state_dict())
    return layer

def copied(layer):
    other = copy.deepcopy(layer)
    other(ones(2, 4))
    return other, layer

class Kept(Mixin, nn.Module):
    def __init__(self):
        super().__init__()
        self.w = U()
    def initialize_parameters(self, x, size=3):
        if self.has_uninitialized_params():
            self.w.materialize((size,))
    def forward(self, x, size=3):
        return x

class Forgetful(Kept):
    def initialize_parameters(self, x): pass

class Missing(Mixin, nn.Linear): pass
"""

EXPRESSIONS = """
U()
B()
U().shape
B().shape
U().size()
U().device, U().dtype, U().ndim, U().is_meta, U().layout, U().grad, U().is_leaf
U(dtype=torch.float64).dtype
B(dtype=torch.int64).dtype
U(False).requires_grad, U().requires_grad, B().requires_grad
U().to(torch.float64).dtype
U().share_memory_()
B().share_memory_()
U().materialize((2,))
[u := U(), u.materialize((2, 3), dtype=torch.float64), type(u).__name__, u.shape, u.dtype][1:]
[b := B(), b.materialize((2, 3)), type(b).__name__, b.shape, isinstance(b, nn.Buffer)][1:]
isinstance(B(), nn.Buffer), B().persistent, isinstance(U(), nn.Parameter)
copy.deepcopy(U(dtype=torch.float64)).dtype
copy.copy(U())
pickle.loads(pickle.dumps(U()))
nn.parameter.is_lazy(U()), nn.parameter.is_lazy(ones(1)), nn.parameter.is_lazy(3)
[layer := nn.LazyLinear(3), setattr(layer, 'x', B(persistent=False)), layer.state_dict()]
nn.LazyLinear(3)
nn.LazyLinear(3, bias=False).state_dict()
nn.LazyLinear(3).state_dict()
nn.LazyLinear(3).has_uninitialized_params()
nn.LazyLinear(3).reset_parameters()
list(nn.LazyLinear(3).parameters())
nn.LazyLinear(3).to(torch.float64).weight.dtype
nn.LazyLinear(3).half().weight.dtype
nn.LazyLinear(3).share_memory()
nn.LazyLinear(3).zero_grad()
nn.LazyLinear(3)()
called(nn.LazyLinear(3), 2, 4)
called(nn.LazyLinear(3).eval(), 2, 4)
[nn.LazyLinear(3)(ones(2, 4))]
[layer := nn.LazyLinear(2).double(), layer(ones(1, 2).double()).dtype]
copied(nn.LazyLinear(3))
called(pickle.loads(pickle.dumps(nn.LazyLinear(3))), 2, 4)
called(loaded(nn.LazyLinear(3), nn.Linear(2, 3)), 2, 2)
called(loaded(nn.LazyLinear(4), nn.Linear(2, 3)), 2, 2)
loaded(nn.LazyLinear(3), nn.LazyLinear(3))
loaded(nn.Linear(2, 3), nn.LazyLinear(3))
nn.LazyLinear(3).load_state_dict({})
nn.LazyConv1d(3, 2, padding=1, groups=3)
called(nn.LazyConv1d(4, 2, 2, groups=2), 2, 4, 5)
called(nn.LazyConv2d(4, 2), 1, 3, 4, 4)
called(nn.LazyConv2d(4, 2, bias=False), 3, 4, 4)
nn.LazyConv2d(4, 2, groups=2)(ones(1, 3, 4, 4))
nn.LazyConv2d(4, 2)(ones(4))
[nn.LazyConv2d(4, 2)(ones(1, 2, 3, 3))]
called(loaded(nn.LazyConv2d(4, 2), nn.Conv2d(3, 4, 2)), 1, 3, 4, 4)
called(nn.LazyConv3d(4, 2, groups=2), 2, 4, 3, 4, 4)
called(nn.LazyConvTranspose1d(4, 2, 2, groups=2), 2, 4, 5)
called(nn.LazyConvTranspose2d(4, 2, output_padding=0, bias=False), 3, 4, 4)
called(nn.LazyConvTranspose3d(4, (1, 2, 3), dilation=2), 1, 3, 4, 4, 4)
nn.LazyConvTranspose2d(3, 2, padding_mode='reflect')
nn.LazyConvTranspose2d(4, 3, groups=3)
nn.LazyConvTranspose2d(4, 2, 2, 1, 1, groups=2, dilation=2)
nn.LazyBatchNorm1d(eps=0.1)
called(nn.LazyBatchNorm1d(), 2, 4)
called(nn.LazyBatchNorm1d(bias=False), 2, 4)
called(nn.LazyBatchNorm2d(affine=False), 2, 4, 3, 3)
called(nn.LazyBatchNorm3d(affine=False, track_running_stats=False), 2, 4, 3, 3, 3)
called(nn.LazyBatchNorm1d(), 2, 4, 3, 3)
nn.LazyBatchNorm1d().state_dict()
called(loaded(nn.LazyBatchNorm1d(), nn.BatchNorm1d(4)), 2, 4)
called(nn.LazyInstanceNorm1d(), 2, 4, 3)
called(nn.LazyInstanceNorm2d(affine=False), 2, 4, 3, 3)
called(nn.LazyInstanceNorm3d(track_running_stats=False), 2, 4, 3, 3, 3)
called(nn.LazyInstanceNorm2d(), 4, 3, 3)
[kept := Kept(), kept(ones(2), size=4), type(kept).__name__, kept.w.shape]
Forgetful()(ones(2))
Missing(2, 3)(ones(1, 2))
nn.Sequential(nn.LazyLinear(3), nn.LazyLinear(2))(ones(2, 4)).shape
torch.optim.SGD(nn.LazyLinear(3).parameters(), 0.1)
[cls.cls_to_become for cls in (nn.LazyLinear, nn.LazyConv2d, nn.LazyBatchNorm3d)]
""".strip().splitlines()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


REFUSED = """
u + 1
1 + u
-u
u == u
u[0]
len(u)
list(u)
bool(u)
u.zero_()
u.numel()
u.sum()
u.clone()
u.requires_grad_(False)
u.backward()
nn.init.ones_(u)
""".strip().splitlines()


@pytest.mark.parametrize("expression", REFUSED)
def test_a_tensor_without_sizes_refuses(expression):
    names = {"nn": flambeau.nn, "u": flambeau.nn.UninitializedParameter()}
    with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter in"):
        eval(expression, names)


def test_a_lazy_layer_without_hooks_is_called_directly():
    layer = flambeau.nn.LazyLinear(3)
    for _ in range(2):
        layer(flambeau.ones(2, 4))
    assert not layer._hooked


@pytest.mark.parametrize("kind", ["UninitializedParameter", "UninitializedBuffer"])
@pytest.mark.parametrize(
    "use",
    [
        *(lambda m, u: m.add(u, 1), lambda m, u: m.add(m.ones(2), u), lambda m, u: m.relu(u)),
        *(lambda m, u: m.cat([m.ones(2), u]), lambda m, u: m.stack([u, u]), lambda m, u: u + 1),
        *(lambda m, u: 1 + u, lambda m, u: m.ones(2) + u, lambda m, u: m.sum(u)),
        lambda m, u: m.nn.functional.linear(m.ones(2), u),
        lambda m, u: m.nn.functional.mse_loss(u, u),
        lambda m, u: m.nn.functional.conv2d(m.ones(1, 1, 2, 2), u),
        lambda m, u: m.where(m.ones(2) > 0, u, 0.0),
        lambda m, u: m.ones(3)[u],
    ],
)
def test_functions_refuse_what_has_no_sizes(kind, use):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for m in (torch, flambeau):
        unsized = getattr(m.nn.parameter, kind)()
        with pytest.raises(ValueError, match="Attempted to use an uninitialized parameter in"):
            use(m, unsized)


def test_the_type_of_a_lazy_module_may_change_more_than_once():
    layer = flambeau.nn.LazyLinear(3)
    for dtype in (flambeau.float64, flambeau.float64, flambeau.float32):
        assert layer.to(dtype).weight.dtype == dtype
        assert isinstance(layer.weight, flambeau.nn.UninitializedParameter)
    assert layer.double()(flambeau.ones(2, 5, dtype=flambeau.float64)).shape == (2, 3)


def test_what_has_no_sizes_is_looked_for_in_lists_that_hold_themselves():
    flambeau.nn.UninitializedParameter()
    loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="too many dimensions"):
        flambeau.tensor(loop)
    with pytest.raises(TypeError):
        flambeau.cat(loop)
