import io
import os
import random
import signal
import stat
import subprocess
import sys
import time

import pytest

import flambeau
from flambeau.serialization import load, save

WRITER = """
import sys
import flambeau
from flambeau.serialization import save
print("ready", flush=True)
number = 0
while True:
    number += 1
    save({"number": number, "data": flambeau.full((200_000,), float(number))}, sys.argv[1])
"""


def files_of(folder):
    return sorted(os.listdir(folder))


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save({"number": 0, "data": flambeau.zeros(10)}, path)
    rng = random.Random(0)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.uniform(0.0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        loaded = load(path)
        assert (loaded["data"] == loaded["number"]).all()
    save("last", path)
    assert load(path) == "last"
    assert files_of(tmp_path) == ["checkpoint.pt"]


def test_an_error_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    save("old", path)

    def fail(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        save("new", path)
    assert load(path) == "old"
    assert files_of(tmp_path) == ["a.pt"]


def test_temporary_files_of_others_stay(tmp_path):
    (tmp_path / ".b.pt.0123.tmp").touch()
    (tmp_path / ".a.pt.other").touch()
    (tmp_path / ".a.pt.0123.tmp").touch()
    save(1, tmp_path / "a.pt")
    assert files_of(tmp_path) == [".a.pt.other", ".b.pt.0123.tmp", "a.pt"]


def test_writers_at_the_same_time_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "a.pt"
    command = [sys.executable, "-c", WRITER, path]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as one,
        subprocess.Popen(command, stdout=subprocess.PIPE) as two,
    ):
        try:
            one.stdout.readline(), two.stdout.readline()
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                if path.exists():
                    loaded = load(path)
                    assert (loaded["data"] == loaded["number"]).all()
            assert one.poll() is None and two.poll() is None
        finally:
            one.kill(), two.kill()


def test_permissions_and_links_are_kept(tmp_path):
    path, link = tmp_path / "a.pt", tmp_path / "link.pt"
    save(1, path)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    path.chmod(0o640)
    link.symlink_to(path)
    save(2, link)
    assert link.is_symlink()
    assert load(path) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_long_names(tmp_path):
    path = tmp_path / ("é" * 125 + ".pt")
    save(1, path)
    assert load(path) == 1


def test_what_is_not_a_file(tmp_path):
    save(1, os.devnull)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(IsADirectoryError):
        save(1, tmp_path)


def test_file_objects_are_written_directly():
    class Flushed(io.BytesIO):
        flushed = False

        def flush(self):
            self.flushed = True

    file = Flushed()
    save(1, file)
    assert file.flushed
