"""`record_grads` and `ledger`: the gradients of a block by name and line, and what was added to which `.grad`."""

from __future__ import annotations

import gc
import sys
import threading
import weakref

import numpy as np
import pytest

import chainrule as torch
from chainrule.engine import _Task
from chainrule.insight.records import Entry
from chainrule.modes import local


@pytest.fixture(autouse=True)
def nothing_watches_afterwards():
    yield
    gc.collect()
    local.watchers = tuple(w for w in local.watchers if w() is not None)
    assert local.watchers == ()


def test_the_gradient_in_the_middle():
    x = torch.ones(2, 2, requires_grad=True)
    with torch.record_grads() as g:
        y = x + 2
        z = 3 * y * y
        out = z.mean()
        out.backward()
    assert g["y"].tolist() == [[4.5, 4.5], [4.5, 4.5]]
    assert g["z"].tolist() == [[0.25, 0.25], [0.25, 0.25]]
    assert g["out"].item() == 1
    assert g["x"].tolist() == x.grad.tolist()
    assert list(g) == ["x", "y", "z", "out"]
    assert "z" in g and "q" not in g
    assert y.retains_grad is False


def test_by_line():
    x = torch.ones(2, requires_grad=True)
    with torch.record_grads() as g:
        y = (x * 2).exp()
        line = y.grad_fn.source.line if hasattr(y.grad_fn, "source") else None
        y.sum().backward()
    entry = next(e for e in g.entries if "y" in e.names)
    assert g[entry.source.line].tolist() == g["y"].tolist()
    assert len(g.all(entry.source.line)) == 2
    assert line in (None, entry.source.line)


def test_as_retain_grad_keeps_it():
    def run(keep):
        x = torch.tensor([1.0, -2.0], requires_grad=True)
        y = x * 3
        y.register_hook(lambda g: g * 10)
        y.grad_fn.register_prehook(lambda grads: (grads[0] + 1,))
        keep(y)
        (y * y).sum().backward(retain_graph=True)
        (y * 2).sum().backward()
        return y

    kept = run(lambda y: y.retain_grad()).grad
    with torch.record_grads() as g:
        run(lambda y: None)
    assert g["y"].tolist() == kept.tolist()


def test_a_name_made_several_times():
    x = torch.tensor(2.0, requires_grad=True)
    with torch.record_grads() as g:
        h = x
        for _ in range(3):
            h = h * h
        h.backward()
    assert [a.item() for a in g.all("h")] == [2 * 2 * 16 * 4, 2 * 16, 1]
    assert g["h"].item() == 1


def test_values_made_before_the_block_are_left_out():
    x = torch.ones(2, requires_grad=True)
    before = x * 2
    with torch.record_grads() as g:
        after = before * 3
        after.sum().backward()
    assert "after" in g and "before" not in g
    assert g["x"].tolist() == x.grad.tolist() == [6, 6]  # a leaf that the gradient reached


def test_backward_after_the_block():
    x = torch.ones(2, requires_grad=True)
    with torch.record_grads() as g:
        y = x * 2
        z = y.sum()
    (x * 5).sum().backward()  # has nothing to do with the block
    assert len(g) == 0
    with pytest.raises(KeyError, match="no backward has run"):
        g["y"]
    z.backward()
    assert g["y"].tolist() == [1, 1]
    assert local.task_class is _Task


def test_a_forgotten_record_stops_watching():
    x = torch.ones(2, requires_grad=True)
    with torch.record_grads() as g:
        x * 2
    del g
    gc.collect()
    (x * 2).sum().backward()
    assert local.watchers == () and local.task_class is _Task


def test_the_graph_is_not_kept_alive():
    def run():
        x = torch.ones(2, requires_grad=True)
        with torch.record_grads() as g:
            y = x * 2
            y.sum().backward()
        return g, weakref.ref(y.grad_fn)

    g, node = run()
    assert node() is None
    assert g["y"].tolist() == [1, 1]


def test_several_outputs_custom_functions_and_create_graph():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.tensor([3.0, 1.0], requires_grad=True)
    with torch.record_grads() as g:
        a, b = x.unbind()
        t = Twice.apply(a)
        y = t * t * b
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        slope.sum().backward()
    assert g["a"].item() == pytest.approx(24 + 8 + 24)  # dy/da, then d(slope.sum())/da
    assert g["t"].requires_grad or g["t"].item() != 0
    assert {"a", "b", "t", "y"} <= set(g)


