"""The adaptive softmax: cheap classes for frequent labels, cheaper ones for rare labels."""

from collections import namedtuple

from flambeau.nn import functional as F
from flambeau.nn.modules.container import ModuleList, Sequential
from flambeau.nn.modules.linear import Linear
from flambeau.nn.modules.module import Module
from flambeau.ops.join import cat

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-softmax over very many classes in clusters (E. Grave et al., 2017, arXiv 1609.04309).

    Classes are sorted by frequency, the most frequent first. The head scores those below the first
    cutoff and one score per cluster of the others; each cluster scores its own, from fewer
    features the rarer they are, and only for the examples that are in it.

    Args:
        in_features: Size of the input.
        n_classes: The number of classes.
        cutoffs: Where each cluster begins, ascending.
        div_value: Each cluster has so many times fewer features than the one before.
        head_bias: Whether the head has a bias.
        device: Where the parameters are.
        dtype: Their element type.

    Shape:
        Input (N, in_features) or (in_features), target (N) or (); the output is a pair of the
        log-probabilities of the targets, of the target's shape, and the mean loss.

    Raises:
        ValueError: If the cutoffs are not ascending classes.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2)
        >>> layer(torch.ones(3, 8), torch.tensor([0, 5, 19])).output.shape
        torch.Size([3])
    """

    def __init__(
        self,
        in_features,
        n_classes,
        cutoffs,
        div_value=4.0,
        head_bias=False,
        device=None,
        dtype=None,
    ):
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        if (
            cutoffs != sorted(set(cutoffs))
            or min(cutoffs) <= 0
            or max(cutoffs) > n_classes - 1
            or any(int(c) != c for c in cutoffs)
        ):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                "order, where each value is between 1 and n_classes-1"
            )
        made = {"device": device, "dtype": dtype}
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, **made)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            features = int(in_features // (div_value ** (i + 1)))
            classes = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, features, bias=False, **made),
                    Linear(features, classes, bias=False, **made),
                )
            )

    def reset_parameters(self):
        """Draw the weights anew."""
        self.head.reset_parameters()
        for narrow, wide in self.tail:
            narrow.reset_parameters()
            wide.reset_parameters()

    def forward(self, input_, target_):
        """The log-probabilities of the targets and their negative mean.

        Args:
            input_: `(N, in_features)` or `(in_features)`.
            target_: `(N)` or 0-dim, int64.
        """
        _check_sizes(input_, target_)
        batched = target_.dim() > 0
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        in_head = (target >= 0) & (target < self.shortlist_size)
        head = F.log_softmax(self.head(input), dim=1)
        # Of the other targets the head gives the score of their cluster.
        column = target.clone()
        output = head.new_zeros(target.shape)
        found = int(in_head.sum())
        for i, layers in enumerate(self.tail):
            low, high = self.cutoffs[i], self.cutoffs[i + 1]
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if not rows.numel():
                continue
            found += rows.numel()
            column = column.index_fill(0, rows, self.shortlist_size + i)
            scores = F.log_softmax(layers(input.index_select(0, rows)), dim=1)
            own = (target.index_select(0, rows) - low).unsqueeze(1)
            output = output.index_copy(0, rows, scores.gather(1, own).squeeze(1).to(output.dtype))
        if found != target.numel():
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{target.min().item()}, {target.max().item()}] were found. "
            )
        output = output + head.gather(1, column.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def log_prob(self, input):
        """The log-probabilities of all classes.

        Args:
            input: (N, in_features).

        Returns:
            (N, n_classes).

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2)
            >>> probabilities = layer.log_prob(torch.ones(3, 8)).exp()
            >>> torch.allclose(probabilities.sum(1), torch.ones(3))
            True
        """
        return self._all_classes(input, self.head(input))

    def predict(self, input):
        """The most probable class of each example.

        Args:
            input: (N, in_features) or (in_features).

        Returns:
            (N) or (), int64.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2)
            >>> x = torch.ones(3, 8)
            >>> torch.equal(layer.predict(x), layer.log_prob(x).argmax(1))
            True
        """
        head = self.head(input)
        best = head.argmax(dim=1)
        rare = best >= self.shortlist_size
        if not rare.any():
            return best
        found = self._all_classes(input[rare], head[rare]).argmax(dim=1)
        best[rare] = found
        return best

    def _all_classes(self, input, head_scores):
        head = F.log_softmax(head_scores, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, layers in enumerate(self.tail):
            cluster = head[:, self.shortlist_size + i].unsqueeze(1)
            parts.append(F.log_softmax(layers(input), dim=1) + cluster)
        return cat(parts, 1)


def _check_sizes(input, target):
    if target.dim() > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    wanted = 2 if target.dim() else 1
    if input.dim() != wanted or (wanted == 2 and input.shape[0] != target.shape[0]):
        raise RuntimeError("Input and target should have the same size in the batch dimension.")
