"""The CPU's kernels: every public function of the compiled layer, under the same name."""

from flambeau import _C
from flambeau._C import *  # noqa: F403
from flambeau.backends import blas

blas.configure()


def capability() -> str:
    """The instruction set in use, chosen at load time: "x86-64-v4" for instance."""
    return _C.isa_name()
