"""The dictionaries in which a module keeps its parameters, buffers and children."""

import weakref

KINDS = ("_parameters", "_buffers", "_modules")


class Registry(dict):
    """A module's `_parameters`, `_buffers` or `_modules`.

    Every entry is also an ordinary instance attribute of the module, kept in step by the methods
    here: `self.weight` is then one look-up in the instance's `__dict__` (30 ns), where finding it
    through `__getattr__` would take a failed look-up and a Python call (480 ns).
    """

    __slots__ = ("_module",)

    def __init__(self, module, entries=()):
        super().__init__(entries)
        # A strong reference would make every module a cycle, freed only by the collector.
        self._module = weakref.ref(module)
        if entries:
            module.__dict__.update(entries)

    def belongs_to(self, module):
        """Whether this registry writes to `module` (and not to one it was copied from)."""
        return self._module() is module

    def _attributes(self):
        module = self._module()
        return {} if module is None else module.__dict__

    def __setitem__(self, name, value):
        super().__setitem__(name, value)
        self._attributes()[name] = value

    def __delitem__(self, name):
        super().__delitem__(name)
        self._attributes().pop(name, None)

    def pop(self, name, *default):
        if name in self:
            self._attributes().pop(name, None)
        return super().pop(name, *default)

    def popitem(self):
        name, value = super().popitem()
        self._attributes().pop(name, None)
        return name, value

    def clear(self):
        for name in list(self):
            del self[name]

    def setdefault(self, name, default=None):
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *args, **kwargs):
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __ior__(self, other):
        self.update(other)
        return self

    def __reduce__(self):
        return dict, (dict(self),)


def registry_of(module, kind):
    """The registry `kind` of `module`, made anew where a plain dict or a foreign one stands.

    That happens when user code restores `__dict__` itself, or copies it between modules.
    """
    registry = module.__dict__[kind]
    if type(registry) is Registry and registry.belongs_to(module):
        return registry
    registry = module.__dict__[kind] = Registry(module, registry)
    return registry


def without_mirrors(module):
    """A copy of the instance's `__dict__`, with plain registries and their entries not repeated."""
    state = dict(module.__dict__)
    for kind in KINDS:
        entries = state.get(kind)
        if entries is not None:
            state[kind] = dict(entries)
            for name in entries:
                state.pop(name, None)
    return state
