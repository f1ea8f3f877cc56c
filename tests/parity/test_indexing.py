"""x[index], x[index] = value and their gradients, against PyTorch, over random indices."""

from __future__ import annotations

import warnings
from operator import getitem

import numpy as np
import pytest
import torch

import chainrule

CASES = 150  # a seed: thousands of indices in all


def draw_shape(rng) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.choice([1, 2, 3, 4, 0], rng.integers(0, 5), p=[0.2, 0.3, 0.3, 0.17, 0.03]))


def draw_item(rng, n: int, index_shape):
    """Something for one dimension of size `n`, as a description that both packages can build from."""
    kind = rng.integers(0, 9)
    if kind < 2:
        return "int", int(rng.integers(-n - (rng.random() < 0.05), n + (rng.random() < 0.05)) if n else 0)
    if kind < 4:
        bounds = [None if rng.random() < 0.4 else int(rng.integers(-n - 1, n + 2)) for _ in range(2)]
        return "slice", (*bounds, None if rng.random() < 0.6 else int(rng.integers(1, 3)))
    if kind == 4:
        return "none", None
    if kind == 5:
        return "mask", rng.random(n) < 0.5
    if kind == 6 and n:
        return "scalar", int(rng.integers(-n, n))
    if n:
        values = rng.integers(-n, n, index_shape)
        return ("list", values.tolist()) if values.ndim == 1 and kind == 7 else ("tensor", values)
    return "slice", (None, None, None)


def draw_index(rng, shape):
    index_shape = tuple(int(n) for n in rng.integers(1, 4, rng.integers(1, 3)))
    items, dim, ellipsis = [], 0, False
    wanted = rng.integers(0, len(shape) + 2)
    while len(items) < wanted:
        if rng.random() < 0.1 and not ellipsis:
            items.append(("ellipsis", None))
            ellipsis = True
            dim = max(dim, len(shape) - int(rng.integers(0, 2)))
            continue
        if rng.random() < 0.03:
            items.append(("bool", bool(rng.integers(0, 2))))
            continue
        if dim >= len(shape):
            break
        broadcast = index_shape if rng.random() < 0.7 else (1,) * len(index_shape)
        kind, value = draw_item(rng, shape[dim], broadcast)
        items.append((kind, value))
        dim += kind != "none"
    return items


def build(module, items):
    made = []
    for kind, value in items:
        if kind == "slice":
            value = slice(*value)
        elif kind == "ellipsis":
            value = Ellipsis
        elif kind in ("tensor", "mask", "scalar"):
            value = module.tensor(value)
        made.append(value)
    return made[0] if len(made) == 1 and items[0][0] != "list" else tuple(made)


def attempt(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*arguments), None
        except Exception as error:
            return None, error


def same_error(ours, theirs, what):
    assert (ours is None) == (theirs is None), f"{what}: {ours!r} instead of {theirs!r}"
    if ours is not None:
        assert type(ours) is type(theirs), f"{what}: {ours!r} instead of {theirs!r}"
        assert str(ours) == str(theirs).split(" (Triggered")[0], what


@pytest.mark.parametrize("seed", range(20))
def test_reading_is_as_in_pytorch(seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        shape = draw_shape(rng)
        values = rng.normal(size=shape)
        items = draw_index(rng, shape)
        x = chainrule.tensor(values, requires_grad=True)
        y = torch.tensor(values, requires_grad=True)
        ours, our_error = attempt(getitem, x, build(chainrule, items))
        theirs, their_error = attempt(getitem, y, build(torch, items))
        what = f"{shape} {items}"
        same_error(our_error, their_error, what)
        if our_error is not None:
            continue
        assert ours.shape == theirs.shape, what
        assert np.array_equal(ours.detach().numpy(), theirs.detach().numpy()), what
        assert ours._is_view() == theirs._is_view(), what
        assert type(ours.grad_fn).__name__ == type(theirs.grad_fn).__name__, what
        if ours._is_view() and ours.numel():
            assert ours.stride() == theirs.stride(), what
            assert ours.storage_offset() == theirs.storage_offset(), what
        weights = rng.normal(size=tuple(ours.shape))
        (ours * ours * chainrule.tensor(weights)).sum().backward()
        (theirs * theirs * torch.tensor(weights)).sum().backward()
        assert np.allclose(x.grad.numpy(), y.grad.numpy()), what


@pytest.mark.parametrize("seed", range(20))
def test_writing_is_as_in_pytorch(seed):
    rng = np.random.default_rng(1000 + seed)
    for _ in range(CASES):
        shape = draw_shape(rng)
        values = rng.normal(size=shape)
        items = draw_index(rng, shape)
        what = f"{shape} {items}"
        part, error = attempt(getitem, torch.tensor(values), build(torch, items))
        target = tuple(part.shape) if error is None else ()
        if any(kind in ("tensor", "list") for kind, _ in items) and rng.random() < 0.9:
            positions = np.arange(values.size).reshape(shape)
            written, _ = attempt(getitem, torch.tensor(positions), build(torch, items))
            if written is not None and written.unique().numel() != written.numel():
                continue  # which of several values stays is not defined
        style = rng.integers(0, 4)
        if style == 0:
            new = float(rng.normal())
        else:
            new_shape = target[int(rng.integers(0, len(target) + 1)) :]
            new_shape = tuple(1 if rng.random() < 0.2 else n for n in new_shape)
            if rng.random() < 0.05:
                new_shape = (*new_shape, 3)
            new = rng.normal(size=(1, *new_shape) if style == 1 else new_shape)
        results = []
        for module in (chainrule, torch):
            x = module.tensor(values, requires_grad=True)
            v = new if isinstance(new, float) else module.tensor(new, requires_grad=True)

            def write(x, v, index):
                y = x * 1
                y[index] = v
                (y * y).sum().backward()
                return y

            y, error = attempt(write, x, v, build(module, items))
            results.append((y, error, x.grad, None if isinstance(v, float) else v.grad))
        (ours, our_error, our_grad, our_value_grad), (theirs, their_error, their_grad, their_value_grad) = results
        same_error(our_error, their_error, f"{what} = {np.shape(new)}")
        if our_error is not None:
            continue
        assert np.array_equal(ours.detach().numpy(), theirs.detach().numpy()), what
        assert np.allclose(our_grad.numpy(), their_grad.numpy()), what
        assert (our_value_grad is None) == (their_value_grad is None), what
        if our_value_grad is not None:
            assert np.allclose(our_value_grad.numpy(), their_value_grad.numpy()), what