def test_only_what_leads_to_the_asked_inputs():
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    with torch.record_grads() as g:
        a = x * 2
        b = w * 3
        loss = (a * b).sum()
        found = torch.autograd.grad(loss, a)
    assert found[0].tolist() == g["a"].tolist() == [3, 3]
    assert "b" not in g and x.grad is None and w.grad is None


def test_names_from_where_values_are_held():
    def work(v):
        return v * 2

    x = torch.ones(2, requires_grad=True)
    with torch.record_grads() as g:
        h = work(x)
        h.sum().backward()
    assert g["h"].tolist() == [1, 1]


def test_results_are_the_same_with_and_without():
    def run():
        torch.manual_seed(0)
        w = torch.randn(4, 4, requires_grad=True)
        h = torch.randn(3, 4)
        for _ in range(4):
            h = torch.tanh(h @ w) + h
        h.register_hook(lambda g: g * 0.5)
        (h * h).sum().backward()
        (w * w).sum().backward()
        return w.grad

    with torch.record_grads(), torch.ledger():
        watched = run()
    assert np.array_equal(watched.numpy(), run().numpy())


def test_an_error_in_backward_leaves_what_had_arrived():
    def fail(g):
        raise ValueError("no")

    x = torch.ones(2, requires_grad=True)
    with torch.record_grads() as g:
        y = x * 2
        y.register_hook(fail)
        z = y.exp()
        with pytest.raises(ValueError, match="no"):
            z.sum().backward()
    assert "z" in g
    assert local.watchers == ()


def test_table_statistics_and_histogram():
    x = torch.tensor([0.0, 1.0, 2.0, 3.0], requires_grad=True)
    with torch.record_grads() as g:
        y = x * x
        z = (y * torch.tensor([0.0, 1.0, float("inf"), 1.0])).sum()
        z.backward()
    table = g.table().splitlines()
    assert table[0].split() == ["value", "operation", "line", "shape", "norm", "gradient"]
    assert any(line.startswith("y ") and "test_records.py:" in line and "(4,)" in line for line in table)
    numbers = {s.name: s for s in g.statistics()}["y"]
    assert (numbers.zeros, numbers.not_finite, numbers.largest) == (1, 1, 1.0)
    assert numbers.norm == pytest.approx(2**0.5)
    histogram = g.histogram("y", bins=2)
    assert histogram.counts.tolist() == [1, 2]
    assert str(histogram).count("\n") == 1 and "█" in str(histogram) and repr(histogram) == str(histogram)
    assert histogram._repr_html_().count('class="bar"') == 2
    assert g.histogram().counts.sum() == sum(np.isfinite(e.gradient.numpy()).sum() for e in g.entries)
    with pytest.raises(KeyError, match="no gradient was recorded for 'nothing'; there are x, y, z"):
        g.histogram("nothing")


def test_empty_complex_and_half():
    x = torch.zeros(0, requires_grad=True)
    c = torch.tensor([1 + 1j], requires_grad=True)
    h = torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    with torch.record_grads() as g:
        a = x * 2
        b = c * c
        d = h * 2
        (a.sum() + b.abs().sum() + d.float().sum()).backward()
    assert g["a"].shape == (0,)
    assert g["b"].is_complex()
    assert g["d"].dtype == torch.bfloat16
    assert "empty" in g.table()
    assert len(g.statistics()) == len(g.entries) and len(g) == len(list(g))
    assert isinstance(g.entries[0], Entry)


def test_it_costs_nothing_when_unused():
    x = torch.ones(2, requires_grad=True)
    with torch.record_grads():
        (x * 2).sum().backward()
    assert local.task_class is _Task
    assert x.grad_fn is None and (x * 2).grad_fn.meta is None


def test_parameters_of_modules_by_either_spelling():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, x):
            h = self.layers(x)
            self.hidden = h * self.scale
            return self.hidden.sum()

    model = Net()
    with torch.record_grads() as g:
        out = model(torch.ones(2, 3))
        out.backward()
    weight = model.layers[0].weight.grad
    assert g["model.layers.0.weight"].tolist() == g["model.layers[0].weight"].tolist() == weight.tolist()
    assert g["model.scale"].tolist() == g["self.scale"].tolist() == model.scale.grad.tolist()
    assert g["self.hidden"].tolist() == g["model.hidden"].tolist() == [[1], [1]]
    assert g["h"].shape == (2, 1)  # and not what the layers inside made
    assert next(iter(g)) == "model.layers[0].weight"


