"""Storages: sharing, resizing, setting, pickling, memory shared between processes."""

import copy
import os
import pickle

import numpy as np
import pytest

import flambeau


def test_views_share_a_storage():
    x = flambeau.arange(6.0)
    view = x[2:]
    assert view.untyped_storage().data_ptr() == x.untyped_storage().data_ptr() == x.data_ptr()
    assert view.data_ptr() == x.data_ptr() + 8
    assert view.storage_offset() == 2
    assert view.untyped_storage()._cdata == x.untyped_storage()._cdata
    assert x.clone().untyped_storage()._cdata != x.untyped_storage()._cdata


def test_untyped_storage():
    storage = flambeau.tensor([1, 2], dtype=flambeau.int16).untyped_storage()
    assert storage.nbytes() == len(storage) == 4
    assert storage.tolist() == list(storage) == [1, 0, 2, 0]
    assert storage[-2] == 2
    storage[0] = 7
    assert storage.clone().tolist() == [7, 0, 2, 0]
    assert flambeau.UntypedStorage([1, 2, 3]).tolist() == [1, 2, 3]
    assert flambeau.is_storage(storage) and not flambeau.is_storage(3)
    with pytest.raises(IndexError, match="out of range"):
        storage[4]


def test_typed_storage():
    x = flambeau.tensor([1.0, 2.0, 3.0])
    storage = x.storage()
    assert storage.dtype == flambeau.float32
    assert len(storage) == storage.size() == 3
    storage[1] = 9
    assert x.tolist() == [1, 9, 3]
    assert flambeau.FloatStorage([1, 2]).tolist() == [1.0, 2.0]
    assert isinstance(storage, flambeau.FloatStorage)
    assert not isinstance(storage, flambeau.LongStorage)
    assert x.storage_type().__name__ == "FloatStorage"


def test_growing_keeps_values_and_views():
    x = flambeau.tensor([1.0, 2.0])
    view = x[:1]
    x.resize_(1000)
    assert x.shape == (1000,)
    assert x[:2].tolist() == [1, 2]
    x[0] = 5
    assert view.tolist() == [5]


def test_shrunk_storage_leaves_views_readable():
    x = flambeau.ones(100)
    x.untyped_storage().resize_(4)
    assert x.untyped_storage().nbytes() == 4
    assert x.tolist() == [1] * 100
    with pytest.raises(RuntimeError, match="out of bounds"):
        x.as_strided((2,), (1,))


def test_resize_refuses():
    with pytest.raises(RuntimeError, match="require grad"):
        flambeau.ones(2, requires_grad=True).resize_(3)
    with pytest.raises(RuntimeError, match="not resizable"):
        flambeau.frombuffer(bytearray(4), dtype=flambeau.uint8).resize_(8)
    with pytest.raises(RuntimeError, match="negative"):
        flambeau.ones(2).resize_(-1)


def test_set():
    source = flambeau.arange(6.0)
    x = flambeau.empty(0).set_(source.untyped_storage(), 1, (2, 2), (2, 1))
    assert x.tolist() == [[1, 2], [3, 4]]
    assert x.is_set_to(source.as_strided((2, 2), (2, 1), 1))
    assert flambeau.empty(0).set_(source).is_set_to(source)
    assert flambeau.empty(0).set_(source.storage()).tolist() == source.tolist()
    assert flambeau.ones(3).set_().shape == (0,)
    with pytest.raises(RuntimeError, match="type"):
        x.set_(flambeau.ones(2, dtype=flambeau.int32))
    with pytest.raises(RuntimeError, match="type"):
        x.set_(flambeau.ones(2, dtype=flambeau.int32).storage())


def test_set_lets_a_storage_grow():
    source = flambeau.arange(4.0)
    x = flambeau.empty(0).set_(source.untyped_storage(), 2, (3, 4), (4, 1))
    assert source.untyped_storage().nbytes() == x.untyped_storage().nbytes() == 56
    assert source.tolist() == [0, 1, 2, 3]
    assert x[0, :2].tolist() == [2, 3]
    with pytest.raises(RuntimeError, match="not resizable"):
        flambeau.empty(0).set_(flambeau.from_numpy(np.zeros(4, np.float32)), 0, (10,), (1,))
    for wrong in ((-1, (2,), (1,)), (0, (-2,), (1,)), (0, (2,), (-1,)), (0, (2, 2), (1,))):
        with pytest.raises(RuntimeError):
            flambeau.empty(0).set_(source, *wrong)
    with pytest.raises(RuntimeError):
        flambeau.empty(0).set_(source, 0, (2**62, 3), (2**62, 1))


