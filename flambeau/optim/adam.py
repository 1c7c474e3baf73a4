"""Adam and AdamW."""

from flambeau.core.tensor import Tensor
from flambeau.optim._common import (
    FusedOptimizer,
    StepKernel,
    decoupled,
    options,
    require_one_implementation,
    require_valid,
    take_step,
)


class Adam(FusedOptimizer):
    """Adam (Kingma & Ba, 2014).

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        betas: How much is kept of the running means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: The factor of the parameters that is added to their gradients.
        amsgrad: Divide by the largest mean square so far (Reddi et al., 2018).
        foreach: Accepted for programs that set it; every step is one fused kernel.
        maximize: Ascend instead of descend.
        capturable: Accepted, as `foreach` is.
        differentiable: Record the step in the graph, as operations on tensors.
        fused: Accepted, as `foreach` is.
        decoupled_weight_decay: Shrink the parameters themselves instead, as `AdamW` does.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    _kernel = StepKernel(
        "adam_step",
        state="exp_avg exp_avg_sq max_exp_avg_sq",
        options="lr betas eps weight_decay decoupled_weight_decay maximize",
        max_exp_avg_sq="amsgrad",
    )

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
        fused=None,
        decoupled_weight_decay=False,
    ):
        betas = tuple(betas)
        _check_tensor_options(lr, betas, foreach, capturable)
        require_valid(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
        names = (
            "lr betas eps weight_decay amsgrad maximize foreach capturable differentiable fused "
            "decoupled_weight_decay"
        )
        super().__init__(params, options(locals(), names))
        require_one_implementation(foreach, fused, differentiable)

    @staticmethod
    def _step_recorded(group, param, grad, state):
        lr, (beta1, beta2) = group["lr"], group["betas"]
        grad = decoupled(group, param, grad)
        step = float(state["step"])
        mean = state["exp_avg"] = state["exp_avg"] * beta1 + grad * (1 - beta1)
        square = state["exp_avg_sq"] * beta2 + grad * grad.conj() * (1 - beta2)
        state["exp_avg_sq"] = square
        if group["amsgrad"]:
            square = state["max_exp_avg_sq"] = state["max_exp_avg_sq"].maximum(square)
        denominator = (square / (1 - beta2**step)).sqrt() + group["eps"]
        param.sub_(lr / (1 - beta1**step) * mean / denominator)


def _check_tensor_options(lr, betas, foreach, capturable):
    """Check the options that may be tensors."""
    if isinstance(lr, Tensor) and foreach and not capturable:
        raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
    if len({isinstance(beta, Tensor) for beta in betas}) > 1:
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if not isinstance(beta, Tensor):
            continue
        if foreach and not capturable:
            raise ValueError(
                f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
            )
        if beta.numel() != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element")


def adam(
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
    decoupled_weight_decay=False,
    *,
    amsgrad,
    beta1,
    beta2,
    lr,
    weight_decay,
    eps,
    maximize,
):
    """One step of `Adam` on lists of tensors, in place; the options are those of `Adam`.

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
        >>> from flambeau.optim.adam import adam
        >>> p, g, mean, square = (torch.tensor([x]) for x in (1.0, 2.0, 0.0, 0.0))
        >>> step = torch.tensor(0.0)
        >>> adam(
        ...     [p], [g], [mean], [square], [], [step], amsgrad=False, beta1=0.5, beta2=0.5,
        ...     lr=0.25, weight_decay=0.0, eps=0.0, maximize=False,
        ... )
        >>> p, step  # the first step is as long as the learning rate
        (tensor([0.7500]), tensor(1.))
    """
    take_step(Adam, locals())
