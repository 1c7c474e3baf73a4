"""The base class of learning-rate schedules."""

import functools
import weakref
from contextlib import contextmanager

from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor
from flambeau.optim.optimizer import Optimizer

_HOW_TO = "https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch is different from None, the closed form is used instead of the new chainable form, "
    "where available. Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)


class LRScheduler:
    """Base class of schedules, which set the learning rates of an optimizer after each epoch.

    A subclass defines `get_lr`, which returns the learning rate of every group at
    `self.last_epoch`; it may compute it from the present one, in `group["lr"]`.

    Args:
        optimizer: The optimizer.
        last_epoch: The epoch to resume after; -1 to start.

    Raises:
        TypeError: If `optimizer` is none.
        KeyError: If a schedule is resumed whose optimizer has not been restored.

    Example:
        >>> import flambeau as torch
        >>> class OneOverEpoch(torch.optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [lr / (self.last_epoch + 1) for lr in self.base_lrs]
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        >>> schedule = OneOverEpoch(optimizer)
        >>> optimizer.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.5]
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer, last_epoch=-1):
        require_optimizer(optimizer)
        self.optimizer = optimizer
        remember_initial_lr(optimizer, last_epoch)
        self.base_lrs = values_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        track_steps(optimizer)
        self._initial_step()

    def _initial_step(self):
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self):
        """Everything the schedule remembers, but for the optimizer."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict):
        """Take over what `state_dict()` returned."""
        self.__dict__.update(state_dict)

    def get_last_lr(self):
        """The learning rate of every group, as this schedule set it last.

        Returns:
            A list of numbers.

        Example:
            >>> import flambeau as torch
            >>> p, q = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
            >>> optimizer = torch.optim.SGD([{"params": [p], "lr": 0.5}, {"params": [q]}], lr=0.25)
            >>> torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5).get_last_lr()
            [0.5, 0.25]
        """
        return self._last_lr

    def get_lr(self):
        """The learning rate of every group at `self.last_epoch`; every subclass defines it.

        Raises:
            NotImplementedError: Always, in this class.
        """
        raise NotImplementedError(f"{type(self).__name__}.get_lr: the class does not define it")

    def step(self, epoch=None):
        """Go on to the next epoch.

        Args:
            epoch: Go to this epoch instead (deprecated).

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
            >>> schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
            >>> optimizer.step()
            >>> schedule.step()
            >>> optimizer.param_groups[0]["lr"], schedule.last_epoch
            (0.5, 1)
        """
        if self._step_count == 1:
            self._warn_of_order()
        self._step_count += 1
        if epoch is not None:
            warn(EPOCH_DEPRECATION_WARNING)
        self._update_lr(epoch)

    def _update_lr(self, epoch=None):
        try:
            with self._within_step():
                if epoch is None:
                    self.last_epoch += 1
                    values = self.get_lr()
                else:
                    self.last_epoch = epoch
                    closed_form = getattr(self, "_get_closed_form_lr", self.get_lr)
                    values = closed_form()
        except (TypeError, ZeroDivisionError) as error:
            raise self._explained(error, epoch) from None
        self._set_lrs(values)

    def _explained(self, error, epoch):
        """The error of a step that names the option to blame, if there is one."""
        from flambeau.core.constructors import of_arguments

        given = {name: value for name, value in vars(self).items() if name[0] != "_"}
        del given["optimizer"]
        kind = type(self)
        return of_arguments(f"{kind.__name__}.step", kind, {**given, "epoch": epoch}, error)

    @contextmanager
    def _within_step(self):
        """While `get_lr` computes a step, rather than answering a user who means get_last_lr."""
        self._get_lr_called_within_step = True
        try:
            yield
        finally:
            self._get_lr_called_within_step = False

    def _set_lrs(self, values):
        for group, value in zip(self.optimizer.param_groups, values, strict=True):
            set_value(group, "lr", value)
        self._last_lr = values_of(self.optimizer, "lr")

    def _warn_if_called_alone(self):
        if not self._get_lr_called_within_step:
            warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`."
            )

    def _present_lrs(self):
        return values_of(self.optimizer, "lr")

    def _warn_of_order(self):
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
                "initialization. Please, make sure to call `optimizer.step()` before "
                f"`lr_scheduler.step()`. See more details at {_HOW_TO}"
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch "
                "1.1.0 and later, you should call them in the opposite order: `optimizer.step()` "
                "before `lr_scheduler.step()`.  Failure to do this will result in PyTorch "
                "skipping the first value of the learning rate schedule. See more details at "
                f"{_HOW_TO}"
            )


def require_optimizer(optimizer):
    """Check the argument of a schedule.

    Raises:
        TypeError: If it is no optimizer.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def remember_initial_lr(optimizer, last_epoch):
    """Keep the first learning rate in each group, or check that it has been kept."""
    for i, group in enumerate(optimizer.param_groups):
        if last_epoch == -1:
            group.setdefault("initial_lr", _copy(group["lr"]))
        elif "initial_lr" not in group:
            raise KeyError(
                f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                "scheduler with last_epoch >= 0.\n"
                "This typically happens when:\n"
                "1. You're trying to resume training from a checkpoint but haven't properly "
                "loaded the optimizer state\n"
                "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
            )


def track_steps(optimizer):
    """Let the optimizer note that it has stepped, so that a wrong order can be reported."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    own_step = optimizer.__dict__.get("step")
    # The optimizer must not be kept alive by its own attribute.
    reference = weakref.ref(optimizer)

    @functools.wraps(type(optimizer).step)
    def step(*args, **kwargs):
        optimizer = reference()
        optimizer._opt_called = True
        if own_step is not None:
            return own_step(*args, **kwargs)
        return type(optimizer).step(optimizer, *args, **kwargs)

    step._wrapped_by_lr_sched = True
    optimizer.step = step


def values_of(optimizer, name):
    """The option `name` of every group."""
    return [_copy(group[name]) for group in optimizer.param_groups]


def _copy(value):
    return value.clone() if isinstance(value, Tensor) else value


def set_value(group, name, value):
    """Set an option of a group, in place where it is a tensor."""
    if isinstance(group[name], Tensor):
        group[name].fill_(value.item() if isinstance(value, Tensor) else value)
    else:
        group[name] = value


def one_per_group(name, optimizer, value):
    """`value` as a list with an element for every group.

    Raises:
        ValueError: If a list is given that has another length.
    """
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [_copy(value)] * groups
    if len(value) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has "
            f"{len(value)} values, param_groups has {groups}."
        )
    return list(map(_copy, value))
