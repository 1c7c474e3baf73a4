"""Profiles: what ran, how often, inside what, where, and with which memory."""

import gzip
import json

import pytest

import flambeau as fl
from flambeau import _C
from flambeau.core import events
from flambeau.profiler import (
    ProfilerAction,
    ProfilerActivity,
    memory_by_owner,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)


def model():
    return fl.nn.Sequential(fl.nn.Linear(8, 16), fl.nn.ReLU(), fl.nn.Linear(16, 2))


@pytest.fixture(scope="module")
def measured():
    net, x = model(), fl.randn(4, 8)
    with profile(
        activities=[ProfilerActivity.CPU],
        record_shapes=True,
        profile_memory=True,
        with_stack=True,
        with_modules=True,
    ) as prof:
        for _ in range(3):
            with record_function("step"):
                net(x).sum().backward()
    return prof


def test_counts_and_times(measured):
    averages = {a.key: a for a in measured.key_averages()}
    assert averages["step"].count == 3
    assert averages["aten::relu"].count == 3
    assert averages["ReluBackward0"].count == 3
    step = averages["step"]
    assert step.cpu_time_total == pytest.approx(3 * step.cpu_time)
    inside = sum(a.self_cpu_time_total for a in averages.values())
    assert inside == pytest.approx(step.cpu_time_total)
    assert 0 < step.self_cpu_time_total < step.cpu_time_total


def test_events_are_nested(measured):
    events = measured.events()
    step = next(e for e in events if e.name == "step")
    names = [e.name for e in step.cpu_children]
    assert {"aten::relu", "SumBackward0"} <= set(names)
    node = next(e for e in events if e.name == "AddmmBackward0")
    assert all(node.start <= child.start <= child.end <= node.end for child in node.cpu_children)


def test_groups(measured):
    shapes = {a.input_shapes for a in measured.key_averages(group_by_input_shape=True)}
    assert "[[4, 16]]" in shapes
    modules = {a.key: a.count for a in measured.module_averages()}
    assert modules["Sequential.1"] >= 6  # forward and backward
    places = measured.key_averages(group_by_stack_n=1)
    assert any("test_profile.py" in a.stack[0] for a in places)
    assert any(a.module == "Sequential.0" for a in measured.key_averages(group_by_module=True))


def test_tables(measured):
    table = measured.key_averages().table(sort_by="self_cpu_time_total", row_limit=2, header="Mine")
    lines = table.splitlines()
    assert lines[0] == "Mine"
    for title in ("Name", "Self CPU %", "CPU time avg", "# of Calls", "CPU Mem"):
        assert title in lines[2]
    assert len(lines) == 1 + 3 + 2 + 1 + 1
    assert lines[-1].startswith("Self CPU time total:")
    counts = [int(line.split()[-1]) for line in _rows(measured, sort_by="count")]
    assert counts == sorted(counts, reverse=True)
    top = measured.events().table(top_level_events_only=True)
    assert "step" in top
    assert "aten::relu" not in top
    with pytest.raises(AttributeError, match="zzz"):
        measured.key_averages().table(sort_by="zzz")


def _rows(prof, sort_by):
    averages = prof.key_averages().total_average()
    assert averages.count > 10
    table = prof.key_averages(False).table(sort_by=sort_by, row_limit=-1)
    body = table.split("\n")[3:-3]
    return [line.replace("[]", "") for line in body if "Sequential" not in line]


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_chrome_trace(measured, tmp_path, name):
    path = str(tmp_path / name)
    measured.export_chrome_trace(path)
    packed = (tmp_path / name).read_bytes()
    text = gzip.decompress(packed) if name.endswith("gz") else packed
    events = json.loads(text)["traceEvents"]
    relu = next(e for e in events if e["name"] == "aten::relu")
    assert relu["ph"] == "X"
    assert relu["dur"] > 0
    assert relu["args"]["Input Dims"] == [[4, 16]]
    assert relu["args"]["Module"] == "Sequential.1"


def test_memory_of_calls():
    x = fl.ones(1 << 12)
    with profile(profile_memory=True) as prof:
        y = x + 1
    (add,) = (e for e in prof.events() if e.name == "aten::add")
    assert add.cpu_memory_usage == add.self_cpu_memory_usage == y.nbytes


def test_schedule():
    plan = schedule(wait=1, warmup=1, active=2, repeat=1, skip_first=1)
    assert [plan(k).name for k in range(6)] == [
        "NONE",
        "NONE",
        "WARMUP",
        "RECORD",
        "RECORD_AND_SAVE",
        "NONE",
    ]
    assert schedule(wait=5, warmup=0, active=1, skip_first_wait=1)(0) is (
        ProfilerAction.RECORD_AND_SAVE
    )
    with pytest.raises(ValueError, match="must not be negative"):
        schedule(wait=0, warmup=0, active=0)
    ready, x = [], fl.ones(2)
    with profile(
        schedule=schedule(wait=1, warmup=0, active=2),
        on_trace_ready=lambda p: ready.append(len(p.events())),
        acc_events=True,
    ) as prof:
        for _ in range(6):
            _ = x * 2
            prof.step()
    assert ready == [2, 4]


def test_trace_handler(tmp_path):
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path / "logs"), "me")):
        fl.ones(2) * 2
    (file,) = (tmp_path / "logs").iterdir()
    assert file.name.startswith("me.")
    assert "aten::mul" in file.read_text()


def test_nothing_recorded():
    with profile(schedule=lambda step: ProfilerAction.NONE) as prof:
        pass
    with pytest.raises(RuntimeError, match="nothing was recorded"):
        prof.events()


def test_decorated_functions_and_threads_of_names():
    @record_function("mine")
    def function(x):
        return x * 2

    with fl.autograd.profiler.profile() as prof:
        function(fl.ones(2))
    assert {a.key for a in prof.key_averages()} >= {"mine", "aten::mul"}
    assert "mine" in prof.table()
    assert prof.total_average().count >= 2
    assert prof.self_cpu_time_total > 0


def test_profiling_that_is_over_costs_nothing(monkeypatch):
    """The engine calls nobody any more; what that costs is a row of the benchmarks."""
    told = {}

    def set_engine_op(event, function):
        told[event] = function
        original(event, function)

    original = _C.set_engine_op
    monkeypatch.setattr(events._C, "set_engine_op", set_engine_op)
    with profile(with_modules=True):
        fl.ones(4, requires_grad=True).sum().backward()
        assert all(map(callable, told.values()))
    assert told == dict.fromkeys(["observer", "on_gradient", "on_record"])


def test_memory_by_owner():
    net = model()
    optimizer = fl.optim.Adam(net.parameters())
    net(fl.ones(4, 8)).sum().backward()
    optimizer.step()
    loss = net(fl.ones(4, 8)).exp().sum()
    report = memory_by_owner(net, optimizer, loss)
    size = sum(p.nbytes for p in net.parameters())
    assert report["parameters"] == report["gradients"] == size
    assert report["optimizer state"] >= 2 * size
    assert report["saved by ExpBackward0"] == 4 * 2 * 4
    assert "optimizer state" in str(report)
    assert str(report).splitlines()[-1].startswith("total")


def test_memory_of_tensors_under_a_transform_is_counted_once():
    kept = []
    fl.vmap(lambda row: kept.append(row) or row)(fl.ones(2, 3))
    assert memory_by_owner()["other"] > 0
