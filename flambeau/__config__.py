"""How this flambeau was built: `flambeau.__config__.show()`."""

import os

from flambeau import _C
from flambeau.backends import cpu
from flambeau.core import settings
from flambeau.core.version import PACKAGE


def show() -> str:
    """A text about the build and the machine.

    Example:
        >>> flambeau.__config__.show().startswith("flambeau built with:")
        True
    """
    blas, _, place = _C.blas_description().partition(" ")
    return (
        "flambeau built with:\n"
        "  - C++ Version: 202002, nanobind\n"
        f"  - BLAS and LAPACK: {blas}{place and f' ({place})'}\n"
        f"  - CPU capability usage: {cpu.get_cpu_capability()} ({_C.isa_name()})\n"
        f"  - Build settings: FLAMBEAU_VERSION={PACKAGE}, USE_CUDA=0, USE_OPENMP=OFF, \n"
    )


def parallel_info() -> str:
    """A text about threads: how many an operation uses, and what the environment asks for."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    processors = len(affinity(0)) if affinity else os.cpu_count()
    lines = [
        "flambeau/Parallel:",
        f"\tget_num_threads() : {settings.get_num_threads()}",
        f"\tget_num_interop_threads() : {settings.get_num_interop_threads()}",
        f"processors that this process may use : {processors}",
        "Environment variables:",
        *(
            f"\t{name} : {os.environ.get(name, '[not set]')}"
            for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
        ),
        "Parallel backend: thread pool of its own",
    ]
    return "\n".join(lines) + "\n"
