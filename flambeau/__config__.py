"""How this flambeau was built: `flambeau.__config__.show()`."""

from flambeau import _C, __version__


def show() -> str:
    """A text about the build and the machine."""
    return (
        f"flambeau {__version__} built with:\n"
        f"  - C++20, nanobind\n"
        f"  - CPU capability usage: {_C.isa_name()}\n"
        f"  - threads: {_C.get_num_threads()}\n"
        f"  - CUDA: not built"
    )


def parallel_info() -> str:
    """A text about threads."""
    return f"flambeau threads:\n\tget_num_threads() : {_C.get_num_threads()}"
