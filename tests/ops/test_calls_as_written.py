"""Calls as users write them, compared with torch: values, dtypes, strides, nodes, error classes.

A line is an expression of what `operands` names; it is evaluated once with each of the libraries.
"""

import copy
import pickle
import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

#: Results whose values, dtypes and strides must be torch's; their nodes too.
SAME = """
quantile(x, 0.5, dim=0)
quantile(x, 0.5, dim=0, keepdim=True)
quantile(x, q, dim=1)
quantile(x, q, dim=1, keepdim=True)
quantile(x, q)
quantile(x, q, keepdim=True)
quantile(tensor(1.0), 0.5, dim=0, keepdim=True)
quantile(tensor([1.0, nan, 2.0]), 0.3)
quantile(tensor([inf, inf]), 0.5, interpolation="lower")
quantile(x.float(), 0.7, dim=2)
nanquantile(where(x > 0, x, nan), 0.5, dim=0)
nanquantile(where(x > 0, x, nan), q, dim=-1, keepdim=True, interpolation="midpoint")
x.unsafe_split(2)[0]
x.unsafe_split_with_sizes([1, 1, 1], 0)[1]
x.unsafe_chunk(2, 1)[1]
[p.mul_(2) for p in (x * 1).unsafe_chunk(2)]
view_copy(x, (4, 6))
permute_copy(x, (2, 0, 1))
alias_copy(x)
unbind_copy(x)
squeeze_copy(x, 1)
diagonal_copy(x, 0, 0, 2)
narrow_copy(x, 1, 0, 1)
x.narrow(0, tensor(1), 1)
(x * 1).squeeze_(1)
(x * 1).squeeze_()
(x * 1).squeeze_((0, 1))
(x * 1).unsqueeze_(1)
(x * 1).transpose_(0, 1)
(m * 1).t_()
(x * 1).as_strided_((2, 2), (1, 2))
polar(x, x)
rsub(x, x)
take(x, i)
take(tensor(1.0), tensor(0))
take_along_dim(x, tensor([[[-1]]]), 0)
x.to(dtype=x.dtype, copy=True)
im.to(memory_format=channels_last)
slice_scatter(m.detach(), m.detach()[:1], 0, 0, 1, out=empty(0, dtype=float64))
diagonal_copy(m.detach(), out=empty(0, dtype=float64))
x.sum_to_size(())
x.bool().detach().sum_to_size(())
tensor([1, 2], dtype=int8).sum_to_size(1)
tensor([1, 2], dtype=int8).sum_to_size(2)
unravel_index(tensor([1, 5, 7]), (4, 6))
unravel_index(tensor([1, 5, 7]), (24,))
unique(arange(24).reshape(2, 3, 4), dim=2)
unique_consecutive(arange(24).reshape(2, 3, 4), dim=1)
x.split(tensor(2), 0)
tensor([inf, -inf, nan, 3e9, -3e9, 300.0]).to(int32)
tensor([inf, -inf, nan, 3e9, -3e9, 300.0] * 9).to(int32)
tensor([inf, -inf, nan, 3e9, -3e9, 300.0], dtype=float64).to(int16)
tensor([inf, -inf, nan, 3e9, -3e9, 300.0] * 9).to(uint8)
tensor([inf, -inf, nan, 3e4, -300.0], dtype=float16).to(int8)
where(x > 0, np.float64(2), np.float32(1))
where(x > 0, 2, np.int32(1))
where(x > 0, True, False)
where(x > 0, 1j, 2)
x.scatter_reduce(0, i.reshape(3, 1, 1) % 3, x, "sum")
x.scatter_reduce(0, i.reshape(3, 1, 1) % 3, x, "mean")
(x * 1).scatter_(0, i.reshape(3, 1, 1) % 3, 1.5)
(x * 1).scatter_(0, i.reshape(3, 1, 1) % 3, value=2)
(x * 1).scatter_(0, i.reshape(3, 1, 1) % 3, x, reduce="add").detach()
x.sum_to_size(3, 2, 4) is x
x.xlogy(2)
torch.xlogy(2, x.abs())
np.int64(3) in i
np.float64(0.5) in x.detach()
autograd.grad(products_with_zeros(x), x)
autograd.grad(products_with_zeros(x, include_self=False), x)
torch.stack([im.to(memory_format=channels_last)] * 2)
torch.stack([im.to(memory_format=channels_last)] * 2, 1)
torch.stack([x, x], 1)
torch.stack([x, x], -1)
empty(0, 5).unflatten(1, (-1, 1))
empty(5, 0).unflatten(1, (-1, 2))
tensor(1.5).mT
tensor(1 + 2j).mH
torch.add(2, 3)
torch.sub(2.5, 3)
torch.mul(True, 2)
torch.div(1, 2)
torch.div(7, 2, rounding_mode="floor")
torch.floor_divide(7, 2)
"""

