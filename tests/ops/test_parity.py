"""Every registered op against PyTorch on the same samples: values, dtypes, shapes, gradients."""

import numpy as np
import pytest

import flambeau
from flambeau.core.errors import DTypeError, ShapeError, UnsupportedError
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


@pytest.mark.parametrize("dtype", ["float32", "int64", "complex64", "bfloat16"])
@pytest.mark.parametrize("name", sorted(n for n in OPS if OPS[n].info.inplace))
def test_in_place(name, dtype):
    """The in-place method against PyTorch's: what is written, and when it refuses."""
    op = OPS[name]
    method = getattr(torch.Tensor, f"{name}_", None)
    if method is None:
        pytest.skip(f"torch has no Tensor.{name}_")
    try:
        samples = samples_of(op, getattr(flambeau, dtype))
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        pytest.skip(f"no samples in {dtype}: {error}")
    for sample in samples:
        call = f"{name}_{sample} in {dtype}"
        ours = sample.map(lambda t: t.clone())
        theirs = type(sample)(
            tuple(to_torch(a) for a in ours.args), {k: to_torch(v) for k, v in ours.kwargs.items()}
        )
        try:
            method(*theirs.args, **theirs.kwargs)
        except RuntimeError as refusal:
            if "not implemented for" in str(refusal):
                continue  # torch has no such kernel; ours may have one
            with pytest.raises(type(refusal)):
                op.inplace(*ours.args, **ours.kwargs)
            continue
        try:
            op.inplace(*ours.args, **ours.kwargs)
        except (DTypeError, UnsupportedError, ShapeError):
            if dtype == "float32":
                raise
            continue  # ours has no such kernel and says so; torch's 16-bit addbmm_ resizes
        compare(ours.args[0], theirs.args[0], call, op)


# ---- gradients ----


def weights_of(output):
    """What backward starts from; complex where it can be, so that a missing conjugate shows."""
    weights = flambeau.linspace(0.3, 0.7, output.numel(), dtype=flambeau.float64)
    weights = weights.reshape(tuple(output.shape))
    return (weights * (1 - 0.5j) if output.is_complex() else weights).to(output.dtype)


def differentiable_samples(op, dtype):
    return complex_samples(op) if dtype == "complex128" else samples_of(op)


def called_with_leaves(op, function, sample):
    """Outputs and leaves of a call in flambeau and in torch, of what is differentiable in both."""
    ours = sample.map(
        lambda t: t.clone().requires_grad_() if t.is_floating_point() or t.is_complex() else t
    )
    leaves = [t for t in ours.tensors() if t.requires_grad]
    mirror = {id(t): to_torch(t.detach()).requires_grad_() for t in leaves}

    def mirrored(value):
        if isinstance(value, (list, tuple)):
            return type(value)(mirrored(v) for v in value)
        return mirror[id(value)] if id(value) in mirror else to_torch(value)

    theirs = function(
        *(mirrored(a) for a in ours.args), **{k: mirrored(v) for k, v in ours.kwargs.items()}
    )
    results = zip(outputs(op(*ours.args, **ours.kwargs)), outputs(theirs), strict=True)
    pairs = [(o, e) for o, e in results if o.requires_grad]
    if not all(e.requires_grad for _, e in pairs):
        pairs = []
    return pairs, leaves, [mirror[id(t)] for t in leaves]


def gradients(library, results, leaves, weights, create_graph):
    """The gradients of leaves, zeros where there are none."""
    found = library.autograd.grad(
        results, leaves, weights, create_graph=create_graph, allow_unused=True
    )
    return [library.zeros_like(x) if g is None else g for g, x in zip(found, leaves, strict=True)]


SINGLE = (flambeau.float32, flambeau.complex64)


def same_gradients(ours, theirs, call):
    for found, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(
            np.array(found.tolist()),
            np.array((expected + torch.zeros(())).tolist()),  # zeros may have no storage
            **(
                {"rtol": 1e-5, "atol": 1e-6}
                if found.dtype in SINGLE
                else {"rtol": 1e-7, "atol": 1e-9}
            ),
            err_msg=call,
        )


def compare_second(ours, theirs, leaves, mirrors, call):
    """The gradients of gradients, of those that both libraries can derive again."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.requires_grad]
    if not pairs or not all(b.requires_grad for _, b in pairs):
        return
    weights = [weights_of(a.detach()) for a, _ in pairs]
    try:
        expected = gradients(
            torch, [b for _, b in pairs], mirrors, [to_torch(w) for w in weights], False
        )
    except (RuntimeError, NotImplementedError):
        return  # torch derives no second gradient here; ours has gradgradcheck as its judge
    found = gradients(flambeau, [a for a, _ in pairs], leaves, weights, False)
    same_gradients(found, expected, f"second gradient of {call}")


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", sorted(n for n in OPS if OPS[n].info.rules))
def test_gradients(name, dtype):
    op = OPS[name]
    function = oracle(op)
    if function is None:
        pytest.skip(f"torch has no {name}")
    for sample in differentiable_samples(op, dtype):
        call = f"{name}{sample}"
        try:
            pairs, leaves, mirrors = called_with_leaves(op, function, sample)
            if not pairs:
                continue
            weights = [weights_of(o.detach()) for o, _ in pairs]
            expected = gradients(
                torch, [e for _, e in pairs], mirrors, [to_torch(w) for w in weights], True
            )
        except (RuntimeError, NotImplementedError, UserWarning):
            if dtype == "float64":
                raise
            continue  # torch has no such kernel or rule; ours has gradcheck as its judge
        found = gradients(flambeau, [o for o, _ in pairs], leaves, weights, True)
        same_gradients([g.detach() for g in found], [g.detach() for g in expected], call)
        compare_second(found, expected, leaves, mirrors, call)
