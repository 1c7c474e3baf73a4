"""Whatever bytes a file holds, loading it gives an object or one of the stated errors."""

import io
import pickle
import random

import pytest

import flambeau
from flambeau.serialization import load, save

STATED = (pickle.UnpicklingError, RuntimeError, EOFError)


@pytest.fixture(scope="module")
def archive():
    file = io.BytesIO()
    value = {
        "weight": flambeau.arange(40.0).reshape(5, 8),
        "names": ["a", ("b", {"c": flambeau.nn.Parameter(flambeau.ones(3))})],
        "step": 7,
        "bytes": flambeau.zeros(3, dtype=flambeau.uint16),
    }
    save(value, file)
    return file.getvalue()


def attempt(data, tmp_path=None):
    try:
        load(io.BytesIO(data))
    except STATED as error:
        assert str(error)
    if tmp_path is not None:
        path = tmp_path / "damaged.pt"
        path.write_bytes(data)
        try:
            load(path, mmap=True)
        except STATED as error:
            assert str(error)


def test_truncated_anywhere(archive):
    for length in range(0, len(archive), 7):
        with pytest.raises(STATED):
            load(io.BytesIO(archive[:length]))


def test_bytes_changed_at_random(archive, tmp_path):
    rng = random.Random(0)
    for _ in range(500):
        data = bytearray(archive)
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        attempt(bytes(data), tmp_path)


def test_pieces_moved_at_random(archive):
    rng = random.Random(1)
    for _ in range(500):
        a, b, c = sorted(rng.randrange(len(archive)) for _ in range(3))
        attempt(archive[:a] + archive[b:c] + archive[a:b] + archive[c:])


def test_pickles_changed_at_random(archive):
    """The same below the checksum, which would catch nearly all of it."""
    from flambeau.serialization import _zip

    reader = _zip.ArchiveReader(io.BytesIO(archive), "archive")
    body = reader.read("data.pkl")
    records = {f"data/{key}": reader.read(f"data/{key}") for key in range(3)}
    rng = random.Random(2)
    for _ in range(2000):
        data = bytearray(body)
        for _ in range(rng.choice((1, 2, 4))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        file = io.BytesIO()
        writer = _zip.ArchiveWriter(file.write, "archive")
        writer.add("data.pkl", data)
        for name, record in records.items():
            writer.add(name, record)
        writer.finish()
        attempt(file.getvalue())


def test_a_changed_number_is_noticed(archive):
    weight = bytearray(archive)
    weight[archive.index(b"\x00\x00\x80?") + 1] ^= 1
    with pytest.raises(RuntimeError, match="record data/0 does not match its checksum"):
        load(io.BytesIO(bytes(weight)))
