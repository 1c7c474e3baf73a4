"""Importing the package: quick, lazy, complete; its functions are pickled as themselves."""

import copy
import functools
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

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


@pytest.mark.parametrize("space", ["", "linalg", "fft", "special", "nn.functional", "random"])
def test_functions_are_pickled_as_themselves(space):
    owner = functools.reduce(getattr, filter(None, space.split(".")), flambeau)
    for name in dir(owner):
        value = getattr(owner, name)
        if isinstance(value, (flambeau._C.Op, flambeau._C.Function)):
            assert pickle.loads(pickle.dumps(value)) is value, name
            assert copy.deepcopy(value) is value, name


def test_a_module_with_a_function_is_pickled():
    layer = flambeau.nn.TransformerEncoderLayer(4, 1, activation=flambeau.tanh)
    assert pickle.loads(pickle.dumps(layer)).activation is flambeau.tanh


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


def test_switches_of_backends():
    backends = flambeau.backends
    for name in ("cuda", "cudnn", "mha", "mkl", "mkldnn", "mps", "openmp", "opt_einsum"):
        assert getattr(backends, name).__doc__
    assert backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")
    for module in (backends.cudnn, backends.mkldnn, backends.openmp, backends.opt_einsum):
        assert not module.is_available()
    assert isinstance(backends.mkl.is_available(), bool)
    before = backends.cudnn.benchmark
    with backends.cudnn.flags(enabled=False, benchmark=True):
        assert backends.cudnn.benchmark and not backends.cudnn.enabled
    assert backends.cudnn.benchmark is before and backends.cudnn.enabled
    with backends.mkldnn.flags(enabled=False), backends.mkl.verbose(backends.mkl.VERBOSE_ON):
        assert not backends.mkldnn.enabled
    assert not backends.cudnn.is_acceptable(flambeau.ones(1))
    backends.mha.set_fastpath_enabled(False)
    assert not backends.mha.get_fastpath_enabled()
    backends.mha.set_fastpath_enabled(True)
    with pytest.raises(AttributeError):
        _ = backends.nothing


def test_switches_of_cuda():
    cuda = flambeau.backends.cuda
    assert not cuda.is_built() and not cuda.is_flash_attention_available()
    cuda.matmul.allow_tf32 = True
    assert cuda.matmul.allow_tf32
    cuda.matmul.allow_tf32 = False
    asked = (
        cuda.flash_sdp_enabled,
        cuda.math_sdp_enabled,
        cuda.mem_efficient_sdp_enabled,
        cuda.cudnn_sdp_enabled,
    )
    with cuda.sdp_kernel(False, False, False, False):
        assert not any(enabled() for enabled in asked)
    assert all(enabled() for enabled in asked)
    for name, enabled in zip(("flash", "math", "mem_efficient", "cudnn"), asked, strict=True):
        getattr(cuda, f"enable_{name}_sdp")(False)
        assert not enabled()
        getattr(cuda, f"enable_{name}_sdp")(True)
    assert cuda.preferred_linalg_library("magma") == "magma" == cuda.preferred_linalg_library()
    assert cuda.preferred_linalg_library("default") == cuda.preferred_blas_library() == "default"
    with pytest.raises(RuntimeError, match="Unknown"):
        cuda.preferred_blas_library("mine")


def test_config():
    assert "CPU capability usage" in flambeau.__config__.show()
    info = flambeau.__config__.parallel_info()
    assert f"get_num_threads() : {flambeau.get_num_threads()}\n" in info
    assert "OMP_NUM_THREADS" in info


def test_versions():
    version = flambeau.torch_version.TorchVersion
    assert version("1.10.0") > "1.9" and version("1.10.0+cpu") >= (1, 10)
    assert version("2.0a1") < "2.1" and version("2.0.0") <= "2"
    assert version("1.2.0") == (1, 2) and version("1.2") == "1.2" and version("1.2") != "1.20"
    assert version("1.2") != 1.2
    assert {version("1.2"): 1}["1.2"] == 1


def test_programs_find_the_release_whose_names_are_here():
    version = pytest.importorskip("packaging.version").Version
    torch = flambeau
    assert torch.__version__ >= (2, 0) and torch.__version__ >= "1.13"
    assert not torch.__version__ < (2, 13) and not torch.__version__ > (2, 13)
    assert version(torch.__version__) >= version("2.0")
    assert version(torch.__version__).release == (2, 13, 0)
    assert int(torch.__version__.split(".")[0]) == 2
    assert tuple(map(int, torch.__version__.split("+")[0].split("."))) == (2, 13, 0)
    assert isinstance(torch.__version__, torch.torch_version.TorchVersion)
    assert str(torch.__version__) == "2.13.0+flambeau.0.1.0"


def test_the_package_has_a_version_of_its_own():
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert flambeau.version.flambeau == declared["project"]["version"]
    assert flambeau.version.torch == "2.13.0"
    assert flambeau.version.__version__ == flambeau.__version__


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
    with pytest.warns(UserWarning, match="deprecated"):
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
