"""Moving modules between dtypes and devices."""

from types import NoneType

from flambeau.__future__ import get_overwrite_module_params_on_conversion
from flambeau.core.device import device as Device
from flambeau.core.dtype import bfloat16, dtype, float16, float32, float64
from flambeau.core.grad_mode import no_grad
from flambeau.core.notices import warn
from flambeau.core.tensor import Tensor
from flambeau.nn.modules._registry import registry_of
from flambeau.nn.parameter import Parameter, is_lazy


class MoveMixin:
    """The part of `Module` that converts all its tensors at once."""

    def _apply(self, fn, recurse=True):
        """Replace every parameter, gradient and buffer by `fn` of it, keeping the objects."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        anew = get_overwrite_module_params_on_conversion()
        for name, parameter in list(self._parameters.items()):
            if parameter is None:
                continue
            with no_grad():
                values, gradient = fn(parameter), parameter.grad
                if anew:
                    parameter = Parameter(values, parameter.requires_grad)
                    registry_of(self, "_parameters")[name] = parameter
                    if gradient is not None:
                        parameter.grad = fn(gradient).requires_grad_(gradient.requires_grad)
                else:
                    parameter.data = values
                    if gradient is not None:
                        gradient.data = fn(gradient)
        buffers = registry_of(self, "_buffers")
        for name, buffer in list(buffers.items()):
            if buffer is not None:
                buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """Move the module in place.

        Called as `to(device)`, `to(dtype)`, `to(device, dtype)` or `to(tensor)`, each with
        `non_blocking=False` and `memory_format=None`. Integer tensors keep their dtype.

        Returns:
            The module.

        Raises:
            TypeError: If the dtype is neither floating point nor complex.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 3).to(torch.float64).weight.dtype
            torch.float64
        """
        target = _parse_to(args, kwargs)
        wanted = target["dtype"]
        if wanted is not None and not (wanted.is_floating_point or wanted.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={wanted}"
            )
        if wanted is not None and wanted.is_complex:
            warn(
                "Complex modules are a new feature under active development whose design may "
                "change, and some modules might not work as expected when using complex tensors as "
                "parameters or buffers."
            )
        memory_format = target.pop("memory_format")
        fixed = {name: value for name, value in target.items() if value is not None}
        without_dtype = {name: value for name, value in fixed.items() if name != "dtype"}

        def convert(tensor):
            _require_values(tensor, target["device"])
            is_real = tensor.is_floating_point() or tensor.is_complex()
            options = fixed if is_real else without_dtype
            if memory_format is not None and tensor.dim() in (4, 5):
                return tensor.to(**options, memory_format=memory_format)
            return tensor.to(**options)

        return self._apply(convert)

    def to_empty(self, *, device, recurse=True):
        """Move the module to `device` without copying values: its tensors hold garbage after.

        Args:
            device: The device.
            recurse: Move the modules below too.

        Returns:
            The module.

        Raises:
            ValueError: If a tensor of the module has no sizes yet.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 3, device="meta")
            >>> layer.to_empty(device="cpu").weight.shape
            torch.Size([3, 2])
        """
        from flambeau.ops.creation import empty_like

        def emptied(tensor):
            # A lazy one has no size to be empty in: its method tells.
            return tensor.new_empty(()) if is_lazy(tensor) else empty_like(tensor, device=device)

        return self._apply(emptied, recurse=recurse)

    def cpu(self):
        """Move the module to the CPU, in place.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 3).cpu().weight.device
            device(type='cpu')
        """
        return self._apply(lambda tensor: tensor.cpu())

    def cuda(self, device=None):
        """Move the module to a CUDA device, in place.

        Args:
            device: Which one, a number or a device; the current one if None.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 3)
            >>> if torch.cuda.is_available():
            ...     layer = layer.cuda()
            >>> layer(torch.ones(2, device=layer.weight.device)).shape
            torch.Size([3])
        """
        return self._apply(lambda tensor: tensor.cuda(device))

    def type(self, dst_type):
        """Convert every parameter and buffer, integers too, to `dst_type`, in place.

        Args:
            dst_type: A dtype.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 3).type(torch.float64).bias.dtype
            torch.float64
        """
        return self._apply(lambda tensor: tensor.type(dst_type))

    def float(self):
        """Convert floating-point parameters and buffers to float32, in place.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 3, dtype=torch.float64).float().weight.dtype
            torch.float32
        """
        return self._to_floating(float32)

    def double(self):
        """Convert floating-point parameters and buffers to float64, in place.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> norm = torch.nn.BatchNorm1d(2).double()
            >>> norm.weight.dtype, norm.num_batches_tracked.dtype  # integers stay
            (torch.float64, torch.int64)
        """
        return self._to_floating(float64)

    def half(self):
        """Convert floating-point parameters and buffers to float16, in place.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 3).half().weight.dtype
            torch.float16
        """
        return self._to_floating(float16)

    def bfloat16(self):
        """Convert floating-point parameters and buffers to bfloat16, in place.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 3).bfloat16().weight.dtype
            torch.bfloat16
        """
        return self._to_floating(bfloat16)

    def _to_floating(self, wanted):
        return self._apply(
            lambda tensor: tensor.to(wanted) if tensor.is_floating_point() else tensor
        )

    def share_memory(self):
        """Move every parameter and buffer into shared memory, in place.

        Returns:
            The module.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 3).share_memory().weight.is_shared()
            True
        """
        return self._apply(lambda tensor: tensor.share_memory_())


def _require_values(tensor, device):
    if tensor.is_meta and device is not None and device.type != "meta":
        raise NotImplementedError(
            "Cannot copy out of meta tensor; no data! Please use torch.nn.Module.to_empty() instead"
            " of torch.nn.Module.to() when moving module from meta to a different device."
        )


def _parse_to(args, kwargs):
    """The keyword arguments of `Tensor.to` that the several call forms of `to` stand for."""
    target = {"device": None, "dtype": None, "non_blocking": None, "memory_format": None}
    args = list(args)
    if args and isinstance(args[0], Tensor):
        like = args.pop(0)
        target.update(device=like.device, dtype=like.dtype)
    elif args and args[0] is None:
        args.pop(0)
    elif args and isinstance(args[0], (Device, str, int)) and not isinstance(args[0], bool):
        target["device"] = Device(args.pop(0))
    if args and (args[0] is None or isinstance(args[0], dtype)):
        target["dtype"] = args.pop(0) or target["dtype"]
    if args and isinstance(args[0], bool):
        target["non_blocking"] = args.pop(0)
    if args:
        raise TypeError(
            "to() received an invalid combination of arguments: expected a device, a dtype or a "
            f"tensor, then non_blocking: got {type(args[0]).__name__}"
        )
    if isinstance(kwargs.get("tensor"), Tensor):
        kwargs = dict(kwargs)
        like = kwargs.pop("tensor")
        target.update(device=like.device, dtype=like.dtype)
    for name, value in kwargs.items():
        if name not in target:
            raise TypeError(f"to() got an unexpected keyword argument '{name}'")
        target[name] = Device(value) if name == "device" and value is not None else value
    if not isinstance(target["dtype"], (dtype, NoneType)):
        raise TypeError(
            "to() received an invalid combination of arguments: dtype must be a dtype: got "
            f"{type(target['dtype']).__name__}"
        )
    return target
