"""Every optimizer in torch's table of optimizers, with each choice of options torch tests it with.

Beside torch it makes steps on parameters of all kinds, with the same gradients; parameters and
states are compared after each. States travel to the other library and back, and the calls that
must be refused are, in the same words.
"""

import copy
import pickle
import re
import warnings

import numpy as np
import pytest
from comparison import TOLERANCES, both_raise, outcome
from twins import NoTwin, Twins, array, torch

import flambeau

pytest.importorskip("expecttest", reason="torch's table of optimizers needs it")

from torch.testing._internal.common_optimizers import (
    OptimizerErrorEnum,
    _get_optim_inputs_including_global_cliquey_kwargs,
    optim_db,
)

DTYPES = [torch.float64, torch.complex64]
STEPS = 12
FEWER_STEPS = {"LBFGS": 3, "Muon": 4}  # the slow ones
CHECKED = (0, 2, 3, STEPS - 1)

named = pytest.mark.parametrize("info", optim_db, ids=lambda info: info.name)


def parameters(info, dtype, keywords):
    """Torch's parameters: of several shapes, without elements, and not contiguous."""
    shapes = [(3, 4), (2, 5), (1, 1)]
    if info.name != "Muon":  # takes matrices alone
        shapes += [(), (7,), (2, 1, 3)]
        if info.name != "Adafactor":  # divides by the number of elements
            shapes.append((0, 3))
    torch.manual_seed(3)
    made = [torch.randn(shape, dtype=dtype) for shape in shapes]
    if info.name != "LBFGS" and not keywords.get("fused"):  # torch refuses them, or pairs elements
        made[1] = made[1].t()  # of parameters and gradients as they lie in memory
        made.append(torch.randn(6, 8, dtype=dtype)[::2, 1::3])
    return [tensor.requires_grad_(not keywords.get("differentiable")) for tensor in made]


def tolerance_of(info, dtype, keywords):
    """How close both must be."""
    if info.name == "Muon":  # torch computes in bfloat16
        return 3e-2
    if info.name == "LBFGS":  # ends at differences of like numbers
        return 1e-5
    if keywords.get("differentiable"):  # and here with powers of float32
        return max(1e-5, TOLERANCES[dtype])
    return TOLERANCES[dtype]


class Pair:
    """An optimizer of each library, over the same parameters."""

    def __init__(self, info, keywords, dtype, named=False):
        self.info, self.twins = info, Twins()
        self.params = parameters(info, dtype, keywords)
        self.fused = keywords.get("fused")  # torch's SGD then needs the gradients from the first
        self.tolerance = tolerance_of(info, dtype, keywords)
        self.draw = np.random.default_rng(11)
        if info.supports_param_groups:
            entries = [(f"p{i}", p) if named else p for i, p in enumerate(self.params)]
            groups = [{"params": entries[:3]}, {"params": entries[3:], "lr": 0.03}]
        else:
            groups = self.params
        own = self.twins.of(groups), self.twins.of(keywords)
        self.theirs = info.optim_cls(groups, **keywords)
        self.ours = getattr(flambeau.optim, info.name)(own[0], **own[1])

    def step(self, number):
        """One step of both; one parameter never gets a gradient, some not at first."""
        pairs = [(p, self.twins.of(p)) for p in self.params]
        for i, (theirs, own) in enumerate(pairs):
            values = self.draw.standard_normal(tuple(theirs.shape))
            if theirs.is_complex():
                values = values + 1j * self.draw.standard_normal(values.shape)
            absent = i == 2 or (i % 3 == 1 and number < 2 and not self.fused)
            gradient = None if absent else torch.tensor(values).to(theirs.dtype)
            theirs.grad = gradient
            own.grad = None if absent else Twins().of(gradient)
        if self.info.step_requires_closure:
            results = self.theirs.step(closure(pairs, 0)), self.ours.step(closure(pairs, 1))
            require_same(*results, self.tolerance, "loss")
        else:
            assert self.theirs.step() is self.ours.step() is None

    def check(self):
        """Parameters and states are the same."""
        for i, p in enumerate(self.params):
            require_same(p, self.twins.of(p), self.tolerance, f"parameter {i}")
        expected, actual = comparable(self.theirs), comparable(self.ours)
        require_same(expected, actual, self.tolerance, "state")
        assert neutral(self.ours) == neutral(self.theirs)


def comparable(optimizer):
    """The state of an optimizer; of LBFGS without its scratch, and in a fixed order."""
    state = optimizer.state_dict()
    if type(optimizer).__name__ != "LBFGS":
        return state
    [(number, history)] = state["state"].items()
    history = {name: history[name] for name in sorted(history) if name != "al"}
    if "t" in history:  # torch's is a number or a tensor
        history["t"] = float(history["t"])
    return {**state, "state": {number: history}}


