"""RAdam."""

from flambeau.optim._common import (
    FusedOptimizer,
    StepKernel,
    decoupled,
    options,
    require_valid,
    take_step,
)


class RAdam(FusedOptimizer):
    """Adam without its first steps' large variance (Liu et al., 2019).

    Until the mean square rests on enough steps, the parameters follow the mean gradient alone.

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        betas: How much is kept of the running means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: The factor of the parameters that is added to their gradients.
        decoupled_weight_decay: Shrink the parameters themselves instead, as `AdamW` does.
        foreach: Accepted for programs that set it; every step is one fused kernel.
        maximize: Ascend instead of descend.
        capturable: Accepted, as `foreach` is.
        differentiable: Record the step in the graph, as operations on tensors.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.RAdam(model.parameters())
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    _kernel = StepKernel(
        "radam_step",
        state="exp_avg exp_avg_sq",
        options="lr betas eps weight_decay decoupled_weight_decay maximize",
    )

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        decoupled_weight_decay=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
    ):
        require_valid(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        names = (
            "lr betas eps weight_decay maximize foreach capturable decoupled_weight_decay "
            "differentiable"
        )
        super().__init__(params, options(locals(), names))

    @staticmethod
    def _step_recorded(group, param, grad, state):
        beta1, beta2 = group["betas"]
        grad = decoupled(group, param, grad)
        step = float(state["step"])
        mean = state["exp_avg"] = state["exp_avg"] * beta1 + grad * (1 - beta1)
        square = state["exp_avg_sq"] = state["exp_avg_sq"] * beta2 + grad * grad * (1 - beta2)
        move = group["lr"] * mean / (1 - beta1**step)
        unbias = 1 - beta2**step
        most = 2 / (1 - beta2) - 1
        length = most - 2 * step * beta2**step / unbias
        if length > 5:
            variance = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
            move = move * (unbias**0.5 / (square.sqrt() + group["eps"])) * variance**0.5
        param.sub_(move)


def radam(
    params,
    grads,
    exp_avgs,
    exp_avg_sqs,
    state_steps,
    decoupled_weight_decay=False,
    foreach=None,
    differentiable=False,
    capturable=False,
    has_complex=False,
    maximize=False,
    *,
    beta1,
    beta2,
    lr,
    weight_decay,
    eps,
):
    """One step of `RAdam` on lists of tensors, in place; the options are those of `RAdam`.

    Args:
        params: The parameters.
        grads: Their gradients.
        exp_avgs: The entry "exp_avg" of each state.
        exp_avg_sqs: The entry "exp_avg_sq" of each state.
        state_steps: The entry "step" of each state.
        foreach, capturable, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.radam import radam
        >>> p, g, mean, square = (torch.tensor([x]) for x in (1.0, 4.0, 0.0, 0.0))
        >>> radam(
        ...     [p], [g], [mean], [square], [torch.tensor(0.0)], beta1=0.5, beta2=0.999, lr=0.125,
        ...     weight_decay=0.0, eps=0.0,
        ... )
        >>> p  # at first there is no division by the root of the mean square
        tensor([0.5000])
    """
    take_step(RAdam, locals())
