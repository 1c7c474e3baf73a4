"""Adagrad."""

from flambeau.ops.creation import full_like
from flambeau.optim._common import (
    FusedOptimizer,
    StepKernel,
    decayed,
    options,
    require_one_implementation,
    require_valid,
    take_step,
)


class Adagrad(FusedOptimizer):
    """Steps that shrink with the sum of squared gradients (Duchi et al., 2011).

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        lr_decay: How fast the learning rate falls with the number of steps.
        weight_decay: The factor of the parameters that is added to their gradients.
        initial_accumulator_value: What the sums start from.
        eps: Added to the denominator.
        foreach: Accepted for programs that set it; every step is one fused kernel.
        maximize: Ascend instead of descend.
        differentiable: Record the step in the graph, as operations on tensors.
        fused: Accepted, as `foreach` is.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.Adagrad(model.parameters())
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    _kernel = StepKernel(
        "adagrad_step", state="sum", options="lr lr_decay eps weight_decay maximize"
    )

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0,
        weight_decay=0,
        initial_accumulator_value=0,
        eps=1e-10,
        foreach=None,
        *,
        maximize=False,
        differentiable=False,
        fused=None,
    ):
        require_valid(
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        names = (
            "lr lr_decay eps weight_decay initial_accumulator_value foreach maximize "
            "differentiable fused"
        )
        super().__init__(params, options(locals(), names))
        require_one_implementation(foreach, fused, differentiable)
        for group in self.param_groups:
            for param in group["params"]:
                self._start(group, param)

    def share_memory(self):
        """Move the sums to memory that other processes share."""
        for state in self.state.values():
            state["sum"].share_memory_()

    def _new_state(self, group, param):
        initial = group["initial_accumulator_value"]
        if param.is_complex():
            initial = complex(initial, initial)
        return {"sum": full_like(param, initial)}

    @staticmethod
    def _step_recorded(group, param, grad, state):
        grad = decayed(group, param, grad)
        total = state["sum"] = state["sum"] + grad * grad
        lr = group["lr"] / (1 + (float(state["step"]) - 1) * group["lr_decay"])
        param.sub_(lr * grad / (total.sqrt() + group["eps"]))


def adagrad(
    params,
    grads,
    state_sums,
    state_steps,
    fused=None,
    grad_scale=None,
    found_inf=None,
    has_sparse_grad=False,
    foreach=None,
    differentiable=False,
    has_complex=False,
    *,
    lr,
    weight_decay,
    lr_decay,
    eps,
    maximize,
):
    """One step of `Adagrad` on lists of tensors, in place; the options are those of `Adagrad`.

    Args:
        params: The parameters.
        grads: Their gradients.
        state_sums: The entry "sum" of each state.
        state_steps: The entry "step" of each state.
        foreach, fused, has_sparse_grad, has_complex: Accepted for programs that set them.
        differentiable: Record the step in the graph.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.adagrad import adagrad
        >>> p, g, total = (torch.tensor([x]) for x in (1.0, 4.0, 0.0))
        >>> adagrad(
        ...     [p], [g], [total], [torch.tensor(0.0)], lr=0.25, weight_decay=0.0, lr_decay=0.0,
        ...     eps=0.0, maximize=False,
        ... )
        >>> p, total
        (tensor([0.7500]), tensor([16.]))
    """
    take_step(Adagrad, locals())
