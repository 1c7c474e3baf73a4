"""Modules that hold modules or parameters in order or by name."""

import operator
from collections import OrderedDict
from collections.abc import Iterable

from flambeau.core.tensor import Tensor
from flambeau.nn.modules.module import Module, _indent
from flambeau.nn.parameter import Parameter

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


def _position(index, length):
    """The non-negative position that `index` stands for."""
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range")
    return index % length


def _require_iterable(values, caller, what="an iterable"):
    if not isinstance(values, Iterable):
        raise TypeError(f"{caller} should be called with {what}, but got {type(values).__name__}")


def _pairs(values, kind):
    """The key/value pairs of a mapping or of an iterable of pairs."""
    if hasattr(values, "keys"):
        return [(key, values[key]) for key in values.keys()]  # noqa: SIM118 - may be no dict
    pairs = []
    for i, pair in enumerate(values):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{kind} update sequence element #{i} should be Iterable; is{type(pair).__name__}"
            )
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(
                f"{kind} update sequence element #{i} has length {len(pair)}; 2 is required"
            )
        pairs.append(pair)
    return pairs


class _IndexedModules(Module):
    """Children named "0", "1", ... by their position."""

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def __getitem__(self, index):
        items = list(self._modules.items())
        if isinstance(index, slice):
            return self._from_items(items[index])
        return items[_position(index, len(items))][1]

    def __setitem__(self, index, module):
        # By key and not by position: a Sequential may be made with names of its own.
        key = list(self._modules)[_position(index, len(self))]
        setattr(self, key, module)

    def __delitem__(self, index):
        keys = list(self._modules)
        doomed = keys[index] if isinstance(index, slice) else [keys[_position(index, len(keys))]]
        for key in doomed:
            delattr(self, key)
        self._renumber(self._modules.values())

    def _renumber(self, modules):
        self._modules = {str(i): module for i, module in enumerate(modules)}

    def append(self, module):
        """Add a module at the end.

        Returns:
            The container.
        """
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key):
        """Remove the module at the position `key` and return it."""
        module = self[key]
        del self[key]
        return module


class Sequential(_IndexedModules):
    """Modules called one after the other, each on the output of the one before.

    Args:
        *args: The modules, or one ordered dictionary from names to modules.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
        Sequential(
          (0): Linear(in_features=2, out_features=3, bias=True)
          (1): ReLU()
        )
    """

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(args):
                self.add_module(str(i), module)

    def forward(self, input):
        """Pass `input` through the modules in order."""
        for module in self._modules.values():
            input = module(input)
        return input

    def _from_items(self, items):
        return type(self)(OrderedDict(items))

    def insert(self, index, module):
        """Insert a module before the position `index`.

        Returns:
            The container.

        Raises:
            TypeError: If `module` is not a module.
            IndexError: If there is no such position.
        """
        if not isinstance(module, Module):
            raise TypeError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def extend(self, sequential):
        """Add the modules of an iterable at the end.

        Returns:
            The container.
        """
        for module in list(sequential):
            self.append(module)
        return self

    def _require_sequential(self, other):
        if not isinstance(other, Sequential):
            raise ValueError(
                "add operator supports only objects of Sequential class, but "
                f"{type(other)} is given."
            )

    def __add__(self, other):
        self._require_sequential(other)
        return Sequential(*self, *other)

    def __iadd__(self, other):
        self._require_sequential(other)
        return self.extend(other)

    def _require_factor(self, factor):
        if not isinstance(factor, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(factor)}")
        if factor <= 0:
            raise ValueError(f"Non-positive multiplication factor {factor} for {type(self)}")

    def __mul__(self, factor):
        self._require_factor(factor)
        return Sequential(*list(self) * factor)

    def __rmul__(self, factor):
        return self * factor

    def __imul__(self, factor):
        self._require_factor(factor)
        return self.extend(list(self) * (factor - 1))


