"""Calls of every public function with arguments that make no sense, and what came of them.

    python tests/ops/bad_calls.py functional              # walks a namespace, prints what is wrong
    python tests/ops/bad_calls.py functional conv2d pad   # walks some of its functions only

The walk is a program of its own because a wrong call may end the process: what is being called
stands in the file `--log` names, and `report` reads it there after a crash or a hang.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flambeau
import flambeau.fft
import flambeau.linalg
import flambeau.nn.functional
import flambeau.signal.windows
import flambeau.special
from flambeau.core.registry import OPS
from flambeau.testing import samples_of

NAMESPACES: dict[str, Any] = {
    "flambeau": flambeau,
    "functional": flambeau.nn.functional,
    "linalg": flambeau.linalg,
    "Tensor": flambeau.Tensor,
    "fft": flambeau.fft,
    "random": flambeau.random,
    "special": flambeau.special,
    "windows": flambeau.signal.windows,
}
ALLOWED = (
    TypeError,
    ValueError,
    IndexError,
    RuntimeError,  # NotImplementedError is one
    MemoryError,
    OverflowError,
    BufferError,  # the exporter of DLPack's word for what it cannot give
)
MEMORY = 1 << 30  # bytes that the whole walk may ask for beyond what it starts with
SECONDS = 5  # that one function may take for all its calls
SEVERAL = 120  # mixed calls per function
#: Beginnings of what C++ or Python say of an argument of a wrong type, which names no argument.
UNEXPLAINED = re.compile(
    r".*incompatible function arguments|'[\w.]+' (object|not supported)|unsupported operand type"
    r"|object of type|cannot unpack"
)

HUGE = 2**62


def _resized() -> Any:
    t = flambeau.ones(3)
    t.untyped_storage().resize_(0)
    return t


#: What stands in for an argument: made anew for each call, since calls may write into it.
VALUES: dict[str, Callable[[], Any]] = {
    "None": lambda: None,
    "'text'": lambda: "text",
    "object": object,
    "[]": list,
    "[None]": lambda: [None],
    "{}": dict,
    "True": lambda: True,
    "0": lambda: 0,
    "-1": lambda: -1,
    "-7": lambda: -7,
    "99": lambda: 99,
    "2**62": lambda: HUGE,
    "10**30": lambda: 10**30,
    "1.5": lambda: 1.5,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "1j": lambda: 1j,
    "(2**40, 2**40)": lambda: (2**40, 2**40),
    "(2, -3)": lambda: (2, -3),
    "(0, 0)": lambda: (0, 0),
    "dtype": lambda: flambeau.int32,
    "scalar": lambda: flambeau.tensor(2.0),
    "empty": lambda: flambeau.empty(0),
    "(0, 3)": lambda: flambeau.empty(0, 3),
    "(3,)": lambda: flambeau.ones(3),
    "(2, 3)": lambda: flambeau.ones(2, 3),
    "(3, 3)": lambda: flambeau.eye(3) + 1,
    "(3, 3) singular": lambda: flambeau.ones(3, 3),
    "(2, 3) nan": lambda: flambeau.full((2, 3), math.nan),
    "(2, 3, 4, 5)": lambda: flambeau.ones(2, 3, 4, 5),
    "float64 (4, 2)": lambda: flambeau.ones(4, 2, dtype=flambeau.float64),
    "int64 (2, 3)": lambda: flambeau.full((2, 3), 2),
    "int64 far": lambda: flambeau.tensor([0, HUGE, -HUGE]),
    "bool (2, 3)": lambda: flambeau.ones(2, 3, dtype=flambeau.bool),
    "complex (2, 3)": lambda: flambeau.ones(2, 3, dtype=flambeau.complex64),
    "half (3,)": lambda: flambeau.ones(3, dtype=flambeau.float16),
    "expanded": lambda: flambeau.ones(3).expand(2, 3),
    "resized to nothing": _resized,
    "requires grad": lambda: flambeau.ones(2, 3, requires_grad=True),
    "[tensors]": lambda: [flambeau.ones(2, 3), flambeau.ones(4)],
    "[tensor, None]": lambda: [flambeau.ones(2, 3), None],
}
TENSORS = [name for name, make in VALUES.items() if isinstance(make(), flambeau.Tensor)]

#: Keyword arguments that many functions know; those that do not must say so.
KEYWORDS = {
    "dim": ("99", "-7", "'text'", "None", "2**62", "1.5", "(2, -3)"),
    "dtype": ("'text'", "None", "1.5", "object"),
    "device": ("'text'", "-1", "99", "object"),
    "out": ("expanded", "int64 (2, 3)", "'text'", "requires grad", "resized to nothing"),
    "generator": ("'text'", "(3,)"),
    "no_such": ("None",),
}


class Call:
    """One call: the function, and the names of what stands for its arguments."""

    def __init__(self, name: str, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None):
        self.name, self.args, self.kwargs = name, args, kwargs or {}

    def __str__(self) -> str:
        named = [f"{k}={v}" for k, v in self.kwargs.items()]
        return f"{self.name}({', '.join([*map(str, self.args), *named])})"

    def run(self, function: Callable[..., Any]) -> None:
        """Calls the function with fresh values."""
        made = [_made(a) for a in self.args]
        function(*made, **{k: _made(v) for k, v in self.kwargs.items()})


class Given:
    """An argument of a call that is right as it stands, of which only a copy is handed on."""

    def __init__(self, value: Any):
        self.value = value

    def __str__(self) -> str:
        value = self.value
        return f"<{tuple(value.shape)}>" if isinstance(value, flambeau.Tensor) else repr(value)


def _made(what: str | Given) -> Any:
    if isinstance(what, str):
        return VALUES[what]()
    value = what.value
    return value.detach().clone() if isinstance(value, flambeau.Tensor) else value


def public(namespace: str) -> list[str]:
    """The names of all that can be called."""
    home = NAMESPACES[namespace]
    names = getattr(home, "__all__", None) or dir(home)
    return [
        name
        for name in sorted(names)
        if not name.startswith("_") and callable(getattr(home, name)) and name not in _ASIDE
    ]


#: Not functions of tensors: they take what they are given into the process's state or its files.
_ASIDE = {"save", "load", "from_file", "mro", "set_num_threads", "set_printoptions"}
#: They take no arguments, and C++ says so itself.
_ASIDE |= {"get_num_threads", "is_grad_enabled", "is_inference_mode_enabled"}


def _parameters(function: Any) -> list[inspect.Parameter]:
    """What the function's signature names; nothing where it has none."""
    target = getattr(function, "target", None) or function
    try:
        return list(inspect.signature(getattr(target, "__wrapped__", target)).parameters.values())
    except (TypeError, ValueError):
        return []


