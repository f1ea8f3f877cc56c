"""`explain` on programs as courses and textbooks have them: the derivation is the one on the blackboard."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

import chainrule as torch
from chainrule import explain
from chainrule.insight import Explanations
from chainrule.insight.algebra import TooLong, apply, number, symbol, total
from chainrule.insight.evaluation import values_of
from chainrule.insight.positions import fresh
from chainrule.insight.simplification import simplest
from chainrule.insight.writing import text

from .test_explain import right_sides, run

SCALARS = "x = torch.tensor(1.25, dtype=torch.float64, requires_grad=True)\n"

# {program: the derivative as a person would write it}
CLOSED_FORMS = {
    "y = (x**2 + 1) / (x - 3)": "(x² - 6x - 1)/(x - 3)²",
    "y = torch.sin(x**2) ** 3": "6x·sin²(x²)·cos(x²)",
    "y = torch.exp(-x / 2) * torch.cos(3 * x)": "-exp(-x/2)·(cos(3x)/2 + 3·sin(3x))",
    "y = torch.log(torch.sqrt(1 + x**2))": "x/(x² + 1)",
    "y = torch.log(x + torch.sqrt(x**2 + 1))": "1/√(x² + 1)",
    "y = (x - 1) ** 2 * (x + 2) ** 3": "(x - 1)·(x + 2)²·(5x + 1)",
    "y = x * torch.exp(x) * torch.sin(x)": "exp(x)·(x·sin(x) + x·cos(x) + sin(x))",
    "y = 3 * x / (x**2 + 4) ** 2": "3(4 - 3x²)/(x² + 4)³",
    "y = torch.log(torch.log(x))": "1/(x·log(x))",
    "y = 1 / (1 / x + 1 / 6)": "1/(x/6 + 1)²",
    "y = (1 + x**2) ** 1.5": "3x·√(x² + 1)",
    "y = x**x": "x^x·(1 + log(x))",
    "y = x**-3 - 2 * x**-0.5": "1/x^(3/2) - 3/x⁴",
    "y = (2 * x + 1) ** 3": "6(2x + 1)²",
    "y = x**4 - 2 * x**3": "4x³ - 6x²",
    "y = 2 * (x - 4) ** 2": "4(x - 4)",
    "y = 1 / (1 + torch.exp(-x))": "y·(1 - y)",
    "e = torch.exp(-x)\ny = (1 - e) / (1 + e)": "2·exp(-x)/(exp(-x) + 1)²",
    "r = 3.2\ny = r * x * (1 - x)": "r·(1 - 2x)",
    "K, A = 100.0, 9.0\ny = K / (1 + A * torch.exp(-x))": "K·A·exp(-x)/(A·exp(-x) + 1)²",
    "Vmax, Km = 2.0, 0.5\ny = Vmax * x / (Km + x)": "Vmax·Km/(x + Km)²",
    "P, n, t = 1000.0, 12, 2\ny = P * (1 + x / n) ** (n * t)": "P·t·(x/n + 1)^(n·t - 1)",
    "k, n = 7, 10\ny = k * torch.log(x) + (n - k) * torch.log(3 - x)": "k/x - (n - k)/(3 - x)",
    "y = 4 / 3 * math.pi * x**3": "4π·x²",
    "y = sum(x**n / math.factorial(n) for n in range(4))": "x²/2 + x + 1",
    "y = torch.exp(x) ** 4 * torch.exp(-x)": "3·exp(3x)",
}


@pytest.mark.parametrize("program", CLOSED_FORMS)
def test_a_derivative_of_one_variable(program):
    e = run(f"import math\n{SCALARS}{program}\ne = explain(y, x)\n")["e"]
    assert CLOSED_FORMS[program] in right_sides(e), str(e)
    assert e.checked


# {program: (y, x, lines of the derivation)}
DERIVATIONS = {
    "softmax and cross-entropy by hand": (
        """
