"""`explain` of complex numbers: the conjugate Wirtinger derivative, as one would write it, and what backward computes."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule import explain

from .test_explain import right_sides, run
from .test_explain_rules import formula_agrees

Z = [0.7 + 0.4j, -0.3 + 1.1j, 1.2 - 0.6j]


def vector(values=Z):
    return torch.tensor(values, dtype=torch.complex128, requires_grad=True)


W = torch.tensor([0.2 - 0.5j, 1.5 + 0.3j, -0.4 - 0.8j], dtype=torch.complex128)
R = torch.tensor([0.5, -1.5, 2.0], dtype=torch.float64)
M = torch.tensor([[0.2 - 0.5j, 1.5, 1j], [0.1j, 0.3, -0.6 + 0.2j]], dtype=torch.complex128)


def two_steps(z):
    v = W * z
    u = torch.exp(v) + z.conj()
    return (u.abs() ** 2 * R).sum()


def mirrored_twice(z):
    v = z.conj()
    u = v * z * z
    return (u.real * u.imag).sum()


def through_real_values(z):
    r = z.abs()
    t = z.angle()
    w = torch.polar(r**2, 3 * t)
    return (w.imag * R).sum()


LOSSES = {
    "real": lambda z: (z.real**3).sum(),
    "imag": lambda z: (R * z.imag**2).sum(),
    "abs": lambda z: (z.abs() ** 2).sum(),
    "abs cubed": lambda z: (z.abs() ** 3).sum(),
    "angle": lambda z: (R * z.angle()).sum(),
    "conj": lambda z: (z * z.conj()).real.sum(),
    "mul by a constant": lambda z: (W * z).abs().sum(),
    "mul by a number": lambda z: ((2 - 3j) * z).real.sum(),
    "mul by itself": lambda z: (z * z).imag.sum(),
    "mul by real": lambda z: (R * z).imag.sum(),
    "add": lambda z: ((z + W).abs() ** 2).sum(),
    "sub": lambda z: ((1j - z).abs() ** 2).sum(),
    "div": lambda z: (W / z).real.sum(),
    "pow": lambda z: (z**3).imag.sum(),
    "sqrt": lambda z: z.sqrt().real.sum(),
    "exp": lambda z: z.exp().real.sum(),
    "exp and abs": lambda z: (z**2).exp().abs().sum(),
    "log": lambda z: z.log().real.sum(),
    "sin": lambda z: (R * z.sin().imag).sum(),
    "tanh": lambda z: z.tanh().abs().sum(),
    "view_as_real": lambda z: (torch.view_as_real(z) ** 2).sum(),
    "one of view_as_real": lambda z: (torch.view_as_real(z)[:, 1] ** 3).sum(),
    "sgn": lambda z: (W * z.sgn()).real.sum(),
    "sum": lambda z: z.sum().abs() ** 2,
    "mean": lambda z: (z - z.mean()).abs().pow(2).sum(),
    "matrix": lambda z: ((M @ z).abs() ** 2).sum(),
    "dot": lambda z: torch.dot(W, z).imag,
    "vdot": lambda z: torch.vdot(z, W).imag,
    "elements": lambda z: (z[1:] * z[:-1].conj()).real.sum(),
    "stack": lambda z: torch.stack([z, 2 * z]).abs().pow(2).sum(),
    "cat": lambda z: torch.cat([z, z.conj()]).imag.pow(2).sum(),
    "norm": lambda z: (W * z).norm(),
    "cubic norm": lambda z: torch.linalg.vector_norm(z, 3),
    "two steps": two_steps,
    "mirrored twice": mirrored_twice,
    "through real values": through_real_values,
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_formula_gives_what_backward_gives(loss):
    z = vector()
    assert formula_agrees(loss(z), z)


REAL_INPUTS = {
    "polar": lambda x: (torch.polar(R.abs(), x) * W).real.sum(),
    "polar by the radius": lambda x: (torch.polar(x, R) * W).imag.sum(),
    "complex": lambda x: (torch.complex(x, R).exp() * W).real.sum(),
    "complex by the imaginary part": lambda x: torch.complex(R, x).abs().sum(),
    "view_as_complex": lambda x: torch.view_as_complex(torch.stack([x, 2 * x], 1)).exp().imag.sum(),
    "rotation": lambda x: (torch.exp(1j * x) * W).real.sum(),
    "promoted": lambda x: (x * W).abs().sum(),
    "angle of a sum": lambda x: (x + W).angle().sum(),
    "cast": lambda x: (x.to(torch.complex128) * W).imag.sum(),
}


@pytest.mark.parametrize("loss", REAL_INPUTS.values(), ids=REAL_INPUTS)
def test_the_gradient_of_a_real_number_through_complex_ones(loss):
    x = torch.tensor([0.3, 1.7, 0.9], dtype=torch.float64, requires_grad=True)
    assert formula_agrees(loss(x), x)


def test_no_formula_is_made_up_for_an_operation_without_a_rule_for_complex_numbers():
    z = vector()
    y = torch.linalg.svdvals(z.reshape(1, -1) * z.reshape(-1, 1)).sum()
    e = explain(y, z)
    assert not e.checked and not any("other numbers" in note for note in e.notes)
    assert "∂" in str(e.closed_form)  # by name alone
    y.backward()
    np.testing.assert_allclose(e.value._array, z.grad._array)
    y = z.prod().abs()
    assert "prod" in str(explain(y, z)) and explain(y, z).value is not None


WRITTEN = {
    "z.abs() ** 2": "2z",
    "(z * z.conj()).real": "2z",
    "z.real ** 2": "2·Re(z)",
    "z.imag ** 2": "2i·Im(z)",
    "z.real ** 2 + z.imag ** 2": "2z",
    "z.abs()": "z/|z|",
    "z.angle()": "i/z̄",
    "(w * z).real": "w̄",
    "(w * z).imag": "i·w̄",
    "(w * z).abs() ** 2": "2z·|w|²",
    "(z + w).abs() ** 2": "2z + 2w",
    "(z ** 2).real": "2z̄",
    "z.conj().imag": "-i",
    "z.exp().real": "exp(z̄)",
    "(z ** 3).imag": "3i·z̄²",
    "(z / w).imag": "i/w̄",
    "torch.view_as_real(z).sum()": "1 + i",
    "(z * (2 + 1j)).real": "2 - i",
}


@pytest.mark.parametrize(("expression", "derivative"), WRITTEN.items(), ids=WRITTEN)
def test_the_form_that_one_would_write(expression, derivative):
    program = "z = torch.tensor(0.6 + 0.8j, requires_grad=True)\nw = torch.tensor(1.0 - 2.0j)\n"
    e = run(f"{program}y = {expression}\ne = explain(y, z)\n")["e"]
    assert right_sides(e)[-2] == derivative, str(e)
    assert e.checked
    assert str(e).startswith("2·∂y/∂z̄ = ")
    assert r"2 \, \frac{\partial y}{\partial \overline{z}}" in e.latex()


def test_the_chain_rule_of_a_function_with_a_conjugate():
    z = torch.tensor(0.6 + 0.8j, requires_grad=True)
    v = z * z + 3 * z.conj()
    y = v.abs() ** 2
    e = explain(y, z)
    lines = str(e).splitlines()
    assert "  ∂y/∂v̄ = v = 1.52-1.44j" in lines
    assert any(line.startswith("  ∂v̄/∂z̄ = 2z̄ = ") for line in lines) and "  ∂v/∂z̄ = 3" in lines
    assert "2·∂y/∂v̄·∂v̄/∂z̄ + 2·∂y/∂v·∂v/∂z̄" in right_sides(e)
    assert "4v·z̄ + 6v̄" in right_sides(e)


def test_a_rotation_is_written_with_sine_and_cosine():
    a = torch.tensor(0.5, requires_grad=True)
    y = torch.polar(torch.tensor(2.0), a).real
    assert right_sides(explain(y, a))[0] == "-2·sin(a)"


def test_the_conjugate_of_a_long_name_and_of_an_element():
    signal = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    z = torch.tensor([1j, 2.0], requires_grad=True)
    y = (signal * z).real.sum()
    assert "∂y/∂conj(signalᵢ)" in str(explain(y, signal)) and "∂y/∂z̄ᵢ" in str(explain(y, z))
    assert r"\overline{\mathrm{signal}_{i}}" in explain(y, signal).latex()


def test_columns_stand_under_each_other():
    z = torch.tensor(1 + 1j, requires_grad=True)
    y = z * z.conj() * z
    loss = y.real
    lines = str(explain(loss, z)).splitlines()
    rows = [line.replace("\u0304", "") for line in lines if "test_explain_complex.py:" in line]
    assert len({line.index("test_explain_complex.py:") for line in rows}) == 1 and "z̄" in "".join(lines)


def test_a_complex_result_has_numbers():
    z = vector()
    e = explain(z * z, z)
    assert e.closed_form is None and "Formulas are derived for a real result only." in e.notes


def test_sympy():
    sympy = pytest.importorskip("sympy")
    z = torch.tensor(0.6 + 0.8j, requires_grad=True)
    found = explain((z * z).imag, z).sympy()
    assert sympy.simplify(found - 2 * sympy.I * sympy.conjugate(sympy.Symbol("z"))) == 0
