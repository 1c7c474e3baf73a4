"""Module: registration, attributes, walking, modes, calls, copies."""

import copy
import gc
import pickle
import weakref

import both
import numpy as np
import pytest

import flambeau
from flambeau import nn

MODEL = """
m = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3)))
m.x = 5
"""

EXPRESSIONS = [
    "m",
    "m.get_submodule('0')",
    "m.get_submodule('1.0')",
    "m.get_submodule('0.y')",
    "m.get_submodule('x')",
    "m.get_submodule('q')",
    "m.get_parameter('0.weight').shape",
    "m.get_parameter('0.q')",
    "m.get_parameter('0.in_features')",
    "m.get_parameter('1.0.running_mean')",
    "m.get_parameter('zz.w')",
    "m.get_buffer('1.0.running_mean')",
    "m.get_buffer('0.weight')",
    "m.get_buffer('0.q')",
    "m.set_submodule('', nn.ReLU())",
    "m.set_submodule('q.w', nn.ReLU())",
    "[m.set_submodule('1.0', nn.ReLU()), m]",
    "m.set_submodule('0.q', nn.ReLU(), strict=True)",
    "m.set_submodule('x', nn.ReLU())",
    "m.set_submodule('1', 3)",
    "m.register_parameter('a.b', None)",
    "m.register_parameter('', None)",
    "m.register_parameter(3, None)",
    "m.register_parameter('x', None)",
    "m.register_parameter('p', torch.ones(2))",
    "m.register_parameter('forward', None)",
    "m.register_buffer('a.b', None)",
    "m.register_buffer('', None)",
    "m.register_buffer(3, None)",
    "m.register_buffer('x', None)",
    "m.register_buffer('p', 3)",
    "m.add_module('a.b', None)",
    "m.add_module('', None)",
    "m.add_module(3, None)",
    "m.add_module('x', None)",
    "m.add_module('p', 3)",
    "m.add_module('forward', nn.ReLU())",
    "setattr(m, '0', 3)",
    "[setattr(m, '0', None), m]",
    "setattr(m[0], 'weight', torch.ones(3))",
    "[setattr(m[0], 'weight', None), list(m.state_dict())]",
    "setattr(m[1][0], 'running_mean', 3)",
    "[setattr(m[1][0], 'running_mean', torch.zeros(1)), m[1][0].running_mean]",
    "[setattr(m, 'x', nn.Parameter(torch.ones(1))), list(m._parameters), m.x]",
    "[setattr(m, 'x', nn.ReLU()), list(m._modules)]",
    "[setattr(m, 'b', nn.Buffer(torch.ones(1), persistent=False)), m.b, list(m.state_dict())]",
    "m.nope",
    "delattr(m, 'nope')",
    "[delattr(m, '0'), m]",
    "[delattr(m[0], 'bias'), list(m.state_dict())]",
    "[delattr(m, 'x'), hasattr(m, 'x')]",
    "m.to(torch.int64)",
    "[m.to(torch.float64)[1][0].num_batches_tracked.dtype, m[0].bias.dtype]",
    "[m.half()[0].weight.dtype, m.float()[0].weight.dtype, m.double()[0].weight.dtype]",
    "[m.bfloat16()[1][0].running_mean.dtype, m[1][0].num_batches_tracked.dtype]",
    "m.to('cpu')[0].weight.device",
    "m.to(torch.ones(1, dtype=torch.float64))[0].weight.dtype",
    "m.to(device='cpu', dtype=torch.float64)[0].weight.dtype",
    "m.train(3)",
    "[m.eval().training, m[1][0].training, m.train()[0].training]",
    "nn.Module()(3)",
    "nn.Module(3)",
    "nn.Module(a=3)",
    "[p.requires_grad for p in m.requires_grad_(False).parameters()]",
    "m.to_empty(device='cpu')[0].weight.shape",
    "[name for name, _ in m.named_modules()]",
    "[name for name, _ in m.named_modules(prefix='p')]",
    "[name for name, _ in m.named_parameters()]",
    "[name for name, _ in m.named_parameters('p', recurse=False)]",
    "[name for name, _ in m[0].named_parameters('p', recurse=False)]",
    "[name for name, _ in m.named_buffers()]",
    "[name for name, _ in m.named_children()]",
    "len(list(m.modules())), len(list(m.children()))",
    "sorted(name for name in dir(m[0]) if 'weight' in name or 'bias' in name)",
    "m.apply(print) is m",
    "m.share_memory() is m",
    "nn.Parameter(torch.ones(2))",
    "nn.Parameter(torch.ones(2), requires_grad=False)",
    "nn.Parameter(nn.Parameter(torch.ones(2)), False)",
    "nn.Parameter()",
    "nn.Parameter(torch.ones(2, dtype=torch.int64))",
    "nn.Parameter(torch.ones(2)).data",
    "nn.Buffer(torch.ones(2))",
    "isinstance(nn.Buffer(torch.ones(2)), nn.Buffer), isinstance(torch.ones(2), nn.Buffer)",
    "isinstance(nn.Parameter(torch.ones(2)) * 2, nn.Parameter)",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(MODEL, expression)


BEFORE_INIT = [
    "self.l = nn.Linear(1, 1)",
    "self.l = nn.Parameter(torch.ones(1))",
    "self.l = nn.Buffer(torch.ones(1))",
    "self.register_buffer('x', None)",
    "self.register_parameter('x', None)",
    "self.l = torch.ones(1); super().__init__()",
    "self.l = 1; super().__init__(); self.l = nn.Linear(1, 2)",
]


@pytest.mark.parametrize("line", BEFORE_INIT)
def test_before_init_as_torch(line):
    both.check(f"class N(nn.Module):\n    def __init__(self): {line}\n", "N()")


def test_shared_members_are_visited_once():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.Sequential(shared))
    assert [name for name, _ in model.named_parameters()] == ["0.weight", "0.bias"]
    assert len(list(model.named_parameters(remove_duplicate=False))) == 4
    assert len(list(model.named_modules())) == 3
    assert len(list(model.named_modules(remove_duplicate=False))) == 4
    assert len(list(model.modules(remove_duplicate=False))) == 4


