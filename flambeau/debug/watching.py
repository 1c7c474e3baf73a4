"""Mistakes of training loops that raise no error."""

import functools

from flambeau.core import events
from flambeau.core.notices import warn
from flambeau.optim.optimizer import Optimizer

# Losses by the operation that computes them, and what they apply to their input themselves: its
# node and its name.
_APPLIED_BY_LOSS = {
    "_cross_entropy": ("cross_entropy", "SoftmaxBackward0", "softmax"),
    "_soft_cross_entropy": ("cross_entropy", "SoftmaxBackward0", "softmax"),
    "_binary_cross_entropy_with_logits": (
        "binary_cross_entropy_with_logits",
        "SigmoidBackward0",
        "sigmoid",
    ),
}

# Operations that only rearrange or choose: what matters is what was computed before.
_REARRANGING = frozenset(
    f"{name}Backward0"
    for name in (
        *("View", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Permute", "T", "Flatten"),
        *("Select", "Slice", "Index", "Clone"),
    )
)


class WatchWarning(UserWarning):
    """A mistake that `watch` has found.

    Example:
        >>> issubclass(flambeau.debug.WatchWarning, UserWarning)
        True
    """


def watch(model, optimizer):
    """Watch a training loop and warn of mistakes that raise no error.

    Reported, each once: gradients of the last step that were not reset; parameters that no
    optimizer owns, or that no gradient reaches; tensors of the optimizer that the model does not
    have; softmax before cross-entropy, sigmoid before binary cross-entropy with logits; a
    learning-rate schedule stepped before the optimizer.

    Args:
        model: The model.
        optimizer: The optimizer, or a sequence of them.

    Returns:
        A `Watch`, which may be used in a with statement; its `findings` are the reports so far.

    Raises:
        TypeError: If `optimizer` is none.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD([model.weight], lr=0.1)
        >>> with warnings.catch_warnings(), torch.debug.watch(model, optimizer) as watched:
        ...     warnings.simplefilter("ignore")
        ...     model(torch.ones(1, 2)).sum().backward()
        ...     optimizer.step()
        >>> watched.findings
        ['no optimizer owns these parameters, which will not change: bias']
    """
    return Watch(model, optimizer)


class Watch:
    """A watch over a model and its optimizers; see `watch`.

    Example:
        >>> model = flambeau.nn.Linear(2, 1)
        >>> optimizer = flambeau.optim.SGD(model.parameters(), lr=0.1)
        >>> with flambeau.debug.watch(model, optimizer) as watched:
        ...     pass
        >>> watched.findings
        []
    """

    def __init__(self, model, optimizer):
        self.findings = []
        self._model = model
        self._optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
        for each in self._optimizers:
            if not isinstance(each, Optimizer):
                raise TypeError(f"watch: expected an optimizer, got {type(each).__name__}")
        self._reached = set()
        self._unread = set()  # parameters whose gradient has not been seen since the last step
        self._rates = {}  # learning rates at the backward pass, by the number of the optimizer
        self._handles = [
            parameter.register_hook(functools.partial(self._on_gradient, parameter))
            for parameter in model.parameters()
            if parameter.requires_grad
        ]
        for each in self._optimizers:
            self._handles.append(each.register_step_pre_hook(self._before_step))
            self._handles.append(each.register_step_post_hook(self._after_step))
        self._waiting = list(self._optimizers)  # those that have not stepped yet
        events.operations.add(self._after_operation)

    def close(self):
        """Stop watching."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        events.operations.remove(self._after_operation)

    def __repr__(self):
        count = len(self.findings)
        title = f"{count} finding{'s' * (count != 1)}" if count else "nothing found"
        return "\n  ".join([title, *self.findings])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _report(self, finding):
        if finding not in self.findings:
            self.findings.append(finding)
            warn(finding, WatchWarning)

    # --- what happens in the loop -----------------------------------------------------------

    def _on_gradient(self, parameter, gradient):
        """Called with each gradient, before it is added to the one that is there."""
        self._reached.add(parameter)
        if not self._rates:
            self._rates = {i: _rates_of(each) for i, each in enumerate(self._optimizers)}
        if parameter in self._unread:
            self._unread.discard(parameter)
            if parameter.grad is not None and bool(parameter.grad.any()):
                self._report(
                    "gradients are added to those of the step before: call optimizer.zero_grad() "
                    "once for each step"
                )

    def _before_step(self, optimizer, args, kwargs):
        before = self._rates.get(self._optimizers.index(optimizer))
        if before is not None and before != _rates_of(optimizer):
            self._report(
                "the learning rate was changed between backward() and optimizer.step(): call "
                "scheduler.step() after optimizer.step()"
            )

    def _after_step(self, optimizer, args, kwargs):
        if optimizer in self._waiting:
            self._waiting.remove(optimizer)
            if not self._waiting:
                self._check_owners()
                self._check_reached()
        self._rates = {}
        self._unread |= self._reached & _owned([optimizer])

    def _after_operation(self, op, arguments, *_):
        if op.name in _APPLIED_BY_LOSS:
            self._check_loss(arguments[0], *_APPLIED_BY_LOSS[op.name])

    # --- what is checked --------------------------------------------------------------------

    def _trainable(self):
        return {p: name for name, p in self._model.named_parameters() if p.requires_grad}

    def _check_owners(self):
        names, owned = self._trainable(), _owned(self._optimizers)
        forgotten = [name for parameter, name in names.items() if parameter not in owned]
        if forgotten:
            self._report(
                f"no optimizer owns these parameters, which will not change: {_listed(forgotten)}"
            )
        strange = len(owned.difference(self._model.parameters()))
        if strange:
            self._report(
                f"the optimizer holds {strange} tensors that are no parameters of the model: make "
                "it after the last change of the model"
            )

    def _check_reached(self):
        unreached = [name for p, name in self._trainable().items() if p not in self._reached]
        if unreached:
            self._report(
                "no gradient reaches these parameters, which the loss does not depend on: "
                f"{_listed(unreached)}"
            )

    def _check_loss(self, scores, loss, node_name, function):
        if _producer(scores) == node_name:
            self._report(
                f"{loss} applies {function} itself, but its input has been through {function} "
                "already: give it the scores"
            )


def _owned(optimizers):
    return {
        parameter
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def _rates_of(optimizer):
    return [float(group["lr"]) for group in optimizer.param_groups if "lr" in group]


def _listed(names, most=8):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _producer(tensor):
    """The name of the node that computed the values of `tensor`."""
    node = getattr(tensor, "grad_fn", None)
    while node is not None and node.name() in _REARRANGING:
        node = node.next_functions[0][0]
    return None if node is None else node.name()
