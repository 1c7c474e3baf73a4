"""Adafactor."""

import math

from flambeau.core.grad_mode import no_grad
from flambeau.core.numeric import finfo
from flambeau.ops.creation import zeros_like
from flambeau.optim._common import GroupedOptimizer, counter, options


class Adafactor(GroupedOptimizer):
    """Steps relative to the parameters, with the squares of matrices kept as two vectors.

    The mean square of a matrix' gradients is the product of a column and a row (Shazeer & Stern,
    2018), so that the memory needed is small.

    Args:
        params: Parameters, pairs of name and parameter, or groups of them; see `Optimizer`.
        lr: The largest step relative to a parameter's root mean square.
        beta2_decay: The power of the step count along which new squares come to count less.
        eps: The smallest mean square, by default that of the dtype, and the smallest root mean
            square of a parameter.
        d: The largest root mean square of an update.
        weight_decay: How much the parameters shrink, as a factor of the learning rate.
        foreach: Accepted for programs that set it; there is one way here.
        maximize: Ascend instead of descend.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.Adafactor(model.parameters())
        >>> model(torch.ones(1, 2)).sum().backward()
        >>> optimizer.step()
    """

    def __init__(
        self,
        params,
        lr=1e-2,
        beta2_decay=-0.8,
        eps=(None, 1e-3),
        d=1.0,
        weight_decay=0.0,
        *,
        foreach=None,
        maximize=False,
    ):
        _check(lr, beta2_decay, eps, d, weight_decay)
        names = "lr beta2_decay eps d weight_decay foreach maximize"
        super().__init__(params, options(locals(), names))

    @no_grad()
    def _step_group(self, group, params, grads):
        for param, grad in zip(params, grads, strict=True):
            if param.is_complex():
                raise RuntimeError("Adafactor does not support complex parameters")
            state = self.state[param]
            if not state:
                state.update(_new_state(grad))
            _update(group, param, -grad if group["maximize"] else grad, state)


def _check(lr, beta2_decay, eps, d, weight_decay):
    if getattr(lr, "numel", lambda: 1)() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
    if not beta2_decay <= 0.0:
        raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
    for i, epsilon in enumerate(eps, 1):
        if epsilon is not None and not epsilon >= 0.0:
            raise ValueError(f"epsilon{i} should be >= 0 but is: {epsilon}")
    if not d >= 1.0:
        raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
    if not weight_decay >= 0.0:
        raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")


def _new_state(grad):
    if grad.dim() < 2:
        return {"step": counter(0), "variance": zeros_like(grad)}
    *_, rows, columns = grad.shape
    batch = grad.shape[:-2]
    return {
        "step": counter(0),
        "row_var": grad.new_zeros((*batch, rows, 1)),
        "col_var": grad.new_zeros((*batch, 1, columns)),
    }


def _update(group, param, grad, state):
    state["step"].add_(1)
    step, lr = float(state["step"]), float(group["lr"])
    smallest, least_scale = group["eps"]
    smallest = finfo(param.dtype).eps if smallest is None else smallest
    weight = step ** group["beta2_decay"]
    length = max(least_scale, _root_mean_square(param)) * min(lr, 1 / math.sqrt(step))
    if group["weight_decay"] != 0:
        param.mul_(1 - lr * group["weight_decay"])
    if grad.dim() > 1:
        rows, columns = state["row_var"], state["col_var"]
        squares = grad.square()
        rows.lerp_(squares.mean(-1, keepdim=True), weight)
        columns.lerp_(squares.mean(-2, keepdim=True), weight)
        square = rows / rows.mean(-2, keepdim=True).clamp_(min=smallest) * columns
    else:
        square = state["variance"].lerp_(grad.square(), weight).clone()
    update = square.clamp_(min=smallest * smallest).rsqrt_().mul_(grad)
    param.add_(update, alpha=-length / max(1.0, _root_mean_square(update) / group["d"]))


def _root_mean_square(tensor):
    return float(tensor.norm()) / math.sqrt(tensor.numel()) if tensor.numel() else 0.0