z = torch.tensor([1.0, 2.0, 0.5], requires_grad=True)
y = torch.tensor([0.0, 1.0, 0.0])
e = torch.exp(z)
p = e / e.sum()
loss = -(y * torch.log(p)).sum()
""",
        ("loss", "z"),
        ["∂pᵢ/∂eⱼ = (δᵢⱼ - pᵢ)/Σₖ eₖ", "pᵢ·Σⱼ yⱼ - yᵢ", "exp(zᵢ)·(Σⱼ yⱼ)/Σⱼ exp(zⱼ) - yᵢ"],
    ),
    "logistic regression": (
        """
X = torch.tensor([[1.0, 2.0], [0.5, -1.0], [-1.5, 0.3]])
y = torch.tensor([1.0, 0.0, 1.0])
w = torch.tensor([0.1, -0.2], requires_grad=True)
p = torch.sigmoid(X @ w)
nll = -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).sum()
""",
        ("nll", "w"),
        [
            "nll = -Σᵢ (yᵢ·log(pᵢ) + (1 - yᵢ)·log(1 - pᵢ))",
            "∂nll/∂pᵢ = (pᵢ - yᵢ)/(pᵢ·(1 - pᵢ))",
            "Σⱼ (pⱼ - yⱼ)·Xⱼᵢ",
        ],
    ),
    "a network with named weights": (
        """
i1, i2 = torch.tensor(0.05), torch.tensor(0.10)
w1 = torch.tensor(0.15, requires_grad=True)
w2, w5, w7 = torch.tensor(0.20), torch.tensor(0.40), torch.tensor(0.50)
b1, b2, t1, t2 = 0.35, 0.60, 0.01, 0.99
h = 1 / (1 + torch.exp(-(w1 * i1 + w2 * i2 + b1)))
o1 = torch.sigmoid(w5 * h + b2)
o2 = torch.sigmoid(w7 * h + b2)
E = 0.5 * (t1 - o1) ** 2 + 0.5 * (t2 - o2) ** 2
""",
        ("E", "w1"),
        [
            "h = σ(w1·i1 + w2·i2 + b1)",
            "E = 1/2(t1 - o1)² + 1/2(t2 - o2)²",
            "∂E/∂o1 = o1 - t1",
            "((o2 - t2)·o2·(1 - o2)·w7 + (o1 - t1)·o1·(1 - o1)·w5)·h·(1 - h)·i1",
        ],
    ),
    "attention of one query": (
        """
K = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
V = torch.tensor([1.0, 2.0, 3.0])
q = torch.tensor([0.3, -0.2], requires_grad=True)
s = K @ q
w = torch.exp(s) / torch.exp(s).sum()
o = w @ V
""",
        ("o", "q"),
        ["∂wᵢ/∂sⱼ = wᵢ·(δᵢⱼ - wⱼ)", "Σⱼ wⱼ·(Vⱼ - o)·Kⱼᵢ"],
    ),
    "Rayleigh's quotient": (
        """
A = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
x = torch.tensor([1.0, 1.0], requires_grad=True)
R = (x @ A @ x) / (x @ x)
""",
        ("R", "x"),
        ["(Σⱼ xⱼ·(Aᵢⱼ + Aⱼᵢ) - 2xᵢ·R)/Σⱼ xⱼ²"],
    ),
    "a unit vector": (
        """
a = torch.tensor([1.0, 0.0, 2.0])
x = torch.tensor([3.0, 4.0, 12.0], requires_grad=True)
n = torch.sqrt((x**2).sum())
u = x / n
s = a @ u
""",
        ("s", "x"),
        ["∂n/∂xᵢ = xᵢ/n", "aᵢ/n - xᵢ·(Σⱼ aⱼ·xⱼ)/n³"],
    ),
    "the harmonic mean": (
        "x = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)\nh = 3 / (1 / x).sum()\n",
        ("h", "x"),
        ["h²/(3·xᵢ²)"],
    ),
    "the geometric mean": (
        "x = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)\ng = x.prod() ** (1 / 3)\n",
        ("g", "x"),
        ["g = (Πᵢ xᵢ)^(1/3)", "(Π(j ≠ i) xⱼ)/(3·g²)"],
    ),
    "the variance": (
        "x = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)\nm = x.mean()\nv = ((x - m) ** 2).mean()\n",
        ("v", "x"),
        ["2/3(xᵢ - m)"],
    ),
    "a penalty on a gradient": (
        """
