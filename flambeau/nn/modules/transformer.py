"""Transformers: encoders and decoders made of attention (Vaswani et al., 2017)."""

import copy
import math

from flambeau.core.dtype import get_default_dtype
from flambeau.nn import functional as F
from flambeau.nn.init import xavier_uniform_
from flambeau.nn.modules._memory import require_room
from flambeau.nn.modules.attention import MultiheadAttention
from flambeau.nn.modules.container import ModuleList
from flambeau.nn.modules.dropout import Dropout
from flambeau.nn.modules.linear import Linear
from flambeau.nn.modules.module import Module
from flambeau.nn.modules.normalization import LayerNorm
from flambeau.ops.creation import full
from flambeau.ops.multihead import canonical_mask

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]


def _causal_mask(size, device=None, dtype=None):
    """Minus infinity above the diagonal, zeros elsewhere."""
    dtype = get_default_dtype() if dtype is None else dtype
    return full((size, size), -math.inf, device=device, dtype=dtype).triu(1)


def _is_causal(mask, is_causal, size):
    """Whether a mask is the causal one; looked up in the mask if `is_causal` is None."""
    if mask is None or is_causal is not None:
        return bool(is_causal)
    causal = _causal_mask(size, mask.device, mask.dtype) if mask.dtype.is_floating_point else None
    return causal is not None and mask.shape == causal.shape and bool((mask == causal).all())


def _sequence_length(tensor, batch_first):
    """The length of sequences, (L, N, E), (N, L, E) or (L, E)."""
    return tensor.shape[1 if batch_first and tensor.dim() == 3 else 0]


def _activation(activation):
    """The function that a name stands for."""
    if not isinstance(activation, str):
        return activation
    named = {"relu": F.relu, "gelu": F.gelu}
    if activation not in named:
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return named[activation]


def _copies(module, count):
    if isinstance(module, Module) and hasattr(count, "__index__"):
        tensors = [*module.parameters(), *module.buffers()]
        written = sum(t.nbytes for t in tensors if not t.is_meta)
        require_room(type(module).__name__, count, len(tensors), written)
    return ModuleList([copy.deepcopy(module) for _ in range(count)])


class _Layer(Module):
    """Attentions and two linear layers, each added to its input, with normalisations.

    Args:
        d_model: The features of the input and output.
        nhead: The heads of each attention.
        dim_feedforward: The features between the two linear layers.
        dropout: The probability of dropping an element.
        activation: Between the linear layers: "relu", "gelu" or a function.
        layer_norm_eps: Added to variances.
        batch_first: The batch is the first axis, not the second.
        norm_first: Normalise before attentions and linear layers, not after.
        bias: Whether linear layers and normalisations have biases.
        device: Where the parameters live.
        dtype: Their type.

    Raises:
        RuntimeError: If the activation has another name.
    """

    __constants__ = ["norm_first"]
    _attentions = ("self_attn",)

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation=F.relu,
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        factory = {"bias": bias, "device": device, "dtype": dtype}
        heads = {"dropout": dropout, "batch_first": batch_first, **factory}
        for name in self._attentions:
            setattr(self, name, MultiheadAttention(d_model, nhead, **heads))
        self.linear1 = Linear(d_model, dim_feedforward, **factory)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **factory)
        self.norm_first = norm_first
        blocks = range(1, len(self._attentions) + 2)
        for i in blocks:
            setattr(self, f"norm{i}", LayerNorm(d_model, eps=layer_norm_eps, **factory))
        for i in blocks:
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _activation(activation)

    def __setstate__(self, state):
        super().__setstate__(state)
        if not hasattr(self, "activation"):
            self.activation = F.relu

    def _sa_block(self, x, mask, padding, is_causal=False):
        return self.dropout1(_attended(self.self_attn, x, x, mask, padding, is_causal))

    def _expanded(self, x):
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


def _attended(attention, x, memory, mask, padding, is_causal):
    return attention(
        x,
        memory,
        memory,
        attn_mask=mask,
        key_padding_mask=padding,
        need_weights=False,
        is_causal=is_causal,
    )[0]