class ModuleList(_IndexedModules):
    """A list of modules, registered with the module it is assigned to.

    Args:
        modules: An iterable of modules.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ModuleList([torch.nn.ReLU(), torch.nn.ReLU()])
        ModuleList(
          (0-1): 2 x ReLU()
        )
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _from_items(self, items):
        return type(self)(module for _, module in items)

    def insert(self, index, module):
        """Insert a module before the position `index`."""
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)

    def extend(self, modules):
        """Add the modules of an iterable at the end.

        Returns:
            The container.

        Raises:
            TypeError: If `modules` is not iterable or holds something else.
        """
        _require_iterable(modules, "ModuleList.extend")
        for module in list(modules):
            self.append(module)
        return self

    def __add__(self, other):
        return ModuleList(list(self) + list(other))

    def __iadd__(self, other):
        return self.extend(other)

    def __repr__(self):
        if not len(self):
            return f"{self._get_name()}()"
        runs = []
        for text in map(repr, self):
            if runs and runs[-1][0] == text:
                runs[-1][1] += 1
            else:
                runs.append([text, 1])
        lines, start = [], 0
        for text, count in runs:
            place, times = (f"({start})", "")
            if count > 1:
                place, times = (f"({start}-{start + count - 1})", f"{count} x ")
            lines.append(f"{place}: {times}{_indent(text)}")
            start += count
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dictionary of modules, registered with the module it is assigned to.

    Args:
        modules: A mapping from names to modules, or an iterable of pairs.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ModuleDict({"act": torch.nn.ReLU()})["act"]
        ReLU()
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key):
        return self._modules[key]

    def __setitem__(self, key, module):
        self.add_module(key, module)

    def __delitem__(self, key):
        del self._modules[key]

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def __contains__(self, key):
        return key in self._modules

    def clear(self):
        """Remove all modules."""
        self._modules.clear()

    def pop(self, key):
        """Remove the module `key` and return it."""
        return self._modules.pop(key)

    def keys(self):
        """The names."""
        return self._modules.keys()

    def items(self):
        """The pairs of name and module."""
        return self._modules.items()

    def values(self):
        """The modules."""
        return self._modules.values()

    def update(self, modules):
        """Add or replace modules.

        Args:
            modules: A mapping from names to modules, or an iterable of pairs.

        Raises:
            TypeError: If `modules` is neither.
            ValueError: If an element of the iterable is not a pair.
        """
        _require_iterable(modules, "ModuleDict.update", "an iterable of key/value pairs")
        for key, module in _pairs(modules, "ModuleDict"):
            self[key] = module


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

        Returns:
            The container.
        """
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values):
        """Add the values of an iterable at the end.

        Returns:
            The container.

        Raises:
            TypeError: If `values` is a lone tensor or not iterable.
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
        """One line for each value."""
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
        parameters: A mapping from names to values, or an iterable of pairs.

    Example:
        >>> import flambeau as torch
        >>> list(torch.nn.ParameterDict({"left": torch.ones(2)}))
        ['left']
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
        """A new dictionary with the same values."""
        return ParameterDict({key: self[key] for key in self._keys})

    def setdefault(self, key, default=None):
        """The value of `key`, entered as `default` if there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self):
        """Remove all values."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key):
        """Remove the value of `key` and return it."""
        value = self[key]
        del self[key]
        return value

    def popitem(self):
        """Remove the last pair entered and return it."""
        key = next(reversed(self._keys), None)
        if key is None:
            raise KeyError("popitem(): the ParameterDict is empty")
        return key, self.pop(key)

    def get(self, key, default=None):
        """The value of `key`, or `default` if there is none."""
        return self[key] if key in self._keys else default

    def fromkeys(self, keys, default=None):
        """A new dictionary in which every one of `keys` has the value `default`."""
        return ParameterDict((key, default) for key in keys)

    def keys(self):
        """The names."""
        return self._keys.keys()

    def items(self):
        """The pairs of name and value."""
        return ((key, self[key]) for key in self._keys)

    def values(self):
        """The values."""
        return (self[key] for key in self._keys)

    def update(self, parameters):
        """Add or replace values.

        Args:
            parameters: A mapping from names to values, or an iterable of pairs.

        Raises:
            TypeError: If `parameters` is neither.
            ValueError: If an element of the iterable is not a pair.
        """
        _require_iterable(parameters, "ParametersDict.update", "an iterable of key/value pairs")
        for key, value in _pairs(parameters, "ParameterDict"):
            self[key] = value

    def extra_repr(self):
        """One line for each value."""
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
