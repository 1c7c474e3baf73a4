"""Function transforms: gradients, Jacobians and batching of functions, freely nested."""

from __future__ import annotations

from typing import Any

from flambeau.func._forward import jacfwd, jvp
from flambeau.func._levels import debug_unwrap
from flambeau.func._modules import (
    functional_call,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from flambeau.func._reverse import grad, grad_and_value, jacrev, linearize, vjp
from flambeau.func._vmap import vmap


def hessian(func: Any, argnums: Any = 0) -> Any:
    """A function that returns the matrix of second derivatives: forward over reverse mode.

    Args:
        func: takes and returns tensors or nested structures of them.
        argnums: which arguments to differentiate by: a number, or a tuple of them.

    Returns:
        A function of the same arguments; for a scalar function of a vector of n it gives (n, n).

    Example:
        >>> flambeau.func.hessian(lambda x: (x ** 3).sum())(flambeau.tensor([1., 2.]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)


__all__ = [
    "debug_unwrap",
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
