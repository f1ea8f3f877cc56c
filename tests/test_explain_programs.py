"""`explain` on the programs that people write: after backward, modules, loops, in-place writes, slices, large graphs."""

from __future__ import annotations

import time

import numpy as np
import pytest

import chainrule as torch
from chainrule import explain
from chainrule.insight.algebra import ONE, at_least, delta, symbol, total, within
from chainrule.insight.positions import bounds, difference, digits, flat, fresh, quotient, remainder, weighted
from chainrule.insight.writing import Letters, text

from .running import chainrule
from .test_explain import right_sides, run

# ---------------------------------------------------------------- after a backward


NETWORK = """
torch.manual_seed(0)

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Linear(2, 3), torch.nn.Linear(3, 2)])
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, h):
        for layer in self.layers:
            h = torch.tanh(layer(h))
        return self.norm(h)

x, target = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
net = Net()
out = net(x)
loss = torch.nn.functional.cross_entropy(out, target)
"""


def test_what_a_backward_freed_of_modules_and_composites_is_computed_again():
    names = run(NETWORK + "loss.backward()\ne = explain(loss, net.layers[0].weight)\n")
    e, buffers = names["e"], [b._array.copy() for b in names["net"].buffers()]
    assert e.value is not None, str(e)
    np.testing.assert_allclose(e.value._array, names["net"].layers[0].weight.grad._array, rtol=1e-4, atol=1e-6)
    assert "a value has changed since" not in str(e)
    explain(names["loss"], names["net"].layers[0].weight)
    for buffer, before in zip(names["net"].buffers(), buffers):
        assert np.array_equal(buffer._array, before), "calling a module again has changed its statistics"


def test_the_programs_own_code_hooks_and_draws_do_not_run_again():
    called = []
    names = run(
        """
w = torch.tensor([1.0, 2.0], requires_grad=True)
linear = torch.nn.Linear(2, 2)
linear.register_forward_hook(lambda *arguments: called.append(1))
hooked = linear(w).sum()
dropped = torch.nn.functional.dropout(w * 2, 0.5).sum()

def own(t):
    called.append(2)
    return (t.softmax(0) * t).sum()

mine = own(w)
for y in (hooked, dropped, mine):
    y.backward()
seed = torch.get_rng_state()
found = [explain(y, w) for y in (hooked, dropped, mine)]
same_seed = torch.equal(seed, torch.get_rng_state())
""",
        called=called,
    )
    hooked, dropped, mine = names["found"]
    assert called == [1, 2]
    assert "has hooks, which do not run again" in str(hooked)
    assert dropped.value is None and "draws random numbers" in str(dropped)
    assert mine.value is not None and names["same_seed"]


def test_the_graph_is_named_that_is_gone():
    names = run("""
class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0].exp()

x = torch.tensor(1.0, requires_grad=True)
y = Own.apply(x) * 2
y.backward()
e = explain(y, x)
""")
    assert names["e"].value is None
    assert "what OwnBackward saved is gone" in str(names["e"])
    assert "backward(retain_graph=True)" in str(names["e"])


# ---------------------------------------------------------------- names and forms


def test_a_custom_function_is_named_by_its_class_and_has_numbers():
    names = run("""
class Triple(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 3

    @staticmethod
    def backward(ctx, g):
        return g * 3

v = torch.tensor([2.0, 3.0], requires_grad=True)
t = Triple.apply(v)
y = (t * t).sum()
e = explain(y, v)
""")
    written = str(names["e"])
    assert "tᵢ = Triple(v)" in written
    assert "∂tᵢ/∂vⱼ = [[3, 0], [0, 3]]" in written
    assert names["e"].value.tolist() == [36, 54]