def test_parameters_are_found_as_typed_and_as_a_state_dict_calls_them():
    parts = torch.nn.ModuleDict({"left-hand": torch.nn.Linear(1, 1), "class": torch.nn.Linear(1, 1)})
    weights = torch.nn.ParameterList([torch.ones(1), torch.ones(1)])
    model = torch.nn.Sequential(torch.nn.ReLU(), parts, weights)
    rest = model[1:]  # noqa: F841  # gradients are asked for by this name
    with torch.record_grads() as g:
        total = sum(part(weights[1]) for part in parts.values())
        total.backward()
    assert g["parts['left-hand'].weight"] is g['parts["left-hand"].weight'] is g["parts.left-hand.weight"]
    assert g["model[1]['class'].weight"] is g["parts['class'].weight"] is g["model.1.class.weight"]
    assert g["weights[1]"] is g["weights.1"] is g["model.2.1"] and "weights.0" not in g
    assert g["rest.1.class.weight"] is g["rest[0]['class'].weight"]  # a part of a Sequential keeps its keys
    assert "rest[1]['class'].weight" not in g and "rest.0.class.weight" not in g


def test_another_name_does_not_hide_a_value():
    w = torch.ones(2, requires_grad=True)
    other = w

    def inside(w):
        with torch.record_grads() as g:
            other = w * 2
            (3 * other).sum().backward()
        return g

    g = inside(w)
    assert g["other"].tolist() == [3, 3] and g["w"].tolist() == [6, 6] and other is w


def test_a_composite_in_a_loop():
    w = torch.ones(2, requires_grad=True)
    with torch.record_grads() as g:
        total = 0
        for _ in range(3):
            part = torch.nn.functional.mse_loss(w, torch.zeros(2))
            total = total + part
        total.backward()
    assert [a.item() for a in g.all("part")] == [1, 1, 1]


def test_an_error_in_the_block_ends_the_watch():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(KeyError), torch.record_grads() as g:
        y = x * 2
        raise KeyError("mine")
    y.sum().backward()
    assert len(g) == 0 and local.watchers == ()


def test_one_block_inside_another():
    x = torch.ones(2, requires_grad=True)
    with torch.record_grads() as outer:
        y = x * 2
        with torch.record_grads() as inner:
            z = y * 3
            z.sum().backward()
    assert list(outer) == ["x", "y", "z"] and list(inner) == ["x", "z"]


def test_threads_have_records_of_their_own():
    found = {}

    def work(n):
        x = torch.full((2,), float(n), requires_grad=True)
        with torch.record_grads() as g:
            y = x * n
            (y * y).sum().backward()
        found[n] = g["y"].tolist()

    with torch.record_grads() as g:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {n: [2.0 * n * n] * 2 for n in range(4)}
    assert len(g) == 0


def test_in_a_notebook_names_are_text():
    namespace = {"torch": torch, "x": torch.ones(2, requires_grad=True)}
    text = "with torch.record_grads() as g:\n    (x * 2).sum().backward()"
    exec(compile(text, "<img src=x onerror=alert(1)>", "exec"), namespace)
    shown = namespace["g"]._repr_html_()
    assert "<table>" in shown and "<img" not in shown and "&lt;img" in shown


def test_a_table_in_a_notebook_points_out_what_is_not_finite_or_zero():
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    unused = torch.ones(3, requires_grad=True)
    with torch.record_grads() as g:
        y = (x.sqrt() * 0).sum() + (unused * 0).sum() + (x * torch.tensor([1.0, 2.0])).relu().sum()
        y.backward()
    rows = g._repr_html_().split("<tr")[2:]
    assert len(rows) == len(g.entries)
    told = {entry.name: row for entry, row in zip(g.entries, rows)}
    assert "<strong>nan</strong>" in told["x"] and "background" in told["x"] and ">nan</td>" in told["x"]
    assert "<strong>all 0</strong>" in told["unused"] and "background" not in told["unused"]
    operations = [entry.operation for entry in g.entries]
    assert all(f">{operation or 'leaf'}</td>" in row for operation, row in zip(operations, rows))
    assert "<svg" in g._repr_html_()  # how the elements are spread


def test_a_table_in_a_notebook_stays_short():
    x = torch.ones(2, requires_grad=True)
    with torch.record_grads() as g:
        h = x
        for _ in range(1000):
            h = h * 1.0
        h.sum().backward()
    shown = g._repr_html_()
    assert shown.count("<tr") == 202 and "… 802 more" in shown and "max-height" in shown
    assert len(g.table().splitlines()) == 1003


