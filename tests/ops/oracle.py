"""Calling a function of flambeau and its namesake in PyTorch with the same numbers."""

import numpy as np

import flambeau
import flambeau.autograd


def mirror(torch, value):
    """The same value for PyTorch; NumPy arrays stand for tensors."""
    return torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def ours(value):
    """The same value for flambeau."""
    return flambeau.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value


def flat(result):
    """The tensors of a result, in order."""
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in flat(part)]
    return [result]


def compare(actual, expected, rtol=1e-9, atol=1e-11):
    """Values, shapes and dtypes of two results."""
    found, wanted = flat(actual), flat(expected)
    assert len(found) == len(wanted)
    for a, e in zip(found, wanted, strict=True):
        assert tuple(a.shape) == tuple(e.shape)
        assert str(a.dtype) == str(e.dtype)
        np.testing.assert_allclose(
            np.array(a.tolist()), np.array(e.tolist()), rtol=rtol, atol=atol, equal_nan=True
        )


def check_parity(torch, function, namesake, arguments, keywords=None, wanting=(), **tolerance):
    """Values, and gradients of the arguments whose places `wanting` names."""
    keywords = keywords or {}
    here = [ours(a) for a in arguments]
    there = [mirror(torch, a) for a in arguments]
    for k in wanting:
        here[k].requires_grad = True
        there[k].requires_grad_(True)
    actual = function(*here, **{k: ours(v) for k, v in keywords.items()})
    expected = namesake(*there, **{k: mirror(torch, v) for k, v in keywords.items()})
    compare(actual, expected, **tolerance)
    for k in wanting:
        found = flambeau.autograd.grad(_total(actual), here[k], retain_graph=True)[0]
        wanted = torch.autograd.grad(_total(expected), there[k], retain_graph=True)[0]
        compare(found, wanted, **tolerance)


def _total(result):
    """One number that depends on every differentiable element, each in another way."""
    total = None
    for part in flat(result):
        if part.requires_grad:
            term = (part * part + part).sum()
            total = term if total is None else total + term
    return total
