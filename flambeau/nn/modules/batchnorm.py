"""Batch normalisation."""

from flambeau.core.dtype import int64
from flambeau.core.errors import ArgumentValueError
from flambeau.nn import functional as F
from flambeau.nn import init
from flambeau.nn.modules.lazy import LazyModuleMixin
from flambeau.nn.modules.module import Module
from flambeau.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from flambeau.ops.creation import empty, ones, zeros
from flambeau.ops.values import tensor

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _NormBase(Module):
    """The tensors of a normalisation of channels: scale, shift and running statistics."""

    # Version 2 added num_batches_tracked.
    _version = 2
    __constants__ = ["track_running_stats", "momentum", "eps", "num_features", "affine"]

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            parameter = None
            if wanted:
                parameter = Parameter(empty(num_features, device=device, dtype=dtype))
            self.register_parameter(name, parameter)
        if track_running_stats:
            self.register_buffer("running_mean", zeros(num_features, device=device, dtype=dtype))
            self.register_buffer("running_var", ones(num_features, device=device, dtype=dtype))
            self.register_buffer("num_batches_tracked", tensor(0, dtype=int64, device=device))
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self):
        """Forget the batches seen so far."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self):
        """Set the running statistics, the scale and the shift to their first values."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        version = local_metadata.get("version", None)
        if (version is None or version < 2) and self.track_running_stats:
            # The counter did not exist before version 2.
            counter = self.num_batches_tracked
            start = tensor(0, dtype=int64) if counter is None else counter
            state_dict.setdefault(prefix + "num_batches_tracked", start)
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )

    def extra_repr(self):
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    """Normalisation of each channel over the batch and all positions (Ioffe & Szegedy, 2015).

    `(x - mean) / sqrt(variance + eps)`, times a learned scale, plus a learned shift: mean and
    variance of the batch in training, of all batches so far in evaluation mode.

    Args:
        num_features: The number of channels.
        eps: Added to the variance.
        momentum: The weight of a new batch in the running statistics; None for their plain mean
            over all batches.
        affine: Whether a learned scale and shift follow.
        track_running_stats: Whether running statistics are kept and used in evaluation mode.
        device: Where the tensors live.
        dtype: Their type.
        bias: Whether the shift is there (with `affine`).
    """

    def forward(self, input):
        """Apply the layer."""
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        training = self.training
        mean, variance = self.running_mean, self.running_var
        if training and self.track_running_stats:
            batches = self.num_batches_tracked
            if batches is not None:
                batches.add_(1)
                if self.momentum is None:
                    momentum = 1.0 / float(batches)
        elif not training and mean is None and variance is None:
            # Without running statistics, those of the batch serve in evaluation mode too.
            training = True
        elif training:
            mean = variance = None
        return F.batch_norm(
            input, mean, variance, self.weight, self.bias, training, momentum, self.eps
        )


class BatchNorm1d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shape:
        (N, C) or (N, C, L); the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has another number of dimensions, or in training has
            only one value per channel.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.BatchNorm1d(2)
        >>> layer(torch.tensor([[1.0, 10.0], [3.0, 30.0]])).detach().round()
        tensor([[-1., -1.],
                [ 1.,  1.]])
        >>> layer.running_mean  # a tenth of the way from 0 to the means of the batch
        tensor([0.2000, 2.0000])
    """

    def _check_input_dim(self, input):
        if input.dim() not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class BatchNorm2d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shape:
        (N, C, H, W); the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has another number of dimensions, or in training has
            only one value per channel.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.BatchNorm2d(3, momentum=None)
        >>> for brightness in (1.0, 5.0):
        ...     result = layer(torch.full((2, 3, 4, 4), brightness))
        >>> layer.running_mean
        tensor([3., 3., 3.])
    """

    def _check_input_dim(self, input):
        if input.dim() != 4:
            raise ValueError(f"expected 4D input (got {input.dim()}D input)")


