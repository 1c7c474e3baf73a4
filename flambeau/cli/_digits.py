"""The handwritten digits: the data, its augmentation, and the network of the demo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flambeau
from flambeau.utils.data import Dataset

if TYPE_CHECKING:
    from types import ModuleType

    import numpy

SPLIT_SEED = 0  # the held-out fifth is the same for every --seed, so that figures compare


def load_split() -> tuple[Digits, Digits]:
    """Scikit-learn's 1,797 scans as a training set and a held-out fifth, ten classes alike."""
    import numpy
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    scans = load_digits()
    images = (scans.images / 16.0).astype(numpy.float32)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, scans.target, test_size=0.2, stratify=scans.target, random_state=SPLIT_SEED
    )
    return Digits(train_images, train_labels), Digits(test_images, test_labels)


class Digits(Dataset):
    """Images of 8x8 grey values with their digits, shifted at random once augmented.

    A shift depends on the seed, the epoch and the image's index alone: the same images come out
    whatever the number of worker processes and the order in which they work.
    """

    MARGIN = 1  # pixels an image may move in each direction

    def __init__(self, images: numpy.ndarray, labels: numpy.ndarray) -> None:
        self.images = images
        self.labels = labels
        self._shifts: numpy.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    def augment(self, seed: int, epoch: int) -> None:
        """Draws this epoch's shift of every image; the seed and the epoch alone decide it."""
        import numpy

        random = numpy.random.default_rng((seed, epoch))
        self._shifts = random.integers(0, 2 * self.MARGIN + 1, size=(len(self), 2))

    def __getitem__(self, index: int) -> tuple[flambeau.Tensor, int]:
        image = self.images[index]
        if self._shifts is not None:
            image = self._shifted(image, *self._shifts[index])
        return flambeau.tensor(image).unsqueeze(0), int(self.labels[index])

    def _shifted(self, image: numpy.ndarray, down: int, right: int) -> numpy.ndarray:
        import numpy

        height, width = image.shape
        padded = numpy.pad(image, self.MARGIN)
        return padded[down : down + height, right : right + width]

    def tensors(self) -> tuple[flambeau.Tensor, flambeau.Tensor]:
        """All images (n, 1, 8, 8) and labels (n,) as they are, without shifts."""
        return flambeau.tensor(self.images).unsqueeze(1), flambeau.tensor(self.labels)


def network(nn: ModuleType) -> flambeau.nn.Module:
    """The demo's convolutional network for (n, 1, 8, 8) images: three blocks and a classifier.

    Args:
        nn: ``flambeau.nn``; the benchmarks also pass PyTorch's.
    """
    return nn.Sequential(
        *_block(nn, 1, 32),
        *_block(nn, 32, 64),
        nn.MaxPool2d(2),
        *_block(nn, 64, 64),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64 * 2 * 2, 10),
    )


def _block(nn: ModuleType, channels: int, out: int) -> tuple[flambeau.nn.Module, ...]:
    """A 3x3 convolution that keeps the image's size, normalised and rectified."""
    # The normalisation subtracts the mean, and with it any bias.
    return nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()
