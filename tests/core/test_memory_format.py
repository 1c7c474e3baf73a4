"""Memory formats: what keeps the channels-last order of its input, as torch does."""

import copy
import importlib
import pickle
import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

#: x, y: (2, 3, 4, 5) channels-last; r: row-major; v: (2, 3, 4, 5, 6) channels-last;
#: p: permuted; g: with gaps; e: expanded; o, l: one channel, one pixel; w, u: weights.
EXPRESSIONS = """
x | v | r | x + 1 | x + y | x + r | r + x | x + s | s + x | x * x.mean() | x.relu() | x > 0
t.where(x > 0, x, y) | t.where(x > 0, x, 0.) | x.clamp(0, 1) | x.float() | x.double() | x.int()
x.clone() | x.clone(memory_format=t.contiguous_format) | x.clone(memory_format=t.preserve_format)
x.contiguous() | x.contiguous(memory_format=t.channels_last)
x.to(memory_format=t.contiguous_format)
o.to(memory_format=t.channels_last) | l.to(memory_format=t.channels_last)
o.to(t.float64, memory_format=t.channels_last) | l.double(memory_format=t.channels_last)
o.to(memory_format=t.channels_last).to(memory_format=t.contiguous_format)
w[:, :1].to(memory_format=t.channels_last) | w[..., :1, :1].to(memory_format=t.channels_last)
t.nn.Conv2d(1, 4, 3).to(memory_format=t.channels_last).weight
x.to(t.float64, memory_format=t.preserve_format) | r.to(t.float64, memory_format=t.channels_last)
r.to(memory_format=t.channels_last) | x.half() | x.to(t.float64, memory_format=t.contiguous_format)
t.empty_like(x) | t.zeros_like(x) | t.ones_like(x) | t.full_like(x, 3) | t.rand_like(x)
t.randn_like(x) | t.randint_like(x, 3) | t.zeros_like(x, memory_format=t.contiguous_format)
t.zeros_like(r, memory_format=t.channels_last) | t.zeros_like(p)
t.empty(2, 3, 4, 5, memory_format=t.channels_last) | t.zeros_like(g)
t.zeros_like(e) | t.zeros_like(o) | p.clone() | g.clone()
e.clone() | e.contiguous() | p + 1 | g + 1 | e + 1 | p.double() | g.double() | e.double() | o + 1
l | l + 1 | x[0] | x[0:1] + 1 | x[:, 1:] + 1 | x.transpose(1, 2) + 1 | x.permute(0, 2, 3, 1) + 1
x.sum(1, keepdim=True) | x.mean((2, 3)) | x.amax(1) | x.argmax(1) | x.softmax(1) | x.cumsum(1)
F.conv2d(x, w) | F.conv2d(x, w.contiguous(memory_format=t.channels_last)) | F.conv2d(r, w)
F.conv2d(r, w.contiguous(memory_format=t.channels_last)) | F.conv2d(x, w, padding=1)
F.conv_transpose2d(x, w[:3], w[0, :, 0, 0], stride=2) | F.conv3d(v, u) | F.conv3d(v.contiguous(), u)
F.conv3d(v, u[:, :, :1, :1, :1]) | F.conv_transpose3d(v, u) | F.conv3d(v, u[:, :1], groups=3)
F.conv3d(v.contiguous(), u.contiguous(memory_format=t.channels_last_3d))
F.conv2d(x, w[:3, :1], groups=3) | F.conv_transpose2d(x, w[:3]) | F.conv2d(x, w[:, :, :1, :1])
F.max_pool2d(x, 2) | F.max_pool2d(x, 2, return_indices=True)[1] | F.avg_pool2d(x, 2)
F.adaptive_avg_pool2d(x, 2) | F.adaptive_avg_pool2d(x, 1) | F.adaptive_max_pool2d(x, 2)
F.batch_norm(x, s.flatten(), s.flatten() + 9) | F.batch_norm(x, None, None, training=True)
t.nn.BatchNorm2d(3)(x) | t.nn.GroupNorm(1, 3)(x) | F.layer_norm(x, (5,)) | F.instance_norm(x)
F.dropout(x) | F.dropout(x, training=False) | F.gelu(x) | F.silu(x) | F.leaky_relu(x) | F.elu(x)
F.relu6(x) | F.prelu(x, s.flatten()) | F.pad(x, (1, 1, 1, 1)) | t.cat([x, y]) | t.cat([x, y], 1)
t.cat([x, r], 1) | x.flip(1) | x.roll(1, 0) | x.masked_fill(x > 0, 0.) | x.tril() | x.flatten(1)
x.reshape(2, 3, 20) | x.view(2, 3, 4, 5) | x.unsqueeze(0) | x.squeeze() | x.repeat(2, 1, 1, 1)
x.detach() | x.data | x.bool() | x.pow(2) | x**y | x / 2 | -x | x.abs() | x.sigmoid() | t.tanh(x)
t.addcmul(x, x, y) | t.lerp(x, y, 0.5) | t.maximum(x, y) | x == y | x.isnan() | x.round()
x.new_zeros(2, 3, 4, 5) | x.type(t.float64) | F.mse_loss(x, y, reduction='none') | x.mT
F.l1_loss(x, y, reduction='none') | t.matmul(x, r.transpose(2, 3)) | x.movedim(1, -1)
F.channel_shuffle(x, 3) | F.pixel_unshuffle(x[:, :, :, :4], 2)
F.pixel_shuffle(t.cat([x, y, x, y], 1), 2)
F.pad(x, (1, 0, 2, 1), mode='reflect') | F.pad(x, (1, 0, 2, 1), mode='circular')
t.complex(x, y) | t.complex(x, r) | t.view_as_real(t.complex(x, y))
copy.deepcopy(x) | pickle.loads(pickle.dumps(x)) | t.as_tensor(x, dtype=t.float64)
t.zeros(2, 3, 4, 5).resize_(2, 3, 4, 6, memory_format=t.channels_last) | t.zeros(1).resize_as_(x)
t.zeros(1).resize_as_(x, memory_format=t.preserve_format) | t.empty_strided((2, 3), (1, 2))
"""


