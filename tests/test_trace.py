"""`trace`: what backward does, printed while it happens and in the order in which it happens."""

from __future__ import annotations

import functools
import io
import threading

import pytest

import chainrule as torch
from chainrule.engine import _Task
from chainrule.insight import trace
from chainrule.modes import local


def traced(run):
    with trace(io.StringIO()) as found:
        run()
    assert found.file.getvalue() == found.text
    return [line.strip() for line in found.text.splitlines()]


def test_nodes_gradients_and_accumulation(capsys):
    x = torch.tensor(3.0, requires_grad=True)
    y = x * x
    with torch.trace() as found:
        y.backward()
    shown = capsys.readouterr().out
    assert shown == found.text
    line = y.grad_fn.code.co_firstlineno + 2
    assert [text.strip() for text in shown.splitlines()] == [
        f"backward of y = mul, called at test_trace.py:{line + 2}",
        f"1. y = mul  test_trace.py:{line}  x * x",
        "in   1",
        "out  3  to x",
        "out  3  to x",
        "x.grad = 6",
    ]


def test_the_sum_of_a_diagonal_is_still_there():
    assert torch.trace(torch.eye(3)).item() == 3
    with pytest.raises(TypeError):
        torch.trace(None)


def test_hooks_as_they_fire_in_order():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    order = []

    def on_y(g):
        order.append("on_y")
        return g + 1

    def before(grads):
        order.append("before")

    def after(inputs, outputs):
        order.append("after")

    def on_x(g):
        order.append("on_x")

    def accumulated(leaf):
        order.append("accumulated")

    y.register_hook(on_y)
    y.grad_fn.register_prehook(before)
    y.grad_fn.register_hook(after)
    x.register_hook(on_x)
    x.register_post_accumulate_grad_hook(accumulated)
    lines = traced(lambda: y.sum().backward())
    fired = [line.split()[1].rpartition(">.")[2] for line in lines if line.startswith("hook")]
    assert fired == order == ["on_y", "before", "after", "on_x", "accumulated"]
    hook = next(line for line in lines if "on_y" in line)
    assert hook.startswith("hook on_y (test_trace.py:") and hook.endswith("): [1, 1] returned [2, 2]")
    assert lines.index("x.grad = [4, 4]") == lines.index(next(t for t in lines if "accumulated" in t)) - 1
    assert next(line for line in lines if "accumulated" in line).endswith("): x")


def test_accumulation_into_what_is_there():
    x = torch.tensor(1.0, requires_grad=True)
    (x * 2).backward()
    assert traced(lambda: (x * 3).backward())[-1] == "x.grad += 3, now 5"


def test_grad_adds_nothing_to_grad():
    x = torch.tensor(1.0, requires_grad=True)
    y = x * 2
    lines = traced(lambda: torch.autograd.grad(y, x))
    assert not any(".grad" in line and "=" in line.split(".grad")[1][:3] for line in lines)
    assert x.grad is None


def test_several_outputs_and_large_values():
    x = torch.ones(2, 5, requires_grad=True)

    def run():
        a, b = x.unbind()
        (a * b).sum().backward()

    lines = traced(run)
    assert any(line.startswith("in 0   [1, 1, 1, 1, 1]") for line in lines)
    assert any("(2, 5) min 1, mean 1, max 1" in line for line in lines)


