"""Figures of fresh processes: the time an import takes, the memory a training step needs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ..harness import Measurement, Row, Settings, add_row

ROOT = Path(__file__).parents[2]

IMPORT = """
import sys, time
start = time.perf_counter()
__import__(sys.argv[1])
print(time.perf_counter() - start)
"""

# The step is run once with two samples first: code, thread pools and the optimizer's state are
# then in place, and what the peak grows by is what a step on a full batch needs.
PEAK = """
import gc, importlib, sys
from benchmarks.rows.inputs import classes, normal
from benchmarks.rows.training import train_step
from flambeau.cli._digits import network

T = importlib.import_module(sys.argv[1])
T.set_num_threads(int(sys.argv[2]))
T.manual_seed(0)
model = network(T.nn)
optimizer = T.optim.AdamW(model.parameters(), lr=0.001)
warm_up, measured = (
    train_step(T, model, optimizer, normal(T, n, 1, 8, 8), classes(T, n, 10)) for n in (2, 64)
)

def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024

warm_up()
gc.collect()
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the peak starts again from what is resident now
before = status("VmHWM")
for _ in range(5):
    measured()
print(status("VmHWM") - before)
"""


def alternate(script: str, unit: str, quick: int, full: int) -> Callable[[Settings], Measurement]:
    """Measures by running a script for each library in turns, a fresh process each time.

    Args:
        script: Prints one figure; its arguments are the library's name and the threads.
        unit: The figure's unit.
        quick: Pairs of a quick run.
        full: Pairs of a full one.
    """

    # Installed packages have their code compiled; that of a checkout is kept from the first run on.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def figure(library: str, threads: int) -> float:
        process = subprocess.run(
            [sys.executable, "-c", script, library, str(threads)],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if process.returncode:
            raise RuntimeError(_error_of(process.stderr))
        return float(process.stdout)

    def measure(settings: Settings) -> Measurement:
        samples: dict[str, list[float]] = {"subject": [], "reference": []}
        names = {"subject": settings.subject, "reference": settings.reference}
        pairs = quick if settings.pairs < Settings.pairs else full
        for pair in range(pairs + 1):
            for side in sorted(names, reverse=bool(pair % 2)):
                value = figure(names[side], settings.threads)
                # The first pair fills the page cache and writes the compiled .pyc files.
                if pair:
                    samples[side].append(value)
        return Measurement(samples["subject"], samples["reference"], unit)

    return measure


def _error_of(traceback: str) -> str:
    """The line of a traceback that names the exception; notes may follow it."""
    lines = [line for line in traceback.splitlines() if re.match(r"[\w.]+: ", line)]
    return lines[-1] if lines else traceback.strip()


add_row(Row("import (fresh process)", 0.20, alternate(IMPORT, "s", quick=2, full=7)))
add_row(Row("digits step, peak memory", 0.60, alternate(PEAK, "B", quick=1, full=5)))