def test_it_is_a_mapping():
    x = torch.tensor(2.0, requires_grad=True)
    with torch.record_grads() as g:
        y = x * x
        y.backward()
    assert {name: gradient.item() for name, gradient in g.items()} == {"x": 4, "y": 1}
    assert [gradient.item() for gradient in g.values()] == [4, 1]
    assert g.get("y").item() == 1 and g.get("nothing") is None and len(g) == 2


def test_a_leaf_that_is_cleared_in_between_has_a_gradient_of_each_step():
    w = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.0)
    for set_to_none in (True, False):
        with torch.record_grads() as g:
            for step in range(1, 4):
                optimizer.zero_grad(set_to_none)
                (w * step).backward()
        assert [gradient.item() for gradient in g.all("w")] == [1, 2, 3] and g["w"].item() == 3
    with torch.record_grads() as g:
        for step in range(1, 4):
            torch.autograd.grad(w * step, w)
    assert [gradient.item() for gradient in g.all("w")] == [1, 2, 3]
    w.grad = None
    with torch.record_grads() as g:
        for step in range(1, 4):
            (w * step).backward()
    assert [gradient.item() for gradient in g.all("w")] == [6] == [w.grad.item()]


def test_entered_again_it_starts_anew():
    x = torch.tensor(2.0, requires_grad=True)
    g = torch.record_grads()
    with g:
        a = x * 2
        a.backward()
    assert list(g) == ["x", "a"]
    with g:
        b = x * 3
        b.backward()
    assert list(g) == ["x", "b"] and g["x"].item() == 3


def test_a_name_that_is_not_there_has_neighbours():
    x = torch.tensor(2.0, requires_grad=True)
    with torch.record_grads() as g:
        hidden_state = x * 2
        hidden_state.backward()
    with pytest.raises(KeyError, match="'hiden_state'; there are hidden_state, …"):
        g["hiden_state"]


def test_variables_that_are_deleted_are_freed():
    x = torch.ones(2, requires_grad=True)
    with torch.record_grads():
        y = x * x
        node = weakref.ref(y.grad_fn)
        y.sum().backward()
    del y
    assert node() is None


# ---------------------------------------------------------------- ledger


def test_ledger_tells_who_added_what():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.ledger() as entries:
        (w * 3 + w * w).sum().backward()
        (w * 5).sum().backward()
        w.grad = None
        (w * 7).sum().backward()
    first, second, cleared, third = entries["w"]
    assert first.before is None and first.amount.tolist() == [5, 7]
    assert sorted(part.amount.tolist() for part in first.parts) == [[1, 2], [1, 2], [3, 3]]
    assert {part.source.text for part in first.parts} == {"w * 3", "w * w"}
    assert second.before.tolist() == [5, 7] and second.amount.tolist() == [5, 5] and second.after.tolist() == [10, 12]
    assert (first.call, second.call, third.call) == (1, 2, 3)
    assert [e.kind for e in entries["w"]] == ["backward", "backward", "cleared", "backward"]
    assert cleared.text == "w.grad = None" and cleared.before.tolist() == [10, 12] and cleared.after is None
    assert "backward" in first.source.text
    assert str(entries).splitlines()[0].startswith("w.grad = [5, 7]  by backward 1 at test_records.py:")
    with pytest.raises(KeyError, match="leaves with entries: w"):
        entries["v"]


def test_ledger_of_hooks_and_zeroing():
    w = torch.ones(2, requires_grad=True)
    w.register_hook(lambda g: g * 2)
    with torch.ledger() as entries:
        w.sum().backward()
        w.grad.zero_()
        w.sum().backward()
    first, zeroed, second = entries["w"]
    assert [e.amount.tolist() for e in (first, second)] == [[2, 2], [2, 2]]
    assert (zeroed.kind, zeroed.text, zeroed.after.tolist()) == ("in place", "w.grad.zero_()", [0, 0])
    assert second.before.tolist() == [0, 0]


def test_ledger_leaves_out_what_was_not_accumulated():
    w = torch.ones(2, requires_grad=True)
    v = torch.ones(2, requires_grad=True)
    with torch.ledger() as entries:
        torch.autograd.grad((w * v).sum(), w)
        (w * v).sum().backward(inputs=[v])
    assert [e.name for e in entries] == ["v"]
    assert str(torch.ledger()) == "nothing was added to any .grad"


def test_ledger_of_a_leaf_that_is_the_root():
    w = torch.tensor(1.0, requires_grad=True)
    with torch.ledger() as entries:
        w.backward()
    (entry,) = entries["w"]
    assert entry.amount.item() == 1 and entry.parts[0].source is None


