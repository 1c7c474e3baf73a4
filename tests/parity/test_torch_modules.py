"""Every module in torch's table of modules, made and called as torch tests it.

Compared are printed forms, first values, results, gradients, second gradients and the state after a
call, in float64; and the calls that must be refused.
"""

import pytest
from comparison import both_raise, compare, compare_gradients, outcome, tensors_in
from twins import NoTwin, Twins, function_twin, torch

pytest.importorskip("expecttest", reason="torch's table of modules needs it")

from torch.testing._internal.common_modules import module_db

#: Modules whose gradients are compared only once, and what is not compared at all.
FIRST_ONLY = {"CrossEntropyLoss": "second gradients of a mean of no examples, which is NaN"}
INCOMPARABLE = {
    "LinearCrossEntropyLoss": "takes options of a class of torch's own",
    "TransformerEncoder": "takes a module of torch's own",
}
SAMPLES = 8  # of each module and mode, from all over its table

pytestmark = pytest.mark.filterwarnings("ignore")  # those of both: test_every_module
MODULES = [info for info in module_db if info.module_cls.__name__ not in INCOMPARABLE]
named = pytest.mark.parametrize("info", MODULES, ids=lambda info: info.formatted_name)


class Case:
    """One way to make a module and to call it, for both libraries."""

    def __init__(self, info, sample):
        self.sample, self.twins = sample, Twins()
        made = sample.constructor_input
        arguments, keywords = self.twins.of(made.args), self.twins.of(made.kwargs)
        own = function_twin(info.module_cls)
        self.theirs = outcome(lambda: info.module_cls(*made.args, **made.kwargs))
        self.ours = outcome(lambda: own(*arguments, **keywords))

    def call(self):
        """The results of both, or the exceptions."""
        given = self.sample.forward_input
        arguments, keywords = self.twins.of(given.args), self.twins.of(given.kwargs)
        expected = outcome(lambda: self.theirs(*given.args, **given.kwargs))
        return expected, outcome(lambda: self.ours(*arguments, **keywords))

    def set_mode(self, training):
        """Lets both train or not; parameters and buffers become float64."""
        for module in (self.theirs, self.ours):
            module.double().train(training)

    def check_state(self):
        """The printed form, parameters and buffers."""
        assert repr(self.ours) == repr(self.theirs)
        expected, actual = self.theirs.state_dict(), self.ours.state_dict()
        assert list(actual) == list(expected)
        if not any(map(torch.nn.parameter.is_lazy, expected.values())):
            compare(tensors_in(expected), tensors_in(actual))

    def leaves(self):
        """Pairs of all that a gradient is wanted of."""
        parameters = zip(self.theirs.parameters(), self.ours.parameters(), strict=True)
        return self.twins.leaves() + [(a, b) for a, b in parameters if a.requires_grad]


def cases(info, samples):
    """The cases of samples that have a twin."""
    for sample in samples:
        try:
            yield Case(info, sample)
        except NoTwin:
            continue


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@named
def test_as_torch(info, training):
    torch.manual_seed(5)
    samples = info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    )
    seen = 0
    for case in cases(info, samples[:: -(-len(samples) // SAMPLES)]):
        seen += 1
        if both_raise(case.theirs, case.ours):
            continue
        case.check_state()
        if case.sample.forward_input is None:
            continue
        case.set_mode(training)
        expected, actual = case.call()
        if both_raise(expected, actual):
            continue
        compare(tensors_in(expected), tensors_in(actual))
        case.check_state()
        second = info.supports_gradgrad and info.module_cls.__name__ not in FIRST_ONLY
        compare_gradients(expected, actual, case.leaves(), second)
    assert seen


@named
def test_refusals(info):
    if info.module_error_inputs_func is None:
        pytest.skip("torch's table has none")
    for training in (True, False):
        refused = info.module_error_inputs_func(
            info, device="cpu", dtype=torch.float64, requires_grad=False, training=training
        )
        for case in cases(info, [each.module_error_input for each in refused]):
            if not both_raise(case.theirs, case.ours):
                case.set_mode(training)
                both_raise(*case.call())
