import pytest
from parity import assert_same

import flambeau
from flambeau.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    default_collate,
)
from flambeau.utils.data._utils.fetch import gather


def numbers(data, count=10):
    """A dataset of the package that `data` belongs to."""

    class Numbers(data.Dataset):
        def __len__(self):
            return count

        def __getitem__(self, index):
            return index

    return Numbers()


def stream(data, count=10, length=None):
    """A stream of the package that `data` belongs to, which may state a length."""

    class Stream(data.IterableDataset):
        def __iter__(self):
            return iter(range(count))

        def __repr__(self):
            return "Stream"

    if length is not None:
        Stream.__len__ = lambda self: length
    return Stream()


def batches(loader):
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in loader]


@pytest.mark.parametrize(
    "keywords",
    [
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"num_workers": 1, "prefetch_factor": -2},
        {"persistent_workers": True},
        {"shuffle": True, "sampler": [1]},
        {"batch_sampler": [[1]], "batch_size": 2},
        {"batch_sampler": [[1]], "shuffle": True},
        {"batch_sampler": [[1]], "sampler": [1]},
        {"batch_sampler": [[1]], "drop_last": True},
        {"batch_sampler": [[1]], "batch_size": None},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"batch_size": -1},
        {"batch_size": 2.5},
        {"batch_size": True},
        {"drop_last": 3},
        {"num_workers": "1"},
        {"multiprocessing_context": "fork"},
        {"num_workers": 1, "multiprocessing_context": "xx"},
        {"num_workers": 1, "multiprocessing_context": 3},
        {"foo": 3},
    ],
    ids=str,
)
def test_argument_errors_are_torchs(keywords):
    assert_same(lambda torch, data: data.DataLoader(numbers(data), **keywords))


@pytest.mark.parametrize(
    "keywords",
    [
        {"shuffle": True},
        {"shuffle": 5},
        {"sampler": [1]},
        {"batch_sampler": [[1]]},
        {"sampler": [1], "batch_sampler": [[1]]},
    ],
    ids=str,
)
def test_stream_errors_are_torchs(keywords):
    assert_same(lambda torch, data: data.DataLoader(stream(data), **keywords))


@pytest.mark.parametrize("shuffle", [None, False, 0])
def test_a_stream_may_say_that_it_is_not_shuffled(shuffle):
    loader = DataLoader(stream(flambeau.utils.data), shuffle=shuffle, batch_size=10)
    assert batches(loader) == [list(range(10))]


def test_an_empty_dataset():
    assert list(DataLoader([])) == []
    with pytest.raises(ValueError, match="num_samples"):
        DataLoader([], shuffle=True)


@pytest.mark.parametrize(
    "name",
    ["batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"],
)
def test_attributes_are_locked(name):
    def program(torch, data):
        loader = data.DataLoader(numbers(data))
        setattr(loader, name, 5)

    assert_same(program)


def test_attributes_that_are_not_locked():
    loader = DataLoader([1])
    loader.collate_fn = list
    loader.anything = 3
    assert list(loader) == [[1]]
    with pytest.raises(ValueError, match="num_workers=0"):
        loader.multiprocessing_context = "fork"


@pytest.mark.parametrize(
    "keywords",
    [
        {"batch_size": 3},
        {"batch_size": 3, "drop_last": True},
        {"batch_size": None},
        {"batch_sampler": [[1], [2, 3]]},
        {"sampler": [4, 5]},
    ],
    ids=str,
)
def test_lengths_and_batches_are_torchs(keywords):
    def program(torch, data):
        loader = data.DataLoader(numbers(data), **keywords)
        return len(loader), len(iter(loader)), batches(loader)

    assert_same(program)


@pytest.mark.parametrize("keywords", [{}, {"batch_size": 3}, {"batch_size": None}], ids=str)
@pytest.mark.parametrize("drop_last", [False, True])
def test_lengths_of_streams_are_torchs(keywords, drop_last):
    def program(torch, data):
        if drop_last and keywords.get("batch_size", 1) is None:
            return None
        loader = data.DataLoader(stream(data, 7, 7), drop_last=drop_last, **keywords)
        return len(loader), batches(loader)

    assert_same(program)


def test_a_stream_without_length():
    assert_same(lambda torch, data: len(data.DataLoader(stream(data))))


def test_a_stream_that_gives_more_than_it_said():
    def program(torch, data):
        loader = data.DataLoader(stream(data, 6, 4))
        return len(loader), batches(loader)

    assert_same(program)


@pytest.mark.parametrize("seeded", [False, True])
@pytest.mark.parametrize(
    "keywords", [{}, {"shuffle": True}, {"shuffle": True, "batch_size": None}], ids=str
)
def test_order_and_random_stream_are_torchs(seeded, keywords):
    def program(torch, data):
        generator = None
        if seeded:
            generator = torch.Generator()
            generator.manual_seed(5)
        loader = data.DataLoader(
            numbers(data), **{"batch_size": 3, **keywords}, generator=generator
        )
        passes = [batches(loader) for _ in range(3)]
        iterator = iter(loader)
        return passes, iterator._base_seed, torch.rand(1, generator=generator).item()

    assert_same(program)


