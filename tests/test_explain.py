"""`chainrule.explain`: the derivations of the notebooks that this project began with, and what every explanation keeps."""

from __future__ import annotations

import linecache
import re
import time
from fractions import Fraction
from itertools import count

import numpy as np
import pytest

import chainrule as torch
from chainrule import explain
from chainrule.insight.algebra import Group, Symbol, apply, atom, delta, number, symbol, total
from chainrule.insight.positions import fresh
from chainrule.insight.writing import Letters, latex, text

sympy = pytest.importorskip("sympy")

_numbers = count()


def run(program: str, **names) -> dict:
    """Runs a program as a notebook runs a cell: its text is known, under a name that is no file."""
    name = f"<cell of explanations {next(_numbers)}>"
    linecache.cache[name] = (len(program), None, program.splitlines(True), name)
    namespace = {"torch": torch, "explain": explain, "__name__": "__main__", **names}
    exec(compile(program, name, "exec"), namespace)
    return namespace


def right_sides(explanation) -> list[str]:
    """What stands right of each = in the equation for the derivative asked for."""
    lines = str(explanation).splitlines()
    left = re.escape(lines[0].split(" = ")[0])
    start = max(i for i, line in enumerate(lines) if re.match(rf"  {left} = ", line))
    sides = []
    for line in lines[start:]:
        if not line.startswith("  "):
            break
        sides.append(line.split(" = ", 1)[1])
    return sides


def same(formula, expected: str) -> bool:
    """Whether SymPy finds a closed form equal to a formula written by hand."""
    return sympy.simplify(formula - sympy.sympify(expected)) == 0


# ---------------------------------------------------------------- the seeds


def test_a_hook_in_the_middle():
    names = run("""
x = torch.ones(1, requires_grad=True)

def func(x):
    z = 2 * x
    return z

def func2(z):
    y = (z ** 2) + (2 * z) + 2
    return y

z = func(x)
y = func2(z)
by_z = explain(y, z)
by_x = explain(y, x)
""")
    by_z, by_x = names["by_z"], names["by_x"]
    assert right_sides(by_z) == ["2z + 2", "6"]
    assert right_sides(by_x) == ["∂y/∂z·∂z/∂x", "(2z + 2)·2", "4z + 4", "8x + 4", "12"]
    assert (by_z.value.item(), by_x.value.item()) == (6, 12)
    assert by_x.checked
    assert "∂y/∂z = 2z + 2 = 6" in str(by_x)
    assert "∂z/∂x = 2" in str(by_x)
    assert same(by_x.sympy(), "8*x + 4")
    assert by_x.paths == 2


def test_the_mean_of_a_square():
    names = run("""
a = torch.ones(2, 2, requires_grad=True)
b = a + 2
c = b * b * 3
out = c.mean()
e = explain(out, a)
""")
    e = names["e"]
    assert right_sides(e)[-2:] == ["3/2(aᵢⱼ + 2)", "[[4.5, 4.5], [4.5, 4.5]]"]
    assert "∂out/∂cᵢⱼ = 1/4" in str(e)
    assert "∂cᵢⱼ/∂bᵢⱼ = 6bᵢⱼ" in str(e)
    assert e.checked
    assert torch.equal(e.value, torch.full((2, 2), 4.5))


def test_a_polynomial():
    names = run("""
x = torch.tensor(2.0, requires_grad=True)
y = 2*x**4 + x**3 + 3*x**2 + 5*x + 1
y.backward()
e = explain(y, x)
""")
    e = names["e"]
    assert right_sides(e) == ["8x³ + 3x² + 6x + 5", "93"]
    assert same(e.sympy(), "8*x**3 + 3*x**2 + 6*x + 5")
    assert e.value.item() == names["x"].grad.item() == 93
    assert "The graph was freed by the backward at" in str(e)


def test_several_steps():
    names = run("""
x = torch.tensor([[1.,2,3],[3,2,1]], requires_grad=True)
y = 3*x + 2
z = 2*y**2
out = z.mean()
out.backward()
e = explain(out, x)
""")
    e = names["e"]
    assert right_sides(e) == [
        "∂out/∂zᵢⱼ·∂zᵢⱼ/∂yᵢⱼ·∂yᵢⱼ/∂xᵢⱼ",
        "1/6·4yᵢⱼ·3",
        "2yᵢⱼ",
        "2(3xᵢⱼ + 2)",
        "[[10, 16, 22], [22, 16, 10]]",
    ]
    assert torch.equal(e.value, names["x"].grad)
    assert e.checked


