"""RMSprop."""

from flambeau.optim._common import (
    FusedOptimizer,
    StepKernel,
    decayed,
    options,
    require_valid,
    take_step,
)


class RMSprop(FusedOptimizer):
    """Gradients over the root of their mean square (Tieleman & Hinton, 2012).

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        alpha: How much is kept of the running means.
        eps: Added to the denominator.
        weight_decay: The factor of the parameters that is added to their gradients.
        momentum: How much of the last step is kept.
        centered: Divide by the standard deviation instead (Graves, 2013).
        capturable: Accepted for programs that set it; every step is one fused kernel.
        foreach: Accepted, as `capturable` is.
        maximize: Ascend instead of descend.
        differentiable: Record the step in the graph, as operations on tensors.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.RMSprop(model.parameters(), momentum=0.9)
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    _kernel = StepKernel(
        "rmsprop_step",
        state="square_avg grad_avg momentum_buffer",
        options="lr alpha eps momentum weight_decay maximize",
        grad_avg="centered",
        momentum_buffer="momentum",
    )

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0,
        momentum=0,
        centered=False,
        capturable=False,
        foreach=None,
        maximize=False,
        differentiable=False,
    ):
        require_valid(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        names = (
            "lr momentum alpha eps centered weight_decay capturable foreach maximize differentiable"
        )
        super().__init__(params, options(locals(), names))

    def _new_state(self, group, param):
        state = super()._new_state(group, param)
        # Last in a state dict, as in PyTorch's.
        if group["centered"]:
            state["grad_avg"] = state.pop("grad_avg")
        return state

    @staticmethod
    def _step_recorded(group, param, grad, state):
        alpha = group["alpha"]
        grad = decayed(group, param, grad)
        square = state["square_avg"] = state["square_avg"] * alpha + grad * grad * (1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"] = state["grad_avg"] * alpha + grad * (1 - alpha)
            square = square - mean * mean
        move = grad / (square.sqrt() + group["eps"])
        if group["momentum"] > 0:
            move = state["momentum_buffer"] * group["momentum"] + move
            state["momentum_buffer"] = move
        param.sub_(group["lr"] * move)


def rmsprop(
    params,
    grads,
    square_avgs,
    grad_avgs,
    momentum_buffer_list,
    state_steps,
    foreach=None,
    maximize=False,
    differentiable=False,
    capturable=False,
    has_complex=False,
    *,
    lr,
    alpha,
    eps,
    weight_decay,
    momentum,
    centered,
):
    """One step of `RMSprop` on lists of tensors, in place; the options are those of `RMSprop`.

    Args:
        params: The parameters.
        grads: Their gradients.
        square_avgs: The entry "square_avg" of each state.
        grad_avgs: The entry "grad_avg" of each state.
        momentum_buffer_list: The entry "momentum_buffer" of each state.
        state_steps: The entry "step" of each state.
        foreach, capturable, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.rmsprop import rmsprop
        >>> p, g, square = (torch.tensor([x]) for x in (1.0, 4.0, 0.0))
        >>> rmsprop(
        ...     [p], [g], [square], [], [], [torch.tensor(0.0)], lr=0.25, alpha=0.75, eps=0.0,
        ...     weight_decay=0.0, momentum=0.0, centered=False,
        ... )
        >>> p, square  # 1 - 0.25 * 4 / sqrt(4)
        (tensor([0.5000]), tensor([4.]))
    """
    take_step(RMSprop, locals())
