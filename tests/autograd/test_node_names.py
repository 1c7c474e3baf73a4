"""Graph nodes are called as torch calls them: `grad_fn.name()`, its type, and what prints."""

import importlib
import warnings

import numpy as np
import pytest

import flambeau
from flambeau.core.registry import OPS
from flambeau.testing import samples_of

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

#: Ops whose node cannot have the name of torch's, because torch has no such single operation.
OTHER_PARTS = {
    "_fused_rms_norm": "torch computes the factors by rsqrt, whose gradient ours leaves out",
    "cholesky": "compared with linalg.cholesky, whose node is another",
    "conj_physical": "torch returns a real tensor itself",
    "elu": "with three parameters torch's private function is the node of celu as well",
    "flatten": "torch returns the tensor itself where there is nothing to join",
    "native_dropout": "the node of dropout, which in torch is a product",
    "special.ndtr": "torch makes it of erf and a product",
    "sum_to_size": "torch drops leading axes of size one by a view",
}

#: x, y (3, 3); v (3); s (); b (2, 3, 3); i two indices; c three classes; im (1, 2, 4, 4).
EXPRESSIONS = """
x.sum() | x.sum(0) | x.mean() | x.mean(dim=1) | x.prod() | x.prod(0) | x.max() | x.min()
x.max(0)[0] | x.max(y) | x.amax(0) | x.var() | x.std(0) | x.norm() | x.norm(2, 0) | x.logsumexp(0)
x**2 | x**y | 2**x | x.pow(0.5) | x.fmod(2) | x.fmod(y) | x % 2 | x % y | x.square() | x.sqrt()
x.clamp(0, 1) | x.clamp(min=0) | x.clamp(y, y + 1) | x.clamp_min(y) | x.clamp_max(0) | x.clip(0, 1)
x.lerp(y, 0.5) | x.lerp(y, y) | x.masked_fill(x > 0, 1) | x.masked_fill(x > 0, s)
x + y | x + 1 | 1 + x | x - y | x - 1 | 1 - x | x * 2 | x / y | x / 2 | 2 / x | -x | abs(x)
x.div(y, rounding_mode='floor') | x.round() | x.round(decimals=2) | x.log1p() | x.deg2rad()
x.squeeze() | x.squeeze(0) | x.squeeze((0, 1)) | x.unsqueeze(0) | x.t() | x.T | x.mT | x.view(-1)
x.transpose(0, 1) | x.permute(1, 0) | x.reshape(-1) | x.t().reshape(-1) | x.t().ravel()
x.flatten() | x.expand(2, 3, 3) | x.repeat(2, 1) | x.clone() | x.t().contiguous() | x.tile(2)
x[0] | x[0:2] | x[:, 1] | x[None] | x[x > 0] | x[i] | x[i, i] | x.select(0, 1) | x.narrow(0, 0, 2)
x.gather(0, i.reshape(1, 2)) | x.unbind()[0] | x.split(2)[0] | x.split([1, 2])[0] | x.chunk(2)[0]
torch.tensor_split(x, 2)[0] | x.diagonal() | x.diag() | v.diag() | x.tril() | x.roll(1, 0)
torch.cat([x, y]) | torch.stack([x, y]) | torch.where(x > 0, x, 0.) | x.flip(0) | x.rot90()
x.sort()[0] | x.topk(1)[0] | x.median(0)[0] | x.mode(0)[0] | x.cumsum(0) | x.cumprod(0)
x.median() | x.nanmedian()
x @ y | x @ v | v @ v | v @ x | b @ x | torch.bmm(b, b) | torch.addmm(x, x, y) | torch.outer(v, v)
F.linear(x, y) | F.linear(x, y, v) | F.linear(b, y) | F.linear(b, y, v) | F.linear(v, y)
F.linear(v, y, v) | F.relu(x) | F.gelu(x) | F.elu(x) | F.celu(x) | F.silu(x) | F.leaky_relu(x)
F.softsign(x) | F.tanhshrink(x) | F.logsigmoid(x) | F.softmax(x, 0) | F.log_softmax(x, 1)
F.mse_loss(x, y) | F.l1_loss(x, y) | F.l1_loss(x, y, reduction='sum') | F.nll_loss(x, c)
F.l1_loss(x, y, reduction='none') | F.kl_div(x, y, reduction='sum') | F.cross_entropy(x, c)
F.kl_div(x, y, reduction='batchmean') | F.huber_loss(x, y) | F.smooth_l1_loss(x, y)
F.binary_cross_entropy_with_logits(x, y.sigmoid()) | F.dropout(x) | F.embedding(i, x)
F.embedding(i, x, scale_grad_by_freq=True)
F.binary_cross_entropy_with_logits(x, t, w3) | F.binary_cross_entropy(x.sigmoid(), t, w3)
F.binary_cross_entropy_with_logits(x, t, pos_weight=w3) | F.soft_margin_loss(x, t)
F.multi_margin_loss(x, c) | F.multi_margin_loss(x, c, reduction='none')
F.smooth_l1_loss(x, y, beta=0) | F.rrelu(x) | F.rrelu(x, training=True)
F.alpha_dropout(x, 1.0, True)
F.multilabel_margin_loss(x, i2) | F.multilabel_margin_loss(x, i2, reduction='none')
F.multilabel_soft_margin_loss(x, t, reduction='none') | F.multilabel_soft_margin_loss(x, t, w3)
F.margin_ranking_loss(x, y, t, reduction='none') | F.triplet_margin_loss(x, y, t, reduction='none')
F.cross_entropy(x, t) | F.cross_entropy(x, t, reduction='sum') | F.cross_entropy(x, t, w3)
F.cross_entropy(x, t, reduction='none') | F.cross_entropy(x, c, label_smoothing=0.1)
F.cross_entropy(x, c, label_smoothing=0.0) | F.cross_entropy(x[0], c[0]) | F.nll_loss(x, c, w3)
F.cross_entropy(b, c2) | F.cross_entropy(b, c2, reduction='none') | F.nll_loss(b, c2)
F.cross_entropy(b[..., None], c2[..., None], reduction='none') | F.linear_cross_entropy(x, y, c)
F.pairwise_distance(x, y) | F.pairwise_distance(x, y, 1.0, keepdim=True)
F.scaled_dot_product_attention(im, im, im)
F.scaled_dot_product_attention(im, im, im, dropout_p=0.5)
F.scaled_dot_product_attention(im, im, im, im) | F.scaled_dot_product_attention(b, b, b)
F.layer_norm(x, (3,)) | F.group_norm(im, 1) | F.batch_norm(x, None, None, training=True)
F.conv2d(im, w) | F.max_pool2d(im, 2) | F.avg_pool2d(im, 2) | F.adaptive_avg_pool2d(im, 2)
F.adaptive_avg_pool2d(im, 1) | F.pad(x, (1, 1)) | x.to(torch.float16) | x.double() | x.type_as(v)
x.clone().add_(1) | x.clone().fill_(1) | x.clone().fill_(s) | x.clone().zero_() | x.clone().relu_()
x.clone().copy_(y) | x.clone().masked_fill_(x > 0, 0.) | x.clone().index_add_(0, i, y[:2])
x.index_fill(0, i, 1.) | x.scatter(0, i.reshape(1, 2), 1.) | x.scatter(0, i.reshape(1, 2), y)
x.masked_select(x > 0) | x.as_strided((2, 2), (1, 1)) | x.unfold(0, 2, 1) | written
x.clone().normal_() | x.clone().uniform_() | x.clone().exponential_() | x.clone().bernoulli_(0.5)
F.conv1d(b, bw) | x.clone().random_(0, 3) | F.pixel_shuffle(im, 1) | F.pixel_unshuffle(im, 2)
F.channel_shuffle(im, 2) | F.pad(x, (1, 1), mode='reflect') | F.pad(im, (1,) * 4, mode='circular')
torch.linalg.solve(x, v) | torch.linalg.solve(x, y, left=False) | torch.linalg.solve(b, x[:2])
torch.linalg.matrix_power(x, 2) | torch.linalg.multi_dot([v, x]) | torch.linalg.multi_dot([x, y, v])
torch.linalg.vecdot(v, v) | torch.linalg.vecdot(x, y) | torch.logdet(x)
torch.ldexp(x, y) | x.clone().ldexp_(y) | torch.dist(x, y) | x.dist(y, 1) | x.dist(y, float('inf'))
torch.mvlgamma(x + 9, 2) | torch.trapezoid(x) | torch.trapezoid(x, dx=2) | torch.trapezoid(x, y)
torch.cumulative_trapezoid(x) | torch.cumulative_trapezoid(x, dx=2.) | torch.kron(x, y)
torch.cumulative_trapezoid(x, y) | torch.kron(v, v) | torch.kron(v, x) | F.instance_norm(b)
F.instance_norm(b, v.detach(), v.detach() ** 2, use_input_stats=False)
torch.nn.InstanceNorm2d(2)(im[0]) | torch.index_reduce(x, 0, c, x, 'prod')
torch.stft(x.flatten(), 4, return_complex=True)
torch.stft(x, 3, 1, return_complex=True, center=False)
torch.stft(x.flatten(), 4, return_complex=False)
torch.istft(torch.stft(z9, 4, return_complex=True), 4) | F.conv1d(zb, zw)
F.conv1d(zb, zw, zw[:, 0, 0]) | F.conv1d(zb[0], zw, zw[:, 0, 0])
F.conv_transpose1d(zb[:, :2], zb) | F.conv_transpose2d(zb[:, :2, None], zb[:, :, None])
view_of_written | torch.complex(x, y).abs() | torch.view_as_real(torch.complex(x, y)) | x.atan2(y)
"""


