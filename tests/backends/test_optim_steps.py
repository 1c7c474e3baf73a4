"""The multi-tensor steps of SGD and Adam: against formulas in NumPy, and PyTorch's trajectories."""

import numpy as np
import pytest

import flambeau as fl
from flambeau import _C

SHAPES = ((10, 20), (20,), (), (0, 3), (7, 5, 3), (9000,))
STEPS = 12

SGD = (
    {},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01, "maximize": True},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"weight_decay": 0.1},
)
ADAM = (
    {},
    {"amsgrad": True},
    {"weight_decay": 0.01},
    {"weight_decay": 0.01, "decoupled": True},
    {"weight_decay": 0.1, "decoupled": True, "amsgrad": True, "maximize": True},
    {"beta1": 0.3},
)


def tensors(seed, dtype, shapes=SHAPES):
    g = fl.Generator().manual_seed(seed)
    return [_C.cast(fl.randn(shape, generator=g), dtype) for shape in shapes]


def filled(like, value=0.0):
    return [fl.full(tuple(t.shape), value, dtype=t.dtype) for t in like]


def sgd_step(params, grads, buffers, *, lr=0.1, momentum=0.0, dampening=0.0, weight_decay=0.0,
             nesterov=False, maximize=False, first_step=False):  # fmt: skip
    _C.sgd_step(params, grads, buffers if momentum else None, lr, momentum, dampening, weight_decay,
                nesterov, maximize, first_step)  # fmt: skip


def adam_step(params, grads, state, *, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0,
              amsgrad=False, decoupled=False, maximize=False):  # fmt: skip
    averages, squares, largest, steps = state
    _C.adam_step(params, grads, averages, squares, largest if amsgrad else None, steps, lr, beta1,
                 beta2, eps, weight_decay, decoupled, maximize)  # fmt: skip


def adam_state(params):
    steps = [fl.zeros((), dtype=fl.float32) for _ in params]
    return filled(params), filled(params), filled(params), steps


def run_sgd(dtype, options):
    params = tensors(1, dtype)
    buffers = filled(params, float("nan"))  # the first step must not read them
    for step in range(STEPS):
        grads = tensors(100 + step, dtype)
        sgd_step(params, grads, buffers, first_step=step == 0, **options)
    return params


def run_adam(dtype, options):
    params = tensors(1, dtype)
    state = adam_state(params)
    for step in range(STEPS):
        adam_step(params, tensors(100 + step, dtype), state, **options)
    assert [s.item() for s in state[3]] == [STEPS] * len(SHAPES)
    return params


def values(tensor):
    return np.array(tensor.tolist(), dtype=np.float64)


def formula_sgd(options):
    o = {"momentum": 0, "dampening": 0, "weight_decay": 0, **options}
    params = [values(t) for t in tensors(1, fl.float64)]
    buffers = [None] * len(params)
    for step in range(STEPS):
        for i, grad in enumerate(tensors(100 + step, fl.float64)):
            g = values(grad) * (-1 if o.get("maximize") else 1) + o["weight_decay"] * params[i]
            if o["momentum"]:
                known = buffers[i] is not None
                b = o["momentum"] * buffers[i] + (1 - o["dampening"]) * g if known else g
                buffers[i] = b
                g = g + o["momentum"] * b if o.get("nesterov") else b
            params[i] = params[i] - 0.1 * g
    return params


def formula_adam(options):
    o = {"beta1": 0.9, "beta2": 0.999, "weight_decay": 0, **options}
    params = [values(t) for t in tensors(1, fl.float64)]
    m, v, largest = ([np.zeros_like(p) for p in params] for _ in range(3))
    for step in range(1, STEPS + 1):
        for i, grad in enumerate(tensors(99 + step, fl.float64)):
            g = values(grad) * (-1 if o.get("maximize") else 1)
            if o.get("decoupled"):
                params[i] = params[i] * (1 - 0.01 * o["weight_decay"])
            else:
                g = g + o["weight_decay"] * params[i]
            m[i] = o["beta1"] * m[i] + (1 - o["beta1"]) * g
            v[i] = o["beta2"] * v[i] + (1 - o["beta2"]) * g * g
            largest[i] = np.maximum(largest[i], v[i])
            square = largest[i] if o.get("amsgrad") else v[i]
            corrected = np.sqrt(square / (1 - o["beta2"] ** step)) + 1e-8
            params[i] = params[i] - 0.01 * m[i] / (1 - o["beta1"] ** step) / corrected
    return params