def test_backward_inside_backward_is_indented():
    class Inner(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            ctx.save_for_backward(a)
            return a * 2

        @staticmethod
        def backward(ctx, g):
            (a,) = ctx.saved_tensors
            with torch.enable_grad():
                b = a.detach().requires_grad_()
                (b * b).sum().backward()
            return g * 2

    x = torch.ones(2, requires_grad=True)
    y = Inner.apply(x)
    with trace(io.StringIO()) as found:
        y.sum().backward()
    inner = [line for line in found.lines if "backward of" in line]
    assert len(inner) == 2 and not inner[0].startswith(" ") and inner[1].startswith("    backward of")


def test_an_error_is_the_last_line_and_tracing_ends():
    def fail(g):
        raise ValueError("told you\nmore")

    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(fail)
    with trace(io.StringIO()) as found, pytest.raises(ValueError):
        y.sum().backward()
    assert found.lines[-1].strip() == "stopped by ValueError: told you"
    assert local.task_class is _Task


def test_only_this_thread():
    x = torch.ones(2, requires_grad=True)
    with trace(io.StringIO()) as found:
        other = threading.Thread(target=lambda: (x * 2).sum().backward())
        other.start()
        other.join()
    assert found.lines == []


def test_create_graph_and_gradients_that_are_not_there():
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x * x

    def run():
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        slope.backward()

    lines = traced(run)
    assert sum(line.startswith("backward of") for line in lines) == 2
    assert lines[-1] == "x.grad = 12"


def test_in_an_error_handler_it_does_not_report_that_error():
    x = torch.tensor(1.0, requires_grad=True)

    def run():
        try:
            raise KeyError("other")
        except KeyError:
            (x * 2).backward()

    assert not any("stopped by" in line for line in traced(run))


def test_hooks_of_modules_and_of_several_tensors_are_named():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Tanh(), torch.nn.Linear(2, 1))
    order = []

    def full(module, before, after):
        order.append("full")

    def pre(module, after):
        order.append("pre")

    def several(gradients):
        order.append("several")

    model[2].register_full_backward_hook(full)
    model[2].register_full_backward_pre_hook(pre)
    torch.autograd.graph.register_multi_grad_hook([model[0].weight, model[2].weight], several)
    lines = traced(lambda: model(torch.ones(3, 2)).sum().backward())
    fired = [line for line in lines if line.startswith("hook")]
    assert [line.split()[1].rpartition(">.")[2] for line in fired] == order == ["pre", "full", "several"]
    assert "): Linear, ([[1], [1], [1]],)" in fired[0]
    assert not any("BackwardHook." in line or "graph.py" in line for line in lines)


def test_hooks_in_partials_decorators_and_objects_and_one_that_fails():
    class Seen:
        def __call__(self, g):
            return None

    def scaled(k, g):
        return k * g

    @torch.no_grad()
    def fail(g):
        raise ValueError("no")

    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(functools.partial(scaled, 2))
    y.register_hook(Seen())
    y.register_hook(fail)
    with trace(io.StringIO()) as found, pytest.raises(ValueError):
        y.sum().backward()
    fired = [line.split("hook ")[1] for line in found.lines if " hook " in line]
    assert fired[0].startswith("scaled (test_trace.py:") and fired[0].endswith("[1, 1] returned [2, 2]")
    assert fired[1] == "Seen: [2, 2]"
    assert fired[2].startswith("fail (test_trace.py:") and fired[2].endswith("[2, 2] raised ValueError")


def test_a_checkpoint_is_indented():
    x = torch.ones(2, requires_grad=True)

    def run():
        torch.utils.checkpoint.checkpoint(lambda h: (h * 2).tanh(), x, use_reentrant=True).sum().backward()

    with trace(io.StringIO()) as found:
        run()
    inner = [line for line in found.lines if line.startswith("    backward of tanh")]
    assert len(inner) == 1


def test_long_lines_are_cut_off():
    x = torch.ones(2, requires_grad=True)
    lines = traced(
        lambda: ((x * 1 + 2 * x + 3 * x + 4 * x + 5 * x + 6 * x + 7 * x + 8 * x + 9 * x + 10 * x) * x).sum().backward()
    )
    assert any(line.endswith("…") for line in lines) and max(map(len, lines)) < 140


def test_the_work_of_a_tracer_inside_a_tracer():
    x = torch.tensor(1.0, requires_grad=True)
    with trace(io.StringIO()) as outer, trace(io.StringIO()) as inner:
        (x * 2).backward()
    assert outer.lines == inner.lines != []
