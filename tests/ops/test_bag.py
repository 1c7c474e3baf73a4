"""embedding_bag against torch: every mode and option, its gradients, its errors."""

import itertools

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

rng = np.random.default_rng(0)
TABLE = rng.standard_normal((7, 37)).astype("float32")
TABLE[3, 5] = np.nan
INDEX = rng.integers(0, 7, 60)
OFFSETS = [0, 4, 4, 11, 60]
FACTORS = rng.uniform(0.5, 2, 60).astype("float32")


def tensors(module, **options):
    """What a call returns and the gradients of the table and the factors."""
    options, grads = dict(options), []
    table = module.tensor(TABLE, dtype=getattr(module, options.pop("dtype"))).requires_grad_()
    if options.pop("weighted", False):
        options["per_sample_weights"] = module.tensor(FACTORS).to(table.dtype).requires_grad_()
        grads.append(options["per_sample_weights"])
    index = module.tensor(INDEX, dtype=getattr(module, options.pop("kind", "int64")))
    if options.pop("matrix", False):
        index = index.reshape(4, 15)
        options = {
            k: v.reshape(4, 15) if k == "per_sample_weights" else v for k, v in options.items()
        }
    else:
        options["offsets"] = module.tensor(OFFSETS, dtype=index.dtype)
    out = module.nn.functional.embedding_bag(index, table, **options)
    slope = module.arange(out.shape[1], dtype=out.dtype).expand(out.shape)
    return [out, *module.autograd.grad(out, [table, *grads], slope)]


CASES = [
    {"mode": mode, "dtype": dtype, **more}
    for mode, dtype in itertools.product(("sum", "mean", "max"), ("float32", "float64"))
    for more in (
        {},
        {"matrix": True},
        {"include_last_offset": True},
        {"padding_idx": -4},
        {"kind": "int32"},
        {"weighted": True, "padding_idx": 2},
        {"weighted": True, "include_last_offset": True},
        {"weighted": True, "matrix": True},
    )
    if (mode == "sum" or not more.get("weighted"))
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients(case):
    for ours, theirs in zip(tensors(flambeau, **case), tensors(torch, **case), strict=True):
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_sums_of_16_bits_are_rounded_once(dtype):
    table = flambeau.tensor(rng.standard_normal((50, 8))).to(getattr(flambeau, dtype))
    index = flambeau.arange(50).reshape(2, 25)
    found = flambeau.nn.functional.embedding_bag(index, table, mode="sum")
    exact = table.double().reshape(2, 25, 8).sum(1).to(table.dtype)
    assert found.dtype == table.dtype
    flambeau.testing.assert_close(found, exact, rtol=0.001 if dtype == "float16" else 0.008, atol=0)


WRONG = {
    "too great an index": ([0, 7], [0], {}),
    "a negative index": ([0, -1], [0], {}),
    "not from the start": ([0, 1], [1], {}),
    "beyond the end": ([0, 1], [0, 3], {}),
    "descending": ([0, 1], [0, 2, 1], {}),
    "no last offset": ([0, 1], [], {"include_last_offset": True}),
    "frequencies of maxima": ([0, 1], [0], {"mode": "max", "scale_grad_by_freq": True}),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    index, offsets, options = WRONG[name]

    def call(module):
        return module.nn.functional.embedding_bag(
            module.tensor(index),
            module.ones(5, 2),
            module.tensor(offsets, dtype=module.int64),
            **options,
        )

    with pytest.raises(Exception) as expected:
        call(torch)
    with pytest.raises(expected.type):
        call(flambeau)


def test_gradients_by_frequency():
    # torch takes the counts of other rows here.
    table = flambeau.ones(4, 1, requires_grad=True)
    index = flambeau.tensor([1, 1, 2, 3, 2, 1])
    out = flambeau.nn.functional.embedding_bag(
        index, table, flambeau.tensor([0, 2]), mode="sum", scale_grad_by_freq=True
    )
    out.sum().backward()
    assert table.grad.flatten().tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize(("mode", "expected"), [("sum", [2, 2]), ("mean", [1, 1])])
def test_indices_behind_the_last_offset_do_not_count(mode, expected):
    # In torch the mean's divisor counts them.
    table = flambeau.ones(4, 1, requires_grad=True)
    factors = flambeau.ones(5, requires_grad=True) if mode == "sum" else None
    out = flambeau.nn.functional.embedding_bag(
        flambeau.tensor([1, 1, 2, 3, 0]),
        table,
        flambeau.tensor([0, 2, 4]),
        mode=mode,
        include_last_offset=True,
        per_sample_weights=factors,
    )
    out.sum().backward()
    assert out.flatten().tolist() == expected
    assert table.grad[0].item() == 0
    assert factors is None or factors.grad.tolist() == [1, 1, 1, 1, 0]


def test_node():
    table = flambeau.ones(3, 2, requires_grad=True)
    out = flambeau.nn.functional.embedding_bag(flambeau.tensor([[0, 1]]), table)
    assert out.grad_fn.name() == "EmbeddingBagBackward0"
