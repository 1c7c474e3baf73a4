"""Writes the stubs that give editors and mypy what the registry and the extension define.

    python tools/stubs.py             # writes flambeau/__init__.pyi and flambeau/_C.pyi
    python tools/stubs.py --check     # fails if they are not what would be written

Operations are made while flambeau is imported, so their names are in no source file. Their methods
stand in the stub of `_C.TensorBase`, the base of Tensor: `core/tensor.py` itself stays checked.
Docstrings are not repeated here; editors take them from the running module or from the sources.
"""

from __future__ import annotations

import difflib
import inspect
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).parents[1] / "flambeau"
HEADER = "# Written by tools/stubs.py; `make stubs` writes it anew.\n"

# Names that flambeau or a class gives another meaning to stand for the built-in type in a stub.
BUILTINS = re.compile(
    r"(?<![\w.])(bool|int|float|complex|str|bytes|list|tuple|dict|type)\b(?![:=])"
)
GENERIC = {"list": "list[Any]", "tuple": "tuple[Any, ...]", "dict": "dict[str, Any]"}

ATTRIBUTES = {
    "shape": "Size",
    "ndim": "int",
    "dtype": "_dtype",
    "device": "_device",
    "is_cpu": "bool",
    "is_leaf": "bool",
    "requires_grad": "bool",
    "grad": "Tensor | None",
    "grad_fn": "Node | None",
    "output_nr": "int",
    "_base": "Tensor | None",
    "_version": "int",
    "_numel": "int",
    "_offset": "int",
    "_data_ptr": "int",
    "_strides": "tuple[int, ...]",
    "_is_inference": "bool",
    "itemsize": "int",
    "is_floating_point": "bool",
    "is_complex": "bool",
    "is_signed": "bool",
    "item": "() -> Any",
    "tolist": "() -> Any",
    "__bool__": "() -> bool",
    "__int__": "() -> int",
    "__float__": "() -> float",
    "__index__": "() -> int",
    "__len__": "() -> int",
    "__getitem__": "(index: Any, /) -> Tensor",
    "__setitem__": "(index: Any, value: Any, /) -> None",
}


def package_stub() -> str:
    """The text of ``flambeau/__init__.pyi``."""
    import flambeau

    lines = [
        HEADER,
        "import builtins",
        "from typing import Any",
        "",
        "from flambeau._C import dtype as _dtype",
    ]
    modules = sorted(m.name for m in pkgutil.iter_modules(flambeau.__path__))
    for name in (m for m in modules if not m.startswith("_")):
        lines.append(f"from flambeau import {name} as {name}")
    names = public_names(flambeau)
    for name, value in names.items():
        if name not in modules:
            lines.append(_declaration(name, value, names))
    return "\n".join(lines) + "\n"


def public_names(module: ModuleType) -> dict[str, Any]:
    """A module's public names, those that load later included; other modules are left out."""
    return {
        name: value
        for name, value in ((name, getattr(module, name)) for name in sorted(dir(module)))
        if name == "__version__" or not (name.startswith("_") or isinstance(value, ModuleType))
    }


def _declaration(name: str, value: Any, names: dict[str, Any]) -> str:
    """One name of the package: an operation, a class or function from its home, a constant."""
    from flambeau import _C

    kind = type(value)
    if isinstance(value, _C.Op):
        return _function(name, value)
    if isinstance(value, _C.dtype):
        return f"{name}: _dtype"
    if home := _home(value):
        return f"from {home} import {value.__name__} as {name}"
    if value is None or kind in (bool, int, float, str, dict):
        return f"{name}: {None if value is None else _qualified(kind.__name__)}"
    return f"{name}: {kind.__name__ if names.get(kind.__name__) is kind else 'Any'}"


def _home(value: Any) -> str | None:
    """The module whose source defines a class or function, which may bear torch's name."""
    name = getattr(value, "__name__", None)
    if name is None:
        return None
    if value.__module__ == "flambeau._C":
        return "flambeau._C"
    for module, contents in sorted(sys.modules.items()):
        if module.startswith("flambeau.") and vars(contents).get(name) is value:
            source = inspect.getsource(contents)
            if re.search(rf"^(class|def) {name}\b", source, re.MULTILINE):
                return module
    return None


def extension_stub() -> str:
    """The text of ``flambeau/_C.pyi``."""
    from flambeau import _C

    lines = [
        HEADER,
        "import builtins",
        "import collections.abc",
        "from collections.abc import Sequence",
        "from typing import Any, overload",
        "",
        "from flambeau.core.device import device as _device",
        "from flambeau.core.tensor import Size, Tensor",
        "",
    ]
    for name, value in sorted(vars(_C).items()):
        if name.startswith("__"):
            continue
        if isinstance(value, type):
            lines += _class(name, value)
        elif hasattr(value, "__nb_signature__"):
            lines += _bound(value)
        else:
            known = type(value) in (_C.dtype, int, str)
            lines.append(f"{name}: {_qualified(type(value).__name__) if known else 'Any'}")
    lines.append("_dtype = dtype")
    return "\n".join(lines) + "\n"