def test_a_recurrent_network_is_differentiated_through_time():
    names = run("""
w = torch.tensor([[0.5, -0.2], [0.1, 0.3]], requires_grad=True)
h = torch.tensor([0.2, 0.4])
xs = torch.tensor([[0.1, 0.2], [0.3, 0.4]])
for i in range(2):
    h = torch.tanh(w @ h + xs[i])
loss = (h ** 2).sum()
e = explain(loss, w)
""")
    e = names["e"]
    assert [q.name for q in e.quantities] == ["loss", "h_2", "h_1", "w"]
    assert right_sides(e)[1] == "2h₂ᵢ·(1 - h₂ᵢ²)·h₁ⱼ + 2(1 - h₁ᵢ²)·hⱼ·Σₖ h₂ₖ·(1 - h₂ₖ²)·wₖᵢ"
    names["loss"].backward()
    assert torch.allclose(e.value, names["w"].grad)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("((w[1:] - w[:-1]) ** 2).sum()", "2(wᵢ - wᵢ₋₁)·[i ≥ 1] + 2(wᵢ - wᵢ₊₁)·[i ≤ 2]"),
        ("w.max()", "[i = 3]"),
        ("w.prod()", "Π(j ≠ i) wⱼ"),
        ("w.cumsum(0)[2]", "[i ≤ 2]"),
        ("w.clamp(2, 3).sum()", "[2 ≤ wᵢ ≤ 3]"),
        ("w.flip(0)[0]", "[i = 3]"),
        ("torch.cat([w, 2 * w]).sum()", "3"),
        ("w.reshape(2, 2)[1].sum()", "[i ≥ 2]"),
        ("w[idx].sum()", "Σ(idxⱼ = i) 1"),
        ("torch.where(w > 2, w ** 2, w).sum()", "2wᵢ·[wᵢ > 2] + [wᵢ ≤ 2]"),
        ("torch.softmax(w, 0)[1]", "softmax(w)₁·([i = 1] - softmax(w)ᵢ)"),
        ("w.var()", "2/3(wᵢ - mean(w))"),
        ("torch.nn.functional.silu(w).sum()", "σ(wᵢ)·(wᵢ·(1 - σ(wᵢ)) + 1)"),
    ],
)
def test_derivatives_are_written_as_a_person_would(expression, expected):
    e = run(
        f"w = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)\nidx = torch.tensor([0, 2, 2])\ny = {expression}\ne = explain(y, w)\n"
    )["e"]
    assert right_sides(e)[0] == expected
    assert e.checked


def test_writes_to_a_part():
    names = run("""
v = torch.tensor([2.0, 3.0], requires_grad=True)
b = torch.zeros(3)
b[0] = v[0] ** 2
b[1:] = 5 * v
b[2] *= v[1]
out = b.sum()
e = explain(out, v)
""")
    names["out"].backward()
    assert torch.equal(names["e"].value, names["v"].grad)
    assert names["e"].checked, str(names["e"])
    assert "b[1:]ᵢ = 5vᵢ" in str(names["e"])


def test_parameters_bear_their_dotted_names():
    names = run("""
model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
y = model(torch.ones(1, 2)).sum()
e = explain(y, model[0].weight)
""")
    assert "model[0].weight" in str(names["e"]) and "model[2].weight" in str(names["e"])
    assert "leaf" not in str(names["e"])


# ---------------------------------------------------------------- large graphs


def timed(function):
    start = time.perf_counter()
    e = function()
    written = str(e), e.latex()
    return e, written, time.perf_counter() - start


def test_a_deep_network_is_grouped_and_fast():
    layers = [torch.nn.Linear(8, 8) for _ in range(100)]
    net = torch.nn.Sequential(*[module for layer in layers for module in (layer, torch.nn.Tanh())])
    loss = net(torch.randn(4, 8)).pow(2).mean()
    e, (written, _), seconds = timed(lambda: explain(loss, layers[0].weight))
    assert len(written.splitlines()) < 60 and max(map(len, written.splitlines())) < 300
    loss.backward()
    assert torch.allclose(e.value, layers[0].weight.grad)
    assert seconds < 10


def test_residual_blocks_with_many_paths():
    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.linear = torch.nn.LayerNorm(4), torch.nn.Linear(4, 4)

        def forward(self, h):
            return h + torch.relu(self.linear(self.norm(h)))

    net = torch.nn.Sequential(*[Block() for _ in range(20)])
    loss = net(torch.randn(2, 4)).mean()
    e, (written, _), seconds = timed(lambda: explain(loss, net[0].linear.weight))
    assert e.paths == 2**19
    assert len(written.splitlines()) < 60
    assert seconds < 10


def test_shares_between_layers_add_up():
    names = run("""
x = torch.tensor([[0.5], [-1.0]])
w1 = torch.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
w2 = torch.tensor([[0.5, -0.6]], requires_grad=True)
hidden = torch.tanh(w1 @ x)
skip = 2 * hidden
out = w2 @ hidden
y = (out + skip.sum()).sum()
e = explain(y, w1)
""")
    shares = names["e"].shares(by="layer")
    into_hidden = [s for s in shares if s.path.endswith("→ hidden")]
    assert {s.path for s in into_hidden} == {"out → hidden", "skip → hidden"}
    assert sum(s.fraction for s in into_hidden) == pytest.approx(1)
    paths = names["e"].shares()
    assert torch.allclose(sum(s.value for s in paths), names["e"].value)
    assert sum(s.fraction for s in paths) == pytest.approx(1)