w = torch.tensor([0.5, -0.4], requires_grad=True)
x = torch.tensor([1.0, 2.0], requires_grad=True)
f = torch.tanh(w @ x)
(g,) = torch.autograd.grad(f, x, create_graph=True)
penalty = (g**2).sum()
""",
        ("penalty", "w"),
        ["gᵢ = wᵢ·(1 - f²)", "∂gᵢ/∂f = -2wᵢ·f"],
    ),
    "the gradient of a sigmoid": (
        """
w = torch.tensor([0.5, -0.5], requires_grad=True)
x = torch.tensor([1.0, 2.0], requires_grad=True)
d = torch.sigmoid((w * x).sum())
g = torch.autograd.grad(d, x, create_graph=True)[0]
gp = (g**2).sum()
""",
        ("gp", "w"),
        ["gᵢ = (1 - d)·d·wᵢ", "∂gᵢ/∂d = wᵢ·(1 - 2d)"],
    ),
    "one step of descent": (
        """
w = torch.tensor(1.0, requires_grad=True)
alpha = 0.1
loss1 = (w - 3) ** 2
(g,) = torch.autograd.grad(loss1, w, create_graph=True)
w1 = w - alpha * g
loss2 = (w1 - 2) ** 2
""",
        ("loss2", "w"),
        ["w1 = w - alpha·g", "2(w1 - 2)·(1 - 2·alpha)"],
    ),
    "backward through time": (
        """
W_hh = torch.tensor(0.5, requires_grad=True)
W_xh = torch.tensor(1.2, requires_grad=True)
h0 = torch.tensor(0.0)
xs = [0.5, -0.3]
h1 = torch.tanh(W_hh * h0 + W_xh * xs[0])
h2 = torch.tanh(W_hh * h1 + W_xh * xs[1])
loss = (h2 - 1) ** 2
""",
        ("loss", "W_hh"),
        ["h2 = tanh(W_hh·h1 + W_xh·xs[1])", "∂loss/∂h2 = 2(h2 - 1)", "2(h2 - 1)·(1 - h2²)·(W_hh·(1 - h1²)·h0 + h1)"],
    ),
    "Newton's iteration": (
        "a = torch.tensor(2.0, requires_grad=True)\nx = torch.tensor(1.0)\nfor _ in range(2):\n    x = (x + a / x) / 2\n",
        ("x", "a"),
        ["x₁ = 1/2(x + a/x)", "x₂ = 1/2(x₁ + a/x₁)", "dx₂/da = ∂x₂/∂a + ∂x₂/∂x₁·∂x₁/∂a"],
    ),
    "pieces": (
        "x = torch.tensor([-1.0, 0.5, 2.0], requires_grad=True)\ny = torch.where(x > 0, x**2, -3 * x).sum()\n",
        ("y", "x"),
        ["2xᵢ·[xᵢ > 0] - 3·[xᵢ ≤ 0]"],
    ),
    "a maximum of equals": (
        "x = torch.tensor([3.0, 1.0, 3.0], requires_grad=True)\nm = x.max() ** 2\n",
        ("m", "x"),
        ["m = max(x)²", "max(x)·[xᵢ = max(x)]"],
    ),
    "a write to an element": (
        "x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)\nh = x**2\nh[1] = 5 * x[0]\ny = h.sum()\n",
        ("y", "x"),
        ["h₂ᵢ = h₁ᵢ·[i ≠ 1] + h[1]·[i = 1]", "2xᵢ·[i ≠ 1] + 5·[i = 0]"],
    ),
    "a product of stacked elements": (
        "x = torch.tensor([0.5, -0.2], requires_grad=True)\ny = torch.stack([x[0] * x[1], x[0] + x[1], x[1] ** 2]).prod()\n",
        ("y", "x"),
        ["y = x₀·x₁³·(x₀ + x₁)", "x₁³·(2x₀ + x₁)·[i = 0] + x₀·x₁²·(3x₀ + 4x₁)·[i = 1]"],
    ),
    "joined parts": (
        """
