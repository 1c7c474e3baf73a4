"""Schedules in which the learning rate rises and falls, and the momentum the other way."""

import math

from flambeau.optim.lr_scheduler.base import (
    LRScheduler,
    one_per_group,
    require_optimizer,
    set_value,
)


def _uses_beta1(optimizer):
    """Whether the momentum of the optimizer is the first of its betas.

    Raises:
        ValueError: If it has none at all.
    """
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError(
            "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
        )
    return "betas" in optimizer.defaults


def _set_momentum(group, value, use_beta1):
    if use_beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def _require_positive_integer(name, value):
    if value <= 0 or not isinstance(value, int):
        raise ValueError(f"Expected positive integer {name}, but got {value}")


class OneCycleLR(LRScheduler):
    """One rise to `max_lr` and a long fall far below the start (Smith & Topin, 2017).

    The schedule is stepped after every batch. It goes on from one phase to the next by steps.

    Args:
        optimizer: The optimizer.
        max_lr: The largest learning rate, or a list with one for each group.
        total_steps: The number of steps; or give the two following.
        epochs: The number of epochs.
        steps_per_epoch: The number of steps in an epoch.
        pct_start: The fraction of the steps in which the rate rises.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: Whether the momentum falls and rises against the rate.
        base_momentum: The smallest momentum.
        max_momentum: The largest momentum.
        div_factor: `max_lr` over the first learning rate.
        final_div_factor: The first learning rate over the last.
        three_phase: Fall as long as the rate rises, then go on to the last learning rate.
        last_epoch: The step to resume after.

    Raises:
        ValueError: If an option is out of its range, or the schedule is over.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0, momentum=0.9)
        >>> schedule = torch.optim.lr_scheduler.OneCycleLR(
        ...     optimizer, max_lr=1.0, total_steps=5, pct_start=0.6, anneal_strategy="linear",
        ...     div_factor=4.0, final_div_factor=4.0,
        ... )
        >>> rates = schedule.get_last_lr()
        >>> for _ in range(4):
        ...     optimizer.step()
        ...     schedule.step()
        ...     rates += schedule.get_last_lr()
        >>> rates
        [0.25, 0.625, 1.0, 0.53125, 0.0625]
    """

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps=None,
        epochs=None,
        steps_per_epoch=None,
        pct_start=0.3,
        anneal_strategy="cos",
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
        last_epoch=-1,
    ):
        require_optimizer(optimizer)
        self.optimizer = optimizer
        self.total_steps = _total_steps(total_steps, epochs, steps_per_epoch)
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_func_type = anneal_strategy
        max_lrs = one_per_group("max_lr", optimizer, max_lr)
        if last_epoch == -1:
            for group, largest in zip(optimizer.param_groups, max_lrs, strict=True):
                group["initial_lr"] = largest / div_factor
                group["max_lr"] = largest
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _uses_beta1(optimizer)
            self._start_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _start_momentum(self, base_momentum, max_momentum, last_epoch):
        bases = one_per_group("base_momentum", self.optimizer, base_momentum)
        maxima = one_per_group("max_momentum", self.optimizer, max_momentum)
        if last_epoch != -1:
            return
        for group, base, largest in zip(self.optimizer.param_groups, bases, maxima, strict=True):
            _set_momentum(group, largest, self.use_beta1)
            group["max_momentum"] = largest
            group["base_momentum"] = base

    def _anneal_func(self, start, end, passed):
        if self._anneal_func_type == "linear":
            return (end - start) * passed + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * passed) + 1)

    def get_lr(self):
        self._warn_if_called_alone()
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is "
                f"{self.total_steps}"
            )
        phase, passed = self._place(step)
        lrs = []
        for group in self.optimizer.param_groups:
            lrs.append(self._anneal_func(group[phase["start_lr"]], group[phase["end_lr"]], passed))
            if self.cycle_momentum:
                start, end = group[phase["start_momentum"]], group[phase["end_momentum"]]
                _set_momentum(group, self._anneal_func(start, end, passed), self.use_beta1)
        return lrs

    def _place(self, step):
        """The phase that `step` is in, and the fraction of it that has passed."""
        start = 0.0
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        return phase, (step - start) / (phase["end_step"] - start)


def _total_steps(total_steps, epochs, steps_per_epoch):
    if total_steps is not None:
        _require_positive_integer("total_steps", total_steps)
        return total_steps
    if epochs is None or steps_per_epoch is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    _require_positive_integer("epochs", epochs)
    _require_positive_integer("steps_per_epoch", steps_per_epoch)
    return epochs * steps_per_epoch


