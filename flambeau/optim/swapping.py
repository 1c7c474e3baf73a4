"""Stepping other tensors than an optimizer's own."""

from collections import defaultdict
from contextlib import contextmanager


@contextmanager
def swap_in_optimizer_params_and_state(optimizer, swapin_parameters, swapin_optim_state):
    """In the block, let an optimizer work on other parameters, with another state.

    Tensors of the state that a step changes in place are changed; what else it does to the state
    is forgotten afterwards.

    Args:
        optimizer: The optimizer, which must have stepped before.
        swapin_parameters: The parameters by name, in the order of the optimizer's own.
        swapin_optim_state: Their state, as `state_dict()` gives it.

    Raises:
        RuntimeError: If the optimizer has no state yet, or what is given does not fit it.

    Example:
        >>> import flambeau as torch
        >>> own, other = torch.nn.Parameter(torch.ones(1)), torch.ones(1)
        >>> own.grad = other.grad = torch.ones(1)
        >>> optimizer = torch.optim.SGD([own], lr=0.5, momentum=0.9)
        >>> optimizer.step()
        >>> swap = torch.optim.swap_in_optimizer_params_and_state
        >>> with swap(optimizer, {"other": other}, optimizer.state_dict()):
        ...     optimizer.step()
        >>> own.item(), round(other.item(), 2)
        (0.5, 0.05)
    """
    name = "swap_in_optimizer_params_and_state"
    if not optimizer.state:
        raise RuntimeError(f"{name} requires initialized optimizer state.")
    saved_groups, saved_state = swapin_optim_state["param_groups"], swapin_optim_state["state"]
    if len(saved_groups) != len(optimizer.param_groups):
        raise RuntimeError(
            "swapin_optim_state has a different number of parameter groups than the live optimizer."
        )
    numbers = [number for group in saved_groups for number in group["params"]]
    if len(numbers) > len(swapin_parameters):
        raise RuntimeError(
            f"{name} requires the explicit parameter state to match optimizer.param_groups "
            "ordering."
        )
    strange = [number for number in saved_state if number not in numbers]
    if strange:
        raise RuntimeError(
            f"{name} requires swapin_optim_state['state'] to be keyed only by packed parameter ids "
            f"from param_groups[*]['params']; got extra keys {strange}."
        )
    parameter = dict(zip(numbers, swapin_parameters.values(), strict=False))
    own = optimizer.param_groups, optimizer.state
    optimizer.param_groups = [
        {**group, "params": [parameter[number] for number in group["params"]]}
        for group in saved_groups
    ]
    optimizer.state = defaultdict(
        dict, {parameter[number]: dict(state) for number, state in saved_state.items()}
    )
    try:
        yield
    finally:
        optimizer.param_groups, optimizer.state = own
