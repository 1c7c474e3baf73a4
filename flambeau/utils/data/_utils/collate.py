"""From a list of samples to a batch: numbers and arrays become tensors, containers stay."""

import copy
import sys
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence

import flambeau

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def default_convert(data):
    """Turns NumPy arrays and scalars into tensors, inside containers too; leaves the rest alone.

    Args:
        data: One sample.

    Returns:
        The sample with its arrays as tensors, sharing their memory.

    Example:
        >>> import numpy as np
        >>> default_convert({"x": np.zeros(2), "name": "a"})
        {'x': tensor([0., 0.], dtype=torch.float64), 'name': 'a'}
    """
    if isinstance(data, flambeau.Tensor):
        return data
    if _is_numpy(data):
        if isinstance(data, (str, bytes)) or data.dtype.kind in "SUO":
            return data
        return flambeau.as_tensor(data)
    if isinstance(data, Mapping):
        return _rebuild_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        items = [default_convert(item) for item in data]
        return type(data)(*items) if hasattr(data, "_fields") else items
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _rebuild_sequence(data, [default_convert(item) for item in data])
    return data


def default_collate(batch):
    """Makes one batch of a list of samples.

    Tensors, arrays and numbers gain a first axis over the samples; strings and bytes stay a list;
    mappings, named tuples, tuples and lists of these are collated part by part.

    Args:
        batch: The samples.

    Returns:
        The batch.

    Raises:
        TypeError: If a sample holds something else (None, a set, an object).
        RuntimeError: If samples that are sequences differ in length, or tensors in shape.

    Example:
        >>> default_collate([(1, "a"), (2, "b")])
        [tensor([1, 2]), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch, *, collate_fn_map: dict[type | tuple[type, ...], Callable] | None = None):
    """`default_collate` with a table of one's own for what is not a container.

    Args:
        batch: The samples.
        collate_fn_map: For a type, or a tuple of types, the function that makes a batch of a list
            of such elements; it is called with `collate_fn_map=` as well.

    Returns:
        The batch.

    Raises:
        TypeError: If the table has no entry for an element.
        RuntimeError: If samples that are sequences differ in length.
    """
    element = batch[0]
    if collate_fn_map is not None and (function := _look_up(element, collate_fn_map)) is not None:
        return function(batch, collate_fn_map=collate_fn_map)

    def collate_part(part):
        return collate(part, collate_fn_map=collate_fn_map)

    if isinstance(element, Mapping):
        parts = {key: collate_part([sample[key] for sample in batch]) for key in element}
        return _rebuild_mapping(element, parts)
    if isinstance(element, Sequence):
        if any(len(sample) != len(element) for sample in batch):
            lengths = [len(sample) for sample in batch]
            raise RuntimeError(
                f"each element in list of batch should be of equal size: the sizes are {lengths}"
            )
        columns = list(zip(*batch, strict=True))
        parts = [collate_part(column) for column in columns]
        if isinstance(element, tuple):
            return type(element)(*parts) if hasattr(element, "_fields") else parts
        return _rebuild_sequence(element, parts)
    raise TypeError(default_collate_err_msg_format.format(type(element)))


def _look_up(element, table) -> Callable | None:
    kind = type(element)
    if kind in table:
        return table[kind]
    if _is_numpy(element):
        _add_numpy_types()
    for kinds, function in table.items():
        if isinstance(element, kinds):
            return function
    return None


def _rebuild_mapping(like: Mapping, items: dict):
    """`items` in a mapping of the type of `like`, keeping what else that object carries."""
    try:
        if isinstance(like, MutableMapping):
            result = copy.copy(like)
            result.update(items)
            return result
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:  # a type that is made or filled in its own way
        return items


def _rebuild_sequence(like: Sequence, items: list):
    if type(like) is list:
        return items
    try:
        if isinstance(like, MutableSequence):
            result = copy.copy(like)
            for i, item in enumerate(items):
                result[i] = item
            return result
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:  # range, for instance
        return items


def collate_tensor_fn(batch, *, collate_fn_map=None):
    """Stacks tensors."""
    return flambeau.stack(list(batch), 0)


def collate_numpy_array_fn(batch, *, collate_fn_map=None):
    """Stacks arrays as a tensor."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate_tensor_fn([flambeau.as_tensor(array) for array in batch])


def collate_numpy_scalar_fn(batch, *, collate_fn_map=None):
    """NumPy scalars as a tensor of their own dtype."""
    import numpy

    return flambeau.as_tensor(numpy.asarray(batch))


def collate_float_fn(batch, *, collate_fn_map=None):
    """Python floats as a float64 tensor."""
    return flambeau.tensor(batch, dtype=flambeau.float64)


def collate_int_fn(batch, *, collate_fn_map=None):
    """Python integers (and bools) as a tensor."""
    return flambeau.tensor(batch)


def collate_str_fn(batch, *, collate_fn_map=None):
    """Text stays as it is."""
    return batch


def _is_numpy(value) -> bool:
    # A value can only be NumPy's if somebody has imported NumPy.
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic))


def _add_numpy_types() -> None:
    """Completes the table for NumPy; done once an array is seen, since importing it is slow."""
    import numpy

    numpy_entries = {
        numpy.ndarray: collate_numpy_array_fn,
        (numpy.bool_, numpy.number, numpy.object_): collate_numpy_scalar_fn,
    }
    if numpy.ndarray in default_collate_fn_map:
        return
    others = dict(default_collate_fn_map)
    default_collate_fn_map.clear()
    # Before float: numpy.float64 is a float too, but keeps its own rule.
    default_collate_fn_map.update(numpy_entries)
    default_collate_fn_map.update(others)


default_collate_fn_map: dict[type | tuple[type, ...], Callable] = {
    flambeau.Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
