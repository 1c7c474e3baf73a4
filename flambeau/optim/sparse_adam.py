"""SparseAdam."""

from flambeau.core.tensor import Tensor
from flambeau.optim._common import loss_of, require_betas, with_gradients
from flambeau.optim.optimizer import Optimizer


class SparseAdam(Optimizer):
    """Adam for sparse gradients; every gradient here is dense, which `step` reports.

    Programs that build it but give it nothing to do run; those that do are told of `Adam`.

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The learning rate.
        betas: How much is kept of the running means of the gradient and of its square.
        eps: Added to the denominator.
        maximize: Ascend instead of descend.

    Raises:
        ValueError: If an option is out of its range.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, maximize=False):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not eps > 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        require_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def step(self, closure=None):
        """Report dense gradients, if there are any.

        Args:
            closure: A function that computes the loss anew and returns it.

        Returns:
            The loss, if there is a closure.

        Raises:
            RuntimeError: If a parameter has a gradient.
        """
        loss = loss_of(closure)
        if any(with_gradients(group)[0] for group in self.param_groups):
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )
        return loss
