"""Puts the figures of a run into the README, between the two marks there, and into docs/figures.md.

The README has the rows of what users meet first, the page has all of them.

python -m benchmarks.readme benchmarks/results/20260101-120000.json
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path
from typing import Any

from . import rows
from .harness import ROWS, human

README = Path(__file__).parents[1] / "README.md"
PAGE = README.parent / "docs" / "figures.md"
TITLE = """# Figures

Every row of `benchmarks/` in one run: flambeau's time (or memory) over PyTorch's on the same code,
taken in turns; rows in bold are above their targets. `make bench` takes them again.

"""
PLACE = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)


def section(run: dict[str, Any], names_of_rows: set[str]) -> str:
    """The machine's description and the table of these rows, as Markdown."""
    machine, names = run["machine"], run["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {names['threads']} threads each, "
        f"Python {machine['python']}, {versions}; {machine['date'][:10]}.",
        "",
        f"| row | {names['subject']} | {names['reference']} | ratio | target |",
        "|---|---:|---:|---:|---:|",
        *(_table_line(entry) for entry in run["rows"] if entry["row"] in names_of_rows),
    ]
    return "\n".join(lines) + "\n"


def _table_line(entry: dict[str, Any]) -> str:
    if "error" in entry:
        return f"| {entry['row']} | {entry['error']} | | | {entry['target']:.2f} |"
    times = " | ".join(human(entry[side], entry["unit"]) for side in ("subject", "reference"))
    ratio = f"{entry['ratio']:.2f}"
    if entry["verdict"] == "miss":
        ratio = f"**{ratio}**"
    return f"| {entry['row']} | {times} | {ratio} | {entry['target']:.2f} |"


def summary(run: dict[str, Any]) -> str:
    """How many rows pass, and the geometric mean of the ratios."""
    ratios = [entry["ratio"] for entry in run["rows"] if "ratio" in entry]
    passed = sum(entry.get("verdict") == "pass" for entry in run["rows"])
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return f"{passed} of {len(run['rows'])} rows pass; geometric mean of the ratios {mean:.2f}.\n\n"


def main() -> int:
    """Rewrites the README's figures and the page from the record named on the command line."""
    run = json.loads(Path(sys.argv[1]).read_text())
    rows.load(rows.FIRST)
    first = set(ROWS)
    README.write_text(PLACE.sub(lambda _: section(run, first), README.read_text()))
    everything = {entry["row"] for entry in run["rows"]}
    PAGE.write_text(TITLE + summary(run) + section(run, everything))
    print(f"wrote {len(everything)} rows into {PAGE}, {len(first & everything)} into {README}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
