"""Every operator in torch's table of operators, over the inputs that torch tests it with.

The table gives the function, inputs of several forms for each dtype, and calls that must be
refused. Compared are values, dtypes, shapes, gradients and second gradients.
"""

import itertools
import warnings

import pytest
from comparison import both_raise, compare, compare_gradients, outcome, tensors_in
from twins import NoTwin, Twins, function_twin, torch

pytest.importorskip("expecttest", reason="torch's table of operators needs it")

from torch.testing._internal.common_methods_invocations import op_db

SAMPLES = 4  # of each operator and dtype
DTYPES = [torch.float64, torch.complex128, torch.int64, torch.bool]
#: Beginnings of names of what is in the table and not in flambeau, for reasons in docs/coverage.md.
ABSENT = ("_", "chalf", "jiterator", "masked.", "sparse", "to_sparse", "torch.ops.")
#: Operators whose results cannot be compared here.
INCOMPARABLE = {
    "empty": "memory that nothing was written to",
    "empty_like": "memory that nothing was written to",
    "empty_permuted": "memory that nothing was written to",
    "empty_strided": "memory that nothing was written to",
    "new_empty": "memory that nothing was written to",
    "new_empty_strided": "memory that nothing was written to",
    "resize_": "memory that nothing was written to",
    "resize_as_": "memory that nothing was written to",
    "argsort": "the order of equal elements",
    "kthvalue": "the order of equal elements",
    "sort": "the order of equal elements",
    "topk": "the order of equal elements",
    "as_strided_partial_views": "looks at memory outside of its input",
    "max_pool2d_with_indices_backward": "calls torch.ops",
    "nn.functional.linear_cross_entropy": "takes options of a class of torch's own",
    "pca_lowrank": "draws with torch's own dtypes",
    "svd_lowrank": "draws with torch's own dtypes",
}
#: Where flambeau differs: values, gradients, and what it computes though torch refuses.
OTHER_VALUES = {
    "gather": "an empty index of any dtype but int32 and int64 is refused",
    "nn.functional.batch_norm": "a vector is refused",
}
OTHER_GRADIENTS = {
    "as_strided_scatter": "torch's gradient of elements that lie over each other",
    "linalg.lstsq": "the residuals of a square system have no gradient",
    "native_group_norm": "the statistics are no outputs to differentiate",
    "native_layer_norm": "torch has no second gradient without a weight",
    "nextafter": "torch records a node that raises",
    "nn.functional.ctc_loss": "torch has no second gradient",
}
COMPUTED = {
    **dict.fromkeys(
        [
            "atan2",
            "clamp_max",
            "clamp_min",
            "copysign",
            "eq",
            "float_power",
            "fmax",
            "fmin",
            "fmod",
            "gcd",
            "ge",
            "gt",
            "lcm",
            "le",
            "logical_and",
            "logical_or",
            "logical_xor",
            "lt",
            "max",
            "maximum",
            "min",
            "minimum",
            "ne",
            "rsub",
        ],
        "either operand may be a number",
    ),
    **dict.fromkeys(
        ["cat", "gather", "index_select", "kthvalue", "masked_select", "take"],
        "out= may be an input: it is written when the result is complete",
    ),
}
OPERATORS = [
    op
    for op in op_db
    if not op.name.startswith(ABSENT)
    and op.name not in INCOMPARABLE
    and op.formatted_name not in INCOMPARABLE
]


def samples_of(op, dtype, requires_grad=False):
    """A few of torch's inputs for one dtype; none where torch has no such operator."""
    if not op.supports_dtype(dtype, "cpu"):
        return []
    return itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=requires_grad), SAMPLES)


class Case:
    """One sample, for both libraries."""

    def __init__(self, op, sample):
        self.op, self.sample, self.twins = op, sample, Twins()
        arguments = (sample.input, *sample.args)
        own_arguments, own_keywords = self.twins.of(arguments), self.twins.of(sample.kwargs)
        own = function_twin(op.op)
        self.expected = outcome(lambda: op.op(*arguments, **sample.kwargs))
        self.actual = outcome(lambda: own(*own_arguments, **own_keywords))

    def check_values(self):
        """Both raise, or both give the same."""
        if not both_raise(self.expected, self.actual):
            compare(tensors_in(self.expected), tensors_in(self.actual))

    def check_gradients(self):
        """First and second gradients of all inputs for the same incoming gradients."""
        processed = self.sample.output_process_fn_grad
        compare_gradients(
            processed(self.expected),
            processed(self.actual),
            self.twins.leaves(),
            second=self.op.supports_gradgrad,
        )


def each_case(op, dtype, requires_grad=False):
    """The cases of an operator; samples with no twin are passed over."""
    for sample in samples_of(op, dtype, requires_grad):
        try:
            yield Case(op, sample)
        except NoTwin:
            continue


def named(operators, *excepted):
    """Parameters of a test: operators under the names of the table, but those of some tables."""
    kept = [op for op in operators if not any(op.name in names for names in excepted)]
    return pytest.mark.parametrize("op", kept, ids=lambda op: op.formatted_name)


@named(OPERATORS, OTHER_VALUES)
def test_values(op):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dtype in DTYPES:
            for case in each_case(op, dtype):
                case.check_values()


@named([op for op in OPERATORS if op.supports_autograd], OTHER_VALUES, OTHER_GRADIENTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128], ids=str)
def test_gradients(op, dtype):
    if dtype not in op.supported_backward_dtypes("cpu"):
        pytest.skip("no gradient in torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in each_case(op, dtype, requires_grad=True):
            if not isinstance(case.expected, Exception):
                case.check_gradients()


@named([op for op in OPERATORS if op.error_inputs_func], COMPUTED)
def test_refusals(op):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for refused in op.error_inputs("cpu"):
            try:
                case = Case(op, refused.sample_input)
            except NoTwin:
                continue
            case.check_values()
