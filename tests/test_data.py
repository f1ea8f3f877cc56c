"""torch.utils.data: datasets, samplers, batches."""

from __future__ import annotations

import pickle
from copy import deepcopy

import numpy as np
import pytest

import chainrule as torch
from chainrule.utils import data


@pytest.fixture
def numbers():
    return data.TensorDataset(torch.arange(10.0), torch.arange(10))


def test_batches(numbers):
    loader = data.DataLoader(numbers, batch_size=4)
    assert [y.tolist() for _, y in loader] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] and len(loader) == 3
    loader = data.DataLoader(numbers, 4, drop_last=True)
    assert len(list(loader)) == len(loader) == 2
    assert [x.item() for x, _ in data.DataLoader(numbers, None)] == list(range(10))
    assert len(iter(loader)) == 2


def test_shuffling_follows_the_seed(numbers):
    def order(**options):
        return [i for _, y in data.DataLoader(numbers, 3, shuffle=True, **options) for i in y.tolist()]

    torch.manual_seed(0)
    first, second = order(), order()
    torch.manual_seed(0)
    assert order() == first != second and sorted(first) == list(range(10))
    generator = torch.Generator()
    found = []
    for _ in range(2):
        generator.manual_seed(3)
        found.append(order(generator=generator))
    assert found[0] == found[1]


class Squares(data.Dataset):
    def __init__(self, count):
        self.count = count


def test_pickles(numbers):
    parts = data.random_split(numbers, [3, 7], generator=torch.Generator().manual_seed(0))
    loader = data.DataLoader(parts[0], 2, sampler=data.SequentialSampler(parts[0]))
    copy = pickle.loads(pickle.dumps(loader))
    assert type(copy) is data.DataLoader and type(copy.dataset) is data.Subset
    assert [y.tolist() for _, y in copy] == [y.tolist() for _, y in loader]
    assert pickle.loads(pickle.dumps(Squares(4))).count == deepcopy(Squares(4)).count == 4


def test_samplers():
    assert list(data.BatchSampler(data.SequentialSampler(range(5)), 2, True)) == [[0, 1], [2, 3]]
    assert sorted(data.SubsetRandomSampler([3, 5, 7])) == [3, 5, 7]
    assert len(list(data.RandomSampler(range(3), replacement=True, num_samples=70))) == 70
    assert sorted(data.RandomSampler(range(3), num_samples=6)) == [0, 0, 1, 1, 2, 2]
    assert set(data.WeightedRandomSampler([0.0, 1.0, 0.0], 4)) == {1}


def test_datasets(numbers):
    both = numbers + numbers
    assert len(both) == 20 and both[12][1] == 2 and both[-1][1] == 9
    assert data.Subset(numbers, [4, 2])[1][1] == 2
    assert data.StackDataset(a=range(3), b=[5, 6, 7])[1] == {"a": 1, "b": 6}
    parts = data.random_split(numbers, [0.75, 0.25])
    assert [len(p) for p in parts] == [8, 2] and sorted([*parts[0].indices, *parts[1].indices]) == list(range(10))

    class Stream(data.IterableDataset):
        def __iter__(self):
            return iter(range(5))

    assert [b.tolist() for b in data.DataLoader(Stream(), 2)] == [[0, 1], [2, 3], [4]]
    assert list(data.DataLoader(Stream(), 2, drop_last=True))[-1].tolist() == [2, 3]
    assert len(list(Stream() + Stream())) == 10


def test_collate():
    found = data.default_collate(
        [{"a": 1, "b": (1.0, "x"), "c": np.ones(2)}, {"a": 2, "b": (2.0, "y"), "c": np.zeros(2)}]
    )
    assert found["a"].tolist() == [1, 2]
    assert found["b"][0].dtype is torch.float64 and list(found["b"][1]) == ["x", "y"]
    assert found["c"].shape == (2, 2)
    assert data.default_collate([True, False]).dtype is torch.bool
    with pytest.raises(TypeError, match="batch must contain tensors, numpy arrays, numbers, dicts or lists"):
        data.default_collate([object()])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda d: data.DataLoader(d, 0), ValueError, "batch_size should be a positive integer value"),
        (lambda d: data.DataLoader(d, shuffle=True, sampler=[0]), ValueError, "mutually exclusive with shuffle"),
        (lambda d: data.DataLoader(d, num_workers=-1), ValueError, "num_workers option should be non-negative"),
        (lambda d: data.DataLoader(d, None, drop_last=True), ValueError, "batch_size=None option disables"),
        (
            lambda d: data.DataLoader(d, 2, batch_sampler=[[0]]),
            ValueError,
            "batch_sampler option is mutually exclusive",
        ),
        (lambda d: data.RandomSampler([]), ValueError, "num_samples should be a positive integer value"),
        (lambda d: data.random_split(d, [1, 2]), ValueError, "Sum of input lengths does not equal"),
        (lambda d: data.TensorDataset(torch.ones(2), torch.ones(3)), AssertionError, "Size mismatch between tensors"),
        (lambda d: data.ConcatDataset([]), AssertionError, "should not be an empty iterable"),
    ],
)
def test_what_is_refused(numbers, make, error, message):
    with pytest.raises(error, match=message):
        make(numbers)


def test_the_parts_of_several_processes():
    from chainrule.utils.data import DistributedSampler

    def part(rank, n=10, **options):
        sampler = DistributedSampler(range(n), num_replicas=3, rank=rank, **options)
        sampler.set_epoch(2)
        assert len(sampler) == len(list(sampler))
        return list(sampler)

    assert [part(rank, shuffle=False) for rank in range(3)] == [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]
    assert [part(rank, shuffle=False, drop_last=True) for rank in range(3)] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]
    assert part(2, n=1) == [0]
    assert part(0) == [8, 5, 0, 3]  # as PyTorch draws them
    assert sorted(part(0) + part(1) + part(2))[-1] == 9
    with pytest.raises(ValueError, match="Invalid rank 5, rank should be in the interval"):
        DistributedSampler(range(3), num_replicas=2, rank=5)
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        DistributedSampler(range(3))
