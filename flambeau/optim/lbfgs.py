"""L-BFGS, with a line search that ensures the strong Wolfe conditions."""

import math

from flambeau.backends import kernels
from flambeau.core.grad_mode import enable_grad, no_grad
from flambeau.ops.complex import view_as_real
from flambeau.ops.join import cat
from flambeau.optim._common import of_options, options, require_learning_rate
from flambeau.optim.optimizer import Optimizer


class LBFGS(Optimizer):
    """Limited-memory BFGS (Nocedal & Wright, Numerical Optimization, 2nd ed., algorithm 7.5).

    A step makes several iterations and computes the loss anew in each, through the closure. The
    parameters are one group. The memory of the last `history_size` iterations is twice as many
    vectors as long as all parameters.

    Args:
        params: Parameters, or pairs of name and parameter.
        lr: The length of a step along the direction, or the first one that the line search tries.
        max_iter: The most iterations of a step.
        max_eval: The most times the closure is called in a step; a quarter more if left out.
        tolerance_grad: Stop when no element of the gradient is larger.
        tolerance_change: Stop when neither a parameter nor the loss changes by more.
        history_size: The number of iterations remembered.
        line_search_fn: "strong_wolfe", or None to go on by `lr`.

    Raises:
        ValueError: If the learning rate is negative, or there are several groups.

    Example:
        >>> import flambeau as torch
        >>> x = torch.nn.Parameter(torch.tensor([3.0]))
        >>> optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe")
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = ((x - 1) ** 2).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)
        tensor(4., grad_fn=<SumBackward0>)
        >>> x
        Parameter containing:
        tensor([1.], requires_grad=True)
    """

    def __init__(
        self,
        params,
        lr=1,
        max_iter=20,
        max_eval=None,
        tolerance_grad=1e-7,
        tolerance_change=1e-9,
        history_size=100,
        line_search_fn=None,
    ):
        require_learning_rate(lr)
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        names = "lr max_iter max_eval tolerance_grad tolerance_change history_size line_search_fn"
        super().__init__(params, options(locals(), names))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self):
        return self.param_groups[0]["params"]

    @no_grad()
    def step(self, closure):
        """Change the parameters by up to `max_iter` iterations.

        Args:
            closure: A function that computes the loss and its gradients anew and returns it.

        Returns:
            The loss before the step.

        Raises:
            AssertionError: If a second group was added.
            RuntimeError: If the line search is unknown.
        """
        groups = len(self.param_groups)
        if groups != 1:
            raise AssertionError(f"Expected exactly one param_group, but got {groups}")
        group = self.param_groups[0]
        try:
            return self._iterate(group, enable_grad()(closure))
        except TypeError as error:
            raise of_options(self, group, error, closure=closure) from None

    def _iterate(self, group, closure):
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first_loss = closure()
        state["func_evals"] += 1
        loss, (gradient, steepest) = float(first_loss), self._gradient()
        evaluations = 1
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        if steepest <= tolerance_grad:
            return first_loss
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction, slope, largest = self._direction(state, gradient)
            state["prev_flat_grad"], state["prev_loss"] = gradient, loss
            length = group["lr"]
            if state["n_iter"] == 1:
                length = min(1.0, 1.0 / float(gradient.norm(1))) * length
            state["d"], state["t"] = direction, length
            if slope > -tolerance_change:
                break
            last = iteration == group["max_iter"]
            if group["line_search_fn"] is not None:
                origin = _Point(0.0, loss, gradient, slope, steepest)
                found, calls = self._search(closure, length, direction, largest, origin)
                state["t"], loss, gradient = found.t, found.loss, found.gradient
                steepest = found.steepest
            else:
                self._move(float(length), direction)
                calls = 0
                if not last:
                    loss, (gradient, steepest) = float(closure()), self._gradient()
                    calls = 1
            evaluations += calls
            state["func_evals"] += calls
            if (
                last
                or evaluations >= group["max_eval"]
                or steepest <= tolerance_grad
                or largest * abs(float(state["t"])) <= tolerance_change
                or abs(loss - state["prev_loss"]) < tolerance_change
            ):
                break
        return first_loss

    def _direction(self, state, gradient):
        """The product of the estimated inverse Hessian and the gradient, downwards.

        Returns:
            It, its product with the gradient, and its largest magnitude.
        """
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        else:
            self._remember(state, gradient)
        size = self.param_groups[0]["history_size"]
        # What PyTorch computes in; its states have it, and nothing reads what is in it.
        state.setdefault("al", [None] * size)
        inverses = [float(each) for each in state["ro"]]
        steps, changes, wide = state["old_stps"], state["old_dirs"], gradient
        if gradient.element_size() < 4:  # sums of 16-bit products would lose all digits
            wide = gradient.float()
            steps, changes = [each.float() for each in steps], [each.float() for each in changes]
        direction, slope, largest = kernels(wide).lbfgs_direction(
            wide, steps, changes, inverses, float(state["H_diag"])
        )
        return direction.to(gradient.dtype), slope, largest

    def _remember(self, state, gradient):
        """Take the last step, and the change of the gradient along it, into the history."""
        previous, direction = state["prev_flat_grad"], state["d"]
        narrow = gradient.dtype
        if gradient.element_size() < 4:
            gradient, previous, direction = gradient.float(), previous.float(), direction.float()
        change, step, curvature, square = kernels(gradient).lbfgs_change(
            gradient, previous, direction, float(state["t"])
        )
        if not curvature > 1e-10:
            return
        inverse = change.new_tensor(1.0 / curvature, dtype=narrow)
        history = (("old_dirs", change.to(narrow)), ("old_stps", step.to(narrow)), ("ro", inverse))
        for name, value in history:
            if len(state[name]) == self.param_groups[0]["history_size"]:
                state[name].pop(0)
            state[name].append(value)
        state["H_diag"] = change.new_tensor(curvature / square, dtype=narrow)

    def _search(self, closure, length, direction, largest, origin):
        """The point on the way along `direction` where the line search ends; the parameters too."""
        group = self.param_groups[0]
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        start = [param.clone() for param in self._params]

        def evaluate(t):
            self._move(t, direction)
            value, (new_gradient, new_steepest) = float(closure()), self._gradient()
            self._restore(start)
            slope = float(new_gradient.dot(direction))
            return _Point(t, value, new_gradient, slope, new_steepest)

        smallest = group["tolerance_change"] / max(largest, 1e-300)
        found, calls = strong_wolfe(evaluate, origin, float(length), smallest)
        self._move(found.t, direction)
        return found, calls

    # --- all parameters as one vector -------------------------------------------------------

    def _gradient(self):
        """All gradients as one vector, and the largest magnitude in it."""
        parts = []
        for param in self._params:
            part = param.new_zeros(param.shape) if param.grad is None else param.grad
            parts.append(_real(part))
        if all(part.dtype is parts[0].dtype for part in parts) and parts[0].element_size() > 2:
            return kernels(parts[0]).lbfgs_join(parts)
        vector = cat([part.reshape(-1) for part in parts])
        return vector, float(vector.norm(math.inf))

    def _move(self, length, direction):
        """Add `length` times the direction to the parameters, in one kernel."""
        parts, begin = [], 0
        params = [_real(param) for param in self._params]
        for param in params:
            end = begin + param.numel()
            parts.append(direction[begin:end].view_as(param).to(param.dtype))
            begin = end
        kernels(direction).sgd_step(
            params, parts, None, -length, 0.0, 0.0, 0.0, False, False, False
        )

    def _restore(self, values):
        for param, value in zip(self._params, values, strict=True):
            param.copy_(value)


