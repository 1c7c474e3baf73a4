"""The CPU's kernels: every public function of the compiled layer, under the same name."""

from flambeau import _C
from flambeau._C import *  # noqa: F403
from flambeau.backends import blas

blas.configure()


def capability() -> str:
    """The instruction set in use, chosen at load time: "x86-64-v4" for instance."""
    return _C.isa_name()


def get_cpu_capability() -> str:
    """The instruction set in use by torch's names: "DEFAULT", "AVX2" or "AVX512"."""
    return {"x86-64-v3": "AVX2", "x86-64-v4": "AVX512"}.get(_C.isa_name(), "DEFAULT")