def _class(name: str, cls: type) -> list[str]:
    """A class of the extension: its attributes and methods; for TensorBase also the operations."""
    from flambeau import _C

    members = {**vars(cls), **(_operations() if cls is _C.TensorBase else {})}
    lines = [f"class {name}:"]
    for member, value in sorted(members.items()):
        if isinstance(value, _C.Op):
            lines.append(f"    {_function(member, value, method=True)}")
        elif isinstance(value, _C.Function):
            lines.append(f"    def {member}(self, *args: Any, **kwargs: Any) -> Any: ...")
        elif callable(value) and "(" in ATTRIBUTES.get(member, ""):
            parameters, result = _qualified(ATTRIBUTES[member]).split(" -> ")
            inside = ", ".join(filter(None, ("self", parameters[1:-1])))
            lines.append(f"    def {member}({inside}) -> {result}: ...")
        elif callable(value) and not member.startswith("__"):
            lines.append(f"    def {member}(self, *args: Any, **kwargs: Any) -> Any: ...")
        elif inspect.isdatadescriptor(value) and not member.startswith("__"):
            lines.append(f"    {member}: {_qualified(ATTRIBUTES.get(member, 'Any'))}")
    if cls is _C.Op:
        lines.append("    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...")
        lines.append("    def __getattr__(self, name: builtins.str) -> Any: ...")
    return lines if len(lines) > 1 else [f"class {name}: ..."]


def _operations() -> dict[str, Any]:
    """The methods of Tensor that the registry installed."""
    import flambeau

    kinds = (flambeau._C.Op, flambeau._C.Function)
    return {k: v for k, v in vars(flambeau.Tensor).items() if isinstance(v, kinds)}


def _function(name: str, operation: Any, method: bool = False) -> str:
    """An operation's function or method as one line."""
    operation = operation.target or operation  # an in-place or operator form belongs to one
    info, signature = operation.info, inspect.signature(operation.__wrapped__)
    operator = name.startswith("__")
    parameters, starred = [], False
    for index, parameter in enumerate(signature.parameters.values()):
        if operator and parameter.kind is parameter.KEYWORD_ONLY:
            break
        if method and index == 0:
            parameters.append("self")
        elif parameter.name == info.pack:
            parameters.append(f"*{parameter.name}: Any")
            starred = True
        else:
            if parameter.kind is parameter.KEYWORD_ONLY and not starred:
                parameters.append("*")
                starred = True
            default = "" if parameter.default is parameter.empty else " = ..."
            parameters.append(f"{parameter.name}: Any{default}")
    if info.out and not operator and not name.endswith("_"):
        parameters += ["out: Any = ..."] if starred else ["*", "out: Any = ..."]
    ignore = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
    result = "Any" if info.outputs or info.several else "Tensor"
    return f"def {name}({', '.join(parameters)}) -> {result}: ...{ignore}"


def _bound(function: Any) -> list[str]:
    """A function bound by nanobind, from the signature it carries; several are overloads."""
    lines = []
    signatures = [entry[0] for entry in function.__nb_signature__]
    for signature in signatures:
        if len(signatures) > 1:
            lines.append("@overload")
        text = re.sub(r" = \\\d+", " = ...", signature)
        text = re.sub(r"\bobject\b(?![:=])", "Any", text).replace("flambeau._C.", "")
        lines.append(_qualified(re.sub(r"\bdtype\b(?![:=])", "_dtype", text)) + ": ...")
    return lines


def _qualified(annotation: str) -> str:
    """An annotation with built-in types spelled so that no other name can stand before them."""

    def spell(match: re.Match[str]) -> str:
        name, after = match[1], annotation[match.end() :]
        return "builtins." + (name if after.startswith("[") else GENERIC.get(name, name))

    return BUILTINS.sub(spell, annotation)


def main() -> int:
    """Writes the stubs, or with --check compares them; 1 if they differ."""
    drift = 0
    for path, text in (
        (PACKAGE / "__init__.pyi", package_stub()),
        (PACKAGE / "_C.pyi", extension_stub()),
    ):
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
            continue
        present = path.read_text() if path.exists() else ""
        difference = difflib.unified_diff(
            present.splitlines(), text.splitlines(), "committed", "written anew", lineterm=""
        )
        if present != text:
            drift = 1
            print(f"{path} is out of date; `make stubs` writes it:")
            print("\n".join(list(difference)[:40]))
    return drift


if __name__ == "__main__":
    sys.exit(main())
