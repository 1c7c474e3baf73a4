"""Names in files. Files name classes and functions as torch does; here they find ours.

`torch.nn.modules.linear.Linear` and `flambeau.nn.modules.linear.Linear` are the same class to a
reader, and the first is what a writer writes.
"""

import functools
import importlib
from collections import Counter, OrderedDict

import flambeau
from flambeau.core.storage import LEGACY, UntypedStorage, rebuild_meta_tensor

# Packages whose modules have the same paths in torch.
_SHARED = frozenset(("autograd", "distributions", "nn", "optim", "utils"))


def name_of(value, name: str | None = None) -> tuple[str, str] | None:
    """How files name something of flambeau: a module and a name in it. None for anything else.

    Args:
        value: A class, a function or a constant.
        name: Its name in its module, where it does not know it itself.
    """
    if isinstance(value, flambeau.dtype):
        return "torch", str(value).rpartition(".")[2]
    if id(value) in _known_names():
        return _known_names()[id(value)]
    module = getattr(value, "__module__", None) or ""
    package, _, path = module.partition(".")
    name = name or getattr(value, "__qualname__", None)
    if package != "flambeau" or name is None or path.partition(".")[0] not in _SHARED:
        return None
    return f"torch.{path}", name


def find_data_global(module: str, name: str):
    """What a name stands for in a file that may hold nothing but data.

    Returns:
        A function, a class or a dtype; None for names that are not allowed.
    """
    package, dot, path = module.partition(".")
    if package == "flambeau":
        module = f"torch{dot}{path}"
    if module == "torch" and isinstance(dtype := getattr(flambeau, name, None), flambeau.dtype):
        return dtype
    return _data_globals().get((module, name))


def find_global(module: str, name: str):
    """What a name of torch or flambeau stands for; None for names of other packages.

    Raises:
        AttributeError: If flambeau does not have it.
    """
    found = find_data_global(module, name)
    package, dot, path = module.partition(".")
    if found is not None or package not in ("torch", "flambeau"):
        return found
    try:
        value = importlib.import_module(f"flambeau{dot}{path}")
        for part in name.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError):
        raise AttributeError(
            f"load: the file names {module}.{name}, and flambeau has no such thing"
        ) from None
    return value


@functools.cache
def _torch_objects() -> dict[tuple[str, str], object]:
    """What tensors are made of, by the name it has in files."""
    from flambeau.serialization import _rebuild

    return {
        ("torch", "Tensor"): flambeau.Tensor,
        ("torch", "Size"): flambeau.Size,
        ("torch", "device"): flambeau.device,
        ("torch.nn.parameter", "Parameter"): flambeau.nn.Parameter,
        ("torch.storage", "UntypedStorage"): UntypedStorage,
        **{("torch", name): kind for name, kind in LEGACY.items()},
        ("torch._tensor", "_rebuild_from_type_v2"): _rebuild.rebuild_from_type,
        ("torch._utils", "_rebuild_tensor"): _rebuild.rebuild_tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild.rebuild_tensor_v2,
        ("torch._utils", "_rebuild_tensor_v3"): _rebuild.rebuild_tensor_v3,
        ("torch._utils", "_rebuild_meta_tensor_no_storage"): rebuild_meta_tensor,
        ("torch._utils", "_rebuild_parameter"): _rebuild.rebuild_parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): _rebuild.rebuild_parameter_with_state,
    }


@functools.cache
def _known_names() -> dict[int, tuple[str, str]]:
    # By identity: not every class can be hashed.
    return {id(value): name for name, value in _torch_objects().items()}


@functools.cache
def _data_globals() -> dict[tuple[str, str], object]:
    from flambeau.serialization import _rebuild

    names = dict(_torch_objects())
    names["collections", "OrderedDict"] = OrderedDict
    names["collections", "Counter"] = Counter
    names["_codecs", "encode"] = _rebuild.rebuild_bytes
    for module in ("builtins", "__builtin__"):  # the second is its name in old protocols
        names[module, "set"] = set
        names[module, "complex"] = complex
        names[module, "bytearray"] = _rebuild.rebuild_bytearray
    return names
