"""How `linear_cross_entropy` goes about it."""

from dataclasses import dataclass

from flambeau import _C

__all__ = ["LinearCrossEntropyOptions"]

_POLICIES = ("accurate", "balanced", "compact", "auto")
_DTYPES = (None, _C.float16, _C.bfloat16, _C.float32, _C.float64)


@dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """Asks `nn.functional.linear_cross_entropy` never to hold the scores of the whole batch.

    Args:
        allow_retain_graph: Accepted: the graph may always be kept.
        batch_chunk_size: How many examples are treated at a time.
        chunking_method: How that number is found if it is not given: None for all at once,
            "aspect_ratio:K" for so many that their scores are K times as large as the input,
            "auto" for K = 2.
        acc_policy: Accepted: "accurate", "balanced", "compact" or "auto". Sums over the examples
            are always kept in the dtype of the weights.
        acc_dtype: Accepted, likewise.

    Raises:
        ValueError: If a value is none of these.

    Example:
        >>> import flambeau as torch
        >>> options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=2)
        >>> x, classes = torch.zeros(5, 3), torch.tensor([0, 1, 2, 3, 0])
        >>> torch.nn.functional.linear_cross_entropy(x, torch.ones(4, 3), classes, options=options)
        tensor(1.3863)
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: object = None

    def __post_init__(self):
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if not any(self.acc_dtype is dtype for dtype in _DTYPES):
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, "
                f"torch.float64}}, got {self.acc_dtype}. Pass acc_dtype=None to let the op pick "
                "automatically."
            )
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size}")
        self._ratio()

    def _ratio(self):
        """How much larger than the input the scores may be; None for any size."""
        method = self.chunking_method
        if method is None:
            return None
        if method in ("auto", "aspect_ratio"):
            return 2
        name, _, number = str(method).partition(":")
        if name != "aspect_ratio" or not number.isdecimal() or int(number) == 0:
            raise ValueError(f"invalid chunking_method: {method!r}")
        return int(number)

    def chunk(self, examples, features, classes):
        """How many examples to treat at a time."""
        ratio = self._ratio()
        if self.batch_chunk_size is not None:
            return self.batch_chunk_size
        if ratio is None:
            return max(examples, 1)
        return max(ratio * examples * features // max(classes, 1), 1)
