"""Nested structures of tensors: dicts, lists, tuples and named tuples."""

from __future__ import annotations

from typing import Any


class Leaf:
    """The structure of a single value."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Leaf)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "*"


LEAF = Leaf()


class Node:
    """The structure of a container: its class, its keys if it is a dict, those of its parts."""

    def __init__(self, kind: type, keys: Any, parts: list):
        self.kind = kind
        self.keys = keys
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return False
        same = self.kind is other.kind and self.keys == other.keys
        return same and self.parts == other.parts

    def __hash__(self) -> int:
        return hash((self.kind, self.keys))

    def __repr__(self) -> str:
        keys = None if self.keys is None else list(self.keys)
        parts = ",\n  ".join(map(repr, self.parts))
        return f"TreeSpec({self.kind.__name__}, {keys}, [{parts}])"


def children(value: Any) -> tuple[Any, list] | None:
    """The keys (of a dict) and parts of a container; None for anything else."""
    if isinstance(value, dict):
        return tuple(value), list(value.values())
    if isinstance(value, (list, tuple)) and not hasattr(value, "numel"):
        return None, list(value)
    return None


def rebuild(kind: type, keys: Any, parts: list) -> Any:
    """A container of this class with these parts."""
    if keys is not None:
        try:
            return kind(zip(keys, parts, strict=True))
        except TypeError:  # a defaultdict takes its factory first
            return dict(zip(keys, parts, strict=True))
    return kind(*parts) if hasattr(kind, "_make") else kind(parts)


def flatten(value: Any) -> tuple[list, Any]:
    """The leaves of a structure, and the structure."""
    found = children(value)
    if found is None:
        return [value], LEAF
    keys, parts = found
    leaves, specs = [], []
    for part in parts:
        inner, spec = flatten(part)
        leaves.extend(inner)
        specs.append(spec)
    return leaves, Node(type(value), keys, specs)


def unflatten(leaves: Any, spec: Any) -> Any:
    """The structure with other leaves."""
    return _built(iter(leaves), spec)


# Not a function inside `unflatten`: one that calls itself is a reference cycle, and would keep the
# leaves until the collector runs.
def _built(leaves: Any, spec: Any) -> Any:
    if isinstance(spec, Leaf):
        return next(leaves)
    return rebuild(spec.kind, spec.keys, [_built(leaves, part) for part in spec.parts])


def tree_map(function: Any, value: Any) -> Any:
    """The structure with `function` applied to every leaf."""
    found = children(value)
    if found is None:
        return function(value)
    keys, parts = found
    return rebuild(type(value), keys, [tree_map(function, part) for part in parts])


def broadcast(prefix: Any, spec: Any) -> list | None:
    """The leaves of `prefix`, each repeated for all leaves below it in `spec`; None if it is no
    prefix.
    """
    if isinstance(spec, Leaf):
        return [prefix] if children(prefix) is None else None
    found = children(prefix)
    if found is None:
        return [prefix] * count(spec)
    keys, parts = found
    if len(parts) != len(spec.parts) or (keys is None) != (spec.keys is None):
        return None
    if keys is not None:
        if set(keys) != set(spec.keys):
            return None
        parts = [prefix[key] for key in spec.keys]
    elif isinstance(prefix, tuple) != issubclass(spec.kind, tuple):
        return None
    leaves = []
    for part, inner in zip(parts, spec.parts, strict=True):
        below = broadcast(part, inner)
        if below is None:
            return None
        leaves.extend(below)
    return leaves


def count(spec: Any) -> int:
    """How many leaves a structure has."""
    return 1 if isinstance(spec, Leaf) else sum(count(part) for part in spec.parts)
