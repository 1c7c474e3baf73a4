"""Embeddings."""

from flambeau.core.errors import AssertedError
from flambeau.core.grad_mode import no_grad
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.ops.creation import empty

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """A table of vectors, of which one may stand for nothing."""

    def _set_sizes(self, rows, columns, padding_idx, message):
        if padding_idx is not None:
            if not -rows <= padding_idx < rows:
                raise AssertedError(message)
            padding_idx %= rows
        self.num_embeddings = rows
        self.embedding_dim = columns
        self.padding_idx = padding_idx

    def _set_weight(self, given, frozen, device, dtype):
        """Take the table that is given, or draw one."""
        shape = (self.num_embeddings, self.embedding_dim)
        if given is not None and tuple(given.shape) != shape:
            raise AssertedError("Shape of weight does not match num_embeddings and embedding_dim")
        weight = empty(shape, device=device, dtype=dtype) if given is None else given
        self.weight = Parameter(weight, requires_grad=not frozen)
        if given is None:
            self.reset_parameters()

    def reset_parameters(self):
        """Draw the vectors from the standard normal distribution."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def _look_up_repr(self):
        """The options of looking vectors up, as far as they are not the usual ones."""
        text = ""
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        if self.scale_grad_by_freq:
            text += f", scale_grad_by_freq={self.scale_grad_by_freq}"
        return text


def _sizes_of(embeddings):
    if embeddings.dim() != 2:
        raise AssertedError("Embeddings parameter is expected to be 2-dimensional")
    return embeddings.shape


class Embedding(_Table):
    """A table of vectors, looked up by index.

    Args:
        num_embeddings: The number of vectors.
        embedding_dim: Their length.
        padding_idx: An index whose vector starts as zeros and is not trained.
        max_norm: Vectors longer than this are shortened to it when looked up.
        norm_type: The p of that length.
        scale_grad_by_freq: Divide gradients by how often an index occurs in the batch.
        sparse: Ask for sparse gradients.
        device: Where the table lives.
        dtype: Its type.

    Shape:
        Integers of any shape; the output is (*input, embedding_dim).

    Raises:
        ValueError: If `padding_idx` is not an index of the table.
        IndexError: When called, if an index is none of the table.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Embedding(10, 3)(torch.tensor([[1, 2, 4, 5]])).shape
        torch.Size([1, 4, 3])
    """

    __constants__ = [
        "num_embeddings",
        "embedding_dim",
        "padding_idx",
        "max_norm",
        "norm_type",
        "scale_grad_by_freq",
        "sparse",
    ]

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        _weight=None,
        _freeze=False,
        device=None,
        dtype=None,
    ):
        super().__init__()
        message = "Padding_idx must be within num_embeddings"
        self._set_sizes(num_embeddings, embedding_dim, padding_idx, message)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        self._set_weight(_weight, _freeze, device, dtype)

    def forward(self, input):
        """Look up the vectors of the indices `input`."""
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self):
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        text += self._look_up_repr()
        if self.sparse:
            text += ", sparse=True"
        return text

    @classmethod
    def from_pretrained(
        cls,
        embeddings,
        freeze=True,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
    ):
        """A layer with the table `embeddings`.

        Args:
            embeddings: The table, a matrix.
            freeze: Do not train it.
            padding_idx: See the class.
            max_norm: See the class.
            norm_type: See the class.
            scale_grad_by_freq: See the class.
            sparse: See the class.

        Returns:
            The layer; it shares storage with the table.

        Raises:
            ValueError: If the table is not a matrix.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Embedding.from_pretrained(torch.tensor([[0.0, 0.5], [1.0, 1.5]]))
            >>> layer(torch.tensor([1])), layer.weight.requires_grad
            (tensor([[1.0000, 1.5000]]), False)
        """
        rows, columns = _sizes_of(embeddings)
        return cls(
            num_embeddings=rows,
            embedding_dim=columns,
            _weight=embeddings,
            _freeze=freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )


class EmbeddingBag(_Table):
    """The sum, mean or maximum of bags of vectors of a table.

    Args:
        num_embeddings: The number of vectors.
        embedding_dim: Their length.
        max_norm: Vectors longer than this are shortened to it when looked up.
        norm_type: The p of that length.
        scale_grad_by_freq: Divide gradients by how often an index occurs in the batch.
        mode: "sum", "mean" or "max".
        sparse: Ask for sparse gradients.
        include_last_offset: The last offset is where the last bag ends.
        padding_idx: An index that does not count and is not trained.
        device: Where the table lives.
        dtype: Its type.

    Shape:
        Indices (N), and offsets (B), where each of B bags begins; or indices (B, N), a bag in each
        row. The output is (B, embedding_dim).

    Raises:
        ValueError: If `padding_idx` is not an index of the table.
        RuntimeError: When called, if an index is none of the table.

    Example:
        >>> import flambeau as torch
        >>> bag = torch.nn.EmbeddingBag(10, 3, mode="sum")
        >>> bag(torch.tensor([1, 2, 4]), torch.tensor([0, 2])).shape
        torch.Size([2, 3])
    """

    __constants__ = [
        "num_embeddings",
        "embedding_dim",
        "max_norm",
        "norm_type",
        "scale_grad_by_freq",
        "mode",
        "sparse",
        "include_last_offset",
        "padding_idx",
    ]

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        mode="mean",
        sparse=False,
        _weight=None,
        include_last_offset=False,
        padding_idx=None,
        device=None,
        dtype=None,
    ):
        super().__init__()
        message = "padding_idx must be within num_embeddings"
        self._set_sizes(num_embeddings, embedding_dim, padding_idx, message)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self._set_weight(_weight, False, device, dtype)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    def forward(self, input, offsets=None, per_sample_weights=None):
        """Look up bags of vectors; see `nn.functional.embedding_bag`."""
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self):
        text = f"{self.num_embeddings}, {self.embedding_dim}" + self._look_up_repr()
        text += f", mode={self.mode!r}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        return text

    @classmethod
    def from_pretrained(
        cls,
        embeddings,
        freeze=True,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        mode="mean",
        sparse=False,
        include_last_offset=False,
        padding_idx=None,
    ):
        """A layer with the table `embeddings`.

        Args:
            embeddings: The table, a matrix.
            freeze: Do not train it.
            max_norm: See the class.
            norm_type: See the class.
            scale_grad_by_freq: See the class.
            mode: See the class.
            sparse: See the class.
            include_last_offset: See the class.
            padding_idx: See the class.

        Returns:
            The layer; it shares storage with the table.

        Raises:
            ValueError: If the table is not a matrix.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.EmbeddingBag.from_pretrained(torch.tensor([[1.0], [2.0], [6.0]]))
            >>> layer(torch.tensor([[0, 1, 2]]))  # the mean
            tensor([[3.]])
        """
        rows, columns = _sizes_of(embeddings)
        layer = cls(
            num_embeddings=rows,
            embedding_dim=columns,
            _weight=embeddings,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        layer.weight.requires_grad = not freeze
        return layer
