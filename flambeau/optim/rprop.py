"""Rprop."""

from flambeau.ops.creation import full_like, ones_like, zeros_like
from flambeau.optim._common import FusedOptimizer, StepKernel, options, require_valid, take_step


class Rprop(FusedOptimizer):
    """Steps along the sign of the gradient, longer while it stays (Riedmiller & Braun, 1993).

    For whole data sets: the noise of small batches changes signs.

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The length of the first steps.
        etas: The factors of the length after a change of sign and without one.
        step_sizes: The smallest and the largest length.
        capturable: Accepted for programs that set it; every step is one fused kernel.
        foreach: Accepted, as `capturable` is.
        maximize: Ascend instead of descend.
        differentiable: Record the step in the graph, as operations on tensors.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.Rprop([p], lr=0.5)
        >>> (p * 2).sum().backward()
        >>> optimizer.step()
        >>> p
        Parameter containing:
        tensor([0.5000], requires_grad=True)
    """

    _kernel = StepKernel("rprop_step", state="prev step_size", options="etas step_sizes maximize")

    def __init__(
        self,
        params,
        lr=1e-2,
        etas=(0.5, 1.2),
        step_sizes=(1e-6, 50),
        *,
        capturable=False,
        foreach=None,
        maximize=False,
        differentiable=False,
    ):
        require_valid(lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        names = "lr etas step_sizes foreach maximize differentiable capturable"
        super().__init__(params, options(locals(), names))

    def _new_state(self, group, param):
        lr = float(group["lr"])
        first = complex(lr, lr) if param.is_complex() else lr
        return {"prev": zeros_like(param), "step_size": full_like(param, first)}

    @staticmethod
    def _step_recorded(group, param, grad, state):
        eta_minus, eta_plus = group["etas"]
        if group["maximize"]:
            grad = -grad
        agreement = grad * state["prev"]
        factor = ones_like(param).masked_fill(agreement < 0, eta_minus)
        factor = factor.masked_fill(agreement > 0, eta_plus)
        size = state["step_size"] = (state["step_size"] * factor).clamp(*group["step_sizes"])
        # Where the sign has changed, the last step went too far: none is made now.
        grad = state["prev"] = grad.masked_fill(agreement < 0, 0.0)
        param.sub_(grad.sign() * size)


def rprop(
    params,
    grads,
    prevs,
    step_sizes,
    state_steps,
    foreach=None,
    capturable=False,
    maximize=False,
    differentiable=False,
    has_complex=False,
    *,
    step_size_min,
    step_size_max,
    etaminus,
    etaplus,
):
    """One step of `Rprop` on lists of tensors, in place; the options are those of `Rprop`.

    Args:
        params: The parameters.
        grads: Their gradients.
        prevs: The entry "prev" of each state.
        step_sizes: The entry "step_size" of each state.
        state_steps: The entry "step" of each state.
        foreach, capturable, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.rprop import rprop
        >>> p, g, previous, size = (torch.tensor([x]) for x in (1.0, 4.0, 9.0, 0.25))
        >>> rprop(
        ...     [p], [g], [previous], [size], [torch.tensor(0.0)], step_size_min=1e-6,
        ...     step_size_max=50.0, etaminus=0.5, etaplus=2.0,
        ... )
        >>> p, size  # the sign is as before: a step twice as long
        (tensor([0.5000]), tensor([0.5000]))
    """
    take_step(Rprop, locals())
