"""What to say when a constructor has failed: the class, the argument, or what it was called with.

Arguments are not checked beforehand: most are only kept, and what is made of the others refuses
them by itself, but in terms of its own (`empty(): argument 'size' ...`).
"""

import re
from collections.abc import Iterator

from flambeau import _C
from flambeau.core import blame, errors
from flambeau.core.blame import Culprit, kind_of, raised_here, wrong

#: What a creation function says of sizes that are none.
_OF_SIZES = re.compile(r"\w+\(\): argument 'size' .*?(\w+)\"?$")
#: Errors of Python itself, or of an operation: they cannot know the names of a constructor.
_FROM_BELOW = (errors.Error, ArithmeticError, IndexError)
#: What an error repeats of an argument: elements, bits of an integer, characters of the rest.
_MOST, _MOST_BITS, _LONGEST = 8, 128, 40


def explain_construction(
    constructor: object,
    names: tuple[str, ...],
    rest: str | None,
    positional: tuple[object, ...],
    keywords: dict[str, object],
    error: Exception,
) -> Exception | None:
    """The error that names class and argument, or None where the error that was says enough.

    The parameters are those of `blame.explain`; the first argument is what is being made.
    """
    kind = type(positional[0]) if positional else object
    if constructor is not _outermost(kind):
        return None
    name = next(each.__name__ for each in kind.__mro__ if _is_ours(each))
    arguments = dict(zip(names[1:], positional[1:], strict=False)) | keywords
    given = [Culprit(n, None, v) for n, v in arguments.items()]
    if error.__traceback__ is None and isinstance(error, TypeError):
        made: Exception | None = _of_signature(name, error)
    else:
        unusual = _unusual(kind, given)
        made = _of_wrong_type(name, unusual, error) or _in_context(name, given, error)
    return None if made is None else blame.in_place_of(error, made)


def of_arguments(
    name: str, kind: type, arguments: dict[str, object], error: Exception
) -> Exception:
    """The error that names an argument given to a constructor, which fails only now.

    The error itself, with a note, where none is to blame alone.

    Args:
        name: what is being called.
        kind: the class whose constructor it was.
        arguments: what was given, by name.
        error: what was raised.
    """
    given = [Culprit(n, None, v) for n, v in arguments.items()]
    unusual = _unusual(kind, given)
    if type(error) is TypeError and (made := blame.of_wrong_type(name, None, unusual, error)):
        return blame.in_place_of(error, made)
    if raised_here(error.__traceback__):
        error.add_note(f"raised in {name}() with {', '.join(_arguments(given))}")
    return error


def _unusual(kind: type, given: list[Culprit]) -> list[Culprit]:
    """Without the arguments of the type that their default has, unless they contain something."""
    from inspect import signature

    known = signature(kind).parameters
    return [
        each
        for each in given
        if each.name not in known
        or type(each.value) in (list, tuple)
        or type(each.value) is not type(known[each.name].default)
    ]


def _outermost(kind: type) -> object:
    """The constructor that was called with what the caller wrote; it calls those of its bases."""
    own = (vars(each).get("__init__") for each in kind.__mro__)
    return next((each for each in own if isinstance(each, _C.Function)), None)


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "flambeau"


def _of_signature(name: str, error: TypeError) -> TypeError:
    """Python's error for a call that does not fit, which may name a base of the class."""
    return TypeError(re.sub(r"^\w+(?=\.__init__\(\))", name, str(error)))


def _of_wrong_type(name: str, given: list[Culprit], error: Exception) -> Exception | None:
    text = str(error)
    if isinstance(error, AttributeError):
        return _lacking(name, given, error)
    if type(error) is TypeError and (found := _OF_SIZES.match(text)):
        if "Overflow" in text:
            return blame.too_large(name, given, TypeError)
        return _no_size(name, given, found[1])
    return blame.of_wrong_type(name, None, given, error)


def _lacking(name: str, given: list[Culprit], error: AttributeError) -> Exception | None:
    """What was given lacks what the constructor looked for."""
    for culprit in given:
        if culprit.value is error.obj and error.name is not None:
            what = f"cannot be of type {kind_of(error.obj)}: {error}"
            return wrong(name, culprit, what, error.obj, errors.NotATensorError)
    return None


def _no_size(name: str, given: list[Culprit], kind: str) -> Exception | None:
    """What was given is of a type, or contains something of it, where sizes were wanted."""
    for culprit in given:
        if kind_of(culprit.value) == kind:
            return wrong(name, culprit, f"must be int, not {kind}", culprit.value)
        for k, element in enumerate(culprit.elements()):
            if kind_of(element) == kind:
                what = f"must be int or tuple of ints, but found element of type {kind} at pos {k}"
                return wrong(name, culprit, what, element)
    return None


def _in_context(name: str, given: list[Culprit], error: Exception) -> Exception | None:
    """The error with the call that it came of: in its text if this names no argument."""
    call = f"{name}({', '.join(_arguments(given))})"
    text = str(error)
    named = any(re.search(rf"\b{culprit.name}\b", text) for culprit in given)
    if named or not isinstance(error, _FROM_BELOW) or not raised_here(error.__traceback__):
        error.add_note(f"raised in {call}")
        return None
    return type(error)(f"{call}: {text}")


def _arguments(given: list[Culprit]) -> Iterator[str]:
    for culprit in given:
        if culprit.value is None and culprit.name in ("device", "dtype"):
            continue
        text = repr(culprit.value) if _is_short(culprit.value) else kind_of(culprit.value)
        yield f"{culprit.name}={text}"


def _is_short(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return len(value) <= _MOST and all(map(_is_short, value))
    if isinstance(value, int):
        return value.bit_length() <= _MOST_BITS
    return isinstance(value, (float, complex, str, type(None))) and len(repr(value)) <= _LONGEST