NETWORK = """
f = torch.sigmoid
x = torch.tensor([[0.5], [-1.0]])
target = torch.tensor([[1.0]])
w1 = torch.tensor([[0.1, 0.2], [0.3, 0.4]], requires_grad=True)
w2 = torch.tensor([[0.5, -0.6], [0.7, 0.8]], requires_grad=True)
w3 = torch.tensor([[0.9, -1.0]], requires_grad=True)
z1 = w1.mm(x)
a1 = f(z1)
z2 = w2.mm(a1)
a2 = f(z2)
y = w3.mm(a2)
loss = ((y - target) ** 2 / 2).sum()
"""


@pytest.mark.parametrize("freed", [False, True])
def test_a_network_of_two_layers(freed):
    names = run(NETWORK + ("loss.backward()\n" if freed else "") + "e = explain(loss, w1)\n")
    e = names["e"]
    (in_between,) = (side for side in right_sides(e) if side.startswith("(y - target)"))
    # the sum over the hidden units that the notebook writes down by hand
    assert in_between == "(y - target)·a1ᵢ·(1 - a1ᵢ)·xⱼ·Σₖ w3ₖ·a2ₖ·(1 - a2ₖ)·w2ₖᵢ"
    assert right_sides(e)[0] == "∂loss/∂y·∂a1ᵢ/∂z1ᵢ·∂z1ᵢ/∂w1ᵢⱼ·Σₖ ∂y/∂a2ₖ·∂a2ₖ/∂z2ₖ·∂z2ₖ/∂a1ᵢ"
    assert e.checked
    if not freed:
        names["loss"].backward()
    assert torch.allclose(e.value, names["w1"].grad)


def test_a_value_overwritten_and_renamed():
    names = run("""
x = torch.arange(0, 4, 1, dtype=torch.float32, requires_grad=True)
first = x
x = x + 1
x **= 2
e = explain(x, first)
""")
    e = names["e"]
    assert [q.name for q in e.quantities] == ["x_2", "x_1", "first"]
    assert e.checked
    assert e.value.tolist() == [2, 4, 6, 8]


# ---------------------------------------------------------------- closed forms, against SymPy

CLOSED_FORMS = {
    "torch.sin(x)": "cos(x)",
    "x * torch.cos(x)": "cos(x) - x*sin(x)",
    "torch.exp(-x**2)": "-2*x*exp(-x**2)",
    "torch.log(x**2 + 1)": "2*x/(x**2 + 1)",
    "torch.sqrt(x)": "1/(2*sqrt(x))",
    "1 / x": "-1/x**2",
    "(x + 1) / (x - 3)": "((x - 3) - (x + 1))/(x - 3)**2",
    "torch.tanh(3 * x)": "3*(1 - tanh(3*x)**2)",
    "torch.sigmoid(x)": "exp(-x)/(1 + exp(-x))**2",
    "2 ** x": "2**x*log(2)",
    "x ** x": "x**x*(log(x) + 1)",
    "torch.log1p(x)": "1/(1 + x)",
    "torch.atan(x)": "1/(1 + x**2)",
    "torch.relu(x) * x": "2*x*Piecewise((1, x > 0), (0, True))",
    "(3 - x).abs()": "-sign(3 - x)",
    "x.pow(0.5) + 0.1 * x": "1/(2*sqrt(x)) + 1/10",
    "torch.nn.functional.softplus(x)": "1/(1 + exp(-x))",
    "torch.rsqrt(x)": "-1/(2*x*sqrt(x))",
    "(2 * x + 1) ** 3": "6*(2*x + 1)**2",
    "x - torch.lerp(x, x ** 2, 0.25)": "1 - (3/4 + x/2)",
}


@pytest.mark.parametrize("expression", CLOSED_FORMS)
def test_a_closed_form(expression):
    e = run(f"x = torch.tensor(1.25, dtype=torch.float64, requires_grad=True)\ny = {expression}\ne = explain(y, x)\n")[
        "e"
    ]
    assert e.checked, str(e)
    for value in (0.5, 1.25, 2.0):
        ours, by_hand = (
            complex(f.subs(sympy.Symbol("x"), value)) for f in (e.sympy(), sympy.sympify(CLOSED_FORMS[expression]))
        )
        assert ours == pytest.approx(by_hand)


