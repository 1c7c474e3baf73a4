"""The forward derivative of every differentiable op is the transpose of its gradient rule."""

import pytest

import flambeau
from flambeau import func
from flambeau.core.registry import OPS
from flambeau.core.tensor import Tensor
from flambeau.testing import assert_close, samples_of

# An op without a batching rule runs in a loop, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")

DIFFERENTIABLE = sorted(name for name, op in OPS.items() if op.info.rules and op.info.gradcheck)


def _outputs(result):
    if isinstance(result, Tensor):
        return [result]
    return [] if result is None else [t for part in result for t in _outputs(part)]


def _calls(name, seed=0):
    """Functions of the floating point tensors of each sample call, and these tensors."""
    op = OPS[name]
    for sample in samples_of(op, seed=seed):
        own = [t for t in sample.tensors() if t.dtype.is_floating_point or t.dtype.is_complex]

        def function(*values, sample=sample, own=own):
            replace = {id(old): new for old, new in zip(own, values, strict=True)}
            call = sample.map(lambda t: replace.get(id(t), t))
            found = _outputs(op(*call.args, **call.kwargs))
            return tuple(t for t in found if t.dtype.is_floating_point or t.dtype.is_complex)

        if own and all(x.numel() for x in own):
            yield f"{name}{sample}", function, own


def _inner(a, b):
    """The real inner product that gradients refer to."""
    product = a.conj() * b if a.dtype.is_complex else a * b
    return product.sum().real if product.dtype.is_complex else product.sum()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_jvp(name):
    flambeau.manual_seed(0)
    for call, function, own in _calls(name):
        directions = tuple(flambeau.randn_like(x) for x in own)
        try:
            out, tangents = func.jvp(function, tuple(own), directions)
            _, pull = func.vjp(function, *own)
            weights = tuple(flambeau.randn_like(t) for t in out)
            pulled = pull(weights)
            forward = sum(_inner(w, t) for w, t in zip(weights, tangents, strict=True))
            backward = sum(_inner(g, d) for g, d in zip(pulled, directions, strict=True))
            for value, tangent in zip(out, tangents, strict=True):
                assert tangent.shape == value.shape
                assert tangent.dtype == value.dtype
            assert_close(forward, backward, equal_nan=True)
        except Exception as error:
            error.add_note(call)
            raise


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_nested(name):
    """Forward over reverse equals reverse over reverse, and both may be batched."""
    flambeau.manual_seed(0)
    for call, function, own in list(_calls(name))[:3]:
        weights = [flambeau.randn_like(t) for t in function(*own)]

        def scalar(*values, function=function, weights=weights):
            terms = [_inner(w, t * t) for w, t in zip(weights, function(*values), strict=True)]
            return sum(terms)

        numbers = tuple(range(len(own)))
        directions = tuple(flambeau.randn_like(x) for x in own)
        try:
            gradient = func.grad(scalar, numbers)
            _, forward = func.jvp(gradient, tuple(own), directions)
            _, pull = func.vjp(gradient, *own)
            backward = pull(tuple(directions))
            for f, b in zip(forward, backward, strict=True):
                assert_close(f, b, equal_nan=True)
            batch = tuple(flambeau.stack([x, x]) for x in own)
            found = func.vmap(gradient)(*batch)
            for f, g in zip(found, gradient(*own), strict=True):
                assert_close(f, flambeau.stack([g, g]), equal_nan=True)
        except Exception as error:
            error.add_note(call)
            raise
