"""The text of tensors is torch's, character for character."""

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

OPTIONS = (
    {},
    {"precision": 2},
    {"precision": 0},
    {"precision": 8},
    {"sci_mode": True},
    {"sci_mode": False},
    {"edgeitems": 1, "threshold": 10},
    {"edgeitems": 2, "threshold": 50, "linewidth": 120},
    {"linewidth": 30},
    {"profile": "short"},
    {"profile": "full"},
    {"edgeitems": 0, "threshold": 5},
    {"threshold": 0},
    {"precision": 12, "linewidth": 10},
    {"profile": "short", "precision": 3, "sci_mode": False},
    {"edgeitems": 100, "threshold": 10},
)
DTYPES = (
    *("float32", "float64", "float16", "bfloat16", "complex64", "complex128"),
    *("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64", "bool"),
)
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 20, 60)


@pytest.fixture(autouse=True)
def default_options():
    yield
    torch.set_printoptions(profile="default")
    flambeau.set_printoptions(profile="default")


def values(rng, shape):
    """Numbers of one of several kinds: plain, whole, of all magnitudes, with NaN and infinities."""
    normal = rng.standard_normal(shape)
    kinds = (
        lambda: normal * 10.0 ** rng.integers(-8, 9),
        lambda: np.round(normal * 10),
        lambda: np.round(normal * 10.0 ** rng.integers(0, 10)),
        lambda: normal * 10.0 ** rng.integers(-6, 7, size=shape),
        lambda: np.where(rng.random(shape) < 0.3, np.nan, normal),
        lambda: np.where(
            rng.random(shape) < 0.3, rng.choice([np.inf, -np.inf, -0.0], shape), normal
        ),
        lambda: np.zeros(shape),
        lambda: normal,
    )
    return np.asarray(kinds[rng.integers(len(kinds))](), dtype=np.float64)


def pair(rng, dtype):
    """The same random tensor in both libraries."""
    while True:
        shape = tuple(int(n) for n in rng.choice(SIZES, size=rng.integers(0, 5)))
        if np.prod(shape, dtype=float) <= 20000:
            break
    array = values(rng, shape)
    if dtype.startswith("complex"):
        with np.errstate(all="ignore"):
            array = array + 1j * values(rng, shape)
    elif not dtype.startswith(("float", "bfloat")):
        array = np.nan_to_num(array, posinf=100, neginf=-100).clip(-1e15, 1e15).astype("int64")
        array = np.abs(array) if dtype.startswith("uint") else array
    with np.errstate(all="ignore"):
        theirs = torch.from_numpy(np.asarray(array)).to(getattr(torch, dtype))
    exact = theirs.float() if dtype == "bfloat16" else theirs
    ours = flambeau.tensor(exact.numpy()).to(getattr(flambeau, dtype))
    return ours, theirs


@pytest.mark.parametrize("seed", range(40))
def test_random_tensors(seed):
    rng = np.random.default_rng(seed)
    for _ in range(8):
        options = OPTIONS[rng.integers(len(OPTIONS))]
        for module in (torch, flambeau):
            module.set_printoptions(profile="default")
            module.set_printoptions(**options)
        ours, theirs = pair(rng, DTYPES[rng.integers(len(DTYPES))])
        if theirs.is_floating_point():
            graph = rng.integers(4)
            ours, theirs = in_graph(flambeau, ours, graph), in_graph(torch, theirs, graph)
        if theirs.ndim > 1 and rng.random() < 0.3:
            ours, theirs = ours.detach().transpose(0, -1), theirs.detach().transpose(0, -1)
        assert repr(ours) == repr(theirs), options


def in_graph(module, t, kind):
    """The tensor as it is, as a leaf that requires gradients, as a result, or as a Parameter."""
    if kind == 3:
        return module.nn.Parameter(t)
    return t if kind == 0 else t.requires_grad_() if kind == 1 else t.requires_grad_() * 1


@pytest.mark.parametrize(
    "text",
    [
        "tensor(3.)",
        "tensor(True)",
        "tensor(1+2j)",
        "zeros(2, 0)",
        "zeros(0, dtype=torch.int64)",
        "zeros(0, 3, requires_grad=True)",
        "arange(2000)",
        "arange(2000.)",
        "arange(10000).reshape(100, 100)",
        "arange(1001.).reshape(7, 143)",
        "zeros(20, 2, 3, 100)",
        "ones(1000)",
        "tensor([0., -0.])",
        "tensor([float('nan'), 1.5])",
        "tensor([1e-40, 1])",
        "tensor(1e-5)",
        "tensor([1e8, 2.])",
        "zeros(1, 1, 1, 1, 1)",
        "ones(2, 3, requires_grad=True).t()",
        "ones(2, requires_grad=True).sum()",
        "nn.Parameter(torch.ones(2))",
        "nn.Parameter(torch.ones(2, 2), requires_grad=False)",
        "nn.ParameterList([torch.ones(1)])",
        "ones(40, requires_grad=True) * 1",
        "ones(18, requires_grad=True) * 1",
        "full((2,), 3e38)",
        "tensor([5e-324], dtype=torch.float64)",
        "tensor([complex(float('nan'), 1), complex(1, float('inf'))])",
        "tensor([99999999., 1e8])",
        "tensor([[2**63]], dtype=torch.uint64)",
        "zeros(0, 3, dtype=torch.complex64)",
        "tensor([[1., 2.]]).sort()",
        "finfo(torch.bfloat16)",
        "finfo(torch.float64)",
        "iinfo(torch.int32)",
        "Size([2, 3])",
        "device('cuda', 1)",
        "float16",
        "strided",
        "channels_last",
    ],
)
def test_known_cases(text):
    assert repr(eval("torch." + text, {"torch": flambeau})) == repr(eval("torch." + text))


def test_wrong_profile():
    with pytest.raises(ValueError, match="profile"):
        flambeau.set_printoptions(profile="huge")


def test_format_and_str():
    assert f"{flambeau.tensor(2.5):.2f}" == "2.50"
    assert str(flambeau.tensor([1])) == "tensor([1])"