@pytest.mark.parametrize(
    "expression",
    [
        "torch.softmax(v, 0)[1]",
        "torch.log_softmax(v, 0)[2]",
        "torch.logsumexp(v, 0)",
        "(v @ v) ** 2",
        "(M @ v).sum()",
        "(M.t() @ M @ v).mean()",
        "(M * v).sum()",
        "(M * v[:, None]).sum(0).prod()",
        "torch.einsum('i,i->', v, v)",
        "v.norm()",
        "((v - v.mean()) ** 2).mean()",
        "torch.addmm(M, M, M).sum()",
        "torch.outer(v, v).tanh().sum()",
        "M.unbind(0)[1].exp().sum()",
        "torch.nn.functional.gelu(v).sum()",
        "torch.nn.functional.silu(v).sum()",
        "(v.reshape(3, 1) * v).sum()",
        "torch.where(v > 0, v, v * 2).sum()",
        "v.max() * v.std()",
        "(v.cumsum(0) * M).sum()",
    ],
)
def test_formulas_of_tensors_agree_with_backward(expression):
    names = run(
        "torch.manual_seed(0)\nv = torch.rand(3, dtype=torch.float64, requires_grad=True)\n"
        f"M = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)\ny = {expression}\n"
        "e = explain(y, v) if y.grad_fn is not None and 'v' in expression else explain(y, M)\n",
        expression=expression,
    )
    e = names["e"]
    names["y"].backward()
    leaf = names["v"] if "v" in expression else names["M"]
    assert torch.allclose(e.value, leaf.grad)
    assert not any("other numbers" in note for note in e.notes), str(e)


# ---------------------------------------------------------------- paths and shares


def test_2_to_the_60_paths_answer_at_once():
    start = time.perf_counter()
    names = run(
        "x = torch.tensor(1.0, requires_grad=True)\nfirst = x\nfor _ in range(60):\n    x = x + x\ne = explain(x, first)\n"
    )
    e = names["e"]
    assert e.paths == 2**60
    assert e.value.item() == 2.0**60
    shares = e.shares()
    assert sum(share.count for share in shares) == 2**60
    assert sum(share.fraction for share in shares) == pytest.approx(1)
    assert len(str(e).splitlines()) < 60
    assert time.perf_counter() - start < 5


def test_a_long_chain_is_elided():
    e = run(
        "x = torch.tensor(0.5, requires_grad=True)\ny = x\nfor _ in range(2000):\n    y = (y * 1.0001).sin()\ne = explain(y, x)\n"
    )["e"]
    assert "… 1989 steps …" in str(e)
    assert len(str(e).splitlines()) < 60
    assert e.paths == 1


def test_shares_by_path_add_up():
    names = run("""
a = torch.tensor([2.0, 3.0], requires_grad=True)
p = a ** 2
q = 3 * a
r = (p * q + a).sum()
e = explain(r, a)
""")
    e = names["e"]
    shares = e.shares()
    assert [share.path for share in shares] == ["r ← p * q ← p ← a", "r ← p * q ← q ← a", "r ← p * q + a ← a"]
    assert torch.allclose(sum(share.value for share in shares), e.value)
    assert sum(share.fraction for share in shares) == pytest.approx(1)
    assert e.paths == len(shares) == 3


def test_shares_by_layer_add_up_in_each_value():
    names = run("""
a = torch.tensor([2.0, 3.0], requires_grad=True)
p = a ** 2
q = 3 * a
r = (p * q).sum()
e = explain(r, a)
""")
    shares = {share.path: share for share in names["e"].shares(by="layer")}
    assert set(shares) == {"r → p", "r → q", "p → a", "q → a"}
    into_a = [shares["p → a"], shares["q → a"]]
    assert torch.allclose(into_a[0].value + into_a[1].value, names["e"].value)
    assert sum(share.fraction for share in into_a) == pytest.approx(1)
    with pytest.raises(ValueError, match="by 'path' or by 'layer'"):
        names["e"].shares(by="edge")


def test_shares_of_nothing_have_no_fraction():
    e = run("x = torch.tensor(0.0, requires_grad=True)\ny = x ** 2\ne = explain(y, x)\n")["e"]
    assert [share.fraction for share in e.shares()] == [None]


# ---------------------------------------------------------------- names


def test_names_are_the_programs_own():
    names = run("""
class Net:
    def __init__(self):
        self.w = torch.tensor(3.0, requires_grad=True)

    def __call__(self, x):
        self.hidden = self.w * x
        return self.hidden ** 2

net = Net()
loss = net(torch.tensor(2.0))
e = explain(loss, net.w)
""")
    assert [q.name for q in names["e"].quantities] == ["loss", "self.hidden", "net.w"]


def test_without_the_text_names_come_from_the_bytecode():
    namespace = {"torch": torch, "explain": explain}
    program = "x = torch.tensor(2.0, requires_grad=True)\nz = x * 3\ny = z ** 2\ne = explain(y, x)\n"
    exec(compile(program, "<no text of this>", "exec"), namespace)
    assert [q.name for q in namespace["e"].quantities] == ["y", "z", "x"]
    assert namespace["e"].checked


