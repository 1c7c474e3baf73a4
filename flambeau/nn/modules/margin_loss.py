"""Losses of margins and distances, and of distributions that are not over classes."""

from flambeau.nn import functional as F
from flambeau.nn.modules.distance import PairwiseDistance
from flambeau.nn.modules.loss import _Loss, _WeightedLoss

__all__ = [
    "CosineEmbeddingLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "PoissonNLLLoss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class PoissonNLLLoss(_Loss):
    """The negative log-likelihood of counts under a Poisson distribution.

    Args:
        log_input: Whether the input is the logarithm of the rate.
        full: Add Stirling's approximation of the term that the rate does not change.
        size_average: Deprecated, see `reduction`.
        eps: Added to a rate before its logarithm is taken.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Example:
        >>> import flambeau as torch
        >>> torch.nn.PoissonNLLLoss()(torch.tensor([0.0]), torch.tensor([5.0]))
        tensor(1.)
        >>> torch.nn.PoissonNLLLoss(log_input=False)(torch.tensor([1.0]), torch.tensor([5.0]))
        tensor(1.)
    """

    __constants__ = ["log_input", "full", "eps", "reduction"]

    def __init__(
        self,
        log_input=True,
        full=False,
        size_average=None,
        eps=1e-8,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input, target):
        """The loss of the rates (or their logarithms) against the counts `target`."""
        return F.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    """The negative log-likelihood under normal distributions (Nix & Weigend, 1994).

    `(log(var) + (input - target)² / var) / 2`.

    Args:
        full: Add the constant term, `log(2 π) / 2`.
        eps: The smallest variance.
        reduction: "none", "mean" or "sum".

    Shape:
        Means and target alike; variances too, or without or with 1 as the last axis. The output is
        a number, or of the shape of the means with "none".

    Raises:
        ValueError: When called, if a variance is negative or the sizes do not fit.

    Example:
        >>> import flambeau as torch
        >>> mean, target, variance = torch.zeros(1), torch.tensor([3.0]), torch.ones(1)
        >>> torch.nn.GaussianNLLLoss()(mean, target, variance)
        tensor(4.5000)
    """

    __constants__ = ["full", "eps", "reduction"]

    def __init__(self, *, full=False, eps=1e-6, reduction="mean"):
        super().__init__(None, None, reduction)
        self.full = full
        self.eps = eps

    def forward(self, input, target, var):
        """The loss of means `input` with variances `var` against `target`."""
        return F.gaussian_nll_loss(
            input, target, var, full=self.full, eps=self.eps, reduction=self.reduction
        )


class HingeEmbeddingLoss(_Loss):
    """The input where the target is 1, max(0, margin - input) where it is -1.

    The input is a distance as a rule: small for alike pairs, large for others.

    Args:
        margin: The distance from which on pairs of target -1 do not count.
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Example:
        >>> import flambeau as torch
        >>> loss = torch.nn.HingeEmbeddingLoss(margin=2.0, reduction="none")
        >>> loss(torch.tensor([0.5, 0.5, 3.0]), torch.tensor([1.0, -1.0, -1.0]))
        tensor([0.5000, 1.5000, 0.0000])
    """

    __constants__ = ["margin", "reduction"]

    def __init__(self, margin=1.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input, target):
        """The loss of `input` against `target`."""
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class MultiLabelMarginLoss(_Loss):
    """A margin between the classes that are meant, several per row, and all others.

    The sum over pairs of a class that is meant and one that is not of `max(0, 1 - x[meant] +
    x[not])`, divided by the number of classes.

    Args:
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Scores (N, C) or (C), and class numbers of the same shape, of which a row's end at its first
        -1; the output is a number, or (N) with "none".

    Raises:
        RuntimeError: When called, if the shapes differ or a target is no class.

    Example:
        >>> import flambeau as torch
        >>> scores = torch.tensor([3.0, 0.0, 1.5, 1.0])
        >>> torch.nn.MultiLabelMarginLoss()(scores, torch.tensor([0, 2, -1, 1]))
        tensor(0.1250)
    """

    __constants__ = ["reduction"]

    def forward(self, input, target):
        """The loss of scores against lists of classes, which end at the first -1."""
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-target input)), the targets 1 and -1.

    Args:
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Input and target alike; the output is a number, or of the same shape with "none".

    Example:
        >>> import flambeau as torch
        >>> loss = torch.nn.SoftMarginLoss(reduction="none")
        >>> loss(torch.tensor([0.0, 1000.0]), torch.tensor([1.0, 1.0]))
        tensor([0.6931, 0.0000])
    """

    __constants__ = ["reduction"]

    def forward(self, input, target):
        """The loss of `input` against `target`."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over classes of the binary cross-entropy of logits.

    Args:
        weight: A weight for each class.
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Input and target (N, C) or (C); the output is a number, or (N) with "none".

    Example:
        >>> import flambeau as torch
        >>> scores = torch.tensor([[100.0, -100.0, 0.0, 0.0]])
        >>> torch.nn.MultiLabelSoftMarginLoss()(scores, torch.tensor([[1.0, 0.0, 0.0, 1.0]]))
        tensor(0.3466)
    """

    __constants__ = ["reduction"]

    def forward(self, input, target):
        """The loss of `input` against `target`, a 0 or 1 for every class."""
        return F.multilabel_soft_margin_loss(
            input, target, weight=self.weight, reduction=self.reduction
        )


class CosineEmbeddingLoss(_Loss):
    """1 - cos of two vectors where the target is 1, max(0, cos - margin) where it is -1.

    Args:
        margin: The cosine below which pairs of target -1 do not count.
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Inputs (N, D) or (D), target (N) or (); the output is a number, or (N) with "none".

    Raises:
        RuntimeError: When called, if the numbers of axes do not fit.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> y = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
        >>> torch.nn.CosineEmbeddingLoss(reduction="none")(x, y, torch.tensor([1, -1]))
        tensor([1., 1.])
    """

    __constants__ = ["margin", "reduction"]

    def __init__(self, margin=0.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1, input2, target):
        """The loss of pairs of vectors against `target`."""
        return F.cosine_embedding_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MarginRankingLoss(_Loss):
    """max(0, -target (input1 - input2) + margin), the targets 1 and -1.

    The target says which input should be the larger one, 1 the first.

    Args:
        margin: By how much it should be larger.
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Inputs and target alike; the output is a number, or of the same shape with "none".

    Raises:
        RuntimeError: When called, if the numbers of axes differ.

    Example:
        >>> import flambeau as torch
        >>> loss = torch.nn.MarginRankingLoss(margin=1.0, reduction="none")
        >>> loss(torch.tensor([3.0, 3.0]), torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0]))
        tensor([0., 3.])
    """

    __constants__ = ["margin", "reduction"]

    def __init__(self, margin=0.0, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1, input2, target):
        """The loss of the order of `input1` and `input2` against `target`."""
        return F.margin_ranking_loss(
            input1, input2, target, margin=self.margin, reduction=self.reduction
        )


class MultiMarginLoss(_WeightedLoss):
    """A margin between the score of the class that is meant and every other one.

    The sum over the other classes of `max(0, margin - x[meant] + x[other])^p`, divided by the
    number of classes.

    Args:
        p: The power of the differences, 1 or 2.
        margin: The margin.
        weight: A weight for each class.
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Scores (N, C) or (C), classes (N) or (); the output is a number, or (N) with "none".

    Raises:
        ValueError: If `p` is neither 1 nor 2, or the weight is no vector.
        RuntimeError: When called, if a target is no class.

    Example:
        >>> import flambeau as torch
        >>> scores = torch.tensor([[2.0, 1.5, 0.0, 0.0]])
        >>> torch.nn.MultiMarginLoss()(scores, torch.tensor([0]))
        tensor(0.1250)
    """

    __constants__ = ["p", "margin", "reduction"]

    def __init__(
        self, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
    ):
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError("only p == 1 and p == 2 supported")
        if weight is not None and weight.dim() != 1:
            raise ValueError(
                f"MultiMarginLoss: expected weight to be None or 1D tensor, got {weight.dim()}D "
                "instead"
            )
        self.p = p
        self.margin = margin

    def forward(self, input, target):
        """The loss of scores against the classes `target`."""
        return F.multi_margin_loss(
            input,
            target,
            p=self.p,
            margin=self.margin,
            weight=self.weight,
            reduction=self.reduction,
        )


def _check_margin(name, margin):
    if margin <= 0:
        raise ValueError(f"{name}: expected margin to be greater than 0, got {margin} instead")


class TripletMarginLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) (Balntas et al., 2016).

    Args:
        margin: The margin, positive.
        p: Of the norm that measures distances.
        eps: Added to differences.
        swap: Use the distance from positive to negative where it is smaller.
        size_average: Deprecated, see `reduction`.
        reduce: Deprecated, see `reduction`.
        reduction: "none", "mean" or "sum".

    Shape:
        Three inputs (N, D) or (D); the output is a number, or (N) with "none".

    Raises:
        ValueError: If the margin is not positive.
        RuntimeError: When called, if the numbers of axes differ.

    Example:
        >>> import flambeau as torch
        >>> anchor, near, far = torch.zeros(1, 1), torch.full((1, 1), 3.0), torch.full((1, 1), 3.5)
        >>> torch.nn.TripletMarginLoss()(anchor, near, far)
        tensor(0.5000)
    """

    __constants__ = ["margin", "p", "eps", "swap", "reduction"]

    def __init__(
        self,
        margin=1.0,
        p=2.0,
        eps=1e-6,
        swap=False,
        size_average=None,
        reduce=None,
        reduction="mean",
    ):
        super().__init__(size_average, reduce, reduction)
        _check_margin("TripletMarginLoss", margin)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor, positive, negative):
        """The loss of triples of vectors."""
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """`TripletMarginLoss` with a distance of one's own.

    Args:
        distance_function: A function of two tensors; the Euclidean distance if None.
        margin: The margin, positive.
        swap: Use the distance from positive to negative where it is smaller.
        reduction: "none", "mean" or "sum".

    Shape:
        Three inputs that the distance takes; the output is a number, or what the distance returns
        with "none".

    Raises:
        ValueError: If the margin is not positive.

    Example:
        >>> import flambeau as torch
        >>> def steps(a, b):
        ...     return (a - b).abs().max(-1).values
        >>> loss = torch.nn.TripletMarginWithDistanceLoss(distance_function=steps, margin=2.0)
        >>> loss(torch.zeros(1, 2), torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 4.0]]))
        tensor(1.)
    """

    __constants__ = ["margin", "swap", "reduction"]

    def __init__(self, *, distance_function=None, margin=1.0, swap=False, reduction="mean"):
        super().__init__(None, None, reduction)
        _check_margin("TripletMarginWithDistanceLoss", margin)
        self.distance_function = (
            PairwiseDistance() if distance_function is None else distance_function
        )
        self.margin = margin
        self.swap = swap

    def forward(self, anchor, positive, negative):
        """The loss of triples."""
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )
