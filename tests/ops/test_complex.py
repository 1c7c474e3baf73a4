"""Complex numbers and their parts: conj and neg views, parts that are set, gradients."""

import copy
import io
import pickle

import numpy as np
import pytest

import flambeau
from flambeau.autograd import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

LIBRARIES = pytest.mark.parametrize("library", [flambeau, torch], ids=["flambeau", "torch"])
VALUES = [[1 + 2j, 3 - 4j], [-0.5j, 2 + 0j], [1 - 1j, -3 + 0.25j]]


def numbers(library=flambeau):
    return library.tensor(VALUES, dtype=library.complex128)


def listed(tensor):
    return np.array(tensor.detach().tolist())


VIEWS = {
    "conj": lambda x: x.conj(),
    "conj twice": lambda x: x.conj().conj(),
    "imag of conj": lambda x: x.conj().imag,
    "real of conj": lambda x: x.conj().real,
    "mH": lambda x: x.mH,
    "H": lambda x: x.H,
    "adjoint": lambda x: x.adjoint(),
    "row": lambda x: x.conj()[1],
    "transposed": lambda x: x.conj().t(),
    "expanded": lambda x: x.conj().unsqueeze(0).expand(2, 3, 2),
    "flattened": lambda x: x.conj().flatten(),
    "detached": lambda x: x.conj().detach(),
    "contiguous": lambda x: x.conj().contiguous(),
    "compacted": lambda x: x.conj().t().contiguous(),
    "clone": lambda x: x.conj().clone(),
    "resolved": lambda x: x.conj().resolve_conj(),
    "negative resolved": lambda x: x.conj().imag.resolve_neg(),
    "same": lambda x: x.resolve_conj().resolve_neg(),
    "physical": lambda x: x.conj_physical(),
    "narrower": lambda x: x.conj().to(x.real.dtype.to_complex()),
    "sum": lambda x: x.conj() + x.conj().imag,
    "product": lambda x: x.mH @ x,
    "copied": lambda x: copy.deepcopy(x.conj()),
    "unpickled": lambda x: pickle.loads(pickle.dumps(x.conj())),
    "unpickled imag": lambda x: pickle.loads(pickle.dumps(x.conj().imag)),
}


@pytest.mark.parametrize("make", VIEWS.values(), ids=VIEWS)
def test_views_are_what_torch_makes_of_them(make):
    ours, theirs = make(numbers()), make(numbers(torch))
    np.testing.assert_array_equal(listed(ours), listed(theirs))
    assert (ours.is_conj(), ours.is_neg()) == (theirs.is_conj(), theirs.is_neg())
    assert ours.stride() == theirs.stride()
    assert (ours._base is None) == (theirs._base is None)
    assert repr(ours) == repr(theirs)


@LIBRARIES
def test_real_tensors_have_no_conjugates(library):
    x = library.tensor([1.0, 2.0])
    assert x.conj() is x and not x.is_conj() and not library.is_conj(x) and not library.is_neg(x)
    assert x.real is x and x.resolve_conj() is x and library.resolve_neg(x) is x


def write_conj(x):
    x.conj().mul_(2j)


def write_imag_of_conj(x):
    x.conj().imag.add_(10)


def fill_conj(x):
    x.conj().fill_(1 + 5j)


def write_item(x):
    x.conj()[0, 1] = 7j


def write_copy(x):
    x.conj().copy_(x.detach().clone())


def write_itself(x):
    x.copy_(x.conj())


def write_out(x):
    torch_or_ours = torch if isinstance(x, torch.Tensor) else flambeau
    torch_or_ours.mul(x.clone(), 3j, out=x.conj())


def conj_in_place(x):
    x.conj_physical_()


def set_parts(x):
    x.real = x.imag.clone()
    x.imag = 4


def masked(x):
    x.conj().masked_fill_(x.real > 0, 2j)


def scattered(x):
    x.conj().index_fill_(0, torch_index(x, [0, 2]), 3 + 1j)