def test_a_vector_is_derived_as_its_sum():
    e = run("x = torch.tensor([1.0, 2.0], requires_grad=True)\ny = x ** 3\ne = explain(y, x)\n")["e"]
    assert str(e).startswith("∂Σy/∂xᵢ = [3, 12]")


def test_the_tensor_itself():
    e = run("x = torch.tensor(2.0, requires_grad=True)\ne = explain(x, x)\n")["e"]
    assert (e.value.item(), e.paths) == (1, 1)


# ---------------------------------------------------------------- what cannot be had is said


def test_values_that_have_changed_since_are_pointed_out():
    names = run("""
x = torch.tensor(2.0, requires_grad=True)
y = x ** 2
y.backward()
with torch.no_grad():
    x -= 1
e = explain(y, x)
""")
    assert "a value has changed since" in str(names["e"])


def test_a_custom_function_has_numbers_but_no_formula():
    names = run("""
class Triple(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 3

    @staticmethod
    def backward(ctx, g):
        return g * 3

x = torch.tensor(2.0, requires_grad=True)
y = Triple.apply(x) ** 2
e = explain(y, x)
""")
    assert names["e"].value.item() == 36
    assert not names["e"].checked
    with pytest.raises(ValueError, match="no formula is known"):
        names["e"].sympy()


def test_hooks_do_not_run_and_nothing_changes():
    seen = []
    x = torch.ones(2, requires_grad=True)
    z = x * 2
    z.register_hook(seen.append)
    y = (z**2).sum()
    e = explain(y, x)
    assert seen == []
    assert x.grad is None
    y.backward()
    assert torch.equal(e.value, x.grad)


def test_a_complex_result_has_no_formula():
    e = run("z = torch.tensor(1 + 2j, requires_grad=True)\ny = z * z.conj()\ne = explain(y, z)\n")["e"]
    assert e.closed_form is None
    with pytest.raises(ValueError, match="no closed form"):
        e.sympy()
    assert e.value.item() == 2 + 4j
    assert "a real result only" in str(e)


def test_what_does_not_depend_is_refused():
    x, y = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match=r"chainrule\.why"):
        explain(y * 2, x)
    with pytest.raises(TypeError, match="y must be a Tensor"):
        explain(2.0, x)


@pytest.mark.parametrize("shape", [(0,), (1, 1), (2, 0, 3)])
def test_empty_and_single_shapes(shape):
    x = torch.ones(shape, requires_grad=True)
    y = (x * 2).sum()
    e = explain(y, x)
    assert e.value.shape == shape
    assert isinstance(str(e), str)


# ---------------------------------------------------------------- LaTeX, Markdown, HTML


def test_latex():
    names = run("x = torch.tensor(2.0, requires_grad=True)\ny = x ** 3 / 2\ne = explain(y, x)\n")
    assert names["e"].latex() == (
        "\\begin{aligned}\n"
        "y &= \\frac{x^{3}}{2} \\\\\n"
        "\\frac{\\partial y}{\\partial x} &= \\frac{3 x^{2}}{2} \\\\\n"
        " &= 6\n"
        "\\end{aligned}"
    )
    assert names["e"]._repr_latex_().startswith("$$\n\\begin{aligned}")
    assert names["e"]._repr_markdown_().startswith("$$\n\\begin{aligned}")


def test_names_of_a_program_cannot_run_script():
    names = run("""
table = {}
x = torch.tensor(2.0, requires_grad=True)
table["<script>alert(1)</script>"] = x * 2
y = table["<script>alert(1)</script>"] ** 2
e = explain(y, x)
""")
    e = names["e"]
    assert any("<script>" in q.name for q in e.quantities)
    assert "<script" not in e._repr_html_()
    assert "<script" not in e._repr_markdown_()
    assert "<script" not in e.latex()


@pytest.mark.parametrize("expression", [*CLOSED_FORMS, "x.reshape(1)[0]"])
def test_braces_of_latex_match(expression):
    e = run(f"x = torch.tensor(1.25, requires_grad=True)\ny = {expression}\ne = explain(y, x)\n")["e"]
    written = e.latex().replace(r"\{", "").replace(r"\}", "")
    assert written.count("{") == written.count("}")
    assert written.count(r"\left") == written.count(r"\right")


# ---------------------------------------------------------------- the algebra


def test_equal_terms_are_collected():
    x, y = symbol("x"), symbol("y")
    assert x * y + y * x == number(2) * x * y
    assert x - x == number(0)
    assert (x * x).power(Fraction(1, 2)) != x  # |x|
    assert hash(x + y) == hash(y + x)


