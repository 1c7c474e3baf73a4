import datetime
import io
import os
import pathlib
import pickle
import struct

import pytest

import flambeau
from flambeau.serialization import (
    _zip,
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    load,
    safe_globals,
    save,
)


class Plain:
    def __init__(self, value=0):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value


class Setter:
    def __setstate__(self, state):
        self.state = state


class Calls:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def saved(obj, **keywords):
    file = io.BytesIO()
    save(obj, file, **keywords)
    return file.getvalue()


def archive_of(body):
    """An archive around a pickle that no pickler would write."""
    file = io.BytesIO()
    writer = _zip.ArchiveWriter(file.write, "archive")
    writer.add("data.pkl", body)
    writer.add("data/0", struct.pack("<4f", 1, 2, 3, 4))
    writer.finish()
    return file.getvalue()


def opened(data, **keywords):
    return load(io.BytesIO(data), **keywords)


@pytest.fixture(autouse=True)
def no_safe_globals():
    yield
    clear_safe_globals()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_code_is_not_run(protocol, tmp_path):
    flag = tmp_path / "flag"
    data = saved(Calls(os.mkdir, str(flag)), pickle_protocol=protocol)
    with pytest.raises(pickle.UnpicklingError, match=r"Unsupported global: GLOBAL posix.mkdir"):
        opened(data)
    assert not flag.exists()
    opened(data, weights_only=False)
    assert flag.exists()


@pytest.mark.parametrize(
    "value, name",
    [
        (Calls(eval, "1"), "eval"),
        (Calls(getattr, "a", "upper"), "getattr"),
        (print, "print"),
        (pathlib.PurePosixPath("a"), "pathlib.PurePosixPath"),
        (datetime.timedelta(1), "datetime.timedelta"),
        (frozenset([1]), "frozenset"),
        (Plain(), f"{__name__}.Plain"),
    ],
)
def test_the_error_names_what_was_refused(value, name):
    with pytest.raises(pickle.UnpicklingError) as caught:
        opened(saved(value))
    text = str(caught.value)
    assert text.startswith("Weights only load failed")
    assert f"GLOBAL {name} was not an allowed global by default" in text
    assert f"add_safe_globals([{name}])" in text
    assert "weights_only=False" in text


def test_allowing_more():
    data = saved([Plain(3), datetime.timedelta(2)])
    with safe_globals([Plain, datetime.timedelta]):
        assert opened(data) == [Plain(3), datetime.timedelta(2)]
    assert get_safe_globals() == []
    add_safe_globals([Plain])
    add_safe_globals([(datetime.timedelta, "datetime.timedelta")])
    assert get_safe_globals() == [Plain, datetime.timedelta]
    assert opened(data) == [Plain(3), datetime.timedelta(2)]
    clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        opened(data)


def test_allowing_a_name_of_the_past():
    data = saved(Plain(4)).replace(b"Plain", b"Pla1n")
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        opened(data)
    body = pickle.dumps(Plain(4), 2).replace(b"Plain", b"Older")
    with safe_globals([(Plain, f"{__name__}.Older")]):
        assert opened(archive_of(body)) == Plain(4)


def test_a_state_set_by_the_class_itself():
    value = Setter()
    value.a = 1
    with safe_globals([Setter]):
        assert opened(saved(value)).state == {"a": 1}


def test_both_packages_names_are_ours():
    body = b"\x80\x02cflambeau._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storageq\x01"
    body += b"cflambeau\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x01K\x03\x85"
    body += b"K\x01\x85\x89ccollections\nOrderedDict\n)RtR."
    for data in (body, body.replace(b"cflambeau", b"ctorch")):
        assert opened(archive_of(data)).tolist() == [2, 3, 4]


def test_names_flambeau_does_not_have():
    body = b"\x80\x02ctorch.nn.modules.nothing\nNothing\n."
    with pytest.raises(AttributeError, match=r"torch\.nn\.modules\.nothing\.Nothing"):
        opened(archive_of(body), weights_only=False)


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
TENSOR = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n("


def tensor_pickle(numel=b"K\x04", offset=b"K\x00", size=b"K\x04\x85", stride=b"K\x01\x85"):
    return (
        TENSOR + STORAGE + numel + b"tQ" + offset + size + stride + b"\x89"
        b"ccollections\nOrderedDict\n)RtR."
    )


def test_the_pickle_that_the_next_test_spoils():
    assert opened(archive_of(tensor_pickle())).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "body",
    [
        tensor_pickle(numel=b"K\x05"),
        tensor_pickle(numel=b"J\xff\xff\xff\xff"),
        tensor_pickle(numel=b"X\x01\x00\x00\x004"),
        tensor_pickle(offset=b"K\x01"),
        tensor_pickle(offset=b"J\xff\xff\xff\xff"),
        tensor_pickle(size=b"K\x05\x85"),
        tensor_pickle(size=b"K\x02K\x02\x86"),
        tensor_pickle(size=b"J\xff\xff\xff\xff\x85"),
        tensor_pickle(size=b"G?\xf0\x00\x00\x00\x00\x00\x00\x85"),
        tensor_pickle(stride=b"J\xff\xff\xff\xff\x85"),
        tensor_pickle(stride=b"K\x02\x85"),
        tensor_pickle(size=b"\x8a\x05\x00\x00\x00\x00\x01" * 2 + b"\x86", stride=b"K\x00K\x00\x86"),
        tensor_pickle().replace(b"FloatStorage", b"DoubleStorage"),
        tensor_pickle().replace(b"torch\nFloatStorage", b"torch\nfloat32"),
        tensor_pickle().replace(b"X\x01\x00\x00\x000", b"X\x01\x00\x00\x009"),
        tensor_pickle().replace(b"X\x07\x00\x00\x00storage", b"X\x07\x00\x00\x00nothing"),
        tensor_pickle()[:-3],
        tensor_pickle()[:40],
        b"",
        b"\x80\x02",
        b"\x80\x09N.",
        b"\x80\x02ctorch\nTensor\n(K\x05tR.",  # asks for memory
        b"\x80\x02c__builtin__\nbytearray\n(J\xff\xff\xff\x7ftR.",
        b"\x80\x02c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.",
        b"\x80\x02ctorch\nTensor\n}X\x01\x00\x00\x00aK\x01sb.",  # sets an attribute of the class
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02ctorch.nn.parameter\nParameter\n)\x81.",
        b"\x80\x02\x82\x01.",  # the extension registry
        b"(i__main__\nPlain\n.",
        b"(c__main__\nPlain\no.",
        b"\x80\x05\x97.",
        b"K\x01)R.",
        b"K\x01)\x81.",
        b"P0\n.",
        b"\xff",
    ],
)
def test_pickles_that_lie(body):
    with pytest.raises((pickle.UnpicklingError, RuntimeError)) as caught:
        opened(archive_of(body))
    assert len(str(caught.value)) > 20


def test_classes_are_as_they_were():
    assert not hasattr(flambeau.Tensor, "a")
