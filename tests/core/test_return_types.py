"""Results with named fields: tuples that print, pickle and match as torch's do."""

import copy
import pickle

import pytest

import flambeau


def test_tuple_and_fields():
    found = flambeau.tensor([[1.0, 5.0], [7.0, 3.0]]).max(0)
    values, indices = found
    assert found.values is values is found[0]
    assert found.indices is indices
    assert type(found) is flambeau.return_types.max
    assert type(found[:1]) is tuple
    assert len(found) == 2 == found.n_fields == found.n_sequence_fields
    match found:
        case flambeau.return_types.max(v, i):
            assert v is values and i is indices
    with pytest.raises(AttributeError):
        found.values = values


def test_copies():
    found = flambeau.tensor([3.0, 1.0]).sort()
    for again in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found), copy.copy(found)):
        assert type(again) is flambeau.return_types.sort
        assert again.values.tolist() == [1, 3]


def test_construction():
    assert flambeau.return_types.qr([1, 2]).R == 2
    with pytest.raises(TypeError, match="takes a 2-sequence"):
        flambeau.return_types.max((1, 2, 3))
    with pytest.raises(TypeError):
        flambeau.return_types.max(1)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = flambeau.return_types.nothing


def test_same_as_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    theirs = {
        t.__name__: t.__match_args__
        for t in torch.return_types.all_return_types
        if not t.__name__.endswith("_out")  # ours have one class for both
    }
    ours = {t.__name__: t.__match_args__ for t in flambeau.return_types.all_return_types}
    assert ours == theirs
    assert repr(flambeau.return_types.svd("USV")) == repr(torch.return_types.svd("USV"))


@pytest.mark.parametrize(
    "name", ["max", "min", "median", "nanmedian", "mode", "sort", "cummax", "cummin"]
)
def test_what_functions_return(name):
    x = flambeau.tensor([[2.0, 1.0, 3.0]])
    assert type(getattr(flambeau, name)(x, dim=1)) is getattr(flambeau.return_types, name)
    out = (flambeau.empty(0), flambeau.empty(0, dtype=flambeau.int64))
    given = getattr(flambeau, name)(x, dim=1, out=out)
    assert type(given) is getattr(flambeau.return_types, name)
    assert given[0] is out[0]
