"""Twins: what a value or a function of torch is in flambeau."""

import functools
import types

import numpy as np
import pytest

import flambeau
import flambeau.nn.functional

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

_SPACES = [
    (torch, flambeau),
    (torch.nn.functional, flambeau.nn.functional),
    (torch.linalg, flambeau.linalg),
    (torch.special, flambeau.special),
    (torch.fft, flambeau.fft),
    (torch.Tensor, flambeau.Tensor),
    (torch.nn, flambeau.nn),
]
_BITS = {2: torch.int16}  # dtypes that NumPy lacks travel as integers


class NoTwin(Exception):
    """flambeau has nothing of the kind."""


class Twins:
    """The flambeau twins of the arguments of one call: a tensor that comes twice has one twin."""

    def __init__(self):
        self.tensors = {}  # id: (torch's tensor, its twin)

    def of(self, value):
        """The same value for flambeau; tensors keep strides, views of conjugates and leaves."""
        if isinstance(value, torch.Tensor):
            if id(value) not in self.tensors:
                self.tensors[id(value)] = value, _tensor(value)
            return self.tensors[id(value)][1]
        if isinstance(value, (list, tuple)):
            made = [self.of(v) for v in value]
            return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
        if isinstance(value, dict):
            return {k: self.of(v) for k, v in value.items()}
        if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
            return _named(str(value).removeprefix("torch."))
        if isinstance(value, torch.device):
            return flambeau.device(str(value))
        if isinstance(value, torch.Generator):
            raise NoTwin("a generator in an unknown state")
        if callable(value) and str(getattr(value, "__module__", "")).startswith("torch"):
            return function_twin(value)
        return value

    def leaves(self):
        """Pairs of the tensors that require gradients."""
        return [pair for pair in self.tensors.values() if pair[0].requires_grad]


def _named(name):
    if not hasattr(flambeau, name):
        raise NoTwin(name)
    return getattr(flambeau, name)


def _tensor(value):
    if value.layout != torch.strided or value.is_quantized or value.ndim > 64:
        raise NoTwin(f"{value.layout} of {value.ndim} axes")
    dtype = _named(str(value.dtype).removeprefix("torch."))
    sizes, strides = tuple(value.shape), value.stride()
    if value.is_meta:
        return flambeau.empty_strided(sizes, strides, dtype=dtype, device="meta")
    plain = value.detach()
    if plain._is_zerotensor():
        plain = plain.clone()
    if plain.numel() == 0:
        made = flambeau.empty_strided(sizes, strides, dtype=dtype)
    else:
        extent = 1 + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        memory = torch.empty(0, dtype=plain.dtype).set_(
            plain.untyped_storage(), plain.storage_offset(), (extent,), (1,)
        )
        made = _from_memory(memory, dtype).as_strided(sizes, strides)
        if plain.is_conj():
            made = made.conj()
        if plain.is_neg():
            made = made._neg_view()
    return made.detach().requires_grad_(value.requires_grad)


def _from_memory(memory, dtype):
    if memory.dtype in (torch.bfloat16, torch.float16):
        return flambeau.from_numpy(memory.view(torch.int16).numpy().copy()).view(dtype)
    return flambeau.from_numpy(memory.numpy().copy())


def array(tensor):
    """The values of a tensor of either library for NumPy."""
    tensor = tensor.detach().resolve_conj().resolve_neg()
    if isinstance(tensor, torch.Tensor) and tensor._is_zerotensor():
        return np.zeros(tuple(tensor.shape))
    if str(tensor.dtype) in ("torch.bfloat16", "torch.float16"):
        tensor = tensor.float()
    return tensor.numpy()


def function_twin(function):
    """The function of the same public name; of a function that calls such ones, its twin."""
    if isinstance(function, functools.partial):
        twins = Twins()
        return functools.partial(
            function_twin(function.func), *twins.of(function.args), **twins.of(function.keywords)
        )
    name = getattr(function, "__name__", None)
    for space, own in _SPACES:
        if name and getattr(space, name, None) is function:
            if not hasattr(own, name):
                raise NoTwin(name)
            return getattr(own, name)
    if isinstance(function, types.FunctionType):
        return _rebuilt(function)
    raise NoTwin(str(function))


@functools.cache
def _rebuilt(function):
    """The same code, with flambeau where it says torch."""
    spaces = {id(space): own for space, own in _SPACES}
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        value = names.get(name)
        if name == "freeze_rng_state":
            names[name] = flambeau.random.fork_rng
        elif id(value) in spaces:
            names[name] = spaces[id(value)]
        elif isinstance(value, types.FunctionType) and value is not function:
            names[name] = function_twin(value)
    twins = Twins()
    cells = tuple(types.CellType(twins.of(c.cell_contents)) for c in function.__closure__ or ())
    made = types.FunctionType(
        function.__code__, names, function.__name__, twins.of(function.__defaults__), cells
    )
    made.__kwdefaults__ = twins.of(function.__kwdefaults__)
    return made
