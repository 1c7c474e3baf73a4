"""Averaged stochastic gradient descent."""

from flambeau.ops.creation import zeros_like
from flambeau.optim._common import (
    FusedOptimizer,
    StepKernel,
    counter,
    decayed,
    options,
    require_valid,
    take_step,
)


class ASGD(FusedOptimizer):
    """Gradient descent with the mean of the parameters kept beside (Polyak & Juditsky, 1992).

    The mean is in the state, under "ax".

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        lambd: How fast the learning rate falls, and how much the parameters shrink.
        alpha: The power along which the learning rate falls.
        t0: The step after which the mean is taken.
        weight_decay: The factor of the parameters that is added to their gradients.
        foreach: Accepted for programs that set it; every step is one fused kernel.
        maximize: Ascend instead of descend.
        differentiable: Record the step in the graph, as operations on tensors.
        capturable: Accepted, as `foreach` is.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.ASGD(model.parameters(), t0=100)
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    _kernel = StepKernel(
        "asgd_step", state="ax eta mu", options="lr lambd alpha t0 weight_decay maximize"
    )

    def __init__(
        self,
        params,
        lr=1e-2,
        lambd=1e-4,
        alpha=0.75,
        t0=1e6,
        weight_decay=0,
        foreach=None,
        maximize=False,
        differentiable=False,
        capturable=False,
    ):
        require_valid(lr=lr, weight_decay=weight_decay)
        names = "lr lambd alpha t0 weight_decay foreach maximize differentiable capturable"
        super().__init__(params, options(locals(), names))

    def _new_state(self, group, param):
        return {"eta": counter(group["lr"]), "mu": counter(1), "ax": zeros_like(param)}

    @staticmethod
    def _step_recorded(group, param, grad, state):
        lr, lambd, step = group["lr"], group["lambd"], float(state["step"])
        grad = decayed(group, param, grad)
        eta = float(state["eta"])
        param.mul_(1 - lambd * eta).sub_(grad, alpha=eta)
        state["ax"] = state["ax"] + (param - state["ax"]) * state["mu"]
        eta = float(lr / (1 + lambd * lr * step) ** group["alpha"])
        state["eta"] = state["eta"].new_tensor(eta)
        state["mu"] = state["mu"].new_tensor(1 / max(1.0, step - group["t0"]))


def asgd(
    params,
    grads,
    axs,
    mus,
    etas,
    state_steps,
    foreach=None,
    maximize=False,
    differentiable=False,
    capturable=False,
    has_complex=False,
    *,
    lambd,
    lr,
    t0,
    alpha,
    weight_decay,
):
    """One step of `ASGD` on lists of tensors, in place; the options are those of `ASGD`.

    Args:
        params: The parameters.
        grads: Their gradients.
        axs: The entry "ax" of each state.
        mus: The entry "mu" of each state.
        etas: The entry "eta" of each state.
        state_steps: The entry "step" of each state.
        foreach, capturable, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.asgd import asgd
        >>> p, g, ax = (torch.tensor([x]) for x in (1.0, 2.0, 0.0))
        >>> mu, eta, step = torch.tensor(1.0), torch.tensor(0.25), torch.tensor(0.0)
        >>> asgd(
        ...     [p], [g], [ax], [mu], [eta], [step], lambd=0.0, lr=0.25, t0=1e6, alpha=0.75,
        ...     weight_decay=0.0,
        ... )
        >>> p, ax  # the average begins with the first value
        (tensor([0.5000]), tensor([0.5000]))
    """
    take_step(ASGD, locals())
