"""The demo's picture: curves of the training, confusion matrix, the hardest digits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

    from ._digits import Digits
    from ._digits_training import History

INK = "#22303c"
FAINT = "#9aa5b1"
TRAIN = "#e4572e"
TEST = "#17768b"
HARDEST = 12


def draw(path: Path, history: History, digits: Digits) -> None:
    """Draws the picture and writes it as PNG.

    Args:
        path: Where to write.
        history: The course of the training.
        digits: The held-out digits.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    best = history.best
    figure = Figure(figsize=(12, 8), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"Handwritten digits: {100 * best.accuracy:.2f} % of {best.total} held-out scans "
        "read right",
        fontsize=15, color=INK, x=0.06, ha="left", y=0.965,
    )  # fmt: skip
    top, bottom = figure.add_gridspec(
        2, 1, height_ratios=[2.9, 1], left=0.06, right=0.975, top=0.89, bottom=0.05, hspace=0.33
    )
    curves, matrix = top.subgridspec(1, 2, width_ratios=[1.15, 1], wspace=0.16)
    loss, accuracy = curves.subgridspec(2, 1, hspace=0.2).subplots(sharex=True)
    _curves(loss, accuracy, history)
    _confusion(figure.add_subplot(matrix), best.probabilities.argmax(1), digits.labels)
    _hardest(figure, bottom, best.probabilities, digits)
    figure.savefig(path)


def _curves(loss: Axes, accuracy: Axes, history: History) -> None:
    """Loss on a logarithmic scale above, accuracy near its end below; the best epoch marked."""
    epochs = range(1, len(history.train_loss) + 1)
    saved = history.best_epoch
    for axes, train, test in (
        (loss, history.train_loss, [s.loss for s in history.scores]),
        (accuracy, history.train_accuracy, [s.accuracy for s in history.scores]),
    ):
        axes.plot(epochs, train, color=TRAIN, linewidth=1.8, label="training, with shifts")
        axes.plot(epochs, test, color=TEST, linewidth=1.8, label="held out")
        axes.plot(saved + 1, test[saved], "o", color=TEST, markersize=7, label="saved")
        axes.grid(color=FAINT, alpha=0.25, linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(FAINT)
        axes.tick_params(colors=INK, labelsize=9)
    loss.set_yscale("log")
    loss.set_title("Loss", loc="left", fontsize=11, color=INK)
    loss.legend(frameon=False, fontsize=9, labelcolor=INK)
    # Nearly all of the course happens above 90 %; the first epochs may start below the frame.
    accuracy.set_ylim(min(0.9, history.scores[-1].accuracy - 0.02), 1.004)
    accuracy.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    accuracy.xaxis.get_major_locator().set_params(integer=True)
    accuracy.set_title("Accuracy", loc="left", fontsize=11, color=INK)
    accuracy.set_xlabel("epoch", fontsize=10, color=INK)


def _confusion(axes: Axes, predicted: numpy.ndarray, actual: numpy.ndarray) -> None:
    """Counts of (actual, predicted); hits shaded by their number, mistakes in the accent."""
    import numpy
    from matplotlib.colors import LinearSegmentedColormap

    counts = numpy.zeros((10, 10), dtype=int)
    numpy.add.at(counts, (actual, predicted), 1)
    hits = numpy.where(numpy.eye(10, dtype=bool), counts, 0)
    axes.imshow(hits, cmap=LinearSegmentedColormap.from_list("hits", ["white", TEST]))
    for (row, column), count in numpy.ndenumerate(counts):
        if row == column:
            axes.text(column, row, count, ha="center", va="center", fontsize=9.5, color="white")
        elif count:
            axes.text(
                column, row, count, ha="center", va="center", fontsize=10.5,
                color="white", weight="bold",
                bbox={"boxstyle": "round,pad=0.28", "facecolor": TRAIN, "edgecolor": "none"},
            )  # fmt: skip
    axes.set_title("Confusion matrix", loc="left", fontsize=11, color=INK)
    axes.set_xlabel("read as", fontsize=10, color=INK)
    axes.set_ylabel("digit", fontsize=10, color=INK)
    axes.set_xticks(range(10))
    axes.set_yticks(range(10))
    axes.set_xticks(numpy.arange(0.5, 9), minor=True)
    axes.set_yticks(numpy.arange(0.5, 9), minor=True)
    axes.grid(which="minor", color=FAINT, alpha=0.3, linewidth=0.8)
    axes.tick_params(which="both", length=0, colors=INK, labelsize=9)
    axes.spines[:].set_color(FAINT)


def _hardest(
    figure: Figure, place: SubplotSpec, probabilities: numpy.ndarray, digits: Digits
) -> None:
    """The digits with the least probability for what they are; mistakes in the accent."""
    import numpy

    of_truth = probabilities[numpy.arange(len(digits)), digits.labels]
    order = numpy.argsort(of_truth)[:HARDEST]
    mistakes = int((probabilities.argmax(1) != digits.labels).sum())
    panels = place.subgridspec(1, HARDEST, wspace=0.18).subplots()
    for axes, index in zip(panels, order, strict=True):
        truth, read = int(digits.labels[index]), int(probabilities[index].argmax())
        color = INK if truth == read else TRAIN
        axes.imshow(digits.images[index], cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(f"{truth} read as {read}", fontsize=9.5, color=color)
        axes.set_xlabel(f"{100 * probabilities[index, read]:.0f} % sure", fontsize=8.5, color=INK)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color(color if truth != read else FAINT)
    left, top = panels[0].get_position().x0, panels[0].get_position().y1
    figure.text(
        left, top + 0.045,
        f"Hardest digits ({mistakes} {'mistake' if mistakes == 1 else 'mistakes'})",
        fontsize=11, color=INK,
    )  # fmt: skip
