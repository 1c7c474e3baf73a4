"""What convolution layers do beyond their functions, against PyTorch."""

import numpy as np
import pytest

import flambeau
from flambeau import nn

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


@pytest.mark.parametrize(
    ("call", "shape", "sizes"),
    [
        ("ConvTranspose1d(4, 6, 3, stride=3)", (2, 4, 5), [(15,), (17,), (2, 6, 16)]),
        ("ConvTranspose2d(4, 6, 3, stride=2)", (2, 4, 5, 5), [(11, 12), [12, 11], (2, 6, 12, 12)]),
        ("ConvTranspose2d(4, 6, 3, stride=2)", (4, 5, 5), [(11, 12), (6, 12, 12)]),
        ("ConvTranspose2d(4, 6, 3, 2, dilation=2, padding=1)", (1, 4, 5, 5), [(11, 12)]),
        ("ConvTranspose3d(4, 2, 2, (1, 2, 3))", (1, 4, 2, 2, 2), [(3, 5, 7), (3, 4, 5)]),
    ],
)
def test_output_size(call, shape, sizes):
    theirs = eval(f"nn.{call}", {"nn": torch.nn})
    ours = eval(f"nn.{call}", {"nn": nn})
    ours.load_state_dict({k: flambeau.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    for size in sizes:
        found, expected = (
            layer(module.from_numpy(x), output_size=size)
            for layer, module in ((ours, flambeau), (theirs, torch))
        )
        np.testing.assert_allclose(
            found.detach().numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5
        )


def test_subclasses_may_change_the_weight():
    class Doubled(nn.Conv3d):
        def forward(self, input):
            return self._conv_forward(input, self.weight * 2, None)

    layer, x = Doubled(2, 3, 2), flambeau.ones(1, 2, 3, 3, 3)
    expected = nn.functional.conv3d(x, layer.weight) * 2
    assert flambeau.allclose(layer(x), expected)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    "options", [{}, {"stride": 2, "padding": 1}, {"dilation": 2, "groups": 2}], ids=str
)
def test_gradients_as_functions(n, options):
    groups = options.get("groups", 1)
    rng = np.random.default_rng(n)
    x, w = rng.standard_normal((2, 4, *[8] * n)), rng.standard_normal((6, 4 // groups, *[3] * n))
    y = getattr(torch.nn.functional, f"conv{n}d")(*map(torch.from_numpy, (x, w)), **options)
    g = rng.standard_normal(tuple(y.shape))
    for name, given in (("input", (x.shape, w, g)), ("weight", (x, w.shape, g))):
        found, expected = (
            getattr(module.nn.grad, f"conv{n}d_{name}")(
                *(module.from_numpy(a) if isinstance(a, np.ndarray) else a for a in given),
                **options,
            )
            for module in (flambeau, torch)
        )
        np.testing.assert_allclose(found.numpy(), expected.numpy(), rtol=1e-10, atol=1e-12)


def test_gradients_as_functions_check_sizes():
    w, g = flambeau.ones(4, 3, 3, 3), flambeau.ones(1, 4, 3, 3)
    with pytest.raises(RuntimeError, match="got 3-dimensional input of size"):
        nn.grad.conv2d_input((3, 5, 5), w, g)
    with pytest.raises(RuntimeError, match=r"expected \(1, 4, 4, 4\), got \(1, 4, 3, 3\)"):
        nn.grad.conv2d_input((1, 3, 6, 6), w, g)
    with pytest.raises(RuntimeError, match="got 3-dimensional input of size"):
        nn.grad.conv2d_weight(flambeau.ones(3, 5, 5), (4, 3, 3, 3), g)
    with pytest.raises(TypeError):
        nn.grad.conv2d_input((1, 3, 5, 5), None, g)


def test_memory_formats_of_weights():
    class Twice(nn.Sequential):
        pass

    net = Twice(nn.Conv2d(2, 3, 3), nn.ConvTranspose2d(3, 2, 3), nn.Conv3d(2, 3, 2))
    kept = [p for p in net.parameters()]
    before = [p.detach().clone() for p in kept]
    assert nn.utils.convert_conv2d_weight_memory_format(net, flambeau.channels_last) is net
    assert [m.weight.is_contiguous() for m in net] == [False, False, True]
    nn.utils.convert_conv3d_weight_memory_format(net, flambeau.channels_last_3d)
    assert [m.weight.is_contiguous() for m in net] == [False, False, False]
    assert all(a is b for a, b in zip(kept, net.parameters(), strict=True))
    assert all(flambeau.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert net[:2](flambeau.ones(1, 2, 5, 6)).is_contiguous(memory_format=flambeau.channels_last)
    nn.utils.convert_conv2d_weight_memory_format(net, flambeau.contiguous_format)
    assert [m.weight.is_contiguous() for m in net] == [True, True, False]
