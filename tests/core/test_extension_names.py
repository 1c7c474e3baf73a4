"""Names of `torch._C` that programs call."""

import pytest

import flambeau


def test_what_pytorchs_own_modules_call_is_there():
    extension = flambeau._C
    before = flambeau.is_grad_enabled()
    extension._set_grad_enabled(False)
    assert not flambeau.is_grad_enabled()
    extension._set_grad_enabled(before)
    assert extension._show_config() == flambeau.__config__.show()
    assert extension._parallel_info() == flambeau.__config__.parallel_info()
    assert issubclass(flambeau.Tensor, extension._TensorBase)
    assert extension._VariableFunctions.einsum is flambeau.einsum
    assert extension._log_api_usage_once("an event") is None
    assert (extension.has_mkl, extension.has_cudnn) == (flambeau.backends.mkl.is_available(), False)
    assert not hasattr(extension, "_c10d_init")
    with pytest.raises(AttributeError, match="no_such"):
        extension._VariableFunctions.no_such  # noqa: B018