def nodes(result):
    """The nodes of a result's tensors, None where there is none."""
    if isinstance(result, (tuple, list)):
        return [node for part in result for node in nodes(part)]
    return [result.grad_fn] if hasattr(result, "grad_fn") else []


def texts(result):
    return [node and (node.name(), type(node).__name__) for node in nodes(result)]


def leaf(value, make):
    """The value for one of the libraries, requiring gradients where it can."""
    if isinstance(value, flambeau.Tensor):
        made = make(value)
        return made.requires_grad_() if value.dtype.is_floating_point else made
    if isinstance(value, (list, tuple)):
        return type(value)(leaf(v, make) for v in value)
    return value


def namesake(op):
    """torch's function for an op, or None."""
    if op.info.torch == "":
        return None
    for start in (torch, torch.nn.functional, torch.Tensor):
        found = start
        for part in (op.info.torch or op.name).split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


@pytest.mark.parametrize("name", sorted(n for n in OPS if OPS[n].info.rules))
def test_every_op(name):
    op = OPS[name]
    function = namesake(op)
    if function is None:
        pytest.skip(f"torch has no {name}")
    if name in OTHER_PARTS:
        pytest.skip(OTHER_PARTS[name])
    for sample in samples_of(op):
        if any(t.dtype.is_complex for t in sample.tensors()):
            continue
        ours = sample.map(lambda t: leaf(t, flambeau.Tensor.clone))
        theirs = leaf(sample.args, lambda t: torch.from_numpy(t.numpy().copy()))
        keywords = {
            k: leaf(v, lambda t: torch.from_numpy(t.numpy().copy()))
            for k, v in sample.kwargs.items()
        }
        expected = texts(function(*theirs, **keywords))
        if not any(expected):  # torch has no gradient, as of special.bessel_j0
            continue
        assert texts(op(*ours.args, **ours.kwargs)) == expected, f"{name}{sample}"


