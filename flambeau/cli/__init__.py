"""The ``flambeau`` command.

A file of this folder is a command: ``demo_digits.py`` is ``flambeau demo digits``; names that
begin with an underscore are parts of one. It has a
docstring whose first line is the command's summary, ``configure(parser)`` to add its arguments,
and ``run(options) -> int`` whose result is the exit status. Only the command that is asked for is
imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["CommandError", "main"]


class CommandError(Exception):
    """What the user asked for cannot be done; printed as one line, exit status 2."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the ``flambeau`` command.

    Args:
        argv: The arguments after the command's name; ``sys.argv``'s by default.

    Returns:
        The exit status: 0 when all went well, 2 for arguments that cannot be followed.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in ("-V", "--version"):
        from flambeau.core.version import PACKAGE

        print(f"flambeau {PACKAGE}")
        return 0
    words = _find(argv)
    if words is None:
        return _overview(argv)
    return _run(words, argv[len(words) :])


def commands() -> list[tuple[str, ...]]:
    """Every command as its words, in alphabetical order."""
    from pkgutil import iter_modules

    names = (module.name for module in iter_modules(__path__))
    return sorted(tuple(name.split("_")) for name in names if not name.startswith("_"))


def _find(argv: list[str]) -> tuple[str, ...] | None:
    """The longest command that the arguments begin with."""
    found = [words for words in commands() if tuple(argv[: len(words)]) == words]
    return max(found, key=len, default=None)


def _run(words: tuple[str, ...], arguments: list[str]) -> int:
    import argparse
    from importlib import import_module

    class Parser(argparse.ArgumentParser):
        def error(self, message: str):
            raise CommandError(message)

    name = " ".join(("flambeau", *words))
    module = import_module(f"{__name__}.{'_'.join(words)}")
    parser = Parser(
        prog=name,
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    try:
        return int(module.run(parser.parse_args(arguments)))
    except CommandError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130


def _overview(argv: list[str]) -> int:
    """Prints the list of commands; an error unless it was asked for."""
    if not argv or argv[0] in ("-h", "--help"):
        print(_listing())
        return 0
    given = " ".join(argv[:2])
    print(f"flambeau: error: no command {given!r} (see flambeau --help)", file=sys.stderr)
    return 2


def _listing() -> str:
    from importlib import import_module

    lines = ["usage: flambeau [--version] [--help] COMMAND ...", "", "commands:"]
    for words in commands():
        summary = (import_module(f"{__name__}.{'_'.join(words)}").__doc__ or "").splitlines()[0]
        lines.append(f"  {' '.join(words):<16}{summary}")
    lines += ["", "flambeau COMMAND --help explains a command."]
    return "\n".join(lines)