followed = pytest.mark.skipif(sys.gettrace() is not None, reason="a debugger or coverage follows the lines")


@followed
def test_ledger_names_the_lines_that_change_gradients():
    w = torch.ones(2, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)

    def clip():
        torch.nn.utils.clip_grad_norm_([w], 1.0)
        return w

    with torch.ledger() as entries:
        (w * 3).sum().backward()
        clip()
        w.grad *= 0
        optimizer.zero_grad()
        w.grad = torch.ones(2)
        (w * 2).sum().backward()
    assert [(e.kind, e.text) for e in entries["w"] if e.kind != "backward"] == [
        ("in place", "torch.nn.utils.clip_grad_norm_([w], 1.0)"),
        ("in place", "w.grad *= 0"),
        ("cleared", "optimizer.zero_grad()"),
        ("assigned", "w.grad = torch.ones(2)"),
    ]
    assert entries["w"][-1].before.tolist() == [1, 1] and entries["w"][-1].after.tolist() == [3, 3]
    lines = str(entries).splitlines()
    assert any(line.startswith("w.grad = None  cleared at test_records.py:") for line in lines)


@followed
def test_ledger_of_a_hook_that_clears():
    w = torch.ones(2, requires_grad=True)

    def clear(leaf):
        leaf.grad = None

    w.register_post_accumulate_grad_hook(clear)
    with torch.ledger() as entries:
        (w * 3).sum().backward()
    assert [(e.kind, e.text) for e in entries] == [
        ("backward", "(w * 3).sum().backward()"),
        ("cleared", "leaf.grad = None"),
    ]


@followed
def test_ledgers_inside_each_other_and_the_trace_function_afterwards():
    w = torch.ones(2, requires_grad=True)
    with torch.ledger() as outer:
        with torch.ledger() as inner:
            w.sum().backward()
            w.grad.zero_()
        w.grad = None
    assert [e.kind for e in outer] == ["backward", "in place", "cleared"]
    assert [e.kind for e in inner] == ["backward", "in place"]
    assert sys.gettrace() is None and sys._getframe().f_trace is None


def memory_of(tensor):
    return tensor.numpy()


def test_ledger_of_a_change_that_no_line_shows():
    w = torch.ones(2, requires_grad=True)
    with torch.ledger() as entries:
        w.sum().backward()
        memory = memory_of(w.grad)
        memory[:] = 5  # NumPy counts no versions, and nothing here says that it is at work
        w.sum().backward()
    assert [e.kind for e in entries] == ["backward", "changed", "backward"]
    assert entries.entries[1].source is None and entries.entries[1].after.tolist() == [5, 5]
    assert "w.grad = [5, 5]  changed, unseen" in str(entries)


def test_ledger_of_writes_that_no_version_counts():
    w = torch.ones(2, requires_grad=True)
    v = torch.ones(1, requires_grad=True)
    first = sys._getframe().f_lineno
    with torch.ledger() as entries:
        (w.sum() + v.sum()).backward()
        w.grad.data.mul_(3)
        for p in (w, v):
            p.grad.data.clamp_(-2, 2)
        memory = w.grad.numpy()
        memory[:] = 7
    assert [(e.kind, e.after.tolist(), e.source.line - first) for e in entries["w"][1:]] == [
        ("in place", [3, 3], 3),
        ("in place", [2, 2], 5),
        ("in place", [7, 7], 7),
    ]
    assert [e.kind for e in entries["v"]] == ["backward"]  # clamped to what it was


def test_ledger_of_a_line_that_clears_and_calls_backward():
    w = torch.ones(2, requires_grad=True)
    with torch.ledger() as entries:
        w.sum().backward()
        w.grad = None; w.sum().backward()  # fmt: skip  # noqa: E702
    assert [(e.kind, e.source is None) for e in entries] == [
        ("backward", False),
        ("cleared", False),
        ("backward", False),
    ]
    assert entries.entries[1].source.line == entries.entries[2].source.line


def test_ledger_leaves_a_debugger_alone():
    seen = []

    def debugger(frame, event, argument):
        seen.append(event)
        return debugger

    w = torch.ones(2, requires_grad=True)
    before = sys.gettrace()
    sys.settrace(debugger)
    try:
        with torch.ledger() as entries:
            w.sum().backward()
            w.grad = None
            w.sum().backward()
        assert sys.gettrace() is debugger
    finally:
        sys.settrace(before)
    assert [e.kind for e in entries] == ["backward", "changed", "backward"]
