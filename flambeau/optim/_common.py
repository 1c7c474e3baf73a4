"""What the optimizers share: steps by group and by kernel, options, the parameters of a step."""

from flambeau.backends import kernels
from flambeau.core.dtype import float32, float64, get_default_dtype
from flambeau.core.errors import ArgumentTypeError, ArgumentValueError
from flambeau.core.grad_mode import enable_grad, no_grad, set_grad_enabled
from flambeau.core.tensor import Tensor
from flambeau.ops.complex import view_as_complex, view_as_real
from flambeau.ops.creation import zeros_like
from flambeau.ops.values import tensor
from flambeau.optim.optimizer import Optimizer

# The options that kernels take as flags: what is true of anything else counts.
_FLAGS = frozenset(("amsgrad", "centered", "decoupled_weight_decay", "maximize", "nesterov"))
# The options that are pairs, by the names of the two in functions of lists.
_PAIRS = {
    "betas": ("beta1", "beta2"),
    "etas": ("etaminus", "etaplus"),
    "step_sizes": ("step_size_min", "step_size_max"),
}


class GroupedOptimizer(Optimizer):
    """An optimizer that steps group by group: `_step_group(group, params, grads)`."""

    def step(self, closure=None):
        """Change the parameters by one step.

        Args:
            closure: A function that computes the loss anew and returns it.

        Returns:
            The loss, if there is a closure.

        Raises:
            RuntimeError: If the optimizer does not support a parameter or its gradient.
        """
        loss = None
        if closure is not None:
            if not callable(closure):
                raise ArgumentTypeError(
                    f"{type(self).__name__}.step(): argument 'closure' must be callable, not "
                    f"{type(closure).__name__}"
                )
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            params, grads = _with_gradients(group)
            if params:
                try:
                    self._step_group(group, params, grads)
                except TypeError as error:
                    raise of_options(self, group, error) from None
        return loss


class StepKernel:
    """The kernel that makes the step of an optimizer for lists of tensors.

    Args:
        name: The kernel's.
        state: The entries of a parameter's state that it takes, in order, "step" apart.
        options: The options that it takes, in order; pairs are two arguments.
        only_with: For the entries that not every state has, the option that asks for them.
    """

    def __init__(self, name, state, options, **only_with):
        self.name = name
        self.state = state.split()
        self.options = options.split()
        self.only_with = only_with

    def entries(self, group):
        """The entries of a state with the options of a group."""
        asked = self.only_with
        return [name for name in self.state if name not in asked or group[asked[name]]]

    def __call__(self, group, params, grads, lists):
        """Make the step; `lists` has the list of each entry, and of "step"."""
        entries = self.entries(group)
        given = [lists[name] if name in entries else None for name in self.state]
        numbers = []
        for name in self.options:
            value = group[name]
            try:
                if name in _FLAGS:
                    numbers.append(bool(value))
                elif name in _PAIRS:
                    first, second = value
                    numbers += (float(first), float(second))
                else:
                    numbers.append(float(value))
            except (TypeError, ValueError):
                raise _no_number(self.name, name, value) from None
        getattr(kernels(params[0]), self.name)(params, grads, *given, lists["step"], *numbers)


class FusedOptimizer(GroupedOptimizer):
    """An optimizer that counts its steps and makes each with one kernel for a whole group.

    A subclass has a `_kernel`, and `_step_recorded(group, param, grad, state)`, the same step as
    operations on tensors, in the graph where the group asks for it with "differentiable".
    """

    def __setstate__(self, state):
        super().__setstate__(state)
        for param_state in self.state.values():
            # Old checkpoints counted with a plain number.
            step = param_state.get("step")
            if step is not None and not isinstance(step, Tensor):
                param_state["step"] = counter(step)

    def _step_group(self, group, params, grads):
        states = [self.state[param] or self._start(group, param) for param in params]
        if group["differentiable"]:
            with set_grad_enabled(True):
                for param, grad, state in zip(params, grads, states, strict=True):
                    _record(self, group, param, grad, state)
            return
        entries = ("step", *self._kernel.entries(group))
        lists = {name: [state[name] for state in states] for name in entries}
        self._kernel(group, params, grads, lists)

    def _start(self, group, param):
        state = self.state[param]
        state["step"] = counter(0)
        state.update(self._new_state(group, param))
        return state

    def _new_state(self, group, param):
        """A parameter's state before the first step."""
        return {name: zeros_like(param) for name in self._kernel.entries(group)}


def _no_number(kernel, name, value):
    """The error for an option that is not what a kernel takes."""
    wanted = "bool" if name in _FLAGS else "a pair of numbers" if name in _PAIRS else "a number"
    pair = name in _PAIRS and isinstance(value, (tuple, list)) and len(value) != 2
    kind = ArgumentValueError if pair else ArgumentTypeError
    return kind(f"{kernel}: option '{name}' must be {wanted}, got {value!r}")