# ---------------------------------------------------------------- as HTML and SVG


def test_pages_and_pictures_stand_alone_and_are_escaped():
    names = run("""
table = {}
x = torch.tensor(2.0, requires_grad=True)
table["</pre><script>alert(1)</script>"] = x * 2
y = torch.where(table["</pre><script>alert(1)</script>"] > 0, x ** 2, x)
e = explain(y, x)
""")
    e = names["e"]
    for written in (e.html(), e.svg(), e._repr_html_(), e._repr_markdown_()):
        assert "<script" not in written
    assert e.svg().startswith("<svg ") and e.html().count("<pre>") == e.html().count("</pre>") == 2


# ---------------------------------------------------------------- positions


def test_positions_of_a_reshaped_tensor():
    i, j = fresh(2), fresh(3)
    assert digits(flat((i, j), (2, 3)), (2, 3)) == (i, j)
    k = fresh(6)
    assert flat(digits(k, (2, 3)), (2, 3)) != k  # not simplified, but the same number:
    assert bounds(quotient(k, 3)) == (0, 1) and bounds(remainder(k, 3)) == (0, 2)
    assert remainder(weighted((i, 3), (j, 1)), 3) == j
    assert delta(weighted((i, 3), (j, 1)), k) == delta(i, quotient(k, 3)) * delta(j, remainder(k, 3))


def test_a_sum_over_a_shifted_delta_asks_whether_the_place_exists():
    i, j = fresh(3), fresh(4)
    shifted = total(i, delta(weighted((i, 1), (1, 1)), j) * symbol("a", i))
    assert shifted == symbol("a", difference(j, 1)) * at_least(difference(j, 1))
    assert text(shifted, Letters((j,))) == "aᵢ₋₁·[i ≥ 1]"
    assert within(j, 4) == ONE


def test_a_sum_over_both_digits_leaves_one_element():
    k, a, b = fresh(6), fresh(2), fresh(3)
    body = delta(a, quotient(k, 3)) * delta(b, remainder(k, 3)) * symbol("x", k)
    assert total(k, body) == symbol("x", weighted((a, 3), (b, 1)))


def test_a_sum_of_a_sum_is_written_in_parentheses():
    e = run("w = torch.tensor([1.0, 2.0], requires_grad=True)\ny = w.cumsum(0).tanh().sum()\ne = explain(y, w)\n")["e"]
    assert right_sides(e)[0] == "Σ(j ≥ i) (1 - tanh²(Σ(k ≤ j) wₖ))"
    assert r"\sum_{j \geq i} \left(1 - \tanh^{2}\left(\sum_{k \leq j} w_{k}\right)\right)" in e.latex()


