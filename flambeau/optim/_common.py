"""What the optimizers share: checks of options and the parameters of a step."""

from flambeau.core.dtype import float32, float64, get_default_dtype
from flambeau.core.grad_mode import enable_grad, no_grad, set_grad_enabled
from flambeau.core.tensor import Tensor
from flambeau.ops.values import tensor
from flambeau.optim.optimizer import Optimizer


class FusedOptimizer(Optimizer):
    """An optimizer that counts its steps and makes each with one kernel for a whole group.

    A subclass defines `_new_state(group, param)`, the state before the first step;
    `_step_fused(group, params, grads, states)`, which calls the kernel; and
    `_step_recorded(group, param, grad, state)`, the same step as operations on tensors, in the
    graph where the group asks for it with "differentiable".
    """

    def __setstate__(self, state):
        super().__setstate__(state)
        for param_state in self.state.values():
            # Old checkpoints counted with a plain number.
            step = param_state.get("step")
            if step is not None and not isinstance(step, Tensor):
                param_state["step"] = counter(step)

    def step(self, closure=None):
        """Change the parameters by one step.

        Args:
            closure: A function that computes the loss anew and returns it.

        Returns:
            The loss, if there is a closure.
        """
        loss = loss_of(closure)
        for group in self.param_groups:
            params, grads = with_gradients(group)
            if not params:
                continue
            states = [self.state[param] or self._start(group, param) for param in params]
            if group["differentiable"]:
                with set_grad_enabled(True):
                    for param, grad, state in zip(params, grads, states, strict=True):
                        state["step"] = state["step"] + 1
                        self._step_recorded(group, param, grad, state)
            else:
                self._step_fused(group, params, grads, states)
        return loss

    def _start(self, group, param):
        state = self.state[param]
        state.update(self._new_state(group, param))
        return state


def counter(value):
    """A number of a parameter's state, which is kept in a tensor so that it can be saved as one."""
    return tensor(float(value), dtype=float64 if get_default_dtype() == float64 else float32)


def column(states, name):
    """The entry `name` of each state."""
    return [state[name] for state in states]


def decayed(group, param, grad):
    """The gradient to descend along: turned round to maximize, with the weight decay in it."""
    if group["maximize"]:
        grad = -grad
    if group["weight_decay"] != 0:
        grad = grad.add(param, alpha=group["weight_decay"])
    return grad


def decoupled(group, param, grad):
    """The same where the decay may shrink the parameter, which it does at once, in place."""
    if not group["decoupled_weight_decay"]:
        return decayed(group, param, grad)
    if group["weight_decay"] != 0:
        param.mul_(1 - group["lr"] * group["weight_decay"])
    return -grad if group["maximize"] else grad


def take_step(kind, params, grads, states, *, differentiable=False, **options):
    """One step of an optimizer on lists of tensors, without an optimizer.

    Args:
        kind: The optimizer's class.
        params: The parameters, changed in place.
        grads: Their gradients.
        states: For each entry of a parameter's state the list of it, changed in place; one that the
            options do not need may be empty.
        differentiable: Record the step in the graph; the lists then get new tensors.
        options: The other options of a group.

    Raises:
        RuntimeError: If the step counts are not tensors.
    """
    if not all(isinstance(step, Tensor) for step in states["step"]):
        raise RuntimeError(
            "API has changed, `state_steps` argument must contain a list of singleton tensors"
        )
    if not params:
        return
    names = [name for name, entries in states.items() if entries]
    each = [
        dict(zip(names, entries, strict=True))
        for entries in zip(*map(states.get, names), strict=True)
    ]
    if not differentiable:
        with no_grad():
            kind._step_fused(None, options, list(params), list(grads), each)
        return
    for i, (param, grad, state) in enumerate(zip(params, grads, each, strict=True)):
        state["step"] = state["step"] + 1
        kind._step_recorded(None, options, param, grad, state)
        for name in names:
            states[name][i] = state[name]


def refuse_scaling(name, grad_scale, found_inf):
    """Check that a step is not asked to undo the scaling of gradients, which `GradScaler` does."""
    if grad_scale is not None or found_inf is not None:
        raise RuntimeError(f"{name}: grad_scale and found_inf are not supported")


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


def require_betas(betas):
    """Check the factors of two running averages.

    Raises:
        ValueError: If one is not between 0, included, and 1.
    """
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


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
