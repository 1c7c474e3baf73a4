"""Pruning: masks that set parts of a parameter to zero.

A pruned `weight` is computed before each call as `weight_orig * weight_mask`. A method chooses the
mask; several in turn on the same parameter act on what is left of it.
"""

from collections.abc import Iterable

from flambeau.core.errors import ArgumentTypeError, ArgumentValueError
from flambeau.core.registry import explain_functions
from flambeau.nn.utils._pruning import BasePruningMethod as BasePruningMethod
from flambeau.nn.utils._pruning import CustomFromMask as CustomFromMask
from flambeau.nn.utils._pruning import Identity as Identity
from flambeau.nn.utils._pruning import L1Unstructured as L1Unstructured
from flambeau.nn.utils._pruning import LnStructured as LnStructured
from flambeau.nn.utils._pruning import PruningContainer as PruningContainer
from flambeau.nn.utils._pruning import RandomStructured as RandomStructured
from flambeau.nn.utils._pruning import RandomUnstructured as RandomUnstructured
from flambeau.nn.utils._pruning import _find
from flambeau.nn.utils._pruning import (
    _validate_pruning_amount_init as _validate_pruning_amount_init,  # methods of users call it
)
from flambeau.nn.utils.convert_parameters import parameters_to_vector
from flambeau.ops.creation import ones_like

# What is printed and pickled names them here, where programs find them.
for _method in list(globals().values()):
    if isinstance(_method, type) and issubclass(_method, BasePruningMethod):
        _method.__module__ = __name__


def identity(module, name):
    """Give a parameter a mask of ones, as if it were pruned.

    Args:
        module: The module.
        name: The name of its parameter.

    Returns:
        The module.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.identity(torch.nn.Linear(2, 1), "bias")
        >>> layer.bias_mask, prune.is_pruned(layer)
        (tensor([1.]), True)
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module, name, amount):
    """Prune single elements of a parameter at random.

    Args:
        module: The module.
        name: The name of its parameter.
        amount: How many: a count, or a fraction of all.

    Returns:
        The module.

    Raises:
        ValueError: If `amount` is out of its range.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.random_unstructured(torch.nn.Linear(4, 5), "weight", amount=3)
        >>> (layer.weight == 0).sum()
        tensor(3)
    """
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module, name, amount, importance_scores=None):
    """Prune the elements of a parameter that have the smallest absolute values.

    Args:
        module: The module.
        name: The name of its parameter.
        amount: How many: a count, or a fraction of all.
        importance_scores: A tensor of the same size whose values are compared instead.

    Returns:
        The module.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.l1_unstructured(torch.nn.Linear(2, 3), "weight", amount=0.5)
        >>> layer.weight_mask.sum()
        tensor(3.)
    """
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module, name, amount, dim):
    """Prune whole slices of a parameter at random.

    Args:
        module: The module.
        name: The name of its parameter.
        amount: How many slices: a count, or a fraction of all.
        dim: The axis along which slices are taken.

    Returns:
        The module.

    Raises:
        ValueError: If `amount` is out of its range, or the parameter has fewer than two axes.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.random_structured(torch.nn.Linear(4, 5), "weight", amount=2, dim=1)
        >>> (layer.weight_mask.sum(0) == 0).sum()  # columns without an element left
        tensor(2)
    """
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(module, name, amount, n, dim, importance_scores=None):
    """Prune the slices of a parameter that have the smallest norms.

    Args:
        module: The module.
        name: The name of its parameter.
        amount: How many slices: a count, or a fraction of all.
        n: The power of the norm; see `norm`.
        dim: The axis along which slices are taken.
        importance_scores: A tensor of the same size whose norms are compared instead.

    Returns:
        The module.

    Raises:
        ValueError: If `amount` is out of its range, or the parameter has fewer than two axes.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = torch.nn.Linear(2, 2)
        >>> layer.weight.data = torch.tensor([[1.0, 1.0], [2.0, -2.0]])
        >>> prune.ln_structured(layer, "weight", amount=1, n=2, dim=0).weight.tolist()
        [[0.0, 0.0], [2.0, -2.0]]
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def global_unstructured(parameters, pruning_method, importance_scores=None, **kwargs):
    """Prune single elements of several parameters, chosen among all of them together.

    Args:
        parameters: Pairs of a module and the name of its parameter.
        pruning_method: The class of an unstructured method.
        importance_scores: By such pairs, tensors that stand for the parameters where elements are
            chosen.
        **kwargs: What the constructor of the class takes.

    Raises:
        TypeError: If the parameters cannot be iterated over, the scores are no dict, or the
            method is not an unstructured one.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> small, large = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
        >>> small.weight.data.fill_(0.1), large.weight.data.fill_(9.0)
        (tensor([[0.1000, 0.1000]]), tensor([[9., 9.]]))
        >>> prune.global_unstructured(
        ...     [(small, "weight"), (large, "weight")], prune.L1Unstructured, amount=0.5
        ... )
        >>> small.weight_mask, large.weight_mask
        (tensor([[0., 0.]]), tensor([[1., 1.]]))
    """
    if not isinstance(parameters, Iterable):
        raise ArgumentTypeError("global_unstructured(): parameters is not an Iterable")
    scores = {} if importance_scores is None else importance_scores
    if not isinstance(scores, dict):
        raise ArgumentTypeError("global_unstructured(): importance_scores must be of type dict")
    parameters = list(parameters)
    tensors = [getattr(module, name) for module, name in parameters]
    masks = [
        getattr(module, f"{name}_mask", ones_like(tensor.detach()))
        for (module, name), tensor in zip(parameters, tensors, strict=True)
    ]
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise ArgumentTypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    method._tensor_name = "all"
    chosen_by = [
        scores.get(pair, tensor).detach() for pair, tensor in zip(parameters, tensors, strict=True)
    ]
    mask = PruningContainer(method).compute_mask(
        parameters_to_vector(chosen_by), default_mask=parameters_to_vector(masks)
    )
    parts = mask.split([tensor.numel() for tensor in tensors])
    for (module, name), tensor, part in zip(parameters, tensors, parts, strict=True):
        custom_from_mask(module, name, mask=part.view_as(tensor))


