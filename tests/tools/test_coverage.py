"""The page of what is here: which names are PyTorch's, and that each absent one has a reason."""

import pytest

from tools import coverage

pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
pytestmark = pytest.mark.filterwarnings("ignore")  # names that PyTorch deprecates warn


def test_every_absent_name_has_a_reason():
    assert coverage.unexplained() == []


@pytest.mark.parametrize(
    "namespace, name",
    [
        ("torch", "add"),
        ("torch", "linalg"),
        ("torch", "channels_last"),
        ("torch", "broadcast_shapes"),
        ("torch.Tensor", "add_"),
        ("torch.Tensor", "__matmul__"),
        ("torch.fft", "hfft2"),
        ("torch.nn", "Linear"),
        ("torch.nn.functional", "conv2d"),
        ("torch.nn.functional", "relu"),
        ("torch.nn.utils", "rnn"),
        ("torch.quasirandom", "SobolEngine"),
    ],
)
def test_names_that_count(namespace, name):
    assert name in coverage.public_names(namespace)


@pytest.mark.parametrize(
    "namespace, name",
    [
        ("torch", "os"),
        ("torch", "TYPE_CHECKING"),
        ("torch.Tensor", "__hash__"),
        ("torch.Tensor", "_make_subclass"),
        ("torch.nn.functional", "Optional"),
        ("torch.nn.functional", "torch"),
        ("torch.random", "contextlib"),
        ("torch.optim.lr_scheduler", "Optimizer"),
        ("torch.autograd.graph", "NamedTuple"),
    ],
)
def test_names_that_are_there_by_accident(namespace, name):
    assert name not in coverage.public_names(namespace)


def test_a_name_without_a_reason_is_found(monkeypatch):
    monkeypatch.setattr(coverage, "REASONS", (("sparse", "*sparse*"),))
    assert coverage.reason("torch", "sparse_coo_tensor") == "sparse"
    assert coverage.reason("torch", "no_such_name") is None


def test_an_outdated_page_is_found(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(coverage, "PAGE", tmp_path / "coverage.md")
    monkeypatch.setattr(coverage.sys, "argv", ["coverage.py", "--check"])
    monkeypatch.setattr(coverage, "NAMESPACES", ["torch.random"])
    assert coverage.main() == 1
    assert "out of date" in capsys.readouterr().out
    coverage.PAGE.write_text(coverage.page())
    assert coverage.main() == 0
