"""Averages of a model's weights over training: SWA and exponential moving averages."""

import math
from copy import deepcopy

from flambeau.backends import kernels
from flambeau.core.dtype import int64
from flambeau.core.grad_mode import no_grad
from flambeau.core.registry import explain_constructors
from flambeau.nn import Module
from flambeau.nn.modules.batchnorm import _BatchNorm
from flambeau.ops.values import tensor
from flambeau.optim.lr_scheduler.base import LRScheduler, one_per_group


def get_ema_multi_avg_fn(decay=0.999):
    """A function that moves lists of tensors towards others by `1 - decay`, in one kernel.

    Args:
        decay: How much of the averages is kept.

    Returns:
        A function of the averages, the present values, and a count that it does not read.

    Raises:
        ValueError: If `decay` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> average, value = torch.tensor([10.0]), torch.tensor([20.0])
        >>> torch.optim.swa_utils.get_ema_multi_avg_fn(0.75)([average], [value], None)
        >>> average
        tensor([12.5000])
    """
    _require_decay(decay)

    @no_grad()
    def ema_update(ema_param_list, current_param_list, _):
        _move_towards(ema_param_list, current_param_list, 1 - decay)

    return ema_update


def get_swa_multi_avg_fn():
    """A function that takes lists of tensors into the mean of so many before, in one kernel.

    Returns:
        A function of the averages, the present values, and the number averaged before.

    Example:
        >>> import flambeau as torch
        >>> average, value = torch.tensor([10.0]), torch.tensor([22.0])
        >>> torch.optim.swa_utils.get_swa_multi_avg_fn()([average], [value], torch.tensor(2))
        >>> average  # the mean of 10, 10 and 22
        tensor([14.])
    """

    @no_grad()
    def swa_update(averaged_param_list, current_param_list, num_averaged):
        _move_towards(averaged_param_list, current_param_list, 1 / (int(num_averaged) + 1))

    return swa_update


def get_ema_avg_fn(decay=0.999):
    """A function that gives the average of one tensor with `decay` of the old average in it.

    Args:
        decay: How much of the average is kept.

    Returns:
        A function of the average, the present value, and a count that it does not read.

    Raises:
        ValueError: If `decay` is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> average, value = torch.tensor([10.0]), torch.tensor([20.0])
        >>> torch.optim.swa_utils.get_ema_avg_fn(0.75)(average, value, None)
        tensor([12.5000])
    """
    _require_decay(decay)

    @no_grad()
    def ema_update(ema_param, current_param, num_averaged):
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn():
    """A function that gives the mean of one tensor and so many before.

    Returns:
        A function of the average, the present value, and the number averaged before.

    Example:
        >>> import flambeau as torch
        >>> average, value = torch.tensor([10.0]), torch.tensor([22.0])
        >>> torch.optim.swa_utils.get_swa_avg_fn()(average, value, 2)  # the mean of 10, 10 and 22
        tensor([14.])
    """

    @no_grad()
    def swa_update(averaged_param, current_param, num_averaged):
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _require_decay(decay):
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def _move_towards(averages, values, weight):
    """Move each average towards its value by a fraction; counters and the like in their dtype."""
    targets, sources = [], []
    for average, value in zip(averages, values, strict=True):
        dtype = average.dtype
        if dtype.is_floating_point or dtype.is_complex:
            targets.append(average)
            sources.append(value if value.dtype == dtype else value.to(dtype))
        else:
            average.copy_(average * (1 - weight) + value * weight)
    if targets:
        kernels(targets[0]).lerp_step(targets, sources, weight)


