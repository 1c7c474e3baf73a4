"""``python -m benchmarks``: measures the rows, prints the table, writes the JSON record."""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

from . import harness
from .rows import load as load_rows


def main() -> int:
    """Runs the command; the exit status is 0 whatever the figures, 2 for bad arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", nargs="+", default=["*"], metavar="PATTERN", help="which rows")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and stop")
    parser.add_argument("--quick", action="store_true", help="a first look: few, short samples")
    parser.add_argument("--threads", type=int, default=2, help="threads of each library")
    parser.add_argument(
        "--subject",
        default="flambeau",
        metavar="MODULE",
        help="the module to measure; 'torch' shows how much the machine alone makes ratios differ",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the record")
    options = parser.parse_args()

    load_rows()
    try:
        rows = harness.select(options.rows)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        print("\n".join(r.name for r in rows))
        return 0

    settings = harness.Settings(subject=options.subject, threads=options.threads)
    if options.quick:
        settings = settings.quick()
    load = harness.ForeignLoad()
    print(harness.header(settings))
    results = harness.run(rows, settings, lambda r: print(harness.line(r), flush=True))

    verdicts = [r.verdict for r in results]
    print(", ".join(f"{verdicts.count(v)} {v}" for v in ("pass", "miss", "error")))
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path = options.json or Path(__file__).parent / "results" / f"{stamp}.json"
    foreign = load.cores()
    harness.write_json(path, results, settings, foreign)
    print(f"wrote {path}")
    if foreign > load.HARMFUL:
        print(f"other programs kept {foreign:.1f} cores busy: do not trust these figures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
