"""Modules that hold parameters in order or by name."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from operator import itemgetter

from flambeau.core.tensor import Tensor
from flambeau.nn.modules.container import _pairs, _position, _require_iterable
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter

__all__ = ["ParameterDict", "ParameterList"]


def _as_parameter(value):
    """Tensors become parameters; everything else is kept as it is."""
    if isinstance(value, Tensor) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


def _describe(value, type_name):
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    size = "x".join(map(str, value.size()))
    device = "" if value.device.type == "cpu" else f" ({value.device})"
    return f"{kind} containing: [{type_name(value)} of size {size}{device}]"


class ParameterList(Module):
    """A list of parameters, registered with the module it is assigned to.

    Tensors put into it become parameters; other objects are kept as they are.

    Args:
        values: An iterable of values.

    Example:
        >>> import flambeau as torch
        >>> len(torch.nn.ParameterList([torch.ones(2), torch.ones(3)]))
        2
    """

    def __init__(self, values=None):
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __len__(self):
        return self._size

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(self[i] for i in range(*index.indices(len(self))))
        return getattr(self, str(_position(index, len(self))))

    def __setitem__(self, index, value):
        setattr(self, str(_position(index, len(self))), _as_parameter(value))

    def __iter__(self):
        return iter(self[i] for i in range(len(self)))

    def __dir__(self):
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self, value):
        """Add a value at the end.

        Args:
            value: A tensor, which becomes a parameter, or anything else.

        Returns:
            The container.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterList().append(torch.ones(2)).append("name")
            >>> isinstance(values[0], torch.nn.Parameter), values[1]
            (True, 'name')
        """
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values):
        """Add the values of an iterable at the end.

        Args:
            values: Tensors, which become parameters, or anything else.

        Returns:
            The container.

        Raises:
            TypeError: If `values` is a lone tensor or not iterable.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterList([torch.ones(2)])
            >>> values = values.extend([torch.ones(3), torch.ones(4)])
            >>> [p.numel() for p in values.parameters()]
            [2, 3, 4]
        """
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise TypeError(
                "ParameterList.extend should be called with an iterable, but got "
                f"{type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    def __iadd__(self, values):
        return self.extend(values)

    def extra_repr(self):
        """What stands in the parentheses of the printed form.

        Returns:
            One line for each value.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ParameterList([torch.ones(2, 3), "name"])
            ParameterList(
                (0): Parameter containing: [torch.float32 of size 2x3]
                (1): Object of type: str
            )
        """
        return "\n".join(
            f"  ({i}): {_describe(value, lambda tensor: tensor.dtype)}"
            for i, value in enumerate(self)
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """A dictionary of parameters, registered with the module it is assigned to.

    Tensors put into it become parameters; other objects are kept as they are.

    Args:
        parameters: A mapping from names to values, or an iterable of pairs. A plain dict is taken
            in the order of its names, as PyTorch does; an OrderedDict and pairs as they come.

    Example:
        >>> import flambeau as torch
        >>> list(torch.nn.ParameterDict({"right": torch.ones(2), "left": torch.ones(2)}))
        ['left', 'right']
    """

    def __init__(self, parameters=None):
        super().__init__()
        # Names in order of insertion: values are attributes, whether parameters or not.
        self._keys = {}
        if parameters is not None:
            self.update(parameters)

    def _require_key(self, key):
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is not a string "
                f"(type is '{type(key).__name__}'). Open an issue on github if you need "
                "non-string keys."
            )

    def __getitem__(self, key):
        self._require_key(key)
        return getattr(self, key)

    def __setitem__(self, key, value):
        self._require_key(key)
        self._keys[key] = None
        setattr(self, key, _as_parameter(value))

    def __delitem__(self, key):
        self._require_key(key)
        del self._keys[key]
        delattr(self, key)

    def __len__(self):
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def __reversed__(self):
        return reversed(self._keys)

    def __contains__(self, key):
        return key in self._keys

    def copy(self):
        """A new dictionary with the same values.

        Returns:
            A `ParameterDict`, whose parameters are those of this one.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict({"left": torch.ones(2)})
            >>> values.copy()["left"] is values["left"]
            True
        """
        return ParameterDict(self.items())

    def setdefault(self, key, default=None):
        """The value of `key`, entered as `default` if there is none.

        Args:
            key: The name.
            default: A tensor, which becomes a parameter, or anything else.

        Returns:
            The value.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict()
            >>> values.setdefault("left", torch.ones(1)).tolist()
            [1.0]
            >>> values.setdefault("left", torch.zeros(1)).tolist()
            [1.0]
        """
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self):
        """Remove all values.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict({"left": torch.ones(2)})
            >>> values.clear()
            >>> len(values)
            0
        """
        for key in list(self._keys):
            del self[key]

    def pop(self, key):
        """Remove the value of `key` and return it.

        Args:
            key: The name.

        Returns:
            The value.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict({"left": torch.ones(2)})
            >>> values.pop("left").tolist(), len(values)
            ([1.0, 1.0], 0)
        """
        value = self[key]
        del self[key]
        return value

    def popitem(self):
        """Remove the last pair entered and return it.

        Returns:
            The name and the value.

        Raises:
            KeyError: If there is none.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict([("b", torch.ones(2)), ("a", torch.zeros(1))])
            >>> values.popitem()[0]
            'a'
        """
        key = next(reversed(self._keys), None)
        if key is None:
            raise KeyError("popitem(): the ParameterDict is empty")
        return key, self.pop(key)

    def get(self, key, default=None):
        """The value of `key`, or `default` if there is none.

        Args:
            key: The name.
            default: What to return instead.

        Returns:
            The value.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict({"left": torch.ones(2)})
            >>> values.get("left").tolist(), values.get("right", 0)
            ([1.0, 1.0], 0)
        """
        return self[key] if key in self._keys else default

    def fromkeys(self, keys, default=None):
        """A new dictionary in which every one of `keys` has the value `default`.

        Args:
            keys: The names.
            default: A tensor, which becomes a parameter, or anything else.

        Returns:
            A `ParameterDict`; this one stays as it is.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ParameterDict().fromkeys(["a", "b"], torch.ones(1)).keys())
            ['a', 'b']
        """
        return ParameterDict((key, default) for key in keys)

    def keys(self):
        """The names, in order of insertion.

        Returns:
            An iterable.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ParameterDict([("b", torch.ones(2)), ("a", torch.zeros(1))]).keys())
            ['b', 'a']
        """
        return self._keys.keys()

    def items(self):
        """The pairs of name and value.

        Returns:
            An iterable.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict([("b", torch.ones(2)), ("a", torch.zeros(1))])
            >>> {name: value.tolist() for name, value in values.items()}
            {'b': [1.0, 1.0], 'a': [0.0]}
        """
        return ((key, self[key]) for key in self._keys)

    def values(self):
        """The values.

        Returns:
            An iterable.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict([("b", torch.ones(2)), ("a", torch.zeros(1))])
            >>> [value.tolist() for value in values.values()]
            [[1.0, 1.0], [0.0]]
        """
        return (self[key] for key in self._keys)

    def update(self, parameters):
        """Add or replace values; those of a plain dict in the order of their names.

        Args:
            parameters: A mapping from names to values, or an iterable of pairs.

        Raises:
            TypeError: If `parameters` is neither.
            ValueError: If an element of the iterable is not a pair.

        Example:
            >>> import flambeau as torch
            >>> values = torch.nn.ParameterDict({"left": torch.ones(2)})
            >>> values.update({"two": torch.zeros(1), "three": torch.zeros(1)})
            >>> list(values)
            ['left', 'three', 'two']
        """
        _require_iterable(parameters, "ParametersDict.update", "an iterable of key/value pairs")
        pairs = _pairs(parameters, "ParameterDict")
        if isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict):
            pairs.sort(key=itemgetter(0))
        for key, value in pairs:
            self[key] = value

    def extra_repr(self):
        """What stands in the parentheses of the printed form.

        Returns:
            One line for each value.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ParameterDict({"left": torch.ones(2, 3)})
            ParameterDict(  (left): Parameter containing: [torch.FloatTensor of size 2x3])
        """
        return "\n".join(
            f"  ({key}): {_describe(value, lambda tensor: tensor.type())}"
            for key, value in self.items()
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other):
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other):
        # As for dictionaries, the left operand decides the type of the result.
        merged = dict(other)
        merged.update(self.items())
        return merged

    def __ior__(self, other):
        self.update(other)
        return self
