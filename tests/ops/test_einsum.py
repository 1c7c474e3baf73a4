"""einsum against NumPy and PyTorch: values, gradients, layouts, orders of contraction, errors."""

import itertools
import random

import numpy as np
import pytest
from oracle import check_parity

import flambeau
from flambeau import _C
from flambeau.testing import gradgradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

rng = np.random.default_rng(5)


def some(*shape):
    return rng.standard_normal(shape)


CALLS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ij->", (2, 3)),
    ("ii->i", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("iijj,ij->", (3, 3, 2, 2), (3, 2)),
    ("iiii", (2, 2, 2, 2)),
    ("i,j->ij", (2,), (3,)),
    ("i,i", (3,), (3,)),
    (",->", (), ()),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 2)),
    ("i...,i...", (3, 1, 2), (3, 4, 1)),
    ("...j->j...", (2, 3, 4)),
    ("ij...->i", (2, 3, 4)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    ("bq,oqk,bk->bo", (2, 3), (4, 3, 5), (2, 5)),
    ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 2), (2, 3)),
    ("ij,ij->ij", (2, 1), (1, 3)),
    ("ij,jk->ik", (2, 3), (1, 4)),
    ("ij,jk->ki", (0, 3), (3, 2)),
    ("ij,jk->ik", (2, 0), (0, 3)),
    ("abc,cd->abd", (2, 3, 4), (4, 5)),
    ("ij,kl->ijkl", (2, 3), (2, 2)),
    ("ij,k->i", (2, 3), (4,)),
    (" i j , j k -> i k ", (2, 3), (3, 2)),
    ("a,b,c,d,e,f,g,h->hgfedcba", *[(2,)] * 8),
]


@pytest.mark.parametrize("equation, shapes", [(c[0], c[1:]) for c in CALLS])
def test_values_and_gradients(equation, shapes):
    arrays = [some(*shape) for shape in shapes]
    check_parity(
        torch,
        lambda *x: flambeau.einsum(equation, *x),
        lambda *x: torch.einsum(equation, *x),
        arrays,
        wanting=range(len(arrays)),
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "int64", "uint8", "complex64"])
@pytest.mark.parametrize("equation, shapes", [(c[0], c[1:]) for c in CALLS[:16]])
def test_dtypes(equation, shapes, dtype):
    theirs = [torch.from_numpy(np.array(4 * some(*s))).to(getattr(torch, dtype)) for s in shapes]
    mine = [flambeau.tensor(x.tolist(), dtype=getattr(flambeau, dtype)) for x in theirs]
    mine = [x.reshape(tuple(y.shape)) for x, y in zip(mine, theirs, strict=True)]
    try:
        expected = torch.einsum(equation, *theirs)
    except RuntimeError:
        return  # integer sums of torch change the dtype before they are multiplied
    found = flambeau.einsum(equation, *mine)
    assert str(found.dtype) == str(expected.dtype)
    tolerance = 3e-2 if dtype == "bfloat16" else 1e-5
    np.testing.assert_allclose(found.tolist(), expected.tolist(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "subscripts",
    [
        lambda x, y: (x, [0, 1], y, [1, 2], [0, 2]),
        lambda x, y: (x, [0, 1], y, [1, 2]),
        lambda x, y: (x, [51, 1], y, [1, 2]),
        lambda x, y: (x, [0, ...]),
        lambda x, y: (x, (0, 1), y, (1, ...), (..., 0)),
        lambda x, y: (x, [1, 0]),
    ],
)
def test_lists_of_subscripts(subscripts):
    x, y = some(2, 3), some(3, 4)
    found = flambeau.einsum(*subscripts(flambeau.from_numpy(x), flambeau.from_numpy(y)))
    expected = torch.einsum(*subscripts(torch.from_numpy(x), torch.from_numpy(y)))
    np.testing.assert_allclose(found.numpy(), expected.numpy())


def test_one_operand_gives_a_view():
    x = flambeau.arange(9).reshape(3, 3)
    assert flambeau.einsum("ij->ji", x).data_ptr() == x.data_ptr()
    flambeau.einsum("ii->i", x).fill_(7)
    assert x.tolist() == [[7, 1, 2], [3, 7, 5], [6, 7, 7]]


def test_operands_as_a_list():
    x = flambeau.ones(2, 2)
    assert flambeau.einsum("ij,jk->ik", [x, x]).tolist() == [[2, 2], [2, 2]]


def test_many_operands_are_contracted_in_a_cheap_order():
    sizes = [2, 100, 3, 100, 2, 100, 3, 100, 2, 3]
    operands = [flambeau.ones(a, b) for a, b in itertools.pairwise(sizes)]
    for count in (4, 6, 9):
        letters = "abcdefghij"
        terms = ",".join(letters[k] + letters[k + 1] for k in range(count))
        found = flambeau.einsum(f"{terms}->{letters[0]}{letters[count]}", *operands[:count])
        product = operands[0]
        for x in operands[1:count]:
            product = product @ x
        flambeau.testing.assert_close(found, product)


def test_the_order_of_contraction_is_the_cheapest():
    from flambeau.ops.einsum import _best_tree, _greedy_tree

    terms, sizes = [[0, 1], [1, 2], [2, 3]], {0: 2, 1: 100, 2: 100, 3: 2}
    assert _best_tree(terms, [0, 3], sizes) in (((0, 1), 2), (0, (1, 2)))
    sizes = {0: 100, 1: 2, 2: 100, 3: 2}
    assert _best_tree(terms, [0, 3], sizes) == (0, (1, 2))
    assert set(_greedy_tree(terms, [0, 3], sizes)) == {0, (1, 2)}


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.einsum("ij,kj->ik", x, x.T.contiguous()),
        lambda m, x: m.einsum("ij", x, x),
        lambda m, x: m.einsum("ij,jk", x),
        lambda m, x: m.einsum("ijk", x),
        lambda m, x: m.einsum("ij...k", x),
        lambda m, x: m.einsum("ij->ii", x),
        lambda m, x: m.einsum("ij->ik", x),
        lambda m, x: m.einsum("i1->i", x),
        lambda m, x: m.einsum("i..->i", x),
        lambda m, x: m.einsum("i.j->ij", x),
        lambda m, x: m.einsum("......", x),
        lambda m, x: m.einsum("ii->i", x),
        lambda m, x: m.einsum("ij->i->j", x),
        lambda m, x: m.einsum("ij"),
        lambda m, x: m.einsum(),
        lambda m, x: m.einsum(3, x),
        lambda m, x: m.einsum("ij", 3),
        lambda m, x: m.einsum(x, [0, 60]),
        lambda m, x: m.einsum(x, [0, "a"]),
        lambda m, x: m.einsum(x, [0, 1, 2]),
        lambda m, x: m.einsum(x, [..., ...]),
        lambda m, x: m.einsum("ij,jk->ik", x, m.ones(3, 2, dtype=m.float64)),
        lambda m, x: m.einsum("ij,jk->ik", x > 0, x.T > 0),
    ],
)
def test_errors(call):
    with pytest.raises((RuntimeError, ValueError, TypeError, NotImplementedError)) as theirs:
        call(torch, torch.ones(2, 3))
    with pytest.raises(theirs.type) as mine:
        call(flambeau, flambeau.ones(2, 3))
    if theirs.type is RuntimeError and str(theirs.value).startswith("einsum()"):
        assert str(mine.value) == str(theirs.value)


