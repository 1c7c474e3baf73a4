"""Adamax."""

from flambeau.optim._common import (
    FusedOptimizer,
    StepKernel,
    decayed,
    options,
    require_valid,
    take_step,
)


class Adamax(FusedOptimizer):
    """Adam with the largest gradient in place of the mean square (Kingma & Ba, 2014).

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        betas: How much is kept of the mean of the gradient, and of its largest magnitude.
        eps: Added to the magnitudes.
        weight_decay: The factor of the parameters that is added to their gradients.
        foreach: Accepted for programs that set it; every step is one fused kernel.
        maximize: Ascend instead of descend.
        differentiable: Record the step in the graph, as operations on tensors.
        capturable: Accepted, as `foreach` is.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.Adamax([p], lr=0.1)
        >>> (p * 2).sum().backward()
        >>> optimizer.step()
        >>> p
        Parameter containing:
        tensor([0.9000], requires_grad=True)
    """

    _kernel = StepKernel(
        "adamax_step", state="exp_avg exp_inf", options="lr betas eps weight_decay maximize"
    )

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        foreach=None,
        *,
        maximize=False,
        differentiable=False,
        capturable=False,
    ):
        require_valid(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        names = "lr betas eps weight_decay foreach maximize differentiable capturable"
        super().__init__(params, options(locals(), names))

    @staticmethod
    def _step_recorded(group, param, grad, state):
        beta1, beta2 = group["betas"]
        grad = decayed(group, param, grad)
        mean = state["exp_avg"] = state["exp_avg"] * beta1 + grad * (1 - beta1)
        norm = (state["exp_inf"] * beta2).maximum(grad.abs() + group["eps"])
        state["exp_inf"] = norm
        param.sub_(group["lr"] / (1 - beta1 ** float(state["step"])) * mean / norm)


def adamax(
    params,
    grads,
    exp_avgs,
    exp_infs,
    state_steps,
    foreach=None,
    maximize=False,
    differentiable=False,
    capturable=False,
    has_complex=False,
    *,
    eps,
    beta1,
    beta2,
    lr,
    weight_decay,
):
    """One step of `Adamax` on lists of tensors, in place; the options are those of `Adamax`.

    Args:
        params: The parameters.
        grads: Their gradients.
        exp_avgs: The entry "exp_avg" of each state.
        exp_infs: The entry "exp_inf" of each state.
        state_steps: The entry "step" of each state.
        foreach, capturable, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.adamax import adamax
        >>> p, g, mean, largest = (torch.tensor([x]) for x in (1.0, 4.0, 0.0, 0.0))
        >>> adamax(
        ...     [p], [g], [mean], [largest], [torch.tensor(0.0)], eps=0.0, beta1=0.5, beta2=0.5,
        ...     lr=0.25, weight_decay=0.0,
        ... )
        >>> p, largest
        (tensor([0.7500]), tensor([4.]))
    """
    take_step(Adamax, locals())
