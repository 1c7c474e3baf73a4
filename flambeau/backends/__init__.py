"""The door to the kernels: `kernels(tensor)` gives the backend of the tensor's device."""

from __future__ import annotations

from flambeau.backends import cpu, meta

TYPE_CHECKING = False  # see core/registry.py
if TYPE_CHECKING:
    from typing import Any

_SWITCHES = ("cuda", "cudnn", "mha", "mkl", "mkldnn", "mps", "openmp", "opt_einsum")


def __getattr__(name):
    """The modules of switches that programs set load when they are named."""
    if name in _SWITCHES:
        from importlib import import_module

        return import_module(f"flambeau.backends.{name}")
    raise AttributeError(f"module 'flambeau.backends' has no attribute '{name}'")


def kernels(tensor: Any) -> Any:
    """The kernels that compute on the device of `tensor`.

    Raises:
        DeviceError: if no backend computes there.
        TypeError: if it is not a tensor.
    """
    try:
        if tensor.is_cpu:
            return cpu
    except AttributeError:
        raise TypeError(f"expected a Tensor, got {type(tensor).__name__}") from None
    if tensor.device.type == "meta":
        return meta
    from flambeau.core.errors import DeviceError

    raise DeviceError(f"no kernels for device '{tensor.device}'")


def on(device: Any) -> Any:
    """The kernels that compute on a device, for tensors that do not exist yet.

    Raises:
        DeviceError: if no backend computes there.
    """
    if device.type == "cpu":
        return cpu
    if device.type == "meta":
        return meta
    from flambeau.core.errors import DeviceError

    raise DeviceError(f"no kernels for device '{device}'")
