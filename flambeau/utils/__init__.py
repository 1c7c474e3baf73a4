"""Tools around training: hooks, data loading, checkpointing."""


def __getattr__(name):
    """`flambeau.utils.dlpack` is there without an import of its own, as in torch."""
    if name == "dlpack":
        from importlib import import_module

        return import_module("flambeau.utils.dlpack")
    raise AttributeError(f"module 'flambeau.utils' has no attribute '{name}'")
