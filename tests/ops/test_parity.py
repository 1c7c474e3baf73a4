"""Every registered op against PyTorch on the same samples: values, dtypes, shapes, gradients."""

import numpy as np
import pytest

import flambeau
from flambeau.core.errors import DTypeError, UnsupportedError
from flambeau.core.registry import OPS
from flambeau.testing import samples_of
from flambeau.testing.suite import complex_samples

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")

DTYPES = ("float64", "float32", "complex128", "complex64", "int64", "bool", "bfloat16")


def oracle(op):
    """The torch function of the same name, or None where torch has none."""
    if op.info.torch == "":
        return None
    if op.info.torch is not None:
        target = torch
        for part in op.info.torch.split("."):
            target = getattr(target, part)
        return target
    for place in (torch, torch.nn.functional, torch.Tensor):
        if hasattr(place, op.name):
            return getattr(place, op.name)
    return None


def to_torch(value):
    if isinstance(value, flambeau.Tensor):
        if value.dtype == flambeau.bfloat16:
            return torch.tensor(value.tolist(), dtype=torch.bfloat16).reshape(tuple(value.shape))
        return torch.from_numpy(np.array(value.detach().numpy(), copy=True))
    if isinstance(value, (list, tuple)):
        return type(value)(to_torch(v) for v in value)
    if isinstance(value, flambeau.dtype):
        return getattr(torch, value.name)
    return value


def outputs(result):
    if isinstance(result, (flambeau.Tensor, torch.Tensor)):
        return [result]
    if isinstance(result, (tuple, list)):
        return [t for r in result for t in outputs(r)]
    return []


def compare(ours, theirs, call, op):
    a, b = outputs(ours), outputs(theirs)
    assert len(a) == len(b), call
    for x, y in zip(a, b, strict=True):
        assert tuple(x.shape) == tuple(y.shape), call
        assert str(x.dtype) == str(y.dtype), call
        found = np.array(x.tolist())
        expected = np.array(y.tolist())
        tolerance = tolerance_of(op, x.dtype.name)
        np.testing.assert_allclose(found, expected, **tolerance, err_msg=call, equal_nan=True)


def tolerance_of(op, dtype):
    if op.info.tolerance:
        return op.info.tolerance
    return {
        "float64": {"rtol": 1e-9, "atol": 1e-11},
        "complex128": {"rtol": 1e-9, "atol": 1e-11},
        "float32": {"rtol": 2e-5, "atol": 1e-6},
        "complex64": {"rtol": 2e-5, "atol": 1e-6},
        "bfloat16": {"rtol": 2e-2, "atol": 1e-2},
    }.get(dtype, {"rtol": 0, "atol": 0})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(OPS))
def test_values(name, dtype):
    op = OPS[name]
    function = oracle(op)
    if function is None:
        pytest.skip(f"torch has no {name}")
    try:
        samples = samples_of(op, getattr(flambeau, dtype))
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        pytest.skip(f"no samples in {dtype}: {error}")
    for sample in samples:
        call = f"{name}{sample} in {dtype}"
        theirs_call = type(sample)(
            tuple(to_torch(a) for a in sample.args),
            {k: to_torch(v) for k, v in sample.kwargs.items()},
        )
        try:
            theirs = function(*theirs_call.args, **theirs_call.kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError, NotImplementedError):
            if dtype in ("float64", "float32"):
                raise
            continue  # torch has no such kernel; ours may have one
        try:
            ours = op(*sample.args, **sample.kwargs)
        except (DTypeError, UnsupportedError):
            if dtype in ("float64", "float32"):
                raise
            continue  # ours has no kernel for this dtype, and says so
        compare(ours, theirs, call, op)


def start_of(output):
    """The gradient that backward starts from; complex, so that a missing conjugate shows."""
    return 0.5 - 0.25j if output.is_complex() else 0.5


def differentiable_samples(op, dtype):
    return complex_samples(op) if dtype == "complex128" else samples_of(op)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", sorted(n for n in OPS if OPS[n].info.rules))
def test_gradients(name, dtype):
    op = OPS[name]
    function = oracle(op)
    if function is None:
        pytest.skip(f"torch has no {name}")
    for sample in differentiable_samples(op, dtype):
        ours = sample.map(
            lambda t: t.clone().requires_grad_() if t.is_floating_point() or t.is_complex() else t
        )
        leaves = [t for t in ours.tensors() if t.requires_grad]
        if not leaves:
            continue
        mirror = {id(t): to_torch(t.detach()).requires_grad_() for t in leaves}

        def to_mirror(value, mirror=mirror):
            if isinstance(value, flambeau.Tensor):
                return mirror[id(value)] if id(value) in mirror else to_torch(value)
            if isinstance(value, (list, tuple)):
                return type(value)(to_mirror(v) for v in value)
            return to_torch(value)

        result = outputs(op(*ours.args, **ours.kwargs))
        try:
            theirs = function(
                *(to_mirror(a) for a in ours.args),
                **{k: to_mirror(v) for k, v in ours.kwargs.items()},
            )
        except (RuntimeError, NotImplementedError, UserWarning):
            if dtype == "float64":
                raise
            continue  # torch has no such kernel; ours has gradcheck as its judge
        expected = outputs(theirs)
        pairs = [(o, e) for o, e in zip(result, expected, strict=True) if o.requires_grad]
        if not pairs or not all(e.requires_grad for _, e in pairs):
            continue
        flambeau.autograd.backward(
            [o for o, _ in pairs],
            [flambeau.full(tuple(o.shape), start_of(o), dtype=o.dtype) for o, _ in pairs],
        )
        try:
            torch.autograd.backward(
                [e for _, e in pairs], [torch.full_like(e, start_of(e)) for _, e in pairs]
            )
        except (RuntimeError, UserWarning):
            if dtype == "float64":
                raise
            continue  # some rules of torch fail on real and complex inputs together
        for leaf in leaves:
            wanted = mirror[id(leaf)].grad
            if wanted is None:
                assert leaf.grad is None or not bool((leaf.grad != 0).any()), f"{name}{sample}"
                continue
            np.testing.assert_allclose(
                np.array(leaf.grad.tolist()),
                np.array((wanted + torch.zeros(())).tolist()),  # zeros may have no storage
                rtol=1e-7,
                atol=1e-9,
                err_msg=f"{name}{sample}",
            )