def _real(tensor):
    return view_as_real(tensor) if tensor.is_complex() else tensor


class _Point:
    """A point on the line of a search: where, the loss, gradient, slope, steepest partial there."""

    __slots__ = ("gradient", "loss", "slope", "steepest", "t")

    def __init__(self, t, loss, gradient, slope, steepest):
        self.t = t
        self.loss = loss
        self.gradient = gradient
        self.slope = slope
        self.steepest = steepest


def strong_wolfe(evaluate, origin, length, smallest, c1=1e-4, c2=0.9, most_steps=25):
    """A point that fulfils the strong Wolfe conditions (Nocedal & Wright, algorithms 3.5, 3.6).

    Args:
        evaluate: Gives the point at a length, with its `loss`, `slope` and `gradient`.
        origin: The point at length 0.
        length: The first length to try.
        smallest: The smallest interval worth dividing.
        c1: How much of the fall that the slope promises must come.
        c2: How much of the slope may remain.
        most_steps: The most lengths to try after the first.

    Returns:
        The point, or the best found, and the number of evaluations.
    """

    def too_high(point):
        return point.loss > origin.loss + c1 * point.t * origin.slope

    def flat_enough(point):
        return abs(point.slope) <= -c2 * origin.slope

    before, point = origin, evaluate(length)
    steps = 0
    while steps < most_steps:
        if too_high(point) or (steps > 1 and point.loss >= before.loss):
            break
        if flat_enough(point):
            return point, steps + 1
        if point.slope >= 0:
            break
        bounds = point.t + 0.01 * (point.t - before.t), point.t * 10
        before, point = point, evaluate(_lowest_of_cubic(before, point, bounds))
        steps += 1
    else:
        before = origin
    low, high = (before, point) if before.loss <= point.loss else (point, before)
    hesitated = False
    while steps < most_steps:
        left, right = min(low.t, high.t), max(low.t, high.t)
        if right - left < smallest:
            break
        t = _lowest_of_cubic(low, high, (left, right))
        margin = 0.1 * (right - left)
        near_end = min(right - t, t - left) < margin
        if near_end and (hesitated or t >= right or t <= left):
            # Twice in a row, or at the very end: move away from it.
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            near_end = False
        hesitated = near_end
        point = evaluate(t)
        steps += 1
        if too_high(point) or point.loss >= low.loss:
            low, high = (low, point) if low.loss <= point.loss else (point, low)
            continue
        if flat_enough(point):
            return point, steps + 1
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low, steps + 1


def _lowest_of_cubic(a, b, bounds):
    """Where the cubic through two points with their slopes is lowest, within bounds (3.59)."""
    low, high = bounds
    if a.t > b.t:
        a, b = b, a
    width = b.t - a.t
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t) if width else math.nan
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    denominator = b.slope - a.slope + 2 * d2
    if denominator == 0:
        return (low + high) / 2
    return min(max(b.t - width * ((b.slope + d2 - d1) / denominator), low), high)
