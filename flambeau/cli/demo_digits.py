"""Train a convolutional network on handwritten digits.

Takes scikit-learn's 1,797 scanned digits, trains on four fifths of them with random shifts, and
reports the accuracy on the fifth held out. The best weights are saved, read again by a fresh
process, and scored there; a picture shows the curves, the confusion matrix and the mistakes.
The same --seed gives the same numbers, for any number of --workers.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import time
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from flambeau.cli import CommandError

if TYPE_CHECKING:
    import flambeau

EXTRAS = {"sklearn": "scikit-learn", "matplotlib": "matplotlib", "tqdm": "tqdm"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the demo's options."""
    add = parser.add_argument
    add("--epochs", type=_count, default=20, metavar="N", help="passes over the data (20)")
    add("--batch-size", type=_count, default=64, metavar="N", help="images per step (64)")
    add("--lr", type=_rate, default=0.01, metavar="X", help="highest learning rate (0.01)")
    add("--seed", type=_natural, default=0, metavar="N", help="seed of all random numbers (0)")
    add("--device", default="cpu", help="where to compute, for example cuda:0 (cpu)")
    add("--workers", type=_natural, default=0, metavar="N", help="data loading processes (0)")
    add(
        "--out",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="folder for the checkpoint and the picture (demo-output)",
    )
    add(
        "--evaluate",
        type=Path,
        metavar="FILE",
        help="score a saved checkpoint on the held-out fifth, and stop",
    )


def run(options: argparse.Namespace) -> int:
    """Trains, checks the checkpoint in a fresh process, and draws; or scores a checkpoint."""
    _require_extras()
    device = _device(options.device)
    if options.evaluate:
        print(_evaluate(options.evaluate, device))
    else:
        _train(options, device)
    return 0


def _train(options: argparse.Namespace, device: flambeau.device) -> None:
    import flambeau

    from ._digits import load_split
    from ._digits_figure import draw
    from ._digits_training import Settings, train

    folder = _folder(options.out)
    checkpoint, picture = folder / "digits.pt", folder / "digits.png"
    settings = Settings(
        options.epochs, options.batch_size, options.lr, options.seed, options.workers, device
    )
    flambeau.manual_seed(settings.seed)
    train_set, test_set = load_split()
    print(f"training on {len(train_set)} digits, holding out {len(test_set)}", flush=True)

    start = time.perf_counter()
    history = train(train_set, test_set, settings, checkpoint)
    print(f"trained {settings.epochs} epochs in {time.perf_counter() - start:.1f} s")
    best = str(history.best)
    print(f"held-out accuracy {best}, after epoch {history.best_epoch + 1}")

    reread = _evaluate_in_fresh_process(checkpoint, options.device)
    if reread != best:
        raise RuntimeError(f"{checkpoint} scores {reread} in a fresh process, not {best}")
    print(f"checkpoint {checkpoint.resolve()}: a fresh process gets the same {reread}")

    draw(picture, history, test_set)
    print(f"picture {picture.resolve()}")


def _evaluate(checkpoint: Path, device: flambeau.device) -> str:
    from ._digits import load_split
    from ._digits_training import evaluate_checkpoint

    if not checkpoint.is_file():
        raise CommandError(f"--evaluate: there is no file {checkpoint}")
    try:
        return str(evaluate_checkpoint(checkpoint, load_split()[1], device))
    except (RuntimeError, ValueError, KeyError, UnpicklingError) as error:
        raise CommandError(
            f"--evaluate: {checkpoint} is no checkpoint of this network: {_first_line(error)}"
        ) from error


def _evaluate_in_fresh_process(checkpoint: Path, device: str) -> str:
    # -P: the current folder may hold flambeau's sources without the compiled part.
    command = [sys.executable, "-P", "-m", "flambeau", "demo", "digits"]
    arguments = ["--evaluate", str(checkpoint.resolve()), "--device", device]
    process = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return process.stdout.strip()


def _require_extras() -> None:
    from importlib.util import find_spec

    missing = [package for module, package in EXTRAS.items() if find_spec(module) is None]
    if missing:
        raise CommandError(f"needs {', '.join(missing)}: pip install flambeau[demo]")


def _device(name: str) -> flambeau.device:
    import flambeau

    try:
        device = flambeau.device(name)
        flambeau.zeros(1, device=device)
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise CommandError(f"--device {name}: {_first_line(error)}") from error
    return device


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--out {path}: {error.strerror}") from error
    return path


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]


def _count(text: str) -> int:
    return _number(int, text, lambda n: n >= 1, "a whole number from 1")


def _natural(text: str) -> int:
    return _number(int, text, lambda n: n >= 0, "a whole number from 0")


def _rate(text: str) -> float:
    return _number(float, text, lambda x: x > 0 and math.isfinite(x), "a positive number")


def _number(kind, text, valid, wanted):
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not valid(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value
