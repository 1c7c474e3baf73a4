"""Checks what may be mentioned where; the import contracts cannot see these two rules.

    python tools/check_mentions.py

CuPy belongs to the CUDA backend alone, and Python's C interface to ``csrc/bind`` alone.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Rule:
    """A pattern that no file of a folder may contain, but for those whose path begins so."""

    folder: str
    suffixes: tuple[str, ...]
    pattern: re.Pattern[str]
    allowed: str
    reason: str


RULES = (
    Rule(
        folder="flambeau",
        suffixes=(".py", ".pyi"),
        pattern=re.compile(r"\bcupy\b"),
        allowed="flambeau/backends/cuda",
        reason="only flambeau/backends/cuda* mentions cupy",
    ),
    Rule(
        folder="csrc",
        suffixes=(".h", ".cpp"),
        pattern=re.compile(r'#include\s*[<"](Python\.h|nanobind/)'),
        allowed="csrc/bind/",
        reason="only csrc/bind includes Python or nanobind",
    ),
)


def violations(rule: Rule, root: Path = ROOT) -> list[str]:
    """Every line that breaks a rule, as ``file:line: reason``."""
    found = []
    for path in sorted((root / rule.folder).rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix not in rule.suffixes or name.startswith(rule.allowed):
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if rule.pattern.search(line):
                found.append(f"{name}:{number}: {rule.reason}")
    return found


def main() -> int:
    """Prints the violations; 1 if there are any."""
    found = [line for rule in RULES for line in violations(rule)]
    print("\n".join(found) or "mentions: every one is where it belongs")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
