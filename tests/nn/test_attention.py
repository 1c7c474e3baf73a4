"""Attention and transformers against torch."""

import layers
import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def numbers(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def close(ours, theirs):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)


def both(make):
    """Compares the tensors of `make(module)`, None where there is none."""
    for mine, other in zip(make(flambeau), make(torch), strict=True):
        if other is None:
            assert mine is None
        else:
            assert tuple(mine.shape) == tuple(other.shape)
            close(mine, other)


BOOL = np.array([[True, False, True, True, False]] * 3 + [[False] * 5])
OPTIONS = [
    {},
    {"is_causal": True},
    {"scale": 0.3},
    {"attn_mask": BOOL},
    {"attn_mask": np.where(BOOL, 0.5, -np.inf).astype("float32")},
    {"attn_mask": numbers(2, 1, 4, 5, seed=4)},
    {"dropout_p": 0.4},
    {"dropout_p": 0.4, "is_causal": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_scaled_dot_product(options):
    def make(module):
        q, k, v = (
            module.tensor(numbers(2, 3, n, d, seed=s), requires_grad=True)
            for s, (n, d) in enumerate([(4, 8), (5, 8), (5, 6)])
        )
        mask = options.get("attn_mask")
        given = options if mask is None else {**options, "attn_mask": module.tensor(mask)}
        module.manual_seed(0)
        out = module.nn.functional.scaled_dot_product_attention(q, k, v, **given)
        (out * out).sum().backward()
        return out, q.grad, k.grad, v.grad

    both(make)


def test_grouped_queries():
    def make(module):
        q, k, v = (
            module.tensor(numbers(2, h, 4, 8, seed=h), requires_grad=True) for h in (6, 2, 3)
        )
        out = module.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        (out * out).sum().backward()
        return out, q.grad, k.grad, v.grad

    both(make)


def test_gradcheck():
    from flambeau.autograd import gradcheck, gradgradcheck

    q, k, v = (
        flambeau.tensor(numbers(2, 3, 2, seed=s).astype("float64"), requires_grad=True)
        for s in range(3)
    )
    mask = flambeau.tensor([[True, False, True], [False] * 3, [True] * 3])

    def attend(q, k, v):
        return flambeau.nn.functional.scaled_dot_product_attention(q, k, v, mask)

    assert gradcheck(attend, (q, k, v))
    assert gradgradcheck(attend, (q, k, v))


HEADS = [
    ("MultiheadAttention(8, 2)", {}),
    ("MultiheadAttention(8, 2, bias=False)", {"need_weights": False}),
    ("MultiheadAttention(8, 2, dropout=0.3)", {}),
    ("MultiheadAttention(8, 2, dropout=0.3, batch_first=True)", {"need_weights": False}),
    ("MultiheadAttention(8, 2, add_bias_kv=True, add_zero_attn=True)", {"padding": True}),
    ("MultiheadAttention(8, 2, batch_first=True)", {"average_attn_weights": False}),
    ("MultiheadAttention(8, 2)", {"padding": True, "mask": "bool"}),
    ("MultiheadAttention(8, 2)", {"mask": "float", "need_weights": False}),
    ("MultiheadAttention(8, 2)", {"mask": "heads"}),
]


def masks(module, options, batch):
    options = dict(options)
    padding, mask = options.pop("padding", False), options.pop("mask", None)
    if padding:
        rows = np.zeros((batch, 5), bool)
        rows[0, 3:] = True
        options["key_padding_mask"] = module.tensor(rows)
    causal = np.triu(np.ones((5, 5), bool), 1)
    if mask == "bool":
        options["attn_mask"] = module.tensor(causal)
    elif mask == "float":
        options["attn_mask"] = module.tensor(np.where(causal, -np.inf, 0.1).astype("float32"))
    elif mask == "heads":
        options["attn_mask"] = module.tensor(numbers(2 * batch, 5, 5))
    return options


@pytest.mark.parametrize(("text", "options"), HEADS)
def test_multihead_attention(text, options):
    def make(module):
        layer = layers.make(text, module)
        batch = 5 if "batch_first" in text else 3
        x = module.tensor(numbers(5, 3, 8) if batch == 3 else numbers(3, 5, 8), requires_grad=True)
        module.manual_seed(1)
        out, weights = layer(x, x, x, **masks(module, options, 3))
        (out * out).sum().backward()
        return out, weights, x.grad, *(p.grad for p in layer.parameters())

    both(make)


@pytest.mark.parametrize("sizes", ["", ", kdim=3, vdim=5", ", kdim=3, vdim=5, add_bias_kv=True"])
def test_attention_to_other_sequences(sizes):
    def make(module):
        layer = layers.make(f"MultiheadAttention(8, 2{sizes})", module)
        q = module.tensor(numbers(4, 3, 8), requires_grad=True)
        k = module.tensor(numbers(5, 3, layer.kdim, seed=2))
        v = module.tensor(numbers(5, 3, layer.vdim, seed=3))
        out, weights = layer(q, k, v)
        (out * out).sum().backward()
        single = layer(q[:, 0], k[:, 0], v[:, 0])
        return out, weights, q.grad, *single, *(p.grad for p in layer.parameters())

    both(make)


def test_keys_that_are_values():
    def make(module):
        layer = layers.make("MultiheadAttention(8, 2)", module)
        q, k = module.tensor(numbers(4, 3, 8)), module.tensor(numbers(5, 3, 8, seed=2))
        return layer(q, k, k)

    both(make)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(
    "options",
    ["", ", norm_first=True", ", activation='gelu', bias=False", ", batch_first=True"],
)
@pytest.mark.parametrize("training", [True, False])
def test_transformer(options, training):
    def make(module):
        model = layers.make(f"Transformer(8, 2, 2, 2, 16{options})", module).train(training)
        source = module.tensor(numbers(4, 4, 8), requires_grad=True)
        target = module.tensor(numbers(4, 4, 8, seed=2), requires_grad=True)
        mask = model.generate_square_subsequent_mask(4)
        module.manual_seed(3)
        out = model(source, target, tgt_mask=mask)
        (out * out).sum().backward()
        return out, source.grad, target.grad, *(p.grad for p in model.parameters())

    both(make)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize("masked", ["padding", "mask", "causal"])
def test_masked_encoder(masked):
    def make(module):
        layer = layers.make("TransformerEncoderLayer(8, 2, 16, dropout=0.0)", module)
        model = module.nn.TransformerEncoder(layer, 2, module.nn.LayerNorm(8))
        x = module.tensor(numbers(5, 3, 8), requires_grad=True)
        options = {"padding": masked == "padding", "mask": "bool" if masked == "mask" else None}
        given = masks(module, options, 3)
        given = {("mask" if k == "attn_mask" else "src_" + k): v for k, v in given.items()}
        if masked == "causal":
            given["mask"] = module.nn.Transformer.generate_square_subsequent_mask(5)
        out = model(x, **given)
        (out * out).sum().backward()
        return out, x.grad, model(x[:, 0], mask=given.get("mask"))

    both(make)


ERRORS = [
    "MultiheadAttention(5, 2)",
    "MultiheadAttention(0, 2)",
    "MultiheadAttention(4, 2)(ones(4), ones(4), ones(4))",
    "MultiheadAttention(4, 2)(ones(3, 2, 5), ones(3, 2, 5), ones(3, 2, 5))",
    "MultiheadAttention(4, 2)(ones(3, 4), ones(3, 2, 4), ones(3, 2, 4))",
    "MultiheadAttention(4, 2)(*[ones(3, 2, 4)] * 3, is_causal=True)",
    "MultiheadAttention(4, 2)(*[ones(3, 2, 4)] * 3, attn_mask=ones(2, 2))",
    "MultiheadAttention(4, 2)(*[ones(3, 2, 4)] * 3, key_padding_mask=ones(2, 2))",
    "MultiheadAttention(4, 2)(ones(3, 2, 4), ones(5, 2, 4), ones(3, 2, 4))",
    "MultiheadAttention(4, 2)(*[ones(3, 2, 4)] * 3, attn_mask=ones(3, 3).long())",
    "TransformerEncoderLayer(4, 2, activation='x')",
    "functional.scaled_dot_product_attention(ones(4), ones(2, 4), ones(2, 4))",
]


@pytest.mark.parametrize("text", ERRORS)
def test_error_text(text):
    with pytest.raises(Exception) as theirs:
        eval(f"nn.{text}", {"nn": torch.nn, "ones": torch.ones})
    with pytest.raises(theirs.type) as ours:
        eval(f"nn.{text}", {"nn": flambeau.nn, "ones": flambeau.ones})
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    "options", ["ones(2, 3), ones(2, 4), ones(2, 3)", "ones(2, 3), ones(2, 3), ones(3, 3)"]
)
def test_sizes_that_do_not_fit(options):
    with pytest.raises(RuntimeError, match="query and key must have rows of one length"):
        eval(
            f"f({options})",
            {"f": flambeau.nn.functional.scaled_dot_product_attention, "ones": flambeau.ones},
        )