def custom_from_mask(module, name, mask):
    """Prune what a given mask says.

    Args:
        module: The module.
        name: The name of its parameter.
        mask: Zeros and ones of the size of the parameter.

    Returns:
        The module.

    Raises:
        AssertionError: If the mask has another size than the parameter.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = torch.nn.Linear(2, 1)
        >>> layer.weight.data = torch.tensor([[5.0, 7.0]])
        >>> prune.custom_from_mask(layer, "weight", torch.tensor([[0, 1]])).weight.tolist()
        [[0.0, 7.0]]
    """
    CustomFromMask.apply(module, name, mask)
    return module


def remove(module, name):
    """Make the pruned values those of the parameter, for good; the mask goes.

    Args:
        module: The module.
        name: The name of its parameter.

    Returns:
        The module.

    Raises:
        ValueError: If it is not pruned.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> layer = prune.l1_unstructured(torch.nn.Linear(2, 3), "weight", amount=0.5)
        >>> layer = prune.remove(layer, "weight")
        >>> [name for name, _ in layer.named_parameters()], (layer.weight == 0).sum()
        (['bias', 'weight'], tensor(3))
    """
    key = _find(module, name)
    if key is None:
        raise ArgumentValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
        )
    module._forward_pre_hooks.pop(key).remove(module)
    return module


def is_pruned(module):
    """Whether the module, or one below it, has a pruned parameter.

    Args:
        module: The module.

    Returns:
        True or False.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import prune
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 3))
        >>> before = prune.is_pruned(model)
        >>> layer = prune.l1_unstructured(model[0], "weight", amount=1)
        >>> before, prune.is_pruned(model)
        (False, True)
    """
    return any(
        isinstance(hook, BasePruningMethod)
        for each in module.modules()
        for hook in each._forward_pre_hooks.values()
    )


explain_functions(globals())
