import collections

import numpy as np
import pytest
from parity import assert_same

import flambeau
from flambeau.utils.data import default_collate, default_convert
from flambeau.utils.data._utils.collate import collate

Point = collections.namedtuple("Point", "x y")


class MyTuple(tuple):
    __slots__ = ()


class MyList(list):
    pass


class Wants(dict):
    """Cannot be made of items alone."""

    def __init__(self, a, b):
        super().__init__(a=a, b=b)


BATCHES = [
    [1.5, 2.5],
    [1, 2],
    [True, False],
    [True, 2],
    [1, 2.5],
    ["a", "b"],
    [b"a", b"b"],
    [np.zeros(2), np.ones(2)],
    [np.float32(1), np.float32(2)],
    [np.float64(1)],
    [np.bool_(True)],
    [np.array(1), np.array(2)],
    [np.array(["a"])],
    [np.array([None])],
    [np.str_("a")],
    [None],
    [{1}],
    [1j],
    [{"a": 1, "b": 2}, {"a": 3, "b": 4}],
    [{"a": 1, "b": 2}, {"a": 3}],
    [{"a": 1}, {"a": 3, "b": 2}],
    [collections.OrderedDict(a=1)],
    [collections.defaultdict(int, a=1)],
    [collections.UserDict(a=1)],
    [Wants(1, 2)],
    [Point(1, "p"), Point(3, "q")],
    [(1, "a"), (2, "b")],
    [[1, 2], [3, 4]],
    [[1, 2], [3]],
    [(1, 2), (3,)],
    [range(2), range(2)],
    [collections.deque([1, 2])],
    [collections.UserList([1, 2])],
    [MyTuple((1, 2))],
    [MyList([1, 2])],
    [bytearray(b"ab")],
    [(), ()],
    [{}, {}],
    [],
    [({"a": [1, (2.5, b"x")]}, "y")] * 2,
    [1.5, "a"],
]


@pytest.mark.parametrize("batch", BATCHES, ids=repr)
def test_collate_is_torchs(batch):
    assert_same(lambda torch, data: data.default_collate(batch))


@pytest.mark.parametrize(
    "value",
    [
        1,
        "a",
        b"a",
        None,
        {1},
        np.zeros(2),
        np.float32(1),
        np.bool_(True),
        np.array(["a"]),
        [np.zeros(1), 2],
        (np.zeros(1), 2),
        {"a": np.zeros(1)},
        Point(np.zeros(1), 2),
        range(3),
        MyTuple((1, 2)),
        MyList([np.zeros(1)]),
        collections.defaultdict(int, a=np.ones(1)),
        Wants(1, 2),
    ],
    ids=repr,
)
def test_convert_is_torchs(value):
    assert_same(lambda torch, data: data.default_convert(value))


@pytest.mark.parametrize(
    "program",
    [
        lambda torch, data: data.default_collate([torch.zeros(1), torch.ones(1)]),
        lambda torch, data: data.default_collate([torch.zeros(1), torch.zeros(2)]),
        lambda torch, data: data.default_collate([torch.zeros(1), torch.ones(1).long()]),
        lambda torch, data: (
            data.default_collate([torch.zeros(1, requires_grad=True)]).requires_grad
        ),
        lambda torch, data: (
            type(data.default_collate([torch.nn.Parameter(torch.ones(1))])).__name__
        ),
    ],
)
def test_tensors_are_stacked_as_torch_does(program):
    assert_same(program)


def test_convert_shares_memory():
    array = np.zeros(2, dtype=np.float32)
    tensor = default_convert([array])[0]
    array[0] = 3
    assert tensor.tolist() == [3, 0]
    assert default_convert(tensor) is tensor


def test_collate_keeps_what_containers_carry():
    sample = MyList([1, 2])
    sample.note = "kept"
    assert default_collate([sample]).note == "kept"
    assert default_collate([collections.defaultdict(list, a=1)]).default_factory is list


def test_collate_does_not_change_its_samples():
    sample = {"a": 1}
    default_collate([sample])
    assert sample == {"a": 1}


def test_a_table_of_ones_own():
    def join(batch, *, collate_fn_map=None):
        return "".join(batch)

    table = {str: join}
    assert collate([("a", "b"), ("c", "d")], collate_fn_map=table) == ["ac", "bd"]
    with pytest.raises(TypeError, match="found <class 'int'>"):
        collate([1], collate_fn_map=table)
    with pytest.raises(TypeError, match="found <class 'int'>"):
        collate([1])


def test_a_dtype_of_ones_own_wins():
    assert default_collate([np.float16(1)]).dtype is flambeau.float16
    assert default_collate([1.0]).dtype is flambeau.float64
