"""Results of torch beside those of flambeau."""

import numpy as np
from twins import Twins, array, torch

import flambeau

#: Relative and absolute; others are exact.
TOLERANCES = {
    torch.float64: 1e-7,
    torch.complex128: 1e-7,
    torch.float32: 1e-4,
    torch.complex64: 1e-4,
}


def tensors_in(result):
    """The tensors of a result of either library, in order."""
    if isinstance(result, (torch.Tensor, flambeau.Tensor)):
        return [result]
    if isinstance(result, dict):
        result = result.values()
    elif not isinstance(result, (list, tuple)):
        return []
    return [t for part in result for t in tensors_in(part)]


def compare(expected, actual, looser=1):
    """Values, shapes and dtypes of two lists of tensors."""
    assert len(expected) == len(actual)
    for wanted, found in zip(expected, actual, strict=True):
        assert tuple(found.shape) == tuple(wanted.shape)
        assert str(found.dtype) == str(wanted.dtype)
        if wanted.layout == torch.strided and not wanted.is_meta:
            tolerance = looser * TOLERANCES.get(wanted.dtype, 0)
            np.testing.assert_allclose(
                array(found), array(wanted), rtol=tolerance, atol=tolerance, equal_nan=True
            )


def outcome(call):
    """What a call returns, or the exception it raises; random numbers start anew."""
    torch.manual_seed(0)
    flambeau.manual_seed(0)
    try:
        return call()
    except Exception as error:
        return error


def both_raise(expected, actual):
    """Whether the outcomes of both are exceptions; one alone fails the test."""
    raised = [isinstance(each, Exception) for each in (expected, actual)]
    assert raised[0] == raised[1], f"torch: {expected!r}, flambeau: {actual!r}"
    return raised[0]


def compare_gradients(expected, actual, leaves, second=True):
    """First and second gradients of two results for the same incoming gradients.

    Args:
        expected: What torch computed.
        actual: What flambeau computed.
        leaves: Pairs of what both are differentiated by.
        second: Whether there are second gradients.
    """
    wanted = [t for t in tensors_in(expected) if t.requires_grad]
    found = [t for t in tensors_in(actual) if t.requires_grad]
    assert len(wanted) == len(found)
    for _ in range(1 + second):
        if not wanted or not leaves:
            return
        given = [_incoming(t, second) for t in wanted]
        options = {"create_graph": second, "allow_unused": True}
        theirs_in, ours_in = zip(*leaves, strict=True)
        theirs_out, ours_out = zip(*given, strict=True)
        try:
            theirs = torch.autograd.grad(wanted, theirs_in, theirs_out, **options)
        except RuntimeError as error:
            if "is not implemented" in str(error):  # torch has no second gradient
                return
            raise
        ours = flambeau.autograd.grad(found, ours_in, ours_out, **options)
        pairs = [_filled(*p) for p in zip(theirs, ours, leaves, strict=True)]
        compare([a for a, _ in pairs], [b for _, b in pairs], looser=10)
        pairs = [(a, b) for a, b in pairs if a.requires_grad and b.requires_grad]
        wanted, found = [a for a, _ in pairs], [b for _, b in pairs]
        leaves, second = leaves + given, False


def _filled(theirs, ours, leaves):
    """The gradients of an input in both libraries, zeros standing for none."""
    theirs = torch.zeros_like(leaves[0]) if theirs is None else theirs
    return theirs, flambeau.zeros_like(leaves[1]) if ours is None else ours


def _incoming(like, requires_grad):
    """An incoming gradient for an output, for both libraries."""
    draw = np.random.default_rng(like.numel())
    values = draw.standard_normal(tuple(like.shape))
    if like.is_complex():
        values = values + 1j * draw.standard_normal(tuple(like.shape))
    theirs = torch.from_numpy(np.asarray(values)).to(like.dtype).requires_grad_(requires_grad)
    return theirs, Twins().of(theirs)