def calls(namespace: str, name: str) -> Iterator[Call]:
    """The wrong calls of one function."""
    function = getattr(NAMESPACES[namespace], name)
    first = TENSORS if namespace == "Tensor" else list(VALUES)
    yield Call(name)
    yield Call(name, (first[-1], *["object"] * 20))
    for a in first:
        yield Call(name, (a,))
        yield Call(name, (a, a))
        yield Call(name, (a, a, a))
    for a in ("(2, 3)", "int64 (2, 3)", "(3,)", "empty"):
        for b in VALUES:
            yield Call(name, (a, b))
    for a in ("(2, 3)", "int64 (2, 3)"):
        for keyword, values in KEYWORDS.items():
            for value in values:
                yield Call(name, (a,), {keyword: value})
                yield Call(name, (a, a), {keyword: value})
    yield from _near_misses(name, function, namespace)
    yield from _mixed(name, function, first)


def _near_misses(name: str, function: Any, namespace: str) -> Iterator[Call]:
    """Calls that would be right but for one argument."""
    target = getattr(function, "target", None) or function
    op = OPS.get(getattr(target, "__name__", ""))
    if op is None:
        return
    for sample in samples_of(op)[:2]:
        args = tuple(Given(a) for a in sample.args)
        kwargs = {k: Given(v) for k, v in sample.kwargs.items()}
        for place in range(1 if namespace == "Tensor" else 0, len(args)):
            for value in VALUES:
                yield Call(name, (*args[:place], value, *args[place + 1 :]), kwargs)
        for keyword in kwargs:
            for value in VALUES:
                yield Call(name, args, kwargs | {keyword: value})


