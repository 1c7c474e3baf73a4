import pytest
from parity import assert_same

from flambeau.utils.data import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    WeightedRandomSampler,
)


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"num_samples": 5},
        {"num_samples": 25},
        {"replacement": True},
        {"replacement": True, "num_samples": 64},
        {"replacement": True, "num_samples": 70},
    ],
    ids=str,
)
@pytest.mark.parametrize("seeded", [False, True])
def test_random_sampler_is_torchs(keywords, seeded):
    def program(torch, data):
        generator = torch.Generator() if seeded else None
        sampler = data.RandomSampler(range(10), generator=generator, **keywords)
        passes = [list(sampler), list(sampler)]
        # Where the stream is afterwards matters as much as what came out of it.
        return passes, len(sampler), torch.rand(2, generator=generator).tolist()

    assert_same(program)


@pytest.mark.parametrize(
    "program",
    [
        lambda torch, data: list(data.SubsetRandomSampler([3, 5, 7, 9])),
        lambda torch, data: list(data.WeightedRandomSampler([1, 2, 3], 10)),
        lambda torch, data: list(data.WeightedRandomSampler([1, 2, 3], 3, False)),
        lambda torch, data: data.WeightedRandomSampler([1, 2], 3).weights.tolist(),
        lambda torch, data: data.WeightedRandomSampler([[1, 2]], 1),
        lambda torch, data: data.WeightedRandomSampler([1, 2], 0),
        lambda torch, data: data.WeightedRandomSampler([1, 2], True),
        lambda torch, data: data.WeightedRandomSampler([1, 2], 1, replacement=3),
        lambda torch, data: data.RandomSampler(range(3), replacement=3),
        lambda torch, data: data.RandomSampler(range(3), num_samples=0),
        lambda torch, data: data.RandomSampler(range(3), num_samples=2.5),
        lambda torch, data: data.RandomSampler([]),
        lambda torch, data: data.BatchSampler([1], 0, False),
        lambda torch, data: data.BatchSampler([1], True, False),
        lambda torch, data: data.BatchSampler([1], 2.5, False),
        lambda torch, data: data.BatchSampler([1], 2, 1),
        lambda torch, data: data.Sampler(3),
        lambda torch, data: iter(data.Sampler()),
        lambda torch, data: len(data.Sampler()),
        lambda torch, data: len(data.BatchSampler(iter([1]), 2, False)),
    ],
)
def test_same_outcome_as_torch(program):
    assert_same(program)


def test_too_many_without_replacement():
    with pytest.raises(RuntimeError, match="without replacement"):
        list(WeightedRandomSampler([1, 2], 3, False))


def test_sequential():
    assert list(SequentialSampler("abc")) == [0, 1, 2]
    assert len(SequentialSampler("abc")) == 3


@pytest.mark.parametrize(
    "drop_last, expected", [(False, [[0, 1, 2], [3, 4, 5], [6]]), (True, [[0, 1, 2], [3, 4, 5]])]
)
def test_batches(drop_last, expected):
    sampler = BatchSampler(range(7), 3, drop_last)
    assert list(sampler) == expected
    assert list(sampler) == expected
    assert len(sampler) == len(expected)
    assert list(BatchSampler([], 3, drop_last)) == []


def test_random_sampler_follows_a_growing_dataset():
    samples = [0]
    sampler = RandomSampler(samples)
    samples.append(1)
    assert len(sampler) == 2
    assert sorted(sampler) == [0, 1]


def test_samplers_can_be_annotated():
    class Twice(Sampler[int]):
        def __iter__(self):
            return iter((0, 0))

    assert list(Twice()) == [0, 0]
