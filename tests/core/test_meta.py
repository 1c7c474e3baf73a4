"""The device meta: shapes, dtypes and strides without values, as torch has them."""

import copy
import io
import pickle

import pytest

import flambeau

torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")


def empty(*size, library=flambeau, **options):
    return library.empty(*size, device="meta", **options)


CREATED = {
    "empty": lambda lib: lib.empty(2, 3, device="meta"),
    "zeros": lambda lib: lib.zeros(2, 3, device="meta"),
    "full": lambda lib: lib.full((2,), 3, device="meta"),
    "tensor": lambda lib: lib.tensor([[1, 2]], device="meta"),
    "as_tensor": lambda lib: lib.as_tensor([1.0], device="meta"),
    "arange": lambda lib: lib.arange(5, device="meta"),
    "linspace": lambda lib: lib.linspace(0, 1, 7, device="meta"),
    "eye": lambda lib: lib.eye(3, device="meta"),
    "randn": lambda lib: lib.randn(3, 4, device="meta"),
    "randint": lambda lib: lib.randint(5, (2,), device="meta"),
    "zeros_like": lambda lib: lib.zeros_like(lib.ones(2, 3).t(), device="meta"),
    "like meta": lambda lib: lib.ones_like(lib.empty(2, device="meta")),
    "new_zeros": lambda lib: lib.empty(2, device="meta").new_zeros(3),
    "to": lambda lib: lib.ones(2, 3).t().to("meta"),
    "to dtype": lambda lib: lib.ones(2, 3).to("meta", lib.float64),
    "clone": lambda lib: lib.empty(2, 3, device="meta").t().clone(),
    "product": lambda lib: lib.empty(2, 3, device="meta") @ lib.empty(3, 4, device="meta"),
    "number": lambda lib: lib.empty(2, device="meta") + lib.tensor(1.0),
    "list": lambda lib: lib.cat([lib.empty(2, device="meta"), lib.empty(3, device="meta")]),
    "filled": lambda lib: lib.empty(2, device="meta").fill_(3).mul_(2),
    "indexed": lambda lib: lib.empty(4, 3, device="meta")[1:, None, ::2],
    "gathered": lambda lib: lib.empty(4, 3, device="meta")[lib.tensor([0, 2])],
    "copied": lambda lib: copy.deepcopy(lib.empty(2, 3, device="meta")),
    "unpickled": lambda lib: pickle.loads(pickle.dumps(lib.empty(3, 2, device="meta").t())),
    "written": lambda lib: lib.empty(2, device="meta").copy_(lib.ones(2)),
    "requires grad": lambda lib: lib.empty(2, device="meta", requires_grad=True),
    "parameter": lambda lib: lib.nn.Linear(3, 2, device="meta").weight,
    "layer": lambda lib: lib.nn.Linear(3, 2, device="meta")(lib.empty(5, 3, device="meta")),
    "conv": lambda lib: lib.nn.Conv2d(3, 8, 3, device="meta")(lib.empty(2, 3, 9, 9, device="meta")),
    "sorted": lambda lib: lib.empty(4, 3, device="meta").sort(0)[1],
    "drawn": lambda lib: lib.multinomial(lib.empty(3, device="meta"), 2),
}


@pytest.mark.parametrize("make", CREATED.values(), ids=CREATED)
def test_results_look_as_those_of_torch(make):
    ours, theirs = make(flambeau), make(torch)
    assert ours.is_meta and ours.device == flambeau.device("meta")
    assert tuple(ours.shape) == tuple(theirs.shape) and ours.stride() == theirs.stride()
    assert repr(ours) == repr(theirs)