def names_of(module):
    """Every expression's node in one of the libraries."""
    torch_like = importlib.import_module(module)

    def values(*shape):
        numbers = np.random.default_rng(0).standard_normal(shape).astype("float32")
        return torch_like.from_numpy(np.asarray(numbers)).requires_grad_()

    x = values(3, 3)
    written = x.clone()
    view_of_written = written[0]
    written[1] = 1
    known = {
        "torch": torch_like,
        "F": importlib.import_module(module + ".nn.functional"),
        **{"x": x, "y": values(3, 3), "v": values(3), "s": values(), "b": values(2, 3, 3)},
        **{"im": values(1, 2, 4, 4), "w": values(2, 2, 1, 1), "bw": values(2, 3, 2)},
        **{"t": values(3, 3).detach().sigmoid(), "w3": torch_like.tensor([0.5, 1.0, 2.0])},
        **{
            "c2": torch_like.tensor([[0, 1, 2], [2, 1, 0]]),
            "i2": torch_like.tensor([[0, -1, 1]] * 3),
        },
        **{"i": torch_like.tensor([0, 1]), "c": torch_like.tensor([0, 1, 2])},
        **{"z9": values(9), "zb": torch_like.complex(values(2, 3, 3), values(2, 3, 3))},
        "zw": torch_like.complex(values(2, 3, 2), values(2, 3, 2)),
        **{"written": written, "view_of_written": view_of_written},
    }
    expressions = [e.strip() for line in EXPRESSIONS.split("\n") for e in line.split("|") if e]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # x.T of kl_div and the like
        return {e: texts(eval(e, known)) for e in expressions}


def test_expressions():
    assert names_of("flambeau") == names_of("torch")


def test_types():
    x = flambeau.ones(2, requires_grad=True)
    node = x.sin().grad_fn
    assert repr(type(node)) == "<class 'SinBackward0'>"
    assert isinstance(node, flambeau._C.Node)
    assert type(x.sin().grad_fn) is type(node)
    assert repr(node).startswith("<SinBackward0 object at 0x")
    with pytest.raises(TypeError, match="cannot create"):
        type(node)()
    (accumulate, _), *_ = node.next_functions
    assert type(accumulate).__name__ == "AccumulateGrad"
    assert accumulate.name() == "torch::autograd::AccumulateGrad"


def test_overloads_are_declared_by_known_words():
    with pytest.raises(ValueError, match="unknown condition"):
        flambeau._C.add_overload(OPS["sin"], "Other", [(0, "huge", "")])
    assert flambeau.ones(1, requires_grad=True).sin().grad_fn.name() == "SinBackward0"
