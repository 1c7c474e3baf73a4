"""Writes docs/operations/: a page per family of operations, made from the registry.

    python tools/docs.py [FOLDER]

An operation's entry is its signature, its docstring, its methods, and its gradient rules as they
stand in the source.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections import defaultdict
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs" / "operations"


def entry(operation: Any) -> str:
    """The Markdown of one operation."""
    signature = inspect.signature(operation.__wrapped__)
    parts = [f"## {operation.__name__}", f"    {operation.__name__}{signature}"]
    if operation.__doc__:
        parts.append(inspect.cleandoc(operation.__doc__))
    if methods := method_names(operation):
        parts.append("Methods: " + ", ".join(f"`Tensor.{name}`" for name in methods))
    if rules := rule_sources(operation):
        parts.append("Gradient:")
        parts += [f"```python\n{source}\n```" for source in rules]
    return "\n\n".join(parts) + "\n"


def method_names(operation: Any) -> list[str]:
    """The tensor's methods that call the operation, operators aside."""
    names = [name for name in operation.info.methods if not name.startswith("__")]
    return names + ([f"{operation.__name__}_"] if operation.info.inplace else [])


def rule_sources(operation: Any) -> list[str]:
    """The source of each gradient rule once; one statement may hold several."""
    rules = (*operation.info.rules.values(), *operation.info.fast_rules.values())
    sources = (textwrap.dedent(inspect.getsource(rule)).rstrip() for rule in rules)
    return list(dict.fromkeys(sources))


def families() -> dict[str, list[Any]]:
    """The registered operations by the file that they stand in, each family in order of names."""
    import flambeau  # noqa: F401  loading it registers the operations
    from flambeau.core.registry import OPS

    found = defaultdict(list)
    for name in sorted(OPS):
        found[family(OPS[name])].append(OPS[name])
    return dict(sorted(found.items()))


def family(operation: Any) -> str:
    """The file of ``ops/`` that declares an operation."""
    home = operation.__module__.rpartition(".")[2]
    if not home.startswith("_"):
        return home
    # A helper made it: the family is the file that gives it a name, which others may import.
    for name, module in sorted(sys.modules.items()):
        if name.startswith("flambeau.ops."):
            names = [key for key, value in vars(module).items() if value is operation]
            given = rf"^({'|'.join(names)}) = "
            if names and re.search(given, inspect.getsource(module), re.MULTILINE):
                return name.rpartition(".")[2]
    return home.strip("_")


def write(folder: Path) -> None:
    """Writes every family's page and the index."""
    folder.mkdir(parents=True, exist_ok=True)
    index = ["# Operations", ""]
    for name, operations in families().items():
        page = "\n".join([f"# {name}\n", *map(entry, operations)])
        (folder / f"{name}.md").write_text(page)
        listing = ", ".join(f"`{operation.__name__}`" for operation in operations)
        index.append(f"- [{name}]({name}.md): {listing}")
    (folder / "README.md").write_text("\n".join(index) + "\n")
    print(f"wrote {len(index) - 2} families to {folder}")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