a = torch.tensor([1.0, 2.0], requires_grad=True)
b = torch.tensor([3.0])
c = torch.cat([a, b, a])
y = (c * torch.arange(5.0)).sum()
""",
        ("y", "a"),
        ["cᵢ = aᵢ·[i ≤ 1] + b·[i = 2] + aᵢ₋₃·[i ≥ 3]", "c₁ᵢ + c₁ᵢ₊₃", "c₁ is torch.arange(5.0)."],
    ),
    "a table that is looked up": (
        """
table = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
ids = torch.tensor([2, 0, 2])
loss = (torch.nn.functional.embedding(ids, table) ** 2).sum()
""",
        ("loss", "table"),
        ["loss = Σᵢ Σⱼ table[idsᵢ,j]²"],
    ),
    "the logarithm of a determinant": (
        "S = torch.tensor([[2.0, 0.5], [0.5, 1.0]], requires_grad=True)\ny = torch.logdet(S)\n",
        ("y", "S"),
        ["y = log|det(S)|", "inv(S)ⱼᵢ"],
    ),
    "a normal distribution": (
        """
Sigma = torch.tensor([[2.0, 0.5], [0.5, 1.0]], requires_grad=True)
d = torch.tensor([1.0, -1.0])
nll = 0.5 * torch.log(torch.det(Sigma)) + 0.5 * d @ torch.inverse(Sigma) @ d
""",
        ("nll", "Sigma"),
        ["1/2(inv(Sigma)ⱼᵢ - Σₖ dₖ·inv(Sigma)ₖᵢ·Σₖ dₖ·inv(Sigma)ⱼₖ)"],
    ),
    "a bilinear form": (
        """
u = torch.tensor([1.0, 2.0])
B = torch.ones(2, 3, requires_grad=True)
v = torch.tensor([1.0, 0.0, -1.0])
y = torch.einsum("i,ij,j->", u, B, v) ** 2
""",
        ("y", "B"),
        ["y = (Σᵢ vᵢ·Σⱼ uⱼ·Bⱼᵢ)²"],
    ),
    "a mean of fifty": (
        """
X, t = torch.ones(50, 2), torch.zeros(50)
w = torch.tensor([0.5, 0.1], requires_grad=True)
loss = ((X @ w - t) ** 2).mean() + 0.1 * (w**2).sum()
""",
        ("loss", "w"),
        ["loss = 1/50·Σᵢ (Σⱼ Xᵢⱼ·wⱼ - tᵢ)² + 0.1·Σᵢ wᵢ²"],
    ),
    "a sum of Python's": (
        "v = torch.tensor([0.1, 0.2, 0.3], requires_grad=True)\ntotal = sum([torch.cos(one) for one in v])\n",
        ("total", "v"),
        ["total = cos(v₀) + cos(v₁) + cos(v₂)"],
    ),
    "a ring": (
        "u = torch.tensor([1.0, 3.0, 2.0, 5.0], requires_grad=True)\ne = ((torch.roll(u, 1) - u) ** 2).sum()\n",
        ("e", "u"),
        ["4uᵢ - 2·u[(i+1) mod 4] - 2·u[(i-1) mod 4]"],
    ),
    "every second element": (
        "x = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], requires_grad=True)\ny = (x[::2] ** 2).sum()\n",
        ("y", "x"),
        ["y = Σᵢ x[2i]²", "2xᵢ·[i mod 2 = 0]"],
    ),
    "a border of zeros": (
        "x = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)\ny = (torch.nn.functional.pad(x, (1, 1)) ** 2).sum()\n",
        ("y", "x"),
        ["y = Σᵢ xᵢ²", "2xᵢ"],
    ),
    "parts of constants": (
        """