def closure(pairs, which):
    """What LBFGS minimizes, smooth and convex."""
    params = [pair[which] for pair in pairs if pair[which].grad is not None]

    def evaluate():
        for p in params:
            p.grad = None
        squares = [(p - 1).abs() ** 2 for p in params]
        loss = sum(i * (s + 0.1 * s**2).sum() for i, s in enumerate(squares, 1))
        loss.backward()
        return loss

    return evaluate


def require_same(expected, actual, tolerance, where):
    """Nested containers have the same keys and types, and tensors the same values."""
    if isinstance(expected, torch.Tensor):
        assert isinstance(actual, flambeau.Tensor), where
        assert str(actual.dtype) == str(expected.dtype), where
        assert tuple(actual.shape) == tuple(expected.shape), where
        np.testing.assert_allclose(
            array(actual), array(expected), tolerance, tolerance, err_msg=where
        )
        return
    assert type(actual) is type(expected), f"{where}: {actual!r} for {expected!r}"
    if isinstance(expected, dict):
        assert list(actual) == list(expected), where
        for key in expected:
            require_same(expected[key], actual[key], tolerance, f"{where}[{key!r}]")
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected), where
        for i, (a, b) in enumerate(zip(expected, actual, strict=True)):
            require_same(a, b, tolerance, f"{where}[{i}]")
    elif isinstance(expected, float):
        np.testing.assert_allclose(actual, expected, tolerance, tolerance, err_msg=where)
    else:
        assert actual == expected, where


def neutral(value):
    """A printed form without the names of packages."""
    return re.sub(r"\b(flambeau|torch)\b", "torch", repr(value))


def pairs_of(info, dtype, **more):
    """A pair for each choice of options."""
    if dtype.is_complex and not info.supports_complex:
        pytest.skip("torch refuses complex parameters")
    if info.name == "LBFGS" and dtype == torch.complex64:
        dtype = torch.complex128
    if info.only_supports_sparse_grads:
        pytest.skip("takes sparse gradients alone, which flambeau has not")
    for given in _get_optim_inputs_including_global_cliquey_kwargs("cpu", dtype, info):
        if not (given.kwargs.get("fused") and dtype.is_complex):  # refused, and taken here
            yield Pair(info, given.kwargs, dtype, **more)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@named
def test_steps(info, dtype):
    for pair in pairs_of(info, dtype):
        for number in range(FEWER_STEPS.get(info.name, STEPS)):
            pair.step(number)
            if number in CHECKED:
                pair.check()


@named
def test_states_travel(info):
    """Into the other library, through copies and through pickles, and on from there."""
    for pair in pairs_of(info, torch.float64, named=info.supports_param_groups):
        for number in range(3):
            pair.step(number)
        expected, actual = pair.theirs.state_dict(), pair.ours.state_dict()
        pair.ours.load_state_dict(Twins().of(expected))
        pair.theirs.load_state_dict(torch_of(actual))
        pair.step(3)
        pair.check()
        for copied in (copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))):
            expected, actual = copied(pair.theirs), copied(pair.ours)
            assert neutral(actual) == neutral(expected)
            require_same(comparable(expected), comparable(actual), pair.tolerance, "copy")


def torch_of(value):
    """The state of ours for torch."""
    if isinstance(value, flambeau.Tensor):
        return torch.from_numpy(array(value).copy())
    if isinstance(value, dict):
        return {k: torch_of(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(torch_of, value))
    return value


@named
def test_refusals(info):
    for refused in info.optim_error_inputs_func("cpu", torch.float32):
        given = refused.optimizer_error_input
        params = given.params
        if params is None:
            params = [torch.nn.Parameter(torch.randn(2, 3)) for _ in range(2)]
        twins = Twins()
        try:
            own = twins.of(params), twins.of(given.kwargs)
        except NoTwin:
            continue
        kind = getattr(flambeau.optim, info.name)
        expected, actual = (
            refusal(info.optim_cls, params, given.kwargs, refused.error_on),
            refusal(kind, *own, refused.error_on),
        )
        assert both_raise(expected, actual), given.desc
        assert isinstance(actual, type(expected)), (given.desc, actual)
        assert neutral(str(actual)) == neutral(str(expected)), given.desc


def refusal(kind, params, keywords, when):
    """The error of making an optimizer, or of its step; warnings are errors."""

    def attempt():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            optimizer = kind(params, **keywords)
            if when is OptimizerErrorEnum.STEP_ERROR:
                for p in optimizer.param_groups[0]["params"]:
                    p.grad = p.detach().clone()
                optimizer.step()

    return outcome(attempt)
