"""`explain`, `why` and `draw` on graphs that are large, or in which very many paths lead from the result to a leaf.

Each answers in time that grows with the graph, not with its paths; `chainrule` gives up after a minute."""

from __future__ import annotations

import pytest

import chainrule as torch
from chainrule.insight.answers.question import leads
from chainrule.insight.values import Values, edges_of, leading_to, reachable
from chainrule.insight.witness.histories import Histories
from chainrule.tensor import gradient_edge
from tests.running import chainrule, write_script

WRITES = """
    import torch
    k = torch.ones(2, requires_grad=True)
    Y = torch.zeros(200)
    for i in range(200):
        Y[i] = (k * i).sum()
    loss = Y.pow(2).sum()
    loss.backward()
"""
DOUBLED = """
    import torch
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
"""
REARRANGED = """
    import torch
    x = torch.tensor([0.5, -0.25], requires_grad=True)
    y = x
    for _ in range(2500):
        y = y.view(2).clone()
    loss = y.log_softmax(0).sum()
    loss.backward()
"""
RECURRENT = """
    import torch
    w = torch.tensor([0.5, -0.25], requires_grad=True)
    x = torch.linspace(-1.0, 1.0, 20)
    optimizer = torch.optim.SGD([w], 0.001)
    for epoch in range(2):
        h, loss = w, 0.0
        for i in range(400):
            h = torch.tanh(h * 0.99 + x[i % 20] * 0.1)
            loss = loss + h.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
HEALTHY = "no finding: the gradients are in order\n"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (WRITES, "= [1.05868e+07, 1.05868e+07]\n\n200 paths lead from loss to k"),
        (DOUBLED, "1152921504606846976 paths lead from y₆₀ to x"),
        (RECURRENT, "400 paths lead from loss₄₀₀ to w"),
    ],
    ids=["writes", "doubled", "recurrent"],
)
def test_explain(program, said, tmp_path):
    write_script(tmp_path / "prog.py", program)
    done = chainrule("explain", "prog.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert "There are no numbers" not in done.stdout


@pytest.mark.parametrize(
    "program", [WRITES, DOUBLED, REARRANGED, RECURRENT], ids=["writes", "doubled", "rearranged", "recurrent"]
)
def test_why_and_draw(program, tmp_path):
    write_script(tmp_path / "prog.py", program)
    done = chainrule("why", "prog.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, HEALTHY), done.stdout + done.stderr
    done = chainrule("draw", "prog.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_constant_term_behind_many_paths_is_found(tmp_path):
    program = """
        import torch
        x = torch.tensor(1.0, requires_grad=True)
        w = torch.tensor(2.0, requires_grad=True)
        y = x + w * w.item() + w.item() ** 2
        for _ in range(60):
            y = y + y
        y.backward()
    """
    write_script(tmp_path / "prog.py", program)
    done = chainrule("why", "prog.py", cwd=tmp_path)
    assert done.stdout.startswith(f"{tmp_path / 'prog.py'}:4: "), done.stdout + done.stderr
    assert "a term of the loss" in done.stdout


def test_a_long_history_that_was_used_up(tmp_path):
    program = """
        import torch
        w = torch.tensor([0.5, -0.25], requires_grad=True)
        h = torch.zeros(2)
        for epoch in range(2):
            loss = 0.0
            for i in range(1500):
                h = torch.tanh(h * w + 0.1)
                loss = loss + h.sum()
            loss.backward()
    """
    write_script(tmp_path / "prog.py", program)
    done = chainrule("why", "prog.py", cwd=tmp_path)
    assert done.stdout.startswith(f"{tmp_path / 'prog.py'}:7: RuntimeError"), done.stdout + done.stderr
    assert "cut it off between rounds: h = h.detach()" in done.stdout


def test_what_leads_to_an_edge_is_found_for_all_edges_at_once():
    x, w = torch.ones(4, requires_grad=True), torch.ones(4, requires_grad=True)
    least = (x * w).min(0).values
    first, second = (x.exp() + least).split(2)
    y = (first * second).sum() + w.detach().sum() + (w * 2).sum()
    order = reachable(y.grad_fn)
    edges = [(y.grad_fn, 0), *(edge for node in order for edge in edges_of(node) if edge is not None)]
    found = set()
    for target in map(gradient_edge, (x, w, least, first, second, y)):
        leading = leading_to(target, order)
        for edge in edges:
            assert leading(edge) == leads(edge, target), (edge, target)
            found.add(leading(edge))
    assert found == {True, False}


def test_what_cannot_be_computed_is_tried_twice_at_most(monkeypatch):
    tried = []
    compute = Values._compute
    monkeypatch.setattr(Values, "_compute", lambda self, node: (tried.append(node), compute(self, node))[1])

    def loss_of(count):
        x = torch.linspace(0.1, 1, count, requires_grad=True)
        out = torch.zeros(count)
        for i in range(count):
            out[i] = x[i] * 2
        return (out**2).sum()

    loss = loss_of(50)
    loss.backward()
    drawn = torch.draw(loss)
    assert len(drawn.graph.items) > 150
    assert len(tried) <= 2 * len(drawn.graph.items)


def test_the_flows_of_a_write_are_found_from_what_is_known_of_what_it_wrote_to(monkeypatch):
    met = []
    leaf_of = Histories.leaf_of
    monkeypatch.setattr(Histories, "leaf_of", lambda self, tensor: (met.append(tensor), leaf_of(self, tensor))[1])
    histories = Histories()
    w = torch.ones(3, requires_grad=True)
    out = torch.zeros(40)
    for i in range(40):
        out[i] = w[i % 3] * 2
        (leaf,) = histories.flows_of(out)
        assert leaf.tensor() is w
    assert len(met) <= 3 * 40