def test_the_command_writes_a_picture_and_a_page(tmp_path):
    program = (
        "import torch\nw = torch.tensor([1.0, 2.0], requires_grad=True)\nb = torch.tensor(1.0, requires_grad=True)\n"
    )
    (tmp_path / "p.py").write_text(program + "((w * b) ** 2).sum().backward()\n", encoding="utf-8")
    done = chainrule("explain", "p.py", "--svg", "e.svg", "--html", "e.html", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    picture, page = ((tmp_path / name).read_text(encoding="utf-8") for name in ("e.svg", "e.html"))
    assert picture.count("<svg ") - 1 == page.count("<section") == 2  # by w and by b
    assert "∂y/∂wᵢ" in picture and "∂y/∂b" in page


def test_rows_and_columns_taken_by_tensors_go_by_their_names():
    program = (
        "logp = torch.tensor([[-1.0, -2.0, -0.5], [-0.3, -1.5, -2.5]], requires_grad=True)\ntarget = torch.tensor([2, 0])\n"
        "loss = -logp[torch.arange(2), target].mean()\ne = explain(loss, logp)\n"
        "pair = logp[0, 1] * logp[1, 2]\nf = explain(pair, logp)\n"
    )
    made = run(program)
    assert right_sides(made["e"])[0] == "-1/2·[targetᵢ = j]" and "loss = -1/2·Σᵢ logp[i,targetᵢ]" in str(made["e"])
    assert "pair = logp₀₁·logp₁₂" in str(made["f"])


def test_one_expression_that_takes_an_element_has_one_name():
    program = (
        "w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)\ncorner = w[0, 1]\ne = explain(corner * 2, w)\n"
    )
    assert "corner = w₀₁" in str(run(program)["e"])
    program = (
        "w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)\nh = w\nfor _ in range(2):\n    h = h[0]\n"
        "e = explain(h, w)\n"
    )
    assert "h₁ᵢ = w₀ᵢ" in str(run(program)["e"])  # each round has its own


def test_a_square_in_place_is_a_square():
    program = "w = torch.tensor([1.0, 2.0], requires_grad=True)\nx = w + 1\nx **= 2\ne = explain(x.sum(), w)\n"
    found = str(run(program)["e"])
    assert "x₂ᵢ = x₁ᵢ²" in found and "∂x₂ᵢ/∂x₁ᵢ = 2x₁ᵢ" in found


def test_a_result_without_a_name_does_not_take_that_of_another():
    program = "w = torch.tensor([1.0, 2.0], requires_grad=True)\ny = 3 * w\ne = explain(y.sum(), w)\n"
    found = str(run(program)["e"])
    assert "yᵢ = 3wᵢ" in found and "L = Σᵢ yᵢ" in found
    program = "w = torch.tensor([1.0, 2.0], requires_grad=True)\ne = explain((3 * w).sum(), w)\n"
    assert "y = 3·Σᵢ wᵢ" in str(run(program)["e"])


def test_what_gets_a_name_is_numbered_as_it_was_computed():
    program = (
        "w = torch.tensor([0.5, -0.2], requires_grad=True)\ne = explain(((2 * w).softmax(0) * 3).softmax(0)[0], w)\n"
    )
    found = str(run(program)["e"])
    assert "u₁ᵢ = 2wᵢ" in found and "u₂ᵢ = 3·softmax(u₁)ᵢ" in found and "y = softmax(u₂)₀" in found


ATTENTION = """
torch.manual_seed(0)
class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = torch.nn.Linear(4, 12)
    def forward(self, x):
        B, T, D = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, 2, 2).permute(2, 0, 3, 1, 4)
        mask = torch.triu(torch.ones(T, T, dtype=torch.bool), 1)
        weights = (q @ k.mT).masked_fill(mask, float("-inf")).softmax(-1)
        return (weights @ v).transpose(1, 2).reshape(B, T, D)
embed, first, second = torch.nn.Embedding(5, 4), Attention(), Attention()
tokens = torch.tensor([[0, 2, 4], [1, 3, 2]])
h = embed(tokens)
logits = second(h + first(h))
loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, 4), tokens[:, 1:].reshape(-1) % 4)
"""


@pytest.mark.parametrize("x", ["embed.weight", "first.qkv.weight", "second.qkv.weight", "second.qkv.bias"])
def test_a_transformer_is_explained_at_once(x):
    start = time.perf_counter()
    e = run(f"{ATTENTION}e = explain(loss, {x})\n")["e"]
    found = str(e)
    assert time.perf_counter() - start < 10
    assert "= ?" not in found and "weights" in found and "softmax(" in found
    assert not any("other numbers" in note for note in e.notes)
    assert "·(δ" in found  # the slope of a softmax


def test_a_sum_of_differences_stays_one_sum():
    program = (
        "xs, y = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1.0, 3.0, 2.0])\n"
        "slope, offset = torch.tensor(0.5, requires_grad=True), torch.tensor(0.1, requires_grad=True)\n"
        "loss = ((slope * xs + offset - y) ** 2).mean()\ne = explain(loss, offset)\nf = explain(loss, slope)\n"
    )
    made = run(program)
    assert right_sides(made["e"])[0] == "2/3·Σᵢ (slope·xsᵢ + offset - yᵢ)"
    assert right_sides(made["f"])[0] == "2/3·Σᵢ (slope·xsᵢ + offset - yᵢ)·xsᵢ"


def test_both_ends_of_a_long_derivation_have_formulas():
    program = (
        "w = torch.tensor([0.5, 0.2], requires_grad=True)\nh = torch.ones(2)\nfor _ in range(300):\n    a = h * w\n"
        "    h = torch.tanh(a)\ne = explain(h.sum(), w)\n"
    )
    found = str(run(program)["e"])
    for line in (
        "a₁ᵢ = hᵢ·wᵢ ",
        "h₁ᵢ = tanh(a₁ᵢ) ",
        "h₃₀₀ᵢ = tanh(a₃₀₀ᵢ) ",
        "∂a₁ᵢ/∂wᵢ = hᵢ",
        "∂h₃₀₀ᵢ/∂a₃₀₀ᵢ = 1 - h₃₀₀ᵢ²",
    ):
        assert line in found, line
    assert "… 888 derivatives …" in found  # of 900: all are counted, though not all are worked out
