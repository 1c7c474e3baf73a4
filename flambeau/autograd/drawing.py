"""A picture of the graph behind a tensor, in the language of graphviz."""

from __future__ import annotations

from flambeau import _C
from flambeau.core.graph import saved_places
from flambeau.core.saved import Packed
from flambeau.core.tensor import Tensor

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def draw(out: Any, path: str | None = None, *, params: dict[str, Any] | None = None) -> str:
    """Writes the graph behind `out` as DOT: shapes on the edges, and what each node keeps alive.

    Args:
        out: a tensor or an iterable of tensors.
        path: a file to write. One that ends in `.svg` (or `.png`, `.pdf`) is drawn by graphviz's
            `dot` if that is installed; without it, the DOT text goes to the same name ending in
            `.dot`.
        params: names for leaves, for instance `dict(model.named_parameters())`.

    Returns:
        The DOT text.

    Example:
        >>> x = flambeau.ones(2, requires_grad=True)
        >>> text = flambeau.autograd.graph.draw((x * x).sum(), params={"x": x})
        >>> "MulBackward0" in text and "keeps self (2,) float32, 8 bytes" in text
        True
    """
    outputs = [out] if isinstance(out, Tensor) else list(out)
    names = {id(t): name for name, t in (params or {}).items()}
    lines = ["digraph graph_of_gradients {", "  rankdir=BT;", "  node [shape=box, style=filled];"]
    for k, output in enumerate(outputs):
        lines.append(f'  "out{k}" [label="{_described(output)}", fillcolor=palegreen];')
        target = output if output.grad_fn is None else output.grad_fn
        if output.requires_grad:
            lines.append(f'  "{_key(target)}" -> "out{k}" [label="{_sizes(output.shape)}"];')
    leaves: dict[int, Tensor] = {}
    for node in walk(outputs):
        text = "\\n".join([node.name(), *_kept(node)])
        lines.append(f'  "{_key(node)}" [label="{text}", fillcolor=lightgrey];')
        for target, number in node._edges:
            if target is None:
                continue
            if isinstance(target, Tensor):
                leaves[id(target)] = target
                sizes = target.shape
            else:
                sizes = target._outputs[number][0]
            lines.append(f'  "{_key(target)}" -> "{_key(node)}" [label="{_sizes(sizes)}"];')
    for leaf in leaves.values():
        text = "\\n".join([names.get(id(leaf), "leaf"), _described(leaf)])
        lines.append(f'  "{_key(leaf)}" [label="{text}", fillcolor=lightblue];')
    text = "\n".join([*lines, "}", ""])
    if path is not None:
        _write(text, path)
    return text


def walk(outputs: Any) -> Iterator[Any]:
    """Every node that the gradients of these tensors reach, each once."""
    stack = [t.grad_fn for t in outputs if t.grad_fn is not None]
    seen = set(map(id, stack))
    while stack:
        node = stack.pop()
        yield node
        for target, _ in node._edges:
            if isinstance(target, _C.Node) and id(target) not in seen:
                seen.add(id(target))
                stack.append(target)


def saved_tensors_of(node: Any) -> Iterator[tuple[str, Any]]:
    """(name, tensor, or the `Packed` that stands for one) of what a node keeps; none if freed."""
    if node._op is None:
        ctx = getattr(node._custom, "ctx", None)
        for k, entry in enumerate(getattr(ctx, "_saved", None) or ()):
            if entry is not None:
                yield f"tensor {k}", entry[0]
        return
    try:
        values = node._saved
    except RuntimeError:
        return
    for name, (place, _) in saved_places(node).items():
        value = values[place]
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, (Tensor, Packed)):
                yield name, each


def _kept(node: Any) -> list[str]:
    return [
        f"keeps {name}, packed by hooks" if isinstance(t, Packed) else f"keeps {name} {_size(t)}"
        for name, t in saved_tensors_of(node)
    ]


def _sizes(shape: Any) -> str:
    return str(tuple(shape))


def _described(tensor: Tensor) -> str:
    return f"{_sizes(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _size(tensor: Tensor) -> str:
    return f"{_described(tensor)}, {tensor.numel() * tensor.itemsize} bytes"


def _key(target: Any) -> str:
    return f"n{id(target):x}"


def _write(text: str, path: str) -> None:
    import shutil
    import subprocess

    stem, _, ending = str(path).rpartition(".")
    program = shutil.which("dot") if ending in ("svg", "png", "pdf") else None
    if program is not None:
        subprocess.run([program, f"-T{ending}", "-o", path], input=text.encode(), check=True)
        return
    target = stem + ".dot" if ending in ("svg", "png", "pdf") else path
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
