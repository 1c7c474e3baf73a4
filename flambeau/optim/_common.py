"""What the optimizers share: checks of options and the parameters of a step."""

from flambeau.core.grad_mode import enable_grad
from flambeau.core.tensor import Tensor


def loss_of(closure):
    """The loss that `closure` computes with gradients, or None where there is no closure."""
    if closure is None:
        return None
    with enable_grad():
        return closure()


def with_gradients(group):
    """The parameters of a group that have a gradient, and these gradients."""
    parameters, gradients = [], []
    for parameter in group["params"]:
        gradient = parameter.grad
        if gradient is not None:
            parameters.append(parameter)
            gradients.append(gradient)
    return parameters, gradients


def require_at_least(minimum, what, value):
    """Check an option that must not be smaller than `minimum`.

    Raises:
        ValueError: Otherwise; NaN is never accepted.
    """
    if not value >= minimum:
        raise ValueError(f"Invalid {what}: {value}")


def require_learning_rate(lr):
    """Check a learning rate.

    Raises:
        ValueError: If it is negative, or a tensor of several elements.
    """
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    require_at_least(0.0, "learning rate", lr)


def require_one_implementation(foreach, fused, differentiable):
    """Check the options that choose between implementations elsewhere.

    Here they choose nothing, since every step is fused, but wrong combinations are reported.

    Raises:
        RuntimeError: If they exclude each other.
    """
    if not fused:
        return
    if differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
