"""Which words may stand where."""

from tools import check_mentions


def found(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return [
        line for rule in check_mentions.RULES for line in check_mentions.violations(rule, tmp_path)
    ]


def test_the_repository_keeps_its_rules():
    assert check_mentions.main() == 0


def test_cupy_belongs_to_the_cuda_backend(tmp_path):
    assert found(tmp_path, "flambeau/backends/cuda.py", "import cupy\n") == []
    assert found(tmp_path, "flambeau/core/tensor.py", "x = 1\nimport cupy\n") == [
        "flambeau/core/tensor.py:2: only flambeau/backends/cuda* mentions cupy"
    ]


def test_python_belongs_to_the_bindings(tmp_path):
    assert found(tmp_path, "csrc/bind/tensor.cpp", "#include <nanobind/nanobind.h>\n") == []
    assert found(tmp_path, "csrc/core/tensor.h", '#include "Python.h"\n') == [
        "csrc/core/tensor.h:1: only csrc/bind includes Python or nanobind"
    ]