def test_direct_writes_to_the_registries_are_seen():
    layer = nn.Linear(2, 2)
    new = nn.Parameter(flambeau.zeros(2))
    layer._parameters["bias"] = new
    assert layer.bias is new
    del layer._parameters["bias"]
    assert not hasattr(layer, "bias")
    layer._parameters.update(bias=new)
    assert layer.bias is new
    assert layer._parameters.pop("bias") is new
    assert layer._parameters.pop("training", None) is None
    assert layer.training
    layer._parameters.setdefault("bias", new)
    layer._parameters |= {"other": None}
    assert layer.bias is new and layer.other is None
    assert layer._parameters.popitem() == ("other", None)
    layer._parameters.clear()
    assert not hasattr(layer, "weight")
    layer._parameters = {"weight": new}
    assert layer.weight is new and list(layer.parameters()) == [new]


def test_a_restored_dictionary_is_adopted():
    layer = nn.Linear(2, 2)
    other = nn.Linear.__new__(nn.Linear)
    other.__dict__.update(layer.__dict__)
    new = nn.Parameter(flambeau.zeros(2))
    other.bias = new
    assert other.bias is new and other._parameters["bias"] is new
    assert layer.bias is not new
    other.__dict__["_parameters"] = {"weight": new}
    other.weight = layer.weight
    assert other.weight is layer.weight and other._parameters["weight"] is layer.weight


def test_a_replica_has_registries_of_its_own():
    layer = nn.Linear(2, 2)
    replica = layer.__new__(type(layer))
    replica.__dict__ = layer.__dict__.copy()
    replica._parameters = {}
    assert not hasattr(replica, "weight")
    assert layer.weight is not None


def test_modules_are_freed_without_the_collector():
    gc.disable()
    try:
        model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        reference = weakref.ref(model[0].weight)
        del model
        assert reference() is None
    finally:
        gc.enable()


def test_deepcopy_and_pickle():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model.note = "kept"
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert repr(other) == repr(model) and other.note == "kept"
        assert other[0].weight is not model[0].weight
        assert other[0].weight is other[0]._parameters["weight"]
        assert isinstance(other[0].weight, nn.Parameter) and other[0].weight.requires_grad
        for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
        other[0].bias = nn.Parameter(flambeau.zeros(3))
        assert (other[0].bias.detach().numpy() == 0).all()


def test_deepcopy_keeps_sharing():
    layer = nn.Linear(2, 2)
    model = copy.deepcopy(nn.Sequential(layer, layer))
    assert model[0] is model[1]
    parameter = nn.Parameter(flambeau.ones(2))
    left, right = copy.deepcopy([parameter, parameter])
    assert left is right


def test_copy_is_shallow():
    layer = nn.Linear(2, 2)
    other = copy.copy(layer)
    assert other.weight is layer.weight
    other.weight = None
    assert layer.weight is not None


def test_pickled_attributes_of_parameters():
    parameter = nn.Parameter(flambeau.ones(2))
    parameter.role = "weight"
    assert pickle.loads(pickle.dumps(parameter)).role == "weight"


def test_getstate_of_a_user():
    class Model(nn.Linear):
        def __getstate__(self):
            state = self.__dict__.copy()
            del state["in_features"]
            return state

    other = copy.copy(Model(2, 3))
    assert not hasattr(other, "in_features")
    other.bias = None
    assert other.bias is None and other._parameters["bias"] is None


def test_moving_keeps_parameter_objects_and_moves_gradients():
    layer = nn.Linear(2, 1)
    weight = layer.weight
    layer(flambeau.ones(1, 2)).sum().backward()
    layer.double()
    assert layer.weight is weight
    assert weight.dtype == weight.grad.dtype == flambeau.float64


def test_zero_grad():
    layer = nn.Linear(2, 1)
    layer(flambeau.ones(1, 2)).sum().backward()
    layer.zero_grad(set_to_none=False)
    assert (layer.weight.grad.numpy() == 0).all()
    layer.zero_grad()
    assert layer.weight.grad is None


def test_error_names_the_module():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(2, 2), nn.Sequential(nn.Linear(3, 3))])

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    model = nn.Sequential(nn.Identity(), Encoder())
    with pytest.raises(RuntimeError) as caught:
        model(flambeau.ones(1, 2))
    assert caught.value.__notes__ == ["raised in 1.layers.1.0 (Linear)"]
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(2, 2)(flambeau.ones(1, 3))
    assert caught.value.__notes__ == ["raised in Linear"]


def test_error_of_an_unregistered_module():
    hidden = nn.Linear(3, 3)

    class Model(nn.Module):
        def forward(self, x):
            return hidden(x)

    with pytest.raises(RuntimeError) as caught:
        Model()(flambeau.ones(1, 2))
    assert caught.value.__notes__ == ["raised in Linear"]


def test_call_super_init():
    class Mixin:
        def __init__(self, name):
            self.name = name

    class Model(nn.Module, Mixin):
        call_super_init = True

    assert Model("n").name == "n"


def test_compile_is_accepted():
    layer = nn.Linear(2, 2)
    assert layer.compile(mode="max-autotune") is None
    assert layer(flambeau.ones(1, 2)).shape == (1, 2)
