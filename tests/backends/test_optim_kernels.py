"""What every optimizer kernel must hold to: layouts, threads, lists of many, refused calls."""

import numpy as np
import pytest

import flambeau as fl
from flambeau import _C

# Name: number of lists of tensors (parameters, gradients, states), of counters, the options.
KERNELS = {
    "sgd_step": (3, 0, (0.1, 0.9, 0.1, 0.01, False, True, False)),
    "adam_step": (5, 1, (0.1, 0.9, 0.99, 1e-3, 0.1, False, False)),
    "adamax_step": (4, 1, (0.1, 0.9, 0.99, 1e-3, 0.1, False)),
    "nadam_step": (4, 2, (0.1, 0.9, 0.99, 1e-3, 0.1, 0.004, True, False)),
    "radam_step": (4, 1, (0.1, 0.9, 0.99, 1e-3, 0.1, False, True)),
    "adagrad_step": (3, 1, (0.1, 0.1, 1e-3, 0.1, False)),
    "adadelta_step": (4, 1, (0.1, 0.9, 1e-3, 0.1, False)),
    "rmsprop_step": (5, 1, (0.1, 0.9, 1e-3, 0.5, 0.1, False)),
    "rprop_step": (4, 1, (0.5, 1.2, 1e-6, 50.0, False)),
    "asgd_step": (3, 3, (0.1, 1e-4, 0.75, 3.0, 0.1, False)),
    "lerp_step": (2, 0, (0.3,)),
    "scale_step": (1, 0, (0.3,)),
}

COUNTED = [name for name, (_, counters, _) in KERNELS.items() if counters]


def lists_for(name, shapes, dtype=fl.float32):
    """Random parameters and gradients, states that are not negative, counters of one."""
    count, counters, _ = KERNELS[name]
    g = fl.Generator().manual_seed(3)
    lists = [[fl.randn(s, generator=g).to(dtype) for s in shapes] for _ in range(count)]
    # Sensible states: positive, the mean squares larger than any squared mean.
    lists[2:] = [[each.abs_() for each in part] for part in lists[2:]]
    lists[2:3] = [[each.add_(30) for each in part] for part in lists[2:3]]
    return lists + [[fl.ones(()) for _ in shapes] for _ in range(counters)]


def call(name, lists):
    getattr(_C, name)(*lists, *KERNELS[name][2])


def values(lists):
    return [tensor.tolist() for part in lists for tensor in part]


@pytest.mark.parametrize("name", KERNELS)
def test_many_tensors_in_one_call_as_one_after_another(name):
    shapes = [(3,), (), (2, 5), (0, 4), (700,)]
    together = lists_for(name, shapes)
    call(name, together)
    apart = lists_for(name, shapes)
    for i in range(len(shapes)):
        call(name, [part[i : i + 1] for part in apart])
    assert values(together) == values(apart)


@pytest.mark.parametrize("name", KERNELS)
def test_threads_do_not_change_the_result(name):
    threads, results = _C.get_num_threads(), []
    try:
        for count in (1, 2, 5):
            _C.set_num_threads(count)
            lists = lists_for(name, [(40_001,), (3,), (100, 333)])
            call(name, lists)
            results.append(values(lists))
    finally:
        _C.set_num_threads(threads)
    assert results[0] == results[1] == results[2]


def strided(tensor):
    """The same values as every second element of a larger tensor."""
    wide = fl.zeros((*tensor.shape, 2), dtype=tensor.dtype)
    wide.select(-1, 1).copy_(tensor)
    return wide.select(-1, 1)


@pytest.mark.parametrize("name", KERNELS)
def test_layouts(name):
    shapes = [(4, 3), (5,)]
    plain, other = lists_for(name, shapes), lists_for(name, shapes)
    other = [[strided(tensor) for tensor in part] for part in other]
    call(name, plain)
    call(name, other)
    assert values(plain) == values(other)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("name", KERNELS)
def test_dtypes(name, dtype):
    dtype = getattr(fl, dtype)
    found, expected = lists_for(name, [(300,)], dtype), lists_for(name, [(300,)], dtype)
    wide = [[t.float() if t.ndim else t for t in part] for part in expected]
    call(name, found)
    call(name, wide)
    assert found[0][0].dtype == dtype
    tolerance = {fl.float16: 1e-2, fl.bfloat16: 5e-2, fl.float64: 1e-5}[dtype]
    np.testing.assert_allclose(
        found[0][0].float().numpy(), wide[0][0].numpy(), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("name", KERNELS)
def test_what_does_not_fit_is_refused(name):
    lists = lists_for(name, [(3,), (2,)])
    for i in range(1, len(lists)):
        wrong = [*lists]
        wrong[i] = lists[i][:1]
        with pytest.raises(RuntimeError, match=f"{name}: the lists must have one length"):
            call(name, wrong)
    for i in range(1, KERNELS[name][0]):
        for bad in (fl.ones(4), fl.ones(3, dtype=fl.float64)):
            wrong = [*lists]
            wrong[i] = [bad, lists[i][1]]
            with pytest.raises(RuntimeError, match=f"{name}: gradients and states must match"):
                call(name, wrong)
    integers = [[fl.ones(1, dtype=fl.int64)] for _ in range(KERNELS[name][0])]
    with pytest.raises(NotImplementedError, match=f"{name}: not implemented for int64"):
        call(name, integers + [part[:1] for part in lists[KERNELS[name][0] :]])


@pytest.mark.parametrize("name", COUNTED)
def test_a_wrong_counter_changes_nothing(name):
    lists = lists_for(name, [(3,), (2,)])
    for bad in (fl.ones(2), fl.ones((), dtype=fl.int64)):
        wrong = [*lists[:-1], [lists[-1][0], bad]]
        before = values(wrong)
        with pytest.raises((RuntimeError, TypeError), match=name):
            call(name, wrong)
        assert values(wrong) == before


def test_nothing_to_do():
    for name, (count, counters, _) in KERNELS.items():
        call(name, [[] for _ in range(count + counters)])
