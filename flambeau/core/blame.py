"""The argument to blame for a call that failed, in plain words.

Consulted only once a call has failed with a TypeError, an AttributeError or an OverflowError:
arguments are not checked beforehand, which would cost every call time.
"""

import re
from collections.abc import Iterator
from types import TracebackType

from flambeau._C import TensorBase
from flambeau.core.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    NotATensorError,
    ShapeError,
)

_MODULE = "torch.nn.Module"
# What parameters of these names take, as errors spell it.
_OF_NAME = {
    "dtype": "torch.dtype",
    "device": "torch.device",
    "generator": "torch.Generator",
    "memory_format": "torch.memory_format",
    "module": _MODULE,
    "parametrization": _MODULE,
}
# What a kernel's declaration asks for, likewise.
_OF_DECLARATION = {
    "object": "Tensor or Number",
    "Sequence[int]": "tuple of ints",
    "Sequence[float]": "tuple of floats",
    "Sequence[Tensor]": "tuple of Tensors",
    "dtype": "torch.dtype",
    "flambeau._C.dtype": "torch.dtype",
    "Generator": "torch.Generator",
    "flambeau._C.Generator": "torch.Generator",
}
_ELEMENTS = {"tuple of ints": (int,), "tuple of floats": (int, float)}
# Types that several arguments of a call have as a rule.
_COMMON = ("Tensor", "int", "float", "bool", "tuple", "list")
# What Python itself says when an operation meets a type that it is not for.
_OF_PYTHON = re.compile(
    r"'[\w.]+' object |'\S+' not supported between|unsupported operand type|object of type '"
    r"|cannot unpack non-iterable|can't multiply sequence|int\(\) argument must be"
    r"|not all arguments converted|only integer tensors|float\(\) argument must be"
    r"|bad operand type|can only concatenate"
)
# What the argument is where Python does not say it: text % number, text * 1.5, range(tensor).
_UNSAID = {"not all": "str", "can't multiply": "str", "only integer": "Tensor"}
# What an operation says of an argument, in the words of this file.
_OF_OPERATION = re.compile(r"(\w+)\(\): argument '(\w+)'(?: \(position \d+\))? (.*)")
_MOST_AXES = 64  # csrc/core/shape.h
_INT64 = range(-(2**63), 2**63)


class Culprit:
    """An argument of a call: its name, its place (None: given by keyword) and its value."""

    def __init__(self, name: str, place: int | None, value: object) -> None:
        self.name = name
        self.place = place
        self.value = value

    def __str__(self) -> str:
        place = "" if self.place is None else f" (position {self.place + 1})"
        return f"argument '{self.name}'{place}"

    def elements(self) -> Iterator[object]:
        """What the value contains, if it is a list or a tuple."""
        if type(self.value) in (list, tuple):
            yield from self.value  # type: ignore[misc]

    def is_meant_by(self, text: str) -> bool:
        """Whether a text mentions the type of the value, or of something in it."""
        kinds = map(kind_of, (self.value, *self.elements()))
        return any(re.search(rf"\b{kind}\b", text) for kind in kinds)


def explain(
    function: str,
    names: tuple[str, ...],
    rest: str | None,
    positional: tuple[object, ...],
    keywords: dict[str, object],
    error: Exception,
) -> Exception | None:
    """The error that names the argument, or None where the error that was says enough.

    Args:
        function: name of what was called.
        names: its parameters that may be given by position.
        rest: the parameter that takes all further ones, if there is one.
        positional: the arguments given by position.
        keywords: those given by name.
        error: what the call raised.
    """
    given = [
        Culprit(names[k] if k < len(names) else rest or "", k, value)
        for k, value in enumerate(positional)
    ] + [Culprit(name, None, value) for name, value in keywords.items()]
    made = of_wrong_type(function, rest, given, error)
    return None if made is None else in_place_of(error, made)


def in_place_of(error: Exception, made: Exception) -> Exception:
    """`made` as if it had been raised where `error` was, of which nothing is to be seen."""
    made.__suppress_context__ = True
    return made.with_traceback(error.__traceback__)


def of_wrong_type(
    function: str, rest: str | None, given: list[Culprit], error: Exception
) -> Exception | None:
    """The error that names the argument, if an argument is what the failure comes from."""
    if isinstance(error, ArgumentTypeError):
        return _renamed(function, given, error)
    if isinstance(error, AttributeError):
        return _no_tensor(function, rest, given, error)
    if isinstance(error, OverflowError):
        return too_large(function, given, OverflowError)
    if type(error) is not TypeError:
        return None
    text = str(error)
    if found := _handed_on(function, given, text):
        return found
    if "incompatible function arguments" in text:
        return _refused_by_kernel(function, given, text)
    if not _OF_PYTHON.match(text) or not raised_here(error.__traceback__):
        return None
    return _failed_inside(function, given, text)