def test_a_loader_as_dataset():
    def program(torch, data):
        class Loader(data.DataLoader):
            def __init__(self):
                self.values = torch.arange(8).reshape(4, 2)

            def __getitem__(self, index):
                return self.values[index], index

            def __len__(self):
                return 4

        return [
            (rows.tolist(), labels.tolist())
            for rows, labels in data.DataLoader(Loader(), batch_size=2)
        ]

    assert_same(program)


@pytest.mark.parametrize(
    "program",
    [
        lambda torch, data: list(data.DataLoader(data.DataLoader(numbers(data)))),
        lambda torch, data: len(data.DataLoader(5)),
        lambda torch, data: list(data.DataLoader(5, shuffle=True)),
        lambda torch, data: list(data.DataLoader({"a": 1, "b": 2}, sampler=["a", "b"])),
        lambda torch, data: list(data.DataLoader([1, 2, 3], batch_size=None)),
        lambda torch, data: list(data.DataLoader([1, 2], collate_fn=lambda samples: samples)),
        lambda torch, data: next(iter(data.DataLoader([1], pin_memory=True))),
        lambda torch, data: data.DataLoader[int] is not None,
    ],
)
def test_same_outcome_as_torch(program):
    assert_same(program)


def test_an_error_does_not_end_the_iteration():
    class Sour(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            if index == 1:
                raise KeyError("sour")
            return index

    iterator = iter(DataLoader(Sour()))
    assert next(iterator).tolist() == [0]
    with pytest.raises(KeyError, match=r"^'sour'$"):
        next(iterator)
    assert next(iterator).tolist() == [2]
    with pytest.raises(StopIteration):
        next(iterator)


def test_getitems_is_used():
    class Many(Dataset):
        def __getitems__(self, indices):
            return [index * 10 for index in indices]

    loader = DataLoader(Many(), sampler=range(5), batch_size=3)
    assert batches(loader) == [[0, 10, 20], [30, 40]]


def test_iterators_cannot_be_pickled():
    import pickle

    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(iter(DataLoader([1])))


class TestGather:
    """Whole batches of tensors at once must be what single samples give."""

    def check(self, dataset, indices):
        batch = gather(dataset, indices)
        expected = default_collate([dataset[i] for i in indices])
        assert type(batch) is type(expected)
        for ours, theirs in zip(batch, expected, strict=True):
            assert ours.dtype == theirs.dtype
            assert ours.tolist() == theirs.tolist()

    def test_tensor_dataset(self):
        dataset = TensorDataset(
            flambeau.arange(12.0).reshape(4, 3), flambeau.arange(4), flambeau.arange(4) > 1
        )
        self.check(dataset, [2, 0, 3])
        self.check(dataset, [-1, 0])

    def test_a_strided_tensor(self):
        self.check(TensorDataset(flambeau.arange(12.0).reshape(3, 4).t()), [3, 1])

    def test_subsets(self):
        dataset = TensorDataset(flambeau.arange(10))
        self.check(Subset(Subset(dataset, [9, 8, 7, 6]), [3, 1]), [1, 0])

    def test_it_is_what_a_loader_uses(self, monkeypatch):
        dataset = TensorDataset(flambeau.arange(5))
        monkeypatch.setattr(TensorDataset, "__getitem__", None)
        assert [batch.tolist() for (batch,) in DataLoader(dataset, 2)] == [[0, 1], [2, 3], [4]]

    def test_gradients_flow(self):
        weight = flambeau.ones(3, requires_grad=True)
        (batch,) = gather(TensorDataset(weight), [2, 2])
        batch.sum().backward()
        assert weight.grad.tolist() == [0, 0, 2]

    @pytest.mark.parametrize("indices", [(0, 1), [0, True], [], [slice(0, 1)], ["a"]], ids=str)
    def test_other_indices_take_the_usual_way(self, indices):
        assert gather(TensorDataset(flambeau.arange(3)), indices) is None

    def test_other_datasets_take_the_usual_way(self):
        class Mine(TensorDataset):
            def __getitem__(self, index):
                return "mine"

        assert gather(Mine(flambeau.arange(3)), [0]) is None
        assert list(DataLoader(Mine(flambeau.arange(1)))) == [["mine"]]

    def test_an_index_out_of_range(self):
        with pytest.raises(IndexError):
            gather(TensorDataset(flambeau.arange(3)), [3])


def test_pinning():
    from flambeau.utils.data._utils.pin_memory import pin_memory

    class Pinned:
        def pin_memory(self):
            return "pinned"

    value = {"a": [Pinned(), 1], "b": (Pinned(), "text"), "c": b"x"}
    assert pin_memory(value) == {"a": ["pinned", 1], "b": ("pinned", "text"), "c": b"x"}


def test_abstract_streams_are_refused_early():
    with pytest.raises(TypeError, match="abstract"):
        DataLoader(IterableDataset())
