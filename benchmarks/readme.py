"""Puts the figures of a run into the README, between the two marks there.

python -m benchmarks.readme benchmarks/results/20260101-120000.json
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from .harness import human

README = Path(__file__).parents[1] / "README.md"
PLACE = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)


def section(run: dict[str, Any]) -> str:
    """The machine's description and the table, as Markdown."""
    machine, names = run["machine"], run["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {names['threads']} threads each, "
        f"Python {machine['python']}, {versions}; {machine['date'][:10]}.",
        "",
        f"| row | {names['subject']} | {names['reference']} | ratio | target |",
        "|---|---:|---:|---:|---:|",
        *(_table_line(entry) for entry in run["rows"]),
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


def main() -> int:
    """Rewrites the README's figures from the record named on the command line."""
    run = json.loads(Path(sys.argv[1]).read_text())
    README.write_text(PLACE.sub(lambda _: section(run), README.read_text()))
    print(f"wrote {len(run['rows'])} rows into {README}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
