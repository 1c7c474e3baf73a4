"""Stochastic gradient descent."""

from flambeau.backends import kernels
from flambeau.core.grad_mode import no_grad, set_grad_enabled
from flambeau.ops.creation import empty_like
from flambeau.optim._common import (
    GroupedOptimizer,
    decayed,
    options,
    refuse_scaling,
    require_one_implementation,
    require_valid,
)


class SGD(GroupedOptimizer):
    """Stochastic gradient descent, with momentum and weight decay.

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        momentum: How much of the last step is kept.
        dampening: How much of the gradient is left out of the momentum.
        weight_decay: The factor of the parameters that is added to their gradients.
        nesterov: Look ahead along the momentum.
        maximize: Ascend instead of descend.
        foreach: Accepted for programs that set it; every step is one fused kernel.
        differentiable: Record the step in the graph, as operations on tensors.
        fused: Accepted, as `foreach` is.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SGD([p], lr=0.1)
        >>> (p * 2).sum().backward()
        >>> optimizer.step()
        >>> p
        Parameter containing:
        tensor([0.8000], requires_grad=True)
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
    ):
        require_valid(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        names = "lr momentum dampening weight_decay nesterov maximize foreach differentiable fused"
        super().__init__(params, options(locals(), names))
        require_one_implementation(foreach, fused, differentiable)

    def _step_group(self, group, params, grads):
        if group["differentiable"]:
            with set_grad_enabled(True):
                self._step_recorded(group, params, grads)
        elif group["momentum"] == 0:
            _step_fused(group, params, grads, None, False)
        else:
            states = [self.state[param] for param in params]
            momenta = [state.get("momentum_buffer") for state in states]
            _step_with_momentum(group, params, grads, momenta)
            for state, momentum in zip(states, momenta, strict=True):
                state["momentum_buffer"] = momentum

    def _step_recorded(self, group, params, grads):
        for param, grad in zip(params, grads, strict=True):
            grad = decayed(group, param, grad)
            if group["momentum"] != 0:
                state = self.state[param]
                momentum = state.get("momentum_buffer")
                if momentum is None:
                    momentum = grad.clone()
                else:
                    momentum = momentum.mul(group["momentum"])
                    momentum = momentum.add(grad, alpha=1 - group["dampening"])
                state["momentum_buffer"] = momentum
                grad = (
                    grad.add(momentum, alpha=group["momentum"]) if group["nesterov"] else momentum
                )
            param.add_(grad, alpha=-group["lr"])


def _step_with_momentum(group, params, grads, momenta):
    """One kernel for the parameters that have a momentum, one for those that start it.

    `momenta` has None in place of the momentum of the latter, which comes there.
    """
    new = [i for i, momentum in enumerate(momenta) if momentum is None]
    if not new:
        _step_fused(group, params, grads, momenta, False)
        return
    for i in new:
        momenta[i] = empty_like(params[i]).detach()
    started = [i for i in range(len(params)) if i not in new]
    for chosen, first_step in ((started, False), (new, True)):
        if chosen:
            lists = ([each[i] for i in chosen] for each in (params, grads, momenta))
            _step_fused(group, *lists, first_step)


def _step_fused(group, params, grads, momenta, first_step):
    kernels(params[0]).sgd_step(
        params,
        grads,
        momenta,
        float(group["lr"]),
        group["momentum"],
        group["dampening"],
        float(group["weight_decay"]),
        bool(group["nesterov"]),
        bool(group["maximize"]),
        first_step,
    )


def sgd(
    params,
    d_p_list,
    momentum_buffer_list,
    has_sparse_grad=False,
    foreach=None,
    fused=None,
    grad_scale=None,
    found_inf=None,
    *,
    weight_decay,
    momentum,
    lr,
    dampening,
    nesterov,
    maximize,
):
    """One step of `SGD` on lists of tensors, in place; the options are those of `SGD`.

    Args:
        params: The parameters.
        d_p_list: Their gradients.
        momentum_buffer_list: The momentum of each parameter, or None, in place of which it comes.
        has_sparse_grad, foreach, fused: Accepted for programs that set them.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.sgd import sgd
        >>> p, g = torch.tensor([1.0]), torch.tensor([2.0])
        >>> sgd(
        ...     [p], [g], [None], weight_decay=0.0, momentum=0.0, lr=0.25, dampening=0.0,
        ...     nesterov=False, maximize=False,
        ... )
        >>> p
        tensor([0.5000])
    """
    refuse_scaling("sgd", grad_scale, found_inf)
    group = options(locals(), "lr momentum dampening weight_decay nesterov maximize")
    params, grads = list(params), list(d_p_list)
    if not params:
        return
    with no_grad():
        if momentum == 0:
            _step_fused(group, params, grads, None, False)
        else:
            _step_with_momentum(group, params, grads, momentum_buffer_list)
