"""Training the digits network, scoring it, and reading it back from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import flambeau
from flambeau import nn, optim
from flambeau.utils.data import DataLoader

from ._digits import Digits, network

if TYPE_CHECKING:
    import numpy


@dataclass(frozen=True)
class Settings:
    """What the user may choose about the training."""

    epochs: int
    batch_size: int
    lr: float
    seed: int
    workers: int
    device: flambeau.device


@dataclass(frozen=True)
class Score:
    """A model's result on the held-out fifth."""

    correct: int
    total: int
    loss: float
    probabilities: numpy.ndarray = field(repr=False)

    @property
    def accuracy(self) -> float:
        """Share of the digits read right, from 0 to 1."""
        return self.correct / self.total

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.2f} % ({self.correct} of {self.total})"


@dataclass
class History:
    """The course of a training: an entry per epoch."""

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the most digits right, and among equals the lowest loss."""
        return max(
            range(len(self.scores)), key=lambda i: (self.scores[i].correct, -self.scores[i].loss)
        )

    @property
    def best(self) -> Score:
        """The score after the best epoch."""
        return self.scores[self.best_epoch]


def train(train_set: Digits, test_set: Digits, settings: Settings, checkpoint: Path) -> History:
    """Trains a new network, saving it whenever the held-out score improves.

    Args:
        train_set: Digits to learn from; its shifts are drawn anew for every epoch.
        test_set: Digits to score after every epoch.
        settings: The user's choices.
        checkpoint: Where to save the best weights.

    Returns:
        The course of the training.
    """
    from tqdm import tqdm

    device = settings.device
    model = network(nn).to(device)
    # The loader's own generator: the order does not depend on what else draws random numbers.
    loader = DataLoader(
        train_set,
        batch_size=settings.batch_size,
        shuffle=True,
        num_workers=settings.workers,
        generator=flambeau.Generator().manual_seed(settings.seed),
    )
    optimizer = optim.AdamW(model.parameters(), lr=settings.lr, weight_decay=0.05)
    steps = settings.epochs * len(loader)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=settings.lr, total_steps=steps)

    history = History()
    with tqdm(total=steps, unit="batch", dynamic_ncols=True) as bar:
        for epoch in range(settings.epochs):
            train_set.augment(settings.seed, epoch)

            def report(loss: float, accuracy: float, epoch: int = epoch) -> None:
                bar.set_description(f"epoch {epoch + 1}/{settings.epochs}", refresh=False)
                bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.3f}", refresh=False)
                bar.update()

            loss, accuracy = _train_epoch(model, loader, optimizer, schedule, device, report)
            history.train_loss.append(loss)
            history.train_accuracy.append(accuracy)
            history.scores.append(evaluate(model, test_set, device))
            if history.best_epoch == epoch:
                flambeau.save(model.state_dict(), checkpoint)
    return history


def _train_epoch(
    model: nn.Module,
    loader: DataLoader,
    optimizer: optim.Optimizer,
    schedule: optim.lr_scheduler.LRScheduler,
    device: flambeau.device,
    report: Callable[[float, float], None],
) -> tuple[float, float]:
    """One pass over the loader; the mean loss and the accuracy, reported as they grow."""
    loss_of = nn.CrossEntropyLoss()
    model.train()
    total_loss, correct, seen = 0.0, 0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        logits = model(images)
        loss = loss_of(logits, labels)
        loss.backward()
        optimizer.step()
        schedule.step()

        seen += len(labels)
        total_loss += loss.item() * len(labels)
        correct += int((logits.argmax(1) == labels).sum())
        report(total_loss / seen, correct / seen)
    return total_loss / seen, correct / seen


def evaluate(model: nn.Module, digits: Digits, device: flambeau.device) -> Score:
    """Scores a model on digits as they are, without shifts."""
    images, labels = (t.to(device) for t in digits.tensors())
    model.eval()
    with flambeau.no_grad():
        logits = model(images)
        loss = nn.functional.cross_entropy(logits, labels)
    correct = int((logits.argmax(1) == labels).sum())
    return Score(correct, len(digits), loss.item(), logits.softmax(1).cpu().numpy())


def evaluate_checkpoint(checkpoint: Path, test_set: Digits, device: flambeau.device) -> Score:
    """Scores the weights saved in a file."""
    model = network(nn)
    model.load_state_dict(flambeau.load(checkpoint))
    return evaluate(model.to(device), test_set, device)