def _mixed(name: str, function: Any, first: list[str]) -> Iterator[Call]:
    """Calls with anything anywhere, by position and by name; the same ones in every run."""
    draw = random.Random(name)
    known = [
        p for p in _parameters(function) if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    positional = [p for p in known if p.kind is p.POSITIONAL_OR_KEYWORD]
    for _ in range(SEVERAL):
        count = draw.randint(1, max(len(positional), 3))
        args = [draw.choice(first)]
        args += [
            draw.choice(TENSORS if draw.random() < 0.4 else list(VALUES)) for _ in range(count - 1)
        ]
        rest = positional[count:] + [p for p in known if p.kind is p.KEYWORD_ONLY]
        named = draw.sample(rest, min(len(rest), draw.randint(0, 2)))
        yield Call(name, tuple(args), {p.name: draw.choice(list(VALUES)) for p in named})


def _complaint(call: Call, function: Callable[..., Any]) -> str | None:
    """What is wrong with how the call ended; returning is no fault."""
    try:
        call.run(function)
    except ALLOWED as error:
        if not str(error).strip():
            return f"{call}: {type(error).__name__} without a text"
        if UNEXPLAINED.match(str(error)) and not isinstance(function, type):
            return f"{call}: names no argument: {error}"
    except Exception as error:
        return f"{call}: {type(error).__name__}: {error}"
    return None


def walk(namespace: str, names: list[str], log: Path) -> None:
    """Makes all the wrong calls of these functions here, and prints what is wrong, a line each."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    with log.open("w") as current:
        for name in names:
            function = getattr(NAMESPACES[namespace], name)
            signal.alarm(SECONDS)  # the signal's default is to end the process
            for call in calls(namespace, name):
                current.seek(0)
                current.write(f"{call}\n")
                current.flush()
                complaint = _complaint(call, function)
                if complaint:
                    print(json.dumps(complaint), flush=True)
            signal.alarm(0)
            _restore()


def _restore() -> None:
    """Puts the process's settings back, which some functions are there to change."""
    flambeau.set_default_dtype(flambeau.float32)
    flambeau.set_grad_enabled(True)
    flambeau.set_printoptions(profile="default")
    flambeau.set_warn_always(False)


def report(namespace: str) -> list[str]:
    """The complaints of a whole namespace, with a crash or a hang reported as one of them."""
    left, found = public(namespace), []
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        while left:
            command = [sys.executable, __file__, "--log", str(log), namespace]
            done = subprocess.run([*command, *left], capture_output=True, text=True, check=False)
            found += map(json.loads, done.stdout.splitlines())
            if done.returncode == 0:
                break
            call = log.read_text().partition("\n")[0] if log.exists() else ""
            name = call.partition("(")[0]
            if name not in left:
                raise RuntimeError(f"the walk of {namespace} did not start: {done.stderr}")
            found.append(f"{call}: ended the process ({done.returncode}): {done.stderr[-400:]}")
            left = left[left.index(name) + 1 :]
    return found


def main() -> None:
    """Walks what the command line names."""
    parser = argparse.ArgumentParser(
        description="Calls functions with arguments that make no sense."
    )
    parser.add_argument("namespace", choices=NAMESPACES)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--log", type=Path, default=Path(os.devnull))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where functions that write files may do so
        walk(given.namespace, given.names or public(given.namespace), given.log)
        os.chdir("/")


if __name__ == "__main__":
    main()