def inputs(module):
    """The same tensors in one of the libraries."""
    rng = np.random.default_rng(0)

    def tensor(*shape):
        return module.from_numpy(rng.standard_normal(shape).astype("float32"))

    last = module.channels_last
    return {
        **{"t": module, "F": importlib.import_module(module.__name__ + ".nn.functional")},
        **{"copy": copy, "pickle": pickle, "r": tensor(2, 3, 4, 5), "w": tensor(4, 3, 3, 3)},
        "u": tensor(3, 3, 2, 2, 2),
        "x": tensor(2, 3, 4, 5).contiguous(memory_format=last),
        "y": tensor(2, 3, 4, 5).contiguous(memory_format=last),
        "v": tensor(2, 3, 4, 5, 6).contiguous(memory_format=module.channels_last_3d),
        "s": tensor(3, 1, 1),
        "p": tensor(4, 5, 6).permute(2, 0, 1),
        "g": tensor(8, 9)[::2, ::3],
        "e": tensor(3, 1).expand(3, 4),
        "o": tensor(2, 1, 4, 5).contiguous(memory_format=last),
        "l": tensor(2, 3, 1, 1).contiguous(memory_format=last),
    }


def layouts(module):
    """Sizes, strides and the two answers of is_contiguous for every expression."""
    names = inputs(module)
    found = {}
    for expression in (e.strip() for line in EXPRESSIONS.split("\n") for e in line.split("|")):
        if not expression:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = eval(expression, names)
        last = made.ndim == 4 and made.is_contiguous(memory_format=module.channels_last)
        found[expression] = (tuple(made.shape), made.stride(), made.is_contiguous(), last)
    return found


def test_strides():
    assert layouts(flambeau) == layouts(torch)


def test_values_and_gradients_do_not_depend_on_the_format():
    rng = np.random.default_rng(1)
    x = flambeau.from_numpy(rng.standard_normal((2, 3, 6, 6)))
    weight = flambeau.from_numpy(rng.standard_normal((4, 3, 3, 3)))
    gradients = []
    for wanted in (flambeau.contiguous_format, flambeau.channels_last):
        leaves = [t.clone(memory_format=wanted).requires_grad_() for t in (x, weight)]
        y = flambeau.nn.functional.conv2d(*leaves, padding=1)
        y = flambeau.nn.functional.max_pool2d(flambeau.nn.functional.pad(y, (1, 1, 0, 1)), 2)
        flambeau.cat([y, y * 2], 1).square().sum().backward()
        assert leaves[0].grad.is_contiguous(memory_format=wanted)
        assert leaves[1].grad.is_contiguous(memory_format=wanted)
        gradients.append([leaf.grad for leaf in leaves])
    for ours, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours.numpy(), other.numpy(), rtol=1e-12)


def test_wrong_formats():
    with pytest.raises(RuntimeError, match="rank 4"):
        flambeau.ones(2, 3).contiguous(memory_format=flambeau.channels_last)
    with pytest.raises(RuntimeError, match="rank 5"):
        flambeau.ones(2, 3, 4, 5).to(memory_format=flambeau.channels_last_3d)
    with pytest.raises(TypeError, match="memory_format"):
        flambeau.ones(2).is_contiguous(memory_format=3)
    assert not flambeau.ones(2).is_contiguous(memory_format=flambeau.channels_last)


def test_legacy_name():
    assert flambeau.legacy_contiguous_format is flambeau.contiguous_format
