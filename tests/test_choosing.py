"""Choosing between arrays and keeping them within bounds: large arrays take detours that change no bit."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule.backend import choosing

SHAPE = (100, 200)  # larger than choosing.LARGE


def numbers(dtype: str, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(SHAPE) * 10).astype(dtype)


@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint8", "int16", "float16", "int32", "float32", "int64", "float64", "complex64", "complex128"],
)
@pytest.mark.parametrize("number", [0, 3])
def test_where_is_numpys(dtype, number):
    x, y = numbers(dtype, 0), numbers(dtype, 1)
    condition = np.random.default_rng(2).random(SHAPE) > 0.5
    number = np.array(number).astype(dtype)
    transposed = np.asfortranarray(x)
    for first, second in (
        (x, y),
        (x, number),
        (number, y),
        (transposed, y),
        (x, y[:, ::-1]),
        (x[:1], y),
        (number[()], y),
    ):
        found, expected = choosing.where(condition, first, second), np.where(condition, first, second)
        assert found.dtype == expected.dtype
        assert found.tobytes() == expected.tobytes()


def test_what_is_not_chosen_leaves_no_trace():
    spoiled = torch.full(SHAPE, torch.nan)
    spoiled[0] = torch.inf
    kept = torch.zeros(SHAPE, dtype=torch.bool)
    assert torch.where(kept, spoiled, torch.ones(SHAPE)).eq(1).all()
    assert torch.where(kept, spoiled, torch.tensor(0.0)).eq(0).all()
    x = torch.zeros(SHAPE, requires_grad=True)
    (gradient,) = torch.autograd.grad(x.relu(), x, spoiled)
    assert gradient.eq(0).all()


def test_masked_fill_with_negative_zero():
    found = torch.ones(SHAPE).masked_fill(torch.ones(SHAPE, dtype=torch.bool), -0.0)
    assert found.signbit().all()


@pytest.mark.parametrize("shape", [(), (3,), SHAPE])
def test_bounds(shape):
    assert np.prod(SHAPE) > choosing.LARGE

    def at(value, **bounds):
        return torch.full(shape, value).clamp(**bounds).reshape(-1)[0].item()

    assert at(-2.0, min=0.0) == 0 and at(2.0, min=0.0) == 2
    assert at(2.0, max=1.0) == 1 and at(-2.0, max=1.0) == -2
    assert at(2.0, min=0.0, max=1.0) == 1 and at(0.5, min=0.7, max=0.6) == np.float32(0.6)
    assert at(torch.inf, min=0.0) == torch.inf and at(-torch.inf, max=0.0) == -torch.inf
    assert np.isnan(at(torch.nan, min=0.0)) and np.isnan(at(torch.nan, min=0.0, max=1.0))
    assert np.signbit(at(-0.0, min=0.0)) and np.signbit(at(-0.0, max=0.0))
    assert torch.full(shape, -0.0).relu().signbit().all()


@pytest.mark.parametrize("shape", [(5,), SHAPE])
def test_leaky_relu_with_any_slope(shape):
    x = torch.linspace(-2, 2, int(np.prod(shape))).reshape(shape)
    for slope in (0.0, 0.01, 1.0, 2.0, -1.0):
        found = torch.nn.functional.leaky_relu(x, slope)
        assert found.equal(torch.where(x > 0, x, x * slope))
