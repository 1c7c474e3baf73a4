"""Arguments that may be given once or once per dimension."""

from collections.abc import Iterable


def _ntuple(n):
    def spread(value):
        """`value` as a tuple: repeated, or as it is when it is a sequence."""
        return tuple(value) if isinstance(value, Iterable) else (value,) * n

    return spread


_single = _ntuple(1)
_pair = _ntuple(2)
_triple = _ntuple(3)
_quadruple = _ntuple(4)


def consume_prefix_in_state_dict_if_present(state_dict, prefix):
    """Take a prefix off the keys of a state dict that have it, in place.

    Args:
        state_dict: The state dict, for instance of a `DataParallel`.
        prefix: The prefix, for instance `"module."`.

    Example:
        >>> import flambeau as torch
        >>> state = torch.nn.DataParallel(torch.nn.Linear(2, 3)).state_dict()
        >>> consume_prefix_in_state_dict_if_present(state, "module.")
        >>> list(state)
        ['weight', 'bias']
    """
    for key in [key for key in state_dict if key.startswith(prefix)]:
        state_dict[key[len(prefix) :]] = state_dict.pop(key)
    metadata = getattr(state_dict, "_metadata", {})
    for path in list(metadata):
        # The module of the prefix itself is there without the last dot.
        if path == prefix.rstrip(".") or path.startswith(prefix):
            metadata[path[len(prefix) :]] = metadata.pop(path)
