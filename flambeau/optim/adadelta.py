"""Adadelta."""

from flambeau.optim._common import (
    FusedOptimizer,
    StepKernel,
    decayed,
    options,
    require_valid,
    take_step,
)


class Adadelta(FusedOptimizer):
    """Steps as large as the last ones, measured against the gradients (Zeiler, 2012).

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The factor of the steps.
        rho: How much is kept of the running means of squares.
        eps: Added to the means before their roots are taken.
        weight_decay: The factor of the parameters that is added to their gradients.
        foreach: Accepted for programs that set it; every step is one fused kernel.
        capturable: Accepted, as `foreach` is.
        maximize: Ascend instead of descend.
        differentiable: Record the step in the graph, as operations on tensors.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.Adadelta(model.parameters())
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    _kernel = StepKernel(
        "adadelta_step", state="square_avg acc_delta", options="lr rho eps weight_decay maximize"
    )

    def __init__(
        self,
        params,
        lr=1.0,
        rho=0.9,
        eps=1e-6,
        weight_decay=0,
        foreach=None,
        *,
        capturable=False,
        maximize=False,
        differentiable=False,
    ):
        require_valid(lr=lr, eps=eps, weight_decay=weight_decay)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        names = "lr rho eps weight_decay maximize capturable foreach differentiable"
        super().__init__(params, options(locals(), names))

    @staticmethod
    def _step_recorded(group, param, grad, state):
        rho, eps = group["rho"], group["eps"]
        grad = decayed(group, param, grad)
        square = state["square_avg"] = state["square_avg"] * rho + grad * grad * (1 - rho)
        delta = (state["acc_delta"] + eps).sqrt() / (square + eps).sqrt() * grad
        state["acc_delta"] = state["acc_delta"] * rho + delta * delta * (1 - rho)
        param.sub_(group["lr"] * delta)


def adadelta(
    params,
    grads,
    square_avgs,
    acc_deltas,
    state_steps,
    capturable=False,
    foreach=None,
    differentiable=False,
    has_complex=False,
    *,
    lr,
    rho,
    eps,
    weight_decay,
    maximize,
):
    """One step of `Adadelta` on lists of tensors, in place; the options are those of `Adadelta`.

    Args:
        params: The parameters.
        grads: Their gradients.
        square_avgs: The entry "square_avg" of each state.
        acc_deltas: The entry "acc_delta" of each state.
        state_steps: The entry "step" of each state.
        foreach, capturable, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.adadelta import adadelta
        >>> p, g, square, delta = (torch.tensor([x]) for x in (1.0, 4.0, 0.0, 0.0))
        >>> adadelta(
        ...     [p], [g], [square], [delta], [torch.tensor(0.0)], lr=0.0, rho=0.5, eps=1e-6,
        ...     weight_decay=0.0, maximize=False,
        ... )
        >>> p, square  # half of the squared gradient is kept
        (tensor([1.]), tensor([8.]))
    """
    take_step(Adadelta, locals())
