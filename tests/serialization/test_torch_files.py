"""Files go both ways between flambeau and PyTorch."""

import collections
import io
import warnings

import pytest

import flambeau
from flambeau import serialization

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


def example(module):
    """A value with everything that travels, made with one of the packages."""
    base = module.arange(6.0).reshape(2, 3)
    tagged = module.ones(1)
    tagged.note = "kept"
    value = collections.OrderedDict(
        base=base,
        row=base[1],
        column=base.t()[0],
        empty=module.zeros(0, 2),
        scalar=module.tensor(2.5),
        parameter=module.nn.Parameter(module.ones(2)),
        frozen=module.nn.Parameter(module.ones(2), requires_grad=False),
        leaf=module.ones(2, requires_grad=True),
        tagged=tagged,
        size=base.shape,
        dtype=module.float16,
        device=module.device("cpu"),
        plain=[1, (2.5, None, "é"), {"a": {3}}, b"\xff", 1j, 2**100, True],
    )
    for name in DTYPES:
        value[name] = module.tensor([0, 1, 1]).to(getattr(module, name))
    value._metadata = collections.OrderedDict(version=1)
    return value


def describe(value):
    """What matters of a value, in terms that both packages share."""
    if type(value).__name__ in ("Tensor", "Parameter"):
        return (
            type(value).__name__,
            str(value.dtype),
            tuple(value.shape),
            tuple(value.stride()),
            value.requires_grad,
            value.tolist(),
            getattr(value, "note", None),
        )
    if isinstance(value, dict):
        items = [(key, describe(item)) for key, item in value.items()]
        return type(value).__name__, items, getattr(value, "_metadata", None)
    if type(value) in (list, tuple):
        return [describe(item) for item in value]
    return repr(value)


def test_torch_reads_ours():
    file = io.BytesIO()
    serialization.save(example(flambeau), file)
    for keywords in ({}, {"weights_only": False}):
        file.seek(0)
        loaded = torch.load(file, **keywords)
        assert describe(loaded) == describe(example(torch))
        assert loaded["base"].untyped_storage()._cdata == loaded["row"].untyped_storage()._cdata


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
def test_we_read_torchs(protocol):
    file = io.BytesIO()
    torch.save(example(torch), file, pickle_protocol=protocol)
    file.seek(0)
    loaded = serialization.load(file)
    assert describe(loaded) == describe(example(flambeau))
    loaded["base"][1, 0] = 9
    assert loaded["row"].tolist() == [9, 4, 5]


def test_views_of_other_dtypes():
    base = flambeau.ones(2)
    file = io.BytesIO()
    serialization.save([base, base.view(flambeau.int32)], file)
    file.seek(0)
    loaded = torch.load(file)
    loaded[1].zero_()
    assert loaded[0].tolist() == [0, 0]


def test_paths_and_mappings(tmp_path):
    path = tmp_path / "model.pt"
    serialization.save(example(flambeau), path)
    assert describe(torch.load(path, mmap=True)) == describe(example(torch))
    torch.save(example(torch), path)
    assert describe(serialization.load(path, mmap=True)) == describe(example(flambeau))


def test_modules_and_optimizers():
    def make(module):
        module.manual_seed(0)
        model = module.nn.Sequential(
            module.nn.Linear(3, 4), module.nn.ReLU(), module.nn.Linear(4, 1)
        )
        optimizer = module.optim.Adam(model.parameters(), lr=0.1)
        model(module.ones(2, 3)).sum().backward()
        optimizer.step()
        return model, optimizer

    (ours, our_optimizer), (theirs, their_optimizer) = make(flambeau), make(torch)
    file = io.BytesIO()
    torch.save({"model": theirs.state_dict(), "optimizer": their_optimizer.state_dict()}, file)
    file.seek(0)
    state = serialization.load(file)
    ours.load_state_dict(state["model"])
    our_optimizer.load_state_dict(state["optimizer"])
    file = io.BytesIO()
    serialization.save({"model": ours.state_dict(), "optimizer": our_optimizer.state_dict()}, file)
    file.seek(0)
    state = torch.load(file)
    theirs.load_state_dict(state["model"])
    their_optimizer.load_state_dict(state["optimizer"])


def test_whole_modules():
    file = io.BytesIO()
    serialization.save(flambeau.nn.Linear(2, 3), file)
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.load(file, weights_only=False)
    assert type(loaded) is torch.nn.Linear


def test_wide_fields(monkeypatch):
    monkeypatch.setattr("flambeau.serialization._zip._NARROW_LIMIT", 1000)
    file = io.BytesIO()
    serialization.save([flambeau.arange(500.0), flambeau.arange(3)], file)
    file.seek(0)
    assert [t.tolist() for t in torch.load(file)] == [list(range(500)), [0, 1, 2]]