def wrong(
    function: str,
    culprit: Culprit,
    what: str,
    value: object,
    kind: type[ArgumentTypeError] = ArgumentTypeError,
) -> ArgumentTypeError:
    """The error for an argument, of whose value `what` holds."""
    made = kind(f"{function}(): {culprit} {what}")
    # A function that called this one with an argument of its own says so in its own words.
    made.blamed = (value, what)
    return made


def _renamed(
    function: str, given: list[Culprit], error: ArgumentTypeError
) -> ArgumentTypeError | None:
    """The error of an inner call in terms of the outer, whose argument was handed on."""
    if error.blamed is None:
        return None
    value, what = error.blamed
    for culprit in given:
        if culprit.value is value:
            return wrong(function, culprit, what, value, type(error))
    return None


def _handed_on(function: str, given: list[Culprit], text: str) -> ArgumentTypeError | None:
    """An operation's own words about an argument that was handed on to it."""
    found = _OF_OPERATION.match(text)
    if found is None or found[1] == function:
        return None
    for culprit in given:
        if culprit.name == found[2] and culprit.is_meant_by(found[3]):
            return wrong(function, culprit, found[3], culprit.value)
    kind = text.rpartition("not ")[2]
    culprits = [culprit for culprit in given if kind_of(culprit.value) == kind]
    if len(culprits) != 1:
        return None
    return wrong(function, culprits[0], f"cannot be of type {kind}: {text}", culprits[0].value)


def _no_tensor(
    function: str, rest: str | None, given: list[Culprit], error: AttributeError
) -> ArgumentTypeError | None:
    """Something that lacks what a tensor has was given in a tensor's place."""
    found = error.obj
    if found is None and error.name is None:
        return None
    kind = kind_of(found)
    for culprit in given:
        element = culprit.name == rest or any(e is found for e in culprit.elements())
        if isinstance(culprit.value, str) and isinstance(found, str):
            element = element or (culprit.value is not found and found in culprit.value)
        if culprit.value is found or element:
            wanted = "a sequence of Tensors" if element else _OF_NAME.get(culprit.name, "Tensor")
            if wanted == _MODULE:
                if hasattr(found, "_parameters"):
                    return None  # of a module an attribute was asked for by name
            elif isinstance(found, TensorBase):
                return None
            unplaced = Culprit(culprit.name, None, culprit.value)
            what = f"must be {wanted}, not {kind}"
            return wrong(function, unplaced, what, found, NotATensorError)
    return _no_tensor_but_array(function, given)


def _no_tensor_but_array(function: str, given: list[Culprit]) -> ArgumentTypeError | None:
    """Arrays have part of what a tensor has."""
    for culprit in given:
        kind = type(culprit.value)
        if hasattr(kind, "__array__") and not isinstance(culprit.value, TensorBase):
            what = f"must be Tensor, not {kind.__name__}"
            return wrong(function, culprit, what, culprit.value, NotATensorError)
    return None


def too_large(
    function: str, given: list[Culprit], kind: type[Exception] = ArgumentValueError
) -> Exception | None:
    """The error for an integer beyond 64 bits, if there is one."""
    for culprit in given:
        elements = (culprit.value, *culprit.elements())
        if any(isinstance(e, int) and e not in _INT64 for e in elements):
            return kind(f"{function}(): {culprit} is out of range: {culprit.value}")
    return None


def _refused_by_kernel(function: str, given: list[Culprit], text: str) -> Exception:
    """A kernel's own refusal, which lists C++ parameters, in terms of the caller's arguments."""
    for culprit in given:
        elements = list(culprit.elements()) or [culprit.value]
        numbers = [e for e in elements if isinstance(e, int)]
        if len(numbers) > _MOST_AXES:
            return ShapeError(
                f"{function}(): a tensor has at most {_MOST_AXES} axes, but argument"
                f" '{culprit.name}' names {len(numbers)}"
            )
    if found := too_large(function, given):
        return found
    declared, kinds = _declarations(text)
    for wanted, kind in zip(declared, kinds, strict=False):
        if not _fits(wanted, kind):
            return _of_wrong_type(function, given, _spelled(wanted), kind)
    for wanted in map(_spelled, declared):
        if wanted in _ELEMENTS and (found := _of_wrong_elements(function, given, wanted)):
            return found
    return _unexplained(function, given, "arguments of other types")