class AveragedModel(Module):
    """A copy of a model whose parameters are averages over training.

    The mean of all values (stochastic weight averaging, Izmailov et al., 2018) by default, or what
    one of two functions makes of the averages and the present values.

    Args:
        model: The model.
        device: Where to keep the averages.
        avg_fn: A function of an average, a present value and the number averaged before, which
            gives the new average.
        multi_avg_fn: The same for lists of tensors, changing the averages in place.
        use_buffers: Whether buffers are averaged as well, not only copied.

    Raises:
        AssertionError: If both functions are given.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> averaged = torch.optim.swa_utils.AveragedModel(model)
        >>> averaged.update_parameters(model)
        >>> averaged.n_averaged
        tensor(1)
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args, **kwargs):
        """What the averaged model computes.

        Args:
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            Its result.
        """
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model):
        """Take the present parameters of `model` into the averages.

        Args:
            model: The model; the first time its values are copied.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.PReLU(init=1.0)
            >>> averaged = torch.optim.swa_utils.AveragedModel(model)
            >>> for value in (1.0, 4.0):
            ...     weight = torch.nn.init.constant_(model.weight, value)
            ...     averaged.update_parameters(model)
            >>> averaged.module.weight.tolist()
            [2.5]
        """
        averages, values = self._averaged(self.module), self._averaged(model)
        values = [
            value if value.device == average.device else value.to(average.device)
            for average, value in zip(averages, values, strict=True)
        ]
        if self.n_averaged == 0:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)
        elif self.avg_fn is not None:
            for average, value in zip(averages, values, strict=True):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, values, self.n_averaged)
        if not self.use_buffers:
            for average, value in zip(self.module.buffers(), model.buffers(), strict=True):
                average.copy_(value)
        self.n_averaged += 1

    def _averaged(self, model):
        found = list(model.parameters())
        if self.use_buffers:
            found += model.buffers()
        return [each.detach() for each in found]


@no_grad()
def update_bn(loader, model, device=None):
    """Compute the running statistics of batch norms anew, in one pass over the data.

    Args:
        loader: Batches: tensors, or tuples or lists whose first element is the model's input.
        model: The model.
        device: Where to move the inputs.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.BatchNorm1d(1)
        >>> batches = [torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [6.0]])]
        >>> torch.optim.swa_utils.update_bn(batches, model)
        >>> model.running_mean  # the mean of 1 and 5
        tensor([3.])
    """
    momenta = {module: module.momentum for module in model.modules() if _is_batch_norm(module)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        # None: the mean over all batches.
        module.momentum = None
    for batch in loader:
        if isinstance(batch, (list, tuple)):
            batch = batch[0]
        model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


def _is_batch_norm(module):
    return isinstance(module, _BatchNorm)


class SWALR(LRScheduler):
    """Takes the learning rates to a constant, at which the weights are then averaged.

    Args:
        optimizer: The optimizer.
        swa_lr: The constant, or a list with one for each group.
        anneal_epochs: The number of epochs on the way there.
        anneal_strategy: "cos" or "linear".
        last_epoch: The epoch to resume after.

    Raises:
        ValueError: If an option is out of its range.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
        >>> schedule = torch.optim.swa_utils.SWALR(optimizer, 0.5, 2, "linear")
        >>> optimizer.step()
        >>> schedule.step()
        >>> schedule.get_last_lr()
        [0.75]
    """

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        for lr, group in zip(
            one_per_group("swa_lr", optimizer, swa_lr), optimizer.param_groups, strict=True
        ):
            group["swa_lr"] = lr
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._anneal_strategy = anneal_strategy
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def anneal_func(self, t):
        """How much of the way is behind at the fraction `t` of the epochs."""
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self):
        self._warn_if_called_alone()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._passed(step - 1), self._passed(step)
        return [
            self._next(lr, group["swa_lr"], before, now)
            for lr, group in zip(self._present_lrs(), self.optimizer.param_groups, strict=True)
        ]

    def _passed(self, step):
        return self.anneal_func(max(0, min(1, step / max(1, self.anneal_epochs))))

    @staticmethod
    def _next(lr, last, before, now):
        # The learning rate that the way began with follows from where it is.
        first = last if before == 1 else (lr - before * last) / (1 - before)
        return last * now + first * (1 - now)


for _base in (Module, LRScheduler):
    explain_constructors(globals(), _base)
