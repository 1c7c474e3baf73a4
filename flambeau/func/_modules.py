"""Calling modules with other parameters than their own."""

from __future__ import annotations

from typing import Any

from flambeau.core.grad_mode import no_grad
from flambeau.core.tensor import Tensor
from flambeau.ops.join import stack


def _merged(given: Any) -> dict[str, Tensor]:
    """The dictionaries as one; a name may stand in one of them only."""
    if isinstance(given, dict):
        return given
    if not isinstance(given, (list, tuple)):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(given)}"
        )
    if not all(isinstance(part, dict) for part in given):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    merged: dict[str, Tensor] = {}
    repeated = {key for part in given for key in part if sum(key in other for other in given) > 1}
    if repeated:
        raise ValueError(
            f"{sorted(repeated)} appeared in multiple dictionaries; behavior of "
            "functional call is ambiguous"
        )
    for part in given:
        merged.update(part)
    return merged


def _places(module: Any) -> dict[str, tuple[dict, str]]:
    """By full name: the dictionary of the module that holds a parameter or buffer, and its key."""
    found = {}
    for prefix, inner in module.named_modules(remove_duplicate=False):
        for holder in (inner._parameters, inner._buffers):
            for key in holder:
                found[f"{prefix}.{key}" if prefix else key] = (holder, key)
    return found


def _with_ties(given: dict[str, Tensor], places: dict[str, tuple[dict, str]]) -> dict[str, Tensor]:
    """Also the other names under which the module knows a replaced tensor."""
    names: dict[int, list[str]] = {}
    for name, (holder, key) in places.items():
        if holder[key] is not None:
            names.setdefault(id(holder[key]), []).append(name)
    complete = dict(given)
    for group in names.values():
        values = {id(given[name]): given[name] for name in group if name in given}
        if len(values) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(group)}, which are tied. "
                "Consider using tie_weights=False"
            )
        for value in values.values():
            complete.update((name, value) for name in group)
    return complete


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Calls a module with some of its parameters and buffers replaced, and puts its own back.

    Args:
        module: the module.
        parameter_and_buffer_dicts: tensors by name as in `state_dict`, or several such dicts. A
            tensor that the module assigns to one of the names is put into the dict.
        args: the positional arguments: a tuple, or one value.
        kwargs: the keyword arguments.
        tie_weights: replace a tensor under all names that it has in the module.
        strict: require all names of the module, and no others.

    Returns:
        What the module returns.

    Raises:
        ValueError: if a name stands in several dicts, or tied names have different values.
        RuntimeError: in strict mode, if names are missing or unexpected.
        AttributeError: if the path before a name leads nowhere.

    Example:
        >>> layer = flambeau.nn.Linear(2, 1)
        >>> weights = {"weight": flambeau.ones(1, 2), "bias": flambeau.zeros(1)}
        >>> flambeau.func.functional_call(layer, weights, flambeau.ones(3, 2))
        tensor([[2.],
                [2.],
                [2.]])
    """
    given = _merged(parameter_and_buffer_dicts)
    places = _places(module)
    used = _with_ties(given, places) if tie_weights else given
    if strict:
        _require_names(type(module).__name__, set(used), set(places))
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    before = []
    try:
        for name, value in used.items():
            if name not in places:
                # Allowed unless `strict`; but a path has to lead somewhere.
                module.get_submodule(name.rpartition(".")[0])
                continue
            holder, key = places[name]
            before.append((name, holder, key, holder[key]))
            holder[key] = value
        return module(*args, **(kwargs or {}))
    finally:
        for name, holder, key, own in reversed(before):
            if name in given and key in holder:
                given[name] = holder[key]
            holder[key] = own


def _require_names(kind: str, given: set[str], wanted: set[str]) -> None:
    problems = [
        f"{what} key(s): {', '.join(map(repr, sorted(names)))}."
        for what, names in (("Unexpected", given - wanted), ("Missing", wanted - given))
        if names
    ]
    if problems:
        raise RuntimeError(f"Error(s) in reparametrizing for {kind}:\n\t" + "\n\t".join(problems))


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and buffers of several modules of one class, stacked for an ensemble.

    Args:
        models: the modules.

    Returns:
        Two dicts by name. The stacked parameters are new leaves.

    Raises:
        RuntimeError: if there are no modules, or they differ in class or mode.

    Example:
        >>> models = [flambeau.nn.Linear(2, 3) for _ in range(4)]
        >>> parameters, buffers = flambeau.func.stack_module_state(models)
        >>> parameters["weight"].shape
        torch.Size([4, 3, 2])
    """
    models = list(models)
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any(m.training != models[0].training for m in models):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if any(type(m) is not type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = {
        name: _stacked([dict(m.named_parameters())[name] for m in models])
        for name, _ in models[0].named_parameters()
    }
    buffers = {
        name: _stacked([dict(m.named_buffers())[name] for m in models])
        for name, _ in models[0].named_buffers()
    }
    return parameters, buffers


def _stacked(tensors: list) -> Tensor:
    wanted = tensors[0].requires_grad
    if any(t.requires_grad != wanted for t in tensors):
        raise RuntimeError("Expected either all tensors to require grad or none of them, got a mix")
    with no_grad():
        made = stack([t.detach() for t in tensors])
    return made.requires_grad_() if wanted else made


def replace_all_batch_norm_modules_(root: Any) -> Any:
    """Has every batch normalisation of a module use the statistics of its batch, in place.

    Running statistics are shared by the examples of a vmap, which cannot each write to them.

    Returns:
        The module.

    Example:
        >>> net = flambeau.nn.Sequential(flambeau.nn.BatchNorm1d(3))
        >>> flambeau.func.replace_all_batch_norm_modules_(net)[0].running_mean is None
        True
    """
    for module in root.modules():
        if hasattr(module, "running_mean") and hasattr(module, "num_batches_tracked"):
            module.running_mean = module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root
