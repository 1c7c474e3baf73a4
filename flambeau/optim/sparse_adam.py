"""SparseAdam."""

from flambeau.core.tensor import Tensor
from flambeau.optim._common import GroupedOptimizer, options, require_betas


class SparseAdam(GroupedOptimizer):
    """Adam for sparse gradients; every gradient here is dense, which `step` reports.

    Programs that build it but give it nothing to do run; those that do are told of `Adam`.

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        betas: How much is kept of the running means of the gradient and of its square.
        eps: Added to the denominator.
        maximize: Ascend instead of descend.

    Raises:
        ValueError: If an option is out of its range, or a parameter complex.
        RuntimeError: In `step`, if there is a gradient.

    Example:
        >>> import flambeau as torch
        >>> p = torch.nn.Parameter(torch.ones(1))
        >>> optimizer = torch.optim.SparseAdam([p], lr=0.5)
        >>> optimizer.step()
        >>> p.detach()  # no gradient, no step
        tensor([1.])
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        require_betas(betas)
        super().__init__(params, options(locals(), "lr betas eps maximize"))
        places = [
            [i, j]
            for i, group in enumerate(self.param_groups)
            for j, param in enumerate(group["params"])
            if param.is_complex()
        ]
        if places:
            raise ValueError(
                f"Complex params at indices {places}: SparseAdam does not support complex "
                "parameters"
            )

    def _step_group(self, group, params, grads):
        raise RuntimeError(
            "SparseAdam does not support dense gradients, please consider Adam instead"
        )
