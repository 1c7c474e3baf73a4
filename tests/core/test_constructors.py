"""A constructor that fails says of which class, and which argument or what call is to blame."""

import inspect
import re

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