TOLERANCES = {"float64": 1e-13, "float32": 2e-5, "float16": 2e-2, "bfloat16": 1e-1}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("options", SGD)
def test_sgd_formula(options, dtype):
    for found, expected in zip(
        run_sgd(getattr(fl, dtype), options), formula_sgd(options), strict=True
    ):
        tolerance = TOLERANCES[dtype]
        np.testing.assert_allclose(values(found), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("options", ADAM)
def test_adam_formula(options, dtype):
    for found, expected in zip(
        run_adam(getattr(fl, dtype), options), formula_adam(options), strict=True
    ):
        tolerance = TOLERANCES[dtype]
        np.testing.assert_allclose(values(found), expected, rtol=tolerance, atol=tolerance)


def torch_run(optimizer, dtype, options):
    """The same parameters and gradients under an optimizer of torch."""
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    kind = getattr(torch, str(dtype).removeprefix("torch."))
    convert = lambda ts: [torch.tensor(t.tolist(), dtype=kind).reshape(tuple(t.shape)) for t in ts]  # noqa: E731
    params = [torch.nn.Parameter(p) for p in convert(tensors(1, dtype))]
    stepper = getattr(torch.optim, optimizer)(params, **options)
    for step in range(STEPS):
        for p, g in zip(params, convert(tensors(100 + step, dtype)), strict=True):
            p.grad = g
        stepper.step()
    return params


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("options", SGD)
def test_sgd_equals_torch(options, dtype):
    kind = getattr(fl, dtype)
    expected = torch_run("SGD", kind, {"lr": 0.1, **options})
    for a, b in zip(run_sgd(kind, options), expected, strict=True):
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("options", ADAM)
def test_adam_follows_torch(options, dtype):
    """To some ulp of the largest terms: torch's square root is not correctly rounded."""
    kind = getattr(fl, dtype)
    betas = (options.get("beta1", 0.9), 0.999)
    theirs = {k: v for k, v in options.items() if k not in ("beta1", "decoupled")}
    optimizer = "AdamW" if options.get("decoupled") else "Adam"
    expected = torch_run(
        optimizer, kind, {"lr": 0.01, "betas": betas, "weight_decay": 0.0, **theirs}
    )
    tolerance = {"float32": 5e-7, "float64": 1e-15}[dtype]
    for a, b in zip(run_adam(kind, options), expected, strict=True):
        np.testing.assert_allclose(values(a), b.tolist(), rtol=4 * tolerance, atol=tolerance)


def transposed_copy(t):
    """The same values with the axes in the other order in memory."""
    return t.transpose(0, -1).contiguous().transpose(0, -1) if t.ndim > 1 else t


@pytest.mark.parametrize("which", ("param", "grad", "both", "strided"))
def test_layouts(which):
    params, grads = tensors(1, fl.float32), tensors(2, fl.float32)
    expected = [p.clone() for p in params]
    adam_step(expected, grads, adam_state(expected))
    if which in ("param", "both"):
        params = [transposed_copy(p) for p in params]
    if which in ("grad", "both"):
        grads = [transposed_copy(g) for g in grads]
    if which == "strided":
        wide = [fl.zeros((*p.shape, 2)) for p in params]
        for w, p in zip(wide, params, strict=True):
            w.select(-1, 1).copy_(p)
        params = [w.select(-1, 1) for w in wide]
    adam_step(params, grads, adam_state(params))
    assert [p.tolist() for p in params] == [p.tolist() for p in expected]


def test_threads_do_not_change_the_result():
    threads = _C.get_num_threads()
    try:
        results = []
        for count in (1, 2, 5):
            _C.set_num_threads(count)
            params = tensors(1, fl.float32, ((40_000,), (3,), (100, 333)))
            adam_step(
                params, tensors(2, fl.float32, ((40_000,), (3,), (100, 333))), adam_state(params)
            )
            results.append([p.tolist() for p in params])
        assert results[0] == results[1] == results[2]
    finally:
        _C.set_num_threads(threads)


def test_mixed_dtypes_and_step_counts():
    params = [fl.ones(3), fl.ones(3, dtype=fl.float64), fl.ones(3)]
    state = adam_state(params)
    state[3][2].add_(5)
    adam_step(params, [fl.ones(3), fl.ones(3, dtype=fl.float64), fl.ones(3)], state)
    assert [s.item() for s in state[3]] == [1, 1, 6]
    assert params[0].tolist() == pytest.approx(params[1].tolist(), rel=1e-6)
    assert params[0].tolist() != params[2].tolist()


def test_versions_grow():
    params, grads = tensors(1, fl.float32), tensors(2, fl.float32)
    before = [p._version for p in params], [g._version for g in grads]
    sgd_step(params, grads, None)
    assert all(p._version > b for p, b in zip(params, before[0], strict=True))
    assert [g._version for g in grads] == before[1]


def test_nan_reaches_the_parameter():
    for options in ({}, {"amsgrad": True}):
        params, state = [fl.zeros(2)], adam_state([fl.zeros(2)])
        adam_step(params, [fl.tensor([float("nan"), 1.0])], state, **options)
        adam_step(params, [fl.tensor([0.0, 1.0])], state, **options)
        first, second = params[0].tolist()
        assert np.isnan(first) and not np.isnan(second)


def wrong_dtype(n):
    return [fl.ones(n, dtype=fl.int64)]


WRONG_CALLS = (
    (lambda p: sgd_step(p, p[:1], None), RuntimeError, "the lists must have one length"),
    (lambda p: sgd_step(p, [fl.ones(2), fl.ones(2)], None), RuntimeError, "must match their"),
    (lambda p: sgd_step(p[:1], wrong_dtype(3), None), RuntimeError, "must match their"),
    (lambda p: sgd_step(wrong_dtype(2), wrong_dtype(2), None), NotImplementedError, "for int64"),
    (lambda p: sgd_step([fl.ones(1).expand(3)], p[:1], None), RuntimeError, "single memory"),
    (lambda p: sgd_step([1.0], p[:1], None), TypeError, "list of tensors"),
    (lambda p: sgd_step(fl.ones(2), p[:1], None), TypeError, "list of tensors"),
    (lambda p: adam_step(p, p, (p, p, p, [fl.ones(2)] * 2)), RuntimeError, "one number"),
)


@pytest.mark.parametrize("call, error, text", WRONG_CALLS)
def test_wrong_calls(call, error, text):
    with pytest.raises(error, match=text):
        call([fl.ones(3), fl.ones(3)])