class BatchNorm3d(_BatchNorm):
    __doc__ = f"""{_BatchNorm.__doc__}
    Shape:
        (N, C, D, H, W); the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has another number of dimensions, or in training has
            only one value per channel.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.BatchNorm3d(2, eps=0.0).eval()
        >>> layer.running_mean.fill_(1.0)
        tensor([1., 1.])
        >>> layer(torch.full((1, 2, 1, 1, 1), 5.0)).detach().flatten()
        tensor([4., 4.])
    """

    def _check_input_dim(self, input):
        if input.dim() != 5:
            raise ValueError(f"expected 5D input (got {input.dim()}D input)")


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation over the batches of all processes of a group.

    flambeau computes in one process, whose batch is the whole one: this is the other layers' batch
    normalisation for inputs `(N, C)` and `(N, C, ...)`.

    Args:
        num_features: The number of channels.
        eps: Added to the variance.
        momentum: The weight of a new batch in the running statistics; None for their plain mean
            over all batches.
        affine: Whether a learned scale and shift follow.
        track_running_stats: Whether running statistics are kept and used in evaluation mode.
        process_group: Kept, for programs that ask for it.
        device: Where the tensors live.
        dtype: Their type.
        bias: Whether the shift is there (with `affine`).

    Shape:
        (N, C) or (N, C, ...); the output has the shape of the input.

    Raises:
        ValueError: When called, if the input has fewer than two dimensions or no channels.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.SyncBatchNorm(2)
        >>> layer(torch.tensor([[1.0, 10.0], [3.0, 30.0]])).detach().round()
        tensor([[-1., -1.],
                [ 1.,  1.]])
    """

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        process_group=None,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def _check_input_dim(self, input):
        if input.dim() < 2:
            raise ArgumentValueError(f"expected at least 2D input (got {input.dim()}D input)")
        if input.size(1) == 0:
            raise ArgumentValueError("SyncBatchNorm number of input channels should be non-zero")

    @classmethod
    def convert_sync_batchnorm(cls, module, process_group=None):
        """Put a `SyncBatchNorm` in the place of every `BatchNorm*d` in `module`.

        Args:
            module: The module.
            process_group: What the new layers keep.

        Returns:
            The module; a new layer if it is itself a batch normalisation. New layers have the
            parameters and buffers of the old ones.

        Example:
            >>> import flambeau as torch
            >>> model = torch.nn.Sequential(torch.nn.BatchNorm1d(3))
            >>> type(torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)[0]).__name__
            'SyncBatchNorm'
        """
        converted = module
        if isinstance(module, _BatchNorm):
            converted = cls(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            converted.training = module.training
            for kind in ("_parameters", "_buffers"):
                getattr(converted, kind).update(getattr(module, kind))
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """A normalisation whose number of channels is that of the first input.

    Args:
        eps: Added to the variance.
        momentum: The weight of a new batch in the running statistics; None for their plain mean
            over all batches.
        affine: Whether a learned scale and shift follow.
        track_running_stats: Whether running statistics are kept and used in evaluation mode.
        device: Where the tensors live.
        dtype: Their type.
        bias: Whether the shift is there (with `affine`).
    """

    def __init__(
        self,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
        *,
        bias=True,
    ):
        # Without a shift or statistics of its own, the base has nothing to make for no channels.
        super().__init__(0, eps, momentum, False, False, device, dtype)
        self.affine = affine
        self.track_running_stats = track_running_stats
        factory = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**factory)
            if bias:
                self.bias = UninitializedParameter(**factory)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**factory)
            self.running_var = UninitializedBuffer(**factory)
            self.num_batches_tracked = tensor(0, dtype=int64, device=device)

    def reset_parameters(self):
        """Set all tensors to their first values once they have sizes."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input):
        """Make all tensors fit the channels of `input`."""
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for name in ("weight", "bias", "running_mean", "running_var"):
                channels = getattr(self, name)
                if channels is not None:
                    channels.materialize((self.num_features,))
            self.reset_parameters()


def _lazy_documentation(name, sizes):
    """The docstring of a lazy layer that becomes a `name`, with an input of the sizes `sizes`."""
    return f"""{_LazyNormBase.__doc__}
    Shape:
        As of `{name}`, the class that the layer becomes with its first input.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Lazy{name}()
        >>> result = layer(torch.ones({sizes}))
        >>> layer.num_features, type(layer).__name__
        (3, '{name}')
    """


class LazyBatchNorm1d(_LazyNormBase, BatchNorm1d):
    __doc__ = _lazy_documentation("BatchNorm1d", "2, 3")
    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, BatchNorm2d):
    __doc__ = _lazy_documentation("BatchNorm2d", "2, 3, 4, 4")
    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, BatchNorm3d):
    __doc__ = _lazy_documentation("BatchNorm3d", "2, 3, 4, 4, 4")
    cls_to_become = BatchNorm3d