def labelled(draw, array_of, sizes):
    """Labels of two operands and a result, and operands in all kinds of layouts."""
    a, b, out = [], [], []
    for label in range(len(sizes)):
        in_a, in_b, in_out = draw.choice([(1, 1, 0), (1, 1, 1), (1, 0, 1), (0, 1, 1)])
        a += [label] * in_a
        b += [label] * in_b
        out += [label] * in_out
    for labels in (a, b, out):
        draw.shuffle(labels)
    return a, b, out, array_of(a), array_of(b)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "bfloat16", "complex128"])
@pytest.mark.parametrize("choices", [(0, 1, 2, 3, 5), (30, 40, 50)])
def test_contractions_of_any_layout(dtype, choices):
    draw = random.Random(f"{dtype}{choices}")
    count, axes = (150, 6) if choices[0] == 0 else (10, 4)
    for _ in range(count):
        sizes = [draw.choice(choices) for _ in range(draw.randint(0, axes))]

        def array_of(labels, sizes=sizes):
            order = list(range(len(labels)))
            draw.shuffle(order)
            spaced = [draw.random() < 0.3 for _ in order]
            whole = rng.integers(-3, 4, [sizes[labels[k]] * 2 for k in order])
            cut = whole[
                tuple(
                    slice(None, None, 2) if s else slice(0, n // 2)
                    for s, n in zip(spaced, whole.shape, strict=True)
                )
            ]
            return np.asarray(cut).transpose([order.index(k) for k in range(len(order))])

        a, b, out, x, y = labelled(draw, array_of, sizes)
        if dtype == "bfloat16" and 0 not in choices:
            continue  # sums beyond 256 are not whole in 8 bits
        mine = [flambeau.as_tensor(v).to(getattr(flambeau, dtype)) for v in (x, y)]
        found = _C.contract(*mine, a, b, out)
        expected = np.einsum(x, a, y, b, out)
        if dtype == "bfloat16":
            expected = torch.from_numpy(np.array(expected)).to(torch.bfloat16).double().numpy()
        np.testing.assert_array_equal(found.to(flambeau.complex128).numpy(), expected)


@pytest.mark.parametrize(
    "labels",
    [
        ((0, 1), (1, 2), (0, 2, 3)),
        ((0, 1, 4), (1, 2), (0, 2)),
        ((0, 5), (1, 2), (0, 2)),
        ((0, 0), (0, 2), (0, 2)),
        ((0,), (1, 2), (0, 2)),
    ],
)
def test_contractions_that_make_no_sense(labels):
    with pytest.raises((ValueError, RuntimeError)):
        _C.contract(flambeau.ones(2, 3), flambeau.ones(3, 4), *labels)


def test_second_derivatives():
    x = flambeau.randn(2, 3, dtype=flambeau.float64, requires_grad=True)
    y = flambeau.randn(4, 3, 2, dtype=flambeau.float64, requires_grad=True)
    assert gradgradcheck(lambda a, b: flambeau.einsum("ij,kji,ij->k", a, b, a), (x, y))


def test_the_result_does_not_depend_on_the_number_of_threads():
    x, y = flambeau.randn(8, 130, 70), flambeau.randn(8, 70, 90)
    before = flambeau.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            flambeau.set_num_threads(threads)
            results.append(flambeau.einsum("bij,bjk->bki", x, y))
    finally:
        flambeau.set_num_threads(before)
    assert flambeau.equal(*results)
