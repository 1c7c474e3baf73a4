import collections
import io
import pathlib
import pickle
import sys
import zipfile

import numpy as np
import pytest

import flambeau
from flambeau import serialization
from flambeau.serialization import _zip, load, save


def round_trip(obj, **keywords):
    file = io.BytesIO()
    save(obj, file)
    file.seek(0)
    return load(file, **keywords)


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


@pytest.mark.parametrize("name", DTYPES)
def test_dtypes(name):
    dtype = getattr(flambeau, name)
    tensor = flambeau.tensor([0, 1, 1]).to(dtype)
    loaded = round_trip(tensor)
    assert loaded.dtype is dtype
    assert loaded.tolist() == tensor.tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda base: base,
        lambda base: base.t(),
        lambda base: base[1:, ::2],
        lambda base: base[1, 2],
        lambda base: base[:0],
        lambda base: base[0, 0].expand(2, 5),
        lambda base: base.reshape(2, 1, 6),
    ],
)
def test_layouts(make):
    tensor = make(flambeau.arange(12.0).reshape(3, 4))
    loaded = round_trip(tensor)
    assert loaded.shape == tensor.shape
    assert loaded.stride() == tensor.stride()
    assert loaded.storage_offset() == tensor.storage_offset() or tensor.numel() == 0
    assert loaded.tolist() == tensor.tolist()


def test_views_share_storage_after_loading():
    base = flambeau.arange(6.0).reshape(2, 3)
    file = io.BytesIO()
    save({"base": base, "row": base[1], "column": base.t()[0]}, file)
    assert len(file.getvalue()) < 2000
    file.seek(0)
    loaded = load(file)
    loaded["base"][1, 0] = 10
    assert loaded["row"].tolist() == [10, 4, 5]
    loaded["column"].zero_()
    assert loaded["base"].tolist() == [[0, 1, 2], [0, 4, 5]]


def test_views_of_other_dtypes_share_storage_after_loading():
    base = flambeau.ones(2)
    loaded = round_trip([base, base.view(flambeau.int32)])
    loaded[1].zero_()
    assert loaded[0].tolist() == [0, 0]


def test_the_same_object_stays_the_same():
    tensor = flambeau.ones(2)
    loaded = round_trip([tensor, tensor])
    assert loaded[0] is loaded[1]
    cycle = []
    cycle.append(cycle)
    loaded = round_trip(cycle)
    assert loaded[0] is loaded


def test_storages():
    tensor = flambeau.arange(3.0)
    typed, untyped, view = round_trip([tensor.storage(), tensor.untyped_storage(), tensor])
    assert typed.tolist() == [0, 1, 2]
    view[0] = 5
    assert typed.tolist() == [5, 1, 2]
    assert untyped.data_ptr() == view.data_ptr()


def test_requires_grad_and_parameters():
    weight = flambeau.ones(2, requires_grad=True)
    parameter = flambeau.nn.Parameter(flambeau.ones(2), requires_grad=False)
    loaded = round_trip([weight, weight * 2, parameter, weight.detach()])
    assert [tensor.requires_grad for tensor in loaded] == [True, True, False, False]
    assert all(tensor.is_leaf for tensor in loaded)
    assert type(loaded[2]) is flambeau.nn.Parameter
    loaded[0].sum().backward()
    assert loaded[0].grad.tolist() == [1, 1]


def test_attributes_of_tensors():
    tensor = flambeau.ones(1)
    tensor.note = {"a": 1}
    parameter = flambeau.nn.Parameter(flambeau.ones(1))
    parameter.tag = "x"
    loaded = round_trip([tensor, parameter])
    assert loaded[0].note == {"a": 1}
    assert loaded[1].tag == "x"
    assert type(loaded[1]) is flambeau.nn.Parameter


