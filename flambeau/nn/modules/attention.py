"""Attention with many heads."""

from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.linear import NonDynamicallyQuantizableLinear
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.ops.creation import empty
from flambeau.ops.multihead import canonical_mask

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention by several heads, each with projections of its own (Vaswani et al., 2017).

    Args:
        embed_dim: The features of the queries and of the result, divided among the heads.
        num_heads: How many heads.
        dropout: The probability of dropping a weight while training.
        bias: Whether the projections have biases.
        add_bias_kv: Add a learned key and value to every sequence.
        add_zero_attn: Add a key and a value of zeros.
        kdim: The features of the keys; `embed_dim` if None.
        vdim: The features of the values; `embed_dim` if None.
        batch_first: The batch is the first axis, not the second.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Queries (L, N, embed_dim), keys (S, N, kdim), values (S, N, vdim), with `batch_first` N
        before L and S, or all without N. The output has the shape of the queries; the weights are
        (N, L, S).

    Raises:
        ValueError: If `embed_dim` or `num_heads` is not positive.
        AssertionError: If `embed_dim` cannot be divided by `num_heads`.

    Example:
        >>> import flambeau as torch
        >>> x = torch.ones(5, 2, 8)
        >>> output, weights = torch.nn.MultiheadAttention(8, 2)(x, x, x)
        >>> output.shape, weights.shape
        (torch.Size([5, 2, 8]), torch.Size([2, 5, 5]))
    """

    __constants__ = ["batch_first"]

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout=0.0,
        bias=True,
        add_bias_kv=False,
        add_zero_attn=False,
        kdim=None,
        vdim=None,
        batch_first=False,
        device=None,
        dtype=None,
    ):
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, got "
                f"embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError("embed_dim must be divisible by num_heads")
        self.add_zero_attn = add_zero_attn
        factory = {"device": device, "dtype": dtype}
        together = self._qkv_same_embed_dim
        for name, shape, wanted in (
            ("in_proj_weight", (3 * embed_dim, embed_dim), together),
            ("q_proj_weight", (embed_dim, embed_dim), not together),
            ("k_proj_weight", (embed_dim, self.kdim), not together),
            ("v_proj_weight", (embed_dim, self.vdim), not together),
            ("in_proj_bias", (3 * embed_dim,), bias),
        ):
            self.register_parameter(name, Parameter(empty(shape, **factory)) if wanted else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **factory)
        for name in ("bias_k", "bias_v"):
            # An attribute, and no parameter, when it is not there: as in PyTorch's state.
            added = Parameter(empty((1, 1, embed_dim), **factory)) if add_bias_kv else None
            setattr(self, name, added)
        self._reset_parameters()

    def _reset_parameters(self):
        if self._qkv_same_embed_dim:
            init.xavier_uniform_(self.in_proj_weight)
        else:
            for weight in (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)
        for added in (self.bias_k, self.bias_v):
            if added is not None:
                init.xavier_normal_(added)

    def forward(
        self,
        query,
        key,
        value,
        key_padding_mask=None,
        need_weights=True,
        attn_mask=None,
        average_attn_weights=True,
        is_causal=False,
    ):
        """Attend to the values whose keys match the queries.

        Args:
            query: (L, N, E), (N, L, E) with `batch_first`, or (L, E).
            key: (S, N, kdim) and so on.
            value: (S, N, vdim) and so on.
            key_padding_mask: (N, S): True leaves a key out; numbers are added to its scores.
            need_weights: Return the weights too.
            attn_mask: (L, S) or (N * num_heads, L, S), likewise for each query.
            average_attn_weights: Average the weights over the heads.
            is_causal: Says that `attn_mask` is the causal one.

        Returns:
            The result, of the query's size, and the weights, (N, L, S) or (N, heads, L, S), or
            None.
        """
        swapped = self.batch_first and query.dim() == 3
        if swapped:
            # One tensor given several times stays one: its projections are then one product.
            turned = {id(t): t.transpose(1, 0) for t in (query, key, value)}
            query, key, value = (turned[id(t)] for t in (query, key, value))
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(1, 0) if swapped else output), weights

    def merge_masks(self, attn_mask, key_padding_mask, query):
        """Both masks as one, and what kind it is.

        Args:
            attn_mask: (L, S) or (N * num_heads, L, S), or None.
            key_padding_mask: (N, S), or None.
            query: the queries, (N, L, E).

        Returns:
            The mask (None if there is none), and 0 if it is the attention's, 1 if the padding's,
            2 if it is (N, num_heads, L, S) for both, None without a mask.
        """
        padding = canonical_mask(
            key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype
        )
        if attn_mask is None:
            return padding, None if padding is None else 1
        mask = canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        batch, length = query.shape[0], mask.shape[-1]
        if mask.dim() == 3:
            mask = mask.reshape(batch, -1, *mask.shape[-2:])
        else:
            mask = mask.expand(batch, self.num_heads, *mask.shape)
        if padding is not None:
            mask = mask + padding.reshape(batch, 1, 1, length).expand(-1, self.num_heads, -1, -1)
        return mask, 2
