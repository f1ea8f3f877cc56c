"""Large arrays, which are worked on in parts: the same as their rows one by one, or as in double precision."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as torch
from chainrule.backend import gathering, reductions
from chainrule.backend.exponentials import PART, parts
from chainrule.nn import functional as F

ROWS, WIDTH = 700, 450  # more than PART elements, and no whole number of parts


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def gradient_of(function, x, weights):
    x = x.requires_grad_()
    out = function(x)
    (gradient,) = torch.autograd.grad(out, x, weights)
    return out.detach().numpy(), gradient.numpy()


def test_parts_cover_an_array_once():
    counts = np.zeros((3, ROWS, WIDTH))
    for dim in (0, 1, 2, -1):
        counts[...] = 0
        for part in parts(counts, dim):
            counts[part] += 1
        assert (counts == 1).all()
    assert len(parts(counts, 2)) > 1
    assert parts(counts, 0) == [...]  # nothing lies before the dimension
    assert ROWS * WIDTH > PART


@pytest.mark.parametrize("function", [torch.softmax, torch.log_softmax], ids=["softmax", "log_softmax"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_softmax(function, dtype, dim):
    shape = {0: (ROWS, WIDTH), 1: (30, 90, 110), 2: (7, 100, WIDTH)}[dim]
    x, g = numbers(*shape) * 5, numbers(*shape, seed=1)
    dim = min(dim, len(shape) - 1)
    found = gradient_of(lambda t: function(t, dim), torch.tensor(x, dtype=dtype), torch.tensor(g, dtype=dtype))
    lowered = x - x.max(dim, keepdims=True)
    powers = np.exp(lowered)
    total = powers.sum(dim, keepdims=True)
    share = powers / total
    if function is torch.softmax:
        expected = share, (g - (g * share).sum(dim, keepdims=True)) * share
    else:
        expected = lowered - np.log(total), g - share * g.sum(dim, keepdims=True)
    tolerance = 2e-5 if dtype is torch.float32 else 1e-13
    for mine, exact in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_layer_norm(dtype):
    x, g = numbers(ROWS, WIDTH), numbers(ROWS, WIDTH, seed=1)
    weight, bias = numbers(WIDTH, seed=2), numbers(WIDTH, seed=3)
    leaves = [torch.tensor(v, dtype=dtype).requires_grad_() for v in (x, weight, bias)]
    out = F.layer_norm(leaves[0], (WIDTH,), leaves[1], leaves[2])
    found = [out.detach(), *torch.autograd.grad(out, leaves, torch.tensor(g, dtype=dtype))]
    rstd = 1 / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    normal = (x - x.mean(1, keepdims=True)) * rstd
    inner = g * weight
    by_x = rstd * (inner - inner.mean(1, keepdims=True) - normal * (inner * normal).mean(1, keepdims=True))
    expected = normal * weight + bias, by_x, (g * normal).sum(0), g.sum(0)
    tolerance = {torch.float32: 1e-4, torch.float64: 1e-12, torch.float16: 0.1}[dtype]
    for mine, exact in zip(found, expected, strict=True):
        assert mine.dtype is dtype
        np.testing.assert_allclose(mine.double().numpy(), exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(600, 100), (1000, 64), (513, 400), (5000, 7), (64, 5000)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_sums_of_columns(shape, dtype):
    x = numbers(*shape).astype(dtype)
    found = reductions.sum(x, (0,))
    assert found.dtype == x.dtype
    exact = x.astype(np.longdouble).sum(0)
    np.testing.assert_allclose(found, exact, rtol=0, atol=np.finfo(dtype).eps * 20 * np.sqrt(shape[0]))


def test_sums_of_columns_with_infinities():
    x = np.ones((600, 100), np.float32)
    x[3, 4], x[5, 6], x[7, 6], x[8, 9] = np.inf, np.inf, -np.inf, np.nan
    found = reductions.sum(x, (0,))
    assert found[4] == np.inf and np.isnan(found[6]) and np.isnan(found[9]) and found[0] == 600


@pytest.mark.parametrize("rest", [(), (1,), (3,), (2, 5), (gathering.LONG_ROW,), (2, gathering.LONG_ROW)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "complex64", "bool"])
def test_rows_are_added_where_they_belong(rest, dtype):
    rows = (numbers(40, *rest) * 3).astype(dtype)
    positions = np.random.default_rng(1).integers(0, 6, 40)
    found = gathering.add_rows(8, positions, rows)
    assert found.dtype == rows.dtype
    assert found.shape == (8, *rest)
    for i in range(8):
        exact = rows[positions == i].astype(np.float64 if dtype == "float16" else rows.dtype).sum(0).astype(dtype)
        np.testing.assert_allclose(found[i], exact, rtol=1e-2 if dtype == "float16" else 1e-5, atol=1e-5)
    assert gathering.add_rows(3, positions[:0], rows[:0]).shape == (3, *rest)