#: What NumPy has a part in, and what Python makes of tensors.
EXCHANGED = """
x[np.array([2, 0])]
x[:, np.array([1])]
x[..., np.array([3, 0, 1])]
x[np.array([[0, 1], [2, 0]])]
x[np.array([True, False, True])]
x[np.array([[True, False], [True, True], [False, True]])]
x[np.array([0, 2, 1], dtype=np.uint8)]
x[np.array([0, 2], dtype=np.int16)]
x[np.array([0.0, 2.0])]
x[np.array(1)]
x[np.array(True)]
x[np.array([], dtype=int)]
x[np.int64(1)]
x[np.int32(-1), np.int64(0):]
x[np.ix_([0, 2], [1])]
x[np.array([0, 1]), 1]
x[range(2)]
x[[[0, 1], [1, 0]]]
x[[tensor([0, 1]), tensor([1, 0])]]
x[[np.array([0, 1])]]
x[[0, [1]]]
x[[slice(0, 1), 0]]
x.detach() == x.detach().numpy()
x.detach().numpy() == x.detach()
x.detach().numpy() / x.detach()
x.detach().numpy() / x.detach().float()
np.array(im.detach().permute(0, 2, 3, 1))
np.asarray(m.detach().t(), dtype=np.float32)
int(tensor(3 + 0j))
copy.deepcopy(tensor([[1.0], [2.0]]).expand(2, 3))
copy.deepcopy(m)[0]
np.shares_memory(*[t.numpy() for t in copy.deepcopy([m.detach(), m.detach()[0]])])
copy.deepcopy(m.detach().t())
pickle.loads(pickle.dumps(m.detach().t()))
tensor([np.float64(2.5), 1])
tensor([np.array([1, 2]), np.array([3, 4])])
"""

#: Calls that raise what torch raises.
RAISING = """
x.narrow(0, i, 1)
x.narrow(0, tensor(True), 1)
masked_fill(x, x > 0, tensor([1.0]))
masked_scatter(x, x, x)
tensor(1.0).roll(0, 0)
tensor(1.0).unbind()
vstack([])
quantile(x, [0.5])
quantile(x, 0.5, 3)
quantile(x, 2.0)
quantile(tensor(1.0), 0.5, 1)
tensor(1.0).narrow(1, 0, 1)
tensor(1.0).unflatten(1, (1, 1))
take(x, i.int())
x.repeat_interleave(tensor([1.5]))
x.repeat_interleave(1.5)
torch.sub(True, 2)
x[np.float64(1)]
x[np.bool_(True)]
x[[[0, 1], [1, 0], [0, 0], [0, 0]]]
x.detach().numpy() * x.detach()
x.detach() < x.detach().numpy()
~x
x + 10**20
x == 10**20
x.add(10**20)
x.clamp(max=10**20)
int(tensor(1 + 2j))
float(tensor(1 + 2j))
int(x)
tensor([x[0], x[1]])
tensor(np.datetime64("2020-01-01"))
from_numpy(np.float64(1))
"""


def operands(library):
    """What an expression may name, in one of the libraries."""
    numbers = np.random.default_rng(3)

    def leaf(*shape):
        return library.tensor(numbers.standard_normal(shape), requires_grad=True)

    def products_with_zeros(x, **options):
        rows = library.tensor([1.0, 0.0, 1.0]).reshape(3, 1, 1)
        kept = x * library.tensor([0.0, 1.0, 1.0, 1.0]) * rows
        places = library.tensor([0, 0, 2]).reshape(3, 1, 1).expand(3, 2, 4)
        return (kept.scatter_reduce(0, places, kept + 1e-3 * x, "prod", **options) ** 2).sum()

    names = {name: getattr(library, name) for name in dir(library) if not name.startswith("__")}
    return names | {
        "products_with_zeros": products_with_zeros,
        "x": leaf(3, 2, 4),
        "m": leaf(3, 4),
        "im": leaf(1, 2, 3, 3),
        "q": library.tensor([0.1, 0.5, 0.9], dtype=library.float64),
        "i": library.tensor([2, -1, 0]),
        "int": int,
        "float": float,
        "range": range,
        "np": np,
        "torch": library,
        "copy": copy,
        "pickle": pickle,
        "nan": float("nan"),
        "inf": float("inf"),
    }


def evaluated(expression, library):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(expression, {}, operands(library))


def told(result):
    """Everything about a result that a program can see, without the library it comes from."""
    if isinstance(result, (tuple, list)):
        return [told(part) for part in result]
    if not isinstance(result, (torch.Tensor, flambeau.Tensor)):
        shown = result.tolist() if isinstance(result, np.ndarray) else result
        return type(result).__name__, str(getattr(result, "dtype", "")), shown
    node = result.grad_fn and result.grad_fn.name()
    values = result.detach().resolve_conj().double() if result.is_floating_point() else result
    strides = [s for s, n in zip(result.stride(), result.shape, strict=True) if n > 1]
    return (
        str(result.dtype).split(".")[-1],
        tuple(result.shape),
        strides,
        result.requires_grad,
        node,
        values.detach().resolve_conj().numpy(),
    )


def assert_same(ours, theirs):
    if isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
        return
    assert ours[:-1] == theirs[:-1]
    if isinstance(theirs[-1], np.ndarray):
        np.testing.assert_allclose(ours[-1], theirs[-1], rtol=1e-12, atol=1e-12)
    else:
        assert repr(ours[-1]).replace("flambeau", "torch") == repr(theirs[-1])


@pytest.mark.parametrize("expression", [*filter(None, (SAME + EXCHANGED).splitlines())])
def test_result(expression):
    assert_same(told(evaluated(expression, flambeau)), told(evaluated(expression, torch)))


@pytest.mark.parametrize("expression", RAISING.strip().splitlines())
def test_error(expression):
    with pytest.raises(Exception) as theirs:
        evaluated(expression, torch)
    with pytest.raises(theirs.type):
        evaluated(expression, flambeau)
