"""Finds the BLAS library: MKL if the `mkl` package is installed, else the one in scipy-openblas32.

Only the path is looked up here; the library is loaded by the first matrix product.
"""

from __future__ import annotations

import os
import sys

from flambeau import _C


def _openblas() -> str | None:
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("scipy_openblas32")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        library = os.path.join(folder, "lib", "libscipy_openblas.so")
        if os.path.exists(library):
            return library
    return None


def _mkl() -> str | None:
    library = os.path.join(sys.prefix, "lib", "libmkl_rt.so.2")
    return library if os.path.exists(library) else None


def configure() -> None:
    """Tells the compiled layer which library to use; without any it has kernels of its own."""
    for find, kind in ((_mkl, "mkl"), (_openblas, "openblas")):
        path = find()
        if path is not None:
            _C.blas_configure(path, kind)
            return
