"""state_dict and load_state_dict."""

import both
import numpy as np
import pytest

import flambeau
from flambeau import nn

MODEL = """
m = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.BatchNorm1d(3)))
class Extra(nn.Linear):
    def get_extra_state(self): return {"k": 1}
    def set_extra_state(self, state): self.loaded = state
e = Extra(1, 1)
"""

EXPRESSIONS = [
    "m.state_dict()",
    "m.state_dict()._metadata",
    "list(m.state_dict(prefix='p.'))",
    "m.state_dict({}, 'p.')",
    "[t.requires_grad for t in m.state_dict(keep_vars=True).values()]",
    "m.load_state_dict(3)",
    "m.load_state_dict({})",
    "m.load_state_dict({'0.weight': torch.ones(2, 2), '0.bias': torch.ones(3),"
    " '1.0.weight': 3, 'zz': 2, '0.q': 1})",
    "m.load_state_dict({'0.weight': torch.ones(3, 2), '0.bias': torch.ones(3)}, strict=False)",
    "m.load_state_dict({'0.weight': torch.ones(2, 3)}, strict=False)",
    "m.load_state_dict(m.state_dict())",
    "[m.load_state_dict({k: v.double() for k, v in m.state_dict().items()}), m[0].weight.dtype]",
    "[m.load_state_dict({k: v.double() for k, v in m.state_dict().items()}, assign=True),"
    " m[0].weight.dtype, type(m[0].weight).__name__, m[0].weight.requires_grad]",
    "e.state_dict()['_extra_state'], list(e.state_dict())",
    "[e.load_state_dict(e.state_dict()), e.loaded]",
    "e.load_state_dict({'weight': torch.ones(1, 1), 'bias': torch.ones(1)})",
    "nn.Linear(1, 1).load_state_dict(e.state_dict())",
    "nn.ParameterList([torch.ones(2), torch.zeros(1)]).state_dict()",
    "nn.PReLU().load_state_dict({'weight': torch.ones(2)})",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(MODEL, expression)


def test_state_shares_storage():
    layer = nn.Linear(2, 2)
    assert layer.state_dict()["weight"].data_ptr() == layer.weight.data_ptr()


def test_loading_copies_values_and_keeps_objects():
    source, target = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    source(flambeau.tensor([[1.0, 2.0], [3.0, 5.0]]))
    weight, mean = target.weight, target.running_mean
    target.load_state_dict(source.state_dict())
    assert target.weight is weight and target.running_mean is mean
    np.testing.assert_array_equal(mean.numpy(), source.running_mean.numpy())
    assert int(target.num_batches_tracked) == 1


def test_assigning_takes_the_tensors_over():
    layer = nn.Linear(2, 2)
    weight = flambeau.zeros(2, 2)
    layer.load_state_dict({"weight": weight, "bias": flambeau.zeros(2)}, assign=True)
    assert layer.weight.data_ptr() == weight.data_ptr()


def test_old_batch_norm_has_no_counter():
    layer = nn.BatchNorm1d(2)
    state = layer.state_dict()
    del state["num_batches_tracked"]
    state._metadata[""]["version"] = 1
    assert repr(layer.load_state_dict(state)) == "<All keys matched successfully>"
