"""Limiting gradients."""

from flambeau.backends import kernels
from flambeau.core.errors import ArgumentTypeError
from flambeau.core.grad_mode import no_grad
from flambeau.core.notices import warn
from flambeau.core.registry import explain_functions
from flambeau.core.tensor import Tensor
from flambeau.ops.join import stack
from flambeau.ops.values import tensor


def _list_of(tensors):
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters):
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    else:
        was_generator = not hasattr(parameters, "__len__")
        parameters = list(parameters)
        if was_generator and not parameters:
            warn("`parameters` is an empty generator, no gradient clipping will occur.")
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of several tensors taken together as one vector.

    Args:
        tensors: A tensor or an iterable of them.
        norm_type: The p of the norm; may be infinite.
        error_if_nonfinite: Raise if the norm is infinite or NaN.
        foreach: Accepted for programs that set it; there is one way here.

    Returns:
        The norm, a tensor of no dimension.

    Raises:
        RuntimeError: See `error_if_nonfinite`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([[0.0, 4.0]])])
        tensor(5.)
    """
    tensors, norm_type = _list_of(tensors), float(norm_type)
    if not tensors:
        return tensor(0.0)
    with no_grad():
        norms = stack([each.norm(norm_type) for each in tensors])
        total = norms.max() if norm_type == float("inf") else norms.norm(norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scale the gradients, whose norm is `total_norm`, down to the norm `max_norm`, in place.

    `clip_grad_norm_` does so with the norm of these gradients; this is for norms found otherwise,
    of several sets of parameters for instance.

    Args:
        parameters: A tensor or an iterable of them.
        max_norm: The largest norm allowed.
        total_norm: The norm of all gradients, see `get_total_norm`.
        foreach: Accepted for programs that set it; there is one way here.

    Raises:
        TypeError: If the norm is no tensor.

    Example:
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.zeros(1))
        >>> p.grad = torch.tensor([4.0])
        >>> torch.nn.utils.clip_grads_with_norm_([p], 1.0, total_norm=torch.tensor(8.0))
        >>> p.grad
        tensor([0.5000])
    """
    gradients = _gradients(parameters)
    if gradients and not isinstance(total_norm, Tensor):
        raise ArgumentTypeError(
            "clip_grads_with_norm_(): argument 'total_norm' (position 3) must be Tensor, not "
            f"{type(total_norm).__name__}"
        )
    _scale(gradients, max_norm, total_norm)


def _scale(gradients, max_norm, total_norm):
    if not gradients:
        return
    with no_grad():
        factor = float((float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0))
        # A factor of one changes nothing; NaN must reach the gradients.
        if factor != 1.0:
            kernels(gradients[0]).scale_step(gradients, factor)


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale the gradients of `parameters`, in place, so that their norm is at most `max_norm`.

    Args:
        parameters: A tensor or an iterable of them.
        max_norm: The largest norm allowed.
        norm_type: The p of the norm; may be infinite.
        error_if_nonfinite: Raise if the norm is infinite or NaN.
        foreach: Accepted for programs that set it; there is one way here.

    Returns:
        The norm of all gradients before, a tensor of no dimension.

    Raises:
        RuntimeError: See `error_if_nonfinite`.

    Example:
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.zeros(2))
        >>> p.grad = torch.tensor([3.0, 4.0])
        >>> torch.nn.utils.clip_grad_norm_([p], 1.0)
        tensor(5.)
        >>> p.grad
        tensor([0.6000, 0.8000])
    """
    # Listed once: a generator, such as Module.parameters(), can be read only once.
    gradients = _gradients(parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    _scale(gradients, max_norm, total)
    return total


def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The former name of `clip_grad_norm_`; warns.

    Args:
        parameters: A tensor or an iterable of them.
        max_norm: The largest norm allowed.
        norm_type: The p of the norm; may be infinite.
        error_if_nonfinite: Raise if the norm is infinite or NaN.
        foreach: Accepted for programs that set it; there is one way here.

    Returns:
        The norm of all gradients before, a tensor of no dimension.

    Raises:
        RuntimeError: See `error_if_nonfinite`.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.zeros(2))
        >>> p.grad = torch.tensor([3.0, 4.0])
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     torch.nn.utils.clip_grad_norm([p], 1.0)
        tensor(5.)
    """
    warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Keep every element of the gradients of `parameters` within ±clip_value, in place.

    Args:
        parameters: A tensor or an iterable of them.
        clip_value: The bound.
        foreach: Accepted for programs that set it; there is one way here.

    Example:
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.zeros(3))
        >>> p.grad = torch.tensor([-9.0, 0.5, 3.0])
        >>> torch.nn.utils.clip_grad_value_([p], 1.0)
        >>> p.grad
        tensor([-1.0000,  0.5000,  1.0000])
    """
    bound = float(clip_value)
    with no_grad():
        for gradient in _gradients(parameters):
            gradient.clamp_(min=-bound, max=bound)


explain_functions(globals())
