"""vmap of every registered op gives what a loop over the examples gives."""

import pytest

import flambeau
from flambeau import func
from flambeau.core.registry import OPS
from flambeau.core.tensor import Tensor
from flambeau.testing import assert_close, samples_of

# An op without a batching rule runs in a loop, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:There is a performance drop")

SIZE = 3

#: Ops whose result does not follow from the arguments' elements alone.
NOT_ELEMENTS = {
    "_sample_dirichlet": "it draws random numbers",
    "_standard_gamma": "it draws random numbers",
    "linalg.eig": "its vectors are free up to a factor",
    "linalg.eigh": "its vectors are free up to a factor",
    "linalg.svd": "its vectors are free up to a factor",
    "masked_select": "its result has a size for each example",
    "as_strided": "its argument is a layout, which the batch does not have",
}


def _leaves(call):
    return call.tensors()


def _flat(result):
    if isinstance(result, Tensor):
        return [result]
    return [] if result is None else [t for part in result for t in _flat(part)]


def _subsets(count):
    """All tensors are batches, or a single one, or all but one."""
    seen = {frozenset(range(count))}
    for k in range(count):
        seen.add(frozenset({k}))
        seen.add(frozenset(range(count)) - {k})
    return sorted((s for s in seen if s), key=sorted)


def _replaced(call, tensors):
    iterator = iter(tensors)
    return call.map(lambda t: next(iterator))


def check(op, calls, mapped):
    """Compares vmap over the tensors in `mapped` with calls one by one."""
    first = _leaves(calls[0])
    examples = [
        [t if k in mapped else first[k] for k, t in enumerate(_leaves(call))] for call in calls
    ]
    batches = [
        flambeau.stack([e[k] for e in examples]) if k in mapped else first[k]
        for k in range(len(first))
    ]
    kept = {}

    def function(*tensors):
        made = _replaced(calls[0], tensors)
        result = op(*made.args, **made.kwargs)
        kept["structure"] = type(result)
        return tuple(_flat(result))

    expected = [function(*e) for e in examples]
    dims = tuple(0 if k in mapped else None for k in range(len(first)))
    found = func.vmap(function, in_dims=dims)(*batches)
    for k, value in enumerate(found):
        assert_close(value, flambeau.stack([e[k] for e in expected]), equal_nan=True)


@pytest.mark.parametrize("name", sorted(OPS))
def test_op(name):
    if name in NOT_ELEMENTS:
        pytest.skip(NOT_ELEMENTS[name])
    op = OPS[name]
    by_seed = [samples_of(op, seed=seed) for seed in range(SIZE)]
    for calls in zip(*by_seed, strict=True):
        tensors = _leaves(calls[0])
        if not tensors:
            continue
        for mapped in _subsets(len(tensors)):
            masks = [k for k in mapped if tensors[k].dtype == flambeau.bool]
            if masks and name in ("index", "index_put"):
                continue  # the number of picked elements would differ between examples
            try:
                check(op, calls, mapped)
            except Exception as error:
                error.add_note(f"{name}{calls[0]} mapped over {sorted(mapped)}")
                raise
