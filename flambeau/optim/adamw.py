"""AdamW."""

from flambeau.optim._common import take_step
from flambeau.optim.adam import Adam


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter, 2017).

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        betas: How much is kept of the running means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: How much the parameters shrink, as a factor of the learning rate.
        amsgrad: Divide by the largest mean square so far (Reddi et al., 2018).
        maximize: Ascend instead of descend.
        foreach: Accepted for programs that set it; every step is one fused kernel.
        capturable: Accepted, as `foreach` is.
        differentiable: Record the step in the graph, as operations on tensors.
        fused: Accepted, as `foreach` is.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.ones(1))
        >>> p.grad = torch.zeros(1)
        >>> torch.optim.AdamW([p], lr=0.5, weight_decay=0.2).step()
        >>> p.detach()  # 1 - 0.5 * 0.2, whatever the gradient
        tensor([0.9000])
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        *,
        maximize=False,
        foreach=None,
        capturable=False,
        differentiable=False,
        fused=None,
    ):
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


def adamw(
    params,
    grads,
    exp_avgs,
    exp_avg_sqs,
    max_exp_avg_sqs,
    state_steps,
    foreach=None,
    capturable=False,
    differentiable=False,
    fused=None,
    grad_scale=None,
    found_inf=None,
    has_complex=False,
    *,
    amsgrad,
    beta1,
    beta2,
    lr,
    weight_decay,
    eps,
    maximize,
):
    """One step of `AdamW` on lists of tensors, in place; the options are those of `AdamW`.

    Args:
        params: The parameters.
        grads: Their gradients.
        exp_avgs: The entry "exp_avg" of each state.
        exp_avg_sqs: The entry "exp_avg_sq" of each state.
        max_exp_avg_sqs: The entry "max_exp_avg_sq" of each state.
        state_steps: The entry "step" of each state.
        foreach, capturable, fused, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.adamw import adamw
        >>> p, g, mean, square = (torch.tensor([x]) for x in (1.0, 2.0, 0.0, 0.0))
        >>> adamw(
        ...     [p], [g], [mean], [square], [], [torch.tensor(0.0)], amsgrad=False, beta1=0.5,
        ...     beta2=0.5, lr=0.25, weight_decay=1.0, eps=0.0, maximize=False,
        ... )
        >>> p  # less by 0.25 * 1 for the decay and by 0.25 for the gradient
        tensor([0.5000])
    """
    take_step(AdamW, {**locals(), "decoupled_weight_decay": True})