x = torch.tensor([1.0, 2.0, -1.0])
w = torch.tensor([0.5, -1.0], requires_grad=True)
a = torch.relu(w[0] * x[:-1] + w[1] * x[1:])
y = (a * (1 - x[0])).sum() + a[1]
""",
        ("y", "w"),
        ["aᵢ = relu(w₀·xᵢ + w₁·xᵢ₊₁)"],
    ),
    "a recurrence fed by a loop": (
        """
a = torch.tensor(0.9, requires_grad=True)
b = 0.5
h = torch.tensor(0.0)
for x in [1.0, 2.0, 3.0]:
    h = a * h + b * x
""",
        ("h", "a"),
        ["h₁ = a·h + 1/2", "h₂ = a·h₁ + 1", "h₃ = a·h₂ + 3/2"],
    ),
    "layers in a list": (
        """
class Layer:
    def __init__(self, w):
        self.w = torch.tensor(w, requires_grad=True)

class Model:
    def __init__(self):
        self.layers = [Layer(0.5), Layer(-1.5)]

    def __call__(self, x):
        for layer in self.layers:
            x = torch.tanh(layer.w * x)
        return x

model = Model()
first = model.layers[0].w
loss = (model(0.8) - 1) ** 2
""",
        ("loss", "first"),
        ["x₂ = tanh(model.layers[1].w·x₁)", "1.6(x₂ - 1)·(1 - x₂²)·model.layers[1].w·(1 - x₁²)"],
    ),
    "bfloat16": (
        "x = torch.tensor([0.5, 1.0], dtype=torch.bfloat16, requires_grad=True)\ny = torch.tanh(x).sum()\n",
        ("y", "x"),
        ["1 - tanh²(xᵢ)"],
    ),
}


@pytest.mark.parametrize("name", DERIVATIONS)
def test_a_derivation(name):
    program, (y, x), expected = DERIVATIONS[name]
    names = run(f"{program}found_here = explain({y}, {x})\n")
    e = names["found_here"]
    written = str(e)
    lines = [" ".join(line.split()) for line in written.splitlines()]
    for one in expected:
        assert any(one in line for line in lines), written
    assert e.checked, written
    gradient = torch.autograd.grad(names[y], names[x], retain_graph=True)[0]
    tolerance = {"rtol": 0.02} if gradient.dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-6}
    assert torch.allclose(e.value, gradient, **tolerance)
    assert torch.allclose(sum(share.value for share in e.shares()), gradient, **tolerance) or not e.shares()


# ---------------------------------------------------------------- what a name stands for


def test_a_constant_is_what_its_name_meant_then():
    e = run("""
c = 2.0
x = torch.tensor(3.0, requires_grad=True)
a = c * x
c = 5.0
y = a + c * x
e = explain(y, x)
""")["e"]
    assert "a = 2x" in str(e) and "y = a + 5x" in str(e)


def test_a_parameter_is_not_the_variable_of_that_name():
    e = run("""
k = 10.0

def f(x, k):
    u = k * x
    return u**2

a = torch.tensor(2.0, requires_grad=True)
r = f(a, 3.0) + k * a
e = explain(r, a)
""")["e"]
    assert "u = 3a" in str(e)
    assert e.value.item() == 46


def test_the_variables_of_who_asks_are_not_those_of_the_program():
    names = run("""
