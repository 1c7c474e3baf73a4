"""The text of a tensor: `tensor([1., 2.])`, laid out as torch lays it out."""

from __future__ import annotations

import math

from flambeau import _C

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any


class _Options:
    """What set_printoptions sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


_options = _Options()
_PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}


def set_printoptions(
    precision: Any = None,
    threshold: Any = None,
    edgeitems: Any = None,
    linewidth: Any = None,
    profile: Any = None,
    sci_mode: Any = None,
) -> None:
    """Sets how tensors print.

    Args:
        precision: digits after the point (4).
        threshold: tensors with more elements are summarised (1000).
        edgeitems: how many elements of each axis a summary shows at either end (3).
        linewidth: characters per line (80).
        profile: "default", "short" or "full", as a start for the others.
        sci_mode: True or False for scientific notation always or never; None decides by the values.

    Raises:
        ValueError: if there is no such profile.

    Example:
        >>> flambeau.set_printoptions(precision=2)
        >>> flambeau.tensor([1.12345])
        tensor([1.12])
        >>> flambeau.set_printoptions(profile="default")
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(
                f"set_printoptions: profile must be one of {', '.join(_PROFILES)}: got {profile!r}"
            )
        start = _PROFILES[profile]
        _options.precision, _options.threshold, _options.edgeitems, _options.linewidth = start
    if precision is not None:
        _options.precision = precision
    if threshold is not None:
        _options.threshold = threshold
    if edgeitems is not None:
        _options.edgeitems = edgeitems
    if linewidth is not None:
        _options.linewidth = linewidth
    _options.sci_mode = sci_mode


# ---- one element ----


class _PlainFormat:
    """Integers and truth values: right-aligned."""

    def __init__(self, values: Any) -> None:
        self.width = max((len(str(v)) for v in values), default=1)

    def __call__(self, value: Any) -> str:
        return str(value).rjust(self.width)


class _FloatFormat:
    """Floats: whole numbers as `2.`, others with `precision` digits, or scientific."""

    def __init__(self, values: Any) -> None:
        self.whole, self.scientific, self.width = True, False, 1
        shown = [v for v in values if v != 0 and math.isfinite(v)]
        if shown:
            self._decide(shown)

    def _decide(self, shown: Any) -> None:
        largest, smallest = max(map(abs, shown)), min(map(abs, shown))
        self.whole = all(v.is_integer() for v in shown)
        if _options.sci_mode is None:
            small = not self.whole and smallest < 1e-4
            self.scientific = small or largest > 1e8 or largest / smallest > 1000
        else:
            self.scientific = _options.sci_mode
        self.width = max(len(self._text(v)) for v in shown)

    def _text(self, value: Any) -> str:
        if self.scientific:
            return f"{value:.{_options.precision}e}"
        if self.whole:
            text = f"{value:.0f}"
            return text + "." if math.isfinite(value) else text
        return f"{value:.{_options.precision}f}"

    def __call__(self, value: Any) -> str:
        return self._text(value).rjust(self.width)


class _ComplexFormat:
    """Complex numbers: both parts formatted on their own."""

    def __init__(self, values: Any) -> None:
        self.real = _FloatFormat([v.real for v in values])
        self.imag = _FloatFormat([v.imag for v in values])
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: Any) -> str:
        imag = self.imag(value.imag).strip() + "j"
        return self.real(value.real) + (imag if imag[0] == "-" else "+" + imag)


def _format_for(dtype: Any, values: Any) -> Any:
    if dtype.is_complex:
        return _ComplexFormat(values)
    return (_FloatFormat if dtype.is_floating_point else _PlainFormat)(values)


# ---- the nested list ----


class _Gap:
    """Stands for the elements that a summary leaves out."""


def _nested(t: Any, summarise: Any) -> Any:
    """The elements as nested lists; in a summary only the ends of long axes."""
    if t.ndim == 0:
        return t.item()
    length, edge = t.shape[0], _options.edgeitems
    if not summarise:
        return t.tolist()
    if length <= 2 * edge:
        return [_nested(_C.select(t, 0, i), True) for i in range(length)]
    first = [_nested(_C.select(t, 0, i), True) for i in range(edge)]
    last = [_nested(_C.select(t, 0, i), True) for i in range(length - edge, length)]
    return [*first, _Gap, *last]


def _leaves(nested: Any, into: Any) -> None:
    if isinstance(nested, list):
        for element in nested:
            _leaves(element, into)
    elif nested is not _Gap:
        into.append(nested)


def _row(values: Any, write: Any, indent: Any) -> str:
    """One innermost list, broken into lines."""
    per_line = max(1, math.floor((_options.linewidth - indent) / (write.width + 2)))
    if values == [_Gap]:
        return "[...]"
    texts = [" ..." if v is _Gap else write(v) for v in values]
    lines = [", ".join(texts[k : k + per_line]) for k in range(0, len(texts), per_line)] or [""]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _lists(nested: Any, depth: Any, write: Any, indent: Any) -> str:
    if depth == 0:
        return write(nested)
    if depth == 1:
        return _row(nested, write, indent)
    parts = [
        "..." if part is _Gap else _lists(part, depth - 1, write, indent + 1) for part in nested
    ]
    return "[" + ("," + "\n" * (depth - 1) + " " * (indent + 1)).join(parts) + "]"


def _contents(t: Any, indent: Any) -> str:
    summarise = t.numel() > _options.threshold
    nested = _nested(t, summarise)
    leaves: list[Any] = []
    _leaves(nested, leaves)
    return _lists(nested, t.ndim, _format_for(t.dtype, leaves), indent)


# ---- the whole ----


def _suffixes(t: Any) -> list[str]:
    """What follows the elements: device, size of empty tensors, dtype, place in the graph."""
    default = _C.get_default_dtype()
    found = []
    if t.device.type != "cpu":
        found.append(f"device='{t.device}'")
    empty = t.numel() == 0 and not t.is_meta
    if t.is_meta or (empty and t.ndim != 1) or (not empty and _options.edgeitems == 0):
        found.append(f"size={tuple(t.shape)}")
    unsaid = (
        (default,) if empty or t.is_meta else (default, default.to_complex(), _C.int64, _C.bool)
    )
    if t.dtype not in unsaid:
        found.append(f"dtype={t.dtype}")
    try:
        node = t.grad_fn
    except RuntimeError:  # a view that its base's new value left behind
        found.append("grad_fn=<Invalid>")
        return found
    if node is not None:
        found.append(f"grad_fn=<{node.name().rpartition('::')[2]}>")
    elif t.requires_grad:
        found.append("requires_grad=True")
    return found


def _with_suffixes(text: Any, suffixes: Any, indent: Any) -> str:
    """Suffixes follow on the last line while they fit."""
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > _options.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def _prefix(t: Any) -> str:
    from flambeau.core.tensor import Tensor

    plain = type(t) is Tensor or type(t).__name__ == "Parameter"
    return "tensor(" if plain else f"{type(t).__name__}("


def tensor_str(t: Any, contents: str | None = None) -> str:
    """The text of a tensor.

    Args:
        contents: what to print in the place of the elements.
    """
    prefix = _prefix(t)
    indent = len(prefix)
    if contents is None and t.is_meta:
        contents = "..."
    elif contents is None:
        contents = "[]" if t.numel() == 0 else _contents(_C.detach(t), indent)
    return _with_suffixes(prefix + contents, _suffixes(t), indent)
