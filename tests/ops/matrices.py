"""Matrices for the tests of linear algebra, and how closely results must agree."""

import numpy as np

import flambeau

DTYPES = ("float32", "float64", "complex64", "complex128")


def numbers(*shape, dtype="float64", seed=0):
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        made = made + 1j * rng.standard_normal(shape)
    return made.astype(dtype)


def ours(array):
    return flambeau.from_numpy(np.ascontiguousarray(array))


def adjoint(array):
    return np.conj(np.swapaxes(array, -1, -2))


def wide(array):
    """The array in double precision."""
    return array.astype("complex128" if array.dtype.kind == "c" else "float64")


def close(found, wanted, dtype, factor=1):
    tolerance = factor * (1e-4 if dtype in ("float32", "complex64") else 1e-11)
    found = found.numpy() if isinstance(found, flambeau.Tensor) else found
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    wanted = np.broadcast_to(wanted, found.shape)  # one identity for a batch
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)