REFUSED = {
    "item": lambda lib: lib.empty((), device="meta").item(),
    "float": lambda lib: float(lib.empty((), device="meta")),
    "bool": lambda lib: bool(lib.empty((), device="meta")),
    "tolist": lambda lib: lib.empty(2, device="meta").tolist(),
    "numpy": lambda lib: lib.empty(2, device="meta").numpy(),
    "cpu": lambda lib: lib.empty(2, device="meta").cpu(),
    "to": lambda lib: lib.empty(2, device="meta").to("cpu"),
    "copy": lambda lib: lib.ones(2).copy_(lib.empty(2, device="meta")),
    "module": lambda lib: lib.nn.Linear(2, 2, device="meta").to("cpu"),
    "module cpu": lambda lib: lib.nn.Linear(2, 2, device="meta").cpu(),
    "dlpack": lambda lib: lib.empty(2, device="meta").__dlpack__(),
    "sharing": lambda lib: lib.empty(2, device="meta").share_memory_(),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_values_are_refused_in_the_words_of_torch(call):
    with pytest.raises(Exception) as theirs:
        call(torch)
    with pytest.raises(type(theirs.value)) as ours:
        call(flambeau)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.nonzero(),
        lambda x: x.unique(),
        lambda x: x[x > 0],
        lambda x: flambeau.masked_select(x, x > 0),
        lambda x: flambeau.bincount(x.long()),
        lambda x: flambeau.repeat_interleave(x.long()),
    ],
)
def test_shapes_that_depend_on_values_are_not_implemented(call):
    with pytest.raises(NotImplementedError, match="depends on the values"):
        call(empty(3))


def test_nothing_is_computed_or_held():
    before = flambeau._C.allocator_stats()["allocated"]
    a, b = empty(10**6, 10**5), empty(10**5, 10**6)
    c = (a @ b).relu().softmax(1)
    assert c.shape == (10**6, 10**6) and c.sum(0).shape == (10**6,)
    assert flambeau.sort(empty(10**9))[0].shape == (10**9,)
    assert flambeau._C.allocator_stats()["allocated"] == before


def test_gradients():
    x = flambeau.randn(3, 4, device="meta", requires_grad=True)
    layer = flambeau.nn.Linear(4, 2, device="meta")
    layer(x).relu().sum().backward()
    for t in (x, layer.weight, layer.bias):
        assert t.grad.is_meta and t.grad.shape == t.shape


def test_modules_move_to_memory_empty_and_are_filled():
    model = flambeau.nn.Sequential(flambeau.nn.Linear(3, 2, device="meta"), flambeau.nn.ReLU())
    assert model.to_empty(device="cpu") is model
    assert model[0].weight.device.type == "cpu" and model[0].weight.requires_grad
    flambeau.nn.init.ones_(model[0].weight)
    assert model[0].weight.sum().item() == 6
    other = flambeau.nn.Linear(3, 2, device="meta")
    other.load_state_dict(flambeau.nn.Linear(3, 2).state_dict(), assign=True)
    assert other.weight.device.type == "cpu"


def test_default_device():
    with flambeau.device("meta") as where:
        assert where == flambeau.get_default_device()
        assert flambeau.ones(2).is_meta and flambeau.nn.Linear(2, 2).weight.is_meta
        assert flambeau.tensor([1.0]).is_meta and flambeau.arange(3).is_meta
        with flambeau.device("cpu"):
            assert flambeau.rand(2).is_cpu
        assert flambeau.empty(2, device="cpu").is_cpu
    assert flambeau.ones(2).is_cpu
    flambeau.set_default_device("meta")
    try:
        assert flambeau.randn(3).is_meta and flambeau.get_default_device().type == "meta"
    finally:
        flambeau.set_default_device(None)
    assert flambeau.randn(3).is_cpu


@pytest.mark.parametrize(("writer", "reader"), [(flambeau, torch), (torch, flambeau)])
def test_files(writer, reader):
    file = io.BytesIO()
    writer.save({"a": writer.empty(3, 2, device="meta").t(), "b": writer.ones(2)}, file)
    file.seek(0)
    loaded = reader.load(file)
    assert loaded["a"].is_meta and loaded["a"].stride() == (1, 2)
    file.seek(0)
    assert reader.load(file, map_location="meta")["b"].is_meta


