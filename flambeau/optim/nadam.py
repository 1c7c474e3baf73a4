"""NAdam."""

from flambeau.ops.creation import zeros_like
from flambeau.optim._common import (
    FusedOptimizer,
    StepKernel,
    counter,
    decoupled,
    options,
    require_valid,
    take_step,
)


class NAdam(FusedOptimizer):
    """Adam with Nesterov momentum (Dozat, 2016).

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        betas: How much is kept of the running means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: The factor of the parameters that is added to their gradients.
        momentum_decay: How fast the momentum comes up to the first of `betas`.
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
        >>> optimizer = torch.optim.NAdam(model.parameters())
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    _kernel = StepKernel(
        "nadam_step",
        state="exp_avg exp_avg_sq mu_product",
        options="lr betas eps weight_decay momentum_decay decoupled_weight_decay maximize",
    )

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        momentum_decay=4e-3,
        decoupled_weight_decay=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
    ):
        require_valid(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay
        )
        names = (
            "lr betas eps weight_decay momentum_decay decoupled_weight_decay maximize foreach "
            "capturable differentiable"
        )
        super().__init__(params, options(locals(), names))

    def _new_state(self, group, param):
        means = {name: zeros_like(param) for name in ("exp_avg", "exp_avg_sq")}
        return {"mu_product": counter(1), **means}

    @staticmethod
    def _step_recorded(group, param, grad, state):
        lr, (beta1, beta2) = group["lr"], group["betas"]
        grad = decoupled(group, param, grad)
        step = float(state["step"])
        now, following = (
            beta1 * (1 - 0.5 * 0.96 ** (at * group["momentum_decay"])) for at in (step, step + 1)
        )
        state["mu_product"] = state["mu_product"] * now
        product = float(state["mu_product"])
        mean = state["exp_avg"] = state["exp_avg"] * beta1 + grad * (1 - beta1)
        square = state["exp_avg_sq"] = state["exp_avg_sq"] * beta2 + grad * grad * (1 - beta2)
        denominator = (square / (1 - beta2**step)).sqrt() + group["eps"]
        param.sub_(lr * (1 - now) / (1 - product) * grad / denominator)
        param.sub_(lr * following / (1 - product * following) * mean / denominator)


def nadam(
    params,
    grads,
    exp_avgs,
    exp_avg_sqs,
    mu_products,
    state_steps,
    decoupled_weight_decay=False,
    foreach=None,
    capturable=False,
    differentiable=False,
    has_complex=False,
    maximize=False,
    *,
    beta1,
    beta2,
    lr,
    weight_decay,
    momentum_decay,
    eps,
):
    """One step of `NAdam` on lists of tensors, in place; the options are those of `NAdam`.

    Args:
        params: The parameters.
        grads: Their gradients.
        exp_avgs: The entry "exp_avg" of each state.
        exp_avg_sqs: The entry "exp_avg_sq" of each state.
        mu_products: The entry "mu_product" of each state.
        state_steps: The entry "step" of each state.
        foreach, capturable, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.nadam import nadam
        >>> p, g, mean, square = (torch.tensor([x]) for x in (1.0, 4.0, 0.0, 0.0))
        >>> nadam(
        ...     [p], [g], [mean], [square], [torch.tensor(1.0)], [torch.tensor(0.0)], beta1=0.5,
        ...     beta2=0.5, lr=0.25, weight_decay=0.0, momentum_decay=0.0, eps=0.0,
        ... )
        >>> mean, square
        (tensor([2.]), tensor([8.]))
    """
    take_step(NAdam, locals())
