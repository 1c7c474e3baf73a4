"""The classes of results with named fields, as torch has them: `return_types.max`, ..."""

from flambeau.core import return_types as _types


def __getattr__(name):
    if name == "all_return_types":
        return _types.all_return_types()
    return getattr(_types, name)


def __dir__():
    return sorted(("all_return_types", *_types._FIELDS))