def test_storages():
    storage = empty(2, 3).untyped_storage()
    assert storage.nbytes() == 24 and storage.device.type == "meta"
    assert repr(storage) == repr(torch.empty(2, 3, device="meta").untyped_storage())
    assert empty(2).data_ptr() == 0
    assert empty(2).resize_(5, 5).shape == (5, 5)
    assert not empty(2).is_shared()


@pytest.mark.parametrize(
    "call",
    [
        lambda lib, m: m + lib.ones(3),
        lambda lib, m: lib.ones(3) + m,
        lambda lib, m: lib.tensor(2.0, device="meta") + lib.ones(3),
        lambda lib, m: lib.cat([lib.ones(3), m]),
        lambda lib, m: lib.where(m > 0, lib.ones(3), lib.ones(3)),
        lambda lib, m: lib.ones(3).masked_fill(m > 0, 1.0),
        lambda lib, m: lib.addmm(lib.ones(3, 3), m.expand(3, 3), lib.ones(3, 3)),
        lambda lib, m: lib.nn.functional.mse_loss(lib.ones(3), m),
    ],
)
def test_tensors_of_both_devices_are_refused(call):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    for library in (flambeau, torch):
        with pytest.raises(RuntimeError, match="expected device"):
            call(library, library.ones(3, device="meta"))


def test_what_torch_reads_from_nowhere_is_refused():
    m = flambeau.ones(3, 3, device="meta")
    for call in (
        lambda: flambeau.ones(3, 3) @ m,
        lambda: flambeau.nn.functional.linear(flambeau.ones(2, 3), m),
        lambda: flambeau.ones(3).add_(m[0]),
    ):
        with pytest.raises(RuntimeError, match="expected device meta"):
            call()


def test_numbers_and_indices_may_be_on_the_cpu():
    m = flambeau.ones(3, 2, device="meta")
    places = flambeau.tensor([0, 1])
    assert (m + flambeau.tensor(2.0)).shape == (3, 2)
    assert m[places].shape == (2, 2)
    assert m.index_select(0, places).is_meta
    assert m.gather(0, flambeau.zeros(1, 2, dtype=flambeau.int64)).shape == (1, 2)
    assert flambeau.nn.functional.embedding(places, m).shape == (2, 2)
    assert m.copy_(flambeau.ones(3, 2)).is_meta


RANDOM = {
    "uniform_": lambda lib: lib.empty(20, device="meta").uniform_(),
    "normal_": lambda lib: lib.empty(20, device="meta").normal_(),
    "random_": lambda lib: lib.empty(20, device="meta").random_(5),
    "rand": lambda lib: lib.rand(3, device="meta"),
    "randn": lambda lib: lib.randn(30, device="meta"),
    "randint": lambda lib: lib.randint(5, (3,), device="meta"),
    "randperm": lambda lib: lib.randperm(5, device="meta"),
    "rand_like": lambda lib: lib.rand_like(empty(3, library=lib)),
    "bernoulli": lambda lib: lib.bernoulli(empty(3, library=lib)),
    "normal": lambda lib: lib.normal(empty(3, library=lib), 2.0),
    "normal of two": lambda lib: lib.normal(empty(3, library=lib), empty(3, library=lib)),
    "dropout": lambda lib: lib.dropout(empty(3, library=lib), 0.5, True),
    "rrelu": lambda lib: lib.nn.functional.rrelu(empty(3, library=lib), training=True),
    "Linear": lambda lib: lib.nn.Linear(3, 4, device="meta").weight,
    "orthogonal_": lambda lib: lib.nn.init.orthogonal_(empty(3, 4, library=lib)),
    "trunc_normal_": lambda lib: lib.nn.init.trunc_normal_(empty(3, 4, library=lib)),
}


@pytest.mark.parametrize("name", RANDOM)
def test_no_random_numbers_are_drawn(name):
    """A model built on meta first leaves the weights of the real one as they are."""
    seen = []
    for lib in (flambeau, torch):
        lib.manual_seed(0)
        made = RANDOM[name](lib)
        seen.append((str(made.dtype).split(".")[1], tuple(made.shape), lib.rand(1).item()))
    assert seen[0] == seen[1]