def _of_wrong_type(
    function: str, given: list[Culprit], wanted: str, kind: str
) -> ArgumentTypeError:
    # Tensors come first as a rule: where none is wanted, the last is the one to blame.
    for culprit in reversed(given) if kind == "Tensor" else given:
        if kind_of(culprit.value) == kind:
            return wrong(function, culprit, f"must be {wanted}, not {kind}", culprit.value)
    return _unexplained(function, given, f"{wanted}, got {kind}")


def _of_wrong_elements(
    function: str, given: list[Culprit], wanted: str
) -> ArgumentTypeError | None:
    """A list or tuple with something in it that is no number, or what was made one."""
    fitting = _ELEMENTS[wanted]
    for culprit in given:
        if isinstance(culprit.value, (*fitting, TensorBase, type(None))):
            continue
        elements = list(culprit.elements())
        if not elements:
            what = f"must be {wanted}, not {kind_of(culprit.value)}"
            return wrong(function, culprit, what, culprit.value)
        for k, element in enumerate(elements):
            if not isinstance(element, (*fitting, TensorBase)):
                what = f"must be {wanted}, but found element of type {kind_of(element)} at pos {k}"
                return wrong(function, culprit, what, culprit.value)
    return None


def _unexplained(function: str, given: list[Culprit], wanted: str) -> ArgumentTypeError:
    return ArgumentTypeError(f"{function}(): expected {wanted}: {_seen(given)}")


def _seen(given: list[Culprit]) -> str:
    return ", ".join(f"{culprit.name} is {kind_of(culprit.value)}" for culprit in given)


def kind_of(value: object) -> str:
    """The name of a value's type, as errors say it."""
    return type(value).__name__


def _declarations(text: str) -> tuple[list[str], list[str]]:
    """The types that the kernel declares (its last overload, the general one), and those given.

    `text` is nanobind's: a numbered declaration per overload, then the types of the call.
    """
    listed = re.findall(r"^ +\d+\. \w+\((.*)\) ->", text, re.MULTILINE)
    parameters = _split(listed[-1]) if listed else []
    declared = [p.partition(": ")[2].partition(" = ")[0] for p in parameters if ": " in p]
    invoked = _split(text.rpartition("Invoked with types: ")[2])
    return declared, [kind.rpartition(".")[2] for kind in invoked]


def _split(listed: str) -> list[str]:
    """The items of a list separated by commas outside of brackets."""
    return re.split(r", (?![^\[\(\{]*[\]\)\}])", listed)


def _spelled(wanted: str) -> str:
    wanted = wanted.removesuffix(" | None")
    return _OF_DECLARATION.get(wanted, wanted)


def _fits(wanted: str, kind: str) -> bool:
    """Whether values of a type are taken in general."""
    options = wanted.split(" | ")
    if kind == "NoneType":
        return "None" in options
    if kind in ("tuple", "list"):
        return any(option.startswith(("Sequence", "list", "tuple", "object")) for option in options)
    taken = {
        "bool": {"bool", "int", "float"},
        "int": {"int", "float", "Sequence[int]"},
        "Size": {"Sequence[int]"},
    }
    names = {option.rpartition(".")[2] for option in options}
    return bool(({"object", kind} | taken.get(kind, set())) & names)


def raised_here(trace: TracebackType | None) -> bool:
    """Whether the error arose in code of this package, not in what a caller handed to it."""
    if trace is None:
        return True  # in C++
    while trace.tb_next is not None:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__")).startswith("flambeau.")


def _failed_inside(function: str, given: list[Culprit], text: str) -> ArgumentTypeError:
    """Python refused something inside the function: one of the types that it names is to blame."""
    named = re.findall(r"'([\w.]+)'|not (?=[\w.]+$)([\w.]+)", text)
    kinds = ["".join(found).rpartition(".")[2] for found in named]
    kinds += [kind for start, kind in _UNSAID.items() if text.startswith(start)]
    for kind in sorted(kinds, key=_COMMON.__contains__):
        culprits = [c for c in given if kind_of(c.value) == kind]
        culprits = culprits or [c for c in given if kind in map(kind_of, c.elements())]
        if len(culprits) == 1 or (culprits and kind not in _COMMON):
            what = f"cannot be of type {kind}: {text}"
            return wrong(function, culprits[0], what, culprits[0].value)
    return ArgumentTypeError(f"{function}(): {text}: {_seen(given)}")