def torch_index(x, places):
    return (torch if isinstance(x, torch.Tensor) else flambeau).tensor(places)


WRITES = [
    write_conj,
    write_imag_of_conj,
    fill_conj,
    write_item,
    write_copy,
    write_itself,
    write_out,
    conj_in_place,
    set_parts,
    masked,
    scattered,
]


@pytest.mark.parametrize("write", WRITES)
def test_writes_reach_the_storage(write):
    ours, theirs = numbers(), numbers(torch)
    write(ours)
    write(theirs)
    np.testing.assert_array_equal(listed(ours), listed(theirs))


@pytest.mark.parametrize("write", [w for w in WRITES if w is not write_out])
def test_gradients_flow_through_written_views(write):
    gradients = []
    for library in (flambeau, torch):
        x = numbers(library).requires_grad_()
        y = x * (1 + 0.5j)
        before = y.conj()  # a view whose base is written later
        write(y)
        loss = (y.abs() ** 2).sum() + (before * library.tensor(2 - 1j)).imag.sum()
        loss.backward()
        gradients.append(listed(x.grad))
    np.testing.assert_allclose(*gradients, rtol=1e-12)


def test_gradients_of_parts():
    x = numbers().requires_grad_()
    for f in (
        lambda z: z.conj() * z,
        lambda z: z.conj().imag * z.real,
        lambda z: z.mH @ z,
        lambda z: flambeau.view_as_complex(flambeau.view_as_real(z) * 2).conj(),
        lambda z: flambeau._neg_view(z.real),
        lambda z: z.conj_physical().angle(),
    ):
        assert gradcheck(f, x) and gradgradcheck(f, x)


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, x: lib.view_as_real(x.conj()),
        lambda lib, x: x.conj().view(lib.float64),
        lambda lib, x: x.conj().imag.view(lib.int64),
        lambda lib, x: x.conj().numpy(),
        lambda lib, x: x.conj().imag.numpy(),
        lambda lib, x: x.real.imag,
        lambda lib, x: setattr(x.real, "imag", 1),
        lambda lib, x: x[0].H,
        lambda lib, x: x.reshape(1, 3, 2).H,
        lambda lib, x: x[0].mH,
        lambda lib, x: x[0].adjoint(),
    ],
)
def test_refusals_are_those_of_torch(call):
    with pytest.raises(RuntimeError) as ours:
        call(flambeau, numbers())
    with pytest.raises(RuntimeError) as theirs:
        call(torch, numbers(torch))
    assert str(ours.value) == str(theirs.value)


def test_other_libraries_get_no_views():
    with pytest.raises(BufferError, match="conjugate bit"):
        numbers().conj().__dlpack__()
    with pytest.raises(BufferError, match="negative bit"):
        numbers().conj().imag.__dlpack__()


@pytest.mark.parametrize("make", [lambda x: x.conj(), lambda x: x.conj().imag, lambda x: x.real])
def test_files_keep_views_as_views_both_ways(make):
    ours, theirs = make(numbers()), make(numbers(torch))
    file = io.BytesIO()
    flambeau.save(ours, file)
    for library in (flambeau, torch):
        file.seek(0)
        loaded = library.load(file)
        assert (loaded.is_conj(), loaded.is_neg()) == (ours.is_conj(), ours.is_neg())
        np.testing.assert_array_equal(listed(loaded), listed(ours))
    file = io.BytesIO()
    torch.save(theirs, file)
    file.seek(0)
    loaded = flambeau.load(file)
    assert (loaded.is_conj(), loaded.is_neg()) == (theirs.is_conj(), theirs.is_neg())
    np.testing.assert_array_equal(listed(loaded), listed(theirs))


def test_accumulated_gradients_are_no_views():
    x = numbers().requires_grad_()
    for _ in range(2):
        x.conj().backward(numbers())
    assert not x.grad.is_conj()
    np.testing.assert_array_equal(listed(x.grad), 2 * np.conj(np.array(VALUES)))
