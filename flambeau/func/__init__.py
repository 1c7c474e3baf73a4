"""Function transforms: gradients, Jacobians and batching of functions, freely nested."""

from __future__ import annotations

from functools import wraps
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


def functionalize(func: Any, *, remove: str = "mutations") -> Any:
    """The function itself, for programs that hand `functionalize(func)` on.

    PyTorch rewrites a program without in-place operations, and if wanted without views, for
    compilers that know neither; the results of the program, and what it does to its inputs, stay
    what they are. Nothing here needs the rewritten program, so `func` runs as it was written.

    Args:
        func: any function.
        remove: "mutations", or "mutations_and_views".

    Returns:
        A function of the same arguments.

    Raises:
        RuntimeError: for another value of `remove`; when the function is called, as in PyTorch.

    Example:
        >>> f = flambeau.func.functionalize(lambda x: x.clone().add_(1))
        >>> f(flambeau.zeros(2))
        tensor([1., 1.])
    """

    @wraps(func, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if remove not in ("mutations", "mutations_and_views"):
            raise RuntimeError(
                f"functionalize(f, remove='mutations'): received invalid argument for"
                f" remove={remove}. Valid options are 'mutations' and 'mutations_and_views'."
            )
        return func(*args, **kwargs)

    return wrapper


__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
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
