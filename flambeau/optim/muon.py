"""Muon."""

import math

from flambeau.backends import kernels
from flambeau.core.grad_mode import no_grad
from flambeau.core.tensor import Tensor
from flambeau.ops.creation import zeros_like
from flambeau.optim._common import GroupedOptimizer, options

# A power that amplifies the smallest singular values needs only a few iterations.
_MOST_ITERATIONS = 100


class Muon(GroupedOptimizer):
    """Momentum whose matrices are made orthogonal before each step (Jordan et al., 2024).

    For the matrices of hidden layers; vectors and embeddings go to another optimizer.

    Args:
        params: Matrices, pairs of name and matrix, or groups of them; see `Optimizer`.
        lr: The learning rate.
        weight_decay: How much the parameters shrink, as a factor of the learning rate.
        momentum: How much of the mean gradient is kept.
        nesterov: Look ahead along the momentum.
        ns_coefficients: The coefficients of x, x^3 and x^5 in the polynomial that takes singular
            values towards 1.
        eps: The smallest norm to divide by.
        ns_steps: How often the polynomial is applied.
        adjust_lr_fn: "original": steps of a tall matrix are longer by the root of height over
            width; "match_rms_adamw": steps as long as those of AdamW (Liu et al., 2025).

    Raises:
        ValueError: If an option is out of its range, or a parameter is no matrix.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 3)
        >>> optimizer = torch.optim.Muon([model.weight])
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        weight_decay=0.1,
        momentum=0.95,
        nesterov=True,
        ns_coefficients=(3.4445, -4.7750, 2.0315),
        eps=1e-7,
        ns_steps=5,
        adjust_lr_fn=None,
    ):
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not momentum >= 0.0:
            raise ValueError(f"momentum should be >= 0 but is: {momentum}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight decay should be >= 0 but is: {weight_decay}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        names = "lr weight_decay momentum nesterov ns_coefficients eps ns_steps adjust_lr_fn"
        super().__init__(params, options(locals(), names))
        for group in self.param_groups:
            for param in group["params"]:
                if param.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with "
                        f"size: {param.size()}"
                    )

    @no_grad()
    def _step_group(self, group, params, grads):
        if any(param.is_complex() for param in params):
            raise RuntimeError("Muon does not support complex parameters")
        means = [self._mean(param, grad) for param, grad in zip(params, grads, strict=True)]
        _update(group, params, grads, means)

    def _mean(self, param, grad):
        state = self.state[param]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = zeros_like(grad)
        return state["momentum_buffer"]


def _update(group, params, grads, means):
    lr, momentum = float(group["lr"]), group["momentum"]
    directions = []
    for grad, mean in zip(grads, means, strict=True):
        mean.lerp_(grad, 1 - momentum)
        directions.append(grad.lerp(mean, momentum) if group["nesterov"] else mean)
    scales = [_scale(group["adjust_lr_fn"], *param.shape) for param in params]
    directions = orthogonalized(
        directions, group["ns_coefficients"], group["ns_steps"], group["eps"], scales
    )
    directions = [d.to(param.dtype) for d, param in zip(directions, params, strict=True)]
    kernels(params[0]).sgd_step(
        params, directions, None, lr, 0.0, 0.0, group["weight_decay"], False, False, False
    )


def _scale(adjust_lr_fn, rows, columns):
    if adjust_lr_fn == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))


def orthogonalized(matrices, coefficients, iterations, eps, factors):
    """The nearest matrices with singular values of about 1, by Newton-Schulz iterations.

    Args:
        matrices: A list of matrices.
        coefficients: Those of x, x^3 and x^5 in the polynomial.
        iterations: How often it is applied.
        eps: The smallest norm to divide by.
        factors: What each result is multiplied by.

    Returns:
        The results, in float32 whatever the dtype of the matrices: some iterations of a polynomial
        that is not exact itself need no more. (PyTorch computes in bfloat16.)

    Raises:
        ValueError: If there are too many iterations, or not three coefficients.
    """
    if iterations >= _MOST_ITERATIONS:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    numbers = [float(each) for each in coefficients]
    return kernels(matrices[0]).newton_schulz(
        matrices, factors, *numbers, max(iterations, 0), float(eps)
    )