def _phases(total_steps, pct_start, three_phase):
    """Where the phases end, and between which options of a group the values go."""
    rise = {
        "end_step": float(pct_start * total_steps) - 1,
        "start_lr": "initial_lr",
        "end_lr": "max_lr",
        "start_momentum": "max_momentum",
        "end_momentum": "base_momentum",
    }
    fall = {
        "end_step": total_steps - 1,
        "start_lr": "max_lr",
        "end_lr": "min_lr",
        "start_momentum": "base_momentum",
        "end_momentum": "max_momentum",
    }
    if not three_phase:
        return [rise, fall]
    fall_back = {**fall, "end_step": float(2 * pct_start * total_steps) - 2, "end_lr": "initial_lr"}
    last = {**fall, "start_lr": "initial_lr", "start_momentum": "max_momentum"}
    return [rise, fall_back, last]


class CyclicLR(LRScheduler):
    """The learning rate goes up and down between two bounds, again and again (Smith, 2015).

    Args:
        optimizer: The optimizer.
        base_lr: The smallest learning rate, or a list with one for each group.
        max_lr: The largest learning rate, or a list with one for each group.
        step_size_up: The number of steps of a rise.
        step_size_down: The number of steps of a fall; that of a rise if left out.
        mode: "triangular", "triangular2" (half as high every time) or "exp_range" (lower by
            `gamma` every step).
        gamma: See `mode`.
        scale_fn: A function of the cycle or the step that is used instead of `mode`.
        scale_mode: "cycle" or "iterations", what `scale_fn` gets.
        cycle_momentum: Whether the momentum falls and rises against the rate.
        base_momentum: The smallest momentum.
        max_momentum: The largest momentum.
        last_epoch: The step to resume after.

    Raises:
        ValueError: If the mode is unknown, or the optimizer has no momentum to cycle.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        >>> schedule = torch.optim.lr_scheduler.CyclicLR(
        ...     optimizer, base_lr=1.0, max_lr=2.0, step_size_up=2, cycle_momentum=False
        ... )
        >>> rates = schedule.get_last_lr()
        >>> for _ in range(5):
        ...     optimizer.step()
        ...     schedule.step()
        ...     rates += schedule.get_last_lr()
        >>> rates
        [1.0, 1.5, 2.0, 1.5, 1.0, 1.5]
    """

    def __init__(
        self,
        optimizer,
        base_lr,
        max_lr,
        step_size_up=2000,
        step_size_down=None,
        mode="triangular",
        gamma=1.0,
        scale_fn=None,
        scale_mode="cycle",
        cycle_momentum=True,
        base_momentum=0.8,
        max_momentum=0.9,
        last_epoch=-1,
    ):
        require_optimizer(optimizer)
        self.optimizer = optimizer
        base_lrs = one_per_group("base_lr", optimizer, base_lr)
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                set_value(group, "lr", lr)
        self.max_lrs = one_per_group("max_lr", optimizer, max_lr)
        step_size_up = float(step_size_up)
        step_size_down = step_size_up if step_size_down is None else float(step_size_down)
        self.total_size = step_size_up + step_size_down
        self.step_ratio = step_size_up / self.total_size
        if scale_fn is None and mode not in ("triangular", "triangular2", "exp_range"):
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self._start_momentum(base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def _start_momentum(self, base_momentum, max_momentum, last_epoch):
        self.use_beta1 = _uses_beta1(self.optimizer)
        self.base_momentums = one_per_group("base_momentum", self.optimizer, base_momentum)
        self.max_momentums = one_per_group("max_momentum", self.optimizer, max_momentum)
        if last_epoch != -1:
            return
        for group, base, largest in zip(
            self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
        ):
            _set_momentum(group, largest, self.use_beta1)
            group["max_momentum"] = largest
            group["base_momentum"] = base

    def scale_fn(self, x):
        """The height of a cycle, as a fraction of the first, at the cycle or step `x`."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return self.gamma**x

    def get_lr(self):
        self._warn_if_called_alone()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        height = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for group, base, largest in zip(
                self.optimizer.param_groups, self.base_momentums, self.max_momentums, strict=True
            ):
                _set_momentum(group, largest - (largest - base) * height * scale, self.use_beta1)
        return [
            base + (largest - base) * height * scale
            for base, largest in zip(self.base_lrs, self.max_lrs, strict=True)
        ]

    def state_dict(self):
        """Everything the schedule remembers; a plain scale function has to be given again."""
        state = super().state_dict()
        function = state.pop("_scale_fn_custom")
        savable = function is not None and not hasattr(function, "__code__")
        state["_scale_fn_custom"] = dict(function.__dict__) if savable else None
        return state

    def load_state_dict(self, state_dict):
        """Take over what `state_dict()` returned."""
        state = dict(state_dict)
        attributes = state.pop("_scale_fn_custom")
        if attributes is not None:
            self._scale_fn_custom.__dict__.update(attributes)
        super().load_state_dict(state)
