"""Importing the package: quick, lazy, complete."""

import subprocess
import sys

import pytest

import flambeau

HEAVY = ("numpy", "scipy", "typing", "inspect", "dataclasses", "multiprocessing", "zipfile", "enum")


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_import_loads_little():
    loaded = run("import sys, flambeau; print(*sys.modules)").split()
    assert not set(HEAVY) & set(loaded)
    assert not {f"flambeau.{name}" for name in ("nn", "optim", "utils", "serialization")} & set(
        loaded
    )


def test_printing_does_not_load_numpy():
    loaded = run("import sys, flambeau; str(flambeau.rand(3)); print(*sys.modules)").split()
    assert "numpy" not in loaded


def test_names_load_when_named():
    for name in (
        "nn",
        "optim",
        "utils",
        "autograd",
        "random",
        "serialization",
        "cuda",
        "storage",
        "version",
        "__config__",
        "testing",
    ):
        assert getattr(flambeau, name).__name__ == f"flambeau.{name}"
    for name in (
        "save",
        "load",
        "finfo",
        "iinfo",
        "set_printoptions",
        "UntypedStorage",
        "get_num_threads",
        "is_storage",
    ):
        assert callable(getattr(flambeau, name))
        assert name in dir(flambeau)
    assert not hasattr(flambeau, "nothing")


def test_constants():
    assert flambeau.inf == float("inf")
    assert flambeau.nan != flambeau.nan
    assert flambeau.newaxis is None
    assert abs(flambeau.pi - 3.14159) < 1e-5


def test_cuda_is_absent():
    assert not flambeau.cuda.is_available()
    assert flambeau.cuda.device_count() == 0
    flambeau.cuda.manual_seed_all(1)
    flambeau.cuda.empty_cache()
    with pytest.raises(RuntimeError, match="CUDA"):
        flambeau.cuda.synchronize()
    with pytest.raises(RuntimeError, match="CUDA"):
        flambeau.ones(1, device="cuda")
    assert not flambeau.backends.mps.is_available()
    assert not flambeau.backends.cudnn.is_available()


def test_settings():
    before = flambeau.get_num_threads()
    flambeau.set_num_threads(1)
    assert flambeau.get_num_threads() == 1
    flambeau.set_num_threads(before)
    with pytest.raises(RuntimeError, match="positive"):
        flambeau.set_num_threads(0)
    flambeau.use_deterministic_algorithms(True, warn_only=True)
    assert flambeau.are_deterministic_algorithms_enabled()
    flambeau.use_deterministic_algorithms(False)
    flambeau.set_float32_matmul_precision("high")
    assert flambeau.get_float32_matmul_precision() == "high"
    flambeau.set_float32_matmul_precision("highest")
    with pytest.raises(ValueError, match="medium"):
        flambeau.set_float32_matmul_precision("low")
    flambeau.set_default_tensor_type(flambeau.DoubleTensor)
    assert flambeau.ones(1).dtype == flambeau.float64
    flambeau.set_default_tensor_type("torch.FloatTensor")
    with pytest.raises(TypeError, match="floating"):
        flambeau.set_default_tensor_type(flambeau.LongTensor)
    assert "flambeau" in flambeau.__config__.show()


def test_questions():
    x = flambeau.ones(2)
    assert flambeau.is_floating_point(x) and not flambeau.is_complex(x)
    assert flambeau.numel(x) == 2
    assert flambeau.equal(x, x.clone()) and not flambeau.equal(x, flambeau.ones(3))
    assert flambeau.allclose(x, x + 1e-9)
    assert flambeau.result_type(flambeau.tensor([1]), 2.5) == flambeau.float32
    assert flambeau.promote_types(flambeau.int32, flambeau.uint8) == flambeau.int32
    assert not flambeau.can_cast(flambeau.float32, flambeau.int64)
    assert flambeau.typename(x) == "torch.FloatTensor"
    assert flambeau.typename(3) == "int"
    with pytest.raises(TypeError, match="must be Tensor"):
        flambeau.numel(3)


def test_limits_of_dtypes():
    assert flambeau.finfo().max == flambeau.finfo(flambeau.complex64).max
    assert flambeau.iinfo(flambeau.uint64).max == 2**64 - 1
    with pytest.raises(TypeError, match="iinfo"):
        flambeau.finfo(flambeau.int32)
    with pytest.raises(TypeError, match="finfo"):
        flambeau.iinfo(flambeau.float32)
    with pytest.raises(TypeError, match="bool"):
        flambeau.iinfo(flambeau.bool)
