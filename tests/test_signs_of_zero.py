"""The signs of zero in complex gradients are PyTorch's: formulas run on the conjugates of what was saved."""

import math

import pytest

import chainrule as torch

UPPER, LOWER = 2 + 0j, complex(2, -0.0)
GRADIENTS = [  # of abs(f(y)), as PyTorch 2.13 gives them
    ("square", lambda y: y * y, UPPER, 4, 0.0),
    ("square below the axis", lambda y: y * y, LOWER, 4, 0.0),
    ("square on the left", lambda y: y * y, -2 + 0j, -4, -0.0),
    ("power", lambda y: y**3, UPPER, 12, 0.0),
    ("reciprocal", lambda y: y.reciprocal(), UPPER, -0.25, 0.0),
    ("inner product", lambda y: y @ y, UPPER, 4, 0.0),
    ("root", lambda y: y.sqrt(), UPPER, 0.125**0.5, 0.0),
    ("exponential", lambda y: y.exp(), UPPER, math.exp(2), 0.0),
    ("a number", lambda y: y / 2, UPPER, 0.5, 0.0),
    ("power of a complex number", lambda y: y ** (2 + 0j), LOWER, 4, 0.0),
]


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(("f", "point", "real", "imaginary"), [g[1:] for g in GRADIENTS], ids=[g[0] for g in GRADIENTS])
def test_zeros(f, point, real, imaginary, create_graph):
    y = torch.tensor([point], dtype=torch.complex128, requires_grad=True)
    (gradient,) = torch.autograd.grad(f(y).abs().sum(), y, create_graph=create_graph)
    value = gradient.item()
    assert value.real == pytest.approx(real)
    assert (value.imag, math.copysign(1, value.imag)) == (0, math.copysign(1, imaginary))


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("asin", UPPER, -0.3709322 + 0.4424280j),
        ("asin", LOWER, 0.3709322 + 0.4424280j),
        ("acos", UPPER, -0.5773503),
        ("acos", LOWER, 0.5773503),
        ("asinh", 2j, -0.4424280 + 0.3709323j),
        ("acosh", -2 + 0j, -0.2232070 - 0.5324584j),
    ],
)
def test_on_a_branch_cut(name, point, expected, create_graph):
    y = torch.tensor([point], dtype=torch.complex128, requires_grad=True)
    (gradient,) = torch.autograd.grad(getattr(y, name)().abs().sum(), y, create_graph=create_graph)
    assert gradient.item() == pytest.approx(expected, abs=1e-6)


def test_one_number():
    y = torch.tensor(1 + 0j, requires_grad=True)
    (gradient,) = torch.autograd.grad((y * y).abs().sum(), y)
    assert str(gradient) == "tensor(2.+0.j)"
