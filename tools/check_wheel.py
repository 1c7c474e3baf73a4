"""Checks a built wheel: its size, what is in it, and that it runs where there is no compiler.

    python tools/check_wheel.py dist/flambeau-*.whl

Installs the wheel into a fresh virtual environment whose programs are the only ones on PATH,
trains a step there, and times the import. Prints the figures; fails when a limit is passed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

LARGEST = 6e6  # bytes of the wheel; PyTorch's for the CPU has 190 MB
SLOWEST = 0.15  # seconds of the import, the best of several

TRAIN = """
import flambeau as fl
from flambeau import nn

fl.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = fl.optim.SGD(model.parameters(), lr=0.1)
x, target = fl.randn(32, 4), fl.arange(32) % 2
losses = []
for _ in range(2):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x), target)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
if not losses[1] < losses[0]:
    raise SystemExit(f"the loss did not fall: {losses}")
print(f"a training step took the loss from {losses[0]:.4f} to {losses[1]:.4f}")
"""

IMPORT = "import time; t = time.perf_counter(); import flambeau; print(time.perf_counter() - t)"


def main() -> int:
    """Checks the wheel named on the command line; 1 if it does not pass."""
    wheel = Path(sys.argv[1])
    problems = check_contents(wheel)
    with tempfile.TemporaryDirectory() as folder:
        python = install(wheel, Path(folder))
        print(run(python, TRAIN).strip())
        seconds = min(float(run(python, IMPORT)) for _ in range(7))
    print(f"import flambeau: {seconds * 1000:.0f} ms (at most {SLOWEST * 1000:.0f})")
    if seconds > SLOWEST:
        problems.append("the import is too slow")
    for problem in problems:
        print(f"{wheel.name}: {problem}")
    return 1 if problems else 0


def check_contents(wheel: Path) -> list[str]:
    """What is wrong with the wheel's size and its files."""
    size = wheel.stat().st_size
    print(f"{wheel.name}: {size / 1e6:.1f} MB (at most {LARGEST / 1e6:.0f})")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    problems = []
    if size > LARGEST:
        problems.append("the wheel is too large")
    for top in sorted({name.split("/")[0] for name in names}):
        if top != "flambeau" and not top.endswith(".dist-info"):
            problems.append(f"holds {top}, which is not the package")
    for wanted in ("flambeau/_C.", "flambeau/py.typed"):
        if not any(name.startswith(wanted) for name in names):
            problems.append(f"lacks {wanted}")
    return problems


def install(wheel: Path, folder: Path) -> Path:
    """Installs the wheel into a fresh environment in ``folder``; returns its Python."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True)
    return python


def run(python: Path, code: str) -> str:
    """Runs code in the environment, with nothing but its own programs on PATH."""
    path = str(python.parent)
    for program in ("cc", "c++", "gcc", "g++", "clang", "cmake", "ninja"):
        if shutil.which(program, path=path):
            raise RuntimeError(f"the environment is not bare: it has {program}")
    return subprocess.run(
        [python, "-P", "-c", code],
        env={"PATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