def test_a_sum_over_a_delta_leaves_one_element():
    i, j = fresh(3), fresh(3)
    assert total(i, delta(i, j) * symbol("a", i)) == symbol("a", j)
    assert total(i, delta(i, 2) * symbol("a", i)) == symbol("a", 2)
    assert delta(1, 2) == number(0)


def test_what_does_not_count_comes_out_of_a_sum():
    i, j = fresh(3), fresh(3)
    assert total(i, symbol("b")) == number(3) * symbol("b")
    assert total(i, symbol("a", i) * symbol("b")) == symbol("b") * total(j, symbol("a", j))


def test_a_matrix_product_is_derived_by_indices():
    i, j, k, m = (fresh(2) for _ in range(4))
    product = total(j, symbol("w", i, j) * symbol("x", j))
    slope = product.derivative(Symbol("w", (k, m)))
    assert slope == delta(i, k) * symbol("x", m)


@pytest.mark.parametrize(
    ("formula", "written"),
    [
        (number(2) * symbol("x").power(3) - number(1), "2x³ - 1"),
        (number(Fraction(1, 10)) * symbol("x"), "0.1·x"),
        (symbol("x").power(-1), "1/x"),
        (symbol("x").power(Fraction(1, 2)), "√x"),
        (number(1) - apply("tanh", symbol("x")).power(2), "1 - tanh²(x)"),
        (symbol("loss") * number(2), "2·loss"),
        (apply("positive", symbol("x")), "[x > 0]"),
        (symbol("y") * atom(Group(symbol("x") + number(1))), "y·(x + 1)"),
        (number(0), "0"),
    ],
)
def test_how_formulas_are_written(formula, written):
    assert text(formula) == written
    assert latex(formula)


def test_letters_do_not_meet():
    i, j = fresh(2), fresh(2)
    formula = symbol("a", i) * total(j, symbol("b", j))
    assert text(formula, Letters((i,))) == "aᵢ·Σⱼ bⱼ"


def test_values_are_numbers_of_the_formula():
    from chainrule.insight.evaluation import values_of

    i = fresh(3)
    formula = total(i, symbol("a", i).power(2))
    assert values_of(formula, {"a": np.array([1.0, 2.0, 3.0])}, (), ()) == {(): 14.0}


# ---------------------------------------------------------------- modules


def test_a_networks_parameters_have_their_names():
    names = run("""
torch.manual_seed(0)
x = torch.randn(5, 3)
net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
loss = ((net(x) - 1) ** 2).mean()
e = explain(loss, net[0].weight)
loss.backward()
""")
    e = names["e"]
    assert e.checked
    assert torch.allclose(e.value, names["net"][0].weight.grad)
    assert "net[2].bias + Σⱼ net[2].weightⱼ·tanh(net[0].biasⱼ + Σₖ xᵢₖ·net[0].weightⱼₖ)" in str(e)


def test_what_is_gone_is_not_guessed():
    names = run("""
torch.manual_seed(0)
x = torch.randn(5, 3)
net = torch.nn.Linear(3, 1)
loss = torch.nn.functional.softplus(net(torch.randn(5, 3))).sum()
loss.backward()
e = explain(loss, net.weight)
""")
    assert names["e"].value is None
    assert "explain before it, or call backward(retain_graph=True)" in str(names["e"])
    assert "torch.randn(5, 3) is not known any more" in str(names["e"])


def test_the_layers_of_a_network_have_names_where_one_formula_would_be_too_long():
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3),
        torch.nn.Tanh(), torch.nn.Linear(3, 6), torch.nn.Sigmoid(),
    )  # fmt: skip
    inputs = torch.rand(7, 6)
    reconstructed = network(inputs)
    loss = torch.nn.functional.mse_loss(reconstructed, inputs)
    told = torch.explain(loss, network[0].weight)
    assert told.checked
    assert "u₂ᵢⱼ = tanh(network[2].biasⱼ + Σₖ u₁ᵢₖ·network[2].weightⱼₖ)" in told.text()
    assert "∂u₂ᵢⱼ/∂u₁ᵢₖ = (1 - u₂ᵢⱼ²)·network[2].weightⱼₖ" in told.text()


def test_formulas_of_very_many_parts_are_left_out():
    weights = torch.rand(60, requires_grad=True)
    loss = sum(weights[i] * torch.tensor(float(i)).exp() / (1 + weights[i] ** (i + 1)) for i in range(60))
    told = torch.explain(loss, weights)
    assert told.value is not None
    assert max(map(len, told.text().splitlines())) < 900