def of_options(optimizer, group, error, **more):
    """The error of a step that names the option to blame, if there is one."""
    from flambeau.core.constructors import of_arguments

    given = {name: value for name, value in group.items() if name != "params"}
    name = f"{type(optimizer).__name__}.step"
    return of_arguments(name, type(optimizer), {**given, **more}, error)


def options(given, names):
    """The options of an optimizer in the order of `names`, from the `locals()` it has them in."""
    return {name: given[name] for name in names.split()}


def counter(value):
    """A number of a parameter's state, which is kept in a tensor so that it can be saved as one."""
    return tensor(float(value), dtype=float64 if get_default_dtype() == float64 else float32)


def decayed(group, param, grad):
    """The gradient to descend along: turned round to maximize, with the weight decay in it."""
    if group["maximize"]:
        grad = -grad
    if group["weight_decay"] != 0:
        grad = grad.add(param, alpha=group["weight_decay"])
    return grad


def decoupled(group, param, grad):
    """The same where the decay may shrink the parameter, which it does at once, in place."""
    if not group["decoupled_weight_decay"]:
        return decayed(group, param, grad)
    if group["weight_decay"] != 0:
        param.mul_(1 - group["lr"] * group["weight_decay"])
    return -grad if group["maximize"] else grad


def take_step(kind, given):
    """One step of an optimizer on lists of tensors, without an optimizer.

    Args:
        kind: The optimizer's class.
        given: What its function of lists was given, by name: the lists, which are changed in place
            and with "differentiable" get new tensors, and the options.

    Raises:
        RuntimeError: If the step counts are not tensors, or gradients are to be scaled back.
    """
    refuse_scaling(kind.__name__.lower(), given.get("grad_scale"), given.get("found_inf"))
    params, grads, steps = given["params"], given["grads"], given["state_steps"]
    if not all(isinstance(step, Tensor) for step in steps):
        raise RuntimeError(
            "API has changed, `state_steps` argument must contain a list of singleton tensors"
        )
    if not params:
        return
    kernel = kind._kernel
    lists = {name: _list_of(name, given) for name in ("step", *kernel.entries(given))}
    pairs = {
        pair: [given[name] for name in names] for pair, names in _PAIRS.items() if names[0] in given
    }
    group = {**given, **pairs}
    if not given["differentiable"]:
        with no_grad():
            kernel(group, list(params), list(grads), lists)
        return
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        state = {name: entries[i] for name, entries in lists.items()}
        _record(kind, group, param, grad, state)
        for name, entries in lists.items():
            entries[i] = state[name]


def _record(kind, group, param, grad, state):
    """A step in the graph; complex numbers are pairs of real ones, as the kernels take them."""
    state["step"] = state["step"] + 1
    if not param.is_complex():
        kind._step_recorded(group, param, grad, state)
        return
    pairs = {name: _as_real(entry) for name, entry in state.items()}
    kind._step_recorded(group, _as_real(param), _as_real(grad), pairs)
    for name, entry in state.items():
        state[name] = view_as_complex(pairs[name]) if entry.is_complex() else pairs[name]


def _as_real(entry):
    """An entry of a state, or a parameter, with complex numbers as pairs of real ones."""
    return view_as_real(entry) if entry.is_complex() else entry


def refuse_scaling(name, grad_scale, found_inf):
    """Check that a step is not asked to undo the scaling of gradients, which `GradScaler` does."""
    if grad_scale is not None or found_inf is not None:
        raise RuntimeError(f"{name}: grad_scale and found_inf are not supported")


def _list_of(entry, given):
    """The list of an entry of the states, whose name has one of three forms."""
    names = f"{entry}s", f"state_{entry}s", f"{entry}_list"
    return next(given[name] for name in names if name in given)


def _with_gradients(group):
    """The parameters of a group that have a gradient, and these gradients."""
    parameters, gradients = [], []
    for parameter in group["params"]:
        gradient = parameter.grad
        if gradient is not None:
            parameters.append(parameter)
            gradients.append(gradient)
    return parameters, gradients


def require_valid(*, lr, betas=None, **at_least_zero):
    """Check the options that several optimizers have.

    Args:
        lr: The learning rate.
        betas: The factors of running averages.
        at_least_zero: Options that must not be negative, nor NaN.

    Raises:
        ValueError: If one is out of its range.
    """
    require_learning_rate(lr)
    if betas is not None:
        require_betas(betas)
    for name, value in at_least_zero.items():
        if not value >= 0.0:
            what = "epsilon" if name == "eps" else name
            raise ValueError(f"Invalid {what} value: {value}")


def require_learning_rate(lr):
    """Check a learning rate.

    Raises:
        ValueError: If it is negative, or a tensor of several elements.
    """
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def require_betas(betas):
    """Check the factors of two running averages.

    Raises:
        IndexError: If there is only one.
        ValueError: If one is not between 0, included, and 1.
    """
    for i in range(2):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def require_one_implementation(foreach, fused, differentiable):
    """Check the options that choose between implementations elsewhere.

    Here they choose nothing, since every step is fused, but wrong combinations are reported.

    Raises:
        RuntimeError: If they exclude each other.
    """
    if not fused:
        return
    if differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
