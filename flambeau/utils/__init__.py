"""Tools around training: hooks, data loading, checkpointing."""


def __getattr__(name):
    """Loads a submodule when it is first named."""
    from importlib import import_module

    full_name = f"flambeau.utils.{name}"
    if not name.startswith("_"):
        try:
            return import_module(full_name)
        except ModuleNotFoundError as error:
            if error.name != full_name:
                raise
    raise AttributeError(f"module 'flambeau.utils' has no attribute '{name}'")
