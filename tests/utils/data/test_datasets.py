import pytest
from parity import assert_same

import flambeau
from flambeau.utils.data import (
    ChainDataset,
    ConcatDataset,
    Dataset,
    IterableDataset,
    StackDataset,
    Subset,
    TensorDataset,
    random_split,
)


class Count(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


class Sized(Count):
    def __len__(self):
        return self.n


class Rows(Dataset):
    """Fetches many at once, and counts how often."""

    def __init__(self):
        self.calls = 0

    def __getitem__(self, index):
        return index * 10

    def __getitems__(self, indices):
        self.calls += 1
        return [index * 10 for index in indices]

    def __len__(self):
        return 5


def test_dataset_is_abstract():
    with pytest.raises(NotImplementedError, match="should implement __getitem__"):
        Dataset()[0]
    with pytest.raises(TypeError, match="no len"):
        len(Dataset())
    with pytest.raises(TypeError, match="abstract"):
        IterableDataset()


def test_datasets_can_be_annotated():
    class Words(Dataset[str]):
        def __getitem__(self, index):
            return "w"

    assert Words()[0] == "w"
    assert IterableDataset[int] is not None


def test_tensor_dataset():
    data = TensorDataset(flambeau.arange(6).reshape(3, 2), flambeau.arange(3))
    assert len(data) == 3
    rows, labels = data[1:]
    assert rows.tolist() == [[2, 3], [4, 5]]
    assert labels.tolist() == [1, 2]
    assert data[-1][1].item() == 2
    with pytest.raises(IndexError):
        data[3]
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors.*\[3, 4\]"):
        TensorDataset(flambeau.zeros(3), flambeau.zeros(4))


def test_concat():
    data = ConcatDataset(["ab", "", "cde"])
    assert [data[i] for i in range(-5, 5)] == list("abcde") * 2
    assert data.cumulative_sizes == [2, 2, 5]
    with pytest.raises(ValueError, match="absolute value of index"):
        data[-6]
    with pytest.raises(IndexError, match="index 5 is out of range for 5 samples"):
        data[5]
    with pytest.raises(AssertionError, match="empty iterable"):
        ConcatDataset([])
    with pytest.raises(AssertionError, match="IterableDataset"):
        ConcatDataset([Count(2)])
    with pytest.warns(FutureWarning, match="renamed"):
        assert data.cummulative_sizes == [2, 2, 5]


def test_addition():
    rows = Rows()
    assert len(rows + rows) == 10
    assert list(Count(2) + Count(1)) == [0, 1, 0]


def test_chain():
    assert list(ChainDataset([Count(2), Count(3)])) == [0, 1, 0, 1, 2]
    assert len(ChainDataset([Sized(2), Sized(3)])) == 5
    with pytest.raises(TypeError, match="no len"):
        len(ChainDataset([Count(2)]))
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(ChainDataset([Rows()]))


def test_stack():
    assert StackDataset([1, 2], "ab")[1] == (2, "b")
    named = StackDataset(x=[1, 2], y="ab")
    assert named[0] == {"x": 1, "y": "a"}
    assert named.__getitems__([1, 0]) == [{"x": 2, "y": "b"}, {"x": 1, "y": "a"}]
    rows = Rows()
    assert StackDataset(rows, "abcde").__getitems__([3, 1]) == [(30, "d"), (10, "b")]
    assert rows.calls == 1


@pytest.mark.parametrize(
    "arguments, keywords, text",
    [
        ((), {}, "At least one dataset"),
        (([1],), {"a": [1]}, "both types are given"),
        (([1], [1, 2]), {}, r"Size mismatch between datasets.*\[1, 2\]"),
    ],
)
def test_stack_errors(arguments, keywords, text):
    with pytest.raises(ValueError, match=text):
        StackDataset(*arguments, **keywords)


def test_stack_checks_what_it_is_given():
    class Short(Rows):
        def __getitems__(self, indices):
            return super().__getitems__(indices)[1:]

    with pytest.raises(ValueError, match=r"output size mismatch\. Expected 2, got 1"):
        StackDataset(Short()).__getitems__([0, 1])


def test_subset():
    assert [Subset("abcdef", [5, 0])[i] for i in range(2)] == ["f", "a"]
    assert Subset("abc", [2, 1]).__getitems__([1, 0]) == ["b", "c"]
    rows = Rows()
    assert Subset(rows, [4, 2]).__getitems__([0, 1]) == [40, 20]
    assert rows.calls == 1
    with pytest.raises(IndexError):
        Subset("abc", [0])[1]


def test_random_split_shares_no_sample():
    parts = random_split(range(20), [0.5, 0.25, 0.25])
    assert [len(part) for part in parts] == [10, 5, 5]
    assert sorted(index for part in parts for index in part.indices) == list(range(20))


@pytest.mark.parametrize(
    "lengths",
    [
        [3, 7],
        [3, 3],
        [0.33, 0.33, 0.34],
        [0.3, 0.3],
        [0.5, 0.4999999999],
        [0.0, 1.0],
        [1.5, -0.5],
        [1],
        [10, 0],
        [0.1] * 10,
    ],
    ids=str,
)
def test_random_split_is_torchs(lengths):
    def program(torch, data):
        generator = torch.Generator()
        generator.manual_seed(42)
        parts = data.random_split(range(10), lengths, generator=generator)
        return [part.indices for part in parts], torch.rand(1).item()

    assert_same(program)


def test_random_split_draws_from_the_default_generator():
    assert_same(
        lambda torch, data: (
            [p.indices for p in data.random_split(range(9), [4, 5])] + [torch.randperm(5).tolist()]
        )
    )
