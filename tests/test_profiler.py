"""Profiles: what is counted, how it nests, the table, the trace, the schedule; and that nothing is left behind."""

import gzip
import json

import pytest

import chainrule as torch
from chainrule.autograd import profiler as autograd_profiler
from chainrule.modes import local
from chainrule.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    supported_activities,
    tensorboard_trace_handler,
)


def counts(profiled) -> dict[str, int]:
    return {event.key: event.count for event in profiled.key_averages()}


def test_operations_and_backward_are_counted():
    x = torch.ones(3, requires_grad=True)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        (x * 2 + x.sin()).sum().backward()
        x.detach().mul_(3)
    found = counts(profiled)
    assert (found["aten::mul"], found["aten::sin"], found["aten::sum"], found["aten::add"]) == (2, 1, 1, 1)
    assert found["autograd::engine::evaluate_function: SinBackward0"] == 1
    assert found["autograd::engine::evaluate_function: SumBackward0"] == 1


def test_blocks_contain_what_runs_inside():
    with profile() as profiled, record_function("outer"):
        torch.ones(3).exp()
        with record_function("inner"):
            torch.ones(3).cos()
    events = {event.name: event for event in profiled.events()}
    assert events["aten::exp"].cpu_parent is events["outer"]
    assert events["aten::cos"].cpu_parent is events["inner"]
    assert events["inner"] in events["outer"].cpu_children
    outer = events["outer"]
    assert outer.self_cpu_time_total == pytest.approx(
        outer.cpu_time_total - sum(child.cpu_time_total for child in outer.cpu_children)
    )
    assert 0 <= events["aten::exp"].cpu_time_total <= outer.cpu_time_total


def test_shapes():
    with profile(record_shapes=True) as profiled:
        torch.ones(2, 3) @ torch.ones(3, 4)
        torch.ones(3).add(torch.ones(2, 3))
        torch.ones(3).add(torch.ones(3))
    averages = profiled.key_averages(group_by_input_shape=True)
    assert {str(a.input_shapes) for a in averages if a.key == "aten::add"} == {"[[3], [2, 3]]", "[[3], [3]]"}
    assert "Input Shapes" in averages.table()
    assert counts(profiled)["aten::add"] == 2


def test_the_table():
    with autograd_profiler.profile() as profiled:
        for _ in range(3):
            torch.ones(3).exp()
    lines = profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=1).splitlines()
    assert lines[0] == "-------------  " + 6 * "------------  "
    assert lines[1] == (
        "         Name    Self CPU %      Self CPU   CPU total %     CPU total  CPU time avg    # of Calls  "
    )
    assert lines[3].split()[0] == "aten::exp" and lines[3].split()[-1] == "3"
    assert len(lines) == 6 and lines[5].startswith("Self CPU time total: ")
    assert profiled.total_average().count == 3
    assert str(profiled).splitlines()[1] == lines[1]
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        profiled.key_averages().table(sort_by="nope")


def test_the_trace(tmp_path):
    with profile() as profiled, record_function("block"):
        torch.ones(3).exp()
    profiled.export_chrome_trace(str(tmp_path / "trace.json"))
    profiled.export_chrome_trace(str(tmp_path / "trace.json.gz"))
    trace = json.loads((tmp_path / "trace.json").read_text())
    found = {event["name"]: event for event in trace["traceEvents"]}
    assert set(found) == {"block", "aten::exp"}
    assert (found["block"]["ph"], found["block"]["cat"], found["aten::exp"]["cat"]) == (
        "X",
        "user_annotation",
        "cpu_op",
    )
    assert found["block"]["ts"] <= found["aten::exp"]["ts"]
    assert json.loads(gzip.decompress((tmp_path / "trace.json.gz").read_bytes()))["traceEvents"] == trace["traceEvents"]


def test_a_schedule():
    none, warmup, record, save = ProfilerAction
    action = schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    assert [action(i) for i in range(11)] == [none, none, warmup, record, save, none, warmup, record, save, none, none]
    with pytest.raises(AssertionError, match="Invalid profiler schedule arguments"):
        schedule(wait=-1, warmup=0, active=1)


def test_steps(tmp_path):
    ready = []
    with profile(
        schedule=schedule(wait=1, warmup=1, active=2, repeat=1),
        on_trace_ready=lambda p: ready.append((p.step_num, counts(p))),
    ) as profiled:
        for _ in range(6):
            torch.ones(3).exp()
            profiled.step()
    assert ready == [(4, {"ProfilerStep*": 2, "aten::exp": 2})]
    with profile(on_trace_ready=tensorboard_trace_handler(str(tmp_path / "logs"), "me")):
        torch.ones(3).exp()
    (file,) = (tmp_path / "logs").iterdir()
    assert file.name.startswith("me.") and file.name.endswith(".pt.trace.json")


def test_a_decorator_and_an_error():
    @record_function("named")
    def f():
        raise ValueError

    with pytest.raises(ValueError), profile() as profiled:
        f()
    assert counts(profiled) == {"named": 1}
    assert (local.kernels, local.watchers) == (None, ())


def test_nothing_is_asked_outside():
    mode = local.mode
    with record_function("nobody listens"):
        torch.ones(3).exp()
    with profile():
        pass
    assert local.mode == mode and local.kernels is None
    assert supported_activities() == {ProfilerActivity.CPU}
    with pytest.raises(RuntimeError, match="didn't finish running"):
        autograd_profiler.profile().key_averages()
    with autograd_profiler.profile(enabled=False) as off:
        torch.ones(3).exp()
    with pytest.raises(RuntimeError):
        off.table()


def test_profiles_nest():
    with profile() as outer:
        torch.ones(3).exp()
        with profile() as inner:
            torch.ones(3).cos()
    assert counts(inner) == {"aten::cos": 1}
    assert counts(outer) == {"aten::exp": 1, "aten::cos": 1}