def test_resize_to_the_same_sizes_changes_nothing():
    x = flambeau.arange(6.0).view(2, 3).t()
    assert x.resize_(3, 2).stride() == (1, 3)
    with pytest.raises(TypeError, match="missing"):
        x.resize_()


def test_states_of_old_pickles():
    x, y = flambeau.arange(4.0), flambeau.empty(0)
    y.__setstate__((x.untyped_storage(), 1, (2,), (1,)))
    assert y.tolist() == [1, 2]
    y.__setstate__((True, None, {}))
    assert y.requires_grad
    z = flambeau.empty(0)
    z.__setstate__((x, None, {}, True, None))
    assert z.tolist() == x.tolist()
    assert z.requires_grad
    with pytest.raises(RuntimeError, match="leaf"):
        (y * 2).__setstate__((True, None, {}))


def test_data_keeps_the_object():
    x = flambeau.ones(2, requires_grad=True)
    before = id(x)
    x.data = flambeau.zeros(3)
    assert id(x) == before
    assert x.tolist() == [0, 0, 0]
    assert x.requires_grad


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling(protocol):
    for x in (
        flambeau.arange(6.0).reshape(2, 3).t(),
        flambeau.ones(2, requires_grad=True),
        flambeau.tensor(3, dtype=flambeau.int8),
        flambeau.zeros(0, 3),
        flambeau.tensor([1.5, 2], dtype=flambeau.bfloat16),
    ):
        again = pickle.loads(pickle.dumps(x, protocol))
        assert repr(again) == repr(x)
        assert again.stride() == x.stride()
        assert again.requires_grad == x.requires_grad


class Named(flambeau.Tensor):
    """A subclass, at module level so that it can be pickled."""


def test_pickling_of_subclasses_and_attributes():
    x = Named([1, 2])
    x.label = "a"
    again = pickle.loads(pickle.dumps(x))
    assert type(again) is Named
    assert again.label == "a"
    assert again.tolist() == [1, 2]


def test_pickling_of_names():
    for thing in (
        flambeau.float16,
        flambeau.strided,
        flambeau.channels_last,
        flambeau.Size([2]),
        flambeau.device("cpu"),
    ):
        again = pickle.loads(pickle.dumps(thing))
        assert again == thing
        assert copy.deepcopy(thing) == thing
    assert pickle.loads(pickle.dumps(flambeau.channels_last)) is flambeau.channels_last


def test_copies():
    x = flambeau.ones(2, requires_grad=True)
    deep = copy.deepcopy(x)
    assert deep.requires_grad and deep.data_ptr() != x.data_ptr()
    shared = copy.deepcopy([x, x])
    assert shared[0] is shared[1]
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(x * 2)


def test_shared_memory_between_processes():
    x = flambeau.zeros(4)
    view = x[2:]
    assert not x.is_shared()
    assert x.share_memory_() is x
    assert x.is_shared() and view.is_shared()
    child = os.fork()
    if child == 0:
        x.fill_(3)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert view.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="not resizable"):
        x.resize_(100)


def test_shared_memory_by_descriptor():
    x = flambeau.arange(3.0).share_memory_()
    storage = x.untyped_storage()
    mapped = flambeau.UntypedStorage._from_shared_descriptor(
        storage._shared_descriptor(), storage.nbytes()
    )
    y = flambeau.empty(0).set_(mapped)
    x[1] = 10
    assert y.tolist() == [0, 10, 2]
    with pytest.raises(RuntimeError, match="shared"):
        flambeau.ones(1).untyped_storage()._shared_descriptor()
    with pytest.raises(RuntimeError, match="descriptor"):
        flambeau.UntypedStorage._from_shared_descriptor(-1, 4)


def versions_of_data(module):
    x = module.ones(2)
    d = x.data
    d.add_(1)
    d[0].mul_(2)
    d.detach().t().add_(1)
    seen = [(d._version, x._version)]
    x.detach().add_(1)
    seen.append((d._version, x._version))
    return seen, x.tolist()


def test_data_has_a_version_of_its_own():
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    assert versions_of_data(flambeau) == versions_of_data(torch)


def test_writes_to_data_are_not_seen_by_the_graph():
    weight = flambeau.tensor([1.0, 2.0], requires_grad=True)
    loss = (weight * weight).sum()
    weight.data.clamp_(max=1)  # between forward and backward, as programs that clip weights do
    loss.backward()
    assert weight.grad.tolist() == [2, 2]
    saved = weight.data
    loss = (weight * saved).sum()
    saved.mul_(3)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()
