"""A constructor that fails says of which class, and which argument or what call is to blame."""

import inspect
import re

import numpy as np
import pytest

import flambeau
from flambeau import nn, optim

WEIGHT = nn.Parameter(flambeau.ones(2))


class Wider(nn.Linear):
    """A subclass whose arguments are its own."""

    def __init__(self, width):
        super().__init__(width, "a")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Linear("a", 2), "Linear(): argument 'in_features' must be int, not str"),
        (lambda: nn.Embedding(3.5, 2), "Embedding(): argument 'num_embeddings' must be int, not f"),
        (lambda: nn.Conv2d(1, 2, "a"), "Conv2d(): argument 'kernel_size' must be int, not str"),
        (
            lambda: nn.Conv2d(1, 2, (2, "a")),
            "Conv2d(): argument 'kernel_size' must be int or tuple of ints, but found element of"
            " type str at pos 1",
        ),
        (lambda: nn.Conv2d("a", 2, 3), "Conv2d(): argument 'in_channels' cannot be of type str: "),
        (lambda: nn.Linear(10**30, 2), "Linear(): argument 'in_features' is out of range: 1000"),
        (
            lambda: nn.BatchNorm1d(flambeau.ones(2)),
            "BatchNorm1d(): argument 'num_features' cannot be of type Tensor: ",
        ),
        (
            lambda: nn.Linear(2, 3, dtype="a"),
            "Linear(): argument 'dtype' must be torch.dtype, not str",
        ),
        (
            lambda: nn.Embedding(3, 2, _weight="a"),
            "Embedding(): argument '_weight' cannot be of type str: 'str' object has no attribute",
        ),
        (lambda: nn.GRU(3, 4, num_layers="a"), "num_layers should be of type int, got: str"),
        (lambda: nn.Softmax(axis=1), "Softmax.__init__() got an unexpected keyword argument"),
        (lambda: Wider(2), "Linear(): argument 'out_features' must be int, not str"),
        (
            lambda: optim.SGD([WEIGHT], lr="a"),
            "SGD(): argument 'lr' cannot be of type str: '>=' not supported",
        ),
        (
            lambda: optim.lr_scheduler.LinearLR(optim.SGD([WEIGHT]), "a"),
            "LinearLR(): argument 'start_factor' cannot be of type str: '>' not supported",
        ),
    ],
)
def test_the_argument_of_a_wrong_type_is_named(make, text):
    with pytest.raises(TypeError, match=f"^{re.escape(text)}"):
        make()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (
            lambda: nn.Linear(-1, 2),
            RuntimeError,
            "Linear(in_features=-1, out_features=2): empty: Dimension size must be non-negative:"
            " sizes are (2, -1)",
        ),
        (
            lambda: nn.GroupNorm(0, 3),
            ZeroDivisionError,
            "GroupNorm(num_groups=0, num_channels=3): integer modulo by zero",
        ),
        (
            lambda: optim.Adam([WEIGHT], betas=(0.9,)),
            IndexError,
            "Adam(params=list, betas=(0.9,)): tuple index out of range",
        ),
    ],
)
def test_an_error_that_names_no_argument_gets_the_call(make, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        make()


def test_an_error_that_names_an_argument_gets_a_note():
    with pytest.raises(ValueError, match=r"^groups must be a positive integer\n") as caught:
        nn.Conv2d(1, 2, 3, groups=0)
    call = "Conv2d(in_channels=1, out_channels=2, kernel_size=3, groups=0)"
    assert caught.value.__notes__ == [f"raised in {call}"]


def test_only_what_the_caller_wrote_is_named():
    with pytest.raises(AssertionError) as caught:
        nn.TransformerEncoderLayer(8, 3)
    assert [note.partition("(")[0] for note in caught.value.__notes__] == [
        "raised in MultiheadAttention",
        "raised in TransformerEncoderLayer",
    ]


@pytest.mark.parametrize("value", [flambeau.ones(2, 2), [1] * 100, 10**100, "a" * 100, nn.ReLU()])
def test_long_arguments_are_not_repeated(value):
    with pytest.raises(ValueError, match="padding_mode") as caught:
        nn.Conv2d(1, 2, 3, padding_mode=value)
    assert caught.value.__notes__[0].endswith(f"padding_mode={type(value).__name__})")


def test_errors_of_what_a_caller_hands_over_stay():
    def refuse(module, name, parameter):
        raise OverflowError("too much")

    register = nn.modules.module.register_module_parameter_registration_hook
    with register(refuse), pytest.raises(OverflowError, match=r"^too much\n"):
        nn.Linear(2, 3)


def test_a_constructor_shows_its_signature_and_text():
    assert str(inspect.signature(nn.Linear.__init__)).startswith("(self, in_features, out_f")
    assert nn.Linear.__init__.__qualname__ == "Linear.__init__"
    assert inspect.getsource(nn.Linear.__init__).lstrip().startswith("def __init__(")


def stepped(**options):
    """An optimizer that makes a step with these options."""
    parameter = nn.Parameter(flambeau.ones(2))
    parameter.grad = flambeau.ones(2)
    optim.ASGD([parameter], **options).step()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: stepped(lambd="a"), TypeError, "asgd_step: option 'lambd' must be a number"),
        (
            lambda: optim.LBFGS([WEIGHT], tolerance_grad="a").step(lambda: flambeau.ones(())),
            TypeError,
            "LBFGS.step(): argument 'tolerance_grad' cannot be of type str: ",
        ),
        (
            lambda: optim.SGD([WEIGHT]).step(3),
            TypeError,
            "SGD.step(): argument 'closure' must be callable, not int",
        ),
        (
            lambda: optim.lr_scheduler.StepLR(optim.SGD([WEIGHT]), "a").step(),
            TypeError,
            "StepLR.step(): argument 'step_size' cannot be of type str: ",
        ),
        (
            lambda: optim.SGD([WEIGHT]).load_state_dict({}),
            KeyError,
            "\"the state dict of an optimizer must have an entry 'param_groups', it has []\"",
        ),
        (
            lambda: optim.SGD([{"lr": 1.0}]),
            KeyError,
            "\"a parameter group must have an entry 'params', it has ['lr']\"",
        ),
        (
            lambda: nn.init.normal_(None),
            AttributeError,
            "normal_(): argument 'tensor' must be Tensor, not NoneType",
        ),
        (
            lambda: nn.Linear(2, 2).apply(nn.init.normal_),
            AttributeError,
            "normal_(): argument 'tensor' must be Tensor, not Linear",
        ),
        (
            lambda: nn.utils.weight_norm(flambeau.ones(2)),
            TypeError,
            "weight_norm(): argument 'module' must be torch.nn.Module, not Tensor",
        ),
        (
            lambda: nn.utils.weight_norm(nn.Linear(2, 2), "no_such"),
            AttributeError,
            "'Linear' object has no attribute 'no_such'",
        ),
        (
            lambda: nn.BatchNorm2d(3)([1]),
            AttributeError,
            "BatchNorm2d.forward(): argument 'input' must be Tensor, not list",
        ),
        (
            lambda: nn.init.trunc_normal_(flambeau.ones(2), mean=float("nan")),
            ValueError,
            "trunc_normal_: mean and std must be finite",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(*[flambeau.ones(3, n, 4) for n in (1, 2, 2)]),
            RuntimeError,
            "multi_head_attention_forward: query and key must have as many sequences in the batch",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:Detected call of")
@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_what_only_a_later_call_finds_out_is_named(call, error, text):
    with pytest.raises(error, match=f"^{re.escape(text)}"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda n: nn.LayerNorm(n)(flambeau.ones(2, 2)),
        lambda n: nn.AvgPool2d(n, n)(flambeau.ones(1, 4, 4)),
        lambda n: nn.Upsample(n)(flambeau.ones(1, 1, 4)),
        lambda n: nn.Fold(4, n, stride=n)(flambeau.ones(1, 4, 4)),
        lambda n: nn.functional.conv1d(flambeau.ones(1, 1, 5), flambeau.ones(1, 1, 2), stride=n),
        lambda n: nn.functional.adaptive_max_pool1d(flambeau.ones(1, 5), n),
        lambda n: flambeau.ones(4).tensor_split(n)[0],
        lambda n: flambeau.ones(2, 2, 3).prod(n),
        lambda n: flambeau.linalg.matrix_power(flambeau.eye(2), n),
        lambda n: flambeau.full((2,), n),
    ],
)
def test_integers_of_other_packages_are_sizes(call):
    expected = call(2)
    for number in (np.int64(2), np.int32(2), flambeau.tensor(2)):
        found = call(number)
        assert found.dtype == expected.dtype
        assert flambeau.equal(found, expected)
