"""What both forms of weight norm and of spectral norm compute."""

from flambeau.core.grad_mode import no_grad
from flambeau.nn import functional as F
from flambeau.ops.matmul import mv
from flambeau.ops.networks import norm_except_dim


def scaled(direction, size, dim):
    """`direction` with slices along `dim` of the norms `size` (Salimans and Kingma, 2016)."""
    return direction * (size / norm_except_dim(direction, 2, dim))


def as_matrix(weight, dim):
    """`weight` with the axis `dim` as rows and all others as columns."""
    return weight.movedim(dim, 0).reshape(weight.size(dim), -1)


def output_axis(module):
    """The axis of outputs in the weight of a layer."""
    return 1 if getattr(module, "transposed", False) else 0


def power_iteration(matrix, x, y, steps, eps):
    """Turn `x` and `y`, in place, towards the first singular vectors: `y` left, `x` right."""
    with no_grad():
        for _ in range(steps):
            y.copy_(F.normalize(mv(matrix, x), dim=0, eps=eps))
            x.copy_(F.normalize(mv(matrix.mH, y), dim=0, eps=eps))


def find_hook(module, kind, name):
    """The key of the forward pre-hook of class `kind` for the weight `name`, or None."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, kind) and hook.name == name:
            return key
    return None
