"""Elementary functions in single precision: the correctly rounded numbers, whatever the layout of a tensor."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest

import chainrule as torch
from chainrule.backend import elementary

FUNCTIONS = {
    "exp": math.exp, "exp2": math.exp2, "expm1": math.expm1, "log": math.log, "log2": math.log2, "log10": math.log10,
    "log1p": math.log1p, "sin": math.sin, "cos": math.cos, "tan": math.tan, "asin": math.asin, "acos": math.acos,
    "atan": math.atan, "sinh": math.sinh, "cosh": math.cosh, "atanh": math.atanh,
}  # fmt: skip


def numbers(count: int) -> np.ndarray:
    """Numbers in (0, 1), where every function is defined."""
    return np.random.default_rng(0).uniform(0.01, 0.99, count).astype(np.float32)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("count", [1, 7, 100])
def test_small_tensors_hold_the_rounded_numbers(name, count):
    x = numbers(count)
    expected = np.array([FUNCTIONS[name](v) for v in x.tolist()]).astype(np.float32)
    found = getattr(torch, name)(torch.from_numpy(x))
    assert found.dtype is torch.float32
    assert found.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("name", "exact"),
    [("exp", Decimal.exp), ("log", Decimal.ln), ("log10", Decimal.log10)],
    ids=["exp", "log", "log10"],
)
def test_against_decimal_arithmetic(name, exact):
    """By 28 digits of another algorithm: no number may be further away than the one found."""
    x = numbers(500)
    found = getattr(torch, name)(torch.from_numpy(x)).numpy()
    for value, result in zip(x, found, strict=True):
        true = exact(Decimal(float(value)))
        distance = abs(Decimal(float(result)) - true)
        for neighbour in (np.nextafter(result, np.float32(-np.inf)), np.nextafter(result, np.float32(np.inf))):
            assert distance <= abs(Decimal(float(neighbour)) - true)


@pytest.mark.parametrize("name", [*FUNCTIONS, "tanh"])
def test_numbers_without_dimensions_too(name):
    function = FUNCTIONS.get(name, math.tanh)
    for value in numbers(20):
        assert getattr(torch, name)(torch.tensor(float(value))).item() == np.float32(function(value))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_layout_does_not_matter(name):
    x = torch.from_numpy(numbers(96))
    function = getattr(torch, name)
    straight = function(x).tolist()
    assert function(x.reshape(8, 12)).reshape(-1).tolist() == straight
    assert function(x.reshape(8, 12).t()).t().reshape(-1).tolist() == straight
    assert function(x[::3]).tolist() == straight[::3]
    assert [function(v).item() for v in x] == straight


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_transposed_tensor_keeps_its_order_in_memory(name):
    x = torch.from_numpy(numbers(12)).reshape(3, 4).t()
    assert getattr(torch, name)(x).stride() == x.stride()


def test_where_there_is_no_number():
    for shape in ((), (1,), (3,)):

        def at(name, value, shape=shape):
            return getattr(torch, name)(torch.full(shape, value)).reshape(-1)[0].item()

        assert at("exp", 1000.0) == at("exp2", 1000.0) == at("cosh", -1000.0) == at("expm1", 1e30) == math.inf
        assert at("exp", 100.0) == at("sinh", 100.0) == math.inf  # of double precision, but not of single
        assert at("exp", -math.inf) == at("exp", -1000.0) == 0
        assert at("log", 0.0) == at("log2", 0.0) == at("log10", 0.0) == at("log1p", -1.0) == -math.inf
        assert at("atanh", 1.0) == math.inf
        for name, value in (("log", -1.0), ("log1p", -2.0), ("sin", math.inf), ("asin", 2.0), ("exp", math.nan)):
            assert math.isnan(at(name, value))
        assert math.copysign(1, at("sin", -0.0)) == math.copysign(1, at("log1p", -0.0)) == -1


@pytest.mark.parametrize("shape", [(), (1,), (5,)])
def test_powers_and_angles(shape):
    x = torch.full(shape, 1.7)
    base, exponent = float(np.float32(1.7)), float(np.float32(0.3))
    assert (x**0.3).reshape(-1)[0].item() == np.float32(base**0.3)
    assert (x ** torch.full(shape, 0.3)).reshape(-1)[0].item() == np.float32(base**exponent)
    assert (x**-2).reshape(-1)[0].item() == np.float32(1) / (np.float32(1.7) * np.float32(1.7))
    assert (1.7**x).reshape(-1)[0].item() == np.float32(base**base)
    angle = torch.atan2(x, torch.full(shape, 0.3)).reshape(-1)[0].item()
    assert angle == np.float32(math.atan2(base, exponent))
    assert math.isnan((-x).pow(0.3).reshape(-1)[0].item())
    assert (x * 0).pow(-1.5).reshape(-1)[0].item() == math.inf


def test_the_exponent_of_many_numbers_is_in_single_precision():
    x = numbers(40).astype(np.float64)
    assert (torch.from_numpy(x[:31]).float() ** 2.7).tolist() == (x[:31] ** 2.7).astype(np.float32).tolist()
    assert (torch.from_numpy(x).float() ** 2.7).tolist() == (x ** float(np.float32(2.7))).astype(np.float32).tolist()


def test_sigmoid_rounds_after_every_step():
    x = numbers(50) * 4 - 2
    one = np.float32(1)
    exponential = np.exp(-x.astype(np.float64)).astype(np.float32)
    assert torch.sigmoid(torch.from_numpy(x)).tolist() == (one / (one + exponential)).tolist()


def test_large_tensors_are_numpys_and_near():
    x = numbers(elementary.LARGEST + 1)
    found = torch.exp(torch.from_numpy(x)).numpy()
    assert (found == np.exp(x)).all()
    assert (abs(found - np.exp(x.astype(np.float64))) <= 4 * np.spacing(found)).all()


def test_other_dtypes_are_numpys():
    x = numbers(10)
    assert (torch.exp(torch.from_numpy(x.astype(np.float64))).numpy() == np.exp(x.astype(np.float64))).all()
    assert (torch.exp(torch.from_numpy(x.astype(np.complex64))).numpy() == np.exp(x.astype(np.complex64))).all()
    assert (torch.exp(torch.from_numpy(x.astype(np.float16))).numpy() == np.exp(x.astype(np.float16))).all()
    assert torch.exp(torch.empty(0, 3)).shape == (0, 3)


def test_the_slope_of_a_saturated_tanh_keeps_its_digits():
    x = torch.tensor(7.0, requires_grad=True)
    out = x.tanh()
    (slope,) = torch.autograd.grad(out, x)
    exact = 1 - Decimal(out.item()) ** 2
    assert abs(Decimal(slope.item()) / exact - 1) < Decimal("2e-7")