PLAIN = [
    None,
    True,
    -(2**100),
    1.5,
    float("inf"),
    1j,
    "é\n",
    b"\x00\xff",
    bytearray(b"ab"),
    {1, 2},
    (1, [2, {"a": (3,)}]),
    collections.OrderedDict(b=1, a=2),
    collections.Counter("aab"),
    flambeau.float16,
    flambeau.Size([2, 3]),
    flambeau.device("cpu"),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_values(value, protocol):
    file = io.BytesIO()
    save(value, file, pickle_protocol=protocol)
    file.seek(0)
    loaded = load(file)
    assert type(loaded) is type(value)
    assert loaded == value


@pytest.mark.parametrize("protocol", range(-1, 6))
@pytest.mark.parametrize("weights_only", [False, True])
def test_protocols(protocol, weights_only):
    value = {"a": flambeau.ones(2), (1, "x"): [flambeau.float32, 2.5, None]}
    file = io.BytesIO()
    save(value, file, pickle_protocol=protocol)
    file.seek(0)
    loaded = load(file, weights_only=weights_only)
    assert loaded["a"].tolist() == [1, 1]
    assert loaded[1, "x"] == [flambeau.float32, 2.5, None]


def test_state_dicts_keep_their_metadata():
    state = flambeau.nn.Linear(2, 3).state_dict()
    loaded = round_trip(state)
    assert type(loaded) is collections.OrderedDict
    assert loaded._metadata == state._metadata
    flambeau.nn.Linear(2, 3).load_state_dict(loaded)


def test_modules_need_trust():
    module = flambeau.nn.Sequential(flambeau.nn.Linear(2, 3), flambeau.nn.ReLU())
    with pytest.raises(pickle.UnpicklingError, match="Unsupported global"):
        round_trip(module)
    loaded = round_trip(module, weights_only=False)
    x = flambeau.ones(1, 2)
    assert loaded(x).tolist() == module(x).tolist()


# ---- files ----


@pytest.mark.parametrize("as_path", [str, pathlib.Path])
@pytest.mark.parametrize("map_file", [None, False, True])
def test_paths(tmp_path, as_path, map_file):
    path = as_path(tmp_path / "model.é.pt")
    save({"a": flambeau.arange(5)}, path)
    assert load(path, mmap=map_file)["a"].tolist() == [0, 1, 2, 3, 4]


def test_file_objects(tmp_path):
    with open(tmp_path / "a", "wb") as file:
        save([1, flambeau.ones(1)], file)
    with open(tmp_path / "a", "rb") as file:
        assert load(file)[1].tolist() == [1]


def test_a_file_that_cannot_seek(tmp_path):
    class Sink:
        def __init__(self):
            self.parts = []

        def write(self, data):
            self.parts.append(bytes(data))

    sink = Sink()
    save(flambeau.ones(2), sink)
    assert load(io.BytesIO(b"".join(sink.parts))).tolist() == [1, 1]


def test_an_archive_behind_something_else():
    file = io.BytesIO(b"header")
    file.seek(6)
    save(flambeau.ones(2), file)
    file.seek(6)
    assert load(file).tolist() == [1, 1]


@pytest.mark.parametrize(
    "program, kind, text",
    [
        (lambda: save(1, 3), AttributeError, "expected 'f' to be string, path, or a file-like"),
        (lambda: load(3), AttributeError, "has no attribute 'seek'"),
        (lambda: load("/nonexistent/file"), FileNotFoundError, "nonexistent"),
        (lambda: save(1, "/nonexistent/file"), RuntimeError, "Parent directory /nonexistent"),
        (lambda: load(io.BytesIO(b"")), EOFError, "empty"),
        (lambda: load(io.BytesIO(b"not an archive")), pickle.UnpicklingError, "begins with b'not "),
        (lambda: load(io.BytesIO(pickle.dumps(1))), pickle.UnpicklingError, "before 1.6"),
        (lambda: load(io.BytesIO(b"PK\x03\x04...")), RuntimeError, "central directory"),
        (lambda: load(io.BytesIO(), mmap=True), ValueError, "must be a file path"),
        (
            lambda: load(io.BytesIO(), weights_only=True, pickle_module=pickle),
            RuntimeError,
            "Can not safely load weights",
        ),
        (lambda: save(lambda: 0, io.BytesIO()), pickle.PicklingError, "Can't pickle <function"),
    ],
)
def test_errors(program, kind, text):
    with pytest.raises(kind, match=text):
        program()


def test_what_cannot_be_saved_leaves_no_trace(tmp_path):
    path = tmp_path / "a.pt"
    save("old", path)
    with pytest.raises(pickle.PicklingError):
        save([flambeau.ones(2), lambda: 0], path)
    assert load(path) == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.pt"]
    file = io.BytesIO()
    with pytest.raises(pickle.PicklingError):
        save(lambda: 0, file)
    assert file.getvalue() == b""


def test_a_pickle_module():
    import types

    module = types.ModuleType("mine")
    module._Pickler, module.Unpickler = pickle._Pickler, pickle.Unpickler
    file = io.BytesIO()
    save({"a": flambeau.ones(1)}, file, pickle_module=module)
    file.seek(0)
    assert load(file, pickle_module=module)["a"].tolist() == [1]
    module._Pickler = None
    module.Pickler = pickle.Pickler
    with pytest.raises(TypeError, match="must be a subclass of"):
        save(1, file, pickle_module=module)


# ---- the archive ----


def test_the_layout(tmp_path):
    path = tmp_path / "model.pt"
    save({"a": flambeau.ones(3), "b": flambeau.zeros(2, dtype=flambeau.int64)}, path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert {name.partition("/")[0] for name in names} == {"model"}
        assert names[0] == "model/data.pkl"
        assert archive.read("model/version") == b"3\n"
        assert archive.read("model/byteorder") == sys.byteorder.encode()
        assert archive.read("model/.storage_alignment") == b"64"
        assert len(archive.read("model/.data/serialization_id")) == 40
        assert archive.read("model/data/0") == np.ones(3, "f4").tobytes()
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    with open(path, "rb") as file:
        reader = _zip.ArchiveReader(file, "model")
        assert all(reader.offset(f"data/{key}") % 64 == 0 for key in "01")


def test_large_archives_use_wide_fields(monkeypatch):
    # The limits of the narrow fields, brought down to where they are reached.
    monkeypatch.setattr(_zip, "_NARROW_LIMIT", 1000)
    tensors = [flambeau.arange(300.0), flambeau.arange(3.0), flambeau.arange(500.0)]
    file = io.BytesIO()
    save(tensors, file)
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
    file.seek(0)
    assert [t.tolist() for t in load(file)] == [t.tolist() for t in tensors]


def test_archives_packed_again(tmp_path):
    save({"a": flambeau.arange(100)}, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as source,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name))
    for map_file in (False, True):
        assert load(tmp_path / "b.pt", mmap=map_file)["a"].tolist() == list(range(100))


def test_the_other_byte_order():
    file = io.BytesIO()
    save({"f": flambeau.tensor([1.5, -2.0]), "c": flambeau.tensor([1 + 2j])}, file)
    swapped = io.BytesIO()
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(swapped, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("byteorder"):
                data = b"big" if sys.byteorder == "little" else b"little"
            if "/data/" in name:
                data = np.frombuffer(data, "f4").byteswap().tobytes()
            target.writestr(name, data)
    swapped.seek(0)
    loaded = load(swapped)
    assert loaded["f"].tolist() == [1.5, -2.0]
    assert loaded["c"].tolist() == [1 + 2j]


def test_mapped_files(tmp_path):
    path = tmp_path / "a.pt"
    tensor = flambeau.arange(1000.0)
    save([tensor, tensor[10:]], path)
    loaded = load(path, mmap=True)
    loaded[0][10] = -1
    assert loaded[1][0].item() == -1
    assert load(path)[0].tolist() == tensor.tolist()  # the file is as it was
    save("new", path)
    assert loaded[1][1].item() == 11  # and the mapping outlives it


def test_checksums_can_be_left_out():
    assert serialization.get_crc32_options() is True
    serialization.set_crc32_options(False)
    try:
        file = io.BytesIO()
        save(flambeau.ones(2), file)
    finally:
        serialization.set_crc32_options(True)
    with zipfile.ZipFile(file) as archive:
        assert {info.CRC for info in archive.infolist()} == {0}
    file.seek(0)
    assert load(file).tolist() == [1, 1]


# ---- where storages go ----


@pytest.mark.parametrize(
    "location",
    [
        None,
        "cpu",
        flambeau.device("cpu"),
        {"cpu": "cpu"},
        {},
        lambda storage, location: storage,
        lambda storage, location: None,
    ],
)
def test_map_location(location):
    assert round_trip(flambeau.ones(2), map_location=location).tolist() == [1, 1]


def test_map_location_is_told_where_from():
    seen = []
    round_trip(
        [flambeau.ones(2), flambeau.zeros(1)],
        map_location=lambda storage, location: seen.append((storage.nbytes(), location)),
    )
    assert seen == [(8, "cpu"), (4, "cpu")]


@pytest.mark.parametrize(
    "location, kind, text",
    [
        ("cuda:0", RuntimeError, "Attempting to deserialize object on a CUDA device"),
        ({"cpu": "cuda:0"}, RuntimeError, r"map_location=torch.device\('cpu'\)"),
        ("bogus", RuntimeError, "don't know how to restore data location.*bogus"),
        (3, TypeError, "not callable"),
    ],
)
@pytest.mark.skipif(flambeau.cuda.is_available(), reason="asks for a GPU that is not there")
def test_map_location_errors(location, kind, text):
    with pytest.raises(kind, match=text):
        round_trip(flambeau.ones(2), map_location=location)