class TransformerEncoderLayer(_Layer):
    __doc__ = f"""Attention of a sequence to itself, and two linear layers.

    {_Layer.__doc__}
    Shape:
        (S, N, d_model), with `batch_first` (N, S, d_model), or (S, d_model); the output has the
        shape of the input.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16)
        >>> layer(torch.ones(5, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        """Apply the layer.

        Args:
            src: (L, N, E), (N, L, E) with `batch_first`, or (L, E).
            src_mask: See `attn_mask` of `MultiheadAttention`.
            src_key_padding_mask: See `key_padding_mask` there.
            is_causal: Says that `src_mask` is the causal one.
        """
        padding = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", src_mask, "src_mask", src.dtype
        )
        mask = canonical_mask(src_mask, "src_mask", None, "", src.dtype, False)
        x = src
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), mask, padding, is_causal)
            return x + self._ff_block(self.norm2(x))
        x = self.norm1(x + self._sa_block(x, mask, padding, is_causal))
        return self.norm2(x + self._ff_block(x))

    def _ff_block(self, x):
        return self.dropout2(self._expanded(x))


class TransformerDecoderLayer(_Layer):
    __doc__ = f"""Attention of a sequence to itself and to another one, and two linear layers.

    {_Layer.__doc__}
    Shape:
        Sequences (T, N, d_model) and (S, N, d_model), with `batch_first` N before T and S, or both
        without N. The output has the shape of the first.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerDecoderLayer(8, 2, 16)
        >>> layer(torch.ones(5, 3, 8), torch.ones(7, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    _attentions = ("self_attn", "multihead_attn")

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal=False,
        memory_is_causal=False,
    ):
        """Apply the layer.

        Args:
            tgt: the sequence, (L, N, E), (N, L, E) with `batch_first`, or (L, E).
            memory: the other sequence, (S, N, E) and so on.
            tgt_mask: See `attn_mask` of `MultiheadAttention`, for the attention to itself.
            memory_mask: The same for the attention to the memory.
            tgt_key_padding_mask: See `key_padding_mask` there.
            memory_key_padding_mask: The same for the attention to the memory.
            tgt_is_causal: Says that `tgt_mask` is the causal one.
            memory_is_causal: Says that `memory_mask` is the causal one.
        """
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        other = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        x = tgt
        if self.norm_first:
            x = x + self._sa_block(self.norm1(x), *own)
            x = x + self._mha_block(self.norm2(x), *other)
            return x + self._ff_block(self.norm3(x))
        x = self.norm1(x + self._sa_block(x, *own))
        x = self.norm2(x + self._mha_block(x, *other))
        return self.norm3(x + self._ff_block(x))

    def _mha_block(self, x, memory, mask, padding, is_causal=False):
        x = _attended(self.multihead_attn, x, memory, mask, padding, is_causal)
        return self.dropout2(x)

    def _ff_block(self, x):
        return self.dropout3(self._expanded(x))


class TransformerEncoder(Module):
    """A stack of encoder layers.

    Args:
        encoder_layer: The layer, which is copied with its values.
        num_layers: How many copies.
        norm: A normalisation after the last, or None.
        enable_nested_tensor: Accepted; padded places are computed in every case.
        mask_check: Accepted, likewise.

    Shape:
        (S, N, E), with `batch_first` (N, S, E), or (S, E); the output has the shape of the input.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        >>> torch.nn.TransformerEncoder(layer, 2)(torch.ones(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    __constants__ = ["norm"]

    def __init__(
        self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True
    ):
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = False
        self.mask_check = mask_check

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        """Apply the layers in turn.

        Args:
            src: (L, N, E), (N, L, E) if the layers are `batch_first`, or (L, E).
            mask: See `attn_mask` of `MultiheadAttention`.
            src_key_padding_mask: See `key_padding_mask` there.
            is_causal: Says that `mask` is the causal one; looked up in the mask if None.
        """
        padding = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", mask, "mask", src.dtype
        )
        mask = canonical_mask(mask, "mask", None, "", src.dtype, False)
        batch_first = self.layers[0].self_attn.batch_first
        is_causal = _is_causal(mask, is_causal, _sequence_length(src, batch_first))
        output = src
        for layer in self.layers:
            output = layer(output, src_mask=mask, is_causal=is_causal, src_key_padding_mask=padding)
        return output if self.norm is None else self.norm(output)


class TransformerDecoder(Module):
    """A stack of decoder layers.

    Args:
        decoder_layer: The layer, which is copied with its values.
        num_layers: How many copies.
        norm: A normalisation after the last, or None.

    Shape:
        Sequences (T, N, E) and (S, N, E), with `batch_first` N before T and S, or both without N.
        The output has the shape of the first.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerDecoderLayer(8, 2, 16)
        >>> decoder = torch.nn.TransformerDecoder(layer, 2)
        >>> decoder(torch.ones(5, 3, 8), torch.ones(7, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    __constants__ = ["norm"]

    def __init__(self, decoder_layer, num_layers, norm=None):
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal=None,
        memory_is_causal=False,
    ):
        """Apply the layers in turn; the arguments are those of `TransformerDecoderLayer`.

        `tgt_is_causal` is looked up in the mask if it is None.
        """
        batch_first = self.layers[0].self_attn.batch_first
        length = _sequence_length(tgt, batch_first)
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=_is_causal(tgt_mask, tgt_is_causal, length),
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """An encoder and a decoder (Vaswani et al., 2017).

    Args:
        d_model: The features of both sequences.
        nhead: The heads of the attentions.
        num_encoder_layers: The layers of the encoder.
        num_decoder_layers: The layers of the decoder.
        dim_feedforward: The features between the linear layers of each.
        dropout: The probability of dropping an element.
        activation: Between the linear layers: "relu", "gelu" or a function.
        custom_encoder: Takes the place of the encoder.
        custom_decoder: Takes the place of the decoder.
        layer_norm_eps: Added to variances.
        batch_first: The batch is the first axis, not the second.
        norm_first: Normalise before attentions and linear layers, not after.
        bias: Whether linear layers and normalisations have biases.
        device: Where the parameters live.
        dtype: Their type.

    Shape:
        Sequences (S, N, d_model) and (T, N, d_model), with `batch_first` N before S and T, or both
        without N. The output has the shape of the second.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
        >>> model(torch.ones(3, 7, 8), torch.ones(3, 5, 8)).shape
        torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        d_model=512,
        nhead=8,
        num_encoder_layers=6,
        num_decoder_layers=6,
        dim_feedforward=2048,
        dropout=0.1,
        activation=F.relu,
        custom_encoder=None,
        custom_decoder=None,
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        factory = {"bias": bias, "device": device, "dtype": dtype}
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        order = {"batch_first": batch_first, "norm_first": norm_first, **factory}

        def stack(kind, layer_kind, count):
            one = layer_kind(*layer, **order)
            return kind(one, count, LayerNorm(d_model, eps=layer_norm_eps, **factory))

        if custom_encoder is None:
            custom_encoder = stack(TransformerEncoder, TransformerEncoderLayer, num_encoder_layers)
        self.encoder = custom_encoder
        if custom_decoder is None:
            custom_decoder = stack(TransformerDecoder, TransformerDecoderLayer, num_decoder_layers)
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src,
        tgt,
        src_mask=None,
        tgt_mask=None,
        memory_mask=None,
        src_key_padding_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        src_is_causal=None,
        tgt_is_causal=None,
        memory_is_causal=False,
    ):
        """Encode `src`, and decode `tgt` with the result as memory.

        Args:
            src: (S, N, E), (N, S, E) with `batch_first`, or (S, E).
            tgt: (T, N, E) and so on.
            src_mask: See `attn_mask` of `MultiheadAttention`, for the encoder.
            tgt_mask: The same for the decoder's attention to itself.
            memory_mask: The same for its attention to the memory.
            src_key_padding_mask: See `key_padding_mask` there, for the encoder.
            tgt_key_padding_mask: The same for the decoder's attention to itself.
            memory_key_padding_mask: The same for its attention to the memory.
            src_is_causal: Says that `src_mask` is the causal one; looked up in it if None.
            tgt_is_causal: The same of `tgt_mask`.
            memory_is_causal: The same of `memory_mask`, not looked up.

        Returns:
            A tensor of the size of `tgt`.

        Raises:
            RuntimeError: If the sequences do not fit together.
        """
        if src.dim() == 3:
            batch = 0 if self.batch_first else 1
            if src.size(batch) != tgt.size(batch):
                raise RuntimeError("the batch number of src and tgt must be equal")
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=None):
        """The causal mask: minus infinity above the diagonal, zeros elsewhere.

        Args:
            sz: The length of the sequence.
            device: Where the mask lives.
            dtype: Its type.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
            tensor([[0., -inf],
                    [0., 0.]])
        """
        return _causal_mask(sz, device, dtype)

    def _reset_parameters(self):
        """Draw all matrices uniformly, see `init.xavier_uniform_`."""
        for parameter in self.parameters():
            if parameter.dim() > 1:
                xavier_uniform_(parameter)
