"""Modules that hold modules in order or by name."""

import operator
from collections import OrderedDict
from collections.abc import Iterable

from flambeau.nn.modules.module import Module, _indent

__all__ = ["ModuleDict", "ModuleList", "Sequential"]


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

        Args:
            module: The module.

        Returns:
            The container.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Sequential(torch.nn.ReLU()).append(torch.nn.Tanh())
            Sequential(
              (0): ReLU()
              (1): Tanh()
            )
        """
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key):
        """Remove the module at the position `key` and return it.

        Args:
            key: The position; negative ones count from the end.

        Returns:
            The module.

        Raises:
            IndexError: If there is no such position.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Tanh())
            >>> model.pop(0), len(model)
            (ReLU(), 1)
        """
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
        """Pass `input` through the modules in order.

        Args:
            input: What the first of them takes.

        Returns:
            What the last of them returns.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.Flatten(0), torch.nn.ReLU())
            >>> model(torch.tensor([[-1.0], [2.0]]))
            tensor([0., 2.])
        """
        for module in self._modules.values():
            input = module(input)
        return input

    def _from_items(self, items):
        return type(self)(OrderedDict(items))

    def insert(self, index, module):
        """Insert a module before the position `index`.

        Args:
            index: The position, from minus the length to the length.
            module: The module.

        Returns:
            The container.

        Raises:
            AssertionError: If `module` is not a module.
            IndexError: If there is no such position.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.Sequential(torch.nn.ReLU()).insert(0, torch.nn.Tanh()))
            [Tanh(), ReLU()]
        """
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def extend(self, sequential):
        """Add the modules of an iterable at the end.

        Args:
            sequential: The modules, another container for instance.

        Returns:
            The container.

        Raises:
            TypeError: If something else is among them.

        Example:
            >>> import flambeau as torch
            >>> more = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.ELU())
            >>> list(torch.nn.Sequential(torch.nn.ReLU()).extend(more))
            [ReLU(), Tanh(), ELU(alpha=1.0)]
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
        """Insert a module before the position `index`.

        Args:
            index: The position, as of `list.insert`.
            module: The module.

        Example:
            >>> import flambeau as torch
            >>> modules = torch.nn.ModuleList([torch.nn.ReLU()])
            >>> modules.insert(0, torch.nn.Tanh())
            >>> list(modules)
            [Tanh(), ReLU()]
        """
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)

    def extend(self, modules):
        """Add the modules of an iterable at the end.

        Args:
            modules: The modules.

        Returns:
            The container.

        Raises:
            TypeError: If `modules` is not iterable or holds something else.

        Example:
            >>> import flambeau as torch
            >>> more = [torch.nn.Tanh(), torch.nn.ELU()]
            >>> len(torch.nn.ModuleList([torch.nn.ReLU()]).extend(more))
            3
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
        """Remove all modules.

        Example:
            >>> import flambeau as torch
            >>> modules = torch.nn.ModuleDict({"act": torch.nn.ReLU()})
            >>> modules.clear()
            >>> len(modules)
            0
        """
        self._modules.clear()

    def pop(self, key):
        """Remove the module `key` and return it.

        Args:
            key: The name.

        Returns:
            The module.

        Raises:
            KeyError: If there is none of this name.

        Example:
            >>> import flambeau as torch
            >>> modules = torch.nn.ModuleDict({"act": torch.nn.ReLU()})
            >>> modules.pop("act"), "act" in modules
            (ReLU(), False)
        """
        return self._modules.pop(key)

    def keys(self):
        """The names, in order of insertion.

        Returns:
            An iterable.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ModuleDict({"b": torch.nn.ReLU(), "a": torch.nn.Tanh()}).keys())
            ['b', 'a']
        """
        return self._modules.keys()

    def items(self):
        """The pairs of name and module.

        Returns:
            An iterable.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ModuleDict({"act": torch.nn.ReLU()}).items())
            [('act', ReLU())]
        """
        return self._modules.items()

    def values(self):
        """The modules.

        Returns:
            An iterable.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ModuleDict({"act": torch.nn.ReLU()}).values())
            [ReLU()]
        """
        return self._modules.values()

    def update(self, modules):
        """Add or replace modules.

        Args:
            modules: A mapping from names to modules, or an iterable of pairs.

        Raises:
            TypeError: If `modules` is neither.
            ValueError: If an element of the iterable is not a pair.

        Example:
            >>> import flambeau as torch
            >>> modules = torch.nn.ModuleDict({"act": torch.nn.ReLU()})
            >>> modules.update([("act", torch.nn.Tanh()), ("norm", torch.nn.Identity())])
            >>> list(modules.values())
            [Tanh(), Identity()]
        """
        _require_iterable(modules, "ModuleDict.update", "an iterable of key/value pairs")
        for key, module in _pairs(modules, "ModuleDict"):
            self[key] = module
