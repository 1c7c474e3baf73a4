"""Fusion with batch norm, memory formats, skipped first values, stateless calls, against torch."""

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
U.skip_init(nn.Linear, 2, 3).weight.shape
U.skip_init(3)
U.skip_init(int)
U.skip_init(nn.ReLU)
U.skip_init(nn.Linear, 2, 3, device='cpu', dtype=torch.float64).weight.dtype
U.fuse_linear_bn_eval(lin(), nn.BatchNorm1d(3))
U.fuse_linear_bn_eval(lin().eval(), nn.BatchNorm1d(3).eval()).state_dict()
U.fuse_linear_bn_eval(nn.Linear(3, 3, bias=False).eval(), nn.BatchNorm1d(3).eval())
U.fuse_linear_bn_eval(nn.Linear(3, 2).eval(), nn.BatchNorm1d(3).eval())
U.fuse_linear_bn_eval(nn.Linear(3, 2).eval(), nn.BatchNorm1d(1).eval()).state_dict()
U.fuse_conv_bn_eval(nn.Conv2d(2, 3, 1).eval(), nn.BatchNorm2d(3).eval()).state_dict()
U.fuse_conv_bn_eval(nn.Conv2d(2, 3, 1, bias=False).eval(), nn.BatchNorm2d(3, affine=False).eval())
U.fuse_conv_bn_eval(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3).eval())
U.fuse_conv_bn_eval(nn.Conv2d(2, 3, 1).eval(), nn.BatchNorm2d(3, track_running_stats=False).eval())
U.fuse_conv_bn_weights(torch.ones(2, 3, 1), None, torch.ones(2), torch.ones(2), 1e-5, None, None)
U.convert_conv2d_weight_memory_format(nn.Linear(2, 3), torch.channels_last)
U.convert_conv3d_weight_memory_format(nn.Linear(2, 3), torch.channels_last_3d)
U.stateless.functional_call(lin(), {'weight':torch.ones(3, 3)}, torch.ones(1, 3))
U.stateless.functional_call(lin(), {'x':torch.ones(3, 3)}, torch.ones(1, 3))
U.stateless.functional_call(lin(), {'weight':torch.ones(3, 3)}, torch.ones(1, 3), strict=True)
""".strip().splitlines()

EXPRESSIONS += [
    "U.fuse_conv_bn_weights(torch.ones(2, 3, 1), None, torch.ones(3), torch.ones(3), 1e-5, "
    "None, None, transpose=True)",
    "U.fuse_linear_bn_weights(torch.ones(2, 3), None, torch.ones(2), torch.ones(2), 1e-5, "
    "torch.ones(2), torch.ones(2))",
    "U.fuse_linear_bn_weights(torch.ones(2, 3).double(), None, torch.ones(2), torch.ones(2), "
    "1e-5, torch.ones(2), torch.ones(2))",
    "U.fuse_conv_bn_weights(torch.ones(2, 3, 1).half(), torch.ones(2).double(), "
    "torch.ones(2), torch.ones(2), 1e-5, None, None)",
    "U.convert_conv2d_weight_memory_format(nn.Sequential(nn.Conv2d(2, 3, 2)), "
    "torch.channels_last)[0].weight.stride()",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_as_torch(expression):
    both.check(PROGRAM, expression)


@pytest.mark.parametrize("kind", ["Conv1d", "Conv2d", "Linear"])
def test_a_fused_layer_does_what_both_did(kind):
    import flambeau
    from flambeau import nn

    flambeau.manual_seed(0)
    layer = nn.Linear(3, 4) if kind == "Linear" else getattr(nn, kind)(3, 4, 2)
    axes = {"Linear": 0, "Conv1d": 1, "Conv2d": 2}[kind]
    bn = getattr(nn, f"BatchNorm{max(axes, 1)}d")(4)
    nn.init.normal_(bn.weight)
    nn.init.normal_(bn.bias)
    model = nn.Sequential(layer, bn)
    x = flambeau.randn(5, 3, *[4] * axes)
    model(x)
    model.eval()
    fuse = nn.utils.fuse_linear_bn_eval if kind == "Linear" else nn.utils.fuse_conv_bn_eval
    flambeau.testing.assert_close(fuse(layer, bn)(x), model(x))
