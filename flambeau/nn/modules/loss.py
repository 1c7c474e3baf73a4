"""Losses."""

import math

from flambeau.core.notices import warn
from flambeau.nn import functional as F
from flambeau.nn._reduction import legacy_get_string
from flambeau.nn.modules.linear import Linear
from flambeau.nn.modules.module import Module

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LinearCrossEntropyLoss",
    "MSELoss",
    "NLLLoss",
    "NLLLoss2d",
    "SmoothL1Loss",
]


class _Loss(Module):
    """A loss.

    Args:
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: What becomes of the losses of the elements: "none", "mean" or "sum".
    """

    __constants__ = ["reduction"]

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = legacy_get_string(size_average, reduce)
        self.reduction = reduction


class _WeightedLoss(_Loss):
    """A loss with a weight that moves along with the module."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class L1Loss(_Loss):
    """The absolute difference.

    Args:
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: What becomes of the losses of the elements: "none", "mean" or "sum".

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Example:
        >>> import flambeau as torch
        >>> torch.nn.L1Loss()(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0]))
        tensor(2.)
    """

    def forward(self, input, target):
        """The loss of `input` against `target`."""
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """The squared difference.

    Args:
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: What becomes of the losses of the elements: "none", "mean" or "sum".

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MSELoss()(torch.zeros(3), torch.full((3,), 2.0))
        tensor(4.)
    """

    def forward(self, input, target):
        """The loss of `input` against `target`."""
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """Squared for differences below `beta`, absolute above (Girshick, 2015).

    `d² / (2 beta)` where |d| < beta, `|d| - beta / 2` elsewhere: `HuberLoss` over `beta`.

    Args:
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".
        beta: The bound, not negative; 0 makes it `L1Loss`.

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Raises:
        RuntimeError: When called, if `beta` is negative.

    Example:
        >>> import flambeau as torch
        >>> loss = torch.nn.SmoothL1Loss(reduction="none")
        >>> loss(torch.tensor([0.0, 1.0, 4.0]), torch.zeros(3))
        tensor([0.0000, 0.5000, 3.5000])
    """

    def __init__(self, size_average=None, reduce=None, reduction="mean", beta=1.0):
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input, target):
        """The loss of `input` against `target`."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """Squared for differences below `delta`, `delta` times the absolute above (Huber, 1964).

    `d² / 2` where |d| ≤ delta, `delta (|d| - delta / 2)` elsewhere.

    Args:
        reduction: "none", "mean" or "sum".
        delta: The bound, positive.

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Raises:
        TypeError: If `delta` is not a number.
        RuntimeError: When called, if `delta` is not positive.

    Example:
        >>> import flambeau as torch
        >>> loss = torch.nn.HuberLoss(reduction="none", delta=2.0)
        >>> loss(torch.tensor([1.0, 2.0, 4.0]), torch.zeros(3))
        tensor([0.5000, 2.0000, 6.0000])
    """

    __constants__ = ["reduction", "delta"]

    def __init__(self, reduction="mean", delta=1.0):
        if not isinstance(delta, (int, float)):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input, target):
        """The loss of `input` against `target`."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(_Loss):
    """The Kullback-Leibler divergence of log-probabilities from a target distribution.

    `target (log(target) - input)`, zero where the target is zero.

    Args:
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "batchmean" (what the definition says), "mean" or "sum".
        log_target: Whether the target is given as log-probabilities too.

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Example:
        >>> import flambeau as torch
        >>> input = torch.full((1, 4), 0.25).log()
        >>> torch.nn.KLDivLoss(reduction="batchmean")(input, torch.tensor([[1.0, 0.0, 0.0, 0.0]]))
        tensor(1.3863)
    """

    def __init__(self, size_average=None, reduce=None, reduction="mean", log_target=False):
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input, target):
        """The loss of `input` against `target`."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class BCELoss(_WeightedLoss):
    """The binary cross-entropy of probabilities: `-(y log(x) + (1 - y) log(1 - x))`.

    Logarithms are taken as -100 at least, so that certainty in the wrong class is not infinite.

    Args:
        weight: A weight for each element of a batch.
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Raises:
        ValueError: When called, if the sizes differ.
        RuntimeError: When called, if an input is not between 0 and 1.

    Example:
        >>> import flambeau as torch
        >>> loss = torch.nn.BCELoss(reduction="none")
        >>> loss(torch.tensor([0.5, 1.0, 1.0]), torch.tensor([1.0, 1.0, 0.0]))
        tensor([  0.6931,  -0.0000, 100.0000])
    """

    def forward(self, input, target):
        """The loss of the probabilities `input` against `target`."""
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_WeightedLoss):
    """The binary cross-entropy of logits: `BCELoss` after a sigmoid, without its overflow.

    Args:
        weight: A weight for each element of a batch.
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".
        pos_weight: A weight for the positive examples, which broadcasts to the target.

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Raises:
        ValueError: When called, if the sizes differ.

    Example:
        >>> import flambeau as torch
        >>> loss = torch.nn.BCEWithLogitsLoss(reduction="none", pos_weight=torch.tensor(10.0))
        >>> loss(torch.zeros(2), torch.tensor([0.0, 1.0]))
        tensor([0.6931, 6.9315])
    """

    def __init__(
        self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input, target):
        """The loss of the logits `input` against `target`."""
        return F.binary_cross_entropy_with_logits(
            input,
            target,
            weight=self.weight,
            reduction=self.reduction,
            pos_weight=self.pos_weight,
        )


class NLLLoss(_WeightedLoss):
    """The negative of the log-probability of the target class.

    Args:
        weight: A weight for each class; the mean is then divided by the sum of those that occur.
        size_average: Deprecated, see `reduction`.
        ignore_index: A target that does not count.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Input (N, C), (N, C, d1, ...) or (C), target (N), (N, d1, ...) or (), integer; the output is
        a number, or of the shape of the target with "none".

    Raises:
        IndexError: When called, if a target is no class.

    Example:
        >>> import flambeau as torch
        >>> scores = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]])
        >>> torch.nn.NLLLoss(reduction="none")(scores, torch.tensor([1, 0]))
        tensor([2., 3.])
        >>> torch.nn.NLLLoss(ignore_index=0)(scores, torch.tensor([1, 0]))
        tensor(2.)
    """

    __constants__ = ["ignore_index", "reduction"]

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index=-100,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input, target):
        """The loss of the log-probabilities `input` against the classes `target`."""
        return F.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class NLLLoss2d(NLLLoss):
    """`NLLLoss` under the name it had for images; making one warns.

    Args:
        weight: A weight for each class; the mean is then divided by the sum of those that occur.
        size_average: Deprecated, see `reduction`.
        ignore_index: A target that does not count.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Input (N, C, H, W), target (N, H, W); see `NLLLoss`.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> with warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     loss = torch.nn.NLLLoss2d()
        >>> loss(torch.full((1, 3, 2, 2), -5.0), torch.zeros(1, 2, 2, dtype=torch.int64))
        tensor(5.)
    """

    def __init__(
        self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
    ):
        warn(
            "NLLLoss2d has been deprecated. Please use NLLLoss instead as a drop-in replacement "
            "and see https://pytorch.org/docs/main/nn.html#torch.nn.NLLLoss for more details.",
            FutureWarning,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class CrossEntropyLoss(_WeightedLoss):
    """The cross-entropy of logits against classes, or against probabilities of classes.

    Args:
        weight: A weight for each class.
        size_average: Deprecated, see `reduction`.
        ignore_index: A target that does not count.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".
        label_smoothing: How much of the target is spread evenly over all classes.

    Shape:
        Scores (N, C), (N, C, d1, ...) or (C); classes (N), (N, d1, ...) or (), or probabilities in
        the shape of the scores. The output is a number, or of the shape of the classes with "none".

    Raises:
        IndexError: When called, if a target is no class.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CrossEntropyLoss()(torch.zeros(1, 2), torch.tensor([1]))
        tensor(0.6931)
    """

    __constants__ = ["ignore_index", "reduction", "label_smoothing"]

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index=-100,
        reduce=None,
        reduction="mean",
        label_smoothing=0.0,
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input, target):
        """The loss of the logits `input` against `target`."""
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class CTCLoss(_Loss):
    """The loss of sequences whose alignment with the target is not known (A. Graves et al., 2006).

    Args:
        blank: The class that stands for no label.
        reduction: "none", "sum", or "mean": of the losses divided by the target lengths.
        zero_infinity: Losses of targets longer than the input can spell become 0.

    Shape:
        Log-probabilities (T, N, C) or (T, C), targets (N, S), or all below each other as one
        vector; lengths (N) or (). The output is a number, or (N) with "none".

    Example:
        >>> import flambeau as torch
        >>> log_probs = torch.zeros(2, 1, 2).log_softmax(2)
        >>> torch.nn.CTCLoss()(log_probs, torch.tensor([[1]]), (2,), (1,))
        tensor(0.2877)
    """

    __constants__ = ["blank", "reduction"]

    def __init__(self, blank=0, reduction="mean", zero_infinity=False):
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(self, log_probs, targets, input_lengths, target_lengths):
        """The loss of `log_probs` (T, N, C) against the labels `targets`."""
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )


class LinearCrossEntropyLoss(Module):
    """The cross entropy of the scores that a linear layer gives its input.

    Args:
        in_features: Size of the input.
        num_classes: The number of classes, C.
        out_features: Sizes (d1, ..., dK) of the further axes of the target.
        bias: Whether the layer has a bias.
        device: Where the weight is.
        dtype: Its element type.
        reduction: "none", "mean" or "sum".
        weight: A factor for each class.
        ignore_index: Positions with this class number do not count; -100 if left out.
        label_smoothing: How much of the target to spread evenly over all classes.
        options: `LinearCrossEntropyOptions`: treat a few examples at a time.

    Shape:
        Input (N, in_features), classes (N, *out_features); the output is a number, or of the shape
        of the classes with "none".

    Raises:
        RuntimeError: If label_smoothing is not in [0, 1], or `weight` has another size.

    Example:
        >>> import flambeau as torch
        >>> loss = torch.nn.LinearCrossEntropyLoss(5, 10, out_features=(4, 3), reduction="none")
        >>> loss(torch.ones(2, 5), torch.zeros(2, 4, 3, dtype=torch.int64)).shape
        torch.Size([2, 4, 3])
    """

    __constants__ = ["reduction", "ignore_index", "label_smoothing"]

    def __init__(
        self,
        in_features,
        num_classes,
        *,
        out_features=(),
        bias=False,
        device=None,
        dtype=None,
        reduction="mean",
        weight=None,
        ignore_index=None,
        label_smoothing=0.0,
        options=None,
    ):
        super().__init__()
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        if weight is not None and weight.shape != (num_classes,):
            raise RuntimeError(
                f"expected weight shape to be ({num_classes},), got {tuple(weight.shape)}"
            )
        self.num_classes = num_classes
        self.out_features = tuple(out_features)
        self.reduction = reduction
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        self.options = options
        self.register_buffer("weight", weight)
        scores = num_classes * math.prod(self.out_features)
        self.linear = Linear(in_features, scores, bias=bias, device=device, dtype=dtype)

    def forward(self, input, target):
        """The loss of `input` (N, in_features) against `target`."""
        shape = (self.num_classes, *self.out_features)
        bias = None if self.linear.bias is None else self.linear.bias.reshape(shape)
        return F.linear_cross_entropy(
            input,
            self.linear.weight.reshape(*shape, self.linear.in_features),
            target,
            linear_bias=bias,
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self):
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