y = torch.tensor([1.0, 2.0])
x = torch.tensor([3.0, 4.0], requires_grad=True)
loss = ((x - y) ** 2).sum()
""")
    y = torch.tensor(7.0)  # of this function
    x = names["x"]
    found = str(explain(names["loss"], x))
    assert y.item() == 7
    assert "loss = Σᵢ (xᵢ - yᵢ)²" in found
    assert "other numbers" not in found


def test_an_element_of_a_loop_is_not_called_by_the_name_of_all():
    e = run("""
x = torch.tensor([1.0, 2.0, 4.0], requires_grad=True)
p = 1
for i in range(3):
    p = p * x[i]
e = explain(p, x)
""")["e"]
    assert [line.split(" = ")[0].strip() for line in str(e).splitlines() if "p₁ = x₀ " in line] == ["p₁"]


def test_what_is_detached_says_so():
    e = run("x = torch.tensor(3.0, requires_grad=True)\ny = x * x.detach() + x**2\ne = explain(y, x)\n")["e"]
    assert "y = x·x₁ + x²" in str(e) and "x₁ is x.detach()." in str(e)
    assert e.value.item() == 9


# ---------------------------------------------------------------- several tensors, one tensor, none


def test_several_tensors_have_a_derivation_each():
    names = run("""
w = torch.tensor(1.0, requires_grad=True)
b = torch.tensor(2.0, requires_grad=True)
L = torch.log(1 + torch.exp(w * 3 + b))
both = explain(L, (w, b))
listed = explain(L, [w, b])
""")
    both = names["both"]
    assert isinstance(both, Explanations) and [one.x for one in both] == ["w", "b"]
    assert both.text() == str(names["listed"]) == "\n\n".join(one.text().rstrip() for one in both)
    for form in (
        both.latex(),
        both.html(),
        both.svg(),
        both._repr_markdown_(),
        both._repr_latex_(),
        both._repr_html_(),
    ):
        assert "w" in form and "b" in form
    with pytest.raises(TypeError, match="x must be a Tensor, not int"):
        explain(names["L"], (names["w"], 2))


def test_a_tensor_by_itself():
    e = run("x = torch.tensor(4.0, requires_grad=True)\ne = explain(x, x)\n")["e"]
    assert (e.y, e.x, right_sides(e)) == ("x", "x", ["1"])


def test_no_elements_at_all():
    e = run("x = torch.zeros(0, requires_grad=True)\ns = (x**2).sum()\ne = explain(s, x)\n")["e"]
    assert right_sides(e)[0] == "2xᵢ"


# ---------------------------------------------------------------- simplification


def random_formula(rng: random.Random, depth: int):
    """A sum of products of names, functions, quotients and sums over an index."""
    i = fresh(3)
    leaves = [symbol("a"), symbol("b"), number(Fraction(rng.randint(-3, 3) or 1, rng.choice([1, 1, 2]))), symbol("c")]
    if depth == 0:
        return rng.choice(leaves)
    kind = rng.randrange(7)
    left, right = random_formula(rng, depth - 1), random_formula(rng, depth - 1)
    if kind < 2:
        return left + right
    if kind < 4:
        return left * right
    if kind == 4:
        return left * (right * right + number(2)).power(rng.choice([-1, -2, Fraction(-1, 2), Fraction(1, 2)]))
    if kind == 5:
        return apply(rng.choice(["exp", "sin", "tanh"]), left) - right
    return total(i, symbol("v", i) * left + right * symbol("v", i).power(2))


@pytest.mark.parametrize("seed", range(60))
def test_a_simplified_formula_has_the_same_value(seed):
    rng = random.Random(seed)
    try:
        formula = random_formula(rng, 4)
        found = simplest(formula)
    except TooLong:
        return
    arrays = {"a": np.array(0.7), "b": np.array(-1.3), "c": np.array(0.4), "v": np.array([0.3, -0.8, 1.1])}
    before, after = (values_of(one, arrays, (), ())[()] for one in (formula, found))
    assert after == pytest.approx(before, rel=1e-9, abs=1e-12), f"{text(formula)} is not {text(found)}"
    assert found.length <= formula.length + 1
